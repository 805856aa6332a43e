//! Calls, transactions, a genesis and records of the ledger.

use std::sync::OnceLock;

use assay_crypto::merkle::{self, Tree};
use assay_crypto::release::LockSecret;
use assay_crypto::tiles::Tiled;
use assay_crypto::{Digest, EncryptionKey, RangeOpening, SecretKey, Signature};
use assay_ledger::{
    Acceptance, AccountCall, AccountId, Admission, Amount, AskGrant, AuditResults, BlockContext,
    BoundedBytes, BoundedString, BoundedVec, CONSENT_DOMAIN, Call, ChainId, Contradiction, Counts,
    Deadlines, DeclineReason, Executed, FileCall, FileId, FileRecord, Finding, Genesis,
    GenesisAccount, GenesisRegistration, Height, Input, Keeping, LedgerTime, MemoryStore, Occasion,
    Offer, Opening, OrderCall, OrderId, Parameters, Piece, Place, Reached, Role, RunIndex,
    SealedKeys, SegmentIndex, SliceRange, StepIndex, StopRule, Terms, Trace, Transaction,
    ValidatorInfo, consent, execute_verified_block, query,
};

/// Accounts of [`genesis`]: 4 validators, 2 providers, 3 auditors, 2 storage nodes, 1 requester.
pub const ACCOUNTS: u8 = 12;

/// The place of the requester among the accounts.
pub const REQUESTER: u8 = 11;

/// A secret key; equal numbers give equal keys.
pub fn secret(number: u8) -> SecretKey {
    SecretKey::from_seed([number; 32])
}

/// An account of [`genesis`].
pub fn account(number: u8) -> AccountId {
    static ALL: OnceLock<Vec<AccountId>> = OnceLock::new();
    let all = ALL.get_or_init(|| {
        (0..ACCOUNTS)
            .map(|number| secret(number).public())
            .collect()
    });
    all[usize::from(number % ACCOUNTS)]
}

/// A digest; equal words give equal digests.
pub fn digest(word: &str) -> Digest {
    Digest::of("assay/fuzz/sample", &[word.as_bytes()])
}

fn text<const N: usize>(text: &str) -> BoundedString<N> {
    BoundedString::new(text).expect("short")
}

fn role(number: u8) -> Option<Role> {
    match number {
        0..4 => Some(Role::Validator),
        4..6 => Some(Role::Provider),
        6..9 => Some(Role::Auditor),
        9..11 => Some(Role::Storage),
        _ => None,
    }
}

/// A genesis with every role.
pub fn genesis() -> Genesis {
    let registration = |number| {
        Some(GenesisRegistration {
            account: account(number),
            role: role(number)?,
            bond: Amount::tokens(100),
            encryption_key: secret(number).encryption().public(),
            address: text("host:7100"),
            offer: role(number)?.is_drawn().then(Offer::standard),
        })
    };
    let balance = |number| GenesisAccount {
        account: account(number),
        balance: Amount::tokens(1_000),
    };
    let mut validators: Vec<ValidatorInfo> = (0..4)
        .map(|number| ValidatorInfo {
            account: account(number),
            address: text("host:7200"),
        })
        .collect();
    validators.sort_by_key(|validator| validator.account);
    Genesis {
        chain_name: text("fuzz"),
        timestamp_ms: 1_700_000_000_000,
        accounts: BoundedVec::new((0..ACCOUNTS).map(balance).collect::<Vec<_>>()).expect("few"),
        registrations: BoundedVec::new((0..ACCOUNTS).filter_map(registration).collect::<Vec<_>>())
            .expect("few"),
        parameters: Parameters {
            unbonding_ms: 3_000,
            floors: Deadlines::all(0),
            min_blocks: 1,
            ..Parameters::default()
        },
        owners: BoundedVec::default(),
        beacon_key: BoundedBytes::new([7; 48]).expect("short"),
        validators: BoundedVec::new(validators).expect("few"),
    }
}

/// The name of the requester's first order if it is posted with this nonce.
pub fn order(nonce: u64) -> OrderId {
    OrderId::new(genesis().chain_id(), account(REQUESTER), nonce)
}

/// A file of the requester.
pub fn file(name: &str) -> FileRecord {
    FileRecord {
        id: FileId(digest(name)),
        owner: account(REQUESTER),
        name: text(name),
        length_class: 4_096,
        slices: 1,
        root: digest("slices"),
        placement: BoundedVec::new(vec![account(9), account(10)]).expect("few"),
        media_type: text("text/plain"),
        key_envelope: BoundedBytes::new([1; 80]).expect("short"),
    }
}

/// Records a file of the requester, with what its nodes signed.
pub fn put(name: &str) -> FileCall {
    let record = file(name);
    let until = LedgerTime(Parameters::devnet().max_kept_ms);
    let keeping = Keeping::of(genesis().chain_id(), &record, until);
    let agreed = [9, 10].map(|n| Acceptance::sign(&secret(n), &keeping, Amount(5), until));
    FileCall::Put {
        record: Box::new(record),
        until,
        firm: false,
        acceptances: BoundedVec::new(agreed).expect("few"),
    }
}

/// Terms that the ledger accepts.
pub fn terms() -> Terms {
    let input = |name: &str| Input {
        name: text(name),
        file: FileId(digest(name)),
        content: digest("content"),
    };
    Terms {
        kind: text("finetune"),
        spec: BoundedBytes::new(b"{}".to_vec()).expect("short"),
        model: BoundedBytes::new([Terms::MODEL_VERSION; Terms::MODEL_BYTES]).expect("short"),
        inputs: BoundedVec::new(vec![input("model"), input("train")]).expect("few"),
        steps: 3,
        segment_steps: 2,
        step_units: 1,
        memory: 1 << 20,
        method: text("lora"),
        stop: StopRule {
            stop_after: 2,
            max_invalid: 2,
        },
        price: Amount::tokens(10),
        provider_bond: Amount::tokens(20),
        auditor_bond: Amount::tokens(5),
        auditor_fee: Amount(500_000),
        segments_drawn: 2,
        auditors: 2,
        attempts: 2,
        copies: 1,
        keys: digest("keys"),
        delivery_key: lock(1).public(),
        deadlines: Deadlines::all(3_000),
        rounds: None,
        contest: None,
    }
}

/// Behind which somebody locks its results.
fn lock(number: u8) -> LockSecret {
    LockSecret::from_seed(&[number; 32])
}

/// What the run that [`terms`] ask for has reached after so many steps.
pub fn reached(step: u64) -> Reached {
    Reached {
        state: Tiled {
            length: 32,
            root: digest(&format!("state {step}")),
        },
        counts: Counts {
            valid: step,
            ..Counts::default()
        },
    }
}

/// The leaves of that run.
pub fn leaves() -> Vec<Digest> {
    (0..=terms().steps)
        .map(|step| reached(step).leaf(StepIndex(step)))
        .collect()
}

fn opening(step: u64) -> Opening {
    Opening {
        step: StepIndex(step),
        reached: reached(step),
        path: Tree::new(leaves()).path(step).expect("a leaf of the tree"),
    }
}

/// A place in an order's first run.
pub fn place(order: OrderId, occasion: Occasion) -> Place {
    Place {
        order,
        run: RunIndex(0),
        occasion,
    }
}

/// One of each call, in the order of their encoding, about one order.
pub fn calls(order: OrderId) -> Vec<Call> {
    let accounts = account_calls().into_iter().map(Call::from);
    let files = file_calls().into_iter().map(Call::from);
    let orders = order_calls(order).into_iter().map(Call::from);
    accounts.chain(files).chain(orders).collect()
}

fn account_calls() -> Vec<AccountCall> {
    vec![
        AccountCall::Transfer {
            to: account(0),
            amount: Amount(5),
        },
        AccountCall::Register {
            role: Role::Storage,
            bond: Amount::tokens(2),
            encryption_key: EncryptionKey([3; 32]),
            address: text("host:1"),
            offer: None,
        },
        AccountCall::Own {
            node: account(4),
            consent: secret(4).sign(
                CONSENT_DOMAIN,
                &consent(genesis().chain_id(), &account(REQUESTER)),
            ),
        },
        AccountCall::Unregister {
            role: Role::Auditor,
        },
    ]
}

/// Calls about the requester's file; an auditor asks for it.
fn file_calls() -> Vec<FileCall> {
    let (file_id, grantee) = (FileId(digest("model")), account(6));
    vec![
        put("model"),
        FileCall::AskGrant(Box::new(AskGrant {
            file: file_id,
            owner: account(REQUESTER),
            encryption_key: EncryptionKey([3; 32]),
            purpose: text("a study"),
            until: LedgerTime(9),
        })),
        FileCall::ApproveGrant {
            file: file_id,
            grantee,
            sealed: BoundedBytes::new([9; 80]).expect("short"),
            until: LedgerTime(9),
        },
        FileCall::RejectGrant {
            file: file_id,
            grantee,
        },
        FileCall::RevokeGrant {
            file: file_id,
            grantee,
        },
        FileCall::Delete { file: file_id },
    ]
}

fn order_calls(order: OrderId) -> Vec<OrderCall> {
    let leaf = leaves()[0];
    let openings = |steps: &[u64]| {
        BoundedVec::new(steps.iter().map(|s| opening(*s)).collect::<Vec<_>>()).expect("few")
    };
    let work = place(order, Occasion::Work);
    let round = place(order, Occasion::Round(0));
    let dispute = place(order, Occasion::Dispute(0));
    let root = merkle::root(leaves());
    let checkpoints = BoundedVec::new(vec![FileId(digest("model")); 2]).expect("few");
    let result = FileId(digest("train"));
    vec![
        OrderCall::Post(Box::new(terms())),
        OrderCall::Cancel { order },
        OrderCall::Accept { order },
        OrderCall::Complain { order },
        OrderCall::Grant {
            place: work,
            grantee: account(4),
            sealed: SealedKeys::new(vec![9; 100]).expect("short"),
        },
        OrderCall::Answer {
            place: place(order, Occasion::List(0)),
            accept: true,
        },
        OrderCall::Decline {
            place: work,
            reason: DeclineReason::Inputs,
        },
        OrderCall::CommitTrace {
            place: work,
            root,
            checkpoints: checkpoints.clone(),
            result,
            counts: reached(terms().steps).counts,
            first_invalid: None,
            lock: lock(4).public(),
        },
        OrderCall::CommitRun {
            place: work,
            commitment: Trace::commitment(
                &work,
                account(4),
                (&root, &checkpoints, &result),
                (&lock(4).public(), &digest("salt")),
            ),
        },
        OrderCall::RevealRun {
            place: work,
            root,
            checkpoints: checkpoints.clone(),
            result,
            first_invalid: None,
            lock: lock(4).public(),
            salt: digest("salt"),
            openings: BoundedVec::new(vec![opening(0), opening(terms().steps)]).expect("few"),
        },
        OrderCall::Deliver {
            place: work,
            release: lock(4)
                .release(&Trace::locked_for(&work), &terms().delivery_key, &[9; 32])
                .expect("a good delivery key"),
        },
        OrderCall::OpenStarts {
            place: round,
            openings: openings(&[0, 2]),
        },
        OrderCall::CommitAudit {
            place: round,
            commitment: leaf,
        },
        OrderCall::OpenEnds {
            place: round,
            openings: openings(&[2, 3]),
        },
        OrderCall::RevealAudit {
            place: round,
            results: AuditResults {
                initial: Some(leaf),
                segments: BoundedVec::new(vec![
                    (SegmentIndex(0), None),
                    (SegmentIndex(1), Some(leaf)),
                ])
                .expect("few"),
            },
            salt: leaf,
        },
        OrderCall::Bisect {
            place: dispute,
            step: StepIndex(1),
            leaf,
            path: Some(opening(1).path),
        },
        OrderCall::CommitFinding {
            place: dispute,
            commitment: leaf,
        },
        OrderCall::Attest {
            place: dispute,
            found: Finding::Missing(Piece::Input(1)),
            salt: Some(leaf),
        },
        OrderCall::Attest {
            place: dispute,
            found: Finding::Leaf(leaf),
            salt: None,
        },
        OrderCall::Contradict {
            place: work,
            shown: lock(4).show(&Trace::locked_for(&work)),
            contradiction: Box::new(Contradiction::Length {
                slice: 0,
                length: 100,
                first: SliceRange {
                    digest: leaf,
                    path: opening(1).path,
                    opening: RangeOpening::new("fuzz", &[7; 100], 0..0).expect("a range of it"),
                },
            }),
        },
    ]
}

/// One signed transaction of each call.
pub fn transactions() -> Vec<Transaction> {
    let chain = ChainId(genesis().digest());
    let sign = |call| Transaction::sign(&secret(REQUESTER), chain, 0, Amount(100_000), call);
    calls(order(2)).into_iter().map(sign).collect()
}

/// A small chain in memory whose blocks need no signatures.
#[derive(Clone, Debug)]
pub struct World {
    /// The state.
    pub store: MemoryStore,
    chain: ChainId,
    height: u64,
}

impl World {
    /// The network of [`genesis`] before its first block.
    pub fn new() -> Self {
        static START: OnceLock<World> = OnceLock::new();
        let start = || {
            let genesis = genesis();
            let state = genesis.state().expect("a genesis that makes sense");
            Self {
                store: MemoryStore::new(state),
                chain: genesis.chain_id(),
                height: 0,
            }
        };
        START.get_or_init(start).clone()
    }

    /// Executes one block of calls, each from the account of that number, with fees and nonces as
    /// they must be; signatures are not looked at. Calls whose sender cannot pay are left out.
    pub fn block(&mut self, calls: impl IntoIterator<Item = (u8, Call)>) -> Executed {
        self.height += 1;
        let mut nonces = std::collections::BTreeMap::new();
        let mut admission = Admission::new(&self.store).expect("a state in memory");
        let mut transactions = Vec::new();
        for (number, call) in calls {
            let sender = account(number);
            let nonce = nonces.entry(sender).or_insert_with(|| {
                query::account(&self.store, &sender)
                    .expect("a state in memory")
                    .nonce
            });
            let transaction = Transaction {
                chain: self.chain,
                sender,
                nonce: *nonce,
                fee: Amount(100_000),
                call,
                signature: Signature([0; 64]),
            };
            if admission.admit(&transaction).is_ok() {
                *nonce += 1;
                transactions.push(transaction);
            }
        }
        let context = BlockContext {
            height: Height(self.height),
            timestamp_ms: 1_700_000_000_000 + 1_000 * self.height,
            beacon: digest(&format!("beacon {}", self.height)),
            view: Some(self.height),
        };
        let executed = execute_verified_block(&self.store, &context, &transactions)
            .expect("transactions that may be in a block");
        self.store.apply(&executed.writes);
        executed
    }
}

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}
