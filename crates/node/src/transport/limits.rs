//! What one node lets its peers use, and for how long.

use std::time::Duration;

/// Bounds on connections, requests, bytes and time. The defaults suit a node with 1 GiB of memory: at
/// most `2 * (member_requests + registered_requests + stranger_requests)` of the largest messages are
/// in memory at once, and usually none.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections accepted at once; further ones are refused.
    pub connections: usize,
    /// Connections of one peer at once.
    pub connections_per_peer: usize,
    /// Requests that one connection may have open at once.
    pub requests_per_connection: u32,
    /// Requests that one peer may have under way at once, from their first byte on; further ones
    /// wait.
    pub requests_per_peer: usize,
    /// Messages of the largest size that one peer may have under way at once; further ones wait.
    pub messages_per_peer: usize,
    /// Requests of members served at once; further ones wait.
    pub member_requests: usize,
    /// Requests of peers with an account, but no bond, served at once; further ones wait.
    pub registered_requests: usize,
    /// Requests of all other peers served at once; further ones wait.
    pub stranger_requests: usize,
    /// Requests that wait for a block, at once; further ones are refused.
    pub polls: usize,
    /// Those of one peer.
    pub polls_per_peer: usize,
    /// Time to reach a peer.
    pub connect_timeout: Duration,
    /// Time for the first bytes of a request, which say how long it is.
    pub head_timeout: Duration,
    /// Bytes a second below which a request is given up.
    pub slowest: u64,
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
            connections_per_peer: 8,
            requests_per_connection: 16,
            requests_per_peer: 32,
            messages_per_peer: 8,
            member_requests: 64,
            registered_requests: 16,
            stranger_requests: 16,
            polls: 512,
            polls_per_peer: 4,
            connect_timeout: Duration::from_secs(5),
            head_timeout: Duration::from_secs(5),
            slowest: 80 << 10,
            request_timeout: Duration::from_secs(60),
            idle_timeout: Duration::from_secs(8),
        }
    }
}
