//! JSON values in which no object has a field twice.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::{JsonFault, long_number};
use crate::error::Problem;

/// A JSON value whose objects have each field once. Parsers differ in which of two they keep, and a
/// record that says two things is not understood.
pub(crate) struct Unique(pub(crate) Value);

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Any).map(Self)
    }
}

/// Reads JSON that `field` of a record holds as a text, as strictly as the record itself; none where
/// it is no JSON.
///
/// # Errors
/// When an object has a field twice, or a number would be rounded.
pub(crate) fn within(field: &str, text: &str) -> Result<Option<Value>, Problem> {
    match serde_json::from_str(text) {
        Ok(Unique(value)) => match long_number(text, |_| true) {
            None => Ok(Some(value)),
            Some((inner, number)) => {
                let name = if inner.is_empty() { field } else { inner };
                Err(Problem::long_number(name, number))
            }
        },
        Err(error) if error.is_data() => {
            let fault = JsonFault::new(text.as_bytes(), &error);
            Err(Problem::Within(field.to_owned(), fault.in_line()))
        }
        Err(_) => Ok(None),
    }
}

struct Any;

impl<'de> Visitor<'de> for Any {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(Unique(item)) = access.next_element()? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut fields = Map::new();
        while let Some(name) = access.next_key::<String>()? {
            if fields.contains_key(&name) {
                let name: String = name.chars().take(60).collect();
                return Err(A::Error::custom(format!(
                    "the field {name:?} stands twice in one object"
                )));
            }
            let Unique(value) = access.next_value()?;
            fields.insert(name, value);
        }
        Ok(Value::Object(fields))
    }
}
