//! Bundles: what unpacks is plain, and is exactly what packing the same files writes.
#![no_main]

use std::collections::BTreeMap;

use assay_vault::bundle::{MAX_NAME_BYTES, pack, unpack};
use libfuzzer_sys::fuzz_target;

/// Most bytes of content; seeds hold far less, so that sizes that lie are tried.
const LIMIT: u64 = 1 << 16;

fn seeds() -> Vec<Vec<u8>> {
    let lists: [&[(&str, &[u8])]; 3] = [
        &[],
        &[("config.json", b"{}")],
        &[("a", b""), ("b/c", b"text"), ("b/d", &[7; 600])],
    ];
    lists
        .iter()
        .map(|list| {
            let files: BTreeMap<String, Vec<u8>> = list
                .iter()
                .map(|(name, bytes)| (name.to_string(), bytes.to_vec()))
                .collect();
            pack(&files).expect("plain names")
        })
        .collect()
}

fuzz_target!(init: assay_fuzz::plant(seeds()), |data: &[u8]| {
    let Ok(files) = unpack(data, LIMIT) else {
        return;
    };
    let bytes: usize = files.values().map(Vec::len).sum();
    assert!(bytes as u64 <= LIMIT);
    for name in files.keys() {
        assert!(name.len() <= MAX_NAME_BYTES && !name.starts_with('/'));
        assert!(name.split('/').all(|part| !matches!(part, "" | "." | "..")), "{name:?}");
    }
    let packed = pack(&files).expect("what unpacked packs");
    assert!(packed == data, "another archive of the same files");
});
