//! `assay vault`: encrypted files on the network's storage nodes.

mod check;
mod get;
mod grant;
mod input;
mod put;
mod record;
mod unfinished;

use std::path::PathBuf;

use assay_api::views::FileList;
use assay_crypto::{Digest, PublicKey};
use assay_ledger::{FileId, LedgerTime, query};
use assay_node::files::unfinished::{UnfinishedError, Uploads};
use assay_vault::upload::Leftover;
use clap::Subcommand;
use serde::Serialize;

use crate::{
    args::Global,
    failure::{Failure, Kind},
    output::{Output, left, table},
    session::{Session, runtime},
};

/// Keep files, encrypted, on the network's storage nodes.
#[derive(Debug, Subcommand)]
pub(crate) enum Vault {
    /// Encrypt a file or directory and store copies of it
    ///
    /// Storage nodes see ciphertext only. The key is sealed to your account in the file's record
    /// on the ledger, so nothing but your key file is needed to read it again.
    ///
    /// What is stored is what was read: a file that changes meanwhile is refused, and nothing is
    /// recorded. A directory keeps its names, permissions and empty folders; what cannot come back
    /// as it was (pipes, devices, links, names that are not UTF-8) is refused by name. If the
    /// command is interrupted, run it again: it goes on where it was.
    #[command(
        after_help = "Examples:\n  assay vault put chats.jsonl\n  assay vault put models/llama --copies 3"
    )]
    Put {
        /// The file, or a directory that is stored as one bundle
        path: PathBuf,
        /// A name for people [default: the path's last part]
        #[arg(long, allow_hyphen_values = true)]
        name: Option<String>,
        /// Storage nodes that hold it
        #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=16))]
        copies: u8,
        /// Store what symbolic links in a directory lead to, as if it lay there
        #[arg(long)]
        follow_links: bool,
        #[command(flatten)]
        lasting: record::Lasting,
    },
    /// Have a file of yours kept for longer, by the nodes that hold it
    ///
    /// A file is recorded until a time, and storage nodes are paid for keeping it until then. This
    /// ends what was agreed, pays for the time that passed, and agrees anew from now on.
    #[command(after_help = "Examples:\n  assay vault renew 91c3... --days 14")]
    Renew {
        /// The file's id of 64 digits, as `put` and `ls` print it
        file: FileId,
        #[command(flatten)]
        lasting: record::Lasting,
    },
    /// End the record of a file of yours before its time
    ///
    /// Storage nodes are paid for the time that passed and let go of it; the rest of what was set
    /// aside for them comes back. What an order rests on stays until its time is over.
    Forget {
        /// The file's id of 64 digits, as `put` and `ls` print it
        file: FileId,
    },
    /// Fetch, verify and decrypt a file of yours, or one that its owner lets you use
    ///
    /// What comes is kept encrypted in your directory until all of it is there; then it is written
    /// to its place, where nothing may stand yet. If the command is interrupted, run it again: it
    /// goes on where it was.
    #[command(
        after_help = "Examples:\n  assay vault get 91c3... --out chats.jsonl\n  \
                      assay vault get 91c3... --owner 3b6a... --out chats.jsonl"
    )]
    Get {
        /// The file's id of 64 digits, as `put` and `ls` print it
        file: FileId,
        /// Whose file, where it is another's; see `assay vault grant` [default: your own]
        #[arg(long, value_name = "ACCOUNT")]
        owner: Option<PublicKey>,
        /// Where to write it; a bundle becomes a directory [default: its name]
        #[arg(long, value_name = "PATH")]
        out: Option<PathBuf>,
    },
    /// List files with their holders, each record verified
    #[command(visible_alias = "list")]
    Ls {
        /// Whose files [default: your own]
        #[arg(long, value_name = "ACCOUNT")]
        owner: Option<PublicKey>,
        /// List what was interrupted instead, and what storage nodes keep of it
        #[arg(long, conflicts_with = "owner")]
        unfinished: bool,
    },
    /// Let others use files of yours, or ask to use theirs
    #[command(subcommand)]
    Grant(grant::Grant),
    /// Delete what an interrupted `put` or `get` left
    ///
    /// Files that are recorded on the ledger stay: `assay vault forget` ends their records.
    #[command(
        visible_alias = "rm",
        after_help = "Examples:\n  assay vault ls --unfinished\n  assay vault delete 3f9a01c2\n  \
                      assay vault delete --unfinished"
    )]
    Delete {
        /// An upload, or the file of a download, as `ls --unfinished` prints it
        #[arg(required_unless_present = "unfinished", conflicts_with = "unfinished")]
        id: Option<String>,
        /// Everything that was interrupted, and all that storage nodes keep of yours outside
        /// recorded files
        #[arg(long)]
        unfinished: bool,
    },
}

/// Media type of a directory that was stored as one file.
const BUNDLE_TYPE: &str = "application/x-assay-bundle";

/// Media type of one whose permissions or empty folders need version 2 of the format.
const TREE_TYPE: &str = "application/x-assay-bundle; version=2";

/// Media type of anything else.
const PLAIN_TYPE: &str = "application/octet-stream";

#[derive(Serialize)]
struct Listing {
    files: Vec<Entry>,
    /// The ledger time, in milliseconds.
    now: LedgerTime,
    /// Whether the node knows more files than it listed.
    more: bool,
}

#[derive(Serialize)]
struct Entry {
    file: FileId,
    name: String,
    media_type: String,
    /// At least the length in bytes; the exact one is in the encrypted file.
    length_class: u64,
    slices: u32,
    placement: Vec<PublicKey>,
    /// The record ends at this ledger time, in milliseconds, unless it is renewed.
    until: Option<LedgerTime>,
    /// Whether the owner cannot end it before.
    firm: bool,
}

impl Vault {
    pub(crate) fn run(self, global: &Global, output: &Output) -> Result<(), Failure> {
        let session = Session::open(global)?;
        match self {
            Self::Put {
                path,
                name,
                copies,
                follow_links,
                lasting,
            } => {
                let put = put::Put {
                    path,
                    name,
                    copies,
                    follow_links,
                    lasting,
                };
                put::run(&session, put, output)
            }
            Self::Get { file, owner, out } => get::run(&session, (file, owner), out, output),
            Self::Renew { file, lasting } => record::renew(&session, file, lasting, output),
            Self::Forget { file } => record::forget(&session, file, output),
            Self::Grant(grant) => grant.run(&session, output),
            Self::Ls {
                unfinished: true, ..
            } => unfinished::list(&session, output),
            Self::Ls { owner, .. } => list(&session, owner, output),
            Self::Delete { id, .. } => match id {
                Some(id) => unfinished::delete(&session, &id, output),
                None => unfinished::delete_all(&session, output),
            },
        }
    }
}

fn list(session: &Session, owner: Option<PublicKey>, output: &Output) -> Result<(), Failure> {
    let owner = match owner {
        Some(owner) => owner,
        None => session.key()?.public(),
    };
    let told: FileList = session
        .light()
        .node()
        .get(&format!("/v1/files?owner={owner}"))?;
    let mut files = Vec::new();
    for claimed in told.records {
        let verified = session
            .light()
            .read(|store| query::file(store, &claimed.id, &owner))?;
        let contract = session
            .light()
            .read(|store| query::file_contract(store, &claimed.id, &owner))?;
        files.extend(verified.map(|record| Entry {
            until: contract.as_ref().map(|contract| contract.until),
            firm: contract.is_some_and(|contract| contract.firm),
            file: record.id,
            name: record.name.to_string(),
            media_type: record.media_type.to_string(),
            length_class: record.length_class,
            slices: record.slices,
            placement: record.placement.to_vec(),
        }));
    }
    output.result(
        &Listing {
            files,
            now: session.light().read(query::now)?.time,
            more: told.more,
        },
        |listing| {
            let rows = listing.files.iter().map(|file| {
                [
                    file.file.to_string(),
                    file.name.clone(),
                    assay_node::config::ByteSize(file.length_class).to_string(),
                    file.placement.len().to_string(),
                    file.until
                        .map_or_else(String::new, |until| left(listing.now, until).to_string()),
                ]
            });
            table(["file", "name", "size", "copies", "ends in"], rows)
        },
    )
}

/// Where uploads that may have to go on are written down.
fn uploads(session: &Session) -> Uploads {
    Uploads::new(&session.home().path().join("uploads"))
}

/// Where what is fetched is kept until all of it is there.
fn downloads(session: &Session) -> PathBuf {
    session.home().path().join("downloads")
}

/// Pieces of an unfinished upload; the manifest first, since what it joins stays while it is there.
fn pieces(left: &Leftover) -> Vec<Digest> {
    let file = left.file.map(|file| file.0);
    file.into_iter()
        .chain(left.slices.iter().copied())
        .collect()
}

fn unfinished_failure(error: UnfinishedError, hint: &str) -> Failure {
    let kind = match error {
        UnfinishedError::Unknown(_) => Kind::NotFound,
        _ => Kind::Failed,
    };
    let running = matches!(error, UnfinishedError::Running(_));
    let failure = Failure::new(kind, error);
    if running { failure.hint(hint) } else { failure }
}
