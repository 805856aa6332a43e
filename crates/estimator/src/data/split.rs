//! Rows dealt to trainers, from a public seed.

use assay_kernel::random::Stream;
use assay_kernel::{Function, Kernel};

use super::notice::Notice;
use super::samples::{Labels, Samples};
use crate::error::DataFault;

/// The most trainers that rows are dealt to.
const MAX_TRAINERS: u32 = 1 << 16;
/// What is drawn from a split's seed, each under a purpose of its own.
const DEAL: u32 = 1;
const WEIGHTS: u32 = 2;
const HOLD_OUT: u32 = 3;

/// Which rows each trainer has, in the order in which it has them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// The numbers of each trainer's rows.
    pub rows: Vec<Vec<u32>>,
}

impl Split {
    /// Deals `rows` rows alike: the permutation drawn from the seed, cut into pieces whose lengths differ
    /// by one at most.
    ///
    /// # Errors
    /// When there are no trainers or too many.
    pub fn iid(rows: usize, trainers: u32, seed: &[u8; 32]) -> Result<Self, DataFault> {
        check_trainers(trainers)?;
        let order = Stream::new(seed, DEAL, 0).permutation(rows as u32);
        let weights = vec![1; trainers as usize];
        let rows = pieces(&order, &weights).map(<[u32]>::to_vec).collect();
        Ok(Self { rows })
    }

    /// Deals the rows of each class by shares of their own, drawn from a symmetric Dirichlet distribution
    /// (Hsu, Qi and Brown, "Measuring the effects of non-identical data distribution", 2019): the smaller
    /// `alpha`, the fewer classes a trainer sees. A trainer may be left without rows, which
    /// [`Split::notices`] tells.
    ///
    /// Shares are exponentials of logarithms of gamma variates, through the kernel's functions, so that
    /// every machine deals alike; rows follow from the shares in integers.
    ///
    /// # Errors
    /// When labels are no classes, `alpha` is not in 0.01..=1000, or there are no trainers or too many.
    pub fn dirichlet(
        labels: &Labels,
        trainers: u32,
        alpha: f32,
        seed: &[u8; 32],
    ) -> Result<Self, DataFault> {
        check_trainers(trainers)?;
        let Labels::Classes { count, of } = labels else {
            return Err(DataFault::NoClasses);
        };
        if !(0.01..=1000.0).contains(&alpha) {
            return Err(DataFault::Alpha(alpha));
        }
        let kernel = Kernel::new(assay_kernel::Isa::Scalar, 1).map_err(|_| DataFault::Kernel)?;
        let mut rows = vec![Vec::new(); trainers as usize];
        for class in 0..*count {
            let with = |row: &u32| of[*row as usize] == class;
            let mut order: Vec<u32> = (0..of.len() as u32).filter(with).collect();
            let places = Stream::new(seed, DEAL, u64::from(class)).permutation(order.len() as u32);
            order = places.iter().map(|at| order[*at as usize]).collect();
            let mut stream = Stream::new(seed, WEIGHTS, u64::from(class));
            let logs = (0..trainers).map(|_| log_gamma_variate(&kernel, &mut stream, alpha));
            let logs: Vec<f32> = logs.collect();
            let mut shares = vec![0.0; logs.len()];
            kernel.softmax_rows(&logs, logs.len(), &mut shares);
            // Shares in units of 2^-24; the cast truncates, exactly.
            let weights = shares.iter().map(|share| (share * 16_777_216.0) as u64);
            for (to, part) in rows
                .iter_mut()
                .zip(pieces(&order, &weights.collect::<Vec<_>>()))
            {
                to.extend_from_slice(part);
            }
        }
        // A trainer's rows do not stand class by class.
        for (trainer, rows) in rows.iter_mut().enumerate() {
            let index = u64::from(*count) + trainer as u64;
            let places = Stream::new(seed, DEAL, index).permutation(rows.len() as u32);
            *rows = places.iter().map(|at| rows[*at as usize]).collect();
        }
        Ok(Self { rows })
    }

    /// Each trainer's rows.
    ///
    /// # Panics
    /// If the split is one of more rows.
    pub fn shards<'a>(&'a self, samples: &'a Samples) -> impl Iterator<Item = Samples> + 'a {
        self.rows.iter().map(|rows| samples.of_rows(rows))
    }

    /// What is odd about each trainer's rows.
    ///
    /// # Panics
    /// If the split is one of more rows.
    pub fn notices(&self, samples: &Samples) -> Vec<(u32, Notice)> {
        let shards = self.shards(samples).zip(0..);
        let told = shards.flat_map(|(shard, trainer)| {
            let notices = shard.notices().into_iter();
            notices.map(move |notice| (trainer, notice))
        });
        told.collect()
    }
}

/// Numbers of rows in two lists, those for training and those that are held out: `per_mille` of a
/// thousand, rounded down, drawn from the seed, both ascending.
pub fn hold_out(rows: usize, per_mille: u32, seed: &[u8; 32]) -> (Vec<u32>, Vec<u32>) {
    let held = rows as u64 * u64::from(per_mille.min(1000)) / 1000;
    let order = Stream::new(seed, HOLD_OUT, 0).permutation(rows as u32);
    let (held, kept) = order.split_at(held as usize);
    let sorted = |rows: &[u32]| {
        let mut rows = rows.to_vec();
        rows.sort_unstable();
        rows
    };
    (sorted(kept), sorted(held))
}

fn check_trainers(trainers: u32) -> Result<(), DataFault> {
    match (1..=MAX_TRAINERS).contains(&trainers) {
        true => Ok(()),
        false => Err(DataFault::Trainers(trainers)),
    }
}

/// Cuts a list at `len * (w_0 + .. + w_i) / (w_0 + .. + w_n)`, rounded down.
fn pieces<'a>(list: &'a [u32], weights: &[u64]) -> impl Iterator<Item = &'a [u32]> {
    let total: u128 = weights.iter().map(|w| u128::from(*w)).sum::<u128>().max(1);
    let ends = weights.iter().scan(0u128, move |sum, weight| {
        *sum += u128::from(*weight);
        Some((list.len() as u128 * *sum / total) as usize)
    });
    let mut from = 0;
    let ends: Vec<usize> = ends.collect();
    ends.into_iter().map(move |end| {
        let piece = &list[from..end];
        from = end;
        piece
    })
}

/// The logarithm of a gamma variate of this shape and scale 1 (Marsaglia and Tsang, "A simple method for
/// generating gamma variables", 2000). Below shape 1 it is that of shape + 1 plus `ln(u) / shape`, which
/// as a logarithm never underflows.
fn log_gamma_variate(kernel: &Kernel, stream: &mut Stream, shape: f32) -> f32 {
    let ln = |x: f32| {
        let mut y = [0.0];
        kernel.apply(Function::Log, &[x], &mut y);
        y[0]
    };
    // Never zero: the middle of one of 2^24 steps.
    let above_zero = |stream: &mut Stream| stream.uniform01() + 1.0 / 33_554_432.0;
    let boost = match shape < 1.0 {
        true => ln(above_zero(stream)) / shape,
        false => 0.0,
    };
    let raised = if shape < 1.0 { shape + 1.0 } else { shape };
    let d = raised - 1.0 / 3.0;
    let c = 1.0 / (9.0 * d).sqrt();
    loop {
        let x = stream.normal();
        let u = above_zero(stream);
        let root = 1.0 + c * x;
        if root <= 0.0 {
            continue;
        }
        let v = root * root * root;
        if ln(u) < 0.5 * x * x + d - d * v + d * ln(v) {
            return ln(d * v) + boost;
        }
    }
}
