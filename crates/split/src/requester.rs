//! The party with the data, the embedding, the output matrix and M.

use std::sync::Arc;

use assay_data::Batch;
use assay_kernel::Kernel;
use assay_model::{Graph, Input, InvalidStep, Purpose, Score, StepOutput, TrainState, check_batch};

use crate::error::{SetupError, StepError};
use crate::holdings::Holdings;
use crate::ownership::{Side, Split};
use crate::party::{Event, Party, Phase};
use crate::runner::Runner;

/// What an exchange came to.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// A training step; the requester's state is one step further.
    Trained(StepOutput),
    /// The loss of a batch.
    Scored(Score),
    /// Logits of every position, `[positions, vocab]`.
    Logits(Vec<f32>),
}

/// What to do after a call.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Turn {
    /// Messages for the provider, in this order.
    pub messages: Vec<Vec<u8>>,
    /// The result, once the exchange is finished.
    pub outcome: Option<Outcome>,
    /// Whether the provider has abandoned the exchange; the state is as it was before it.
    pub abandoned: bool,
}

/// Runs everything of a split step that reads tokens, labels or trained tensors.
pub struct Requester {
    party: Party,
    state: TrainState,
    tokens: usize,
}

impl Requester {
    /// A requester for one kind of step, with the tensors of [`Holdings::of`] its side and the
    /// state to go on from.
    ///
    /// # Errors
    /// When a tensor is missing or the state belongs to another model or adapter.
    pub fn new(
        kernel: &Kernel,
        split: Arc<Split>,
        holdings: Holdings,
        state: TrainState,
    ) -> Result<Self, SetupError> {
        let frozen = split.inputs_of(Side::Requester).into_iter();
        let frozen = frozen.filter(|input| matches!(input, Input::Weight(_)));
        holdings.check_all(split.graph(), frozen)?;
        state.check(split.method(), split.config())?;
        Ok(Self {
            party: Party::new(kernel, split, Side::Requester, holdings),
            state,
            tokens: 0,
        })
    }

    /// Starts an exchange. Only training steps read `learning_rate`.
    ///
    /// # Errors
    /// When an exchange is under way, or the batch or the learning rate is wrong.
    pub fn begin(&mut self, batch: &Batch, learning_rate: f32) -> Result<Turn, StepError> {
        let party = &mut self.party;
        if party.phase != Phase::Idle {
            return Err(StepError::Busy(party.exchange));
        }
        let split = party.split.clone();
        check_feed(
            split.graph(),
            split.purpose(),
            split.config().vocab_size,
            batch,
            learning_rate,
        )?;
        self.tokens = batch.counted();
        let state = &self.state;
        party.begin(Some(batch.clone()), |input| {
            read(state, input, learning_rate)
        });
        self.go_on()
    }

    /// Takes a message of the provider.
    ///
    /// # Errors
    /// [`StepError::Message`] for a message that is not the next one: nothing has changed then.
    /// [`StepError::Invalid`] when an operator gives a NaN or infinity; the exchange must then be
    /// abandoned, and the state is as before it.
    pub fn receive(&mut self, bytes: &[u8]) -> Result<Turn, StepError> {
        match self.party.accept(bytes)? {
            Event::Progress => self.go_on(),
            Event::Abandoned => Ok(Turn {
                abandoned: true,
                ..Turn::default()
            }),
        }
    }

    /// Goes no further with the exchange under way, if there is one; returns what tells the
    /// provider. The state is as before the exchange.
    pub fn abandon(&mut self) -> Option<Vec<u8>> {
        self.party.abandon()
    }

    /// Where training stands.
    pub fn state(&self) -> &TrainState {
        &self.state
    }

    /// The same, when the requester is no longer needed.
    pub fn into_state(self) -> TrainState {
        self.state
    }

    /// Whether no exchange is under way.
    pub fn is_idle(&self) -> bool {
        self.party.phase == Phase::Idle
    }

    fn go_on(&mut self) -> Result<Turn, StepError> {
        let messages = self.party.advance()?;
        let mut turn = Turn {
            messages,
            ..Turn::default()
        };
        if self.party.has_run_all() {
            let split = self.party.split.clone();
            let runner = &mut self.party.runner;
            let outcome = finish(
                runner,
                split.graph(),
                split.purpose(),
                self.tokens,
                &mut self.state,
            );
            self.party.end();
            turn.outcome = Some(outcome?);
        }
        Ok(turn)
    }
}

/// What an input of the step holds besides frozen tensors, tokens and labels.
pub(crate) fn read(state: &TrainState, input: Input, learning_rate: f32) -> Option<Vec<f32>> {
    match input {
        Input::LearningRate => Some(vec![learning_rate]),
        input => state.input(input),
    }
}

/// Checks what a step is fed, as [`Trainer::step`](assay_model::Trainer::step) does.
pub(crate) fn check_feed(
    graph: &Graph,
    purpose: Purpose,
    vocab: usize,
    batch: &Batch,
    learning_rate: f32,
) -> Result<(), InvalidStep> {
    check_batch(batch, graph.rows(), vocab)?;
    if matches!(purpose, Purpose::Train(_)) {
        if !learning_rate.is_finite() || learning_rate < 0.0 {
            return Err(InvalidStep::LearningRate(learning_rate));
        }
        if batch.counted() == 0 {
            return Err(InvalidStep::NothingCounted);
        }
    }
    Ok(())
}

/// Takes the results of a step that has run, and with them the state a step further.
pub(crate) fn finish(
    runner: &mut Runner,
    graph: &Graph,
    purpose: Purpose,
    tokens: usize,
    state: &mut TrainState,
) -> Result<Outcome, InvalidStep> {
    let mut results = graph.results.iter().map(|id| runner.take(*id));
    let first = results.next().unwrap_or_default();
    let value = first.first().copied().unwrap_or_default();
    match purpose {
        Purpose::Train(_) => {
            let powers = results.next().unwrap_or_default();
            let mut changed = runner.updates();
            changed.push((Input::Powers, powers));
            state.advance(changed)?;
            Ok(Outcome::Trained(StepOutput {
                loss: value,
                tokens,
            }))
        }
        Purpose::Logits => Ok(Outcome::Logits(first)),
        _ => Ok(Outcome::Scored(Score {
            loss_sum: f64::from(value),
            tokens: tokens as u64,
        })),
    }
}
