//! Liars of orders by name, as scenario files spell them.

use std::fmt::{Display, Formatter, Result as Written};
use std::sync::Arc;

use assay_crypto::Digest;
use assay_ledger::{DeclineReason, Role};
use assay_proof::Handle;
use assay_proof::lazy::{LazyPrograms, Share};
use assay_proof::odds::Probability;
use assay_proof::parties::Requester;
use serde::{Deserialize, Serialize};

use super::auditors::{
    BlindPrograms, CopyingAuditor, FalseChallenge, RewoundAuditor, VanishingAuditor, rubber_stamp,
};
use super::judges::{ConstantJudge, Copied, CopyingJudge, LateJudge, SidingJudge, SilentJudge};
use super::providers::{
    CollapsePrograms, CopyPrograms, CraftedPrograms, DeadEndPrograms, LookingProvider,
    OtherDataPrograms, Withheld, WithholdingProvider,
};
use super::requesters::{DroppedInputs, FalseComplaint, KeylessRequester, Seen, wrong_keys};
use crate::orders::{Actor, Cast, CounterPrograms, DEAD_END, MakeRequester, OVER};

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
}

impl PartyLiar {
    /// All of them.
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
            | Self::Unanswering => Some(Role::Provider),
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
            | Self::CopyingJudge => Some(Role::Validator),
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

/// Parties that lie in one way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartyLiars {
    /// In which way.
    pub kind: PartyLiar,
    /// Which of the role that this kind has; the first order's requester, where none is named.
    #[serde(default)]
    pub who: Vec<usize>,
    /// How much of the work is faked, in thousandths, by those who fake work.
    #[serde(default = "everything")]
    pub faked_per_mille: u32,
    /// Which part of it: liars with one number lie in one place and have equal results.
    #[serde(default)]
    pub lie: u64,
}

fn everything() -> u32 {
    1_000
}

impl PartyLiars {
    /// Who lies, of its role.
    pub(crate) fn named(&self) -> impl Iterator<Item = usize> {
        let first = self.kind.role().is_none() && self.who.is_empty();
        let named = self.who.iter().copied();
        named.chain(first.then_some(0))
    }

    /// How a requester lies; none for other roles.
    fn requester(&self) -> Option<MakeRequester> {
        Some(match self.kind {
            PartyLiar::FalseComplaint => {
                Arc::new(|me, keys| Box::new(FalseComplaint::new(Requester::new(me, keys))))
            }
            PartyLiar::WrongKeys => Arc::new(|me, keys| Box::new(wrong_keys(me, &keys))),
            PartyLiar::NoKeys => {
                Arc::new(|me, keys| Box::new(KeylessRequester::new(Requester::new(me, keys))))
            }
            PartyLiar::Withdrawing => Arc::new(|me, keys| {
                Box::new(KeylessRequester::withdrawing(Requester::new(me, keys)))
            }),
            PartyLiar::DroppedInputs => Arc::new(|me, keys| {
                let honest = Requester::new(me, keys);
                Box::new(DroppedInputs::new(honest, Seen::Segments))
            }),
            _ => return None,
        })
    }

    /// Puts the liars in the places of honest parties.
    pub(crate) fn enter(&self, cast: &mut Cast) {
        if let Some(requester) = self.requester() {
            for who in self.named() {
                match who.checked_sub(1) {
                    None => cast.requester = requester.clone(),
                    Some(other) => {
                        if let Some(place) = cast.others.get_mut(other) {
                            *place = requester.clone();
                        }
                    }
                }
            }
        }
        let actors = match self.kind.role() {
            Some(Role::Provider) => &mut cast.providers,
            Some(Role::Auditor) => &mut cast.auditors,
            Some(_) => &mut cast.validators,
            None => return,
        };
        for who in &self.who {
            if let (Some(actor), Some(liar)) = (actors.get_mut(*who), self.actor()) {
                *actor = liar;
            }
        }
    }

    /// One of the liars; none for requesters.
    fn actor(&self) -> Option<Actor> {
        let honest = CounterPrograms;
        let counter = || CounterPrograms;
        let share = Share {
            beta: Probability::ratio(self.faked_per_mille.into(), 1_000),
            seed: Digest::of("assay/sim/lie/v1", &[&self.lie.to_le_bytes()]).0,
        };
        let withholding = |what| Actor::new(move |me| WithholdingProvider::new(me, what), counter);
        Some(match self.kind {
            PartyLiar::Lazy => Actor::provider(move || LazyPrograms { honest, share }),
            PartyLiar::Copy => Actor::provider(move || CopyPrograms { honest, share }),
            PartyLiar::OtherData => Actor::provider(move || OtherDataPrograms {
                honest,
                share,
                input: "train".to_owned(),
                handle: Handle::in_memory(vec![9]),
            }),
            PartyLiar::Crafted => Actor::provider(move || CraftedPrograms { honest, ahead: 1 }),
            PartyLiar::DeadEnd => Actor::provider(move || DeadEndPrograms {
                honest,
                until: 0,
                state: DEAD_END.to_vec(),
            }),
            PartyLiar::Collapse => Actor::provider(move || CollapsePrograms {
                honest,
                at: 1,
                state: OVER.to_vec(),
            }),
            PartyLiar::Silent => withholding(Withheld::Run),
            PartyLiar::Garbage => withholding(Withheld::Checkpoints),
            PartyLiar::KeyKept => withholding(Withheld::Release),
            PartyLiar::OtherKey => withholding(Withheld::ResultKey),
            PartyLiar::NoEvidence => Actor::new(
                |me| WithholdingProvider::new(me, Withheld::Evidence),
                move || LazyPrograms { honest, share },
            ),
            PartyLiar::Declining => Actor::new(
                |me| LookingProvider::new(me, DeclineReason::Unable),
                counter,
            ),
            PartyLiar::Unanswering => withholding(Withheld::Answer),
            PartyLiar::RubberStamp => Actor::auditor(move || rubber_stamp(honest)),
            PartyLiar::CopyingAuditor => Actor::new(CopyingAuditor::new, counter),
            PartyLiar::FalseChallenger => Actor::auditor(move || FalseChallenge {
                honest,
                truthful: 0,
            }),
            PartyLiar::Blind => Actor::auditor(move || BlindPrograms {
                honest,
                from_the_start: false,
            }),
            PartyLiar::NoCommitment => Actor::new(VanishingAuditor::before_committing, counter),
            PartyLiar::NoReveal => Actor::new(VanishingAuditor::before_revealing, counter),
            PartyLiar::RewoundAuditor => Actor::new(RewoundAuditor::new, counter),
            PartyLiar::ConstantJudge => Actor::new(|me| ConstantJudge::new(me, None), counter),
            PartyLiar::GarbageJudge => {
                let leaf = Digest::of("assay/sim/lie/v1", &[]);
                Actor::new(move |me| ConstantJudge::new(me, Some(leaf)), counter)
            }
            PartyLiar::SidingJudge => Actor::new(SidingJudge::new, counter),
            PartyLiar::SilentJudge => Actor::new(|_| SilentJudge, counter),
            PartyLiar::LateJudge => Actor::new(LateJudge::new, counter),
            PartyLiar::CopyingJudge => {
                let copied = match self.lie % 2 {
                    0 => Copied::Finding,
                    _ => Copied::Commitment,
                };
                Actor::new(move |me| CopyingJudge::new(me, copied.clone()), counter)
            }
            PartyLiar::FalseComplaint
            | PartyLiar::WrongKeys
            | PartyLiar::NoKeys
            | PartyLiar::Withdrawing
            | PartyLiar::DroppedInputs => return None,
        })
    }
}
