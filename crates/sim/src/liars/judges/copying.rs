//! A validator that says what another one found.

use std::sync::{Arc, Mutex, PoisonError};

use assay_crypto::Digest;
use assay_ledger::{Attestation, Finding, Hearing, OrderCall, Place};
use assay_machine::Machine;
use assay_proof::parties::Validator;
use assay_proof::{CallTag, Context, Identity, Input, Output, Traced};

use super::bench::Bench;

/// What a judge copies.
#[derive(Clone)]
pub enum Copied {
    /// Another's commitment; later its reveal, with a salt that it cannot know. The commitment binds its
    /// author, so the reveal never fits.
    Commitment,
    /// The first finding that is revealed. By then nobody can commit any more.
    Finding,
    /// What another found, before it is revealed: as if findings were made in the open.
    Overheard(Overheard),
}

/// What a judge let others know before it could be revealed, and the dispute.
#[derive(Clone, Default)]
pub struct Overheard(Arc<Mutex<Option<(Place, Finding)>>>);

impl Overheard {
    fn set(&self, finding: (Place, Finding)) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(finding);
    }

    fn at(&self, place: Place) -> Option<Finding> {
        let heard = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        heard.filter(|(at, _)| *at == place).map(|(_, found)| found)
    }
}

/// Never looks, and copies.
pub struct CopyingJudge {
    me: Identity,
    copied: Copied,
}

impl CopyingJudge {
    /// A validator that copies this.
    pub fn new(me: Identity, copied: Copied) -> CopyingJudge {
        CopyingJudge { me, copied }
    }

    fn call(&self, bench: &Bench<'_>) -> Option<(CallTag, OrderCall)> {
        let (place, validator, salt) = (bench.place, self.me.account, Digest::ZERO);
        let sealed = bench.hearing == Hearing::Sealed;
        let commitment = match &self.copied {
            _ if !sealed || bench.own().is_some() => None,
            Copied::Finding => None,
            Copied::Commitment => Some(bench.dispute.commitments.first()?.commitment),
            Copied::Overheard(heard) => {
                let found = heard.at(place)?;
                Some(Attestation { validator, found }.commitment(&place, &salt))
            }
        };
        if let Some(commitment) = commitment {
            let call = OrderCall::CommitFinding { place, commitment };
            return Some((CallTag::CommitFinding, call));
        }
        let found = bench.dispute.attestations.first()?.found;
        let salt = bench.own().map(|_| salt);
        Some((CallTag::Attest, OrderCall::Attest { place, found, salt }))
    }
}

impl Machine for CopyingJudge {
    type Protocol = Traced;

    fn step(&mut self, at: &Context<'_>, input: Input) -> Vec<Output> {
        let (Input::News, Some(bench)) = (input, Bench::at(at.view, self.me.account)) else {
            return Vec::new();
        };
        let made = self.call(&bench).into_iter();
        made.map(|(tag, call)| bench.call(tag, call)).collect()
    }
}

/// An honest validator that lets others know what it found as soon as it does: the control of
/// [`CopyingJudge`].
pub struct LoudJudge {
    judge: Validator,
    heard: Overheard,
}

impl LoudJudge {
    /// Overheard by whoever has `heard`.
    pub fn new(me: Identity, heard: Overheard) -> LoudJudge {
        let judge = Validator::new(me);
        LoudJudge { judge, heard }
    }
}

impl Machine for LoudJudge {
    type Protocol = Traced;

    fn step(&mut self, at: &Context<'_>, input: Input) -> Vec<Output> {
        let outputs = self.judge.step(at, input);
        for output in &outputs {
            // Place, finding and salt, before it commits to them.
            if let Output::Journal(entry) = output
                && let Ok((place, found, _)) = borsh::from_slice::<(Place, Finding, Digest)>(entry)
            {
                self.heard.set((place, found));
            }
        }
        outputs
    }
}
