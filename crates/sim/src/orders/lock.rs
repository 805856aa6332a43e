//! Locks in a world of one thread.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// What a lock keeps; a task that panicked while it had it ends the world anyway.
pub(super) fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}
