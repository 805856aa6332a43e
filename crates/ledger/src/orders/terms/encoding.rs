//! The bytes of terms: one field after the other, and one byte that says in which way several take part.
//!
//! Terms had rounds before there were contests, as an `Option` whose byte is 0 or 1. A contest is its second bit, so
//! the bytes of all terms without one stay as they were.

use std::io;

use borsh::{BorshDeserialize, BorshSerialize};

use super::Terms;

/// There are rounds.
const ROUNDS: u8 = 1;
/// It is a contest.
const CONTEST: u8 = 2;

impl BorshSerialize for Terms {
    fn serialize<W: io::Write>(&self, to: &mut W) -> io::Result<()> {
        let Terms {
            kind,
            spec,
            model,
            inputs,
            steps,
            segment_steps,
            step_units,
            memory,
            method,
            stop,
            price,
            provider_bond,
            auditor_bond,
            auditor_fee,
            segments_drawn,
            auditors,
            attempts,
            copies,
            keys,
            delivery_key,
            deadlines,
            rounds,
            contest,
        } = self;
        kind.serialize(to)?;
        spec.serialize(to)?;
        model.serialize(to)?;
        inputs.serialize(to)?;
        steps.serialize(to)?;
        segment_steps.serialize(to)?;
        step_units.serialize(to)?;
        memory.serialize(to)?;
        method.serialize(to)?;
        stop.serialize(to)?;
        price.serialize(to)?;
        provider_bond.serialize(to)?;
        auditor_bond.serialize(to)?;
        auditor_fee.serialize(to)?;
        segments_drawn.serialize(to)?;
        auditors.serialize(to)?;
        attempts.serialize(to)?;
        copies.serialize(to)?;
        keys.serialize(to)?;
        delivery_key.serialize(to)?;
        deadlines.serialize(to)?;
        let of_rounds = if rounds.is_some() { ROUNDS } else { 0 };
        let of_contest = if contest.is_some() { CONTEST } else { 0 };
        (of_rounds | of_contest).serialize(to)?;
        rounds.iter().try_for_each(|of| of.serialize(to))?;
        contest.iter().try_for_each(|of| of.serialize(to))
    }
}

impl BorshDeserialize for Terms {
    fn deserialize_reader<R: io::Read>(from: &mut R) -> io::Result<Terms> {
        let mut terms = Terms {
            kind: BorshDeserialize::deserialize_reader(from)?,
            spec: BorshDeserialize::deserialize_reader(from)?,
            model: BorshDeserialize::deserialize_reader(from)?,
            inputs: BorshDeserialize::deserialize_reader(from)?,
            steps: BorshDeserialize::deserialize_reader(from)?,
            segment_steps: BorshDeserialize::deserialize_reader(from)?,
            step_units: BorshDeserialize::deserialize_reader(from)?,
            memory: BorshDeserialize::deserialize_reader(from)?,
            method: BorshDeserialize::deserialize_reader(from)?,
            stop: BorshDeserialize::deserialize_reader(from)?,
            price: BorshDeserialize::deserialize_reader(from)?,
            provider_bond: BorshDeserialize::deserialize_reader(from)?,
            auditor_bond: BorshDeserialize::deserialize_reader(from)?,
            auditor_fee: BorshDeserialize::deserialize_reader(from)?,
            segments_drawn: BorshDeserialize::deserialize_reader(from)?,
            auditors: BorshDeserialize::deserialize_reader(from)?,
            attempts: BorshDeserialize::deserialize_reader(from)?,
            copies: BorshDeserialize::deserialize_reader(from)?,
            keys: BorshDeserialize::deserialize_reader(from)?,
            delivery_key: BorshDeserialize::deserialize_reader(from)?,
            deadlines: BorshDeserialize::deserialize_reader(from)?,
            rounds: None,
            contest: None,
        };
        let several = u8::deserialize_reader(from)?;
        if several > (ROUNDS | CONTEST) {
            let problem = "terms have rounds, are a contest, both or neither";
            return Err(io::Error::new(io::ErrorKind::InvalidData, problem));
        }
        if several & ROUNDS != 0 {
            terms.rounds = Some(BorshDeserialize::deserialize_reader(from)?);
        }
        if several & CONTEST != 0 {
            terms.contest = Some(BorshDeserialize::deserialize_reader(from)?);
        }
        Ok(terms)
    }
}
