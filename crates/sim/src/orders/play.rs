//! Running an order, from its posting on.

use std::ops::Deref;

use assay_api::told;
use assay_crypto::Digest;
use assay_crypto::stream::Stream;
use assay_ledger::Order;
use assay_proof::Programs;
use commonware_runtime::deterministic::Context;
use commonware_runtime::{Clock as _, Runner as _, Supervisor as _};

use super::books::BooksError;
use super::cast::Cast;
use super::plan::Plan;
use super::setup::Beginning;
use super::shared::BLOCK;
use super::world::World;
use crate::founding::{Endowment, runner};

/// Blocks after which an order that has not ended never will.
const MOST_BLOCKS: u64 = 10_000;

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
        self.world.make_block(next, Digest(beacon))?;
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
