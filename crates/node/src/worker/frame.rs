//! What a node and its worker say to each other.
//!
//! A frame is a length of 4 bytes, little-endian, and so many bytes: one [`Ask`] on the way to the
//! worker, one [`Answer`] on the way back, in Borsh. Inputs go first and once, by their digest: as
//! bytes, or as the place of a file that the worker reads by itself. A piece of work only names them.

use std::io::{self, Read, Write};

use assay_crypto::Digest;
use assay_ledger::{Reached, StepIndex, StopRule};
use assay_proof::{MAX_STATE_BYTES, StepReport, WorkFailure};
use borsh::{BorshDeserialize, BorshSerialize};

use crate::inputs::Passage;

/// Longest frame: the largest state, and room for the leaves of the longest run beside it.
pub const MAX_FRAME: usize = MAX_STATE_BYTES + (64 << 20);
/// Bytes of an input in one frame.
pub(super) const CHUNK: usize = 4 << 20;

/// What a node asks of its worker.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Ask {
    /// The next part of an input; parts of one input follow each other.
    Input {
        /// Content digest of the whole input, by which pieces name it.
        digest: Digest,
        /// The part.
        bytes: Vec<u8>,
        /// Whether it is the last one.
        last: bool,
    },
    /// Do this.
    Work(Box<Piece>),
    /// Nobody waits for this piece any more.
    Stop {
        /// At which desk.
        desk: u32,
        /// Which.
        piece: u64,
    },
    /// A desk has no more work: what is kept for it can go.
    Leave {
        /// Which.
        desk: u32,
    },
    /// Where an input lies that is not sent; pieces name it by its content digest.
    Open(Box<Passage>),
}

/// A piece of work that names its inputs.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Piece {
    /// Its number, under which it is answered.
    pub piece: u64,
    /// At which desk; pieces of one desk are done one after the other.
    pub desk: u32,
    /// The job's kind.
    pub kind: String,
    /// Its specification.
    pub spec: Vec<u8>,
    /// The sizes of its model, as its order tells them.
    pub model: Vec<u8>,
    /// Bytes of memory that a run takes at most, as its order says.
    pub memory: u64,
    /// Names of its inputs and their content digests.
    pub inputs: Vec<(String, Digest)>,
    /// Its randomness.
    pub seed: Digest,
    /// Steps of the whole run.
    pub steps: u64,
    /// Steps between two checkpoints.
    pub segment_steps: u32,
    /// When the run is given up.
    pub stop: StopRule,
    /// The state to begin with; none for the one that the specification makes.
    pub start: Option<Vec<u8>>,
    /// Index of that state.
    pub from: StepIndex,
    /// Index of the last state.
    pub to: StepIndex,
}

/// What a worker says.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Answer {
    /// The piece cannot begin without these inputs; send them and ask again.
    Missing {
        /// Which piece.
        piece: u64,
        /// Digests of the inputs.
        inputs: Vec<Digest>,
    },
    /// A step was taken.
    Step {
        /// Of which piece.
        piece: u64,
        /// What it did.
        report: StepReport,
    },
    /// A piece is done; its reports came before.
    Done {
        /// Which.
        piece: u64,
        /// Leaves of its states.
        leaves: Vec<Digest>,
        /// What the last of them is made of.
        last: Reached,
        /// The last state.
        state: Vec<u8>,
    },
    /// A piece gave no result.
    Failed {
        /// Which.
        piece: u64,
        /// Why.
        failure: WorkFailure,
    },
}

impl Answer {
    /// Which piece it is about.
    pub fn piece(&self) -> u64 {
        match self {
            Self::Missing { piece, .. }
            | Self::Step { piece, .. }
            | Self::Done { piece, .. }
            | Self::Failed { piece, .. } => *piece,
        }
    }
}

/// Writes one frame.
///
/// # Errors
/// What the pipe said, or a message longer than [`MAX_FRAME`].
pub fn write_frame(to: &mut dyn Write, message: &impl BorshSerialize) -> io::Result<()> {
    let bytes = borsh::to_vec(message)?;
    if bytes.len() > MAX_FRAME {
        return Err(too_long(bytes.len()));
    }
    to.write_all(&(bytes.len() as u32).to_le_bytes())?;
    to.write_all(&bytes)?;
    to.flush()
}

/// Reads one frame; `None` at the end of the stream. Memory is taken as bytes arrive, not as a
/// length announces them.
///
/// # Errors
/// What the pipe said, an end inside a frame, a frame longer than [`MAX_FRAME`], or bytes that are
/// no such message.
pub fn read_frame<T: BorshDeserialize>(from: &mut dyn Read) -> io::Result<Option<T>> {
    let mut head = [0; 4];
    match from.read(&mut head)? {
        0 => return Ok(None),
        read => from.read_exact(&mut head[read..])?,
    }
    let length = u32::from_le_bytes(head) as usize;
    if length > MAX_FRAME {
        return Err(too_long(length));
    }
    let mut bytes = Vec::new();
    from.take(length as u64).read_to_end(&mut bytes)?;
    if bytes.len() < length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    T::try_from_slice(&bytes).map(Some)
}

fn too_long(length: usize) -> io::Error {
    let text = format!("a frame of {length} bytes, more than {MAX_FRAME}");
    io::Error::new(io::ErrorKind::InvalidData, text)
}
