//! The storage role: keep ciphertext for others on a disk.
//!
//! What is kept, refused and collected is decided by [`assay_vault::storage`]; here are the disk
//! and the thread on which it is used.

mod disk;
mod role;

pub use disk::{DirectoryBackend, Neighbours};
pub use role::{StorageError, StorageRole};
