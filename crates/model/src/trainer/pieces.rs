//! Single operators of a step with all they read, for a judge.

use std::collections::HashMap;

use assay_data::Batch;
use assay_graph::{Data, Described, Input, Noise, Op, Operand, Origin, Piece};

use super::Trainer;
use crate::error::InvalidStep;
use crate::state::TrainState;

impl Trainer {
    /// The operators for which `wanted` holds, with the values that they read in the step that
    /// [`Trainer::step`] would take: what is brought before [`assay_graph::judge`]. `state` stays as
    /// it is.
    ///
    /// # Errors
    /// As [`Trainer::step`].
    pub fn pieces(
        &mut self,
        state: &TrainState,
        batch: &Batch,
        learning_rate: f32,
        wanted: impl Fn(usize) -> bool,
    ) -> Result<Vec<Piece>, InvalidStep> {
        let all = self.graph().described();
        let nodes: Vec<Described> = all.filter(|node| wanted(node.node as usize)).collect();
        let mut made: HashMap<(u32, u8), Vec<f32>> = HashMap::new();
        for operand in nodes.iter().flat_map(|node| &node.inputs) {
            if let Origin::Output { node, output } = operand.origin {
                made.insert((node, output), Vec::new());
            }
        }
        let mut keep = |node: usize, outputs: &[&[f32]]| {
            for (output, values) in (0u8..).zip(outputs) {
                if let Some(kept) = made.get_mut(&(node as u32, output)) {
                    *kept = values.to_vec();
                }
            }
        };
        self.step_observed(&mut state.clone(), batch, learning_rate, Some(&mut keep))?;
        let outside = Outside {
            trainer: self,
            state,
            batch,
            learning_rate,
        };
        let piece = |node: Described| {
            let data = |operand: &Operand| match operand.origin {
                Origin::Input(input) => outside.data(node.op, input, operand),
                Origin::Output { node, output } => {
                    Data::Floats(made.get(&(node, output)).cloned().unwrap_or_default())
                }
            };
            let inputs = node.inputs.iter().map(data).collect();
            Piece { node, inputs }
        };
        Ok(nodes.into_iter().map(piece).collect())
    }
}

/// What a step reads from outside.
struct Outside<'a> {
    trainer: &'a Trainer,
    state: &'a TrainState,
    batch: &'a Batch,
    learning_rate: f32,
}

impl Outside<'_> {
    fn data(&self, op: Op, input: Input, operand: &Operand) -> Data {
        let base = self.trainer.executor.base();
        let rows = operand.shape.rows as usize;
        let values = rows * operand.shape.cols as usize;
        let start = |table: &[f32]| Data::Floats(table[..values].to_vec());
        let part = |k: u32| k as usize * rows..(k as usize + 1) * rows;
        match input {
            Input::Weight(id) => match (op, base.weight_int8(id)) {
                (Op::QuantizedProduct { .. }, Some((values, scales))) => Data::Int8 {
                    values: values.to_vec(),
                    scales: scales.to_vec(),
                },
                _ => Data::Floats(base.weight(id).into_owned()),
            },
            Input::RopeCos => start(&base.rope().cos),
            Input::RopeSin => start(&base.rope().sin),
            Input::Ids(k) => Data::Ids(self.batch.ids[part(k)].to_vec()),
            Input::Labels(k) => Data::Labels(self.batch.labels[part(k)].to_vec()),
            Input::AllLabels => Data::Labels(self.batch.labels.clone()),
            Input::Noise => Data::Noise(Noise {
                key: self.trainer.seed,
                step: self.state.step,
            }),
            Input::LearningRate => Data::Floats(vec![self.learning_rate]),
            // A training step has no cache.
            Input::Past => Data::Past(0),
            Input::Keys(_)
            | Input::Values(_)
            | Input::Powers
            | Input::Param(_)
            | Input::First(_)
            | Input::Second(_) => Data::Floats(self.state.input(input).unwrap_or_default()),
        }
    }
}
