//! `assay offer`: what orders this account takes part in.

mod change;
mod show;

use std::path::PathBuf;

use assay_crypto::PublicKey;
use assay_ledger::{AccountCall, Amount, Height, Offer, Registration, Role, TxId, query};
use assay_node::config::NodeConfig;
use clap::{Args, Subcommand};
use serde::Serialize;

use self::change::Change;
use crate::{
    args::{self, Global},
    failure::{Failure, Kind},
    output::{Output, facts},
    session::Session,
};

/// Show and change what orders this account takes part in
///
/// A provider or auditor is drawn only for orders that its offer takes: kinds and methods, least pay,
/// most bond at stake, shortest deadlines, memory, and how many at once. The offer stands on the ledger,
/// and only there: a node registers the one of its node.toml when it first offers a role, and keeps what
/// is on the ledger from then on. These commands change it while the node runs, or while it does not.
#[derive(Debug, Subcommand)]
pub(crate) enum OfferCommand {
    /// Show what an account offers, verified against the network's certificates
    #[command(
        after_help = "Examples:\n  assay offer show --config node.toml\n  assay offer show --json 3b6a..."
    )]
    Show {
        /// The account [default: your own]
        account: Option<PublicKey>,
        #[command(flatten)]
        whose: Whose,
    },
    /// Change an offer; what is not named stays as it is
    ///
    /// Without any change, the offer becomes what the node.toml of --config says, or with --usual
    /// what this machine offers by itself. Orders under way stay as they were agreed to. An offer that was
    /// suspended is renewed with it, for the network's renewal fee.
    #[command(
        after_help = "Examples:\n  assay offer set provider --orders 2 --memory \"8 GiB\"\n  assay offer set \
                      auditor --least-pay 0.0002 --least-time audit=20m\n  assay offer set provider --usual \
                      --methods lora,ia3\n  assay offer set provider --config node.toml"
    )]
    Set {
        /// The role: provider or auditor
        #[arg(value_parser = drawn)]
        role: Role,
        #[command(flatten)]
        change: Change,
        #[command(flatten)]
        whose: Whose,
    },
    /// Take no new orders until further notice; those under way go on
    #[command(after_help = "Example:\n  assay offer suspend provider --config node.toml")]
    Suspend {
        /// The role: provider or auditor
        #[arg(value_parser = drawn)]
        role: Role,
        #[command(flatten)]
        whose: Whose,
    },
    /// Take orders again: after `suspend`, or after the network suspended the offer
    ///
    /// The network suspends the offer of who was asked to take part in an order and did not answer. To
    /// renew it then costs the network's renewal fee. A node that runs does that by itself.
    #[command(after_help = "Example:\n  assay offer renew provider --orders 2")]
    Renew {
        /// The role: provider or auditor
        #[arg(value_parser = drawn)]
        role: Role,
        /// Orders at once [default: as many as it offers; 4 after `suspend`]
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
        orders: Option<u16>,
        #[command(flatten)]
        whose: Whose,
    },
}

/// Whose offer it is about.
#[derive(Debug, Args)]
pub(crate) struct Whose {
    /// A node's configuration, whose key, genesis and HTTP address are used instead of those in --dir
    #[arg(long, value_name = "NODE.toml", value_parser = args::place())]
    config: Option<PathBuf>,
}

/// Someone who speaks for an account.
struct Speaker {
    session: Session,
    config: Option<NodeConfig>,
}

/// What a change came to.
#[derive(Serialize)]
struct ChangeReport {
    tx: TxId,
    height: Height,
    account: PublicKey,
    role: Role,
    /// Micro-tokens.
    fee: Amount,
    /// Micro-tokens, besides the fee, where the offer was suspended.
    renewal_fee: Amount,
    before: Offer,
    offer: Offer,
}

impl OfferCommand {
    pub(crate) fn run(self, global: &Global, output: &Output) -> Result<(), Failure> {
        match self {
            Self::Show { account, whose } => {
                let speaker = Speaker::open(whose, global)?;
                show::show(&speaker, account, output)
            }
            Self::Set {
                role,
                change,
                whose,
            } => {
                change.check()?;
                let speaker = Speaker::open(whose, global)?;
                let known = speaker.registered(role)?;
                let offer = change.apply(role, &known.1, speaker.config.as_ref())?;
                output.warn(&change.warnings(&offer));
                speaker.offer(role, known, offer, output)
            }
            Self::Suspend { role, whose } => {
                let speaker = Speaker::open(whose, global)?;
                let known = speaker.registered(role)?;
                if known.1.orders == 0 {
                    let text = format!("the offer as {role} takes no new orders already");
                    let failure = Failure::say(Kind::Usage, text);
                    let hint = format!("`assay offer renew {role}` takes orders again");
                    return Err(failure.hint(hint));
                }
                let offer = Offer {
                    orders: 0,
                    ..known.1.clone()
                };
                speaker.offer(role, known, offer, output)
            }
            Self::Renew {
                role,
                orders,
                whose,
            } => {
                let speaker = Speaker::open(whose, global)?;
                let known = speaker.registered(role)?;
                let (now, usual) = (known.1.orders, Offer::standard().orders);
                if now > 0 && !known.0.suspended {
                    let text = format!("the offer as {role} stands: there is nothing to renew");
                    let hint = format!("`assay offer set {role}` changes it");
                    return Err(Failure::say(Kind::Usage, text).hint(hint));
                }
                let offer = Offer {
                    orders: orders.unwrap_or(if now == 0 { usual } else { now }),
                    ..known.1.clone()
                };
                speaker.offer(role, known, offer, output)
            }
        }
    }
}

impl Speaker {
    fn open(whose: Whose, global: &Global) -> Result<Self, Failure> {
        let config = whose.config.map(|path| NodeConfig::load(&path));
        let config = config.transpose()?;
        let session = match &config {
            Some(config) => Session::of_node(config, global)?,
            None => Session::open(global)?,
        };
        Ok(Self { session, config })
    }

    /// What the account has registered in a role, and its offer.
    fn registered(&self, role: Role) -> Result<(Registration, Offer), Failure> {
        let account = self.session.key()?.public();
        let found = self
            .session
            .light()
            .read(|store| query::registration(store, role, &account))?;
        let gone = |what: &str, hint: String| {
            let text = format!("account {account} {what} the role {role}");
            Err(Failure::say(Kind::NotFound, text).hint(hint))
        };
        match found {
            Some(found) if found.leaving => gone(
                "has given up",
                format!("`assay node` offers it again with \"{role}\" in the `roles` of its file"),
            ),
            Some(found) => match found.offer.clone() {
                Some(offer) => Ok((found, offer)),
                None => gone("makes no offer in", "name another role".to_owned()),
            },
            None => gone(
                "has not registered",
                format!(
                    "a node registers it when it starts with \"{role}\" in the `roles` of its file"
                ),
            ),
        }
    }

    /// Brings an offer to the ledger.
    fn offer(
        &self,
        role: Role,
        (known, before): (Registration, Offer),
        offer: Offer,
        output: &Output,
    ) -> Result<(), Failure> {
        if offer == before && !known.suspended {
            let text = format!("the offer as {role} is that already: nothing was sent");
            let hint = "`assay offer show` prints it".to_owned();
            return Err(Failure::say(Kind::Usage, text).hint(hint));
        }
        let key = self.session.key()?;
        let account = key.public();
        let renewal_fee = match known.suspended {
            true => self.session.light().genesis().parameters.renewal_fee,
            false => Amount::ZERO,
        };
        if !output.is_json() {
            output.aside("waiting for a block to take it");
        }
        let call = AccountCall::Register {
            role,
            bond: Amount::ZERO,
            encryption_key: known.encryption_key,
            address: known.address,
            offer: Some(offer.clone()),
        };
        let included = self.session.call(&key, call)?;
        let report = ChangeReport {
            tx: included.receipt.tx,
            height: included.height,
            account,
            role,
            fee: included.receipt.fee,
            renewal_fee,
            before,
            offer,
        };
        output.result(&report, |report| {
            let mut text = show::changes(&report.before, &report.offer);
            if report.renewal_fee > Amount::ZERO {
                text += &facts([("renewed", format!("for {} tokens", report.renewal_fee))]);
            }
            text + &facts([
                ("role", report.role.to_string()),
                ("fee", format!("{} tokens", report.fee)),
                (
                    "transaction",
                    format!("{} at height {}", report.tx, report.height),
                ),
            ])
        })
    }
}

/// A role that orders are drawn to.
fn drawn(text: &str) -> Result<Role, String> {
    let found: Option<Role> = text.parse().ok();
    let drawn = found.filter(|role| role.is_drawn());
    drawn.ok_or_else(|| "the roles that make offers are provider and auditor".to_owned())
}
