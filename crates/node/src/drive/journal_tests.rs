use super::*;

#[test]
fn entries_come_back_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("orders/7/provider");
    let (mut journal, entries) = Journal::open(&path).unwrap();
    assert!(entries.is_empty());
    journal.append(b"one").unwrap();
    journal.append(b"").unwrap();
    journal.append(&[7; 70_000]).unwrap();
    drop(journal);
    let (_, entries) = Journal::open(&path).unwrap();
    assert_eq!(entries, [b"one".to_vec(), vec![], vec![7; 70_000]]);
}

#[test]
fn a_torn_tail_is_cut_off_wherever_it_is_torn() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let (mut journal, _) = Journal::open(&path).unwrap();
    journal.append(b"kept").unwrap();
    let kept = fs::read(&path).unwrap().len();
    journal.append(b"torn by a crash").unwrap();
    let whole = fs::read(&path).unwrap();
    for length in kept..whole.len() {
        fs::write(&path, &whole[..length]).unwrap();
        let (mut journal, entries) = Journal::open(&path).unwrap();
        assert_eq!(entries, [b"kept"], "torn at {length}");
        journal.append(b"next").unwrap();
        let (_, entries) = Journal::open(&path).unwrap();
        assert_eq!(entries, [b"kept", b"next"], "torn at {length}");
    }
}

#[test]
fn a_flipped_bit_ends_the_journal_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let (mut journal, _) = Journal::open(&path).unwrap();
    journal.append(b"kept").unwrap();
    let kept = fs::read(&path).unwrap().len();
    journal.append(b"damaged").unwrap();
    let mut bytes = fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&path, &bytes).unwrap();
    let (_, entries) = Journal::open(&path).unwrap();
    assert_eq!(entries, [b"kept"]);
    assert_eq!(fs::read(&path).unwrap().len(), kept);
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
        let (mut journal, past) = Journal::open(&path).unwrap();
        assert!(past.is_empty());
        journal.append(b"salt").unwrap();
        assert_eq!(mode(&path), 0o600, "{name}");
    }
}
