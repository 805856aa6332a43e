//! Say what a protocol may ask of the world.
//!
//! A party of a protocol is a [`Machine`]: a state machine without clock, randomness, file or
//! socket. One [`Input`] at a time goes in, a list of [`Output`]s comes out, and a driver does the
//! rest. The same machine so runs on sockets, in a simulator and in a test.
//!
//! The rules between a machine and its driver:
//!
//! - **In order.** Outputs are performed in the order given. An [`Output::Journal`] is durable
//!   before anything after it happens.
//! - **Answered once.** Every [`Output::Ask`] is answered at most once, under its tag; answers come
//!   in any order. What was asked before a crash is not answered after it.
//! - **Made anew at any moment.** A machine holds nothing that cannot be had again from its keys,
//!   its journal and what it watches. Whoever takes it up again gives it [`Input::Seed`], then the
//!   journal's entries in order as [`Input::Journal`], then [`Input::News`]. Seed and journal alone
//!   make it ask for nothing.
//! - **Mail is only sent.** What [`Output::Send`] gives away may arrive never, twice, late or in
//!   another order, and [`Input::Message`] brings what anybody cared to send; a driver vouches for
//!   the account it came from and for nothing else. A [`Mailbox`] makes a conversation of it.
//! - **The end is the end.** Nothing follows [`Output::End`].

mod dice;
pub mod mailbox;
mod requests;
mod transcript;

use assay_crypto::PublicKey;

pub use dice::Dice;
pub use mailbox::Mailbox;
pub use requests::Requests;
pub use transcript::Transcript;

/// What the parties of one protocol may watch, ask for, be answered and say.
pub trait Protocol {
    /// What a party watches: the part of the world that changes without its doing.
    type View: Send;
    /// Names one request, so that its answer finds the way back.
    type Tag: Send + 'static;
    /// What a party may have its driver do.
    type Ask: Send + 'static;
    /// What comes of that.
    type Answer: Send + 'static;
    /// What a party tells whoever looks on.
    type Report;
    /// How a party ends.
    type End;
}

/// A party of a protocol: see the text above for the rules.
pub trait Machine: Send {
    /// The protocol it is a party of.
    type Protocol: Protocol;

    /// Takes one input.
    fn step(
        &mut self,
        at: &Context<'_, Self::Protocol>,
        input: Input<Self::Protocol>,
    ) -> Vec<Output<Self::Protocol>>;
}

/// The world at the moment of a step.
pub struct Context<'a, P: Protocol> {
    /// The driver's clock.
    pub now: Millis,
    /// What the machine watches, as it was when the last [`Input::News`] came.
    pub view: &'a P::View,
}

/// Milliseconds on the clock of whoever drives a machine; only differences matter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Millis(pub u64);

impl std::ops::Add<u64> for Millis {
    type Output = Millis;

    fn add(self, milliseconds: u64) -> Millis {
        Millis(self.0.saturating_add(milliseconds))
    }
}

/// What a driver tells a machine.
pub enum Input<P: Protocol> {
    /// Fresh randomness that nobody else knows, once and before everything else.
    Seed([u8; 32]),
    /// An entry that an earlier life wrote.
    Journal(Vec<u8>),
    /// What the machine watches was read: at the beginning, and whenever it has changed.
    News,
    /// The time that was asked for has come.
    Wake,
    /// What came of a request.
    Answer(P::Tag, P::Answer),
    /// A message of another machine.
    Message {
        /// The account that sent it, as the transport has verified.
        from: PublicKey,
        /// What it sent.
        bytes: Vec<u8>,
    },
}

/// What a machine wants done.
#[must_use = "what a machine asks for has to be done"]
pub enum Output<P: Protocol> {
    /// Keep this entry for [`Input::Journal`]; durable before the outputs that follow.
    Journal(Vec<u8>),
    /// Do this, and bring back what came of it.
    Ask(P::Tag, P::Ask),
    /// Send this to the machine of another account. It may be lost.
    Send {
        /// The account.
        to: PublicKey,
        /// What is sent.
        bytes: Vec<u8>,
    },
    /// Send [`Input::Wake`] at this time; replaces the time asked for before.
    WakeAt(Millis),
    /// Something to show.
    Report(P::Report),
    /// The machine's part is over; nothing follows.
    End(P::End),
}
