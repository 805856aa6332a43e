//! Random lives: whatever the parties do or leave undone, money is conserved, moves that are not
//! theirs change nothing, the same blocks give the same state, and every order comes to an end.
//!
//! `ASSAY_CASES` sets the number of lives (64 unless told).

use std::collections::BTreeMap;

use assay_crypto::Digest;
use assay_crypto::stream::Stream;
use assay_ledger::{
    Amount, AuditResults, BoundedString, BoundedVec, Call, Deadlines, DeclineReason, Dispute,
    Order, OrderId, Parameters, Phase, Question, Role, StepIndex, Terms, query,
};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use crate::world::{Run, Who, World, file, file_id, salt, sealed, terms};

/// What happens in one life is drawn from one seed.
struct Life {
    random: Stream,
    world: World,
    orders: Vec<OrderId>,
    committed: BTreeMap<(OrderId, u8, Who), AuditResults>,
}

impl Life {
    fn new(seed: u64) -> Life {
        let mut random = Stream::new(Digest::of("test/life", &[]), "life", seed);
        let mut world = World::with(Parameters {
            unbonding_blocks: 1 + random.below(6) as u32,
            max_rounds: 1 + random.below(3) as u8,
            ..Parameters::default()
        });
        world.beacon_seed = seed;
        Life {
            random,
            world,
            orders: Vec::new(),
            committed: BTreeMap::new(),
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
        Terms {
            steps,
            segment_steps: 1 + self.random.below(steps) as u32,
            segments_drawn: 1 + self.random.below(5) as u32,
            auditors: 1 + self.random.below(3) as u8,
            attempts: 1 + self.random.below(3) as u8,
            price: Amount(1 + self.random.below(20_000_000)),
            auditor_fee: Amount(self.random.below(1_000_000)),
            provider_bond: Amount(1_000_000 + self.random.below(30_000_000)),
            auditor_bond: Amount(1_000_000 + self.random.below(30_000_000)),
            deadlines: Deadlines::all(2 + self.random.below(3) as u32),
            ..terms()
        }
    }

    /// The run that a provider claims in an attempt: mostly the truth.
    fn claim(&self, order: &Order) -> Run {
        let seed = order.assignment.as_ref().map_or(Digest::ZERO, |a| a.seed);
        match seed.0[0] % 4 {
            0 => Run::lie(
                &order.head.terms,
                u64::from(seed.0[1]) % (order.head.terms.steps + 1),
                "liar",
            ),
            _ => Run::truth(&order.head.terms),
        }
    }

    fn post(&mut self) {
        let terms = self.terms();
        let inputs: Vec<_> = ["model", "train"]
            .iter()
            .map(|name| {
                (
                    Who::Requester,
                    FileCall::Put(Box::new(file(Who::Requester, name))),
                )
            })
            .collect();
        self.world.block(inputs);
        let nonce = self.world.nonce(Who::Requester);
        let order = OrderId::new(self.world.chain, Who::Requester.id(), nonce);
        self.world
            .block(vec![(Who::Requester, OrderCall::Post(Box::new(terms)))]);
        if query::order(&self.world.store, &order).unwrap().is_some() {
            self.orders.push(order);
        }
    }

    /// One block of moves that the parties of every order might make.
    fn block(&mut self) {
        let mut calls = Vec::new();
        for order in query::active_orders(&self.world.store).unwrap() {
            self.moves(&order, &mut calls);
        }
        if self.likely(20) {
            let stray = self.stray();
            calls.push(stray);
        }
        self.world.block(calls);
    }

    fn moves(&mut self, order: &Order, calls: &mut Vec<(Who, Call)>) {
        let id = order.head.id;
        let provider = order.provider().map(Who::of);
        match order.head.phase {
            Phase::Posted if self.likely(2) => {
                calls.push((Who::Requester, OrderCall::Cancel { order: id }));
            }
            Phase::Assigned if self.likely(70) => {
                let grantee = order.provider().unwrap();
                let call = OrderCall::Grant {
                    place: world.here(order),
                    grantee,
                    sealed: sealed("keys"),
                };
                calls.push((Who::Requester, call));
            }
            Phase::Running if self.likely(10) => {
                let reason = DeclineReason::Keys;
                calls.push((provider.unwrap(), OrderCall::Decline { place: world.here(order), reason }));
            }
            Phase::Running if self.likely(70) => self.commit(order, calls),
            Phase::Opening => self.opening(order, calls),
            Phase::Auditing | Phase::Revealing => self.seats(order, calls),
            Phase::Closing if self.likely(80) => {
                let openings = self.claim(order).openings(&ends(order));
                calls.push((
                    provider.unwrap(),
                    OrderCall::OpenEnds {
                        place: world.here(order),
                        openings,
                    },
                ));
            }
            Phase::Bisecting => self.bisect(order, calls),
            Phase::Attesting => self.attest(order, calls),
            Phase::Accepted if self.likely(30) => {
                calls.push((Who::Requester, OrderCall::Accept { order: id }));
            }
            Phase::Accepted if self.likely(20) => {
                calls.push((Who::Requester, OrderCall::Complain { order: id }));
            }
            _ => {}
        }
    }

    fn commit(&mut self, order: &Order, calls: &mut Vec<(Who, Call)>) {
        let provider = Who::of(order.provider().unwrap());
        let segments = order.head.terms.segments();
        let name = |i: u32| format!("{} {i}", order.head.id);
        for i in 0..=segments {
            calls.push((
                provider,
                FileCall::Put(Box::new(file(provider, &name(i)[..20]))),
            ));
        }
        let checkpoints = vec![file_id(&name(0)[..20]); segments as usize];
        let call = OrderCall::CommitTrace {
            place: world.here(order),
            root: self.claim(order).root(),
            checkpoints: BoundedVec::new(checkpoints).unwrap(),
            result: file_id(&name(0)[..20]),
        };
        calls.push((provider, call));
    }

    fn opening(&mut self, order: &Order, calls: &mut Vec<(Who, Call)>) {
        let provider = Who::of(order.provider().unwrap());
        if self.likely(80) {
            let openings = self.claim(order).openings(&starts(order));
            calls.push((
                provider,
                OrderCall::OpenStarts {
                    place: world.here(order),
                    openings,
                },
            ));
        }
        for seat in &order.round().unwrap().seats {
            if self.likely(85) {
                let (order, grantee) = (order.head.id, seat.auditor);
                calls.push((
                    provider,
                    OrderCall::Grant {
                        place: world.here(order),
                        grantee,
                        sealed: sealed("some"),
                    },
                ));
            }
        }
    }

    fn seats(&mut self, order: &Order, calls: &mut Vec<(Who, Call)>) {
        for seat in order.round().unwrap().seats.clone() {
            let auditor = Who::of(seat.auditor);
            let key = (order.head.id, order.attempt, auditor);
            if order.head.phase == Phase::Auditing && seat.commitment.is_none() && self.likely(75) {
                let results = self.results(order);
                let commitment = results.commitment(&world.here(order), seat.auditor, &salt(auditor));
                self.committed.insert(key, results);
                calls.push((
                    auditor,
                    OrderCall::CommitAudit {
                        place: world.here(order),
                        commitment,
                    },
                ));
            }
            // A stray commitment has no results behind it and is never revealed.
            let results = self.committed.get(&key).cloned();
            if let Some(results) = results.filter(|_| order.head.phase == Phase::Revealing)
                && !seat.slashed
                && self.likely(75)
            {
                let call = OrderCall::RevealAudit {
                    place: world.here(order),
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
            1 => Run::lie(
                &order.head.terms,
                self.random.below(order.head.terms.steps + 1),
                "auditor",
            ),
            _ => Run::truth(&order.head.terms),
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

    fn bisect(&mut self, record: &Order, calls: &mut Vec<(Who, Call)>) {
        let dispute = record.dispute().unwrap();
        let (order, step) = (record.head.id, dispute.middle().unwrap());
        if self.likely(80) {
            let opening = self.claim(record).opening(step);
            let (leaf, path) = (opening.leaf, Some(opening.path));
            calls.push((
                Who::of(record.provider().unwrap()),
                OrderCall::Bisect { place: world.here(order), leaf, path },
            ));
        }
        if self.likely(80) {
            let truth = Run::truth(&record.head.terms).at(step);
            let leaf = if self.likely(80) {
                truth
            } else {
                self.digest()
            };
            let challenger = Who::of(dispute.challenger);
            calls.push((
                challenger,
                OrderCall::Bisect {
                    place: world.here(order),
                    leaf,
                    path: None,
                },
            ));
        }
    }

    fn attest(&mut self, record: &Order, calls: &mut Vec<(Who, Call)>) {
        let order = record.head.id;
        let honest = self.finding(record, record.dispute().unwrap());
        for i in 0..4 {
            if self.likely(70) {
                let leaf = if self.likely(85) {
                    honest
                } else {
                    Some(self.digest())
                };
                calls.push((Who::Validator(i), OrderCall::Attest { place: world.here(order), leaf }));
            }
        }
    }

    fn finding(&self, order: &Order, dispute: &Dispute) -> Option<Digest> {
        match dispute.question {
            Question::Initial | Question::Step => {
                Some(Run::truth(&order.head.terms).at(dispute.disputed.step))
            }
            // Whether files and grants are good is not modelled: by the order's name.
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
        let call = match self.random.below(13) {
            0 => AccountCall::Transfer {
                to: grantee,
                amount,
            },
            1 => AccountCall::Register {
                role,
                bond: amount,
                encryption_key: terms().encryption_key,
                address: BoundedString::new("x").unwrap(),
            },
            2 => AccountCall::Unregister { role },
            3 => OrderCall::Cancel { order },
            4 => OrderCall::Grant {
                place: world.here(order),
                grantee,
                sealed: sealed("stray"),
            },
            5 => OrderCall::Decline {
                place: world.here(order),
                reason: DeclineReason::Inputs,
            },
            6 => OrderCall::CommitAudit {
                place: world.here(order),
                commitment: leaf,
            },
            7 => OrderCall::Bisect {
                place: world.here(order),
                leaf,
                path: None,
            },
            8 => OrderCall::Attest {
                place: world.here(order),
                leaf: Some(leaf),
            },
            9 => OrderCall::Complain { order },
            10 => OrderCall::Accept { order },
            11 => OrderCall::OpenEnds {
                place: world.here(order),
                openings: BoundedVec::default(),
            },
            _ => OrderCall::OpenStarts {
                place: world.here(order),
                openings: Run::truth(&terms()).openings(&[StepIndex(0)]),
            },
        };
        (who, call)
    }

    /// Nobody moves any more.
    fn wait_for_the_end(&mut self) -> Result<(), TestCaseError> {
        for _ in 0..400 {
            if query::active_orders(&self.world.store).unwrap().is_empty() {
                break;
            }
            self.world.advance(1);
        }
        prop_assert!(
            query::active_orders(&self.world.store).unwrap().is_empty(),
            "an order is stuck"
        );
        self.world.advance(7);
        let store = &self.world.store;
        for order in query::orders(store).unwrap() {
            prop_assert!(order.head.phase.is_final());
            prop_assert_eq!((order.head.escrow, order.head.deposit), (Amount::ZERO, Amount::ZERO));
        }
        for role in Role::ALL {
            for (_, registration) in query::registrations(store, role).unwrap() {
                prop_assert_eq!(registration.locked, Amount::ZERO, "a bond stays locked");
            }
        }
        prop_assert!(
            query::unbonding(store).unwrap().is_empty(),
            "a bond never came back"
        );
        // Nothing is left in any index of orders.
        let indexed = store
            .pairs()
            .keys()
            .filter(|key| b"dwx".contains(&key[0]))
            .count();
        prop_assert_eq!(indexed, 0);
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

/// The lives above do reach every ending; a generator that went stale would show here.
#[test]
fn random_lives_are_varied() {
    let mut endings = BTreeMap::new();
    let mut failures = BTreeMap::new();
    let mut verdicts = BTreeMap::new();
    for seed in 0..150 {
        let world = live(seed, 60).unwrap();
        for order in query::orders(&world.store).unwrap() {
            *endings.entry(format!("{:?}", order.head.outcome)).or_insert(0) += 1;
            for failure in &order.failures {
                let name = format!("{:?}", failure.reason);
                let name = name.split('(').next().unwrap().to_owned();
                *failures.entry(name).or_insert(0) += 1;
            }
            let past = order.failures.iter().flat_map(|failure| &failure.disputes);
            for dispute in past.chain(&order.disputes) {
                let name = format!("{:?} {:?}", dispute.question, dispute.verdict);
                *verdicts.entry(name).or_insert(0) += 1;
            }
        }
    }
    assert!(endings.len() >= 6, "{endings:?}");
    assert_eq!(failures.len(), 6, "{failures:?}");
    assert!(verdicts.len() >= 12, "{verdicts:?}");
}
