//! Running a scenario.

use std::collections::BTreeMap;
use std::time::Duration;

use assay_chain::deal;
use assay_crypto::stream::Stream;
use assay_crypto::{Digest, SecretKey};
use assay_ledger::Role;
use commonware_runtime::deterministic::Context;
use commonware_runtime::{Runner as _, Supervisor as _};

use crate::founding::{Endowment, client, genesis, members, registration, runner, validator_keys};
use crate::links::Link;
use crate::orders::{self, Beginning, CounterPrograms, World as Orders};
use crate::report::Report;
use crate::scenario::{Fault, LinkSettings, Scenario};
use crate::world::{World, WorldError};

/// How long a validator stays down after its power was cut.
const WITHOUT_POWER_MS: u64 = 1_000;
/// Seconds of churn without a kill after which somebody is killed whatever the draw says, so that
/// small networks see it happen.
const SPARED_AT_MOST: u64 = 20;

/// Runs a scenario to its end. Panics where the engine does, which is an error of the engine.
///
/// # Errors
/// [`WorldError`]: the network cannot be made, or a ledger is broken.
pub fn run(scenario: &Scenario) -> Result<Report, WorldError> {
    if !scenario.engine {
        return modelled(scenario);
    }
    runner(scenario.seed).start(|context| play(context, scenario.clone()))
}

async fn play(context: Context, scenario: Scenario) -> Result<Report, WorldError> {
    let auditor = context.auditor();
    let link = link(scenario.links);
    let liars = scenario.lying();
    let impossible = || WorldError::Genesis(scenario.validators);
    let secrets = validator_keys(scenario.validators);
    let publics: Vec<_> = secrets.iter().map(SecretKey::public).collect();
    let dealt = deal(&publics, [42; 32]).map_err(|_| impossible())?;
    let mut endowment = Endowment {
        accounts: vec![client()],
        registrations: Vec::new(),
        beacon_key: dealt.beacon_key.clone(),
        in_rounds: false,
    };
    let order = scenario.orders.first();
    let (genesis, order) = match order {
        None => {
            let registered = |secret| registration(secret, Role::Validator, 100);
            endowment.registrations = secrets.iter().map(registered).collect();
            let genesis = genesis(&secrets, endowment).ok_or_else(impossible)?;
            (genesis, None)
        }
        Some(order) => {
            let (plan, cast) = (order.plan(scenario.seed), order.cast(scenario.validators));
            let programs = || CounterPrograms;
            let (beginning, makers) = Beginning::new(plan, cast, programs, endowment)?;
            let genesis = beginning.genesis.clone();
            (genesis, Some((order, Orders::new(beginning), makers)))
        }
    };
    let members = members(&genesis, secrets, &dealt, scenario.pace.into());
    let members = members.ok_or_else(impossible)?;
    let parties = context.child("parties");
    let world = World::new(context, scenario.seed, members, link, &liars)?;
    let mut play = Play {
        random: Stream::new(Digest::of("assay/sim/v1", &[]), "churn", scenario.seed),
        tolerated: scenario.tolerated(),
        validators: scenario.validators,
        world,
        steps: BTreeMap::new(),
        planned: 0,
        away: 0,
        spared: 0,
        killed: 0,
    };
    for fault in &scenario.faults {
        play.plan(fault.at_ms(), Step::Fault(fault.clone()));
    }
    for port in play.world.ports() {
        play.world.start(port)?;
    }
    if scenario.busy {
        play.world.keep_busy();
    }
    let order = order.map(|(settings, orders, makers)| {
        orders.enter(&parties, makers);
        play.world.serve(orders.clone());
        (settings, orders)
    });
    while let Some(((at_ms, _), step)) = play.steps.pop_first() {
        if at_ms >= scenario.duration_ms {
            break;
        }
        play.world.wait_until(at_ms).await;
        play.perform(step).await?;
    }
    let mut told = scenario.clone();
    if let Some((_, orders)) = order.as_ref().filter(|_| !scenario.busy) {
        // Once nothing can happen to the orders any more, nobody is left to do anything.
        while !orders.is_over() && play.world.now_ms() < scenario.duration_ms {
            let next = play.world.now_ms() + 1_000;
            play.world.wait_until(next.min(scenario.duration_ms)).await;
        }
        told.duration_ms = play.world.now_ms();
    } else {
        play.world.wait_until(scenario.duration_ms).await;
    }
    let lowest = play.world.compare();
    let failures = play.world.failures();
    let orders = order.map(|(settings, orders)| settings.report(&orders));
    let noted = play.world.watch().lock();
    let mut report = Report::new(&told, &noted, lowest, failures, play.killed);
    report.trace = auditor.state();
    report.orders = orders.into_iter().collect();
    Ok(report)
}

/// Runs the orders of a scenario without an engine, one after the other, each from a seed of its own.
fn modelled(scenario: &Scenario) -> Result<Report, WorldError> {
    let mut reports = Vec::new();
    let mut traces = Vec::new();
    for (index, order) in scenario.orders.iter().enumerate() {
        let seed = scenario.seed.wrapping_add(index as u64);
        let (plan, cast) = (order.plan(seed), order.cast(scenario.validators));
        let most = scenario.duration_ms / 1_000;
        let played = runner(seed).start(async |context| {
            let mut play = orders::Play::begin(&context, plan, cast, || CounterPrograms)?;
            while !play.is_over() && play.height().0 < most {
                play.block().await?;
            }
            let report = order.report(&play);
            Ok::<_, WorldError>((report, context.auditor().state()))
        });
        let (report, trace) = played?;
        reports.push(report);
        traces.push(trace);
    }
    Ok(Report::of_orders(scenario, reports, &traces))
}

fn link(settings: LinkSettings) -> Link {
    Link {
        latency: Duration::from_millis(settings.latency_ms),
        jitter: Duration::from_millis(settings.jitter_ms),
        loss: settings.lost_per_mille,
    }
}

/// Something to do at a time.
enum Step {
    Fault(Fault),
    /// Start these again, if they are down.
    Restart(Vec<usize>),
    /// Start this one again, which churn killed.
    Return(usize),
    /// One second of churn.
    Churn {
        until_ms: u64,
        killed_per_mille: u32,
        away_ms: u64,
    },
    /// The power comes back: whoever has not stopped by itself is killed now.
    PowerBack(Vec<usize>),
}

struct Play {
    world: World,
    /// By time, then in the order in which they were planned.
    steps: BTreeMap<(u64, u64), Step>,
    planned: u64,
    random: Stream,
    tolerated: usize,
    validators: usize,
    /// Validators that churn has taken down.
    away: usize,
    /// Seconds of churn since it killed somebody.
    spared: u64,
    killed: usize,
}

impl Play {
    fn plan(&mut self, at_ms: u64, step: Step) {
        self.planned += 1;
        self.steps.insert((at_ms, self.planned), step);
    }

    async fn kill(&mut self, port: usize) {
        if self.world.is_up(port) {
            self.killed += 1;
            self.world.kill(port).await;
        }
    }

    async fn perform(&mut self, step: Step) -> Result<(), WorldError> {
        match step {
            Step::Fault(fault) => self.fail(fault).await?,
            Step::Restart(validators) => {
                for port in validators {
                    self.world.start(port)?;
                }
            }
            Step::Return(port) => {
                self.away = self.away.saturating_sub(1);
                self.world.start(port)?;
            }
            Step::Churn {
                until_ms,
                killed_per_mille,
                away_ms,
            } => {
                self.churn(killed_per_mille, away_ms).await;
                let next = self.world.now_ms() / 1_000 * 1_000 + 1_000;
                if next <= until_ms {
                    let step = Step::Churn {
                        until_ms,
                        killed_per_mille,
                        away_ms,
                    };
                    self.plan(next, step);
                }
            }
            Step::PowerBack(validators) => {
                for port in validators {
                    self.kill(port).await;
                    self.world.start(port)?;
                }
            }
        }
        Ok(())
    }

    async fn fail(&mut self, fault: Fault) -> Result<(), WorldError> {
        match fault {
            Fault::Kill { validators, .. } => {
                for port in validators {
                    self.kill(port).await;
                }
            }
            Fault::Restart { validators, .. } => {
                Box::pin(self.perform(Step::Restart(validators))).await?;
            }
            Fault::PowerCut {
                at_ms,
                validators,
                sync,
            } => {
                for port in &validators {
                    self.world.fail_at_sync(*port, sync);
                }
                self.plan(at_ms + WITHOUT_POWER_MS, Step::PowerBack(validators));
            }
            Fault::Partition { parts, .. } => self.world.links().part(|port| {
                let found = parts.iter().position(|part| part.contains(&port));
                found.map_or(0, |part| part + 1)
            }),
            Fault::Heal { .. } => self.world.links().part(|_| 0),
            Fault::Links { links, .. } => self.world.links().set(link(links)),
            Fault::KillLeader { others, .. } => {
                let leader = self.next_leader();
                for step in 0..=others {
                    self.kill((leader + step) % self.validators).await;
                }
            }
            Fault::Churn {
                at_ms,
                until_ms,
                killed_per_mille,
                away_ms,
            } => {
                let step = Step::Churn {
                    until_ms,
                    killed_per_mille,
                    away_ms,
                };
                self.plan(at_ms, step);
            }
        }
        Ok(())
    }

    /// Whose turn it is to propose the block after the newest final one: views go round.
    fn next_leader(&self) -> usize {
        let view = self.world.watch().lock().view + 1;
        let leader = view % self.validators as u64;
        usize::try_from(leader).unwrap_or(0)
    }

    async fn churn(&mut self, killed_per_mille: u32, away_ms: u64) {
        self.spared += 1;
        let honest = self.world.honest().to_vec();
        let chosen = self.random.below(honest.len() as u64) as usize;
        for (place, port) in honest.into_iter().enumerate() {
            let drawn = self.random.below(1_000) < u64::from(killed_per_mille);
            let due = self.spared > SPARED_AT_MOST && place == chosen;
            if (drawn || due) && self.away < self.tolerated && self.world.is_up(port) {
                self.spared = 0;
                self.away += 1;
                let back_ms = self.world.now_ms() + away_ms;
                self.kill(port).await;
                self.plan(back_ms, Step::Return(port));
            }
        }
    }
}
