//! The simulated disk against what it promises.

use std::path::Path;

use assay_node::disk::Files as _;
use assay_sim::disk::{Disk, SECTOR};
use redb::StorageBackend as _;

use crate::cases;

const FOLDER: &str = "a/b";
const FILE: &str = "a/b/file";

/// A disk with a file of these bytes, all of it durable.
fn holding(seed: u64, bytes: &[u8]) -> Disk {
    let disk = Disk::new(seed);
    let plug = disk.plug(FILE);
    plug.set_len(bytes.len() as u64).unwrap();
    plug.write(0, bytes).unwrap();
    plug.sync_data().unwrap();
    disk
}

fn read(disk: &Disk) -> Vec<u8> {
    disk.mount().read(Path::new(FILE)).unwrap()
}

#[test]
fn what_was_synced_stays_and_of_the_rest_any_sector_does() {
    let (mut kept, mut lost, mut torn) = (0, 0, 0);
    for seed in 0..cases().max(40) {
        let disk = holding(seed, &[1; 3 * SECTOR]);
        let mut log = disk.mount().log(Path::new(FILE)).unwrap();
        log.append(&[2; 4 * SECTOR]).unwrap();
        disk.cut();
        log.append(&[3]).unwrap_err();
        let left = read(&disk);
        assert_eq!(left[..3 * SECTOR], [1; 3 * SECTOR], "seed {seed}");
        let sectors: Vec<&[u8]> = left[3 * SECTOR..].chunks(SECTOR).collect();
        for sector in &sectors {
            let first = sector[0];
            assert!(first == 0 || first == 2, "seed {seed}");
            assert!(sector.iter().all(|byte| *byte == first), "seed {seed}");
        }
        let written = sectors.iter().filter(|sector| sector[0] == 2).count();
        kept += u64::from(left.len() == 7 * SECTOR && written == 4);
        lost += u64::from(left.len() == 3 * SECTOR);
        torn += u64::from(sectors.first().is_some_and(|s| s[0] == 0) && written > 0);
    }
    println!("kept {kept}, lost {lost}, out of order {torn}");
    assert!(kept > 0 && lost > 0 && torn > 0, "{kept} {lost} {torn}");
}

#[test]
fn a_name_is_durable_with_its_folder_and_so_is_its_absence() {
    let (mut survived, mut returned) = (0, 0);
    for seed in 0..cases().max(40) {
        let disk = Disk::new(seed);
        let mount = disk.mount();
        mount.create_dir(Path::new(FOLDER)).unwrap();
        mount.write_synced(Path::new(FILE), b"bytes").unwrap();
        disk.cut();
        // Bytes that nothing leads to are lost with their name.
        if disk.files().contains(Path::new(FILE)) {
            survived += 1;
            assert_eq!(read(&disk), b"bytes", "seed {seed}");
        }

        let disk = holding(seed, b"bytes");
        disk.mount().remove(Path::new(FILE)).unwrap();
        disk.cut();
        returned += u64::from(disk.files().contains(Path::new(FILE)));
        let disk = holding(seed, b"bytes");
        disk.mount().remove(Path::new(FILE)).unwrap();
        disk.mount().sync_dir(Path::new(FOLDER)).unwrap();
        disk.cut();
        assert!(disk.files().is_empty(), "seed {seed}");
    }
    let all = cases().max(40);
    assert!((1..all).contains(&survived), "{survived} of {all}");
    assert!((1..all).contains(&returned), "{returned} of {all}");
}

#[test]
fn whoever_held_the_disk_when_the_power_went_or_was_killed_can_do_nothing_more() {
    for end in [Disk::cut, Disk::kill] {
        let disk = holding(1, &[7; 8]);
        let (mount, plug) = (disk.mount(), disk.plug(FILE));
        let held = mount.locked_log(Path::new(FILE), false).unwrap();
        assert!(held.is_some());
        let taken = disk.mount().locked_log(Path::new(FILE), false).unwrap();
        assert!(taken.is_none(), "one process at a time");
        end(&disk);
        plug.write(0, b"late").unwrap_err();
        plug.sync_data().unwrap_err();
        plug.len().unwrap_err();
        mount.read(Path::new(FILE)).unwrap_err();
        assert!(disk.is_dead(&mount));
        // Its locks are free, and what it drops now gives nobody else's back.
        let next = disk.mount().locked_log(Path::new(FILE), false).unwrap();
        assert!(next.is_some());
        drop(held);
        let taken = disk.mount().locked_log(Path::new(FILE), false).unwrap();
        assert!(taken.is_none());
        assert_eq!(read(&disk), [7; 8]);
    }
}

#[test]
fn a_kill_forgets_nothing_that_was_written() {
    let disk = holding(1, b"one");
    let mut log = disk.mount().log(Path::new(FILE)).unwrap();
    log.append(b"two").unwrap();
    disk.kill();
    assert_eq!(read(&disk), b"onetwo");
}

#[test]
fn a_disk_that_fails_at_a_sync_does_not_do_that_sync() {
    let mut lost = 0;
    for seed in 0..20 {
        let disk = holding(seed, &[0; 8]);
        let plug = disk.plug(FILE);
        disk.cut_at_sync(2);
        plug.write(0, b"one").unwrap();
        plug.sync_data().unwrap();
        plug.write(0, b"two").unwrap();
        plug.sync_data().unwrap_err();
        let left = read(&disk);
        lost += u64::from(left.starts_with(b"one"));
        assert!(left.starts_with(b"one") || left.starts_with(b"two"));
    }
    assert!((1..20).contains(&lost), "{lost}");
}

#[test]
fn reads_fail_and_room_ends_where_it_is_said() {
    let disk = holding(1, b"bytes");
    let mount = disk.mount();
    disk.fail_read_after(1);
    mount.read(Path::new(FILE)).unwrap();
    mount.list(Path::new(FOLDER)).unwrap_err();
    mount.list(Path::new(FOLDER)).unwrap();
    disk.hold_at_most(7);
    let mut log = mount.log(Path::new(FILE)).unwrap();
    let full = log.append(b"more").unwrap_err();
    assert_eq!(full.kind(), std::io::ErrorKind::StorageFull);
    assert_eq!(read(&disk), b"bytesmo", "as much as fits");
}

#[test]
fn reads_and_writes_outside_are_refused() {
    let plug = Disk::new(1).plug(FILE);
    plug.set_len(8).unwrap();
    plug.write(5, b"long").unwrap_err();
    plug.write(u64::MAX, b"far").unwrap_err();
    plug.read(5, &mut [0; 4]).unwrap_err();
}
