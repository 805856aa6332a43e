//! What a judge takes on, and why not: counts, kinds, sizes and values, before anything is computed.

use assay_kernel::{IGNORE, all_finite};

use crate::described::Described;
use crate::fit::{Kind, signature, work};
use crate::op::Op;
use crate::piece::Data;
use crate::tile::Shape;

/// What a judge takes upon itself for one operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Values of all inputs and outputs together, 4 bytes each.
    pub values: u64,
    /// Steps of arithmetic, about: one for each product that is added up.
    pub work: u64,
}

impl Limits {
    /// In a transaction: what 64 KiB of evidence can hold, in some milliseconds.
    pub const TRANSACTION: Self = Self {
        values: 1 << 15,
        work: 1 << 22,
    };

    /// In a process of its own: an operator of a large model, in 1 GiB.
    pub const WORKER: Self = Self {
        values: 1 << 28,
        work: 1 << 42,
    };
}

/// Why an operator was not run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// The operator has another number of inputs.
    #[error("the operator reads {expected} inputs, and {found} are given")]
    Inputs {
        /// Inputs it has.
        expected: usize,
        /// Inputs given.
        found: usize,
    },
    /// The operator has another number of outputs.
    #[error("the operator writes {expected} outputs, and {found} are named")]
    Outputs {
        /// Outputs it has.
        expected: usize,
        /// Outputs named.
        found: usize,
    },
    /// An input is of another kind, such as token ids instead of numbers.
    #[error("input {0} is of another kind than the operator reads")]
    Kind(usize),
    /// A shape does not fit the operator or the other shapes.
    #[error("the shape of input {0} does not fit")]
    InputShape(usize),
    /// The shape of an output is another one.
    #[error("the shape of output {0} does not fit")]
    OutputShape(usize),
    /// An input has another number of values than its shape says.
    #[error("input {0} has another number of values than its shape says")]
    Length(usize),
    /// An input holds a NaN or an infinity.
    #[error("input {0} holds a NaN or an infinity")]
    NotFinite(usize),
    /// An input holds what lies outside its range: a token, a label, an integer, a position.
    #[error("input {0} holds a value outside its range")]
    Range(usize),
    /// A setting of the operator is none that it can have.
    #[error("a setting of the operator lies outside its range")]
    Setting,
    /// It is more than the judge takes upon itself.
    #[error("it takes {values} values and {work} steps of arithmetic, more than is allowed")]
    TooLarge {
        /// Values of inputs and outputs.
        values: u64,
        /// Steps.
        work: u64,
    },
}

/// Checks a node and the values of its operands.
pub(crate) fn check(node: &Described, inputs: &[Data], limits: Limits) -> Result<(), Malformed> {
    let (kinds, _) = signature(node.op);
    if inputs.len() != kinds.len() {
        return Err(Malformed::Inputs {
            expected: kinds.len(),
            found: inputs.len(),
        });
    }
    let wrong =
        |(place, kind): (usize, &Kind)| (Kind::of(&inputs[place]) != *kind).then_some(place);
    if let Some(place) = kinds.iter().enumerate().find_map(wrong) {
        return Err(Malformed::Kind(place));
    }
    let work = work(node)?;
    let shapes = node.inputs.iter().map(|operand| operand.shape);
    let values = shapes.clone().chain(node.outputs.iter().copied());
    let values = values.map(|shape| shape.rows * shape.cols).sum();
    if values > limits.values || work > limits.work {
        return Err(Malformed::TooLarge { values, work });
    }
    for (place, (data, shape)) in inputs.iter().zip(shapes).enumerate() {
        contents(place, data, shape)?;
    }
    ranges(node, inputs)
}

/// Checks one input by itself.
fn contents(place: usize, data: &Data, shape: Shape) -> Result<(), Malformed> {
    let count = shape.rows * shape.cols;
    let length = match data {
        Data::Floats(values) => values.len(),
        Data::Ids(ids) => ids.len(),
        Data::Labels(labels) => labels.len(),
        Data::Int8 { values, scales } => {
            if scales.len() as u64 != shape.rows {
                return Err(Malformed::Length(place));
            }
            values.len()
        }
        Data::Noise(_) | Data::Past(_) => return Ok(()),
    };
    if length as u64 != count {
        return Err(Malformed::Length(place));
    }
    match data {
        Data::Floats(values) | Data::Int8 { scales: values, .. } if !all_finite(values) => {
            Err(Malformed::NotFinite(place))
        }
        // Integers are rounded to within 127 of zero.
        Data::Int8 { values, .. } if values.contains(&i8::MIN) => Err(Malformed::Range(place)),
        _ => Ok(()),
    }
}

/// Checks tokens, labels and positions against the shapes they point into.
fn ranges(node: &Described, inputs: &[Data]) -> Result<(), Malformed> {
    let within = |place: usize, fits: bool| fits.then_some(()).ok_or(Malformed::Range(place));
    let below = |data: &Data, end: u64| match data {
        Data::Ids(ids) => ids.iter().all(|id| u64::from(*id) < end),
        Data::Labels(labels) => labels
            .iter()
            .all(|label| *label == IGNORE || u64::try_from(*label).is_ok_and(|label| label < end)),
        Data::Past(past) => *past < end,
        _ => false,
    };
    match node.op {
        Op::Embedding => within(1, below(&inputs[1], node.inputs[0].shape.rows)),
        Op::EmbeddingBackward => within(1, below(&inputs[1], node.outputs[0].rows)),
        Op::CrossEntropy { .. } => within(1, below(&inputs[1], node.inputs[0].shape.cols)),
        Op::CachedAttention { shape, .. } => {
            let context = node.inputs[3].shape.rows;
            let most = context.saturating_sub(shape.seq as u64);
            within(5, below(&inputs[5], most + 1))
        }
        _ => Ok(()),
    }
}
