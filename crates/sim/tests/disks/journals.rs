//! Journals of parties: what `append` has acknowledged is read back, whole and in order.

use std::path::Path;

use assay_crypto::{SecretKey, stream::Stream};
use assay_node::drive::{Head, Journal, JournalFault, JournalKey};
use assay_sim::disk::{Disk, Mount, SECTOR};

use crate::{Broken, Ends, LeftOut, chance, disk, everywhere, holds, is_found_out, must};

const PATH: &str = "home/orders/7/provider.journal";

fn open(files: &Mount, known: Option<Head>) -> std::io::Result<(Journal, Vec<Vec<u8>>)> {
    let key = JournalKey::new(&SecretKey::from_seed([1; 32]), "provider");
    Journal::open_on(files, Path::new(PATH), key, known)
}

/// An entry, most of them short, some of several sectors.
fn entry(chance: &mut Stream) -> Vec<u8> {
    let most = [40, 40, 600, 6 * SECTOR as u64][chance.below(4) as usize];
    let mut entry = vec![0; chance.below(most) as usize];
    chance.fill(&mut entry);
    entry
}

/// What must be in the journal.
#[derive(Default)]
struct Kept {
    /// Acknowledged.
    entries: Vec<Vec<u8>>,
    /// Asked for, and not acknowledged.
    doubtful: Option<Vec<u8>>,
    /// The journal as it was last seen.
    head: Option<Head>,
}

impl Kept {
    /// Opens the journal and compares.
    fn read(&mut self, files: &Mount) -> Result<Journal, Broken> {
        let opened = open(files, self.head);
        let (journal, found) = opened.map_err(|error| format!("cannot be opened: {error}"))?;
        let acknowledged = self.entries.len();
        let doubtful = self.doubtful.take();
        self.entries
            .extend(doubtful.filter(|_| found.len() > acknowledged));
        must(found == self.entries, || {
            format!(
                "{acknowledged} entries were acknowledged, and {} are there or others",
                found.len()
            )
        })?;
        self.head = Some(journal.head());
        Ok(journal)
    }

    fn append(&mut self, journal: &mut Journal, entry: Vec<u8>) -> bool {
        let appended = journal.append(&entry).is_ok();
        match appended {
            true => {
                self.entries.push(entry);
                self.head = Some(journal.head());
            }
            false => self.doubtful = Some(entry),
        }
        appended
    }
}

/// Lives that end when the power goes, when the process is killed, or when the disk is full.
fn lives(seed: u64, left_out: Option<LeftOut>) -> Result<(), Broken> {
    let mut chance = chance(seed, "lives of a journal");
    let disk = disk(seed, left_out);
    let mut kept = Kept::default();
    for life in 0..6 {
        // Sometimes it goes while the journal is opened.
        if chance.below(3) == 0 {
            disk.cut_after(chance.below(14));
            drop(open(&disk.mount(), None));
            disk.cut();
        }
        let mut journal = kept
            .read(&disk.mount())
            .map_err(|broken| format!("life {life}: {broken}"))?;
        Ends::drawn(&mut chance).after(&disk, chance.below(30));
        if chance.below(4) == 0 {
            disk.hold_at_most(chance.below(8_000));
        }
        while chance.below(10) > 0 {
            if !kept.append(&mut journal, entry(&mut chance)) {
                // Whatever failed, nothing is put behind it.
                disk.hold_at_most(u64::MAX);
                must(journal.append(b"more").is_err(), || {
                    "it goes on after an error".to_owned()
                })?;
                break;
            }
        }
        disk.hold_at_most(u64::MAX);
        Ends::drawn(&mut chance).now(&disk);
    }
    kept.read(&disk.mount()).map(drop)
}

/// One short life that ends in place of one operation.
fn ending_at(
    seed: u64,
    operation: u64,
    ends: Ends,
    left_out: Option<LeftOut>,
) -> Result<bool, Broken> {
    let mut chance = chance(seed, "a short life");
    let disk = disk(seed ^ operation << 32, left_out);
    ends.after(&disk, operation);
    let mut kept = Kept::default();
    let mut survived = false;
    if let Ok((mut journal, _)) = open(&disk.mount(), None) {
        survived = (0..4).all(|_| kept.append(&mut journal, entry(&mut chance)));
    }
    ends.now(&disk);
    // What was seen once is there for good.
    kept.read(&disk.mount())?;
    disk.cut();
    let mut journal = kept.read(&disk.mount())?;
    // It goes on as if nothing had been.
    kept.append(&mut journal, b"more".to_vec());
    disk.cut();
    kept.read(&disk.mount())?;
    Ok(survived)
}

fn ending_anywhere(seed: u64, left_out: Option<LeftOut>) -> Result<(), Broken> {
    everywhere(15, |operation, ends| {
        ending_at(seed, operation, ends, left_out)
    })
}

#[test]
fn what_was_appended_is_read_back_whatever_happens() {
    holds(lives);
}

#[test]
fn what_was_appended_is_read_back_wherever_it_ends() {
    holds(ending_anywhere);
}

#[test]
fn a_sync_of_a_journal_that_is_left_out_is_missed() {
    let syncs: [(&str, LeftOut); 4] = [
        ("the journal's bytes", |path| path == Path::new(PATH)),
        ("its name", |path| path == Path::new("home/orders/7")),
        ("its folder's name", |path| path == Path::new("home/orders")),
        ("the first folder's name", |path| path == Path::new(".")),
    ];
    for (what, left_out) in syncs {
        is_found_out(what, left_out, lives);
        is_found_out(what, left_out, ending_anywhere);
    }
}

/// A copy of the disk comes back in place of the disk.
#[test]
fn a_journal_from_an_old_copy_is_refused_where_its_head_is_known() {
    holds(|seed, _| {
        let mut chance = chance(seed, "copies");
        let disk = Disk::new(seed);
        let mut kept = Kept::default();
        let mut journal = kept.read(&disk.mount())?;
        let mut copies = Vec::new();
        for _ in 0..4 {
            copies.push(disk.copy());
            kept.append(&mut journal, entry(&mut chance));
        }
        for (entries, copy) in (0u64..).zip(copies) {
            let fault = |known| {
                let error = open(&copy.mount(), known).err()?;
                error.get_ref()?.downcast_ref::<JournalFault>().copied()
            };
            let old = JournalFault::Old {
                found: entries,
                known: 4,
            };
            must(fault(kept.head) == Some(old), || {
                format!("a copy with {entries} entries is taken for the journal")
            })?;
            // Who knows no head cannot tell; gone on to as many entries, it has another history.
            let (mut journal, _) = open(&copy.mount(), None).map_err(|error| error.to_string())?;
            for _ in entries..4 {
                journal
                    .append(b"another")
                    .map_err(|error| error.to_string())?;
            }
            must(fault(kept.head) == Some(JournalFault::Forked(4)), || {
                format!("a copy that went on from {entries} entries is taken for the journal")
            })?;
        }
        Ok(())
    });
}

#[test]
fn a_disk_that_cannot_be_read_holds_no_empty_journal() {
    holds(|seed, _| {
        let mut chance = chance(seed, "reads");
        let disk = Disk::new(seed);
        let mut kept = Kept::default();
        let mut journal = kept.read(&disk.mount())?;
        for _ in 0..3 {
            kept.append(&mut journal, entry(&mut chance));
        }
        disk.fail_read_after(0);
        must(open(&disk.mount(), None).is_err(), || {
            "what cannot be read is opened".to_owned()
        })?;
        kept.read(&disk.mount()).map(drop)
    });
}

/// Where the disk says it is full, nothing of an entry is left to be taken for the next one.
#[test]
fn a_journal_on_a_full_disk_goes_on_when_there_is_room() {
    holds(|seed, _| {
        let mut chance = chance(seed, "room");
        let disk = Disk::new(seed);
        let mut kept = Kept::default();
        for room in [0, 60, 200, 900, 3_000] {
            disk.hold_at_most(room + chance.below(300));
            if let Ok((mut journal, _)) = open(&disk.mount(), kept.head) {
                while kept.append(&mut journal, entry(&mut chance)) {}
            }
            disk.kill();
            disk.hold_at_most(u64::MAX);
            kept.read(&disk.mount())?;
        }
        Ok(())
    });
}
