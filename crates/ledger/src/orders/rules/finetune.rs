//! `finetune`: training of a language model, or of an adapter for it.

use super::Rule;
use crate::Terms;

/// Trains an adapter for `model` on `train`; every step is one batch.
pub(super) struct Finetune;

impl Rule for Finetune {
    fn kind(&self) -> &'static str {
        "finetune"
    }

    fn inputs(&self) -> &'static [&'static str] {
        &["model", "train"]
    }

    fn on_model(&self) -> bool {
        true
    }

    fn methods(&self) -> &'static [&'static str] {
        &["lora", "ia3", "bitfit", "private_lora", "full"]
    }

    fn check_terms(&self, terms: &Terms) -> Result<(), String> {
        if terms.spec.is_empty() {
            return Err("the specification is empty; it says how to train".to_owned());
        }
        Ok(())
    }
}
