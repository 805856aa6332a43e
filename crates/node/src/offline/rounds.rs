//! The rounds of orders, made again: the first model, and every merge, of the updates as they lie on disks.

use std::collections::BTreeMap;

use assay_crypto::content::content_digest;
use assay_crypto::tiles::Tiled;
use assay_crypto::{Digest, SecretKey, aead::FileKey};
use assay_job::{BuildError, Delivery, federated};
use assay_ledger::{
    Counts, Event, FileId, MemoryStore, Model, Order, OrderEvent, OrderId, ReadError, StateFile,
    Trainer, query,
};
use assay_proof::{model_key, update_key};

use super::{Blobs, Ledger, OfflineError, private_inputs};

/// A model that the validators of a chain agreed on, and what it was made of.
#[derive(Clone, Debug)]
pub(super) struct Made {
    /// The round that was merged; none for the model that the first one begins with.
    round: Option<u16>,
    /// What it follows from.
    seed: Digest,
    model: Model,
    /// Those whose updates were merged.
    trainers: Vec<Trainer>,
}

/// Every model of every order with rounds, in the order in which they were made.
pub(super) type Models = BTreeMap<OrderId, Vec<Made>>;

/// Notes the models that a block made; `state` is the one after it.
pub(super) fn note<'a>(
    models: &mut Models,
    state: &MemoryStore,
    events: impl Iterator<Item = &'a Event>,
) -> Result<(), ReadError> {
    for event in events {
        let Event::Order { order, event } = event else {
            continue;
        };
        let round = match event {
            OrderEvent::FirstModel { .. } => None,
            OrderEvent::Merged { round, .. } => Some(*round),
            _ => continue,
        };
        // What a round went by stays until the next one begins, in a later block.
        let rounds = query::head(state, order)?.and_then(|head| head.rounds);
        let Some(rounds) = rounds else { continue };
        let (Some(model), Some(seed)) = (rounds.model.clone(), rounds.seed) else {
            continue;
        };
        let mut trainers = Vec::new();
        if round.is_some() {
            trainers = query::trainers(state, order)?;
            trainers.retain(|of| rounds.counted.has(of.number));
        }
        models.entry(*order).or_default().push(Made {
            round,
            seed: match round {
                Some(_) => rounds.merge_seed.unwrap_or(Digest::ZERO),
                None => seed,
            },
            model,
            trainers,
        });
    }
    Ok(())
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
    let (id, state) = (order.head.id, ledger.state());
    let made = ledger.models.get(&id).map_or(&[][..], Vec::as_slice);
    let all = made.len() as u64;
    let (mut equal, mut updates) = (0, 0);
    let (mut differs, mut unproven) = (None, Vec::new());
    let mut model: Option<Vec<u8>> = None;
    for (at, made) in (1..).zip(made) {
        on_round(at, all);
        let spec = &order.head.terms.spec;
        let again = match (made.round, &model) {
            (None, _) => Ok(federated::first_model(spec, &made.seed)?),
            (Some(round), Some(model)) => {
                updates += made.trainers.len() as u64;
                merge(state, blobs, (order, round), made, model)
            }
            (Some(_), None) => return Err(OfflineError::NoRun(id)),
        };
        let round = made.round.unwrap_or(0);
        match again {
            Ok(bytes) if content_digest(&bytes) == made.model.content => {
                equal += 1;
                model = Some(bytes);
            }
            Ok(_) => {
                differs = Some(round);
                break;
            }
            Err(OfflineError::File { file, reason }) => {
                unproven.push((round, format!("file {file}: {reason}")));
                let key = model_key(id, &made.model.content);
                let bytes = any(state, blobs, made.model.file, &key)?;
                if content_digest(&bytes) != made.model.content {
                    let reason = "it is not the model that the ledger names".to_owned();
                    let file = made.model.file;
                    return Err(OfflineError::File { file, reason });
                }
                model = Some(bytes);
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

/// The next model, of the updates that counted.
fn merge(
    state: &MemoryStore,
    blobs: &Blobs,
    (order, round): (&Order, u16),
    made: &Made,
    model: &[u8],
) -> Result<Vec<u8>, OfflineError> {
    let id = order.head.id;
    let mut updates = Vec::with_capacity(made.trainers.len());
    for trainer in &made.trainers {
        let Some(sent) = trainer.sent_in(round) else {
            continue;
        };
        let key = update_key(OrderId::of_audit(id, round, trainer.number));
        let file = sent.trace.result;
        let stored = any(state, blobs, file, &key)?;
        let wrong = |reason: &str| OfflineError::File {
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
    let spec = &order.head.terms.spec;
    let merged = federated::merge(spec, round.into(), &made.seed, model, &updates)?;
    // The ledger says that it moved: where it does not, that is another model.
    Ok(merged.model.unwrap_or_default())
}

/// A file by whoever recorded it.
fn any(
    state: &MemoryStore,
    blobs: &Blobs,
    file: FileId,
    key: &FileKey,
) -> Result<Vec<u8>, OfflineError> {
    let mut failure = None;
    for record in query::file_records(state, &file)? {
        match blobs.read(state, file, record.owner, key.clone()) {
            Ok(bytes) => return Ok(bytes),
            Err(error) => failure = Some(error),
        }
    }
    Err(failure.unwrap_or(OfflineError::File {
        file,
        reason: "nobody has recorded it any more".to_owned(),
    }))
}
