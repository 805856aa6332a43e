//! What is written down.

use assay_crypto::PublicKey;
use borsh::{BorshDeserialize, BorshSerialize};

use super::statement::Statement;

/// One entry of a mailbox's journal.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) enum Entry {
    /// The first: which life began the conversation.
    Opened {
        /// The account.
        me: PublicKey,
        /// The conversation.
        subject: [u8; 32],
        /// What its randomness and its transcript begin with.
        seed: [u8; 32],
    },
    /// One step, whole: what was acted on and everything that came of it. A crash therefore loses
    /// both or neither.
    Step(Step),
}

/// What a machine acted on, and what came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Step {
    /// What was acted on.
    pub acted: Acted,
    /// Letters that were posted, in order.
    pub posts: Vec<(PublicKey, Vec<u8>)>,
    /// Whatever else the machine wants to have in its journal and its transcript.
    pub notes: Vec<Vec<u8>>,
    /// Statements of peers that were taken since the step before. They are no part of the
    /// transcript: no machine acts on them.
    pub statements: Vec<Statement>,
}

/// What a machine acts on.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Acted {
    /// Something that is no mail, in the machine's own words.
    Other(Vec<u8>),
    /// A letter.
    Letter {
        /// From whom.
        from: PublicKey,
        /// What it says.
        bytes: Vec<u8>,
    },
}

impl Default for Acted {
    fn default() -> Self {
        Self::Other(Vec::new())
    }
}

const VERSION: u8 = 1;

impl Entry {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        // Writing to memory does not fail.
        if self.serialize(&mut out).is_err() {
            out.clear();
        }
        out
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (version, body) = bytes.split_first()?;
        let entry = (*version == VERSION).then(|| Self::try_from_slice(body));
        entry.and_then(Result::ok)
    }
}
