//! A whole network in one process, without clock or socket, to try parties and job kinds in.
//!
//! [`World`] holds one ledger, a vault and everybody's driver. A [`Plan`] fixes the job and a
//! seed, from which every beacon value, delay and kill follows; a [`Cast`] says who takes part.
//! Each tick makes a block, checks that no money came or went, and shows it to everybody.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a harness fails the test that uses it by panicking"
)]

mod cast;
mod counter;
mod member;
mod setup;
#[cfg(feature = "cheaters")]
mod study;
mod vault;
mod world;

pub use cast::{Actor, Cast, MakeParty, MakePrograms, MakeRequester};
pub use counter::{CounterPrograms, DEAD_END};
pub use member::Member;
pub use setup::{BALANCE, Plan};
#[cfg(feature = "cheaters")]
pub use study::{Study, Tally};
pub use vault::Vault;
pub use world::World;
