//! The asking half: one kept connection per peer, one stream per request.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex as StdMutex, PoisonError},
};

use assay_crypto::PublicKey;
use iroh::{Endpoint, EndpointAddr, endpoint::Connection};
use tokio::{sync::Mutex, time::timeout};

use super::{
    ALPN, AddressBook, Cause, Channel, Limits, Request, RequestError, Response,
    frame::{self, FrameError},
};

/// Peers whose connections are kept; above it, closed ones are dropped from the table.
const KEPT_PEERS: usize = 1024;

type Slot = Arc<Mutex<Option<Connection>>>;

pub(super) struct Dialler {
    endpoint: Endpoint,
    book: AddressBook,
    limits: Limits,
    /// A slot is locked while its peer is being dialled, so that many requests share one dial.
    slots: StdMutex<HashMap<PublicKey, Slot>>,
}

impl Dialler {
    pub(super) fn new(endpoint: Endpoint, book: AddressBook, limits: Limits) -> Self {
        Self {
            endpoint,
            book,
            limits,
            slots: StdMutex::default(),
        }
    }

    /// Sends a request; once more on a fresh connection if a kept one turns out dead.
    pub(super) async fn request(
        &self,
        peer: PublicKey,
        request: &Request,
    ) -> Result<(Response, Channel), RequestError> {
        let body = borsh::to_vec(request).map_err(|e| RequestError::Frame {
            peer,
            request: request.name(),
            source: FrameError::Stream(e),
        })?;
        let (connection, kept) = self.connection(peer).await?;
        match self.exchange(peer, request, &connection, &body).await {
            Err(RequestError::Lost { .. }) if kept => {
                let (connection, _) = self.connection(peer).await?;
                self.exchange(peer, request, &connection, &body).await
            }
            outcome => outcome,
        }
    }

    /// A live connection to `peer`, and whether it existed before.
    async fn connection(&self, peer: PublicKey) -> Result<(Connection, bool), RequestError> {
        let slot = self.slot(peer);
        let mut slot = slot.lock().await;
        if let Some(connection) = slot.as_ref()
            && connection.close_reason().is_none()
        {
            return Ok((connection.clone(), true));
        }
        let connection = self.dial(peer).await?;
        *slot = Some(connection.clone());
        Ok((connection, false))
    }

    fn slot(&self, peer: PublicKey) -> Slot {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if slots.len() >= KEPT_PEERS {
            slots.retain(|_, slot| {
                slot.try_lock().map_or(true, |connection| {
                    connection
                        .as_ref()
                        .is_some_and(|c| c.close_reason().is_none())
                })
            });
        }
        slots.entry(peer).or_default().clone()
    }

    async fn dial(&self, peer: PublicKey) -> Result<Connection, RequestError> {
        let addresses = self.book.addresses(&peer).await;
        if addresses.is_empty() {
            return Err(RequestError::NoAddress { peer });
        }
        let limit = self.limits.connect_timeout;
        let unreachable = |source| RequestError::Unreachable {
            peer,
            addresses: addresses.clone(),
            timeout: limit,
            source,
        };
        let id =
            iroh::PublicKey::from_bytes(&peer.0).map_err(|e| unreachable(Some(Cause::new(e))))?;
        let target = addresses
            .iter()
            .fold(EndpointAddr::new(id), |t, a| t.with_ip_addr(*a));
        match timeout(limit, self.endpoint.connect(target, ALPN)).await {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(error)) => Err(unreachable(Some(Cause::new(error)))),
            Err(_) => Err(unreachable(None)),
        }
    }

    /// Sends a request on a stream of its own, which `stays` open behind the answer.
    async fn exchange(
        &self,
        peer: PublicKey,
        request: &Request,
        connection: &Connection,
        body: &[u8],
    ) -> Result<(Response, Channel), RequestError> {
        let (request, stays) = (request.name(), request.opens_conversation());
        let limit = self.limits.request_timeout;
        let work = async {
            let lost = |source| RequestError::Lost { peer, source };
            let (mut send, mut recv) = connection
                .open_bi()
                .await
                .map_err(|e| lost(Cause::new(e)))?;
            let sent = frame::write(&mut send, body, frame::MAX_FRAME).await;
            match sent {
                Err(source @ FrameError::TooLarge { .. }) => {
                    return Err(RequestError::Frame {
                        peer,
                        request,
                        source,
                    });
                }
                // A peer that refuses a request stops reading it; its answer says why.
                Err(_) | Ok(()) if !stays => drop(send.finish()),
                Err(_) | Ok(()) => {}
            }
            let answer = frame::read(&mut recv, frame::MAX_FRAME).await;
            let answer = answer.map_err(|source| match source {
                FrameError::TooLarge { .. } => RequestError::Frame {
                    peer,
                    request,
                    source,
                },
                other => lost(Cause::new(other)),
            })?;
            let answer = Response::decode(&answer).map_err(|source| RequestError::Malformed {
                peer,
                request,
                source: Some(source),
            })?;
            Ok((answer, Channel::new(peer, send, recv)))
        };
        let outcome = timeout(limit, work).await;
        outcome.unwrap_or(Err(RequestError::Timeout {
            peer,
            request,
            timeout: limit,
        }))
    }
}
