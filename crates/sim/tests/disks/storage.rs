//! A storage node on its directory: what it has acknowledged is so, whatever happens to the process
//! and the power.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use assay_crypto::{Digest, merkle, stream::Stream};
use assay_ledger::FileId;
use assay_node::storage::DirectoryBackend;
use assay_sim::disk::{Disk, Mount};
use assay_sim::vault::{account, bytes};
use assay_vault::storage::{Backend as _, Charge, Record, Service, Shelf, StorageConfig};
use assay_vault::wire::{Refusal, Request, Response};
use assay_vault::{Digests, Millis, Piece};

use crate::{Broken, Ends, LeftOut, chance, disk, everywhere, holds, is_found_out, must};

const ROOT: &str = "data/vault";
const DAY: u64 = 24 * 60 * 60 * 1_000;
/// Files, each of two slices and a manifest; the first two share a slice.
const FILES: u8 = 3;

type Node = Service<DirectoryBackend<Mount>>;

/// Everything that may be stored.
struct Goods {
    pieces: Vec<Piece>,
    /// Manifest and slices of each file, as places among the pieces.
    files: Vec<[usize; 3]>,
}

impl Goods {
    fn new() -> Self {
        let piece = |n: u8| Piece::new(bytes(20 + usize::from(n) * 190, n)).unwrap();
        let pieces = (0..3 * FILES).map(piece).collect();
        let mut files: Vec<[usize; 3]> = (0..usize::from(FILES))
            .map(|n| [3 * n, 3 * n + 1, 3 * n + 2])
            .collect();
        files[1][1] = files[0][1];
        Self { pieces, files }
    }

    fn record(&self, file: usize, owner: u8) -> Record {
        let [manifest, first, second] = self.files[file].map(|piece| self.pieces[piece].digest());
        Record {
            file: FileId(manifest),
            root: merkle::root(vec![first, second]),
            owner: account(owner),
        }
    }

    fn commit(&self, file: usize) -> Request {
        let [manifest, first, second] = self.files[file].map(|piece| self.pieces[piece].digest());
        Request::Commit {
            file: FileId(manifest),
            slices: Digests::new(vec![first, second]).unwrap(),
        }
    }
}

/// What must be on the disk.
struct Model {
    goods: Goods,
    now: Millis,
    /// Pieces of which it is known whether they are there.
    known: BTreeMap<usize, bool>,
    /// Files whose commit was acknowledged, and not taken apart since for all that is known.
    committed: BTreeSet<usize>,
    /// Files that may have been committed at some time.
    tried: BTreeSet<usize>,
    /// On the ledger: file and owner.
    records: BTreeSet<(usize, u8)>,
}

fn config() -> StorageConfig {
    StorageConfig {
        pending_per_account: Charge {
            bytes: 4_000,
            entries: 20,
        },
        ..StorageConfig::new(8_000)
    }
}

fn open(disk: &Disk, now: Millis) -> Result<(Mount, Node), Broken> {
    let mount = disk.mount();
    let backend = DirectoryBackend::open_on(Path::new(ROOT), mount.clone());
    let backend = backend.map_err(|error| format!("the directory cannot be opened: {error}"))?;
    let opened = Service::open(config(), backend, now);
    let (node, damaged) = opened.map_err(|error| format!("the node cannot be opened: {error}"))?;
    must(damaged.is_empty(), || "there is half a row".to_owned())?;
    Ok((mount, node))
}

impl Model {
    fn new() -> Self {
        let goods = Goods::new();
        Self {
            known: (0..goods.pieces.len())
                .map(|piece| (piece, false))
                .collect(),
            goods,
            now: Millis(0),
            committed: BTreeSet::new(),
            tried: BTreeSet::new(),
            records: BTreeSet::new(),
        }
    }

    fn is_recorded(&self, file: usize) -> bool {
        self.records.iter().any(|(recorded, _)| *recorded == file)
    }

    /// Pieces that a committed and recorded file needs.
    fn protected(&self) -> BTreeSet<usize> {
        let kept = self
            .committed
            .iter()
            .filter(|file| self.is_recorded(**file));
        kept.flat_map(|file| self.goods.files[*file]).collect()
    }

    /// Opens the node and compares all that it has with what is known.
    fn check(&mut self, disk: &Disk) -> Result<(Mount, Node), Broken> {
        let (mount, mut node) = open(disk, self.now)?;
        for (file, owner) in &self.records {
            node.recorded(self.now, self.goods.record(*file, *owner));
        }
        for (place, piece) in self.goods.pieces.iter().enumerate() {
            let digest = piece.digest();
            let answer = node.handle(self.now, account(9), Request::Get { digest });
            let is_there = match answer {
                Response::Piece { piece: found } if found == *piece => true,
                Response::Refused(Refusal::Unknown) => false,
                other => return Err(format!("piece {place} is answered with {other:?}")),
            };
            let known = self.known.insert(place, is_there).unwrap_or(is_there);
            must(known == is_there, || {
                format!("piece {place}: there is {is_there}, and {known} was acknowledged")
            })?;
        }
        let backend = node.backend();
        let mut used = 0;
        for shelf in [Shelf::Pieces, Shelf::Holdings] {
            let values = backend.list(shelf).map_err(|error| error.to_string())?;
            used += values.iter().map(|(_, length)| length).sum::<u64>();
        }
        must(node.usage().used == used, || {
            format!("{used} bytes are there, and {:?} counted", node.usage())
        })?;
        names_are_digests(disk)?;
        Ok((mount, node))
    }

    /// What the node says that it has is what it answers for from now on; if it went in the middle of
    /// something, nobody knows about what that `touched`.
    fn look(&mut self, node: &mut Node, alive: bool, touched: &[usize]) -> Result<(), Broken> {
        if !alive {
            self.known.retain(|piece, _| !touched.contains(piece));
            return Ok(());
        }
        let digests: Vec<Digest> = self.goods.pieces.iter().map(Piece::digest).collect();
        let digests = Digests::new(digests).unwrap();
        let has = node.handle(self.now, account(9), Request::Has { digests });
        let Response::Has { held } = has else {
            return Err(format!("{has:?} to what it has"));
        };
        self.known = held.as_slice().iter().copied().enumerate().collect();
        let lost = self
            .protected()
            .into_iter()
            .find(|piece| !self.known[piece]);
        must(lost.is_none(), || {
            format!("the recorded piece {lost:?} is gone")
        })
    }

    /// One thing that may happen to a node.
    fn happen(
        &mut self,
        node: &mut Node,
        mount: &Mount,
        disk: &Disk,
        chance: &mut Stream,
    ) -> Result<(), Broken> {
        let who = 1 + chance.below(3) as u8;
        let file = chance.below(u64::from(FILES)) as usize;
        let piece = self.goods.files[file][chance.below(3) as usize];
        let digest = self.goods.pieces[piece].digest();
        let mut touched = Vec::new();
        match chance.below(14) {
            0..=4 => {
                touched.push(piece);
                let piece = self.goods.pieces[piece].clone();
                node.handle(self.now, account(who), Request::Put { digest, piece });
            }
            5..=7 => {
                self.tried.insert(file);
                let commit = self.goods.commit(file);
                let answer = node.handle(self.now, account(who), commit);
                if matches!(answer, Response::Committed { .. }) {
                    self.committed.insert(file);
                }
            }
            8 => {
                touched.push(piece);
                if piece == self.goods.files[file][0] && !self.is_recorded(file) {
                    self.committed.remove(&file);
                }
                node.handle(self.now, account(who), Request::Delete { digest });
            }
            9 => {
                self.records.insert((file, who));
                node.recorded(self.now, self.goods.record(file, who));
            }
            10 => {
                self.records.remove(&(file, who));
                node.expired(self.now, self.goods.record(file, who));
            }
            11 => self.now = self.now + DAY / 2,
            12 => {
                let recorded: BTreeSet<usize> =
                    self.records.iter().map(|(file, _)| *file).collect();
                self.committed.retain(|file| recorded.contains(file));
                let protected = self.protected();
                touched.extend((0..self.goods.pieces.len()).filter(|p| !protected.contains(p)));
                node.collect(self.now);
            }
            // Nobody else gets in meanwhile.
            _ => {
                let second = DirectoryBackend::open_on(Path::new(ROOT), disk.mount());
                let refused = second.err().map(|error| error.kind());
                must(
                    refused == Some(std::io::ErrorKind::ResourceBusy) || disk.is_dead(mount),
                    || format!("a second process is told {refused:?}"),
                )?;
            }
        }
        self.look(node, !disk.is_dead(mount), &touched)
    }

    /// With time and without records everything goes, for good.
    fn end(&mut self, disk: &Disk) -> Result<(), Broken> {
        let (_, mut node) = self.check(disk)?;
        self.now = self.now + 2 * DAY;
        node.collect(self.now);
        self.look(&mut node, true, &[])?;
        let needed: BTreeSet<usize> = self
            .tried
            .iter()
            .filter(|file| self.is_recorded(**file))
            .flat_map(|file| self.goods.files[*file])
            .collect();
        let litter = self
            .known
            .iter()
            .find(|(piece, here)| **here && !needed.contains(*piece));
        must(litter.is_none(), || format!("{litter:?} was not collected"))?;
        for (file, owner) in std::mem::take(&mut self.records) {
            node.expired(self.now, self.goods.record(file, owner));
        }
        self.now = self.now + 2 * DAY;
        node.collect(self.now);
        must(node.usage().used == 0, || {
            format!("{:?} is left", node.usage())
        })?;
        self.known.values_mut().for_each(|known| *known = false);
        self.committed.clear();
        disk.cut();
        self.check(disk).map(drop)
    }
}

/// Nothing in a request becomes part of a path but a digest, and nothing half-written is left.
fn names_are_digests(disk: &Disk) -> Result<(), Broken> {
    for path in disk.files() {
        let inside = path.strip_prefix(ROOT).unwrap_or(&path);
        let parts: Vec<&str> = inside.iter().filter_map(|part| part.to_str()).collect();
        let fits = match parts[..] {
            ["lock"] => true,
            ["pieces" | "holdings", shard, name] => {
                name.starts_with(shard)
                    && name.parse::<Digest>().is_ok_and(|d| d.to_string() == name)
            }
            _ => false,
        };
        must(fits, || format!("there is a file {}", path.display()))?;
    }
    Ok(())
}

/// Several lives of a node, and what three accounts want of it.
fn lives(seed: u64, left_out: Option<LeftOut>) -> Result<(), Broken> {
    let mut chance = chance(seed, "lives of a node");
    let disk = disk(seed, left_out);
    let mut model = Model::new();
    for life in 0..5 {
        let told = |broken| format!("life {life}: {broken}");
        // Sometimes it goes while the node starts.
        if chance.below(3) == 0 {
            Ends::drawn(&mut chance).after(&disk, chance.below(25));
            drop(open(&disk, model.now));
            disk.kill();
        }
        let (mount, mut node) = model.check(&disk).map_err(told)?;
        Ends::drawn(&mut chance).after(&disk, chance.below(120));
        for _ in 0..25 {
            disk.hold_at_most([u64::MAX, 4_000][usize::from(chance.below(6) == 0)]);
            model
                .happen(&mut node, &mount, &disk, &mut chance)
                .map_err(told)?;
            if disk.is_dead(&mount) {
                break;
            }
        }
        disk.hold_at_most(u64::MAX);
        Ends::drawn(&mut chance).now(&disk);
    }
    model.end(&disk)
}

/// A short life, in which two files are stored and a piece is taken back, and which ends in place of
/// one operation. Says whether all of it was done.
fn ending_at(
    seed: u64,
    operation: u64,
    ends: Ends,
    left_out: Option<LeftOut>,
) -> Result<bool, Broken> {
    let disk = disk(seed ^ operation << 32, left_out);
    let mut model = Model::new();
    ends.after(&disk, operation);
    let mut done = false;
    if let Ok((mount, mut node)) = open(&disk, model.now) {
        let put = |piece: usize| {
            let piece = model.goods.pieces[piece].clone();
            let digest = piece.digest();
            Request::Put { digest, piece }
        };
        let (owner, delete) = (account(1), model.goods.pieces[4].digest());
        let wanted: Vec<Request> = (0..4)
            .chain([5])
            .map(put)
            .chain([model.goods.commit(0), model.goods.commit(1), put(4)])
            .chain([Request::Delete { digest: delete }])
            .collect();
        let mut left = wanted.into_iter();
        while !disk.is_dead(&mount) {
            let Some(request) = left.next() else { break };
            let place = |digest: &Digest| {
                model
                    .goods
                    .pieces
                    .iter()
                    .position(|p| p.digest() == *digest)
            };
            let (commits, touched) = match &request {
                Request::Commit { file, .. } if place(&file.0) == Some(0) => (Some(0), None),
                Request::Commit { .. } => (Some(1), None),
                Request::Put { digest, .. } | Request::Delete { digest } => (None, place(digest)),
                _ => (None, None),
            };
            model.tried.extend(commits);
            let answer = node.handle(model.now, owner, request);
            if matches!(answer, Response::Committed { .. }) {
                model.committed.extend(commits);
            }
            let alive = !disk.is_dead(&mount);
            must(!alive || !matches!(answer, Response::Refused(_)), || {
                format!("{answer:?}")
            })?;
            model.look(&mut node, alive, touched.as_slice())?;
        }
        done = !disk.is_dead(&mount);
    }
    ends.now(&disk);
    model.records.extend([(0, 1), (1, 1)]);
    model.check(&disk).map(drop)?;
    disk.cut();
    model.end(&disk)?;
    Ok(done)
}

fn ending_anywhere(seed: u64, left_out: Option<LeftOut>) -> Result<(), Broken> {
    everywhere(60, |operation, ends| {
        ending_at(seed, operation, ends, left_out)
    })
}

#[test]
fn a_storage_node_keeps_its_word_whatever_happens() {
    holds(lives);
}

#[test]
fn a_storage_node_keeps_its_word_wherever_it_ends() {
    holds(|seed, left_out| match seed % 8 {
        0 => ending_anywhere(seed, left_out),
        _ => Ok(()),
    });
}

fn is_shard(path: &Path) -> bool {
    path.parent()
        .is_some_and(|shelf| shelf == Path::new("data/vault/pieces"))
}

#[test]
fn a_sync_of_a_storage_node_that_is_left_out_is_missed() {
    let syncs: [(&str, LeftOut); 6] = [
        ("a value's bytes", |path| {
            path.starts_with("data/vault/partial") && path != Path::new("data/vault/partial")
        }),
        ("its name", is_shard),
        ("its folder's name", |path| {
            path == Path::new("data/vault/pieces")
        }),
        ("the shelf's name", |path| path == Path::new(ROOT)),
        ("the directory's name", |path| path == Path::new("data")),
        ("the first folder's name", |path| path == Path::new(".")),
    ];
    for (what, left_out) in syncs {
        is_found_out(what, left_out, lives);
        is_found_out(what, left_out, ending_anywhere);
    }
}

/// A disk that does not answer has not lost anything.
#[test]
fn what_cannot_be_read_is_never_said_to_be_absent() {
    holds(|seed, _| {
        let disk = Disk::new(seed);
        let mut model = Model::new();
        let (_, mut node) = model.check(&disk)?;
        for piece in model.goods.pieces.clone() {
            let digest = piece.digest();
            node.handle(model.now, account(1), Request::Put { digest, piece });
        }
        node.handle(model.now, account(1), model.goods.commit(0));
        model.look(&mut node, true, &[])?;
        model.committed.insert(0);
        model.tried.insert(0);
        disk.kill();
        let (mut refused, mut answered) = (0, 0);
        for reads in 0..60 {
            disk.fail_read_after(reads);
            match open(&disk, model.now) {
                Err(broken) => {
                    must(broken.contains("cannot be opened"), || broken)?;
                    refused += 1;
                }
                Ok((_, mut node)) => {
                    for (place, piece) in model.goods.pieces.iter().enumerate() {
                        if !model.known[&place] {
                            continue;
                        }
                        let digest = piece.digest();
                        let get = node.handle(model.now, account(2), Request::Get { digest });
                        match get {
                            Response::Piece { .. } => {}
                            Response::Refused(Refusal::DiskFailed) => answered += 1,
                            other => return Err(format!("read {reads} fails: {other:?}")),
                        }
                    }
                }
            }
            disk.kill();
        }
        let held = model.known.values().filter(|known| **known).count();
        must(refused > 3 && answered == held && held > 4, || {
            format!("{refused} starts and {answered} answers failed")
        })?;
        model.check(&disk).map(drop)
    });
}

/// Bytes that rot are admitted, never passed on, and made good by the next put.
#[test]
fn rot_is_admitted_and_repaired() {
    holds(|seed, _| {
        let disk = Disk::new(seed);
        let mut model = Model::new();
        let (_, mut node) = model.check(&disk)?;
        let piece = model.goods.pieces[1].clone();
        let digest = piece.digest();
        let (name, put) = (digest.to_string(), Request::Put { digest, piece });
        node.handle(model.now, account(1), put.clone());
        let path = Path::new(ROOT).join("pieces").join(&name[..2]).join(&name);
        assert!(disk.rot(&path, (seed % 200) as usize));
        disk.cut();
        let (_, mut node) = open(&disk, model.now)?;
        let mut get = || node.handle(model.now, account(2), Request::Get { digest });
        let answers = [get(), get()];
        let expected = [Refusal::Damaged, Refusal::Unknown].map(Response::Refused);
        must(answers == expected, || format!("{answers:?}"))?;
        let stored = node.handle(model.now, account(1), put);
        must(stored == Response::Stored { digest }, || {
            format!("{stored:?}")
        })?;
        model.known.insert(1, true);
        disk.cut();
        model.check(&disk).map(drop)
    });
}
