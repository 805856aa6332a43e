//! Storage nodes that misbehave, one per file.

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

pub(crate) use amnesiac::Amnesiac;
pub(crate) use bit_flipper::BitFlipper;
pub(crate) use boaster::Boaster;
pub(crate) use dead::Dead;
pub(crate) use erratic::Erratic;
pub(crate) use flaky::Flaky;
pub(crate) use forgetful::Forgetful;
pub(crate) use garbage::Garbage;
pub(crate) use mixer::Mixer;
pub(crate) use nonsense::Nonsense;
pub(crate) use silent::Silent;
pub(crate) use slow::Slow;
pub(crate) use uncommitted::Uncommitted;
