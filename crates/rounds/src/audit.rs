//! Rounds computed again, by somebody who took no part in them.
//!
//! An auditor has what was written down: the specification, the seeds, every update that came, and the digest of
//! the model after each round. It merges every round again, which needs no rows. Where it also has a
//! trainer's rows it takes the trainer's steps again and compares the update, byte by byte: all of them, or
//! some that it chose for itself and told nobody.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use assay_crypto::Digest;
use assay_crypto::stream::Stream;
use assay_estimator::{Order, Shard, State};
use assay_kernel::Kernel;
use borsh::{BorshDeserialize, BorshSerialize};
use serde::Serialize;

use crate::error::{SavedError, SpecProblem};
use crate::local::train;
use crate::merge::{Event, Rounds, Submission};
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
    /// Some, each by its round and its trainer. Only where updates are sent whole: otherwise one follows from
    /// those before it.
    Updates(BTreeSet<(u64, u64)>),
}

impl Look {
    /// So many different ones of `all`, drawn from a seed that nobody else knows; all of them where there are
    /// fewer. A cheater who lied in `k` of `n` updates is not found with probability
    /// `C(n - k, q) / C(n, q)`, which is below `(1 - k / n)^q`.
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
    pub fn check<'s>(
        &mut self,
        kernel: &Kernel,
        record: &RoundRecord<'_>,
        shard: impl Fn(u64) -> Option<&'s Shard>,
    ) {
        if self.is_stuck() || self.rounds.is_over() {
            return;
        }
        let round = self.rounds.round();
        self.past
            .push_front((record.seed, self.rounds.model().clone()));
        let kept = self.rounds.spec().age.most as usize + 1;
        self.past.truncate(kept);
        let merged = (self.rounds).merge(kernel, &record.merge_seed, &record.submissions);
        let left_out: BTreeSet<usize> = merged.left_out.iter().map(|(place, _)| *place).collect();
        for (place, submission) in record.submissions.iter().enumerate() {
            let counts = !left_out.contains(&place);
            if counts && self.look.takes(round, submission.trainer) {
                self.replay(kernel, (round, submission), shard(submission.trainer));
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
    }

    /// Takes the steps of one update again.
    fn replay(
        &mut self,
        kernel: &Kernel,
        (round, submission): (u64, &Submission<'_>),
        shard: Option<&Shard>,
    ) {
        let trainer = submission.trainer;
        let Some(shard) = shard.filter(|_| !self.lost.contains(&trainer)) else {
            self.looked.unproven += 1;
            self.lose(trainer);
            return;
        };
        let spec = self.rounds.spec();
        let coordinates = self.rounds.model().parameters().len();
        let Ok(update) = Update::decode(submission.bytes, spec, coordinates) else {
            return;
        };
        // The merge found it to be of one of these.
        let age = round.saturating_sub(update.head().round);
        let Some((seed, model)) = self.past.get(age as usize) else {
            return;
        };
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
        let saved = Saved {
            rounds: self.rounds.to_bytes(),
            look: self.look.clone(),
            past: past
                .map(|(seed, model)| (*seed, model.to_bytes()))
                .collect(),
            unsent: self
                .senders
                .iter()
                .map(|(of, sender)| (*of, sender.unsent().to_vec()))
                .collect(),
            lost: self.lost.clone(),
            looked: self.looked,
            findings: self.findings.clone(),
        };
        // Writing finite numbers to memory does not fail.
        borsh::to_vec(&saved).unwrap_or_default()
    }

    /// Reads [`Auditor::to_bytes`].
    ///
    /// # Errors
    /// When the bytes are none.
    pub fn from_bytes(bytes: &[u8]) -> Result<Auditor, SavedError> {
        let saved = Saved::try_from_slice(bytes);
        let saved = saved.map_err(|error| SavedError::Bytes(error.to_string()))?;
        let rounds = Rounds::from_bytes(&saved.rounds)?;
        let model = &rounds.spec().learning.model;
        let state =
            |(seed, bytes): &(Digest, Vec<u8>)| Ok((*seed, State::from_bytes(bytes, model)?));
        let past: Result<_, SavedError> = saved.past.iter().map(state).collect();
        Ok(Auditor {
            past: past?,
            look: saved.look,
            senders: (saved.unsent.into_iter())
                .map(|(of, unsent)| (of, Sender::with(unsent)))
                .collect(),
            lost: saved.lost,
            looked: saved.looked,
            findings: saved.findings,
            rounds,
        })
    }
}

/// An audit as borsh.
#[derive(BorshSerialize, BorshDeserialize)]
struct Saved {
    rounds: Vec<u8>,
    look: Look,
    past: Vec<(Digest, Vec<u8>)>,
    unsent: Vec<(u64, Vec<f32>)>,
    lost: BTreeSet<u64>,
    looked: Looked,
    findings: Vec<Finding>,
}
