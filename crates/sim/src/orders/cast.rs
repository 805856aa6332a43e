//! Who takes part in an order.

use std::sync::Arc;

use assay_crypto::aead::FileKey;
use assay_machine::Machine;
use assay_proof::Programs;
use assay_proof::parties::{Auditor, Merger, Provider, Requester, Trainer};
use assay_proof::{Identity, InputKeys, OrderKeys, Party, Traced};

use super::validator::HonestValidator;

/// Makes a party anew, at the start and after every kill.
pub type MakeParty = Arc<dyn Fn(Identity) -> Box<Party> + Send + Sync>;

/// Makes the requester, who holds the order's keys.
pub type MakeRequester = Arc<dyn Fn(Identity, OrderKeys) -> Box<Party> + Send + Sync>;

/// Makes a trainer, whose rows open with this key.
pub type MakeTrainer = Arc<dyn Fn(Identity, FileKey) -> Box<Party> + Send + Sync>;

/// Makes who answers for a trainer's steps in the audit of a round; model and rows open with these keys.
pub type MakeAnswering = Arc<dyn Fn(Identity, InputKeys) -> Box<Party> + Send + Sync>;

/// Makes the programs of one machine.
pub type MakePrograms = Arc<dyn Fn() -> Box<dyn Programs> + Send + Sync>;

/// One machine: what it runs, on which programs, with how much bond.
pub struct Actor {
    /// Its state machine in an order that providers do, and in the audit of somebody's round.
    pub party: MakeParty,
    /// Its state machines in orders with rounds.
    pub in_rounds: InRounds,
    /// Its computation.
    pub programs: MakePrograms,
    /// Its bond in tokens, which weighs it in draws.
    pub bond: u64,
    /// Whether it looks who has sent an update in a round, as whoever reads the ledger can.
    pub reads: bool,
}

/// What a machine is in an order with rounds: who has the role trains or merges, and who audits does so in the
/// audits of rounds alone.
#[derive(Clone)]
pub struct InRounds {
    /// A provider's part: it trains.
    pub trainer: MakeTrainer,
    /// Its part in the audit of a round of its own.
    pub answering: MakeAnswering,
    /// A validator's part: it merges.
    pub merger: MakeParty,
}

impl Default for InRounds {
    /// Honest ones.
    fn default() -> Self {
        Self {
            trainer: Arc::new(|me, rows| Box::new(Trainer::new(me, rows))),
            answering: Arc::new(|me, keys| Box::new(Provider::of_own(me, keys))),
            merger: Arc::new(|me| Box::new(Merger::new(me))),
        }
    }
}

impl Actor {
    /// A machine with a usual bond, which in rounds is honest.
    pub fn new<P: Machine<Protocol = Traced> + 'static, R: Programs + 'static>(
        party: impl Fn(Identity) -> P + Send + Sync + 'static,
        programs: impl Fn() -> R + Send + Sync + 'static,
    ) -> Actor {
        Actor {
            party: Arc::new(move |me| Box::new(party(me))),
            in_rounds: InRounds::default(),
            programs: Arc::new(move || Box::new(programs())),
            bond: 1_000,
            reads: false,
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

    /// The same machine, that looks who has sent an update in a round.
    pub fn reading(self) -> Actor {
        Actor {
            reads: true,
            ..self
        }
    }

    /// The same machine, that trains in another way.
    pub fn training<P: Machine<Protocol = Traced> + 'static>(
        mut self,
        trainer: impl Fn(Identity, FileKey) -> P + Send + Sync + 'static,
    ) -> Actor {
        self.in_rounds.trainer = Arc::new(move |me, rows| Box::new(trainer(me, rows)));
        self
    }

    /// The same machine, that answers in another way for the steps of its rounds.
    pub fn answering<P: Machine<Protocol = Traced> + 'static>(
        mut self,
        answering: impl Fn(Identity, InputKeys) -> P + Send + Sync + 'static,
    ) -> Actor {
        self.in_rounds.answering = Arc::new(move |me, keys| Box::new(answering(me, keys)));
        self
    }

    /// The same machine, that merges in another way.
    pub fn merging<P: Machine<Protocol = Traced> + 'static>(
        mut self,
        merger: impl Fn(Identity) -> P + Send + Sync + 'static,
    ) -> Actor {
        self.in_rounds.merger = Arc::new(move |me| Box::new(merger(me)));
        self
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
