//! The operators that make texts and lists, as Python and Jinja2 have them, with what they make paid
//! for. [`super::terms`] puts them in the place of the engine's.

use minijinja::value::{Rest, Tuple, ValueKind};
use minijinja::{Environment, Error, ErrorKind, Value};

use super::budget::{self, Text, charge_entries, check};
use super::print::push_text;
use super::terms::{CONCAT, COPIED, NESTED, PLUS, TIMES};
use super::views::is_no_list;

/// Gives the functions that templates are rewritten to.
pub(super) fn install(environment: &mut Environment<'_>) {
    environment.add_function(CONCAT, concat);
    environment.add_function(PLUS, |all: Rest<Value>| fold(all, add));
    environment.add_function(TIMES, |all: Rest<Value>| fold(all, multiply));
    environment.add_function(COPIED, budget::copied);
    environment.add_function(NESTED, budget::nested);
}

/// `a ~ b ~ c`.
fn concat(parts: Rest<Value>) -> Result<String, Error> {
    let mut out = Text::default();
    for part in parts.iter() {
        push_text(part, &mut out)?;
    }
    Ok(out.done())
}

type Operator = fn(&Value, &Value) -> Result<Value, Error>;

fn fold(values: Rest<Value>, operator: Operator) -> Result<Value, Error> {
    let mut values = values.iter();
    let mut result = values.next().cloned().unwrap_or_default();
    for value in values {
        result = operator(&result, value)?;
    }
    Ok(result)
}

fn is_list(value: &Value) -> bool {
    matches!(value.kind(), ValueKind::Seq | ValueKind::Iterable) && !is_no_list(value)
}

/// A list, or a tuple.
fn gathered(items: Vec<Value>, tuple: bool) -> Result<Value, Error> {
    budget::nested(match tuple {
        true => Value::from(Tuple::from(items)),
        false => Value::from(items),
    })
}

fn add(a: &Value, b: &Value) -> Result<Value, Error> {
    if let (Some(a), Some(b)) = (a.as_str(), b.as_str()) {
        let mut out = Text::default();
        out.push(a)?;
        out.push(b)?;
        return Ok(out.done().into());
    }
    if is_list(a) && is_list(b) && a.is_tuple() == b.is_tuple() {
        let all = a.len().unwrap_or(0).saturating_add(b.len().unwrap_or(0));
        charge_entries(all)?;
        return gathered(a.try_iter()?.chain(b.try_iter()?).collect(), a.is_tuple());
    }
    numbers("+", a, b, i128::checked_add, |a, b| a + b)
}

fn multiply(a: &Value, b: &Value) -> Result<Value, Error> {
    for (what, count) in [(a, b), (b, a)] {
        let Some(count) = integer(count) else {
            continue;
        };
        // As in Python, nothing is left of what is taken a negative number of times.
        let times = |size: usize| -> Result<usize, Error> {
            let count = usize::try_from(count.max(0)).unwrap_or(usize::MAX);
            check(size.saturating_mul(count))?;
            Ok(if size == 0 { 0 } else { count })
        };
        if let Some(text) = what.as_str() {
            return budget::made(text.repeat(times(text.len())?)).map(Value::from);
        }
        if is_list(what) {
            let count = times(budget::weight(what)?)?;
            charge_entries(what.len().unwrap_or(0).saturating_mul(count))?;
            let items: Vec<Value> = what.try_iter()?.collect();
            let all = std::iter::repeat_n(items, count).flatten().collect();
            return gathered(all, what.is_tuple());
        }
    }
    numbers("*", a, b, i128::checked_mul, |a, b| a * b)
}

fn integer(value: &Value) -> Option<i128> {
    match value.kind() {
        ValueKind::Bool => Some(value.is_true().into()),
        _ if value.is_integer() => i128::try_from(value.clone()).ok(),
        _ => None,
    }
}

fn numbers(
    sign: &str,
    a: &Value,
    b: &Value,
    whole: fn(i128, i128) -> Option<i128>,
    float: fn(f64, f64) -> f64,
) -> Result<Value, Error> {
    let wrong = |message: String| Error::new(ErrorKind::InvalidOperation, message);
    if let (Some(a), Some(b)) = (integer(a), integer(b)) {
        let result = whole(a, b).ok_or_else(|| wrong("a number becomes too large".into()))?;
        return Ok(i64::try_from(result).map_or_else(|_| Value::from(result), Value::from));
    }
    let real = |value: &Value| match integer(value) {
        Some(whole) => Some(whole as f64),
        None if value.is_number() => f64::try_from(value.clone()).ok(),
        None => None,
    };
    match (real(a), real(b)) {
        (Some(a), Some(b)) => Ok(float(a, b).into()),
        _ => Err(wrong(format!(
            "the operator {sign} cannot take a value that is {} and one that is {}",
            a.kind(),
            b.kind()
        ))),
    }
}
