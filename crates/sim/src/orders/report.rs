//! What came of the orders of one network.

use std::collections::BTreeMap;

use assay_ledger::{AccountId, Amount, FailureReason, Order, Outcome, Role};
use comfy_table::Table;
use serde::Serialize;

use super::World;
use super::plan::ProcedureName;
use super::rounds::Honest;

/// What came of one `[[orders]]` of a scenario: its order, and those beside it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OrderReport {
    /// How the orders ended, the first one first.
    pub endings: Vec<Ending>,
    /// Everybody.
    pub parties: Vec<PartyReport>,
    /// Honest parties that have lost bond in an order, or money in all orders together, fees aside.
    pub losses: Vec<String>,
    /// Honest parties that were not paid: whose work stands in an order that has ended, or who were
    /// kept waiting for keys.
    pub unpaid: Vec<String>,
    /// Honest parties that were asked, and are said not to have answered.
    pub missed: Vec<String>,
    /// Orders that waited for a draw for longer than the stated bound, although somebody takes them.
    pub closed: Vec<String>,
    /// What no party may bring about and yet happened.
    pub failures: Vec<String>,
    /// Hash over all blocks and what they did.
    pub history: String,
}

/// What came of one order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Ending {
    /// How it was to be done.
    pub procedure: ProcedureName,
    /// Whether it ended in the time there was.
    pub ended: bool,
    /// How it ended, or the phase that it is in.
    pub outcome: String,
    /// The height at which it ended, or of the last block.
    pub blocks: u64,
    /// Runs that were begun; in rounds, updates that were sent.
    pub runs: usize,
    /// Runs that came to nothing; in rounds, those whose trainer was put out.
    pub failed_runs: usize,
    /// Disputes; in rounds, those of its audits.
    pub disputes: usize,
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
    /// `lie_of` tells how somebody lies, by its role and its place among those who have it.
    pub(crate) fn new(
        world: &World,
        lie_of: impl Fn(Option<Role>, usize) -> Option<&'static str>,
    ) -> Self {
        let orders = world.find_orders();
        let audits = world.audits();
        let known: Vec<&Order> = orders.iter().flatten().chain(&audits).collect();
        let all_ended = world.is_over();
        let number = |id| {
            let place = orders
                .iter()
                .flatten()
                .position(|order| order.head.id == id);
            place.unwrap_or_default()
        };
        let named = |id| {
            let audit = audits.iter().find(|audit| audit.head.id == id);
            match audit.and_then(|audit| audit.head.audit_of.as_deref()) {
                Some(of) => format!(
                    "the audit of trainer {} in round {} of order {}",
                    of.trainer,
                    of.round,
                    number(of.order)
                ),
                None => format!("order {}", number(id)),
            }
        };
        let mut parties = Vec::new();
        let (mut losses, mut unpaid, mut missed) = (Vec::new(), Vec::new(), Vec::new());
        let mut places = BTreeMap::new();
        let mut honest = Honest::new();
        for (at, member) in world.members().into_iter().enumerate() {
            let place: &mut usize = places.entry(member.role).or_default();
            let lie = lie_of(member.role, *place);
            *place += 1;
            let (account, name) = (member.account, &member.name);
            let (earned, cuts) = (world.earned(at), world.cuts(at));
            let slashed: i128 = cuts.iter().map(|(_, amount, _)| i128::from(amount.0)).sum();
            if lie.is_none() {
                honest.insert(account, name.clone());
                for (order, amount, reason) in cuts {
                    let order = named(order);
                    losses.push(format!("{name} lost {amount} in {order}: {reason:?}"));
                }
                let gain = earned - slashed + bought(world, &known, account);
                if all_ended && gain < 0 {
                    losses.push(format!("{name} has {} less", tokens(-gain)));
                }
                let locked = world.locked(at);
                if all_ended && locked > Amount::ZERO {
                    losses.push(format!("{locked} of the bond of {name} stay locked"));
                }
                let due = |order: &&&Order| {
                    let ended = order.head.phase.is_final();
                    ended && (has_worked(order, account) || has_waited(order, account))
                };
                let worked = known.iter().filter(due);
                for order in worked.filter(|order| world.paid(order.head.id, account) == 0) {
                    unpaid.push(format!("{name} in {}", named(order.head.id)));
                }
                for order in world.missed(account) {
                    missed.push(format!("{name} in {}", named(order)));
                }
            }
            parties.push(PartyReport {
                name: member.name,
                lie,
                earned,
                slashed,
                kills: member.kills,
            });
        }
        let refused = || world.refused().pop().map(|(_, why)| why);
        let mut closed = world.closed();
        let mut endings = Vec::new();
        for (order, procedure) in orders.iter().zip(world.procedures()) {
            let mut ending = Ending {
                procedure,
                ..Ending::of(order.as_ref(), world.height().0, refused)
            };
            if let Some(order) = order.as_ref().filter(|of| of.head.terms.rounds.is_some()) {
                let place = number(order.head.id);
                let found = world.judge(order, &honest);
                let in_order = |what: String| format!("{what} of order {place}");
                unpaid.extend(found.unpaid.into_iter().map(in_order));
                missed.extend(found.missed.into_iter().map(in_order));
                closed.extend(found.unmerged.into_iter().map(in_order));
                let of = |audit: &&Order| {
                    let of = audit.head.audit_of.as_deref();
                    of.is_some_and(|of| of.order == order.head.id)
                };
                let audits = audits.iter().filter(of);
                ending.runs = found.updates;
                ending.failed_runs = found.put_out;
                ending.disputes = audits.map(|audit| audit.disputes.len()).sum();
            }
            endings.push(ending);
        }
        Self {
            endings,
            parties,
            losses,
            unpaid,
            missed,
            closed,
            failures: world.failures(),
            history: world.history().to_string(),
        }
    }

    /// What came of the first order.
    ///
    /// # Panics
    /// Never: there is one.
    pub fn first(&self) -> &Ending {
        self.endings.first().expect("an order")
    }

    /// Whether all orders ended, nobody honest lost anything, and nothing broke.
    pub fn is_sound(&self) -> bool {
        self.wrongs().is_empty()
    }

    /// Everything that must not be.
    pub fn wrongs(&self) -> Vec<String> {
        let found = [
            ("", &self.losses),
            ("unpaid: ", &self.unpaid),
            ("missed: ", &self.missed),
            ("", &self.closed),
            ("failed: ", &self.failures),
        ];
        let found = found.into_iter();
        let told = |(what, found): (&str, &Vec<String>)| {
            let told = found.iter().map(|wrong| format!("{what}{wrong}"));
            told.collect::<Vec<_>>()
        };
        let open = self.endings.iter().filter(|ending| !ending.ended);
        let open = open.map(|ending| ending.outcome.clone());
        found.flat_map(told).chain(open).collect()
    }

    /// For people to read.
    pub fn table(&self) -> String {
        let none_or = |found: &[String]| match found {
            [] => "none".to_owned(),
            some => some.join("\n"),
        };
        let mut rows = Vec::new();
        for ending in &self.endings {
            let procedure = ending.procedure.name();
            let runs = format!("{} ({} failed)", ending.runs, ending.failed_runs);
            rows.extend([
                ("procedure", procedure.to_owned()),
                ("outcome", ending.outcome.clone()),
                ("blocks", ending.blocks.to_string()),
                ("runs", runs),
                ("disputes", ending.disputes.to_string()),
            ]);
        }
        rows.extend([
            ("honest losers", none_or(&self.losses)),
            ("unpaid work", none_or(&self.unpaid)),
            ("answers missed", none_or(&self.missed)),
            ("kept waiting", none_or(&self.closed)),
            ("failures", none_or(&self.failures)),
            ("history", self.history.clone()),
        ]);
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

impl Ending {
    fn of(order: Option<&Order>, height: u64, refused: impl Fn() -> Option<String>) -> Self {
        let ended = order.filter(|order| order.head.phase.is_final());
        Self {
            procedure: ProcedureName::Traced,
            ended: ended.is_some(),
            outcome: match (order, refused()) {
                (Some(order), _) => match order.head.outcome {
                    Some(outcome) => outcome.to_string(),
                    None => format!("still {}", order.head.phase),
                },
                (None, Some(why)) => format!("not posted: {why}"),
                (None, None) => "not posted".to_owned(),
            },
            blocks: ended.map_or(height, |order| order.head.since.height.0),
            runs: order.map_or(0, |order| order.runs.len()),
            failed_runs: order.map_or(0, |order| order.failed().count()),
            disputes: order.map_or(0, |order| order.disputes.len()),
        }
    }
}

/// What a requester has spent on orders that it had to pay: no loss. An order with rounds pays whoever worked in
/// it, however it ends.
fn bought(world: &World, orders: &[&Order], requester: AccountId) -> i128 {
    let own = orders
        .iter()
        .filter(|order| order.head.requester == requester && order.head.audit_of.is_none());
    let (in_rounds, own): (Vec<&Order>, Vec<&Order>) =
        own.partition(|order| order.head.terms.rounds.is_some());
    let rounds = in_rounds.iter();
    let rounds = rounds.map(|order| i128::from(world.judge(order, &Honest::new()).paid));
    let own = own.iter();
    let paid = own.filter(|order| order.head.outcome.is_some_and(|out| PAID.contains(&out)));
    let prices = paid.filter_map(|order| order.head.terms.pay());
    prices.map(|price| i128::from(price.0)).chain(rounds).sum()
}

/// The outcomes for which a requester pays.
const PAID: [Outcome; 2] = [Outcome::Paid, Outcome::Failed];

/// Whether an account took an order and was left without keys: its requester owes it the idle fee. Of
/// copies, as long as no other one holds keys.
fn has_waited(order: &Order, account: AccountId) -> bool {
    let own = order.runs.iter().filter(|run| run.provider == account);
    own.into_iter().any(|run| match run.failed {
        Some(failure) => failure.reason == FailureReason::NotGranted,
        None => [Some(Outcome::Withdrawn), Some(Outcome::NotGranted)].contains(&order.head.outcome),
    })
}

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
