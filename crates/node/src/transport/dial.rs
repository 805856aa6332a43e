//! The asking half: one kept connection per peer, one stream per request.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex as StdMutex, PoisonError},
};

use assay_crypto::PublicKey;
use iroh::{Endpoint, EndpointAddr, endpoint::Connection};
use tokio::{sync::Mutex, time::timeout};

use super::{
    book::AddressBook,
    channel::Channel,
    error::{Cause, RequestError},
    frame::{self, FrameError},
    identity::ALPN,
    limits::Limits,
    question::{Question, Refused, read_answer, request_bytes},
};

/// Peers whose connections are kept; above it, closed ones are dropped from the table.
const KEPT_PEERS: usize = 1024;

type Slot = Arc<Mutex<Option<Connection>>>;

/// A request on its way.
pub(super) struct Asked {
    peer: PublicKey,
    name: &'static str,
    pub(super) bytes: Vec<u8>,
    /// Whether the stream stays open behind the answer.
    stays: bool,
}

impl Asked {
    pub(super) fn of<Q: Question>(peer: PublicKey, request: &Q) -> Result<Self, RequestError> {
        let name = request.name();
        let bytes = request_bytes(request).map_err(|error| RequestError::Frame {
            peer,
            request: name,
            source: FrameError::Stream(error),
        })?;
        Ok(Self {
            peer,
            name,
            bytes,
            stays: false,
        })
    }

    pub(super) fn staying(self) -> Self {
        Self {
            stays: true,
            ..self
        }
    }

    /// What was answered, unless it is a refusal.
    pub(super) fn read<Q: Question>(&self, answer: &[u8]) -> Result<Q::Answer, RequestError> {
        let (peer, request) = (self.peer, self.name);
        match read_answer::<Q>(answer) {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(Refused { refusal, reason })) => Err(RequestError::Refused {
                peer,
                request,
                refusal,
                reason,
            }),
            Err(source) => Err(RequestError::Malformed {
                peer,
                request,
                source,
            }),
        }
    }
}

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
    pub(super) async fn request(&self, asked: &Asked) -> Result<(Vec<u8>, Channel), RequestError> {
        let (connection, kept) = self.connection(asked.peer).await?;
        match self.exchange(asked, &connection).await {
            Err(RequestError::Lost { .. }) if kept => {
                let (connection, _) = self.connection(asked.peer).await?;
                self.exchange(asked, &connection).await
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

    /// Sends a request on a stream of its own.
    async fn exchange(
        &self,
        asked: &Asked,
        connection: &Connection,
    ) -> Result<(Vec<u8>, Channel), RequestError> {
        let (peer, request) = (asked.peer, asked.name);
        let limit = self.limits.request_timeout;
        let work = async {
            let lost = |source| RequestError::Lost { peer, source };
            let (mut send, mut recv) = connection
                .open_bi()
                .await
                .map_err(|e| lost(Cause::new(e)))?;
            let sent = frame::write(&mut send, &asked.bytes, frame::MAX_FRAME).await;
            match sent {
                Err(source @ FrameError::TooLarge { .. }) => {
                    return Err(RequestError::Frame {
                        peer,
                        request,
                        source,
                    });
                }
                // A peer that refuses a request stops reading it; its answer says why.
                Err(_) | Ok(()) if !asked.stays => drop(send.finish()),
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
