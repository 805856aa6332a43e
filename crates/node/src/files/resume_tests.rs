//! Transfers that are interrupted and go on.

use std::{
    fs,
    io::{self, Cursor, Read, Seek, SeekFrom},
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
    time::Duration,
};

use assay_crypto::SecretKey;
use assay_ledger::FileRecord;
use assay_vault::{
    Coding, Expected, SLICE_BYTES,
    bundle::{BundleWriter, Entry},
    download::DownloadConfig,
    upload::{UploadConfig, UploadError},
};

use super::{
    source::Source,
    spool::Spool,
    tests::{LENGTH, Network, files_below, kept, text},
    unfinished::{Plan, UnfinishedError, Uploads},
    *,
};
use crate::drive::Memory;

fn owner() -> SecretKey {
    SecretKey::from_seed([100; 32])
}

fn plan(identity: u8) -> Plan {
    Plan {
        chain: Digest([1; 32]),
        owner: owner().public(),
        path: b"/data/rows".to_vec(),
        name: "rows".to_owned(),
        media_type: "text/plain".to_owned(),
        copies: 2,
        length: LENGTH as u64,
        identity: Digest([identity; 32]),
        salt: Digest::ZERO,
    }
}

fn uploads(folder: &Path) -> Uploads {
    Uploads::new(folder)
}

/// Bytes that end with an error once storage nodes have what was read before.
struct Breaks {
    bytes: Cursor<Vec<u8>>,
    at: u64,
    stored: Box<dyn Fn() -> usize + Send>,
    wanted: usize,
}

impl Read for Breaks {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.bytes.position() < self.at {
            let most = (self.at - self.bytes.position()).min(buffer.len() as u64);
            return self.bytes.read(&mut buffer[..most as usize]);
        }
        for _ in 0..2_000 {
            if (self.stored)() >= self.wanted {
                break;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Err(io::Error::other("the plug was pulled"))
    }
}

impl Seek for Breaks {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.bytes.seek(to)
    }
}

impl Source for Breaks {}

impl Network {
    async fn upload(
        &self,
        source: impl Source,
        key: FileKey,
        memory: Memory,
    ) -> Result<Stored, StoreError> {
        let file = NewFile {
            owner: owner().public(),
            name: "rows".to_owned(),
            media_type: "text/plain".to_owned(),
            length: LENGTH as u64,
            content: None,
            coding: Coding::Replicated {
                copies: UploadConfig::default().copies,
            },
            key,
            envelope_to: Some(owner().encryption().public()),
            kept: kept(),
        };
        let candidates = self.candidates().await;
        let config = UploadConfig::default();
        let recorded = async |_, _| Ok(());
        super::upload(
            &self.client,
            config,
            &candidates,
            file,
            source,
            Some(memory),
            recorded,
        )
        .await
    }

    /// An upload of two slices of three; then its process is gone.
    async fn interrupt(&self, folder: &Path) {
        let unfinished = uploads(folder).begin(plan(1), &owner()).unwrap();
        assert!(!unfinished.is_resumed());
        let dirs: Vec<_> = self.dirs.iter().map(|dir| dir.path().to_owned()).collect();
        let source = Breaks {
            bytes: Cursor::new(text()),
            at: 2 * SLICE_BYTES as u64 + 7,
            stored: Box::new(move || dirs.iter().map(|dir| files_below(dir).len()).sum()),
            wanted: 4,
        };
        let key = unfinished.plan.key(&owner());
        let error = self.upload(source, key, unfinished.into_memory()).await;
        assert!(error.unwrap_err().to_string().contains("not stored"));
    }

    fn kept(&self) -> u64 {
        let files = self.dirs.iter().flat_map(|dir| files_below(dir.path()));
        files.map(|file| fs::metadata(file).unwrap().len()).sum()
    }
}

fn cursor() -> Cursor<Vec<u8>> {
    Cursor::new(text())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_goes_on_and_sends_only_what_nodes_lack() {
    let network = Network::start(2).await;
    let folder = tempfile::tempdir().unwrap();
    network.interrupt(folder.path()).await;
    let kept = network.kept();
    assert!(kept >= 4 * SLICE_BYTES as u64, "{kept}");

    let unfinished = uploads(folder.path()).begin(plan(1), &owner()).unwrap();
    assert!(unfinished.is_resumed());
    let file = unfinished.file();
    let key = unfinished.plan.key(&owner());
    let stored = network
        .upload(cursor(), key.clone(), unfinished.into_memory())
        .await
        .unwrap();
    let all = network.kept();
    assert!(
        stored.sent <= all - kept,
        "{} of {all}, {kept} kept",
        stored.sent
    );
    assert_eq!(network.read(&stored.record, key).await.unwrap(), text());
    uploads(folder.path()).forget(&file).unwrap();
    assert!(uploads(folder.path()).list(&owner()).unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_bytes_never_leave_under_a_key_that_was_used() {
    let network = Network::start(2).await;
    let folder = tempfile::tempdir().unwrap();
    network.interrupt(folder.path()).await;
    let before = network.kept();
    let mut changed = text();
    changed[5] ^= 1;
    let unfinished = uploads(folder.path()).begin(plan(1), &owner()).unwrap();
    let key = unfinished.plan.key(&owner());
    let refused = network
        .upload(Cursor::new(changed), key, unfinished.into_memory())
        .await;
    let refused = refused.unwrap_err();
    assert!(
        matches!(
            refused,
            StoreError::Upload(UploadError::SourceChanged { .. } | UploadError::Source(_))
        ),
        "{refused:?}"
    );
    assert!(network.kept() <= before + 2 * (LENGTH % SLICE_BYTES + 16) as u64);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_derived_key_covers_one_content_for_good() {
    let network = Network::start(2).await;
    let folder = tempfile::tempdir().unwrap();
    let key = FileKey([9; 32]);
    let again = || uploads(folder.path()).remember(&key, &owner()).unwrap();
    let first = network
        .upload(cursor(), key.clone(), again())
        .await
        .unwrap();
    assert!(first.sent > 2 * LENGTH as u64);
    // The same again costs two manifests; anything else nothing, because it is not sent.
    let second = network
        .upload(cursor(), key.clone(), again())
        .await
        .unwrap();
    assert_eq!(second.record.id, first.record.id);
    assert!(second.sent < 2_000, "{}", second.sent);
    let mut changed = text();
    *changed.last_mut().unwrap() ^= 1;
    let before = network.kept();
    let third = network
        .upload(Cursor::new(changed), key.clone(), again())
        .await;
    assert!(matches!(
        third,
        Err(StoreError::Upload(UploadError::SourceChanged { .. }))
    ));
    assert_eq!(network.kept(), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_interrupted_upload_left_is_listed_and_deleted() {
    let network = Network::start(2).await;
    let folder = tempfile::tempdir().unwrap();
    network.interrupt(folder.path()).await;
    let listed = uploads(folder.path()).list(&owner()).unwrap();
    assert_eq!((listed.len(), listed[0].running), (1, false));
    assert_eq!(listed[0].plan.as_ref().unwrap().name, "rows");

    let rooms = rooms(&network.client, &network.ids(), 2).await;
    let pending: u64 = rooms.iter().map(|room| room.pending).sum();
    assert_eq!(pending, network.kept());
    assert!(
        rooms
            .iter()
            .all(|room| room.open() <= room.allowed - room.pending)
    );

    let taken = uploads(folder.path())
        .take(&listed[0].id[..6], &owner())
        .unwrap();
    let running = uploads(folder.path()).take(&listed[0].id, &owner());
    assert!(matches!(running, Err(UnfinishedError::Running(_))));
    let left = taken.leftover(&owner()).unwrap();
    for node in network.ids() {
        let known = super::pending(&network.client, node).await.unwrap();
        assert!(known.iter().all(|(digest, _)| left.slices.contains(digest)));
        let deleted = delete(&network.client, node, left.slices.clone())
            .await
            .unwrap();
        assert_eq!((deleted.gone, deleted.kept), (left.slices.len() as u64, 0));
    }
    taken.forget().unwrap();
    assert_eq!(network.kept(), 0);
    let unknown = uploads(folder.path()).take("", &owner());
    assert!(matches!(unknown, Err(UnfinishedError::Unknown(_))));
}

/// The pieces of a file that was put together, but never recorded, stay while the piece that names
/// the file does; nodes list them in no such order.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_is_outside_recorded_files_is_deleted_in_any_order() {
    let network = Network::start(2).await;
    for identity in 0..4 {
        let folder = tempfile::tempdir().unwrap();
        let begun = uploads(folder.path())
            .begin(plan(identity), &owner())
            .unwrap();
        let key = begun.plan.key(&owner());
        let stored = network.upload(Cursor::new(text()), key, begun.into_memory());
        stored.await.unwrap();
        assert!(network.kept() > 0);
        for node in network.ids() {
            let listed = super::pending(&network.client, node).await.unwrap().len();
            let deleted = delete_all(&network.client, node).await.unwrap();
            assert_eq!((deleted.gone, deleted.kept), (listed as u64, 0));
        }
        assert_eq!(network.kept(), 0);
    }
}

#[test]
fn a_plan_of_another_source_begins_anew_with_another_key() {
    let folder = tempfile::tempdir().unwrap();
    let begin = |identity| {
        uploads(folder.path())
            .begin(plan(identity), &owner())
            .unwrap()
    };
    let first = begin(1).plan;
    assert_eq!(begin(1).plan, first, "the same key as before");
    let second = begin(2);
    assert_ne!(second.plan.key(&owner()), first.key(&owner()));
    assert!(second.stale.is_some() && !second.is_resumed());
    // Only one process at a time, and nobody else reads along.
    let running = uploads(folder.path()).begin(plan(2), &owner());
    assert!(matches!(running, Err(UnfinishedError::Running(_))));
    let mode = fs::metadata(second.file()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    drop(second);
    // A journal that is no journal is begun anew.
    let file = begin(2).file();
    fs::write(&file, "not a journal").unwrap();
    assert!(begin(2).stale.is_none());
}

#[test]
fn plan_bytes_are_frozen() {
    let plan = plan(7);
    let bytes = plan.encode();
    assert_eq!(
        Digest::of("test", &[&bytes]).to_string(),
        "73adf5b5633ab6ca5cbae72577f138984f414481448a8841f3c6ed04ba947405"
    );
    assert_eq!(plan.id(), "da367659f3bd0c6a");
    assert_eq!(Plan::decode(&bytes), Some(plan));
    for end in 0..bytes.len() {
        assert_eq!(Plan::decode(&bytes[..end]), None);
    }
    let longer = [bytes.as_slice(), &[0]].concat();
    assert_eq!(Plan::decode(&longer), None);
}

async fn fetched(network: &Network, record: &FileRecord, key: &FileKey, spool: &mut Spool) -> u64 {
    let config = DownloadConfig::default();
    let fetched = fetch(&network.client, config, record, key.clone(), spool).await;
    let (content, bytes) = fetched.unwrap();
    assert_eq!(content.length, LENGTH as u64);
    let mut plain = Vec::new();
    let mut reader = spool.plain(&Expected::from(record), key.clone()).unwrap();
    reader.read_to_end(&mut plain).unwrap();
    assert!(plain == text());
    bytes
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_download_goes_on_from_whatever_is_whole_in_its_spool() {
    let network = Network::start(2).await;
    let key = fresh_key().unwrap();
    let record = network.store(&text(), &key).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let open = || Spool::open(folder.path(), record.id).unwrap().unwrap();
    let all = fetched(&network, &record, &key, &mut open()).await;
    assert!(all > LENGTH as u64);
    let path = spool::list(folder.path()).unwrap()[0].path.clone();
    let whole = fs::read(&path).unwrap();
    let beginning = &text()[..64];
    assert!(!whole.windows(64).any(|window| window == beginning));
    assert_eq!(fetched(&network, &record, &key, &mut open()).await, 0);

    let piece = SLICE_BYTES as u64 + 16;
    let third = (LENGTH - 2 * SLICE_BYTES) as u64 + 16;
    type Cut<'a> = &'a dyn Fn(&mut Vec<u8>);
    let cuts: [(Cut<'_>, u64); 6] = [
        (&|bytes| bytes.truncate(bytes.len() - 1), third),
        (
            &|bytes| bytes.truncate(bytes.len() - third as usize - 9),
            third + piece,
        ),
        (&|bytes| bytes.truncate(3), all),
        (&|bytes| bytes[7] ^= 1, all),
        (&|bytes| *bytes.last_mut().unwrap() ^= 1, third),
        (&|bytes| bytes.extend([0; 100]), 0),
    ];
    for (n, (cut, expected)) in cuts.into_iter().enumerate() {
        let mut bytes = whole.clone();
        cut(&mut bytes);
        fs::write(&path, bytes).unwrap();
        assert_eq!(
            fetched(&network, &record, &key, &mut open()).await,
            expected,
            "{n}"
        );
        assert_eq!(
            fs::read(&path).unwrap()[..whole.len() - 9],
            whole[..whole.len() - 9]
        );
    }
    // Another file's pieces under this name are worth nothing, and a link is not followed.
    fs::remove_file(&path).unwrap();
    let target = folder.path().join("target");
    fs::write(&target, "precious").unwrap();
    symlink(&target, &path).unwrap();
    assert!(Spool::open(folder.path(), record.id).is_err());
    assert_eq!(fs::read(&target).unwrap(), b"precious");
}

#[test]
fn downloads_of_one_file_at_once_have_a_spool_each() {
    let folder = tempfile::tempdir().unwrap();
    let file = assay_ledger::FileId(Digest([3; 32]));
    let open = || Spool::open(folder.path(), file).unwrap();
    let spools: Vec<_> = (0..5).map(|_| open()).collect();
    assert!(spools[..4].iter().all(Option::is_some) && spools[4].is_none());
    assert!(
        spool::list(folder.path())
            .unwrap()
            .iter()
            .all(|one| one.running)
    );
    drop(spools);
    assert!(open().is_some());
}

fn bundle() -> Vec<u8> {
    let mut writer = BundleWriter::new(Vec::new());
    for (name, mode, text) in [
        ("./", 0o750, ""),
        ("bin/run", 0o755, "#!"),
        ("empty/", 0o755, ""),
        ("key", 0o400, "secret"),
        ("shut/", 0o500, ""),
        ("shut/in", 0o644, "x"),
    ] {
        let entry = Entry {
            mode,
            ..Entry::file(name, text.len() as u64)
        };
        writer.add(&entry, text.as_bytes()).unwrap();
    }
    writer.finish().unwrap()
}

#[test]
fn a_directory_comes_back_with_its_permissions_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let place = |name: &str, bytes: &[u8]| place::directory(&at(name), "label", bytes);
    place("whole", &bundle()).unwrap();
    let mode = |name: &str| fs::metadata(at(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("whole"), 0o750);
    assert_eq!(mode("whole/bin/run"), 0o755);
    assert_eq!(mode("whole/key"), 0o400);
    assert_eq!(mode("whole/shut"), 0o500);
    assert!(at("whole/empty").is_dir());
    assert_eq!(fs::read(at("whole/shut/in")).unwrap(), b"x");
    fs::set_permissions(at("whole/shut"), fs::Permissions::from_mode(0o700)).unwrap();

    // A bundle that is damaged at its end leaves nothing, nor does one that has no place.
    assert!(place("damaged", &bundle()[..4_000]).is_err());
    fs::write(at("taken"), "mine").unwrap();
    symlink("nowhere", at("link")).unwrap();
    for name in ["taken", "link", "whole"] {
        assert!(place(name, &bundle()).is_err(), "{name}");
    }
    assert_eq!(fs::read(at("taken")).unwrap(), b"mine");
    // What a killed command left is removed, but not what a link leads to.
    fs::create_dir_all(at(".again.label.part/old")).unwrap();
    place("again", &bundle()).unwrap();
    assert!(!at("again/old").exists());
    fs::create_dir(at("other")).unwrap();
    symlink("other", at(".third.label.part")).unwrap();
    assert!(place("third", &bundle()).is_err());
    let mut names: Vec<_> = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(
        names,
        [
            ".third.label.part",
            "again",
            "link",
            "other",
            "taken",
            "whole"
        ]
    );
    assert_eq!(fs::read_dir(at("other")).unwrap().count(), 0);
}

#[test]
fn a_file_gets_its_name_when_it_is_whole_and_takes_nobody_elses() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    assert_eq!(place::file(&at("new"), &b"text"[..]).unwrap(), 4);
    assert_eq!(fs::read(at("new")).unwrap(), b"text");
    struct Fails;
    impl Read for Fails {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("gone"))
        }
    }
    assert!(place::file(&at("failed"), (&b"some"[..]).chain(Fails)).is_err());
    symlink("nowhere", at("link")).unwrap();
    for name in ["new", "link"] {
        let taken = place::file(&at(name), &b"other"[..]).unwrap_err();
        assert_eq!(taken.kind(), io::ErrorKind::AlreadyExists);
    }
    assert_eq!(fs::read(at("new")).unwrap(), b"text");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
}
