//! Sizes and times with their unit in the type.

use crate::read;
use serde::{Deserialize, Serialize};
use std::{fmt, time::Duration};

/// A number of bytes. In JSON a plain integer (bytes) or text with a unit: `"64KiB"`, `"12MiB"`, `"1GiB"`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bytes(pub u64);

impl Bytes {
    /// `n` times 1024 bytes.
    pub const fn kib(n: u64) -> Self {
        Self(n * 1024)
    }

    /// `n` times 1024² bytes.
    pub const fn mib(n: u64) -> Self {
        Self(n * 1024 * 1024)
    }
}

const UNITS: [(&str, u64); 4] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, size) = UNITS.iter().find(|(_, size)| self.0 >= *size && self.0.is_multiple_of(*size)).unwrap_or(&("B", 1));
        write!(f, "{}{unit}", self.0 / size)
    }
}

impl std::str::FromStr for Bytes {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let expected =
            || format!("`{}` is not a size: expected bytes or a unit, such as 65536, 64KiB or 12MiB", text.escape_default());
        let (digits, factor) =
            UNITS.iter().find_map(|(unit, size)| text.strip_suffix(unit).map(|digits| (digits, *size))).unwrap_or((text, 1));
        digits.parse::<u64>().ok().and_then(|n| n.checked_mul(factor)).map(Bytes).ok_or_else(expected)
    }
}

impl Serialize for Bytes {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let expected = "a size in bytes, or text with a unit such as \"64KiB\"";
        read::number_or_text(deserializer, expected, |n| Ok(Self(n)), str::parse)
    }
}

/// A whole number of seconds, at most a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct Seconds(u32);

impl Seconds {
    /// `n` seconds; a value above a day becomes a day.
    pub const fn new(n: u32) -> Self {
        Self(if n > DAY { DAY } else { n })
    }

    /// As a duration.
    pub const fn duration(self) -> Duration {
        Duration::from_secs(self.0 as u64)
    }
}

const DAY: u32 = 86_400;

/// A time of at most a day, to the millisecond. In JSON a plain integer (seconds) or text with a unit: `"500ms"`, `"2s"`,
/// `"5min"`, `"1h"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Delay(u32);

impl Delay {
    /// A day, the longest.
    pub const DAY: Self = Self(DAY * 1000);

    /// `n` milliseconds; a value above a day becomes a day.
    pub const fn milliseconds(n: u32) -> Self {
        if n > Self::DAY.0 { Self::DAY } else { Self(n) }
    }

    /// As a duration.
    pub const fn duration(self) -> Duration {
        Duration::from_millis(self.0 as u64)
    }
}

/// Largest first.
const TIME_UNITS: [(&str, u32); 4] = [("h", 3_600_000), ("min", 60_000), ("s", 1000), ("ms", 1)];

impl fmt::Display for Delay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fits = |(_, size): &&(&str, u32)| self.0 >= *size && self.0.is_multiple_of(*size);
        let (unit, size) = TIME_UNITS.iter().find(fits).unwrap_or(&("s", 1000));
        write!(f, "{}{unit}", self.0 / size)
    }
}

impl std::str::FromStr for Delay {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let number = TIME_UNITS.iter().find_map(|(unit, size)| {
            let digits = text.strip_suffix(unit)?;
            digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse::<u32>().ok()?.checked_mul(*size)).flatten()
        });
        match number {
            Some(number) if number <= Self::DAY.0 => Ok(Self(number)),
            Some(_) => Err(format!("`{text}` is more than a day")),
            None => Err(format!(
                "`{}` is not a time: expected seconds or a unit, such as 2, 500ms, 5min or 1h",
                text.escape_default()
            )),
        }
    }
}

impl Serialize for Delay {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Delay {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let seconds = |n: u64| {
            let milliseconds = u32::try_from(n).ok().filter(|n| *n <= DAY).map(|n| Self(n * 1000));
            milliseconds.ok_or_else(|| format!("{n} seconds is more than a day ({DAY})"))
        };
        read::number_or_text(deserializer, "a time in whole seconds, or text with a unit such as \"500ms\"", seconds, str::parse)
    }
}

impl TryFrom<u32> for Seconds {
    type Error = String;
    fn try_from(n: u32) -> Result<Self, String> {
        if n <= DAY { Ok(Self(n)) } else { Err(format!("{n} seconds is more than a day ({DAY})")) }
    }
}

impl From<Seconds> for u32 {
    fn from(seconds: Seconds) -> u32 {
        seconds.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_with_and_without_unit_and_refuse_overflow() {
        assert_eq!(serde_json::from_str::<Bytes>("65536").unwrap(), Bytes::kib(64));
        assert_eq!(serde_json::from_str::<Bytes>("\"12MiB\"").unwrap(), Bytes::mib(12));
        assert!(serde_json::from_str::<Bytes>("\"99999999999999GiB\"").is_err());
        assert!(serde_json::from_str::<Bytes>("\"12MB\"").is_err());
        assert!(serde_json::from_str::<Bytes>("-1").is_err());
    }

    #[test]
    fn times_read_with_and_without_unit_and_refuse_more_than_a_day() {
        for (text, milliseconds) in [
            ("2", 2000),
            ("\"500ms\"", 500),
            ("\"2s\"", 2000),
            ("\"5min\"", 300_000),
            ("86400", 86_400_000),
            ("\"24h\"", 86_400_000),
        ] {
            assert_eq!(serde_json::from_str::<Delay>(text).unwrap(), Delay::milliseconds(milliseconds), "{text}");
        }
        for text in ["86401", "\"1441min\"", "\"99999999999s\"", "-1", "1.5", "\"5\"", "\"+5s\"", "\"s\"", "\"1d\""] {
            assert!(serde_json::from_str::<Delay>(text).is_err(), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn times_survive_writing_and_reading(n in 0u32..=86_400_000) {
            let text = Delay::milliseconds(n).to_string();
            proptest::prop_assert_eq!(text.parse::<Delay>(), Ok(Delay::milliseconds(n)));
        }

        #[test]
        fn sizes_survive_writing_and_reading(n: u64) {
            let text = Bytes(n).to_string();
            proptest::prop_assert_eq!(text.parse::<Bytes>(), Ok(Bytes(n)));
        }
    }
}
