//! Files stored on and read from nodes that fail and lie.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::io::Cursor;
use std::rc::Rc;

use assay_sim::liars::storage::{
    Amnesiac, BitFlipper, Boaster, Dead, Erratic, Flaky, Forgetful, Garbage, Mixer, Nonsense,
    Silent, Slow, Uncommitted, Unwilling,
};
use proptest::prelude::*;

use assay_crypto::Digest;
use assay_sim::vault::{Honest, Node, OWNER, Recorded, World, account, bytes, key, sealer};
use assay_vault::download::{DownloadError, Part};
use assay_vault::storage::{MemoryBackend, Record};
use assay_vault::upload::{Need, ResumeError, UploadConfig, UploadError};
use assay_vault::wire::Refusal;
use assay_vault::{
    Coding, Fault, Millis, OpenManifestError, SLICE_BYTES, Sealer, UnsealError, content_digest,
};

/// Two slices and a bit.
const SOME: usize = 2 * SLICE_BYTES + 12_345;

#[test]
fn files_of_every_size_come_back() {
    for (n, length) in [0, 1, SLICE_BYTES - 1, SLICE_BYTES, SLICE_BYTES + 1, SOME]
        .into_iter()
        .enumerate()
    {
        let mut world = World::new(3);
        let plain = bytes(length, n as u8);
        let uploaded = world.upload(&plain, key(n as u8));
        let file = uploaded.record.unwrap();
        assert_eq!(uploaded.result.unwrap().unwrap(), file.expected.id);
        assert_eq!(uploaded.reports, []);
        let holders: BTreeSet<_> = file.placement.iter().collect();
        assert_eq!(holders.len(), 2);

        let downloaded = world.download(&file, key(n as u8));
        let content = downloaded.result.unwrap();
        assert!(downloaded.bytes == plain);
        assert_eq!(downloaded.reports, []);
        assert_eq!(content.length, length as u64);
        assert_eq!(content.digest, content_digest(&plain));
    }
}

/// Stores a file on nodes 1 and 2, both honest, then lets `replace` take over their places.
fn stored(replace: impl FnOnce(&mut World, &Recorded)) -> (World, Recorded, Vec<u8>) {
    let mut world = World::new(2);
    let plain = bytes(SOME, 9);
    let file = world.upload(&plain, key(9)).record.unwrap();
    replace(&mut world, &file);
    (world, file, plain)
}

/// An honest node that has the same file.
fn copy_of_the_file() -> Honest {
    let node = Rc::new(RefCell::new(Honest::new(1 << 30)));
    let mut world = World::default();
    world.add(1, Rc::clone(&node));
    world.add(2, Honest::new(1 << 30));
    world.upload(&bytes(SOME, 9), key(9));
    drop(world);
    Rc::into_inner(node).unwrap().into_inner()
}

/// What the honest copy would be tricked into: each liar, and the fault it shows.
fn liars() -> Vec<(Box<dyn Node>, Fault)> {
    let pieces = vec![
        sealer(b"another file", key(1))
            .slice(0)
            .unwrap()
            .unwrap()
            .piece,
        sealer(b"a third file", key(2))
            .slice(0)
            .unwrap()
            .unwrap()
            .piece,
    ];
    let mixer = Mixer {
        node: copy_of_the_file(),
        pieces,
    };
    let slow = Slow {
        node: copy_of_the_file(),
        delay_ms: 3_000,
    };
    vec![
        (Box::new(Amnesiac), Fault::Refused(Refusal::Unknown)),
        (Box::new(BitFlipper(copy_of_the_file())), Fault::Corrupt),
        (Box::new(Dead), Fault::Unreachable),
        (Box::new(Garbage(copy_of_the_file())), Fault::Corrupt),
        (Box::new(mixer), Fault::Corrupt),
        (Box::new(Nonsense), Fault::Nonsense),
        (Box::new(Silent), Fault::Late),
        (Box::new(slow), Fault::Late),
    ]
}

#[test]
fn one_honest_copy_is_enough_whatever_the_other_does() {
    for (liar, fault) in liars() {
        let (mut world, file, plain) = stored(|_, _| {});
        // The first holder is asked first for the manifest, so the liar is always met.
        let met = file.placement[0];
        world.nodes.insert(met, liar);
        let start = world.now;
        let downloaded = world.download(&file, key(9));
        assert!(downloaded.bytes == plain, "{fault}");
        downloaded.result.unwrap();
        assert!(!downloaded.reports.is_empty(), "{fault}");
        for (node, _, reported) in downloaded.reports {
            assert_eq!((node, reported), (met, fault));
        }
        // Slow and silent nodes cost one hedge each time they are tried, not a time-out.
        assert!(world.now <= start + 10_000, "{fault}: {:?}", world.now);
    }
}

#[test]
fn a_file_nobody_returns_is_named_with_what_each_node_did() {
    let (mut world, file, _) = stored(|world, file| {
        world.nodes.insert(file.placement[0], Box::new(Dead));
        world
            .nodes
            .insert(file.placement[1], Box::new(Garbage(copy_of_the_file())));
    });
    let error = world.download(&file, key(9)).result.unwrap_err();
    let message = error.to_string();
    let DownloadError::Missing { part, tried, .. } = error else {
        panic!("{message}");
    };
    assert_eq!(part, Part::Manifest);
    assert!(tried.contains(&(file.placement[0], Fault::Unreachable)));
    assert!(tried.contains(&(file.placement[1], Fault::Corrupt)));
    assert!(message.contains("the manifest of file"), "{message}");
    assert!(
        message.contains(&file.placement[0].to_string()),
        "{message}"
    );
}

/// Without a key: the list comes from whoever has it, and only the recorded one counts.
#[test]
fn slices_are_read_as_they_are_sealed() {
    let (mut world, file, plain) = stored(|world, file| {
        world
            .nodes
            .insert(file.placement[0], Box::new(Garbage(copy_of_the_file())));
    });
    let read = world.slices(&file);
    assert!(read.result.is_ok());
    let mut sealer = sealer(&plain, key(9));
    for (index, piece) in (0..).zip(&read.pieces) {
        let sealed = sealer.slice(index).unwrap().unwrap();
        assert_eq!(piece.digest(), sealed.digest);
    }
    assert_eq!(read.pieces.len() as u32, file.expected.slices);
    let liar = file.placement[0];
    assert!(read.reports.iter().all(|(node, ..)| *node == liar));

    let (mut world, mut file, _) = stored(|_, _| {});
    file.expected.root = file.expected.id.0;
    let error = world.slices(&file).result.unwrap_err();
    let DownloadError::Missing { part, tried, .. } = error else {
        panic!("{error}");
    };
    assert_eq!(part, Part::List);
    let unknown = |(_, fault): &(_, Fault)| *fault == Fault::Refused(Refusal::Unknown);
    assert!(!tried.is_empty() && tried.iter().all(unknown), "{tried:?}");
}

#[test]
fn one_lost_slice_is_named() {
    let disks = [1, 2].map(|_| Rc::new(MemoryBackend::new()));
    let mut world = World::default();
    for (n, disk) in (1..).zip(&disks) {
        world.add(n, Honest::on(Rc::clone(disk), 1 << 30, Millis(0)));
    }
    let plain = bytes(SOME, 9);
    let file = world.upload(&plain, key(9)).record.unwrap();
    let slice = sealer(&plain, key(9)).slice(1).unwrap().unwrap();
    for disk in &disks {
        use assay_vault::storage::{Backend, Shelf};
        disk.delete(Shelf::Pieces, &slice.digest).unwrap();
    }
    let error = world.download(&file, key(9)).result.unwrap_err();
    assert!(matches!(
        error,
        DownloadError::Missing { part: Part::Slice(1), ref tried, .. } if tried.len() == 2
    ));
}

#[test]
fn a_flaky_node_alone_serves_in_the_end() {
    let (mut world, mut file, plain) = stored(|_, _| {});
    let node = file.placement[0];
    file.placement = vec![node];
    let flaky = Flaky {
        node: copy_of_the_file(),
        asked: 0,
    };
    world.nodes.insert(node, Box::new(flaky));
    let downloaded = world.download(&file, key(9));
    downloaded.result.unwrap();
    assert!(downloaded.bytes == plain);
}

#[test]
fn reads_go_on_while_one_holder_of_three_lives() {
    let mut world = World::new(5);
    let config = UploadConfig {
        copies: 3,
        ..UploadConfig::default()
    };
    let plain = bytes(SOME, 4);
    let upload = world.upload_with(config, &key(4));
    let file = world
        .drive_upload(upload, &[], &mut sealer(&plain, key(4)), usize::MAX)
        .record
        .unwrap();
    assert_eq!(file.placement.len(), 3);
    for n in 0..2 {
        world.nodes.insert(file.placement[n], Box::new(Dead));
        let downloaded = world.download(&file, key(4));
        downloaded.result.unwrap();
        assert!(downloaded.bytes == plain);
    }
    world.nodes.insert(file.placement[2], Box::new(Dead));
    assert!(world.download(&file, key(4)).result.is_err());
}

#[test]
fn a_wrong_key_is_told_from_damage() {
    let (mut world, file, _) = stored(|_, _| {});
    let downloaded = world.download(&file, key(10));
    assert!(matches!(
        downloaded.result,
        Err(DownloadError::Unseal(UnsealError::Manifest(
            OpenManifestError::WrongKey
        )))
    ));
    assert!(downloaded.bytes.is_empty());
    assert!(downloaded.reports.is_empty(), "no node is blamed");
}

#[test]
fn a_node_that_fails_while_storing_is_replaced() {
    let useless: Vec<(Box<dyn Node>, Fault)> = vec![
        (Box::new(Dead), Fault::Unreachable),
        (Box::new(Silent), Fault::Late),
        (
            Box::new(Boaster),
            Fault::Refused(Refusal::Full { free: u64::MAX }),
        ),
        (Box::new(Nonsense), Fault::Nonsense),
        (
            Box::new(Uncommitted(Honest::new(1 << 30))),
            Fault::Unreachable,
        ),
        (
            Box::new(Unwilling(Honest::new(1 << 30))),
            Fault::Refused(Refusal::Busy),
        ),
        (
            Box::new(Honest::new(SLICE_BYTES as u64 * 8)),
            Fault::Refused(Refusal::TooMuchPending),
        ),
    ];
    for (node, fault) in useless {
        let mut world = World::new(4);
        let plain = bytes(SOME, 5);
        let chosen = world.upload(&plain, key(5)).record.unwrap().placement[0];

        let mut world = World::new(4);
        world.nodes.insert(chosen, node);
        let uploaded = world.upload(&plain, key(5));
        let file = uploaded.record.unwrap();
        assert!(!file.placement.contains(&chosen), "{fault}");
        assert_eq!(file.placement.len(), 2);
        assert!(
            uploaded.reports.contains(&(chosen, fault)),
            "{:?}",
            uploaded.reports
        );

        // The copies that remain are whole: each alone returns the file.
        for node in file.placement.clone() {
            let mut alone = file.clone();
            alone.placement = vec![node];
            assert!(world.download(&alone, key(5)).bytes == plain);
        }
    }
}

#[test]
fn a_flaky_node_is_kept_if_it_works_often_enough() {
    let mut world = World::new(0);
    world.add(1, Honest::new(1 << 30));
    let flaky = Flaky {
        node: Honest::new(1 << 30),
        asked: 0,
    };
    let flaky = world.add(2, flaky);
    let plain = bytes(SOME, 6);
    let uploaded = world.upload(&plain, key(6));
    let file = uploaded.record.unwrap();
    assert!(file.placement.contains(&flaky));
    assert!(uploaded.reports.contains(&(flaky, Fault::Unreachable)));
    assert!(world.download(&file, key(6)).bytes == plain);
}

#[test]
fn too_few_working_nodes_is_an_error_that_says_who_failed() {
    let mut world = World::new(1);
    let dead = world.add(2, Dead);
    let full = world.add(3, Honest::new(1_000));
    let uploaded = world.upload(&bytes(SOME, 7), key(7));
    assert!(uploaded.record.is_none());
    let error = uploaded.result.unwrap().unwrap_err();
    let message = error.to_string();
    let UploadError::NotEnoughNodes {
        copies,
        working,
        failed,
    } = error
    else {
        panic!("{message}");
    };
    assert_eq!((copies, working), (2, 1));
    let nodes: Vec<_> = failed.iter().map(|(node, _)| *node).collect();
    assert!(nodes.contains(&dead) && nodes.contains(&full));
    assert!(message.contains("add storage nodes"), "{message}");

    let uploaded = World::new(1).upload(b"x", key(7));
    assert!(matches!(
        uploaded.result,
        Some(Err(UploadError::NotEnoughNodes { .. }))
    ));
    assert!(uploaded.journal.is_empty());
}

#[test]
fn slices_are_asked_once_and_in_order_from_a_healthy_network() {
    let mut world = World::new(3);
    let uploaded = world.upload(&bytes(6 * SLICE_BYTES, 8), key(8));
    let expected: Vec<Need> = (0..6).map(Need::Slice).chain([Need::Manifest]).collect();
    assert_eq!(uploaded.needs, expected);
    assert_eq!(uploaded.sent.len(), 2 * 7);
}

#[test]
fn an_upload_resumes_from_a_crash_at_any_point() {
    let plain = bytes(SLICE_BYTES + 1, 11);
    let whole = World::new(3).upload(&plain, key(11));
    let file = whole.record.unwrap();
    assert!(whole.outputs > 15);
    for crash in 0..whole.outputs {
        let mut world = World::new(3);
        let config = UploadConfig::default();
        let upload = world.upload_with(config, &key(11));
        let crashed = world.drive_upload(upload, &[], &mut sealer(&plain, key(11)), crash);
        assert!(crashed.result.is_none());

        let again = world.upload_with(config, &key(11));
        let mut source = sealer(&plain, key(11));
        let resumed = world.drive_upload(again, &crashed.journal, &mut source, usize::MAX);
        let again = resumed.record.unwrap();
        assert_eq!(again.expected, file.expected, "crash at {crash}");
        assert_eq!(again.placement, file.placement);
        // What arrived before the crash is not sent again, but for the manifest.
        assert!(
            resumed.sent.len() + crashed.sent.len() <= whole.sent.len() + 2,
            "crash at {crash}"
        );
        assert!(world.download(&again, key(11)).bytes == plain);
    }
}

#[test]
fn a_source_that_changed_before_a_resume_never_reuses_a_nonce() {
    let plain = bytes(SLICE_BYTES + 1, 12);
    let mut changed = plain.clone();
    changed[17] ^= 1;
    *changed.last_mut().unwrap() ^= 1;
    let digests = |plain: &[u8]| -> Vec<Digest> {
        let mut sealer = sealer(plain, key(12));
        let file = sealer.finish().unwrap();
        [file.manifest.slices(), &[file.id.0]].concat()
    };
    let (before, after) = (digests(&plain), digests(&changed));
    let outputs = World::new(3).upload(&plain, key(12)).outputs;
    let mut refused = 0;
    for crash in 0..outputs {
        let mut world = World::new(3);
        let config = UploadConfig::default();
        let upload = world.upload_with(config, &key(12));
        let crashed = world.drive_upload(upload, &[], &mut sealer(&plain, key(12)), crash);
        let again = world.upload_with(config, &key(12));
        let mut source = sealer(&changed, key(12));
        let resumed = world.drive_upload(again, &crashed.journal, &mut source, usize::MAX);
        for (old, new) in before.iter().zip(&after) {
            assert!(!(crashed.sent.contains(old) && resumed.sent.contains(new)));
        }
        match resumed.result.unwrap() {
            Ok(_) => assert!(crashed.sent.is_empty()),
            Err(error) => {
                assert!(
                    matches!(error, UploadError::SourceChanged { .. }),
                    "{error}"
                );
                refused += 1;
            }
        }
    }
    assert!(refused > outputs / 2);
}

/// The manifest is sealed under a nonce of its own, which must not cover two manifests either.
#[test]
fn a_manifest_that_changed_before_a_resume_is_not_sent() {
    let plain = bytes(100, 15);
    let config = UploadConfig::default();
    let whole = World::new(3).upload(&plain, key(15));
    // Everything is stored, and the record is what the crash prevented.
    let mut world = World::new(3);
    let upload = world.upload_with(config, &key(15));
    let crashed = world.drive_upload(upload, &[], &mut sealer(&plain, key(15)), whole.outputs - 2);
    assert!(crashed.record.is_none());
    let again = world.upload_with(config, &key(15));
    let coding = Coding::Replicated { copies: 9 };
    let mut other = Sealer::new(Cursor::new(plain), key(15), coding);
    let resumed = world.drive_upload(again, &crashed.journal, &mut other, usize::MAX);
    assert!(matches!(
        resumed.result,
        Some(Err(UploadError::SourceChanged { .. }))
    ));
    assert_eq!(resumed.sent, []);
}

#[test]
fn a_node_that_lost_a_slice_before_the_commit_gets_it_again() {
    let mut world = World::new(0);
    world.add(1, Honest::new(1 << 30));
    let forgetful = Forgetful {
        node: Honest::new(1 << 30),
        lost: None,
        has_lost: false,
    };
    let forgetful = world.add(2, forgetful);
    let plain = bytes(SOME, 16);
    let uploaded = world.upload(&plain, key(16));
    let incomplete = Fault::Refused(Refusal::Incomplete { missing: 1 });
    assert_eq!(uploaded.reports, [(forgetful, incomplete)]);
    // Three slices and a manifest for each of two, one slice and one manifest again.
    assert_eq!(uploaded.sent.len(), 2 * 4 + 2);
    let file = uploaded.record.unwrap();
    assert!(file.placement.contains(&forgetful));
}

#[test]
fn an_upload_is_not_resumed_under_another_key() {
    let mut world = World::new(3);
    let config = UploadConfig::default();
    let upload = world.upload_with(config, &key(12));
    let crashed = world.drive_upload(upload, &[], &mut sealer(b"x", key(12)), 3);
    let other = world.upload_with(config, &key(13));
    let mut source = sealer(b"x", key(13));
    let resumed = world.drive_upload(other, &crashed.journal, &mut source, usize::MAX);
    let error = UploadError::Resume(ResumeError::OtherKey);
    assert_eq!(resumed.result, Some(Err(error)));
    assert_eq!(resumed.sent, []);
}

#[test]
fn a_damaged_journal_is_refused() {
    let mut world = World::new(3);
    let upload = world.upload_with(UploadConfig::default(), &key(12));
    let plain = bytes(10, 1);
    let crashed = world.drive_upload(upload, &[], &mut sealer(&plain, key(12)), 6);
    for at in 0..crashed.journal.len() {
        let mut journal = crashed.journal.clone();
        journal[at].truncate(3);
        let config = UploadConfig::default();
        let again = world.upload_with(config, &key(12));
        let mut source = sealer(&plain, key(12));
        let resumed = world.drive_upload(again, &journal, &mut source, usize::MAX);
        let error = UploadError::Resume(ResumeError::Damaged { at });
        assert_eq!(resumed.result, Some(Err(error)));
    }
}

#[test]
fn orphans_of_a_crashed_upload_are_collected_and_recorded_files_are_not() {
    let nodes = [1, 2].map(|_| Rc::new(RefCell::new(Honest::new(1 << 30))));
    let mut world = World::default();
    for (n, node) in (1..).zip(&nodes) {
        world.add(n, Rc::clone(node));
    }
    let plain = bytes(SOME, 13);
    let kept = world.upload(&plain, key(13)).record.unwrap();
    for node in &nodes {
        let record = Record {
            file: kept.expected.id,
            root: kept.expected.root,
            owner: account(OWNER),
        };
        node.borrow_mut().0.recorded(world.now, record);
    }
    let full = nodes[0].borrow().0.usage();

    let upload = world.upload_with(UploadConfig::default(), &key(14));
    let crashed = world.drive_upload(upload, &[], &mut sealer(&bytes(SOME, 14), key(14)), 12);
    assert!(crashed.result.is_none());
    assert!(nodes[0].borrow().0.usage().used > full.used);

    let day = 24 * 60 * 60 * 1_000;
    for node in &nodes {
        node.borrow_mut().0.collect(world.now + day / 2);
        assert!(node.borrow().0.usage().used > full.used, "still in grace");
        node.borrow_mut().0.collect(world.now + day);
        assert_eq!(node.borrow().0.usage(), full);
    }
    assert!(world.download(&kept, key(13)).bytes == plain);
}

/// Honest nodes that follow these scripts.
fn erratic_world(scripts: &[Vec<u8>]) -> (World, Vec<Rc<RefCell<Erratic>>>) {
    let mut world = World::default();
    let mut nodes = Vec::new();
    for (n, script) in (1..).zip(scripts) {
        let node = Rc::new(RefCell::new(Erratic {
            node: Honest::new(1 << 30),
            script: script.clone(),
            asked: 0,
        }));
        world.add(n, Rc::clone(&node));
        nodes.push(node);
    }
    (world, nodes)
}

fn scripts(nodes: usize) -> impl Strategy<Value = Vec<Vec<u8>>> {
    let script = proptest::collection::vec(0u8..14, 1..12);
    proptest::collection::vec(script, nodes)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever nodes do: the right bytes, or an error and a right beginning. An upload that ends
    /// well has left whole copies.
    #[test]
    fn bytes_are_right_or_there_is_an_error(
        storing in scripts(4), reading in scripts(4), two_slices: bool,
    ) {
        let length = if two_slices { SLICE_BYTES + 1 } else { 100 };
        let plain = bytes(length, 1);
        let (mut world, nodes) = erratic_world(&storing);
        let uploaded = world.upload(&plain, key(1));
        let Some(Ok(_)) = uploaded.result else {
            prop_assert!(uploaded.record.is_none());
            return Ok(());
        };
        let file = uploaded.record.unwrap();
        // Everyone behaves, and each copy alone is the file.
        for node in &nodes {
            node.borrow_mut().script = vec![u8::MAX];
        }
        for node in file.placement.clone() {
            let alone = Recorded { placement: vec![node], ..file.clone() };
            let downloaded = world.download(&alone, key(1));
            prop_assert!(downloaded.result.is_ok());
            prop_assert!(downloaded.bytes == plain);
        }
        // Nobody behaves.
        for (node, script) in nodes.iter().zip(reading) {
            node.borrow_mut().script = script;
        }
        let downloaded = world.download(&file, key(1));
        prop_assert!(plain.starts_with(&downloaded.bytes));
        prop_assert_eq!(downloaded.result.is_ok(), downloaded.bytes == plain);
    }
}
