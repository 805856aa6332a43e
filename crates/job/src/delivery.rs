//! What a requester gets.

use std::collections::BTreeMap;

use assay_model::ADAPTER_CONFIG;

/// What a requester gets for its money.
#[derive(Debug, Clone, Default)]
pub struct Delivery {
    /// Files of the result folder: name and bytes.
    pub files: Vec<(String, Vec<u8>)>,
    /// Figures about the result, each recomputable from specification, inputs and state.
    pub figures: BTreeMap<String, f64>,
    /// Text generated before and after, for a person to look at: prompt, base, result.
    pub samples: Vec<Sample>,
    /// What the requester should know about the result before using it.
    pub warnings: Vec<String>,
    /// What the model's files leave open or say differently from one another, and what of the
    /// settings is passed over.
    pub notes: Vec<String>,
}

impl Delivery {
    /// Says in an adapter's settings where its base lies: `base_model_name_or_path`, where PEFT looks
    /// for it. The work itself knows the model only by its bytes.
    pub fn name_base(&mut self, base: Option<&str>) {
        let configs = self.files.iter_mut();
        for (_, bytes) in configs.filter(|(name, _)| name == ADAPTER_CONFIG) {
            *bytes = assay_model::name_base(bytes, base);
        }
    }
}

/// One prompt answered by the base model and by the result.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Sample {
    /// What was asked.
    pub prompt: String,
    /// The base model's greedy answer.
    pub base: String,
    /// The adapted model's greedy answer.
    pub adapted: String,
}
