//! What the engine asks of the machine it runs on.

use commonware_runtime::{Clock, Metrics, Spawner, Storage};
use rand_core::CryptoRng;

/// Tasks, a clock, randomness, files and metrics. On a real machine they are the system's; in a
/// simulation all of them follow from one seed, and nothing in the engine knows which.
pub trait Runtime: Spawner + Clock + Storage + Metrics + CryptoRng {}

impl<E: Spawner + Clock + Storage + Metrics + CryptoRng> Runtime for E {}

/// Runs `work` off the tasks that move messages. `None` when the runtime is stopping.
pub(super) async fn run_blocking<T: Send + 'static>(
    runtime: &impl Runtime,
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    runtime
        .child("ledger")
        .shared(true)
        .spawn(|_| async move { work() })
        .await
        .ok()
}
