//! `assay account`: balances and payments.

use assay_crypto::{PublicKey, Signature};
use assay_ledger::{
    AccountCall, Amount, CONSENT_DOMAIN, Height, Role, Store, TxId, consent, query,
};
use clap::Subcommand;
use serde::Serialize;

use crate::{
    args::Global,
    failure::{Failure, Kind},
    output::{Output, facts, table},
    session::Session,
};

/// Balances and payments.
#[derive(Debug, Subcommand)]
pub(crate) enum Account {
    /// Show what an account has, verified against the network's certificates
    #[command(after_help = "Examples:\n  assay account show\n  assay account show --json 3b6a...")]
    Show {
        /// The account [default: your own]
        account: Option<PublicKey>,
    },
    /// Pay somebody
    #[command(after_help = "Example:\n  assay account transfer 3b6a... 12.5")]
    Transfer {
        /// Who gets it: their public key
        to: PublicKey,
        /// How much, in tokens
        #[arg(allow_negative_numbers = true)]
        amount: Amount,
    },
    /// Sign, with this account's key, that another account owns it
    ///
    /// Draws that must come apart never take two nodes of one owner. The owner brings what this
    /// prints to the network with `assay account own`.
    #[command(after_help = "Example:\n  assay account consent 3b6a...")]
    Consent {
        /// The owner's account
        owner: PublicKey,
    },
    /// Become the owner of a node that consents
    #[command(after_help = "Example:\n  assay account own 9c1f... 5e07...")]
    Own {
        /// The node's account
        node: PublicKey,
        /// What `assay account consent` printed with the node's key: 128 hex digits
        #[arg(value_parser = signature)]
        consent: Signature,
    },
    /// Give up a role: nothing new is drawn to it, and its bond comes back after a while
    ///
    /// Take the role out of `roles` in node.toml first: a node that plays it offers it again.
    #[command(after_help = "Example:\n  assay account leave provider")]
    Leave {
        /// The role: provider, auditor or storage
        #[arg(value_parser = role)]
        role: Role,
    },
}

#[derive(Serialize)]
struct LeaveReport {
    tx: TxId,
    height: Height,
    account: PublicKey,
    role: Role,
    /// Micro-tokens.
    fee: Amount,
    /// What is still locked for orders under way, in micro-tokens.
    locked: Amount,
}

#[derive(Serialize)]
struct ConsentReport {
    node: PublicKey,
    owner: PublicKey,
    /// The node's signature.
    consent: String,
}

#[derive(Serialize)]
struct OwnReport {
    tx: TxId,
    height: Height,
    node: PublicKey,
    owner: PublicKey,
    /// Micro-tokens.
    fee: Amount,
}

#[derive(Serialize)]
struct AccountReport {
    account: PublicKey,
    /// Who answers for it; absent when it is its own owner.
    #[serde(skip_serializing_if = "Option::is_none")]
    owner: Option<PublicKey>,
    /// Micro-tokens.
    balance: Amount,
    nonce: u64,
    roles: Vec<RoleReport>,
}

#[derive(Serialize)]
struct RoleReport {
    role: Role,
    /// Micro-tokens.
    bond: Amount,
    /// Micro-tokens.
    locked: Amount,
    address: String,
    leaving: bool,
}

#[derive(Serialize)]
struct TransferReport {
    tx: TxId,
    height: Height,
    from: PublicKey,
    to: PublicKey,
    /// Micro-tokens.
    amount: Amount,
    /// Micro-tokens.
    fee: Amount,
    /// Micro-tokens.
    balance: Amount,
}

impl Account {
    pub(crate) fn run(self, global: &Global, output: &Output) -> Result<(), Failure> {
        let session = Session::open(global)?;
        match self {
            Self::Show { account } => show(&session, account, output),
            Self::Transfer { to, amount } => transfer(&session, to, amount, output),
            Self::Consent { owner } => consent_to(&session, owner, output),
            Self::Own { node, consent } => own(&session, node, consent, output),
            Self::Leave { role } => leave(&session, role, output),
        }
    }
}

fn show(session: &Session, account: Option<PublicKey>, output: &Output) -> Result<(), Failure> {
    let account = match account {
        Some(account) => account,
        None => session.key()?.public(),
    };
    let state = session
        .light()
        .read(|store| query::account(store, &account))?;
    let mut roles = Vec::new();
    for role in Role::ALL {
        let found = session
            .light()
            .read(|store| query::registration(store, role, &account))?;
        roles.extend(found.map(|registration| RoleReport {
            role,
            bond: registration.bond,
            locked: registration.locked,
            address: registration.address.to_string(),
            leaving: registration.leaving,
        }));
    }
    let owner = session
        .light()
        .read(|store| query::owner(store, &account))?;
    let report = AccountReport {
        account,
        owner: (owner != account).then_some(owner),
        balance: state.balance,
        nonce: state.nonce,
        roles,
    };
    output.result(&report, |report| {
        let mut text = facts([
            ("account", output.strong(report.account)),
            ("balance", format!("{} tokens", report.balance)),
            ("transactions", report.nonce.to_string()),
        ]);
        if let Some(owner) = report.owner {
            text.push_str(&facts([("owner", owner.to_string())]));
        }
        if !report.roles.is_empty() {
            let rows = report.roles.iter().map(|role| {
                [
                    role.role.to_string(),
                    role.bond.to_string(),
                    role.locked.to_string(),
                    role.address.clone(),
                ]
            });
            text.push_str(&table(["role", "bond", "locked", "address"], rows));
        }
        text
    })
}

fn transfer(
    session: &Session,
    to: PublicKey,
    amount: Amount,
    output: &Output,
) -> Result<(), Failure> {
    let key = session.key()?;
    let included = session.call(&key, AccountCall::Transfer { to, amount })?;
    let from = key.public();
    let state = session.light().read(|store| query::account(store, &from))?;
    let report = TransferReport {
        tx: included.receipt.tx,
        height: included.height,
        from,
        to,
        amount,
        fee: included.receipt.fee,
        balance: state.balance,
    };
    output.result(&report, |report| {
        facts([
            ("paid", format!("{} tokens to {}", report.amount, report.to)),
            ("fee", format!("{} tokens", report.fee)),
            ("balance", format!("{} tokens", report.balance)),
            (
                "transaction",
                format!("{} at height {}", report.tx, report.height),
            ),
        ])
    })
}

/// A signature in hex digits.
fn signature(text: &str) -> Result<Signature, String> {
    let mut bytes = [0; 64];
    let wrong = "a consent is the 128 hex digits that `assay account consent` prints";
    hex::decode_to_slice(text, &mut bytes).map_err(|_| wrong.to_owned())?;
    Ok(Signature(bytes))
}

fn consent_to(session: &Session, owner: PublicKey, output: &Output) -> Result<(), Failure> {
    let key = session.key()?;
    let chain = session.light().genesis().chain_id();
    let signed = key.sign(CONSENT_DOMAIN, &consent(chain, &owner));
    let report = ConsentReport {
        node: key.public(),
        owner,
        consent: hex::encode(signed.0),
    };
    output.result(&report, |report| {
        facts([
            ("node", report.node.to_string()),
            ("owner", report.owner.to_string()),
            ("consent", report.consent.clone()),
            (
                "next",
                format!("assay account own {} {}", report.node, report.consent),
            ),
        ])
    })
}

fn own(
    session: &Session,
    node: PublicKey,
    consent: Signature,
    output: &Output,
) -> Result<(), Failure> {
    let key = session.key()?;
    let included = session.call(&key, AccountCall::Own { node, consent })?;
    let report = OwnReport {
        tx: included.receipt.tx,
        height: included.height,
        node,
        owner: key.public(),
        fee: included.receipt.fee,
    };
    output.result(&report, |report| {
        facts([
            ("node", report.node.to_string()),
            ("owner", report.owner.to_string()),
            ("fee", format!("{} tokens", report.fee)),
            (
                "transaction",
                format!("{} at height {}", report.tx, report.height),
            ),
        ])
    })
}

/// A role that can be given up: who validates is for the genesis to say.
fn role(text: &str) -> Result<Role, String> {
    let found = text.parse().ok().filter(|role| *role != Role::Validator);
    found.ok_or_else(|| "the roles are provider, auditor and storage".to_owned())
}

fn leave(session: &Session, role: Role, output: &Output) -> Result<(), Failure> {
    let key = session.key()?;
    let account = key.public();
    let registered = |store: &dyn Store| query::registration(store, role, &account);
    match session.light().read(|store| registered(store))? {
        None => {
            let text = format!("account {account} is not registered as {role}");
            let failure = Failure::say(Kind::NotFound, text);
            return Err(failure.hint("`assay account show` lists its roles"));
        }
        Some(known) if known.leaving => {
            let text = format!("account {account} has given up the role {role} already");
            let failure = Failure::say(Kind::Usage, text);
            return Err(failure.hint("`assay account show` tells what is still locked"));
        }
        Some(_) => {}
    }
    let included = session.call(&key, AccountCall::Unregister { role })?;
    let left = session.light().read(|store| registered(store))?;
    let report = LeaveReport {
        tx: included.receipt.tx,
        height: included.height,
        account,
        role,
        fee: included.receipt.fee,
        locked: left.map_or(Amount::ZERO, |left| left.locked),
    };
    output.result(&report, |report| {
        facts([
            ("left", format!("the role {}", report.role)),
            ("fee", format!("{} tokens", report.fee)),
            (
                "locked",
                format!("{} tokens, until the orders under way end", report.locked),
            ),
            (
                "transaction",
                format!("{} at height {}", report.tx, report.height),
            ),
        ])
    })
}
