//! The party with the frozen decoder.

use std::sync::Arc;

use assay_kernel::Kernel;

use crate::error::{SetupError, StepError};
use crate::holdings::Holdings;
use crate::ownership::{Side, Split};
use crate::party::{Event, Party, Phase};

/// Computes the frozen layers of a split step, with A and B. It has no state beyond an exchange,
/// and is given no embedding, output matrix, M, token or label.
pub struct Provider {
    party: Party,
}

impl Provider {
    /// A provider for one kind of step, with the tensors of [`Holdings::of`] its side.
    ///
    /// # Errors
    /// When a tensor is missing, or one is there that only the requester may hold.
    pub fn new(kernel: &Kernel, split: Arc<Split>, holdings: Holdings) -> Result<Self, SetupError> {
        holdings.check_provider(&split)?;
        let party = Party::new(kernel, split, Side::Provider, holdings);
        Ok(Self { party })
    }

    /// Takes a message of the requester; returns the messages for it. The first message of an
    /// exchange starts it.
    ///
    /// # Errors
    /// [`StepError::Message`] for a message that is not the next one: nothing has changed then.
    /// [`StepError::Invalid`] when an operator gives a NaN or infinity; the exchange must then be
    /// abandoned.
    pub fn receive(&mut self, bytes: &[u8]) -> Result<Vec<Vec<u8>>, StepError> {
        let party = &mut self.party;
        let was_idle = party.phase == Phase::Idle;
        if was_idle {
            party.begin(None, |_| None);
        }
        let event = party.accept(bytes).inspect_err(|_| {
            if was_idle {
                party.phase = Phase::Idle;
            }
        })?;
        if event == Event::Abandoned {
            return Ok(Vec::new());
        }
        let messages = party.advance()?;
        if party.has_run_all() {
            party.end();
        }
        Ok(messages)
    }

    /// Goes no further with the exchange under way, if there is one; returns what tells the
    /// requester.
    pub fn abandon(&mut self) -> Option<Vec<u8>> {
        self.party.abandon()
    }

    /// Whether no exchange is under way.
    pub fn is_idle(&self) -> bool {
        self.party.phase == Phase::Idle
    }

    /// The number of the exchange under way, or of the next one.
    pub fn exchange(&self) -> u64 {
        self.party.exchange
    }
}
