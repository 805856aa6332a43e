//! `assay vault get`.
//!
//! What comes from storage nodes is kept as it comes, encrypted, in the user's directory; so the
//! same command goes on after an interruption, and what is left of one that does not is
//! ciphertext. Only when everything is there is it opened, and given its name when all of it is on
//! the disk.

use std::{
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
};

use assay_crypto::{Digest, PublicKey, SecretKey};
use assay_ledger::{FileId, FileRecord, Registration, Role, query};
use assay_node::{
    config::ByteSize,
    files::{
        self,
        place::{self, Nameless},
        spool::Spool,
    },
};
use assay_vault::{
    Content, Expected, SLICE_BYTES, UnsealError,
    bundle::BundleError,
    download::{DownloadConfig, DownloadError},
    owner_key,
};
use serde::Serialize;

use super::{BUNDLE_TYPE, TREE_TYPE, downloads, grant, runtime};
use crate::{
    failure::{Failure, Kind},
    output::{Output, facts},
    session::Session,
};

#[derive(Serialize)]
struct GetReport {
    file: FileId,
    name: String,
    path: String,
    /// Plaintext bytes.
    length: u64,
    /// Digest of the plaintext.
    content: Digest,
    /// Bytes that storage nodes sent to this command.
    fetched: u64,
}

pub(super) fn run(
    session: &Session,
    (file, owner): (FileId, Option<PublicKey>),
    out: Option<PathBuf>,
    output: &Output,
) -> Result<(), Failure> {
    let key = session.key()?;
    let owner = owner.unwrap_or(key.public());
    let record = recorded(session, &key, file, owner)?;
    let opened = match owner == key.public() {
        true => owner_key(&record, &key.encryption()).map_err(|e| Failure::new(Kind::Failed, e))?,
        false => grant::opened(session, &key, file, owner)?,
    };
    let bundled = matches!(record.media_type.as_str(), BUNDLE_TYPE | TREE_TYPE);
    let path = out.unwrap_or_else(|| plain_name(record.name.as_str(), file));
    check_place(&path, bundled)?;
    let folder = downloads(session);
    let spool = Spool::open(&folder, file).map_err(|error| {
        let context = format!("cannot write in {}", folder.display());
        Failure::new(Kind::Failed, anyhow::Error::from(error).context(context))
    })?;
    let mut spool = spool.ok_or_else(|| {
        let text = format!("too many commands are fetching {file} just now");
        Failure::say(Kind::Failed, text).hint("wait until one of them is done")
    })?;
    check_room(&record, &spool, &folder, &path)?;
    let mut nodes: Vec<(_, Registration)> = Vec::new();
    for node in &record.placement {
        let found = session
            .light()
            .read(|store| query::registration(store, Role::Storage, node))?;
        nodes.extend(found.map(|registration| (*node, registration)));
    }
    let fetched = runtime()?.block_on(async {
        let transport = session.dial(&key, &nodes).await?;
        let config = DownloadConfig::default();
        let key = opened.clone();
        let fetched = files::fetch(&transport, config, &record, key, &mut spool).await;
        transport.close().await;
        Ok::<_, Failure>(fetched)
    })?;
    let (content, fetched) = match fetched {
        Ok(fetched) => fetched,
        Err(error) => return Err(not_fetched(error, spool, file)),
    };
    let plain = spool
        .plain(&Expected::from(&record), opened)
        .map_err(|error| Failure::new(Kind::Untrue, error))?;
    if bundled {
        let label = &file.to_string()[..12];
        place::directory(&path, label, plain).map_err(|error| not_written(&path, &error, file))?;
    } else {
        place::file(&path, plain).map_err(|error| not_written(&path, &error.into(), file))?;
    }
    // What is not removed now is, at the latest, by `assay vault delete`.
    let _ = spool.forget();
    let Content { length, digest } = content;
    let report = GetReport {
        file,
        name: record.name.to_string(),
        path: files::source::shown(&path),
        length,
        content: digest,
        fetched,
    };
    output.result(&report, |report| {
        facts([
            ("fetched", output.strong(&report.path)),
            ("bytes", report.length.to_string()),
            ("content", report.content.to_string()),
        ])
    })
}

/// The owner's record of the file.
pub(super) fn recorded(
    session: &Session,
    key: &SecretKey,
    file: FileId,
    owner: PublicKey,
) -> Result<FileRecord, Failure> {
    let record = session
        .light()
        .read(|store| query::file(store, &file, &owner))?;
    record.ok_or_else(|| {
        let (whose, hint) = match owner == key.public() {
            true => (
                "your account",
                "`assay vault ls` lists your files, and `--owner ACCOUNT` names another's; files \
                 of a job come with `assay job result`"
                    .to_owned(),
            ),
            false => (
                "account",
                format!("`assay vault ls --owner {owner}` lists its files"),
            ),
        };
        let text = format!("{whose} {owner} has recorded no file {file}");
        Failure::say(Kind::NotFound, text).hint(hint)
    })
}

/// The recorded name, if it is a plain one; whoever recorded it may have written anything.
fn plain_name(name: &str, file: FileId) -> PathBuf {
    let path = Path::new(name);
    let plain = path
        .file_name()
        .is_some_and(|last| last == path.as_os_str());
    // Hidden by the first, and taken for an option by other programs with the second.
    if plain && !name.starts_with(['.', '-']) {
        path.to_owned()
    } else {
        file.to_string().into()
    }
}

/// Whether something can be written there, before anything is fetched.
fn check_place(path: &Path, bundled: bool) -> Result<(), Failure> {
    let shown = files::source::shown(path);
    let usage = |text: String, hint: &str| Err(Failure::say(Kind::Usage, text).hint(hint));
    if path.as_os_str() == "-" {
        let hint = "name a file with --out PATH; one of that name is `./-`";
        return usage("standard output cannot be fetched to".to_owned(), hint);
    }
    if fs::symlink_metadata(path).is_ok() || path.file_name().is_none() {
        let hint = "choose another place with --out PATH";
        return usage(format!("{shown} exists already"), hint);
    }
    if !bundled && path.as_os_str().as_encoded_bytes().ends_with(b"/") {
        let hint = "give the whole path with --out PATH";
        return usage(
            format!("{shown} names a directory, and this is a file"),
            hint,
        );
    }
    let folder = place::folder_of(path);
    if let Some(longest) = place::longest_name(folder)
        && path.file_name().is_some_and(|name| name.len() > longest)
    {
        let text = format!("the name of {shown} is longer than the {longest} bytes that fit there");
        return usage(text, "choose another place with --out PATH");
    }
    let probe = Nameless::new(folder, 0o600);
    probe.map(drop).map_err(|error| {
        let kind = match error.kind() {
            std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory => Kind::Usage,
            _ => Kind::Failed,
        };
        let context = format!("cannot write in {}", files::source::shown(folder));
        Failure::new(kind, anyhow::Error::from(error).context(context))
            .hint("choose another place with --out PATH")
    })
}

/// Whether the disk has room: for the encrypted pieces in the user's directory, and then for what
/// is in them at its place.
fn check_room(
    record: &FileRecord,
    spool: &Spool,
    folder: &Path,
    path: &Path,
) -> Result<(), Failure> {
    use std::os::unix::fs::MetadataExt;
    // The exact length is in the manifest; it is at least this.
    let length = u64::from(record.slices.saturating_sub(1)) * SLICE_BYTES as u64;
    let there = spool.length().unwrap_or(0);
    let target = place::folder_of(path);
    let device = |path: &Path| fs::metadata(path).map(|found| found.dev()).ok();
    let needs = if device(folder) == device(target) {
        vec![(target, (2 * length).saturating_sub(there))]
    } else {
        vec![(folder, length.saturating_sub(there)), (target, length)]
    };
    for (place, needed) in needs {
        let Ok(room) = place::room(place) else {
            continue;
        };
        if room < needed {
            let text = format!(
                "the disk of {} has {} free, and fetching this file takes {}: what comes is kept \
                 encrypted until all of it is there",
                files::source::shown(place),
                ByteSize(room),
                ByteSize(needed)
            );
            return Err(Failure::say(Kind::Failed, text)
                .hint("free space, or choose another place with --out PATH or --dir DIR"));
        }
    }
    Ok(())
}

fn not_fetched(error: DownloadError, spool: Spool, file: FileId) -> Failure {
    match &error {
        DownloadError::Unseal(UnsealError::Sink(_)) => {
            let context = "the disk does not take what is fetched";
            let error = anyhow::Error::from(error).context(context);
            Failure::new(Kind::Failed, error).hint(keeps(file))
        }
        DownloadError::Missing { .. } => Failure::from(error).hint(keeps(file)),
        // What is there is not what the record says: it is of no use later either.
        DownloadError::Unseal(_) => {
            let _ = spool.forget();
            Failure::from(error)
        }
    }
}

fn not_written(path: &Path, error: &BundleError, file: FileId) -> Failure {
    let shown = files::source::shown(path);
    match error {
        BundleError::Archive(error) if error.kind() == ErrorKind::AlreadyExists => {
            let text = format!("{shown} is there already: something made it meanwhile");
            Failure::say(Kind::Failed, text).hint(format!(
                "name another place with --out; `assay vault delete {file}` removes what is here of \
                 it, which is encrypted"
            ))
        }
        BundleError::Archive(error)
            if !matches!(
                error.kind(),
                ErrorKind::InvalidData | ErrorKind::UnexpectedEof
            ) =>
        {
            Failure::say(Kind::Failed, format!("cannot write {shown}: {error}")).hint(keeps(file))
        }
        error => {
            let text = assay_api::told(error);
            Failure::say(Kind::Untrue, format!("{file} is no directory: {text}"))
                .hint("whoever stored it did so wrongly")
        }
    }
}

fn keeps(file: FileId) -> String {
    format!(
        "run the same command again to go on where it was; `assay vault delete {file}` removes \
         what is here of it, which is encrypted"
    )
}
