//! A network with many accounts, in memory, whose blocks are timed.

use std::collections::BTreeMap;
use std::error::Error;
use std::time::Instant;

use assay_crypto::release::LockSecret;
use assay_crypto::{Digest, EncryptionKey, SecretKey};
use assay_ledger::{
    Acceptance, AccountCall, Amount, BlockContext, BoundedBytes, BoundedString, BoundedVec, Call,
    Deadlines, FileCall, FileId, FileRecord, Genesis, GenesisAccount, GenesisRegistration, Height,
    Input, Keeping, LedgerTime, MemoryStore, Offer, OrderId, Parameters, Role, Status, StopRule,
    Terms, Transaction, ValidatorInfo, execute_verified_block, root,
};

/// Milliseconds from one block to the next.
pub(crate) const GAP_MS: u64 = 1_000;

/// The network and its state. Account 0 is a storage node, 1 a validator; of the others one in ten is a
/// provider and one in ten an auditor.
pub(crate) struct World {
    /// Of all accounts.
    pub(crate) secrets: Vec<SecretKey>,
    nonces: Vec<u64>,
    genesis: Genesis,
    storage: SecretKey,
    /// The state.
    pub(crate) store: MemoryStore,
    tree: BTreeMap<Vec<u8>, Vec<u8>>,
    height: u64,
}

impl World {
    /// With so many accounts.
    ///
    /// # Errors
    /// Parameters that no network may have.
    pub(crate) fn new(accounts: usize, parameters: Parameters) -> Result<World, Box<dyn Error>> {
        let secret = |n: u64| SecretKey::from_seed(Digest::of("scale", &[&n.to_le_bytes()]).0);
        let secrets: Vec<SecretKey> = (0..accounts as u64).map(secret).collect();
        let storage = secrets[0].clone();
        let genesis = genesis(&secrets, parameters)?;
        let state = genesis.state()?;
        let mut tree = BTreeMap::new();
        plant(&mut tree, root::genesis(&state)?.nodes);
        Ok(World {
            nonces: vec![0; accounts],
            secrets,
            genesis,
            storage,
            store: MemoryStore::new(state),
            tree,
            height: 0,
        })
    }

    /// The name of the order that an account would post next.
    pub(crate) fn next_order(&self, who: usize) -> OrderId {
        OrderId::new(
            self.genesis.chain_id(),
            self.secrets[who].public(),
            self.nonces[who],
        )
    }

    /// The height of the last block.
    pub(crate) fn height(&self) -> u64 {
        self.height
    }

    /// Executes a block of these calls; milliseconds for execution and for the root.
    ///
    /// # Errors
    /// A call that was refused.
    pub(crate) fn block(&mut self, calls: Vec<(usize, Call)>) -> Result<[f64; 2], Box<dyn Error>> {
        self.height += 1;
        let chain = self.genesis.chain_id();
        let txs: Vec<Transaction> = calls
            .into_iter()
            .map(|(who, call)| {
                let nonce = self.nonces[who];
                self.nonces[who] += 1;
                Transaction::sign(&self.secrets[who], chain, nonce, Amount(10_000), call)
            })
            .collect();
        let context = BlockContext {
            height: Height(self.height),
            timestamp_ms: GAP_MS * self.height,
            beacon: Digest::of("scale beacon", &[&self.height.to_le_bytes()]),
            view: None,
        };
        let began = Instant::now();
        let executed = execute_verified_block(&self.store, &context, &txs)?;
        let done = Instant::now();
        let update = root::update(&self.tree, context.height, &executed.writes)?;
        let rooted = Instant::now();
        let refused = executed.receipts.receipts.iter();
        let mut refused = refused.filter(|receipt| receipt.status != Status::Applied);
        if let Some(receipt) = refused.next() {
            return Err(format!("{:?}", receipt.status).into());
        }
        self.store.apply(&executed.writes);
        plant(&mut self.tree, update.nodes);
        let ms = |from: Instant, to: Instant| (to - from).as_secs_f64() * 1e3;
        Ok([ms(began, done), ms(done, rooted)])
    }

    /// A transfer to one of them.
    pub(crate) fn pay(&self, to: usize) -> Call {
        let to = self.secrets[to % self.secrets.len()].public();
        let amount = Amount(1);
        AccountCall::Transfer { to, amount }.into()
    }

    /// A record of a file; those up to the number of accounts belong to each in turn.
    pub(crate) fn file(&self, n: usize) -> Call {
        let owner = self.secrets[n % self.secrets.len()].public();
        let digest = Digest::of("scale file", &[&n.to_le_bytes()]);
        let record = FileRecord {
            id: FileId(digest),
            owner,
            name: BoundedString::new(format!("file {n}")).unwrap_or_default(),
            length_class: 1 << 20,
            slices: 1,
            root: digest,
            placement: BoundedVec::new([self.storage.public()]).unwrap_or_default(),
            media_type: BoundedString::default(),
            key_envelope: BoundedBytes::default(),
        };
        let until = LedgerTime(Parameters::default().max_kept_ms / 2);
        let keeping = Keeping::of(self.genesis.chain_id(), &record, until);
        let agreed = Acceptance::sign(&self.storage, &keeping, Amount::ZERO, until);
        FileCall::Put {
            record: Box::new(record),
            until,
            firm: true,
            acceptances: BoundedVec::new([agreed]).unwrap_or_default(),
        }
        .into()
    }

    /// Terms of one of them, which everybody who is registered takes.
    pub(crate) fn terms(&self, who: usize, deadlines: Deadlines) -> Terms {
        let input = |name: &str| Input {
            name: BoundedString::new(name).unwrap_or_default(),
            file: FileId(Digest::of("scale file", &[&who.to_le_bytes()])),
            content: Digest::ZERO,
        };
        Terms {
            kind: BoundedString::new("finetune").unwrap_or_default(),
            spec: BoundedBytes::new([7; 64]).unwrap_or_default(),
            model: BoundedBytes::new([Terms::MODEL_VERSION; Terms::MODEL_BYTES])
                .unwrap_or_default(),
            inputs: BoundedVec::new([input("model"), input("train")]).unwrap_or_default(),
            steps: 100,
            segment_steps: 10,
            step_units: 1,
            memory: 1 << 20,
            method: BoundedString::new("lora").unwrap_or_default(),
            stop: StopRule {
                stop_after: 10,
                max_invalid: 10,
            },
            price: Amount(50_000),
            provider_bond: Amount::tokens(1),
            auditor_bond: Amount::tokens(1),
            auditor_fee: Amount(50_000),
            segments_drawn: 4,
            auditors: 2,
            copies: 1,
            attempts: 2,
            keys: Digest::ZERO,
            delivery_key: LockSecret::from_seed(&[9; 32]).public(),
            deadlines,
            rounds: None,
            contest: None,
        }
    }
}

fn plant(tree: &mut BTreeMap<Vec<u8>, Vec<u8>>, nodes: BTreeMap<Vec<u8>, Option<Vec<u8>>>) {
    for (key, node) in nodes {
        match node {
            Some(node) => tree.insert(key, node),
            None => tree.remove(&key),
        };
    }
}

fn genesis(secrets: &[SecretKey], parameters: Parameters) -> Result<Genesis, Box<dyn Error>> {
    let account = |secret: &SecretKey| GenesisAccount {
        account: secret.public(),
        balance: Amount::tokens(1_000),
    };
    let accounts: Vec<_> = secrets.iter().map(account).collect();
    let address = BoundedString::new("localhost:1")?;
    let mut registrations = Vec::new();
    for (n, secret) in secrets.iter().enumerate() {
        let role = match n {
            0 => Role::Storage,
            1 => Role::Validator,
            n if n % 10 == 0 => Role::Provider,
            n if n % 10 == 1 => Role::Auditor,
            _ => continue,
        };
        registrations.push(GenesisRegistration {
            account: secret.public(),
            role,
            bond: Amount::tokens(100),
            encryption_key: EncryptionKey([9; 32]),
            address: address.clone(),
            offer: role.is_drawn().then(Offer::anything),
        });
    }
    Ok(Genesis {
        chain_name: BoundedString::new("scale")?,
        timestamp_ms: 0,
        accounts: BoundedVec::new(accounts)?,
        registrations: BoundedVec::new(registrations)?,
        owners: BoundedVec::default(),
        parameters,
        beacon_key: BoundedBytes::default(),
        validators: BoundedVec::new(vec![ValidatorInfo {
            account: secrets[1].public(),
            address,
        }])?,
    })
}
