//! Liars of orders by name, as scenario files spell them.

use std::fmt::{Display, Formatter, Result as Written};

use assay_ledger::Role;
use serde::{Deserialize, Serialize};

/// In which way a party of an order lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PartyLiar {
    /// A provider that skips steps.
    Lazy,
    /// A provider that hands back the state it was given.
    Copy,
    /// A provider that trains on other data.
    OtherData,
    /// A provider that begins from another state than the specification's.
    Crafted,
    /// A provider whose states nobody can go on from.
    DeadEnd,
    /// A provider that jumps to the end of the run.
    Collapse,
    /// A provider that takes the order and falls silent.
    Silent,
    /// A provider that stores garbage as checkpoints.
    Garbage,
    /// A provider that grants the validators nothing in a dispute.
    NoEvidence,
    /// A provider that never releases the key of its result.
    KeyKept,
    /// A provider whose result lies under another key than the one it releases.
    OtherKey,
    /// A provider that gives every order back once it has its keys.
    Declining,
    /// A provider that never answers when it is asked.
    Unanswering,
    /// An auditor that does not look.
    RubberStamp,
    /// An auditor that posts what another one posted.
    CopyingAuditor,
    /// An auditor that disputes honest work.
    FalseChallenger,
    /// An auditor that claims to have been granted nothing.
    Blind,
    /// An auditor that takes a seat and never commits.
    NoCommitment,
    /// An auditor that commits and never reveals.
    NoReveal,
    /// A validator that attests in every dispute that it found nothing.
    ConstantJudge,
    /// A validator that attests something that nobody said.
    GarbageJudge,
    /// A validator that attests whatever the challenger claims.
    SidingJudge,
    /// A validator that judges nothing, and audits nothing.
    SilentJudge,
    /// A validator that keeps what it found back until the time is nearly over.
    LateJudge,
    /// An auditor that rolls its journal back once it knows what it should have found.
    RewoundAuditor,
    /// A validator that copies what another found.
    CopyingJudge,
    /// A requester that complains about a good result.
    FalseComplaint,
    /// A requester that grants keys its order was not posted with.
    WrongKeys,
    /// A requester that hands over no keys.
    NoKeys,
    /// A requester that withdraws its order as soon as it sees the seed.
    Withdrawing,
    /// A requester whose inputs disappear once segments are drawn.
    DroppedInputs,
    /// A trainer that leaves out steps of its rounds.
    LazyTrainer,
    /// A trainer that sends an update for which it has computed nothing.
    FreeRider,
    /// A trainer that sends what another one sent.
    Replaying,
    /// A trainer that sends bytes that are no update.
    GarbageUpdate,
    /// A trainer that commits to an update of another length.
    LongUpdate,
    /// A trainer that joins and never sends anything.
    SilentTrainer,
    /// A trainer that commits to an update and keeps its pieces.
    WithheldUpdate,
    /// A trainer that opens nothing when it is audited.
    MuteInAudits,
    /// A trainer that leaves out steps, and leaves as soon as it has sent its update.
    Leaving,
    /// A validator that says that updates make another model.
    WrongModel,
    /// A validator that says that it holds every update.
    FalseHolder,
    /// A validator that says nothing about updates and models.
    SilentMerger,
}

impl PartyLiar {
    /// Those of any order.
    pub const ALL: [Self; 31] = [
        Self::Lazy,
        Self::Copy,
        Self::OtherData,
        Self::Crafted,
        Self::DeadEnd,
        Self::Collapse,
        Self::Silent,
        Self::Garbage,
        Self::NoEvidence,
        Self::KeyKept,
        Self::OtherKey,
        Self::Declining,
        Self::Unanswering,
        Self::RubberStamp,
        Self::CopyingAuditor,
        Self::FalseChallenger,
        Self::Blind,
        Self::NoCommitment,
        Self::NoReveal,
        Self::RewoundAuditor,
        Self::ConstantJudge,
        Self::GarbageJudge,
        Self::SidingJudge,
        Self::SilentJudge,
        Self::LateJudge,
        Self::CopyingJudge,
        Self::FalseComplaint,
        Self::WrongKeys,
        Self::NoKeys,
        Self::Withdrawing,
        Self::DroppedInputs,
    ];

    /// Those of orders with rounds alone, who elsewhere do what their programs do.
    pub const IN_ROUNDS: [Self; 12] = [
        Self::LazyTrainer,
        Self::FreeRider,
        Self::Replaying,
        Self::GarbageUpdate,
        Self::LongUpdate,
        Self::SilentTrainer,
        Self::WithheldUpdate,
        Self::MuteInAudits,
        Self::Leaving,
        Self::WrongModel,
        Self::FalseHolder,
        Self::SilentMerger,
    ];

    /// As scenario files spell it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Lazy => "lazy",
            Self::Copy => "copy",
            Self::OtherData => "other-data",
            Self::Crafted => "crafted",
            Self::DeadEnd => "dead-end",
            Self::Collapse => "collapse",
            Self::Silent => "silent",
            Self::Garbage => "garbage",
            Self::NoEvidence => "no-evidence",
            Self::KeyKept => "key-kept",
            Self::OtherKey => "other-key",
            Self::Declining => "declining",
            Self::Unanswering => "unanswering",
            Self::RubberStamp => "rubber-stamp",
            Self::CopyingAuditor => "copying-auditor",
            Self::FalseChallenger => "false-challenger",
            Self::Blind => "blind",
            Self::NoCommitment => "no-commitment",
            Self::NoReveal => "no-reveal",
            Self::ConstantJudge => "constant-judge",
            Self::GarbageJudge => "garbage-judge",
            Self::SidingJudge => "siding-judge",
            Self::SilentJudge => "silent-judge",
            Self::LateJudge => "late-judge",
            Self::FalseComplaint => "false-complaint",
            Self::WrongKeys => "wrong-keys",
            Self::NoKeys => "no-keys",
            Self::Withdrawing => "withdrawing",
            Self::RewoundAuditor => "rewound-auditor",
            Self::CopyingJudge => "copying-judge",
            Self::DroppedInputs => "dropped-inputs",
            Self::LazyTrainer => "lazy-trainer",
            Self::FreeRider => "free-rider",
            Self::Replaying => "replaying",
            Self::GarbageUpdate => "garbage-update",
            Self::LongUpdate => "long-update",
            Self::SilentTrainer => "silent-trainer",
            Self::WithheldUpdate => "withheld-update",
            Self::MuteInAudits => "mute-in-audits",
            Self::Leaving => "leaving",
            Self::WrongModel => "wrong-model",
            Self::FalseHolder => "false-holder",
            Self::SilentMerger => "silent-merger",
        }
    }

    /// The role it lies in; none for the requester.
    pub fn role(self) -> Option<Role> {
        match self {
            Self::Lazy
            | Self::Copy
            | Self::OtherData
            | Self::Crafted
            | Self::DeadEnd
            | Self::Collapse
            | Self::Silent
            | Self::Garbage
            | Self::NoEvidence
            | Self::KeyKept
            | Self::OtherKey
            | Self::Declining
            | Self::Unanswering
            | Self::LazyTrainer
            | Self::FreeRider
            | Self::Replaying
            | Self::GarbageUpdate
            | Self::LongUpdate
            | Self::SilentTrainer
            | Self::WithheldUpdate
            | Self::MuteInAudits
            | Self::Leaving => Some(Role::Provider),
            Self::RubberStamp
            | Self::CopyingAuditor
            | Self::FalseChallenger
            | Self::Blind
            | Self::NoCommitment
            | Self::NoReveal
            | Self::RewoundAuditor => Some(Role::Auditor),
            Self::ConstantJudge
            | Self::GarbageJudge
            | Self::SidingJudge
            | Self::SilentJudge
            | Self::LateJudge
            | Self::CopyingJudge
            | Self::WrongModel
            | Self::FalseHolder
            | Self::SilentMerger => Some(Role::Validator),
            Self::FalseComplaint
            | Self::WrongKeys
            | Self::NoKeys
            | Self::Withdrawing
            | Self::DroppedInputs => None,
        }
    }
}

impl Display for PartyLiar {
    fn fmt(&self, out: &mut Formatter<'_>) -> Written {
        out.write_str(self.name())
    }
}
