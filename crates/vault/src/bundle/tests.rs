use std::io::Cursor;

use proptest::prelude::*;
use tar::{EntryType, Header};

use super::*;

fn files(names: &[&str]) -> BTreeMap<String, Vec<u8>> {
    names
        .iter()
        .map(|name| ((*name).to_owned(), name.repeat(100).into_bytes()))
        .collect()
}

/// An archive as another program might write it: one entry of any name and kind.
fn foreign(name: &[u8], kind: EntryType, size: u64, content: &[u8]) -> Vec<u8> {
    let header = Entry::file("x", size).header().unwrap();
    let mut header = Header::from_byte_slice(&header).clone();
    header.as_mut_bytes()[0] = 0;
    header.as_mut_bytes()[..name.len()].copy_from_slice(name);
    header.set_entry_type(kind);
    header.set_cksum();
    let mut bytes = header.as_bytes().to_vec();
    bytes.extend(content);
    bytes.resize(bytes.len().next_multiple_of(512) + 1_024, 0);
    bytes
}

#[test]
fn a_model_directory_comes_back() {
    let model = files(&[
        "config.json",
        "model.safetensors",
        "sub/deep/x",
        "tokenizer.json",
    ]);
    let packed = pack(&model).unwrap();
    assert_eq!(unpack(packed.as_slice(), 1 << 20).unwrap(), model);
    assert_eq!(packed, pack(&model).unwrap());
    let empty = BTreeMap::new();
    assert_eq!(unpack(pack(&empty).unwrap().as_slice(), 0).unwrap(), empty);
}

#[test]
fn bundle_bytes_are_frozen() {
    let packed = pack(&files(&["a", "b/c"])).unwrap();
    let digest = assay_crypto::Digest::of("test", &[&packed]);
    assert_eq!(packed.len(), 2 * 1_024 + 1_024);
    assert_eq!(
        digest.to_string(),
        "baf597d0f04f0f0984d2ea89ebae00a6dfb5adbb07b372f095e779aaf8deff01"
    );
}

#[test]
fn names_that_lead_elsewhere_are_refused() {
    for name in [
        "",
        "/etc/passwd",
        "..",
        "../x",
        "a/../b",
        "a//b",
        "a/",
        "./a",
        "C:x",
        "a\\b",
        "a\nb",
    ] {
        let packed = pack(&files(&[name]));
        assert!(matches!(packed, Err(BundleError::Name(_))), "{name:?}");
        let archive = foreign(name.as_bytes(), EntryType::Regular, 1, b"x");
        let read = unpack(archive.as_slice(), 1 << 20);
        assert!(matches!(read, Err(BundleError::Name(_))), "{name:?}");
    }
    let long = "x".repeat(MAX_NAME_BYTES + 1);
    assert!(matches!(pack(&files(&[&long])), Err(BundleError::Name(_))));
    let latin = foreign(b"caf\xe9", EntryType::Regular, 1, b"x");
    assert!(matches!(
        unpack(latin.as_slice(), 9),
        Err(BundleError::Name(_))
    ));
}

#[test]
fn only_regular_files_are_read() {
    for kind in [
        EntryType::Symlink,
        EntryType::Link,
        EntryType::Directory,
        EntryType::Char,
        EntryType::Fifo,
        EntryType::GNULongName,
        EntryType::GNULongLink,
        EntryType::GNUSparse,
        EntryType::XHeader,
        EntryType::XGlobalHeader,
    ] {
        let read = unpack(foreign(b"a", kind, 0, b"").as_slice(), 1 << 20);
        assert!(
            matches!(read, Err(BundleError::NotAFile { .. })),
            "{kind:?}"
        );
    }
}

#[test]
fn one_name_one_file() {
    let twice = {
        let one = foreign(b"a", EntryType::Regular, 1, b"x");
        [&one[..1_024], &one].concat()
    };
    assert!(matches!(
        unpack(twice.as_slice(), 9),
        Err(BundleError::Order(_))
    ));
    assert!(matches!(
        pack(&files(&["a", "a/b"])),
        Err(BundleError::Order(_))
    ));
    let mut writer = BundleWriter::new(Vec::new());
    writer.add(&Entry::file("b", 1), b"x".as_slice()).unwrap();
    let unordered = writer.add(&Entry::file("a", 1), b"x".as_slice());
    assert!(matches!(unordered, Err(BundleError::Order(_))));
}

#[test]
fn limits_hold() {
    let packed = pack(&files(&["abcd"])).unwrap();
    assert!(unpack(packed.as_slice(), 400).is_ok());
    assert!(matches!(
        unpack(packed.as_slice(), 399),
        Err(BundleError::TooLarge { limit: 399 })
    ));
    // A header that promises more than there is allocates nothing for it.
    let lying = foreign(b"a", EntryType::Regular, 1 << 40, b"x");
    assert!(matches!(
        unpack(lying.as_slice(), u64::MAX),
        Err(BundleError::Length {
            expected: 1_099_511_627_776,
            ..
        })
    ));
    let many: BTreeMap<String, Vec<u8>> = (0..=MAX_ENTRIES)
        .map(|n| (format!("{n:05}"), Vec::new()))
        .collect();
    assert!(matches!(pack(&many), Err(BundleError::TooManyFiles)));
}

#[test]
fn a_source_of_another_length_is_refused() {
    for (announced, content) in [(3, "ab"), (1, "ab")] {
        let mut writer = BundleWriter::new(Vec::new());
        let added = writer.add(&Entry::file("a", announced), content.as_bytes());
        assert!(matches!(added, Err(BundleError::Length { .. })));
    }
}

#[test]
fn a_cut_or_longer_bundle_is_refused() {
    let packed = pack(&files(&["abcd", "efgh"])).unwrap();
    for end in 0..packed.len() {
        assert!(unpack(&packed[..end], 1 << 20).is_err(), "{end}");
    }
    let longer = [packed.as_slice(), &[0]].concat();
    assert!(unpack(longer.as_slice(), 1 << 20).is_err());
}

/// Times, owners, padding, end mark: nothing in an archive is left to whoever wrote it.
#[test]
fn there_is_one_archive_of_the_same_files() {
    let packed = pack(&files(&["a", "b/c"])).unwrap();
    let known = unpack(packed.as_slice(), 1 << 20).unwrap();
    for at in 0..packed.len() {
        let mut changed = packed.clone();
        changed[at] ^= 1;
        let read = unpack(changed.as_slice(), 1 << 20);
        assert!(read.is_err() || read.unwrap() != known, "{at}");
    }
}

fn entry(name: &str, mode: u32) -> Entry {
    Entry {
        mode,
        ..Entry::file(name, 0)
    }
}

/// The archive of these entries, whose content is their name unless they are folders.
fn archive(entries: &[(&str, u32)]) -> Result<Vec<u8>, BundleError> {
    let mut writer = BundleWriter::new(Vec::new());
    for (name, mode) in entries {
        let mut entry = entry(name, *mode);
        let content = if entry.is_folder() { "" } else { *name };
        entry.length = content.len() as u64;
        writer.add(&entry, content.as_bytes())?;
    }
    writer.finish()
}

fn listed(bytes: &[u8]) -> Result<Vec<(String, u32, String)>, BundleError> {
    let mut reader = BundleReader::new(bytes);
    let mut found = Vec::new();
    while let Some(entry) = reader.next_entry()? {
        let mut content = String::new();
        reader.read_to_string(&mut content)?;
        found.push((entry.name, entry.mode, content));
    }
    Ok(found)
}

const TREE: &[(&str, u32)] = &[
    ("./", 0o700),
    ("bin/", 0o750),
    ("bin/run.sh", 0o755),
    ("empty/", 0o755),
    ("key", 0o600),
    ("notes", 0o644),
];

#[test]
fn empty_folders_and_permissions_come_back() {
    let bytes = archive(TREE).unwrap();
    let found = listed(&bytes).unwrap();
    let found: Vec<_> = found.iter().map(|(n, m, _)| (n.as_str(), *m)).collect();
    assert_eq!(found, TREE);
    let digest = assay_crypto::Digest::of("test", &[&bytes]);
    assert_eq!(
        digest.to_string(),
        "0151d77770f8a45689f4eb1769e68a33e693484515fd7a50373490051951244f"
    );
    // Jobs read files only, each with the usual permissions.
    assert!(unpack(bytes.as_slice(), 1 << 20).is_err());
    let plain = archive(&[("a", 0o644), ("b", 0o755)]).unwrap();
    assert!(unpack(plain.as_slice(), 1 << 20).is_err());
}

#[test]
fn a_folder_is_named_only_where_that_says_something() {
    for (wrong, why) in [
        (
            &[("a/", 0o755), ("a/b", 0o644)][..],
            "a folder that is not empty",
        ),
        (&[("./", 0o755)], "the usual permissions of the whole"),
        (
            &[("a", 0o644), ("a/", 0o700)],
            "a file and a folder of one name",
        ),
        (&[("a/", 0o700), ("a/", 0o700)], "twice"),
        (&[("a", 0o4755)], "more than permissions"),
        (&[("../", 0o700)], "the folder above"),
        (&[("a/./", 0o700)], "a folder by another name"),
    ] {
        assert!(archive(wrong).is_err(), "{why}");
    }
    assert!(archive(&[("a/", 0o755), ("a0", 0o644)]).is_ok());
}

/// Whatever is read is what writing the same entries gives.
#[test]
fn there_is_one_archive_of_the_same_tree() {
    let bytes = archive(TREE).unwrap();
    let known = listed(&bytes).unwrap();
    for at in 0..bytes.len() {
        for bit in [0, 3, 6] {
            let mut changed = bytes.clone();
            changed[at] ^= 1 << bit;
            assert!(listed(&changed).is_err() || listed(&changed).unwrap() != known);
        }
    }
    for end in 0..bytes.len() {
        assert!(listed(&bytes[..end]).is_err(), "{end}");
    }
}

#[test]
fn what_is_not_read_of_a_file_is_passed_over() {
    let bytes = archive(TREE).unwrap();
    let mut reader = BundleReader::new(bytes.as_slice());
    let mut names = Vec::new();
    while let Some(entry) = reader.next_entry().unwrap() {
        let mut some = [0; 2];
        let _ = reader.read(&mut some).unwrap();
        names.push(entry.name);
    }
    assert_eq!(names.len(), TREE.len());
    assert!(reader.next_entry().unwrap().is_none());
}

proptest! {
    #[test]
    fn reading_never_panics(bytes: Vec<u8>, at in 0usize..2_048, value: u8) {
        let _ = unpack(bytes.as_slice(), 1 << 16);
        let mut packed = pack(&files(&["a", "b/c"])).unwrap();
        packed[at] = value;
        let _ = unpack(packed.as_slice(), 1 << 16);
    }
}

#[test]
fn a_list_tells_where_files_lie_and_copies_nothing() {
    let model = files(&["config.json", "model.safetensors", "sub/deep/x"]);
    let packed = pack(&model).unwrap();
    let found = list(Cursor::new(&packed)).unwrap();
    let place = |range: Range<u64>| range.start as usize..range.end as usize;
    let found: BTreeMap<_, _> = found
        .into_iter()
        .map(|(name, range)| (name, packed[place(range)].to_vec()))
        .collect();
    assert_eq!(found, model);
}

#[test]
fn a_list_refuses_what_reading_refuses_but_for_the_contents() {
    let packed = pack(&files(&["a", "b"])).unwrap();
    for length in 0..packed.len() {
        assert!(list(Cursor::new(&packed[..length])).is_err(), "{length}");
    }
    let longer = [packed.as_slice(), &[0]].concat();
    assert!(list(Cursor::new(longer)).is_err());
    let places = list(Cursor::new(&packed)).unwrap();
    for at in 0..packed.len() {
        let mut changed = packed.clone();
        changed[at] ^= 1;
        let inside = places.iter().any(|(_, place)| place.contains(&(at as u64)));
        let listed = list(Cursor::new(&changed)).is_ok();
        assert_eq!(listed, unpack(changed.as_slice(), 1 << 20).is_ok(), "{at}");
        assert_eq!(listed, inside, "{at}");
    }
    // A file that claims more than there is, up to all a number holds.
    for claimed in [4_096, 1 << 20, 8_589_934_591] {
        let foreign = foreign(b"x", EntryType::Regular, claimed, &[1; 512]);
        assert!(list(Cursor::new(foreign)).is_err(), "{claimed}");
    }
    for kind in [EntryType::Regular, EntryType::Symlink] {
        assert!(list(Cursor::new(foreign(b"../x", kind, 0, &[]))).is_err());
    }
    let link = foreign(b"x", EntryType::Symlink, 0, &[]);
    assert!(list(Cursor::new(link)).is_err());
}

#[test]
fn a_layout_has_at_every_place_what_the_bundle_has() {
    let model = files(&["config.json", "model.safetensors", "sub/deep/x"]);
    let packed = pack(&model).unwrap();
    let mut layout = Layout::default();
    for (name, bytes) in &model {
        layout.push(Entry::file(name, bytes.len() as u64)).unwrap();
    }
    assert_eq!(layout.length(), packed.len() as u64);
    for (at, byte) in packed.iter().enumerate() {
        let found = match layout.spot(at as u64).unwrap() {
            Spot::Header(block, from) => block[from],
            Spot::Zeros(left) => {
                assert!(left > 0);
                0
            }
            Spot::Content { entry, at, left } => {
                let content = &model[&layout.entries()[entry].name];
                assert_eq!(at + left, content.len() as u64);
                content[at as usize]
            }
        };
        assert_eq!(found, *byte, "{at}");
    }
    for beyond in [packed.len() as u64, u64::MAX] {
        assert_eq!(layout.spot(beyond).unwrap(), Spot::Zeros(0));
    }
    assert!(layout.push(Entry::file("a", 0)).is_err());
}
