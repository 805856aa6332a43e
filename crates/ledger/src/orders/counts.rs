//! What the steps of a run came to: counted in every leaf of its trace, and what the run is paid by.

use assay_crypto::Digest;
use assay_crypto::tiles::Tiled;
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

use crate::{Amount, Ppm, StepIndex, Terms};

/// What one step came to.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Taken {
    /// It was computed and changed the state.
    Valid,
    /// It was computed, gave nothing that can be used (a NaN, or nothing to learn), and left the
    /// state as it was. It costs as much as a valid one, and is paid like one.
    Invalid,
    /// The run was over before it: nothing was computed, and nothing is paid.
    Idle,
}

/// What the steps up to a state came to. Part of the state's leaf, so it cannot be changed later,
/// and whoever replays a segment finds it too.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    BorshSerialize,
    BorshDeserialize,
    Serialize,
    Deserialize,
)]
pub struct Counts {
    /// Steps that changed the state.
    pub valid: u64,
    /// Steps that were computed and changed nothing.
    pub invalid: u64,
    /// Steps after the run was over.
    pub idle: u64,
    /// Invalid steps in a row, up to this state.
    pub in_row: u64,
}

impl Counts {
    /// Length of its encoding, in bytes.
    pub const BYTES: usize = 32;

    /// As it stands in a leaf, and before a stored state: four little-endian `u64`, in the order of the
    /// fields.
    pub fn to_bytes(&self) -> [u8; Counts::BYTES] {
        let mut bytes = [0; Counts::BYTES];
        let counts = [self.valid, self.invalid, self.idle, self.in_row];
        for (bytes, count) in bytes.chunks_mut(8).zip(counts) {
            bytes.copy_from_slice(&count.to_le_bytes());
        }
        bytes
    }

    /// Reads [`Counts::to_bytes`]; any bytes are counts of something.
    pub fn from_bytes(bytes: &[u8; Counts::BYTES]) -> Counts {
        let count = |at: usize| u64::from_le_bytes(std::array::from_fn(|i| bytes[8 * at + i]));
        Counts {
            valid: count(0),
            invalid: count(1),
            idle: count(2),
            in_row: count(3),
        }
    }

    /// One more step.
    pub fn add(&mut self, step: Taken) {
        let (count, in_row) = match step {
            Taken::Valid => (&mut self.valid, 0),
            Taken::Invalid => (&mut self.invalid, self.in_row.saturating_add(1)),
            Taken::Idle => (&mut self.idle, self.in_row),
        };
        *count = count.saturating_add(1);
        self.in_row = in_row;
    }

    /// Steps that were computed.
    pub fn worked(&self) -> u64 {
        self.valid.saturating_add(self.invalid)
    }

    /// Steps that led to the state, computed or not.
    pub fn all(&self) -> u64 {
        self.worked().saturating_add(self.idle)
    }

    /// Whether so many steps of a run with this rule can have come to this.
    pub fn fit(&self, steps: StepIndex, rule: &StopRule) -> bool {
        self.all() == steps.0
            && self.in_row <= self.invalid
            && self.in_row <= rule.stop_after.into()
            && self.invalid <= rule.max_invalid
    }

    /// Whether too many steps were invalid for the run to go on.
    pub fn has_failed(&self, rule: &StopRule) -> bool {
        self.in_row >= rule.stop_after.into() || self.invalid >= rule.max_invalid
    }

    /// Whether nothing more is computed: too many steps were invalid, or the program said that it
    /// is done.
    pub fn is_over(&self, rule: &StopRule) -> bool {
        self.idle > 0 || self.has_failed(rule)
    }
}

/// When a run is given up because its steps come to nothing.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
pub struct StopRule {
    /// So many invalid steps in a row.
    pub stop_after: u32,
    /// So many invalid steps in all.
    pub max_invalid: u64,
}

/// What a run has reached after some step: what a leaf of its trace is made of.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
pub struct Reached {
    /// What the state hashes to, as its kind of job writes it.
    pub state: Tiled,
    /// What the steps up to it came to.
    pub counts: Counts,
}

impl Reached {
    /// The leaf of a trace that binds state and counts to their place in the run:
    /// `H("assay/trace/v2", step, digest of the state, counts)`.
    pub fn leaf(&self, step: StepIndex) -> Digest {
        let parts: [&[u8]; 3] = [
            &step.0.to_le_bytes(),
            &self.state.digest().0,
            &self.counts.to_bytes(),
        ];
        Digest::of("assay/trace/v2", &parts)
    }
}

impl Terms {
    /// What of the price a run has earned whose steps came to `counts`: `setup` of it for having
    /// begun, and of the rest as much as it computed of its steps.
    pub fn earned(&self, counts: &Counts, setup: Ppm) -> Amount {
        let setup = setup.of(self.price);
        let rest = u128::from(self.price.0.saturating_sub(setup.0));
        let worked = u128::from(counts.worked().min(self.steps));
        let earned = rest * worked / u128::from(self.steps.max(1));
        // At most the price, which fits.
        let earned = u64::try_from(earned).unwrap_or(u64::MAX);
        Amount(setup.0.saturating_add(earned))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: StopRule = StopRule {
        stop_after: 3,
        max_invalid: 5,
    };

    fn after(steps: &[Taken]) -> Counts {
        let mut counts = Counts::default();
        steps.iter().for_each(|step| counts.add(*step));
        counts
    }

    #[test]
    fn a_run_fails_after_invalid_steps_in_a_row_or_in_all() {
        use Taken::{Invalid, Valid};
        assert!(!after(&[Invalid, Invalid, Valid, Invalid]).is_over(&RULE));
        let in_row = after(&[Valid, Invalid, Invalid, Invalid]);
        assert!(in_row.has_failed(&RULE) && in_row.is_over(&RULE));
        let in_all = [Invalid, Invalid, Valid].repeat(2);
        assert!(!after(&in_all).is_over(&RULE));
        assert!(after(&[&in_all[..], &[Invalid]].concat()).has_failed(&RULE));
    }

    #[test]
    fn what_failed_stays_failed_and_what_is_done_is_not_a_failure() {
        let mut failed = after(&[Taken::Invalid; 3]);
        failed.add(Taken::Idle);
        assert!(failed.has_failed(&RULE));
        let done = after(&[Taken::Valid, Taken::Idle]);
        assert!(done.is_over(&RULE) && !done.has_failed(&RULE));
        assert_eq!((done.worked(), done.all()), (1, 2));
        assert!(done.fit(StepIndex(2), &RULE) && !done.fit(StepIndex(3), &RULE));
        let beyond = after(&[Taken::Invalid; 4]);
        assert!(!beyond.fit(StepIndex(4), &RULE));
    }

    #[test]
    fn equal_states_at_other_steps_or_with_other_counts_have_other_leaves() {
        let reached = Reached {
            state: Tiled {
                length: 7,
                root: Digest([2; 32]),
            },
            counts: after(&[Taken::Valid]),
        };
        let leaf = reached.leaf(StepIndex(1));
        let expected = "fd2ede520e206ef5a6cb82acf9ce0e8822e1c52dbb38feeb87090cf43899788b";
        assert_eq!(leaf.to_string(), expected);
        assert_ne!(leaf, reached.leaf(StepIndex(2)));
        for step in [Taken::Valid, Taken::Invalid, Taken::Idle] {
            let mut other = reached;
            other.counts.add(step);
            assert_ne!(leaf, other.leaf(StepIndex(1)));
        }
    }
}
