//! A time span that is written as a number of milliseconds, with its unit in the key (`held_ms`).

use std::fmt;
use std::ops::{Add, AddAssign};
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A span of time. In the record it is a number of milliseconds with three decimals.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, JsonSchema)]
#[schemars(transparent)]
pub struct Millis(#[schemars(with = "f64")] pub Duration);

impl Millis {
    /// As milliseconds.
    pub fn as_f64(self) -> f64 {
        self.0.as_secs_f64() * 1e3
    }
}

impl From<Duration> for Millis {
    fn from(span: Duration) -> Self {
        Self(span)
    }
}

impl Add for Millis {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

impl AddAssign for Millis {
    fn add_assign(&mut self, other: Self) {
        self.0 += other.0;
    }
}

impl Serialize for Millis {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64((self.as_f64() * 1e3).round() / 1e3)
    }
}

impl<'de> Deserialize<'de> for Millis {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let millis = f64::deserialize(deserializer)?;
        Duration::try_from_secs_f64(millis / 1e3).map(Self).map_err(serde::de::Error::custom)
    }
}

/// As people read it: `0.4 ms`, `12 ms`, `840 ms`, `2.31 s`, `3 min 20 s`.
impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = self.as_f64();
        let text = if ms < 9.95 {
            format!("{ms:.1} ms")
        } else if ms < 999.5 {
            format!("{ms:.0} ms")
        } else if ms < 59_995.0 {
            format!("{:.2} s", ms / 1e3)
        } else {
            let seconds = (ms / 1e3).round();
            format!("{:.0} min {:.0} s", (seconds / 60.0).floor(), seconds % 60.0)
        };
        f.pad(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_shown_with_as_many_digits_as_it_deserves() {
        for (micros, shown) in [
            (0, "0.0 ms"),
            (440, "0.4 ms"),
            (9_960, "10 ms"),
            (999_400, "999 ms"),
            (999_600, "1.00 s"),
            (59_996_000, "1 min 0 s"),
            (200_000_000, "3 min 20 s"),
        ] {
            assert_eq!(Millis(Duration::from_micros(micros)).to_string(), shown);
        }
    }

    #[test]
    fn survives_the_record() {
        let span = Millis(Duration::from_micros(1_234_567));
        let json = serde_json::to_string(&span).expect("plain");
        assert_eq!(json, "1234.567");
        assert_eq!(serde_json::from_str::<Millis>(&json).expect("plain"), span);
    }
}
