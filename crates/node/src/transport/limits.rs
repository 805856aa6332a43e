//! What one node lets its peers use, and for how long.

use std::time::Duration;

/// Bounds on connections, requests and time. The defaults suit a node with 1 GiB of memory: at
/// most `registered_requests + stranger_requests` bodies are in memory at once.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections accepted at once; further ones are refused.
    pub connections: usize,
    /// Requests that one connection may have open at once.
    pub requests_per_connection: u32,
    /// Requests of registered peers served at once; further ones wait.
    pub registered_requests: usize,
    /// Requests of all other peers served at once; further ones wait.
    pub stranger_requests: usize,
    /// Time to reach a peer.
    pub connect_timeout: Duration,
    /// Time for one request from its first to its last byte, waiting included.
    pub request_timeout: Duration,
    /// Silence after which a connection is closed. Short, because this is how long a request
    /// to a peer that was killed and restarted takes to notice.
    pub idle_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 512,
            requests_per_connection: 16,
            registered_requests: 64,
            stranger_requests: 16,
            connect_timeout: Duration::from_secs(5),
            request_timeout: Duration::from_secs(60),
            idle_timeout: Duration::from_secs(8),
        }
    }
}
