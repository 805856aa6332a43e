//! Running a scenario.

use std::collections::BTreeMap;
use std::time::{Duration, UNIX_EPOCH};

use assay_crypto::Digest;
use assay_crypto::stream::Stream;
use commonware_runtime::Runner as _;
use commonware_runtime::deterministic::{Config, Context, Runner};

use crate::links::Link;
use crate::report::Report;
use crate::scenario::{Fault, LinkSettings, Scenario};
use crate::world::{GENESIS_MS, World, WorldError};

/// What one step of every task that has something to do takes.
const STEP: Duration = Duration::from_micros(100);
/// How long a validator stays down after its power was cut.
const WITHOUT_POWER_MS: u64 = 1_000;
/// Seconds of churn without a kill after which somebody is killed whatever the draw says, so that
/// small networks see it happen.
const SPARED_AT_MOST: u64 = 20;

/// Runs a scenario to its end. Panics where the engine does, which is an error of the engine.
pub fn run(scenario: &Scenario) -> Result<Report, WorldError> {
    let config = Config::new()
        .with_seed(scenario.seed)
        .with_cycle(STEP)
        .with_start_time(UNIX_EPOCH + Duration::from_millis(GENESIS_MS));
    Runner::new(config).start(|context| play(context, scenario.clone()))
}

async fn play(context: Context, scenario: Scenario) -> Result<Report, WorldError> {
    let auditor = context.auditor();
    let link = link(scenario.links);
    let liars = scenario.lying();
    let world = World::new(
        context,
        scenario.seed,
        scenario.validators,
        scenario.pace.into(),
        link,
        &liars,
    )?;
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
    while let Some(((at_ms, _), step)) = play.steps.pop_first() {
        if at_ms >= scenario.duration_ms {
            break;
        }
        play.world.wait_until(at_ms).await;
        play.perform(step).await?;
    }
    play.world.wait_until(scenario.duration_ms).await;
    let lowest = play.world.compare();
    let failures = play.world.failures();
    let noted = play.world.watch().lock();
    let mut report = Report::new(&scenario, &noted, lowest, failures, play.killed);
    report.trace = auditor.state();
    Ok(report)
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
