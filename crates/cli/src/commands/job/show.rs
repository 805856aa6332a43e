//! `assay job show` and `assay job list`.

use assay_api::views::OrderList;
use assay_job::{Lengths, Price};
use assay_ledger::{LedgerTime, Order, OrderId, Store, query};
use assay_model::ModelShape;
use serde::Serialize;

use crate::{
    args::Global,
    failure::{Failure, Kind},
    output::{Output, facts, left, short, table},
    session::Session,
};

/// An order, and what its terms tell of the work.
#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    order: Order,
    /// The ledger time, in which its deadline is.
    now: LedgerTime,
    /// Its language model; none when it works on none, or no model can be as the terms say.
    model: Option<ModelShape>,
    /// About how many bytes of memory a run takes, by what they hold: the model's tokenizer is not in it.
    memory: Option<Price>,
}

pub(super) fn show(id: OrderId, global: &Global, output: &Output) -> Result<(), Failure> {
    let session = Session::open(global)?;
    let order = session.light().read(|store| query::order(store, &id))?;
    let order = order.ok_or_else(|| {
        Failure::say(Kind::NotFound, format!("the chain has no order {id}"))
            .hint("`assay job list` shows those it has")
    })?;
    let terms = &order.head.terms;
    let mut lengths = Lengths::new();
    for input in &terms.inputs {
        let record = |store: &dyn Store| query::file(store, &input.file, &order.head.requester);
        let class = session
            .light()
            .read(record)?
            .map_or(0, |of| of.length_class);
        lengths.insert(input.name.to_string(), class);
    }
    let shown = Shown {
        now: session.light().read(query::now)?.time,
        model: ModelShape::from_bytes(&terms.model).ok(),
        memory: Price::of_terms(terms, &lengths).ok(),
        order,
    };
    output.result(&shown, |shown| {
        let order = &shown.order;
        let none = || match order.head.terms.model.is_empty() {
            true => "none".to_owned(),
            false => "none that there can be: no machine can do this job".to_owned(),
        };
        facts([
            ("order", order.head.id.to_string()),
            ("kind", order.head.terms.kind.to_string()),
            ("phase", order.head.phase.to_string()),
            match &order.head.rounds {
                None => (
                    "attempt",
                    format!("{} of {}", order.attempt().0 + 1, order.head.terms.attempts),
                ),
                Some(rounds) => {
                    let all = order.head.terms.rounds.map_or(0, |of| of.rounds);
                    ("round", format!("{} of {all}", rounds.round + 1))
                }
            },
            match &order.head.rounds {
                None => (
                    "provider",
                    order.provider().map(|p| p.to_string()).unwrap_or_default(),
                ),
                Some(rounds) => ("trainers", rounds.present.count().to_string()),
            },
            ("model", shown.model.map_or_else(none, |of| of.to_string())),
            (
                "memory",
                shown
                    .memory
                    .map(|of| format!("about {of}"))
                    .unwrap_or_default(),
            ),
            ("price", order.head.terms.price.to_string()),
            ("escrow", order.head.escrow.to_string()),
            (
                "time left",
                left(shown.now, order.head.deadline.time).to_string(),
            ),
        ])
    })
}

pub(super) fn list(global: &Global, output: &Output) -> Result<(), Failure> {
    let session = Session::open(global)?;
    let orders: OrderList = session.light().node().get("/v1/orders")?;
    output.result(&orders, |orders| {
        let rows = orders.orders.iter().map(|order| {
            let kind = order.kind.to_string();
            [
                short(order.order),
                kind,
                order.phase.to_string(),
                order.posted.to_string(),
            ]
        });
        table(["order", "kind", "phase", "posted at"], rows)
    })
}
