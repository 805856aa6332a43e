//! Storage nodes that misbehave, one per file.
#![allow(
    clippy::unwrap_used,
    reason = "a liar fails the test that uses it by panicking"
)]

mod amnesiac;
mod bit_flipper;
mod boaster;
mod dead;
mod erratic;
mod flaky;
mod forgetful;
mod garbage;
mod mixer;
mod nonsense;
mod silent;
mod slow;
mod uncommitted;
mod unwilling;

pub use amnesiac::Amnesiac;
pub use bit_flipper::BitFlipper;
pub use boaster::Boaster;
pub use dead::Dead;
pub use erratic::Erratic;
pub use flaky::Flaky;
pub use forgetful::Forgetful;
pub use garbage::Garbage;
pub use mixer::Mixer;
pub use nonsense::Nonsense;
pub use silent::Silent;
pub use slow::Slow;
pub use uncommitted::Uncommitted;
pub use unwilling::Unwilling;
