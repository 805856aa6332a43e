//! A trainer that sends what another one sent.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use assay_crypto::aead::FileKey;
use assay_ledger::{OrderId, Phase, StateFile};
use assay_machine::Machine;
use assay_proof::parties::Trainer;
use assay_proof::{
    Answer, Ask, Context, Identity, Input, Output, Program, ProgramError, Programs, Tag, Task,
    Traced, What, update_key,
};

use super::forging::Forging;

/// What a trainer has read of another one's, in which round: its party reads it, and its programs end with it.
#[derive(Clone, Default)]
pub struct Overheard(Arc<Mutex<Option<Heard>>>);

/// Bytes of an update, and the round that it is of.
type Heard = (u16, Vec<u8>);

impl Overheard {
    fn now(&self) -> MutexGuard<'_, Option<Heard>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_of(&self, round: u16) -> bool {
        self.now().as_ref().is_some_and(|(of, _)| *of == round)
    }
}

/// Programs that take no step and end with what was read.
pub struct ReplayingPrograms<P> {
    /// The honest programs, which make the first state.
    pub honest: P,
    /// What it ends with.
    pub overheard: Overheard,
}

impl<P: Programs> Programs for ReplayingPrograms<P> {
    fn build(&self, task: &Task) -> Result<Box<dyn Program>, ProgramError> {
        let made = self.overheard.now().clone().unwrap_or_default().1;
        Ok(Box::new(Forging::new(self.honest.build(task)?, task, made)))
    }
}

/// An honest trainer that waits for somebody else's update before it begins.
pub struct ReplayingTrainer {
    me: Identity,
    honest: Trainer,
    overheard: Overheard,
    asked: Option<(OrderId, u16)>,
}

/// What is asked for in its own name: no honest trainer reads anything again.
const OWN: What = What::Reread(u32::MAX);

impl ReplayingTrainer {
    /// A trainer whose rows open with this key.
    pub fn new(me: Identity, rows: FileKey, overheard: Overheard) -> Self {
        Self {
            honest: Trainer::new(me.clone(), rows),
            me,
            overheard,
            asked: None,
        }
    }

    /// Asks for an update that was sent in this round, if there is one.
    fn read(&mut self, at: &Context<'_>, round: u16) -> Vec<Output> {
        let order = &at.view.order;
        let mut senders = at.view.senders.iter();
        let other = senders.find(|of| of.account != self.me.account && of.sent_in(round).is_some());
        let found = other.and_then(|of| Some((of, of.sent_in(round)?, order.round_under_way()?)));
        let Some((other, sent, place)) = found else {
            return Vec::new();
        };
        let audit = OrderId::of_audit(order.head.id, round, other.number);
        if self.asked.replace((audit, round)) == Some((audit, round)) {
            return Vec::new();
        }
        let fetch = Ask::Fetch {
            file: sent.trace.result,
            owner: other.account,
            key: update_key(audit),
        };
        vec![Output::Ask(Tag { place, what: OWN }, fetch)]
    }
}

impl Machine for ReplayingTrainer {
    type Protocol = Traced;

    fn step(&mut self, at: &Context<'_>, input: Input) -> Vec<Output> {
        let input = match input {
            Input::Answer(tag, answer) if tag.what == OWN => {
                match (answer, self.asked) {
                    (Answer::Fetched(Ok(file)), Some((_, round))) => {
                        let state = StateFile::decode(&file).map(|(_, state)| state.to_vec());
                        *self.overheard.now() = state.ok().map(|state| (round, state));
                    }
                    _ => self.asked = None,
                }
                Input::News
            }
            input @ (Input::Seed(_) | Input::Journal(_)) => return self.honest.step(at, input),
            input => input,
        };
        let order = &at.view.order;
        let round = order.head.rounds.as_ref().map_or(0, |of| of.round);
        let trains = order.head.phase == Phase::Training;
        if trains && !self.overheard.is_of(round) {
            return self.read(at, round);
        }
        self.honest.step(at, input)
    }
}
