//! Who is in a world.

use assay_ledger::{AccountId, Role};
use assay_proof::Outcome;

/// What is known of a party.
#[derive(Clone, Debug)]
pub struct Member {
    /// A name for messages.
    pub name: String,
    /// The role it is registered in; none for the requester.
    pub role: Option<Role>,
    /// Its account.
    pub account: AccountId,
    /// How an order ended for it, once it said so of one.
    pub outcome: Option<Outcome>,
    /// How often it was killed.
    pub kills: u32,
    /// Steps its machine computed.
    pub steps: u64,
}
