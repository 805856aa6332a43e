//! Rounds computed again, by somebody who took no part in them.
//!
//! An auditor has what was written down: the specification, the seeds, every update that came, and the digest of
//! the model after each round. It merges every round again, which needs no rows. Where it also has a
//! trainer's rows it takes the trainer's steps again and compares the update, byte by byte: all of them, or
//! some that it chose for itself and told nobody.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use assay_crypto::Digest;
use assay_crypto::stream::Stream;
use assay_estimator::{Order, Shard, State, TrainError};
use assay_kernel::{EnvironmentError, Kernel};
use borsh::{BorshDeserialize, BorshSerialize};
use serde::Serialize;

use crate::error::{NoUpdate, SavedError, SpecProblem};
use crate::local::train;
use crate::merge::{Event, Rounds, Submission};
use crate::saved::{opened, sealed};
use crate::send::Sender;
use crate::spec::{Encoding, RoundSpec};
use crate::update::Update;

/// What is written down about a round.
#[derive(Clone, Debug)]
pub struct RoundRecord<'a> {
    /// The seed that steps and rounding follow from.
    pub seed: Digest,
    /// The seed that was drawn after the updates were fixed.
    pub merge_seed: Digest,
    /// What came, in the order in which it came.
    pub submissions: Vec<Submission<'a>>,
    /// The digest of the model after the round.
    pub model: Digest,
}

/// Whose updates are computed again.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Look {
    /// Everybody's.
    All,
    /// Those of some trainers, in every round.
    Trainers(BTreeSet<u64>),
    /// Some, each by the round that it came in and its trainer. One that did not count there is not looked at.
    /// Only where updates are sent whole: otherwise one follows from those before it.
    Updates(BTreeSet<(u64, u64)>),
}

impl Look {
    /// So many different ones of `all`, drawn from a seed that nobody else knows; all of them where there are
    /// fewer. A cheater who lied in `k` of `n` updates is not found with probability
    /// `C(n - k, q) / C(n, q)`, at most `(1 - k / n)^q`.
    pub fn choose<T: Copy + Ord>(all: &[T], count: usize, secret: &Digest) -> BTreeSet<T> {
        let mut left = all.to_vec();
        let mut stream = Stream::new(*secret, "rounds/look", 0);
        let mut chosen = BTreeSet::new();
        while chosen.len() < count && !left.is_empty() {
            chosen.insert(left.swap_remove(stream.below(left.len() as u64) as usize));
        }
        chosen
    }

    fn takes(&self, round: u64, trainer: u64) -> bool {
        match self {
            Look::All => true,
            Look::Trainers(trainers) => trainers.contains(&trainer),
            Look::Updates(updates) => updates.contains(&(round, trainer)),
        }
    }
}

/// Something that is not as it was written down.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Finding {
    /// The model after a round is another one. What follows it cannot be looked at.
    Model {
        /// The round.
        round: u64,
        /// As written down.
        recorded: Digest,
        /// As computed.
        computed: Digest,
    },
    /// A trainer's steps on its rows give another update than it sent.
    Update {
        /// The round that it came in.
        round: u64,
        /// Whose.
        trainer: u64,
        /// What was sent.
        sent: Digest,
        /// What follows from its rows; none where nothing does.
        computed: Option<Digest>,
    },
    /// A trainer has another number of rows than it counted with.
    Rows {
        /// The round that its update came in.
        round: u64,
        /// Whose.
        trainer: u64,
        /// As written down.
        recorded: u64,
        /// As they are.
        found: u64,
    },
}

/// How much was looked at.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize,
)]
pub struct Looked {
    /// Rounds that were merged again.
    pub rounds: u64,
    /// Of them, those that moved no parameter.
    pub idle_rounds: u64,
    /// Updates that came.
    pub updates: u64,
    /// Of them, those that did not count.
    pub left_out: u64,
    /// Of the others, those whose steps were taken again.
    pub replayed: u64,
    /// Of those that were to be looked at, the ones whose rows are not there, or follow from an update that
    /// could not be looked at.
    pub unproven: u64,
}

/// An audit under way.
#[derive(Clone, Debug)]
pub struct Auditor {
    rounds: Rounds,
    look: Look,
    /// The models that updates may still be of, with the seeds of their rounds, the newest first.
    past: VecDeque<(Digest, State)>,
    senders: BTreeMap<u64, Sender>,
    /// Trainers whose updates follow from one that could not be looked at, or was another.
    lost: BTreeSet<u64>,
    looked: Looked,
    findings: Vec<Finding>,
}

impl Auditor {
    /// Begins before the first round.
    ///
    /// # Errors
    /// When the specification makes no sense, or single updates are to be looked at that follow from others.
    pub fn new(spec: RoundSpec, seed: &Digest, look: Look) -> Result<Auditor, SpecProblem> {
        if matches!(look, Look::Updates(_)) && spec.encoding != Encoding::Dense {
            return Err(SpecProblem::Look);
        }
        Ok(Auditor {
            rounds: Rounds::new(spec, seed)?,
            look,
            past: VecDeque::new(),
            senders: BTreeMap::new(),
            lost: BTreeSet::new(),
            looked: Looked::default(),
            findings: Vec::new(),
        })
    }

    /// The next round, counted from 0.
    pub fn round(&self) -> u64 {
        self.rounds.round()
    }

    /// The model as far as it was computed.
    pub fn model(&self) -> &State {
        self.rounds.model()
    }

    /// How much was looked at.
    pub fn looked(&self) -> &Looked {
        &self.looked
    }

    /// What is not as it was written down.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// Whether the model of a round was another one: nothing that comes after it follows from what was
    /// computed.
    pub fn is_stuck(&self) -> bool {
        let model = |finding: &Finding| matches!(finding, Finding::Model { .. });
        self.findings.iter().any(model)
    }

    /// Looks at the next round; does nothing once all are over, or [`Auditor::is_stuck`]. `shard` gives a trainer's rows, if the
    /// auditor has them; that they are the ones the trainer joined with is for the caller to see.
    ///
    /// # Errors
    /// When a library changed how this machine computes: that is no finding, and the round has not been looked at.
    pub fn check<'s>(
        &mut self,
        kernel: &Kernel,
        record: &RoundRecord<'_>,
        shard: impl Fn(u64) -> Option<&'s Shard>,
    ) -> Result<(), EnvironmentError> {
        if self.is_stuck() || self.rounds.is_over() {
            return Ok(());
        }
        let mut after = self.clone();
        after.look_at(kernel, record, shard)?;
        *self = after;
        Ok(())
    }

    fn look_at<'s>(
        &mut self,
        kernel: &Kernel,
        record: &RoundRecord<'_>,
        shard: impl Fn(u64) -> Option<&'s Shard>,
    ) -> Result<(), EnvironmentError> {
        let round = self.rounds.round();
        self.past
            .push_front((record.seed, self.rounds.model().clone()));
        let kept = self.rounds.spec().age.most as usize + 1;
        self.past.truncate(kept);
        let merged = (self.rounds).merge(kernel, &record.merge_seed, &record.submissions)?;
        let left_out: BTreeSet<usize> = merged.left_out.iter().map(|(place, _)| *place).collect();
        for (place, submission) in record.submissions.iter().enumerate() {
            let counts = !left_out.contains(&place);
            if counts && self.look.takes(round, submission.trainer) {
                self.replay(kernel, (round, submission), shard(submission.trainer))?;
            }
        }
        self.looked.rounds += 1;
        self.looked.updates += record.submissions.len() as u64;
        self.looked.left_out += merged.left_out.len() as u64;
        let moved = matches!(merged.event, Event::Merged { moved: 1.., .. });
        self.looked.idle_rounds += u64::from(!moved);
        let computed = self.rounds.model().digest();
        if computed != record.model {
            self.findings.push(Finding::Model {
                round,
                recorded: record.model,
                computed,
            });
        }
        Ok(())
    }

    /// Takes the steps of one update again.
    fn replay(
        &mut self,
        kernel: &Kernel,
        (round, submission): (u64, &Submission<'_>),
        shard: Option<&Shard>,
    ) -> Result<(), EnvironmentError> {
        let trainer = submission.trainer;
        let spec = self.rounds.spec();
        let coordinates = self.rounds.model().parameters().len();
        let shard = shard.filter(|_| !self.lost.contains(&trainer));
        let update = Update::decode(submission.bytes, spec, coordinates).ok();
        let there = shard.zip(update).and_then(|(shard, update)| {
            let age = round.checked_sub(update.head().round)?;
            let (seed, model) = self.past.get(usize::try_from(age).ok()?)?;
            Some((shard, update, seed, model))
        });
        let Some((shard, update, seed, model)) = there else {
            self.looked.unproven += 1;
            self.lose(trainer);
            return Ok(());
        };
        let found = shard.samples().rows() as u64;
        if found != submission.rows {
            self.findings.push(Finding::Rows {
                round,
                trainer,
                recorded: submission.rows,
                found,
            });
        }
        let order = Order {
            seed: seed.0,
            round: update.head().round,
            trainer,
        };
        let mut sender = self.senders.get(&trainer).cloned().unwrap_or_default();
        let again = train(kernel, spec, model, shard, order)
            .and_then(|local| sender.send(spec, update.head(), model, &local, seed));
        self.looked.replayed += 1;
        match again {
            Err(NoUpdate::Train(TrainError::Environment(error))) => return Err(error),
            Ok(bytes) if bytes == submission.bytes => {
                if spec.encoding != Encoding::Dense {
                    self.senders.insert(trainer, sender);
                }
            }
            again => {
                self.findings.push(Finding::Update {
                    round,
                    trainer,
                    sent: update.digest(),
                    computed: again.ok().map(|bytes| Update::name(&bytes)),
                });
                self.lose(trainer);
            }
        }
        Ok(())
    }

    /// Notes that what a trainer sends from now on cannot be looked at, if it follows from what it sent.
    fn lose(&mut self, trainer: u64) {
        if self.rounds.spec().encoding != Encoding::Dense {
            self.lost.insert(trainer);
            self.senders.remove(&trainer);
        }
    }

    /// Everything that the audit goes on from.
    pub fn to_bytes(&self) -> Vec<u8> {
        let past = self.past.iter();
        let senders = self.senders.iter();
        let saved = Saved {
            rounds: self.rounds.to_bytes(),
            look: self.look.clone(),
            past: past
                .map(|(seed, model)| (*seed, model.to_bytes()))
                .collect(),
            senders: senders
                .map(|(of, sender)| (*of, sender.to_bytes()))
                .collect(),
            lost: self.lost.clone(),
            looked: self.looked,
            findings: self.findings.clone(),
        };
        sealed(DOMAIN, &saved)
    }

    /// Reads [`Auditor::to_bytes`].
    ///
    /// # Errors
    /// When the bytes are none, or were altered.
    pub fn from_bytes(bytes: &[u8]) -> Result<Auditor, SavedError> {
        let saved: Saved = opened(DOMAIN, bytes)?;
        let rounds = Rounds::from_bytes(&saved.rounds)?;
        let model = &rounds.spec().learning.model;
        let past = saved.past.iter();
        let past = past.map(|(seed, bytes)| Ok((*seed, State::from_bytes(bytes, model)?)));
        let past: Result<_, SavedError> = past.collect();
        let senders = saved.senders.iter();
        let senders = senders.map(|(of, bytes)| Ok((*of, Sender::from_bytes(bytes)?)));
        let senders: Result<_, SavedError> = senders.collect();
        Ok(Auditor {
            past: past?,
            senders: senders?,
            look: saved.look,
            lost: saved.lost,
            looked: saved.looked,
            findings: saved.findings,
            rounds,
        })
    }
}

const DOMAIN: &str = "assay/rounds/audit/v1";

/// An audit as borsh.
#[derive(BorshSerialize, BorshDeserialize)]
struct Saved {
    rounds: Vec<u8>,
    look: Look,
    past: Vec<(Digest, Vec<u8>)>,
    senders: Vec<(u64, Vec<u8>)>,
    lost: BTreeSet<u64>,
    looked: Looked,
    findings: Vec<Finding>,
}
