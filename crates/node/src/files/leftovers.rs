//! What an account left at storage nodes outside recorded files.

use assay_crypto::{Digest, PublicKey};
use assay_vault::{
    Unreachable,
    wire::{MAX_HAS, Refusal, Request, Response},
};

use super::ask;
use crate::transport::Transport;

/// Lists that one node is asked for: it might never end.
const MAX_LISTS: usize = 64;

/// Pieces of ours that a node keeps outside recorded files, with their lengths in bytes.
pub type Pending = Vec<(Digest, u32)>;

/// What a node keeps of ours outside recorded files.
///
/// # Errors
/// [`Unreachable`] when it does not say.
pub async fn pending(transport: &Transport, node: PublicKey) -> Result<Pending, Unreachable> {
    let mut found = Pending::new();
    for _ in 0..MAX_LISTS {
        let after = found.last().map(|(digest, _)| *digest);
        let Response::Pending { pieces } = ask(transport, node, Request::Pending { after }).await?
        else {
            return Err(Unreachable);
        };
        let pieces = pieces.as_slice();
        // A list that does not go up would make us go round.
        let mut last = after;
        for (digest, bytes) in pieces {
            if last.is_some_and(|last| *digest <= last) {
                return Err(Unreachable);
            }
            last = Some(*digest);
            found.push((*digest, *bytes));
        }
        if pieces.len() < MAX_HAS {
            break;
        }
    }
    Ok(found)
}

/// What became of pieces that were to be deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Deleted {
    /// Pieces that are not there any more.
    pub gone: u64,
    /// Pieces that the node keeps, because they belong to a recorded file or to others as well.
    pub kept: u64,
}

/// Asks a node to forget pieces of ours.
///
/// # Errors
/// [`Unreachable`] when it stops answering.
pub async fn delete(
    transport: &Transport,
    node: PublicKey,
    pieces: impl IntoIterator<Item = Digest>,
) -> Result<Deleted, Unreachable> {
    let mut deleted = Deleted::default();
    for digest in pieces {
        match ask(transport, node, Request::Delete { digest }).await? {
            Response::Deleted { .. } => deleted.gone += 1,
            Response::Refused(Refusal::InUse | Refusal::Busy) => deleted.kept += 1,
            _ => return Err(Unreachable),
        }
    }
    Ok(deleted)
}
