use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;

use assay_crypto::ReadAt;
use tempfile::TempDir;
use tokio::sync::OnceCell;

use super::*;
use crate::files::{
    fresh_key,
    tests::{LENGTH, Network, text},
};

/// A network with one stored file, and a folder for inputs.
struct Lab {
    network: Network,
    record: FileRecord,
    key: FileKey,
    dir: TempDir,
    content: OnceCell<Digest>,
}

impl Lab {
    async fn new() -> Self {
        let network = Network::start(2).await;
        let key = fresh_key().unwrap();
        let record = network.store(&text(), &key).await.unwrap();
        Self {
            network,
            record,
            key,
            dir: tempfile::tempdir().unwrap(),
            content: OnceCell::new(),
        }
    }

    fn folder(&self) -> PathBuf {
        self.dir.path().join("inputs")
    }

    fn store(&self) -> InputStore {
        InputStore::new(self.folder())
    }

    async fn fetch(&self, store: &InputStore) -> Result<Handle, FetchFailure> {
        let content = assay_vault::content_digest(&text());
        let content = self.content.get_or_init(async || content).await;
        let (client, key) = (&self.network.client, self.key.clone());
        store.fetch(client, &self.record, key, Some(*content)).await
    }

    async fn close_nodes(&self) {
        for node in &self.network.nodes {
            node.close().await;
        }
    }

    /// The files of inputs.
    fn files(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.folder());
        let entries = entries.into_iter().flatten();
        entries.map(|entry| entry.unwrap().path()).collect()
    }

    fn file(&self) -> PathBuf {
        let files = self.files();
        assert_eq!(files.len(), 1);
        files[0].clone()
    }

    fn damage(&self, at: u64) {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .open(self.file())
            .unwrap();
        let mut byte = [0];
        file.read_exact_at(&mut byte, at).unwrap();
        file.write_all_at(&[byte[0] ^ 1], at).unwrap();
    }
}

fn whole(handle: &Handle) -> io::Result<Vec<u8>> {
    Ok(handle.whole(u64::MAX)?.into_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parties_share_one_sealed_file_and_hold_nothing_of_it_in_memory() {
    let lab = Lab::new().await;
    let store = lab.store();
    let (one, other) = tokio::join!(lab.fetch(&store), lab.fetch(&store));
    let (one, other) = (one.unwrap(), other.unwrap());
    assert_eq!(one.length(), LENGTH as u64);
    assert_eq!((one.resident(), one.owner()), (0, Some(lab.record.owner)));
    assert!(whole(&one).unwrap() == text() && whole(&other).unwrap() == text());
    let sealed = fs::read(lab.file()).unwrap();
    let plain = text();
    assert!(!sealed.windows(64).any(|window| window == &plain[..64]));

    store.release(lab.record.owner, &[lab.record.id]).await;
    drop(one);
    assert!(whole(&other).unwrap() == text(), "somebody still has it");
    drop(other);
    assert!(lab.files().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_killed_process_had_is_compared_and_gone_on_from() {
    let lab = Lab::new().await;
    // As a kill leaves it: whole, cut inside a piece, and with a piece that was written to.
    drop(lab.fetch(&lab.store()).await.unwrap());
    let cut = OpenOptions::new().write(true).open(lab.file()).unwrap();
    cut.set_len(6 << 20).unwrap();
    assert!(whole(&lab.fetch(&lab.store()).await.unwrap()).unwrap() == text());
    lab.damage(5 << 20);
    assert!(whole(&lab.fetch(&lab.store()).await.unwrap()).unwrap() == text());

    lab.close_nodes().await;
    let handle = lab.fetch(&lab.store()).await.unwrap();
    assert!(whole(&handle).unwrap() == text(), "all of it was here");
    drop(handle);
    lab.damage(5 << 20);
    let missing = lab.fetch(&lab.store()).await.unwrap_err();
    assert!(matches!(missing, FetchFailure::Unavailable(_)), "{missing}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_changes_under_its_handle_is_an_error_and_no_other_input() {
    let lab = Lab::new().await;
    let store = lab.store();
    let handle = lab.fetch(&store).await.unwrap();
    let mut out = vec![0; 100];
    handle.bytes().read_at(0, &mut out).unwrap();
    lab.damage(6 << 20);
    let error = whole(&handle).unwrap_err();
    assert!(error.to_string().contains("slice 1"), "{error}");
    let file = OpenOptions::new().write(true).open(lab.file()).unwrap();
    file.set_len(1_000).unwrap();
    assert!(handle.bytes().read_at(8 << 20, &mut out).is_err());
    // Whoever lets go of it and asks again has it anew.
    drop(handle);
    assert!(whole(&lab.fetch(&store).await.unwrap()).unwrap() == text());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_key_content_or_length_opens_nothing_and_leaves_nothing() {
    let lab = Lab::new().await;
    let store = lab.store();
    let held = lab.fetch(&store).await.unwrap();
    let client = &lab.network.client;
    let wrong = store
        .fetch(client, &lab.record, fresh_key().unwrap(), None)
        .await;
    assert!(matches!(wrong, Err(FetchFailure::Corrupt(_))));
    assert!(whole(&held).unwrap() == text());
    store.release(lab.record.owner, &[lab.record.id]).await;
    drop(held);

    let wrong = store
        .fetch(client, &lab.record, fresh_key().unwrap(), None)
        .await;
    assert!(matches!(wrong, Err(FetchFailure::Corrupt(_))));
    assert!(lab.files().is_empty());
    let other = Some(Digest::of("other", &[]));
    let wrong = store
        .fetch(client, &lab.record, lab.key.clone(), other)
        .await;
    assert!(matches!(wrong, Err(FetchFailure::Corrupt(_))));
    assert!(lab.files().is_empty());
    for length_class in [0, 1 << 20, 1 << 40] {
        let record = FileRecord {
            length_class,
            ..lab.record.clone()
        };
        let store = InputStore::leaving(lab.folder(), 0);
        let wrong = store.fetch(client, &record, lab.key.clone(), None).await;
        let is_lie = match &wrong {
            Err(FetchFailure::Corrupt(_)) => true,
            // More than this disk has.
            Err(FetchFailure::TooLarge(_)) => length_class == 1 << 40,
            _ => false,
        };
        assert!(is_lie, "{length_class}: {:?}", wrong.err());
        assert!(lab.files().is_empty());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_without_room_is_told_before_anything_is_fetched() {
    let lab = Lab::new().await;
    let full = InputStore::leaving(lab.folder(), u64::MAX);
    let Err(FetchFailure::TooLarge(text)) = lab.fetch(&full).await else {
        panic!("it was fetched");
    };
    assert!(text.contains("of room"), "{text}");
    assert!(lab.files().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sweep_removes_what_no_order_needs_and_nobody_holds() {
    let lab = Lab::new().await;
    let store = lab.store();
    let held = lab.fetch(&store).await.unwrap();
    store.sweep(&BTreeSet::new());
    assert!(whole(&held).unwrap() == text());
    drop(held);
    assert_eq!(lab.files().len(), 1, "an order may still need it");
    lab.store().sweep(&BTreeSet::from([lab.record.id]));
    assert_eq!(lab.files().len(), 1);
    lab.store().sweep(&BTreeSet::new());
    assert!(lab.files().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_share_have_one_file_until_the_last_lets_go_of_it() {
    let lab = Lab::new().await;
    let (owner, files) = (lab.record.owner, [lab.record.id]);
    let first = lab.store();
    let nodes = [first.beside(), first.beside()];
    let (a, b) = tokio::join!(lab.fetch(&nodes[0]), lab.fetch(&nodes[1]));
    let (a, b) = (a.unwrap(), b.unwrap());
    assert_eq!(lab.files().len(), 1);
    nodes[0].release(owner, &files).await;
    drop(a);
    assert!(whole(&b).unwrap() == text(), "the other one needs it");
    drop(b);
    assert_eq!(lab.files().len(), 1, "it may be needed again");
    nodes[1].release(owner, &files).await;
    assert!(lab.files().is_empty());
    // Whoever comes while the last one holds it needs it, too.
    let held = lab.fetch(&nodes[0]).await.unwrap();
    nodes[0].release(owner, &files).await;
    let again = lab.fetch(&nodes[1]).await.unwrap();
    drop((held, again));
    assert_eq!(lab.files().len(), 1);
    // What the nodes need is known when all have said it.
    first.sweep(&BTreeSet::new());
    nodes[0].sweep(&BTreeSet::from(files));
    assert_eq!(lab.files().len(), 1);
    nodes[1].sweep(&BTreeSet::new());
    assert_eq!(lab.files().len(), 1, "one of them needs it");
    let alone = lab.store();
    alone.sweep(&BTreeSet::new());
    assert!(lab.files().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_process_reads_an_input_by_its_passage() {
    let lab = Lab::new().await;
    let store = lab.store();
    let handle = lab.fetch(&store).await.unwrap();
    let passage = handle.held_by::<Spooled>().unwrap().passage().unwrap();
    assert!(!format!("{passage:?}").contains(&format!("{:?}", passage.key)));
    let there = passage.clone().open().unwrap();
    let mut out = vec![0; LENGTH];
    there.read_at(0, &mut out).unwrap();
    assert!(out == text());
    type Change = fn(&mut Passage);
    let changes: [Change; 5] = [
        |passage| passage.key[0] ^= 1,
        |passage| passage.file = FileId(Digest::ZERO),
        |passage| passage.slices += 1,
        |passage| passage.content = Digest::ZERO,
        |passage| passage.path = b"/nowhere".to_vec(),
    ];
    for change in changes {
        let mut other = passage.clone();
        change(&mut other);
        assert!(other.open().is_err());
    }
    drop(there);
    assert_eq!(lab.files().len(), 1, "the file is the node's to remove");
}
