//! Texts that a regular expression describes, at random or counted through.
//!
//! Limits: what may repeat without end does so up to eight times more than it must; `.` and the classes that have many
//! letters stand for those of ASCII that can be printed; anchors and word boundaries are taken for granted.

use rand::RngExt;
use rand::rngs::ChaCha8Rng;
use regex_syntax::hir::{Class, Hir, HirKind};

/// How often more than it must something repeats that may repeat without end.
const MORE: u32 = 8;

/// A regular expression, and what its texts are made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    text: String,
    part: Part,
}

/// What a part of a text is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    /// This text.
    Text(String),
    /// A letter of these ranges.
    Letter(Vec<(char, char)>),
    /// So many times, at least and at most.
    Repeated(Box<Self>, u32, u32),
    /// One after the other.
    All(Vec<Self>),
    /// One of them.
    Either(Vec<Self>),
}

impl Pattern {
    /// Takes a regular expression apart.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let hir = regex_syntax::parse(text).map_err(|error| match error {
            regex_syntax::Error::Parse(error) => error.kind().to_string(),
            regex_syntax::Error::Translate(error) => error.kind().to_string(),
            other => other.to_string(),
        })?;
        Ok(Self { text: text.to_owned(), part: Part::of(&hir)? })
    }

    /// The pattern of SQL's LIKE: `%` is up to six letters, `_` is one.
    pub(crate) fn like(text: &str) -> Result<Self, String> {
        let letters = text.chars().map(|letter| match letter {
            '%' => "[a-z]{0,6}".to_owned(),
            '_' => "[a-z]".to_owned(),
            other => regex_syntax::escape(&other.to_string()),
        });
        Self::parse(&letters.collect::<String>())
    }

    /// The regular expression.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Writes one of its texts.
    pub(crate) fn write(&self, rng: &mut ChaCha8Rng, out: &mut String) {
        self.part.write(rng, out);
    }

    /// How many texts it has, `u128::MAX` where they are more; one that can come about in two ways counts twice.
    pub(crate) fn count(&self) -> u128 {
        self.part.count()
    }

    /// Writes the text of this number, which is below [`Pattern::count`].
    pub(crate) fn write_nth(&self, number: u128, out: &mut String) {
        self.part.write_nth(number, out);
    }

    /// The letters of its longest text.
    pub(crate) fn longest(&self) -> usize {
        self.part.longest()
    }
}

impl Part {
    fn of(hir: &Hir) -> Result<Self, String> {
        let all = |parts: &[Hir]| parts.iter().map(Self::of).collect::<Result<Vec<_>, _>>();
        Ok(match hir.kind() {
            HirKind::Empty | HirKind::Look(_) => Self::Text(String::new()),
            HirKind::Literal(literal) => {
                let text = std::str::from_utf8(&literal.0).map_err(|_| "it is about bytes, not letters".to_owned())?;
                Self::Text(text.to_owned())
            }
            HirKind::Class(Class::Unicode(class)) => {
                let ranges: Vec<(char, char)> = class.iter().map(|range| (range.start(), range.end())).collect();
                let within = |(from, to): &(char, char)| {
                    let (from, to) = ((*from).max(' '), (*to).min('~'));
                    (from <= to).then_some((from, to))
                };
                let printable: Vec<(char, char)> = ranges.iter().filter_map(within).collect();
                match (printable.is_empty(), ranges.is_empty()) {
                    (false, _) => Self::Letter(printable),
                    (true, false) => Self::Letter(ranges),
                    (true, true) => return Err("no letter is in one of its classes".to_owned()),
                }
            }
            HirKind::Class(Class::Bytes(_)) => return Err("it is about bytes, not letters".to_owned()),
            HirKind::Repetition(repetition) => {
                let most = repetition.max.unwrap_or(repetition.min.saturating_add(MORE));
                Self::Repeated(Box::new(Self::of(&repetition.sub)?), repetition.min, most)
            }
            HirKind::Capture(capture) => Self::of(&capture.sub)?,
            HirKind::Concat(parts) => Self::All(all(parts)?),
            HirKind::Alternation(parts) => Self::Either(all(parts)?),
        })
    }

    fn write(&self, rng: &mut ChaCha8Rng, out: &mut String) {
        match self {
            Self::Text(text) => out.push_str(text),
            Self::Letter(ranges) => out.push(letter(ranges, rng.random_range(0..letters(ranges)))),
            Self::Repeated(part, least, most) => {
                (0..rng.random_range(*least..=*most)).for_each(|_| part.write(rng, out));
            }
            Self::All(parts) => parts.iter().for_each(|part| part.write(rng, out)),
            Self::Either(parts) => parts[rng.random_range(0..parts.len())].write(rng, out),
        }
    }

    fn count(&self) -> u128 {
        match self {
            Self::Text(_) => 1,
            Self::Letter(ranges) => letters(ranges),
            Self::Repeated(part, least, most) => {
                let one = part.count();
                (*least..=*most).map(|times| one.saturating_pow(times)).fold(0, u128::saturating_add)
            }
            Self::All(parts) => parts.iter().map(Self::count).fold(1, u128::saturating_mul),
            Self::Either(parts) => parts.iter().map(Self::count).fold(0, u128::saturating_add),
        }
    }

    fn longest(&self) -> usize {
        match self {
            Self::Text(text) => text.chars().count(),
            Self::Letter(_) => 1,
            Self::Repeated(part, _, most) => {
                part.longest().saturating_mul(usize::try_from(*most).unwrap_or(usize::MAX))
            }
            Self::All(parts) => parts.iter().map(Self::longest).fold(0, usize::saturating_add),
            Self::Either(parts) => parts.iter().map(Self::longest).max().unwrap_or(0),
        }
    }

    fn write_nth(&self, mut number: u128, out: &mut String) {
        match self {
            Self::Text(text) => out.push_str(text),
            Self::Letter(ranges) => out.push(letter(ranges, number)),
            Self::Repeated(part, least, most) => {
                let one = part.count();
                let mut times = *least;
                while times < *most && number >= one.saturating_pow(times) {
                    number -= one.saturating_pow(times);
                    times += 1;
                }
                for _ in 0..times {
                    part.write_nth(number % one, out);
                    number /= one;
                }
            }
            Self::All(parts) => {
                for part in parts {
                    let one = part.count();
                    part.write_nth(number % one, out);
                    number /= one;
                }
            }
            Self::Either(parts) => {
                for part in parts {
                    let one = part.count();
                    if number < one {
                        return part.write_nth(number, out);
                    }
                    number -= one;
                }
            }
        }
    }
}

fn letters(ranges: &[(char, char)]) -> u128 {
    ranges.iter().map(|(from, to)| u128::from(*to as u32 - *from as u32 + 1)).sum()
}

fn letter(ranges: &[(char, char)], mut number: u128) -> char {
    for (from, to) in ranges {
        let size = u128::from(*to as u32 - *from as u32 + 1);
        if number < size {
            let code = *from as u32 + u32::try_from(number).unwrap_or(0);
            // What lies between two letters and is none is where surrogates are.
            return char::from_u32(code).unwrap_or(*from);
        }
        number -= size;
    }
    ' '
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rand::SeedableRng;

    use super::*;

    #[test]
    fn texts_are_what_the_pattern_describes() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        for (pattern, length) in [("^[A-Z]{3}-\\d{4}$", 8), ("(ab|cd)x?", 3), (".{5}", 5), ("a*", MORE as usize)] {
            let parsed = Pattern::parse(pattern).expect(pattern);
            for _ in 0..200 {
                let mut text = String::new();
                parsed.write(&mut rng, &mut text);
                assert!(text.len() <= length && text.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{text}");
            }
        }
        assert_eq!(Pattern::parse("[").expect_err("it is not closed"), "unclosed character class");
    }

    #[test]
    fn counting_through_gives_each_text_once() {
        for (pattern, count) in [("[A-C]\\d", 30), ("(a|bc)[xy]{0,2}", 14), ("x", 1), ("v[0-9]{1,2}", 110)] {
            let parsed = Pattern::parse(pattern).expect(pattern);
            assert_eq!(parsed.count(), count, "{pattern}");
            assert!(parsed.longest() <= 4, "{pattern}");
            let texts: BTreeSet<String> = (0..count)
                .map(|number| {
                    let mut text = String::new();
                    parsed.write_nth(number, &mut text);
                    text
                })
                .collect();
            assert_eq!(texts.len() as u128, count, "{pattern}: {texts:?}");
        }
        assert_eq!(Pattern::parse("[a-z]{90}").expect("it is one").count(), u128::MAX);
    }

    #[test]
    fn like_is_a_pattern_too() {
        let mut text = String::new();
        Pattern::like("A.%_!").expect("it is one").write(&mut ChaCha8Rng::seed_from_u64(1), &mut text);
        assert!(text.starts_with("A.") && text.ends_with('!') && text.len() >= 4, "{text}");
    }
}
