//! Kinds of jobs: files, programs, deliveries.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

mod adapter_settings;
mod federated;
mod files;
mod golden;
mod in_place;
mod methods;
mod step;
mod terms;
mod train;
