//! `evaluate`: the loss of a language model on a data set.

use super::Rule;
use crate::Terms;

/// Scores `model`, with `adapter` on it if there is one, on `data`; every step is one batch.
pub(super) struct Evaluate;

impl Rule for Evaluate {
    fn kind(&self) -> &'static str {
        "evaluate"
    }

    fn inputs(&self) -> &'static [&'static str] {
        &["model", "data"]
    }

    fn optional_inputs(&self) -> &'static [&'static str] {
        &["adapter"]
    }

    fn on_model(&self) -> bool {
        true
    }

    fn check_terms(&self, terms: &Terms) -> Result<(), String> {
        if terms.spec.is_empty() {
            return Err("the specification is empty; it says how to score".to_owned());
        }
        Ok(())
    }
}
