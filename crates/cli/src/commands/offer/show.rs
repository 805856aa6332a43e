//! Offers as people and programs read them.

use assay_crypto::PublicKey;
use assay_job::{Bytes, Length};
use assay_ledger::{Amount, Offer, Registration, Role, query};
use serde::Serialize;

use super::Speaker;
use crate::{
    failure::{Failure, Kind},
    output::{Output, facts, table},
};

/// What an account offers.
#[derive(Serialize)]
struct OffersReport {
    account: PublicKey,
    offers: Vec<OfferReport>,
}

/// One of its offers.
#[derive(Serialize)]
struct OfferReport {
    role: Role,
    state: State,
    /// As it stands on the ledger: money in micro-tokens, times in milliseconds, memory in bytes.
    offer: Offer,
    /// Micro-tokens.
    bond: Amount,
    /// The part of it that a new order may lock, in micro-tokens.
    free: Amount,
    /// Orders under way.
    serving: u16,
    /// Orders that it is asked to take part in, and others may take.
    asked: u16,
    /// Times that it was asked to take part in an order and did not answer.
    missed: u32,
    /// Whether the node.toml of --config asks for another offer; absent where it asks for none.
    #[serde(skip_serializing_if = "Option::is_none")]
    differs_from_config: Option<bool>,
}

/// Whether orders are drawn to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum State {
    /// They are.
    Open,
    /// As many are under way as it takes.
    Busy,
    /// It takes none by its owner's wish.
    Paused,
    /// The network suspended it, because its account did not answer.
    Suspended,
    /// It gives up the role.
    Leaving,
}

impl State {
    fn of(registration: &Registration, offer: &Offer) -> Self {
        match registration {
            of if of.leaving => Self::Leaving,
            of if of.suspended => Self::Suspended,
            _ if offer.orders == 0 => Self::Paused,
            of if of.taken() >= offer.orders => Self::Busy,
            _ => Self::Open,
        }
    }

    fn told(self, of: &OfferReport) -> String {
        let (role, missed) = (of.role, of.missed);
        match self {
            Self::Open => "orders are drawn to it".to_owned(),
            Self::Busy => "as many orders are under way as it takes".to_owned(),
            Self::Paused => format!("paused: `assay offer renew {role}` takes orders again"),
            Self::Suspended => format!(
                "suspended: it missed {missed} in all; `assay offer renew {role}` renews it for a fee, \
                 and a node that runs does so by itself"
            ),
            Self::Leaving => "the role is given up".to_owned(),
        }
    }
}

pub(super) fn show(
    speaker: &Speaker,
    account: Option<PublicKey>,
    output: &Output,
) -> Result<(), Failure> {
    let session = &speaker.session;
    let own = account.is_none();
    let account = match account {
        Some(account) => account,
        None => session.key()?.public(),
    };
    let mut offers = Vec::new();
    for role in Role::ALL.into_iter().filter(|role| role.is_drawn()) {
        let found = session
            .light()
            .read(|store| query::registration(store, role, &account))?;
        let Some(found) = found else { continue };
        let Some(offer) = found.offer.clone() else {
            continue;
        };
        let config = speaker
            .config
            .as_ref()
            .filter(|config| own && config.plays(role));
        let wished =
            config.and_then(|config| config.sets_offer(role).then(|| config.offer(role))?);
        offers.push(OfferReport {
            role,
            state: State::of(&found, &offer),
            bond: found.bond,
            free: found.free(),
            serving: found.serving,
            asked: found.asked,
            missed: found.missed,
            differs_from_config: wished.map(|wished| wished != offer),
            offer,
        });
    }
    if offers.is_empty() {
        let text = format!("account {account} offers nothing: it is no provider and no auditor");
        let failure = Failure::say(Kind::NotFound, text);
        return Err(failure.hint("a node registers the roles of its node.toml when it starts"));
    }
    let report = OffersReport { account, offers };
    output.result(&report, |report| {
        let mut text = facts([("account", report.account.to_string())]);
        for of in &report.offers {
            let rows = fields(&of.offer);
            let more = [
                ("state", of.state.told(of)),
                ("under way", format!("{} orders, and asked for {}", of.serving, of.asked)),
                ("bond", format!("{} tokens, {} of them free", of.bond, of.free)),
            ];
            let rows = rows.into_iter().chain(more).map(|(name, value)| [name.to_owned(), value]);
            text += &table(["as", of.role.name()], rows);
            if of.differs_from_config == Some(true) {
                text += &format!(
                    "node.toml asks for another offer as {role}: `assay offer set {role} --config ...` \
                     brings it to the ledger\n",
                    role = of.role
                );
            }
        }
        text
    })
}

/// What an offer says, one name and value for each part.
fn fields(offer: &Offer) -> Vec<(&'static str, String)> {
    let list = |names: Vec<&str>| match names.is_empty() {
        true => "none".to_owned(),
        false => names.join(", "),
    };
    let amount = |amount: Amount, unit: &str| match amount {
        Amount(u64::MAX) => "any".to_owned(),
        amount => format!("{amount} tokens{unit}"),
    };
    let memory = match offer.memory {
        u64::MAX => "any".to_owned(),
        bytes => Bytes(bytes).to_string(),
    };
    let mut fields = vec![
        (
            "kinds",
            list(offer.kinds.iter().map(|name| name.as_str()).collect()),
        ),
        (
            "methods",
            list(offer.methods.iter().map(|name| name.as_str()).collect()),
        ),
        ("memory", memory),
        ("least pay", amount(offer.least_pay, " for a step")),
        ("most bond", amount(offer.most_bond, " for an order")),
        ("orders", format!("{} at once", offer.orders)),
    ];
    let acted = [
        ("run", "least run"),
        ("open", "least open"),
        ("audit", "least audit"),
        ("reveal", "least reveal"),
        ("dispute", "least dispute"),
        ("attest", "least attest"),
    ];
    for (phase, ms) in offer.least_time.named() {
        let named = acted.iter().find(|(known, _)| *known == phase);
        fields.extend(named.map(|(_, name)| {
            let time = Length::of_ms(ms).map_or("any".to_owned(), |time| time.to_string());
            (*name, time)
        }));
    }
    fields
}

/// What changes from one offer to another, one line for each part.
pub(super) fn changes(before: &Offer, after: &Offer) -> String {
    let both = fields(before).into_iter().zip(fields(after));
    let changed = both.filter(|((_, before), (_, after))| before != after);
    let lines =
        changed.map(|((name, before), (_, after))| format!("{name}: {before} -> {after}\n"));
    lines.collect()
}

#[cfg(test)]
mod tests {
    use assay_crypto::EncryptionKey;
    use assay_ledger::{BoundedString, Height};

    use super::*;

    #[test]
    fn changes_are_told_and_nothing_else() {
        let before = Offer::standard();
        let after = Offer {
            memory: 1 << 30,
            orders: 0,
            ..before.clone()
        };
        assert_eq!(
            changes(&before, &after),
            "memory: 4.0 GiB -> 1.0 GiB\norders: 4 at once -> 0 at once\n"
        );
        assert_eq!(changes(&before, &before), "");
    }

    #[test]
    fn the_state_is_the_first_that_keeps_orders_away() {
        let mut of = Registration {
            bond: Amount(1),
            locked: Amount(0),
            encryption_key: EncryptionKey([1; 32]),
            address: BoundedString::default(),
            since: Height(0),
            leaving: false,
            offer: Some(Offer::standard()),
            serving: 0,
            asked: 0,
            missed: 1,
            suspended: false,
        };
        let closed = Offer {
            orders: 0,
            ..Offer::standard()
        };
        assert_eq!(State::of(&of, &Offer::standard()), State::Open);
        assert_eq!(State::of(&of, &closed), State::Paused);
        of.serving = 4;
        assert_eq!(State::of(&of, &Offer::standard()), State::Busy);
        of.suspended = true;
        assert_eq!(State::of(&of, &closed), State::Suspended);
        of.leaving = true;
        assert_eq!(State::of(&of, &closed), State::Leaving);
    }
}
