//! The bare words of a statement, for advice only: what a finding rests on is what the server did, never its text.
//!
//! Comments, literals and quoted names are left out, so that a comment about `VACUUM FULL` is not taken for one. `#`
//! begins a comment only at the head of a line, since it is an operator to PostgreSQL.
//! Dollar-quoted bodies are not recognised: advice on a function's body is at worst beside the point.

/// The words of a statement in capitals.
pub(super) struct Keywords(Vec<String>);

impl Keywords {
    /// Reads the words of a statement.
    pub(super) fn of(sql: &str) -> Self {
        let mut words = Vec::new();
        let mut rest = sql;
        while let Some(first) = rest.chars().next() {
            let length = if rest.starts_with("--") || first == '#' && heads_line(sql, rest) {
                rest.find('\n').unwrap_or(rest.len())
            } else if rest.starts_with("/*") {
                rest.find("*/").map_or(rest.len(), |end| end + 2)
            } else if matches!(first, '\'' | '"' | '`') {
                rest[1..].find(first).map_or(rest.len(), |end| end + 2)
            } else if first.is_alphabetic() || first == '_' {
                let word = rest.split(|letter: char| !letter.is_alphanumeric() && letter != '_').next().unwrap_or("");
                words.push(word.to_ascii_uppercase());
                word.len()
            } else {
                first.len_utf8()
            };
            rest = &rest[length..];
        }
        Self(words)
    }

    /// Whether these words, set apart by spaces, stand beside each other somewhere; `*` is any one.
    pub(super) fn has(&self, phrase: &str) -> bool {
        let phrase: Vec<&str> = phrase.split(' ').collect();
        self.0
            .windows(phrase.len())
            .any(|window| window.iter().zip(&phrase).all(|(word, wanted)| *wanted == "*" || word == wanted))
    }

    /// Whether a column is given another type: `TYPE` at most three words after `ALTER`, the first one apart. A column
    /// may well be called `type`, so the word alone says nothing.
    pub(super) fn change_type(&self) -> bool {
        let mut alters = (1..self.0.len()).filter(|index| self.0[*index] == "ALTER");
        self.has("SET DATA TYPE")
            || alters.any(|index| self.0.iter().skip(index + 1).take(3).any(|word| word == "TYPE"))
    }

    /// Whether the statement begins with these words.
    pub(super) fn begins(&self, phrase: &str) -> bool {
        let phrase: Vec<&str> = phrase.split(' ').collect();
        self.0.len() >= phrase.len() && self.0.iter().zip(&phrase).all(|(word, wanted)| word == wanted)
    }
}

/// The table that an `ALTER TABLE` names, as it is written there: with its schema and its quotes.
pub(super) fn altered_table(sql: &str) -> Option<&str> {
    let alter = after_word(sql, "ALTER")?;
    let alter = ["ONLINE", "IGNORE"].iter().fold(alter, |rest, word| after_word(rest, word).unwrap_or(rest));
    let mut rest = after_word(alter, "TABLE")?;
    for words in [&["IF", "EXISTS"][..], &["ONLY"]] {
        rest = words.iter().try_fold(rest, |rest, word| after_word(rest, word)).unwrap_or(rest);
    }
    name(rest)
}

/// The table that a `DELETE` begins with, as it is written there.
pub(super) fn deleted_from(sql: &str) -> Option<&str> {
    let rest = after_word(after_word(sql, "DELETE")?, "FROM")?;
    name(after_word(rest, "ONLY").unwrap_or(rest))
}

/// The name that a text begins with, as it is written there: with its schema and its quotes.
fn name(text: &str) -> Option<&str> {
    let rest = trim(text);
    let mut quoted = false;
    let is_quote = |letter: char| letter == '"' || letter == '`';
    let end = rest.find(|letter: char| {
        quoted ^= is_quote(letter);
        !(quoted || is_quote(letter) || letter == '.' || letter == '_' || letter == '$' || letter.is_alphanumeric())
    });
    Some(&rest[..end.unwrap_or(rest.len())]).filter(|name| !name.is_empty() && !quoted)
}

/// Whether nothing but blanks stands before `rest` on its line.
fn heads_line(sql: &str, rest: &str) -> bool {
    let before = &sql[..sql.len() - rest.len()];
    before.rsplit('\n').next().is_none_or(|line| line.trim().is_empty())
}

fn after_word<'a>(sql: &'a str, word: &str) -> Option<&'a str> {
    let (first, rest) = trim(sql).split_at_checked(word.len())?;
    let ends = rest.chars().next().is_none_or(|next| next != '_' && next != '.' && !next.is_alphanumeric());
    (ends && first.eq_ignore_ascii_case(word)).then_some(rest)
}

/// What comes after blanks and comments.
fn trim(sql: &str) -> &str {
    let rest = sql.trim_start();
    match (rest.strip_prefix("--").or(rest.strip_prefix('#')), rest.strip_prefix("/*")) {
        (Some(comment), _) => comment.split_once('\n').map_or("", |(_, rest)| trim(rest)),
        (_, Some(comment)) => comment.split_once("*/").map_or("", |(_, rest)| trim(rest)),
        _ => rest,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_named_as_the_statement_has_it() {
        for (sql, name) in [
            ("ALTER TABLE orders ADD note text", Some("orders")),
            ("alter table only shop.orders add note text", Some("shop.orders")),
            ("ALTER TABLE IF EXISTS ONLY \"Order Lines\" ADD note text", Some("\"Order Lines\"")),
            ("ALTER TABLE shop.\"a \"\"b\"\".c\"* ADD n int", Some("shop.\"a \"\"b\"\".c\"")),
            ("-- one\nALTER /* two */ TABLE only_once ADD n int", Some("only_once")),
            ("ALTER TABLE orders", Some("orders")),
            ("# one\nALTER TABLE `Order Lines` ADD n int", Some("`Order Lines`")),
            ("ALTER IGNORE TABLE shop.`a``b` ADD n int", Some("shop.`a``b`")),
            ("ALTER TABLE \"orders", None),
            ("ALTER TABLE", None),
            ("ALTER INDEX i RENAME TO j", None),
        ] {
            assert_eq!(altered_table(sql), name, "{sql}");
        }
    }

    #[test]
    fn only_bare_words_count() {
        let words = Keywords::of(
            "ALTER  TABLE \"not null\" -- VACUUM FULL\n ADD CHECK (state <> 'foreign key') /* lock table */ Not Valid",
        );
        assert!(words.begins("ALTER TABLE"));
        assert!(words.has("ADD CHECK") && words.has("NOT VALID"));
        for absent in ["NOT NULL", "VACUUM FULL", "FOREIGN KEY", "LOCK TABLE", "TABLE ALTER"] {
            assert!(!words.has(absent), "{absent}");
        }
    }

    #[test]
    fn a_hash_is_a_comment_at_the_head_of_a_line_only() {
        let words = Keywords::of("# drop it\nSELECT a # b FROM `drop it`");
        assert!(words.begins("SELECT A B FROM") && !words.has("DROP"));
    }

    #[test]
    fn a_column_called_type_is_no_change_of_type() {
        for (sql, changes) in [
            ("ALTER TABLE t ALTER COLUMN id TYPE bigint", true),
            ("ALTER TABLE t ALTER \"id\" TYPE bigint", true),
            ("ALTER TABLE t ALTER id SET DATA TYPE bigint", true),
            ("ALTER TABLE t ADD COLUMN type text", false),
            ("ALTER TABLE type ADD note text", false),
        ] {
            assert_eq!(Keywords::of(sql).change_type(), changes, "{sql}");
        }
    }

    #[test]
    fn an_unended_comment_or_literal_ends_the_words() {
        for sql in ["VACUUM 'FULL", "VACUUM /* FULL", "VACUUM -- FULL", "VACUUM \"FULL", "VACUUM é·"] {
            assert!(Keywords::of(sql).begins("VACUUM"));
            assert!(!Keywords::of(sql).has("VACUUM FULL"), "{sql}");
        }
    }
}
