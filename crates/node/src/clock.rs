//! The clock and the randomness that machines are handed.

use std::time::{SystemTime, UNIX_EPOCH};

use assay_machine::Millis;

/// Milliseconds since the Unix epoch by this machine's clock. Wall time, because a storage
/// node's grace period must survive a restart.
pub(crate) fn now() -> Millis {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Millis(since.as_millis() as u64)
}
