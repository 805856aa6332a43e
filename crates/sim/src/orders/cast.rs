//! Who takes part in an order.

use std::sync::Arc;

use assay_machine::Machine;
use assay_proof::OrderKeys;
use assay_proof::Programs;
use assay_proof::parties::{Auditor, Provider, Requester};
use assay_proof::{Identity, Party, Traced};

use super::validator::HonestValidator;

/// Makes a party anew, at the start and after every kill.
pub type MakeParty = Arc<dyn Fn(Identity) -> Box<Party> + Send + Sync>;

/// Makes the requester, who holds the order's keys.
pub type MakeRequester = Arc<dyn Fn(Identity, OrderKeys) -> Box<Party> + Send + Sync>;

/// Makes the programs of one machine.
pub type MakePrograms = Arc<dyn Fn() -> Box<dyn Programs> + Send + Sync>;

/// One machine: what it runs, on which programs, with how much bond.
pub struct Actor {
    /// Its state machine.
    pub party: MakeParty,
    /// Its computation.
    pub programs: MakePrograms,
    /// Its bond in tokens, which weighs it in draws.
    pub bond: u64,
}

impl Actor {
    /// A machine with a usual bond.
    pub fn new<P: Machine<Protocol = Traced> + 'static, R: Programs + 'static>(
        party: impl Fn(Identity) -> P + Send + Sync + 'static,
        programs: impl Fn() -> R + Send + Sync + 'static,
    ) -> Actor {
        Actor {
            party: Arc::new(move |me| Box::new(party(me))),
            programs: Arc::new(move || Box::new(programs())),
            bond: 1_000,
        }
    }

    /// An honest provider, if its programs are.
    pub fn provider<R: Programs + 'static>(
        programs: impl Fn() -> R + Send + Sync + 'static,
    ) -> Actor {
        Actor::new(Provider::new, programs)
    }

    /// An honest auditor, if its programs are.
    pub fn auditor<R: Programs + 'static>(
        programs: impl Fn() -> R + Send + Sync + 'static,
    ) -> Actor {
        Actor::new(Auditor::new, programs)
    }

    /// An honest validator, if its programs are: it judges, and audits where auditors cannot be had.
    pub fn validator<R: Programs + 'static>(
        programs: impl Fn() -> R + Send + Sync + 'static,
    ) -> Actor {
        Actor::new(HonestValidator::new, programs)
    }

    /// The same machine with another bond.
    pub fn bonded(self, bond: u64) -> Actor {
        Actor { bond, ..self }
    }
}

/// Everybody.
pub struct Cast {
    /// The requester of the first order.
    pub requester: MakeRequester,
    /// Those of orders beside it, from number 1 on.
    pub others: Vec<MakeRequester>,
    /// Providers; one with a far larger bond than the others is drawn first.
    pub providers: Vec<Actor>,
    /// Auditors.
    pub auditors: Vec<Actor>,
    /// Validators.
    pub validators: Vec<Actor>,
}

impl Cast {
    /// An honest cast of these sizes over one kind of programs.
    pub fn honest<R: Programs + 'static>(
        (providers, auditors, validators): (usize, usize, usize),
        programs: fn() -> R,
    ) -> Cast {
        Cast {
            requester: Cast::honest_requester(),
            others: Vec::new(),
            providers: (0..providers).map(|_| Actor::provider(programs)).collect(),
            auditors: (0..auditors).map(|_| Actor::auditor(programs)).collect(),
            validators: (0..validators)
                .map(|_| Actor::validator(programs))
                .collect(),
        }
    }

    /// A requester that keeps to the protocol.
    pub fn honest_requester() -> MakeRequester {
        Arc::new(|me, keys| Box::new(Requester::new(me, keys)))
    }
}
