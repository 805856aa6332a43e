//! A storage node on its directory: what it has acknowledged is so, whatever happens to the process
//! and the power.

mod model;

use std::path::Path;

use assay_crypto::Digest;
use assay_sim::disk::Disk;
use assay_sim::vault::account;
use assay_vault::wire::{Refusal, Request, Response};

use self::model::{Model, open};
use crate::{Broken, Ends, LeftOut, chance, disk, everywhere, holds, is_found_out, must};

const ROOT: &str = "data/vault";

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
