//! The names in a statement of a dump: of roles, and of what is named with its schema.
//!
//! Read as `pg_dump` writes them, with every name but those of `pg_catalog` qualified and no role left to be guessed.

use super::cursor::{Cursor, Token};
use super::lexer::Kind;

/// The roles that a statement needs: owners, those that are granted something or that a policy is for. `PUBLIC` and its
/// like are none.
pub fn roles(sql: &str) -> Vec<String> {
    let tokens: Vec<Token<'_>> = Cursor::new(sql, true).collect();
    let begins =
        |words: &[&str]| words.len() <= tokens.len() && words.iter().zip(&tokens).all(|(word, token)| token.is(word));
    let first = |word: &str| tokens.iter().position(|token| token.is(word));
    let last = |words: &[&str]| tokens.iter().rposition(|token| words.iter().any(|word| token.is(word)));
    let mut roles = Vec::new();
    let mut take = |before: Option<usize>| {
        if let Some(at) = before {
            roles.extend(list(&tokens[at + 1..]));
        }
    };
    if begins(&["GRANT"]) || begins(&["REVOKE"]) {
        take(last(&["TO", "FROM"]));
    } else if begins(&["ALTER", "DEFAULT", "PRIVILEGES"]) {
        take(first("ROLE"));
        take(last(&["TO", "FROM"]));
    } else if begins(&["ALTER"]) {
        take(last(&["TO"]).filter(|at| *at > 0 && tokens[at - 1].is("OWNER")));
    } else if begins(&["CREATE", "POLICY"]) {
        take(first("TO"));
    } else if begins(&["CREATE", "USER", "MAPPING"]) {
        take(first("FOR"));
    } else if begins(&["SET", "SESSION", "AUTHORIZATION"]) {
        take(Some(2));
    }
    roles
}

/// The roles of a list that begins here.
fn list(tokens: &[Token<'_>]) -> Vec<String> {
    const NONE: [&str; 6] = ["PUBLIC", "CURRENT_USER", "CURRENT_ROLE", "SESSION_USER", "DEFAULT", "GROUP"];
    let mut names = Vec::new();
    for pair in tokens.chunks(2) {
        if !NONE.iter().any(|word| pair[0].is(word)) {
            names.extend(name(pair[0]));
        }
        if !pair.get(1).is_some_and(|token| token.is_symbol(b',')) {
            break;
        }
    }
    names
}

/// Every `schema.name` in a statement, both without their quotes.
pub fn qualified(sql: &str) -> Vec<(String, String)> {
    let tokens: Vec<Token<'_>> = Cursor::new(sql, true).collect();
    let pairs = tokens.windows(3).filter(|window| window[1].is_symbol(b'.'));
    pairs.filter_map(|window| Some((name(window[0])?, name(window[2])?))).collect()
}

/// The names in a statement that stand alone or begin a qualified one, in their order.
pub fn plain(sql: &str) -> impl Iterator<Item = String> {
    Cursor::new(sql, true).filter_map(name)
}

/// A name as the catalog has it.
fn name(token: Token<'_>) -> Option<String> {
    match token.kind {
        Kind::Word => Some(token.text.to_lowercase()),
        Kind::Name => Some(token.text.trim_matches('"').replace("\"\"", "\"")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_found_where_pg_dump_writes_them() {
        for (sql, expected) in [
            ("ALTER TABLE public.\"to\" OWNER TO \"shop owner\"", &["shop owner"][..]),
            ("ALTER FUNCTION public.f(a text) OWNER TO boss", &["boss"]),
            ("ALTER TABLE ONLY public.t RENAME TO u", &[]),
            ("ALTER TABLE public.owner ADD CONSTRAINT c CHECK (a <> 'OWNER TO x')", &[]),
            ("GRANT SELECT,INSERT ON TABLE public.t TO clerk WITH GRANT OPTION", &["clerk"]),
            ("GRANT ALL ON FUNCTION public.f(\"to\" text) TO PUBLIC", &[]),
            ("REVOKE ALL ON SCHEMA public FROM clerk", &["clerk"]),
            ("ALTER DEFAULT PRIVILEGES FOR ROLE boss IN SCHEMA s GRANT SELECT ON TABLES  TO clerk", &["boss", "clerk"]),
            (
                "CREATE POLICY p ON public.t FOR SELECT TO clerk, \"The Boss\" USING ((a = 'x TO y'::text))",
                &["clerk", "The Boss"],
            ),
            ("CREATE POLICY q ON public.t USING (true)", &[]),
            ("CREATE POLICY r ON public.t TO clerk WITH CHECK (true)", &["clerk"]),
            ("CREATE USER MAPPING FOR clerk SERVER s", &["clerk"]),
            ("SET SESSION AUTHORIZATION clerk", &["clerk"]),
            ("SET SESSION AUTHORIZATION DEFAULT", &[]),
        ] {
            assert_eq!(roles(sql), expected, "{sql}");
        }
    }

    #[test]
    fn qualified_names_are_found_outside_of_strings() {
        let sql = "CREATE INDEX i ON public.shops USING gist (\"where\" \"My Ext\".ops) WHERE (a <> 'x.y'::text)";
        let expected = [("public", "shops"), ("My Ext", "ops")].map(|(a, b)| (a.to_owned(), b.to_owned()));
        assert_eq!(qualified(sql), expected);
    }
}
