//! `assay account`: balances and payments.

use assay_crypto::PublicKey;
use assay_ledger::{Amount, Call, Height, Role, TxId, query};
use clap::Subcommand;
use serde::Serialize;

use crate::{
    args::Global,
    failure::Failure,
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
    let included = session.call(&key, Call::Transfer { to, amount })?;
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
