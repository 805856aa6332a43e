//! Connect peers and run the roles.

pub mod config;
pub mod keys;
pub mod logs;
pub mod metrics;
pub mod storage;
pub mod transport;
