//! Orders with several copies, brought to where a test needs them.

use assay_crypto::Digest;
use assay_ledger::{
    AccountCall, AccountId, Amount, BoundedString, BoundedVec, Call, Deadlines, FileId, Offer,
    Order, OrderCall, OrderId, Phase, Role, RunIndex, StepIndex, Terms, Trace, query,
};

use crate::world::{
    AUDITORS, BALANCE, BOND, FEE, PROVIDERS, Run, Who, World, file, file_id, lock, ms, over,
    parameters, salt, sealed, terms,
};

/// The usual terms, for so many copies.
pub(crate) fn copies(count: u8) -> Terms {
    Terms {
        copies: count,
        auditors: 0,
        auditor_fee: Amount::ZERO,
        segments_drawn: 0,
        deadlines: Deadlines {
            assign: ms(4),
            ..Deadlines::all(ms(50))
        },
        ..terms()
    }
}

/// A true run.
pub(crate) fn truth() -> Run {
    Run::truth(&terms())
}

/// A run that is wrong from a step on.
pub(crate) fn lie(from: u64, liar: &str) -> Run {
    Run::lie(&terms(), from, liar)
}

/// Those who provide in a [`crowd`].
pub(crate) fn crowd_of() -> impl Iterator<Item = Who> {
    let providers = (0..PROVIDERS).map(Who::Provider);
    providers.chain((0..AUDITORS).map(Who::Auditor))
}

/// The auditors become providers as well: enough for copies and for others in place of them.
pub(crate) fn enlist(world: &mut World) {
    let register = |i| {
        let register = AccountCall::Register {
            role: Role::Provider,
            bond: BOND,
            encryption_key: Who::Auditor(i).secret().encryption().public(),
            address: BoundedString::new("localhost:7001").unwrap(),
            offer: Some(Offer::anything()),
        };
        (Who::Auditor(i), register.into())
    };
    world.block((0..AUDITORS).map(register).collect());
}

/// A network with eight providers.
pub(crate) fn crowd() -> World {
    let mut world = World::new();
    enlist(&mut world);
    world
}

/// What somebody has gained, in balance and in its provider's bond, fees aside.
pub(crate) fn gain(world: &World, who: Who) -> i128 {
    let bond = query::registration(&world.store, Role::Provider, &who.id()).unwrap();
    let bond = bond.map_or(0, |registration| i128::from(registration.bond.0));
    let fees = FEE.checked_mul(world.nonce(who)).unwrap();
    let before = match who {
        Who::Provider(_) => BALANCE.0 + BOND.0,
        _ => BALANCE.0,
    };
    i128::from(world.balance(who).0) + i128::from(fees.0) + bond - i128::from(before)
}

/// Whole tokens.
pub(crate) fn tokens(count: i128) -> i128 {
    count * i128::from(Amount::tokens(1).0)
}

/// No provider's bond is locked.
pub(crate) fn all_free(world: &World) {
    for (account, of) in query::registrations(&world.store, Role::Provider).unwrap() {
        assert_eq!(of.locked, Amount::ZERO, "{:?}", Who::of(account));
    }
}

/// The files of one run: the checkpoints, then the result.
fn names(who: Who) -> Vec<String> {
    let count = terms().segments();
    (0..=count).map(|i| format!("{who:?} {i}")).collect()
}

/// The names of a provider's checkpoints, and of its result.
pub(crate) fn files(who: Who) -> (BoundedVec<FileId, 1024>, FileId) {
    let mut all: Vec<FileId> = names(who).iter().map(|name| file_id(name)).collect();
    let result = all.pop().unwrap();
    (BoundedVec::new(all).unwrap(), result)
}

impl World {
    /// Posts an order and finds its providers.
    pub(crate) fn drawn(&mut self, terms: &Terms) -> OrderId {
        let order = self.post(terms);
        self.fill(order);
        assert_eq!(self.phase(order), Phase::Assigned);
        order
    }

    /// Lets the time of the present phase pass.
    pub(crate) fn expire(&mut self, order: OrderId) {
        let deadline = over(self.order(order).head.deadline);
        while self.height() < deadline {
            self.advance(1);
        }
        self.deliver(order);
    }

    /// Who does a run.
    pub(crate) fn runner(&self, order: OrderId, run: u32) -> Who {
        Who::of(self.order(order).run_at(RunIndex(run)).unwrap().provider)
    }

    /// The runs that stand.
    pub(crate) fn standing(&self, order: OrderId) -> Vec<u32> {
        let order = self.order(order);
        order.standing().map(|run| run.index.0).collect()
    }

    pub(crate) fn hand_call(&self, order: OrderId, run: u32) -> OrderCall {
        OrderCall::Grant {
            place: self.order(order).work(RunIndex(run)),
            grantee: self.runner(order, run).id(),
            sealed: sealed("keys"),
        }
    }

    /// Hands a run's keys over.
    pub(crate) fn hand(&mut self, order: OrderId, run: u32) {
        self.apply(Who::Requester, self.hand_call(order, run));
    }

    /// Hands keys to every provider that has none.
    pub(crate) fn hand_all(&mut self, order: OrderId) {
        for run in self.standing(order) {
            let provider = self.runner(order, run);
            if self.granted(order, run, provider).is_empty() {
                self.hand(order, run);
            }
        }
        assert_eq!(self.phase(order), Phase::Running);
    }

    /// The commitment of a run's provider to this run.
    pub(crate) fn commitment(&self, order: OrderId, run: u32, of: &Run) -> Digest {
        let provider = self.runner(order, run);
        let (checkpoints, result) = files(provider);
        let trace = (&of.root(), &checkpoints[..], &result);
        let place = self.order(order).work(RunIndex(run));
        Trace::commitment(
            &place,
            provider.id(),
            trace,
            (&lock(provider).public(), &salt(provider)),
        )
    }

    pub(crate) fn commit_run_call(&self, order: OrderId, run: u32, of: &Run) -> OrderCall {
        OrderCall::CommitRun {
            place: self.order(order).work(RunIndex(run)),
            commitment: self.commitment(order, run, of),
        }
    }

    pub(crate) fn commit_run(&mut self, order: OrderId, run: u32, of: &Run) {
        let call = self.commit_run_call(order, run, of);
        self.apply(self.runner(order, run), call);
    }

    /// Records the files of a provider's run.
    pub(crate) fn record(&mut self, who: Who) {
        let names = names(who).into_iter();
        let put = |name: String| self.put(file(who, &name));
        let calls: Vec<(Who, Call)> = names.map(|name| (who, put(name).into())).collect();
        self.block(calls);
    }

    pub(crate) fn reveal_run_call(&self, order: OrderId, run: u32, of: &Run) -> OrderCall {
        let provider = self.runner(order, run);
        let (checkpoints, result) = files(provider);
        let ends = [StepIndex(0), StepIndex(terms().steps)];
        OrderCall::RevealRun {
            place: self.order(order).work(RunIndex(run)),
            root: of.root(),
            checkpoints,
            result,
            first_invalid: of.first_invalid(),
            lock: lock(provider).public(),
            salt: salt(provider),
            openings: BoundedVec::new(ends.map(|step| of.opening(step)).to_vec()).unwrap(),
        }
    }

    /// Records the files of a run and reveals it.
    pub(crate) fn reveal_run(&mut self, order: OrderId, run: u32, of: &Run) {
        self.record(self.runner(order, run));
        let call = self.reveal_run_call(order, run, of);
        self.apply(self.runner(order, run), call);
        self.deliver(order);
    }

    /// An order with a copy for each of these runs, all committed.
    pub(crate) fn committed(&mut self, runs: &[Run]) -> OrderId {
        let order = self.drawn(&copies(runs.len() as u8));
        self.hand_all(order);
        for (run, of) in runs.iter().enumerate() {
            self.commit_run(order, run as u32, of);
        }
        assert_eq!(self.phase(order), Phase::Revealing);
        order
    }

    /// The same, all revealed and compared.
    pub(crate) fn compared(&mut self, runs: &[Run]) -> OrderId {
        let order = self.committed(runs);
        for (run, of) in runs.iter().enumerate() {
            self.reveal_run(order, run as u32, of);
        }
        assert_ne!(self.phase(order), Phase::Revealing);
        order
    }

    /// What one side of the open dispute says of a step, when its run is this one.
    pub(crate) fn bisect_call(&self, order: OrderId, step: StepIndex, of: &Run) -> OrderCall {
        let opening = of.opening(step);
        OrderCall::Bisect {
            place: self.here(order),
            step,
            leaf: opening.leaf(),
            path: Some(opening.path),
        }
    }

    /// Both sides of the open dispute speak, until the validators have to decide; returns the
    /// steps of which they spoke.
    pub(crate) fn narrow(&mut self, order: OrderId, runs: &[Run]) -> Vec<u64> {
        let mut steps = Vec::new();
        while self.phase(order) == Phase::Bisecting {
            let dispute = self.order(order).dispute().cloned().unwrap();
            let step = dispute.middle().unwrap();
            steps.push(step.0);
            for side in [dispute.run, dispute.rival.unwrap()] {
                let call = self.bisect_call(order, step, &runs[side.0 as usize]);
                self.apply(self.runner(order, side.0), call);
            }
        }
        assert_eq!(self.phase(order), Phase::Attesting);
        steps
    }

    /// A quorum of validators attests this.
    pub(crate) fn attest(&mut self, order: OrderId, leaf: Option<Digest>) {
        self.judge(order, &[0, 1, 2].map(|i| (i, leaf)));
    }

    /// Every dispute is narrowed down by both sides, and judged by what replay gives.
    pub(crate) fn judge_all(&mut self, order: OrderId, runs: &[Run]) {
        while self.order(order).dispute().is_some() {
            self.narrow(order, runs);
            let step = self.order(order).dispute().unwrap().disputed.step;
            self.attest(order, Some(truth().at(step)));
        }
    }
}

/// What judges of its disputes are paid, in micro-tokens.
pub(crate) fn judged(order: &Order) -> u64 {
    let paid = order.disputes.iter().map(|dispute| {
        let mut committed = dispute.commitments.iter().map(|of| of.validator);
        let revealed = |by: &AccountId| dispute.attestations.iter().any(|of| of.validator == *by);
        committed.by_ref().filter(revealed).count() as u64
    });
    paid.sum::<u64>() * parameters().judge_fee.0
}
