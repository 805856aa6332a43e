//! `federated`: a small model, by many trainers, each on rows that it keeps to itself.

use super::Rule;
use crate::Terms;

/// Trains a model that the specification describes in rounds: each trainer takes steps on its own rows, and
/// the updates are merged. The order has no inputs; each trainer records its rows.
pub(super) struct Federated;

impl Rule for Federated {
    fn kind(&self) -> &'static str {
        "federated"
    }

    fn inputs(&self) -> &'static [&'static str] {
        &[]
    }

    fn on_model(&self) -> bool {
        false
    }

    fn in_rounds(&self) -> bool {
        true
    }

    fn check_terms(&self, terms: &Terms) -> Result<(), String> {
        if terms.spec.is_empty() {
            return Err("the specification is empty; it says what is trained, and how".to_owned());
        }
        Ok(())
    }
}
