//! Figures, told and recomputed.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::{Map, Value};

/// What `result.json` says.
pub(super) type Told = Map<String, Value>;

/// One figure, told and recomputed.
#[derive(Debug, Serialize)]
pub(super) struct Check {
    pub(super) figure: String,
    told: Value,
    recomputed: Value,
    /// Whether both are the same; `None` for what nobody can recompute.
    pub(super) equal: Option<bool>,
}

impl Check {
    /// For people: one row, or where two lists of figures differ one for each figure that does.
    pub(super) fn rows(&self) -> Vec<[String; 4]> {
        let shown = |value: &Value| {
            let text = value.to_string();
            text.trim_matches('"').chars().take(44).collect::<String>()
        };
        let row = |figure: String, told: &Value, recomputed: &Value| {
            [
                figure,
                shown(told),
                shown(recomputed),
                self.verdict().to_owned(),
            ]
        };
        match (&self.told, &self.recomputed) {
            (Value::Object(told), Value::Object(found)) if self.equal == Some(false) => {
                let names: BTreeSet<&String> = told.keys().chain(found.keys()).collect();
                let none = &Value::Null;
                names
                    .into_iter()
                    .map(|name| (name, told.get(name), found.get(name)))
                    .filter(|(_, told, found)| told != found)
                    .map(|(name, told, found)| {
                        let figure = format!("{}: {name}", self.figure);
                        row(figure, told.unwrap_or(none), found.unwrap_or(none))
                    })
                    .collect()
            }
            (told, recomputed) => vec![row(self.figure.clone(), told, recomputed)],
        }
    }

    fn verdict(&self) -> &'static str {
        match self.equal {
            Some(true) => "equal",
            Some(false) => "DIFFERS",
            None => "not checked",
        }
    }
}

/// Every figure that either side names; where files lie is for the reader of the files to say.
pub(super) fn compare(told: &Told, found: &Told) -> Vec<Check> {
    let names: BTreeSet<&String> = told.keys().chain(found.keys()).collect();
    let value = |side: &Told, name: &str| side.get(name).cloned().unwrap_or(Value::Null);
    let compared = names.into_iter().map(|name| {
        let mut check = check(name, value(told, name), value(found, name));
        if ["adapter_dir", "chain_dir", "blob_dir"].contains(&name.as_str()) {
            check.equal = None;
        }
        check
    });
    compared.collect()
}

/// What is somebody's word and nothing else.
pub(super) fn unchecked(figure: &str, told: Value, recomputed: Value) -> Check {
    Check {
        figure: figure.to_owned(),
        told,
        recomputed,
        equal: None,
    }
}

pub(super) fn check(figure: &str, told: Value, recomputed: Value) -> Check {
    let equal = Some(told == recomputed);
    Check {
        figure: figure.to_owned(),
        told,
        recomputed,
        equal,
    }
}
