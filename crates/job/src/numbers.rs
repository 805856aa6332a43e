//! How job files write amounts and counts: read with their types and ranges, so that a wrong one
//! is named with its line before anything else happens.

use std::fmt;

use assay_ledger::Amount;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, Serialize, Serializer};

/// From here on the places after the point of a binary number are not certain any more.
const EXACT_BELOW: f64 = 1e9;

/// How an amount of tokens is written: a string of digits with at most one point and six places
/// after it, or a number.
pub(crate) struct Tokens;

impl Tokens {
    /// Reads `"12.5"`, `12` or `12.5`.
    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Amount, D::Error> {
        from.deserialize_any(Tokens)
    }

    /// Writes the string.
    pub(crate) fn serialize<S: Serializer>(amount: &Amount, to: S) -> Result<S::Ok, S::Error> {
        amount.to_string().serialize(to)
    }
}

/// Reads an amount for a field that may be left out.
pub(crate) fn tokens<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Amount>, D::Error> {
    Tokens::deserialize(from).map(Some)
}

impl Visitor<'_> for Tokens {
    type Value = Amount;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an amount of tokens, like \"12\" or \"0.5\"")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Amount, E> {
        let shown: String = text.chars().take(40).collect();
        text.parse()
            .map_err(|error| E::custom(format!("{shown:?} is no amount of tokens: {error}")))
    }

    fn visit_u64<E: de::Error>(self, tokens: u64) -> Result<Amount, E> {
        self.visit_str(&tokens.to_string())
    }

    fn visit_i64<E: de::Error>(self, tokens: i64) -> Result<Amount, E> {
        self.visit_str(&tokens.to_string())
    }

    fn visit_f64<E: de::Error>(self, tokens: f64) -> Result<Amount, E> {
        if tokens.is_finite() && tokens >= EXACT_BELOW {
            let text =
                format!("{tokens} is too large to be exact as a number; write it as a string");
            return Err(E::custom(text));
        }
        // The shortest decimal of a binary number below the limit is what was written.
        self.visit_str(&tokens.to_string())
    }
}

impl JsonSchema for Tokens {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Tokens".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [
                { "type": "string", "pattern": "^[0-9]+(\\.[0-9]{1,6})?$" },
                { "type": "number", "minimum": 0, "exclusiveMaximum": EXACT_BELOW, "multipleOf": 1e-6 },
                { "type": "integer", "minimum": 0, "maximum": u64::MAX / 1_000_000 },
            ]
        })
    }
}

/// Reads a whole number from `LOW` to `HIGH`; anything else is told that range.
pub(crate) fn count<'de, D, T, const LOW: u64, const HIGH: u64>(from: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: TryFrom<u64>,
{
    let found = from.deserialize_any(Count::<LOW, HIGH>)?;
    T::try_from(found).map_err(|_| de::Error::custom(Count::<LOW, HIGH>.told(found)))
}

/// The same for a field that may be left out.
pub(crate) fn maybe<'de, D, T, const LOW: u64, const HIGH: u64>(
    from: D,
) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: TryFrom<u64>,
{
    count::<D, T, LOW, HIGH>(from).map(Some)
}

struct Count<const LOW: u64, const HIGH: u64>;

impl<const LOW: u64, const HIGH: u64> Count<LOW, HIGH> {
    fn told(&self, found: impl fmt::Display) -> String {
        format!("{found} is out of range; write a whole number from {LOW} to {HIGH}")
    }
}

impl<const LOW: u64, const HIGH: u64> Visitor<'_> for Count<LOW, HIGH> {
    type Value = u64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a whole number from {LOW} to {HIGH}")
    }

    fn visit_u64<E: de::Error>(self, found: u64) -> Result<u64, E> {
        match (LOW..=HIGH).contains(&found) {
            true => Ok(found),
            false => Err(E::custom(self.told(found))),
        }
    }

    fn visit_i64<E: de::Error>(self, found: i64) -> Result<u64, E> {
        match u64::try_from(found) {
            Ok(found) => self.visit_u64(found),
            Err(_) => Err(E::custom(self.told(found))),
        }
    }
}

/// A share of rows, from 0.001 to 0.9, rounded to thousandths.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Share(u32);

impl Share {
    /// Rows of a thousand.
    pub(crate) fn per_mille(self) -> u32 {
        self.0
    }
}

impl<'de> Deserialize<'de> for Share {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let share = f64::deserialize(from)?;
        match (0.001..=0.9).contains(&share) {
            true => Ok(Share((share * 1000.0).round() as u32)),
            false => Err(de::Error::custom(format!(
                "{share} is out of range; write 0.001 to 0.9"
            ))),
        }
    }
}

impl JsonSchema for Share {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Share".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "number", "minimum": 0.001, "maximum": 0.9 })
    }
}

#[cfg(test)]
#[path = "numbers_tests.rs"]
mod tests;
