//! What can be asked over the transport: questions of protocols that it knows by name alone.
//!
//! A protocol is a type of requests with a type of answers, both in borsh; whoever has something to
//! say to other nodes defines its own and registers who answers it ([`Protocols`]). On the wire:
//!
//! ```text
//! request   1  length of the protocol's name, 1 to 32
//!           n  the name, such as `chain/1`
//!              the request
//! answer    1  0
//!              the answer
//! refusal   1  1
//!           1  kind
//!           4  length of the reason, at most 1024
//!           n  the reason, UTF-8
//! ```

use std::{collections::BTreeMap, sync::Arc};

use assay_crypto::PublicKey;
use borsh::{BorshDeserialize, BorshSerialize};
use futures::future::BoxFuture;

use super::channel::Conversation;

/// Longest name of a protocol, in bytes.
const MAX_NAME: usize = 32;
/// Longest explanation in a refusal, in bytes.
const MAX_REASON: usize = 1024;

/// A request of a protocol.
pub trait Question: BorshSerialize + BorshDeserialize + Send + Sync + 'static {
    /// The protocol and its version, such as `chain/1`; the same for all of its requests.
    const PROTOCOL: &'static str;
    /// What is answered.
    type Answer: BorshSerialize + BorshDeserialize + Send + 'static;

    /// A name for logs, errors and metrics.
    fn name(&self) -> &'static str;

    /// What it asks of the node besides an answer.
    fn manner(&self) -> Manner {
        Manner::Plain
    }
}

/// How a request is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// For everybody, at once.
    Plain,
    /// The answer waits for something that has not happened yet.
    Waits,
    /// Only for accounts, since it leaves something here that nothing else pays for.
    ForAccounts,
}

/// Answers the requests of a protocol.
pub trait Handler<Q: Question>: Send + Sync + 'static {
    /// Answers one request of `peer`.
    fn handle(&self, peer: PublicKey, request: Q) -> BoxFuture<'_, Result<Q::Answer, Refused>>;
}

/// Opens conversations: its protocol's streams stay open behind the first answer.
pub trait Host<Q: Question>: Send + Sync + 'static {
    /// Answers the request that opens a conversation, and says who takes the stream over once the
    /// answer is sent.
    fn open(
        &self,
        peer: PublicKey,
        request: Q,
    ) -> BoxFuture<'_, Result<(Q::Answer, Conversation), Refused>>;
}

/// A request that was understood and turned down.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Refused {
    /// The kind of refusal.
    pub refusal: Refusal,
    /// What was wrong and what to do, at most 1 KiB.
    pub reason: String,
}

impl Refused {
    /// A refusal with its reason, cut to the longest that is sent.
    pub fn new(refusal: Refusal, reason: impl ToString) -> Self {
        let mut reason = reason.to_string();
        let mut end = reason.len().min(MAX_REASON);
        while !reason.is_char_boundary(end) {
            end -= 1;
        }
        reason.truncate(end);
        Self { refusal, reason }
    }
}

/// Kinds of refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Refusal {
    /// The request itself is wrong; sending it again cannot help.
    Invalid,
    /// The thing asked for is not here.
    NotFound,
    /// The asking peer may not ask this.
    NotAllowed,
    /// The transaction's nonce is used up, by itself or by another.
    Spent,
    /// This node does not play the role that answers this.
    NotServed,
    /// Too much is going on or there is no room; another node, or later, may help.
    Busy,
    /// The node failed.
    Failed,
}

/// Bytes that are not a message.
#[derive(Debug, thiserror::Error)]
#[error("the bytes are not one message of `{protocol}`; both nodes must run the same version")]
pub struct Malformed {
    protocol: String,
    #[source]
    source: std::io::Error,
}

impl Malformed {
    fn of(protocol: &str) -> impl FnOnce(std::io::Error) -> Self {
        |source| Self {
            protocol: protocol.to_owned(),
            source,
        }
    }
}

/// A request as it travels.
///
/// # Errors
/// When the protocol's name is not one, or the request cannot be encoded.
pub fn request_bytes<Q: Question>(request: &Q) -> std::io::Result<Vec<u8>> {
    let name = Q::PROTOCOL.as_bytes();
    if name.is_empty() || name.len() > MAX_NAME {
        return Err(std::io::Error::other("a protocol's name has 1 to 32 bytes"));
    }
    let mut bytes = Vec::with_capacity(1 + name.len() + borsh::object_length(request)?);
    bytes.push(name.len() as u8);
    bytes.extend_from_slice(name);
    request.serialize(&mut bytes)?;
    Ok(bytes)
}

/// Reads an answer or a refusal.
///
/// # Errors
/// [`Malformed`] when the bytes are not exactly one.
pub fn read_answer<Q: Question>(bytes: &[u8]) -> Result<Result<Q::Answer, Refused>, Malformed> {
    let malformed = Malformed::of(Q::PROTOCOL);
    let read = match bytes.split_first() {
        Some((0, answer)) => borsh::from_slice(answer).map(Ok),
        Some((1, refused)) => borsh::from_slice(refused).and_then(|refused: Refused| {
            match refused.reason.len() <= MAX_REASON {
                true => Ok(Err(refused)),
                false => Err(std::io::Error::other("the reason is too long")),
            }
        }),
        _ => Err(std::io::Error::other("it is neither answer nor refusal")),
    };
    read.map_err(malformed)
}

/// An answer or a refusal as it travels. Serialising into memory does not fail.
pub(super) fn answer_bytes(answer: &Result<Vec<u8>, Refused>) -> Vec<u8> {
    match answer {
        Ok(answer) => [&[0], &answer[..]].concat(),
        Err(refused) => {
            let mut bytes = vec![1];
            let _ = refused.serialize(&mut bytes);
            bytes
        }
    }
}

/// What a node answers, by protocol.
#[derive(Default)]
pub struct Protocols(BTreeMap<&'static str, Reader>);

type Reader = Box<dyn Fn(&[u8]) -> Result<Call, Malformed> + Send + Sync>;

/// A request that is here and can be answered.
pub(super) struct Call {
    pub(super) name: &'static str,
    pub(super) manner: Manner,
    pub(super) opens: bool,
    pub(super) answer: Box<dyn FnOnce(PublicKey) -> BoxFuture<'static, Answered> + Send>,
}

/// An answer, and who takes the stream over.
pub(super) type Answered = (Result<Vec<u8>, Refused>, Option<Conversation>);

impl Protocols {
    /// The same, and `handler` answers the requests `Q`.
    pub fn answering<Q: Question>(self, handler: Arc<dyn Handler<Q>>) -> Self {
        self.with::<Q, _>(false, move |peer, request| {
            let handler = handler.clone();
            Box::pin(async move {
                let answer = handler.handle(peer, request).await;
                (answer.and_then(|answer| encode(&answer)), None)
            })
        })
    }

    /// The same, and `host` opens the conversations of `Q`.
    pub fn hosting<Q: Question>(self, host: Arc<dyn Host<Q>>) -> Self {
        self.with::<Q, _>(true, move |peer, request| {
            let host = host.clone();
            Box::pin(async move {
                match host.open(peer, request).await {
                    Ok((answer, conversation)) => (encode(&answer), Some(conversation)),
                    Err(refused) => (Err(refused), None),
                }
            })
        })
    }

    fn with<Q: Question, A>(mut self, opens: bool, answer: A) -> Self
    where
        A: Fn(PublicKey, Q) -> BoxFuture<'static, Answered> + Clone + Send + Sync + 'static,
    {
        let read = move |bytes: &[u8]| {
            let request: Q = borsh::from_slice(bytes).map_err(Malformed::of(Q::PROTOCOL))?;
            let answer = answer.clone();
            Ok(Call {
                name: request.name(),
                manner: request.manner(),
                opens,
                answer: Box::new(move |peer| answer(peer, request)),
            })
        };
        self.0.insert(Q::PROTOCOL, Box::new(read));
        self
    }

    /// Reads a request of one of these protocols.
    pub(super) fn read(&self, bytes: &[u8]) -> Result<Call, Refused> {
        let invalid = |reason: &dyn std::fmt::Display| Refused::new(Refusal::Invalid, reason);
        let named = bytes.split_first().and_then(|(length, rest)| {
            let (name, body) = rest.split_at_checked(usize::from(*length))?;
            Some((std::str::from_utf8(name).ok()?, body))
        });
        let (name, body) = named.ok_or_else(|| invalid(&"the request names no protocol"))?;
        let Some(read) = self.0.get(name) else {
            let known: Vec<_> = self.0.keys().copied().collect();
            let reason = match known.is_empty() {
                true => "this is a command, which asks and answers nothing".to_owned(),
                false => format!("this node answers {} only", known.join(", ")),
            };
            return Err(Refused::new(Refusal::NotServed, reason));
        };
        read(body).map_err(|error| invalid(&error))
    }
}

fn encode(answer: &impl BorshSerialize) -> Result<Vec<u8>, Refused> {
    borsh::to_vec(answer).map_err(|error| Refused::new(Refusal::Failed, error))
}
