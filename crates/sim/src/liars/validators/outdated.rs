//! Votes for blocks of old views, over and over.
//!
//! What it votes for was once proposed in earnest, and its signatures are good. In some of these
//! views it has voted to skip, or others have; to count such votes now would be wrong.

use std::collections::BTreeMap;

use assay_chain::validator::{Member, PayloadDigest, Scheme};
use commonware_codec::Encode as _;
use commonware_consensus::Viewable as _;
use commonware_consensus::simplex::types::{Finalize, Notarize, Proposal};
use commonware_consensus::types::View;

use super::{Vote, vote};
use crate::liars::{Channel, Said, Tongue};

/// How far back it reaches, in views.
const BACK: [u64; 3] = [1, 5, 40];

pub(super) struct Outdated {
    scheme: Scheme,
    seen: BTreeMap<View, Proposal<PayloadDigest>>,
}

impl Outdated {
    pub(super) fn new(member: &Member) -> Self {
        Self {
            scheme: member.scheme().clone(),
            seen: BTreeMap::new(),
        }
    }

    fn remember(&mut self, proposal: &Proposal<PayloadDigest>) {
        let view = proposal.round.view();
        self.seen.entry(view).or_insert_with(|| proposal.clone());
        while self.seen.len() > 128 {
            self.seen.pop_first();
        }
    }
}

impl Tongue for Outdated {
    fn say(&mut self, said: Said) -> Vec<Said> {
        let mut all = vec![said.clone()];
        if said.channel != Channel::Votes {
            return all;
        }
        let Some(vote) = vote(said.bytes.as_ref()) else {
            return all;
        };
        for back in BACK {
            let view = View::new(vote.view().get().saturating_sub(back));
            let Some(proposal) = self.seen.get(&view) else {
                continue;
            };
            let old = [
                Notarize::sign(&self.scheme, proposal.clone()).map(Vote::Notarize),
                Finalize::sign(&self.scheme, proposal.clone()).map(Vote::Finalize),
            ];
            all.extend(old.into_iter().flatten().map(|vote| Said {
                bytes: vote.encode().into(),
                ..said.clone()
            }));
        }
        all
    }

    fn hear(
        &mut self,
        _: &assay_chain::validator::Identity,
        channel: Channel,
        bytes: &[u8],
    ) -> Vec<Said> {
        if channel == Channel::Votes
            && let Some(Vote::Notarize(notarize)) = vote(bytes)
        {
            self.remember(&notarize.proposal);
        }
        Vec::new()
    }
}
