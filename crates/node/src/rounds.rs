//! Orders with rounds: a trainer's way in, and the model out.
//!
//! A trainer brings its rows to the vault and joins. Its part in the rounds is played by a
//! [`Stage`](crate::roles::Stage) with [`Part::Provider`](assay_job::Part::Provider).

use std::collections::BTreeSet;
use std::sync::Arc;

use assay_api::ChainError;
use assay_job::federated;
use assay_ledger::{
    FileId, Order, OrderCall, OrderId, Parameters, Phase, Registration, Role, RoundTerms, query,
};
use assay_proof::{FetchFailure, Handle, MAX_STATE_BYTES, model_key};
use assay_vault::length;

use crate::{client::CallError, files, orders::Services};

/// Media type of rows in the vault.
const ROWS_TYPE: &str = "application/octet-stream";
/// Milliseconds of a day.
const DAY_MS: u64 = 86_400_000;

/// Why an account could not join.
#[derive(Debug, thiserror::Error)]
pub enum JoinFailure {
    /// The state could not be read.
    #[error("the order could not be read")]
    Chain(#[from] ChainError),
    /// There is no such order.
    #[error("the chain knows no order {0}")]
    Unknown(OrderId),
    /// It has no rounds, or is over.
    #[error(
        "order {order} is {phase} and takes no trainers: name one of a federated job that is under way"
    )]
    NoRounds {
        /// Which.
        order: OrderId,
        /// Its phase.
        phase: Phase,
    },
    /// The account takes part already.
    #[error(
        "this account joined order {0} before: it goes on by itself, unless it was let go or put out, which `assay why {0}` tells"
    )]
    Joined(OrderId),
    /// They are not such as the order's model learns from.
    #[error("these rows do not fit the order")]
    Rows(#[from] assay_job::BuildError),
    /// The ledger would refuse it now; nothing was sent.
    #[error("the ledger would not take it in now: {0}")]
    NotYet(String),
    /// The rows did not reach the vault.
    #[error("the rows did not reach the vault: {0}")]
    Upload(String),
    /// The ledger did not take it in.
    #[error("the ledger did not take the account in; its rows stay in the vault")]
    Refused(#[from] CallError),
    /// The system gave no randomness.
    #[error("the system gave no randomness")]
    Randomness(#[source] getrandom::Error),
}

/// Joins an order with these rows, which are stored encrypted; drawn auditors, and judges of a dispute, are
/// granted their key, and nobody else. Returns their file.
///
/// # Errors
/// [`JoinFailure`]; no bond is locked then.
pub async fn join(
    services: &Arc<Services>,
    order: OrderId,
    rows: Handle,
) -> Result<FileId, JoinFailure> {
    let lasting = {
        let state = services.chain.state();
        let found = query::order(&*state, &order).map_err(ChainError::from)?;
        let found = found.ok_or(JoinFailure::Unknown(order))?;
        let phase = found.head.phase;
        if found.head.rounds.is_none() || phase.is_final() {
            return Err(JoinFailure::NoRounds { order, phase });
        }
        let me = services.sender.account();
        if query::trainer(&*state, &order, &me)
            .map_err(ChainError::from)?
            .is_some()
        {
            return Err(JoinFailure::Joined(order));
        }
        federated::check_rows(&found.head.terms, &rows)?;
        let role = Role::Provider;
        let mine = query::registration(&*state, role, &me).map_err(ChainError::from)?;
        may_join(&found, mine.as_ref(), rows.length())?;
        let parameters: Option<Parameters> =
            query::parameters(&*state).map_err(ChainError::from)?;
        let parameters = parameters.unwrap_or_default();
        let least = found.head.terms.inputs_ms(&parameters);
        let rounds = found.head.terms.rounds.map_or(1, |of| u64::from(of.rounds));
        // For every round, and a day more, for bringing it there; nothing is kept for longer than the most.
        let all = least.saturating_mul(rounds.saturating_add(1));
        all.saturating_add(DAY_MS).min(parameters.max_kept_ms)
    };
    let key = files::fresh_key().map_err(JoinFailure::Randomness)?;
    let own = Some(services.key.encryption().public());
    let content = rows.content();
    let name = format!("{order}/rows");
    let stored = services
        .store(
            name,
            ROWS_TYPE,
            (key, own),
            rows,
            (lasting, &BTreeSet::new()),
        )
        .await;
    let rows = stored.map_err(JoinFailure::Upload)?;
    let join = OrderCall::Join {
        order,
        rows,
        content,
    };
    services.sender.call(join).await?;
    Ok(rows)
}

/// Says what the ledger would say, before anything is stored that has to be paid for.
fn may_join(order: &Order, mine: Option<&Registration>, length: u64) -> Result<(), JoinFailure> {
    let not_yet = |why: String| Err(JoinFailure::NotYet(why));
    let Some(mine) = mine.filter(|of| !of.leaving) else {
        return not_yet("the account is not registered as a provider".to_owned());
    };
    let (bond, free) = (order.head.terms.provider_bond, mine.free());
    if free < bond {
        return not_yet(format!(
            "{bond} of its bond are locked, and {free} are free"
        ));
    }
    let slots = mine.offer.as_ref().map_or(0, |of| of.orders);
    if mine.serving >= slots {
        return not_yet(format!("it serves {slots} orders, as many as it offers"));
    }
    let (terms, rounds) = (&order.head.terms.rounds, &order.head.rounds);
    if let (Some(terms), Some(rounds)) = (terms, rounds) {
        let full = rounds.present.count() >= terms.most;
        if full || rounds.numbered >= RoundTerms::MAX_TRAINERS || rounds.ending.is_some() {
            return not_yet(format!("it has {} trainers, as many as it may", terms.most));
        }
    }
    let (class, most) = (length::class(length), order.head.terms.memory);
    if class > most {
        return not_yet(format!(
            "the rows take {class} bytes, and the order allows {most}"
        ));
    }
    Ok(())
}

/// The bytes of an order's latest model, which everybody can read; none before its first.
///
/// # Errors
/// [`FetchFailure`] when the vault does not have it.
pub async fn model(services: &Services, order: &Order) -> Result<Option<Vec<u8>>, FetchFailure> {
    let rounds = order.head.rounds.as_ref();
    let Some(model) = rounds.and_then(|rounds| rounds.model.as_ref()) else {
        return Ok(None);
    };
    let key = model_key(order.head.id, &model.content);
    let file = (model.file, &model.keepers[..]);
    let handle = services.fetch_input(file, key, Some(model.content)).await?;
    let bytes = handle.whole(MAX_STATE_BYTES as u64);
    let bytes = bytes.map_err(|error| FetchFailure::Corrupt(crate::told(&error)))?;
    Ok(Some(bytes.to_vec()))
}
