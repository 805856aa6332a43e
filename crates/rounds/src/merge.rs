//! The model, and how a round moves it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use assay_aggregate::{AggregateError, Fate, aggregate};
use assay_crypto::Digest;
use assay_estimator::State;
use assay_kernel::{EnvironmentError, Kernel, all_finite, check_environment};
use borsh::{BorshDeserialize, BorshSerialize};

use crate::error::{SpecProblem, UpdateFault};
use crate::received::{Counted, Received};
use crate::update::{Head, Update};
use crate::{RoundSpec, Weights};

/// A federation between two rounds: the model, and which round is next.
#[derive(Clone, Debug)]
pub struct Rounds {
    pub(crate) spec: RoundSpec,
    pub(crate) model: State,
    pub(crate) round: u64,
    /// The present model and those before it, as many as an update may be old.
    pub(crate) bases: VecDeque<Base>,
}

/// A model that updates are made on.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct Base {
    /// Of its state.
    pub(crate) digest: Digest,
    /// Trainers whose update of it has come: it counts once.
    pub(crate) came: BTreeSet<u64>,
}

impl Base {
    pub(crate) fn of(model: &State) -> Base {
        Base {
            digest: model.digest(),
            came: BTreeSet::new(),
        }
    }
}

/// The most rows of a shard. As many updates as are merged, each with the weight of so many rows, are `2^36` in all, below
/// what a weighted mean bears.
const MAX_ROWS: u64 = 1 << 24;

/// One update that came.
#[derive(Clone, Copy, Debug)]
pub struct Submission<'a> {
    /// Who sent it.
    pub trainer: u64,
    /// Rows that it was trained on.
    pub rows: u64,
    /// The update.
    pub bytes: &'a [u8],
}

/// What a round came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Merged {
    /// The round.
    pub round: u64,
    /// What happened to the model.
    pub event: Event,
    /// Which updates did not count, by their place among those that came, and why.
    pub left_out: Vec<(usize, LeftOut)>,
    /// What the rule did to updates that counted, by trainer, step by step.
    pub fates: Vec<(u64, Fate)>,
}

/// What happened to the model in a round.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// Updates were merged.
    Merged {
        /// How many.
        updates: u32,
        /// Parameters that changed. None may have, where liars and honest trainers cancel out.
        moved: u64,
    },
    /// The model is as it was.
    Unmerged(Unmerged),
}

/// Why a round merged nothing.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Unmerged {
    /// There is no such round.
    #[error("all rounds are over")]
    Over,
    /// No update counted.
    #[error("no update came that counts")]
    Nobody,
    /// Fewer updates counted than were agreed on.
    #[error("{updates} updates came that count, and a round merges at least {quorum}")]
    BelowQuorum {
        /// How many.
        updates: u32,
        /// The fewest.
        quorum: u32,
    },
    /// The rule does not stand with so many.
    #[error("the rule cannot make one update of these")]
    Rule(#[from] AggregateError),
    /// The next model would not be finite.
    #[error("the merged update leads to parameters that are not finite; lower `server_rate`")]
    NotFinite,
}

/// Why an update did not count.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum LeftOut {
    /// Its bytes are no update of this federation.
    #[error(transparent)]
    Fault(#[from] UpdateFault),
    /// It is another trainer's.
    #[error("the update is trainer {0}'s")]
    OtherTrainer(u64),
    /// The trainer has sent one already.
    #[error("the trainer has sent an update in this round already, which counts")]
    Second,
    /// It has come in an earlier round.
    #[error("the trainer's update of round {0} has come before")]
    Again(u64),
    /// It is of a round that is not over yet, or long over.
    #[error("the update is of round {found}, and those of rounds {first} to {last} count now")]
    Round {
        /// As told.
        found: u64,
        /// The oldest.
        first: u64,
        /// The present one.
        last: u64,
    },
    /// It was trained on no rows, or on more than a shard has.
    #[error("the trainer has {0} rows; from 1 to {MAX_ROWS} are possible")]
    Rows(u64),
    /// As many as are merged at once have come before it.
    #[error(
        "{} updates count already, the most that are merged at once",
        assay_aggregate::MAX_UPDATES
    )]
    Full,
}

impl Rounds {
    /// A federation before its first round. The first parameters follow from `seed`.
    ///
    /// # Errors
    /// When the specification makes no sense.
    pub fn new(spec: RoundSpec, seed: &Digest) -> Result<Rounds, SpecProblem> {
        spec.check()?;
        let seed = Digest::of("assay/rounds/parameters/v1", &[seed.as_bytes()]);
        let model = State::initial(&spec.learning.model, seed.as_bytes())?;
        let bases = VecDeque::from([Base::of(&model)]);
        Ok(Rounds {
            spec,
            model,
            round: 0,
            bases,
        })
    }

    /// What all agreed on.
    pub fn spec(&self) -> &RoundSpec {
        &self.spec
    }

    /// The model that the next round begins with, at rest.
    pub fn model(&self) -> &State {
        &self.model
    }

    /// The next round, counted from 0.
    pub fn round(&self) -> u64 {
        self.round
    }

    /// Whether there is no next round.
    pub fn is_over(&self) -> bool {
        self.round >= self.spec.rounds
    }

    /// What an update of a trainer in this round begins with.
    pub fn head(&self, trainer: u64) -> Head {
        Head {
            round: self.round,
            trainer,
            base: self.base(0).map_or(Digest::ZERO, |base| base.digest),
        }
    }

    /// The model so many rounds ago, where updates of it still count.
    fn base(&self, age: u64) -> Option<&Base> {
        self.bases.get(usize::try_from(age).ok()?)
    }

    /// Makes the next model of the updates that came. Of two of one trainer the first counts, and none
    /// counts that has come in a round before, even one that merged nothing; otherwise nothing depends on their order. `seed` is drawn after the updates are fixed. Once all rounds are over
    /// nothing happens any more.
    ///
    /// # Errors
    /// When a library changed how this machine computes; nothing has happened then.
    pub fn merge(
        &mut self,
        kernel: &Kernel,
        seed: &Digest,
        submissions: &[Submission<'_>],
    ) -> Result<Merged, EnvironmentError> {
        check_environment()?;
        if self.is_over() {
            return Ok(Merged {
                round: self.round,
                event: Event::Unmerged(Unmerged::Over),
                left_out: Vec::new(),
                fates: Vec::new(),
            });
        }
        let mut counted = BTreeMap::new();
        let mut left_out = Vec::new();
        for (place, submission) in submissions.iter().enumerate() {
            let trainer = submission.trainer;
            let update = match counted.contains_key(&trainer) {
                true => Err(LeftOut::Second),
                false if counted.len() == assay_aggregate::MAX_UPDATES => Err(LeftOut::Full),
                false => self.count(submission),
            };
            match update {
                Ok(update) => drop(counted.insert(trainer, update)),
                Err(why) => left_out.push((place, why)),
            }
        }
        let counted: Vec<Counted<'_>> = counted.into_values().collect();
        for counted in &counted {
            let Head { round, trainer, .. } = *counted.update.head();
            let age = self.round.saturating_sub(round) as usize;
            if let Some(base) = self.bases.get_mut(age) {
                base.came.insert(trainer);
            }
        }
        let updates = counted.len() as u32;
        let round = self.round;
        let (event, next) = match self.next(kernel, seed, counted) {
            Ok(next) => {
                let both = next.parameters.iter().zip(self.model.parameters());
                let moved = both.filter(|(a, b)| a.to_bits() != b.to_bits()).count() as u64;
                (Event::Merged { updates, moved }, next)
            }
            Err(why) => (Event::Unmerged(why), self.same()),
        };
        self.advance(next.parameters);
        Ok(Merged {
            round,
            event,
            left_out,
            fates: next.fates,
        })
    }

    /// An update that counts in this round, and how much.
    fn count<'a>(&self, submission: &Submission<'a>) -> Result<Counted<'a>, LeftOut> {
        let coordinates = self.model.parameters().len();
        let update = Update::decode(submission.bytes, &self.spec, coordinates)?;
        let head = update.head();
        if head.trainer != submission.trainer {
            return Err(LeftOut::OtherTrainer(head.trainer));
        }
        let age = self.round.checked_sub(head.round);
        let factor = age.and_then(|age| self.spec.age.factor(age));
        let base = age.and_then(|age| self.base(age));
        let (Some(factor), Some(base)) = (factor, base) else {
            return Err(LeftOut::Round {
                found: head.round,
                first: self.round.saturating_sub(self.bases.len() as u64 - 1),
                last: self.round,
            });
        };
        if head.base != base.digest {
            let (found, wanted) = (head.base, base.digest);
            return Err(UpdateFault::Base { found, wanted }.into());
        }
        if base.came.contains(&head.trainer) {
            return Err(LeftOut::Again(head.round));
        }
        if !(1..=MAX_ROWS).contains(&submission.rows) {
            return Err(LeftOut::Rows(submission.rows));
        }
        let weight = match self.spec.weights {
            Weights::Equal => 1,
            Weights::Rows => submission.rows,
        };
        Ok(Counted {
            update,
            factor,
            weight,
        })
    }

    /// What a round that merges nothing leads to.
    fn same(&self) -> Next {
        Next {
            parameters: self.model.parameters().to_vec(),
            fates: Vec::new(),
        }
    }

    /// What updates lead to.
    fn next(
        &self,
        kernel: &Kernel,
        seed: &Digest,
        counted: Vec<Counted<'_>>,
    ) -> Result<Next, Unmerged> {
        let updates = counted.len() as u32;
        let quorum = self.spec.quorum;
        match updates {
            0 => return Err(Unmerged::Nobody),
            _ if updates < quorum => return Err(Unmerged::BelowQuorum { updates, quorum }),
            _ => {}
        }
        let began = self.model.parameters();
        let quantiser = &self.spec.quantiser;
        let received = Received::new(counted, began.len(), quantiser.bits());
        let received = received.map_err(AggregateError::from)?;
        let seed = Digest::of("assay/rounds/merge/v1", &[seed.as_bytes()]);
        let outcome = aggregate(kernel, &received, &self.spec.aggregation, &seed)?;
        let parameters = moved(kernel, &self.spec, began, &outcome.update);
        if !all_finite(&parameters) {
            return Err(Unmerged::NotFinite);
        }
        let trainers: Vec<u64> = received.trainers().collect();
        let notes = outcome.notes.iter();
        let fates = notes.filter_map(|note| {
            let trainer = trainers.get(note.update as usize)?;
            Some((*trainer, note.fate))
        });
        Ok(Next {
            parameters,
            fates: fates.collect(),
        })
    }

    /// Goes on to the next round with these parameters.
    fn advance(&mut self, parameters: Vec<f32>) {
        self.round += 1;
        let steps = self.round.saturating_mul(self.spec.local_steps);
        // They are finite, and as many as before.
        if let Ok(model) = self.model.at_rest(parameters, steps) {
            self.model = model;
        }
        self.bases.push_front(Base::of(&self.model));
        self.bases.truncate(self.spec.age.most as usize + 1);
    }
}

/// What a round leads to.
struct Next {
    parameters: Vec<f32>,
    fates: Vec<(u64, Fate)>,
}

/// Parameters that have moved by an update.
pub(crate) fn moved(
    kernel: &Kernel,
    spec: &RoundSpec,
    parameters: &[f32],
    update: &[i32],
) -> Vec<f32> {
    let mut moved = spec.quantiser.restore(update);
    kernel.scale(&mut moved, spec.server_rate);
    kernel.add_assign(&mut moved, parameters);
    moved
}
