//! How a download behaves.

/// How a download behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DownloadConfig {
    /// Pieces in memory at once.
    pub window: usize,
    /// When a second holder is asked as well, in milliseconds.
    pub hedge_ms: u64,
    /// When a request is given up, in milliseconds.
    pub timeout_ms: u64,
    /// How often holders with passing faults are asked.
    pub rounds: u32,
    /// Pause between rounds, in milliseconds.
    pub retry_ms: u64,
}

impl Default for DownloadConfig {
    fn default() -> Self {
        Self {
            window: 4,
            hedge_ms: 2_000,
            timeout_ms: 30_000,
            rounds: 3,
            retry_ms: 1_000,
        }
    }
}
