//! The network: one ledger, one vault, and everybody's driver.

use assay_crypto::Digest;
use assay_crypto::stream::Stream;
use assay_ledger::{
    AccountId, Amount, BlockContext, BoundedBytes, BoundedString, BoundedVec, Call, ChainId, Event,
    FileCall, FileId, FileRecord, Height, MAX_TX_BYTES, MemoryStore, Order, OrderId, Receipt, Role,
    Status, Transaction, execute_verified_block, query,
};
use assay_machine::Millis;

use super::member::Member;
use super::setup::Plan;
use super::vault::Vault;
use crate::handle::Handle;
use crate::party::{Answer, Ask, Context, Input, Output, Tag};
use crate::view::View;

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
    pub(super) chain: ChainId,
    pub(super) order: OrderId,
    pub(super) storage: AccountId,
    pub(super) dice: Stream,
    /// Calls for the next block: whose, what, and what its answer goes to.
    pub(super) pending: Vec<(usize, Call, Waiting)>,
}

pub(super) enum Waiting {
    Nobody,
    Submitted(Tag),
    Stored(Tag, FileId),
}

impl World {
    /// The order as it stands.
    pub fn order(&self) -> Order {
        query::order(&self.store, &self.order)
            .expect("a state in memory")
            .expect("the order was posted")
    }

    /// What an account can spend.
    pub fn balance(&self, member: usize) -> Amount {
        query::account(&self.store, &self.members[member].account)
            .expect("a state in memory")
            .balance
    }

    /// An account's bond in a role.
    pub fn bond(&self, member: usize, role: Role) -> Amount {
        query::registration(&self.store, role, &self.members[member].account)
            .expect("a state in memory")
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
            if order.head.phase.is_final() {
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
            assert!(
                !self.order().head.phase.is_final(),
                "the order ended too early"
            );
            self.tick();
        }
    }

    /// Makes a block and lets everybody see it.
    pub fn tick(&mut self) {
        self.block();
        let view = View::read(&self.store, &self.order).expect("a state in memory");
        let Some(view) = view else {
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
                self.feed(at, &view, input);
            }
            self.feed(at, &view, Input::News);
        }
    }

    /// Kills a party; it is back within two blocks.
    pub fn kill(&mut self, at: usize) {
        let until = Height(self.height.0 + self.dice.below(3));
        self.members[at].kill(until);
    }

    pub(super) fn block(&mut self) {
        self.height = Height(self.height.0 + 1);
        let pending = std::mem::take(&mut self.pending);
        let mut nonces: Vec<u64> = (0..self.members.len())
            .map(|at| {
                query::account(&self.store, &self.members[at].account)
                    .expect("a state in memory")
                    .nonce
            })
            .collect();
        let fee = query::parameters(&self.store)
            .expect("a state in memory")
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
        let supply = query::supply(&self.store).expect("a state in memory");
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
            Waiting::Submitted(tag) => Input::Answer(tag, Answer::Submitted(result)),
            Waiting::Stored(tag, file) => Input::Answer(tag, Answer::Stored(result.map(|()| file))),
        };
        let inbox = &mut self.members[at].inbox;
        inbox.entry(self.height).or_default().push(input);
    }

    /// Passes one input to a party and performs what it asks for, answers included.
    fn feed(&mut self, at: usize, view: &View, input: Input) {
        let mut inputs = vec![input];
        while let Some(input) = inputs.pop() {
            let mut seed = [0; 32];
            self.dice.fill(&mut seed);
            let now = Millis(self.height.0 * 1_000);
            let context = Context { now, view };
            for output in self.members[at].step(&context, seed, input) {
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
        let (tag, ask) = match output {
            Output::Ask(tag, ask) => (tag, ask),
            Output::Journal(entry) => {
                self.members[at].journal(entry);
                return None;
            }
            // Every block is news, so nobody needs to be woken.
            Output::Report(_) | Output::WakeAt(_) | Output::Send { .. } => return None,
            Output::End(outcome) => {
                self.members[at].outcome = Some(outcome);
                return None;
            }
        };
        let answer = match ask {
            Ask::Submit(call) => {
                self.pending.push((at, *call, Waiting::Submitted(tag)));
                return None;
            }
            Ask::Fetch { file, owner, key } => {
                Answer::Fetched(self.vault.fetch(file, owner, &key, None))
            }
            Ask::FetchInput {
                file,
                owner,
                key,
                content,
            } => {
                let found = self.vault.fetch(file, owner, &key, Some(content));
                Answer::Input(found.map(Handle::in_memory))
            }
            Ask::Store { name, key, bytes } => {
                let file = self.vault.store(account, &key, bytes);
                let record = Box::new(self.record(file, account, &name));
                self.pending
                    .push((at, FileCall::Put(record).into(), Waiting::Stored(tag, file)));
                return None;
            }
            Ask::Work(work) => Answer::Worked(self.members[at].compute(&work)),
        };
        Some(Input::Answer(tag, answer))
    }

    pub(super) fn record(&self, file: FileId, owner: AccountId, name: &str) -> FileRecord {
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
