//! The commands, as people call them.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test may panic, and prints what it draws"
)]

mod support;

mod accounts;
mod audit;
mod carried;
mod disk;
mod federated;
mod grants;
mod history;
mod interface;
mod market;
mod network;
mod next_steps;
mod offers;
mod operate;
mod split;
mod terms;
mod train;
mod trial;
mod vault;
mod worker;
