//! The answering half: accept connections, bound them, hand requests to the [`Handler`].

use std::{future::Future, pin::Pin, sync::Arc};

use assay_crypto::PublicKey;
use iroh::endpoint::{Connection, Incoming, RecvStream, SendStream};
use tokio::{sync::Semaphore, time::timeout};
use tracing::{debug, trace};

use super::{
    channel::{Channel, Conversation},
    frame,
    limits::Limits,
    peer_key,
    wire::{Refusal, Request, Response},
};
use crate::metrics;

/// A boxed future, so that handlers can be trait objects.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What the network knows about a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The peer's key has an account with something at stake, or is in our configuration.
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
    /// Half of the connections, so that strangers cannot lock registered peers out.
    stranger_connections: Semaphore,
    registered: Semaphore,
    strangers: Semaphore,
}

impl Server {
    pub(super) fn new(limits: Limits, access: Arc<dyn Access>, handler: Arc<dyn Handler>) -> Self {
        Self {
            limits,
            access,
            handler,
            connections: Arc::new(Semaphore::new(limits.connections)),
            stranger_connections: Semaphore::new(limits.connections / 2),
            registered: Semaphore::new(limits.registered_requests),
            strangers: Semaphore::new(limits.stranger_requests),
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
        let _stranger = match self.access.standing(&peer) {
            Standing::Registered => None,
            Standing::Stranger => match self.stranger_connections.try_acquire() {
                Ok(permit) => Some(permit),
                Err(_) => {
                    metrics::connection_refused();
                    return connection.close(1u32.into(), b"busy");
                }
            },
        };
        metrics::connection_accepted();
        self.clone().serve_streams(connection, peer).await;
    }

    async fn serve_streams(self: Arc<Self>, connection: Connection, peer: PublicKey) {
        loop {
            match connection.accept_bi().await {
                Ok((send, recv)) => {
                    let server = self.clone();
                    tokio::spawn(async move { server.serve_request(peer, send, recv).await });
                }
                Err(error) => {
                    trace!(%peer, %error, "connection ended");
                    return;
                }
            }
        }
    }

    async fn serve_request(&self, peer: PublicKey, mut send: SendStream, mut recv: RecvStream) {
        let work = async {
            let standing = self.access.standing(&peer);
            let (slots, limit) = match standing {
                Standing::Registered => (&self.registered, frame::MAX_FRAME),
                Standing::Stranger => (&self.strangers, frame::MAX_STRANGER_FRAME),
            };
            // The slot is held while a body is in memory; it is what bounds memory.
            let Ok(_slot) = slots.acquire().await else {
                return None;
            };
            let (response, conversation) = match frame::read(&mut recv, limit).await {
                Ok(body) => self.answer(peer, standing, &body).await,
                Err(error @ frame::FrameError::TooLarge { .. }) => {
                    (Response::refused(Refusal::Invalid, error), None)
                }
                Err(error) => {
                    debug!(%peer, %error, "request unreadable");
                    return None;
                }
            };
            if let Err(error) = reply(&mut send, &response).await {
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

    async fn answer(
        &self,
        peer: PublicKey,
        standing: Standing,
        body: &[u8],
    ) -> (Response, Option<Conversation>) {
        match Request::decode(body) {
            Ok(request) if request.opens_conversation() => {
                let name = request.name();
                let (response, conversation) = self.handler.open(peer, request).await;
                let refused = matches!(response, Response::Refused { .. });
                metrics::request_served(name, !refused);
                (response, conversation.filter(|_| !refused))
            }
            Ok(request) => (self.dispatch(peer, standing, request).await, None),
            Err(error) => (Response::refused(Refusal::Invalid, error), None),
        }
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

async fn reply(send: &mut SendStream, response: &Response) -> Result<(), frame::FrameError> {
    let body = borsh::to_vec(response).map_err(frame::FrameError::Stream)?;
    frame::write(send, &body, frame::MAX_FRAME).await
}
