//! A small network whose blocks the tests write by hand.

use std::collections::BTreeMap;

use assay_crypto::merkle::Tree;
use assay_crypto::release::LockSecret;
use assay_crypto::tiles::Tiled;
use assay_crypto::{Digest, EncryptionKey, SecretKey};
use assay_ledger::{
    AccountId, Amount, AuditResults, BlockContext, BlockReceipts, BoundedBytes, BoundedString,
    BoundedVec, Call, ChainId, Counts, Deadlines, Event, Failure, FileId, FileRecord, Genesis,
    GenesisAccount, GenesisRegistration, Grant, Height, Input, LedgerTime, MemoryStore, Moment,
    Offer, Opening, Order, OrderEvent, OrderId, Parameters, Phase, Place, Reached, Refusal,
    Registration, Role, RunIndex, SealedKeys, SegmentIndex, Status, StepIndex, StopRule, Taken,
    Terms, Transaction, ValidatorInfo, execute_block, query, root,
};

/// Everybody in the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Who {
    Requester,
    Stranger,
    Validator(u8),
    Provider(u8),
    Auditor(u8),
    Storage(u8),
}

pub(crate) const VALIDATORS: u8 = 4;
pub(crate) const PROVIDERS: u8 = 3;
pub(crate) const AUDITORS: u8 = 5;
pub(crate) const STORAGES: u8 = 2;
pub(crate) const FEE: Amount = Amount(100_000);
pub(crate) const BALANCE: Amount = Amount::tokens(1_000);
pub(crate) const BOND: Amount = Amount::tokens(100);

impl Who {
    pub(crate) fn all() -> impl Iterator<Item = Who> {
        [Who::Requester, Who::Stranger]
            .into_iter()
            .chain((0..VALIDATORS).map(Who::Validator))
            .chain((0..PROVIDERS).map(Who::Provider))
            .chain((0..AUDITORS).map(Who::Auditor))
            .chain((0..STORAGES).map(Who::Storage))
    }

    pub(crate) fn role(self) -> Option<Role> {
        match self {
            Who::Requester | Who::Stranger => None,
            Who::Validator(_) => Some(Role::Validator),
            Who::Provider(_) => Some(Role::Provider),
            Who::Auditor(_) => Some(Role::Auditor),
            Who::Storage(_) => Some(Role::Storage),
        }
    }

    /// Whether orders lock its bond; that of a storage node stands for what it keeps.
    pub(crate) fn is_drawn(self) -> bool {
        self.role().is_some_and(|role| role != Role::Storage)
    }

    pub(crate) fn secret(self) -> SecretKey {
        SecretKey::from_seed(Digest::of("test/secret", &[format!("{self:?}").as_bytes()]).0)
    }

    pub(crate) fn id(self) -> AccountId {
        self.secret().public()
    }

    /// Who holds an account.
    pub(crate) fn of(account: AccountId) -> Who {
        Who::all()
            .find(|who| who.id() == account)
            .expect("an account of this network")
    }
}

/// One thing that happened, and where the receipts of its block say so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) height: Height,
    /// The transaction's place in its block; `None` for what the block itself did.
    pub(crate) tx: Option<usize>,
    pub(crate) event: Event,
}

/// The network: its state, and every block so far.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) genesis: Genesis,
    pub(crate) chain: ChainId,
    pub(crate) store: MemoryStore,
    pub(crate) tree: BTreeMap<Vec<u8>, Vec<u8>>,
    pub(crate) root: Digest,
    pub(crate) history: Vec<(BlockContext, Vec<Transaction>)>,
    /// Everything that happened, in order.
    pub(crate) told: Vec<Told>,
    pub(crate) beacon_seed: u64,
    /// Whether providers keep the keys of their results back.
    pub(crate) kept_back: bool,
    /// Merkle root and number of the slices of files that are really sealed, by their names.
    pub(crate) stored: BTreeMap<FileId, (Digest, u32)>,
    /// Milliseconds from the last block to the next one.
    pub(crate) gap_ms: u64,
    secrets: BTreeMap<Who, SecretKey>,
}

pub(crate) fn genesis(parameters: Parameters) -> Genesis {
    let address = BoundedString::new("localhost:7000").unwrap();
    let accounts: Vec<_> = Who::all()
        .map(|who| GenesisAccount {
            account: who.id(),
            balance: BALANCE,
        })
        .collect();
    let registrations: Vec<_> = Who::all()
        .filter_map(|who| {
            Some(GenesisRegistration {
                account: who.id(),
                role: who.role()?,
                bond: BOND,
                encryption_key: who.secret().encryption().public(),
                address: address.clone(),
                offer: (who.role()?.is_drawn()).then(|| of_two_kinds(Offer::anything())),
            })
        })
        .collect();
    let mut validators: Vec<_> = (0..VALIDATORS)
        .map(|i| ValidatorInfo {
            account: Who::Validator(i).id(),
            address: address.clone(),
        })
        .collect();
    validators.sort_by_key(|validator| validator.account);
    Genesis {
        chain_name: BoundedString::new("test").unwrap(),
        timestamp_ms: 1_700_000_000_000,
        accounts: BoundedVec::new(accounts).unwrap(),
        registrations: BoundedVec::new(registrations).unwrap(),
        parameters,
        owners: BoundedVec::default(),
        beacon_key: BoundedBytes::new([7; 48]).unwrap(),
        validators: BoundedVec::new(validators).unwrap(),
    }
}

/// Time from a block to the next one, unless a test says otherwise.
const BLOCK_MS: u64 = 1_000;

/// The time of so many blocks, in milliseconds.
pub(crate) const fn ms(blocks: u64) -> u64 {
    blocks * BLOCK_MS
}

/// The blocks of so much time.
pub(crate) fn blocks(ms: u64) -> u32 {
    u32::try_from(ms / BLOCK_MS).unwrap()
}

/// The blocks in which whoever is asked can answer.
pub(crate) fn window() -> u32 {
    blocks(parameters().answer_ms)
}

/// The first block in which a deadline is over, where the time of no block was changed.
pub(crate) fn over(deadline: Moment) -> Height {
    // Ledger time begins with block 1.
    Height(deadline.time.0 / BLOCK_MS + 2)
}

/// The ledger time of a block, where the time of no block was changed.
pub(crate) fn time(height: Height) -> LedgerTime {
    LedgerTime(ms(height.0 - 1))
}

/// An offer for the kinds of these tests. It names them: whatever is in the genesis moves the name of the
/// chain, and with it every draw.
pub(crate) fn of_two_kinds(offer: Offer) -> Offer {
    offer.of_kinds(&["finetune", "evaluate"])
}

pub(crate) fn parameters() -> Parameters {
    Parameters {
        unbonding_ms: ms(5),
        floors: Deadlines {
            reveal: ms(2) / 4,
            ..Deadlines::all(ms(2))
        },
        min_blocks: 1,
        // Answers cost nothing, so nothing comes back for them: `answers.rs` is about that.
        base_fee: Amount::ZERO,
        byte_fee: Amount::ZERO,
        order_deposit: Amount::ZERO,
        max_open_orders: 100_000,
        kept_ms: ms(20),
        standard_offer: of_two_kinds(Offer::standard()),
        ..Parameters::default()
    }
}

/// The same, with the fees that networks begin with.
pub(crate) fn with_fees() -> Parameters {
    let usual = Parameters::default();
    Parameters {
        base_fee: usual.base_fee,
        byte_fee: usual.byte_fee,
        ..parameters()
    }
}

impl World {
    pub(crate) fn new() -> World {
        World::with(parameters())
    }

    pub(crate) fn with(parameters: Parameters) -> World {
        let genesis = genesis(parameters);
        let state = genesis.state().unwrap();
        World::of(genesis, state)
    }

    /// A network with numbers that no genesis may have: to show what they keep from happening.
    pub(crate) fn out_of_range(parameters: Parameters) -> World {
        let allowed = genesis(self::parameters());
        let mut state = allowed.state().unwrap();
        let refused = genesis(parameters.clone());
        assert!(refused.state().is_err(), "these are in range");
        // They are the end of the record of the chain, and no number changes its length.
        let chain = state.get_mut(&b"c"[..]).unwrap();
        let numbers = borsh::to_vec(&parameters).unwrap();
        let from = chain.len() - numbers.len();
        assert_eq!(chain[from..], borsh::to_vec(&allowed.parameters).unwrap());
        chain[from..].copy_from_slice(&numbers);
        World::of(allowed, state)
    }

    pub(crate) fn of(genesis: Genesis, state: BTreeMap<Vec<u8>, Vec<u8>>) -> World {
        let update = root::genesis(&state).unwrap();
        let mut world = World {
            chain: genesis.chain_id(),
            genesis,
            store: MemoryStore::new(state),
            tree: BTreeMap::new(),
            root: update.root,
            history: Vec::new(),
            told: Vec::new(),
            beacon_seed: 0,
            kept_back: false,
            stored: BTreeMap::new(),
            gap_ms: BLOCK_MS,
            secrets: Who::all().map(|who| (who, who.secret())).collect(),
        };
        world.plant(update);
        world.check_supply();
        world
    }

    fn plant(&mut self, update: root::Update) {
        self.root = update.root;
        for (key, node) in update.nodes {
            match node {
                Some(node) => self.tree.insert(key, node),
                None => self.tree.remove(&key),
            };
        }
    }

    /// The stamp of the last block.
    fn stamp(&self) -> u64 {
        let last = self.history.last();
        last.map_or(0, |(context, _)| context.timestamp_ms)
    }

    pub(crate) fn height(&self) -> Height {
        Height(self.history.len() as u64)
    }

    pub(crate) fn nonce(&self, who: Who) -> u64 {
        query::account(&self.store, &self.secrets[&who].public())
            .unwrap()
            .nonce
    }

    /// Signs calls with each sender's next nonces.
    pub(crate) fn sign(&self, calls: Vec<(Who, Call)>) -> Vec<Transaction> {
        let mut nonces: BTreeMap<Who, u64> = BTreeMap::new();
        let sign = |(who, call)| {
            let nonce = nonces.entry(who).or_insert_with(|| self.nonce(who));
            *nonce += 1;
            Transaction::sign(&self.secrets[&who], self.chain, *nonce - 1, FEE, call)
        };
        calls.into_iter().map(sign).collect()
    }

    pub(crate) fn next_context(&self) -> BlockContext {
        let height = self.height().0 + 1;
        let parts: [&[u8]; 2] = [&self.beacon_seed.to_le_bytes(), &height.to_le_bytes()];
        BlockContext {
            height: Height(height),
            timestamp_ms: self.stamp() + self.gap_ms,
            beacon: Digest::of("test/beacon", &parts),
            view: None,
        }
    }

    /// Executes a block of these calls and checks what must hold after every block.
    pub(crate) fn block(&mut self, calls: Vec<(Who, Call)>) -> BlockReceipts {
        let txs = self.sign(calls);
        self.execute(self.next_context(), txs)
    }

    pub(crate) fn execute(
        &mut self,
        context: BlockContext,
        txs: Vec<Transaction>,
    ) -> BlockReceipts {
        let executed = execute_block(&self.store, &context, &txs).unwrap();
        assert_eq!(executed.receipts_root, executed.receipts.tree().root());
        self.check_writes(&executed.writes);
        self.check_cost(&context, &txs, &executed.writes);
        self.store.apply(&executed.writes);
        self.plant(root::update(&self.tree, context.height, &executed.writes).unwrap());
        self.history.push((context, txs));
        let own = executed.receipts.events.iter().map(|event| (None, event));
        let receipts = executed.receipts.receipts.iter().enumerate();
        let called = receipts
            .flat_map(|(i, receipt)| receipt.events.iter().map(move |event| (Some(i), event)));
        self.told.extend(own.chain(called).map(|(tx, event)| Told {
            height: context.height,
            tx,
            event: event.clone(),
        }));
        self.check_supply();
        executed.receipts
    }

    /// Runs, disputes and grants are written only where they change.
    fn check_writes(&self, writes: &BTreeMap<Vec<u8>, Option<Vec<u8>>>) {
        for (key, value) in writes.iter().filter(|(key, _)| b"nsk".contains(&key[0])) {
            let before = self.store.pairs().get(key);
            let in_vain = value.is_some() && value.as_ref() == before;
            assert!(!in_vain, "written in vain: {key:?}");
        }
    }

    /// The calls of a block write no more records than they cost, besides their senders' accounts
    /// and the two records that every block writes.
    fn check_cost(
        &self,
        context: &BlockContext,
        txs: &[Transaction],
        writes: &BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    ) {
        if txs.is_empty() {
            return;
        }
        let without = execute_block(&self.store, context, &[]).unwrap().writes;
        let changed = writes.iter().filter(|(key, value)| {
            let senders = txs.iter().any(|tx| {
                let account = [&b"a"[..], &tx.sender.0].concat();
                **key == account
            });
            without.get(*key) != Some(*value) && !senders && key[0] != b'm'
        });
        let cost: u32 = txs.iter().map(|tx| tx.call.cost()).sum();
        let changed = changed.count();
        assert!(changed <= cost as usize, "{changed} records for {cost}");
    }

    fn check_supply(&self) {
        let supply = query::counted_supply(&self.store).unwrap();
        assert_eq!(supply.total, Some(supply.genesis), "{supply:?}");
        assert_eq!(query::supply(&self.store).unwrap(), supply);
        for role in Role::ALL {
            for (account, registration) in query::registrations(&self.store, role).unwrap() {
                assert!(
                    registration.locked <= registration.bond,
                    "{account} {registration:?}"
                );
                if role == Role::Storage {
                    assert_eq!(registration.locked, self.kept_by(&account));
                }
            }
        }
    }

    /// What the records of all files lock of a storage node's bond.
    fn kept_by(&self, node: &AccountId) -> Amount {
        let mut locked = 0;
        for record in query::files(&self.store).unwrap() {
            let contract = query::file_contract(&self.store, &record.id, &record.owner);
            let contract = contract.unwrap().expect("every record has a contract");
            let placed: Vec<AccountId> = contract.shares.iter().map(|of| of.node).collect();
            assert_eq!(placed, record.placement.to_vec());
            let shares = contract.shares.iter().filter(|of| of.node == *node);
            locked += shares.map(|of| of.locked.0).sum::<u64>();
        }
        Amount(locked)
    }

    /// Executes one call that must take effect.
    pub(crate) fn apply(&mut self, who: Who, call: impl Into<Call>) -> Vec<Event> {
        let call = call.into();
        let receipts = self.block(vec![(who, call.clone())]);
        let receipt = receipts.receipts.into_iter().next().unwrap();
        assert_eq!(receipt.status, Status::Applied, "{who:?} {call:?}");
        receipt.events
    }

    /// Executes one call that must be refused.
    pub(crate) fn refuse(&mut self, who: Who, call: impl Into<Call>) -> Refusal {
        let call = call.into();
        let order = call
            .order()
            .and_then(|order| query::order(&self.store, &order).unwrap());
        let receipts = self.block(vec![(who, call.clone())]);
        match &receipts.receipts[0].status {
            Status::Refused(refusal) => {
                assert_eq!(receipts.receipts[0].events, []);
                if receipts.events.is_empty() {
                    let after = order.as_ref().map(|order| self.order(order.head.id));
                    assert_eq!(after, order, "a refused call changed its order");
                }
                refusal.clone()
            }
            Status::Applied => panic!("{who:?} was allowed {call:?}"),
        }
    }

    /// What a call would give, without keeping the block.
    pub(crate) fn would(&self, who: Who, call: impl Into<Call>) -> Status {
        let txs = self.sign(vec![(who, call.into())]);
        let executed = execute_block(&self.store, &self.next_context(), &txs).unwrap();
        executed
            .receipts
            .receipts
            .into_iter()
            .next()
            .unwrap()
            .status
    }

    pub(crate) fn advance(&mut self, blocks: u32) {
        (0..blocks).for_each(|_| drop(self.block(vec![])));
    }

    pub(crate) fn balance(&self, who: Who) -> Amount {
        query::account(&self.store, &who.id()).unwrap().balance
    }

    /// What an order has paid to an account, in micro-tokens.
    pub(crate) fn paid(&self, order: OrderId, to: AccountId) -> u64 {
        let told = self.told.iter().filter_map(|told| match &told.event {
            Event::Order {
                order: of,
                event: OrderEvent::Paid { account, amount },
            } => (*of == order && *account == to).then_some(amount.0),
            _ => None,
        });
        told.sum()
    }

    pub(crate) fn registration(&self, who: Who) -> Registration {
        query::registration(&self.store, who.role().unwrap(), &who.id())
            .unwrap()
            .unwrap()
    }

    pub(crate) fn order(&self, order: OrderId) -> Order {
        query::order(&self.store, &order).unwrap().unwrap()
    }

    pub(crate) fn phase(&self, order: OrderId) -> Phase {
        self.order(order).head.phase
    }

    /// Where a move about an order counts now; somewhere else where none counts.
    pub(crate) fn here(&self, order: OrderId) -> Place {
        here(&self.order(order))
    }

    /// The first step of which a party of the open dispute could speak.
    pub(crate) fn middle(&self, order: OrderId) -> StepIndex {
        middle(&self.order(order))
    }

    /// The runs of an order that came to nothing, with their providers.
    pub(crate) fn failures(&self, order: OrderId) -> Vec<(AccountId, Failure)> {
        let order = self.order(order);
        let failed = order.failed();
        failed
            .map(|run| (run.provider, run.failed.unwrap()))
            .collect()
    }

    /// What was granted to somebody in a run of an order.
    pub(crate) fn granted(&self, order: OrderId, run: u32, to: Who) -> Vec<Grant> {
        let grants = query::grants(&self.store, &order, RunIndex(run)).unwrap();
        let grants = grants.into_iter();
        grants.filter(|grant| grant.to == to.id()).collect()
    }

    pub(crate) fn provider(&self, order: OrderId) -> Who {
        Who::of(self.order(order).provider().unwrap())
    }

    pub(crate) fn auditors(&self, order: OrderId) -> Vec<Who> {
        let round = self.order(order).round().cloned().unwrap();
        round
            .seats
            .iter()
            .map(|seat| Who::of(seat.auditor))
            .collect()
    }

    /// Executes every block again, from the genesis; returns the root it ends with.
    pub(crate) fn replay(&self) -> Digest {
        let genesis = self.genesis.clone();
        let state = genesis.state().unwrap();
        let mut again = World::of(genesis, state);
        for (context, txs) in &self.history {
            again.execute(*context, txs.clone());
        }
        assert_eq!(again.store, self.store);
        assert_eq!(again.told, self.told);
        again.root
    }
}

pub(crate) fn file_id(name: &str) -> FileId {
    FileId(Digest::of("test/file", &[name.as_bytes()]))
}

pub(crate) fn file(owner: Who, name: &str) -> FileRecord {
    FileRecord {
        id: file_id(name),
        owner: owner.id(),
        name: BoundedString::new(name).unwrap(),
        length_class: 1_024,
        slices: 1,
        root: Digest::of("test/content", &[name.as_bytes()]),
        placement: BoundedVec::new(vec![Who::Storage(0).id(), Who::Storage(1).id()]).unwrap(),
        media_type: BoundedString::new("application/octet-stream").unwrap(),
        key_envelope: BoundedBytes::default(),
    }
}

pub(crate) fn terms() -> Terms {
    let input = |name: &str| Input {
        name: BoundedString::new(name).unwrap(),
        file: file_id(name),
        content: Digest::of("test/plain", &[name.as_bytes()]),
    };
    Terms {
        kind: BoundedString::new("finetune").unwrap(),
        spec: BoundedBytes::new(b"{}".to_vec()).unwrap(),
        model: BoundedBytes::new([Terms::MODEL_VERSION; Terms::MODEL_BYTES]).unwrap(),
        inputs: BoundedVec::new(vec![input("model"), input("train")]).unwrap(),
        steps: 22,
        segment_steps: 4,
        step_units: 1,
        memory: 1 << 20,
        method: BoundedString::new("lora").unwrap(),
        stop: StopRule {
            stop_after: 4,
            max_invalid: 10,
        },
        price: Amount::tokens(10),
        provider_bond: Amount::tokens(20),
        auditor_bond: Amount::tokens(5),
        auditor_fee: Amount(500_000),
        segments_drawn: 4,
        auditors: 2,
        attempts: 2,
        copies: 1,
        keys: Digest::of("test/keys", &[]),
        delivery_key: lock(Who::Requester).public(),
        deadlines: Deadlines {
            assign: ms(4),
            grant: ms(5),
            run: ms(6),
            open: ms(7),
            audit: ms(8),
            reveal: ms(9),
            dispute: ms(10),
            attest: ms(11),
            complain: ms(12),
        },
        rounds: None,
        contest: None,
    }
}

/// A short state, which is told by a digest here.
pub(crate) fn state(root: Digest) -> Tiled {
    Tiled { length: 32, root }
}

/// The states of a run and what its steps came to. `truth` is what replay gives; others are lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) reached: Vec<Reached>,
    pub(crate) leaves: Vec<Digest>,
}

impl Run {
    pub(crate) fn truth(terms: &Terms) -> Run {
        Run::of(&vec![Taken::Valid; terms.steps as usize])
    }

    /// A run whose steps came to this; what is not valid leaves the state as it was.
    pub(crate) fn of(steps: &[Taken]) -> Run {
        let state = |i: u64| state(Digest::of("test/state", &[&i.to_le_bytes()]));
        let mut counts = Counts::default();
        let mut reached = vec![Reached {
            state: state(0),
            counts,
        }];
        for step in steps {
            counts.add(*step);
            let state = state(counts.valid);
            reached.push(Reached { state, counts });
        }
        Run::made(reached)
    }

    fn made(reached: Vec<Reached>) -> Run {
        let leaves = (0..).zip(&reached);
        let leaves = leaves.map(|(step, reached)| reached.leaf(StepIndex(step)));
        Run {
            leaves: leaves.collect(),
            reached,
        }
    }

    /// True before step `from`, with other states from there on.
    pub(crate) fn lie(terms: &Terms, from: u64, liar: &str) -> Run {
        Run::truth(terms).lying(from, liar)
    }

    /// The same before step `from`, with other states from there on.
    pub(crate) fn lying(self, from: u64, liar: &str) -> Run {
        let mut run = self.reached;
        for (i, reached) in run.iter_mut().enumerate().skip(from as usize) {
            let lie = Digest::of("test/lie", &[liar.as_bytes(), &i.to_le_bytes()]);
            reached.state = state(lie);
        }
        Run::made(run)
    }

    /// The same with another state at one step.
    pub(crate) fn with(mut self, step: u64, reached: Reached) -> Run {
        self.reached[step as usize] = reached;
        Run::made(self.reached)
    }

    /// The same with another first state.
    pub(crate) fn beginning(self, state: Digest) -> Run {
        let (state, counts) = (crate::world::state(state), Counts::default());
        self.with(0, Reached { state, counts })
    }

    /// What the provider says of its steps.
    pub(crate) fn counts(&self) -> Counts {
        self.reached.last().unwrap().counts
    }

    /// The first invalid step, if there is one.
    pub(crate) fn first_invalid(&self) -> Option<StepIndex> {
        let mut reached = (0..).zip(&self.reached);
        let first = reached.find(|(_, reached)| reached.counts.invalid > 0);
        first.map(|(step, _)| StepIndex(step))
    }

    pub(crate) fn at(&self, step: StepIndex) -> Digest {
        self.leaves[step.0 as usize]
    }

    pub(crate) fn root(&self) -> Digest {
        Tree::new(self.leaves.clone()).root()
    }

    pub(crate) fn opening(&self, step: StepIndex) -> Opening {
        let tree = Tree::new(self.leaves.clone());
        Opening {
            step,
            reached: self.reached[step.0 as usize],
            path: tree.path(step.0).unwrap(),
        }
    }

    pub(crate) fn openings(&self, steps: &[StepIndex]) -> BoundedVec<Opening, 80> {
        let openings: Vec<_> = steps.iter().map(|step| self.opening(*step)).collect();
        BoundedVec::new(openings).unwrap()
    }

    /// What an auditor that finds this run reveals.
    pub(crate) fn results(&self, order: &Order) -> AuditResults {
        let segments = &order.round().unwrap().segments;
        let end = |segment: &SegmentIndex| {
            (
                *segment,
                Some(self.at(order.head.terms.segment_end(*segment))),
            )
        };
        AuditResults {
            initial: Some(self.leaves[0]),
            segments: BoundedVec::new(segments.iter().map(end).collect::<Vec<_>>()).unwrap(),
        }
    }
}

/// Where a move about an order counts now; for a phase that has no such moves, the work of its run.
pub(crate) fn here(order: &Order) -> Place {
    let place = match order.head.phase {
        Phase::Opening | Phase::Auditing | Phase::Closing | Phase::Revealing => order.round_place(),
        Phase::Bisecting | Phase::Attesting => order.dispute_place(),
        Phase::Asked | Phase::Called => order.list_place(),
        _ => None,
    };
    place.unwrap_or(order.work(order.attempt()))
}

/// The step of which the parties of the open dispute speak next; 0 without one.
pub(crate) fn middle(order: &Order) -> StepIndex {
    let middle = order.dispute().and_then(|dispute| dispute.middle());
    middle.unwrap_or(StepIndex(0))
}

/// The leaves that the provider opens before the replay of the current round.
pub(crate) fn starts(order: &Order) -> Vec<StepIndex> {
    let run = order.run();
    run.map_or(Vec::new(), |run| run.starts(&order.head.terms))
}

/// The leaves that the provider opens after it.
pub(crate) fn ends(order: &Order) -> Vec<StepIndex> {
    let run = order.run();
    run.map_or(Vec::new(), |run| run.ends(&order.head.terms))
}

pub(crate) fn salt(who: Who) -> Digest {
    Digest::of("test/salt", &[format!("{who:?}").as_bytes()])
}

/// A key to which grants can be sealed.
pub(crate) fn some_key() -> EncryptionKey {
    EncryptionKey([1; 32])
}

/// Behind which somebody locks its results, and where results are released to it.
pub(crate) fn lock(who: Who) -> LockSecret {
    LockSecret::from_seed(&Digest::of("test/lock", &[format!("{who:?}").as_bytes()]).0)
}

pub(crate) fn sealed(text: &str) -> SealedKeys {
    SealedKeys::new(text.as_bytes().to_vec()).unwrap()
}
