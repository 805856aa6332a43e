//! Orders for which several providers compete.

mod crowd;
mod custody;
mod hostile;
mod life;
mod random;
mod scores;
mod terms;

use assay_crypto::Digest;
use assay_crypto::custody::{CustodySecret, Dealing, KeyShare};
use assay_ledger::{
    Amount, BoundedBytes, BoundedString, BoundedVec, Call, Claim, ClaimStage, Contest,
    ContestShares, ContestTerms, Custody, CustodyTerms, Deadlines, FileId, Input, JobMethod, Offer,
    OrderCall, OrderId, OrderRefusal, Parameters, Phase, Place, Ppm, Refusal, RunIndex, Scores,
    Status, StepIndex, StopRule, Terms, Trace, query,
};

use crate::world::{FEE, Run, Who, World, file, file_id, genesis, lock, ms, parameters, salt};

/// Claimants of these tests.
pub(crate) const CLAIMANTS: [Who; 3] = [Who::Provider(0), Who::Provider(1), Who::Provider(2)];

pub(crate) fn validators() -> impl Iterator<Item = Who> {
    (0..4).map(Who::Validator)
}

/// What the test set's key is drawn from.
pub(crate) fn secret() -> CustodySecret {
    CustodySecret::from_seed(&[42; 32])
}

fn input(name: &str) -> Input {
    Input {
        name: BoundedString::new(name).unwrap(),
        file: file_id(name),
        content: Digest::of("test/plain", &[name.as_bytes()]),
    }
}

/// Six steps in three segments, for three claimants of whom two are paid.
pub(crate) fn terms() -> Terms {
    Terms {
        kind: BoundedString::new("train").unwrap(),
        spec: BoundedBytes::new(b"a model".to_vec()).unwrap(),
        model: BoundedBytes::default(),
        inputs: BoundedVec::new(vec![input("data")]).unwrap(),
        method: JobMethod::default(),
        steps: 6,
        segment_steps: 2,
        stop: StopRule {
            stop_after: 2,
            max_invalid: 3,
        },
        segments_drawn: 3,
        attempts: 1,
        deadlines: Deadlines::all(ms(24)),
        contest: Some(Box::new(ContestTerms {
            least: 2,
            most: 3,
            places: 2,
            baseline: 500_000,
            winner: Ppm(700_000),
            shares: ContestShares::USUAL,
            test: input("test"),
            custody: CustodyTerms::Validators {
                key: secret().commitment(),
            },
        })),
        ..crate::world::terms()
    }
}

/// The same with other terms of the contest.
pub(crate) fn terms_with(change: impl FnOnce(&mut ContestTerms)) -> Terms {
    let mut terms = terms();
    change(terms.contest.as_mut().unwrap());
    terms
}

const KINDS: [&str; 3] = ["finetune", "evaluate", "train"];

/// A network whose auditors take such orders.
pub(crate) fn world() -> World {
    let parameters = Parameters {
        standard_offer: Offer::standard().of_kinds(&KINDS),
        ..parameters()
    };
    let mut genesis = genesis(parameters);
    let registrations = genesis.registrations.iter().cloned();
    let offering = registrations.map(|mut of| {
        of.offer = of.offer.map(|_| Offer::anything().of_kinds(&KINDS));
        of
    });
    genesis.registrations = BoundedVec::new(offering.collect::<Vec<_>>()).unwrap();
    let state = genesis.state().unwrap();
    World::of(genesis, state)
}

/// What a claimant's seed gives: other states than everybody else's.
pub(crate) fn run(who: Who) -> Run {
    Run::lie(&terms(), 1, &format!("{who:?}"))
}

/// A sheet of these scores.
pub(crate) fn sheet(scores: &[Option<u64>]) -> Scores {
    Scores(Some(BoundedVec::new(scores.to_vec()).unwrap()))
}

/// What an honest validator finds of three claims.
pub(crate) fn truth() -> Scores {
    sheet(&[Some(600_000), Some(900_000), Some(700_000)])
}

pub(crate) fn refusal(status: Status) -> OrderRefusal {
    match status {
        Status::Refused(Refusal::Order(refusal)) => refusal,
        other => panic!("{other:?}"),
    }
}

fn file_name(order: OrderId, who: Who, index: u32) -> String {
    format!("{who:?} {index} {order}")
        .chars()
        .take(40)
        .collect()
}

impl World {
    pub(crate) fn post_contest(&mut self, terms: &Terms) -> OrderId {
        for name in ["data", "test"] {
            let record = file(Who::Requester, name);
            self.apply(Who::Requester, self.put(record));
        }
        let order = OrderId::new(self.chain, Who::Requester.id(), self.nonce(Who::Requester));
        self.apply(Who::Requester, OrderCall::Post(Box::new(terms.clone())));
        assert_eq!(self.phase(order), Phase::Dealing);
        order
    }

    pub(crate) fn contest(&self, order: OrderId) -> Contest {
        *self.order(order).contest.unwrap()
    }

    pub(crate) fn claim_of(&self, order: OrderId, who: Who) -> Claim {
        let found = query::claim(&self.store, &order, &who.id()).unwrap();
        found.expect("it has claimed")
    }

    pub(crate) fn stage(&self, order: OrderId, who: Who) -> ClaimStage {
        let contest = self.contest(order);
        let number = contest.number_of(&who.id()).unwrap();
        contest.entry(number).unwrap().stage
    }

    /// What an account has spent since it had all of this, but for the fees of its transactions.
    pub(crate) fn cost(&self, who: Who, before: (Amount, u64)) -> i128 {
        let fees = i128::from(FEE.0) * i128::from(self.nonce(who) - before.1);
        i128::from(before.0.0) - i128::from(self.balance(who).0) - fees
    }

    pub(crate) fn purse(&self, who: Who) -> (Amount, u64) {
        (self.balance(who), self.nonce(who))
    }

    /// Waits for the block in which audits begin, where there are some.
    pub(crate) fn begin_audits(&mut self, order: OrderId) {
        while self.phase(order) == Phase::Closed {
            self.advance(1);
        }
    }

    /// Waits until a phase is over.
    pub(crate) fn wait_out(&mut self, order: OrderId, phase: Phase) {
        assert_eq!(self.phase(order), phase);
        for _ in 0..100 {
            if self.phase(order) != phase {
                return self.begin_audits(order);
            }
            self.advance(1);
        }
        panic!("{phase} does not end");
    }

    pub(crate) fn dealing(&self, order: OrderId) -> (Digest, Dealing) {
        let custodians = query::custodians(&self.store).unwrap();
        let under = Custody::name_of(&custodians);
        let keys: Vec<_> = custodians.iter().map(|(_, key)| *key).collect();
        let of = Custody::dealt_for(order, &under);
        (under, secret().deal(&of, 2, &keys).unwrap())
    }

    pub(crate) fn deal_call(&self, order: OrderId, under: Digest, dealing: &Dealing) -> OrderCall {
        let sealed = dealing.sealed.iter();
        let sealed = sealed.map(|of| BoundedBytes::new(of.0.clone()).unwrap());
        OrderCall::DealKey {
            place: self.order(order).contest_place().unwrap(),
            under,
            points: BoundedVec::new(dealing.points.clone()).unwrap(),
            sealed: BoundedVec::new(sealed.collect::<Vec<_>>()).unwrap(),
        }
    }

    pub(crate) fn deal(&mut self, order: OrderId) {
        let (under, dealing) = self.dealing(order);
        let call = self.deal_call(order, under, &dealing);
        self.apply(Who::Requester, call);
        assert_eq!(self.phase(order), Phase::Holding);
    }

    /// A validator's own share, if what was dealt to it is one.
    pub(crate) fn share(&self, order: OrderId, who: Who) -> Option<KeyShare> {
        let custody = self.contest(order).custody.unwrap();
        let validators = query::validators(&self.store).unwrap();
        let index = validators.iter().position(|of| *of == who.id())?;
        let of = Custody::dealt_for(order, &custody.under);
        custody
            .dealing()
            .share(&of, index, &who.secret().encryption())
    }

    pub(crate) fn check_call(&self, order: OrderId, good: bool) -> OrderCall {
        let place = self.order(order).contest_place().unwrap();
        OrderCall::CheckShare { place, good }
    }

    /// Brings an order to where providers may claim.
    pub(crate) fn joining(&mut self, terms: &Terms) -> OrderId {
        let order = self.post_contest(terms);
        self.deal(order);
        for who in validators().take(3) {
            let good = self.share(order, who).is_some();
            self.apply(who, self.check_call(order, good));
        }
        assert_eq!(self.phase(order), Phase::Joining);
        order
    }

    /// Everybody claims, and gets a seed.
    pub(crate) fn claiming(&mut self, terms: &Terms) -> OrderId {
        let order = self.joining(terms);
        for who in CLAIMANTS {
            self.apply(who, OrderCall::Claim { order });
        }
        assert_eq!(self.phase(order), Phase::Taken);
        self.advance(1);
        assert_eq!(self.phase(order), Phase::Claiming);
        order
    }

    /// The place of a claim.
    pub(crate) fn claim_place(&self, order: OrderId, who: Who) -> Place {
        let number = self.contest(order).number_of(&who.id()).unwrap();
        self.order(order).work(RunIndex(number.into()))
    }

    /// The files that a claimant names.
    fn claim_files(order: OrderId, who: Who) -> (BoundedVec<FileId, 1024>, FileId) {
        let name = |index| file_id(&file_name(order, who, index));
        let all: Vec<_> = (0..3).map(name).collect();
        (BoundedVec::new(all).unwrap(), name(3))
    }

    pub(crate) fn seal_call(&self, order: OrderId, who: Who, run: &Run) -> OrderCall {
        let place = self.claim_place(order, who);
        let (files, result) = World::claim_files(order, who);
        let (lock, salt) = (lock(who).public(), salt(who));
        let trace = (&run.root(), &files[..], &result);
        let commitment = Trace::commitment(&place, who.id(), trace, (&lock, &salt));
        OrderCall::CommitRun { place, commitment }
    }

    pub(crate) fn show_call(&self, order: OrderId, who: Who, run: &Run) -> OrderCall {
        let (checkpoints, result) = World::claim_files(order, who);
        let ends = [StepIndex(0), StepIndex(terms().steps)];
        OrderCall::RevealRun {
            place: self.claim_place(order, who),
            root: run.root(),
            checkpoints,
            result,
            first_invalid: run.first_invalid(),
            lock: lock(who).public(),
            salt: salt(who),
            openings: BoundedVec::new(ends.map(|step| run.opening(step)).to_vec()).unwrap(),
        }
    }

    /// Records the files of a claim.
    pub(crate) fn record_claim(&mut self, order: OrderId, who: Who) {
        let put = |index| self.put(file(who, &file_name(order, who, index)));
        let calls: Vec<(Who, Call)> = (0..4).map(|index| (who, put(index).into())).collect();
        self.block(calls);
    }

    /// Everybody commits to what `said` says that it did.
    pub(crate) fn sealed(&mut self, terms: &Terms, said: impl Fn(Who) -> Run) -> OrderId {
        let order = self.claiming(terms);
        for who in CLAIMANTS {
            let call = self.seal_call(order, who, &said(who));
            self.apply(who, call);
        }
        assert_eq!(self.phase(order), Phase::Sealed);
        order
    }

    pub(crate) fn show(&mut self, order: OrderId, who: Who, run: &Run) {
        self.record_claim(order, who);
        let call = self.show_call(order, who, run);
        self.apply(who, call);
    }

    /// Everybody shows what it committed to.
    pub(crate) fn test_open(&mut self, terms: &Terms, said: impl Fn(Who) -> Run) -> OrderId {
        let order = self.sealed(terms, &said);
        for who in CLAIMANTS {
            self.show(order, who, &said(who));
        }
        assert_eq!(self.phase(order), Phase::TestOpen);
        order
    }

    pub(crate) fn open_call(&self, order: OrderId, who: Who) -> OrderCall {
        let place = self.order(order).contest_place().unwrap();
        let share = self.share(order, who).unwrap();
        OrderCall::OpenShare { place, share }
    }

    /// Two validators open the test set.
    pub(crate) fn validating(&mut self, terms: &Terms, said: impl Fn(Who) -> Run) -> OrderId {
        let order = self.test_open(terms, said);
        self.open_test(order);
        order
    }

    pub(crate) fn open_test(&mut self, order: OrderId) {
        for who in validators().take(2) {
            let call = self.open_call(order, who);
            self.apply(who, call);
        }
        assert_eq!(self.phase(order), Phase::Validating);
    }

    pub(crate) fn scores_commit(&self, order: OrderId, who: Who, scores: &Scores) -> OrderCall {
        let place = self.order(order).contest_place().unwrap();
        OrderCall::CommitFinding {
            place,
            commitment: scores.commitment(&place, who.id(), &salt(who)),
        }
    }

    pub(crate) fn scores_call(&self, order: OrderId, who: Who, scores: &Scores) -> OrderCall {
        let place = self.order(order).contest_place().unwrap();
        let contest = self.contest(order);
        let mut committed = contest.ballot.commitments.iter();
        let committed = committed.any(|of| of.validator == who.id());
        OrderCall::RevealScores {
            place,
            scores: scores.clone(),
            salt: committed.then(|| salt(who)),
        }
    }

    /// Each validator says what it found, those that are named; all commit before anybody shows.
    pub(crate) fn score(&mut self, order: OrderId, said: &[(u8, Scores)]) {
        for (validator, scores) in said {
            let who = Who::Validator(*validator);
            let call = self.scores_commit(order, who, scores);
            self.apply(who, call);
        }
        let phase = self.phase(order);
        while self.phase(order) == phase
            && self
                .order(order)
                .scores_heard(query::now(&self.store).unwrap())
                == Some(assay_ledger::Hearing::Sealed)
        {
            self.advance(1);
        }
        for (validator, scores) in said {
            if self.phase(order) != phase {
                return;
            }
            let who = Who::Validator(*validator);
            let call = self.scores_call(order, who, scores);
            self.apply(who, call);
        }
    }

    /// All validators say the same, and the scores are known.
    pub(crate) fn verifying(&mut self, order: OrderId, scores: &Scores) {
        let all: Vec<_> = (0..4).map(|i| (i, scores.clone())).collect();
        self.score(order, &all);
        assert_eq!(self.phase(order), Phase::Verifying);
    }

    /// The audits under way of a contest, each with its claimant.
    pub(crate) fn claim_audits(&self, order: OrderId) -> Vec<(OrderId, Who)> {
        let contest = self.contest(order);
        let under_way = contest.in_stage(ClaimStage::Audited);
        let audit = |number| {
            let who = Who::of(contest.entry(number).unwrap().account);
            (self.claim_of(order, who).audit.unwrap(), who)
        };
        under_way.map(audit).collect()
    }

    /// Finds auditors for every audit that has none.
    pub(crate) fn seat_claim_audits(&mut self, order: OrderId) {
        let waits = |world: &World, audit: &OrderId| {
            let phase = world.phase(*audit);
            matches!(phase, Phase::Committed | Phase::Called | Phase::Seated)
        };
        for _ in 0..100 {
            self.begin_audits(order);
            let audits = self.claim_audits(order).into_iter().map(|(audit, _)| audit);
            let waiting: Vec<_> = audits.filter(|audit| waits(self, audit)).collect();
            let called = waiting
                .iter()
                .find(|audit| self.phase(**audit) == Phase::Called);
            match called {
                Some(audit) => self.accept(*audit),
                None if waiting.is_empty() => return,
                None => self.advance(1),
            }
        }
    }

    /// Every audit under way finds what its claimant did.
    pub(crate) fn pass_claim_audits(&mut self, order: OrderId) {
        self.seat_claim_audits(order);
        for (audit, who) in self.claim_audits(order) {
            // Whoever is asked for one that has begun since does not wait.
            self.seat_claim_audits(order);
            let truth = run(who);
            self.audit(audit, &truth, |_, _| truth.clone());
            assert_eq!(self.phase(audit), Phase::Settled);
        }
        self.begin_audits(order);
    }

    /// The audit of a claim finds another run than its claimant shows, and so do the judges.
    pub(crate) fn fail_claim_audit(&mut self, audit: OrderId, said: &Run, truth: &Run) {
        let parent = self.order(audit).head.audit_of.unwrap().order;
        self.seat_claim_audits(parent);
        self.audit(audit, said, |_, _| truth.clone());
        self.bisect(audit, said, truth);
        let step = self.order(audit).dispute().unwrap().disputed.step;
        let leaf = Some(truth.at(step));
        self.judge(audit, &[(0, leaf), (1, leaf), (2, leaf)]);
        assert_eq!(self.phase(audit), Phase::Refunded);
        self.begin_audits(parent);
    }
}
