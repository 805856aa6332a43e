//! An order with rounds in a drawn world: its terms, who trains, who comes later or leaves, and who lies in it.

use assay_crypto::stream::Stream;
use assay_ledger::{Phase, Role};

use super::beside::BesideSettings;
use super::orders::{OrderSettings, TermsSettings};
use super::rounds::RoundsSettings;
use crate::liars::parties::{PartyLiar, PartyLiars};
use crate::orders::{Deed, Happening, ProcedureName};

/// One world in so many has an order with rounds.
const WITH_ROUNDS: u64 = 6;

/// The phases at which a trainer comes or goes.
const MOMENTS: [Phase; 6] = [
    Phase::Joining,
    Phase::Training,
    Phase::Gathering,
    Phase::Checking,
    Phase::Merging,
    Phase::Between,
];

impl OrderSettings {
    /// In some worlds an order with rounds beside the others, in which all providers may train: the same machines that
    /// are asked for the other orders, and those of them that lie there have lies of their own here. At most so many
    /// validators lie in all. It is added last, so that everything else of a seed stays as it is.
    pub(super) fn draw_rounds(&mut self, random: &mut Stream, judges: usize) {
        if random.below(WITH_ROUNDS) != 0 {
            return;
        }
        let rounds = self.rounds_of(random);
        let number = self.beside.len() + 1;
        let other = self.order_of(random, rounds);
        self.beside.push(other);
        for who in 0..self.providers {
            let later = rounds.trainers.is_some_and(|first| who >= first);
            let joins = later.then_some(Deed::Joins { order: number, who });
            let leaves = random.below(8) == 0;
            let leaves = leaves.then_some(Deed::Leaves { order: number, who });
            for what in joins.into_iter().chain(leaves) {
                self.happenings.push(at_some_time(random, number, what));
            }
        }
        if self.auditors == 0 {
            self.auditors = random.below(4) as usize;
        }
        self.draw_liars_in_rounds(random, Role::Provider, (self.providers, self.providers));
        self.draw_liars_in_rounds(
            random,
            Role::Validator,
            (super::draw_order::VALIDATORS, judges),
        );
    }

    fn rounds_of(&self, random: &mut Stream) -> RoundsSettings {
        let most = u64::try_from(self.providers).unwrap_or(1);
        let least = 1 + random.below(most.min(3));
        let later = random.below(3).min(most - 1);
        RoundsSettings {
            rounds: 1 + random.below(4) as u16,
            trainers: (later > 0).then_some((most - later) as usize),
            least: least as u16,
            most: None,
            audited: 1 + random.below(most.min(3)) as u16,
            merge_fee: 100_000 + random.below(1_000_000),
            ..RoundsSettings::default()
        }
    }

    fn order_of(&self, random: &mut Stream, rounds: RoundsSettings) -> BesideSettings {
        let steps = 1 + random.below(20);
        let price = 1_000_000 + random.below(5_000_000);
        // Half of what is cut may come back to a trainer by way of an accomplice.
        let least = (2 * price * self.providers as u64).div_ceil(rounds.audited.into());
        let most = 20 * price * u64::from(rounds.rounds);
        BesideSettings {
            after_seconds: random.below(60) as u32,
            requester: random.below(self.requesters() as u64 + 1) as usize,
            procedure: ProcedureName::Rounds,
            copies: None,
            rounds: Some(rounds),
            attempts: 1,
            steps: steps + 1,
            segment_steps: 1 + random.below((steps + 1).min(8)) as u32,
            deadline_seconds: 200 + random.below(200) as u32,
            terms: TermsSettings {
                price,
                provider_bond: (least + random.below(least)).min(most),
                careful: self.terms.careful,
                ..TermsSettings::drawn(random, 1_000_000)
            },
        }
    }

    /// Some of those who are honest elsewhere lie in rounds; at most so many of the role lie in all.
    fn draw_liars_in_rounds(
        &mut self,
        random: &mut Stream,
        role: Role,
        (count, most): (usize, usize),
    ) {
        let kinds = PartyLiar::IN_ROUNDS.into_iter();
        let kinds: Vec<_> = kinds.filter(|kind| kind.role() == Some(role)).collect();
        for who in 0..count {
            let of_role = self.liars.iter().filter(|of| of.kind.role() == Some(role));
            let lying: Vec<usize> = of_role.flat_map(PartyLiars::named).collect();
            if random.below(100) < 35 && lying.len() < most && !lying.contains(&who) {
                let liar = super::draw_order::liar(random, &kinds, vec![who]);
                self.liars.push(liar);
            }
        }
    }
}

/// At any block, or as soon as the order with rounds is in some phase.
fn at_some_time(random: &mut Stream, order: usize, what: Deed) -> Happening {
    let moment = MOMENTS.get(random.below(MOMENTS.len() as u64 + 3) as usize);
    Happening {
        order,
        phase: moment.copied(),
        after_seconds: match moment {
            Some(_) => random.below(4) as u32,
            None => random.below(200) as u32,
        },
        what,
    }
}
