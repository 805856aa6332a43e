use std::{error::Error as _, os::unix::fs::PermissionsExt as _};

use super::*;

#[test]
fn a_directory_is_taken_once_and_free_again_afterwards() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("deep/data");
    let held = DirectoryLock::take(&dir).unwrap();
    assert_eq!(held.dir(), dir);
    let refused = DirectoryLock::take(&dir).unwrap_err().to_string();
    let me = format!("process {}", std::process::id());
    assert!(refused.contains(&me), "{refused}");
    drop(held);
    DirectoryLock::take(&dir).unwrap();
}

#[test]
fn what_a_dead_process_left_in_the_lock_file_is_no_obstacle() {
    let temp = tempfile::tempdir().unwrap();
    for left in [&b"4242\n"[..], b"", b"\xff\xfe nonsense", &[b'9'; 5_000]] {
        fs::write(temp.path().join(FILE), left).unwrap();
        drop(DirectoryLock::take(temp.path()).unwrap());
    }
}

#[test]
fn a_holder_that_cannot_be_read_is_still_a_holder() {
    let temp = tempfile::tempdir().unwrap();
    let _held = DirectoryLock::take(temp.path()).unwrap();
    fs::write(temp.path().join(FILE), "what?").unwrap();
    let refused = DirectoryLock::take(temp.path()).unwrap_err().to_string();
    assert!(refused.contains("another process"), "{refused}");
}

#[test]
fn a_directory_that_is_a_file_is_named() {
    let temp = tempfile::tempdir().unwrap();
    let file = temp.path().join("file");
    fs::write(&file, "").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let refused = DirectoryLock::take(&file.join("data")).unwrap_err();
    assert!(refused.to_string().contains("cannot write in"), "{refused}");
    assert!(refused.source().is_some());
}

#[cfg(target_os = "linux")]
#[test]
fn a_key_is_used_by_one_process_whatever_its_directory() {
    let key = crate::keys::generate().unwrap();
    let other = crate::keys::generate().unwrap();
    let held = KeyLock::take(&key).unwrap();
    let refused = KeyLock::take(&key).unwrap_err().to_string();
    assert!(refused.contains(&key.public().to_string()), "{refused}");
    KeyLock::take(&other).unwrap();
    drop(held);
    KeyLock::take(&key).unwrap();
}
