//! Bundles: what is read is plain, and is exactly what writing the same entries gives.
#![no_main]

use std::collections::BTreeMap;
use std::io::Read;

use assay_vault::bundle::{BundleReader, BundleWriter, Entry, MAX_NAME_BYTES, pack, unpack};
use libfuzzer_sys::fuzz_target;

/// Most bytes of content; seeds hold far less, so that sizes that lie are tried.
const LIMIT: u64 = 1 << 16;

fn seeds() -> Vec<Vec<u8>> {
    let lists: [&[(&str, &[u8])]; 3] = [
        &[],
        &[("config.json", b"{}")],
        &[("a", b""), ("b/c", b"text"), ("b/d", &[7; 600])],
    ];
    let mut seeds: Vec<Vec<u8>> = lists
        .iter()
        .map(|list| {
            let files: BTreeMap<String, Vec<u8>> = list
                .iter()
                .map(|(name, bytes)| (name.to_string(), bytes.to_vec()))
                .collect();
            pack(&files).expect("plain names")
        })
        .collect();
    let mut writer = BundleWriter::new(Vec::new());
    for (name, mode) in [("./", 0o700), ("a/", 0o755), ("b/", 0o711), ("b/c", 0o600)] {
        let entry = Entry {
            mode,
            ..Entry::file(name, 0)
        };
        writer.add(&entry, std::io::empty()).expect("plain names");
    }
    seeds.push(writer.finish().expect("memory"));
    seeds
}

/// The entries of a bundle with their content, at most [`LIMIT`] bytes of it.
fn tree(data: &[u8]) -> Option<Vec<(Entry, Vec<u8>)>> {
    let mut reader = BundleReader::new(data);
    let mut found = Vec::new();
    while let Some(entry) = reader.next_entry().ok()? {
        let mut content = Vec::new();
        (&mut reader).take(LIMIT).read_to_end(&mut content).ok()?;
        found.push((entry, content));
    }
    Some(found)
}

fuzz_target!(init: assay_fuzz::plant(seeds()), |data: &[u8]| {
    if let Some(tree) = tree(data) {
        let mut writer = BundleWriter::new(Vec::new());
        for (entry, content) in &tree {
            let path = entry.name.strip_suffix('/').unwrap_or(&entry.name);
            assert!(path == "." || path.split('/').all(|part| !matches!(part, "" | "." | "..")));
            writer.add(entry, content.as_slice()).expect("what was read can be written");
        }
        assert!(writer.finish().expect("memory") == data, "another archive of the same tree");
    }
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
