//! The state of a run: the trainer's, and with validation what it has seen so far.
//!
//! Without validation the bytes are the trainer's alone (`assay-model`, `state_bytes.rs`). With it:
//!
//! ```text
//! 0    8  length n of the trainer's state
//! 8    n  the trainer's state
//! ..   8  best validation loss, as f64 bits; infinity before the first evaluation
//! ..   8  the step after which it was measured
//! ..   4  evaluations since then
//! ..   1  whether the run has stopped
//! ..      with load_best_model_at_end the adapter of that step: every tensor, as f32 bits
//! ```

use assay_crypto::tiles::Writer;
use assay_model::{Adapter, Method, ModelConfig, TrainState};

use super::training::Evaluation;

/// What validation has shown so far.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Watch {
    /// Lowest loss.
    pub(super) best_loss: f64,
    /// The step after which it was measured.
    pub(super) best_step: u64,
    /// Evaluations since then.
    pub(super) since: u32,
    /// Whether the run has stopped: further steps change nothing.
    pub(super) stopped: bool,
    /// The adapter of that step, where the run ends with it.
    pub(super) best: Option<Adapter>,
}

/// Everything that a step changes.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct State {
    pub(super) train: TrainState,
    pub(super) watch: Option<Watch>,
}

impl State {
    /// The state before the first step.
    pub(super) fn new(first: Adapter, evaluation: Option<&Evaluation>) -> Self {
        let watch = evaluation.map(|evaluation| Watch {
            best_loss: f64::INFINITY,
            best_step: 0,
            since: 0,
            stopped: false,
            best: evaluation.keeps_best.then(|| first.clone()),
        });
        let train = TrainState::new(first);
        Self { train, watch }
    }

    /// Takes in the validation loss after a step.
    pub(super) fn observe(&mut self, step: u64, loss: f64, evaluation: &Evaluation) {
        let Some(watch) = &mut self.watch else { return };
        if loss < watch.best_loss {
            (watch.best_loss, watch.best_step, watch.since) = (loss, step, 0);
            if let Some(best) = &mut watch.best {
                best.clone_from(self.train.adapter());
            }
        } else {
            watch.since += 1;
        }
        watch.stopped = evaluation.patience.is_some_and(|most| watch.since >= most);
    }

    /// The adapter that the run is for.
    pub(super) fn into_adapter(self) -> Adapter {
        match self.watch.and_then(|watch| watch.best) {
            Some(best) => best,
            None => self.train.into_adapter(),
        }
    }

    pub(super) fn write(&self, to: &mut Writer<'_>) {
        let Some(watch) = &self.watch else {
            return self.train.write(to);
        };
        to.put(&(self.train.length() as u64).to_le_bytes());
        self.train.write(to);
        to.put(&watch.summary());
        if let Some(best) = &watch.best {
            for param in best.params() {
                to.put_values(&param.values);
            }
        }
    }

    /// Reads [`Self::write`] of a run with these settings; `first` gives the adapter's shape.
    pub(super) fn from_bytes(
        bytes: &[u8],
        method: &Method,
        model: &ModelConfig,
        evaluation: Option<&Evaluation>,
    ) -> Result<Self, String> {
        let train = |bytes| TrainState::from_bytes(bytes, method, model).map_err(|e| e.to_string());
        let Some(evaluation) = evaluation else {
            return Ok(Self {
                train: train(bytes)?,
                watch: None,
            });
        };
        let short = || "the training state ends early".to_owned();
        let (length, rest) = bytes.split_first_chunk::<8>().ok_or_else(short)?;
        let length = usize::try_from(u64::from_le_bytes(*length)).map_err(|_| short())?;
        let (state, rest) = rest.split_at_checked(length).ok_or_else(short)?;
        let train = train(state)?;
        let (summary, rest) = rest.split_first_chunk::<21>().ok_or_else(short)?;
        let mut watch = Watch::read(summary)?;
        if evaluation.keeps_best {
            watch.best = Some(read_adapter(rest, train.adapter())?);
        } else if !rest.is_empty() {
            return Err("the training state has bytes left over".to_owned());
        }
        Ok(Self {
            train,
            watch: Some(watch),
        })
    }
}

impl Watch {
    fn summary(&self) -> [u8; 21] {
        let mut out = [0; 21];
        out[..8].copy_from_slice(&self.best_loss.to_le_bytes());
        out[8..16].copy_from_slice(&self.best_step.to_le_bytes());
        out[16..20].copy_from_slice(&self.since.to_le_bytes());
        out[20] = u8::from(self.stopped);
        out
    }

    fn read(summary: &[u8; 21]) -> Result<Self, String> {
        let eight = |at: usize| std::array::from_fn(|i| summary[at + i]);
        let since = u32::from_le_bytes(std::array::from_fn(|i| summary[16 + i]));
        let watch = Self {
            best_loss: f64::from_le_bytes(eight(0)),
            best_step: u64::from_le_bytes(eight(8)),
            since,
            stopped: summary[20] == 1,
            best: None,
        };
        match watch.best_loss >= 0.0 && watch.summary() == *summary {
            true => Ok(watch),
            false => Err("the training state's validation record is malformed".to_owned()),
        }
    }
}

/// An adapter of the shape of `like`.
fn read_adapter(bytes: &[u8], like: &Adapter) -> Result<Adapter, String> {
    let (words, odd) = bytes.as_chunks::<4>();
    if words.len() != like.values() || !odd.is_empty() {
        return Err("the training state's best adapter has another length".to_owned());
    }
    let mut values = words.iter().map(|word| f32::from_le_bytes(*word));
    let mut adapter = like.clone();
    for value in adapter.params_mut().iter_mut().flat_map(|p| &mut p.values) {
        *value = values.next().unwrap_or(f32::NAN);
        if !value.is_finite() {
            return Err("the training state's best adapter holds a NaN or infinity".to_owned());
        }
    }
    Ok(adapter)
}
