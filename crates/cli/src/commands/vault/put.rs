//! `assay vault put`.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

use assay_crypto::PublicKey;
use assay_ledger::{Call, FileId, FileRecord, Role, TxId};
use assay_node::files::{self, NewFile};
use assay_vault::{bundle::BundleWriter, upload::UploadConfig};
use serde::Serialize;

use super::{BUNDLE_TYPE, PLAIN_TYPE, runtime};
use crate::{
    failure::{Failure, Kind},
    output::{Output, facts},
    session::Session,
};

#[derive(Serialize)]
struct PutReport {
    file: FileId,
    name: String,
    /// Bytes stored before encryption.
    length: u64,
    placement: Vec<PublicKey>,
    tx: TxId,
}

pub(super) fn run(
    session: &Session,
    path: &Path,
    name: Option<String>,
    copies: u8,
    output: &Output,
) -> Result<(), Failure> {
    let key = session.key()?;
    let name = match name {
        Some(name) => name,
        None => last_part(path)?,
    };
    let source = Source::open(session, path)?;
    let nodes = session.registered(Role::Storage)?;
    let accounts: Vec<_> = nodes.iter().map(|(account, _)| *account).collect();
    let length = source
        .file
        .metadata()
        .map_err(|e| unreadable(path, e))?
        .len();
    let file = NewFile {
        owner: key.public(),
        name: name.clone(),
        media_type: source.media_type.to_owned(),
        length,
        key: files::fresh_key().map_err(|e| Failure::new(Kind::Failed, e))?,
        envelope_to: Some(key.encryption().public()),
    };
    let config = UploadConfig {
        copies,
        ..UploadConfig::default()
    };
    let reader = source.file.try_clone().map_err(|e| unreadable(path, e))?;
    let mut sent = None;
    let record: FileRecord = runtime()?.block_on(async {
        let transport = session.dial(&key, &nodes).await?;
        let candidates = files::candidates(&transport, &accounts, copies.into()).await;
        let record = |record: FileRecord| {
            // The chain is asked on this thread; the upload has nothing else to do meanwhile.
            let call = Call::PutFile(Box::new(record));
            let outcome = tokio::task::block_in_place(|| session.call(&key, call));
            let outcome = outcome.map(|included| sent = Some(included.receipt.tx));
            std::future::ready(outcome.map_err(|failure| failure.to_string()))
        };
        let stored = files::upload(&transport, config, &candidates, file, reader, record).await;
        transport.close().await;
        stored.map_err(Failure::from)
    })?;
    let Some(tx) = sent else {
        return Err(Failure::say(
            Kind::Failed,
            "the file was stored but not recorded",
        ));
    };
    let placement = record.placement.to_vec();
    let report = PutReport {
        file: record.id,
        name,
        length,
        placement,
        tx,
    };
    output.result(&report, |report| {
        facts([
            ("stored", output.strong(report.file)),
            ("name", report.name.clone()),
            ("bytes", report.length.to_string()),
            ("copies", report.placement.len().to_string()),
            (
                "read it again",
                output.next(&format!("assay vault get {}", report.file)),
            ),
        ])
    })
}

fn last_part(path: &Path) -> Result<String, Failure> {
    let whole = path.canonicalize().map_err(|e| unreadable(path, e))?;
    whole
        .file_name()
        .and_then(|name| name.to_str())
        .map(str::to_owned)
        .ok_or_else(|| {
            Failure::say(
                Kind::Usage,
                format!("{} has no name that can be recorded", path.display()),
            )
            .hint("give one with --name")
        })
}

fn unreadable(path: &Path, error: std::io::Error) -> Failure {
    let context = format!("cannot read {}", path.display());
    let kind = match error.kind() {
        std::io::ErrorKind::NotFound => Kind::NotFound,
        _ => Kind::Failed,
    };
    Failure::new(kind, anyhow::Error::from(error).context(context))
}

/// The bytes to store: a file, or a bundle of a directory that is deleted again afterwards.
struct Source {
    file: File,
    media_type: &'static str,
    bundle: Option<PathBuf>,
}

impl Source {
    fn open(session: &Session, path: &Path) -> Result<Self, Failure> {
        if !path.is_dir() {
            let file = File::open(path).map_err(|e| unreadable(path, e))?;
            return Ok(Self {
                file,
                media_type: PLAIN_TYPE,
                bundle: None,
            });
        }
        let bundle = session
            .home()
            .path()
            .join(format!(".bundle-{}", std::process::id()));
        let write = |e| unreadable(&bundle, e);
        let mut options = fs::OpenOptions::new();
        let file = options
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(&bundle);
        let source = Self {
            file: file.map_err(write)?,
            media_type: BUNDLE_TYPE,
            bundle: Some(bundle.clone()),
        };
        let mut names = Vec::new();
        walk(path, "", &mut names).map_err(|e| unreadable(path, e))?;
        names.sort();
        let mut writer = BundleWriter::new(source.file.try_clone().map_err(write)?);
        for name in names {
            let member = path.join(&name);
            let file = File::open(&member).map_err(|e| unreadable(&member, e))?;
            let length = file.metadata().map_err(|e| unreadable(&member, e))?.len();
            writer
                .add(&name, length, file)
                .map_err(|e| Failure::new(Kind::Usage, e))?;
        }
        writer.finish().map_err(|e| Failure::new(Kind::Failed, e))?;
        use std::io::{Seek, SeekFrom};
        (&source.file).seek(SeekFrom::Start(0)).map_err(write)?;
        Ok(source)
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        if let Some(bundle) = &self.bundle {
            // What is left behind is overwritten by the next bundle.
            let _ = fs::remove_file(bundle);
        }
    }
}

/// Collects the names of regular files below `dir`, with `/` between folders.
fn walk(dir: &Path, prefix: &str, names: &mut Vec<String>) -> std::io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = format!("{prefix}{}", name.to_string_lossy());
        if entry.file_type()?.is_dir() {
            walk(&entry.path(), &format!("{name}/"), names)?;
        } else {
            names.push(name);
        }
    }
    Ok(())
}
