//! What the fuzz targets share: properties of decoders, seeds, and inputs of several parts.
//!
//! A target states a property that must hold for any bytes. Besides "no panic, no abort, bounded
//! memory" it is one of:
//!
//! - [`canonical`]: what decodes is the one encoding of its value;
//! - [`through_json`]: the JSON form says as much as the value;
//! - what the decoder's documentation promises of an accepted value.
//!
//! Corpora are not kept in the repository. Each target makes its seeds itself, with the code under
//! test, and [`plant`]s them in the corpus folder that libFuzzer is about to read, so they never
//! fall behind a format.

pub mod parts;
pub mod samples;

use std::fmt::{Debug, Display};
use std::path::PathBuf;

use assay_crypto::Digest;
use borsh::{BorshDeserialize, BorshSerialize};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Writes seeds into the corpus folder of this run, unless they are there already.
///
/// The folder is the first argument that names one. Runs without a folder (a single input) and
/// runs that merge corpora get no seeds.
pub fn plant(seeds: impl IntoIterator<Item = Vec<u8>>) {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|a| a.starts_with("-merge")) {
        return;
    }
    let folders = arguments.iter().filter(|a| !a.starts_with('-'));
    let Some(folder) = folders.map(PathBuf::from).find(|path| path.is_dir()) else {
        return;
    };
    for seed in seeds {
        let name = Digest::of("assay/fuzz/seed", &[&seed]).to_string();
        let path = folder.join(format!("seed-{}", &name[..16]));
        if !path.exists() {
            // A corpus that cannot be written to is still fuzzed, from what it holds.
            let _ = std::fs::write(path, seed);
        }
    }
}

/// Asserts that `bytes`, if they decode, are the one encoding of their value; returns the value.
pub fn canonical<T, E>(
    bytes: &[u8],
    decode: impl Fn(&[u8]) -> Result<T, E>,
    encode: impl Fn(&T) -> Vec<u8>,
) -> Option<T>
where
    E: Display,
{
    let value = match decode(bytes) {
        Ok(value) => value,
        Err(error) => {
            // A message must not be empty, nor as long as what it complains about.
            let text = error.to_string();
            assert!(!text.is_empty() && text.len() < 4_096, "message: {text:?}");
            return None;
        }
    };
    assert!(
        encode(&value) == bytes,
        "another encoding of the same value"
    );
    Some(value)
}

/// [`canonical`] for a type whose only decoder is borsh.
pub fn canonical_borsh<T: BorshDeserialize + BorshSerialize>(bytes: &[u8]) -> Option<T> {
    canonical(bytes, T::try_from_slice, to_borsh)
}

/// Borsh bytes of a value in memory.
pub fn to_borsh<T: BorshSerialize + ?Sized>(value: &T) -> Vec<u8> {
    borsh::to_vec(value).expect("a value in memory serialises")
}

/// Asserts that the JSON form of a value reads back as the same value.
pub fn through_json<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T) {
    let text = serde_json::to_string(value).expect("a decoded value serialises");
    let back: T = serde_json::from_str(&text).expect("own JSON reads back");
    assert_eq!(&back, value);
}
