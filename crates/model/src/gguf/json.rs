//! JSON whose bytes depend on nothing but its content.

use std::collections::BTreeMap;

use serde::ser::{Serialize, Serializer};
use serde_json::Value;

use super::error::GgufError;

/// A value whose objects are written in the order of their keys, in builds that make serde_json
/// keep the order of insertion too.
pub(super) struct Sorted(pub(super) Value);

struct Borrowed<'a>(&'a Value);

impl Serialize for Sorted {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        Borrowed(&self.0).serialize(to)
    }
}

impl Serialize for Borrowed<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Object(map) => {
                let sorted: BTreeMap<_, _> = map.iter().map(|(k, v)| (k, Borrowed(v))).collect();
                sorted.serialize(to)
            }
            Value::Array(list) => to.collect_seq(list.iter().map(Borrowed)),
            other => other.serialize(to),
        }
    }
}

/// Indented JSON with a line end.
pub(super) fn pretty(value: &Value) -> Result<Vec<u8>, GgufError> {
    let bytes = serde_json::to_vec_pretty(&Borrowed(value));
    let mut bytes = bytes.map_err(|e| GgufError::Json(e.to_string()))?;
    bytes.push(b'\n');
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_sorted_at_every_depth() {
        let value = serde_json::json!({"b": [{"d": 1, "c": 2}], "a": null});
        let compact = serde_json::to_string(&Sorted(value.clone())).unwrap();
        assert_eq!(compact, r#"{"a":null,"b":[{"c":2,"d":1}]}"#);
        let pretty = String::from_utf8(pretty(&value).unwrap()).unwrap();
        assert!(pretty.starts_with("{\n  \"a\": null,") && pretty.ends_with("}\n"));
    }
}
