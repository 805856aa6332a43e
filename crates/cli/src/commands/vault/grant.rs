//! `assay vault grant`: who may use whose files.

use assay_api::views::GrantList;
use assay_crypto::{PublicKey, SecretKey, aead::FileKey};
use assay_job::Length;
use assay_ledger::{
    Amount, AskGrant, BoundedBytes, BoundedString, FileCall, FileGrant, FileId, GrantState, Height,
    LedgerTime, TxId, query,
};
use assay_node::files;
use assay_vault::{granted_key, owner_key, seal_for_grantee};
use clap::{Args, Subcommand};
use serde::Serialize;

use super::get::recorded;
use crate::{
    failure::{Failure, Kind},
    output::{Output, facts, left, short, table},
    session::Session,
};

/// Let others use files of yours, or ask to use theirs.
///
/// Whoever wants to use a file asks; its owner approves, which hands over the file's key, or
/// rejects. A grant ends when its time is over or the owner revokes it. Ending it does not make
/// anybody forget what was read before.
#[derive(Debug, Subcommand)]
pub(crate) enum Grant {
    /// Ask the owner of a file for leave to use it
    #[command(
        after_help = "Example:\n  assay vault grant ask 91c3... --owner 3b6a... --purpose \"a study of dialogue\""
    )]
    Ask {
        /// The file's id of 64 digits
        file: FileId,
        /// Whose file
        #[arg(long, value_name = "ACCOUNT")]
        owner: PublicKey,
        /// What for: everybody can read it
        #[arg(long, value_name = "TEXT", default_value = "")]
        purpose: String,
        #[command(flatten)]
        time: Time,
    },
    /// Let an account that asked use a file of yours
    #[command(after_help = "Example:\n  assay vault grant approve 91c3... 9c1f... --for 30d")]
    Approve {
        #[command(flatten)]
        asked: Asked,
        #[command(flatten)]
        time: Time,
    },
    /// Turn a request down
    Reject {
        #[command(flatten)]
        asked: Asked,
    },
    /// End a grant before its time
    Revoke {
        #[command(flatten)]
        asked: Asked,
    },
    /// List grants of your files and those you asked for, each verified
    #[command(visible_alias = "list")]
    Ls,
}

/// A file of ours, and who asked for it.
#[derive(Debug, Args)]
pub(crate) struct Asked {
    /// The file, as `assay vault grant ls` prints it
    file: FileId,
    /// Who asked
    grantee: PublicKey,
}

#[derive(Debug, Args)]
pub(crate) struct Time {
    /// Ends by itself after so long, as in 90s, 20m, 36h or 7d [default: as long as the network allows]
    #[arg(long = "for", value_name = "TIME")]
    length: Option<Length>,
}

#[derive(Serialize)]
struct GrantReport {
    tx: TxId,
    height: Height,
    /// Micro-tokens.
    fee: Amount,
    /// The ledger time, in milliseconds.
    now: LedgerTime,
    grant: Entry,
}

#[derive(Serialize)]
struct Listing {
    /// The ledger time, in milliseconds.
    now: LedgerTime,
    /// Grants of this account's files.
    given: Vec<Entry>,
    /// Grants to this account.
    held: Vec<Entry>,
    /// Whether the node knows more than it listed.
    more: bool,
}

#[derive(Serialize)]
struct Entry {
    file: FileId,
    owner: PublicKey,
    grantee: PublicKey,
    state: GrantState,
    purpose: String,
    /// Ends by itself at this ledger time, in milliseconds.
    until: LedgerTime,
}

impl From<FileGrant> for Entry {
    fn from(grant: FileGrant) -> Self {
        Self {
            file: grant.file,
            owner: grant.owner,
            grantee: grant.grantee,
            state: grant.state,
            purpose: grant.purpose.to_string(),
            until: grant.until,
        }
    }
}

impl Grant {
    pub(super) fn run(self, session: &Session, output: &Output) -> Result<(), Failure> {
        let key = session.key()?;
        let us = key.public();
        match self {
            Self::Ls => list(session, us, output),
            Self::Ask {
                file,
                owner,
                purpose,
                time,
            } => {
                let asked = ask(session, &key, (file, owner), &purpose, &time)?;
                make(session, &key, (file, owner, us), asked, output)
            }
            Self::Approve { asked, time } => {
                let approved = approve(session, &key, &asked, &time)?;
                let grant = (asked.file, us, asked.grantee);
                make(session, &key, grant, approved, output)
            }
            Self::Reject {
                asked: Asked { file, grantee },
            } => {
                in_state(session, (file, us, grantee), GrantState::Asked)?;
                let rejected = FileCall::RejectGrant { file, grantee };
                make(session, &key, (file, us, grantee), rejected, output)
            }
            Self::Revoke {
                asked: Asked { file, grantee },
            } => {
                in_state(session, (file, us, grantee), GrantState::Approved)?;
                let revoked = FileCall::RevokeGrant { file, grantee };
                make(session, &key, (file, us, grantee), revoked, output)
            }
        }
    }
}

/// File, owner and grantee.
type Whose = (FileId, PublicKey, PublicKey);

fn ask(
    session: &Session,
    key: &SecretKey,
    (file, owner): (FileId, PublicKey),
    purpose: &str,
    time: &Time,
) -> Result<FileCall, Failure> {
    if owner == key.public() {
        let text = format!("file {file} is your own");
        return Err(Failure::say(Kind::Usage, text).hint("`assay vault get` reads it"));
    }
    recorded(session, key, file, owner)?;
    if let Some(grant) = present(session, (file, owner, key.public()))? {
        let hint = match grant.state {
            GrantState::Asked => Some("wait for the owner to approve it".to_owned()),
            GrantState::Approved => {
                Some(format!("read it: `assay vault get {file} --owner {owner}`"))
            }
            GrantState::Rejected | GrantState::Expired | GrantState::Revoked => None,
        };
        if let Some(hint) = hint {
            let text = format!("a grant of file {file} is {} already", grant.state);
            return Err(Failure::say(Kind::Usage, text).hint(hint));
        }
    }
    let purpose = BoundedString::new(purpose).map_err(|error| {
        Failure::new(Kind::Usage, error).hint("say what the file is for in fewer words")
    })?;
    Ok(FileCall::AskGrant(Box::new(AskGrant {
        file,
        owner,
        encryption_key: key.encryption().public(),
        purpose,
        until: until(session, time)?,
    })))
}

fn approve(
    session: &Session,
    key: &SecretKey,
    &Asked { file, grantee }: &Asked,
    time: &Time,
) -> Result<FileCall, Failure> {
    let owner = key.public();
    let asked = in_state(session, (file, owner, grantee), GrantState::Asked)?;
    let record = recorded(session, key, file, owner)?;
    let failed = |error: anyhow::Error| Failure::new(Kind::Failed, error);
    let opened = owner_key(&record, &key.encryption()).map_err(|error| failed(error.into()))?;
    let random = files::fresh_key().map_err(|error| failed(error.into()))?;
    let sealed = seal_for_grantee(&opened, &asked, random.0).map_err(|error| {
        let context = "the account asked with a key that nothing can be sealed to";
        failed(anyhow::Error::from(error).context(context))
    })?;
    Ok(FileCall::ApproveGrant {
        file,
        grantee,
        sealed: BoundedBytes::new(sealed.0).map_err(|error| failed(error.into()))?,
        until: until(session, time)?,
    })
}

/// The key of another's file that we may use now.
pub(super) fn opened(
    session: &Session,
    key: &SecretKey,
    file: FileId,
    owner: PublicKey,
) -> Result<FileKey, Failure> {
    let grant = in_state(session, (file, owner, key.public()), GrantState::Approved)?;
    granted_key(&grant, &key.encryption()).map_err(|error| {
        Failure::new(Kind::Untrue, error)
            .hint("the owner sealed another key; ask it to revoke the grant, and ask again")
    })
}

/// The grant as it is now: whether its time is over is known before the ledger has ended it.
fn present(session: &Session, (file, owner, grantee): Whose) -> Result<Option<FileGrant>, Failure> {
    let light = session.light();
    let mut grant = light.read(|store| query::file_grant(store, &file, &owner, &grantee))?;
    let now = light.read(query::now)?.time;
    if let Some(grant) = &mut grant
        && matches!(grant.state, GrantState::Asked | GrantState::Approved)
        && grant.until <= now
    {
        grant.state = GrantState::Expired;
    }
    Ok(grant)
}

/// The grant, if it is in this state and its time is not over.
fn in_state(
    session: &Session,
    (file, owner, grantee): Whose,
    state: GrantState,
) -> Result<FileGrant, Failure> {
    let grant = present(session, (file, owner, grantee))?;
    let ours = session.key()?.public() == owner;
    let hint = match ours {
        true => "`assay vault grant ls` lists who asked".to_owned(),
        false => format!("`assay vault grant ask {file} --owner {owner}` asks for one"),
    };
    let Some(grant) = grant else {
        let text = format!("{grantee} has asked {owner} for no grant of file {file}");
        return Err(Failure::say(Kind::NotFound, text).hint(hint));
    };
    let is = grant.state;
    if is == state {
        return Ok(grant);
    }
    let text =
        format!("the grant of file {file} to {grantee} is {is}, and must be {state} for this");
    let hint = match (is, ours) {
        (GrantState::Asked, false) => "wait for the owner to approve it".to_owned(),
        _ => hint,
    };
    Err(Failure::say(Kind::Usage, text).hint(hint))
}

/// The ledger time at which what begins now ends.
fn until(session: &Session, time: &Time) -> Result<LedgerTime, Failure> {
    let parameters = session.light().read(query::parameters)?;
    let most = parameters.unwrap_or_default().max_deadline_ms;
    let length = time.length.map_or(most, Length::ms);
    if length > most {
        let text = format!(
            "a grant lasts {} at most",
            left(LedgerTime(0), LedgerTime(most))
        );
        return Err(Failure::say(Kind::Usage, text).hint("give less with --for"));
    }
    Ok(session.light().read(query::now)?.time.after(length))
}

/// Makes the call and shows the grant as it is then.
fn make(
    session: &Session,
    key: &SecretKey,
    (file, owner, grantee): Whose,
    call: FileCall,
    output: &Output,
) -> Result<(), Failure> {
    let included = session.call(key, call)?;
    let found = session
        .light()
        .read(|store| query::file_grant(store, &file, &owner, &grantee))?;
    let found = found.ok_or_else(|| {
        let text = format!("the grant of file {file} to {grantee} is gone");
        Failure::say(Kind::Failed, text).hint("`assay vault grant ls` lists what there is")
    })?;
    let report = GrantReport {
        tx: included.receipt.tx,
        height: included.height,
        fee: included.receipt.fee,
        now: session.light().read(query::now)?.time,
        grant: found.into(),
    };
    output.result(&report, |report| {
        let grant = &report.grant;
        facts([
            ("grant", output.strong(grant.state)),
            ("file", grant.file.to_string()),
            ("owner", grant.owner.to_string()),
            ("grantee", grant.grantee.to_string()),
            ("time left", left(report.now, grant.until).to_string()),
            ("fee", format!("{} tokens", report.fee)),
        ])
    })
}

fn list(session: &Session, us: PublicKey, output: &Output) -> Result<(), Failure> {
    let light = session.light();
    let told = |which: &str| {
        let path = format!("/v1/grants?{which}={us}");
        light.node().get::<GrantList>(&path)
    };
    let verified = |told: &GrantList| -> Result<Vec<Entry>, Failure> {
        let mut found = Vec::new();
        for claimed in &told.records {
            let (file, owner, grantee) = (claimed.file, claimed.owner, claimed.grantee);
            let grant = light.read(|store| query::file_grant(store, &file, &owner, &grantee))?;
            found.extend(grant.map(Entry::from));
        }
        Ok(found)
    };
    let (given, held) = (told("owner")?, told("grantee")?);
    let listing = Listing {
        now: light.read(query::now)?.time,
        given: verified(&given)?,
        held: verified(&held)?,
        more: given.more || held.more,
    };
    output.result(&listing, |listing| {
        let row = |whose: &str, grant: &Entry, other: &PublicKey| {
            [
                grant.file.to_string(),
                format!("{whose} {}", short(other)),
                grant.state.to_string(),
                left(listing.now, grant.until).to_string(),
                grant.purpose.clone(),
            ]
        };
        let given = listing.given.iter();
        let given = given.map(|grant| row("to", grant, &grant.grantee));
        let held = listing.held.iter();
        let held = held.map(|grant| row("from", grant, &grant.owner));
        table(
            ["file", "whose", "state", "time left", "purpose"],
            given.chain(held),
        )
    })
}
