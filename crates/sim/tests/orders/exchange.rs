//! The exchange of a result for its price between real parties, one of which stops at every moment there
//! is: for a while, or for good.

use std::sync::Arc;

use assay_crypto::tiles::Writer;
use assay_ledger::{
    AccountId, FailureReason, Order, Outcome, Phase, Role, Run, StepIndex, Verdict,
};
use assay_proof::parties::{Provider, Requester};
use assay_proof::{Program, ProgramError, Programs, StepReport, Task};
use assay_sim::liars::judges::SilentJudge;
use assay_sim::liars::providers::{Withheld, WithholdingProvider};
use assay_sim::liars::requesters::FalseComplaint;
use assay_sim::orders::{self, Actor, BALANCE, Cast, CounterPrograms, Plan, play};

use crate::{HEAVY, counter, failures, honest};

/// The requester's place among the members.
const REQUESTER: usize = 0;

fn plan() -> Plan {
    Plan {
        steps: 8,
        segment_steps: 4,
        delay: 1,
        deadline: 60,
        ..Plan::default()
    }
}

/// Who stops, and whether it comes back.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Stops {
    Requester,
    Provider,
    Both,
}

/// How an order ended.
struct Ended {
    order: Order,
    first: AccountId,
    /// What the first provider has won, bond and fees aside.
    earned: bool,
    slashed: bool,
}

impl Ended {
    /// The run of the first provider.
    fn first_run(&self) -> &Run {
        let mut runs = self.order.runs.iter();
        runs.find(|run| run.provider == self.first).unwrap()
    }
}

/// Plays an order in which somebody stops so many blocks after its run was begun; `None` when it had
/// ended by then.
fn stopped(cast: Cast, stops: Stops, after: u32, for_good: bool) -> Option<Ended> {
    play(plan(), cast, counter, async |play| {
        play.run_until(|world| world.order().head.phase == Phase::Running)
            .await;
        let first = play.order().provider().unwrap();
        let provider = play.place_of(first).unwrap();
        let bond = play.bond(provider, Role::Provider);
        for _ in 0..after {
            play.tick().await;
            if play.order().head.phase.is_final() {
                return None;
            }
        }
        let who: &[usize] = match stops {
            Stops::Requester => &[REQUESTER],
            Stops::Provider => &[provider],
            Stops::Both => &[REQUESTER, provider],
        };
        for at in who {
            match for_good {
                true => play.stay_away(*at),
                false => play.kill(*at),
            }
        }
        let order = play.run().await;
        Some(Ended {
            order,
            first,
            earned: play.balance(provider) > BALANCE,
            slashed: play.bond(provider, Role::Provider) < bond,
        })
    })
}

/// Every moment of an order at which somebody can stop.
fn moments(cast: impl Fn() -> Cast, stops: Stops, for_good: bool) -> Vec<(u32, Ended)> {
    let ended = (0..).map(|after| Some((after, stopped(cast(), stops, after, for_good)?)));
    let ended: Vec<_> = ended.map_while(|ended| ended).collect();
    println!("{stops:?}, for good: {for_good}: {} moments", ended.len());
    assert!(ended.len() > 10, "an order lasts longer than that");
    ended
}

#[test]
fn whoever_comes_back_finishes_the_exchange() {
    for stops in [Stops::Requester, Stops::Provider, Stops::Both] {
        for (after, ended) in moments(honest, stops, false) {
            let Ended { order, first, .. } = &ended;
            assert_eq!(order.head.outcome, Some(Outcome::Paid), "{stops:?} {after}");
            assert_eq!(failures(order), [], "{stops:?} {after}");
            assert_eq!(order.provider(), Some(*first));
            assert!(order.run().unwrap().released.is_some());
            assert!(ended.earned && !ended.slashed, "{stops:?} {after}");
        }
    }
}

#[test]
fn a_requester_that_is_gone_takes_nothing_with_it() {
    for (after, ended) in moments(honest, Stops::Requester, true) {
        let order = &ended.order;
        assert_eq!(order.head.outcome, Some(Outcome::Paid), "{after}");
        assert!(ended.earned && !ended.slashed, "{after}");
        assert!(order.run().unwrap().released.is_some(), "{after}");
    }
}

/// Up to the release another provider does the work and is paid; from then on the first one is.
#[test]
fn a_provider_that_is_gone_is_paid_if_it_has_released_the_key() {
    let mut paid = 0;
    for (after, ended) in moments(honest, Stops::Provider, true) {
        let order = &ended.order;
        let run = ended.first_run();
        let released = run.released.is_some();
        assert_eq!(order.head.outcome, Some(Outcome::Paid), "{after}");
        assert_eq!(ended.earned, released, "{after}");
        assert_eq!(ended.slashed, !released, "{after}");
        // Whoever is paid has released a key: nobody pays for nothing.
        assert!(order.run().unwrap().released.is_some(), "{after}");
        paid += u32::from(released);
    }
    assert!(paid > 0, "the order went on after the release");
}

#[test]
fn where_both_are_gone_the_one_that_did_its_part_is_paid() {
    for (after, ended) in moments(honest, Stops::Both, true) {
        let order = &ended.order;
        let run = ended.first_run();
        assert_eq!(ended.earned, run.released.is_some(), "{after}");
        if order.head.outcome == Some(Outcome::Paid) {
            assert!(order.run().unwrap().released.is_some(), "{after}");
        }
    }
}

/// A complaint about a good result that nobody answers: who complains has to show what it got.
#[test]
fn a_false_complaint_wins_nothing_from_a_provider_that_is_gone() {
    let liar = || Cast {
        requester: Arc::new(|me, keys| Box::new(FalseComplaint::new(Requester::new(me, keys)))),
        ..honest()
    };
    let mut unanswered = 0;
    for (after, ended) in moments(liar, Stops::Provider, true) {
        let order = &ended.order;
        let run = ended.first_run();
        if run.released.is_none() {
            assert_eq!(run.failed.unwrap().reason, reason(run), "{after}");
            continue;
        }
        assert_eq!(order.head.outcome, Some(Outcome::Paid), "{after}");
        assert!(ended.earned && !ended.slashed, "{after}");
        unanswered += u32::from(order.disputes[0].verdict == Some(Verdict::None));
    }
    assert!(unanswered > 0, "no complaint was left unanswered");
}

/// Why a provider that is gone before its release fails: it is late with something.
fn reason(run: &Run) -> FailureReason {
    match run.trace {
        None => FailureReason::Late,
        Some(_) => FailureReason::Withheld,
    }
}

/// Programs whose states are as long as some tiles.
#[derive(Clone, Copy)]
struct LongPrograms;

struct Long(Box<dyn Program>);

impl Programs for LongPrograms {
    fn build(&self, task: &Task) -> Result<Box<dyn Program>, ProgramError> {
        Ok(Box::new(Long(CounterPrograms.build(task)?)))
    }
}

impl Program for Long {
    fn restart(&mut self) -> Result<(), ProgramError> {
        self.0.restart()
    }

    fn restore(&mut self, bytes: &[u8]) -> Result<(), ProgramError> {
        self.0.restore(&bytes[..bytes.len().min(32)])
    }

    fn advance(&mut self, step: StepIndex) -> Result<StepReport, ProgramError> {
        self.0.advance(step)
    }

    fn write(&self, to: &mut Writer<'_>) {
        for _ in 0..1_500 {
            self.0.write(to);
        }
    }
}

/// A network whose first provider stores this as its result, and whose validators judge nothing.
fn unjudged(stores: Option<Withheld>) -> Cast {
    let mut cast = Cast::honest((2, 3, 0), || LongPrograms);
    let judges = (0..4).map(|_| Actor::new(|_| SilentJudge, || LongPrograms));
    cast.validators = judges.collect();
    let first = match stores {
        Some(withheld) => Actor::new(
            move |me| WithholdingProvider::new(me, withheld),
            || LongPrograms,
        ),
        None => Actor::new(Provider::new, || LongPrograms),
    };
    cast.providers.insert(0, first.bonded(HEAVY));
    cast
}

/// The ledger judges by what the requester shows it: nobody else has to be there.
#[test]
fn garbage_is_not_paid_though_no_validator_looks() {
    for withheld in [
        Withheld::Result,
        Withheld::ResultTile,
        Withheld::ResultState,
        Withheld::ResultLength,
        Withheld::ResultKey,
    ] {
        let (world, order) = orders::run(plan(), unjudged(Some(withheld)), || LongPrograms);
        let failed = failures(&order);
        assert_eq!(failed.len(), 1, "{withheld:?}");
        assert_eq!(failed[0].reason, FailureReason::WrongResult, "{withheld:?}");
        assert!(failed[0].slashed.0 > 0 && failed[0].disputes.is_empty());
        let cheater = world.all(Role::Provider)[0];
        assert_eq!(failed[0].provider, world.members()[cheater].account);
        assert!(world.balance(cheater) <= BALANCE, "{withheld:?}");
        // The next one is paid, and the requester has its result.
        assert_eq!(order.head.outcome, Some(Outcome::Paid), "{withheld:?}");
        assert_eq!(world.refused(), [], "{withheld:?}");
    }
}

/// What stands beside the state does not matter to whoever has the state.
#[test]
fn a_result_is_paid_whatever_stands_behind_it() {
    for stores in [None, Some(Withheld::ResultNodes)] {
        let (_, order) = orders::run(plan(), unjudged(stores), || LongPrograms);
        assert_eq!(failures(&order), [], "{stores:?}");
        assert_eq!(order.head.outcome, Some(Outcome::Paid), "{stores:?}");
    }
}
