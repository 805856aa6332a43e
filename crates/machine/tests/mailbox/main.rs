//! Mailboxes in a world that loses, repeats, reorders and kills.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

mod gossip;
mod hostile;
mod kills;
mod world;
