//! The parts of a history that can be looked at one by one, each by doing it again.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use assay_crypto::tiles::Tiled;
use assay_crypto::{Digest, SecretKey, content::content_digest, stream::Stream};
use assay_job::keys;
use assay_ledger::{
    AccountId, FailureReason, FileId, Model, Order, OrderId, Run as Committed, RunIndex, StateFile,
};
use assay_proof::{Handle, StepReport, TaskInput, WorkFailure};
use serde::{Deserialize, Serialize};

use super::blobs::Blobs;
use super::error::OfflineError;
use super::late::Executed;
use super::rounds::{self, Made};
use super::run::{compute, repeat};

/// One thing that somebody did and that can be done again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "item", rename_all = "snake_case")]
pub enum Item {
    /// The model that the first round of an order began with. Whoever reads the ledger can make it.
    FirstModel {
        /// The order.
        order: OrderId,
    },
    /// What a round's updates made of the model. Whoever reads the ledger can merge them.
    Merge {
        /// The order.
        order: OrderId,
        /// The round, counted from 0.
        round: u16,
    },
    /// A trainer's steps behind an update that was merged. They take its rows, which its key opens.
    Steps {
        /// The order.
        order: OrderId,
        /// The round, counted from 0.
        round: u16,
        /// The trainer's number.
        trainer: u16,
    },
    /// A provider's run whose result was accepted, or that the validators found to be false: then its steps have to
    /// give something else. It takes its inputs, which the requester's key opens.
    Run {
        /// The order; of a trainer that was found to have lied, that of its audit.
        order: OrderId,
        /// Which of its runs.
        run: RunIndex,
    },
}

impl Item {
    /// The order it belongs to.
    pub fn order(&self) -> OrderId {
        match self {
            Self::FirstModel { order }
            | Self::Merge { order, .. }
            | Self::Steps { order, .. }
            | Self::Run { order, .. } => *order,
        }
    }
}

impl fmt::Display for Item {
    /// As people count: from 1.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let order = self.order();
        match self {
            Self::FirstModel { .. } => write!(f, "order {order}, first model"),
            Self::Merge { round, .. } => write!(f, "order {order}, merge of round {}", round + 1),
            Self::Steps { round, trainer, .. } => {
                let round = round + 1;
                write!(
                    f,
                    "order {order}, steps of trainer {trainer} in round {round}"
                )
            }
            Self::Run { run, .. } => write!(f, "order {order}, run {}", run.0 + 1),
        }
    }
}

/// What came of doing an item again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "found", content = "what", rename_all = "snake_case")]
pub enum Found {
    /// The same as the ledger says.
    Equal,
    /// Something else.
    Differs(String),
    /// What it takes is not in the archive, or damaged there.
    Missing(String),
    /// This machine cannot do it.
    Unable(String),
}

/// Does items of an executed history again.
pub struct Repeater<'a> {
    executed: &'a Executed,
    blobs: &'a Blobs,
    keys: BTreeMap<AccountId, SecretKey>,
    /// The model that was made or read last: what follows often begins with it.
    latest: Option<(OrderId, Digest, Vec<u8>)>,
}

impl<'a> Repeater<'a> {
    /// Reads from `blobs`, also what these keys open.
    pub fn new(executed: &'a Executed, blobs: &'a Blobs, keys: Vec<SecretKey>) -> Self {
        Self {
            executed,
            blobs,
            keys: keys.into_iter().map(|key| (key.public(), key)).collect(),
            latest: None,
        }
    }

    /// Every item of the history, in the order of its orders: those that can be done again with these keys, and
    /// those for which one is missing, with whose.
    pub fn items(&self) -> (Vec<Item>, Vec<(Item, AccountId)>) {
        let (mut open, mut closed) = (Vec::new(), Vec::new());
        let mut sort = |item: Item, needs: Option<AccountId>| match needs {
            Some(account) if !self.keys.contains_key(&account) => closed.push((item, account)),
            _ => open.push(item),
        };
        for order in self.executed.orders() {
            let id = order.head.id;
            for made in self.executed.gathered().models.of(&id) {
                let Some(round) = made.round else {
                    sort(Item::FirstModel { order: id }, None);
                    continue;
                };
                sort(Item::Merge { order: id, round }, None);
                for of in &made.trainers {
                    let trainer = of.number;
                    let steps = Item::Steps {
                        order: id,
                        round,
                        trainer,
                    };
                    sort(steps, Some(of.account));
                }
            }
            for run in order.runs.iter().filter(|run| is_decided(order, run)) {
                let item = Item::Run {
                    order: id,
                    run: run.index,
                };
                sort(item, Some(order.head.requester));
            }
        }
        (open, closed)
    }

    /// Does an item again; `on_step` hears every step of a run.
    ///
    /// # Errors
    /// [`OfflineError`] when this program cannot go on; what is missing or differs is no error.
    pub fn check(
        &mut self,
        item: &Item,
        on_step: &mut dyn FnMut(&StepReport),
    ) -> Result<Found, OfflineError> {
        let found = match *item {
            Item::FirstModel { order } => self.model(order, None),
            Item::Merge { order, round } => self.model(order, Some(round)),
            Item::Steps {
                order,
                round,
                trainer,
            } => self.steps(order, round, trainer, on_step),
            Item::Run { order, run } => self.run(order, run, on_step),
        };
        match found {
            Err(OfflineError::File { file, reason }) => {
                Ok(Found::Missing(format!("file {file}: {reason}")))
            }
            Err(OfflineError::Keys(error)) => Ok(Found::Missing(crate::told(&error))),
            Err(OfflineError::Run(WorkFailure::Refused(reason))) => Ok(Found::Differs(format!(
                "no machine can do it on what lies in the archive: {reason}"
            ))),
            // Such as a part of an order of a procedure that this program cannot play yet.
            Err(OfflineError::NoRun(order)) => Ok(Found::Unable(format!(
                "this program does not know how order {order} did it"
            ))),
            // What was merged has to be such as can be merged.
            Err(OfflineError::Build(error)) => Ok(Found::Differs(crate::told(&error))),
            Err(OfflineError::Run(WorkFailure::Unable(reason))) => Ok(Found::Unable(reason)),
            found => found,
        }
    }

    fn order(&self, id: OrderId) -> Result<&'a Order, OfflineError> {
        let orders = self.executed.orders();
        let found = orders.iter().find(|of| of.head.id == id);
        found.ok_or(OfflineError::UnknownOrder(id))
    }

    fn made(&self, order: OrderId, round: Option<u16>) -> Result<&'a Made, OfflineError> {
        let all = self.executed.gathered().models.of(&order);
        let found = all.iter().find(|of| of.round == round);
        found.ok_or(OfflineError::NoRun(order))
    }

    fn model(&mut self, id: OrderId, round: Option<u16>) -> Result<Found, OfflineError> {
        let (order, made) = (self.order(id)?, self.made(id, round)?);
        let before = made.before.as_ref();
        let before = before.map(|model| self.stored(id, model)).transpose()?;
        let gathered = self.executed.gathered();
        let model = rounds::again(gathered, self.blobs, order, (made, before.as_deref()))?;
        let found = content_digest(&model);
        if found != made.model.content {
            let told = made.model.content;
            return Ok(Found::Differs(format!(
                "the ledger says model {told}, and it is {found}"
            )));
        }
        self.latest = Some((id, found, model));
        // Whoever wants the model reads the stored one.
        let latest = self.executed.gathered().models.of(&id).last();
        if latest.is_some_and(|of| of.model == made.model) {
            rounds::stored(gathered, self.blobs, id, &made.model)?;
        }
        Ok(Found::Equal)
    }

    /// A model of an order: the one at hand, or as it lies in the archive.
    fn stored(&mut self, order: OrderId, model: &Model) -> Result<Vec<u8>, OfflineError> {
        match &self.latest {
            Some((of, content, bytes)) if (*of, *content) == (order, model.content) => {
                Ok(bytes.clone())
            }
            _ => {
                let bytes = rounds::stored(self.executed.gathered(), self.blobs, order, model)?;
                self.latest = Some((order, model.content, bytes.clone()));
                Ok(bytes)
            }
        }
    }

    fn steps(
        &mut self,
        id: OrderId,
        round: u16,
        number: u16,
        on_step: &mut dyn FnMut(&StepReport),
    ) -> Result<Found, OfflineError> {
        let (mut order, made) = (self.order(id)?.clone(), self.made(id, Some(round))?);
        let trainer = made.trainers.iter().find(|of| of.number == number);
        let known = trainer.and_then(|of| Some((of, of.sent_in(round)?, made.before.as_ref()?)));
        let (trainer, sent, before) = known.ok_or(OfflineError::NoRun(id))?;
        let model = self.stored(id, before)?;
        let rows = self.rows(trainer.account, (trainer.rows, trainer.content))?;
        // As the order was while that round was under way.
        let rounds = order.head.rounds.get_or_insert_default();
        (rounds.round, rounds.seed) = (round, Some(made.seed));
        rounds.model = Some(before.clone());
        let part = order.of_trainer(trainer).ok_or(OfflineError::NoRun(id))?;
        let inputs = [TaskInput::in_memory("model", model).handle, rows];
        let run = compute(&part, Some(made.seed), inputs.into_iter(), on_step)?;
        let update = StateFile::decode(&run.state).map(|of| Tiled::of(of.1)).ok();
        let told = sent.trace.root;
        Ok(
            match run.trace_root == told && update == Some(sent.update) {
                true => Found::Equal,
                false => Found::Differs(format!(
                    "the trainer committed to trace {told}, and its steps are trace {}",
                    run.trace_root
                )),
            },
        )
    }

    fn rows(
        &self,
        trainer: AccountId,
        (file, content): (FileId, Digest),
    ) -> Result<Handle, OfflineError> {
        let failed = |reason: String| OfflineError::File { file, reason };
        let key = self.keys.get(&trainer);
        let key = key.ok_or_else(|| failed(format!("the key of {trainer}")))?;
        let record = self.executed.gathered().record(file, trainer)?;
        let opened = keys::open_own(record, &key.encryption());
        let opened = opened.map_err(|error| failed(crate::told(&error)))?;
        self.blobs.input(record, opened, Some(content))
    }

    fn run(
        &mut self,
        id: OrderId,
        index: RunIndex,
        on_step: &mut dyn FnMut(&StepReport),
    ) -> Result<Found, OfflineError> {
        let order = self.order(id)?;
        let missing = OfflineError::NoRun(id);
        let Some(committed) = order.runs.iter().find(|run| run.index == index) else {
            return Err(missing);
        };
        let (trace, result) = match &order.head.audit_of {
            Some(of) => (self.audited((order, committed), of.order, on_step)?, None),
            None => {
                let key = self.keys.get(&order.head.requester).ok_or(missing)?;
                let read = (self.executed.state(), self.executed.gathered());
                let again = repeat(read, self.blobs, key, (order, committed), on_step)?;
                (again.trace_agrees, again.result_agrees)
            }
        };
        let told = |text: &str| Found::Differs(text.to_owned());
        Ok(match (committed.failed.is_some(), trace, result) {
            (false, true, Some(true)) => Found::Equal,
            (false, false, _) => told("the trace of its provider is not that of its steps"),
            (false, true, _) => told("the stored result is not what its steps give"),
            (true, false, _) | (true, true, Some(false)) => Found::Equal,
            (true, true, _) => {
                told("it was found to be false, and its steps give what its provider says")
            }
        })
    }

    /// Whether a trainer's run that is audited is what its steps give.
    fn audited(
        &mut self,
        (order, committed): (&Order, &Committed),
        parent: OrderId,
        on_step: &mut dyn FnMut(&StepReport),
    ) -> Result<bool, OfflineError> {
        let missing = || OfflineError::NoRun(order.head.id);
        let [model, rows] = &order.head.terms.inputs[..] else {
            return Err(missing());
        };
        let model = Model {
            file: model.file,
            content: model.content,
            keepers: Vec::new(),
        };
        let model = self.stored(parent, &model)?;
        let rows = self.rows(order.head.requester, (rows.file, rows.content))?;
        let inputs = [TaskInput::in_memory("model", model).handle, rows];
        let run = compute(order, committed.seed, inputs.into_iter(), on_step)?;
        let trace = committed.trace.as_ref().ok_or_else(missing)?;
        Ok(run.trace_root == trace.root)
    }
}

/// Whether it is decided what a run is worth: it was accepted and its key released, or it was found to be false. A
/// trainer's that was accepted is looked at with its round.
fn is_decided(order: &Order, run: &Committed) -> bool {
    let of_round = order.head.audit_of.is_some();
    let accepted = || order.head.phase.is_final() && run.released.is_some() && !of_round;
    let decided = match &run.failed {
        None => accepted(),
        Some(failure) => failure.reason == FailureReason::WrongResult,
    };
    decided && run.trace.is_some()
}

/// Draws `count` items, each uniformly and however often, from a seed that nobody knew before: so a share b
/// of bad items goes unseen with the probability `(1 - b)^count` exactly, as [`found_with`] says. Returns each that was
/// drawn once, in order.
pub fn draw(items: &[Item], count: u32, seed: Digest) -> Vec<Item> {
    let mut stream = Stream::new(seed, "audit", 0);
    let mut drawn = BTreeSet::new();
    for _ in 0..count {
        let at = stream.below(items.len() as u64);
        drawn.extend(usize::try_from(at).ok().and_then(|at| items.get(at)));
    }
    let mut drawn: Vec<Item> = drawn.into_iter().copied().collect();
    drawn.sort_unstable();
    drawn
}

/// The chance to see a bad one among `count` drawn items of which a `share` is bad: `1 - (1 - share)^count`.
pub fn found_with(share: f64, count: u32) -> f64 {
    1.0 - (1.0 - share).powi(i32::try_from(count).unwrap_or(i32::MAX))
}

#[cfg(test)]
#[path = "items_tests.rs"]
mod tests;
