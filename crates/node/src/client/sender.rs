//! Putting one account's calls on the chain, each exactly once.

use std::{sync::Arc, time::Duration};

use assay_api::{ChainError, ChainView, Included, Said, SubmitError};
use assay_crypto::{PublicKey, SecretKey};
use assay_ledger::{
    Amount, Call, ChainId, Height, Lasting, MAX_TX_BYTES, Receipt, Refusal, Status, Transaction,
    query,
};
use tokio::{sync::Mutex, time::timeout};
use tracing::{debug, info};

use crate::metrics;

/// Sending again begins when the transaction is still in no block after this time.
const RESEND_AFTER: Duration = Duration::from_secs(2);

/// Why a call took no effect.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The ledger refused it; the fee is paid.
    #[error("the ledger refused `{call}`: {refusal}")]
    Refused {
        /// Name of the call.
        call: &'static str,
        /// The ledger's reason.
        refusal: Refusal,
    },
    /// The network would not put it into a block.
    #[error("`{call}` was not accepted: {reason}")]
    Rejected {
        /// Name of the call.
        call: &'static str,
        /// The network's reason.
        reason: String,
    },
    /// The call is longer than a transaction may be.
    #[error(
        "`{call}` takes {length} bytes, but a transaction has at most {MAX_TX_BYTES}; split it"
    )]
    TooLong {
        /// Name of the call.
        call: &'static str,
        /// Its length in bytes.
        length: usize,
    },
    /// It was in no block when time ran out; it may still get there.
    #[error(
        "`{call}` was not in a block after {}{said}; look at its receipt before repeating it",
        Lasting::from(*.waited)
    )]
    Late {
        /// Name of the call.
        call: &'static str,
        /// Time given.
        waited: Duration,
        /// The last reason for not taking it.
        said: Said,
    },
    /// The chain could not be read.
    #[error("`{call}` could not be followed")]
    Chain {
        /// Name of the call.
        call: &'static str,
        /// Why.
        #[source]
        source: ChainError,
    },
}

impl CallError {
    /// Whether the ledger or the pool said no, so that the same call will fail again for now.
    pub fn is_final(&self) -> bool {
        matches!(
            self,
            Self::Refused { .. } | Self::Rejected { .. } | Self::TooLong { .. }
        )
    }
}

/// Signs and sends the calls of one account, one after the other.
///
/// One transaction is on its way at a time: the next nonce is then always the account's own, and
/// a refused call never leaves a gap behind which others wait for ever. Blocks come several times
/// a second, so parties, which send a few dozen calls per job, lose nothing by it. The same signed
/// bytes are sent again until they are in a block. If the nonce goes to a transaction of another
/// process with the same key, the call is signed anew, since the old bytes can then never count.
pub struct Sender {
    chain: Arc<dyn ChainView>,
    key: SecretKey,
    id: ChainId,
    patience: Duration,
    turn: Mutex<()>,
}

impl Sender {
    /// A sender for the account of `key`; a call is given up after `patience`.
    pub fn new(chain: Arc<dyn ChainView>, key: SecretKey, patience: Duration) -> Self {
        let id = chain.genesis().chain_id();
        Self {
            chain,
            key,
            id,
            patience,
            turn: Mutex::new(()),
        }
    }

    /// The account.
    pub fn account(&self) -> PublicKey {
        self.key.public()
    }

    /// What the account can spend.
    ///
    /// # Errors
    /// [`ChainError`] when the chain cannot be read.
    pub fn balance(&self) -> Result<Amount, ChainError> {
        let account = query::account(&*self.chain.state(), &self.account())?;
        Ok(account.balance)
    }

    fn nonce(&self) -> Result<u64, ChainError> {
        let account = query::account(&*self.chain.state(), &self.account())?;
        Ok(account.nonce)
    }

    /// Puts `call` on the chain and waits until its effect can be read from
    /// [`ChainView::state`].
    ///
    /// # Errors
    /// [`CallError`]; after [`CallError::Late`] and [`CallError::Chain`] the call may still take
    /// effect.
    pub async fn call(&self, call: impl Into<Call>) -> Result<Included, CallError> {
        let call = call.into();
        let name = call.name();
        let mut said = Said::default();
        let outcome = match timeout(self.patience, self.send(name, call, &mut said)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(CallError::Late {
                call: name,
                waited: self.patience,
                said,
            }),
        };
        metrics::transaction_sent(name, outcome.is_ok());
        match &outcome {
            Ok(included) => debug!(call = name, height = %included.height, "in a block"),
            Err(error) => debug!(call = name, %error, "not done"),
        }
        outcome
    }

    async fn send(
        &self,
        name: &'static str,
        call: Call,
        said: &mut Said,
    ) -> Result<Included, CallError> {
        let _turn = self.turn.lock().await;
        let failed = |source| CallError::Chain { call: name, source };
        loop {
            let nonce = self.nonce().map_err(failed)?;
            let transaction = self.sign(name, nonce, call.clone())?;
            match self.bring(name, &transaction, said).await? {
                Fate::Included(included) => return decide(name, included),
                Fate::Overtaken => {
                    // As a devnet does beside a command with the requester's key.
                    info!(account = %self.account(), "another process sends with this key");
                }
            }
        }
    }

    fn sign(&self, name: &'static str, nonce: u64, call: Call) -> Result<Transaction, CallError> {
        let parameters =
            query::parameters(&*self.chain.state()).map_err(|error| CallError::Chain {
                call: name,
                source: error.into(),
            })?;
        let parameters = parameters.unwrap_or_default();
        let draft = Transaction::sign(&self.key, self.id, nonce, Amount::ZERO, call);
        let length = draft.encode().len();
        if length > MAX_TX_BYTES {
            return Err(CallError::TooLong { call: name, length });
        }
        // The fee has a fixed width, so the length is that of the final transaction too.
        let fee = parameters.min_fee(length);
        Ok(Transaction::sign(
            &self.key, self.id, nonce, fee, draft.call,
        ))
    }

    /// Sends until the transaction is in a block or its nonce is gone.
    async fn bring(
        &self,
        name: &'static str,
        transaction: &Transaction,
        said: &mut Said,
    ) -> Result<Fate, CallError> {
        let (id, bytes) = (transaction.id(), transaction.encode());
        let failed = |source| CallError::Chain { call: name, source };
        let mut heights = self.chain.heights();
        loop {
            match self.chain.submit(bytes.clone()).await {
                // Spent: the state here will soon show by which transaction.
                Ok(_) | Err(SubmitError::Spent(_)) => *said = Said::default(),
                Err(SubmitError::Later(reason)) => {
                    debug!(call = name, reason, "nobody took the transaction yet");
                    *said = Said(Some(reason));
                }
                Err(SubmitError::Rejected(reason)) => {
                    return Err(CallError::Rejected { call: name, reason });
                }
            }
            let resend = tokio::time::sleep(RESEND_AFTER);
            tokio::pin!(resend);
            loop {
                if let Some(fate) = self.fate(transaction).await.map_err(failed)? {
                    return Ok(fate);
                }
                tokio::select! {
                    changed = heights.changed() => {
                        if changed.is_err() {
                            let stopped = ChainError::Local("the chain has stopped".to_owned());
                            return Err(failed(stopped));
                        }
                    }
                    () = &mut resend => break,
                }
            }
            debug!(call = name, tx = %id, "sent again");
        }
    }

    /// What became of a transaction, if that is decided.
    async fn fate(&self, transaction: &Transaction) -> Result<Option<Fate>, ChainError> {
        // The nonce is read first: once it is past ours, the receipt is there or never will be.
        let nonce = self.nonce()?;
        if let Some(included) = self.chain.receipt(transaction.id()).await? {
            self.wait_for(included.height).await?;
            return Ok(Some(Fate::Included(included)));
        }
        Ok((nonce > transaction.nonce).then_some(Fate::Overtaken))
    }

    /// Waits until the state here includes a height.
    async fn wait_for(&self, height: Height) -> Result<(), ChainError> {
        let mut heights = self.chain.heights();
        let reached = heights.wait_for(|head| *head >= height).await;
        reached
            .map(|_| ())
            .map_err(|_| ChainError::Local("the chain has stopped".to_owned()))
    }
}

enum Fate {
    Included(Included),
    Overtaken,
}

fn decide(call: &'static str, included: Included) -> Result<Included, CallError> {
    match &included.receipt {
        Receipt {
            status: Status::Refused(refusal),
            ..
        } => Err(CallError::Refused {
            call,
            refusal: refusal.clone(),
        }),
        _ => Ok(included),
    }
}

#[cfg(test)]
#[path = "sender_tests.rs"]
mod tests;
