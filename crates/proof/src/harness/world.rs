//! The network: one ledger, one vault, and everybody's driver.

use assay_crypto::aead::FileKey;
use assay_crypto::stream::Stream;
use assay_crypto::{Digest, SecretKey};
use assay_ledger::{
    AccountId, Amount, BlockContext, BoundedBytes, BoundedString, BoundedVec, Call, ChainId,
    Deadlines, Event, FileId, FileRecord, Genesis, GenesisAccount, GenesisRegistration, Height,
    Input as TermsInput, MAX_TX_BYTES, MemoryStore, Order, OrderId, Parameters, Receipt, Role,
    Status, Terms, Transaction, ValidatorInfo, execute_verified_block, query,
};

use super::cast::Cast;
use super::member::Member;
use super::vault::Vault;
use crate::keys::OrderKeys;
use crate::parties::Requester;
use crate::party::{Context, Input, Output, Tag};
use crate::program::Programs;
use crate::view::View;

/// Balance of everybody at the start.
pub const BALANCE: Amount = Amount::tokens(1_000);

/// What a run is like beyond its cast.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Seed of everything that is drawn.
    pub seed: u64,
    /// Steps of the job.
    pub steps: u64,
    /// Steps of a segment.
    pub segment_steps: u32,
    /// Segments drawn.
    pub drawn: u32,
    /// Auditors drawn.
    pub auditors: u8,
    /// Providers tried.
    pub attempts: u8,
    /// Every phase's deadline, in blocks.
    pub deadline: u32,
    /// Answers take up to this many blocks.
    pub delay: u64,
    /// A party is killed with this chance at each of its outputs and each block, in thousandths.
    pub kills: u64,
    /// Plaintexts of the inputs.
    pub inputs: Vec<(&'static str, Vec<u8>)>,
    /// The job kind.
    pub kind: &'static str,
    /// The job's specification.
    pub spec: Vec<u8>,
}

impl Default for Plan {
    fn default() -> Plan {
        Plan {
            seed: 0,
            steps: 20,
            segment_steps: 2,
            drawn: 3,
            auditors: 2,
            attempts: 2,
            deadline: 12,
            delay: 0,
            kills: 0,
            inputs: vec![("model", vec![1; 64]), ("train", vec![2; 64])],
            kind: "finetune",
            spec: vec![7],
        }
    }
}

/// Everything there is in a harness run.
pub struct World {
    /// What the run is like.
    pub plan: Plan,
    /// The ledger's state after the last block.
    pub store: MemoryStore,
    /// The height of the last block.
    pub height: Height,
    /// Everybody; the requester comes first, then providers, auditors and validators.
    pub members: Vec<Member>,
    /// Files.
    pub vault: Vault,
    /// Everything that happened, in order.
    pub events: Vec<Event>,
    /// Calls the ledger refused, with who made them.
    pub refused: Vec<(String, String)>,
    chain: ChainId,
    order: OrderId,
    storage: AccountId,
    dice: Stream,
    /// Calls for the next block: whose, what, and what its answer goes to.
    pending: Vec<(usize, Call, Waiting)>,
}

enum Waiting {
    Nobody,
    Submitted(Tag),
    Stored(Tag, FileId),
}

impl World {
    /// A network in which the requester has put its inputs into the vault and posted its order.
    ///
    /// # Panics
    /// When the plan's terms are refused.
    pub fn new<R: Programs + 'static>(
        plan: Plan,
        cast: Cast,
        programs: impl Fn() -> R + 'static,
    ) -> World {
        let seed = plan.seed.to_le_bytes();
        let mut dice = Stream::new(Digest::of("assay/harness/v1", &[&seed]), "dice", 0);
        let secret = |n: usize| {
            SecretKey::from_seed(Digest::of("assay/harness/key/v1", &[&n.to_le_bytes()]).0)
        };
        let input_keys: Vec<FileKey> = (0..plan.inputs.len()).map(|_| key(&mut dice)).collect();
        let keys = OrderKeys::new(input_keys, key(&mut dice).0, plan.attempts);

        let mut members = Vec::new();
        let mut roles = Vec::new();
        let own = keys.clone();
        members.push(Member::new(
            "requester".to_owned(),
            secret(0),
            Box::new(move |me| Box::new(Requester::new(me, own.clone()))),
            Box::new(move || Box::new(programs())),
        ));
        let groups = [
            (Role::Provider, cast.providers),
            (Role::Auditor, cast.auditors),
            (Role::Validator, cast.validators),
        ];
        for (role, actors) in groups {
            for (n, actor) in actors.into_iter().enumerate() {
                let (name, secret) = (format!("{role} {n}"), secret(members.len()));
                roles.push((secret.clone(), role, actor.bond));
                members.push(Member::new(name, secret, actor.party, actor.programs));
            }
        }
        let storage = secret(members.len());
        roles.push((storage.clone(), Role::Storage, 10));
        let genesis = genesis(&members, &roles);
        let state = genesis.state().expect("a genesis of distinct members");
        let mut world = World {
            store: MemoryStore::new(state),
            height: Height(0),
            chain: genesis.chain_id(),
            order: OrderId(Digest::ZERO),
            storage: storage.public(),
            vault: Vault::default(),
            events: Vec::new(),
            refused: Vec::new(),
            pending: Vec::new(),
            members,
            dice,
            plan,
        };
        world.post(&keys);
        world
    }

    /// Puts the inputs into the vault and posts the order.
    fn post(&mut self, keys: &OrderKeys) {
        let requester = self.members[0].account;
        let mut inputs = Vec::new();
        let files = self.plan.inputs.clone().into_iter().zip(keys.inputs());
        for ((name, bytes), key) in files {
            let content = Vault::content(&bytes);
            let file = self.vault.store(requester, key, bytes);
            self.pending.push((
                0,
                Call::PutFile(Box::new(self.record(file, requester, name))),
                Waiting::Nobody,
            ));
            inputs.push(TermsInput {
                name: BoundedString::new(name).expect("a short name"),
                file,
                content,
            });
        }
        let nonce = self.pending.len() as u64;
        self.order = OrderId::new(self.chain, requester, nonce);
        let terms = Terms {
            kind: BoundedString::new(self.plan.kind).expect("a short kind"),
            spec: BoundedBytes::new(self.plan.spec.clone()).expect("a short specification"),
            inputs: BoundedVec::new(inputs).expect("few inputs"),
            steps: self.plan.steps,
            segment_steps: self.plan.segment_steps,
            price: Amount::tokens(100),
            provider_bond: Amount::tokens(50),
            auditor_bond: Amount::tokens(20),
            auditor_fee: Amount::tokens(5),
            segments_drawn: self.plan.drawn,
            auditors: self.plan.auditors,
            attempts: self.plan.attempts,
            keys: keys.commitment(),
            encryption_key: self.members[0].secret.encryption().public(),
            deadlines: Deadlines::all(self.plan.deadline),
        };
        self.pending
            .push((0, Call::PostOrder(Box::new(terms)), Waiting::Nobody));
        self.block();
        assert_eq!(
            self.refused,
            [],
            "the harness posts orders that can be posted"
        );
    }

    /// The order as it stands.
    pub fn order(&self) -> Order {
        query::order(&self.store, &self.order).expect("the order was posted")
    }

    /// What an account can spend.
    pub fn balance(&self, member: usize) -> Amount {
        query::account(&self.store, &self.members[member].account).balance
    }

    /// An account's bond in a role.
    pub fn bond(&self, member: usize, role: Role) -> Amount {
        query::registration(&self.store, role, &self.members[member].account)
            .map_or(Amount::ZERO, |registration| registration.bond)
    }

    /// The members with that role, by their place in [`World::members`].
    pub fn all(&self, role: Role) -> Vec<usize> {
        let name = role.to_string();
        let members = self.members.iter().enumerate();
        members
            .filter(|(_, member)| member.name.starts_with(&name))
            .map(|(at, _)| at)
            .collect()
    }

    /// Makes blocks until the order has ended.
    ///
    /// # Panics
    /// When it does not end within a generous number of blocks, or money goes missing.
    pub fn run(&mut self) -> Order {
        for _ in 0..10_000 {
            let order = self.order();
            if order.phase.is_final() {
                return order;
            }
            self.tick();
        }
        panic!("the order did not end: {:?}", self.order());
    }

    /// Makes blocks until something is so.
    ///
    /// # Panics
    /// When the order ends before.
    pub fn run_until(&mut self, is_so: impl Fn(&World) -> bool) {
        while !is_so(self) {
            assert!(!self.order().phase.is_final(), "the order ended too early");
            self.tick();
        }
    }

    /// Makes a block and lets everybody see it.
    pub fn tick(&mut self) {
        self.block();
        let Some(view) = View::read(&self.store, &self.order) else {
            return;
        };
        for at in 0..self.members.len() {
            if self.lots(self.plan.kills) {
                self.kill(at);
            }
            if self.height < self.members[at].down_until {
                continue;
            }
            let late = self.members[at].inbox.split_off(&Height(self.height.0 + 1));
            let due = std::mem::replace(&mut self.members[at].inbox, late);
            for input in due.into_values().flatten() {
                self.feed(at, input);
            }
            self.feed(at, Input::Order(Box::new(view.clone())));
        }
    }

    /// Kills a party; it is back within two blocks.
    pub fn kill(&mut self, at: usize) {
        let until = Height(self.height.0 + self.dice.below(3));
        self.members[at].kill(until);
    }

    fn block(&mut self) {
        self.height = Height(self.height.0 + 1);
        let pending = std::mem::take(&mut self.pending);
        let mut nonces: Vec<u64> = (0..self.members.len())
            .map(|at| query::account(&self.store, &self.members[at].account).nonce)
            .collect();
        let fee = query::parameters(&self.store)
            .expect("a chain has parameters")
            .min_fee(MAX_TX_BYTES);
        let txs: Vec<Transaction> = pending
            .iter()
            .map(|(at, call, _)| {
                let (secret, nonce) = (&self.members[*at].secret, nonces[*at]);
                nonces[*at] += 1;
                Transaction::sign(secret, self.chain, nonce, fee, call.clone())
            })
            .collect();
        let mut beacon = [0; 32];
        self.dice.fill(&mut beacon);
        let context = BlockContext {
            height: self.height,
            timestamp_ms: self.height.0 * 1_000,
            beacon: Digest(beacon),
        };
        let executed = execute_verified_block(&self.store, &context, &txs)
            .expect("the harness makes valid blocks");
        self.store.apply(&executed.writes);
        let supply = query::supply(&self.store);
        assert_eq!(supply.total, Some(supply.genesis), "money came or went");
        self.events.extend(executed.receipts.events);
        for ((at, _, waiting), receipt) in pending.into_iter().zip(executed.receipts.receipts) {
            self.answer(at, waiting, receipt);
        }
    }

    fn answer(&mut self, at: usize, waiting: Waiting, receipt: Receipt) {
        let result = match receipt.status {
            Status::Applied => Ok(()),
            Status::Refused(refusal) => Err(refusal.to_string()),
        };
        if let Err(why) = &result {
            self.refused
                .push((self.members[at].name.clone(), why.clone()));
        }
        self.events.extend(receipt.events);
        let input = match waiting {
            Waiting::Nobody => return,
            Waiting::Submitted(tag) => Input::Submitted { tag, result },
            Waiting::Stored(tag, file) => Input::Stored {
                tag,
                result: result.map(|()| file),
            },
        };
        let inbox = &mut self.members[at].inbox;
        inbox.entry(self.height).or_default().push(input);
    }

    /// Passes one input to a party and performs what it asks for, answers included.
    fn feed(&mut self, at: usize, input: Input) {
        let mut inputs = vec![input];
        while let Some(input) = inputs.pop() {
            let mut random = [0; 32];
            self.dice.fill(&mut random);
            let context = Context {
                now: self.height,
                random,
            };
            for output in self.members[at].step(&context, input) {
                if self.lots(self.plan.kills) {
                    return self.kill(at);
                }
                let Some(answer) = self.perform(at, output) else {
                    continue;
                };
                let delay = self.dice.below(self.plan.delay + 1);
                match delay {
                    0 => inputs.push(answer),
                    _ => {
                        let due = Height(self.height.0 + delay);
                        let inbox = &mut self.members[at].inbox;
                        inbox.entry(due).or_default().push(answer);
                    }
                }
            }
        }
    }

    /// Performs an output; gives back the answer if there is one at once.
    fn perform(&mut self, at: usize, output: Output) -> Option<Input> {
        let account = self.members[at].account;
        match output {
            Output::Submit { tag, call } => {
                self.pending.push((at, *call, Waiting::Submitted(tag)));
            }
            Output::Fetch {
                tag,
                file,
                owner,
                key,
                content,
            } => {
                let result = self.vault.fetch(file, owner, &key, content);
                return Some(Input::Fetched { tag, result });
            }
            Output::Store {
                tag,
                name,
                key,
                bytes,
            } => {
                let file = self.vault.store(account, &key, bytes);
                let record = Box::new(self.record(file, account, &name));
                self.pending
                    .push((at, Call::PutFile(record), Waiting::Stored(tag, file)));
            }
            Output::Work { tag, work } => {
                let result = self.members[at].compute(&work);
                return Some(Input::Worked { tag, result });
            }
            Output::Journal(entry) => self.members[at].journal(entry),
            Output::Progress(_) => {}
            Output::Finished(outcome) => self.members[at].outcome = Some(outcome),
        }
        None
    }

    fn record(&self, file: FileId, owner: AccountId, name: &str) -> FileRecord {
        FileRecord {
            id: file,
            owner,
            name: BoundedString::new(name).expect("a short name"),
            length_class: 1,
            slices: 1,
            root: file.0,
            placement: BoundedVec::new([self.storage]).expect("one node"),
            media_type: BoundedString::default(),
            key_envelope: BoundedBytes::default(),
        }
    }

    fn lots(&mut self, thousandths: u64) -> bool {
        thousandths > 0 && self.dice.below(1_000) < thousandths
    }
}

fn key(dice: &mut Stream) -> FileKey {
    let mut key = [0; 32];
    dice.fill(&mut key);
    FileKey(key)
}

fn genesis(members: &[Member], roles: &[(SecretKey, Role, u64)]) -> Genesis {
    let account = |member: &Member| GenesisAccount {
        account: member.account,
        balance: BALANCE,
    };
    let registration = |(secret, role, bond): &(SecretKey, Role, u64)| GenesisRegistration {
        account: secret.public(),
        role: *role,
        bond: Amount::tokens((*bond).max(100)),
        encryption_key: secret.encryption().public(),
        address: BoundedString::default(),
    };
    let mut validators: Vec<ValidatorInfo> = roles
        .iter()
        .filter(|(_, role, _)| *role == Role::Validator)
        .map(|(secret, _, _)| ValidatorInfo {
            account: secret.public(),
            address: BoundedString::default(),
        })
        .collect();
    validators.sort_by_key(|validator| validator.account);
    Genesis {
        chain_name: BoundedString::new("harness").expect("a short name"),
        timestamp_ms: 0,
        accounts: BoundedVec::new(members.iter().map(account).collect::<Vec<_>>())
            .expect("few members"),
        registrations: BoundedVec::new(roles.iter().map(registration).collect::<Vec<_>>())
            .expect("few members"),
        parameters: Parameters::default(),
        beacon_key: BoundedBytes::default(),
        validators: BoundedVec::new(validators).expect("few validators"),
    }
}
