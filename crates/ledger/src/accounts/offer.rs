//! What an account agrees to before it is ever drawn.
//!
//! Whoever posts an order writes its terms: the pay, the bond, how long each phase lasts. An account
//! that registers to work says in its [`Offer`] what it agrees to, and a draw passes over everybody
//! whose offer the terms do not meet. So nobody is bound by terms that it would not have taken.

use std::fmt;

use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

use crate::{
    Amount, BoundedVec, Deadlines, JobKind, JobMethod, Lasting, LedgerTime, Role, Terms, rules,
};

/// What a provider or an auditor agrees to.
///
/// Pay is compared by the step, the one measure of work that the ledger can tell from terms alone and
/// that nobody can lie about: a run has exactly as many. What a step costs to compute depends on the
/// specification, which is bytes to the ledger; that whoever is drawn weighs on its own machine. Memory
/// and method are compared as the terms tell them: every machine refuses an order that tells them wrongly.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct Offer {
    /// The kinds of jobs it takes.
    pub kinds: BoundedVec<JobKind, 16>,
    /// Least pay for a step: of the price, for each step of the run; of an auditor's fee, for each
    /// step that it may have to replay.
    pub least_pay: Amount,
    /// Most that one order may lock of its bond.
    pub most_bond: Amount,
    /// The shortest deadlines it takes, of the phases in which the role has to act; the others are
    /// not looked at.
    pub least_time: Deadlines,
    /// Orders in which it takes part at once; with 0 it takes no new ones.
    pub orders: u16,
    /// Most bytes of memory that it gives a run.
    pub memory: u64,
    /// The ways of training that it takes, of kinds that have several.
    pub methods: BoundedVec<JobMethod, 16>,
}

impl Offer {
    /// An offer that suits most machines: a ten-thousandth of a token for a step, at most 100 tokens
    /// at stake, time enough for a machine that is busy or slow to answer, four orders at once, 4 GiB of
    /// memory, every method.
    pub fn standard() -> Offer {
        Offer {
            least_pay: Amount(100),
            most_bond: Amount::tokens(100),
            least_time: Deadlines {
                run: 60_000,
                audit: 60_000,
                ..Deadlines::all(30_000)
            },
            orders: 4,
            memory: 4 << 30,
            ..Offer::anything()
        }
    }

    /// An offer that every order meets which a network takes at all.
    pub fn anything() -> Offer {
        let kinds: Vec<JobKind> = rules::kinds()
            .filter_map(|kind| JobKind::new(kind).ok())
            .collect();
        Offer {
            kinds: BoundedVec::new(kinds).unwrap_or_default(),
            least_pay: Amount::ZERO,
            most_bond: Amount(u64::MAX),
            least_time: Deadlines::all(0),
            orders: u16::MAX,
            memory: u64::MAX,
            methods: BoundedVec::new(rules::methods().collect::<Vec<_>>()).unwrap_or_default(),
        }
    }

    /// The same for these kinds alone; what cannot be the name of one is left out.
    #[must_use]
    pub fn of_kinds(self, kinds: &[&str]) -> Offer {
        let kinds = kinds.iter().filter_map(|kind| JobKind::new(*kind).ok());
        Offer {
            kinds: BoundedVec::new(kinds.collect::<Vec<_>>()).unwrap_or_default(),
            ..self
        }
    }

    /// Why an account with this offer in `role` does not take an order with these terms; nothing if it
    /// does.
    pub fn refuses(&self, role: Role, terms: &Terms) -> Vec<Unmet> {
        let mut unmet = Vec::new();
        if !self.kinds.contains(&terms.kind) {
            unmet.push(Unmet::Kind {
                kind: terms.kind.clone(),
            });
        }
        if !terms.method.is_empty() && !self.methods.contains(&terms.method) {
            unmet.push(Unmet::Method {
                method: terms.method.clone(),
            });
        }
        if terms.memory > self.memory {
            let (memory, most) = (terms.memory, self.memory);
            unmet.push(Unmet::Memory { memory, most });
        }
        let (pay, bond, steps) = match role {
            Role::Auditor => (terms.auditor_fee, terms.auditor_bond, terms.audited_steps()),
            _ => (terms.price, terms.provider_bond, terms.steps),
        };
        let least = Amount(self.least_pay.0.saturating_mul(steps));
        if pay < least {
            unmet.push(Unmet::Pay { pay, steps, least });
        }
        if bond > self.most_bond {
            let most = self.most_bond;
            unmet.push(Unmet::Bond { bond, most });
        }
        let asked = self.least_time.named().into_iter();
        for ((phase, given), (_, least)) in terms.deadlines.named().into_iter().zip(asked) {
            if given < least && acts(role, terms.copies > 1).contains(&phase) {
                unmet.push(Unmet::Time {
                    phase,
                    given: LedgerTime(given),
                    least: LedgerTime(least),
                });
            }
        }
        unmet
    }
}

/// The deadlines of the phases in which a role has to act, by their names in [`Deadlines::named`];
/// of a provider that is one of several, other ones.
pub(crate) fn acts(role: Role, copies: bool) -> [&'static str; 4] {
    match role {
        Role::Auditor => ["audit", "reveal", "dispute", "attest"],
        _ if copies => ["run", "reveal", "dispute", "attest"],
        _ => ["run", "open", "dispute", "attest"],
    }
}

/// One reason why an account is not drawn for an order.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    missing_docs,
    reason = "what is shown of each variant says what its fields are"
)]
pub enum Unmet {
    /// The kind of job is not among those offered.
    Kind { kind: JobKind },
    /// The method is not among those offered.
    Method { method: JobMethod },
    /// A run takes more bytes of memory than are offered.
    Memory { memory: u64, most: u64 },
    /// The pay is too little for the steps.
    Pay {
        pay: Amount,
        steps: u64,
        least: Amount,
    },
    /// More of the bond would be locked than is offered.
    Bond { bond: Amount, most: Amount },
    /// A phase is too short to act in.
    Time {
        phase: &'static str,
        given: LedgerTime,
        least: LedgerTime,
    },
    /// It takes part in as many orders as it offers to, or is asked for so many.
    Busy { orders: u16 },
    /// Too little of its bond is free.
    Free { free: Amount, bond: Amount },
    /// It is giving up the role.
    Leaving,
    /// It did not answer when it was asked, and has not renewed its offer.
    Suspended,
    /// It says nothing of what it takes.
    NoOffer,
}

impl fmt::Display for Unmet {
    /// A clause that can follow "it takes no part because".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unmet::Kind { kind } => write!(f, "it does no {} jobs", kind.as_str()),
            Unmet::Method { method } => {
                write!(f, "it does not train by the method {}", method.as_str())
            }
            Unmet::Memory { memory, most } => write!(
                f,
                "a run takes {} MiB of memory, and it gives {}",
                memory.div_ceil(1 << 20),
                most >> 20
            ),
            Unmet::Pay { pay, steps, least } => {
                write!(f, "{steps} steps pay {pay}, and it asks for {least}")
            }
            Unmet::Bond { bond, most } => {
                write!(
                    f,
                    "{bond} of its bond would be locked, and it puts up {most}"
                )
            }
            Unmet::Time {
                phase,
                given,
                least,
            } => write!(
                f,
                "the {phase} deadline is {:#} of ledger time, and it needs {:#}",
                Lasting(given.0),
                Lasting(least.0)
            ),
            Unmet::Busy { orders } => {
                write!(
                    f,
                    "it takes part in {orders} orders, or is asked to: as many as it offers"
                )
            }
            Unmet::Free { free, bond } => {
                write!(f, "{free} of its bond is free, and {bond} would be locked")
            }
            Unmet::Leaving => f.write_str("it is giving up the role"),
            Unmet::Suspended => {
                f.write_str("its offer is suspended: it did not answer when it was asked")
            }
            Unmet::NoOffer => f.write_str("it has made no offer"),
        }
    }
}

#[cfg(test)]
mod tests {
    use assay_crypto::Digest;
    use assay_crypto::release::LockSecret;

    use super::*;
    use crate::{BoundedBytes, BoundedString};

    fn terms() -> Terms {
        Terms {
            kind: BoundedString::new("finetune").unwrap(),
            spec: BoundedBytes::default(),
            model: BoundedBytes::default(),
            inputs: BoundedVec::default(),
            steps: 22,
            segment_steps: 4,
            step_units: 1,
            memory: 4 << 30,
            method: JobMethod::new("lora").unwrap(),
            stop: crate::StopRule {
                stop_after: 4,
                max_invalid: 10,
            },
            price: Amount(2_200),
            provider_bond: Amount::tokens(100),
            auditor_bond: Amount::tokens(100),
            auditor_fee: Amount(1_200),
            segments_drawn: 3,
            auditors: 2,
            attempts: 1,
            copies: 1,
            keys: Digest::ZERO,
            delivery_key: LockSecret::from_seed(&[1; 32]).public(),
            deadlines: Deadlines {
                run: 60_000,
                audit: 60_000,
                ..Deadlines::all(30_000)
            },
            rounds: None,
            contest: None,
        }
    }

    fn refuses(role: Role, change: impl Fn(&mut Terms)) -> Vec<String> {
        let mut terms = terms();
        change(&mut terms);
        let unmet = Offer::standard().refuses(role, &terms);
        unmet.iter().map(Unmet::to_string).collect()
    }

    #[test]
    fn terms_at_the_offer_are_taken_and_one_less_is_not() {
        let (provider, auditor) = (Role::Provider, Role::Auditor);
        for role in [provider, auditor] {
            assert_eq!(refuses(role, |_| ()), Vec::<String>::new());
            let other = |terms: &mut Terms| terms.kind = JobKind::new("mine").unwrap();
            assert_eq!(refuses(role, other), ["it does no mine jobs"]);
            let larger = |terms: &mut Terms| terms.memory += 1;
            let told = "a run takes 4097 MiB of memory, and it gives 4096";
            assert_eq!(refuses(role, larger), [told]);
            let other = |terms: &mut Terms| terms.method = JobMethod::new("mine").unwrap();
            let told = "it does not train by the method mine";
            assert_eq!(refuses(role, other), [told]);
            // A kind that has one way only names none.
            let none = |terms: &mut Terms| terms.method = JobMethod::default();
            assert_eq!(refuses(role, none), [""; 0]);
        }
        assert_eq!(
            refuses(provider, |terms| terms.price = Amount(2_199)),
            ["22 steps pay 0.002199, and it asks for 0.0022"]
        );
        assert_eq!(
            refuses(auditor, |terms| terms.auditor_fee = Amount(1_199)),
            ["12 steps pay 0.001199, and it asks for 0.0012"]
        );
        let more = Amount(100_000_001);
        assert_eq!(
            refuses(provider, |terms| terms.provider_bond = more),
            ["100.000001 of its bond would be locked, and it puts up 100.0"]
        );
        assert_eq!(
            refuses(auditor, |terms| terms.auditor_bond = more),
            refuses(provider, |terms| terms.provider_bond = more)
        );
        assert_eq!(
            refuses(provider, |terms| terms.deadlines.run = 59_999),
            ["the run deadline is 59.999 s of ledger time, and it needs 1 min"]
        );
        assert_eq!(refuses(auditor, |terms| terms.deadlines.run = 2), [""; 0]);
        assert_eq!(refuses(auditor, |terms| terms.deadlines.audit = 2).len(), 1);
        assert_eq!(refuses(provider, |terms| terms.deadlines.open = 2).len(), 1);
    }

    #[test]
    fn an_auditor_is_paid_for_what_it_may_have_to_replay() {
        let all = |terms: &mut Terms| {
            terms.segments_drawn = 64;
            terms.auditor_fee = Amount(2_200);
        };
        // Segments are drawn with replacement: there are no more steps than the run has.
        assert_eq!(refuses(Role::Auditor, all), [""; 0]);
    }

    #[test]
    fn copies_have_other_phases_to_act_in() {
        let open = |terms: &mut Terms| {
            terms.copies = 2;
            terms.deadlines.open = 2;
        };
        let reveal = |terms: &mut Terms| {
            terms.copies = 2;
            terms.deadlines.reveal = 2;
        };
        assert_eq!(refuses(Role::Provider, open), [""; 0]);
        assert_eq!(refuses(Role::Provider, reveal).len(), 1);
    }

    #[test]
    fn whoever_offers_anything_refuses_nothing() {
        let mut worst = terms();
        worst.price = Amount(1);
        worst.memory = u64::MAX;
        worst.provider_bond = Amount(u64::MAX);
        worst.deadlines = Deadlines::all(0);
        for role in [Role::Provider, Role::Auditor] {
            assert_eq!(Offer::anything().refuses(role, &worst), []);
        }
    }
}
