//! The tensors that a party keeps from step to step.

use std::collections::HashMap;

use assay_model::{Adapter, Base, Graph, Input};

use crate::error::SetupError;
use crate::ownership::{Side, Split, may_hold};

/// Frozen tensors, by the input of the step that they are. Those that a base holds in a shorter
/// form ([`Precision`](assay_model::Precision)) are widened here.
#[derive(Clone, Default)]
pub struct Holdings {
    values: HashMap<Input, Vec<f32>>,
}

impl Holdings {
    /// What `side` keeps of a base and an adapter for `split`. The provider's part has no embedding,
    /// final norm, output matrix or M; the requester's has nothing of the layers, and M is in its
    /// training state.
    ///
    /// # Errors
    /// When base or adapter have other shapes than the split was made for.
    pub fn of(
        split: &Split,
        side: Side,
        base: &Base,
        adapter: &Adapter,
    ) -> Result<Self, SetupError> {
        if base.config() != split.config() || adapter.method() != split.method() {
            return Err(SetupError::OtherModel);
        }
        let inputs = split.inputs_of(side).into_iter();
        Self::collect(split.graph(), inputs, base, adapter)
    }

    /// The frozen ones among `inputs`.
    pub(crate) fn collect(
        graph: &Graph,
        inputs: impl Iterator<Item = Input>,
        base: &Base,
        adapter: &Adapter,
    ) -> Result<Self, SetupError> {
        if base.precision().computes_in_int8() {
            return Err(SetupError::Precision);
        }
        let mut holdings = Self::default();
        for input in inputs {
            let length = length(graph, input);
            let start = |table: &[f32]| table.get(..length).unwrap_or_default().to_vec();
            let values = match input {
                Input::Weight(id) => base.weight(id).into_owned(),
                Input::RopeCos => start(&base.rope().cos),
                Input::RopeSin => start(&base.rope().sin),
                Input::Param(i) => match adapter.params().get(i as usize) {
                    Some(param) if !param.info.is_trained() => param.values.clone(),
                    _ => continue,
                },
                _ => continue,
            };
            holdings.values.insert(input, values);
        }
        Ok(holdings)
    }

    /// Adds a tensor, for a party that loads its part alone.
    pub fn insert(&mut self, input: Input, values: Vec<f32>) {
        self.values.insert(input, values);
    }

    /// What is held.
    pub fn inputs(&self) -> impl Iterator<Item = Input> {
        self.values.keys().copied()
    }

    pub(crate) fn get(&self, input: Input) -> Option<&[f32]> {
        self.values.get(&input).map(Vec::as_slice)
    }

    /// Checks that a provider's part is all it needs and nothing it must not have.
    pub(crate) fn check_provider(&self, split: &Split) -> Result<(), SetupError> {
        let params = split.method().params(split.config());
        if let Some(input) = self
            .inputs()
            .find(|i| !may_hold(split.config(), &params, *i))
        {
            return Err(SetupError::NotForProvider(input));
        }
        self.check_all(split.graph(), split.inputs_of(Side::Provider).into_iter())
    }

    /// Checks that every one of these inputs is held in the right length.
    pub(crate) fn check_all(
        &self,
        graph: &Graph,
        mut needed: impl Iterator<Item = Input>,
    ) -> Result<(), SetupError> {
        let lacks = |input: &Input| {
            let held = self.get(*input).map(<[f32]>::len);
            held != Some(length(graph, *input))
        };
        match needed.find(lacks) {
            None => Ok(()),
            Some(input) => Err(SetupError::Missing(input)),
        }
    }
}

impl std::fmt::Debug for Holdings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let inputs = self.inputs().count();
        f.debug_struct("Holdings")
            .field("tensors", &inputs)
            .finish_non_exhaustive()
    }
}

fn length(graph: &Graph, input: Input) -> usize {
    let tensor = graph.tensors.iter().find(|t| t.input == Some(input));
    tensor.map_or(0, |tensor| tensor.values())
}
