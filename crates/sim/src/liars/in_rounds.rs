//! Liars of orders with rounds in the places of honest parties.

use assay_proof::lazy::Share;
use assay_proof::parties::Provider;

use super::mergers::{FalseHolder, SilentMerger, WrongModel};
use super::parties::PartyLiar;
use super::providers::{Withheld, WithholdingProvider};
use super::trainers::{
    Forged, ForgingPrograms, LazyTrainerPrograms, LeavingTrainer, LongTrainer, Overheard,
    ReplayingPrograms, ReplayingTrainer, SilentTrainer, WithholdingTrainer,
};
use crate::orders::{Actor, CounterPrograms};

/// One of the liars; none for those of other orders. `share` says what is left out, by those who leave out work.
pub(super) fn actor(kind: PartyLiar, share: Share) -> Option<Actor> {
    let honest = CounterPrograms;
    let counter = || CounterPrograms;
    let forging = |forged| Actor::provider(move || ForgingPrograms { honest, forged });
    let lazy = || Actor::provider(move || LazyTrainerPrograms { honest, share });
    let trainer = || Actor::provider(counter);
    let validator = || Actor::validator(counter);
    Some(match kind {
        PartyLiar::LazyTrainer => lazy(),
        PartyLiar::FreeRider => forging(Forged::Nothing),
        PartyLiar::GarbageUpdate => forging(Forged::Garbage),
        PartyLiar::LongUpdate => forging(Forged::Long).training(LongTrainer::new),
        PartyLiar::Replaying => {
            let overheard = Overheard::default();
            let made = overheard.clone();
            let programs = move || ReplayingPrograms {
                honest,
                overheard: made.clone(),
            };
            let training = move |me, rows| ReplayingTrainer::new(me, rows, overheard.clone());
            Actor::provider(programs).training(training).reading()
        }
        PartyLiar::SilentTrainer => trainer().training(|_, _| SilentTrainer),
        PartyLiar::WithheldUpdate => trainer().training(WithholdingTrainer::new),
        PartyLiar::MuteInAudits => trainer().answering(|me, keys| {
            WithholdingProvider::of(Provider::of_own(me, keys), Withheld::Starts)
        }),
        PartyLiar::Leaving => lazy().training(LeavingTrainer::new),
        PartyLiar::WrongModel => validator().merging(WrongModel::new),
        PartyLiar::FalseHolder => validator().merging(FalseHolder::new),
        PartyLiar::SilentMerger => validator().merging(|_| SilentMerger),
        _ => return None,
    })
}
