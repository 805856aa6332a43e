//! `train`: a small model on a table or on images.

use super::Rule;
use crate::Terms;

/// Trains a model that the specification describes, from its first parameters on, on the rows of `data`;
/// every step is one batch.
pub(super) struct Train;

impl Rule for Train {
    fn kind(&self) -> &'static str {
        "train"
    }

    fn inputs(&self) -> &'static [&'static str] {
        &["data"]
    }

    fn on_model(&self) -> bool {
        false
    }

    fn in_contest(&self) -> bool {
        true
    }

    fn check_terms(&self, terms: &Terms) -> Result<(), String> {
        if terms.spec.is_empty() {
            return Err("the specification is empty; it says what is trained, and how".to_owned());
        }
        Ok(())
    }
}
