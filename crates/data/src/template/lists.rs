//! Filters that make lists.

use minijinja::value::{Rest, ValueKind, ValueOrKwargs};
use minijinja::{Environment, Error, State, Value};

use super::budget::{charge_entries, copied};
use super::views::View;

/// The engine's filters that make lists: what they make is paid for, and what Python makes a
/// generator of is one.
pub(super) fn install(environment: &mut Environment<'_>) {
    use minijinja::filters as engine;

    let lists = [
        ("dictsort", Value::from_function(engine::dictsort)),
        ("groupby", Value::from_function(engine::groupby)),
        ("list", Value::from_function(engine::list)),
        ("sort", Value::from_function(engine::sort)),
    ];
    let generators = [
        ("batch", Value::from_function(engine::batch)),
        ("items", Value::from_function(engine::items)),
        ("map", Value::from_function(engine::map)),
        ("reject", Value::from_function(engine::reject)),
        ("rejectattr", Value::from_function(engine::rejectattr)),
        ("reverse", Value::from_function(engine::reverse)),
        ("select", Value::from_function(engine::select)),
        ("selectattr", Value::from_function(engine::selectattr)),
        ("slice", Value::from_function(engine::slice)),
        ("unique", Value::from_function(engine::unique)),
    ];
    for (name, filter) in lists {
        environment.add_filter(
            name,
            move |state: &mut State<'_, '_>, args: Rest<ValueOrKwargs>| call(&filter, state, args),
        );
    }
    for (name, filter) in generators {
        environment.add_filter(
            name,
            move |state: &mut State<'_, '_>, args: Rest<ValueOrKwargs>| -> Result<Value, Error> {
                let result = call(&filter, state, args)?;
                match result.kind() {
                    ValueKind::Seq | ValueKind::Iterable => {
                        Ok(View::generator(result.try_iter()?.collect()))
                    }
                    _ => Ok(result),
                }
            },
        );
    }
}

/// Calls a filter of the engine, after its entries have been paid for: a text is a list of its
/// characters.
fn call(
    filter: &Value,
    state: &mut State<'_, '_>,
    args: Rest<ValueOrKwargs>,
) -> Result<Value, Error> {
    let args = args.into_values();
    charge_entries(args.first().and_then(Value::len).unwrap_or(0))?;
    filter.call(state, &args).and_then(copied)
}
