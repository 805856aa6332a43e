//! A node's own end of all connections.

use std::{net::SocketAddr, sync::Arc};

use assay_crypto::{PublicKey, SecretKey};
use iroh::{
    Endpoint,
    endpoint::{QuicTransportConfig, presets},
};

use super::{
    book::AddressBook,
    channel::Channel,
    dial::{Asked, Dialler},
    error::{BindError, Cause, RequestError},
    identity::ALPN,
    limits::Limits,
    question::{Protocols, Question},
    server::{Access, Server},
};

/// A node's connection to the others: answers their requests, sends its own.
///
/// Cheap to clone; [`close`](Self::close) it before the runtime ends.
#[derive(Clone)]
pub struct Transport {
    id: PublicKey,
    address: SocketAddr,
    book: AddressBook,
    pub(super) endpoint: Endpoint,
    pub(super) server: Arc<Server>,
    dialler: Arc<Dialler>,
}

impl Transport {
    /// Listens on `listen` (UDP; port 0 takes a free one) under the account key `key`, and
    /// answers the requests of `protocols` as `access` allows.
    ///
    /// # Errors
    /// [`BindError`] when the socket cannot be opened.
    pub async fn bind(
        key: &SecretKey,
        listen: SocketAddr,
        limits: Limits,
        access: Arc<dyn Access>,
        protocols: Protocols,
    ) -> Result<Self, BindError> {
        let socket = |source| BindError::Socket {
            address: listen,
            source,
        };
        let idle = limits
            .idle_timeout
            .try_into()
            .map_err(|e| socket(Cause::new(e)))?;
        let quic = QuicTransportConfig::builder()
            .max_concurrent_bidi_streams(limits.requests_per_connection.into())
            .max_concurrent_uni_streams(0u32.into())
            .max_idle_timeout(Some(idle))
            .keep_alive_interval(limits.idle_timeout / 4)
            .build();
        let endpoint = Endpoint::builder(presets::Minimal)
            .secret_key(iroh::SecretKey::from_bytes(&key.seed()))
            .alpns(vec![ALPN.to_vec()])
            .transport_config(quic)
            .clear_ip_transports()
            .bind_addr(listen)
            .map_err(|e| socket(Cause::new(e)))?
            .bind()
            .await
            .map_err(|e| socket(Cause::new(e)))?;
        let bound = endpoint.bound_sockets();
        let address = bound
            .iter()
            .find(|a| a.is_ipv4() == listen.is_ipv4())
            .copied();
        let server = Arc::new(Server::new(limits, access, protocols));
        tokio::spawn(server.clone().run(endpoint.clone()));
        let book = AddressBook::new();
        Ok(Self {
            id: key.public(),
            address: address.unwrap_or(listen),
            dialler: Arc::new(Dialler::new(endpoint.clone(), book.clone(), limits)),
            book,
            endpoint,
            server,
        })
    }

    /// Key under which this node answers.
    pub fn id(&self) -> PublicKey {
        self.id
    }

    /// UDP address on which this node listens, with its real port.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where the peers are.
    pub fn book(&self) -> &AddressBook {
        &self.book
    }

    /// Sends `request` to `peer` and waits for its answer. A request to ourselves is answered
    /// on the spot. Connections are kept and shared between requests.
    ///
    /// # Errors
    /// [`RequestError`]; what the peer turns down is [`RequestError::Refused`].
    pub async fn request<Q: Question>(
        &self,
        peer: PublicKey,
        request: &Q,
    ) -> Result<Q::Answer, RequestError> {
        let asked = Asked::of(peer, request)?;
        let answer = match peer == self.id {
            true => self.server.answer_own(peer, &asked.bytes).await,
            false => self.dialler.request(&asked).await?.0,
        };
        asked.read::<Q>(&answer)
    }

    /// Opens a conversation with another node, where its [`Host`](super::Host) answers `request`:
    /// returns the answer with the stream.
    ///
    /// # Errors
    /// As [`Self::request`].
    pub async fn open<Q: Question>(
        &self,
        peer: PublicKey,
        request: &Q,
    ) -> Result<(Q::Answer, Channel), RequestError> {
        let asked = Asked::of(peer, request)?.staying();
        let (answer, channel) = self.dialler.request(&asked).await?;
        Ok((asked.read::<Q>(&answer)?, channel))
    }

    /// Stops listening and closes every connection.
    pub async fn close(&self) {
        self.endpoint.close().await;
    }
}
