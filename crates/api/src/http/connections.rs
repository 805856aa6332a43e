//! The open connections of the API, and which of them makes room for another.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};

/// Connections open at once.
const MAX_CONNECTIONS: usize = 512;

/// Connections open at once of one address.
const MAX_PER_ADDRESS: usize = 256;

/// Time that a connection may wait for its peer: between two requests, or within one.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a connection waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waits {
    /// For its peer, since then.
    ForPeer(Instant),
    /// For us.
    ForUs,
    /// For nothing more: it is to be closed.
    Over,
}

/// One connection's place among the open ones; free again once dropped.
#[derive(Debug)]
pub(super) struct Place {
    id: u64,
    state: watch::Sender<Waits>,
    open: Weak<Mutex<Open>>,
}

/// While it lives, its connection is not the peer's to hurry up.
#[derive(Debug)]
pub(super) struct Busy<'a>(&'a Place);

#[derive(Debug, Default)]
struct Open {
    next: u64,
    places: BTreeMap<u64, (IpAddr, watch::Sender<Waits>)>,
}

/// All open connections.
#[derive(Debug, Default)]
pub(super) struct Connections(Arc<Mutex<Open>>);

fn lock(open: &Mutex<Open>) -> MutexGuard<'_, Open> {
    open.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Connections {
    /// A place for a connection from this address. At a bound the connection makes room that has
    /// waited longest for its peer: of the same address where that has its share, else of the
    /// address that has most. `None` when all of those wait for us.
    pub(super) fn enter(&self, address: IpAddr) -> Option<Arc<Place>> {
        let mut open = lock(&self.0);
        let mut shares: BTreeMap<IpAddr, usize> = BTreeMap::new();
        for (of, _) in open.places.values() {
            *shares.entry(*of).or_default() += 1;
        }
        let greedy = if shares.get(&address).copied().unwrap_or(0) >= MAX_PER_ADDRESS {
            Some(address)
        } else if open.places.len() >= MAX_CONNECTIONS {
            shares
                .into_iter()
                .max_by_key(|(_, count)| *count)
                .map(|(of, _)| of)
        } else {
            None
        };
        if let Some(greedy) = greedy {
            let slowest = open
                .places
                .iter()
                .filter(|(_, (of, _))| *of == greedy)
                .filter_map(|(id, (_, state))| match *state.borrow() {
                    Waits::ForPeer(since) => Some((since, *id)),
                    Waits::ForUs | Waits::Over => None,
                })
                .min();
            let (_, id) = slowest?;
            if let Some((_, state)) = open.places.remove(&id) {
                state.send_replace(Waits::Over);
            }
        }
        open.next += 1;
        let (id, state) = (
            open.next,
            watch::Sender::new(Waits::ForPeer(Instant::now())),
        );
        open.places.insert(id, (address, state.clone()));
        Some(Arc::new(Place {
            id,
            state,
            open: Arc::downgrade(&self.0),
        }))
    }

    #[cfg(test)]
    fn count(&self) -> usize {
        lock(&self.0).places.len()
    }
}

impl Place {
    /// Until the value is dropped the connection waits for us.
    pub(super) fn busy(&self) -> Busy<'_> {
        self.change(Waits::ForUs);
        Busy(self)
    }

    /// Waits until the connection has to go.
    pub(super) async fn over(&self) {
        let mut changes = self.state.subscribe();
        loop {
            let waits = *changes.borrow_and_update();
            let deadline = match waits {
                Waits::Over => return,
                Waits::ForPeer(since) => Some(since + PATIENCE),
                Waits::ForUs => None,
            };
            tokio::select! {
                // The sender is ours, so there is no error.
                _ = changes.changed() => {}
                () = async { match deadline {
                    Some(deadline) => sleep_until(deadline).await,
                    None => std::future::pending().await,
                } } => return,
            }
        }
    }

    fn change(&self, to: Waits) {
        self.state.send_if_modified(|waits| {
            let changes = *waits != Waits::Over;
            if changes {
                *waits = to;
            }
            changes
        });
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.change(Waits::ForPeer(Instant::now()));
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(open) = self.open.upgrade() {
            lock(&open).places.remove(&self.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, last])
    }

    #[tokio::test]
    async fn the_slowest_of_a_greedy_address_makes_room() {
        let connections = Connections::default();
        let enter = |last| connections.enter(address(last));
        let held: Vec<_> = (0..MAX_PER_ADDRESS).map(|_| enter(1).unwrap()).collect();
        let other = enter(2).unwrap();
        let more = enter(1).unwrap();
        held[0].over().await;
        assert_eq!(connections.count(), MAX_PER_ADDRESS + 1);
        // Those that are being served stay, and without others there is no room.
        let busy: Vec<_> = held[1..].iter().map(|place| place.busy()).collect();
        let _busy = more.busy();
        assert!(enter(1).is_none());
        drop(busy);
        assert!(enter(1).is_some());
        // Another address is not asked to make room for it.
        assert_eq!(*other.state.borrow(), *other.state.borrow());
        assert!(!matches!(*other.state.borrow(), Waits::Over));
    }

    #[tokio::test]
    async fn a_crowd_of_one_address_makes_room_for_others() {
        let connections = Connections::default();
        let enter = |last| connections.enter(address(last));
        let mut held: Vec<_> = (0..MAX_PER_ADDRESS).map(|_| enter(1).unwrap()).collect();
        held.extend((0..MAX_CONNECTIONS - MAX_PER_ADDRESS - 1).map(|_| enter(2).unwrap()));
        let _last = enter(3).unwrap();
        assert_eq!(connections.count(), MAX_CONNECTIONS);
        let _one_more = enter(4).unwrap();
        assert_eq!(connections.count(), MAX_CONNECTIONS);
        held[0].over().await;
        drop(held);
        assert_eq!(connections.count(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn silence_ends_a_connection_and_our_own_slowness_does_not() {
        let connections = Connections::default();
        let place = connections.enter(address(1)).unwrap();
        {
            let _busy = place.busy();
            let waited = tokio::time::timeout(10 * PATIENCE, place.over()).await;
            assert!(waited.is_err());
        }
        let began = Instant::now();
        place.over().await;
        assert!(began.elapsed() >= PATIENCE);
    }
}
