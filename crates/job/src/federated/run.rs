//! What a run takes, and whether an order can be taken part in.

use assay_estimator::Footprint;
use assay_ledger::Terms;
use assay_proof::Handle;
use assay_rounds::{RoundSpec, dense_bytes};

use super::spec::{self, ROWS};
use crate::build_error::BuildError;
use crate::bytes::Bytes;
use crate::price::{Price, Sizes};
use crate::train::rows;

/// Bytes of a state before its values.
const STATE_HEAD: u64 = 56;
/// Bytes of a shard before its rows.
const SHARD_HEAD: u64 = 32;
/// Drawing the noise of a coordinate, rounding it and writing it down, in products.
const SENDING: u64 = 16;

pub(super) fn footprint(spec: &RoundSpec) -> Result<Footprint, BuildError> {
    let footprint = spec.learning.footprint();
    footprint.map_err(|error| BuildError::field("learning.model", error))
}

/// Parameters of the model.
pub(super) fn coordinates(footprint: &Footprint) -> u64 {
    // A state holds each of them and its velocity, 4 bytes each.
    footprint.state / 8
}

/// What a run takes, of inputs of these sizes: the model is read like rows are.
pub(super) fn price(spec: &RoundSpec, inputs: &Sizes) -> Result<Price, BuildError> {
    let footprint = footprint(spec)?;
    let width = spec.learning.model.features() as u64;
    let price = Price::of_rows(&footprint, width, inputs);
    let sending = SENDING.saturating_mul(coordinates(&footprint));
    let price = Price {
        // The one that the round begins with, from which the update is told.
        model: footprint.state,
        work: price.work.max(sending),
        ..price
    };
    let anywhere = price.total();
    Ok(Price { anywhere, ..price })
}

/// Bytes of a row in a shard.
fn row_bytes(spec: &RoundSpec) -> u64 {
    4 * (spec.learning.model.features() as u64 + 1)
}

/// Bytes of so many rows as a shard.
pub(super) fn shard_bytes(spec: &RoundSpec, rows: u64) -> u64 {
    rows.saturating_mul(row_bytes(spec))
        .saturating_add(SHARD_HEAD)
}

/// Rows of which the shard has at most so many bytes.
pub(super) fn rows_within(spec: &RoundSpec, bytes: u64) -> u64 {
    bytes.saturating_sub(SHARD_HEAD) / row_bytes(spec)
}

/// Bytes of a model.
pub(super) fn model_bytes(spec: &RoundSpec) -> Result<u64, BuildError> {
    Ok(footprint(spec)?.state.saturating_add(STATE_HEAD))
}

/// Whether an order's terms are those of its specification: as many rounds and steps, and no other quorum. To be
/// asked before an account takes part, since every run of an order whose terms are not is refused.
///
/// # Errors
/// When the specification is none of this kind, or says something else than the terms.
pub fn check_terms(terms: &Terms) -> Result<(), BuildError> {
    let spec = spec::decode(&terms.spec)?;
    let Some(rounds) = &terms.rounds else {
        return Err(BuildError::Specification(
            "its order has no rounds".to_owned(),
        ));
    };
    let update = dense_bytes(&spec, coordinates(&footprint(&spec)?));
    let told: [(&str, u64, u64); 4] = [
        ("bytes in an update", update, rounds.update_bytes.into()),
        ("rounds", spec.rounds, rounds.rounds.into()),
        ("steps", spec.local_steps + 1, terms.steps),
        ("trainers at least", spec.quorum.into(), rounds.least.into()),
    ];
    for (name, wanted, found) in told {
        if wanted != found {
            return Err(BuildError::Specification(format!(
                "it is for {wanted} {name}, and its order has {found}"
            )));
        }
    }
    Ok(())
}

/// Whether a trainer can take part in an order with these rows: [`check_terms`], the rows are such as the model
/// takes, and no run takes more memory than the order says.
///
/// # Errors
/// What does not fit.
pub fn check_rows(terms: &Terms, rows: &Handle) -> Result<(), BuildError> {
    check_terms(terms)?;
    let spec = spec::decode(&terms.spec)?;
    let brought = model_bytes(&spec)?.saturating_add(rows.length());
    let sizes = Sizes::default().with(brought);
    let takes = price(&spec, &sizes)?.anywhere;
    if takes > terms.memory {
        let (takes, said) = (Bytes(takes), Bytes(terms.memory));
        return Err(BuildError::MoreMemory { takes, said });
    }
    rows::shard(&spec.learning, ROWS, rows).map(drop)
}
