//! What one node needs for its part in a large state, on one core: a block that is full, a block in
//! which as much falls due and waits for draws as can, and the pages that faces show.
//!
//! `cargo run --release -p assay-ledger --example scale [ACCOUNTS] [ORDERS] [FILES]`
#![expect(clippy::print_stdout, reason = "the figures are the point")]

use std::collections::BTreeMap;
use std::error::Error;
use std::time::Instant;

use assay_crypto::release::LockSecret;
use assay_crypto::{Digest, EncryptionKey, SecretKey};
use assay_ledger::query::{self, Which};
use assay_ledger::{
    Acceptance, AccountCall, Amount, BlockContext, BoundedBytes, BoundedString, BoundedVec, Call,
    Deadlines, FileCall, FileId, FileRecord, Genesis, GenesisAccount, GenesisRegistration, Height,
    Input, Keeping, LedgerTime, MemoryStore, Offer, OrderCall, Parameters, Phase, Role, Status,
    StopRule, Terms, Transaction, ValidatorInfo, execute_verified_block, root,
};

fn main() -> Result<(), Box<dyn Error>> {
    let mut numbers = std::env::args().skip(1).map(|text| text.parse::<usize>());
    let mut next = |default| numbers.next().unwrap_or(Ok(default));
    let (accounts, orders, files) = (next(10_000)?, next(40_000)?, next(100_000)?);
    let mut world = World::new(accounts)?;
    let limit = Parameters::default().max_block_cost as usize;

    let began = Instant::now();
    let mut recorded = 0;
    while recorded < files.max(1) {
        let count = (limit / 6).min(files.max(1) - recorded);
        let calls = (recorded..recorded + count).map(|n| (n % accounts, world.file(n)));
        let calls: Vec<_> = calls.collect();
        world.block(calls)?;
        recorded += count;
    }
    let mut posted = 0;
    while posted < orders {
        let count = (limit / 12).min(orders - posted);
        let calls = (posted..posted + count).map(|n| (n % accounts, world.order(n)));
        let calls: Vec<_> = calls.collect();
        world.block(calls)?;
        posted += count;
    }
    println!(
        "{accounts} accounts, {orders} orders, {files} files: {} records in the state, made in {:.0} s",
        world.store.pairs().len(),
        began.elapsed().as_secs_f64()
    );

    let transfers = limit / 2;
    let mut times = Vec::new();
    for _ in 0..5 {
        let calls = (0..transfers).map(|n| (n % accounts, world.pay(n + 1)));
        let calls: Vec<_> = calls.collect();
        times.push(world.block(calls)?);
    }
    told(&format!("a full block, {transfers} transfers"), &mut times);

    // Everything posted waits for a provider, and its deadline has come.
    let mut times = Vec::new();
    for _ in 0..DEADLINE {
        world.block(Vec::new())?;
    }
    for _ in 0..5 {
        let calls = (0..transfers).map(|n| (n % accounts, world.pay(n + 1)));
        let calls: Vec<_> = calls.collect();
        times.push(world.block(calls)?);
    }
    told("the same with deadlines overdue and draws", &mut times);

    let me = world.secrets[1].public();
    let pages: [(&str, Which); 4] = [
        ("latest orders", Which::Latest),
        ("orders in a phase", Which::In(Phase::Posted)),
        ("orders of an account", Which::PostedBy(me)),
        ("orders with a part", Which::WithPart(me)),
    ];
    for (what, which) in pages {
        let began = Instant::now();
        let page = query::listed(&world.store, which, 500)?;
        let ms = began.elapsed().as_secs_f64() * 1e3;
        println!("{what:<44} {ms:8.1} ms for {} entries", page.entries.len());
    }
    let began = Instant::now();
    let page = query::files_of(&world.store, &me, 500)?;
    let ms = began.elapsed().as_secs_f64() * 1e3;
    println!(
        "{:<44} {ms:8.1} ms for {} entries",
        "files of an account",
        page.entries.len()
    );
    Ok(())
}

fn told(what: &str, times: &mut [[f64; 2]]) {
    times.sort_by(|a, b| (a[0] + a[1]).total_cmp(&(b[0] + b[1])));
    let [execute, rooted] = times[times.len() / 2];
    println!(
        "{what:<44} {:8.1} ms: {execute:.1} executing, {rooted:.1} for the root",
        execute + rooted
    );
}

/// Blocks that a posted order waits.
const DEADLINE: u32 = 150;

struct World {
    secrets: Vec<SecretKey>,
    nonces: Vec<u64>,
    genesis: Genesis,
    storage: SecretKey,
    store: MemoryStore,
    tree: BTreeMap<Vec<u8>, Vec<u8>>,
    height: u64,
}

impl World {
    fn new(accounts: usize) -> Result<World, Box<dyn Error>> {
        let secret = |n: u64| SecretKey::from_seed(Digest::of("scale", &[&n.to_le_bytes()]).0);
        let secrets: Vec<SecretKey> = (0..accounts as u64).map(secret).collect();
        let storage = secrets[0].clone();
        let genesis = genesis(&secrets)?;
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

    /// Executes a block of these calls; milliseconds for execution and for the root.
    fn block(&mut self, calls: Vec<(usize, Call)>) -> Result<[f64; 2], Box<dyn Error>> {
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
            timestamp_ms: 1_000 * self.height,
            beacon: Digest::of("scale beacon", &[&self.height.to_le_bytes()]),
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

    fn pay(&self, to: usize) -> Call {
        let to = self.secrets[to % self.secrets.len()].public();
        let amount = Amount(1);
        AccountCall::Transfer { to, amount }.into()
    }

    fn file(&self, n: usize) -> Call {
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
            firm: false,
            acceptances: BoundedVec::new([agreed]).unwrap_or_default(),
        }
        .into()
    }

    fn order(&self, n: usize) -> Call {
        let who = n % self.secrets.len();
        let input = |name: &str| Input {
            name: BoundedString::new(name).unwrap_or_default(),
            file: FileId(Digest::of("scale file", &[&who.to_le_bytes()])),
            content: Digest::ZERO,
        };
        let terms = Terms {
            kind: BoundedString::new("finetune").unwrap_or_default(),
            spec: BoundedBytes::new([7; 64]).unwrap_or_default(),
            model: BoundedBytes::new([Terms::MODEL_VERSION; Terms::MODEL_BYTES])
                .unwrap_or_default(),
            inputs: BoundedVec::new([input("model"), input("train")]).unwrap_or_default(),
            steps: 100,
            segment_steps: 10,
            stop: StopRule {
                stop_after: 10,
                max_invalid: 10,
            },
            price: Amount(1_000),
            provider_bond: Amount::tokens(1_000_000),
            auditor_bond: Amount::tokens(1),
            auditor_fee: Amount(10),
            segments_drawn: 4,
            auditors: 2,
            copies: 1,
            attempts: 2,
            keys: Digest::ZERO,
            delivery_key: LockSecret::from_seed(&[9; 32]).public(),
            deadlines: Deadlines::all(1_000 * u64::from(DEADLINE)),
        };
        OrderCall::Post(Box::new(terms)).into()
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

fn genesis(secrets: &[SecretKey]) -> Result<Genesis, Box<dyn Error>> {
    let account = |secret: &SecretKey| GenesisAccount {
        account: secret.public(),
        balance: Amount::tokens(1_000),
    };
    let accounts: Vec<_> = secrets.iter().map(account).collect();
    let address = BoundedString::new("localhost:1")?;
    // A tenth of all are providers, none with bond enough for the orders that wait.
    let mut registrations = Vec::new();
    for (n, secret) in secrets.iter().enumerate() {
        let role = match n {
            0 => Role::Storage,
            1 => Role::Validator,
            n if n % 10 == 0 => Role::Provider,
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
        parameters: Parameters {
            // The orders that wait ask for more than anybody has.
            max_bond_multiple: u32::MAX,
            ..Parameters::default()
        },
        beacon_key: BoundedBytes::default(),
        validators: BoundedVec::new(vec![ValidatorInfo {
            account: secrets[1].public(),
            address,
        }])?,
    })
}
