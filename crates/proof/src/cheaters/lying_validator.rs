//! A validator that attests without looking.

use assay_crypto::Digest;
use assay_ledger::{Call, Phase};

use crate::party::{CallTag, Context, Identity, Input, Output, Party, Tag, What};

/// Attests the same thing in every dispute.
pub struct LyingValidator {
    me: Identity,
    leaf: Option<Digest>,
}

impl LyingValidator {
    /// A validator that always finds this leaf, or always nothing.
    pub fn new(me: Identity, leaf: Option<Digest>) -> LyingValidator {
        LyingValidator { me, leaf }
    }
}

impl Party for LyingValidator {
    fn step(&mut self, _: &Context, input: Input) -> Vec<Output> {
        let Input::Order(view) = input else {
            return Vec::new();
        };
        let order = &view.order;
        let open = order.dispute().filter(|_| order.phase == Phase::Attesting);
        let mine = |account| account == self.me.account;
        let Some(dispute) = open.filter(|d| !d.attestations.iter().any(|a| mine(a.validator)))
        else {
            return Vec::new();
        };
        vec![Output::Submit {
            tag: Tag {
                attempt: order.attempt,
                occasion: u8::try_from(dispute.attestations.len()).unwrap_or(u8::MAX),
                what: What::Call(CallTag::Attest),
            },
            call: Box::new(Call::Attest {
                order: order.id,
                leaf: self.leaf,
            }),
        }]
    }
}
