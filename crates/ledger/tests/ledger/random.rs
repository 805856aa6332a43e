//! Random lives: whatever the parties do or leave undone, money is conserved, moves that are not
//! theirs change nothing, the same blocks give the same state, and every order comes to an end.
//!
//! `ASSAY_CASES` sets the number of lives (64 unless told).

use std::collections::{BTreeMap, BTreeSet};

use assay_crypto::Digest;
use assay_crypto::stream::Stream;
use assay_ledger::{
    AccountCall, AccountId, Amount, AskGrant, AuditResults, BoundedBytes, BoundedString,
    BoundedVec, Call, Counts, Deadlines, DeclineReason, Dispute, Event, FileCall, FileEvent,
    FileId, FileRecord, Finding, Occasion, Offer, Order, OrderCall, OrderId, Outcome, Parameters,
    Phase, Place, ProcedureName, Question, Role, RunIndex, StepIndex, StopRule, Taken, Terms,
    Trace, query,
};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use crate::judges::{commits, reveals, says};
use crate::redundant::crew::{copies, crowd, enlist};
use crate::watch;
use crate::world::{
    BOND, Run, Who, World, blocks, ends, file, file_id, here, lock, ms, of_two_kinds, salt, sealed,
    some_key, starts, state, terms,
};

/// Calls of a block to come.
#[derive(Default)]
struct Calls(Vec<(Who, Call)>);

impl Calls {
    fn push(&mut self, (who, call): (Who, impl Into<Call>)) {
        self.0.push((who, call.into()));
    }
}

/// What happens in one life is drawn from one seed.
struct Life {
    random: Stream,
    world: World,
    orders: Vec<OrderId>,
    committed: BTreeMap<(Place, Who), AuditResults>,
    /// What was sent for the last block: some of it arrives once more.
    before: Vec<(Who, Call)>,
}

impl Life {
    fn new(seed: u64) -> Life {
        let mut random = Stream::new(Digest::of("test/life", &[]), "life", seed);
        let mut world = World::with(Parameters {
            unbonding_ms: ms(1 + random.below(6)),
            floors: Deadlines::all(0),
            min_blocks: 1 + random.below(3) as u32,
            max_rounds: 1 + random.below(3) as u8,
            max_timers: 1 + random.below(4) as u32,
            max_draws: 1 + random.below(2) as u32,
            answer_ms: 1_000 * (1 + random.below(4)),
            standard_offer: of_two_kinds(Offer::standard()),
            ..Parameters::default()
        });
        world.beacon_seed = seed;
        if random.below(2) == 0 {
            enlist(&mut world);
        }
        Life {
            random,
            world,
            orders: Vec::new(),
            committed: BTreeMap::new(),
            before: Vec::new(),
        }
    }

    /// True with a chance of `percent`.
    fn likely(&mut self, percent: u64) -> bool {
        self.random.below(100) < percent
    }

    fn someone(&mut self) -> Who {
        let all: Vec<Who> = Who::all().collect();
        all[self.random.below(all.len() as u64) as usize]
    }

    fn digest(&mut self) -> Digest {
        Digest::of("test/random", &[&self.random.next_u64().to_le_bytes()])
    }

    fn terms(&mut self) -> Terms {
        let steps = 1 + self.random.below(12);
        let usual = match self.random.below(2) {
            0 => terms(),
            _ => copies(1 + self.random.below(4) as u8),
        };
        let segment_steps = 1 + self.random.below(steps) as u32;
        let several = usual.copies > 1;
        let of_one = |value: u64| if several { 0 } else { value };
        let (price, auditor_bond) = (
            1 + self.random.below(20_000_000),
            1_000_000 + self.random.below(30_000_000),
        );
        Terms {
            steps,
            segment_steps,
            stop: StopRule {
                stop_after: 1 + self.random.below(segment_steps.into()) as u32,
                max_invalid: 1 + self.random.below(steps),
            },
            segments_drawn: of_one(1 + self.random.below(5)) as u32,
            auditors: of_one(1 + self.random.below(3)) as u8,
            attempts: 1 + self.random.below(3) as u8,
            price: Amount(price),
            auditor_fee: Amount(of_one(auditor_bond / 20 + self.random.below(1_000_000))),
            provider_bond: Amount(1_000_000 + self.random.below(30_000_000)),
            auditor_bond: Amount(auditor_bond),
            deadlines: Deadlines::all(ms(2 + self.random.below(3))),
            ..usual
        }
    }

    /// The run that a provider claims in an attempt: mostly the truth.
    fn claim(&self, order: &Order) -> Run {
        claim_of(order, order.run())
    }

    fn post(&mut self) {
        let terms = self.terms();
        let inputs: Vec<_> = ["model", "train"]
            .iter()
            .map(|name| {
                (
                    Who::Requester,
                    self.world.put(file(Who::Requester, name)).into(),
                )
            })
            .collect();
        self.world.block(inputs);
        let nonce = self.world.nonce(Who::Requester);
        let order = OrderId::new(self.world.chain, Who::Requester.id(), nonce);
        self.world.block(vec![(
            Who::Requester,
            OrderCall::Post(Box::new(terms)).into(),
        )]);
        if query::order(&self.world.store, &order).unwrap().is_some() {
            self.orders.push(order);
        }
    }

    /// One block of moves that the parties of every order might make.
    fn block(&mut self) {
        let mut calls = Calls::default();
        for late in std::mem::take(&mut self.before) {
            if self.likely(5) {
                calls.push(late);
            }
        }
        for order in query::active_orders(&self.world.store).unwrap() {
            self.moves(&order, &mut calls);
        }
        self.answer(&mut calls);
        self.renew(&mut calls);
        if self.likely(20) {
            let stray = self.stray();
            calls.push(stray);
        }
        self.before.clone_from(&calls.0);
        self.run(calls.0);
    }

    fn run(&mut self, calls: Vec<(Who, Call)>) {
        // A block a second for the most part; some come fast, and some after a halt.
        let gaps = [1_000, 1_000, 1_000, 1, 400, 10_000, 3_600_000];
        self.world.gap_ms = gaps[self.random.below(gaps.len() as u64) as usize];
        self.world.block(calls);
        watch::check_indexes(&self.world.store);
        watch::check_timers(&self.world.store);
        watch::check_grants(&self.world.store);
    }

    fn moves(&mut self, order: &Order, calls: &mut Calls) {
        if ProcedureName::followed_by(order) == ProcedureName::Redundant {
            return self.copies(order, calls);
        }
        let (id, place) = (order.head.id, here(order));
        let provider = order.provider().map(Who::of);
        match order.head.phase {
            Phase::Asked | Phase::Called => self.asked(order, calls),
            Phase::Posted | Phase::Taken | Phase::Assigned if self.likely(5) => {
                calls.push((Who::Requester, OrderCall::Cancel { order: id }));
            }
            Phase::Assigned if self.likely(70) => {
                let grantee = order.provider().unwrap();
                let call = OrderCall::Grant {
                    place,
                    grantee,
                    sealed: sealed("keys"),
                };
                calls.push((Who::Requester, call));
            }
            Phase::Running if self.likely(10) => {
                let reason = self.reason();
                calls.push((provider.unwrap(), OrderCall::Decline { place, reason }));
            }
            Phase::Running if self.likely(70) => self.commit(order, calls),
            Phase::Opening => self.opening(order, calls),
            Phase::Auditing | Phase::Revealing => self.seats(order, calls),
            Phase::Closing if self.likely(80) => {
                let openings = self.claim(order).openings(&ends(order));
                calls.push((provider.unwrap(), OrderCall::OpenEnds { place, openings }));
            }
            Phase::Bisecting => self.bisect(order, calls),
            Phase::Attesting => self.attest(order, calls),
            Phase::Delivering => self.deliver(order, calls),
            Phase::Accepted if self.likely(30) => {
                calls.push((Who::Requester, OrderCall::Accept { order: id }));
            }
            Phase::Accepted if self.likely(20) => {
                calls.push((Who::Requester, OrderCall::Complain { order: id }));
            }
            _ => {}
        }
    }

    /// Those who are asked answer, most of them, or the requester thinks better of it.
    fn asked(&mut self, order: &Order, calls: &mut Calls) {
        if order.head.phase == Phase::Asked && self.likely(4) {
            let order = order.head.id;
            calls.push((Who::Requester, OrderCall::Cancel { order }));
        }
        let place = order.list_place().unwrap();
        let asked = order.head.asked.iter().flat_map(|asked| &asked.ranked);
        for invited in asked.filter(|invited| invited.accepts.is_none()) {
            if self.likely(60) {
                let accept = self.likely(85);
                let call = OrderCall::Answer { place, accept };
                calls.push((Who::of(invited.account), call));
            }
        }
    }

    /// Some of those whose offers are suspended renew them.
    fn renew(&mut self, calls: &mut Calls) {
        for role in [Role::Provider, Role::Auditor] {
            for (account, registration) in query::registrations(&self.world.store, role).unwrap() {
                if registration.suspended && !registration.leaving && self.likely(40) {
                    let who = Who::of(account);
                    let register = AccountCall::Register {
                        role,
                        bond: Amount::ZERO,
                        encryption_key: who.secret().encryption().public(),
                        address: registration.address,
                        offer: registration.offer,
                    };
                    calls.push((who, register));
                }
            }
        }
    }

    /// Moves of an order with several copies.
    fn copies(&mut self, order: &Order, calls: &mut Calls) {
        let id = order.head.id;
        let standing: Vec<assay_ledger::Run> = order.standing().cloned().collect();
        match order.head.phase {
            Phase::Asked => self.asked(order, calls),
            Phase::Posted | Phase::Taken | Phase::Assigned if self.likely(5) => {
                calls.push((Who::Requester, OrderCall::Cancel { order: id }));
            }
            Phase::Assigned => {
                for run in standing {
                    if self.likely(70) {
                        let call = OrderCall::Grant {
                            place: order.work(run.index),
                            grantee: run.provider,
                            sealed: sealed("keys"),
                        };
                        calls.push((Who::Requester, call));
                    }
                }
            }
            Phase::Running => {
                for run in standing {
                    let (place, who) = (order.work(run.index), Who::of(run.provider));
                    if self.likely(8) {
                        let reason = self.reason();
                        calls.push((who, OrderCall::Decline { place, reason }));
                    } else if self.likely(60) {
                        let (checkpoints, file) = self.trace(order);
                        let trace = (&claim_of(order, Some(&run)).root(), &checkpoints[..], &file);
                        let mut commitment = Trace::commitment(
                            &place,
                            run.provider,
                            trace,
                            (&lock(who).public(), &salt(who)),
                        );
                        if self.likely(3) {
                            commitment = self.digest();
                        }
                        calls.push((who, OrderCall::CommitRun { place, commitment }));
                    }
                }
            }
            Phase::Revealing => {
                for run in standing {
                    if self.likely(75) {
                        self.reveal(order, &run, calls);
                    }
                }
            }
            Phase::Bisecting => {
                let dispute = order.dispute().unwrap();
                let (place, step) = (here(order), dispute.middle().unwrap());
                for side in [Some(dispute.run), dispute.rival].into_iter().flatten() {
                    let run = order.run_at(side).unwrap();
                    let mut opening = claim_of(order, Some(run)).opening(step);
                    if self.likely(5) {
                        opening.reached.state = state(self.digest());
                    }
                    let (leaf, path) = (opening.leaf(), Some(opening.path));
                    if self.likely(80) {
                        let call = OrderCall::Bisect {
                            place,
                            step,
                            leaf,
                            path,
                        };
                        calls.push((Who::of(run.provider), call));
                    }
                }
            }
            Phase::Attesting => self.attest(order, calls),
            Phase::Delivering => self.deliver(order, calls),
            Phase::Accepted if self.likely(20) => {
                calls.push((Who::Requester, OrderCall::Accept { order: id }));
            }
            Phase::Accepted if self.likely(30) => {
                calls.push((Who::Requester, OrderCall::Complain { order: id }));
            }
            _ => {}
        }
    }

    /// Why somebody gives a run back.
    fn reason(&mut self) -> DeclineReason {
        match self.random.below(3) {
            0 => DeclineReason::Keys,
            1 => DeclineReason::Inputs,
            _ => DeclineReason::Unable,
        }
    }

    /// Most providers release their keys; some to nobody's use.
    fn deliver(&mut self, order: &Order, calls: &mut Calls) {
        for run in order.standing().filter(|run| run.released.is_none()) {
            let who = Who::of(run.provider);
            let mut call = self.world.deliver_call(order.head.id, run.index);
            if self.likely(5)
                && let OrderCall::Deliver { release, .. } = &mut call
            {
                release.proof.0[1] ^= 1;
            }
            if self.likely(80) {
                calls.push((who, call));
            }
        }
    }

    /// The files of a run of an order: one file as every checkpoint and as the result.
    fn trace(&self, order: &Order) -> (BoundedVec<FileId, 1024>, FileId) {
        let file = file_id(&order.head.id.to_string()[..20]);
        let checkpoints = vec![file; order.head.terms.segments() as usize];
        (BoundedVec::new(checkpoints).unwrap(), file)
    }

    fn reveal(&mut self, order: &Order, run: &assay_ledger::Run, calls: &mut Calls) {
        let who = Who::of(run.provider);
        let record = file(who, &order.head.id.to_string()[..20]);
        calls.push((who, self.world.put(record)));
        let (checkpoints, result) = self.trace(order);
        let claim = claim_of(order, Some(run));
        let ends = [StepIndex(0), StepIndex(order.head.terms.steps)];
        let call = OrderCall::RevealRun {
            place: order.work(run.index),
            root: claim.root(),
            checkpoints,
            result,
            first_invalid: claim.first_invalid(),
            lock: lock(who).public(),
            salt: salt(who),
            openings: BoundedVec::new(ends.map(|step| claim.opening(step)).to_vec()).unwrap(),
        };
        calls.push((who, call));
    }

    fn commit(&mut self, order: &Order, calls: &mut Calls) {
        let provider = Who::of(order.provider().unwrap());
        let segments = order.head.terms.segments();
        let name = |i: u32| format!("{} {i}", order.head.id);
        for i in 0..=segments {
            calls.push((provider, self.world.put(file(provider, &name(i)[..20]))));
        }
        let checkpoints = vec![file_id(&name(0)[..20]); segments as usize];
        let claim = self.claim(order);
        let call = OrderCall::CommitTrace {
            place: here(order),
            root: claim.root(),
            checkpoints: BoundedVec::new(checkpoints).unwrap(),
            result: file_id(&name(0)[..20]),
            counts: claim.counts(),
            first_invalid: claim.first_invalid(),
            lock: lock(provider).public(),
        };
        calls.push((provider, call));
    }

    fn opening(&mut self, order: &Order, calls: &mut Calls) {
        let place = here(order);
        let provider = Who::of(order.provider().unwrap());
        if self.likely(80) {
            let openings = self.claim(order).openings(&starts(order));
            calls.push((provider, OrderCall::OpenStarts { place, openings }));
        }
        for seat in &order.round().unwrap().seats {
            if self.likely(85) {
                let grantee = seat.auditor;
                calls.push((
                    provider,
                    OrderCall::Grant {
                        place,
                        grantee,
                        sealed: sealed("some"),
                    },
                ));
            }
        }
    }

    fn seats(&mut self, order: &Order, calls: &mut Calls) {
        for seat in order.round().unwrap().seats.clone() {
            let auditor = Who::of(seat.auditor);
            let place = here(order);
            let key = (place, auditor);
            if order.head.phase == Phase::Auditing && seat.commitment.is_none() && self.likely(75) {
                let results = self.results(order);
                let commitment = results.commitment(&place, seat.auditor, &salt(auditor));
                self.committed.insert(key, results);
                calls.push((auditor, OrderCall::CommitAudit { place, commitment }));
            }
            // A stray commitment has no results behind it and is never revealed.
            let results = self.committed.get(&key).cloned();
            if let Some(results) = results.filter(|_| order.head.phase == Phase::Revealing)
                && !seat.slashed
                && self.likely(75)
            {
                let call = OrderCall::RevealAudit {
                    place,
                    results,
                    salt: salt(auditor),
                };
                calls.push((auditor, call));
            }
        }
    }

    /// What an auditor reveals: the truth, the provider's claim, a lie, or that it could not
    /// begin.
    fn results(&mut self, order: &Order) -> AuditResults {
        let run = match self.random.below(10) {
            0 => self.claim(order),
            1 => {
                let from = self.random.below(order.head.terms.steps + 1);
                truth_of(order).lying(from, "auditor")
            }
            _ => truth_of(order),
        };
        let mut results = run.results(order);
        if self.likely(5) {
            results.initial = None;
        }
        if self.likely(5) {
            let none: Vec<_> = results.segments.iter().map(|(k, _)| (*k, None)).collect();
            results.segments = BoundedVec::new(none).unwrap();
        }
        results
    }

    fn bisect(&mut self, record: &Order, calls: &mut Calls) {
        let dispute = record.dispute().unwrap();
        let (place, step) = (here(record), dispute.middle().unwrap());
        if self.likely(70) {
            let opening = self.claim(record).opening(step);
            let (leaf, path) = (opening.leaf(), Some(opening.path));
            calls.push((
                Who::of(record.provider().unwrap()),
                OrderCall::Bisect {
                    place,
                    step,
                    leaf,
                    path,
                },
            ));
        }
        if self.likely(80) {
            let truth = truth_of(record).at(step);
            let leaf = if self.likely(80) {
                truth
            } else {
                self.digest()
            };
            let challenger = Who::of(dispute.challenger);
            calls.push((
                challenger,
                OrderCall::Bisect {
                    place,
                    step,
                    leaf,
                    path: None,
                },
            ));
        }
    }

    fn attest(&mut self, record: &Order, calls: &mut Calls) {
        let (place, dispute) = (here(record), record.dispute().unwrap());
        let honest = self.finding(record, dispute);
        for i in 0..4 {
            let who = Who::Validator(i);
            // One in seven lies, and stays with it in this dispute.
            let parts: [&[u8]; 3] = [&place.order.0.0, &place.occasion.bytes(), &[i]];
            let lie = Digest::of("test/judge", &parts);
            let leaf = match lie.0[0] % 7 {
                0 => Some(lie),
                _ => honest,
            };
            if !self.likely(70) {
                continue;
            }
            let mut committed = dispute.commitments.iter();
            let call = match committed.find(|of| of.validator == who.id()) {
                None if dispute.closed.is_none() && self.likely(80) => commits(place, (i, leaf)),
                None => says(place, (i, leaf)),
                Some(_) if self.likely(5) => says(place, (i, leaf)),
                Some(_) => reveals(place, (i, leaf)),
            };
            calls.push((who, call));
        }
    }

    fn finding(&self, order: &Order, dispute: &Dispute) -> Option<Digest> {
        match dispute.question {
            // What both sides had to store cannot always be had.
            _ if dispute.rival.is_some() && order.head.id.0.0[1].is_multiple_of(8) => None,
            Question::Initial | Question::Step => Some(truth_of(order).at(dispute.disputed.step)),
            // Whether files and grants are good is not modelled: by the order's name.
            Question::Beginning => {
                (order.head.id.0.0[0].is_multiple_of(2)).then_some(truth_of(order).leaves[0])
            }
            Question::Start | Question::Result => {
                (order.head.id.0.0[0].is_multiple_of(2)).then_some(dispute.disputed.leaf)
            }
        }
    }

    /// A call by anybody about anything; most of them are refused.
    fn stray(&mut self) -> (Who, Call) {
        let who = self.someone();
        let order = match self.orders.last().copied() {
            Some(order) if self.likely(90) => order,
            _ => OrderId(self.digest()),
        };
        let role = Role::ALL[self.random.below(4) as usize];
        let leaf = self.digest();
        let amount = Amount(self.random.below(3) * 600_000_000);
        let grantee = self.someone().id();
        let place = self.place(order);
        if self.likely(30) {
            if self.likely(30) {
                return (who, self.note(who).into());
            }
            return (who, self.stray_file_call().into());
        }
        let call = match self.random.below(13) {
            0 => {
                let to = grantee;
                AccountCall::Transfer { to, amount }.into()
            }
            1 => {
                let register = AccountCall::Register {
                    role,
                    bond: amount,
                    encryption_key: some_key(),
                    address: BoundedString::new("x").unwrap(),
                    offer: (role.is_drawn()).then(|| of_two_kinds(Offer::anything())),
                };
                register.into()
            }
            2 => AccountCall::Unregister { role }.into(),
            _ => self.stray_move(order, place, grantee, leaf).into(),
        };
        (who, call)
    }

    /// Where something counts now in an order, or somewhere near.
    fn place(&mut self, order: OrderId) -> Place {
        let number = self.random.below(3) as u16;
        let found = query::order(&self.world.store, &order).unwrap();
        let mut place = found.as_ref().map_or(
            Place {
                order,
                run: RunIndex(0),
                occasion: Occasion::Work,
            },
            here,
        );
        match self.random.below(9) {
            0 => place.run = RunIndex(number.into()),
            1 => place.occasion = Occasion::Work,
            2 => place.occasion = Occasion::Round(number),
            3 => place.occasion = Occasion::Dispute(number),
            4 => place.occasion = Occasion::List(number),
            _ => {}
        }
        place
    }

    fn stray_move(
        &mut self,
        order: OrderId,
        place: Place,
        grantee: AccountId,
        leaf: Digest,
    ) -> OrderCall {
        match self.random.below(13) {
            11 => OrderCall::Answer {
                place,
                accept: leaf.0[0] > 99,
            },
            10 => OrderCall::CommitRun {
                place,
                commitment: leaf,
            },
            0 => OrderCall::Cancel { order },
            1 => OrderCall::Grant {
                place,
                grantee,
                sealed: sealed("stray"),
            },
            2 => OrderCall::Decline {
                place,
                reason: DeclineReason::Inputs,
            },
            3 => OrderCall::CommitAudit {
                place,
                commitment: leaf,
            },
            4 => OrderCall::Bisect {
                place,
                step: StepIndex(self.random.below(12)),
                leaf,
                path: None,
            },
            5 => OrderCall::Attest {
                place,
                found: Finding::Leaf(leaf),
                salt: (leaf.0[0] > 99).then_some(leaf),
            },
            12 => OrderCall::CommitFinding {
                place,
                commitment: leaf,
            },
            6 => OrderCall::Complain { order },
            7 => OrderCall::Accept { order },
            8 => OrderCall::OpenEnds {
                place,
                openings: BoundedVec::default(),
            },
            _ => OrderCall::OpenStarts {
                place,
                openings: Run::truth(&terms()).openings(&[StepIndex(0)]),
            },
        }
    }

    /// Records a file of somebody's own for a while at some price, again or for the first time, or ends
    /// it.
    fn note(&mut self, who: Who) -> FileCall {
        if self.likely(30) {
            let file = file_id("note");
            return FileCall::Delete { file };
        }
        let length_class = self.random.below(8) << 30;
        let record = FileRecord {
            length_class,
            ..file(who, "note")
        };
        let ms = ms(self.random.below(40));
        let price = Amount(self.random.below(10_000_000));
        self.world.put_for(record, ms, price)
    }

    /// A call about a grant of one of the requester's files.
    fn stray_file_call(&mut self) -> FileCall {
        let file = file_id(["model", "train"][self.random.below(2) as usize]);
        let grantee = self.someone().id();
        let now = query::now(&self.world.store).unwrap().time;
        let until = now.after(ms(self.random.below(9)));
        match self.random.below(7) {
            0 | 1 => FileCall::AskGrant(Box::new(AskGrant {
                file,
                owner: Who::Requester.id(),
                encryption_key: some_key(),
                purpose: BoundedString::new("a study").unwrap(),
                until,
            })),
            2 | 3 => FileCall::ApproveGrant {
                file,
                grantee,
                sealed: BoundedBytes::new(b"key".to_vec()).unwrap(),
                until,
            },
            4 => FileCall::RejectGrant { file, grantee },
            _ => FileCall::RevokeGrant { file, grantee },
        }
    }

    /// The owner answers some of those who asked for its files.
    fn answer(&mut self, calls: &mut Calls) {
        for name in ["model", "train"] {
            let file = file_id(name);
            let owner = Who::Requester.id();
            for grant in query::file_grants(&self.world.store, &file, &owner).unwrap() {
                if self.likely(40) {
                    let mut call = self.stray_file_call();
                    if let FileCall::ApproveGrant { file, grantee, .. }
                    | FileCall::RejectGrant { file, grantee }
                    | FileCall::RevokeGrant { file, grantee } = &mut call
                    {
                        (*file, *grantee) = (grant.file, grant.grantee);
                        calls.push((Who::Requester, call));
                    }
                }
            }
        }
    }

    /// Nobody moves any more.
    fn wait_for_the_end(&mut self) -> Result<(), TestCaseError> {
        for _ in 0..600 {
            // What is to end by itself has a timer: phases, grants, bonds; files last longer.
            let kept = query::files(&self.world.store).unwrap().len();
            if watch::keys(&self.world.store, b't').count() == kept {
                break;
            }
            self.run(Vec::new());
        }
        prop_assert!(
            query::active_orders(&self.world.store).unwrap().is_empty(),
            "an order is stuck"
        );
        let store = &self.world.store;
        for order in query::orders(store).unwrap() {
            prop_assert!(order.head.phase.is_final());
            // Whoever sets the terms wins nothing of anybody's bond with them.
            let complaints = order.disputes.iter();
            let complaints = complaints.filter(|of| of.question == Question::Result);
            let deposit = self.world.genesis.parameters.complaint_deposit.0;
            let parameters = &self.world.genesis.parameters;
            let escrow = order.head.terms.escrow(parameters).unwrap();
            let put_in = escrow.0 + deposit * complaints.count() as u64;
            prop_assert!(
                self.world.paid(order.head.id, order.head.requester) <= put_in,
                "a requester ends with more than it put in"
            );
            // What is paid is what was computed, whether the run came to a result or was given up.
            let (terms, outcome) = (&order.head.terms, order.head.outcome);
            let setup = self.world.genesis.parameters.setup_rate;
            for run in order.standing() {
                let Some(trace) = &run.trace else { continue };
                let paid = self.world.paid(order.head.id, run.provider);
                if let Some(Outcome::Paid | Outcome::Failed) = outcome {
                    prop_assert!(paid >= terms.earned(&trace.counts, setup).0);
                    let failed = trace.counts.has_failed(&terms.stop);
                    let failed = failed || trace.counts.worked() == 0;
                    // Copies that differ both stand where nobody judged them; the first is delivered.
                    if order.result_run() == Some(run) {
                        prop_assert_eq!(failed, outcome == Some(Outcome::Failed));
                    }
                }
            }
            prop_assert_eq!(
                (order.head.escrow, order.head.deposit),
                (Amount::ZERO, Amount::ZERO)
            );
        }
        for role in Role::ALL.into_iter().filter(|role| *role != Role::Storage) {
            for (_, registration) in query::registrations(store, role).unwrap() {
                prop_assert_eq!(registration.locked, Amount::ZERO, "a bond stays locked");
                prop_assert_eq!(registration.taken(), 0, "a slot stays taken");
            }
        }
        prop_assert!(
            query::unbonding(store).unwrap().is_empty(),
            "a bond never came back"
        );
        // Nothing is left in any index of what is under way, no timer and no keys; but files are kept
        // for longer than orders last.
        let kept = query::files(store).unwrap().len();
        prop_assert_eq!(watch::keys(store, b't').count(), kept);
        for tag in *b"wjpk" {
            prop_assert_eq!(watch::keys(store, tag).count(), 0);
        }
        Ok(())
    }
}

fn live(seed: u64, blocks: u64) -> Result<World, TestCaseError> {
    let mut life = Life::new(seed);
    life.post();
    for _ in 0..blocks {
        life.block();
        if life.orders.len() < 3 && life.likely(5) {
            life.post();
        }
    }
    life.wait_for_the_end()?;
    Ok(life.world)
}

fn cases() -> u32 {
    std::env::var("ASSAY_CASES")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(64)
}

/// What replay gives: of some orders a run that stops early, or has steps that come to nothing.
fn truth_of(order: &Order) -> Run {
    let terms = &order.head.terms;
    let dice = Digest::of("test/truth", &[&order.head.id.0.0]).0;
    let over = u64::from(dice[1]) % (terms.steps + 1);
    let mut counts = Counts::default();
    let steps = (0..terms.steps).map(|step| {
        let taken = match dice[0] % 4 {
            _ if counts.is_over(&terms.stop) => Taken::Idle,
            0 if step >= over => Taken::Idle,
            1 if dice[2 + step as usize % 30].is_multiple_of(3) => Taken::Invalid,
            _ => Taken::Valid,
        };
        counts.add(taken);
        taken
    });
    Run::of(&steps.collect::<Vec<_>>())
}

/// The run that a provider claims: mostly the truth. Of the liars of one order some say the same,
/// and some begin to lie in the same step; some claim that every step was computed.
fn claim_of(order: &Order, run: Option<&assay_ledger::Run>) -> Run {
    let terms = &order.head.terms;
    let truth = truth_of(order);
    let Some(run) = run else {
        return truth;
    };
    let seed = run.seed.unwrap_or(Digest::ZERO).0;
    let dice = Digest::of("test/claim", &[&seed, &run.provider.0]).0;
    let common = u64::from(seed[1]) % (terms.steps + 1);
    let own = u64::from(dice[1]) % (terms.steps + 1);
    let name = format!("{}", run.index);
    match dice[0] % 13 {
        0 | 1 => truth.lying(common, "liar"),
        2 => truth.lying(common, &name),
        3 => truth.lying(own, &name),
        4 => Run::truth(terms),
        _ => truth,
    }
}

#[test]
fn any_life_conserves_money_ends_and_replays() {
    println!("{} random lives", cases());
    let config = ProptestConfig {
        cases: cases(),
        failure_persistence: None,
        ..Default::default()
    };
    let mut runner = TestRunner::new(config);
    let strategy = (any::<u64>(), 0u64..60);
    let result = runner.run(&strategy, |(seed, blocks)| {
        let world = live(seed, blocks)?;
        prop_assert_eq!(world.replay(), world.root);
        Ok(())
    });
    result.unwrap();
}

/// What random lives seldom come to: orders left alone in each phase, one withdrawn before anybody
/// could be drawn for it, one for which nobody could be drawn in time, audits to which nobody
/// commits, and challengers that fall silent or lose one after the other.
fn rare_lives() -> Vec<World> {
    let truth = Run::truth(&terms());
    let mut lives: Vec<World> = Vec::new();
    for (_, reach) in crate::life::REACH {
        let mut world = World::new();
        let order = reach(&mut world, &truth);
        crate::life::wait(&mut world, order);
        lives.push(world);
    }
    lives.push(crate::redundant::missing::ungranted());
    lives.push(crate::contradictions::of_every_provider());
    lives.push(crate::contradictions::of_every_copy());
    let mut alone = World::with(Parameters {
        max_rounds: 1,
        ..crate::world::parameters()
    });
    let order = alone.ran(&truth);
    alone.open(order, &truth);
    crate::life::wait(&mut alone, order);
    lives.push(alone);
    // Two auditors are wrong in leaf 0; or one is, and the provider in a later step.
    for (provided, others) in [(truth.clone(), 0), (Run::lie(&terms(), 1, "provider"), 1)] {
        let mut world = World::new();
        let order = world.ran(&provided);
        world.audit(order, &provided, |i, _| match (i, others) {
            (0, _) | (_, 0) => Run::lie(&terms(), 0, &format!("auditor {i}")),
            _ => truth.clone(),
        });
        let leaf = Some(truth.leaves[0]);
        world.judge(order, &[0, 1, 2].map(|i| (i, leaf)));
        crate::life::wait(&mut world, order);
        lives.push(world);
    }
    let demanding = Terms {
        provider_bond: Amount::tokens(101),
        ..terms()
    };
    let mut withdrawn = World::new();
    let order = withdrawn.post(&demanding);
    withdrawn.apply(Who::Requester, OrderCall::Cancel { order });
    let mut without = World::new();
    let order = without.post(&demanding);
    crate::life::wait(&mut without, order);
    let mut silent = World::new();
    let order = silent.ran(&truth);
    let lie = Run::lie(&terms(), 1, "auditor");
    silent.audit(order, &truth, |_, _| lie.clone());
    let step = silent.middle(order);
    let opening = truth.opening(step);
    let mut others = silent.auditors(order).into_iter();
    let challenger = others.next().unwrap();
    // The second auditor says the same, and falls silent in turn.
    for _ in 0..2 {
        let call = OrderCall::Bisect {
            place: silent.here(order),
            step,
            leaf: opening.leaf(),
            path: Some(opening.path.clone()),
        };
        silent.apply(silent.provider(order), call);
        silent.advance(blocks(terms().deadlines.dispute) + 1);
    }
    let left = silent.registration(challenger).bond;
    assert_eq!(left.0, BOND.0 - terms().auditor_bond.0);
    crate::life::wait(&mut silent, order);
    // No beacon comes that gives a run its seed, or, for a while, draws segments.
    let mut unseeded = World::new();
    let order = unseeded.posted();
    unseeded.ask(order);
    unseeded.accept(order);
    blind(&mut unseeded, blocks(terms().deadlines.assign) + 1);
    let mut undrawn = World::new();
    let order = undrawn.ran(&truth);
    undrawn.ask(order);
    undrawn.accept(order);
    blind(&mut undrawn, blocks(terms().deadlines.assign) + 1);
    crate::life::wait(&mut undrawn, order);
    lives.extend([withdrawn, without, silent, unseeded, undrawn]);
    lives.push(crate::file_grants::revoked());
    lives.extend(crate::last_resort::rare());
    lives.extend(rare_copies());
    lives.extend(crate::redundant::alone::rare());
    lives
}

/// So many blocks without a beacon.
fn blind(world: &mut World, blocks: u32) {
    for _ in 0..blocks {
        let context = assay_ledger::BlockContext {
            beacon: Digest::ZERO,
            ..world.next_context()
        };
        world.execute(context, vec![]);
    }
}

/// The same for orders with several copies: withdrawn, without keys for those in place of others, a
/// side that falls silent, and one wrong run after the other.
fn rare_copies() -> Vec<World> {
    let truth = Run::truth(&terms());
    let lie = |from, liar| Run::lie(&terms(), from, liar);
    let mut withdrawn = crowd();
    let order = withdrawn.post(&copies(2));
    withdrawn.apply(Who::Requester, OrderCall::Cancel { order });
    // More copies than there are providers.
    let mut waiting = World::new();
    let order = waiting.post(&copies(8));
    waiting.apply(Who::Requester, OrderCall::Cancel { order });
    let mut keyless = crowd();
    let order = keyless.drawn(&copies(3));
    keyless.hand(order, 0);
    keyless.hand(order, 1);
    keyless.expire(order);
    keyless.commit_run(order, 0, &truth);
    keyless.commit_run(order, 1, &truth);
    keyless.advance(1);
    keyless.expire(order);
    crate::life::wait(&mut keyless, order);
    let mut silent = crowd();
    let order = silent.compared(&[truth.clone(), lie(5, "silent")]);
    let call = silent.bisect_call(order, silent.middle(order), &truth);
    silent.apply(silent.runner(order, 0), call);
    crate::life::wait(&mut silent, order);
    let mut unseeded = crowd();
    let order = unseeded.post(&copies(2));
    unseeded.ask(order);
    unseeded.accept(order);
    blind(&mut unseeded, blocks(copies(2).deadlines.assign) + 1);
    // Neither side says anything.
    let mut mute = crowd();
    let order = mute.compared(&[truth.clone(), lie(5, "mute")]);
    crate::life::wait(&mut mute, order);
    let mut lives = vec![withdrawn, waiting, keyless, silent, unseeded, mute];
    for last in [0, 9] {
        let runs = [lie(0, "one"), truth.clone(), lie(last, "other")];
        let mut world = crowd();
        let order = world.compared(&runs);
        world.judge_all(order, &runs);
        crate::life::wait(&mut world, order);
        lives.push(world);
    }
    lives
}

/// The lives above do reach every ending; a generator that went stale would show here.
#[test]
fn random_lives_are_varied() {
    let mut endings = BTreeMap::new();
    let mut failures = BTreeMap::new();
    let mut verdicts = BTreeMap::new();
    let mut states = BTreeMap::new();
    let mut followed: [BTreeMap<(Phase, Phase), usize>; 2] = Default::default();
    let lives = (0..150).map(|seed| live(seed, 60).unwrap());
    for world in lives.chain(rare_lives()) {
        for (followed, steps) in followed.iter_mut().zip(watch::steps(&world)) {
            for (step, count) in steps {
                *followed.entry(step).or_insert(0) += count;
            }
        }
        for told in &world.told {
            if let Event::File(FileEvent::Grant { state, .. }) = &told.event {
                *states.entry(format!("{state:?}")).or_insert(0) += 1;
            }
        }
        for order in query::orders(&world.store).unwrap() {
            *endings
                .entry(format!("{:?}", order.head.outcome))
                .or_insert(0) += 1;
            for run in order.failed() {
                let name = format!("{:?}", run.failed.unwrap().reason);
                let name = name.split('(').next().unwrap().to_owned();
                *failures.entry(name).or_insert(0) += 1;
            }
            for dispute in &order.disputes {
                let name = format!("{:?} {:?}", dispute.question, dispute.verdict);
                *verdicts.entry(name).or_insert(0) += 1;
            }
        }
    }
    assert!(endings.len() >= 7, "{endings:?}");
    assert_eq!(failures.len(), 8, "{failures:?}");
    assert!(verdicts.len() >= 12, "{verdicts:?}");
    assert_eq!(states.len(), 5, "{states:?}");
    // Every phase that can follow another does, and none that the table does not list.
    for (procedure, followed) in ProcedureName::ALL.into_iter().zip(followed) {
        let (name, life) = (procedure.name(), procedure.life());
        let steps = life
            .iter()
            .flat_map(|row| row.next.iter().map(|next| (row.phase, *next)));
        let listed: BTreeSet<(Phase, Phase)> = steps.collect();
        println!("{name}: {followed:?}");
        let seen: BTreeSet<(Phase, Phase)> = followed.keys().copied().collect();
        let never: Vec<_> = listed.difference(&seen).collect();
        let unlisted: Vec<_> = seen.difference(&listed).collect();
        assert!(
            never.is_empty() && unlisted.is_empty(),
            "{name}: listed, but never seen: {never:?}\nseen, but not listed: {unlisted:?}\n\
             {followed:?}"
        );
    }
}
