use proptest::prelude::*;

use super::*;

fn files(names: &[&str]) -> BTreeMap<String, Vec<u8>> {
    names
        .iter()
        .map(|name| ((*name).to_owned(), name.repeat(100).into_bytes()))
        .collect()
}

/// An archive as another program might write it: one entry of any name and kind.
fn foreign(name: &[u8], kind: EntryType, size: u64, content: &[u8]) -> Vec<u8> {
    let mut header = header("x", size).unwrap();
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
    writer.add("b", 1, b"x".as_slice()).unwrap();
    let unordered = writer.add("a", 1, b"x".as_slice());
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
    let many: BTreeMap<String, Vec<u8>> = (0..=MAX_FILES)
        .map(|n| (format!("{n:05}"), Vec::new()))
        .collect();
    assert!(matches!(pack(&many), Err(BundleError::TooManyFiles)));
}

#[test]
fn a_source_of_another_length_is_refused() {
    for (announced, content) in [(3, "ab"), (1, "ab")] {
        let mut writer = BundleWriter::new(Vec::new());
        let added = writer.add("a", announced, content.as_bytes());
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
    let found = list(&packed).unwrap();
    let found: BTreeMap<_, _> = found
        .into_iter()
        .map(|(name, place)| (name, packed[place].to_vec()))
        .collect();
    assert_eq!(found, model);
}

#[test]
fn a_list_refuses_what_reading_refuses_in_its_headers() {
    let packed = pack(&files(&["a", "b"])).unwrap();
    for length in 0..packed.len() {
        let cut = &packed[..length];
        // The end mark's second half is not looked at.
        assert_eq!(list(cut).is_ok(), length >= packed.len() - 512, "{length}");
    }
    // A file that claims more than there is, up to all a number holds.
    for claimed in [4_096, 1 << 20, 8_589_934_591] {
        let foreign = foreign(b"x", EntryType::Regular, claimed, &[1; 512]);
        assert!(list(&foreign).is_err(), "{claimed}");
    }
    assert!(list(&foreign(b"../x", EntryType::Regular, 0, &[])).is_err());
    assert!(list(&foreign(b"x", EntryType::Symlink, 0, &[])).is_err());
}
