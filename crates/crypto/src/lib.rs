//! Sign, seal, share and prove.
//!
//! The whole project speaks to cryptography through this crate, so that each primitive has one
//! name, one encoding and one rule for odd inputs:
//!
//! - [`Digest`]: BLAKE3 with a domain per use; inputs are length-prefixed, so no two lists of
//!   parts hash alike.
//! - [`SecretKey`], [`PublicKey`], [`Signature`]: Ed25519 (RFC 8032), verified strictly.
//! - [`seal`] and [`open`]: HPKE (RFC 9180, base mode) to an [`EncryptionKey`].
//! - [`aead`]: ChaCha20-Poly1305 (RFC 8439) for the slices of one file.
//! - [`merkle`]: trees of the RFC 6962 shape whose root also fixes the number of leaves.
//! - [`RangeOpening`]: a range of a byte string, shown alone under its digest.
//! - [`tiles`]: the digest of bytes that open tile by tile.
//! - [`content`]: the digest of a file's plaintext, slice by slice, wherever its bytes lie
//!   ([`ReadAt`]).
//! - [`release`]: a file key that is handed to one receiver in public, so that everybody can check it and
//!   nobody else read it (Ristretto255, RFC 9496).
//! - [`custody`]: a key that several people hold together, so that some of them can open it and fewer learn
//!   nothing of it (Ristretto255).
//! - [`stream`]: numbers drawn from a key, the same on every machine.
//!
//! Nothing here reads a clock or a source of randomness: callers pass randomness in.

pub mod aead;
pub mod content;
pub mod custody;
mod digest;
mod group;
mod hex_text;
pub mod merkle;
mod opening;
mod read_at;
pub mod release;
mod seal;
mod sign;
pub mod stream;
pub mod tiles;

pub use digest::{Digest, Hasher};
pub use hex_text::ParseHexError;
pub use opening::{MAX_OPENED, RangeOpening};
pub use read_at::{Part, ReadAt, Reader};
pub use seal::{EncryptionKey, EncryptionSecret, OpenError, SEAL_OVERHEAD, SealError, Sealed};
pub use seal::{open, seal};
pub use sign::{BadPublicKey, BadSignature, PublicKey, SecretKey, Signature};
