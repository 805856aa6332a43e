//! Files in the vault, from the side of those who store and read them.
//!
//! The protocols are the machines [`assay_vault::upload`] and [`assay_vault::download`]; this
//! module gives them sockets, a clock and a thread to seal on. Whoever stores decides what goes
//! on the ledger: an upload ends by handing a finished [`FileRecord`](assay_ledger::FileRecord)
//! to its caller.

mod download;
#[cfg(test)]
mod tests;
mod upload;

use assay_crypto::{Digest, PublicKey, aead::FileKey};
use assay_vault::{
    Unreachable,
    placement::Candidate,
    wire::{Request, Response},
};
use tokio::task::JoinSet;

pub use self::{
    download::download,
    upload::{NewFile, StoreError, upload},
};
use crate::transport::{self, Transport};

/// A fresh file key.
///
/// # Errors
/// When the system has no randomness to give.
pub fn fresh_key() -> Result<FileKey, getrandom::Error> {
    let mut key = [0; 32];
    getrandom::fill(&mut key)?;
    Ok(FileKey(key))
}

/// Fresh randomness as a digest, for seeds of local choices.
pub(crate) fn fresh_seed() -> Result<Digest, getrandom::Error> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed)?;
    Ok(Digest(seed))
}

/// Asks every node how much room it has; nodes that do not answer are left out.
pub async fn candidates(transport: &Transport, nodes: &[PublicKey]) -> Vec<Candidate> {
    let mut asked = JoinSet::new();
    for node in nodes.iter().copied() {
        let transport = transport.clone();
        asked.spawn(async move {
            match ask(&transport, node, Request::Free).await {
                Ok(Response::Free { bytes }) => Some(Candidate { node, free: bytes }),
                _ => None,
            }
        });
    }
    asked.join_all().await.into_iter().flatten().collect()
}

/// One storage request. Whatever keeps the answer from coming counts as unreachable; the machine
/// knows what to do then.
async fn ask(
    transport: &Transport,
    node: PublicKey,
    request: Request,
) -> Result<Response, Unreachable> {
    match transport
        .request(node, &transport::Request::Vault(request))
        .await
    {
        Ok(transport::Response::Vault(response)) => Ok(response),
        Ok(_) => Err(Unreachable),
        Err(error) => {
            tracing::debug!(%node, %error, "storage request failed");
            Err(Unreachable)
        }
    }
}
