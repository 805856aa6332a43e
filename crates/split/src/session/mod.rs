//! The two ends of a session as machines: a [`Serving`] answers for as many steps as were agreed, a
//! [`Stepping`] takes one step.
//!
//! They send what `wire` and `masked::wire` encode, without a mailbox around it. Every message names
//! its exchange and its place in it, so what is early, repeated or foreign is refused as it is, and
//! the next message of the other side is the receipt for the last one. What is lost with a session is
//! a step that changed nothing: it is taken again in another session, from the state before it.
//!
//! A session ends for either side when the link is lost ([`Link`]), when nothing came for too long,
//! or with last words ([`Closing`]).

mod closing;
mod serving;
mod stepping;

use assay_crypto::PublicKey;
use assay_machine::{Millis, Output, Protocol};

pub use closing::{BadClosing, Closing, Why};
pub use serving::{Answering, Last, Served, Serving};
pub use stepping::{Leading, Moves, StepEnd, Stepping};

/// What both ends see: whether the link is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Link {
    /// It is.
    Up,
    /// Nothing can be sent or received any more. What came before it broke was given before this.
    Lost(PublicKey),
    /// The peer sent what is longer than agreed, in the words of whoever carries messages.
    TooLong(PublicKey, String),
}

/// The protocol of the providing end.
#[derive(Clone, Copy, Debug)]
pub enum Providing {}

impl Protocol for Providing {
    type View = Link;
    type Tag = ();
    type Ask = ();
    type Answer = ();
    type Report = ();
    type End = Served;
}

/// The protocol of the requesting end.
#[derive(Clone, Copy, Debug)]
pub enum Requesting {}

impl Protocol for Requesting {
    type View = Link;
    type Tag = ();
    type Ask = ();
    type Answer = ();
    type Report = ();
    type End = StepEnd;
}

/// A wake that comes so much later than asked for, in milliseconds, came late because the machine
/// was at work. The other side had no time to answer what that gave.
const LATE_MS: u64 = 100;

/// How long one side waits for the other.
struct Patience {
    milliseconds: u64,
    until: Millis,
}

impl Patience {
    fn new(milliseconds: u64) -> Self {
        Self {
            milliseconds,
            until: Millis(0),
        }
    }

    /// Begins to wait.
    fn wait<P: Protocol>(&mut self, now: Millis) -> Output<P> {
        self.until = now + self.milliseconds;
        Output::WakeAt(self.until)
    }

    /// Whether a wake means that it is at an end.
    fn is_over(&self, now: Millis) -> bool {
        self.until <= now && now < self.until + LATE_MS
    }
}
