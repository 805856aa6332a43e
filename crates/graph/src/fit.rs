//! What an operator takes: kinds, settings and shapes, and how much arithmetic follows from them.

use assay_kernel::{AttentionShape, MAX_DEPTH_I8, all_finite};

use crate::check::Malformed;
use crate::described::Described;
use crate::op::{AdamWConfig, Op};
use crate::piece::Data;
use crate::tile::Shape;

/// What an operator reads at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Floats,
    Ids,
    Labels,
    Int8,
    Noise,
    Past,
}

impl Kind {
    pub(crate) fn of(data: &Data) -> Self {
        match data {
            Data::Floats(_) => Self::Floats,
            Data::Ids(_) => Self::Ids,
            Data::Labels(_) => Self::Labels,
            Data::Int8 { .. } => Self::Int8,
            Data::Noise(_) => Self::Noise,
            Data::Past(_) => Self::Past,
        }
    }

    /// Whether it is a matrix; what is none has the empty shape.
    fn is_matrix(self) -> bool {
        !matches!(self, Self::Noise | Self::Past)
    }
}

/// The kinds of what an operator reads, and how many outputs it has.
pub(crate) fn signature(op: Op) -> (&'static [Kind], usize) {
    use Kind::{Floats as F, Ids, Int8, Labels, Noise, Past};
    match op {
        Op::Embedding | Op::EmbeddingBackward => (&[F, Ids], 1),
        Op::RmsNorm { .. } => (&[F; 2], 2),
        Op::RmsNormBackward { weight } => (&[F; 4], 1 + usize::from(weight)),
        Op::QuantizedProduct { accumulate, .. } => match accumulate {
            false => (&[F, Int8], 1),
            true => (&[F, Int8, F], 1),
        },
        Op::Product { accumulate, .. } | Op::ColumnDots { accumulate } => match accumulate {
            false => (&[F; 2], 1),
            true => (&[F; 3], 1),
        },
        Op::ColumnSums { accumulate } | Op::SumSquares { accumulate } => match accumulate {
            false => (&[F], 1),
            true => (&[F; 2], 1),
        },
        Op::Rope { .. } => (&[F; 3], 1),
        Op::Attention { .. } => (&[F; 3], 2),
        Op::AttentionBackward { .. } => (&[F; 5], 3),
        Op::CachedAttention { .. } => (&[F, F, F, F, F, Past], 3),
        Op::SiluMulBackward => (&[F; 3], 2),
        Op::CrossEntropy { gradient } => (&[F, Labels, Labels], 1 + usize::from(gradient)),
        Op::Mean => (&[F, Labels], 1),
        Op::Dropout { .. } => (&[F, Noise], 1),
        Op::AddBias | Op::SiluMul | Op::Add | Op::Divide | Op::ScaleColumns | Op::ScaleBy => {
            (&[F; 2], 1)
        }
        Op::LastRow
        | Op::Sum
        | Op::Scale { .. }
        | Op::RowNorms
        | Op::RoundBf16
        | Op::ClipFactor { .. }
        | Op::NextPowers(_) => (&[F], 1),
        Op::AdamW(_) => (&[F; 6], 3),
    }
}

/// Checks the counts, settings and shapes of a node; about how many steps of arithmetic it takes.
pub(crate) fn work(node: &Described) -> Result<u64, Malformed> {
    let (kinds, outputs) = signature(node.op);
    if node.inputs.len() != kinds.len() {
        return Err(Malformed::Inputs {
            expected: kinds.len(),
            found: node.inputs.len(),
        });
    }
    if node.outputs.len() != outputs {
        return Err(Malformed::Outputs {
            expected: outputs,
            found: node.outputs.len(),
        });
    }
    settings(node.op)?;
    let shapes: Vec<Shape> = node.inputs.iter().map(|operand| operand.shape).collect();
    Fit::new(kinds, &shapes, &node.outputs)?.operator(node.op)
}

fn settings(op: Op) -> Result<(), Malformed> {
    let adamw = |settings: AdamWConfig| {
        let AdamWConfig {
            beta1,
            beta2,
            eps,
            weight_decay,
        } = settings;
        all_finite(&[beta1, beta2, eps, weight_decay])
    };
    let fine = match op {
        Op::RmsNorm { eps: x } | Op::Scale { factor: x } | Op::ClipFactor { max_norm: x } => {
            x.is_finite()
        }
        Op::Attention { scale, .. }
        | Op::AttentionBackward { scale, .. }
        | Op::CachedAttention { scale, .. } => scale.is_finite(),
        Op::Dropout { p, .. } => (0.0..1.0).contains(&p),
        Op::NextPowers(settings) | Op::AdamW(settings) => adamw(settings),
        _ => true,
    };
    fine.then_some(()).ok_or(Malformed::Setting)
}

/// The shapes of a node, none of which is too large to be counted.
struct Fit<'a> {
    inputs: &'a [Shape],
    outputs: &'a [Shape],
}

impl<'a> Fit<'a> {
    fn new(kinds: &[Kind], inputs: &'a [Shape], outputs: &'a [Shape]) -> Result<Self, Malformed> {
        let matrix = |shape: &Shape| {
            let values = times([shape.rows, shape.cols]);
            (1..=1 << 40).contains(&values)
        };
        for (place, (kind, shape)) in kinds.iter().zip(inputs).enumerate() {
            let fits = match kind.is_matrix() {
                true => matrix(shape),
                false => (shape.rows, shape.cols) == (0, 0),
            };
            if !fits {
                return Err(Malformed::InputShape(place));
            }
        }
        match outputs.iter().position(|shape| !matrix(shape)) {
            Some(place) => Err(Malformed::OutputShape(place)),
            None => Ok(Self { inputs, outputs }),
        }
    }

    /// Values of all inputs and outputs.
    fn all(&self) -> u64 {
        let shapes = self.inputs.iter().chain(self.outputs);
        shapes.map(|shape| shape.rows * shape.cols).sum()
    }

    /// Values of an input.
    fn count(&self, place: usize) -> u64 {
        self.inputs[place].rows * self.inputs[place].cols
    }

    fn input(&self, place: usize, fits: bool) -> Result<(), Malformed> {
        fits.then_some(()).ok_or(Malformed::InputShape(place))
    }

    /// An input has this shape.
    fn shaped(&self, place: usize, rows: u64, cols: u64) -> Result<(), Malformed> {
        self.input(place, self.inputs[place] == Shape { rows, cols })
    }

    /// An input has so many values, in a row or in a column.
    fn list(&self, place: usize, values: u64) -> Result<(), Malformed> {
        self.input(place, self.count(place) == values)
    }

    /// An input has the shape of the first.
    fn alike(&self, place: usize) -> Result<(), Malformed> {
        self.input(place, self.inputs[place] == self.inputs[0])
    }

    fn writes(&self, place: usize, rows: u64, cols: u64) -> Result<(), Malformed> {
        let fits = self.outputs[place] == Shape { rows, cols };
        fits.then_some(()).ok_or(Malformed::OutputShape(place))
    }

    fn writes_list(&self, place: usize, values: u64) -> Result<(), Malformed> {
        let Shape { rows, cols } = self.outputs[place];
        let fits = rows * cols == values;
        fits.then_some(()).ok_or(Malformed::OutputShape(place))
    }

    /// An output has the shape of an input.
    fn writes_like(&self, place: usize, input: usize) -> Result<(), Malformed> {
        let Shape { rows, cols } = self.inputs[input];
        self.writes(place, rows, cols)
    }

    /// Checks every shape against the operator; about how many steps of arithmetic it takes.
    fn operator(&self, op: Op) -> Result<u64, Malformed> {
        let Shape { rows, cols } = self.inputs[0];
        let plain = 32 * self.all();
        match op {
            Op::Embedding => self.writes(0, self.count(1), cols)?,
            Op::EmbeddingBackward => {
                self.list(1, rows)?;
                let fits = self.outputs[0].cols == cols;
                fits.then_some(()).ok_or(Malformed::OutputShape(0))?;
            }
            Op::RmsNorm { .. } => {
                self.list(1, cols)?;
                self.writes_like(0, 0)?;
                self.writes_list(1, rows)?;
            }
            Op::RmsNormBackward { weight } => {
                self.alike(1)?;
                self.list(2, cols)?;
                self.list(3, rows)?;
                self.writes_like(0, 0)?;
                if weight {
                    self.writes_list(1, cols)?;
                }
            }
            Op::Product { ta, tb, accumulate } => return self.product(ta, tb, accumulate),
            Op::QuantizedProduct {
                transposed,
                accumulate,
            } => {
                self.input(0, cols <= MAX_DEPTH_I8 as u64)?;
                return self.product(false, transposed, accumulate);
            }
            Op::Rope { heads, .. } => {
                let Shape {
                    rows: seq,
                    cols: half,
                } = self.inputs[1];
                self.shaped(2, seq, half)?;
                let width = (heads as u64).checked_mul(2 * half);
                self.input(0, width == Some(cols) && rows.is_multiple_of(seq))?;
                self.writes_like(0, 0)?;
            }
            Op::Attention { shape, .. } => return self.attention(shape),
            Op::AttentionBackward { shape, .. } => return self.attention_backward(shape),
            Op::CachedAttention { shape, .. } => return self.cached_attention(shape),
            Op::LastRow => self.writes(0, 1, cols)?,
            Op::SiluMulBackward => {
                self.alike(1)?;
                self.alike(2)?;
                self.writes_like(0, 0)?;
                self.writes_like(1, 0)?;
            }
            Op::CrossEntropy { gradient } => {
                self.list(1, rows)?;
                self.writes_list(0, rows)?;
                if gradient {
                    self.writes_like(1, 0)?;
                }
            }
            Op::Sum | Op::Mean => self.writes(0, 1, 1)?,
            Op::SiluMul | Op::Add | Op::Divide => {
                self.list(1, self.count(0))?;
                self.writes_like(0, 0)?;
            }
            Op::AddBias | Op::ScaleColumns => {
                self.list(1, cols)?;
                self.writes_like(0, 0)?;
            }
            Op::ScaleBy => {
                self.list(1, 1)?;
                self.writes_like(0, 0)?;
            }
            Op::Scale { .. } | Op::RoundBf16 | Op::Dropout { .. } => self.writes_like(0, 0)?,
            Op::ColumnSums { accumulate } => {
                if accumulate {
                    self.list(1, cols)?;
                }
                self.writes_list(0, cols)?;
            }
            Op::ColumnDots { accumulate } => {
                self.alike(1)?;
                if accumulate {
                    self.list(2, cols)?;
                }
                self.writes_list(0, cols)?;
            }
            Op::RowNorms => self.writes_list(0, rows)?,
            Op::SumSquares { accumulate } => {
                if accumulate {
                    self.list(1, 1)?;
                }
                self.writes(0, 1, 1)?;
            }
            Op::ClipFactor { .. } => {
                self.list(0, 1)?;
                self.writes_like(0, 0)?;
            }
            Op::NextPowers(_) => {
                self.list(0, 2)?;
                self.writes_like(0, 0)?;
            }
            Op::AdamW(_) => {
                for place in 1..4 {
                    self.list(place, self.count(0))?;
                    self.writes_list(place - 1, self.count(0))?;
                }
                self.list(4, 2)?;
                self.list(5, 1)?;
            }
        }
        Ok(plain)
    }

    fn product(&self, ta: bool, tb: bool, accumulate: bool) -> Result<u64, Malformed> {
        let turned = |shape: Shape, turn: bool| match turn {
            true => (shape.cols, shape.rows),
            false => (shape.rows, shape.cols),
        };
        let (m, depth) = turned(self.inputs[0], ta);
        let (inner, n) = turned(self.inputs[1], tb);
        self.input(1, inner == depth)?;
        if accumulate {
            self.shaped(2, m, n)?;
        }
        self.writes(0, m, n)?;
        Ok(times([m, n, depth]).saturating_add(self.all()))
    }

    /// The sizes of an attention, once they have been found to fit `q` and the keys at `keys`:
    /// steps for one product over all pairs of positions.
    fn heads(&self, shape: AttentionShape, q: usize, keys: [usize; 2]) -> Result<Pairs, Malformed> {
        let sides = [
            shape.batch,
            shape.seq,
            shape.heads,
            shape.kv_heads,
            shape.head_dim,
        ];
        if sides.contains(&0) || !shape.heads.is_multiple_of(shape.kv_heads) {
            return Err(Malformed::Setting);
        }
        let [batch, seq, heads, kv_heads, head_dim] = sides.map(|n| n as u64);
        self.shaped(q, times([batch, seq]), times([heads, head_dim]))?;
        for place in keys {
            self.shaped(place, times([batch, seq]), times([kv_heads, head_dim]))?;
        }
        Ok(Pairs {
            rows: times([batch, heads, seq]),
            seq,
            work: times([batch, heads, head_dim, seq, seq]),
        })
    }

    fn attention(&self, shape: AttentionShape) -> Result<u64, Malformed> {
        let pairs = self.heads(shape, 0, [1, 2])?;
        self.writes_like(0, 0)?;
        self.writes(1, pairs.rows, pairs.seq)?;
        Ok(times([2, pairs.work]).saturating_add(32 * self.all()))
    }

    fn attention_backward(&self, shape: AttentionShape) -> Result<u64, Malformed> {
        let pairs = self.heads(shape, 1, [2, 3])?;
        self.input(0, self.inputs[0] == self.inputs[1])?;
        self.shaped(4, pairs.rows, pairs.seq)?;
        for place in 0..3 {
            self.writes_like(place, place + 1)?;
        }
        Ok(times([5, pairs.work]).saturating_add(32 * self.all()))
    }

    fn cached_attention(&self, shape: AttentionShape) -> Result<u64, Malformed> {
        let pairs = self.heads(shape, 0, [1, 2])?;
        if shape.batch != 1 {
            return Err(Malformed::Setting);
        }
        for place in [3, 4] {
            let fits = self.inputs[place].cols == self.inputs[1].cols;
            self.input(place, fits && self.inputs[place].rows >= pairs.seq)?;
        }
        self.input(4, self.inputs[3] == self.inputs[4])?;
        self.writes_like(0, 0)?;
        self.writes_like(1, 3)?;
        self.writes_like(2, 4)?;
        let context = self.inputs[3].rows;
        let work = times([2, pairs.work / pairs.seq, context]);
        Ok(work.saturating_add(32 * self.all()))
    }
}

/// A product of counts; what does not fit 64 bits fits no limit either.
fn times<const N: usize>(counts: [u64; N]) -> u64 {
    counts.into_iter().fold(1, u64::saturating_mul)
}

/// What attention looks at.
struct Pairs {
    /// Rows of all heads.
    rows: u64,
    seq: u64,
    work: u64,
}
