//! What a requester asks for and what it offers.

mod encoding;

use assay_crypto::Digest;
use assay_crypto::release::LockKey;
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

use crate::{
    Amount, BoundedBytes, BoundedString, BoundedVec, ContestTerms, FileId, Parameters, Role,
    RoundTerms, SegmentIndex, StepIndex, StopRule,
};

/// The name of a kind of job, such as `finetune`.
pub type JobKind = BoundedString<32>;

/// The name of a way of training, such as `lora`; empty for a kind that has only one.
pub type JobMethod = BoundedString<32>;

/// The terms of an order. Fixed when it is posted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// Which kind of job; must be one of [`rules::kinds`](crate::rules::kinds).
    pub kind: JobKind,
    /// The canonical bytes of the job's specification.
    pub spec: BoundedBytes<4096>,
    /// The sizes of the model that the job works on, so that a provider knows what it takes before it
    /// has a key: [`Terms::MODEL_VERSION`] and what follows it in that format, all together
    /// [`Terms::MODEL_BYTES`]. Empty for a kind that works on no model. The ledger looks at nothing
    /// else of it; whoever has the model's files refuses an order that says something else.
    pub model: BoundedBytes<64>,
    /// Files the job reads, in the order of the key bundle.
    pub inputs: BoundedVec<Input, 16>,
    /// Steps of the whole run: the trace has `steps + 1` leaves.
    pub steps: u64,
    /// Steps between two checkpoints; the last segment may be shorter.
    pub segment_steps: u32,
    /// Work of one step, in products that are added up, at least as much as it takes: what a judge may
    /// have to replay is bounded by it. The ledger cannot see whether it is true; every machine tells
    /// from specification and model what a step takes, and refuses an order that says less.
    pub step_units: u64,
    /// Bytes of memory that a run takes at most of a machine that computes on its processors: states,
    /// buffers, model and what is read of the inputs. Offers are compared with it. The ledger cannot see
    /// whether it is true either; every machine tells from specification, model and inputs what a run
    /// takes, and refuses an order that says less.
    pub memory: u64,
    /// How the model is changed, by a name that the kind knows: see
    /// [`rules::methods`](crate::rules::methods). Every machine compares it with the specification.
    pub method: JobMethod,
    /// When the run is given up because its steps come to nothing.
    pub stop: StopRule,
    /// Paid to the provider of an accepted run that computed all its steps: see [`Terms::earned`].
    pub price: Amount,
    /// Locked of the provider's bond while it works on this order.
    pub provider_bond: Amount,
    /// Locked of each auditor's bond.
    pub auditor_bond: Amount,
    /// Paid to each auditor whose reveal stood.
    pub auditor_fee: Amount,
    /// Segments drawn for each audit, with replacement.
    pub segments_drawn: u32,
    /// Auditors whose reveals must stand before a run is accepted.
    pub auditors: u8,
    /// Providers tried before the order is refunded; with several copies, so many less one are
    /// drawn in place of others.
    pub attempts: u8,
    /// Providers that do the whole of it, each for the price. One is audited; of several none is:
    /// their results are compared.
    pub copies: u8,
    /// Commitment to the keys that the requester grants to its provider.
    pub keys: Digest,
    /// To whom the key of the result is released; the requester alone has its secret.
    pub delivery_key: LockKey,
    /// How long each phase may last.
    pub deadlines: Deadlines,
    /// The rounds in which many trainers do it, each for the price of a round; none, where providers do
    /// it once.
    pub rounds: Option<RoundTerms>,
    /// What makes it a contest; none, where providers do not compete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contest: Option<Box<ContestTerms>>,
}

/// One input of a job.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct Input {
    /// What the job calls it.
    pub name: BoundedString<32>,
    /// The encrypted file.
    pub file: FileId,
    /// Digest of the plaintext.
    pub content: Digest,
}

/// How long each phase of an order may last, in milliseconds of ledger time.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
pub struct Deadlines {
    /// To find a provider, or enough auditors.
    pub assign: u64,
    /// For the requester to grant its keys to the drawn provider.
    pub grant: u64,
    /// For the provider to run the job and commit to its trace.
    pub run: u64,
    /// For the provider to open leaves and grant keys to auditors, and to release the key of its result.
    pub open: u64,
    /// For the auditors to replay the drawn segments and commit.
    pub audit: u64,
    /// For the auditors to reveal.
    pub reveal: u64,
    /// For both parties of a dispute to make one move.
    pub dispute: u64,
    /// For the validators to attest the disputed leaf.
    pub attest: u64,
    /// For the requester to complain about an accepted run.
    pub complain: u64,
}

impl Deadlines {
    /// The same length for every phase, in milliseconds.
    pub const fn all(ms: u64) -> Deadlines {
        Deadlines {
            assign: ms,
            grant: ms,
            run: ms,
            open: ms,
            audit: ms,
            reveal: ms,
            dispute: ms,
            attest: ms,
            complain: ms,
        }
    }

    /// Each deadline with its name.
    pub fn named(&self) -> [(&'static str, u64); 9] {
        [
            ("assign", self.assign),
            ("grant", self.grant),
            ("run", self.run),
            ("open", self.open),
            ("audit", self.audit),
            ("reveal", self.reveal),
            ("dispute", self.dispute),
            ("attest", self.attest),
            ("complain", self.complain),
        ]
    }
}

impl Terms {
    /// Accounts on a list, unless there are more places.
    pub const MOST_ASKED: u32 = 8;
    /// Most steps of a run: keeps the longest path, and with it an opening, short.
    pub const MAX_STEPS: u64 = 1 << 20;
    /// Most segments of a run: all checkpoint names fit one transaction.
    pub const MAX_SEGMENTS: u32 = 1_024;
    /// Most segments drawn: all their openings fit one transaction.
    pub const MAX_DRAWN: u32 = 64;
    /// Most segments replayed in one audit: those drawn, the one with the first invalid step, the one in
    /// which the run was over, and in rounds the last one.
    pub const MAX_REPLAYED: u32 = Terms::MAX_DRAWN + 3;
    /// Most auditors of one run.
    pub const MAX_AUDITORS: u8 = 16;
    /// Most copies.
    pub const MAX_COPIES: u8 = 8;
    /// The first byte of [`Terms::model`].
    pub const MODEL_VERSION: u8 = 1;
    /// Bytes of [`Terms::model`].
    pub const MODEL_BYTES: usize = 41;
    /// Most providers tried.
    pub const MAX_ATTEMPTS: u8 = 16;

    /// Number of segments; 0 for terms that no order can have.
    pub fn segments(&self) -> u32 {
        match self.segment_steps {
            0 => 0,
            length => u32::try_from(self.steps.div_ceil(u64::from(length))).unwrap_or(u32::MAX),
        }
    }

    /// The state from which `segment` starts.
    pub fn segment_start(&self, segment: SegmentIndex) -> StepIndex {
        StepIndex((u64::from(segment.0) * u64::from(self.segment_steps)).min(self.steps))
    }

    /// The state at which `segment` ends.
    pub fn segment_end(&self, segment: SegmentIndex) -> StepIndex {
        StepIndex(((u64::from(segment.0) + 1) * u64::from(self.segment_steps)).min(self.steps))
    }

    /// The segment to which a step belongs that is counted from 1.
    pub fn segment_of(&self, step: StepIndex) -> SegmentIndex {
        let before = step.0.saturating_sub(1) / u64::from(self.segment_steps.max(1));
        SegmentIndex(u32::try_from(before).unwrap_or(u32::MAX))
    }

    /// Most runs that the order can have; its key commitment covers as many.
    pub fn most_runs(&self) -> u32 {
        Terms::runs(self.copies, self.attempts)
    }

    /// Most runs of an order with so many copies and attempts.
    pub fn runs(copies: u8, attempts: u8) -> u32 {
        u32::from(attempts) + u32::from(copies).saturating_sub(1)
    }

    /// Most steps that an auditor may have to replay: those of every segment that can be drawn.
    pub fn audited_steps(&self) -> u64 {
        let drawn = u64::from(self.segments_drawn).saturating_mul(self.segment_steps.into());
        drawn.min(self.steps)
    }

    /// Work of the dearest segment, in products that are added up.
    pub fn segment_units(&self) -> u64 {
        self.step_units.saturating_mul(self.segment_steps.into())
    }

    /// How long the inputs must stay recorded at least when the order is posted, in milliseconds: every
    /// phase once for each attempt, and as long as results; at most half of what a record may last. In a contest
    /// each claim may have its score found once more, and be audited after others were.
    pub fn inputs_ms(&self, parameters: &Parameters) -> u64 {
        let phases = self.deadlines.named().into_iter();
        let phases = phases.fold(0_u64, |sum, (_, ms)| sum.saturating_add(ms));
        let claims = self.contest.as_ref().map_or(0, |of| of.most);
        let times = u64::from(self.most_runs()).saturating_add(claims.into());
        let runs = phases.saturating_mul(times);
        let whole = parameters.kept_ms.saturating_add(runs);
        whole.min(parameters.max_kept_ms / 2)
    }

    /// What an order locks of a bond in this role.
    pub fn bond(&self, role: Role) -> Amount {
        match role {
            Role::Auditor => self.auditor_bond,
            _ => self.provider_bond,
        }
    }

    /// What the requester owes a provider that it keeps waiting for nothing: see
    /// [`Parameters::idle_rate`].
    pub fn idle_fee(&self, parameters: &Parameters) -> Amount {
        parameters.idle_rate.of(self.price)
    }

    /// Answers whose fees the order pays: those to [`Parameters::answer_lists`] lists for each run that it
    /// can have.
    pub fn most_answers(&self, parameters: &Parameters) -> u32 {
        let lists = u32::from(parameters.answer_lists).saturating_mul(self.most_runs());
        lists.saturating_mul(self.list_length())
    }

    /// Accounts on the longest list for the order.
    pub(crate) fn list_length(&self) -> u32 {
        let places = self.auditors.max(self.copies);
        Terms::MOST_ASKED.max(places.into())
    }

    /// What the requester pays in when posting: the price of every copy, every auditor's fee, the
    /// idle fee of as many providers as it can keep waiting, which is one where there is one at a time,
    /// the fees of the answers of all who may be asked, and the deposit of an open order, which nothing
    /// is paid from. `None` on overflow.
    pub fn escrow(&self, parameters: &Parameters) -> Option<Amount> {
        if let Some(rounds) = &self.rounds {
            return rounds.escrow(self, parameters);
        }
        if let Some(contest) = &self.contest {
            return contest.escrow(self, parameters);
        }
        let waiting = match self.copies {
            0 | 1 => 1,
            _ => self.most_runs(),
        };
        let idle = self.idle_fee(parameters).checked_mul(waiting.into())?;
        let answers = u64::from(self.most_answers(parameters));
        let answers = parameters.answer_fee().checked_mul(answers)?;
        let held = idle.checked_add(answers)?;
        let held = held.checked_add(parameters.order_deposit)?;
        self.pay()?.checked_add(held)
    }

    /// What an order costs that is done as agreed: the price of every copy and every auditor's fee. `None`
    /// on overflow.
    pub fn pay(&self) -> Option<Amount> {
        let price = self.price.checked_mul(u64::from(self.copies))?;
        let fees = self.auditor_fee.checked_mul(u64::from(self.auditors))?;
        price.checked_add(fees)
    }
}
