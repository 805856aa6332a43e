//! The records of an order: its head, its runs, and what parties grant each other.

use std::fmt;

use assay_crypto::aead::FileKey;
use assay_crypto::release::{LockKey, LockedKey, Released};
use assay_crypto::tiles::Tiled;
use assay_crypto::{Digest, EncryptionKey};
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

use super::asked::Asked;
use crate::{
    AccountId, Amount, AuditOf, BoundedBytes, Counts, DeclineReason, FileId, Height, Leaf, Moment,
    OrderId, Outcome, Phase, Place, Round, Rounds, RunIndex, Seat, SegmentIndex, StepIndex, Terms,
};

/// What holds for the whole of an order, whatever its procedure.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct Head {
    /// Its name.
    pub id: OrderId,
    /// Who pays.
    pub requester: AccountId,
    /// What for.
    pub terms: Terms,
    /// Height at which it was posted.
    pub posted: Height,
    /// Height of the last change.
    pub updated: Height,
    /// Whose move it is.
    pub phase: Phase,
    /// When this phase, or this round of a dispute, began.
    pub since: Moment,
    /// Calls count as long as this is not over. The phase then ends by itself at the beginning of the
    /// next block, or of one soon after it where more falls due than a block does.
    pub deadline: Moment,
    /// Lists may be drawn in the present search for providers or auditors as long as this is not over.
    pub until: Moment,
    /// Lists drawn: each names those who are asked to take part.
    pub lists: u16,
    /// The list that is to be answered now.
    pub asked: Option<Asked>,
    /// Who declined in the present search, the latest last; they are not asked again in it.
    pub declined: Vec<AccountId>,
    /// Money held for providers and auditors, and for the fees of answers.
    pub escrow: Amount,
    /// Answers whose fees the escrow can still pay: no list is longer.
    pub answers: u32,
    /// The complainant's deposit while its complaint is open.
    pub deposit: Amount,
    /// Runs begun: each has a record of its own.
    pub begun: u32,
    /// Disputes opened: each has a record of its own.
    pub disputed: u16,
    /// How it ended, in a final phase.
    pub outcome: Option<Outcome>,
    /// How far it has come, where it has rounds.
    pub rounds: Option<Box<Rounds>>,
    /// What it is the audit of, where it is a trainer's part of a round.
    pub audit_of: Option<Box<AuditOf>>,
}

/// One provider's work on an order.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct Run {
    /// Which of the order's runs.
    pub index: RunIndex,
    /// Who does it.
    pub provider: AccountId,
    /// Who owned the provider at the draw.
    pub owner: AccountId,
    /// Where grants to the provider are sealed: its registered key when it accepted.
    pub encryption_key: EncryptionKey,
    /// What is locked of its bond while the run stands.
    pub bond: Amount,
    /// The public randomness of its work, drawn after the provider had accepted: see [`Run::seed`].
    /// Copies of one order share the first one's. `None` until the beacon has given it.
    pub seed: Option<Digest>,
    /// Height at which the provider was found.
    pub at: Height,
    /// Why the provider gives it back, while the validators look whether it could have begun.
    pub declined: Option<DeclineReason>,
    /// The digest of the trace, where it is revealed later: see [`Trace::commitment`].
    pub commitment: Option<Digest>,
    /// What the provider did, once it has committed to it in the open, or revealed it.
    pub trace: Option<Trace>,
    /// The key of its result, released to the requester: see [`Trace::lock`].
    pub released: Option<Released>,
    /// Height at which it was released.
    pub released_at: Option<Height>,
    /// Leaves that were opened with the trace: leaf 0 and the last one.
    pub opened: Vec<Leaf>,
    /// What the state in the last leaf hashes to, once that is opened.
    pub last: Option<Tiled>,
    /// Audit draws; the last one is current.
    pub rounds: Vec<Round>,
    /// Auditors could not be had, or a copy was left alone: validators audit it from now on.
    pub last_resort: bool,
    /// Why it came to nothing, if it did.
    pub failed: Option<Failure>,
}

impl Run {
    /// The public randomness of a run.
    pub fn seed(order: OrderId, run: RunIndex, beacon: &Digest) -> Digest {
        let run = run.0.to_le_bytes();
        Digest::of("assay/order seed/v2", &[&order.0.0, &run, &beacon.0])
    }

    /// The current audit draw.
    pub fn round(&self) -> Option<&Round> {
        self.rounds.last()
    }

    /// The audit draw that waits for its segments: some of its seats, or all, are taken.
    pub fn unfilled(&self) -> Option<&Round> {
        self.round().filter(|round| round.segments.is_empty())
    }

    /// The current seat of an auditor.
    pub fn seat(&self, auditor: AccountId) -> Option<&Seat> {
        let mut seats = self.round()?.seats.iter();
        seats.find(|seat| seat.auditor == auditor)
    }

    /// Every seat of this run.
    pub fn seats(&self) -> impl Iterator<Item = &Seat> {
        self.rounds.iter().flat_map(|round| &round.seats)
    }

    /// Every seat whose reveal stands.
    pub fn passed(&self) -> impl Iterator<Item = &Seat> {
        self.seats()
            .filter(|seat| seat.results.is_some() && seat.stands())
    }

    /// The file that holds the state at the start of `segment`; one past the last segment names
    /// the result.
    pub fn state_file(&self, segment: SegmentIndex) -> Option<FileId> {
        let trace = self.trace.as_ref()?;
        match trace.checkpoints.get(segment.0 as usize) {
            Some(file) => Some(*file),
            None => (segment.0 as usize == trace.checkpoints.len()).then_some(trace.result),
        }
    }

    /// The drawn segments as stretches of neighbours, each with its first and last segment.
    ///
    /// A stretch is replayed in one go from its first start: opening the starts in between would
    /// show the ends that the auditors have to find.
    pub fn stretches(&self) -> Vec<(SegmentIndex, SegmentIndex)> {
        let mut stretches: Vec<(SegmentIndex, SegmentIndex)> = Vec::new();
        for segment in self.round().map_or(&[][..], |round| &round.segments) {
            match stretches.last_mut() {
                Some((_, last)) if last.0 + 1 == segment.0 => *last = *segment,
                _ => stretches.push((*segment, *segment)),
            }
        }
        stretches
    }

    /// The steps whose leaves the provider opens before the replay: 0 and where each stretch
    /// starts.
    pub fn starts(&self, terms: &Terms) -> Vec<StepIndex> {
        let stretches = self.stretches();
        let firsts = stretches
            .iter()
            .map(|(first, _)| terms.segment_start(*first));
        let mut steps: Vec<_> = std::iter::once(StepIndex(0)).chain(firsts).collect();
        steps.dedup();
        steps
    }

    /// The steps whose leaves the provider opens after the auditors' commitments: where each
    /// drawn segment ends, and the end of the run.
    pub fn ends(&self, terms: &Terms) -> Vec<StepIndex> {
        let segments = self.round().map_or(&[][..], |round| &round.segments);
        let mut steps: Vec<StepIndex> = segments
            .iter()
            .map(|segment| terms.segment_end(*segment))
            .collect();
        steps.push(StepIndex(terms.steps));
        steps.dedup();
        steps
    }

    /// An opened leaf: of the current round, or with the trace.
    pub fn opened(&self, step: StepIndex) -> Option<Digest> {
        let round = self.round().into_iter();
        let audited = round.flat_map(|round| round.starts.iter().chain(&round.ends));
        let mut leaves = self.opened.iter().chain(audited);
        leaves.find(|leaf| leaf.step == step).map(|leaf| leaf.leaf)
    }
}

/// Why a run came to nothing.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
pub struct Failure {
    /// Why.
    pub reason: FailureReason,
    /// What was taken of the provider's bond.
    pub slashed: Amount,
    /// Height of the decision.
    pub at: Height,
}

/// In what a provider failed.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum FailureReason {
    /// The provider gave the order back.
    Declined(DeclineReason),
    /// No run was committed in time.
    Late,
    /// Leaves were not opened, keys not granted to the auditors, or the key of the result not released, in
    /// time.
    Withheld,
    /// A dispute move was not made in time.
    Silent,
    /// The validators found another leaf than the provider committed to, or what it stored as its result
    /// was shown not to be the final state.
    WrongResult,
    /// The validators could not get or open what the provider committed to.
    Unavailable,
    /// The requester handed over no keys for it; the provider loses nothing.
    NotGranted,
    /// The provider gave the order back for keys or inputs, and the validators could begin with them.
    Unfounded,
}

impl fmt::Display for FailureReason {
    /// The end of a sentence that begins with "the provider failed because".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Declined(DeclineReason::Keys) => {
                "it gave the order back: the keys it was granted do not open"
            }
            Self::Declined(DeclineReason::Inputs) => {
                "it gave the order back: an input is missing or is not what the terms say"
            }
            Self::Declined(DeclineReason::Unable) => {
                "it gave the order back: its machine cannot do it"
            }
            Self::Unfounded => {
                "it gave the order back for keys or inputs with which the validators could begin"
            }
            Self::Late => "it committed to no run in time",
            Self::Withheld => {
                "it did not open leaves, hand over keys or release its result in time"
            }
            Self::Silent => "it made no move in a dispute",
            Self::WrongResult => "its result is not what the work gives",
            Self::Unavailable => "the validators could not get what it had committed to",
            Self::NotGranted => "the requester handed it no keys in time",
        })
    }
}

/// Sealed keys: room for those of [`Terms::MAX_DRAWN`] checkpoints and 16 inputs, with overhead.
pub type SealedKeys = BoundedBytes<3072>;

/// Keys that one party sealed to another.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct Grant {
    /// What they are for.
    pub place: Place,
    /// Who sealed it.
    pub from: AccountId,
    /// Who can open it.
    pub to: AccountId,
    /// The sealed keys.
    pub sealed: SealedKeys,
    /// Height of the grant.
    pub at: Height,
}

/// A provider's commitment to its run.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct Trace {
    /// Merkle root over the `steps + 1` leaves.
    pub root: Digest,
    /// The state at the start of each segment.
    pub checkpoints: Vec<FileId>,
    /// The final state.
    pub result: FileId,
    /// What the steps came to, as the provider says; the last leaf, when it is opened, shows it.
    pub counts: Counts,
    /// The first invalid step, as the provider says, if any was: its segment is always replayed.
    pub first_invalid: Option<StepIndex>,
    /// Binds the provider to the key under which the final state is encrypted: the one that it locks for
    /// [`Trace::locked_for`], as [`Trace::result_key`] says.
    pub lock: LockKey,
    /// Height of the commitment.
    pub at: Height,
}

impl Trace {
    /// The segments that every audit replays: the one with the first invalid step, and the one in
    /// which the run was over. From then on nothing has to be computed, so whoever claimed it
    /// wrongly would be spared the most.
    pub fn always_replayed(&self, terms: &Terms) -> impl Iterator<Item = SegmentIndex> {
        let worked = self.counts.worked();
        let over = (worked < terms.steps).then(|| StepIndex(worked.saturating_add(1)));
        let steps = [self.first_invalid, over].into_iter().flatten();
        steps.map(|step| terms.segment_of(step))
    }

    /// Segments in which something was computed: among these the others are drawn.
    pub fn worked_segments(&self, terms: &Terms) -> u32 {
        let worked = StepIndex(self.counts.worked().clamp(1, terms.steps.max(1)));
        terms.segment_of(worked).0.saturating_add(1)
    }

    /// Whether an opened leaf can count this if the provider told the truth about the whole run.
    pub fn admits(&self, step: StepIndex, counts: &Counts) -> bool {
        let all = &self.counts;
        let spoiled = self.first_invalid.is_some_and(|first| first <= step);
        let last = step.0 == all.all();
        counts.worked() == step.0.min(all.worked())
            && (counts.invalid > 0) == spoiled
            && counts.invalid <= all.invalid
            && (!last || counts == all)
    }

    /// What the key of a run's result is for, in [`assay_crypto::release`]: one use for each run.
    pub fn locked_for(work: &Place) -> Digest {
        let parts: [&[u8]; 2] = [&work.order.0.0, &work.run.0.to_le_bytes()];
        Digest::of("assay/run/lock/v1", &parts)
    }

    /// The key of the result's file, under the key that is released.
    pub fn result_key(key: &LockedKey) -> FileKey {
        key.file_key("result", 0)
    }

    /// What a provider posts where it reveals the trace later. It binds run and provider, so nobody
    /// can post another's commitment and later reveal what the other revealed.
    pub fn commitment(
        work: &Place,
        provider: AccountId,
        (root, checkpoints, result): (&Digest, &[FileId], &FileId),
        (lock, salt): (&LockKey, &Digest),
    ) -> Digest {
        // Serialising into memory cannot fail.
        let files = borsh::to_vec(&(checkpoints, result)).unwrap_or_default();
        let parts: [&[u8]; 7] = [
            &work.order.0.0,
            &work.run.0.to_le_bytes(),
            &provider.0,
            &root.0,
            &files,
            &lock.0,
            &salt.0,
        ];
        Digest::of("assay/run/v2", &parts)
    }
}
