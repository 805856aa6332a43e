//! The answering half: accept connections, bound them, hand requests to whoever answers their protocol.
//!
//! Whoever is slow is slow at its own expense. A request is read, in its own time and within its
//! peer's share, before it takes a slot; the slot is given back before the answer travels; and what
//! waits for a block takes none. Each standing has slots of its own, and within them no peer has more
//! than a part.

use std::{sync::Arc, time::Duration};

use assay_crypto::PublicKey;
use iroh::endpoint::{Connection, Incoming, RecvStream, SendStream};
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::timeout,
};
use tracing::{debug, trace};

use super::{
    channel::{Channel, Conversation},
    frame::{self, FrameError},
    identity::peer_key,
    limits::Limits,
    question::{Call, Manner, Protocols, Refusal, Refused, answer_bytes},
    shares::{self, Peers, Share, Shares},
};
use crate::metrics;

/// What the network knows about a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The peer's key has a bond at stake, or is a validator's.
    Member,
    /// The peer's key has an account: may store, with a small share.
    Registered,
    /// Anybody else: may read and submit transactions.
    Stranger,
}

/// Decides who is registered. Asked once per request, so it must be quick.
pub trait Access: Send + Sync + 'static {
    /// The standing of a peer, whose key the handshake has proved.
    fn standing(&self, peer: &PublicKey) -> Standing;
}

impl<F: Fn(&PublicKey) -> Standing + Send + Sync + 'static> Access for F {
    fn standing(&self, peer: &PublicKey) -> Standing {
        self(peer)
    }
}

/// State shared by all connections of one endpoint.
pub(super) struct Server {
    pub(super) limits: Limits,
    pub(super) access: Arc<dyn Access>,
    protocols: Protocols,
    connections: Arc<Semaphore>,
    /// Half of the connections, so that others cannot lock members out.
    open_to_all: Semaphore,
    shares: Shares,
    peers: Peers,
}

impl Server {
    pub(super) fn new(limits: Limits, access: Arc<dyn Access>, protocols: Protocols) -> Self {
        Self {
            limits,
            access,
            protocols,
            connections: Arc::new(Semaphore::new(limits.connections)),
            open_to_all: Semaphore::new(limits.connections / 2),
            shares: Shares::new(&limits),
            peers: Peers::new(&limits),
        }
    }

    /// Accepts connections until the endpoint closes.
    pub(super) async fn run(self: Arc<Self>, endpoint: iroh::Endpoint) {
        while let Some(incoming) = endpoint.accept().await {
            let Ok(permit) = self.connections.clone().try_acquire_owned() else {
                metrics::connection_refused();
                incoming.refuse();
                continue;
            };
            if self.is_crowded() && !incoming.remote_addr_validated() {
                // Make the sender prove its address before we spend a handshake on it.
                if let Err(error) = incoming.retry() {
                    debug!(%error, "address validation failed");
                }
                continue;
            }
            let server = self.clone();
            tokio::spawn(async move {
                server.serve(incoming).await;
                drop(permit);
            });
        }
    }

    #[cfg(test)]
    pub(super) fn open_connections(&self) -> usize {
        self.limits.connections - self.connections.available_permits()
    }

    fn is_crowded(&self) -> bool {
        self.connections.available_permits() < self.limits.connections / 2
    }

    async fn serve(self: Arc<Self>, incoming: Incoming) {
        let handshake = async {
            incoming
                .await
                .map_err(|error| debug!(%error, "handshake failed"))
        };
        let Ok(Ok(connection)) = timeout(self.limits.connect_timeout, handshake).await else {
            return;
        };
        let Ok(peer) = peer_key(connection.remote_id()) else {
            return;
        };
        let is_member = self.access.standing(&peer) == Standing::Member;
        let open_to_all = (!is_member).then(|| self.open_to_all.try_acquire());
        let share = match &open_to_all {
            Some(Err(_)) => None,
            None | Some(Ok(_)) => self.peers.connect(peer),
        };
        let Some(share) = share else {
            metrics::connection_refused();
            return connection.close(1u32.into(), b"busy");
        };
        metrics::connection_accepted();
        self.clone()
            .serve_streams(connection, peer, share.clone())
            .await;
        share.leave();
    }

    async fn serve_streams(
        self: Arc<Self>,
        connection: Connection,
        peer: PublicKey,
        share: Arc<shares::Peer>,
    ) {
        loop {
            match connection.accept_bi().await {
                Ok((send, recv)) => {
                    let (server, share) = (self.clone(), share.clone());
                    tokio::spawn(async move {
                        server.serve_request(peer, &share, send, recv).await;
                    });
                }
                Err(error) => {
                    trace!(%peer, %error, "connection ended");
                    return;
                }
            }
        }
    }

    async fn serve_request(
        &self,
        peer: PublicKey,
        own: &shares::Peer,
        mut send: SendStream,
        mut recv: RecvStream,
    ) {
        let work = async {
            let standing = self.access.standing(&peer);
            let share = self.shares.of(standing);
            let _stream = own.streams.acquire().await.ok()?;
            let (response, conversation, room) =
                match self.read(own, share, standing, &mut recv).await {
                    Ok((body, room)) => self.answer(peer, own, share, standing, body, room).await?,
                    Err(Unread::TooLarge(error)) => {
                        let refused = Refused::new(Refusal::Invalid, error);
                        (answer_bytes(&Err(refused)), None, None)
                    }
                    Err(Unread::Broken(error)) => {
                        debug!(%peer, %error, "request unreadable");
                        return None;
                    }
                    Err(Unread::Slow) => {
                        debug!(%peer, "a request came too slowly");
                        let _ = recv.stop(0u32.into());
                        return None;
                    }
                };
            let written = frame::write(&mut send, &response, frame::MAX_FRAME).await;
            drop(room);
            if let Err(error) = written {
                debug!(%peer, %error, "answer not delivered");
                return None;
            }
            if conversation.is_none() {
                let _ = recv.stop(0u32.into());
                let _ = send.finish();
            }
            conversation
        };
        match timeout(self.limits.request_timeout, work).await {
            // It has bounds of its own, on time as well.
            Ok(Some(conversation)) => conversation(Channel::new(peer, send, recv)).await,
            Ok(None) => {}
            Err(_) => debug!(%peer, "request took too long"),
        }
    }

    /// Reads a request, with room for its bytes in the shares of its peer and of its standing. The
    /// length comes first, so nobody has room before it says for what; then at least
    /// [`Limits::slowest`] bytes a second.
    async fn read<'a>(
        &'a self,
        own: &'a shares::Peer,
        share: &'a Share,
        standing: Standing,
        recv: &mut RecvStream,
    ) -> Result<(Vec<u8>, Room<'a>), Unread> {
        let limit = match standing {
            Standing::Member | Standing::Registered => frame::MAX_FRAME,
            Standing::Stranger => frame::MAX_STRANGER_FRAME,
        };
        let head = timeout(self.limits.head_timeout, frame::read_length(recv, limit)).await;
        let length = head.map_err(|_| Unread::Slow)?.map_err(Unread::from)?;
        let room = self.room(own, share, length).await.ok_or(Unread::Slow)?;
        let patience = self.patience(length);
        let body = timeout(patience, frame::read_body(recv, length)).await;
        let body = body.map_err(|_| Unread::Slow)?.map_err(Unread::from)?;
        Ok((body, room))
    }

    /// Room for so many bytes in memory; waits for it.
    async fn room<'a>(
        &'a self,
        own: &'a shares::Peer,
        share: &'a Share,
        length: usize,
    ) -> Option<Room<'a>> {
        let units = shares::units(length);
        // The peer's own first: who has too much under way waits for itself.
        let own = own.bytes.acquire_many(units).await.ok()?;
        let shared = share.bytes.acquire_many(units).await.ok()?;
        Some(Room {
            _own: own,
            _shared: shared,
        })
    }

    /// Time for so many bytes to pass.
    fn patience(&self, length: usize) -> Duration {
        let seconds = length as u64 / self.limits.slowest.max(1);
        self.limits.head_timeout + Duration::from_secs(seconds)
    }

    /// Answers a request that is here. The room of the request becomes that of the answer.
    async fn answer<'a>(
        &'a self,
        peer: PublicKey,
        own: &'a shares::Peer,
        share: &'a Share,
        standing: Standing,
        body: Vec<u8>,
        room: Room<'a>,
    ) -> Option<(Vec<u8>, Option<Conversation>, Option<Room<'a>>)> {
        let call = match self.allowed(peer, standing, &body) {
            Ok(call) => call,
            Err(refused) => return Some((answer_bytes(&Err(refused)), None, None)),
        };
        drop(body);
        // What waits for a block would keep a slot from those that could be served meanwhile.
        let slots = match call.manner {
            Manner::Waits => {
                let (Ok(own), Ok(all)) = (own.polls.try_acquire(), self.shares.polls.try_acquire())
                else {
                    let text = "too many requests wait for blocks here; ask another node";
                    let refused = Refused::new(Refusal::Busy, text);
                    return Some((answer_bytes(&Err(refused)), None, None));
                };
                (own, Some(all))
            }
            Manner::Plain | Manner::ForAccounts => (share.slots.acquire().await.ok()?, None),
        };
        let opens = call.opens;
        let (answer, conversation) = serve(call, peer).await;
        drop(room);
        // A conversation has bounds of its own.
        let room = match opens {
            true => None,
            false => self.room(own, share, answer.len()).await,
        };
        drop(slots);
        Some((answer, conversation, room))
    }

    /// Answers what this node asks itself.
    pub(super) async fn answer_own(&self, own: PublicKey, body: &[u8]) -> Vec<u8> {
        match self.allowed(own, Standing::Registered, body) {
            Ok(call) => serve(call, own).await.0,
            Err(refused) => answer_bytes(&Err(refused)),
        }
    }

    /// Reads a request and checks its peer's standing.
    fn allowed(&self, peer: PublicKey, standing: Standing, body: &[u8]) -> Result<Call, Refused> {
        let call = self.protocols.read(body)?;
        if call.manner == Manner::ForAccounts && standing == Standing::Stranger {
            metrics::request_served(call.name, false);
            let reason = format!(
                "`{}` is only for accounts known to this network: fund account {peer} first",
                call.name
            );
            return Err(Refused::new(Refusal::NotAllowed, reason));
        }
        Ok(call)
    }
}

/// Lets whoever answers do so, and counts it.
async fn serve(call: Call, peer: PublicKey) -> (Vec<u8>, Option<Conversation>) {
    let (answer, conversation) = (call.answer)(peer).await;
    metrics::request_served(call.name, answer.is_ok());
    (
        answer_bytes(&answer),
        conversation.filter(|_| answer.is_ok()),
    )
}

/// Room for bytes in memory, in a peer's share and in its standing's.
struct Room<'a> {
    _own: SemaphorePermit<'a>,
    _shared: SemaphorePermit<'a>,
}

/// Why a request was not read.
enum Unread {
    /// Longer than accepted: refused without being read.
    TooLarge(FrameError),
    Broken(FrameError),
    Slow,
}

impl From<FrameError> for Unread {
    fn from(error: FrameError) -> Self {
        match error {
            FrameError::TooLarge { .. } => Self::TooLarge(error),
            error => Self::Broken(error),
        }
    }
}
