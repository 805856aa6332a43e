use super::*;

fn name(bytes: &[u8]) -> Digest {
    Digest::of("assay/test-slice/v1", &[bytes])
}

fn open(dir: &Path, quota: u64) -> SliceDirectory {
    SliceDirectory::open(dir, name, 1000, quota).unwrap()
}

#[test]
fn slices_survive_reopening_and_are_counted() {
    let dir = tempfile::tempdir().unwrap();
    let slices = open(dir.path(), 1 << 20);
    let stored = slices.put(b"cipher").unwrap();
    assert_eq!(
        slices.put(b"cipher").unwrap(),
        stored,
        "storing twice is storing once"
    );
    assert_eq!(slices.used(), 6);

    let again = open(dir.path(), 1 << 20);
    assert_eq!(again.used(), 6);
    assert_eq!(again.get(stored).unwrap(), b"cipher");
    again.remove(stored).unwrap();
    again.remove(stored).unwrap();
    assert_eq!(again.used(), 0);
    assert!(matches!(again.get(stored), Err(SliceError::Missing(_))));
}

#[test]
fn a_crash_while_writing_leaves_no_slice_and_no_litter() {
    let dir = tempfile::tempdir().unwrap();
    let slices = open(dir.path(), 1 << 20);
    // What a crash before the rename leaves behind: half of the bytes, aside.
    let half = dir.path().join("partial/99-0");
    fs::write(&half, b"cip").unwrap();
    drop(slices);

    let again = open(dir.path(), 1 << 20);
    assert!(!half.exists());
    assert_eq!(again.used(), 0);
    assert!(!again.contains(name(b"cipher")));
    assert_eq!(again.get(again.put(b"cipher").unwrap()).unwrap(), b"cipher");
}

#[test]
fn a_rotten_slice_is_reported_and_healed_by_storing_it_again() {
    let dir = tempfile::tempdir().unwrap();
    let slices = open(dir.path(), 1 << 20);
    let stored = slices.put(b"cipher").unwrap();
    for rotten in [&b"cipheR"[..], b"ciph", &[0; 5000]] {
        fs::write(slices.path(stored), rotten).unwrap();
        assert!(matches!(slices.get(stored), Err(SliceError::Damaged(_))));
        slices.put(b"cipher").unwrap();
        assert_eq!(slices.get(stored).unwrap(), b"cipher");
    }
}

#[test]
fn the_quota_and_the_slice_limit_hold() {
    let dir = tempfile::tempdir().unwrap();
    let slices = open(dir.path(), 10);
    slices.put(b"123456").unwrap();
    let error = slices.put(b"abcdef").unwrap_err();
    assert!(
        matches!(
            error,
            SliceError::Full {
                used: 6,
                quota: 10,
                wanted: 6
            }
        ),
        "{error}"
    );
    assert_eq!(slices.used(), 6, "a refused slice takes no room");
    slices.put(b"abcd").unwrap();
    assert!(matches!(
        slices.put(&[0; 1001]),
        Err(SliceError::TooLong { .. })
    ));
}
