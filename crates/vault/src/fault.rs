//! What a storage node did wrong, as the party that asked saw it.

use crate::wire::Refusal;

/// One failure of one storage node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// No connection, or it broke.
    #[error("unreachable")]
    Unreachable,
    /// No answer in time, or another node was asked later and answered first.
    #[error("too slow")]
    Late,
    /// It returned bytes that are not the piece asked for.
    #[error("returned other bytes than the piece")]
    Corrupt,
    /// It refused.
    #[error("refused: {0}")]
    Refused(Refusal),
    /// It wants more for keeping the file than is paid.
    #[error("asks a higher price than is paid")]
    TooDear,
    /// It answered something that is no answer to the question.
    #[error("answered out of protocol")]
    Nonsense,
}

impl Fault {
    /// Whether asking the same node again may help.
    pub fn is_transient(self) -> bool {
        matches!(
            self,
            Fault::Unreachable
                | Fault::Late
                | Fault::Refused(Refusal::Busy | Refusal::WrongDigest | Refusal::Incomplete { .. })
        )
    }
}

/// The transport could not deliver a request or bring back its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unreachable;
