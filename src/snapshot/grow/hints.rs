//! What a CHECK constraint compares its columns with: values that are worth trying.
//!
//! Nothing is understood here: the server itself says which of the values that are tried keep the constraint. So a literal that
//! is taken for another column's, or for something that it is not, costs a try and no more.

use std::collections::BTreeMap;

/// Something that a column is compared with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Hint {
    /// A literal in quotes.
    Text(String),
    /// A number, which for a text may be a length.
    Number(String),
    /// A regular expression.
    Regex(String),
    /// A pattern of LIKE.
    Like(String),
}

/// The hints of an expression of SQL, by column. Each is that of the last column before it, or else of the next.
pub(crate) fn hints(expression: &str, columns: &[String]) -> BTreeMap<String, Vec<Hint>> {
    let mut hints: BTreeMap<String, Vec<Hint>> = BTreeMap::new();
    let (mut early, mut column) = (Vec::new(), None::<&String>);
    let (mut operator, mut minus) = (String::new(), false);
    for token in tokens(expression) {
        let hint = match token {
            Token::Word(word) => {
                let same = |name: &&String| **name == word || name.to_lowercase() == word.to_lowercase();
                if let Some(name) = columns.iter().find(same) {
                    column = Some(name);
                    hints.entry(name.clone()).or_default().append(&mut early);
                }
                // `_utf8mb4` says what a literal is written in.
                if !word.starts_with('_') {
                    operator = word.to_lowercase();
                }
                continue;
            }
            Token::Sign(sign) => {
                minus = sign == "-" || (minus && sign == "(");
                if !matches!(sign.as_str(), "(" | ")" | ",") {
                    operator = sign;
                }
                continue;
            }
            Token::Number(number) if minus => Hint::Number(format!("-{number}")),
            Token::Number(number) => Hint::Number(number),
            Token::Text(text) => match operator.as_str() {
                "~" | "~*" | "regexp" | "rlike" => Hint::Regex(text),
                "~~" | "~~*" | "like" => Hint::Like(text),
                _ if expression.contains("regexp_like") => Hint::Regex(text),
                _ => Hint::Text(text),
            },
        };
        minus = false;
        match column {
            Some(column) => hints.entry(column.clone()).or_default().push(hint),
            None => early.push(hint),
        }
    }
    hints
}

enum Token {
    Word(String),
    Sign(String),
    Number(String),
    Text(String),
}

fn tokens(expression: &str) -> Vec<Token> {
    let letters: Vec<char> = expression.chars().collect();
    let mut tokens = Vec::new();
    let mut at = 0;
    while at < letters.len() {
        let letter = letters[at];
        let end_of =
            |fits: fn(char) -> bool| (at..letters.len()).find(|at| !fits(letters[*at])).unwrap_or(letters.len());
        let text_of = |end: usize| letters[at..end].iter().collect::<String>();
        let (token, end) = match letter {
            '\'' | '"' | '`' => {
                let (text, end) = quoted(&letters, at);
                (if letter == '\'' { Token::Text(text) } else { Token::Word(text) }, end)
            }
            _ if letter.is_ascii_digit() => {
                let end = end_of(|letter| letter.is_ascii_alphanumeric() || letter == '.');
                (Token::Number(text_of(end)), end)
            }
            _ if letter.is_alphanumeric() || letter == '_' => {
                let end = end_of(|letter| letter.is_alphanumeric() || letter == '_' || letter == '$');
                (Token::Word(text_of(end)), end)
            }
            _ if "<>=~!*".contains(letter) => {
                let end = end_of(|letter| "<>=~!*".contains(letter));
                (Token::Sign(text_of(end)), end)
            }
            _ => (Token::Sign(letter.to_string()), at + 1),
        };
        // The type behind `::` may be called like a column.
        let is_type = matches!(tokens.last(), Some(Token::Sign(sign)) if sign == ":");
        let is_left_out = letter.is_whitespace() || (is_type && matches!(token, Token::Word(_)));
        if !is_left_out {
            tokens.push(token);
        }
        at = end;
    }
    tokens
}

/// The text from a quote to its end, and where that is. A doubled quote, and in literals a backslash before one, is the
/// quote itself.
fn quoted(letters: &[char], start: usize) -> (String, usize) {
    let quote = letters[start];
    let mut text = String::new();
    let mut at = start + 1;
    while at < letters.len() {
        if letters[at] == '\\' && quote == '\'' && matches!(letters.get(at + 1), Some('\'' | '\\')) {
            text.push(letters[at + 1]);
            at += 2;
        } else if letters[at] != quote {
            text.push(letters[at]);
            at += 1;
        } else if letters.get(at + 1) == Some(&quote) {
            text.push(quote);
            at += 2;
        } else {
            return (text, at + 1);
        }
    }
    (text, at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_are_hints_for_the_column_that_they_stand_behind() {
        let text = |text: &str| Hint::Text(text.into());
        let number = |text: &str| Hint::Number(text.into());
        for (expression, a, b) in [
            ("(a > 0)", vec![number("0")], vec![]),
            ("((a >= '-5'::integer) AND (a <= 10))", vec![text("-5"), number("10")], vec![]),
            ("(a > (- 2))", vec![number("-2")], vec![]),
            ("(0 < a)", vec![number("0")], vec![]),
            (
                "((a)::text = ANY ((ARRAY['x'::character varying, 'it''s'::b])::text[]))",
                vec![text("x"), text("it's")],
                vec![],
            ),
            ("(`a` in (_utf8mb4'x',_utf8mb4'y'))", vec![text("x"), text("y")], vec![]),
            ("(char_length(`a`) <= 5)", vec![number("5")], vec![]),
            ("(\"A\" ~ '^[A-Z]+$'::text)", vec![Hint::Regex("^[A-Z]+$".into())], vec![]),
            ("regexp_like(`a`,_utf8mb4'^x')", vec![Hint::Regex("^x".into())], vec![]),
            ("(a ~~ 'x%'::text)", vec![Hint::Like("x%".into())], vec![]),
            ("(`a` like _utf8mb4'x%')", vec![Hint::Like("x%".into())], vec![]),
            ("`a` like 'x%'", vec![Hint::Like("x%".into())], vec![]),
            ("(((a = 'card') AND (b > 1.5)) OR (b < 9))", vec![text("card")], vec![number("1.5"), number("9")]),
        ] {
            let found = hints(expression, &["a".to_owned(), "b".to_owned()]);
            let of = |name| found.get(name).cloned().unwrap_or_default();
            assert_eq!((of("a"), of("b")), (a, b), "{expression}");
        }
    }
}
