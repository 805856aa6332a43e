//! Metadata by key, of the type asked for.

use std::collections::BTreeMap;

use gguf_rs_lib::format::{Metadata, MetadataValue};

use super::error::{GgufError, shown};

/// The key-value pairs of a file.
#[derive(Debug)]
pub(super) struct Keys(pub(super) Metadata);

impl Keys {
    fn read<'a, T>(
        &'a self,
        key: &str,
        kind: &str,
        convert: impl Fn(&'a MetadataValue) -> Option<T>,
    ) -> Result<Option<T>, GgufError> {
        let Some(value) = self.0.get(key) else {
            return Ok(None);
        };
        let wrong = || GgufError::metadata(key, format!("is no {kind}"));
        convert(value).map(Some).ok_or_else(wrong)
    }

    /// A whole number that is not negative.
    pub(super) fn number(&self, key: &str) -> Result<Option<u64>, GgufError> {
        self.read(key, "whole number", whole)
    }

    /// A whole number that is not negative, or a list that gives the same one to each of so many
    /// layers.
    pub(super) fn number_of_each(&self, key: &str, layers: u64) -> Result<Option<u64>, GgufError> {
        if !matches!(self.0.get(key), Some(MetadataValue::Array(_))) {
            return self.number(key);
        }
        let numbers = self.list(key, "list of whole numbers", whole)?;
        let numbers = numbers.unwrap_or_default();
        if numbers.len() as u64 != layers {
            let problem = format!("has {} entries for {layers} layers", numbers.len());
            return Err(GgufError::metadata(key, problem));
        }
        let first = numbers.first().copied();
        match numbers.iter().position(|number| Some(*number) != first) {
            None => Ok(first),
            Some(layer) => {
                let (first, other) = (first.unwrap_or_default(), numbers[layer]);
                let problem = format!(
                    "is {first} for layer 0 and {other} for layer {layer}; only models whose layers are all alike are trained"
                );
                Err(GgufError::metadata(key, problem))
            }
        }
    }

    /// A number below 2^32.
    pub(super) fn id(&self, key: &str) -> Result<Option<u32>, GgufError> {
        let Some(number) = self.number(key)? else {
            return Ok(None);
        };
        let id = u32::try_from(number);
        id.map(Some)
            .map_err(|_| GgufError::metadata(key, format!("is {number}, too large")))
    }

    pub(super) fn float(&self, key: &str) -> Result<Option<f32>, GgufError> {
        self.read(key, "finite 32-bit float", |value| match value {
            MetadataValue::F32(x) => Some(*x).filter(|x| x.is_finite()),
            _ => None,
        })
    }

    pub(super) fn flag(&self, key: &str) -> Result<Option<bool>, GgufError> {
        self.read(key, "flag", MetadataValue::as_bool)
    }

    pub(super) fn text(&self, key: &str) -> Result<Option<&str>, GgufError> {
        self.read(key, "text", MetadataValue::as_str)
    }

    /// The texts under keys that begin alike, by the rest of the key.
    pub(super) fn texts_under(&self, prefix: &str) -> Result<BTreeMap<&str, &str>, GgufError> {
        let mut texts = BTreeMap::new();
        for key in self.0.data.keys() {
            if let Some(name) = key.strip_prefix(prefix)
                && let Some(text) = self.text(key)?
            {
                texts.insert(name, text);
            }
        }
        Ok(texts)
    }

    pub(super) fn texts(&self, key: &str) -> Result<Option<Vec<&str>>, GgufError> {
        self.list(key, "list of texts", MetadataValue::as_str)
    }

    pub(super) fn integers(&self, key: &str) -> Result<Option<Vec<i64>>, GgufError> {
        self.list(key, "list of signed numbers", |value| match value {
            MetadataValue::U32(n) => Some(i64::from(*n)),
            other => other.as_i64(),
        })
    }

    pub(super) fn floats(&self, key: &str) -> Result<Option<Vec<f32>>, GgufError> {
        self.list(key, "list of finite 32-bit floats", |value| match value {
            MetadataValue::F32(x) => Some(*x).filter(|x| x.is_finite()),
            _ => None,
        })
    }

    fn list<'a, T>(
        &'a self,
        key: &str,
        kind: &str,
        convert: impl Fn(&'a MetadataValue) -> Option<T>,
    ) -> Result<Option<Vec<T>>, GgufError> {
        self.read(key, kind, |value| match value {
            MetadataValue::Array(array) => array.values.iter().map(&convert).collect(),
            _ => None,
        })
    }

    /// Fails unless the key is absent or `harmless`.
    pub(super) fn refuse(
        &self,
        key: &str,
        harmless: impl Fn(&MetadataValue) -> bool,
        remedy: &str,
    ) -> Result<(), GgufError> {
        match self.0.get(key) {
            Some(value) if !harmless(value) => {
                let value = shown(&value.to_string_representation());
                Err(GgufError::metadata(key, format!("is {value}; {remedy}")))
            }
            _ => Ok(()),
        }
    }
}

fn whole(value: &MetadataValue) -> Option<u64> {
    match value {
        MetadataValue::I32(n) => u64::try_from(*n).ok(),
        other => other.as_u64(),
    }
}

/// The value of a key that must be there.
pub(super) fn needed<T>(key: &str, value: Option<T>) -> Result<T, GgufError> {
    value.ok_or_else(|| GgufError::metadata(key, "is missing"))
}
