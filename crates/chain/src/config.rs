//! What a validator is started with.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use assay_crypto::{PublicKey, SecretKey};
use assay_ledger::Genesis;

use crate::deal::ThresholdShare;

/// Where another validator listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its account key, as in the genesis.
    pub key: PublicKey,
    /// `IP:PORT` or `HOST:PORT`.
    pub address: String,
}

/// Timing of block production. Local policy: validators may differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Least time between a block and its parent.
    pub min_interval: Duration,
    /// Time after which a leader proposes even without transactions, so that ledger time passes and
    /// deadlines with it.
    pub block_interval: Duration,
    /// Time granted to a leader beyond `block_interval` before its view is skipped. Together they are
    /// well below a second, so that one dead leader does not cost a second without a block, and leave
    /// room for a leader that waits half a second for a beacon.
    pub leader_timeout: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            min_interval: Duration::from_millis(25),
            block_interval: Duration::from_millis(200),
            leader_timeout: Duration::from_millis(500),
        }
    }
}

/// Everything a validator needs to run.
pub struct ChainConfig {
    /// Directory of this validator's chain data; created when missing, locked while running.
    pub dir: PathBuf,
    /// The network.
    pub genesis: Genesis,
    /// This validator's account key; must be among the genesis validators.
    pub secret: SecretKey,
    /// This validator's share of the network key.
    pub share: ThresholdShare,
    /// Address to listen on. Port 0 does not work, since peers have to know it.
    pub listen: SocketAddr,
    /// Where to reach other validators, if not where the genesis says.
    pub peers: Vec<Peer>,
    /// Timing.
    pub pace: Pace,
}
