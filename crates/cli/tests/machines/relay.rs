//! A network between hosts that delays and loses packets, and can be cut.
//!
//! Each host has a TUN device, whose packets a process of its own carries to the hub and back as datagrams of a local
//! socket. The hub is a part of the test. (Not every kernel has `netem`, which could do some of it.)

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, VecDeque},
    fs, io,
    os::unix::net::UnixDatagram,
    path::{Path, PathBuf},
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use assay_crypto::{Digest, stream::Stream};
use tun_rs::DeviceBuilder;

/// Bytes of the longest packet; what is longer is cut up by the hosts.
pub(crate) const MTU: u16 = 1_400;
/// Packets on their way, at most: what comes more is lost, as in a router.
const ON_THE_WAY: usize = 20_000;
/// Environment of a process that carries a host's packets: where the hub is.
pub(crate) const HUB: &str = "ASSAY_TEST_HUB";
/// The host's number.
pub(crate) const HOST: &str = "ASSAY_TEST_HOST";
/// The host's device.
pub(crate) const DEVICE: &str = "tun0";

/// Where the hub finds a host.
fn end(hub: &Path, host: u8) -> PathBuf {
    hub.with_extension(format!("{host}"))
}

/// The number of the host that a packet is from, and of the one it is for: the last parts of both addresses.
fn hosts(packet: &[u8]) -> Option<(u8, u8)> {
    let version = packet.first()? >> 4;
    (version == 4).then_some((*packet.get(15)?, *packet.get(19)?))
}

/// Carries a host's packets between its device and the hub, as long as both are there.
pub(crate) fn carry(hub: &Path, host: u8) -> io::Result<()> {
    let device = DeviceBuilder::new().name(DEVICE).mtu(MTU).build_sync()?;
    let device = Arc::new(device);
    let socket = Arc::new(UnixDatagram::bind(end(hub, host))?);
    let (into, from) = (device.clone(), socket.clone());
    thread::spawn(move || {
        let mut packet = [0; 2 * MTU as usize];
        while let Ok(length) = from.recv(&mut packet) {
            // A device that is not up yet takes nothing.
            let _ = into.send(&packet[..length]);
        }
    });
    let mut packet = [0; 2 * MTU as usize];
    loop {
        let length = device.recv(&mut packet)?;
        socket.send_to(&packet[..length], hub)?;
    }
}

/// What the links are like.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Links {
    /// From one host to another.
    pub(crate) latency: Duration,
    /// Packets of a thousand that are lost.
    pub(crate) lost_per_mille: u64,
}

/// What the hub has counted.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) carried: AtomicU64,
    pub(crate) lost: AtomicU64,
    pub(crate) cut: AtomicU64,
}

/// Packets on their way, each with when it is due.
type Way = BinaryHeap<Reverse<(Instant, u64, u8, Vec<u8>)>>;

struct Shared {
    path: PathBuf,
    way: Mutex<Way>,
    news: Condvar,
    /// Hosts on one side; the others are on the other one.
    apart: Mutex<Vec<u8>>,
    over: AtomicBool,
    counts: Counts,
}

/// The network between the hosts.
pub(crate) struct Hub(Arc<Shared>);

impl Hub {
    /// Makes it at this path of a local socket; what is lost follows from the seed.
    pub(crate) fn new(path: &Path, links: Links, seed: Digest) -> Self {
        let socket = UnixDatagram::bind(path).unwrap();
        socket
            .set_read_timeout(Some(Duration::from_millis(200)))
            .unwrap();
        let shared = Arc::new(Shared {
            path: path.to_owned(),
            way: Mutex::default(),
            news: Condvar::new(),
            apart: Mutex::default(),
            over: AtomicBool::new(false),
            counts: Counts::default(),
        });
        let hub = shared.clone();
        thread::spawn(move || hub.take(&socket, links, seed));
        let hub = shared.clone();
        thread::spawn(move || hub.bring());
        Self(shared)
    }

    /// Cuts these hosts off from all others, until nobody is named.
    pub(crate) fn cut(&self, hosts: &[u8]) {
        *self.0.apart.lock().unwrap() = hosts.to_vec();
    }

    pub(crate) fn counts(&self) -> &Counts {
        &self.0.counts
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        self.0.over.store(true, Ordering::Relaxed);
        self.0.news.notify_all();
        let _ = fs::remove_file(&self.0.path);
    }
}

impl Shared {
    fn take(&self, socket: &UnixDatagram, links: Links, seed: Digest) {
        let mut chance = Stream::new(seed, "lost packets", 0);
        let mut packet = [0; 2 * MTU as usize];
        let mut number = 0;
        while !self.over.load(Ordering::Relaxed) {
            let Ok(length) = socket.recv(&mut packet) else {
                continue;
            };
            let packet = &packet[..length];
            let Some((from, to)) = hosts(packet) else {
                continue;
            };
            let apart = self.apart.lock().unwrap();
            let is_cut = apart.contains(&from) != apart.contains(&to);
            drop(apart);
            if is_cut {
                self.counts.cut.fetch_add(1, Ordering::Relaxed);
                continue;
            }
            if chance.below(1_000) < links.lost_per_mille {
                self.counts.lost.fetch_add(1, Ordering::Relaxed);
                continue;
            }
            let due = Instant::now() + links.latency;
            let mut way = self.way.lock().unwrap();
            if way.len() < ON_THE_WAY {
                number += 1;
                way.push(Reverse((due, number, to, packet.to_vec())));
                self.news.notify_one();
            }
        }
    }

    fn bring(&self) {
        let socket = UnixDatagram::unbound().unwrap();
        // A host that does not take its packets loses them, and keeps nobody waiting.
        socket.set_nonblocking(true).unwrap();
        while !self.over.load(Ordering::Relaxed) {
            let mut ready = VecDeque::new();
            let mut way = self.way.lock().unwrap();
            let now = Instant::now();
            while let Some(Reverse((due, ..))) = way.peek()
                && *due <= now
                && let Some(Reverse((_, _, to, packet))) = way.pop()
            {
                ready.push_back((to, packet));
            }
            if ready.is_empty() {
                let pause = way
                    .peek()
                    .map_or(Duration::from_millis(200), |Reverse(next)| {
                        next.0.saturating_duration_since(now)
                    });
                drop(self.news.wait_timeout(way, pause).unwrap());
                continue;
            }
            drop(way);
            for (to, packet) in ready {
                match socket.send_to(&packet, end(&self.path, to)) {
                    Ok(_) => &self.counts.carried,
                    Err(_) => &self.counts.lost,
                }
                .fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}
