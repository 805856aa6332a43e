//! Journals of uploads: no nonce ever covers two texts, and what was begun goes on to the same file.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use assay_crypto::{Digest, SecretKey, aead::FileKey, stream::Stream};
use assay_node::disk::Files;
use assay_node::drive::Memory;
use assay_node::files::unfinished::{Plan, Unfinished, Uploads};
use assay_sim::disk::{Disk, Mount};
use assay_sim::vault::{Uploaded, World, bytes, sealer};
use assay_vault::SLICE_BYTES;
use assay_vault::upload::{UploadConfig, UploadError};

use crate::{Broken, Ends, LeftOut, chance, disk, everywhere, holds, is_found_out, must};

const FOLDER: &str = "home/uploads";

fn owner() -> SecretKey {
    SecretKey::from_seed([100; 32])
}

/// What a source holds: an edition of it, and whether it can be told from edition 0 without reading.
#[derive(Clone, Copy, Debug)]
struct Edition {
    number: u8,
    shows: bool,
}

/// One source, its uploads, and everything that was ever sent.
struct Source {
    length: usize,
    /// Under each key and nonce, the one text.
    covered: BTreeMap<([u8; 32], u64), Digest>,
    /// Pieces sent, in all lives.
    sent: usize,
}

impl Source {
    fn new(chance: &mut Stream) -> Self {
        // Two slices take a thousand times as long as one short one.
        let length = match chance.below(16) {
            0 => SLICE_BYTES + 10,
            _ => 1 + chance.below(3_000) as usize,
        };
        Self {
            length,
            covered: BTreeMap::new(),
            sent: 0,
        }
    }

    fn text(&self, edition: Edition) -> Vec<u8> {
        bytes(self.length, edition.number)
    }

    fn plan(&self, edition: Edition) -> Plan {
        let seen = if edition.shows { edition.number } else { 0 };
        Plan {
            chain: Digest([1; 32]),
            owner: owner().public(),
            path: b"/data/rows".to_vec(),
            name: "rows".to_owned(),
            media_type: "text/plain".to_owned(),
            copies: 2,
            length: self.length as u64,
            identity: Digest([seen; 32]),
            salt: Digest::ZERO,
        }
    }

    /// One life of an upload, which ends early when the disk fails or with so many outputs.
    fn life(
        &mut self,
        world: &mut World,
        edition: Edition,
        key: &FileKey,
        memory: Memory,
        alive: &dyn Fn() -> bool,
        outputs: u64,
    ) -> Result<Uploaded, Broken> {
        let Memory { mut journal, past } = memory;
        let machine = world.upload_with(UploadConfig::default(), key);
        let mut left = outputs;
        let mut lives = || {
            let lives = alive() && left > 0;
            left = left.saturating_sub(1);
            lives
        };
        let mut sealer = sealer(&self.text(edition), key.clone());
        let mut write = |entry: &[u8]| journal.append(entry);
        let done = world.drive_upload_on(machine, &past, &mut sealer, &mut lives, &mut write);
        for piece in &done.sent {
            let place = *done
                .sealed
                .get(piece)
                .ok_or("something was sent that was not sealed")?;
            let covered = *self.covered.entry((key.0, place)).or_insert(*piece);
            must(covered == *piece, || {
                format!("nonce {place} covers two texts")
            })?;
        }
        self.sent += done.sent.len();
        Ok(done)
    }
}

fn uploads(mount: &Mount) -> Uploads {
    let files: Arc<dyn Files> = Arc::new(mount.clone());
    Uploads::on(files, Path::new(FOLDER))
}

/// The upload of this edition, unless the power went meanwhile.
fn begin(
    source: &Source,
    edition: Edition,
    disk: &Disk,
    mount: &Mount,
) -> Result<Option<Unfinished>, Broken> {
    match uploads(mount).begin(source.plan(edition), &owner()) {
        Ok(unfinished) => Ok(Some(unfinished)),
        Err(_) if disk.is_dead(mount) => Ok(None),
        Err(error) => Err(format!("an upload cannot be begun: {error:?}")),
    }
}

/// Commands that store a source again and again until it is stored, and are cut short.
fn commands(seed: u64, left_out: Option<LeftOut>) -> Result<(), Broken> {
    let mut chance = chance(seed, "commands");
    let disk = disk(seed, left_out);
    let mut source = Source::new(&mut chance);
    let mut world = World::new(3);
    for _ in 0..5 {
        let edition = Edition {
            number: chance.below(4).saturating_sub(2) as u8,
            shows: chance.below(2) == 0,
        };
        let mount = disk.mount();
        Ends::drawn(&mut chance).after(&disk, chance.below(40));
        if let Some(unfinished) = begin(&source, edition, &disk, &mount)? {
            let second = uploads(&mount).begin(source.plan(edition), &owner());
            must(second.is_err(), || {
                "two commands have one upload".to_owned()
            })?;
            let key = unfinished.plan.key(&owner());
            let alive = || !disk.is_dead(&mount);
            let outputs = chance.below(40);
            let memory = unfinished.into_memory();
            source.life(&mut world, edition, &key, memory, &alive, outputs)?;
        }
        Ends::drawn(&mut chance).now(&disk);
    }
    // Nothing fails any more, and the source is one whose changes show.
    let edition = Edition {
        number: 3,
        shows: true,
    };
    let mut file = None;
    for time in 0..2 {
        let mount = disk.mount();
        let unfinished = begin(&source, edition, &disk, &mount)?.ok_or("nothing failed")?;
        let (key, path) = (unfinished.plan.key(&owner()), unfinished.file());
        must(time == 0 || unfinished.is_resumed(), || {
            "it is forgotten".to_owned()
        })?;
        let memory = unfinished.into_memory();
        let done = source.life(&mut world, edition, &key, memory, &|| true, u64::MAX)?;
        let record = done
            .record
            .ok_or_else(|| format!("not stored: {:?}", done.result))?;
        let read = world.download(&record, key).bytes;
        must(read == source.text(edition), || {
            "other bytes come back".to_owned()
        })?;
        let stored = *file.get_or_insert(record.expected.id);
        must(stored == record.expected.id, || {
            "one upload gives two files".to_owned()
        })?;
        if time == 1 {
            uploads(&mount)
                .forget(&path)
                .map_err(|error| error.to_string())?;
        }
        disk.cut();
    }
    let left = uploads(&disk.mount())
        .list(&owner())
        .map_err(|error| error.to_string())?;
    must(left.is_empty(), || format!("{left:?} comes back"))
}

/// A party that comes with one derived key again and again, and not always with the same bytes.
fn derived(seed: u64, left_out: Option<LeftOut>) -> Result<(), Broken> {
    let mut chance = chance(seed, "derived keys");
    let disk = disk(seed, left_out);
    let mut source = Source::new(&mut chance);
    let mut world = World::new(3);
    let key = FileKey([9; 32]);
    for life in 0..6 {
        let edition = Edition {
            number: chance.below(3).saturating_sub(1) as u8,
            shows: false,
        };
        let mount = disk.mount();
        Ends::drawn(&mut chance).after(&disk, chance.below(40));
        match uploads(&mount).remember(&key, &owner()) {
            Ok(memory) => {
                let alive = || !disk.is_dead(&mount);
                let outputs = chance.below(40);
                source.life(&mut world, edition, &key, memory, &alive, outputs)?;
            }
            Err(error) => must(disk.is_dead(&mount), || format!("life {life}: {error}"))?,
        }
        Ends::drawn(&mut chance).now(&disk);
    }
    Ok(())
}

/// A derived upload that ends in place of one operation, and goes on with other bytes, and with the
/// same once more. Says whether the first came to its end.
fn ending_at(
    seed: u64,
    operation: u64,
    ends: Ends,
    left_out: Option<LeftOut>,
) -> Result<bool, Broken> {
    let mut chance = chance(seed, "three lives");
    let disk = disk(seed ^ operation << 32, left_out);
    let mut source = Source::new(&mut chance);
    source.length = source.length.min(3_000);
    let mut world = World::new(2);
    let key = FileKey([9; 32]);
    let mut stored = Vec::new();
    ends.after(&disk, operation);
    for number in [1, 2, 1] {
        let mount = disk.mount();
        let edition = Edition {
            number,
            shows: false,
        };
        let alive = || !disk.is_dead(&mount);
        let mut is_stored = false;
        match uploads(&mount).remember(&key, &owner()) {
            Ok(memory) => {
                let life = source.life(&mut world, edition, &key, memory, &alive, u64::MAX)?;
                is_stored = matches!(life.result, Some(Ok(_)));
                let refused = matches!(life.result, Some(Err(UploadError::SourceChanged { .. })));
                must(is_stored || refused || !alive(), || {
                    format!("it ends with {:?}", life.result)
                })?;
            }
            Err(error) => must(!alive(), || error)?,
        }
        stored.push(is_stored);
        match stored.len() {
            1 => ends.now(&disk),
            _ => disk.cut(),
        }
    }
    // One of both contents is that of the key for good.
    must(stored[1] != stored[2], || format!("stored: {stored:?}"))?;
    Ok(stored[0])
}

fn ending_anywhere(seed: u64, left_out: Option<LeftOut>) -> Result<(), Broken> {
    everywhere(15, |operation, ends| {
        ending_at(seed, operation, ends, left_out)
    })
}

#[test]
fn no_nonce_covers_two_texts_and_an_upload_goes_on_to_its_file() {
    holds(commands);
}

#[test]
fn a_derived_key_never_covers_two_contents() {
    holds(derived);
}

#[test]
fn no_nonce_covers_two_texts_wherever_it_ends() {
    holds(|seed, left_out| match seed % 4 {
        0 => ending_anywhere(seed, left_out),
        _ => Ok(()),
    });
}

fn is_journal(path: &Path) -> bool {
    path.extension().is_some()
}

#[test]
fn a_sync_of_an_uploads_journal_that_is_left_out_is_missed() {
    is_found_out("the journal's bytes", is_journal, commands);
    let syncs: [(&str, LeftOut); 4] = [
        ("the journal's bytes", is_journal),
        ("its name", |path| path == Path::new(FOLDER)),
        ("its folder's name", |path| path == Path::new("home")),
        ("the first folder's name", |path| path == Path::new(".")),
    ];
    for (what, left_out) in syncs {
        is_found_out(what, left_out, derived);
        is_found_out(what, left_out, ending_anywhere);
    }
}

/// A journal that cannot be read is no journal without entries.
#[test]
fn a_disk_that_cannot_be_read_begins_no_upload_anew() {
    holds(|seed, _| {
        let mut chance = chance(seed, "reads");
        let disk = Disk::new(seed);
        let mut source = Source::new(&mut chance);
        let mut world = World::new(3);
        let key = FileKey([9; 32]);
        let edition = Edition {
            number: 0,
            shows: true,
        };
        let mount = disk.mount();
        let begun = begin(&source, edition, &disk, &mount)?.ok_or("nothing failed")?;
        let plan = begun.plan.clone();
        drop(begun);
        let memory = uploads(&mount).remember(&key, &owner())?;
        source.life(&mut world, edition, &key, memory, &|| true, u64::MAX)?;
        disk.kill();
        let again = uploads(&disk.mount());
        disk.fail_read_after(0);
        must(again.remember(&key, &owner()).is_err(), || {
            "remembers nothing".to_owned()
        })?;
        disk.fail_read_after(0);
        must(again.begin(source.plan(edition), &owner()).is_err(), || {
            "begins anew".to_owned()
        })?;
        for read in 0..2 {
            disk.fail_read_after(read);
            must(again.list(&owner()).is_err(), || "lists nothing".to_owned())?;
        }
        let begun = again.begin(source.plan(edition), &owner());
        let begun = begun.map_err(|error| error.to_string())?;
        must(begun.plan == plan, || "it has begun anew".to_owned())
    });
}
