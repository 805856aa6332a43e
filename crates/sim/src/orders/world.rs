//! Running an order, and what came of it.

use std::ops::Deref;
use std::sync::{Arc, MutexGuard};

use assay_api::told;
use assay_chain::{FinalizedBlock, beacon};
use assay_crypto::Digest;
use assay_crypto::stream::Stream;
use assay_ledger::{
    AccountId, Amount, BlockContext, Event, Height, Order, OrderId, Role, SlashReason, Transaction,
    query,
};
use assay_proof::Programs;
use commonware_runtime::deterministic::Context;
use commonware_runtime::{Clock as _, Runner as _, Spawner as _, Supervisor as _};

use super::books::BooksError;
use super::cast::Cast;
use super::life::{Member, Place, live};
use super::plan::{Plan, ProcedureName};
use super::setup::{BALANCE, Beginning, Makers};
use super::shared::{BLOCK, Shared, lock};
use super::stage::Stage;
use super::vault::Vault;
use crate::disk::Disk;
use crate::founding::{Endowment, GENESIS_MS, runner};

/// Blocks after which an order that has not ended never will.
const MOST_BLOCKS: u64 = 10_000;

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

    /// How each of the orders is done.
    pub(crate) fn procedures(&self) -> Vec<ProcedureName> {
        self.0.stages.iter().map(Stage::procedure).collect()
    }

    /// Whether nothing can happen to any of the orders any more.
    pub(crate) fn is_over(&self) -> bool {
        self.0.stages.iter().all(Stage::is_over)
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
        for maker in makers {
            let shared = self.0.clone();
            context
                .child("party")
                .spawn(move |context| live(context, shared, maker));
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

/// A [`World`] whose clock can be moved on.
pub struct Play {
    world: World,
    context: Context,
    beacons: Stream,
}

impl Deref for Play {
    type Target = World;

    fn deref(&self) -> &World {
        &self.world
    }
}

impl Play {
    pub(crate) fn begin<R: Programs + 'static>(
        context: &Context,
        plan: Plan,
        cast: Cast,
        programs: impl Fn() -> R + Send + Sync + 'static,
    ) -> Result<Play, BooksError> {
        let seed = plan.seed;
        let founding = Endowment::default();
        let (beginning, makers) = Beginning::new(plan, cast, programs, founding)?;
        let world = World::new(beginning);
        world.enter(context, makers);
        Ok(Play {
            world,
            context: context.child("world"),
            beacons: Stream::new(Digest::of("assay/sim/v1", &[]), "beacons", seed),
        })
    }

    /// Makes a block, lets everybody see it, and lets a second pass.
    ///
    /// # Errors
    /// [`BooksError`].
    pub(crate) async fn block(&mut self) -> Result<(), BooksError> {
        let mut beacon = [0; 32];
        self.beacons.fill(&mut beacon);
        let now = self.context.current();
        let next = self.world.height().0 + 1;
        let made = self
            .world
            .0
            .books()
            .make_block(GENESIS_MS + next * 1_000, Digest(beacon));
        made?;
        self.world.0.show()?;
        self.context.sleep_until(now + BLOCK).await;
        Ok(())
    }

    /// Makes a block and lets everybody see it.
    ///
    /// # Panics
    /// When money comes or goes.
    pub async fn tick(&mut self) {
        if let Err(error) = self.block().await {
            panic!("{}", told(&error));
        }
    }

    /// Makes blocks until the order has ended.
    ///
    /// # Panics
    /// When it does not end within a generous number of blocks, or money comes or goes.
    pub async fn run(&mut self) -> Order {
        while self.height().0 < MOST_BLOCKS {
            let order = self.order();
            if order.head.phase.is_final() {
                return order;
            }
            self.tick().await;
        }
        panic!("the order did not end: {:?}", self.order());
    }

    /// Makes blocks until something is so.
    ///
    /// # Panics
    /// When the order ends before.
    pub async fn run_until(&mut self, is_so: impl Fn(&World) -> bool) {
        while !is_so(&self.world) {
            let ended = self.order().head.phase.is_final();
            assert!(!ended, "the order ended too early");
            self.tick().await;
        }
    }
}

/// Plays a script in a network in which the requester has put its inputs into the vault and posted its
/// order.
///
/// # Panics
/// When the order is refused, or something is broken that no party may break.
pub fn play<R: Programs + 'static, T>(
    plan: Plan,
    cast: Cast,
    programs: impl Fn() -> R + Send + Sync + 'static,
    script: impl AsyncFnOnce(&mut Play) -> T,
) -> T {
    runner(plan.seed).start(async |context| {
        let mut play = match Play::begin(&context, plan, cast, programs) {
            Ok(play) => play,
            Err(error) => panic!("{}", told(&error)),
        };
        play.tick().await;
        let refused = play.refused();
        assert!(refused.is_empty(), "the order was refused: {refused:?}");
        let told = script(&mut play).await;
        assert_eq!(play.failures(), Vec::<String>::new());
        told
    })
}

/// Runs an order to its end.
///
/// # Panics
/// As [`play`], and when the order does not end.
pub fn run<R: Programs + 'static>(
    plan: Plan,
    cast: Cast,
    programs: impl Fn() -> R + Send + Sync + 'static,
) -> (World, Order) {
    play(plan, cast, programs, async |play| {
        let order = play.run().await;
        (play.world.clone(), order)
    })
}
