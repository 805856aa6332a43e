//! What happened, for those who watch.

use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

use crate::{AccountEvent, FileEvent, OrderEvent, OrderId};

/// One thing that happened, in a transaction or at the beginning of a block.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Event {
    /// To an account.
    Account(AccountEvent),
    /// To a file.
    File(FileEvent),
    /// To an order.
    Order {
        /// Which.
        order: OrderId,
        /// What.
        #[serde(flatten)]
        event: OrderEvent,
    },
}

impl Event {
    /// The order it is about.
    pub fn order(&self) -> Option<OrderId> {
        match self {
            Event::Account(_) | Event::File(_) => None,
            Event::Order { order, .. } => Some(*order),
        }
    }
}

impl From<AccountEvent> for Event {
    fn from(event: AccountEvent) -> Event {
        Event::Account(event)
    }
}

impl From<FileEvent> for Event {
    fn from(event: FileEvent) -> Event {
        Event::File(event)
    }
}
