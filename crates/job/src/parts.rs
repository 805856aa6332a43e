//! Who takes part in an order: the registry of procedures on the side of those who do the work.
//!
//! A node asks which [`parts`] its account has in an order, and drives the machine of each; it knows
//! none of them by name. A procedure is registered in `castings`, and every kind of job can be done by
//! any procedure: the kind says what is computed, the procedure by whom.

use assay_crypto::SecretKey;
use assay_ledger::{AccountId, Order, ProcedureName, Role, Store, query, query::Which};
use assay_proof::parties::{Auditor, Merger, Provider, Requester, Trainer, Validator};
use assay_proof::{Identity, InputKeys, Party, model_key};

use crate::keys::{self, KeysError};

/// A part that an account can have in an order. A [`Role`] is what an account has registered for,
/// with a bond, whatever the orders; a part is its place in one of them, and the requester's needs no
/// role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// Posted it and holds its keys.
    Requester,
    /// Runs it.
    Provider,
    /// Replays drawn segments.
    Auditor,
    /// Judges a dispute.
    Validator,
}

impl Part {
    /// All of them.
    pub const ALL: [Part; 4] = [
        Part::Requester,
        Part::Provider,
        Part::Auditor,
        Part::Validator,
    ];

    /// The part's name in logs and file names. A journal is called by it, so it stays.
    pub fn name(self) -> &'static str {
        match self {
            Part::Requester => "requester",
            Part::Provider => "provider",
            Part::Auditor => "auditor",
            Part::Validator => "validator",
        }
    }

    /// The roles in which an account may be given it; none for the part that whoever posts an order
    /// has.
    pub fn roles(self) -> &'static [Role] {
        match self {
            Part::Requester => &[],
            Part::Provider => &[Role::Provider],
            // Validators audit where auditors cannot be had.
            Part::Auditor => &[Role::Auditor, Role::Validator],
            Part::Validator => &[Role::Validator],
        }
    }

    /// The index of the orders in which an account may have it.
    pub fn listed(self, account: AccountId) -> Which {
        match self {
            // A dispute names no judges: all validators are.
            Part::Validator => Which::Judged,
            Part::Requester | Part::Provider | Part::Auditor => Which::WithPart(account),
        }
    }
}

/// One part of a procedure: who has it, and the machine that plays it.
pub struct Casting {
    /// The part.
    pub part: Part,
    is_cast: fn(&Order, AccountId) -> bool,
    machine: fn(&Player<'_>, &Order) -> Result<Box<Party>, KeysError>,
}

impl Casting {
    /// The machine that plays the part in `order`, made anew: its journal brings it back to where it
    /// was.
    ///
    /// # Errors
    /// [`KeysError`] when the part needs the order's keys and they cannot be recovered.
    pub fn machine(&self, player: &Player<'_>, order: &Order) -> Result<Box<Party>, KeysError> {
        (self.machine)(player, order)
    }
}

/// An account that plays a part.
pub struct Player<'a> {
    /// The account's key.
    pub key: &'a SecretKey,
    /// The ledger's state, where a requester finds the keys of its order again.
    pub state: &'a dyn Store,
}

impl Player<'_> {
    fn identity(&self) -> Identity {
        Identity {
            account: self.key.public(),
            encryption: self.key.encryption(),
        }
    }
}

const REQUESTER: Casting = Casting {
    part: Part::Requester,
    is_cast: |order, account| order.head.requester == account,
    machine: |player, order| {
        let keys = keys::recover(player.state, player.key, order)?;
        Ok(Box::new(Requester::new(player.identity(), keys)))
    },
};

const PROVIDER: Casting = Casting {
    part: Part::Provider,
    is_cast: |order, account| {
        is_asked(order, account, Role::Provider) || order.run_of(account).is_some()
    },
    machine: |player, _| Ok(Box::new(Provider::new(player.identity()))),
};

const AUDITOR: Casting = Casting {
    part: Part::Auditor,
    is_cast: |order, account| {
        let mut seats = order.run().into_iter().flat_map(|run| run.seats());
        is_asked(order, account, Role::Auditor) || seats.any(|seat| seat.auditor == account)
    },
    machine: |player, _| Ok(Box::new(Auditor::new(player.identity()))),
};

const VALIDATOR: Casting = Casting {
    part: Part::Validator,
    is_cast: |order, _| order.head.phase.is_judged(),
    machine: |player, _| Ok(Box::new(Validator::new(player.identity()))),
};

/// Trains in every round. Whoever posted it has no part like this, even if it joins.
const TRAINER: Casting = Casting {
    part: Part::Provider,
    is_cast: |order, account| order.head.requester != account,
    machine: |player, order| {
        let me = player.key.public();
        let trainer = query::trainer(player.state, &order.head.id, &me)?;
        let trainer = trainer.ok_or(KeysError::NoRecord(ROWS.to_owned()))?;
        let rows = keys::own_file(player.state, player.key, (ROWS, trainer.rows))?;
        Ok(Box::new(Trainer::new(player.identity(), rows)))
    },
};

/// Answers for its steps of a round, with keys of its own.
const OWN_PROVIDER: Casting = Casting {
    part: Part::Provider,
    is_cast: |order, account| order.run_of(account).is_some(),
    machine: |player, order| {
        let inputs = (
            order.head.terms.inputs.first(),
            order.head.terms.inputs.get(1),
        );
        let (Some(model), Some(rows), Some(of)) = (inputs.0, inputs.1, &order.head.audit_of) else {
            return Err(KeysError::Mismatch);
        };
        let model = model_key(of.order, &model.content);
        let rows = keys::own_file(player.state, player.key, (ROWS, rows.file))?;
        let own = InputKeys::of_trainer(model, rows);
        Ok(Box::new(Provider::of_own(player.identity(), own)))
    },
};

/// Says which updates can be had, and what they make of the model.
const MERGER: Casting = Casting {
    part: Part::Validator,
    is_cast: |_, _| true,
    machine: |player, _| Ok(Box::new(Merger::new(player.identity()))),
};

/// What a trainer's rows are called among the inputs of its runs.
const ROWS: &str = "rows";

/// Whether an account is asked to take a part in this role.
fn is_asked(order: &Order, account: AccountId, role: Role) -> bool {
    let asked = order.head.asked.as_ref();
    asked.is_some_and(|asked| asked.role == role) && order.is_asked(account)
}

/// The parts of each procedure.
fn castings(procedure: ProcedureName) -> &'static [Casting] {
    match procedure {
        ProcedureName::Traced => &[REQUESTER, PROVIDER, AUDITOR, VALIDATOR],
        ProcedureName::Redundant => &[REQUESTER, PROVIDER, VALIDATOR],
        ProcedureName::Rounds => &[REQUESTER, TRAINER, MERGER],
        // No machine plays a part in a contest yet: what somebody posts by hand is refunded before
        // anybody has worked, since nobody says that it holds the test set's key.
        ProcedureName::Contest => &[],
    }
}

/// The parts of the audit of a trainer's round, which is requester and provider in one.
const AUDIT_OF_ROUND: &[Casting] = &[OWN_PROVIDER, AUDITOR, VALIDATOR];

/// The parts that an account has in an order now, were it in every role.
pub fn parts(order: &Order, account: AccountId) -> impl Iterator<Item = &'static Casting> {
    let castings = match order.head.audit_of {
        Some(_) => AUDIT_OF_ROUND,
        None => castings(ProcedureName::followed_by(order)),
    };
    let castings = castings.iter();
    castings.filter(move |casting| (casting.is_cast)(order, account))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_procedure_has_a_requester_workers_and_judges_each_once() {
        let played = |of: &ProcedureName| *of != ProcedureName::Contest;
        assert!(
            castings(ProcedureName::Contest).is_empty(),
            "it has parts: look at them here"
        );
        for procedure in ProcedureName::ALL.into_iter().filter(played) {
            let parts: Vec<Part> = castings(procedure).iter().map(|of| of.part).collect();
            assert!(parts.is_sorted_by(|a, b| a < b), "{parts:?}");
            for needed in [Part::Requester, Part::Provider, Part::Validator] {
                assert!(parts.contains(&needed), "{procedure:?} has no {needed:?}");
            }
        }
    }

    #[test]
    fn a_journal_is_called_as_the_part_is() {
        let names = Part::ALL.map(Part::name);
        assert_eq!(names, ["requester", "provider", "auditor", "validator"]);
        for part in Part::ALL {
            let role = part.roles().first();
            assert!(role.is_none_or(|role| role.name() == part.name()));
        }
    }
}
