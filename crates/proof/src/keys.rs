//! The keys of an order: who can read what, and when.
//!
//! The inputs' keys are the requester's, and a provider is granted them. The states of a run are
//! encrypted under keys that its provider alone knows until it releases that of the last one
//! ([`assay_crypto::release`]):
//!
//! ```text
//! s, a             = H(the provider's encryption secret, order, run), for one use each
//! checkpoint[r, c] = KDF(s, "checkpoint", c)
//! key[r]           = a B(order, run)
//! result[r]        = KDF(key[r], "result", 0)
//! terms.keys       = H(input keys)
//! ```
//!
//! What is released is `key[r]`: it opens the result and nothing else, so that a requester that was
//! handed garbage can show it to everybody. So no requester can read a result that it has not paid for, no provider anything of another's run, and
//! no key ever encrypts two different checkpoints. The order's terms hold the commitment `terms.keys`, so a
//! provider that is granted keys can tell at once whether they are the ones the order was posted with.

use assay_crypto::aead::FileKey;
use assay_crypto::release::{BadLock, LockKey, LockSecret, Release, Shown};
use assay_crypto::{Digest, EncryptionKey, EncryptionSecret, Sealed};
use assay_ledger::{AccountId, OrderId, Place, Run, SealedKeys, Trace};
use borsh::{BorshDeserialize, BorshSerialize};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// All keys of an order; the requester's alone.
#[derive(Clone, Zeroize, ZeroizeOnDrop, BorshSerialize, BorshDeserialize)]
pub struct OrderKeys {
    inputs: Vec<FileKey>,
    secret: [u8; 32],
}

impl OrderKeys {
    /// Keys of an order with these input files, in the terms' sequence; its result is released to a key
    /// that is derived from a fresh random `secret`.
    pub fn new(inputs: Vec<FileKey>, secret: [u8; 32]) -> OrderKeys {
        OrderKeys { inputs, secret }
    }

    /// What the order's terms hold as `keys`.
    pub fn commitment(&self) -> Digest {
        commitment(&self.inputs)
    }

    /// What the order's terms hold as `delivery_key`.
    pub fn delivery_key(&self) -> LockKey {
        self.delivery().public()
    }

    /// The input files' keys, in the terms' sequence.
    pub fn inputs(&self) -> &[FileKey] {
        &self.inputs
    }

    /// Key of the result of a run, if it was released.
    pub fn result(&self, run: &Run) -> Option<FileKey> {
        let key = run.released.as_ref()?.open(&self.delivery())?;
        Some(Trace::result_key(&key))
    }

    /// Shows to everybody what was released of a run.
    pub fn show(&self, run: &Run) -> Option<Shown> {
        run.released.as_ref()?.show(&self.delivery())
    }

    /// What the provider of a run is granted.
    pub fn for_provider(&self) -> InputKeys {
        InputKeys {
            inputs: self.inputs.clone(),
        }
    }

    /// The randomness under which a provider's grant is sealed: fixed by the order's secret, the provider and
    /// its run, so that the requester can later show what it granted, and never used for two messages.
    pub fn randomness(&self, provider: &AccountId, work: &Place) -> [u8; 32] {
        let run = work.run.0.to_le_bytes();
        let parts: [&[u8]; 4] = [&self.secret, &provider.0, &work.order.0.0, &run];
        Digest::of("assay/grant/requester randomness/v1", &parts).0
    }

    /// What judges are granted about a provider that gives its run back: the keys that it was granted,
    /// with the randomness that shows it.
    pub fn for_beginning(&self, provider: &AccountId, work: &Place) -> ReaderKeys {
        let mut keys = ReaderKeys::of(&self.inputs, Vec::new(), None);
        keys.witness = Some(self.randomness(provider, work));
        keys
    }

    /// What judges are granted about a run; the key of its result is shown to them if it was released.
    pub fn for_judge(&self, run: &Run) -> ReaderKeys {
        ReaderKeys::of(&self.inputs, Vec::new(), self.show(run))
    }

    fn delivery(&self) -> LockSecret {
        LockSecret::from_seed(&self.secret)
    }
}

/// What the provider of a run is granted: the keys of the inputs.
#[derive(Clone, BorshSerialize, BorshDeserialize)]
pub struct InputKeys {
    inputs: Vec<FileKey>,
}

impl InputKeys {
    /// The keys of a trainer's part of a round: the model's and its rows'.
    pub fn of_trainer(model: FileKey, rows: FileKey) -> InputKeys {
        InputKeys {
            inputs: vec![model, rows],
        }
    }

    /// Whether these are the keys the order was posted with.
    pub fn match_terms(&self, commitment_in_terms: &Digest) -> bool {
        commitment(&self.inputs) == *commitment_in_terms
    }

    /// The input files' keys, in the terms' sequence.
    pub fn inputs(&self) -> &[FileKey] {
        &self.inputs
    }
}

/// What the provider of a run reads and writes with: the inputs' keys, and those of its own states.
pub struct RunKeys {
    inputs: Vec<FileKey>,
    use_of: Digest,
    lock: LockSecret,
    result: FileKey,
    /// What all other keys of the run are derived from.
    states: Zeroizing<[u8; 32]>,
}

impl RunKeys {
    /// The keys of the run at this place; `secret` is the provider's. They are the same each time, so that
    /// they need not be kept.
    pub fn new(granted: InputKeys, secret: &EncryptionSecret, work: &Place) -> RunKeys {
        let parts: [&[u8]; 2] = [&work.order.0.0, &work.run.0.to_le_bytes()];
        let mut seed = secret.derive("assay/run/lock secret/v1", &parts);
        let lock = LockSecret::from_seed(&seed);
        seed.zeroize();
        let use_of = Trace::locked_for(work);
        RunKeys {
            inputs: granted.inputs,
            result: Trace::result_key(&lock.key(&use_of)),
            use_of,
            states: Zeroizing::new(secret.derive("assay/run/states/v1", &parts)),
            lock,
        }
    }

    /// The same for a trainer's part of a round, whose last state is the update that everybody can read.
    #[must_use]
    pub fn with_update(mut self, work: &Place) -> RunKeys {
        self.result = update_key(work.order);
        self
    }

    /// The input files' keys, in the terms' sequence.
    pub fn inputs(&self) -> &[FileKey] {
        &self.inputs
    }

    /// What binds the provider to the key of its result.
    pub fn lock(&self) -> LockKey {
        self.lock.public()
    }

    /// Key of the state at the start of one of this run's segments.
    pub fn checkpoint(&self, index: u32) -> FileKey {
        FileKey::derive(&self.states, "checkpoint", index.into())
    }

    /// Key of this run's result.
    pub fn result(&self) -> FileKey {
        self.result.clone()
    }

    /// Key of a checkpoint of a run of so many segments; one past the last segment is the result.
    pub(crate) fn state(&self, index: u32, segments: u32) -> FileKey {
        match index == segments {
            true => self.result(),
            false => self.checkpoint(index),
        }
    }

    /// Hands the key of its result to the requester, in public; `randomness` must be fresh and secret.
    ///
    /// # Errors
    /// [`BadLock`] for a delivery key that no order can have.
    pub fn release(&self, to: &LockKey, randomness: &[u8; 32]) -> Result<Release, BadLock> {
        self.lock.release(&self.use_of, to, randomness)
    }

    /// The salt of a commitment to this run: fixed by its key, so that it need not be kept.
    pub fn salt(&self) -> Digest {
        Digest::of("assay/run/salt/v2", &[&self.private("salt").0])
    }

    /// What a reader of these checkpoints is granted.
    pub fn for_reader(&self, checkpoints: impl IntoIterator<Item = u32>) -> ReaderKeys {
        let checkpoints = checkpoints.into_iter();
        let keys = checkpoints.map(|index| (index, self.checkpoint(index)));
        ReaderKeys::of(&self.inputs, keys.collect(), None)
    }

    /// What judges of the released result are granted: its key, with the proof that it is the one to which
    /// the provider is bound.
    pub fn for_judge(&self) -> ReaderKeys {
        let shown = self.lock.show(&self.use_of);
        ReaderKeys::of(&self.inputs, Vec::new(), Some(shown))
    }

    /// The randomness under which an auditor's grant of one audit round is sealed: fixed by the run's key,
    /// auditor and place, so that the provider can later show what it granted (see
    /// [`ReaderKeys::witness`]), and never used for two different messages.
    pub fn randomness(&self, auditor: &AccountId, round: &Place) -> [u8; 32] {
        let secret = self.private("grants");
        let parts: [&[u8]; 3] = [&secret.0, &auditor.0, &round.occasion.bytes()];
        Digest::of("assay/grant/randomness/v3", &parts).0
    }

    fn private(&self, purpose: &str) -> FileKey {
        FileKey::derive(&self.states, purpose, 0)
    }
}

/// What auditors and validators are granted: the inputs and some checkpoints.
#[derive(Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct ReaderKeys {
    /// The input files' keys, in the terms' sequence.
    pub inputs: Vec<FileKey>,
    /// Checkpoints by index, each with its key.
    pub checkpoints: Vec<(u32, FileKey)>,
    /// Towards validators that must judge a claim to have been granted nothing usable, by an auditor or a
    /// provider: the randomness of that grant. Sealing these same keys (without the
    /// witness) again under it gives the very bytes on the ledger if, and only if, the claim is
    /// false.
    pub witness: Option<[u8; 32]>,
    /// Towards validators that judge a released result: its key, with a proof.
    pub shown: Option<Shown>,
}

impl Drop for ReaderKeys {
    fn drop(&mut self) {
        // The other keys wipe themselves.
        self.witness.zeroize();
    }
}

impl ReaderKeys {
    fn of(
        inputs: &[FileKey],
        checkpoints: Vec<(u32, FileKey)>,
        shown: Option<Shown>,
    ) -> ReaderKeys {
        ReaderKeys {
            inputs: inputs.to_vec(),
            checkpoints,
            witness: None,
            shown,
        }
    }

    /// The key of the result of the run at this place, if it is shown here: by the provider that is bound to it,
    /// or by the requester, `to` whom it was released. Nobody can show another one.
    pub fn shown(&self, (work, run): (&Place, &Run), to: &LockKey) -> Option<FileKey> {
        let (shown, trace) = (self.shown.as_ref()?, run.trace.as_ref()?);
        let use_of = Trace::locked_for(work);
        let by_provider = || shown.by_holder(&use_of, &trace.lock);
        let by_requester = || shown.by_receiver(run.released.as_ref()?, to);
        let key = by_provider().or_else(by_requester)?;
        Some(Trace::result_key(&key))
    }

    /// The keys of the inputs alone, as a provider is granted them.
    pub(crate) fn as_granted(&self) -> InputKeys {
        InputKeys {
            inputs: self.inputs.clone(),
        }
    }

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

/// Key of a model of an order with rounds: whoever reads the ledger knows it.
pub fn model_key(order: OrderId, content: &Digest) -> FileKey {
    FileKey(Digest::of("assay/rounds/model key/v1", &[&order.0.0, &content.0]).0)
}

/// Key of the update of a trainer's part of a round, by the name that its audit has: whoever reads the ledger
/// knows it.
pub fn update_key(audit: OrderId) -> FileKey {
    FileKey(Digest::of("assay/rounds/update key/v1", &[&audit.0.0]).0)
}

fn commitment(inputs: &[FileKey]) -> Digest {
    let parts: Vec<&[u8]> = inputs.iter().map(|key| &key.0[..]).collect();
    Digest::of("assay/keys/v2", &parts)
}

#[cfg(test)]
#[path = "keys_tests.rs"]
mod tests;
