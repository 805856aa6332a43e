//! The ledger as its users see it: blocks in, state and receipts out.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod accounts;
mod adversaries;
mod audits;
mod consent;
mod contracts;
mod counts;
mod disputes;
mod draws;
mod exchange;
mod failing;
mod file_grants;
mod files;
mod formats;
mod grants;
mod hostile_terms;
mod keeping;
mod last_resort;
mod ledger_time;
mod life;
mod life_events;
mod moves;
mod offers;
mod orders;
mod owners;
mod places;
mod random;
mod redundant;
mod roots;
mod storage_liars;
mod table;
mod timers;
mod turns;
mod watch;
mod world;
mod writing;
