//! The chain store's database: what was committed stays.

use assay_sim::disk::Disk;
use redb::{Database, ReadableDatabase as _, TableDefinition};

use crate::{Broken, LeftOut, chance, disk, holds, is_found_out, must};

const TABLE: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("blocks");

fn open(disk: &Disk) -> Result<Database, redb::Error> {
    let plug = disk.plug("chain/chain.redb");
    Ok(Database::builder()
        .set_cache_size(1 << 20)
        .create_with_backend(plug)?)
}

fn commit(database: &Database, height: u64, bytes: &[u8]) -> Result<(), redb::Error> {
    let mut transaction = database.begin_write()?;
    // As the chain store does.
    transaction.set_quick_repair(true);
    transaction.open_table(TABLE)?.insert(height, bytes)?;
    transaction.commit()?;
    Ok(())
}

/// The commits that are there, each of which must be whole.
fn committed(database: &Database) -> Result<u64, redb::Error> {
    let transaction = database.begin_read()?;
    let table = match transaction.open_table(TABLE) {
        Err(redb::TableError::TableDoesNotExist(_)) => return Ok(0),
        table => table?,
    };
    let mut height = 0;
    while let Some(found) = table.get(height)? {
        let whole = found.value().iter().all(|byte| *byte == height as u8);
        assert!(whole, "half a commit");
        height += 1;
    }
    Ok(height)
}

/// Commits until the power goes, in place of any operation, again and again.
fn commits(seed: u64, left_out: Option<LeftOut>) -> Result<(), Broken> {
    let mut chance = chance(seed, "commits");
    let disk = disk(seed, left_out);
    let mut acknowledged = 0;
    for life in 0..4 {
        let told = |error: redb::Error| format!("life {life}: {error}");
        let database = open(&disk).map_err(told)?;
        let found = committed(&database).map_err(told)?;
        must(found == acknowledged || found == acknowledged + 1, || {
            format!("life {life}: {acknowledged} commits were acknowledged, {found} are there")
        })?;
        acknowledged = found;
        disk.cut_after(chance.below(400));
        while acknowledged < 60 * (life + 1) {
            let bytes = vec![acknowledged as u8; chance.below(3_000) as usize];
            if commit(&database, acknowledged, &bytes).is_err() {
                break;
            }
            acknowledged += 1;
        }
        disk.cut();
        drop(database);
    }
    Ok(())
}

#[test]
fn what_was_committed_is_there_wherever_the_power_goes() {
    holds(commits);
}

#[test]
fn a_sync_of_the_store_that_is_left_out_is_missed() {
    is_found_out("any sync", |_| true, commits);
}

#[test]
fn a_disk_that_cannot_be_read_holds_no_empty_store() {
    holds(|seed, _| {
        let disk = Disk::new(seed);
        let database = open(&disk).map_err(|error| error.to_string())?;
        commit(&database, 0, &[0; 5_000]).map_err(|error| error.to_string())?;
        drop(database);
        let mut failed = 0;
        for reads in 0..30 {
            disk.kill();
            disk.fail_read_after(reads);
            let found = open(&disk).and_then(|database| committed(&database));
            match found {
                Err(_) => failed += 1,
                Ok(found) => must(found == 1, || {
                    format!("read {reads} fails: {found} commits")
                })?,
            }
        }
        must(failed > 2, || format!("{failed} reads failed"))
    });
}
