//! `assay vault get`.

use std::{
    fs::{self, File},
    io::BufWriter,
    path::{Path, PathBuf},
};

use assay_crypto::Digest;
use assay_ledger::{FileId, Registration, Role, query};
use assay_node::files;
use assay_vault::{bundle, download::DownloadConfig, owner_key};
use serde::Serialize;

use super::{BUNDLE_TYPE, runtime};
use crate::{
    failure::{Failure, Kind},
    output::{Output, facts},
    session::Session,
};

/// Largest bundle that is unpacked, in bytes: it is held in memory.
const MAX_BUNDLE: u64 = 4 << 30;

#[derive(Serialize)]
struct GetReport {
    file: FileId,
    name: String,
    path: PathBuf,
    /// Plaintext bytes.
    length: u64,
    /// Digest of the plaintext.
    content: Digest,
}

pub(super) fn run(
    session: &Session,
    file: FileId,
    out: Option<PathBuf>,
    output: &Output,
) -> Result<(), Failure> {
    let key = session.key()?;
    let owner = key.public();
    let record = session
        .light()
        .read(|store| query::file(store, &file, &owner))?;
    let record = record.ok_or_else(|| {
        Failure::say(
            Kind::NotFound,
            format!("your account {owner} has recorded no file {file}"),
        )
        .hint("`assay vault ls` lists your files; files of a job come with `assay job result`")
    })?;
    let opened =
        owner_key(&record, &key.encryption()).map_err(|e| Failure::new(Kind::Failed, e))?;
    let path = out.unwrap_or_else(|| plain_name(record.name.as_str(), file));
    if path.exists() {
        let text = format!("{} exists already", path.display());
        return Err(Failure::say(Kind::Usage, text).hint("choose another place with --out PATH"));
    }
    let mut nodes: Vec<(_, Registration)> = Vec::new();
    for node in &record.placement {
        let found = session
            .light()
            .read(|store| query::registration(store, Role::Storage, node))?;
        nodes.extend(found.map(|registration| (*node, registration)));
    }
    // Nothing incomplete ever stands under the final name.
    let aside = path.with_file_name(format!(".{file}.part"));
    let failed = |e: std::io::Error| {
        let context = format!("cannot write {}", aside.display());
        Failure::new(Kind::Failed, anyhow::Error::from(e).context(context))
    };
    let mut sink = BufWriter::new(File::create(&aside).map_err(failed)?);
    let fetched = runtime()?.block_on(async {
        let transport = session.dial(&key, &nodes).await?;
        let config = DownloadConfig::default();
        let content = files::download(&transport, config, &record, opened, &mut sink).await;
        transport.close().await;
        content.map_err(Failure::from)
    });
    let finished = fetched.and_then(|content| {
        let file = sink.into_inner().map_err(|e| failed(e.into_error()))?;
        file.sync_all().map_err(failed)?;
        place(&aside, &path, record.media_type.as_str() == BUNDLE_TYPE)?;
        Ok(content)
    });
    if finished.is_err() {
        let _ = fs::remove_file(&aside);
    }
    let content = finished?;
    let report = GetReport {
        file,
        name: record.name.to_string(),
        path,
        length: content.length,
        content: content.digest,
    };
    output.result(&report, |report| {
        facts([
            ("fetched", output.strong(report.path.display())),
            ("bytes", report.length.to_string()),
            ("content", report.content.to_string()),
        ])
    })
}

/// The recorded name, if it is a plain one; whoever recorded it may have written anything.
fn plain_name(name: &str, file: FileId) -> PathBuf {
    let path = Path::new(name);
    let plain = path
        .file_name()
        .is_some_and(|last| last == path.as_os_str());
    if plain && !name.starts_with('.') {
        path.to_owned()
    } else {
        file.to_string().into()
    }
}

fn place(aside: &Path, path: &Path, bundled: bool) -> Result<(), Failure> {
    let failed = |e: std::io::Error| {
        let context = format!("cannot write {}", path.display());
        Failure::new(Kind::Failed, anyhow::Error::from(e).context(context))
    };
    if !bundled {
        return fs::rename(aside, path).map_err(failed);
    }
    let archive = File::open(aside).map_err(failed)?;
    let files = bundle::unpack(archive, MAX_BUNDLE).map_err(|e| Failure::new(Kind::Untrue, e))?;
    for (name, bytes) in files {
        let member = path.join(name);
        if let Some(parent) = member.parent() {
            fs::create_dir_all(parent).map_err(failed)?;
        }
        fs::write(member, bytes).map_err(failed)?;
    }
    fs::remove_file(aside).map_err(failed)
}
