//! `assay why`: how an order or a transaction came to its end.

mod story;

use assay_crypto::Digest;
use assay_ledger::{
    Amount, FailureReason, Height, Order, OrderId, Outcome, Phase, Status, Store, Trainer, TxId,
    query,
};
use clap::Args;
use serde::Serialize;

use self::story::{Moment, story};
use crate::{
    args::Global,
    failure::{Failure, Kind},
    output::{Output, facts},
    session::Session,
};

/// Tell how an order or a transaction came to its end, from verified evidence
///
/// For an order: who was asked and what they said, who was drawn, what was audited with which odds, what was disputed, who judged,
/// who was paid or slashed and for what. For a transaction: whether it took effect, and why not.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  assay why 5d20...\n  assay why 5d20... --json")]
pub(crate) struct Why {
    /// The order or the transaction
    #[arg(value_name = "ORDER|TX")]
    name: Digest,
}

#[derive(Serialize)]
struct OrderReport {
    order: OrderId,
    phase: Phase,
    outcome: Option<Outcome>,
    /// Probability in parts per million that cheating in a tenth of the run is noticed.
    detection_of_a_tenth_ppm: u32,
    failures: Vec<FailureReport>,
    story: Vec<Moment>,
}

#[derive(Serialize)]
struct FailureReport {
    provider: assay_crypto::PublicKey,
    reason: FailureReason,
    /// Micro-tokens.
    slashed: Amount,
}

#[derive(Serialize)]
struct TransactionReport {
    tx: TxId,
    height: Height,
    index: u32,
    applied: bool,
    refusal: Option<String>,
    events: Vec<assay_ledger::Event>,
}

/// Trainers that are told of at most.
const MOST_TRAINERS: u16 = 64;

/// The first trainers of an order with rounds.
fn trainers(session: &Session, order: &Order) -> Result<Vec<Trainer>, Failure> {
    let all = order.head.rounds.as_ref().map_or(0, |of| of.numbered);
    let mut trainers = Vec::new();
    for number in 0..all.min(MOST_TRAINERS) {
        let read = |store: &dyn Store| query::numbered_trainer(store, &order.head.id, number);
        trainers.extend(session.light().read(read)?);
    }
    Ok(trainers)
}

impl Why {
    pub(crate) fn run(self, global: &Global, output: &Output) -> Result<(), Failure> {
        let session = Session::open(global)?;
        let id = OrderId(self.name);
        if let Some(order) = session.light().read(|store| query::order(store, &id))? {
            let failures = order.failures().map(|(run, failure)| FailureReport {
                provider: run.provider,
                reason: failure.reason,
                slashed: failure.slashed,
            });
            let report = OrderReport {
                order: id,
                phase: order.head.phase,
                outcome: order.head.outcome,
                detection_of_a_tenth_ppm: story::detection(&order).ppm(),
                failures: failures.collect(),
                story: story(
                    &order,
                    (
                        &session
                            .light()
                            .read(|store| query::lists(store, &order.head))?,
                        &trainers(&session, &order)?,
                    ),
                    session.light().read(query::now)?,
                ),
            };
            return output.result(&report, |report| {
                let mut text = facts([
                    ("order", output.strong(report.order)),
                    ("phase", report.phase.to_string()),
                ]);
                for moment in &report.story {
                    text.push_str(&format!("{:>8}  {}\n", moment.height.0, moment.text));
                }
                text
            });
        }
        let tx = TxId(self.name);
        let Some(included) = session.light().receipt(tx)? else {
            let text = format!(
                "the network has neither an order nor a transaction {}",
                self.name
            );
            return Err(Failure::say(Kind::NotFound, text).hint(
                "`assay job list` lists orders; a transaction sent just now may need a moment",
            ));
        };
        let refusal = match &included.receipt.status {
            Status::Applied => None,
            Status::Refused(refusal) => Some(refusal.to_string()),
        };
        let report = TransactionReport {
            tx,
            height: included.height,
            index: included.index,
            applied: refusal.is_none(),
            refusal,
            events: included.receipt.events,
        };
        output.result(&report, |report| {
            let effect = match &report.refusal {
                None => "it took effect".to_owned(),
                Some(refusal) => format!("refused: {refusal}"),
            };
            facts([
                ("transaction", output.strong(report.tx)),
                (
                    "block",
                    format!("height {}, place {}", report.height, report.index),
                ),
                ("outcome", effect),
            ])
        })
    }
}
