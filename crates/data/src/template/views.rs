//! Values that Python writes in ways of their own: views of dictionaries, ranges, generators.

use std::fmt;
use std::sync::Arc;

use minijinja::value::{Enumerator, Object, ObjectExt, ObjectRepr};
use minijinja::{Error, ErrorKind, Value};

/// The most numbers of a range, as in Jinja2's sandbox.
const MAX_RANGE: usize = 100_000;

/// What `keys`, `values` and `items` of a dictionary give, or a filter that hands out one item
/// after the other.
#[derive(Debug)]
pub(super) struct View {
    /// What Python calls it; nothing for a generator, which has no text that could be written.
    pub(super) name: Option<&'static str>,
    pub(super) items: Vec<Value>,
}

impl View {
    /// The view of a dictionary that a method gives.
    pub(super) fn of(method: &str, items: Vec<Value>) -> Value {
        let name = match method {
            "keys" => "dict_keys",
            "values" => "dict_values",
            _ => "dict_items",
        };
        let name = Some(name);
        Value::from_object(Self { name, items })
    }

    pub(super) fn generator(items: Vec<Value>) -> Value {
        Value::from_object(Self { name: None, items })
    }
}

impl Object for View {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Iterable
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        self.mapped_enumerator(|view| Box::new(view.items.iter().cloned()))
    }

    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        Some(self.items.len())
    }

    fn is_true(self: &Arc<Self>) -> bool {
        self.name.is_none() || !self.items.is_empty()
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name.unwrap_or("generator"))
    }
}

/// A range of whole numbers.
#[derive(Debug)]
pub(super) struct Range {
    start: i64,
    stop: i64,
    step: i64,
    length: usize,
}

/// `range(stop)`, `range(start, stop)` and `range(start, stop, step)`.
pub(super) fn range(first: i64, stop: Option<i64>, step: Option<i64>) -> Result<Value, Error> {
    let wrong = |message: &str| Error::new(ErrorKind::InvalidOperation, message.to_owned());
    let (start, stop) = stop.map_or((0, first), |stop| (first, stop));
    let step = step.unwrap_or(1);
    if step == 0 {
        return Err(wrong("range: the step must not be zero"));
    }
    let way = (i128::from(stop) - i128::from(start)) * i128::from(step.signum());
    let size = i128::from(step.unsigned_abs());
    let length = (way.max(0) + size - 1) / size;
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    if length > MAX_RANGE {
        return Err(wrong("range: more than 100000 numbers"));
    }
    Ok(Value::from_object(Range {
        start,
        stop,
        step,
        length,
    }))
}

impl Object for Range {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let at = key.as_usize().filter(|at| *at < self.length)?;
        Some(Value::from(self.start + at as i64 * self.step))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Seq(self.length)
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            start, stop, step, ..
        } = **self;
        match step {
            1 => write!(f, "range({start}, {stop})"),
            _ => write!(f, "range({start}, {stop}, {step})"),
        }
    }
}

/// What Python's `json.dumps` and `+` refuse although it can be looped over.
pub(super) fn is_no_list(value: &Value) -> bool {
    value.downcast_object_ref::<View>().is_some() || value.downcast_object_ref::<Range>().is_some()
}

/// A namespace, which is a map to the engine and none to Python.
pub(super) fn is_namespace(value: &Value) -> bool {
    is_of_type(value, &["Namespace"]) || is_opaque(value)
}

/// Macros and loops, which are maps to the engine and hold no values.
pub(super) fn is_opaque(value: &Value) -> bool {
    is_of_type(value, &["Macro", "Loop"])
}

fn is_of_type(value: &Value, names: &[&str]) -> bool {
    let own = value.as_object().map(|object| object.type_name());
    own.is_some_and(|own| names.iter().any(|name| own.ends_with(name)))
}
