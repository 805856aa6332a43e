//! The keys of an order: who can read what, and when.
//!
//! The requester derives everything from one secret. Each run has a secret of its own, so no
//! provider can read anything of another's run, and no key ever encrypts two different
//! checkpoints:
//!
//! ```text
//! secret[r]        = KDF(secret, "attempt", r)
//! checkpoint[r, c] = KDF(secret[r], "checkpoint", c)
//! terms.keys       = H(input keys, H(secret[0]), H(secret[1]), ...)
//! ```
//!
//! The order's terms hold the commitment `terms.keys`, so a provider that is granted keys can
//! tell at once whether they are the ones the order was posted with.

use assay_crypto::aead::FileKey;
use assay_crypto::{Digest, EncryptionKey, EncryptionSecret, Sealed};
use assay_ledger::{AccountId, Place, RunIndex, SealedKeys};
use borsh::{BorshDeserialize, BorshSerialize};
use zeroize::{Zeroize, ZeroizeOnDrop};

/// All keys of an order; the requester's alone.
#[derive(Clone, Zeroize, ZeroizeOnDrop, BorshSerialize, BorshDeserialize)]
pub struct OrderKeys {
    inputs: Vec<FileKey>,
    secret: [u8; 32],
    runs: u32,
}

impl OrderKeys {
    /// Keys of an order with these input files, in the terms' sequence, and at most this many runs,
    /// derived from a fresh random `secret`.
    pub fn new(inputs: Vec<FileKey>, secret: [u8; 32], runs: u32) -> OrderKeys {
        OrderKeys {
            inputs,
            secret,
            runs,
        }
    }

    /// What the order's terms hold as `keys`.
    pub fn commitment(&self) -> Digest {
        commitment(&self.inputs, &self.secrets())
    }

    /// The input files' keys, in the terms' sequence.
    pub fn inputs(&self) -> &[FileKey] {
        &self.inputs
    }

    /// Key of one checkpoint of a run; the last checkpoint is the result.
    pub fn checkpoint(&self, run: RunIndex, index: u32) -> FileKey {
        checkpoint(&self.secret_of(run), index)
    }

    /// What the provider of one run is granted.
    pub fn for_provider(&self, run: RunIndex) -> ProviderKeys {
        ProviderKeys {
            inputs: self.inputs.clone(),
            run,
            secret: self.secret_of(run).0,
            secrets: self.secrets(),
        }
    }

    fn secret_of(&self, run: RunIndex) -> FileKey {
        FileKey::derive(&self.secret, "attempt", u64::from(run.0))
    }

    fn secrets(&self) -> Vec<Digest> {
        (0..self.runs)
            .map(|run| hash(&self.secret_of(RunIndex(run)).0))
            .collect()
    }
}

/// What the provider of one run may read and write: the inputs and its own checkpoints.
#[derive(Clone, BorshSerialize, BorshDeserialize)]
pub struct ProviderKeys {
    inputs: Vec<FileKey>,
    run: RunIndex,
    secret: [u8; 32],
    secrets: Vec<Digest>,
}

impl ProviderKeys {
    /// Whether these are the keys the order was posted with, for this run.
    pub fn match_terms(&self, commitment_in_terms: &Digest, run: RunIndex) -> bool {
        self.run == run
            && self.secrets.get(run.0 as usize) == Some(&hash(&self.secret))
            && commitment(&self.inputs, &self.secrets) == *commitment_in_terms
    }

    /// The input files' keys, in the terms' sequence.
    pub fn inputs(&self) -> &[FileKey] {
        &self.inputs
    }

    /// Key of one of this run's checkpoints.
    pub fn checkpoint(&self, index: u32) -> FileKey {
        checkpoint(&FileKey(self.secret), index)
    }

    /// The salt of a commitment to this run: fixed by its secret, so that it need not be kept.
    pub fn salt(&self) -> Digest {
        Digest::of("assay/run/salt/v1", &[&self.secret])
    }

    /// What a reader of these checkpoints is granted.
    pub fn for_reader(&self, checkpoints: impl IntoIterator<Item = u32>) -> ReaderKeys {
        ReaderKeys {
            inputs: self.inputs.clone(),
            checkpoints: checkpoints
                .into_iter()
                .map(|index| (index, self.checkpoint(index)))
                .collect(),
            witness: None,
        }
    }

    /// The randomness under which an auditor's grant of one audit round is sealed: fixed by
    /// secret, auditor and place, so that the provider can later show what it granted (see
    /// [`ReaderKeys::witness`]), and never used for two different messages.
    pub fn randomness(&self, auditor: &AccountId, round: &Place) -> [u8; 32] {
        let parts: [&[u8]; 3] = [&self.secret, &auditor.0, &round.occasion.bytes()];
        Digest::of("assay/grant/randomness/v2", &parts).0
    }
}

impl Drop for ProviderKeys {
    fn drop(&mut self) {
        self.secret.zeroize();
    }
}

/// What auditors and validators are granted: the inputs and some checkpoints.
#[derive(Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct ReaderKeys {
    /// The input files' keys, in the terms' sequence.
    pub inputs: Vec<FileKey>,
    /// Checkpoints by index, each with its key.
    pub checkpoints: Vec<(u32, FileKey)>,
    /// Towards validators that must judge an auditor's claim to have been granted nothing
    /// usable: the randomness of that auditor's grant. Sealing these same keys (without the
    /// witness) again under it gives the very bytes on the ledger if, and only if, the claim is
    /// false.
    pub witness: Option<[u8; 32]>,
}

impl Drop for ReaderKeys {
    fn drop(&mut self) {
        // The other keys wipe themselves.
        self.witness.zeroize();
    }
}

impl ReaderKeys {
    /// The key of one checkpoint, if it is among those granted.
    pub fn checkpoint(&self, index: u32) -> Option<&FileKey> {
        self.checkpoints
            .iter()
            .find(|(at, _)| *at == index)
            .map(|(_, key)| key)
    }
}

/// Names the one use of a sealed grant; opening it elsewhere fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GrantUse {
    /// What the keys are for.
    pub place: Place,
    /// Who grants.
    pub from: AccountId,
    /// Who may open it.
    pub to: AccountId,
}

impl GrantUse {
    fn info(&self) -> [u8; 32] {
        let parts: [&[u8]; 5] = [
            &self.place.order.0.0,
            &self.place.run.0.to_le_bytes(),
            &self.place.occasion.bytes(),
            &self.from.0,
            &self.to.0,
        ];
        Digest::of("assay/grant/v2", &parts).0
    }

    /// Seals keys to the grantee; `None` when its registered key cannot be sealed to.
    pub fn seal<K: BorshSerialize>(
        &self,
        to: &EncryptionKey,
        keys: &K,
        randomness: [u8; 32],
    ) -> Option<SealedKeys> {
        let plain = zeroize::Zeroizing::new(borsh::to_vec(keys).ok()?);
        let sealed = assay_crypto::seal(to, &self.info(), &plain, randomness).ok()?;
        SealedKeys::new(sealed.0).ok()
    }

    /// Opens a grant; `None` when it was not sealed to this key for this use, or when it holds
    /// something else.
    pub fn open<K: BorshDeserialize>(
        &self,
        secret: &EncryptionSecret,
        sealed: &SealedKeys,
    ) -> Option<K> {
        let sealed = Sealed(sealed.to_vec());
        let plain =
            zeroize::Zeroizing::new(assay_crypto::open(secret, &self.info(), &sealed).ok()?);
        borsh::from_slice(&plain).ok()
    }
}

fn checkpoint(secret: &FileKey, index: u32) -> FileKey {
    FileKey::derive(&secret.0, "checkpoint", u64::from(index))
}

fn hash(secret: &[u8; 32]) -> Digest {
    Digest::of("assay/keys/secret/v1", &[secret])
}

fn commitment(inputs: &[FileKey], secrets: &[Digest]) -> Digest {
    let mut parts: Vec<&[u8]> = vec![];
    let count = (inputs.len() as u64).to_le_bytes();
    parts.push(&count);
    parts.extend(inputs.iter().map(|key| &key.0[..]));
    parts.extend(secrets.iter().map(|secret| &secret.0[..]));
    Digest::of("assay/keys/v1", &parts)
}

#[cfg(test)]
#[path = "keys_tests.rs"]
mod tests;
