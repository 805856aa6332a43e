//! A requester that grants keys its order was not posted with.

use assay_proof::Identity;
use assay_proof::OrderKeys;
use assay_proof::parties::Requester;

/// An honest [`Requester`] on top of other keys: providers must be able to tell at once, and to
/// give the order back without loss.
pub fn wrong_keys(me: Identity, posted: &OrderKeys, runs: u32) -> Requester {
    let other = OrderKeys::new(posted.inputs().to_vec(), [0; 32], runs);
    Requester::new(me, other)
}
