//! What a download asks for, is answered, tells and ends with.

use std::io;

use assay_ledger::{AccountId, FileId};
use assay_machine::Protocol;

use crate::fault::{Fault, Unreachable};
use crate::piece::Piece;
use crate::time::Tag;
use crate::unseal::{Content, UnsealError};
use crate::upload::told;
use crate::wire::{Request, Response};

/// The protocol of a download.
#[derive(Clone, Copy, Debug)]
pub enum Fetching {}

impl Protocol for Fetching {
    type View = ();
    type Tag = Tag;
    type Ask = Ask;
    type Answer = Answer;
    type Report = PartFailed;
    type End = Result<Option<Content>, DownloadError>;
}

/// What a download reacts to.
pub type Input = assay_machine::Input<Fetching>;

/// What a download wants done.
pub type Output = assay_machine::Output<Fetching>;

/// A download's request.
#[derive(Debug)]
pub enum Ask {
    /// Send to a storage node.
    Send {
        /// The node.
        to: AccountId,
        /// The request.
        request: Request,
    },
    /// Take the next part, which is authentic; the one after it comes when this one is taken.
    Take {
        /// Which: the manifest, then the slices in order.
        part: Part,
        /// Its plaintext; nothing for the manifest, and nothing where slices are handed over sealed.
        plain: Vec<u8>,
        /// The piece it was in, for whoever wants to go on later.
        piece: Piece,
    },
}

/// What came of a download's request.
#[derive(Debug)]
pub enum Answer {
    /// A storage node answered, or could not be reached.
    Reply(Result<Response, Unreachable>),
    /// The part is taken, or there is no place for it.
    Taken(io::Result<()>),
}

/// A storage node failed on a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartFailed {
    /// The node.
    pub node: AccountId,
    /// The part.
    pub part: Part,
    /// How.
    pub fault: Fault,
}

/// One part of a stored file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// The manifest.
    Manifest,
    /// The list of the slices, of a file that is not opened.
    List,
    /// A slice, from zero.
    Slice(u32),
}

impl std::fmt::Display for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Part::Manifest => f.write_str("the manifest"),
            Part::List => f.write_str("the list of slices"),
            Part::Slice(index) => write!(f, "slice {index}"),
        }
    }
}

/// A file that could not be read.
#[derive(Debug, thiserror::Error)]
pub enum DownloadError {
    /// No holder gave a piece.
    #[error("{part} of file {file} is missing: no storage node returned it{}", told(.tried))]
    Missing {
        /// The file.
        file: FileId,
        /// What is missing.
        part: Part,
        /// The holders asked, and what each did last.
        tried: Vec<(AccountId, Fault)>,
    },
    /// The pieces came, but are not a file that this key opens.
    #[error("the file did not open")]
    Unseal(#[from] UnsealError),
}
