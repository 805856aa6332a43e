//! The streams of a session, for its machines: what they send goes out, what comes is given to them,
//! and that a stream is of no more use is news.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use assay_crypto::PublicKey;
use assay_machine::Protocol;
use assay_split::session::{Closing, Link};
use tokio::{
    runtime::Handle,
    sync::{Notify, mpsc, oneshot, watch},
};

use super::run::Counted;
use crate::{
    drive::{Mail, Perform, Watch},
    told,
    transport::{Channel, ChannelError, Receiver, Sender},
};

/// Time for the last word to arrive.
const FAREWELL: Duration = Duration::from_secs(2);

/// A stream alone does not say that nothing came for too long: the machines do.
const FOREVER: Duration = Duration::from_secs(u32::MAX as u64);

/// Messages that came and are not taken yet.
const CAME: usize = 4;

/// So many of the longest messages may wait for being sent; then nothing more is taken in. A peer
/// that is honest reads after each few.
const UNSENT: usize = 8;

/// What came from a stream, or why nothing comes any more.
type Came = (usize, Result<Vec<u8>, ChannelError>);

/// The streams to all peers of a session.
pub(super) struct Lines {
    came: mpsc::Receiver<Came>,
    ends: Vec<End>,
    link: watch::Sender<Link>,
    error: Option<ChannelError>,
    unsent: Arc<Unsent>,
    most: usize,
}

/// The stream to one peer.
struct End {
    peer: PublicKey,
    outgoing: Outgoing,
    counted: Counted,
}

/// The way to the task that sends: both sides might otherwise wait for the other one to read.
#[derive(Clone)]
pub(super) struct Outgoing {
    queue: mpsc::UnboundedSender<Vec<u8>>,
    unsent: Arc<Unsent>,
}

impl Outgoing {
    /// Sends bytes; that they do not arrive shows when an answer is awaited.
    pub(super) fn send(&self, bytes: Vec<u8>) {
        let length = bytes.len();
        self.unsent.bytes.fetch_add(length, Ordering::AcqRel);
        if self.queue.send(bytes).is_err() {
            self.unsent.take(length);
        }
    }
}

/// Bytes that wait for being sent.
#[derive(Default)]
struct Unsent {
    bytes: AtomicUsize,
    fewer: Notify,
}

impl Unsent {
    fn take(&self, length: usize) {
        self.bytes.fetch_sub(length, Ordering::AcqRel);
        self.fewer.notify_one();
    }
}

impl Lines {
    /// Carries messages of at most `limit` bytes, each of which a peer takes within `patience`. With
    /// `hears` a stream that takes nothing any more is lost at once, without it when nothing comes
    /// any more either, so that the last words of a peer are heard first.
    pub(super) fn new(
        handle: &Handle,
        channels: Vec<Channel>,
        limit: usize,
        patience: Duration,
        hears: bool,
    ) -> Self {
        let (sender, came) = mpsc::channel(CAME);
        let unsent = Arc::new(Unsent::default());
        let end = |(which, channel): (usize, Channel)| {
            let peer = channel.peer();
            let (to_send, queue) = mpsc::unbounded_channel();
            let outgoing = Outgoing {
                queue: to_send,
                unsent: unsent.clone(),
            };
            let failed = hears.then(|| sender.clone());
            let (over, all_sent) = oneshot::channel();
            let way = unsent.clone();
            handle.spawn(async move {
                send_all(
                    channel.sender,
                    queue,
                    (limit, patience),
                    way,
                    (which, failed),
                )
                .await;
                drop(over);
            });
            let to = sender.clone();
            handle.spawn(receive_all(channel.receiver, limit, (which, to), all_sent));
            End {
                peer,
                outgoing,
                counted: Counted::default(),
            }
        };
        let ends = channels.into_iter().enumerate().map(end).collect();
        Self {
            came,
            ends,
            link: watch::channel(Link::Up).0,
            error: None,
            most: UNSENT * limit,
            unsent,
        }
    }

    /// What the machine watches.
    pub(super) fn watch(&self) -> LinkWatch {
        LinkWatch {
            link: self.link.subscribe(),
            begun: false,
        }
    }

    /// Why the link was lost.
    pub(super) fn take_error(&mut self) -> Option<ChannelError> {
        self.error.take()
    }

    /// Bytes of messages to and from each peer since this was asked last.
    pub(super) fn take_counted(&mut self) -> Vec<Counted> {
        let ends = self.ends.iter_mut();
        ends.map(|end| std::mem::take(&mut end.counted)).collect()
    }

    /// Says the last words to everybody.
    pub(super) fn close(&mut self, closing: &Closing) {
        for end in &self.ends {
            end.outgoing.send(closing.encode());
        }
    }

    /// The ways to all peers, for when the streams have been given away.
    pub(super) fn outgoing(&self) -> Vec<Outgoing> {
        self.ends.iter().map(|end| end.outgoing.clone()).collect()
    }
}

impl Mail for &mut Lines {
    fn send(&mut self, to: PublicKey, bytes: Vec<u8>) {
        if let Some(end) = self.ends.iter_mut().find(|end| end.peer == to) {
            if !Closing::is(&bytes) {
                end.counted.sent += bytes.len() as u64;
            }
            end.outgoing.send(bytes);
        }
    }

    async fn next(&mut self) -> (PublicKey, Vec<u8>) {
        loop {
            while self.unsent.bytes.load(Ordering::Acquire) > self.most {
                self.unsent.fewer.notified().await;
            }
            let Some((which, came)) = self.came.recv().await else {
                return std::future::pending().await;
            };
            let end = &mut self.ends[which];
            match came {
                Ok(bytes) => {
                    if !Closing::is(&bytes) {
                        end.counted.received += bytes.len() as u64;
                    }
                    return (end.peer, bytes);
                }
                Err(error) => {
                    let link = match &error {
                        ChannelError::TooLarge { .. } => Link::TooLong(end.peer, told(&error)),
                        _ => Link::Lost(end.peer),
                    };
                    self.error.get_or_insert(error);
                    self.link.send_replace(link);
                }
            }
        }
    }
}

/// Whether the streams of a session are there.
pub(super) struct LinkWatch {
    link: watch::Receiver<Link>,
    begun: bool,
}

impl<P: Protocol<View = Link>> Watch<P> for LinkWatch {
    async fn news(&mut self) -> Option<Link> {
        if self.begun {
            self.link.changed().await.ok()?;
        }
        self.begun = true;
        Some(self.link.borrow_and_update().clone())
    }
}

/// For machines that ask for nothing.
pub(super) struct Nobody;

impl<P: Protocol<Ask = (), Answer = ()>> Perform<P> for Nobody {
    async fn perform(&self, (): ()) {}
}

/// Takes in what comes. The stream stays open until everything is sent: a peer that is refused must be
/// able to read why.
async fn receive_all(
    mut from: Receiver,
    limit: usize,
    (which, to): (usize, mpsc::Sender<Came>),
    mut all_sent: oneshot::Receiver<()>,
) {
    let all = async {
        loop {
            let came = from.receive(limit, FOREVER).await;
            let last = came.is_err();
            if to.send((which, came)).await.is_err() || last {
                return;
            }
        }
    };
    tokio::select! {
        () = all => {
            let _ = all_sent.await;
        }
        _ = &mut all_sent => {}
    }
}

async fn send_all(
    mut sender: Sender,
    mut queue: mpsc::UnboundedReceiver<Vec<u8>>,
    (limit, patience): (usize, Duration),
    unsent: Arc<Unsent>,
    (which, failed): (usize, Option<mpsc::Sender<Came>>),
) {
    while let Some(message) = queue.recv().await {
        let sent = sender.send(&message, limit, patience).await;
        unsent.take(message.len());
        if let Err(error) = sent {
            // Nobody waits for what cannot be sent any more.
            queue.close();
            while let Ok(message) = queue.try_recv() {
                unsent.take(message.len());
            }
            if let Some(failed) = failed {
                let _ = failed.send((which, Err(error))).await;
            }
            return;
        }
    }
    sender.finish(FAREWELL).await;
}
