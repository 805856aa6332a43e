//! `assay account`: balances and payments.

use assay_crypto::PublicKey;
use assay_ledger::{AccountCall, Amount, Height, Role, Store, TxId, query};
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
struct AccountReport {
    account: PublicKey,
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
    let report = AccountReport {
        account,
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

/// A role that can be given up: who validates is for the genesis to say.
fn role(text: &str) -> Result<Role, String> {
    let mut roles = Role::ALL.into_iter();
    let found = roles.find(|role| role.name() == text && *role != Role::Validator);
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
