//! A requester that grants keys its order was not posted with.

use assay_crypto::aead::FileKey;
use assay_proof::Identity;
use assay_proof::OrderKeys;
use assay_proof::parties::Requester;

/// An honest [`Requester`] on top of other keys: providers must be able to tell at once, and to
/// give the order back without loss.
pub fn wrong_keys(me: Identity, posted: &OrderKeys) -> Requester {
    let other = |key: &FileKey| FileKey::derive(&key.0, "another", 0);
    let others = posted.inputs().iter().map(other).collect();
    Requester::new(me, OrderKeys::new(others, [0; 32]))
}
