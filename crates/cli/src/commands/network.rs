//! `assay network`: who is there and how it is going.

use assay_api::views::{HeadView, Network, RoleView};
use assay_crypto::Digest;
use assay_ledger::{Amount, Lasting, query::Supply};
use clap::Args;
use serde::Serialize;

use crate::{
    args::Global,
    failure::Failure,
    output::{Output, facts, short, table},
    session::Session,
};

/// Show the network: its newest block, its members, where the money is
///
/// The newest block is verified against the validators of your genesis file. Members and money
/// are what the node says; `assay account show` verifies a single account.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  assay network\n  assay network --node http://10.0.0.7:8100 --json"
)]
pub(crate) struct ShowNetwork {}

#[derive(Serialize)]
struct NetworkReport {
    node: String,
    chain_name: String,
    chain_id: Digest,
    head: HeadView,
    age_ms: u64,
    ready: bool,
    healthy: bool,
    problems: Vec<String>,
    members: Vec<RoleView>,
    supply: Supply,
}

impl ShowNetwork {
    pub(crate) fn run(self, global: &Global, output: &Output) -> Result<(), Failure> {
        let session = Session::open(global)?;
        let status = session.status()?;
        let network: Network = session.light().node().get("/v1/network")?;
        let report = NetworkReport {
            node: session.light().node().base().to_owned(),
            chain_name: status.chain_name,
            chain_id: status.chain_id,
            head: status.head,
            age_ms: status.age_ms,
            ready: status.ready,
            healthy: status.healthy,
            problems: status.problems,
            members: network.members,
            supply: network.supply,
        };
        output.result(&report, |report| people(report, output))
    }
}

fn people(report: &NetworkReport, output: &Output) -> String {
    let tokens = |amount: Amount| format!("{amount} tokens");
    let supply = &report.supply;
    let adds_up = if supply.total == Some(supply.genesis) {
        "adds up"
    } else {
        "DOES NOT ADD UP"
    };
    let mut text = facts([
        (
            "network",
            format!(
                "{} ({})",
                output.strong(&report.chain_name),
                report.chain_id
            ),
        ),
        ("node", report.node.clone()),
        (
            "height",
            format!("{}, {} ago", report.head.height, Lasting(report.age_ms)),
        ),
        ("supply", format!("{}, {adds_up}", tokens(supply.genesis))),
        ("  balances", tokens(supply.balances)),
        ("  bonds", tokens(supply.bonds)),
        ("  unbonding", tokens(supply.unbonding)),
        ("  in orders", tokens(supply.escrow)),
        ("  fees", tokens(supply.treasury)),
        ("  slashed", tokens(supply.pot)),
    ]);
    for problem in &report.problems {
        text.push_str(&format!("problem  {problem}\n"));
    }
    let rows = report.members.iter().map(|member| {
        [
            member.role.to_string(),
            short(member.account),
            member.bond.to_string(),
            member.locked.to_string(),
            member.address.clone(),
        ]
    });
    text.push_str(&table(
        ["role", "account", "bond", "locked", "address"],
        rows,
    ));
    text
}
