//! Checks that the workspace is still the house that `ARCHITECTURE.md` draws.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::floats::BESIDE_KERNEL;
use crate::{pages, shape};

/// The rooms, lowest layer first: a crate may use only crates named before it. The simulator is last,
/// since it has the liars, and the program that people run must not hold them.
const LAYERS: [&str; 20] = [
    "assay-kernel",
    "assay-crypto",
    "assay-graph",
    "assay-aggregate",
    "assay-data",
    "assay-model",
    "assay-estimator",
    "assay-rounds",
    "assay-ledger",
    "assay-machine",
    "assay-split",
    "assay-proof",
    "assay-vault",
    "assay-job",
    "assay-chain",
    "assay-api",
    "assay-node",
    "assay-market",
    "assay-cli",
    "assay-sim",
];

/// Crates whose code is a pure function of its inputs.
const PROTOCOLS: [&str; 5] = [
    "assay-aggregate",
    "assay-ledger",
    "assay-machine",
    "assay-proof",
    "assay-vault",
];

/// Crates whose own code is a pure function of its inputs, but which compute with a model and so
/// depend on readers of model files.
const PURE_ON_MODELS: [&str; 2] = ["assay-rounds", "assay-split"];

/// Crates whose values machines must agree on, so that none is a floating-point number.
const WITHOUT_FLOATS: [&str; 2] = ["assay-ledger", "assay-vault"];

/// Crates whose results machines must agree on, floating-point ones included.
const AGREED: [&str; 12] = [
    "assay-graph",
    "assay-aggregate",
    "assay-data",
    "assay-model",
    "assay-estimator",
    "assay-rounds",
    "assay-split",
    "assay-ledger",
    "assay-machine",
    "assay-proof",
    "assay-vault",
    "assay-job",
];

/// Those of them that compute with numbers of a model.
const ON_NUMBERS: [&str; 7] = [
    "assay-graph",
    "assay-aggregate",
    "assay-model",
    "assay-estimator",
    "assay-rounds",
    "assay-split",
    "assay-job",
];

/// Functions that every platform's library computes in its own way: none may decide what machines
/// must agree on. Roots are not among them, which IEEE 754 rounds exactly.
const LIBRARY_FUNCTIONS: [&str; 21] = [
    ".exp(",
    ".exp2(",
    ".exp_m1(",
    ".ln(",
    ".ln_1p(",
    ".log(",
    ".log2(",
    ".log10(",
    ".powf(",
    ".powi(",
    ".sin(",
    ".cos(",
    ".sin_cos(",
    ".tan(",
    ".tanh(",
    ".sinh(",
    ".cosh(",
    ".atan(",
    ".atan2(",
    ".cbrt(",
    ".hypot(",
];

/// What people are told, and no machine decides by: odds.
const FOR_PEOPLE: [&str; 1] = ["proof/src/odds.rs"];

/// What nodes talk about. The transport carries it and knows none of it.
const FEATURES: [&str; 10] = [
    "assay_api",
    "assay_chain",
    "assay_ledger",
    "assay_vault",
    "assay_split",
    "crate::files",
    "crate::orders",
    "crate::progress",
    "crate::split",
    "crate::storage",
];

/// Parties of orders by name, which no node knows: which one plays a part is the jobs' registry's to
/// say.
const PARTIES: [&str; 1] = ["assay_proof::parties"];

/// Where every decision is listed.
const DECISIONS: &str = "docs/decisions";

/// What brings a clock, a file, a socket, a runtime or hidden randomness into a dependency list.
const EFFECTFUL: [&str; 18] = [
    "tokio",
    "mio",
    "socket2",
    "async-std",
    "smol",
    "async-io",
    "iroh",
    "quinn",
    "hyper",
    "axum",
    "ureq",
    "reqwest",
    "redb",
    "memmap2",
    "tempfile",
    "chrono",
    "time",
    "getrandom",
];

/// The same effects reached through the standard library.
const EFFECTS_IN_STD: [&str; 6] = [
    "std::fs",
    "std::net",
    "std::time",
    "std::thread",
    "std::process",
    "std::env",
];

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    description: Option<String>,
    manifest_path: PathBuf,
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    kind: Option<String>,
}

/// Fails with every broken rule, or prints one line when the house is in order.
pub(crate) fn check() -> Result<()> {
    let metadata: Metadata =
        serde_json::from_str(&cargo(&["metadata", "--format-version=1", "--no-deps"])?)?;
    let rank: BTreeMap<&str, usize> = LAYERS.iter().enumerate().map(|(i, n)| (*n, i)).collect();
    let (mut broken, mut listed) = (Vec::new(), BTreeSet::new());
    let drawing = std::fs::read_to_string("ARCHITECTURE.md").context("ARCHITECTURE.md")?;

    for package in &metadata.packages {
        let Some(own) = rank.get(package.name.as_str()) else {
            continue;
        };
        let source = package.manifest_path.with_file_name("src");
        sentence(package, &source, &drawing, &mut broken)?;
        shape::check(&package.name, &source, &mut broken)?;
        for dependency in package.dependencies.iter().filter(|d| d.kind.is_none()) {
            if rank
                .get(dependency.name.as_str())
                .is_some_and(|other| other >= own)
            {
                broken.push(format!(
                    "{} must not know {}",
                    package.name, dependency.name
                ));
            }
        }
        if PROTOCOLS.contains(&package.name.as_str()) {
            let tree = cargo(&["tree", "-p", &package.name, "-e", "normal", "--prefix=none"])?;
            for line in tree.lines() {
                let name = line.split(' ').next().unwrap_or_default();
                if EFFECTFUL.contains(&name) || name.starts_with("commonware-") {
                    broken.push(format!(
                        "{} must stay pure but depends on {name}",
                        package.name
                    ));
                }
            }
        }
        let pure = PROTOCOLS.iter().chain(&PURE_ON_MODELS);
        if pure.into_iter().any(|name| *name == package.name) {
            words(&source, &EFFECTS_IN_STD, &mut broken)?;
        }
        if package.name == "assay-node" {
            words(&source.join("transport"), &FEATURES, &mut broken)?;
            words(&source, &PARTIES, &mut broken)?;
        }
        if WITHOUT_FLOATS.contains(&package.name.as_str()) {
            words(&source, &["f32", "f64"], &mut broken)?;
        }
        if AGREED.contains(&package.name.as_str()) {
            let numbers = ON_NUMBERS.contains(&package.name.as_str());
            floats(&source, numbers, &mut listed, &mut broken)?;
        }
    }
    decisions(&mut broken)?;
    pages::check(&mut broken)?;
    for idle in BESIDE_KERNEL.iter().filter(|file| !listed.contains(*file)) {
        broken.push(format!("{idle} is listed for its floats and has none"));
    }
    if !broken.is_empty() {
        broken.sort();
        broken.dedup();
        bail!("the rooms leak:\n  {}", broken.join("\n  "));
    }
    println!(
        "rooms: {} crates; layers, purity, sentences, lengths, circles, floats, the transport, pages and the list of decisions hold",
        metadata.packages.len()
    );
    Ok(())
}

/// What a crate is for stands in one sentence: in its manifest, above its code, and in the drawing.
fn sentence(
    package: &Package,
    source: &Path,
    drawing: &str,
    broken: &mut Vec<String>,
) -> Result<()> {
    let sentence = package.description.as_deref().unwrap_or_default();
    let root = ["lib.rs", "main.rs"].map(|file| source.join(file));
    let root = root
        .iter()
        .find(|file| file.exists())
        .with_context(|| format!("{} has no code", package.name))?;
    let text = std::fs::read_to_string(root)?;
    if sentence.is_empty() || text.lines().next() != Some(&format!("//! {sentence}")) {
        broken.push(format!(
            "{} does not begin with its manifest's description",
            root.display()
        ));
    }
    if !drawing.contains(&format!("| {sentence}")) {
        broken.push(format!("ARCHITECTURE.md does not say {sentence:?}"));
    }
    Ok(())
}

/// Every decision is listed under its title.
fn decisions(broken: &mut Vec<String>) -> Result<()> {
    let folder = Path::new(DECISIONS);
    let index = std::fs::read_to_string(folder.join("README.md")).context(DECISIONS)?;
    for entry in std::fs::read_dir(folder).context(DECISIONS)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let Some((number, _)) = name.split_once('-') else {
            continue;
        };
        let text = std::fs::read_to_string(&path)?;
        let heading = text.lines().next().unwrap_or_default();
        let title = heading.strip_prefix(&format!("# {number} "));
        let listed = title.map(|title| format!("- [{number}]({name}) {title}"));
        if listed.is_none_or(|listed| !index.lines().any(|line| line == listed)) {
            broken.push(format!("{DECISIONS}/README.md does not list {name}"));
        }
    }
    Ok(())
}

/// Finds library functions in what machines must agree on, and f64 where it is not listed.
fn floats(
    folder: &Path,
    numbers: bool,
    listed: &mut BTreeSet<&'static str>,
    broken: &mut Vec<String>,
) -> Result<()> {
    for entry in std::fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        let name = path.display().to_string();
        if path.is_dir() {
            floats(&path, numbers, listed, broken)?;
            continue;
        }
        if !name.ends_with(".rs") || name.ends_with("tests.rs") {
            continue;
        }
        let text = std::fs::read_to_string(&path)?;
        let product = shape::without_tests(&text);
        let people = FOR_PEOPLE.iter().any(|file| name.ends_with(file));
        for word in LIBRARY_FUNCTIONS
            .iter()
            .filter(|word| !people && product.contains(**word))
        {
            broken.push(format!(
                "{name} calls {word}..), which differs between platforms"
            ));
        }
        if !numbers || !["f64", ".sqrt("].iter().any(|word| product.contains(word)) {
            continue;
        }
        match BESIDE_KERNEL.iter().find(|file| name.ends_with(*file)) {
            Some(file) => drop(listed.insert(file)),
            None => broken.push(format!("{name} computes in f64 and is not listed for it")),
        }
    }
    Ok(())
}

/// Finds what must not stand in a crate's code.
fn words(folder: &Path, unwanted: &[&str], broken: &mut Vec<String>) -> Result<()> {
    for entry in std::fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path.is_dir() {
            words(&path, unwanted, broken)?;
        } else if path.extension().is_some_and(|e| e == "rs") {
            let text = std::fs::read_to_string(&path)?;
            for word in unwanted.iter().filter(|word| text.contains(**word)) {
                broken.push(format!("{} uses {word}", path.display()));
            }
        }
    }
    Ok(())
}

fn cargo(args: &[&str]) -> Result<String> {
    let output = Command::new(env!("CARGO"))
        .args(args)
        .output()
        .context("could not run cargo")?;
    if !output.status.success() {
        bail!(
            "cargo {}: {}",
            args.join(" "),
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(String::from_utf8(output.stdout)?)
}
