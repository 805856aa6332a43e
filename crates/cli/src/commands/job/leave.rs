//! `assay job leave`.

use std::path::PathBuf;

use assay_crypto::PublicKey;
use assay_ledger::{Height, OrderCall, OrderId, Trainer, TxId, query};
use assay_node::config::NodeConfig;
use serde::Serialize;

use crate::{
    args::Global,
    failure::{Failure, Kind},
    output::{Output, facts},
    session::Session,
};

#[derive(Serialize)]
struct Left {
    tx: TxId,
    height: Height,
    account: PublicKey,
    order: OrderId,
    /// Whether it takes part until the round under way ends.
    at_the_end_of_the_round: bool,
}

/// Takes the account of a node's configuration, or of the user, out of an order with rounds.
pub(super) fn run(
    order: OrderId,
    config: Option<PathBuf>,
    global: &Global,
    output: &Output,
) -> Result<(), Failure> {
    let config = config.map(|path| NodeConfig::load(&path)).transpose()?;
    let session = match &config {
        Some(config) => Session::of_node(config, global)?,
        None => Session::open(global)?,
    };
    let key = session.key()?;
    let account = key.public();
    let trainer = || -> Result<Option<Trainer>, Failure> {
        let read = |store: &dyn assay_ledger::Store| query::trainer(store, &order, &account);
        Ok(session.light().read(read)?)
    };
    // Refused by the ledger it would cost the fee.
    let takes_part = trainer()?.is_some_and(|trainer| trainer.is_bound() && !trainer.leaving);
    if !takes_part {
        let text = format!("account {account} takes no part in order {order}");
        return Err(Failure::say(Kind::NotFound, text).hint(
            "a node's account is named with --config node.toml; `assay why ORDER` tells who joined and left",
        ));
    }
    let included = session.call(&key, OrderCall::Leave { order })?;
    let left = Left {
        tx: included.receipt.tx,
        height: included.height,
        account,
        order,
        at_the_end_of_the_round: trainer()?.is_some_and(|trainer| trainer.is_bound()),
    };
    output.result(&left, |left| {
        let when = match left.at_the_end_of_the_round {
            true => "when the round under way ends: it has sent an update, and is paid for it",
            false => "at once; its bond is free",
        };
        facts([
            ("order", left.order.to_string()),
            ("account", left.account.to_string()),
            ("leaves", when.to_owned()),
        ])
    })
}
