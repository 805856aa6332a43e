//! An order and everybody in it, as they are now.

use std::sync::{Arc, MutexGuard};

use assay_api::told;
use assay_chain::{FinalizedBlock, beacon};
use assay_crypto::Digest;
use assay_ledger::{
    AccountId, Amount, BlockContext, Event, Height, Order, OrderId, Role, SlashReason, Trainer,
    Transaction, query,
};
use commonware_runtime::deterministic::Context;
use commonware_runtime::{Spawner as _, Supervisor as _};

use super::books::BooksError;
use super::life::{Place, live};
use super::lock::lock;
use super::maker::Makers;
use super::member::Member;
use super::plan::{Plan, ProcedureName};
use super::rounds::{self, Honest, Judged};
use super::setup::{BALANCE, Beginning};
use super::shared::Shared;
use super::vault::Vault;
use crate::disk::Disk;
use crate::founding::GENESIS_MS;

/// An order, its ledger and everybody, as they are now.
#[derive(Clone)]
pub struct World(Arc<Shared>);

impl World {
    pub(crate) fn new(beginning: Beginning) -> Self {
        Self(Arc::new(Shared::new(beginning)))
    }

    /// What the run is like.
    pub fn plan(&self) -> &Plan {
        &self.0.plan
    }

    /// The order as it stands.
    ///
    /// # Panics
    /// Before it is in a block.
    pub fn order(&self) -> Order {
        let order = self.find_order();
        order.expect("the order was posted")
    }

    pub(crate) fn find_order(&self) -> Option<Order> {
        self.find_orders().into_iter().next().flatten()
    }

    /// All orders as they stand, the first one first; none for one that is in no block yet.
    pub(crate) fn find_orders(&self) -> Vec<Option<Order>> {
        let books = self.0.books();
        let find = |id| query::order(&books.store, &id).expect("a state in memory");
        let stages = self.0.stages.iter();
        stages.map(|stage| stage.id().and_then(find)).collect()
    }

    /// The audits of trainers' rounds, in the order in which they began.
    pub fn audits(&self) -> Vec<Order> {
        let audits = self.0.audits();
        let books = self.0.books();
        let ids = audits.iter().filter_map(|stage| stage.id());
        let found =
            ids.filter_map(|id| query::order(&books.store, &id).expect("a state in memory"));
        found.collect()
    }

    /// Those who train, or have trained, in an order with rounds, by their numbers.
    pub fn trainers(&self, order: OrderId) -> Vec<Trainer> {
        query::trainers(&self.0.books().store, &order).expect("a state in memory")
    }

    /// How each of the orders is done.
    pub(crate) fn procedures(&self) -> Vec<ProcedureName> {
        self.0
            .stages
            .iter()
            .map(|stage| stage.procedure())
            .collect()
    }

    /// Whether nothing can happen to any of the orders any more.
    pub(crate) fn is_over(&self) -> bool {
        let audits = self.0.audits();
        let mut all = self.0.stages.iter().chain(&audits);
        all.all(|stage| stage.is_over())
    }

    /// Everybody; the first order's requester comes first, then providers, auditors, validators, and
    /// other requesters.
    pub fn members(&self) -> Vec<Member> {
        self.0.places.iter().map(Place::member).collect()
    }

    /// The members with that role, by their place in [`Self::members`].
    pub fn all(&self, role: Role) -> Vec<usize> {
        let members = self.members().into_iter().enumerate();
        members
            .filter(|(_, member)| member.role == Some(role))
            .map(|(at, _)| at)
            .collect()
    }

    /// The place of an account among the members.
    pub fn place_of(&self, account: AccountId) -> Option<usize> {
        let mut places = self.0.places.iter();
        places.position(|place| place.secret.public() == account)
    }

    /// What a member can spend.
    pub fn balance(&self, member: usize) -> Amount {
        let account = self.0.places[member].secret.public();
        query::account(&self.0.books().store, &account)
            .expect("a state in memory")
            .balance
    }

    /// A member's bond in a role.
    pub fn bond(&self, member: usize, role: Role) -> Amount {
        let account = self.0.places[member].secret.public();
        query::registration(&self.0.books().store, role, &account)
            .expect("a state in memory")
            .map_or(Amount::ZERO, |registration| registration.bond)
    }

    /// The files of all.
    pub fn vault(&self) -> MutexGuard<'_, Vault> {
        self.0.vault()
    }

    /// The height of the last block.
    pub fn height(&self) -> Height {
        self.0.books().height
    }

    /// Everything that happened on the ledger, in order.
    pub fn events(&self) -> Vec<Event> {
        self.0.books().events.clone()
    }

    /// Calls that the ledger refused: by whom, and why.
    pub fn refused(&self) -> Vec<(String, String)> {
        let refused = self.0.books().refused.clone();
        let named = |(at, why): (usize, String)| (self.0.places[at].member().name, why);
        refused.into_iter().map(named).collect()
    }

    /// Parties that could not go on for another reason than a kill: none, unless something is broken.
    pub fn failures(&self) -> Vec<String> {
        lock(&self.0.failures).clone()
    }

    /// Orders that nobody drew for within the stated time, although somebody takes them.
    pub(crate) fn closed(&self) -> Vec<String> {
        lock(&self.0.closed).clone()
    }

    /// What a member has more than at the start, bonds and fees aside.
    pub fn earned(&self, at: usize) -> i128 {
        let place = &self.0.places[at];
        let member = place.member();
        let books = self.0.books();
        let fees = i128::from(books.fees.get(&at).copied().unwrap_or_default());
        let fees = fees - books.given_back(member.account);
        let unbonding = query::unbonding(&books.store).expect("a state in memory");
        let unbonding = unbonding.iter().filter(|of| of.1 == member.account);
        let unbonding: i128 = unbonding.map(|of| i128::from(of.3.0)).sum();
        drop(books);
        let bond = member.role.map(|role| self.bond(at, role));
        let now = i128::from(self.balance(at).0)
            + i128::from(bond.unwrap_or_default().0)
            + unbonding
            + fees;
        let cuts: i128 = self
            .cuts(at)
            .into_iter()
            .map(|cut| i128::from(cut.1.0))
            .sum();
        now + cuts - i128::from(BALANCE.0) - i128::from(place.bond.0)
    }

    /// What a member has lost of its bond: in which order, how much, and why.
    pub(crate) fn cuts(&self, at: usize) -> Vec<(OrderId, Amount, SlashReason)> {
        let member = self.0.places[at].member().account;
        self.0.books().cuts(member)
    }

    /// What of a member's bond in its role is locked.
    pub(crate) fn locked(&self, at: usize) -> Amount {
        let member = self.0.places[at].member();
        let found = member.role.and_then(|role| {
            let found = query::registration(&self.0.books().store, role, &member.account);
            found.expect("a state in memory")
        });
        found.map_or(Amount::ZERO, |registration| registration.locked)
    }

    /// What was wrong in an order with rounds for those who keep to the protocol.
    pub(super) fn judge(&self, order: &Order, honest: &Honest) -> Judged {
        let books = self.0.books();
        rounds::judge(&books.events, order, &books.audits, honest)
    }

    /// What an order paid an account.
    pub(crate) fn paid(&self, order: OrderId, to: AccountId) -> u64 {
        self.0.books().paid(order, to)
    }

    /// The orders in which an account was asked, and is said not to have answered.
    pub(crate) fn missed(&self, by: AccountId) -> Vec<OrderId> {
        self.0.books().missed(by)
    }

    /// Calls that are in no block yet.
    pub(crate) fn waiting(&self) -> Vec<Transaction> {
        self.0.books().waiting().cloned().collect()
    }

    /// Makes the next block of whatever calls wait, and shows everybody what it did.
    pub(super) fn make_block(&self, height: u64, beacon: Digest) -> Result<(), BooksError> {
        let made = self
            .0
            .books()
            .make_block(GENESIS_MS + height * 1_000, beacon);
        made?;
        self.0.show()
    }

    /// Executes a block that validators made final, and shows everybody what it did.
    pub(crate) fn follow(&self, block: &FinalizedBlock) -> Result<(), BooksError> {
        let context = BlockContext {
            height: block.header.height,
            timestamp_ms: block.header.timestamp_ms,
            beacon: beacon(&block.header),
            view: Some(block.header.view),
        };
        let receipts = self.0.books().execute(&context, &block.transactions)?;
        if receipts != block.header.receipts_root {
            return Err(BooksError::Receipts(context.height.0));
        }
        self.0.show()
    }

    /// Notes that the ledger is broken.
    pub(crate) fn broke(&self, error: &BooksError) {
        lock(&self.0.failures).push(told(error));
    }

    /// Lets everybody play its part.
    pub(crate) fn enter(&self, context: &Context, makers: Makers) {
        let enter = |context: &Context, shared: Arc<Shared>, maker| {
            context
                .child("party")
                .spawn(move |context| live(context, shared, maker));
        };
        for maker in makers {
            enter(context, self.0.clone(), maker);
        }
        if let Some(mut coming) = self.0.coming_parties() {
            let shared = self.0.clone();
            context.child("audits").spawn(async move |context| {
                while let Some(maker) = coming.recv().await {
                    enter(&context, shared.clone(), maker);
                }
            });
        }
    }

    /// A digest of all blocks and what they did: equal for equal histories.
    pub fn history(&self) -> Digest {
        self.0.books().history
    }

    /// Kills a party; it is back within two blocks.
    pub fn kill(&self, at: usize) {
        self.0.places[at].kill();
    }

    /// A copy of a party's disk, with its journal.
    pub fn back_up(&self, at: usize) -> Disk {
        self.0.places[at].back_up()
    }

    /// Kills a party, which comes back with its disk as it was when the copy was made.
    pub fn restore(&self, at: usize, backup: &Disk) {
        self.0.places[at].restore(backup);
    }

    /// Kills a party for good.
    pub fn stay_away(&self, at: usize) {
        self.0.places[at].stay_away();
    }
}
