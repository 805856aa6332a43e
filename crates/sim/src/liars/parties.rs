//! Liars of orders in the places of honest parties.

use std::sync::Arc;

use assay_crypto::Digest;
use assay_ledger::{DeclineReason, Role};
use assay_proof::Handle;
use assay_proof::lazy::{LazyPrograms, Share};
use assay_proof::odds::Probability;
use assay_proof::parties::Requester;
use serde::{Deserialize, Serialize};

pub use super::kinds::PartyLiar;

use super::auditors::{
    BlindPrograms, CopyingAuditor, FalseChallenge, RewoundAuditor, VanishingAuditor, rubber_stamp,
};
use super::in_rounds;
use super::judges::{ConstantJudge, Copied, CopyingJudge, LateJudge, SidingJudge, SilentJudge};
use super::providers::{
    CollapsePrograms, CopyPrograms, CraftedPrograms, DeadEndPrograms, LookingProvider,
    OtherDataPrograms, Withheld, WithholdingProvider,
};
use super::requesters::{DroppedInputs, FalseComplaint, KeylessRequester, Seen, wrong_keys};
use crate::orders::{Actor, Cast, CounterPrograms, DEAD_END, MakeRequester, OVER};

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
            kind => return in_rounds::actor(kind, share),
        })
    }
}
