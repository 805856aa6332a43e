//! Masked mode: two providers that do not collude multiply shares by the frozen matrices.
//!
//! For every product of an activation or gradient `X` with a frozen projection `W`, both quantised
//! ([`fixed`]), the [`MaskedRequester`] draws a uniform `R` from its own key, sends `R` to one
//! [`MaskedProvider`] and `X - R` to the other, both modulo 2^64, and adds what comes back:
//!
//! ```text
//! R W + (X - R) W = X W    (mod 2^64)
//! ```
//!
//! Sums stay below 2^63, so this is the exact integer product, with the same bits on every machine.
//! Each provider's view is uniform and independent of `X`; it learns shapes, matrices and timing.
//! Both together learn `X`. The requester runs every other operator: norms, rotations, attention,
//! activations, A, B and M, embedding, output and loss.
//!
//! A provider that returns a wrong product is not noticed here: masking is about secrecy, and a
//! run that must be verified is audited by replay as any other.

pub mod fixed;
mod local;
mod matrix;
mod plan;
mod provider;
mod requester;
mod share;
pub mod wire;

pub use local::{MaskedTranscript, step};
pub use matrix::Matrix;
pub use plan::{frozen_matrices, provider_traffic};
pub use provider::MaskedProvider;
pub use requester::{MaskedRequester, MaskedTurn};
pub use share::{Masker, SHARE_PURPOSE};
pub(crate) use wire::PROVIDER_BYTE;
