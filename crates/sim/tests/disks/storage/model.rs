//! What a storage node has acknowledged, and what follows for its disk.

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

use super::ROOT;
use crate::{Broken, must};

const DAY: u64 = 24 * 60 * 60 * 1_000;
/// Files, each of two slices and a manifest; the first two share a slice.
const FILES: u8 = 3;

type Node = Service<DirectoryBackend<Mount>>;

/// Everything that may be stored.
pub(super) struct Goods {
    pub(super) pieces: Vec<Piece>,
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

    pub(super) fn record(&self, file: usize, owner: u8) -> Record {
        let [manifest, first, second] = self.files[file].map(|piece| self.pieces[piece].digest());
        Record {
            file: FileId(manifest),
            root: merkle::root(vec![first, second]),
            owner: account(owner),
        }
    }

    pub(super) fn commit(&self, file: usize) -> Request {
        let [manifest, first, second] = self.files[file].map(|piece| self.pieces[piece].digest());
        Request::Commit {
            file: FileId(manifest),
            slices: Digests::new(vec![first, second]).unwrap(),
        }
    }
}

/// What must be on the disk.
pub(super) struct Model {
    pub(super) goods: Goods,
    pub(super) now: Millis,
    /// Pieces of which it is known whether they are there.
    pub(super) known: BTreeMap<usize, bool>,
    /// Files whose commit was acknowledged, and not taken apart since for all that is known.
    pub(super) committed: BTreeSet<usize>,
    /// Files that may have been committed at some time.
    pub(super) tried: BTreeSet<usize>,
    /// On the ledger: file and owner.
    pub(super) records: BTreeSet<(usize, u8)>,
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

pub(super) fn open(disk: &Disk, now: Millis) -> Result<(Mount, Node), Broken> {
    let mount = disk.mount();
    let backend = DirectoryBackend::open_on(Path::new(ROOT), mount.clone());
    let backend = backend.map_err(|error| format!("the directory cannot be opened: {error}"))?;
    let opened = Service::open(config(), backend, now);
    let (node, damaged) = opened.map_err(|error| format!("the node cannot be opened: {error}"))?;
    must(damaged.is_empty(), || "there is half a row".to_owned())?;
    Ok((mount, node))
}

impl Model {
    pub(super) fn new() -> Self {
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
    pub(super) fn check(&mut self, disk: &Disk) -> Result<(Mount, Node), Broken> {
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
    pub(super) fn look(
        &mut self,
        node: &mut Node,
        alive: bool,
        touched: &[usize],
    ) -> Result<(), Broken> {
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
    pub(super) fn happen(
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
        let request = match chance.below(14) {
            0..=4 => {
                touched.push(piece);
                let piece = self.goods.pieces[piece].clone();
                Some(Request::Put { digest, piece })
            }
            5..=7 => {
                self.tried.insert(file);
                Some(self.goods.commit(file))
            }
            8 => {
                touched.push(piece);
                if piece == self.goods.files[file][0] && !self.is_recorded(file) {
                    self.committed.remove(&file);
                }
                Some(Request::Delete { digest })
            }
            9 => {
                self.records.insert((file, who));
                node.recorded(self.now, self.goods.record(file, who));
                None
            }
            10 => {
                self.records.remove(&(file, who));
                node.expired(self.now, self.goods.record(file, who));
                None
            }
            11 => {
                self.now = self.now + DAY / 2;
                None
            }
            12 => {
                let recorded: BTreeSet<usize> =
                    self.records.iter().map(|(file, _)| *file).collect();
                self.committed.retain(|file| recorded.contains(file));
                let protected = self.protected();
                touched.extend((0..self.goods.pieces.len()).filter(|p| !protected.contains(p)));
                node.collect(self.now);
                None
            }
            // Nobody else gets in meanwhile.
            _ => {
                let second = DirectoryBackend::open_on(Path::new(ROOT), disk.mount());
                let refused = second.err().map(|error| error.kind());
                must(
                    refused == Some(std::io::ErrorKind::ResourceBusy) || disk.is_dead(mount),
                    || format!("a second process is told {refused:?}"),
                )?;
                None
            }
        };
        let answer = request.map(|request| node.handle(self.now, account(who), request));
        if matches!(answer, Some(Response::Committed { .. })) {
            self.committed.insert(file);
        }
        // A full disk is said to be full.
        let failed = answer == Some(Response::Refused(Refusal::DiskFailed));
        must(!failed || disk.is_dead(mount), || {
            "the disk failed".to_owned()
        })?;
        self.look(node, !disk.is_dead(mount), &touched)
    }

    /// With time and without records everything goes, for good.
    pub(super) fn end(&mut self, disk: &Disk) -> Result<(), Broken> {
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
