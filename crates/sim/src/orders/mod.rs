//! Orders on a virtual clock: one ledger, one vault and everybody who has a part in an order.
//!
//! Each party is driven by the driver that a node has (`assay_node::drive`), in a task of its own.
//! What is simulated is around the driver: the clock, the seed, a vault in memory, a journal on a
//! [disk](crate::disk) that forgets what was not synced, and kills between any two outputs of a party
//! and in place of any write to its journal. Blocks come once a second from whatever calls wait, or
//! from simulated validators ([`crate::Scenario`]).
//!
//! A [`Plan`] fixes the job and a seed, from which every beacon, delay and kill follows; a [`Cast`] says
//! who takes part; [`run()`] and [`play`] run it, and [`World`] tells what came of it. After every block
//! the money on the ledger is counted. Decision 0294 says why all this is here, 0295 why the driver can
//! be.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a state in memory can be read and short names are short; a world that tests make by hand \
              fails the test by panicking"
)]

mod books;
mod cast;
mod counter;
mod happenings;
mod life;
mod lock;
mod maker;
mod member;
mod plan;
mod play;
mod report;
mod rounds;
mod rules;
mod setup;
mod shared;
mod shelf;
mod stage;
mod study;
mod validator;
mod vault;
mod waits;
mod world;

pub use books::BooksError;
pub use cast::{
    Actor, Cast, InRounds, MakeAnswering, MakeParty, MakePrograms, MakeRequester, MakeTrainer,
};
pub use counter::{CounterPrograms, DEAD_END, OVER, STUCK};
pub use happenings::{Change, Deed, Happening};
pub use member::Member;
pub use plan::{Beside, Money, Plan, ProcedureName, RoundsPlan, Storage};
pub use play::{Play, play, run};
pub use report::{Ending, OrderReport, PartyReport};
pub(crate) use rounds::forged_update;
pub use rules::Rule;
pub use setup::BALANCE;
pub(crate) use setup::Beginning;
pub use study::{Faked, Study, Tally};
pub use validator::HonestValidator;
pub use vault::Vault;
pub use world::World;
