//! A disk that forgets what was not synced, as a machine whose power fails: it keeps what every
//! process sees apart from what would be left.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard},
};

use assay_crypto::{Digest, stream::Stream};
use assay_vault::{
    Digests, Millis, Piece,
    storage::{Backend, BackendError, Record, Service, Shelf, StorageConfig},
    wire::{Request, Response},
};

use super::{DirectoryBackend, Files, Lock};

/// A file's bytes, and how many of them survive.
#[derive(Clone, Debug)]
struct Inode {
    bytes: Vec<u8>,
    durable: bool,
}

type Names = BTreeMap<PathBuf, Node>;

#[derive(Clone, Debug)]
enum Node {
    Dir,
    File(usize),
}

#[derive(Debug, Default)]
struct Platter {
    inodes: Vec<Inode>,
    /// What processes see.
    live: Names,
    /// What is left after a crash.
    durable: Names,
    /// Operations until the power fails.
    left: Option<u64>,
}

/// Shared by the processes that use it one after the other.
#[derive(Clone, Debug, Default)]
pub(super) struct Forgetful(Arc<Mutex<Platter>>);

impl Forgetful {
    fn platter(&self) -> MutexGuard<'_, Platter> {
        self.0.lock().unwrap()
    }

    /// One operation; fails from the moment at which the power is gone.
    fn power(&self) -> io::Result<MutexGuard<'_, Platter>> {
        let mut platter = self.platter();
        match &mut platter.left {
            Some(0) => return Err(io::Error::other("the power is gone")),
            Some(left) => *left -= 1,
            None => {}
        }
        Ok(platter)
    }

    fn fails_after(&self, operations: u64) {
        self.platter().left = Some(operations);
    }

    /// The power comes back. Of each name that was not synced the disk kept or lost the change by
    /// chance: systems write back in any order.
    fn restart(&self, chance: &mut Stream) {
        let mut platter = self.platter();
        platter.left = None;
        let mut names = platter.durable.clone();
        let live = platter.live.clone();
        let changed: Vec<PathBuf> = live.keys().chain(names.keys()).cloned().collect();
        for path in changed {
            if chance.below(2) == 0 {
                continue;
            }
            match live.get(&path) {
                Some(node) => names.insert(path, node.clone()),
                None => names.remove(&path),
            };
        }
        // Without its directory a name leads nowhere.
        let orphaned = |names: &Names| {
            let lost = names.keys().find(|path| {
                path.parent()
                    .is_some_and(|above| above != Path::new("") && !names.contains_key(above))
            });
            lost.cloned()
        };
        while let Some(path) = orphaned(&names) {
            names.remove(&path);
        }
        for node in names.values() {
            if let Node::File(at) = node {
                let inode = &mut platter.inodes[*at];
                if !inode.durable {
                    inode.bytes.truncate(inode.bytes.len() / 2);
                }
            }
        }
        platter.live = names.clone();
        platter.durable = names;
    }
}

fn missing() -> io::Error {
    io::ErrorKind::NotFound.into()
}

impl Files for Forgetful {
    fn write_synced(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        // Half of it first: the power may fail in between.
        let at = {
            let mut platter = self.power()?;
            if platter.live.contains_key(path) {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            platter.inodes.push(Inode {
                bytes: bytes.to_vec(),
                durable: false,
            });
            let at = platter.inodes.len() - 1;
            platter.live.insert(path.to_owned(), Node::File(at));
            at
        };
        self.power()?.inodes[at].durable = true;
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut platter = self.power()?;
        let node = platter.live.remove(from).ok_or_else(missing)?;
        if !to
            .parent()
            .is_some_and(|above| platter.live.contains_key(above))
        {
            return Err(missing());
        }
        platter.live.insert(to.to_owned(), node);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut platter = self.power()?;
        platter.live.remove(path).map(drop).ok_or_else(missing)
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let platter = self.power()?;
        match platter.live.get(path) {
            Some(Node::File(at)) => Ok(platter.inodes[*at].bytes.clone()),
            _ => Err(missing()),
        }
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<(OsString, u64)>> {
        let platter = self.power()?;
        if !platter.live.contains_key(dir) {
            return Err(missing());
        }
        let inside = platter
            .live
            .iter()
            .filter(|(path, _)| path.parent() == Some(dir));
        Ok(inside
            .map(|(path, node)| {
                let length = match node {
                    Node::Dir => 0,
                    Node::File(at) => platter.inodes[*at].bytes.len() as u64,
                };
                (path.file_name().unwrap().to_owned(), length)
            })
            .collect())
    }

    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        let mut platter = self.power()?;
        for path in dir.ancestors().filter(|path| *path != Path::new("")) {
            platter.live.entry(path.to_owned()).or_insert(Node::Dir);
        }
        Ok(())
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let mut platter = self.power()?;
        if !platter.live.contains_key(dir) {
            return Err(missing());
        }
        let inside = |path: &PathBuf| path.parent() == Some(dir);
        platter.durable.retain(|path, _| !inside(path));
        let live: Vec<_> = platter
            .live
            .iter()
            .filter(|(path, _)| inside(path))
            .map(|(path, node)| (path.clone(), node.clone()))
            .collect();
        platter.durable.extend(live);
        Ok(())
    }

    fn lock(&self, _path: &Path) -> io::Result<Option<Lock>> {
        Ok(None)
    }
}

const ROOT: &str = "disk/vault";

/// A disk whose mount point is there.
fn disk() -> Forgetful {
    let disk = Forgetful::default();
    let mut platter = disk.platter();
    platter.live.insert("disk".into(), Node::Dir);
    platter.durable.insert("disk".into(), Node::Dir);
    drop(platter);
    disk
}

fn open(disk: &Forgetful) -> io::Result<DirectoryBackend<Forgetful>> {
    DirectoryBackend::open_on(Path::new(ROOT), disk.clone())
}

fn cases() -> u64 {
    let cases = std::env::var("ASSAY_CASES").ok();
    cases.and_then(|text| text.parse().ok()).unwrap_or(200)
}

fn name(of: u64) -> Digest {
    Digest::of("assay/test/v1", &[&of.to_le_bytes()])
}

/// Puts and removes until the power fails; whatever was acknowledged holds afterwards, and under
/// no name there is half a value.
#[test]
fn what_was_acknowledged_survives_any_loss_of_power() {
    for seed in 0..cases() {
        let mut chance = Stream::new(name(seed), "history", 0);
        let disk = disk();
        // What is there for certain: a value, none, or either where the power failed in between.
        let mut known: BTreeMap<Digest, Option<Vec<u8>>> = BTreeMap::new();
        for life in 0..4 {
            disk.fails_after(chance.below(60));
            let mut open_question: Option<(Digest, Option<Vec<u8>>)> = None;
            if let Ok(backend) = open(&disk) {
                for _ in 0..40 {
                    let key = name(chance.below(6));
                    let value = (chance.below(3) > 0)
                        .then(|| vec![life; 2 + usize::try_from(chance.below(30)).unwrap()]);
                    let done = match &value {
                        Some(bytes) => backend.put(Shelf::Pieces, &key, bytes),
                        None => backend.delete(Shelf::Pieces, &key),
                    };
                    if done.is_err() {
                        open_question = Some((key, value));
                        break;
                    }
                    known.insert(key, value);
                }
            }
            disk.restart(&mut chance);
            let backend = open(&disk).unwrap();
            for (key, expected) in &mut known {
                let found = backend.get(Shelf::Pieces, key).unwrap();
                let other = open_question.as_ref().filter(|(at, _)| at == key);
                let either = other.is_some_and(|(_, value)| *value == found);
                assert!(
                    found == *expected || either,
                    "seed {seed} life {life}: {key} holds {found:?}, not {expected:?}"
                );
                *expected = found;
            }
            if let Some((key, value)) = open_question {
                let found = backend.get(Shelf::Pieces, &key).unwrap();
                assert!(
                    found.is_none() || found == value || known.get(&key) == Some(&found),
                    "seed {seed} life {life}: half a value {found:?}"
                );
                known.insert(key, found);
            }
            let listed: BTreeMap<_, _> = backend.list(Shelf::Pieces).unwrap().into_iter().collect();
            let whole = known
                .iter()
                .filter_map(|(key, value)| Some((*key, value.as_ref()?.len() as u64)));
            assert_eq!(listed, whole.collect(), "seed {seed} life {life}");
        }
    }
}

/// The whole storage node on such a disk: what it said it had stored, committed and removed is so.
#[test]
fn a_storage_node_keeps_its_word_over_a_loss_of_power() {
    let owner = assay_crypto::SecretKey::from_seed([1; 32]).public();
    let piece = |n: u64| Piece::new(vec![u8::try_from(n).unwrap(); 50]).unwrap();
    let put = |n| Request::Put {
        digest: piece(n).digest(),
        piece: piece(n),
    };
    // The first piece stands for the file's manifest.
    let file = assay_ledger::FileId(piece(0).digest());
    let slices: Vec<Digest> = (1..4).map(|n| piece(n).digest()).collect();
    let record = Record {
        file,
        root: assay_crypto::merkle::root(slices.clone()),
        owner,
    };
    let commit = Request::Commit {
        file,
        slices: Digests::new(slices).unwrap(),
    };
    let config = StorageConfig::new(1 << 20);
    let day = config.grace_ms;
    for seed in 0..cases() / 4 {
        for operations in 0..70 {
            let mut chance = Stream::new(name(seed), "power", operations);
            let disk = disk();
            disk.fails_after(operations);
            let (mut stored, mut committed) = (Vec::new(), false);
            let life = |stored: &mut Vec<u64>, committed: &mut bool| -> Result<(), BackendError> {
                let backend = open(&disk).map_err(|_| BackendError::Full)?;
                let (mut node, _) =
                    Service::open(config, backend, Millis(0)).map_err(|_| BackendError::Full)?;
                for n in 0..4 {
                    let answer = node.handle(Millis(0), owner, put(n));
                    if !matches!(answer, Response::Stored { .. }) {
                        return Ok(());
                    }
                    stored.push(n);
                }
                *committed =
                    node.handle(Millis(0), owner, commit.clone()) == Response::Committed { file };
                Ok(())
            };
            let _power_failed = life(&mut stored, &mut committed);
            disk.restart(&mut chance);
            let (mut node, damaged) =
                Service::open(config, open(&disk).unwrap(), Millis(1)).unwrap();
            assert!(
                damaged.is_empty(),
                "seed {seed} at {operations}: half a row"
            );
            node.recorded(Millis(1), record);
            if committed {
                node.collect(Millis(2 + day));
            }
            for n in stored {
                let digest = piece(n).digest();
                let answer = node.handle(Millis(2), owner, Request::Get { digest });
                let kept = Response::Piece { piece: piece(n) };
                assert_eq!(answer, kept, "seed {seed} at {operations}");
            }
            // Collected for good: nothing comes back with the power.
            node.expired(Millis(3), record);
            node.collect(Millis(5 + 2 * day));
            assert_eq!(node.usage().used, 0);
            drop(node);
            disk.restart(&mut chance);
            let (node, _) = Service::open(config, open(&disk).unwrap(), Millis(9)).unwrap();
            assert_eq!(
                node.usage().used,
                0,
                "seed {seed} at {operations}: back again"
            );
        }
    }
}
