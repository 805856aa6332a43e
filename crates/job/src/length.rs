//! Lengths of time, as people write them: `90` or `"90s"`, `"20m"`, `"36h"`, `"7d"`, `"250ms"`.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A length of ledger time in whole milliseconds, longer than nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Length(u64);

/// Text that is no length of time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no length of time; write a number above zero and its unit, as in \"90s\", \"20m\", \
     \"36h\", \"7d\" or \"250ms\""
)]
pub struct NoLength(String);

/// Units, the longest first, with their milliseconds.
const UNITS: [(&str, u64); 5] = [
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

impl Length {
    /// So many milliseconds; `None` for 0.
    pub const fn of_ms(ms: u64) -> Option<Length> {
        match ms {
            0 => None,
            ms => Some(Length(ms)),
        }
    }

    /// So many minutes, at least one.
    pub(crate) const fn minutes(minutes: u32) -> Length {
        Length(if minutes == 0 { 1 } else { minutes as u64 } * 60_000)
    }

    /// Its milliseconds.
    pub const fn ms(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Length {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fits = |(_, ms): &&(&str, u64)| self.0.is_multiple_of(*ms);
        let (unit, ms) = UNITS.iter().find(fits).unwrap_or(&("ms", 1));
        write!(f, "{}{unit}", self.0 / ms)
    }
}

impl FromStr for Length {
    type Err = NoLength;

    fn from_str(text: &str) -> Result<Self, NoLength> {
        let no = || NoLength(text.to_owned());
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let unit = UNITS.iter().find(|(name, _)| *name == unit.trim());
        let (_, ms) = unit.ok_or_else(no)?;
        let number: u64 = number.parse().map_err(|_| no())?;
        let ms = number.checked_mul(*ms).ok_or_else(no)?;
        Length::of_ms(ms).ok_or_else(no)
    }
}

impl Serialize for Length {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Length {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Visitor)
    }
}

struct Visitor;

impl de::Visitor<'_> for Visitor {
    type Value = Length;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("whole seconds above zero, or a length of time such as \"20m\"")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Length, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_u64<E: de::Error>(self, seconds: u64) -> Result<Length, E> {
        let length = seconds.checked_mul(1_000).and_then(Length::of_ms);
        length.ok_or_else(|| E::invalid_value(de::Unexpected::Unsigned(seconds), &self))
    }

    fn visit_i64<E: de::Error>(self, seconds: i64) -> Result<Length, E> {
        match u64::try_from(seconds) {
            Ok(seconds) => self.visit_u64(seconds),
            Err(_) => Err(E::invalid_value(de::Unexpected::Signed(seconds), &self)),
        }
    }
}

impl JsonSchema for Length {
    fn schema_name() -> Cow<'static, str> {
        "Length".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A length of time: whole seconds, or text such as \"90s\", \"20m\", \"36h\", \"7d\", \"250ms\".",
            "anyOf": [
                { "type": "integer", "minimum": 1 },
                { "type": "string", "pattern": "^[0-9]+ *(ms|s|m|h|d)$" }
            ]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_read_as_they_are_written() {
        for (text, ms) in [
            ("250ms", 250),
            ("90s", 90_000),
            ("20m", 1_200_000),
            ("36h", 129_600_000),
            ("7d", 604_800_000),
        ] {
            let length: Length = text.parse().unwrap();
            assert_eq!((length.ms(), length.to_string().as_str()), (ms, text));
        }
        assert_eq!("120 s".parse::<Length>().unwrap().to_string(), "2m");
    }

    #[test]
    fn what_is_no_length_is_told_what_would_be() {
        for text in [
            "",
            "0s",
            "s",
            "-1s",
            "1.5h",
            "10 weeks",
            "90",
            "99999999999999999999d",
        ] {
            let told = text.parse::<Length>().unwrap_err().to_string();
            assert!(told.contains("\"90s\""), "{text}: {told}");
        }
    }
}
