//! A look at a delivered result.

use assay_crypto::tiles::Tiled;
use assay_crypto::{Digest, aead::FileKey};
use assay_ledger::{AccountId, Examined, FileId, NotTheSlices, Promised, StateFile, examine};
use assay_proof::FetchFailure;
use assay_vault::{Piece, download::DownloadConfig};

use super::Services;
use crate::{files, told};

impl Services {
    /// Looks at what a delivered result holds, beside the state that it should hold. Its slices are fetched as they
    /// are sealed, so it does not matter whether its manifest or their tags open.
    ///
    /// # Errors
    /// [`FetchFailure`]: whether trying again can help.
    pub async fn examine(
        &self,
        (file, owner): (FileId, AccountId),
        key: FileKey,
        state: Tiled,
    ) -> Result<Examined, FetchFailure> {
        let record = self.record(file, &[owner])?;
        let expected = StateFile::new(state.length).map(StateFile::slices);
        if expected != Some(record.slices) {
            // The ledger lets no such result be delivered.
            let text = format!(
                "{} slices hold no state of {} bytes",
                record.slices, state.length
            );
            return Err(FetchFailure::Corrupt(text));
        }
        let mut pieces = Vec::new();
        let config = DownloadConfig::default();
        let take = |piece| pieces.push(piece);
        let fetched = files::fetch_sealed(&self.transport, config, &record, take).await;
        fetched.map_err(|error| FetchFailure::Unavailable(told(&error)))?;
        let promised = Promised {
            state,
            root: record.root,
            slices: record.slices,
        };
        let looked = tokio::task::spawn_blocking(move || {
            let digests: Vec<Digest> = pieces.iter().map(Piece::digest).collect();
            examine(&promised, &key, &digests, |slice| {
                let piece = pieces.get(slice as usize).ok_or(NotTheSlices)?;
                Ok::<_, NotTheSlices>(piece.bytes().to_vec())
            })
        });
        let looked = looked.await;
        let looked = looked.map_err(|error| FetchFailure::Unavailable(told(&error)))?;
        looked.map_err(|error| FetchFailure::Unavailable(told(&error)))
    }
}
