//! Random lives of contests: whoever trains as agreed loses nothing, and is paid if nobody was better.

use std::collections::{BTreeMap, BTreeSet};

use assay_crypto::Digest;
use assay_crypto::stream::Stream;
use assay_ledger::{
    Amount, Call, ClaimStage, Event, Hearing, OrderCall, OrderEvent, OrderId, Outcome, Phase, Ppm,
    ProcedureName, RunIndex, Scores, Status, Terms, query,
};

use super::{CLAIMANTS, run, sheet, terms, validators, world};
use crate::world::{BOND, Run, Who, World, salt};

/// What a claimant does in this life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Nature {
    Honest,
    /// Shows a model that its seed does not give.
    Copier,
    /// Claims, and commits to nothing.
    Late,
    /// Commits, and shows nothing.
    Mute,
}

struct Life {
    world: World,
    order: OrderId,
    dice: Stream,
    natures: BTreeMap<Who, Nature>,
    /// How likely it is, in percent, that somebody moves in a block.
    pace: u64,
    /// What honest validators find of each claimant; nothing where the test set cannot be read.
    truth: Option<BTreeMap<Who, Option<u64>>>,
    /// The requester has dealt rubbish to two validators.
    rubbish: bool,
    followed: BTreeSet<(Phase, Phase)>,
    phase: Phase,
}

fn some_terms(dice: &mut Stream) -> Terms {
    let mut terms = terms();
    let of = terms.contest.as_mut().unwrap();
    of.most = 2 + dice.below(2) as u16;
    of.least = 1 + dice.below(2) as u16;
    of.places = 1 + dice.below(of.most.into()) as u16;
    of.winner = Ppm(dice.below(1_000_001) as u32);
    terms
}

impl Life {
    fn new(seed: u64) -> Life {
        let mut dice = Stream::new(
            Digest::of("test/contest", &[&seed.to_le_bytes()]),
            "life",
            0,
        );
        let mut world = world();
        world.beacon_seed = seed;
        let order = world.post_contest(&some_terms(&mut dice));
        let pace = [4, 30, 60, 90][dice.below(4) as usize];
        let all_are_late = dice.below(24) == 0;
        let natures = CLAIMANTS.map(|who| {
            let nature = match dice.below(8) {
                _ if all_are_late => Nature::Late,
                0 => Nature::Copier,
                1 => Nature::Late,
                2 => Nature::Mute,
                _ => Nature::Honest,
            };
            (who, nature)
        });
        let scores = CLAIMANTS.map(|who| {
            let score = match dice.below(8) {
                0 => None,
                1 => Some(500_000),
                _ => Some(400_000 + dice.below(600_000)),
            };
            (who, score)
        });
        let readable = dice.below(6) > 0;
        Life {
            world,
            order,
            pace,
            natures: natures.into_iter().collect(),
            truth: readable.then(|| scores.into_iter().collect()),
            rubbish: dice.below(12) == 0,
            dice,
            followed: BTreeSet::new(),
            phase: Phase::Dealing,
        }
    }

    fn chance(&mut self, of_hundred: u64) -> bool {
        self.dice.below(100) < of_hundred
    }

    /// Notes every phase that was entered since so much was told.
    fn note(&mut self, from: usize) {
        for told in &self.world.told[from..] {
            let Event::Order { order, event } = &told.event else {
                continue;
            };
            let next = match event {
                _ if *order != self.order => continue,
                OrderEvent::PhaseEntered { phase } => *phase,
                OrderEvent::Ended { outcome } => outcome.phase(),
                _ => continue,
            };
            self.followed.insert((self.phase, next));
            self.phase = next;
        }
    }

    /// Makes a move if it would take effect.
    fn may(&mut self, who: Who, call: impl Into<Call>) {
        let (call, from) = (call.into(), self.world.told.len());
        if self.world.would(who, call.clone()) == Status::Applied {
            self.world.apply(who, call);
        }
        self.note(from);
    }

    fn advance(&mut self) {
        let from = self.world.told.len();
        self.world.advance(1);
        self.note(from);
    }

    fn said(&self, who: Who) -> Run {
        match self.natures[&who] {
            Nature::Copier => run(who).lying(2, "copied"),
            _ => run(who),
        }
    }

    fn step(&mut self) {
        let order = self.order;
        match self.world.phase(order) {
            Phase::Dealing if self.chance(self.pace) => self.deal(),
            Phase::Holding => self.hold(),
            Phase::Joining => self.join(),
            Phase::Claiming | Phase::Sealed => self.claims(),
            Phase::TestOpen => self.open(),
            Phase::Validating => self.score(None),
            Phase::Verifying if self.chance(8) => self.challenge(),
            Phase::Recounting => {
                let challenged = self.world.contest(order).challenge.map(|of| of.claim);
                self.score(challenged);
            }
            Phase::Checking => self.check(),
            _ => {}
        }
        self.advance();
    }

    fn deal(&mut self) {
        if self.chance(5) {
            let cancel = OrderCall::Cancel { order: self.order };
            return self.may(Who::Requester, cancel);
        }
        let (under, mut dealing) = self.world.dealing(self.order);
        if self.rubbish {
            dealing.sealed[1].0[50] ^= 1;
            dealing.sealed[2].0[50] ^= 1;
        }
        let call = self.world.deal_call(self.order, under, &dealing);
        self.may(Who::Requester, call);
    }

    /// The last validator lies.
    fn hold(&mut self) {
        for who in validators() {
            if self.world.phase(self.order) == Phase::Holding && self.chance(self.pace) {
                let good = self.world.share(self.order, who).is_some();
                let lies = who == Who::Validator(3);
                let call = self.world.check_call(self.order, good != lies);
                self.may(who, call);
            }
        }
    }

    fn join(&mut self) {
        for who in CLAIMANTS {
            if self.chance(self.pace) {
                self.may(who, OrderCall::Claim { order: self.order });
            } else if self.chance(3) {
                self.may(who, OrderCall::Leave { order: self.order });
            }
        }
        if self.chance(1) {
            self.may(Who::Requester, OrderCall::Cancel { order: self.order });
        }
    }

    /// Honest claimants do not wait for the last block.
    fn claims(&mut self) {
        let claimants: Vec<Who> = {
            let contest = self.world.contest(self.order);
            let entries = contest.entries.iter();
            entries.map(|of| Who::of(of.account)).collect()
        };
        for who in claimants {
            let (said, nature) = (self.said(who), self.natures[&who]);
            match self.world.phase(self.order) {
                Phase::Claiming if nature != Nature::Late => {
                    let call = self.world.seal_call(self.order, who, &said);
                    self.may(who, call);
                }
                Phase::Sealed if nature != Nature::Mute => {
                    if self.world.stage(self.order, who) == ClaimStage::Committed {
                        let from = self.world.told.len();
                        self.world.record_claim(self.order, who);
                        self.note(from);
                    }
                    if self.world.phase(self.order) == Phase::Sealed {
                        let call = self.world.show_call(self.order, who, &said);
                        self.may(who, call);
                    }
                }
                _ => {}
            }
        }
    }

    fn open(&mut self) {
        for who in validators() {
            let open = self.world.phase(self.order) == Phase::TestOpen;
            if open && self.chance(self.pace / 3) && self.world.share(self.order, who).is_some() {
                let call = self.world.open_call(self.order, who);
                self.may(who, call);
            }
        }
    }

    /// What a validator says of all scores, or of one.
    fn found(&self, who: Who, one: Option<u16>) -> Scores {
        let contest = self.world.contest(self.order);
        let listed = one.map_or(contest.listed.clone(), |one| vec![one]);
        if who == Who::Validator(3) {
            return sheet(&listed.iter().map(|_| Some(u64::MAX)).collect::<Vec<_>>());
        }
        let Some(truth) = &self.truth else {
            return Scores(None);
        };
        let of = |number: &u16| truth[&Who::of(contest.entry(*number).unwrap().account)];
        sheet(&listed.iter().map(of).collect::<Vec<_>>())
    }

    fn score(&mut self, one: Option<u16>) {
        let phase = self.world.phase(self.order);
        for who in validators() {
            if self.world.phase(self.order) != phase || !self.chance(self.pace) {
                continue;
            }
            let found = self.found(who, one);
            let now = query::now(&self.world.store).unwrap();
            let call = match self.world.order(self.order).scores_heard(now) {
                Some(Hearing::Sealed) => self.world.scores_commit(self.order, who, &found),
                _ => {
                    let place = self.world.order(self.order).contest_place().unwrap();
                    let contest = self.world.contest(self.order);
                    let mut made = contest.ballot.commitments.iter();
                    let committed = made.any(|of| of.validator == who.id());
                    OrderCall::RevealScores {
                        place,
                        scores: found,
                        salt: committed.then(|| salt(who)),
                    }
                }
            };
            self.may(who, call);
        }
    }

    fn challenge(&mut self) {
        let listed = self.world.contest(self.order).listed;
        let number = listed[self.dice.below(listed.len() as u64) as usize];
        let place = self.world.order(self.order).work(RunIndex(number.into()));
        let score = self.chance(50).then_some(1);
        let call = OrderCall::ChallengeScore { place, score };
        self.may(Who::Auditor(4), call);
    }

    fn check(&mut self) {
        let from = self.world.told.len();
        let audits = self.world.claim_audits(self.order);
        if audits
            .iter()
            .any(|(audit, _)| self.world.phase(*audit) == Phase::Committed)
        {
            self.world.seat_claim_audits(self.order);
        }
        for (audit, who) in audits {
            let (said, truth) = (self.said(who), run(who));
            match self.world.phase(audit) {
                Phase::Opening if said == truth => {
                    self.world.audit(audit, &said, |_, _| truth.clone());
                }
                Phase::Opening => self.world.fail_claim_audit(audit, &said, &truth),
                _ => {}
            }
        }
        self.note(from);
    }

    /// Lives to the end.
    fn live(&mut self) {
        for _ in 0..2_000 {
            if self.world.phase(self.order).is_final() {
                return;
            }
            self.step();
        }
        panic!("it does not end: {:?}", self.world.order(self.order).head);
    }

    fn judge(&self) {
        let (world, order) = (&self.world, self.order);
        let head = world.order(order).head;
        assert_eq!((head.escrow, head.deposit), (Amount::ZERO, Amount::ZERO));
        let contest = world.contest(order);
        let outcome = head.outcome.unwrap();
        let standing = |who: &Who| {
            let number = contest.number_of(&who.id());
            let entry = number.and_then(|number| contest.entry(number));
            entry.is_some_and(|of| of.stage == ClaimStage::Stands)
        };
        for (who, nature) in &self.natures {
            let registration = world.registration(*who);
            let locked = (registration.locked, registration.serving);
            assert_eq!(locked, (Amount::ZERO, 0), "{who:?}");
            let paid = world.paid(order, who.id());
            match nature {
                Nature::Honest => {
                    assert_eq!(registration.bond, BOND, "{who:?} lost some of its bond");
                    if outcome.pays_claims() && outcome != Outcome::Paid && standing(who) {
                        assert!(paid >= 7_500_000 / 3, "{who:?} worked for {paid}");
                    }
                }
                // An auditor may sleep, a judge does not: nobody passes another's model here.
                Nature::Copier | Nature::Late | Nature::Mute => {
                    assert_eq!(paid, 0, "{who:?} is a {nature:?} and got {paid}");
                }
            }
        }
        // The liar among the validators earned nothing by its lies.
        assert_eq!(self.earned_by_scoring(Who::Validator(3)), 0);
    }

    /// What a validator was paid when the contest ended.
    fn earned_by_scoring(&self, who: Who) -> u64 {
        let last = self.world.height();
        let paid = self
            .world
            .told
            .iter()
            .filter(|told| told.height == last || told.tx.is_none());
        let amounts = paid.filter_map(|told| match &told.event {
            Event::Order {
                order,
                event: OrderEvent::Paid { account, amount },
            } => (*order == self.order && *account == who.id()).then_some(amount.0),
            _ => None,
        });
        // Looking at shares, and judging, is paid apart.
        amounts.filter(|amount| *amount > 5_000).sum()
    }
}

/// Lives of these tests; `ASSAY_CASES` sets how many.
fn lives() -> u64 {
    let cases = std::env::var("ASSAY_CASES").ok();
    cases.and_then(|lives| lives.parse().ok()).unwrap_or(128)
}

#[test]
fn in_random_lives_honest_claimants_lose_nothing_and_nobody_is_paid_for_anothers_model() {
    let mut followed = BTreeSet::new();
    let mut endings = BTreeMap::new();
    for seed in 0..lives() {
        println!("seed {seed}");
        let mut life = Life::new(seed);
        life.live();
        let head = life.world.order(life.order).head;
        *endings.entry(format!("{:?}", head.outcome)).or_insert(0) += 1;
        life.judge();
        followed.extend(life.followed);
    }
    println!("{endings:?}");
    let life = ProcedureName::Contest.life().iter();
    let listed: BTreeSet<_> = life
        .flat_map(|row| row.next.iter().map(|next| (row.phase, *next)))
        .collect();
    let unlisted: Vec<_> = followed.difference(&listed).collect();
    assert!(unlisted.is_empty(), "not listed: {unlisted:?}");
    let never: Vec<_> = listed.difference(&followed).collect();
    println!("never: {never:?}");
    // What only blocks without a beacon bring about.
    let rare = |(from, to): &&(Phase, Phase)| from == to;
    assert!(never.iter().all(rare), "never seen: {never:?}");
    assert!(endings.len() >= 8, "{endings:?}");
}
