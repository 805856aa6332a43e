//! What came of a simulation.

use assay_crypto::Digest;
use comfy_table::Table;
use serde::Serialize;

use crate::orders::OrderReport;
use crate::scenario::Scenario;
use crate::watch::{Noted, Seen};

/// Milliseconds in which something has to be committed.
const WINDOW_MS: u64 = 1_000;

/// What came of a simulation. Two runs of one scenario give equal reports.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Whether validators made the blocks; if not, nothing below is about blocks and votes.
    pub engine: bool,
    /// Validators of the genesis.
    pub validators: usize,
    /// How many of them lie.
    pub liars: usize,
    /// How many may lie or be down.
    pub tolerated: usize,
    /// What everything followed from.
    pub seed: u64,
    /// Virtual milliseconds.
    pub duration_ms: u64,
    /// Height of the highest final block.
    pub height: u64,
    /// Height that all honest validators that are up have reached.
    pub lowest: u64,
    /// Blocks after the first two that carry a beacon.
    pub beacons: usize,
    /// Transactions in final blocks.
    pub transactions: usize,
    /// Whole seconds after the first, in each of which a transaction waited; 0 if nobody was busy.
    pub windows: u64,
    /// Those in which one was committed.
    pub committing: u64,
    /// Longest time between two blocks, or between the last one and the end.
    pub longest_pause_ms: u64,
    /// Validators killed.
    pub killed: usize,
    /// Heights at which honest validators have different blocks, and blocks that got lost.
    pub forks: Vec<String>,
    /// Honest validators that contradicted themselves.
    pub double_votes: Vec<String>,
    /// Votes with which liars contradicted themselves, seen on the wire.
    pub contradictions: usize,
    /// Honest validators that stopped by themselves, and why.
    pub failures: Vec<String>,
    /// Honest validators that will not listen to another honest one any more.
    pub blocked_honest: Vec<(usize, usize)>,
    /// How often an honest validator stopped listening to a liar.
    pub blocked_liars: usize,
    /// Hash over all final blocks.
    pub chain: String,
    /// Hash over everything that any task did.
    pub trace: String,
    /// What came of each order.
    pub orders: Vec<OrderReport>,
    /// Every block, when the first honest validator had it.
    #[serde(skip)]
    pub seen: Vec<Seen>,
}

impl Report {
    pub(crate) fn new(
        scenario: &Scenario,
        noted: &Noted,
        lowest: u64,
        failures: Vec<String>,
        killed: usize,
    ) -> Self {
        let blocks: Vec<&[u8]> = noted.agreed.values().map(|d| d.0.as_slice()).collect();
        let last = scenario.duration_ms / WINDOW_MS;
        let windows = if scenario.busy { 1..last.max(1) } else { 0..0 };
        let commits = |second: &u64| {
            let committed =
                |seen: &Seen| seen.transactions > 0 && seen.at_ms / WINDOW_MS == *second;
            noted.seen.iter().any(committed)
        };
        let mut times: Vec<u64> = noted.seen.iter().map(|seen| seen.at_ms).collect();
        times.push(scenario.duration_ms);
        let pauses = times.iter().zip(times.iter().skip(1));
        Self {
            engine: true,
            validators: scenario.validators,
            liars: scenario.lying().len(),
            tolerated: scenario.tolerated(),
            seed: scenario.seed,
            duration_ms: scenario.duration_ms,
            height: noted.agreed.keys().next_back().copied().unwrap_or(0),
            lowest,
            beacons: noted.seen.iter().filter(|seen| seen.beacon).count(),
            transactions: noted.seen.iter().map(|seen| seen.transactions).sum(),
            windows: windows.end - windows.start,
            committing: windows.filter(commits).count() as u64,
            longest_pause_ms: pauses
                .map(|(one, next)| next.saturating_sub(*one))
                .max()
                .unwrap_or(0),
            killed,
            forks: noted.forks.clone(),
            double_votes: noted.double_votes.clone(),
            contradictions: noted.contradictions,
            failures,
            blocked_honest: noted.blocked_honest.clone(),
            blocked_liars: noted.blocked_liars,
            chain: Digest::of("assay/sim/chain/v1", &blocks).to_string(),
            trace: String::new(),
            orders: Vec::new(),
            seen: noted.seen.clone(),
        }
    }

    /// Of orders without an engine: nothing is said about blocks and votes.
    pub(crate) fn of_orders(
        scenario: &Scenario,
        orders: Vec<OrderReport>,
        traces: &[String],
    ) -> Self {
        let histories: Vec<&[u8]> = orders.iter().map(|o| o.history.as_bytes()).collect();
        let traces: Vec<&[u8]> = traces.iter().map(String::as_bytes).collect();
        let chain = Digest::of("assay/sim/chain/v1", &histories).to_string();
        let trace = Digest::of("assay/sim/traces/v1", &traces).to_string();
        let mut report = Self::new(scenario, &Noted::default(), 0, Vec::new(), 0);
        report.windows = 0;
        report.longest_pause_ms = 0;
        Self {
            chain,
            trace,
            orders,
            engine: false,
            ..report
        }
    }

    /// Whether nothing happened that the protocol rules out, however many validators lie, and every
    /// order ended without a loss to anybody honest.
    pub fn is_safe(&self) -> bool {
        self.forks.is_empty()
            && self.double_votes.is_empty()
            && self.failures.is_empty()
            && self.blocked_honest.is_empty()
            && self.orders.iter().all(OrderReport::is_sound)
    }

    /// The highest block that was final at a time, in milliseconds.
    pub fn height_at(&self, at_ms: u64) -> u64 {
        let before = self.seen.iter().filter(|seen| seen.at_ms <= at_ms);
        before.map(|seen| seen.height).max().unwrap_or(0)
    }

    /// When the first block above `height` became final.
    pub fn passed(&self, height: u64) -> Option<u64> {
        let above = self.seen.iter().filter(|seen| seen.height > height);
        above.map(|seen| seen.at_ms).min()
    }

    /// For people to read.
    pub fn table(&self) -> String {
        let orders = self.orders.iter().map(OrderReport::table);
        let network = self.engine.then(|| self.network_table());
        let tables: Vec<String> = network.into_iter().chain(orders).collect();
        tables.join("\n\n")
    }

    fn network_table(&self) -> String {
        let mut table = Table::new();
        table.load_style(comfy_table::presets::NOTHING);
        let none_or = |found: &[String]| match found {
            [] => "none".to_owned(),
            some => some.join("\n"),
        };
        let seconds = |ms: u64| format!("{}.{:03} s", ms / 1_000, ms % 1_000);
        let blocked: Vec<String> = self
            .blocked_honest
            .iter()
            .map(|(who, whom)| format!("{who} does not listen to {whom}"))
            .collect();
        let rows = [
            ("validators", self.validators.to_string()),
            (
                "liars",
                format!("{} (tolerated: {})", self.liars, self.tolerated),
            ),
            ("killed", self.killed.to_string()),
            ("seed", self.seed.to_string()),
            ("virtual time", seconds(self.duration_ms)),
            (
                "final blocks",
                format!("{} (all honest have {})", self.height, self.lowest),
            ),
            ("with a beacon", self.beacons.to_string()),
            ("transactions", self.transactions.to_string()),
            (
                "seconds that committed",
                format!("{} of {}", self.committing, self.windows),
            ),
            ("longest pause", seconds(self.longest_pause_ms)),
            ("forks", none_or(&self.forks)),
            ("double votes", none_or(&self.double_votes)),
            ("liars' double votes", self.contradictions.to_string()),
            ("failures", none_or(&self.failures)),
            ("honest blocked", none_or(&blocked)),
            ("liars blocked", self.blocked_liars.to_string()),
            ("chain", self.chain.clone()),
            ("trace", self.trace.clone()),
        ];
        for (name, value) in rows {
            table.add_row([name.to_owned(), value]);
        }
        table.to_string()
    }
}
