//! The result of a trial: everything a late auditor recomputes from the files it lies beside.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use assay_api::ChainView;
use assay_crypto::Digest;
use assay_job::Sample;
use assay_ledger::{
    Amount, Event, Order, OrderEvent, OrderId, Phase, ReadError, SegmentIndex, Store, TxId, query,
};
use assay_node::{
    devnet::{Devnet, chain_dir},
    pace::Pace,
    requester::Requester,
};
use serde::{Deserialize, Serialize};

use super::Finished;

/// One order of a trial.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Run {
    /// The order.
    pub(crate) job_id: OrderId,
    /// Digest of the final state.
    pub(crate) state_digest: Digest,
    /// Held-out loss of the base model, in nats, for kinds that train.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) loss_before: Option<f64>,
    /// Held-out loss with the result, in nats, for kinds that train.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) loss_after: Option<f64>,
    /// Every figure that the kind of job gives.
    pub(crate) figures: BTreeMap<String, f64>,
    /// What should be known about the result before it is used.
    #[serde(default)]
    pub(crate) warnings: Vec<String>,
    /// Steps that auditors replayed for the accepted attempt, over the steps of the run.
    pub(crate) audit_share: f64,
    /// Providers whose results stand: more than one where the job was done in several copies.
    #[serde(default)]
    pub(crate) equal_results: u64,
}

impl Run {
    /// An order's run with the figures and warnings its kind gave.
    pub(crate) fn new(
        order: &Order,
        state_digest: Digest,
        figures: BTreeMap<String, f64>,
        warnings: Vec<String>,
    ) -> Self {
        Self {
            warnings,
            job_id: order.head.id,
            state_digest,
            loss_before: figures.get("loss_before").copied(),
            loss_after: figures.get("loss_after").copied(),
            figures,
            audit_share: audit_share(order),
            equal_results: order.standing().count() as u64,
        }
    }
}

/// What `try` and `demo` print with `--json`, and keep as `result.json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Report {
    /// The honest order.
    #[serde(flatten)]
    pub(crate) run: Run,
    /// Where the result's files lie.
    pub(crate) adapter_dir: PathBuf,
    /// Where one validator keeps the chain.
    pub(crate) chain_dir: PathBuf,
    /// Below it every storage node keeps its blobs.
    pub(crate) blob_dir: PathBuf,
    /// Spendable balance of every account, in micro-tokens, by name of its node.
    pub(crate) balances: BTreeMap<String, Amount>,
    /// What the genesis gave out, in micro-tokens.
    pub(crate) genesis_supply: Amount,
    /// Whether balances, bonds, escrow and pots add up to it.
    pub(crate) supply_conserved: bool,
    /// Prompts answered before and after.
    pub(crate) samples: Vec<Sample>,
    /// What the model's files leave open or say differently from one another.
    #[serde(default)]
    pub(crate) notes: Vec<String>,
    /// Where the time of the honest order went.
    #[serde(default)]
    pub(crate) pace: Pace,
    /// The order in which a provider cheated.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub(crate) cheater: Option<Cheater>,
}

/// The order in which a provider cheated.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Cheater {
    /// The order.
    pub(crate) cheater_job_id: OrderId,
    /// Transaction that cut the cheater's bond.
    pub(crate) slash_tx: Option<TxId>,
    /// Whether it was slashed, paid nothing, and the order completed by another.
    pub(crate) cheater_caught: bool,
    /// Where its time went.
    #[serde(default)]
    pub(crate) cheater_pace: Pace,
}

/// Names of a devnet's accounts.
pub(crate) fn names(devnet: &Devnet) -> BTreeMap<String, assay_ledger::AccountId> {
    let nodes = devnet
        .nodes()
        .map(|(name, node)| (name.to_owned(), node.account()));
    nodes.collect()
}

/// Steps replayed for the accepted attempt over the steps of the run; in rounds, the share of the trainers that
/// are audited in each.
fn audit_share(order: &Order) -> f64 {
    if let (Some(terms), Some(rounds)) = (&order.head.terms.rounds, &order.head.rounds) {
        let all = f64::from(rounds.numbered.max(1));
        return f64::from(terms.audited).min(all) / all;
    }
    let steps = |segment: &SegmentIndex| {
        order.head.terms.segment_end(*segment).0 - order.head.terms.segment_start(*segment).0
    };
    let rounds = order.result_run().map_or(&[][..], |run| &run.rounds);
    let replayed: u64 = rounds
        .iter()
        .map(|round| {
            let seats = round
                .seats
                .iter()
                .filter(|seat| seat.results.is_some())
                .count() as u64;
            seats * round.segments.iter().map(steps).sum::<u64>()
        })
        .sum();
    replayed as f64 / order.head.terms.steps.max(1) as f64
}

/// Whether the first provider of an order was slashed and another one paid.
pub(crate) fn caught(order: &Order) -> bool {
    order.failures().next().is_some_and(|(run, failure)| {
        failure.slashed > Amount::ZERO
            && order.head.phase == Phase::Settled
            && order.provider() != Some(run.provider)
    })
}

/// Spendable balances by name.
pub(crate) fn balances(
    state: &dyn Store,
    names: &BTreeMap<String, assay_ledger::AccountId>,
) -> Result<BTreeMap<String, Amount>, ReadError> {
    let balance = |(name, account): (&String, &_)| {
        Ok((name.clone(), query::account(state, account)?.balance))
    };
    names.iter().map(balance).collect()
}

/// The transaction that cut the bond of the order's first provider; `None` if a deadline did.
pub(super) async fn slash_tx(chain: &dyn ChainView, order: &Order) -> Option<TxId> {
    let (run, failure) = order.failures().next()?;
    let block = chain.block(failure.at).await.ok()??;
    let receipts = block.receipts.receipts.iter();
    let cuts = |event: &Event| {
        matches!(event, Event::Order { order: id, event: OrderEvent::Slashed { account, .. } }
            if *id == order.head.id && *account == run.provider)
    };
    receipts
        .filter(|receipt| receipt.events.iter().any(cuts))
        .map(|receipt| receipt.tx)
        .next()
}

/// What a trial in `dir` gave.
pub(super) async fn make(
    dir: &Path,
    devnet: &Devnet,
    requester: &Requester,
    honest: Finished,
    cheated: Option<Finished>,
) -> Result<Report, ReadError> {
    let chain = &requester.services().chain;
    let state = chain.state();
    let supply = query::counted_supply(&*state)?;
    let mut names = names(devnet);
    names.insert(
        "requester".to_owned(),
        requester.services().sender.account(),
    );
    let cheater = match &cheated {
        None => None,
        Some(done) => Some(Cheater {
            cheater_job_id: done.order.head.id,
            slash_tx: slash_tx(&**chain, &done.order).await,
            cheater_caught: caught(&done.order),
            cheater_pace: done.pace.clone(),
        }),
    };
    Ok(Report {
        run: Run::new(
            &honest.order,
            honest.state_digest,
            honest.delivery.figures,
            honest.delivery.warnings,
        ),
        adapter_dir: dir.join("adapter"),
        chain_dir: chain_dir(dir),
        blob_dir: dir.join("nodes"),
        balances: balances(&*state, &names)?,
        genesis_supply: supply.genesis,
        supply_conserved: supply.total == Some(supply.genesis),
        samples: honest.delivery.samples,
        notes: honest.delivery.notes,
        pace: honest.pace,
        cheater,
    })
}
