//! What a follower shows of the chain.

use assay_api::{
    BlockInfo, BoxFuture, ChainError, ChainView, Head, Included, Snapshot, Stretch, SubmitError,
};
use assay_chain::light::{ProvenTransaction, ProvenValue};
use assay_ledger::{Genesis, Height, TxId};
use tokio::sync::watch;

use super::{ARRIVALS, Follower, untrue};
use crate::{
    client::protocol::{Request, Response},
    told,
    transport::{Refusal, RequestError},
};

impl ChainView for Follower {
    fn genesis(&self) -> &Genesis {
        &self.genesis
    }

    fn head(&self) -> Head {
        self.read().replica.head().into()
    }

    fn state(&self) -> Snapshot {
        self.read().replica.state().clone()
    }

    fn heights(&self) -> watch::Receiver<Height> {
        self.heights.subscribe()
    }

    fn caught_up(&self) -> BoxFuture<'_, ()> {
        let mut synced = self.synced.subscribe();
        Box::pin(async move {
            // The sender lives as long as we do.
            let _ = synced.wait_for(|synced| *synced).await;
        })
    }

    fn clock_offset_ms(&self) -> Option<i64> {
        let pulse = self.pulse();
        if pulse.ages.len() < ARRIVALS {
            return None;
        }
        // One block that came at once is enough to clear the clock.
        pulse
            .ages
            .iter()
            .copied()
            .min_by_key(|ms| ms.unsigned_abs())
    }

    fn trouble(&self) -> Option<String> {
        self.pulse().trouble.clone()
    }

    fn block(&self, height: Height) -> BoxFuture<'_, Result<Option<BlockInfo>, ChainError>> {
        let copy = self.read();
        let oldest = copy.blocks.front().map_or(1, |block| block.head.height.0);
        let index = height.0.checked_sub(oldest).map(|index| index as usize);
        let found = index.and_then(|index| copy.blocks.get(index).cloned());
        drop(copy);
        let forgotten = found.is_none() && height.0 > 0 && height.0 < oldest;
        Box::pin(async move {
            if forgotten {
                let text = format!("block {height} is no longer kept here; ask a validator");
                return Err(ChainError::Local(text));
            }
            Ok(found)
        })
    }

    fn stretch(&self, _first: Height) -> BoxFuture<'_, Result<Stretch, ChainError>> {
        // Blocks are passed on by validators, who have all of them.
        Box::pin(async { Ok(Stretch::default()) })
    }

    fn receipt(&self, tx: TxId) -> BoxFuture<'_, Result<Option<Included>, ChainError>> {
        let found = self.read().receipts.get(&tx).cloned();
        Box::pin(async move { Ok(found) })
    }

    fn prove_transaction(
        &self,
        tx: TxId,
    ) -> BoxFuture<'_, Result<Option<ProvenTransaction>, ChainError>> {
        Box::pin(async move {
            let proof = match self.ask(&Request::Receipt { tx }).await {
                Ok(Response::Receipt { proof }) => proof,
                Ok(_) => return Err(ChainError::Untrue("it answered something else".to_owned())),
                Err(error) => return Err(ChainError::Unreachable(told(&error))),
            };
            let Some(proof) = proof else { return Ok(None) };
            let proven = proof.parts().map_err(untrue)?;
            self.light.verify_transaction(&proven).map_err(untrue)?;
            if proven.receipt.tx != tx {
                let text = "the receipt is of another transaction".to_owned();
                return Err(ChainError::Untrue(text));
            }
            Ok(Some(proven))
        })
    }

    fn prove(&self, key: Vec<u8>) -> BoxFuture<'_, Result<ProvenValue, ChainError>> {
        let copy = self.read();
        let (replica, head) = (&copy.replica, copy.replica.head());
        let proven = match &copy.evidence {
            Some(evidence) if evidence.header == *head => {
                replica.prove(&key).map(|(value, proof)| ProvenValue {
                    value,
                    proof,
                    header: evidence.clone(),
                })
            }
            _ => Err(ChainError::Local(
                "the newest block is being executed".to_owned(),
            )),
        };
        drop(copy);
        Box::pin(async move { proven })
    }

    fn submit(&self, transaction: Vec<u8>) -> BoxFuture<'_, Result<TxId, SubmitError>> {
        Box::pin(async move {
            match self.ask(&Request::SubmitTx { transaction }).await {
                Ok(Response::Submitted { tx }) => Ok(tx),
                Ok(_) => Err(SubmitError::Later(
                    "a node answered something else".to_owned(),
                )),
                Err(RequestError::Refused {
                    refusal, reason, ..
                }) => Err(match refusal {
                    Refusal::Spent => SubmitError::Spent(reason),
                    Refusal::Invalid => SubmitError::Rejected(reason),
                    _ => SubmitError::Later(reason),
                }),
                Err(error) => Err(SubmitError::Later(told(&error))),
            }
        })
    }
}
