//! JSON as the Python values a template sees.

use std::fmt;
use std::sync::Arc;

use minijinja::value::{Enumerator, Object, ObjectRepr};
use minijinja::{Error, State, Value};
use serde_json::Value as Json;

use super::methods::{self, DICT_METHODS};
use super::print::text;

/// A JSON value as Python's `json.loads` reads it; keys keep their order.
pub(super) fn from_json(json: &Json) -> Value {
    match json {
        Json::Null => Value::from(()),
        Json::Bool(truth) => Value::from(*truth),
        Json::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(integer), _) => Value::from(integer),
            (None, Some(integer)) => Value::from(integer),
            (None, None) => Value::from(number.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(text) => Value::from(text.as_str()),
        Json::Array(items) => items.iter().map(from_json).collect(),
        Json::Object(fields) => dict(fields.iter().map(|(key, value)| (key, from_json(value)))),
    }
}

/// A dictionary.
pub(super) fn dict<'a>(pairs: impl Iterator<Item = (&'a String, Value)>) -> Value {
    let items = Value::from_pairs(pairs.map(|(key, value)| (Value::from(key.as_str()), value)));
    Value::from_object(Dict { items })
}

/// A dictionary. In Jinja2 `d.items` is the method even where there is a key of that name, and
/// `d['items']` is the item.
#[derive(Debug)]
struct Dict {
    items: Value,
}

impl Object for Dict {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Map
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let item = self.items.get_item(key).ok()?;
        (!item.is_undefined()).then_some(item)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        match DICT_METHODS.iter().find(|name| **name == key) {
            Some(name) => Some(Value::from_object(Method {
                of: Value::from_dyn_object(self.clone()),
                name,
            })),
            None => self.get_value(&Value::from(key)),
        }
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        let keys = self.items.try_iter().map(Iterator::collect);
        Enumerator::Values(keys.unwrap_or_default())
    }

    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        self.items.len()
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&text(&self.items).unwrap_or_else(|_| "{...}".to_owned()))
    }
}

/// A method that has not been called yet.
#[derive(Debug)]
pub(super) struct Method {
    of: Value,
    name: &'static str,
}

impl Object for Method {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn call(self: &Arc<Self>, state: &mut State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
        methods::call(state, &self.of, self.name, args)
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<built-in method {} of dict object>", self.name)
    }
}
