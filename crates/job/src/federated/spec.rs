//! The specification of an order, and of one trainer's run in one of its rounds.

use assay_ledger::RoundTerms;
use assay_rounds::{Encoding, MAX_BYTES, RoundSpec, Weights};
use borsh::BorshDeserialize;

use crate::build_error::{BuildError, chain};

/// Input of a run: a trainer's rows, as a shard.
pub(super) const ROWS: &str = "rows";

/// What one trainer's run in one round is told.
#[derive(Debug)]
pub(super) struct OfRun {
    pub(super) spec: RoundSpec,
    /// Counted from 0.
    pub(super) round: u64,
    /// The trainer's number.
    pub(super) trainer: u64,
}

/// The specification of one trainer's run in one round, from that of the order: see
/// [`crate::federated`].
pub fn run_spec(order: &[u8], round: u64, trainer: u16) -> Vec<u8> {
    let suffix = (round.to_le_bytes(), u32::from(trainer).to_le_bytes());
    [order, &suffix.0, &suffix.1].concat()
}

fn wrong(text: impl Into<String>) -> BuildError {
    BuildError::Specification(text.into())
}

/// Reads the specification that stands on the ledger, of an order.
pub(super) fn decode(bytes: &[u8]) -> Result<RoundSpec, BuildError> {
    match split(bytes)? {
        (spec, []) => Ok(spec),
        (_, rest) => Err(wrong(format!("{} bytes follow it", rest.len()))),
    }
}

/// Reads that of a run.
pub(super) fn of_run(bytes: &[u8]) -> Result<OfRun, BuildError> {
    let (spec, rest) = split(bytes)?;
    let (round, trainer) = suffix(rest)?;
    if round >= spec.rounds {
        let rounds = spec.rounds;
        return Err(wrong(format!(
            "it is of round {round}, and there are {rounds}, counted from 0"
        )));
    }
    if trainer >= RoundTerms::MAX_TRAINERS.into() {
        let most = RoundTerms::MAX_TRAINERS;
        return Err(wrong(format!(
            "it is of trainer {trainer}, and numbers are below {most}"
        )));
    }
    Ok(OfRun {
        spec,
        round,
        trainer: trainer.into(),
    })
}

/// Reads that of an order, or of a run of it.
pub(super) fn either(bytes: &[u8]) -> Result<RoundSpec, BuildError> {
    match split(bytes)? {
        (spec, []) => Ok(spec),
        (spec, rest) => suffix(rest).map(|_| spec),
    }
}

/// The round that a run's specification is of; none of one that is no run's.
pub fn round_of(run: &[u8]) -> Option<u64> {
    run_suffix(run).ok().map(|(_, round)| round)
}

/// The specification of an order and the round, from that of a run of it.
pub(super) fn run_suffix(bytes: &[u8]) -> Result<(&[u8], u64), BuildError> {
    let (_, rest) = split(bytes)?;
    let (round, _) = suffix(rest)?;
    let order = bytes.len().saturating_sub(rest.len());
    Ok((bytes.get(..order).unwrap_or(bytes), round))
}

fn suffix(rest: &[u8]) -> Result<(u64, u32), BuildError> {
    let parts = rest.split_first_chunk::<8>();
    let parts = parts.and_then(|(round, rest)| Some((round, <&[u8; 4]>::try_from(rest).ok()?)));
    let (round, trainer) = parts.ok_or_else(|| match rest {
        [] => wrong(
            "it says neither which round it is of nor which trainer: the steps of a federated job are trainers', \
             in an order with rounds",
        ),
        _ => wrong(format!("{} bytes follow it", rest.len())),
    })?;
    Ok((u64::from_le_bytes(*round), u32::from_le_bytes(*trainer)))
}

/// The specification that bytes begin with, in its one encoding, and what follows it.
fn split(bytes: &[u8]) -> Result<(RoundSpec, &[u8]), BuildError> {
    let mut rest = bytes.get(..MAX_BYTES).unwrap_or(bytes);
    let begun = rest;
    let read = RoundSpec::deserialize(&mut rest);
    read.map_err(|error| wrong(error.to_string()))?;
    let (own, rest) = bytes.split_at(begun.len() - rest.len());
    let spec = RoundSpec::from_bytes(own).map_err(|error| wrong(chain(&error)))?;
    if spec.to_bytes() != own {
        return Err(wrong("another encoding is the one of these settings"));
    }
    remembers_nothing(&spec)?;
    Ok((spec, rest))
}

/// Refuses what an audit of one trainer's round cannot look at by itself.
fn remembers_nothing(spec: &RoundSpec) -> Result<(), BuildError> {
    let text = if spec.encoding != Encoding::Dense {
        ENCODING
    } else if spec.age.most > 0 {
        AGE
    } else if spec.weights != Weights::Equal {
        WEIGHTS
    } else {
        return Ok(());
    };
    Err(wrong(text))
}

/// Why updates are sent whole.
pub(super) const ENCODING: &str = "what is not sent whole follows from the rounds before, which an audit of one round does not see; \
     only \"dense\" is taken";
/// Why none comes late.
pub(super) const AGE: &str = "a late update follows from an earlier model than its round's, which an audit of one round does not \
     see; only `most = 0` is taken";
/// Why all weigh alike.
pub(super) const WEIGHTS: &str =
    "nobody but a trainer and its auditors sees how many rows it has; only \"equal\" is taken";
