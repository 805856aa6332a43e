//! Playing everything, and what came of it as rows and verdicts.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use assay_proof::odds::{Probability, Stakes};
use serde::Serialize;

use crate::deterrence::{self, BreakEven};
use crate::settings::Settings;
use crate::strategies::{self, Kind, Part, Plan};
use crate::study::{self, Tally};
use crate::town::Broken;

/// How many standard errors two returns must be apart to count as different: by chance 1 in 1,000.
const APART: f64 = 3.29;

/// One way to play.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// Whose.
    pub part: Part,
    /// How.
    pub name: &'static str,
    /// Whether it keeps to the protocol.
    pub kind: Kind,
    /// Runs, seats or orders played.
    pub units: u64,
    /// Mean return for each, in tokens.
    pub mean: f64,
    /// Its standard error, in tokens.
    pub error: f64,
    /// What the work of a run would have to cost for it to bring as much as honesty, in tokens: `None`
    /// where it never does, or always.
    pub pays_from: Option<f64>,
    /// Whether it brings more than honesty, beyond chance.
    pub pays: bool,
    /// Whether it brings less than honesty, beyond chance.
    pub loses: bool,
}

/// What came of everything.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// All draws followed from it.
    pub seed: u64,
    /// Orders for each way to play.
    pub orders: u64,
    /// Share of the auditors' bonds that accomplices held, in parts per million.
    pub collusion_ppm: u32,
    /// What the work of a run cost, in tokens.
    pub cost: f64,
    /// The ways to play.
    pub rows: Vec<Row>,
    /// The dearest work at which an honest provider still earns, in tokens.
    pub provider_earns_until: f64,
    /// The dearest work at which an honest auditor still earns, in tokens.
    pub auditor_earns_until: f64,
    /// The dearest work for which faking loses money by the formula, with these accomplices and a
    /// cheater that is its own challenger: in tokens.
    pub deterred_cost: f64,
    /// Bonds at which cheating stops to pay.
    pub break_even: Vec<BreakEven>,
}

impl Report {
    /// The rows of a part.
    pub fn of(&self, part: Part) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(move |row| row.part == part)
    }

    /// The honest row of a part.
    pub fn honest(&self, part: Part) -> Option<&Row> {
        self.of(part).find(|row| row.kind == Kind::Honest)
    }

    /// The cheat of a part that brings most.
    pub fn best_cheat(&self, part: Part) -> Option<&Row> {
        let cheats = self.of(part).filter(|row| row.kind == Kind::Cheat);
        cheats.max_by(|a, b| a.mean.total_cmp(&b.mean))
    }

    /// What must not be and is: cheats that do not lose, and names that bring more.
    pub fn failures(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(|row| match row.kind {
            Kind::Cheat => !row.loses,
            Kind::Split => row.pays,
            Kind::Honest | Kind::Shirks => false,
        })
    }
}

/// How much there is to do for a plan: orders and draws, in the units of `progress`.
pub fn length(plan: &Plan) -> u64 {
    let orders = strategies::ALL.len() as u64 * plan.orders;
    orders + deterrence::CASES.len() as u64 * plan.draws / DRAWS_AN_ORDER
}

/// Draws that take about as long as an order.
const DRAWS_AN_ORDER: u64 = 32;

/// Plays everything, on as many threads as there are; `progress` is told how much more is done. The same
/// plan gives the same report.
///
/// # Errors
/// [`Broken`], which no way to play may bring about.
pub fn simulate(
    settings: &Settings,
    plan: &Plan,
    threads: usize,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<Report, Broken> {
    let (count, cases) = (strategies::ALL.len(), deterrence::CASES.len());
    let cases = if plan.draws == 0 { 0 } else { cases };
    let next = AtomicUsize::new(0);
    let tallies = Mutex::new(vec![None; count]);
    let bonds = Mutex::new(vec![None; cases]);
    let work = || -> Result<(), Broken> {
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            // What takes longest comes first.
            if let Some(case) = deterrence::CASES[..cases].get(at) {
                let drawn = |draws| progress(draws / DRAWS_AN_ORDER);
                let bond = deterrence::measure(settings, plan, *case, &drawn)?;
                keep(&bonds, at, bond);
            } else if let Some(strategy) = strategies::ALL.get(at - cases) {
                let tally = study::play(settings, plan, strategy, &|| progress(1))?;
                keep(&tallies, at - cases, tally);
            } else {
                return Ok(());
            }
        }
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads.max(1)).map(|_| scope.spawn(work)).collect();
        let ended = threads.into_iter().map(|thread| thread.join());
        ended.into_iter().try_for_each(|ended| match ended {
            Ok(done) => done,
            Err(panicked) => std::panic::resume_unwind(panicked),
        })
    })?;
    let bonds = bonds.into_inner().unwrap_or_default();
    let tallies = tallies.into_inner().unwrap_or_default();
    let tallies: Vec<Tally> = tallies.into_iter().flatten().collect();
    Ok(told(
        settings,
        plan,
        &tallies,
        bonds.into_iter().flatten().collect(),
    ))
}

fn keep<T>(all: &Mutex<Vec<Option<T>>>, at: usize, one: T) {
    if let Ok(mut all) = all.lock()
        && let Some(place) = all.get_mut(at)
    {
        *place = Some(one);
    }
}

fn told(settings: &Settings, plan: &Plan, tallies: &[Tally], break_even: Vec<BreakEven>) -> Report {
    let steps = settings.steps() as f64;
    let step_cost = settings.cost.0 as f64 / steps;
    let honest = |part: Part| {
        let mut all = strategies::ALL.iter().zip(tallies);
        all.find(|(of, _)| of.part == part && of.kind == Kind::Honest)
            .map(|(_, tally)| tally.clone())
            .unwrap_or_default()
    };
    let row = |(strategy, tally): (&crate::Strategy, &Tally)| {
        let base = honest(strategy.part);
        let ((mean, error), (at, spread)) = (tally.mean(step_cost), base.mean(step_cost));
        let apart = APART * (error.powi(2) + spread.powi(2)).sqrt();
        let (lost, saved) = (base.money() - tally.money(), base.steps() - tally.steps());
        let pays_from = (lost > 0.0 && saved > 0.0).then(|| lost / saved * steps);
        Row {
            part: strategy.part,
            name: strategy.name,
            kind: strategy.kind,
            units: tally.units(),
            mean,
            error,
            pays_from: pays_from.filter(|_| strategy.kind != Kind::Honest),
            pays: mean > at + apart,
            loses: mean < at - apart,
        }
    };
    let earns_until = |part| {
        let honest = honest(part);
        honest.money() / honest.steps().max(1.0) * steps
    };
    let stakes = Stakes {
        price: settings.price.0,
        bond: settings.provider_bond.0,
        challenger_share: Probability::from_ppm(settings.parameters.reward_rate.0),
        cost: 0,
        dishonest: Probability::from_ppm(plan.collusion_ppm),
        auditors: settings.auditors,
    };
    Report {
        seed: plan.seed,
        orders: plan.orders,
        collusion_ppm: plan.collusion_ppm,
        cost: settings.cost.0 as f64 / 1e6,
        rows: strategies::ALL.iter().zip(tallies).map(row).collect(),
        provider_earns_until: earns_until(Part::Provider),
        auditor_earns_until: earns_until(Part::Auditor),
        deterred_cost: stakes.deterred_cost() as f64 / 1e6,
        break_even,
    }
}
