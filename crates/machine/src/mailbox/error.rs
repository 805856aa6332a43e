//! Why mail is refused, and what a machine must know of its peers.

use assay_crypto::PublicKey;

use super::statement::Equivocation;

/// Why mail was refused. Nothing that it would have changed has changed, and the right mail can
/// still come.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Longer than any mail of this conversation.
    #[error("the mail has {found} bytes; at most {most} are taken")]
    TooLong {
        /// Its length.
        found: usize,
        /// The most.
        most: usize,
    },
    /// Something else.
    #[error("these bytes are no mail")]
    Malformed,
    /// Another version.
    #[error("mail of version {0} is unknown; this program writes version 1")]
    Version(u8),
    /// From an account that is no party of this conversation.
    #[error("account {0} is no party of this conversation")]
    Stranger(PublicKey),
    /// Of another conversation.
    #[error("the mail belongs to another conversation")]
    Subject,
    /// A statement by or to somebody else.
    #[error("a statement in the mail is not by its sender to this account")]
    NotTheirs,
    /// A statement that its account has not signed.
    #[error("a statement in the mail is not signed by {0}")]
    Signature(PublicKey),
    /// A letter that was taken before.
    #[error("letter {found} was taken before; letter {expected} comes next")]
    Replayed {
        /// Its number.
        found: u64,
        /// The next one.
        expected: u64,
    },
    /// A letter whose predecessor is missing. Its sender sends both again.
    #[error("letter {found} came before letter {expected}")]
    Early {
        /// Its number.
        found: u64,
        /// The next one.
        expected: u64,
    },
    /// Not the letters that were taken before it, or altered on the way.
    #[error("the mail follows on other letters than those that were taken or sent")]
    OtherHistory,
    /// A receipt for letters that were never sent.
    #[error("the sender acknowledges {found} letters of {sent} that were sent")]
    NeverSent {
        /// According to the receipt.
        found: u64,
        /// That were sent.
        sent: u64,
    },
    /// Proof that its sender shows two histories.
    #[error("the sender has signed two histories of this conversation")]
    Equivocation(Box<Equivocation>),
    /// What was taken last is not committed yet.
    #[error("the letter before is not committed yet")]
    Uncommitted,
    /// This mailbox was made from an old copy of its journal.
    #[error(transparent)]
    OldJournal(#[from] OldJournal),
}

/// A journal that lacks what its account has signed: it was restored from an old copy, and going on
/// from it would show a second history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the journal ends after step {found}, and this account has signed step {known}; \
     restore the newest copy of the journal"
)]
pub struct OldJournal {
    /// Steps in the journal.
    pub found: u64,
    /// Steps that the account has signed.
    pub known: u64,
}

/// Why a letter cannot be posted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PostError {
    /// To an account that is no party of this conversation.
    #[error("account {0} is no party of this conversation")]
    Stranger(PublicKey),
    /// Too long for one letter.
    #[error("a letter of {found} bytes; at most {most} are taken")]
    TooLong {
        /// Its length.
        found: usize,
        /// The most.
        most: usize,
    },
    /// As much as may be under way is under way.
    #[error("{letters} letters of {bytes} bytes to {to} are not acknowledged yet")]
    Full {
        /// To whom.
        to: PublicKey,
        /// How many are under way.
        letters: usize,
        /// Bytes in them.
        bytes: usize,
    },
    /// This mailbox was made from an old copy of its journal.
    #[error(transparent)]
    OldJournal(#[from] OldJournal),
}

/// Why a journal cannot be gone on from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadJournal {
    /// An entry that no mailbox of this conversation wrote at this place.
    #[error("entry {0} of the journal is not the next one of this conversation")]
    Entry(u64),
    /// Another history than the account is known to have.
    #[error("the journal has another history than this account is known to have after step {0}")]
    Forked(u64),
    /// It lacks what the account is known to have done.
    #[error(transparent)]
    Old(#[from] OldJournal),
}

/// What a machine must know of a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// It has acknowledged nothing for as long as [`Limits`](super::Limits) say. Its letters are
    /// kept, and sent on.
    Silent(PublicKey),
}
