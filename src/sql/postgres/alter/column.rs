//! Definitions of the server with another column in the place of one of theirs.
//!
//! Definitions (`pg_get_constraintdef`, `pg_get_indexdef`) name the columns of their own table without qualification, and quote names
//! where they must. Where a name may be something else than a column there is no answer.

use super::super::cursor::Token;
use super::reader::{offset, tokens};

/// Whether a definition names this column.
pub fn names_column(definition: &str, column: &str) -> bool {
    !places(definition, column).is_empty()
}

/// A `CREATE INDEX` as one beside the traffic, of another name and with another column. `None` if it is not of that column.
pub fn index_with(definition: &str, name: &str, column: &str, other: &str) -> Option<String> {
    let all = tokens(definition);
    let on = all.iter().position(|token| token.is("ON"))?;
    let kind = if all.get(1)?.is("UNIQUE") { "UNIQUE INDEX" } else { "INDEX" };
    let body = rest(definition, all[on]);
    Some(format!("CREATE {kind} CONCURRENTLY {name} ON {}", replaced(body, column, other)?))
}

/// The definition of a check or of a foreign key with another column of its own table. `None` if it is not of that column, or if
/// the foreign key says which columns it sets.
pub fn constraint_with(definition: &str, column: &str, other: &str) -> Option<String> {
    let all = tokens(definition);
    let Some(at) = all.iter().position(|token| token.is("REFERENCES")) else {
        return replaced(definition, column, other);
    };
    // From there on it names columns of the other table.
    if all[at..].windows(3).any(|next| next[0].is("SET") && next[2].is_symbol(b'(')) {
        return None;
    }
    let end = offset(definition, all[at].text);
    Some(replaced(&definition[..end], column, other)? + &definition[end..])
}

fn replaced(text: &str, column: &str, other: &str) -> Option<String> {
    let places = places(text, column);
    let all = tokens(text);
    let mut new = String::new();
    let mut from = 0;
    for at in &places {
        let is_next = |symbol| all.get(at + 1).is_some_and(|next| next.is_symbol(symbol));
        let before = at.checked_sub(1).map(|before| all[before]);
        let is_odd = before.is_some_and(|before| before.is_symbol(b':') || before.is("COLLATE"));
        // A function, a setting, a type or a collation of that name.
        if is_next(b'(') || is_next(b'=') || is_odd {
            return None;
        }
        let begin = offset(text, all[*at].text);
        new.push_str(&text[from..begin]);
        new.push_str(other);
        from = begin + all[*at].text.len();
    }
    new.push_str(&text[from..]);
    (!places.is_empty()).then_some(new)
}

/// Which of the tokens are this name, and no part of a qualified one.
fn places(text: &str, column: &str) -> Vec<usize> {
    let all = tokens(text);
    let is_dot = |at: Option<usize>| at.and_then(|at| all.get(at)).is_some_and(|token| token.is_symbol(b'.'));
    let named = all.iter().enumerate().filter(|(_, token)| token.text == column);
    named.map(|(at, _)| at).filter(|at| !is_dot(at.checked_sub(1)) && !is_dot(at.checked_add(1))).collect()
}

/// What stands behind a token.
fn rest<'a>(text: &'a str, token: Token<'_>) -> &'a str {
    text[offset(text, token.text) + token.text.len()..].trim_start()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_is_made_anew_with_another_column() {
        let with = |definition| index_with(definition, "i_new", "id", "id_new");
        assert_eq!(
            with("CREATE UNIQUE INDEX \"I on\" ON public.id USING btree (id, lower(name) DESC) WHERE (id > 0 AND s <> 'id')")
                .as_deref(),
            Some(
                "CREATE UNIQUE INDEX CONCURRENTLY i_new ON public.id USING btree (id_new, lower(name) DESC) WHERE (id_new > \
                 0 AND s <> 'id')"
            )
        );
        assert_eq!(with("CREATE INDEX i ON public.t USING btree (other)"), None);
        assert_eq!(with("CREATE INDEX i ON public.t USING btree (id(id))"), None, "a function of that name");
        assert_eq!(with("CREATE INDEX i ON public.t USING btree (((id)::id))"), None, "a type of that name");
        let quoted = "CREATE INDEX i ON t USING gist (\"a \"\"b\") WITH (fillfactor='70')";
        assert_eq!(
            index_with(quoted, "j", "\"a \"\"b\"", "c").as_deref(),
            Some("CREATE INDEX CONCURRENTLY j ON t USING gist (c) WITH (fillfactor='70')")
        );
    }

    #[test]
    fn a_constraint_is_made_anew_with_another_column() {
        let with = |definition| constraint_with(definition, "id", "id_new");
        let key = "FOREIGN KEY (shop, id) REFERENCES public.id(shop, id) ON DELETE CASCADE DEFERRABLE";
        let expected = "FOREIGN KEY (shop, id_new) REFERENCES public.id(shop, id) ON DELETE CASCADE DEFERRABLE";
        assert_eq!(with(key).as_deref(), Some(expected));
        assert_eq!(with("CHECK ((id > 0))").as_deref(), Some("CHECK ((id_new > 0))"));
        assert_eq!(with("FOREIGN KEY (shop, id) REFERENCES t(a, b) ON DELETE SET NULL (id)"), None);
        assert!(with("FOREIGN KEY (shop, id) REFERENCES t(a, b) ON DELETE SET NULL").is_some());
        assert!(names_column("CHECK ((id > 0))", "id") && !names_column("CHECK ((a > 0 AND b <> 'id'))", "id"));
    }
}
