//! Random lives of orders with rounds: whoever trains as agreed is paid for each round and loses nothing.

use std::collections::{BTreeMap, BTreeSet};

use assay_crypto::Digest;
use assay_crypto::stream::Stream;
use assay_ledger::{Bits, OrderCall, OrderId, Phase, ProcedureName, Status};

use super::{TRAINERS, run, terms, world};
use crate::world::{BOND, Run, Who, World};

/// What a trainer does in this life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Nature {
    Honest,
    /// Commits to other states than its work gives.
    Lazy,
    /// Sends, and then says nothing more.
    Mute,
}

struct Life {
    world: World,
    order: OrderId,
    dice: Stream,
    natures: BTreeMap<Who, Nature>,
    /// How likely it is, in percent, that somebody moves in a block.
    pace: u64,
    /// Rounds in which the update of a trainer could be had.
    had: BTreeMap<Who, u32>,
    followed: BTreeSet<(Phase, Phase)>,
    phase: Phase,
}

impl Life {
    fn new(seed: u64) -> Life {
        let mut dice = Stream::new(Digest::of("test/rounds", &[&seed.to_le_bytes()]), "life", 0);
        let mut world = world();
        world.beacon_seed = seed;
        let mut terms = terms(1 + dice.below(4) as u16);
        let of = terms.rounds.as_mut().unwrap();
        of.audited = 1 + dice.below(2) as u16;
        of.least = 1 + dice.below(3) as u16;
        let order = world.post_rounds(&terms);
        let pace = [3, 40, 60][dice.below(3) as usize];
        let natures = TRAINERS.map(|who| {
            let nature = match dice.below(6) {
                0 => Nature::Lazy,
                1 => Nature::Mute,
                _ => Nature::Honest,
            };
            (who, nature)
        });
        Life {
            world,
            order,
            pace,
            dice,
            natures: natures.into_iter().collect(),
            had: BTreeMap::new(),
            followed: BTreeSet::new(),
            phase: Phase::Joining,
        }
    }

    fn chance(&mut self, of_hundred: u64) -> bool {
        self.dice.below(100) < of_hundred
    }

    /// Notes in which phase the order is after whatever happened.
    fn note(&mut self) {
        let now = self.world.phase(self.order);
        if now != self.phase {
            self.followed.insert((self.phase, now));
            self.phase = now;
        }
    }

    fn advance(&mut self) {
        let before = self.world.told.len();
        self.world.advance(1);
        // A block can bring several phases, or one again.
        for told in &self.world.told[before..] {
            let assay_ledger::Event::Order { order, event } = &told.event else {
                continue;
            };
            if *order == self.order
                && let assay_ledger::OrderEvent::PhaseEntered { phase } = event
            {
                self.followed.insert((self.phase, *phase));
                self.phase = *phase;
            }
        }
        self.note();
    }

    fn step(&mut self) {
        let order = self.order;
        match self.world.phase(order) {
            Phase::Joining => self.joining(),
            Phase::Training => self.training(),
            Phase::Gathering => self.gathering(),
            Phase::Checking => self.checking(),
            Phase::Merging => self.merging(),
            _ => {}
        }
        self.note();
        self.advance();
    }

    fn joining(&mut self) {
        for who in TRAINERS {
            let joined = assay_ledger::query::trainer(&self.world.store, &self.order, &who.id());
            let may = self.world.phase(self.order) == Phase::Joining && joined.unwrap().is_none();
            if may && self.chance(self.pace) {
                let call = self.world.join_call(self.order, who);
                if self.world.would(who, call.clone()) == Status::Applied {
                    self.world.apply(who, call);
                }
            }
        }
        if self.world.phase(self.order) == Phase::Joining && self.chance(2) {
            let cancel = OrderCall::Cancel { order: self.order };
            self.world.apply(Who::Requester, cancel);
        }
    }

    fn said(&self, who: Who) -> Run {
        let truth = run(who, self.world.rounds(self.order).round);
        match self.natures[&who] {
            Nature::Lazy => truth.lying(2, "lazy"),
            _ => truth,
        }
    }

    fn training(&mut self) {
        for who in TRAINERS {
            if self.world.phase(self.order) != Phase::Training {
                return;
            }
            let (leaves, sends) = (self.chance(1), self.chance(self.pace));
            if leaves {
                let leave = OrderCall::Leave { order: self.order };
                if self.world.would(who, leave.clone()) == Status::Applied {
                    self.world.apply(who, leave);
                }
            } else if sends {
                let said = self.said(who);
                let call = self.world.update_call(self.order, who, &said);
                if self.world.would(who, call.clone()) == Status::Applied {
                    self.world.apply(who, call);
                }
            }
        }
    }

    fn gathering(&mut self) {
        let sent = self.world.rounds(self.order).sent;
        for i in 0..4 {
            if self.world.phase(self.order) != Phase::Gathering {
                return;
            }
            let updates = match i {
                // A liar.
                3 if self.chance(50) => Bits::default(),
                _ => sent.clone(),
            };
            let call = self.world.hold_call(self.order, updates);
            let validator = Who::Validator(i);
            let silent = !self.chance(self.pace);
            if !silent && self.world.would(validator, call.clone()) == Status::Applied {
                self.world.apply(validator, call);
            }
        }
    }

    fn checking(&mut self) {
        let audits = self.world.audits(self.order);
        let waits = |life: &Life, audit: &OrderId| life.world.phase(*audit) == Phase::Committed;
        if audits.iter().all(|audit| waits(self, audit)) {
            self.world.fill_all(&audits);
        }
        for audit in audits {
            let trainer = self.world.provider(audit);
            // Where no auditor is left, validators are seated after a while.
            for _ in 0..60 {
                match self.world.phase(audit) {
                    Phase::Committed | Phase::Seated => self.advance(),
                    Phase::Called => self.world.accept(audit),
                    _ => break,
                }
            }
            let mute = self.natures[&trainer] == Nature::Mute;
            if mute || self.world.phase(audit) != Phase::Opening {
                continue;
            }
            let (said, truth) = (
                self.said(trainer),
                run(trainer, self.world.rounds(self.order).round),
            );
            // One auditor may accuse whoever it audits.
            let framed = truth.clone().lying(1, "framing");
            let frames = self.chance(10);
            self.world.audit(audit, &said, |i, _| match i {
                0 if frames => framed.clone(),
                _ => truth.clone(),
            });
            while self.world.phase(audit) == Phase::Bisecting {
                let dispute = self.world.order(audit).dispute().cloned().unwrap();
                let claimed = match dispute.claimed == Some(framed.at(dispute.disputed.step)) {
                    true => &framed,
                    false => &truth,
                };
                self.world.bisect(audit, &said, claimed);
                let step = self.world.order(audit).dispute().unwrap().disputed.step;
                let leaf = Some(truth.at(step));
                self.world.judge(audit, &[(0, leaf), (1, leaf), (2, leaf)]);
            }
        }
    }

    fn merging(&mut self) {
        let round = self.world.rounds(self.order);
        let right = format!("model of {} {}", round.round, round.model.is_some());
        for i in 0..4 {
            if self.world.phase(self.order) != Phase::Merging {
                return;
            }
            let name = match i {
                3 => "a lie".to_owned(),
                _ => right.clone(),
            };
            if !self.chance(self.pace) {
                continue;
            }
            let call = self.world.model_call(self.order, i, &name);
            if self.world.would(Who::Validator(i), call.clone()) == Status::Applied {
                self.world.apply(Who::Validator(i), call);
            }
        }
    }

    /// Lives to the end.
    fn live(&mut self) {
        for _ in 0..2_000 {
            if self.world.phase(self.order).is_final() {
                return;
            }
            let before = self.world.rounds(self.order);
            self.step();
            // Counted as had when the round closes.
            let now = self.world.order(self.order).head.rounds.unwrap();
            if before.counted == Bits::default() && now.counted != Bits::default() {
                for who in TRAINERS {
                    let trainer =
                        assay_ledger::query::trainer(&self.world.store, &self.order, &who.id());
                    let number = trainer.unwrap().map(|of| of.number);
                    if number.is_some_and(|number| now.counted.has(number)) {
                        *self.had.entry(who).or_default() += 1;
                    }
                }
            }
        }
        panic!("it does not end: {:?}", self.world.order(self.order).head);
    }
}

/// Lives of these tests; `ASSAY_CASES` sets how many.
fn lives() -> u64 {
    let cases = std::env::var("ASSAY_CASES").ok();
    cases.and_then(|lives| lives.parse().ok()).unwrap_or(64)
}

#[test]
fn in_random_lives_honest_trainers_are_paid_for_every_round_and_lose_nothing() {
    let mut followed = BTreeSet::new();
    let mut endings = BTreeMap::new();
    for seed in 0..lives() {
        println!("seed {seed}");
        let mut life = Life::new(seed);
        life.live();
        let head = life.world.order(life.order).head;
        *endings.entry(format!("{:?}", head.outcome)).or_insert(0) += 1;
        for (who, nature) in &life.natures {
            let registration = life.world.registration(*who);
            assert_eq!(
                (registration.locked.0, registration.serving),
                (0, 0),
                "{who:?}"
            );
            if *nature != Nature::Honest {
                continue;
            }
            assert_eq!(registration.bond, BOND, "{who:?} lost some of its bond");
            let trainer = assay_ledger::query::trainer(&life.world.store, &life.order, &who.id());
            let stood = trainer.unwrap().map_or(0, |of| of.stood);
            assert_eq!(stood, life.had.get(who).copied().unwrap_or(0), "{who:?}");
        }
        followed.extend(life.followed);
    }
    println!("{endings:?}");
    let life = ProcedureName::Rounds.life().iter();
    let listed: BTreeSet<_> = life
        .flat_map(|row| row.next.iter().map(|next| (row.phase, *next)))
        .collect();
    let unlisted: Vec<_> = followed.difference(&listed).collect();
    assert!(unlisted.is_empty(), "not listed: {unlisted:?}");
    let never: Vec<_> = listed.difference(&followed).collect();
    // What only blocks without a beacon, or more trainers than here, bring about.
    let rare = |(from, to): &&(Phase, Phase)| from == to;
    assert!(never.iter().all(rare), "never seen: {never:?}");
    assert!(endings.len() >= 4, "{endings:?}");
}
