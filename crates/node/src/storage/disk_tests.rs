use std::{fs, os::unix::fs::MetadataExt};

use super::*;

fn digest(bytes: &[u8]) -> Digest {
    Digest::of("assay/test/v1", &[bytes])
}

#[test]
fn values_survive_reopening_on_their_own_shelf() {
    let dir = tempfile::tempdir().unwrap();
    let name = digest(b"cipher");
    let backend = DirectoryBackend::open(dir.path()).unwrap();
    backend.put(Shelf::Pieces, &name, b"cipher").unwrap();
    backend.put(Shelf::Pieces, &name, b"cipher, again").unwrap();
    backend.put(Shelf::Holdings, &name, b"list").unwrap();

    drop(backend);
    let again = DirectoryBackend::open(dir.path()).unwrap();
    assert_eq!(
        again.get(Shelf::Pieces, &name).unwrap().unwrap(),
        b"cipher, again"
    );
    assert_eq!(again.get(Shelf::Holdings, &name).unwrap().unwrap(), b"list");
    assert_eq!(again.list(Shelf::Pieces).unwrap(), [(name, 13)]);

    again.delete(Shelf::Pieces, &name).unwrap();
    again.delete(Shelf::Pieces, &name).unwrap();
    assert_eq!(again.get(Shelf::Pieces, &name).unwrap(), None);
    assert_eq!(again.list(Shelf::Holdings).unwrap().len(), 1);
}

#[test]
fn a_crash_while_writing_leaves_no_value_and_no_litter() {
    let dir = tempfile::tempdir().unwrap();
    let name = digest(b"cipher");
    drop(DirectoryBackend::open(dir.path()).unwrap());
    // What a crash before the rename leaves behind: half of the bytes, aside.
    let half = dir.path().join("partial/99-0");
    fs::write(&half, b"cip").unwrap();

    let again = DirectoryBackend::open(dir.path()).unwrap();
    assert!(!half.exists());
    assert_eq!(again.get(Shelf::Pieces, &name).unwrap(), None);
    assert_eq!(again.list(Shelf::Pieces).unwrap(), []);
    again.put(Shelf::Pieces, &name, b"cipher").unwrap();
    assert_eq!(again.get(Shelf::Pieces, &name).unwrap().unwrap(), b"cipher");
    assert_eq!(fs::read_dir(dir.path().join("partial")).unwrap().count(), 0);
}

#[test]
fn reading_a_directory_changes_nothing_in_it() {
    let dir = tempfile::tempdir().unwrap();
    let name = digest(b"cipher");
    DirectoryBackend::read_only(&dir.path().join("none")).unwrap_err();
    DirectoryBackend::read_only(dir.path()).unwrap_err();
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);

    let node = DirectoryBackend::open(dir.path()).unwrap();
    node.put(Shelf::Pieces, &name, b"cipher").unwrap();
    let half = dir.path().join("partial/99-0");
    fs::write(&half, b"cip").unwrap();
    let reader = DirectoryBackend::read_only(dir.path()).unwrap();
    let read = reader.get(Shelf::Pieces, &name).unwrap().unwrap();
    assert_eq!(read, b"cipher");
    assert!(half.exists());
}

/// Two processes on one directory would each count for themselves, and delete what the other is
/// writing.
#[test]
fn a_directory_belongs_to_one_process_and_its_unfinished_values_too() {
    let dir = tempfile::tempdir().unwrap();
    let node = DirectoryBackend::open(dir.path()).unwrap();
    let half = dir.path().join("partial/99-0");
    fs::write(&half, b"cip").unwrap();
    let error = DirectoryBackend::open(dir.path()).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ResourceBusy);
    assert!(error.to_string().contains("another process"), "{error}");
    assert!(half.exists(), "it may be what the other process is writing");
    // Reading is for everybody, and the next one may write.
    DirectoryBackend::read_only(dir.path()).unwrap();
    drop(node);
    DirectoryBackend::open(dir.path()).unwrap();
    assert!(!half.exists());
}

#[test]
fn a_failed_write_keeps_the_old_value() {
    let dir = tempfile::tempdir().unwrap();
    let name = digest(b"cipher");
    let backend = DirectoryBackend::open(dir.path()).unwrap();
    backend.put(Shelf::Pieces, &name, b"cipher").unwrap();
    fs::remove_dir(dir.path().join("partial")).unwrap();
    let error = backend.put(Shelf::Pieces, &name, b"other").unwrap_err();
    assert!(matches!(error, BackendError::Failed(_)), "{error}");
    assert_eq!(
        backend.get(Shelf::Pieces, &name).unwrap().unwrap(),
        b"cipher"
    );
}

#[test]
fn foreign_files_are_not_listed() {
    let dir = tempfile::tempdir().unwrap();
    let backend = DirectoryBackend::open(dir.path()).unwrap();
    backend.put(Shelf::Pieces, &digest(b"a"), b"a").unwrap();
    let shard = fs::read_dir(dir.path().join("pieces"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap();
    fs::write(shard.path().join(".DS_Store"), b"x").unwrap();
    assert_eq!(backend.list(Shelf::Pieces).unwrap(), [(digest(b"a"), 1)]);
}

/// The two copies of a piece, sent to two nodes of one process at the same moment, are one file.
#[test]
fn neighbours_have_one_file_of_equal_pieces_and_each_its_own_name() {
    let dir = tempfile::tempdir().unwrap();
    let roots = ["a", "b"].map(|name| dir.path().join(name));
    let neighbours = Arc::new(Neighbours::new(roots.to_vec()));
    let nodes = roots.each_ref().map(|root| {
        let backend = DirectoryBackend::open(root).unwrap();
        backend.among(neighbours.clone())
    });
    let file = |root: &Path, name: &Digest| place_in(root, Shelf::Pieces, name).1;
    let inode = |root: &Path, name: &Digest| fs::metadata(file(root, name)).unwrap().ino();
    for round in 0..20_u8 {
        let bytes = [round; 1_000];
        let name = digest(&bytes);
        let node = |at: usize| {
            let (node, bytes) = (&nodes[at], &bytes);
            move || node.put(Shelf::Pieces, &name, bytes).unwrap()
        };
        std::thread::scope(|scope| {
            scope.spawn(node(0));
            scope.spawn(node(1));
        });
        let [a, b] = roots.each_ref().map(|root| inode(root, &name));
        assert_eq!(a, b, "round {round}");
        // Again changes nothing, and leaves nothing aside.
        node(0)();
        assert_eq!(inode(&roots[0], &name), b);
        let aside = fs::read_dir(roots[0].join("partial")).unwrap();
        assert_eq!(aside.count(), 0);
        nodes[0].delete(Shelf::Pieces, &name).unwrap();
        let left = nodes[1].get(Shelf::Pieces, &name).unwrap();
        assert_eq!(left.as_deref(), Some(&bytes[..]));
    }
    // A damaged file does not spread.
    let name = digest(b"good");
    nodes[1].put(Shelf::Pieces, &name, b"good").unwrap();
    fs::write(file(&roots[1], &name), b"evil").unwrap();
    nodes[0].put(Shelf::Pieces, &name, b"good").unwrap();
    assert_eq!(
        nodes[0].get(Shelf::Pieces, &name).unwrap().unwrap(),
        b"good"
    );
    // What says which pieces form a file is each node's own.
    for node in &nodes {
        node.put(Shelf::Holdings, &name, b"list").unwrap();
    }
    let holdings = roots
        .each_ref()
        .map(|root| place_in(root, Shelf::Holdings, &name).1);
    let [a, b] = holdings.map(|path| fs::metadata(path).unwrap().ino());
    assert_ne!(a, b);
}
