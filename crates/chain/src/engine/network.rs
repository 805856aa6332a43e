//! Encrypted, authenticated connections between the validators of the genesis.

use std::net::SocketAddr;
use std::time::Duration;

use commonware_consensus::marshal::{max_payload_size, standard::Standard};
use commonware_consensus::simplex;
use commonware_cryptography::certificate::Scheme as _;
use commonware_cryptography::{ChaCha20Poly1305, ed25519};
use commonware_p2p::authenticated::lookup::{self, Oracle, Receiver, Sender};
use commonware_p2p::{Address, AddressableManager, max_message_size};
use commonware_runtime::tokio::Context;
use commonware_runtime::{Quota, Supervisor as _};
use commonware_stream::cups::{self, Cups};
use commonware_stream::sake::{self, Sake};
use commonware_utils::ordered::Map;
use commonware_utils::{NZU32, NZUsize};

use super::channels::{Channels, Network};
use super::gossip::MAX_GOSSIP_BYTES;
use super::payload::Payload;
use crate::scheme::{Identity, PayloadDigest, Scheme};

/// Who to connect to.
pub(crate) struct Settings {
    pub(crate) signer: ed25519::PrivateKey,
    pub(crate) namespace: Vec<u8>,
    pub(crate) listen: SocketAddr,
    /// All validators are on this machine.
    pub(crate) is_local: bool,
    /// Some validators may have addresses that are not of the internet.
    pub(crate) has_private: bool,
    pub(crate) peers: Map<Identity, Address>,
}

type Handshake = Cups<Sake<ed25519::PrivateKey>, ChaCha20Poly1305>;

pub(crate) fn open(
    context: &Context,
    scheme: &Scheme,
    settings: Settings,
) -> Network<Sender<Identity, Context>, Receiver<Identity>, Oracle<Identity>> {
    let participants = scheme.participants().len();
    let count = u32::try_from(participants).unwrap_or(u32::MAX);
    let largest = max_message_size(&[
        simplex::max_payload_size::<Scheme, PayloadDigest>(count),
        max_payload_size::<Standard<Payload>, Scheme>(count, &()),
        MAX_GOSSIP_BYTES,
    ]);
    let handshake = Handshake::new(
        Sake {
            signer: settings.signer,
            synchrony_bound: Duration::from_secs(5),
            max_handshake_age: Duration::from_secs(10),
            version: sake::Version::V1,
        },
        cups::Version::V1,
    );
    // Four validators on one machine shake hands from one address, as often as they restart; on
    // a network of many machines that would let anybody keep this one busy with handshakes.
    let preset = match settings.is_local {
        true => lookup::Config::local,
        false => lookup::Config::recommended,
    };
    let mut config = preset(
        handshake,
        &settings.namespace,
        settings.listen,
        NZUsize!(participants.max(1)),
        largest,
        NZUsize!(1_024),
    );
    config.allow_private_ips = settings.has_private;
    // Keys authenticate; validators may sit behind addresses that change.
    config.bypass_ip_check = true;
    config.tracked_peer_sets = NZUsize!(1);
    if settings.is_local {
        config.dial_frequency = Duration::from_millis(200);
        config.peer_connection_cooldown = Duration::from_millis(250);
    } else {
        // A validator that restarts should be back within a view or two.
        config.peer_connection_cooldown = Duration::from_secs(5);
    }
    let (mut network, mut oracle) = lookup::Network::new(context.child("network"), config);
    AddressableManager::track(&mut oracle, 0, settings.peers);
    // Mailboxes are sized by quota times peers, and that memory is touched: keep quotas modest.
    let mut register = |id, per_second| network.register(id, Quota::per_second(per_second));
    let channels = Channels {
        votes: register(0, NZU32!(1_000)),
        certificates: register(1, NZU32!(500)),
        resolver: register(2, NZU32!(500)),
        blocks: register(3, NZU32!(250)),
        backfill: register(4, NZU32!(500)),
        transactions: register(5, NZU32!(250)),
        beacons: register(6, NZU32!(250)),
    };
    Network {
        channels,
        peers: oracle,
        connect: Box::new(move || network.start()),
    }
}
