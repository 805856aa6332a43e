//! The files of a trial, byte by byte.

use std::{io, path::Path};

use assay_crypto::Digest;
use serde::Serialize;
use serde_json::Value;

use super::checks::{Check, Told, check, unchecked};
use crate::{
    failure::Failure,
    trial::{Report, failed},
};

/// What a trial says of itself.
pub(super) const RESULT: &str = "result.json";

/// Whether `result.json` is written as this program writes what it says. One that lacks a figure, or
/// has one of another kind, is not: the comparison of figures says which.
pub(super) fn report(dir: &Path, told: &Told) -> Result<Check, Failure> {
    match serde_json::from_value::<Report>(Value::Object(told.clone())) {
        Ok(report) => written_alike(RESULT, dir, &report),
        Err(error) => {
            let figure = format!("{RESULT}, byte by byte");
            Ok(check(&figure, error.to_string().into(), Value::Null))
        }
    }
}

/// Whether a file of `dir` is, to the byte, what this program writes of `value`: a figure may be
/// edited into another that reads the same.
pub(super) fn written_alike(
    name: &str,
    dir: &Path,
    value: &impl Serialize,
) -> Result<Check, Failure> {
    let digest = |bytes: &[u8]| Digest::of("assay/file/v1", &[bytes]).to_string();
    let bytes = serde_json::to_vec_pretty(value).map_err(failed)?;
    let told = match std::fs::read(dir.join(name)) {
        Ok(bytes) => digest(&bytes),
        Err(error) => format!("cannot be read: {error}"),
    };
    let figure = format!("{name}, byte by byte");
    Ok(check(&figure, told.into(), digest(&bytes).into()))
}

/// Whether the folder of the result holds the files that the work gave, and no others: programs read
/// some files, such as chat templates, wherever they lie beside a model or an adapter.
pub(super) fn result(folder: &Path, given: &[(String, Vec<u8>)]) -> Result<Vec<Check>, Failure> {
    let said = |name: &str, agrees: bool| {
        let figure = format!("adapter/{name}");
        check(&figure, true.into(), agrees.into())
    };
    let mut checks = Vec::new();
    for (name, bytes) in given {
        let kept = std::fs::read(folder.join(name)).ok();
        // Where the base lies is the requester's word; the work knows it only by its bytes.
        let named: Option<Value> = match (name == assay_model::ADAPTER_CONFIG, &kept) {
            (true, Some(kept)) => serde_json::from_slice(kept).ok(),
            _ => None,
        };
        let agrees = match named {
            None => kept.as_ref() == Some(bytes),
            Some(named) => {
                let base = &named["base_model_name_or_path"];
                let figure = format!("adapter/{name}: base_model_name_or_path");
                checks.push(unchecked(&figure, base.clone(), Value::Null));
                kept == Some(assay_model::name_base(bytes, base.as_str()))
            }
        };
        checks.push(said(name, agrees));
    }
    let mut others = Vec::new();
    others_below(folder, "", given, &mut others).map_err(failed)?;
    others.sort();
    let others = others.iter();
    checks.extend(others.map(|name| said(&format!("{name}, not of this result"), false)));
    Ok(checks)
}

/// Collects the names of what lies in a folder and was not given; links are not followed.
fn others_below(
    folder: &Path,
    before: &str,
    given: &[(String, Vec<u8>)],
    others: &mut Vec<String>,
) -> io::Result<()> {
    let entries = match std::fs::read_dir(folder) {
        // Then every given file is missing, which is said of each.
        Err(_) if !folder.is_dir() => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let name = format!("{before}{}", entry.file_name().to_string_lossy());
        let inside = format!("{name}/");
        if entry.file_type()?.is_dir() && given.iter().any(|(name, _)| name.starts_with(&inside)) {
            others_below(&entry.path(), &inside, given, others)?;
        } else if given.iter().all(|(given, _)| *given != name) {
            others.push(name);
        }
    }
    Ok(())
}
