//! Rows of numbers with labels: where they come from, how they are named and dealt out.

mod images;
mod notice;
pub(crate) mod npz;
mod samples;
mod scaling;
mod shard;
mod shard_bytes;
mod split;
mod table;

pub use images::Images;
pub use notice::Notice;
pub use samples::{Labels, Samples};
pub use scaling::Scaling;
pub use shard::{RowProof, Shard, ShardHead};
pub use split::{Split, hold_out};
pub use table::TableSpec;
