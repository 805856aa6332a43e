//! The ledger as its users see it: blocks in, state and receipts out.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod accounts;
mod adversaries;
mod audits;
mod disputes;
mod failing;
mod files;
mod formats;
mod life;
mod life_events;
mod moves;
mod orders;
mod places;
mod random;
mod roots;
mod table;
mod turns;
mod watch;
mod world;
