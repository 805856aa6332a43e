//! The clock and the randomness that machines are handed.

use assay_machine::Millis;

/// Milliseconds since the Unix epoch by this machine's clock. Wall time, because a storage
/// node's grace period must survive a restart.
pub(crate) fn now() -> Millis {
    Millis(assay_api::now_ms())
}
