//! The random beacon: which seed a block carries, and which one its draws use.
//!
//! Every vote of view `v` carries a share of one threshold signature over `v` alone, the seed of
//! `v`. It is unique, so nobody chooses it, and it takes 2f+1 shares, so nobody knows it before
//! f+1 honest validators have voted in `v`.
//!
//! Events of block `i`, proposed in view `v`, are drawn for in block `i + 2` with the seed of
//! view `v + 1`. The seed of `v` itself would not do: a leader that shows different blocks to
//! different validators collects the shares of `v` before any block of `v` is certified, and
//! could then push the block whose draws it likes. No honest validator votes in `v + 1` before
//! view `v` has ended. The view is fixed, not "the next view that succeeds", since skipped views
//! have seeds too: a leader cannot redraw by throwing its own block away.

use assay_crypto::Digest;

use crate::header::{Header, SeedSignature};
use crate::scheme::{Scheme, seed_is_valid};

/// Blocks between an event and the draw it causes: an event at height `h` may use the beacon of
/// height `h + DRAW_DELAY` and later.
pub const DRAW_DELAY: u64 = 2;

const BEACON_DOMAIN: &str = "assay/beacon/v1";

/// Views whose seeds a block in `view` on a parent in `parent_view` has to carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SeedViews {
    /// The parent's view, unless the parent is genesis.
    pub(crate) parent: Option<u64>,
    /// The first skipped view, if any was skipped.
    pub(crate) gap: Option<u64>,
}

impl SeedViews {
    pub(crate) fn new(parent_view: u64, view: u64) -> Self {
        Self {
            parent: (parent_view > 0).then_some(parent_view),
            gap: parent_view.checked_add(1).filter(|next| *next < view),
        }
    }
}

/// Checks both seeds of `header` against the network key.
pub(crate) fn seeds_are_valid(scheme: &Scheme, parent: &Header, header: &Header) -> bool {
    let views = SeedViews::new(parent.view, header.view);
    let valid = |view: Option<u64>, seed: Option<SeedSignature>| match (view, seed) {
        (None, None) => true,
        (Some(view), Some(seed)) => seed_is_valid(scheme, view, &seed),
        _ => false,
    };
    valid(views.parent, header.seed) && valid(views.gap, header.gap_seed)
}

/// The beacon of `header`: the seed of the view after its grandparent's. When that view was
/// skipped the parent carries the seed as its gap seed, otherwise it is the parent's own view.
///
/// The first block has no grandparent and nothing to draw for; its beacon is derived from the
/// genesis digest and is predictable.
pub fn beacon(genesis: &Digest, parent: &Header, header: &Header) -> Digest {
    match parent.gap_seed.or(header.seed) {
        Some(seed) => Digest::of(BEACON_DOMAIN, &[&seed.0]),
        None => Digest::of(BEACON_DOMAIN, &[&genesis.0]),
    }
}
