//! One trainer's round as a chain of steps: one batch each, and at last the update.

use assay_crypto::Digest;
use assay_crypto::tiles::Writer;
use assay_estimator::{Order, Shard, State};
use assay_kernel::Kernel;
use assay_ledger::{StepIndex, Taken};
use assay_proof::{Program, ProgramError, StepReport, Task};
use assay_rounds::{Head, NoUpdate, Rounds, Sender, Steps, Update, UpdateFault};

use super::spec::{self, ROWS};
use crate::build_error::{BuildError, chain};
use crate::inputs::{Inputs, MODEL, by_name, input};
use crate::train::{program, rows};

/// The longest model that is read, in bytes: 2^24 parameters with their velocities.
pub(super) const MAX_MODEL_BYTES: u64 = (8 << 24) + 56;

/// What a run has come to.
enum Reached {
    /// Parameters, on the way.
    Parameters(State),
    /// The bytes of its update.
    Update(Vec<u8>),
}

/// The run of one trainer in one round on this machine.
pub(super) struct Round {
    rounds: Rounds,
    head: Head,
    seed: Digest,
    steps: Steps,
    shard: Shard,
    reached: Reached,
    /// Steps that parameters count on which all of the round were taken.
    last: u64,
    /// Why the latest step could not be taken.
    fault: Option<String>,
}

/// Reads the model that a round begins with.
fn begun(of: &spec::OfRun, inputs: &Inputs) -> Result<Rounds, BuildError> {
    let handle = input(inputs, MODEL)?;
    rows::bounded(MODEL, handle, MAX_MODEL_BYTES)?;
    let bytes = handle.whole(MAX_MODEL_BYTES);
    let bytes = bytes.map_err(|error| BuildError::unread(MODEL, error))?;
    let rounds = Rounds::resume(of.spec.clone(), of.round, &bytes);
    rounds.map_err(|error| BuildError::input(MODEL, error))
}

impl Round {
    /// Reads model and rows and plans the steps.
    pub(super) fn new(task: &Task) -> Result<Self, BuildError> {
        let of = spec::of_run(&task.spec)?;
        let (wanted, found) = (of.spec.local_steps + 1, task.steps);
        if found != wanted {
            return Err(BuildError::Specification(format!(
                "a round of {} steps and an update is a run of {wanted}, and this one has {found}",
                of.spec.local_steps
            )));
        }
        let inputs = by_name(task);
        let rounds = begun(&of, &inputs)?;
        let shard = rows::shard(&of.spec.learning, ROWS, input(&inputs, ROWS)?)?;
        let order = Order {
            seed: task.seed.0,
            round: of.round,
            trainer: of.trainer,
        };
        let kernel = Kernel::detect()?;
        let steps = Steps::new(&kernel, &of.spec, rounds.model(), order);
        let steps = steps.map_err(|error| BuildError::field("learning.training", error))?;
        let model = rounds.model();
        Ok(Self {
            last: model.steps().saturating_add(of.spec.local_steps),
            reached: Reached::Parameters(model.clone()),
            head: rounds.head(of.trainer),
            seed: task.seed,
            rounds,
            steps,
            shard,
            fault: None,
        })
    }

    /// The bytes of the update that parameters make.
    fn update(&self, state: &State) -> Result<Vec<u8>, NoUpdate> {
        let (spec, model) = (self.rounds.spec(), self.rounds.model());
        if state.steps() == model.steps() {
            return Err(NoUpdate::NothingLearned {
                steps: spec.local_steps,
                fault: "each gave a NaN or infinity".to_owned(),
            });
        }
        Sender::default().send_reached(spec, &self.head, model, state, &self.seed)
    }

    /// Makes the update, where there is one to make.
    fn send(&mut self, step: StepIndex) -> Result<StepReport, ProgramError> {
        let Reached::Parameters(state) = &self.reached else {
            return Ok(self.invalid(step, MADE.to_owned()));
        };
        match self.update(state) {
            Ok(bytes) => {
                self.reached = Reached::Update(bytes);
                self.fault = None;
                Ok(StepReport {
                    taken: Taken::Valid,
                    ..StepReport::idle(step)
                })
            }
            Err(NoUpdate::Train(error)) => Err(program::told(&error)),
            Err(why) => Ok(self.invalid(step, chain(&why))),
        }
    }

    fn invalid(&mut self, step: StepIndex, fault: String) -> StepReport {
        self.fault = Some(fault);
        StepReport {
            taken: Taken::Invalid,
            ..StepReport::idle(step)
        }
    }

    /// An update that this run could have made: its own, of this round.
    fn own(&self, update: &Update<'_>) -> Result<(), ProgramError> {
        if *update.head() == self.head {
            return Ok(());
        }
        let (found, own) = (update.head(), &self.head);
        let text = format!(
            "an update of round {} by trainer {}, on {}, is none of round {} by trainer {}, on {}",
            found.round, found.trainer, found.base, own.round, own.trainer, own.base
        );
        Err(ProgramError::Refused(text))
    }

    /// Parameters that no more steps led to than the round has.
    fn parameters(&self, bytes: &[u8]) -> Result<State, ProgramError> {
        let spec = self.rounds.spec();
        let state = State::from_bytes(bytes, &spec.learning.model);
        let state = state.map_err(|error| program::told(&error))?;
        let (first, last) = (self.rounds.model().steps(), self.last);
        if !(first..=last).contains(&state.steps()) {
            let text = format!(
                "a state counts {} steps, and one of this round counts from {first} to {last}",
                state.steps()
            );
            return Err(ProgramError::Refused(text));
        }
        Ok(state)
    }
}

/// What is said of a step on an update, which no run comes to.
const MADE: &str = "the update is made already";
/// What is said of a step on parameters that count all of them.
const TAKEN: &str = "all steps of the round were taken already";

impl Program for Round {
    fn restart(&mut self) -> Result<(), ProgramError> {
        self.reached = Reached::Parameters(self.rounds.model().clone());
        Ok(())
    }

    fn restore(&mut self, bytes: &[u8]) -> Result<(), ProgramError> {
        let coordinates = self.rounds.model().parameters().len();
        let reached = match Update::decode(bytes, self.rounds.spec(), coordinates) {
            Ok(update) => {
                self.own(&update)?;
                Reached::Update(bytes.to_vec())
            }
            Err(UpdateFault::NotAnUpdate) => Reached::Parameters(self.parameters(bytes)?),
            Err(fault) => return Err(ProgramError::Refused(chain(&fault))),
        };
        self.reached = reached;
        Ok(())
    }

    fn advance(&mut self, step: StepIndex) -> Result<StepReport, ProgramError> {
        if step.0 > self.rounds.spec().local_steps {
            return self.send(step);
        }
        let Reached::Parameters(state) = &mut self.reached else {
            return Ok(self.invalid(step, MADE.to_owned()));
        };
        // A state that says that all steps were taken is none that this step is taken on, and more than all no
        // restored state may say.
        if state.steps() >= self.last {
            return Ok(self.invalid(step, TAKEN.to_owned()));
        }
        let index = step.0.saturating_sub(1);
        let done = self.steps.take(state, &self.shard, index);
        let done = done.map_err(|error| program::told(&error))?;
        self.fault = program::fault(&done);
        Ok(program::report(step, &done))
    }

    fn write(&self, to: &mut Writer<'_>) {
        match &self.reached {
            Reached::Parameters(state) => to.put(&state.to_bytes()),
            Reached::Update(bytes) => to.put(bytes),
        }
    }

    fn fault(&self) -> Option<String> {
        self.fault.clone()
    }
}
