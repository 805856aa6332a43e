//! What a driver takes from the machine it runs on.

use std::{future::Future, time::Duration};

use assay_machine::Millis;
use tokio::time::sleep;

use super::DriveError;
use crate::clock;

/// Time and fresh randomness.
pub trait Runtime: Sync {
    /// The time.
    fn now(&self) -> Millis;

    /// Waits until it is this time, or later.
    fn sleep_until(&self, time: Millis) -> impl Future<Output = ()> + Send;

    /// Randomness that nobody else knows.
    ///
    /// # Errors
    /// [`DriveError::Randomness`].
    fn seed(&self) -> Result<[u8; 32], DriveError>;
}

/// The operating system's.
#[derive(Clone, Copy, Debug, Default)]
pub struct System;

impl Runtime for System {
    fn now(&self) -> Millis {
        clock::now()
    }

    async fn sleep_until(&self, time: Millis) {
        let left = time.0.saturating_sub(clock::now().0);
        sleep(Duration::from_millis(left)).await;
    }

    fn seed(&self) -> Result<[u8; 32], DriveError> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(DriveError::Randomness)?;
        Ok(seed)
    }
}
