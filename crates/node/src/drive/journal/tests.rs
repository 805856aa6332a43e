use std::fs;

use assay_crypto::aead;

use super::*;

fn key(account: u8, name: &str) -> JournalKey {
    JournalKey::new(&SecretKey::from_seed([account; 32]), name)
}

fn open(path: &Path) -> io::Result<(Journal, Vec<Vec<u8>>)> {
    Journal::open(path, key(1, "journal"), None)
}

fn fault(result: io::Result<(Journal, Vec<Vec<u8>>)>) -> JournalFault {
    let error = result.err().unwrap();
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    let inner = error.get_ref().unwrap();
    *inner.downcast_ref().unwrap()
}

/// A journal of three entries: its bytes, and where each entry ends.
fn three(path: &Path) -> (Vec<u8>, Vec<usize>, Vec<Head>) {
    let (mut journal, entries) = open(path).unwrap();
    assert!(entries.is_empty());
    let mut ends = vec![fs::read(path).unwrap().len()];
    let mut heads = vec![journal.head()];
    for entry in [&b"one"[..], b"", &[7; 40]] {
        journal.append(entry).unwrap();
        ends.push(fs::read(path).unwrap().len());
        heads.push(journal.head());
    }
    (fs::read(path).unwrap(), ends, heads)
}

fn entries(n: usize) -> Vec<Vec<u8>> {
    [b"one".to_vec(), vec![], vec![7; 40]][..n].to_vec()
}

#[test]
fn entries_come_back_in_order_and_nobody_else_reads_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("orders/7/provider");
    let (mut journal, entries) = open(&path).unwrap();
    assert!(entries.is_empty());
    journal.append(b"one secret").unwrap();
    journal.append(b"").unwrap();
    journal.append(&[7; 70_000]).unwrap();
    drop(journal);
    let (_, entries) = open(&path).unwrap();
    assert_eq!(entries, [b"one secret".to_vec(), vec![], vec![7; 70_000]]);
    let bytes = fs::read(&path).unwrap();
    assert!(!bytes.windows(6).any(|window| window == b"secret"));
    assert!(!bytes.windows(32).any(|window| window == [7; 32]));
}

#[test]
fn wherever_the_file_is_cut_the_whole_entries_before_it_are_left() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let (whole, ends, heads) = three(&path);
    for length in 0..=whole.len() {
        let ended = |length| ends[1..].iter().filter(|end| **end <= length).count();
        let left = ended(length);
        // A file system may have made the file longer before it wrote to it.
        for blank in [0, 1, 50, 5_000] {
            let blank = if length == whole.len() { 0 } else { blank };
            fs::write(&path, [&whole[..length], &vec![0; blank]].concat()).unwrap();
            let opened = open(&path);
            if blank > 0 && opened.is_err() {
                // A half-written tag is one that was altered, for all that can be seen.
                let in_tag =
                    |end: &usize| (1..aead::OVERHEAD).contains(&end.saturating_sub(length));
                assert!(
                    ends[1..].iter().any(in_tag) || length < OPENING,
                    "cut at {length}"
                );
                continue;
            }
            let (mut journal, found) = opened.unwrap();
            // A tag may end with zeros, which blanks in their place make whole again.
            let zeros = whole[length..]
                .iter()
                .take_while(|byte| **byte == 0)
                .count();
            let left = ended(length + zeros.min(blank));
            assert_eq!(found, entries(left), "cut at {length}, {blank} blank");
            journal.append(b"next").unwrap();
            let (_, found) = open(&path).unwrap();
            let expected = [entries(left), vec![b"next".to_vec()]].concat();
            assert_eq!(found, expected, "cut at {length}, {blank} blank");
        }
        fs::write(&path, &whole[..length]).unwrap();
        let known = Journal::open(&path, key(1, "journal"), Some(heads[2]));
        match left {
            0 | 1 => {
                let (found, known_as) = (left as u64, 2);
                let known_as = JournalFault::Old {
                    found,
                    known: known_as,
                };
                assert_eq!(fault(known), known_as);
            }
            _ => assert_eq!(known.unwrap().1, entries(left)),
        }
    }
}

#[test]
fn every_flipped_bit_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let (whole, ends, _) = three(&path);
    for at in 0..whole.len() {
        for bit in 0..8 {
            let mut bytes = whole.clone();
            bytes[at] ^= 1 << bit;
            fs::write(&path, &bytes).unwrap();
            let expected = match ends.iter().position(|end| at < *end) {
                _ if at < MAGIC.len() => JournalFault::NotAJournal,
                // The salt shows in the first entry.
                Some(0) => JournalFault::Altered(0),
                entry => JournalFault::Altered(entry.unwrap() as u64 - 1),
            };
            assert_eq!(fault(open(&path)), expected, "byte {at}, bit {bit}");
            assert_eq!(fs::read(&path).unwrap(), bytes, "it is left as it is");
        }
    }
}

#[test]
fn entries_that_are_moved_repeated_left_out_or_foreign_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let (whole, ends, _) = three(&path);
    let opening = &whole[..ends[0]];
    let part = |n: usize| &whole[ends[n]..ends[n + 1]];
    let other = folder.path().join("other");
    let (others, _, _) = three(&other);
    for (order, altered) in [
        ([opening, part(1), part(0), part(2)], 0),
        ([opening, part(0), part(0), part(1)], 1),
        ([opening, part(0), part(2), &[]], 1),
        ([opening, part(0), part(1), &others[ends[2]..]], 2),
        ([opening, part(0), &others[ends[1]..], &[]], 1),
        (
            [opening, part(0), b"some bytes that nobody has sealed", &[]],
            1,
        ),
    ] {
        fs::write(&path, order.concat()).unwrap();
        assert_eq!(fault(open(&path)), JournalFault::Altered(altered));
    }
    fs::write(&path, &whole).unwrap();
    for (account, name) in [(2, "journal"), (1, "other journal")] {
        let opened = Journal::open(&path, key(account, name), None);
        assert_eq!(fault(opened), JournalFault::Altered(0));
        assert!(Journal::peek(&path, &key(account, name)).is_err());
    }
    assert_eq!(
        Journal::peek(&path, &key(1, "journal")).unwrap(),
        entries(3)
    );
}

#[test]
fn an_older_or_another_copy_is_noticed_where_the_head_is_known() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let (whole, ends, heads) = three(&path);
    let known = |head| Journal::open(&path, key(1, "journal"), Some(head));
    assert_eq!(known(heads[3]).unwrap().1, entries(3));
    // It may have gone on since.
    assert_eq!(known(heads[1]).unwrap().1, entries(3));
    fs::write(&path, &whole[..ends[2]]).unwrap();
    let (found, most) = (2, 3);
    let old = JournalFault::Old { found, known: most };
    assert_eq!(fault(known(heads[3])), old);
    // Gone on from an old copy, with another third entry.
    let (mut journal, _) = open(&path).unwrap();
    journal.append(&[7; 40]).unwrap();
    assert_eq!(fault(known(heads[3])), JournalFault::Forked(3));
    fs::remove_file(&path).unwrap();
    let (found, most) = (0, 3);
    let gone = JournalFault::Old { found, known: most };
    assert_eq!(fault(known(heads[3])), gone);
}

#[test]
fn equal_entries_are_sealed_differently_also_after_a_cut_and_in_a_cleared_journal() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let mut seen = Vec::new();
    for _ in 0..3 {
        let (whole, ends, _) = three(&path);
        seen.push(whole[ends[2]..].to_vec());
        // The same place in the same file, after a crash.
        fs::write(&path, &whole[..ends[2] + 5]).unwrap();
        let (mut journal, _) = open(&path).unwrap();
        journal.append(&[7; 40]).unwrap();
        seen.push(fs::read(&path).unwrap()[ends[2]..].to_vec());
        journal.clear().unwrap();
        assert!(open(&path).unwrap().1.is_empty());
    }
    for (i, record) in seen.iter().enumerate() {
        assert!(!seen[..i].contains(record));
    }
}

#[test]
fn the_format_is_frozen() {
    let key = key(1, "journal");
    let mut seal = Seal::new(&key, &[3; 32]);
    let records = [&b"one"[..], b"two"].map(|entry| seal.seal(entry, [4; 32]).unwrap());
    assert_eq!(records[0].len(), HEAD + 3 + aead::OVERHEAD);
    assert_eq!(
        Digest::of("test", &[&records[0], &records[1], &seal.head.chain.0]).to_string(),
        "4beebc1e849d7a82066e5dd9da7b75eb1e297c68d992edce83493ff9c76af3fc"
    );
}

#[test]
fn a_journal_is_its_owners_alone_also_an_old_one() {
    use std::os::unix::fs::PermissionsExt as _;
    let temp = tempfile::tempdir().unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    for name in ["new.journal", "old.journal"] {
        let path = temp.path().join("orders").join(name);
        if name.starts_with("old") {
            fs::write(&path, "").unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        }
        let (mut journal, past) = open(&path).unwrap();
        assert!(past.is_empty());
        journal.append(b"salt").unwrap();
        assert_eq!(mode(&path), 0o600, "{name}");
    }
}
