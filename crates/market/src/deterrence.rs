//! The bond at which cheating stops to pay: measured, and by the formula of [`odds`](assay_proof::odds).
//!
//! A provider fakes its whole run, and accomplices that hold a share of the auditors' bonds pass it where
//! they have all seats. Who is drawn decides everything, so that is played most often: orders whose runs
//! are committed wait for the beacon, and their ledger is asked what the next block would draw under one
//! beacon after another. What a run brings that passes, one that is caught and an honest one is taken from
//! orders that are played to their end.

use std::collections::BTreeSet;

use assay_ledger::{AccountId, Amount, Event, OrderEvent, Phase, Role};
use assay_proof::odds::{Probability, Stakes};
use serde::Serialize;

use crate::population::{self, HEAVY};
use crate::settings::Settings;
use crate::strategies::{self, Kind, PROVIDER, Part, Plan, Strategy};
use crate::study::{self, Gain};
use crate::town::{Broken, Citizen, Town};

/// Orders that wait together: as many as one block draws for.
const TOGETHER: u64 = 32;
/// Accounts in which the accomplices come. The formula has the share of many; of few a draw that takes
/// one leaves less.
const ACCOUNTS: u32 = 100;
/// Two bonds between which what is lost by being caught is taken to be a straight line, in tokens.
const BONDS: [u64; 2] = [5, 95];
/// Orders of a study, at most, until one has passed and one was caught.
const TRIES: u64 = 64;

/// What is measured: shares of accomplices in parts per million, and auditors of an order.
pub(crate) const CASES: [(u32, u8); 3] = [(300_000, 1), (500_000, 1), (500_000, 2)];

/// A bond that makes cheating a loss.
#[derive(Clone, Debug, Serialize)]
pub struct BreakEven {
    /// Share of the auditors' bonds that accomplices hold, in parts per million.
    pub dishonest_ppm: u32,
    /// Auditors of the order.
    pub auditors: u8,
    /// What the work costs, which is what it pays here: in tokens.
    pub cost: f64,
    /// The bond at which faking everything brought as much as working, in tokens.
    pub measured: f64,
    /// Its standard error, in tokens.
    pub error: f64,
    /// The bond that the formula asks for, in tokens.
    pub formula: f64,
    /// Draws of auditors.
    pub draws: u64,
    /// Of these, draws in which all seats fell to accomplices.
    pub unseen: u64,
}

impl BreakEven {
    /// How far the measured bond is from the formula's, as a share of it.
    pub fn off(&self) -> f64 {
        self.measured / self.formula - 1.0
    }
}

/// Measures one case; calls `drawn` with how many draws were made.
pub(crate) fn measure(
    settings: &Settings,
    plan: &Plan,
    (dishonest_ppm, auditors): (u32, u8),
    drawn: &dyn Fn(u64),
) -> Result<BreakEven, Broken> {
    let mut settings = settings.clone();
    settings.auditors = auditors;
    settings.attempts = 1;
    // Work that costs all it pays, which nothing but the bond deters from faking.
    settings.cost = settings.price;
    // Orders that wait together are moved on together.
    settings.offer.orders = u16::MAX;
    let parameters = &mut settings.parameters;
    parameters.max_block_cost = u32::MAX;
    parameters.max_looks = u32::MAX;
    parameters.max_draws = u32::MAX;
    parameters.max_open_orders = u32::MAX;
    let (unseen, draws) = unseen(&settings, plan, dishonest_ppm, drawn)?;
    let passed = unseen as f64 / draws.max(1) as f64;
    let honest = returns(&settings, plan, 0, 0, true)?;
    let free = returns(&settings, plan, 1_000_000, dishonest_ppm, true)?;
    let mut caught = Vec::new();
    for bond in BONDS {
        settings.provider_bond = Amount::tokens(bond);
        caught.push((
            bond as f64,
            returns(&settings, plan, 1_000_000, dishonest_ppm, false)?,
        ));
    }
    let cost = settings.cost.0 as f64 / 1e6;
    // honest - cost = passed * free + (1 - passed) * (at + slope * bond)
    let slope = (caught[1].1 - caught[0].1) / (caught[1].0 - caught[0].0);
    let at = caught[0].1 - slope * caught[0].0;
    let bond = |passed: f64| {
        let lost = (honest - cost - passed * free) / (1.0 - passed);
        (lost - at) / slope
    };
    let spread = (passed * (1.0 - passed) / draws.max(1) as f64).sqrt();
    let stakes = Stakes {
        price: settings.price.0,
        bond: 0,
        challenger_share: Probability::NEVER,
        cost: settings.cost.0,
        dishonest: Probability::from_ppm(dishonest_ppm),
        auditors,
    };
    Ok(BreakEven {
        dishonest_ppm,
        auditors,
        cost,
        measured: bond(passed),
        error: (bond(passed + spread) - bond(passed - spread)).abs() / 2.0,
        formula: stakes.bond_needed().unwrap_or(u64::MAX) as f64 / 1e6,
        draws,
        unseen,
    })
}

/// What one run brings its provider, in tokens, before what the work cost: of the first order that was
/// paid for, or not.
fn returns(
    settings: &Settings,
    plan: &Plan,
    faked_ppm: u32,
    dishonest_ppm: u32,
    paid: bool,
) -> Result<f64, Broken> {
    let mut town = town(settings, plan, faked_ppm, dishonest_ppm)?;
    let strategy = Strategy {
        part: Part::Provider,
        name: "",
        kind: Kind::Cheat,
        ours: |_| Vec::new(),
        terms: |_| (),
        renames: false,
        crowds: false,
    };
    for _ in 0..TRIES {
        let gain: Gain = study::order(&mut town, settings, &strategy)?;
        if gain.paid == paid && gain.units == 1 {
            return Ok(gain.money as f64 / 1e6);
        }
    }
    Err(Broken::Stuck(Phase::Posted))
}

fn town(
    settings: &Settings,
    plan: &Plan,
    faked_ppm: u32,
    dishonest_ppm: u32,
) -> Result<Town, Broken> {
    let provider = strategies::named_lazy(PROVIDER, HEAVY, faked_ppm, plan.seed);
    let mut ours = strategies::bribed(dishonest_ppm, ACCOUNTS, PROVIDER);
    ours.push(provider);
    Town::found(settings, population::with(ours), plan.seed)
}

/// How often all seats of an order fall to accomplices, and in how many draws.
fn unseen(
    settings: &Settings,
    plan: &Plan,
    dishonest_ppm: u32,
    drawn: &dyn Fn(u64),
) -> Result<(u64, u64), Broken> {
    let mut town = town(settings, plan, 1_000_000, dishonest_ppm)?;
    let accomplices = strategies::bribed(dishonest_ppm, ACCOUNTS, PROVIDER);
    let ring = accomplices.iter().map(|of| Citizen::account(&of.name));
    let ring: BTreeSet<AccountId> = ring.collect();
    let orders = town.committed(settings, TOGETHER)?;
    let (mut unseen, mut draws) = (0, 0);
    for beacon in 0..plan.draws.div_ceil(orders.max(1)) {
        let seed = plan.seed.wrapping_mul(1_000_003).wrapping_add(beacon);
        let mut lists = 0;
        for event in town.would(seed)? {
            let Event::Order {
                event:
                    OrderEvent::Asked {
                        role: Role::Auditor,
                        accounts,
                    },
                ..
            } = event
            else {
                continue;
            };
            // Everybody accepts, so the first in rank take the seats.
            let mut seats = accounts.iter().take(settings.auditors.into());
            unseen += u64::from(seats.all(|account| ring.contains(account)));
            lists += 1;
        }
        draws += lists;
        drawn(lists);
    }
    Ok((unseen, draws))
}
