//! Parties whose journals are rolled back to an earlier copy, as by a restored backup: they do again what is
//! missing, and what they sign is what they signed before.

use assay_ledger::{FailureReason, Outcome, Phase, Role};
use assay_machine::Machine;
use assay_proof::odds::Probability;
use assay_proof::parties::{Auditor, Provider};
use assay_proof::{Ask, Context, Input, Output, Traced};
use assay_sim::orders::{Actor, Cast, Plan, Play, play};

use crate::{HEAVY, assert_unslashed, counter, failures, honest, lazy, with_provider};

fn plan(copies: u8) -> Plan {
    Plan {
        steps: 8,
        segment_steps: 4,
        copies,
        delay: 1,
        deadline: 60,
        ..Plan::default()
    }
}

/// How far back: to the beginning, or half of the way.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Backup {
    Empty,
    Half,
}

/// Brings an order to so many blocks after its run was begun, puts older copies of their disks in place of
/// those of everybody in these roles, and plays it to its end; `None` where it had ended by then.
async fn restored(play: &mut Play, after: u32, (backup, roles): (Backup, &[Role])) -> Option<()> {
    play.run_until(|world| world.order().head.phase == Phase::Running)
        .await;
    let who: Vec<usize> = roles.iter().flat_map(|role| play.all(*role)).collect();
    let copies = |play: &Play| who.iter().map(|at| play.back_up(*at)).collect::<Vec<_>>();
    let mut kept = copies(play);
    for block in 0..after {
        if backup == Backup::Half && block == after / 2 {
            kept = copies(play);
        }
        play.tick().await;
        if play.order().head.phase.is_final() {
            return None;
        }
    }
    for (at, backup) in who.iter().zip(&kept) {
        play.restore(*at, backup);
    }
    play.run().await;
    Some(())
}

/// Plays an order for every moment at which backups can be restored, and looks at its end.
fn moments(
    plan: &Plan,
    cast: impl Fn() -> Cast,
    (backup, roles): (Backup, &[Role]),
    look: impl Fn(&Play, &str),
) {
    let mut count = 0;
    for after in 0.. {
        let ended = play(plan.clone(), cast(), counter, async |play| {
            restored(play, after, (backup, roles)).await?;
            look(play, &format!("{backup:?} {roles:?} {after}"));
            Some(())
        });
        if ended.is_none() {
            break;
        }
        count += 1;
    }
    println!("{backup:?} {roles:?}: {count} moments");
    assert!(count > 7, "an order lasts longer than that");
}

#[test]
fn a_restored_backup_costs_nobody_anything() {
    let cases: [&[Role]; 3] = [
        &[Role::Provider],
        &[Role::Auditor],
        &[Role::Provider, Role::Auditor, Role::Validator],
    ];
    for copies in [1, 2] {
        for roles in cases {
            for backup in [Backup::Empty, Backup::Half] {
                moments(&plan(copies), honest, (backup, roles), |world, told| {
                    let order = world.order();
                    assert_eq!(order.head.outcome, Some(Outcome::Paid), "{told}");
                    assert_eq!((failures(&order), &order.disputes[..]), (vec![], &[][..]));
                    assert_unslashed(world, Role::Provider, 0);
                    assert_unslashed(world, Role::Auditor, 0);
                });
            }
        }
    }
}

/// In a dispute too: whoever was right is right.
#[test]
fn a_restored_backup_loses_no_dispute() {
    let liar = || lazy(Probability::ALWAYS, 1);
    for backup in [Backup::Empty, Backup::Half] {
        moments(
            &plan(1),
            || with_provider(liar()),
            (backup, &[Role::Auditor]),
            |world, told| {
                let order = world.order();
                assert_eq!(order.head.outcome, Some(Outcome::Paid), "{told}");
                let reasons: Vec<_> = failures(&order).iter().map(|of| of.reason).collect();
                assert_eq!(reasons, [FailureReason::WrongResult], "{told}");
                assert_unslashed(world, Role::Auditor, 0);
            },
        );
        let copies = || {
            let mut cast = honest();
            cast.providers[0] = liar();
            cast
        };
        moments(
            &plan(2),
            copies,
            (backup, &[Role::Provider]),
            |world, told| {
                let order = world.order();
                assert_eq!(order.head.outcome, Some(Outcome::Paid), "{told}");
                let reasons: Vec<_> = failures(&order).iter().map(|of| of.reason).collect();
                assert_eq!(reasons, [FailureReason::WrongResult], "{told}");
                assert_unslashed(world, Role::Provider, 1);
            },
        );
    }
}

/// A party that does not compute again what its journal has lost after its commitment.
struct Resigned<M>(M, fn(Phase) -> bool);

impl<M: Machine<Protocol = Traced>> Machine for Resigned<M> {
    type Protocol = Traced;

    fn step(&mut self, at: &Context<'_>, input: Input) -> Vec<Output> {
        let mut outputs = self.0.step(at, input);
        if !(self.1)(at.view.order.head.phase) {
            outputs.retain(|output| !matches!(output, Output::Ask(_, Ask::Work(_))));
        }
        outputs
    }
}

/// The control: without that, a backup of before the commitment is the bond.
#[test]
fn who_does_not_do_it_again_loses_its_bond() {
    let provider = || {
        let resigned = |me| Resigned(Provider::new(me), |phase| phase == Phase::Running);
        with_provider(Actor::new(resigned, counter))
    };
    let auditor = || {
        let resigned = |me| Resigned(Auditor::new(me), |phase| phase == Phase::Auditing);
        let mut cast = honest();
        cast.auditors
            .insert(0, Actor::new(resigned, counter).bonded(HEAVY));
        cast
    };
    for (cast, role, until) in [
        (provider(), Role::Provider, Phase::Opening),
        (auditor(), Role::Auditor, Phase::Closing),
    ] {
        play(plan(1), cast, counter, async |play| {
            play.run_until(|world| world.order().head.phase == Phase::Running)
                .await;
            let first = play.all(role)[0];
            let (bond, backup) = (play.bond(first, role), play.back_up(first));
            play.run_until(|world| world.order().head.phase == until)
                .await;
            play.restore(first, &backup);
            play.run().await;
            assert!(play.bond(first, role) < bond, "{role:?}");
        });
    }
}
