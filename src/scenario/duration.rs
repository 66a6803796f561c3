//! Durations as a scenario has them: `"500ms"`, `"1.5s"`, `"10m"`, `"1h"`.
//!
//! One figure and one unit, and the unit must be there: a limit that is off by a thousand is worse than none.

use std::time::Duration;

/// Units with their seconds.
const UNITS: [(&str, f64); 4] = [("ms", 1e-3), ("s", 1.0), ("m", 60.0), ("h", 3600.0)];

/// Why a text is no duration; each says what to write.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// `500`.
    #[error("say the unit as well, such as \"{0}ms\" or \"{0}s\"")]
    NoUnit(String),
    /// `5 parsecs`.
    #[error("the units are ms, s, m and h, such as \"500ms\" or \"10m\"")]
    Unit,
    /// `1h 30m`, `-1s`, `soon`.
    #[error("write one figure and a unit (ms, s, m or h), such as \"500ms\", \"1.5s\" or \"10m\"")]
    Form,
    /// More than can be counted.
    #[error("that is longer than can be measured: write less")]
    TooLong,
}

/// Reads a duration.
pub fn parse(text: &str) -> Result<Duration, DurationError> {
    let text = text.trim();
    let unit_at = text.find(|c: char| !c.is_ascii_digit() && c != '.' && c != '_').unwrap_or(text.len());
    let (figure, unit) = text.split_at(unit_at);
    let amount: f64 = figure.replace('_', "").parse().map_err(|_| DurationError::Form)?;
    let unit = unit.trim_start();
    if unit.is_empty() {
        return Err(DurationError::NoUnit(figure.to_owned()));
    }
    if !unit.chars().all(char::is_alphabetic) {
        return Err(DurationError::Form);
    }
    let (_, seconds) = UNITS.iter().find(|(name, _)| *name == unit).ok_or(DurationError::Unit)?;
    Duration::try_from_secs_f64(amount * seconds).map_err(|_| DurationError::TooLong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_and_a_unit_are_a_duration() {
        for (text, millis) in [
            ("500ms", 500),
            ("1.5s", 1500),
            ("10m", 600_000),
            ("1h", 3_600_000),
            ("10 m", 600_000),
            ("1_000ms", 1000),
            ("0ms", 0),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused_with_its_reason() {
        for (text, why) in [
            ("500", DurationError::NoUnit("500".to_owned())),
            ("5 min", DurationError::Unit),
            ("5MS", DurationError::Unit),
            ("1h 30m", DurationError::Form),
            ("1h30m", DurationError::Form),
            ("-1s", DurationError::Form),
            ("1.2.3s", DurationError::Form),
            ("soon", DurationError::Form),
            ("", DurationError::Form),
            ("99999999999999999999h", DurationError::TooLong),
        ] {
            assert_eq!(parse(text), Err(why), "{text}");
        }
    }
}
