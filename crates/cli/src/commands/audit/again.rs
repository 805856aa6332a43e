//! The work of an order, done again.

use assay_crypto::Digest;
use assay_job::Delivery;
use assay_node::offline::{Remade, Rerun};
use serde_json::Value;

use super::checks::{Check, check, unchecked};

/// The figure that names rounds which could not be made again; there is none where all could.
pub(super) const UNMADE: &str = "rounds that could not be made again";

/// What came of doing the work of an order again.
pub(super) struct Again {
    pub(super) state: Digest,
    pub(super) delivery: Delivery,
    pub(super) checks: Vec<Check>,
}

pub(super) fn run_again(run: Rerun) -> Again {
    Again {
        state: run.state_digest,
        delivery: run.delivery,
        checks: vec![
            check(
                "trace root on the ledger",
                true.into(),
                run.trace_agrees.into(),
            ),
            check("result in the vault", true.into(), run.result_agrees.into()),
        ],
    }
}

pub(super) fn rounds_again(remade: Remade) -> Again {
    let unmade: Vec<String> = remade
        .unproven
        .iter()
        .map(|(round, why)| format!("round {}: {why}", round + 1))
        .collect();
    let differs = remade.differs.map(|round| round + 1);
    let mut checks = vec![
        check(
            "first round whose model differs",
            Value::Null,
            differs.map_or(Value::Null, Value::from),
        ),
        unchecked("models made again", Value::Null, remade.equal.into()),
        // Rows are their trainers' own: what auditors did not look at rests on bonds.
        unchecked(
            "steps behind merged updates",
            Value::Null,
            remade.updates.into(),
        ),
    ];
    if !unmade.is_empty() {
        checks.push(unchecked(UNMADE, Value::Null, unmade.into()));
    }
    Again {
        state: remade.model,
        delivery: remade.delivery,
        checks,
    }
}
