//! What happens in a world beside the parties' own moves: registrations that change, and storage that
//! fails.

use assay_crypto::SecretKey;
use assay_ledger::{AccountCall, Amount, BoundedString, Height, Offer, Phase, Registration, Role};
use serde::{Deserialize, Serialize};

use crate::founding;

/// Something that happens once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Happening {
    /// The order that it waits for, of those in one network: 0 is the first.
    #[serde(default)]
    pub order: usize,
    /// The phase in which that order has to be; without one it waits for nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<Phase>,
    /// How long after that, or after the beginning, it happens, in seconds.
    #[serde(default)]
    pub after_seconds: u32,
    /// What it is.
    pub what: Deed,
}

/// What happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "deed", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Deed {
    /// A provider or auditor changes its registration.
    Change {
        /// As what it is registered.
        role: Role,
        /// Which of that role, from 0.
        who: usize,
        /// In which way.
        into: Change,
    },
    /// A storage node dies for good, or goes dark after it has signed for files.
    NodeDies {
        /// Which, from 0.
        node: usize,
    },
    /// A storage node loses one file of those that it keeps.
    NodeLoses {
        /// Which, from 0.
        node: usize,
    },
    /// Somebody posts orders that nobody takes, by the dozen: their time is over at once.
    Flood {
        /// How many; the ledger refuses more than one account may have open.
        orders: u32,
        /// How long they wait.
        seconds: u32,
    },
    /// A provider begins to train in an order with rounds.
    Joins {
        /// Which order.
        order: usize,
        /// Which provider, from 0.
        who: usize,
    },
    /// A trainer leaves an order with rounds.
    Leaves {
        /// Which order.
        order: usize,
        /// Which provider, from 0.
        who: usize,
    },
    /// All storage nodes of a requester, on which its inputs are, go dark.
    InputsGone {
        /// Which requester, from 0.
        requester: usize,
    },
}

/// How a registration changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// It is made again as it is.
    Renewed,
    /// Ten tokens are added to the bond; who had left is back.
    Raised,
    /// It offers no slot any more.
    Closed,
    /// It offers one slot.
    OneSlot,
    /// It makes the standard offer.
    Standard,
    /// It takes whatever there is.
    Anything,
    /// It gives up the role, and its bond unbonds.
    Left,
    /// Grants to it are to be sealed to another key, of which it has not the secret.
    OtherKey,
    /// It consents to be owned by the first order's requester, who says so.
    Owned,
}

impl Change {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Renewed,
        Self::Raised,
        Self::Closed,
        Self::OneSlot,
        Self::Standard,
        Self::Anything,
        Self::Left,
        Self::OtherKey,
        Self::Owned,
    ];

    /// Whether somebody who keeps to the protocol may do this.
    pub fn is_honest(self) -> bool {
        !matches!(self, Self::OtherKey | Self::Owned)
    }
}

impl Happening {
    /// Whose doing it is, if it breaks the protocol: a role, or none for a requester, and which of it.
    pub fn liar(&self) -> Option<(Option<Role>, usize)> {
        match self.what {
            Deed::Change { role, who, into } if !into.is_honest() => Some((Some(role), who)),
            Deed::InputsGone { requester } => Some((None, requester)),
            _ => None,
        }
    }

    /// What its doer is called.
    pub fn name(&self) -> &'static str {
        match self.what {
            Deed::Change {
                into: Change::OtherKey,
                ..
            } => "other-key-registered",
            Deed::Change { .. } => "registered-again",
            Deed::InputsGone { .. } => "inputs-gone",
            Deed::NodeDies { .. } => "dead-node",
            Deed::NodeLoses { .. } => "losing-node",
            Deed::Flood { .. } => "flood",
            Deed::Joins { .. } => "joins-later",
            Deed::Leaves { .. } => "leaves",
        }
    }
}

/// A happening that is still to come.
pub(super) struct Coming {
    pub(super) what: Deed,
    /// Who does it, by its place among the members, if somebody is there only for that.
    pub(super) doer: Option<usize>,
    /// What it waits for.
    awaits: Option<(usize, Phase)>,
    after: u32,
    due: Option<Height>,
}

impl Coming {
    pub(super) fn new((happening, doer): (&Happening, Option<usize>)) -> Self {
        let after = happening.after_seconds;
        Self {
            what: happening.what,
            doer,
            awaits: happening.phase.map(|phase| (happening.order, phase)),
            after,
            due: happening.phase.is_none().then_some(Height(after.into())),
        }
    }

    /// Whether it happens now; `phase_of` tells in which phase an order is.
    pub(super) fn is_due(
        &mut self,
        now: Height,
        phase_of: impl Fn(usize) -> Option<Phase>,
    ) -> bool {
        if let (None, Some((order, phase))) = (self.due, self.awaits)
            && phase_of(order) == Some(phase)
        {
            self.due = Some(now.after(self.after));
        }
        self.due.is_some_and(|due| due <= now)
    }
}

/// The call with which somebody changes its registration.
pub(super) fn call(
    (secret, role): (&SecretKey, Role),
    before: &Registration,
    into: Change,
) -> AccountCall {
    if into == Change::Left {
        return AccountCall::Unregister { role };
    }
    let offered = before.offer.clone().unwrap_or_else(founding::anything);
    let key = match into {
        Change::OtherKey => SecretKey::from_seed([9; 32]).encryption().public(),
        _ => secret.encryption().public(),
    };
    AccountCall::Register {
        role,
        bond: match into {
            Change::Raised => Amount::tokens(10),
            _ => Amount::ZERO,
        },
        encryption_key: key,
        address: BoundedString::new("simulated:1").unwrap_or_default(),
        offer: Some(match into {
            Change::Closed => Offer {
                orders: 0,
                ..offered
            },
            Change::OneSlot => Offer {
                orders: 1,
                ..offered
            },
            Change::Standard => Offer {
                kinds: offered.kinds,
                ..founding::standard()
            },
            Change::Anything => Offer {
                kinds: offered.kinds,
                ..founding::anything()
            },
            _ => offered,
        }),
    }
}
