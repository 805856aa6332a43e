//! The rounds of orders, made again: the first model, and every merge, of the updates as they lie on disks.

use std::collections::BTreeMap;

use assay_crypto::content::content_digest;
use assay_crypto::tiles::Tiled;
use assay_crypto::{Digest, SecretKey, aead::FileKey};
use assay_job::{BuildError, Delivery, federated};
use assay_ledger::{
    Counts, FileId, MemoryStore, Model, Order, OrderEvent, OrderId, ReadError, StateFile, Trainer,
    query,
};
use assay_proof::{model_key, update_key};
use borsh::{BorshDeserialize, BorshSerialize};

use super::blobs::Blobs;
use super::error::OfflineError;
use super::gathered::Gathered;
use super::ledger::Ledger;
use super::run::private_inputs;

/// A model that the validators of a chain agreed on, and what it was made of.
#[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub(super) struct Made {
    /// The round that was merged; none for the model that the first one begins with.
    pub(super) round: Option<u16>,
    /// The model that the round began with.
    pub(super) before: Option<Model>,
    /// What the steps of the round follow from, or the first model.
    pub(super) seed: Digest,
    /// What merging follows from.
    merge_seed: Digest,
    /// The model.
    pub(super) model: Model,
    /// Those whose updates were merged.
    pub(super) trainers: Vec<Trainer>,
}

/// Every model of every order with rounds, in the order in which they were made.
#[derive(Clone, Debug, Default, PartialEq, BorshSerialize, BorshDeserialize)]
pub(super) struct Models {
    made: BTreeMap<OrderId, Vec<Made>>,
    /// The model that each order has now.
    latest: BTreeMap<OrderId, Model>,
}

impl Models {
    /// Those of a state that is not the genesis': each order's latest, which was made before.
    pub(super) fn begin(&mut self, state: &MemoryStore) -> Result<(), ReadError> {
        for order in query::orders(state)? {
            if let Some(model) = order.head.rounds.and_then(|rounds| rounds.model) {
                self.latest.insert(order.head.id, model);
            }
        }
        Ok(())
    }

    /// Notes a model that an event tells of; `state` is the one after its block.
    pub(super) fn note(
        &mut self,
        state: &MemoryStore,
        order: &OrderId,
        event: &OrderEvent,
    ) -> Result<(), ReadError> {
        let round = match event {
            OrderEvent::FirstModel { .. } => None,
            OrderEvent::Merged { round, .. } => Some(*round),
            _ => return Ok(()),
        };
        // What a round went by stays until the next one begins, in a later block.
        let rounds = query::head(state, order)?.and_then(|head| head.rounds);
        let Some(rounds) = rounds else { return Ok(()) };
        let (Some(model), Some(seed)) = (rounds.model.clone(), rounds.seed) else {
            return Ok(());
        };
        let mut trainers = Vec::new();
        if round.is_some() {
            trainers = query::trainers(state, order)?;
            trainers.retain(|of| rounds.counted.has(of.number));
        }
        let before = self.latest.insert(*order, model.clone());
        self.made.entry(*order).or_default().push(Made {
            round,
            before,
            seed,
            merge_seed: rounds.merge_seed.unwrap_or(Digest::ZERO),
            model,
            trainers,
        });
        Ok(())
    }

    /// Those of an order.
    pub(super) fn of(&self, order: &OrderId) -> &[Made] {
        self.made.get(order).map_or(&[], Vec::as_slice)
    }
}

/// What making an order's rounds again came to.
#[derive(Debug)]
pub struct Remade {
    /// Models made again, the first one included, that are those on the ledger.
    pub equal: u32,
    /// The first round whose model is another one; what follows it was not made again.
    pub differs: Option<u16>,
    /// Rounds that could not be made again, and why: their models are taken as they lie there.
    pub unproven: Vec<(u16, String)>,
    /// Updates that were merged.
    pub updates: u64,
    /// The last model.
    pub model: Digest,
    /// What the requester gets, recomputed.
    pub delivery: Delivery,
}

/// Makes every model of an order again. For that nobody's rows are needed; whether trainers took the steps that
/// they say is another question.
///
/// # Errors
/// [`OfflineError`] when the order has no model, or one that is not made again cannot be had either.
pub fn remake(
    ledger: &Ledger,
    blobs: &Blobs,
    key: &SecretKey,
    order: &Order,
    mut on_round: impl FnMut(u64, u64),
) -> Result<Remade, OfflineError> {
    let (id, state, gathered) = (order.head.id, ledger.state(), &ledger.gathered);
    let made = gathered.models.of(&id);
    let all = made.len() as u64;
    let (mut equal, mut updates) = (0, 0);
    let (mut differs, mut unproven) = (None, Vec::new());
    let mut model: Option<Vec<u8>> = None;
    for (at, made) in (1..).zip(made) {
        on_round(at, all);
        updates += made.trainers.len() as u64;
        let again = again(gathered, blobs, order, (made, model.as_deref()));
        let round = made.round.unwrap_or(0);
        match again {
            Ok(bytes) if content_digest(&bytes) == made.model.content => {
                equal += 1;
                model = Some(bytes);
            }
            Ok(_) | Err(OfflineError::Other { .. }) => {
                differs = Some(round);
                break;
            }
            Err(OfflineError::File { file, reason }) => {
                unproven.push((round, format!("file {file}: {reason}")));
                model = Some(stored(gathered, blobs, id, &made.model)?);
            }
            Err(error) => return Err(error),
        }
    }
    let model = model.ok_or(OfflineError::NoRun(id))?;
    let private = private_inputs(state, blobs, key, order)?;
    let stored = StateFile::encode(&Counts::default(), model.clone());
    let kind = assay_job::kind(order.head.terms.kind.as_str());
    let kind = kind.ok_or_else(|| {
        BuildError::Specification("this build does not know the job's kind".to_owned())
    })?;
    let inputs = assay_job::Inputs::new();
    let spec = order.head.terms.spec.to_vec();
    let delivery = assay_job::deliver(kind, &spec, (&inputs, &private), &stored)?;
    Ok(Remade {
        equal,
        differs,
        unproven,
        updates,
        model: Tiled::of(&model).digest(),
        delivery,
    })
}

/// A model made again; of a round, from the one before it.
pub(super) fn again(
    gathered: &Gathered,
    blobs: &Blobs,
    order: &Order,
    (made, before): (&Made, Option<&[u8]>),
) -> Result<Vec<u8>, OfflineError> {
    let (id, spec) = (order.head.id, &order.head.terms.spec);
    let (round, before) = match (made.round, before) {
        (None, _) => return Ok(federated::first_model(spec, &made.seed)?),
        (Some(round), Some(before)) => (round, before),
        (Some(_), None) => return Err(OfflineError::NoRun(id)),
    };
    let mut updates = Vec::with_capacity(made.trainers.len());
    for trainer in &made.trainers {
        let Some(sent) = trainer.sent_in(round) else {
            continue;
        };
        let key = update_key(OrderId::of_audit(id, round, trainer.number));
        let file = sent.trace.result;
        let stored = any(gathered, blobs, file, &key)?;
        let wrong = |reason: &str| OfflineError::Other {
            file,
            reason: reason.to_owned(),
        };
        let update = StateFile::decode(&stored).map_err(|error| wrong(&error.to_string()))?;
        if Tiled::of(update.1) != sent.update {
            return Err(wrong("it is not the update that its trainer committed to"));
        }
        updates.push((trainer.number, update.1.to_vec()));
    }
    let updates: Vec<(u16, &[u8])> = updates.iter().map(|(n, bytes)| (*n, &bytes[..])).collect();
    let merged = federated::merge(spec, round.into(), &made.merge_seed, before, &updates)?;
    // The ledger says that it moved: where it does not, that is another model.
    Ok(merged.model.unwrap_or_default())
}

/// A model of an order as it lies on disks.
pub(super) fn stored(
    gathered: &Gathered,
    blobs: &Blobs,
    order: OrderId,
    model: &Model,
) -> Result<Vec<u8>, OfflineError> {
    let file = model.file;
    let bytes = any(gathered, blobs, file, &model_key(order, &model.content))?;
    match content_digest(&bytes) == model.content {
        true => Ok(bytes),
        false => Err(OfflineError::Other {
            file,
            reason: "it is not the model that the ledger names".to_owned(),
        }),
    }
}

/// A file by whoever recorded it.
fn any(
    gathered: &Gathered,
    blobs: &Blobs,
    file: FileId,
    key: &FileKey,
) -> Result<Vec<u8>, OfflineError> {
    gathered.read((file, None), |record| blobs.read(record, key.clone()))
}
