//! Answers what other nodes ask: about the chain from this node's view of it, about slices from
//! its storage role, about progress from its drivers.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use assay_api::{
    ChainError, ChainView, ReceiptProof, SubmitError, ValueProof, views::ProgressReport,
};
use assay_crypto::PublicKey;
use assay_ledger::{Amount, Height, ReadError, Role, Store, query};
use assay_vault::wire as vault;
use tokio::time::{Instant, timeout_at};

use crate::{
    client::protocol::{Request, Response},
    progress::{HowFar, ProgressBoard},
    storage::StorageRole,
    told,
    transport::{Access, BoxFuture, Handler, Protocols, Refusal, Refused, Standing},
};

/// How long an answer waits for a block that is not there yet.
const BLOCK_WAIT: Duration = Duration::from_secs(5);

/// What a node has to answer with. The chain comes last, because following it needs the transport
/// that this is the handler of.
#[derive(Default)]
pub(super) struct Desk {
    pub(super) chain: OnceLock<Arc<dyn ChainView>>,
    pub(super) storage: OnceLock<StorageRole>,
    pub(super) board: ProgressBoard,
    /// A key under which this node itself is about to call, and whether it did.
    visitor: Mutex<Option<(PublicKey, bool)>>,
}

impl Desk {
    /// What it answers.
    pub(super) fn protocols(self: &Arc<Self>) -> Protocols {
        Protocols::default()
            .answering::<Request>(self.clone())
            .answering::<vault::Request>(self.clone())
            .answering::<HowFar>(self.clone())
    }

    /// Looks out for `visitor`: whoever calls itself under a key of its own learns so whether it
    /// has reached itself.
    pub(super) fn expect(&self, visitor: PublicKey) {
        *self.visitor.lock().unwrap_or_else(PoisonError::into_inner) = Some((visitor, false));
    }

    /// Whether `visitor` has called here.
    pub(super) fn met(&self, visitor: &PublicKey) -> bool {
        let expected = self.visitor.lock().unwrap_or_else(PoisonError::into_inner);
        expected.is_some_and(|(key, came)| key == *visitor && came)
    }

    fn greet(&self, peer: &PublicKey) {
        let mut expected = self.visitor.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((key, came)) = expected.as_mut() {
            *came |= key == peer;
        }
    }
}

/// Who has a bond at stake, or agrees on blocks, is a member. Whoever has an account with something
/// in it, or has ever sent a transaction, is known, which costs a micro-token: its share is small.
impl Access for Desk {
    fn standing(&self, peer: &PublicKey) -> Standing {
        let Some(chain) = self.chain.get() else {
            return Standing::Stranger;
        };
        // A state that cannot be read makes nobody more than a stranger.
        standing(&*chain.state(), peer).unwrap_or(Standing::Stranger)
    }
}

impl Handler<Request> for Desk {
    fn handle(
        &self,
        peer: PublicKey,
        request: Request,
    ) -> BoxFuture<'_, Result<Response, Refused>> {
        self.greet(&peer);
        Box::pin(async move {
            match self.chain.get() {
                Some(chain) => answer(&**chain, request).await,
                None => Err(Refused::new(Refusal::Busy, "this node is still starting")),
            }
        })
    }
}

impl Handler<vault::Request> for Desk {
    fn handle(
        &self,
        peer: PublicKey,
        request: vault::Request,
    ) -> BoxFuture<'_, Result<vault::Response, Refused>> {
        Box::pin(async move {
            match self.storage.get() {
                Some(storage) => Ok(storage.handle(peer, request).await),
                None => {
                    let reason = "this node stores nothing; ask a storage node";
                    Err(Refused::new(Refusal::NotServed, reason))
                }
            }
        })
    }
}

impl Handler<HowFar> for Desk {
    fn handle(
        &self,
        _peer: PublicKey,
        request: HowFar,
    ) -> BoxFuture<'_, Result<Option<ProgressReport>, Refused>> {
        let report = self.board.get(&request.order);
        Box::pin(async move { Ok(report) })
    }
}

fn standing(state: &dyn Store, peer: &PublicKey) -> Result<Standing, ReadError> {
    for role in Role::ALL {
        let registration = query::registration(state, role, peer)?;
        if registration.is_some_and(|registration| registration.bond > Amount::ZERO) {
            return Ok(Standing::Member);
        }
    }
    let account = query::account(state, peer)?;
    Ok(if query::validators(state)?.contains(peer) {
        Standing::Member
    } else if account.balance > Amount::ZERO || account.nonce > 0 {
        Standing::Registered
    } else {
        Standing::Stranger
    })
}

async fn answer(chain: &dyn ChainView, request: Request) -> Result<Response, Refused> {
    let answer = match request {
        Request::SubmitTx { transaction } => return submit(chain, transaction).await,
        Request::Head => chain
            .stretch(chain.head().height)
            .await
            .map(|found| Response::Head {
                header: found.evidence.map(|e| e.to_bytes()),
            }),
        Request::Blocks { first } => blocks(chain, first).await,
        Request::Prove { key } => chain
            .prove(key)
            .await
            .map(|proven| Response::Proof(ValueProof::from(proven))),
        Request::Receipt { tx } => {
            chain
                .prove_transaction(tx)
                .await
                .map(|proven| Response::Receipt {
                    proof: proven.map(ReceiptProof::from),
                })
        }
    };
    answer.map_err(|error| Refused::new(Refusal::Failed, told(&error)))
}

async fn blocks(chain: &dyn ChainView, first: Height) -> Result<Response, ChainError> {
    let mut heights = chain.heights();
    let until = Instant::now() + BLOCK_WAIT;
    loop {
        heights.mark_unchanged();
        let found = chain.stretch(first).await?;
        // A block that is there may still lack the evidence that it is final, which the next one brings.
        // Running out of time is an answer too: there is no such block yet.
        if !found.blocks.is_empty()
            || !matches!(timeout_at(until, heights.changed()).await, Ok(Ok(())))
        {
            return Ok(Response::Blocks {
                blocks: found.blocks,
                evidence: found.evidence.map(|evidence| evidence.to_bytes()),
            });
        }
    }
}

async fn submit(chain: &dyn ChainView, transaction: Vec<u8>) -> Result<Response, Refused> {
    let submitted = chain.submit(transaction).await;
    let refused = |error: SubmitError| {
        let refusal = match error {
            SubmitError::Later(_) => Refusal::Busy,
            SubmitError::Spent(_) => Refusal::Spent,
            SubmitError::Rejected(_) => Refusal::Invalid,
        };
        Refused::new(refusal, told(&error))
    };
    submitted
        .map(|tx| Response::Submitted { tx })
        .map_err(refused)
}

#[cfg(test)]
#[path = "answer_tests.rs"]
mod tests;
