//! What came of an order.

use std::collections::BTreeMap;

use assay_ledger::{AccountId, Amount, Order, Outcome};
use comfy_table::Table;
use serde::Serialize;

use super::World;
use crate::scenario::{OrderSettings, ProcedureName};

/// What came of one order of a scenario.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OrderReport {
    /// How it was to be done.
    pub procedure: ProcedureName,
    /// Whether it ended in the time there was.
    pub ended: bool,
    /// How it ended, or the phase that it is in.
    pub outcome: String,
    /// The height at which it ended, or of the last block.
    pub blocks: u64,
    /// Runs that were begun.
    pub runs: usize,
    /// Runs that came to nothing.
    pub failed_runs: usize,
    /// Disputes.
    pub disputes: usize,
    /// Everybody.
    pub parties: Vec<PartyReport>,
    /// Honest parties that have lost money when it ended, fees aside.
    pub losses: Vec<String>,
    /// Honest parties whose work stands and was not paid, in an order that has ended.
    pub unpaid: Vec<String>,
    /// What no party may bring about and yet happened.
    pub failures: Vec<String>,
    /// Hash over all blocks and what they did.
    pub history: String,
}

/// What came of the order for one party.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PartyReport {
    /// Its name.
    pub name: String,
    /// How it lies, if it does.
    pub lie: Option<&'static str>,
    /// What it has more than at the start, fees and bond aside, in the ledger's smallest unit.
    pub earned: i128,
    /// What its bond is smaller than at the start, in the same unit.
    pub slashed: i128,
    /// How often it was killed.
    pub kills: u32,
}

impl OrderReport {
    pub(crate) fn new(settings: &OrderSettings, world: &World) -> Self {
        let order = world.find_order();
        let ended = order.as_ref().filter(|order| order.head.phase.is_final());
        let mut parties = Vec::new();
        let (mut losses, mut unpaid) = (Vec::new(), Vec::new());
        let mut places = BTreeMap::new();
        for (at, member) in world.members().into_iter().enumerate() {
            let place: &mut usize = places.entry(member.role).or_default();
            let lie = settings.lie_of(member.role, *place);
            *place += 1;
            let earned = world.earned(at);
            let slashed = world.slashed(at);
            // What a requester has paid for is no loss.
            let paid =
                ended.filter(|order| order.head.outcome.is_some_and(|out| PAID.contains(&out)));
            let price = match (member.role, paid) {
                (None, Some(order)) => order.head.terms.pay().map_or(0, |price| price.0),
                _ => 0,
            };
            let gain = earned - slashed + i128::from(price);
            if ended.is_some() && lie.is_none() && gain < 0 {
                losses.push(format!("{} lost {}", member.name, tokens(-gain)));
            }
            if lie.is_none()
                && earned <= 0
                && ended.is_some_and(|order| has_worked(order, member.account))
            {
                unpaid.push(member.name.clone());
            }
            parties.push(PartyReport {
                name: member.name,
                lie: lie.map(|lie| lie.name()),
                earned,
                slashed,
                kills: member.kills,
            });
        }
        let refused = match &order {
            Some(_) => None,
            None => world.refused().pop().map(|(_, why)| why),
        };
        Self {
            procedure: settings.procedure,
            ended: ended.is_some(),
            outcome: match (&order, refused) {
                (Some(order), _) => match order.head.outcome {
                    Some(outcome) => outcome.to_string(),
                    None => format!("still {}", order.head.phase),
                },
                (None, Some(why)) => format!("not posted: {why}"),
                (None, None) => "not posted".to_owned(),
            },
            blocks: ended
                .map_or(world.height(), |order| order.head.since.height)
                .0,
            runs: order.as_ref().map_or(0, |order| order.runs.len()),
            failed_runs: order.as_ref().map_or(0, |order| order.failed().count()),
            disputes: order.as_ref().map_or(0, |order| order.disputes.len()),
            parties,
            losses,
            unpaid,
            failures: world.failures(),
            history: world.history().to_string(),
        }
    }

    /// Whether it ended, nobody honest lost anything, and nothing broke.
    pub fn is_sound(&self) -> bool {
        let nobody = self.losses.is_empty() && self.unpaid.is_empty();
        self.ended && nobody && self.failures.is_empty()
    }

    /// For people to read.
    pub fn table(&self) -> String {
        let none_or = |found: &[String]| match found {
            [] => "none".to_owned(),
            some => some.join("\n"),
        };
        let procedure = match self.procedure {
            ProcedureName::Traced => "traced",
            ProcedureName::Redundant => "redundant",
        };
        let rows = [
            ("procedure", procedure.to_owned()),
            ("outcome", self.outcome.clone()),
            ("blocks", self.blocks.to_string()),
            (
                "runs",
                format!("{} ({} failed)", self.runs, self.failed_runs),
            ),
            ("disputes", self.disputes.to_string()),
            ("honest losers", none_or(&self.losses)),
            ("unpaid work", none_or(&self.unpaid)),
            ("failures", none_or(&self.failures)),
            ("history", self.history.clone()),
        ];
        let mut summary = plain();
        for (name, value) in rows {
            summary.add_row([name.to_owned(), value]);
        }
        let mut parties = plain();
        parties.add_row(["party", "lies", "earned", "slashed", "killed"].map(str::to_owned));
        for party in &self.parties {
            parties.add_row([
                party.name.clone(),
                party.lie.unwrap_or("no").to_owned(),
                tokens(party.earned),
                tokens(party.slashed),
                party.kills.to_string(),
            ]);
        }
        format!("{summary}\n\n{parties}")
    }
}

/// The outcomes for which a requester pays.
const PAID: [Outcome; 2] = [Outcome::Paid, Outcome::Failed];

/// Whether an account is the provider of a committed run that stands, or sat in an audit of it whose
/// answers stand.
fn has_worked(order: &Order, account: AccountId) -> bool {
    order.standing().any(|run| {
        let committed = run.trace.is_some() || run.commitment.is_some();
        let provided = run.provider == account && committed;
        provided || run.passed().any(|seat| seat.auditor == account)
    })
}

fn plain() -> Table {
    let mut table = Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    table
}

/// A sum that may be below zero.
fn tokens(sum: i128) -> String {
    let size = Amount(u64::try_from(sum.unsigned_abs()).unwrap_or(u64::MAX));
    match sum < 0 {
        true => format!("-{size}"),
        false => size.to_string(),
    }
}
