//! Doing items again.

use std::collections::BTreeMap;

use assay_crypto::tiles::Tiled;
use assay_crypto::{Digest, SecretKey, content::content_digest};
use assay_job::keys;
use assay_ledger::{
    AccountId, FailureReason, FileId, Height, Model, Order, OrderId, Run as Committed, RunIndex,
    StateFile,
};
use assay_proof::{Handle, ProgramError, StepReport, TaskInput, WorkFailure};

use super::blobs::Blobs;
use super::error::OfflineError;
use super::items::{Found, Item};
use super::late::Executed;
use super::rounds::{self, Made};
use super::run::{compute, repeat};
use crate::logs::expecting_panics;

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
            let from = self.executed.from();
            let runs = order.runs.iter();
            for run in runs.filter(|run| is_decided(order, run, from)) {
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
        // Whatever somebody else brought, an audit goes on.
        let found = expecting_panics(|| self.again(item, on_step));
        let found = found.unwrap_or_else(|panic| {
            self.latest = None;
            let said = crate::worker::said(&*panic).to_owned();
            Ok(Found::Unable(format!("this program came to grief: {said}")))
        });
        match found {
            Err(OfflineError::File { file, reason }) => {
                Ok(Found::Missing(format!("file {file}: {reason}")))
            }
            Err(OfflineError::Other { file, reason }) => {
                Ok(Found::Differs(format!("file {file}: {reason}")))
            }
            Err(OfflineError::Keys(error)) => Ok(Found::Missing(crate::told(&error))),
            // Such as a part of an order of a procedure that this program cannot play yet.
            Err(OfflineError::NoRun(order)) => Ok(Found::Unable(format!(
                "this program does not know how order {order} did it"
            ))),
            // What was merged, or trained on, has to be such as can be.
            Err(OfflineError::Build(error)) => Ok(refused(ProgramError::from(error).into())),
            Err(OfflineError::Run(failure)) => Ok(refused(failure)),
            found => found,
        }
    }

    fn again(
        &mut self,
        item: &Item,
        on_step: &mut dyn FnMut(&StepReport),
    ) -> Result<Found, OfflineError> {
        match *item {
            Item::FirstModel { order } => self.model(order, None),
            Item::Merge { order, round } => self.model(order, Some(round)),
            Item::Steps {
                order,
                round,
                trainer,
            } => self.steps(order, round, trainer, on_step),
            Item::Run { order, run } => self.run(order, run, on_step),
        }
    }

    /// Digest of what the ledger says of an item: where that is another, so is the item.
    ///
    /// # Errors
    /// [`OfflineError`] for one that the history has not.
    pub fn claim(&self, item: &Item) -> Result<Digest, OfflineError> {
        let bytes = match *item {
            Item::FirstModel { order } => borsh::to_vec(self.made(order, None)?),
            Item::Merge { order, round } | Item::Steps { order, round, .. } => {
                borsh::to_vec(self.made(order, Some(round))?)
            }
            Item::Run { order, run } => {
                let order = self.order(order)?;
                let run = order.runs.iter().find(|of| of.index == run);
                borsh::to_vec(&(&order.head.terms, run))
            }
        };
        // Writing into memory cannot fail.
        let bytes = bytes.unwrap_or_default();
        let version = env!("CARGO_PKG_VERSION").as_bytes();
        Ok(Digest::of("assay/audit/claim/v1", &[version, &bytes]))
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
        let gathered = self.executed.gathered();
        gathered.read((file, Some(trainer)), |record| {
            let opened = keys::open_own(record, &key.encryption());
            let opened = opened.map_err(|error| failed(crate::told(&error)))?;
            self.blobs.input(record, opened, Some(content))
        })
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
                let gathered = self.executed.gathered();
                let again = repeat(gathered, self.blobs, key, (order, committed), on_step)?;
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

/// What it means that work was not done: every machine refuses it, or this one could not.
fn refused(failure: WorkFailure) -> Found {
    match failure {
        WorkFailure::Refused(why) => Found::Differs(format!(
            "no machine can do it on what lies in the archive: {why}"
        )),
        WorkFailure::Unable(why) | WorkFailure::Local(why) => Found::Unable(why),
        WorkFailure::Stopped => Found::Unable("it was stopped".to_owned()),
    }
}

/// Whether a run that was committed after a height is decided: it was accepted and its key released, or it was found to be false. A
/// trainer's that was accepted is looked at with its round.
fn is_decided(order: &Order, run: &Committed, from: Height) -> bool {
    let of_round = order.head.audit_of.is_some();
    let accepted = || order.head.phase.is_final() && run.released.is_some() && !of_round;
    let decided = match &run.failed {
        None => accepted(),
        Some(failure) => failure.reason == FailureReason::WrongResult,
    };
    decided && run.trace.as_ref().is_some_and(|trace| trace.at > from)
}
