//! From a job and the places of its inputs to the terms of an order.

use assay_crypto::{Digest, EncryptionKey};
use assay_ledger::{BoundedBytes, BoundedString, BoundedVec, FileId, Input, Terms};

use crate::error::JobError;
use crate::kind::Job;
use crate::sections::{amount, within};

/// An input that lies in the vault.
#[derive(Debug, Clone)]
pub struct PlacedInput {
    /// Name by which the program asks for it.
    pub name: String,
    /// Its name in the vault.
    pub file: FileId,
    /// Digest of its plaintext.
    pub content: Digest,
}

/// The terms to post for `job`.
///
/// `keys` commits to the key bundle the requester will grant; `encryption_key` is where others
/// seal to the requester.
///
/// # Errors
/// When a value of the job file is outside what any ledger accepts.
pub fn terms(
    job: &Job,
    placed: &[PlacedInput],
    keys: Digest,
    encryption_key: EncryptionKey,
) -> Result<Terms, JobError> {
    within(
        "audit.segment_steps",
        u64::from(job.audit.segment_steps),
        1,
        job.steps.max(1),
    )?;
    within("audit.segments", job.audit.segments, 1, Terms::MAX_DRAWN)?;
    within("audit.auditors", job.audit.auditors, 1, Terms::MAX_AUDITORS)?;
    within(
        "market.attempts",
        job.market.attempts,
        1,
        Terms::MAX_ATTEMPTS,
    )?;
    within("training.steps", job.steps, 1, Terms::MAX_STEPS)?;

    let too_long = |field| move |_| JobError::value(field, "too long for the ledger");
    let mut inputs = Vec::with_capacity(placed.len());
    for input in placed {
        let name = BoundedString::new(input.name.clone()).map_err(too_long("inputs"))?;
        inputs.push(Input {
            name,
            file: input.file,
            content: input.content,
        });
    }
    let terms = Terms {
        kind: BoundedString::new(job.kind.to_owned()).map_err(too_long("kind"))?,
        spec: BoundedBytes::new(job.specification.clone()).map_err(too_long("specification"))?,
        inputs: BoundedVec::new(inputs).map_err(too_long("inputs"))?,
        steps: job.steps,
        segment_steps: job.audit.segment_steps,
        price: amount("market.price", &job.market.price)?,
        provider_bond: amount("market.provider_bond", &job.market.provider_bond)?,
        auditor_bond: amount("market.auditor_bond", &job.market.auditor_bond)?,
        auditor_fee: amount("market.auditor_fee", &job.market.auditor_fee)?,
        segments_drawn: job.audit.segments,
        auditors: job.audit.auditors,
        attempts: job.market.attempts,
        keys,
        encryption_key,
        deadlines: job.deadlines.clone().into(),
    };
    within(
        "audit.segment_steps (number of segments)",
        terms.segments(),
        1,
        Terms::MAX_SEGMENTS,
    )?;
    Ok(terms)
}
