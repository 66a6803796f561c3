//! Names of migration files: which tool's habit they follow, and the version in them.
//!
//! Versions are compared as numbers, part by part, so that 9 comes before 10 and 1.9 before 1.10, whatever zeros are
//! written in front (as Flyway, golang-migrate and the others do it).

use std::cmp::Ordering;

/// A version, ready to be compared. Parts of it are separated by dots in its name, or by underscores in Flyway's.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Version(Vec<Number>);

/// A number with any count of digits, without leading zeros.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Number(String);

impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.len().cmp(&other.0.len()).then_with(|| self.0.cmp(&other.0))
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Version {
    /// From its digits and separators. 1 and 1.0 are the same version.
    fn new(written: &str, separators: &[char]) -> Self {
        let number = |part: &str| Number(part.trim_start_matches('0').to_owned());
        let mut parts: Vec<Number> = written.split(separators).map(number).collect();
        while parts.len() > 1 && parts.last().is_some_and(|last| last.0.is_empty()) {
            parts.pop();
        }
        Self(parts)
    }
}

/// What a file's name says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Name<'a> {
    /// A migration with its version, as compared and as written.
    Versioned { version: Version, written: &'a str, rest: &'a str },
    /// Flyway's `R__name`: applied after all others, again whenever it has changed.
    Repeatable { rest: &'a str },
    /// Flyway's `B2__name`, a shortcut for new databases.
    Baseline,
    /// The way back: `0001_x.down.sql`, or Flyway's `U1__x`.
    Undo,
    /// None of these.
    Unversioned,
}

/// Reads the name of a file (without `.sql`) or of a folder.
pub(super) fn read(name: &str) -> Name<'_> {
    if name == "down" || name.strip_suffix(".down").is_some() {
        return Name::Undo;
    }
    let stem = name.strip_suffix(".up").unwrap_or(name);
    flyway(stem).or_else(|| numbered(stem)).unwrap_or(Name::Unversioned)
}

/// A version as a person would write it, with or without the V, and nothing else.
pub(super) fn read_version(text: &str) -> Option<Version> {
    let digits = text.strip_prefix(['V', 'v']).unwrap_or(text);
    match numbered(digits) {
        Some(Name::Versioned { version, rest: "", .. }) => Some(version),
        _ => only_digits(digits, &['_']).then(|| Version::new(digits, &['_'])),
    }
}

/// `V1.2__name`, `R__name`; two underscores end the version.
fn flyway(stem: &str) -> Option<Name<'_>> {
    let (head, rest) = stem.split_once("__")?;
    let mut letters = head.chars();
    let prefix = letters.next()?;
    let written = letters.as_str();
    if prefix == 'R' && written.is_empty() {
        return Some(Name::Repeatable { rest });
    }
    if !only_digits(written, &['.', '_']) {
        return None;
    }
    match prefix {
        'V' | 'v' => Some(Name::Versioned { version: Version::new(written, &['.', '_']), written, rest }),
        'U' => Some(Name::Undo),
        'B' => Some(Name::Baseline),
        _ => None,
    }
}

/// `0001_name`, `1.2-name`, `2024-01-01-120000_name`, with or without a V in front.
fn numbered(stem: &str) -> Option<Name<'_>> {
    let stem = match stem.strip_prefix(['V', 'v']) {
        Some(digits) if digits.starts_with(|c: char| c.is_ascii_digit()) => digits,
        _ => stem,
    };
    let (written, version) = if let Some(written) = timestamp(stem) {
        (written, Version::new(&written.replace(['-', '_'], ""), &[]))
    } else {
        let written = leading_number(stem)?;
        (written, Version::new(written, &['.']))
    };
    let after = &stem[written.len()..];
    let rest = after.trim_start_matches(['_', '-', '.', ' ']);
    // Letters right behind the digits (`2fa_tokens`) belong to a word, not to a version.
    (after.is_empty() || rest.len() < after.len()).then_some(Name::Versioned { version, written, rest })
}

/// `2024-01-01-120000` or `2024-01-01-120000-0000` (diesel), or the same with underscores, is one number.
fn timestamp(stem: &str) -> Option<&str> {
    const SHAPES: [&[u8]; 2] = [b"0000-00-00-000000-0000", b"0000-00-00-000000"];
    let fits = |(byte, &shape): (u8, &u8)| match shape {
        b'0' => byte.is_ascii_digit(),
        _ => matches!(byte, b'-' | b'_'),
    };
    let written = |shape: &&[u8]| stem.get(..shape.len()).filter(|text| text.bytes().zip(*shape).all(fits));
    SHAPES.iter().find_map(written)
}

/// `12` or `1.2.3` at the beginning.
fn leading_number(stem: &str) -> Option<&str> {
    let bytes = stem.as_bytes();
    let digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    let mut end = 0;
    while digit(end) || (end > 0 && bytes.get(end) == Some(&b'.') && digit(end + 1)) {
        end += 1;
    }
    (end > 0).then(|| &stem[..end])
}

fn only_digits(text: &str, separators: &[char]) -> bool {
    text.split(separators).all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(name: &str) -> Option<(&str, &str)> {
        match read(name) {
            Name::Versioned { written, rest, .. } => Some((written, rest)),
            _ => None,
        }
    }

    #[test]
    fn every_tools_names_are_read() {
        for (name, expected) in [
            ("0001_add_status", ("0001", "add_status")),
            ("0001_add_status.up", ("0001", "add_status")),
            ("20240101120000_x", ("20240101120000", "x")),
            ("2024-01-01-120000_x", ("2024-01-01-120000", "x")),
            ("2024_01_01_120000_x", ("2024_01_01_120000", "x")),
            ("2024-01-01-120000-0001_x", ("2024-01-01-120000-0001", "x")),
            ("V1__x", ("1", "x")),
            ("V1.2__x_y", ("1.2", "x_y")),
            ("V1_2__x", ("1_2", "x")),
            ("v3_x", ("3", "x")),
            ("1.10-x", ("1.10", "x")),
            ("7", ("7", "")),
            ("0001__x", ("0001", "x")),
            ("0001 add status", ("0001", "add status")),
        ] {
            assert_eq!(written(name), Some(expected), "{name}");
        }
    }

    #[test]
    fn what_is_not_a_forward_migration_is_told_apart() {
        for (name, expected) in [
            ("R__views", Name::Repeatable { rest: "views" }),
            ("U1__x", Name::Undo),
            ("B2__x", Name::Baseline),
            ("0001_x.down", Name::Undo),
            ("down", Name::Undo),
            ("add_status", Name::Unversioned),
            ("2fa_tokens", Name::Unversioned),
            ("V__x", Name::Unversioned),
            ("views", Name::Unversioned),
            ("beforeMigrate", Name::Unversioned),
            ("", Name::Unversioned),
            ("é1_x", Name::Unversioned),
        ] {
            assert_eq!(read(name), expected, "{name}");
        }
    }

    #[test]
    fn versions_are_compared_as_numbers() {
        let version = |text: &str| read_version(text).unwrap_or_else(|| panic!("{text} is a version"));
        for (less, greater) in [
            ("9", "10"),
            ("1.9", "1.10"),
            ("1", "1.1"),
            ("0009", "10"),
            ("V2", "V11"),
            ("2024-01-01-120000", "20240101120001"),
            ("99999999999999999999999999999999999999998", "99999999999999999999999999999999999999999"),
        ] {
            assert!(version(less) < version(greater), "{less} < {greater}");
        }
        for (one, other) in
            [("1", "0001"), ("V1", "1.0"), ("1_2", "1.2"), ("0", "00"), ("2024-01-01-120000", "20240101120000")]
        {
            assert_eq!(version(one), version(other), "{one} = {other}");
        }
        for text in ["", "V", "x", "1_x", "0042_add"] {
            assert_eq!(read_version(text), None, "{text}");
        }
    }
}
