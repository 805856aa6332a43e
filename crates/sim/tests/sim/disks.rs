//! The simulated disk against what a disk promises.

use assay_sim::disk::Disk;
use redb::StorageBackend as _;

fn read(disk: &Disk, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    disk.plug().read(0, &mut bytes).unwrap();
    bytes
}

#[test]
fn what_was_synced_stays_and_what_was_only_written_is_forgotten() {
    let disk = Disk::default();
    let plug = disk.plug();
    plug.set_len(10_000).unwrap();
    plug.write(4_090, b"kept for good").unwrap();
    plug.sync_data().unwrap();
    plug.write(4_095, b"lost").unwrap();
    plug.write(0, b"lost").unwrap();
    plug.set_len(20_000).unwrap();
    assert_eq!(&read(&disk, 20_000)[..4], b"lost");

    disk.cut();
    assert_eq!(disk.plug().len().unwrap(), 10_000);
    let bytes = read(&disk, 10_000);
    assert_eq!(&bytes[4_090..4_103], b"kept for good");
    assert_eq!(bytes.iter().filter(|byte| **byte != 0).count(), 13);
}

#[test]
fn whoever_held_the_disk_when_the_power_went_can_do_nothing_more() {
    let disk = Disk::default();
    let plug = disk.plug();
    plug.set_len(8).unwrap();
    plug.sync_data().unwrap();
    disk.cut();
    plug.write(0, b"late").unwrap_err();
    plug.sync_data().unwrap_err();
    plug.len().unwrap_err();
    assert_eq!(read(&disk, 8), [0; 8]);
}

#[test]
fn a_disk_that_fails_at_a_sync_loses_what_that_sync_was_for() {
    let disk = Disk::default();
    let plug = disk.plug();
    plug.set_len(8).unwrap();
    disk.cut_at_sync(2);
    plug.write(0, b"one").unwrap();
    plug.sync_data().unwrap();
    plug.write(0, b"two").unwrap();
    plug.sync_data().unwrap_err();
    assert_eq!(&read(&disk, 8)[..3], b"one");
}

#[test]
fn reads_and_writes_outside_are_refused() {
    let plug = Disk::default().plug();
    plug.set_len(8).unwrap();
    plug.write(5, b"long").unwrap_err();
    plug.write(u64::MAX, b"far").unwrap_err();
    plug.read(5, &mut [0; 4]).unwrap_err();
}
