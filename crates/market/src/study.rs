//! Playing one strategy for many orders, and what came of it.

use assay_ledger::{Order, Outcome, Phase, Role, StepIndex};

use crate::population;
use crate::settings::Settings;
use crate::strategies::{PROVIDER, Part, Plan, RENAMED, Strategy, named_lazy};
use crate::town::{Broken, Town};
use crate::work;

/// What one order brought those whose return is measured.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Gain {
    /// Whether the order ended with a result that was paid for.
    pub(crate) paid: bool,
    /// Money and the worth of results, in micro-tokens; what work cost is not taken off yet.
    pub(crate) money: i128,
    /// Steps computed for it.
    pub(crate) steps: u64,
    /// Runs, seats or orders: whatever the return is told for.
    pub(crate) units: u64,
}

/// What all orders of a strategy brought.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    pub(crate) gains: Vec<Gain>,
}

impl Tally {
    /// Runs, seats or orders in all.
    pub fn units(&self) -> u64 {
        self.gains.iter().map(|gain| gain.units).sum()
    }

    /// Mean return for each unit, in tokens, where a step costs so many micro-tokens; and its standard
    /// error, from how orders differ among each other.
    pub fn mean(&self, step_cost: f64) -> (f64, f64) {
        let units = self.units();
        if units == 0 {
            return (0.0, 0.0);
        }
        let of = |gain: &Gain| gain.money as f64 - gain.steps as f64 * step_cost;
        let mean = self.gains.iter().map(of).sum::<f64>() / units as f64;
        let off = |gain: &Gain| (of(gain) - mean * gain.units as f64).powi(2);
        let spread = self.gains.iter().map(off).sum::<f64>().sqrt() / units as f64;
        (mean / 1e6, spread / 1e6)
    }

    /// Mean money for each unit, in tokens, before what work cost is taken off.
    pub fn money(&self) -> f64 {
        self.mean(0.0).0
    }

    /// Mean of the steps computed for each unit.
    pub fn steps(&self) -> f64 {
        let steps: u64 = self.gains.iter().map(|gain| gain.steps).sum();
        steps as f64 / (self.units().max(1)) as f64
    }
}

/// Plays a strategy; calls `played` after each order.
///
/// # Errors
/// [`Broken`] where the game cannot be played, which no strategy may bring about.
pub(crate) fn play(
    settings: &Settings,
    plan: &Plan,
    strategy: &Strategy,
    played: &dyn Fn(),
) -> Result<Tally, Broken> {
    let mut settings = settings.clone();
    let worth = settings.worth();
    (strategy.terms)(&mut settings);
    let citizens = population::with((strategy.ours)(plan));
    let mut town = Town::found(&settings, citizens, plan.seed)?;
    let mut name = strategy.renames.then(|| PROVIDER.to_owned());
    let mut gains = Vec::new();
    let start = town.wealth()?;
    // Longer than the orders that are played meanwhile take.
    let open_ms = 3_600_000 + plan.orders * 100_000;
    let decoys = match strategy.crowds {
        true => population::keep_busy(&mut town, &settings, open_ms)?,
        false => Vec::new(),
    };
    let prepared = town.wealth()? - start;
    for number in 0..plan.orders {
        let (gain, caught) = played_once(&mut town, &settings, strategy, worth)?;
        gains.push(gain);
        if let Some(name) = name.as_mut().filter(|_| caught) {
            let next = format!("provider again {number}");
            let from = town.place(name).unwrap_or(0);
            let agent = named_lazy(&next, RENAMED, 100_000, plan.seed ^ (number + 1));
            let before = town.wealth()?;
            town.rename(from, agent)?;
            if let Some(last) = gains.last_mut() {
                last.money += town.wealth()? - before;
            }
            *name = next;
        }
        played();
    }
    let before = town.wealth()?;
    town.bring(&decoys, Phase::Settled)?;
    if let Some(last) = gains.last_mut() {
        last.money += town.wealth()? - before + prepared;
    }
    town.check_supply()?;
    Ok(Tally { gains })
}

/// One order of a town, and what it brought.
pub(crate) fn order(
    town: &mut Town,
    settings: &Settings,
    strategy: &Strategy,
) -> Result<Gain, Broken> {
    played_once(town, settings, strategy, settings.worth()).map(|(gain, _)| gain)
}

fn played_once(
    town: &mut Town,
    settings: &Settings,
    strategy: &Strategy,
    worth: u64,
) -> Result<(Gain, bool), Broken> {
    let (requester, key) = Town::requester();
    let before = (town.wealth()?, town.steps());
    let order = town.order(settings.terms(requester, key))?;
    let buys = matches!(strategy.part, Part::Requester | Part::Gang);
    let worth = match buys && is_good(town, &order) {
        true => i128::from(worth),
        false => 0,
    };
    let gain = Gain {
        paid: order.head.outcome == Some(Outcome::Paid),
        money: town.wealth()? - before.0 + worth,
        steps: town.steps() - before.1,
        units: units(town, strategy.part, &order),
    };
    town.vault.forget(order.head.id);
    Ok((gain, was_caught(town, &order)))
}

/// Whether a provider of ours lost its bond.
fn was_caught(town: &Town, order: &Order) -> bool {
    let mut failed = order.failures();
    failed.any(|(run, failure)| town.is_ours(run.provider) && failure.slashed.0 > 0)
}

/// Whether the requester has a good result: one whose key was released to it, and that is what an honest
/// run gives. It can read nothing before, whoever it pays or does not.
fn is_good(town: &Town, order: &Order) -> bool {
    let last = StepIndex(order.head.terms.steps);
    order.runs.iter().any(|run| {
        let Some(seed) = run.seed.filter(|_| run.released.is_some()) else {
            return false;
        };
        let mut state = work::first(&seed);
        for step in 1..=last.0 {
            state = work::next(&state, StepIndex(step));
        }
        town.vault.state(order.head.id, run.index, last) == Some(state)
    })
}

fn units(town: &Town, part: Part, order: &Order) -> u64 {
    let runs = order.runs.iter();
    let count = match part {
        Part::Provider => runs.filter(|run| town.is_ours(run.provider)).count(),
        Part::Auditor => {
            let seats = runs.flat_map(|run| run.seats());
            let ours = seats.filter(|seat| seat.role == Role::Auditor);
            ours.filter(|seat| town.is_ours(seat.auditor)).count()
        }
        _ => 1,
    };
    count as u64
}
