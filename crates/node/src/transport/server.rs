//! The answering half: accept connections, bound them, hand requests to the [`Handler`].
//!
//! Whoever is slow is slow at its own expense. A request is read, in its own time and within its
//! peer's share, before it takes a slot; the slot is given back before the answer travels; and what
//! waits for a block takes none. Each standing has slots of its own, and within them no peer has more
//! than a part.

use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

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
    limits::Limits,
    peer_key,
    shares::{self, Peers, Share, Shares},
    wire::{Refusal, Request, Response},
};
use crate::metrics;

/// A boxed future, so that handlers can be trait objects.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

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

/// Answers requests. One handler serves a whole node; it passes on to the roles it runs and
/// answers [`Refusal::NotServed`] for the others.
pub trait Handler: Send + Sync + 'static {
    /// Answers one request of `peer`.
    fn handle(&self, peer: PublicKey, request: Request) -> BoxFuture<'_, Response>;

    /// Answers a request that [opens a conversation](Request::opens_conversation); says who takes the
    /// stream over once the answer is sent, unless it was a refusal.
    fn open(
        &self,
        peer: PublicKey,
        request: Request,
    ) -> BoxFuture<'_, (Response, Option<Conversation>)> {
        Box::pin(async move { (self.handle(peer, request).await, None) })
    }
}

/// State shared by all connections of one endpoint.
pub(super) struct Server {
    pub(super) limits: Limits,
    pub(super) access: Arc<dyn Access>,
    pub(super) handler: Arc<dyn Handler>,
    connections: Arc<Semaphore>,
    /// Half of the connections, so that others cannot lock members out.
    open_to_all: Semaphore,
    shares: Shares,
    peers: Peers,
}

impl Server {
    pub(super) fn new(limits: Limits, access: Arc<dyn Access>, handler: Arc<dyn Handler>) -> Self {
        Self {
            limits,
            access,
            handler,
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
                        let response = Response::refused(Refusal::Invalid, error);
                        (encode(&response)?, None, None)
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
        let refused = |refusal, reason: &dyn std::fmt::Display| {
            Some((encode(&Response::refused(refusal, reason))?, None, None))
        };
        let request = match Request::decode(&body) {
            Ok(request) => request,
            Err(error) => return refused(Refusal::Invalid, &error),
        };
        drop(body);
        if request.opens_conversation() {
            let _slot = share.slots.acquire().await.ok()?;
            let name = request.name();
            let (response, conversation) = self.handler.open(peer, request).await;
            let refused = matches!(response, Response::Refused { .. });
            metrics::request_served(name, !refused);
            return Some((encode(&response)?, conversation.filter(|_| !refused), None));
        }
        // What waits for a block would keep a slot from those that could be served meanwhile.
        let slots = match request.waits() {
            true => {
                let (Ok(own), Ok(all)) = (own.polls.try_acquire(), self.shares.polls.try_acquire())
                else {
                    let text = "too many requests wait for blocks here; ask another node";
                    return refused(Refusal::Busy, &text);
                };
                (own, Some(all))
            }
            false => (share.slots.acquire().await.ok()?, None),
        };
        let response = encode(&self.dispatch(peer, standing, request).await)?;
        drop(room);
        let room = self.room(own, share, response.len()).await;
        drop(slots);
        Some((response, None, room))
    }

    /// Checks the peer's standing and lets the handler answer.
    pub(super) async fn dispatch(
        &self,
        peer: PublicKey,
        standing: Standing,
        request: Request,
    ) -> Response {
        let name = request.name();
        if request.needs_registration() && standing == Standing::Stranger {
            metrics::request_served(name, false);
            return Response::refused(
                Refusal::NotAllowed,
                format!(
                    "`{name}` is only for accounts known to this network: fund account {peer} first"
                ),
            );
        }
        let response = self.handler.handle(peer, request).await;
        metrics::request_served(name, !matches!(response, Response::Refused { .. }));
        response
    }
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

/// Serialising into memory does not fail.
fn encode(response: &Response) -> Option<Vec<u8>> {
    let encoded = borsh::to_vec(response);
    encoded
        .inspect_err(|error| debug!(%error, "an answer cannot be encoded"))
        .ok()
}
