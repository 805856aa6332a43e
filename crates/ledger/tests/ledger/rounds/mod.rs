//! Orders that many trainers do together, round by round.

mod audits;
mod hostile;
mod life;
mod random;
mod slots;

use assay_crypto::Digest;
use assay_ledger::{
    Amount, Bits, BoundedBytes, BoundedString, BoundedVec, Call, Deadlines, JobMethod, Offer,
    OrderCall, OrderId, Parameters, Phase, RoundTerms, Rounds, Sent, StopRule, Terms, Trainer,
    query,
};

use crate::world::{FEE, Run, Who, World, file, file_id, genesis, lock, ms, parameters};

/// Trainers of these tests.
pub(crate) const TRAINERS: [Who; 3] = [Who::Provider(0), Who::Provider(1), Who::Provider(2)];

/// Does something for every trainer.
pub(crate) fn everybody(does: impl FnMut(Who)) {
    TRAINERS.into_iter().for_each(does);
}

/// Terms of four local steps and one that makes the update.
pub(crate) fn terms(rounds: u16) -> Terms {
    Terms {
        kind: BoundedString::new("federated").unwrap(),
        spec: BoundedBytes::new(b"a model".to_vec()).unwrap(),
        model: BoundedBytes::default(),
        inputs: BoundedVec::default(),
        method: JobMethod::default(),
        steps: 5,
        segment_steps: 2,
        stop: StopRule {
            stop_after: 2,
            max_invalid: 3,
        },
        price: Amount::tokens(1),
        provider_bond: Amount::tokens(20),
        segments_drawn: 2,
        attempts: 1,
        deadlines: Deadlines::all(ms(24)),
        rounds: Some(RoundTerms {
            rounds,
            least: 2,
            most: 3,
            audited: 1,
            merge_fee: Amount(400_000),
            update_bytes: 32,
        }),
        ..crate::world::terms()
    }
}

/// A network whose auditors take such orders.
pub(crate) fn world() -> World {
    let usual = parameters();
    world_with(Parameters {
        standard_offer: Offer::standard().of_kinds(&KINDS),
        ..usual
    })
}

const KINDS: [&str; 3] = ["finetune", "evaluate", "federated"];

pub(crate) fn world_with(parameters: Parameters) -> World {
    world_of(parameters, |_| Offer::anything().of_kinds(&KINDS))
}

/// A network in which those who can be drawn offer this.
pub(crate) fn world_of(parameters: Parameters, offer: impl Fn(Who) -> Offer) -> World {
    let mut genesis = genesis(parameters);
    let registrations = genesis.registrations.iter().cloned();
    let offering = registrations.map(|mut of| {
        of.offer = of.offer.map(|_| offer(Who::of(of.account)));
        of
    });
    genesis.registrations = BoundedVec::new(offering.collect::<Vec<_>>()).unwrap();
    let state = genesis.state().unwrap();
    World::of(genesis, state)
}

/// What a trainer does in a round: different states from everybody else's.
pub(crate) fn run(who: Who, round: u16) -> Run {
    Run::lie(&terms(1), 1, &format!("{who:?} in {round}"))
}

impl World {
    pub(crate) fn post_rounds(&mut self, terms: &Terms) -> OrderId {
        let order = OrderId::new(self.chain, Who::Requester.id(), self.nonce(Who::Requester));
        self.apply(Who::Requester, OrderCall::Post(Box::new(terms.clone())));
        assert_eq!(self.phase(order), Phase::Joining);
        order
    }

    /// What an account has spent since it had all of this, but for the fees of its transactions.
    pub(crate) fn spent(&self, who: Who, before: Amount) -> u64 {
        let fees = FEE.0 * self.nonce(who);
        before.0 - self.balance(who).0 - fees
    }

    pub(crate) fn rounds(&self, order: OrderId) -> Rounds {
        *self.order(order).head.rounds.unwrap()
    }

    pub(crate) fn trainer(&self, order: OrderId, who: Who) -> Trainer {
        let found = query::trainer(&self.store, &order, &who.id()).unwrap();
        found.expect("it has joined")
    }

    pub(crate) fn join_call(&mut self, order: OrderId, who: Who) -> Call {
        let name = format!("rows of {who:?}");
        self.apply(who, self.put(file(who, &name)));
        let join = OrderCall::Join {
            order,
            rows: file_id(&name),
            content: Digest::of("test/rows", &[name.as_bytes()]),
        };
        join.into()
    }

    pub(crate) fn join(&mut self, order: OrderId, who: Who) {
        let call = self.join_call(order, who);
        self.apply(who, call);
    }

    /// Posts an order, and has everybody join it.
    pub(crate) fn joined(&mut self, terms: &Terms) -> OrderId {
        let order = self.post_rounds(terms);
        everybody(|who| self.join(order, who));
        assert_eq!(self.phase(order), Phase::Between);
        order
    }

    /// What a validator says the next model is.
    pub(crate) fn model_call(&mut self, order: OrderId, validator: u8, name: &str) -> OrderCall {
        let who = Who::Validator(validator);
        self.apply(who, self.put(file(who, name)));
        let place = self.order(order).round_under_way().unwrap();
        OrderCall::AttestModel {
            place,
            file: file_id(name),
            content: Digest::of("test/model", &[name.as_bytes()]),
            keeper: who.id(),
        }
    }

    /// Has these validators say that it is the model of this name.
    pub(crate) fn merge(&mut self, order: OrderId, validators: &[u8], name: &str) {
        assert_eq!(self.phase(order), Phase::Merging);
        for validator in validators {
            let call = self.model_call(order, *validator, name);
            self.apply(Who::Validator(*validator), call);
        }
    }

    /// Brings an order to the training of its first round.
    pub(crate) fn training(&mut self, terms: &Terms) -> OrderId {
        let order = self.joined(terms);
        self.advance(1);
        self.merge(order, &[0, 1, 2], "model 0");
        assert_eq!(self.phase(order), Phase::Training);
        order
    }

    /// A trainer's commitment to a run.
    pub(crate) fn update_call(&mut self, order: OrderId, who: Who, run: &Run) -> OrderCall {
        let place = self.order(order).round_under_way().unwrap();
        let terms = self.order(order).head.terms;
        let segments = terms.segments();
        let name = |i: u32| format!("{who:?} {} {i}", place.run);
        let records = (0..=segments).map(|i| (who, self.put(file(who, &name(i))).into()));
        self.block(records.collect());
        let checkpoints: Vec<_> = (0..segments).map(|i| file_id(&name(i))).collect();
        let ends = [0, terms.steps].map(|step| run.opening(assay_ledger::StepIndex(step)));
        OrderCall::CommitUpdate {
            place,
            root: run.root(),
            checkpoints: BoundedVec::new(checkpoints).unwrap(),
            update: file_id(&name(segments)),
            first_invalid: run.first_invalid(),
            lock: lock(who).public(),
            openings: BoundedVec::new(ends.to_vec()).unwrap(),
        }
    }

    pub(crate) fn send(&mut self, order: OrderId, who: Who) {
        let run = run(who, self.rounds(order).round);
        let call = self.update_call(order, who, &run);
        self.apply(who, call);
    }

    pub(crate) fn hold_call(&self, order: OrderId, updates: Bits) -> OrderCall {
        let place = self.order(order).round_under_way().unwrap();
        OrderCall::Hold { place, updates }
    }

    /// All validators hold everything that was sent.
    pub(crate) fn hold_all(&mut self, order: OrderId) {
        assert_eq!(self.phase(order), Phase::Gathering);
        let call = self.hold_call(order, self.rounds(order).sent);
        let calls = (0..4).map(|i| (Who::Validator(i), call.clone().into()));
        self.block(calls.collect());
        assert_ne!(self.phase(order), Phase::Gathering);
    }

    /// The audits under way of an order's round.
    pub(crate) fn audits(&self, order: OrderId) -> Vec<OrderId> {
        let trainers = query::trainers(&self.store, &order).unwrap().into_iter();
        let open = self.rounds(order).audits;
        let drawn = trainers.filter(|of| open.has(of.number));
        let audit = |of: Trainer| of.sent.and_then(|Sent { audit, .. }| audit);
        drawn
            .map(|of| audit(of).expect("it has an audit"))
            .collect()
    }

    /// Everybody trains, and everything is held; brings the round to its audits.
    pub(crate) fn checking(&mut self, order: OrderId) -> Vec<OrderId> {
        everybody(|who| self.send(order, who));
        self.hold_all(order);
        assert_eq!(self.phase(order), Phase::Closed);
        self.advance(1);
        assert_eq!(self.phase(order), Phase::Checking);
        self.audits(order)
    }

    /// Every audit of the round finds what its trainer did.
    pub(crate) fn pass_audits(&mut self, order: OrderId) {
        let round = self.rounds(order).round;
        for audit in self.audits(order) {
            let truth = run(self.provider(audit), round);
            self.audit(audit, &truth, |_, _| truth.clone());
            assert_eq!(self.phase(audit), Phase::Settled);
        }
    }

    /// One round, in which all train and all is well.
    pub(crate) fn whole_round(&mut self, order: OrderId) {
        let round = self.rounds(order).round;
        self.checking(order);
        self.pass_audits(order);
        self.merge(order, &[0, 1, 2], &format!("model {}", round + 1));
        assert_eq!(self.phase(order), Phase::Between);
        self.advance(1);
    }
}
