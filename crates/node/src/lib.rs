//! Connect peers and run the roles.
//!
//! In reader's order:
//!
//! - [`config`] and [`keys`]: what a machine is told before it starts; `needs`: what it must
//!   have; [`lock`]: that nobody else has it.
//! - [`transport`]: requests and answers between nodes that know each other by public key, whatever
//!   they are about; [`reach`]: which addresses are worth dialling.
//! - [`client`]: the chain as a role sees it, and how an account's calls get onto it.
//! - [`drive`] runs machines; [`disk`] is what its journals and the storage role ask of files.
//! - [`storage`] keeps ciphertext for others; [`files`] stores and reads files on such nodes;
//!   [`inputs`] are those that orders read, kept at hand.
//! - [`archive`] copies a network's history; [`offline`] executes and repeats what is in it.
//! - [`split`]: split training of an adapter between two or three nodes.
//! - `health`, [`logs`], [`metrics`], [`pace`] and [`progress`]: what a node says of itself; its JSON API is
//!   the crate `assay-api`, which shows this and the chain.

pub mod address;
pub mod archive;
pub mod client;
mod clock;
pub mod config;
pub mod devnet;
pub mod disk;
pub mod drive;
pub mod files;
mod health;
pub mod inputs;
pub mod keys;
pub mod lock;
pub mod logs;
pub mod metrics;
mod needs;
pub mod node;
pub mod offline;
pub mod orders;
pub mod pace;
pub mod progress;
pub mod reach;
pub mod requester;
pub mod roles;
pub mod rounds;
mod secret_file;
mod shares;
pub mod split;
pub mod storage;
pub mod transport;
pub mod worker;

use assay_api::told;
