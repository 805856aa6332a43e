//! Random histories of one storage node: nothing recorded is lost, nothing unrecorded stays.

use std::collections::BTreeSet;
use std::rc::Rc;

use assay_vault::storage::{Backend, Charge, MemoryBackend, Service, Shelf, StorageConfig};
use assay_vault::wire::{Request, Response};
use assay_vault::{Millis, Piece, SealedFile};
use proptest::prelude::*;

use super::{DAY, commit, file, get, put, record};
use crate::support::account;

#[derive(Clone, Copy, Debug)]
enum Event {
    PutSlice,
    PutManifest,
    Commit,
    Delete,
    Recorded,
    Expired,
    Wait,
    Collect,
    Restart,
}

fn event() -> impl Strategy<Value = (Event, u8, u8)> {
    let event = prop_oneof![
        4 => Just(Event::PutSlice),
        4 => Just(Event::PutManifest),
        6 => Just(Event::Commit),
        2 => Just(Event::Delete),
        3 => Just(Event::Recorded),
        1 => Just(Event::Expired),
        1 => Just(Event::Wait),
        2 => Just(Event::Collect),
        1 => Just(Event::Restart),
    ];
    (event, 0u8..3, 1u8..3)
}

struct History {
    now: Millis,
    disk: Rc<MemoryBackend>,
    node: Service<Rc<MemoryBackend>>,
    files: Vec<(SealedFile, Piece)>,
    /// Files whose commit was acknowledged and not collected since.
    committed: BTreeSet<u8>,
    /// Records on the ledger: file and owner.
    records: BTreeSet<(u8, u8)>,
}

impl History {
    fn new() -> Self {
        let disk = Rc::new(MemoryBackend::new());
        Self {
            now: Millis(0),
            node: open(&disk, Millis(0)),
            disk,
            files: (0..3).map(file).collect(),
            committed: BTreeSet::new(),
            records: BTreeSet::new(),
        }
    }

    fn is_recorded(&self, n: u8) -> bool {
        self.records.iter().any(|(file, _)| *file == n)
    }

    fn apply(&mut self, event: Event, n: u8, who: u8) {
        let (file, slice) = self.files[usize::from(n)].clone();
        let from = account(who);
        match event {
            Event::PutSlice => {
                self.node.handle(self.now, from, put(&slice));
            }
            Event::PutManifest => {
                self.node.handle(self.now, from, put(&file.piece));
            }
            Event::Commit => {
                let request = commit(file.id, &[&slice]);
                let response = self.node.handle(self.now, from, request);
                if response == (Response::Committed { file: file.id }) {
                    self.committed.insert(n);
                }
            }
            Event::Delete => {
                let digest = slice.digest();
                self.node.handle(self.now, from, Request::Delete { digest });
            }
            Event::Recorded => {
                self.records.insert((n, who));
                self.node.recorded(self.now, record(&file, from));
            }
            Event::Expired => {
                self.records.remove(&(n, who));
                self.node.expired(self.now, record(&file, from));
            }
            Event::Wait => self.now = self.now + DAY,
            Event::Collect => {
                self.node.collect(self.now);
                self.committed = (0..3)
                    .filter(|n| self.committed.contains(n) && self.is_recorded(*n))
                    .collect();
            }
            Event::Restart => {
                self.node = open(&self.disk, self.now);
                for (n, who) in &self.records {
                    let (file, _) = &self.files[usize::from(*n)];
                    self.node.recorded(self.now, record(file, account(*who)));
                }
            }
        }
    }

    fn check(&mut self) {
        let on = |shelf| self.disk.list(shelf).unwrap();
        let kept = [on(Shelf::Pieces), on(Shelf::Holdings)].concat();
        let bytes: u64 = kept.iter().map(|(_, bytes)| bytes).sum();
        assert_eq!(self.node.usage().used, bytes);
        for n in 0..3 {
            if !self.committed.contains(&n) || !self.is_recorded(n) {
                continue;
            }
            let (file, slice) = self.files[usize::from(n)].clone();
            for piece in [slice, file.piece] {
                let got = self.node.handle(self.now, account(9), get(&piece));
                assert_eq!(got, Response::Piece { piece });
            }
        }
    }
}

fn open(disk: &Rc<MemoryBackend>, now: Millis) -> Service<Rc<MemoryBackend>> {
    // Room for two and a half of the three files, so that some puts are refused.
    let config = StorageConfig {
        pending_per_account: Charge {
            bytes: 2_400,
            entries: 100,
        },
        held_per_account: Charge::ANY,
        ..StorageConfig::new(2_900)
    };
    let (service, damaged) = Service::open(config, Rc::clone(disk), now).unwrap();
    assert!(damaged.is_empty());
    service
}

fn cases() -> u32 {
    let cases = std::env::var("ASSAY_CASES").ok();
    cases.and_then(|text| text.parse().ok()).unwrap_or(256)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: cases(),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn the_ledger_decides_what_stays(events in proptest::collection::vec(event(), 0..80)) {
        let mut history = History::new();
        for (event, file, who) in events {
            history.apply(event, file, who);
            history.check();
        }
        // Without records and with time, everything goes, and every allowance is whole again.
        for (file, who) in std::mem::take(&mut history.records) {
            history.apply(Event::Expired, file, who);
        }
        history.now = history.now + DAY;
        history.apply(Event::Collect, 0, 1);
        history.check();
        prop_assert_eq!(history.node.usage().used, 0);
        for n in 0..2 {
            let (file, slice) = history.files[n].clone();
            for piece in [slice, file.piece] {
                let stored = history.node.handle(history.now, account(1), put(&piece));
                prop_assert_eq!(stored, super::stored(&piece));
            }
        }
    }
}
