//! Make one update of many, though some of them lie.
//!
//! In a federated round many trainers send an update of one model, and one update is made of them. Whoever
//! has the same updates must make the same one, bit for bit, so that anybody can check it afterwards:
//! everything here is done on integers, whose sums have no order. And some trainers may send
//! anything at all, so a rule must not let a few of them decide.
//!
//! In reader's order:
//!
//! - A [`Quantiser`] makes integers of an update's floats, and [`encode`] bytes of those; [`Encoded`] reads
//!   them where they lie.
//! - [`Updates`] is a set of updates that is read block by block: [`Rows`] in memory, [`EncodedUpdates`] in
//!   their bytes. A [`Shape`] says how large it is, and why no sum overflows.
//! - [`Settings`] name a [`Rule`] and what is done before it. The default stands three liars of ten.
//! - [`aggregate`] gives an [`Outcome`]: the update, and what became of whose.
//! - [`Distances`] between updates are exact, or from sketches where there are too many.
//! - [`peak_bytes`] tells the memory that it takes.
//!
//! `docs/aggregation.md` says which rule stands what. Nothing here reads a clock, a file or a source of
//! randomness.
//!
//! ```
//! use assay_aggregate::{Quantiser, Rows, Settings, aggregate};
//! use assay_crypto::Digest;
//! use assay_kernel::{Isa, Kernel};
//!
//! let quantiser = Quantiser::default();
//! let seed = Digest::of("example", &[]);
//! let honest = (0..9).map(|i| [0.5, -0.25 + i as f32 * 1e-3]);
//! let mut updates = Vec::new();
//! for (i, update) in honest.chain([[-0.9, 0.9]]).enumerate() {
//!     updates.push(quantiser.quantise(&update, &seed, i as u64)?);
//! }
//! let kernel = Kernel::new(Isa::Scalar, 1)?;
//! let updates = Rows::new(&updates, quantiser.bits())?;
//! let outcome = aggregate(&kernel, &updates, &Settings::default(), &seed)?;
//! let update = quantiser.restore(&outcome.update);
//! assert!((update[0] - 0.5).abs() < 0.01 && (update[1] + 0.25).abs() < 0.01);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod aggregate;
mod arith;
mod centre;
mod columns;
mod distances;
mod encoded;
mod error;
mod krum;
mod memory;
mod mixed;
mod norm;
mod outcome;
mod pass;
mod quantiser;
mod settings;
mod shape;
mod sketch;
mod updates;

pub use aggregate::aggregate;
pub use distances::Distances;
pub use encoded::{DecodeError, Encoded, EncodedUpdates, encode};
pub use error::AggregateError;
pub use memory::peak_bytes;
pub use outcome::{Fate, Measured, Note, Outcome};
pub use quantiser::{QuantiseError, Quantiser};
pub use settings::{
    BadSettings, DistanceSettings, Liars, MAX_ITERATIONS, Radius, Rule, Settings, Start,
};
pub use shape::{BadShape, MAX_BITS, MAX_COORDINATES, MAX_UPDATES, MAX_WEIGHT, Shape};
pub use updates::{Rows, Updates};
