//! One operator alone, from nothing but its inputs.

use assay_crypto::Digest;
use assay_kernel::{ConfigError, Isa, Kernel, all_finite};

use crate::check::{Limits, Malformed, check};
use crate::piece::{Data, Piece};
use crate::run_node::run_node;
use crate::tile::values_root;
use crate::trace::Record;

/// What a judge found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    /// The digest of the node.
    pub node: Digest,
    /// [`Data::root`] of each operand, to be held against what was committed to.
    pub inputs: Vec<Digest>,
    /// The Merkle root over each output's tiles; none when an output holds a NaN or an infinity: no
    /// step with such an operator can be taken.
    pub outputs: Option<Vec<Digest>>,
}

impl Judged {
    /// What a trace of the step must hold for this operator, if the step could be taken.
    pub fn record(&self) -> Option<Record> {
        Some(Record {
            node: self.node,
            outputs: self.outputs.clone()?,
        })
    }
}

/// Why nothing was found.
#[derive(Debug, thiserror::Error)]
pub enum JudgeError {
    /// The piece cannot be computed, on any machine.
    #[error("the piece is none that can be computed")]
    Malformed(#[from] Malformed),
    /// This machine cannot compute as specified; another one may.
    #[error("this machine cannot judge")]
    Machine(#[from] ConfigError),
}

/// Computes one operator on the scalar path and one thread, after every kind, shape, setting and
/// value has been checked. Every machine finds the same.
///
/// # Errors
/// [`JudgeError::Malformed`] for a piece that no machine can compute or that exceeds `limits`;
/// [`JudgeError::Machine`] when this one cannot.
pub fn judge(piece: &Piece, limits: Limits) -> Result<Judged, JudgeError> {
    let Piece { node, inputs } = piece;
    check(node, inputs, limits)?;
    let kernel = Kernel::new(Isa::Scalar, 1)?;
    let mut outputs: Vec<Vec<f32>> = Vec::with_capacity(node.outputs.len());
    for (k, shape) in node.outputs.iter().enumerate() {
        outputs.push(match node.op.updates(k).map(|place| &inputs[place]) {
            Some(Data::Floats(values)) => values.clone(),
            _ => vec![0.0; (shape.rows * shape.cols) as usize],
        });
    }
    let operands = inputs.iter().zip(&node.inputs);
    let arguments: Vec<_> = operands
        .map(|(data, operand)| data.argument(operand.shape))
        .collect();
    let mut slices: Vec<&mut [f32]> = outputs.iter_mut().map(Vec::as_mut_slice).collect();
    run_node(&kernel, node.op, &arguments, None, &mut slices);
    let finite = outputs.iter().all(|values| all_finite(values));
    Ok(Judged {
        node: node.digest(),
        inputs: inputs.iter().map(Data::root).collect(),
        outputs: finite.then(|| outputs.iter().map(|values| values_root(values)).collect()),
    })
}
