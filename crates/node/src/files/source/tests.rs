use std::{
    collections::BTreeMap,
    fs,
    io::Write,
    os::unix::fs::{MetadataExt, PermissionsExt, symlink},
    os::unix::net::UnixListener,
};

use assay_vault::bundle::{BundleReader, unpack};
use tempfile::TempDir;

use super::*;

/// A directory with these files in it.
fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    for (name, text) in files {
        put(folder.path(), name, text);
    }
    folder
}

fn put(folder: &Path, name: &str, text: &str) {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, text).unwrap();
    chmod(&path, 0o644);
    for above in path
        .ancestors()
        .skip(1)
        .take_while(|above| *above != folder)
    {
        chmod(above, 0o755);
    }
}

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn fifo(path: &Path) {
    let status = std::process::Command::new("mkfifo").arg(path).status();
    assert!(status.unwrap().success());
}

fn scan(path: &Path) -> Result<Tree, SourceError> {
    Tree::scan(path, false, None)
}

fn refusal(path: &Path) -> String {
    scan(path).unwrap_err().to_string()
}

#[test]
fn a_file_that_grows_shrinks_or_is_replaced_while_it_is_read_is_refused() {
    type Change = (&'static str, fn(&Path));
    let changes: [Change; 6] = [
        ("grew from 10 to 13", |path| {
            let mut file = fs::OpenOptions::new().append(true).open(path).unwrap();
            file.write_all(b"abc").unwrap();
        }),
        ("shrank from 10 to 2", |path| {
            fs::OpenOptions::new()
                .write(true)
                .open(path)
                .unwrap()
                .set_len(2)
                .unwrap();
        }),
        ("was written to", |path| {
            std::thread::sleep(std::time::Duration::from_millis(20));
            let mut file = fs::OpenOptions::new().write(true).open(path).unwrap();
            file.write_all(b"9876543210").unwrap();
        }),
        ("another file took its place", |path| {
            let other = path.with_file_name("other");
            fs::write(&other, "0123456789").unwrap();
            fs::rename(other, path).unwrap();
        }),
        ("leads nowhere", |path| fs::remove_file(path).unwrap()),
        ("permissions were changed", |path| {
            std::thread::sleep(std::time::Duration::from_millis(20));
            chmod(path, 0o600);
        }),
    ];
    for (what, change) in changes {
        let folder = folder(&[("rows", "0123456789")]);
        let path = folder.path().join("rows");
        // Before anything is read, in the middle, and after everything is read.
        for before in [0, 5, 10] {
            put(folder.path(), "rows", "0123456789");
            let mut source = FileSource::open(&path).unwrap();
            source.read_exact(&mut vec![0; before]).unwrap();
            change(&path);
            let mut rest = Vec::new();
            let error = source
                .read_to_end(&mut rest)
                .map_err(|error| error.to_string())
                .and_then(|_| source.check().map_err(|error| error.to_string()))
                .unwrap_err();
            assert!(
                error.contains(what) && error.contains("rows"),
                "{what} after {before}: {error}"
            );
        }
    }
}

#[test]
fn a_file_that_stays_as_it_is_is_read_whole_and_again() {
    let folder = folder(&[("rows", "0123456789"), ("empty", "")]);
    let mut source = FileSource::open(&folder.path().join("rows")).unwrap();
    for _ in 0..2 {
        let mut text = String::new();
        source.seek(io::SeekFrom::Start(3)).unwrap();
        source.read_to_string(&mut text).unwrap();
        assert_eq!(text, "3456789");
    }
    source.check().unwrap();
    let mut empty = FileSource::open(&folder.path().join("empty")).unwrap();
    assert_eq!(empty.read(&mut [0; 8]).unwrap(), 0);
    empty.check().unwrap();

    // Holes are zeros like any others.
    let sparse = folder.path().join("sparse");
    fs::File::create(&sparse).unwrap().set_len(1 << 20).unwrap();
    let mut zeros = Vec::new();
    let mut source = FileSource::open(&sparse).unwrap();
    source.read_to_end(&mut zeros).unwrap();
    assert!(zeros.len() == 1 << 20 && zeros.iter().all(|byte| *byte == 0));
    source.check().unwrap();
}

#[test]
fn files_that_lie_about_their_length_are_refused() {
    for path in ["/proc/self/status", "/proc/cpuinfo"] {
        let error = FileSource::open(Path::new(path)).unwrap_err();
        assert!(matches!(error, SourceError::Endless { .. }), "{error}");
        assert!(error.to_string().contains(path));
    }
    // Files under /sys say 4096 and give less.
    let path = Path::new("/sys/kernel/mm/transparent_hugepage/enabled");
    if let Ok(mut source) = FileSource::open(path) {
        let error = source.read_to_end(&mut Vec::new()).unwrap_err().to_string();
        assert!(error.contains("4096"), "{error}");
    }
}

#[test]
fn what_is_no_file_is_refused_by_name_and_never_waited_for() {
    let folder = folder(&[("file", "x")]);
    let at = |name: &str| folder.path().join(name);
    fifo(&at("pipe"));
    let _listener = UnixListener::bind(at("socket")).unwrap();
    symlink("pipe", at("to-pipe")).unwrap();
    for (name, what) in [
        ("pipe", "a named pipe"),
        ("socket", "a socket"),
        ("to-pipe", "a named pipe"),
    ] {
        let error = FileSource::open(&at(name)).unwrap_err().to_string();
        assert!(error.contains(what) && error.contains(name), "{error}");
    }
    let device = FileSource::open(Path::new("/dev/null")).unwrap_err();
    assert!(device.to_string().contains("a character device"));
    let missing = FileSource::open(&at("none")).unwrap_err();
    assert!(matches!(missing, SourceError::Unreadable { .. }));
    symlink("file", at("to-file")).unwrap();
    FileSource::open(&at("to-file")).unwrap();
}

#[test]
fn a_directory_is_read_as_the_bundle_of_its_files() {
    let long = "x".repeat(3_000);
    let files = [
        ("b/c", "see"),
        ("a", ""),
        ("b-", long.as_str()),
        ("b/d/e", "ee"),
    ];
    let folder = folder(&files);
    fs::hard_link(folder.path().join("b/c"), folder.path().join("same")).unwrap();
    let mut tree = scan(folder.path()).unwrap();
    let mut bytes = Vec::new();
    tree.read_to_end(&mut bytes).unwrap();
    assert_eq!(bytes.len() as u64, tree.length());
    assert!(tree.is_basic());
    tree.check().unwrap();
    let mut expected: BTreeMap<String, Vec<u8>> = files
        .iter()
        .map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec()))
        .collect();
    expected.insert("same".to_owned(), b"see".to_vec());
    assert_eq!(unpack(bytes.as_slice(), 1 << 20).unwrap(), expected);
    // From any place, as a slice that is sealed again is read.
    for from in (0..bytes.len()).step_by(97) {
        let mut again = Vec::new();
        tree.seek(io::SeekFrom::Start(from as u64)).unwrap();
        tree.read_to_end(&mut again).unwrap();
        assert!(again == bytes[from..], "from {from}");
    }
}

#[test]
fn permissions_and_empty_folders_are_kept() {
    let folder = folder(&[("run.sh", "#!"), ("private/key", "k"), ("notes", "n")]);
    let at = |name: &str| folder.path().join(name);
    chmod(&at("run.sh"), 0o755);
    chmod(&at("private"), 0o700);
    chmod(&at("private/key"), 0o400);
    fs::create_dir_all(at("empty/inner")).unwrap();
    chmod(&at("empty"), 0o755);
    chmod(&at("empty/inner"), 0o755);
    let mut tree = scan(folder.path()).unwrap();
    assert!(!tree.is_basic());
    let mut bytes = Vec::new();
    tree.read_to_end(&mut bytes).unwrap();
    let mut reader = BundleReader::new(bytes.as_slice());
    let mut found = Vec::new();
    while let Some(entry) = reader.next_entry().unwrap() {
        found.push((entry.name, entry.mode));
    }
    let expected = [
        ("empty/inner/", 0o755),
        ("notes", 0o644),
        ("private/", 0o700),
        ("private/key", 0o400),
        ("run.sh", 0o755),
    ];
    let expected = expected.map(|(name, mode)| (name.to_owned(), mode));
    assert_eq!(found, expected);
    tree.check().unwrap();
}

#[test]
fn everything_that_cannot_come_back_is_named_at_once() {
    use std::os::unix::ffi::OsStrExt;
    let folder = folder(&[("good", "x"), ("a\\b", "x"), ("c:d", "x"), ("e\nf", "x")]);
    let at = |name: &str| folder.path().join(name);
    put(
        folder.path(),
        &format!("{}/{}", "d".repeat(60), "n".repeat(60)),
        "x",
    );
    fs::write(
        at("x").with_file_name(std::ffi::OsStr::from_bytes(b"caf\xe9")),
        "x",
    )
    .unwrap();
    fifo(&at("pipe"));
    let _listener = UnixListener::bind(at("socket")).unwrap();
    symlink("good", at("to-good")).unwrap();
    symlink("nothing", at("dangling")).unwrap();
    symlink("/etc", at("outside")).unwrap();
    put(folder.path(), "setuid", "x");
    chmod(&at("setuid"), 0o4755);
    let error = refusal(folder.path());
    for named in [
        "a\\b",
        "c:d",
        "e\\nf",
        "121 bytes",
        "caf\\xE9",
        "pipe (a named pipe)",
        "socket (a socket)",
        "to-good (a symbolic link",
        "dangling (a symbolic link",
        "outside (a symbolic link",
        "set-user-ID",
    ] {
        assert!(error.contains(named), "{named}: {error}");
    }
    assert!(
        !error.contains("good (a file") && !error.contains('\n'),
        "{error}"
    );
}

#[test]
fn links_are_followed_where_that_is_asked_for_but_never_round_in_circles() {
    let outside = folder(&[("blob", "weights")]);
    let folder = folder(&[("model/config.json", "{}")]);
    let at = |name: &str| folder.path().join(name);
    symlink(outside.path().join("blob"), at("model/model.safetensors")).unwrap();
    symlink("model", at("latest")).unwrap();
    let follow = || Tree::scan(folder.path(), true, None);
    let mut tree = follow().unwrap();
    let mut bytes = Vec::new();
    tree.read_to_end(&mut bytes).unwrap();
    let files = unpack(bytes.as_slice(), 1 << 20).unwrap();
    assert_eq!(files["latest/model.safetensors"], b"weights");
    assert_eq!(files.len(), 4);
    tree.check().unwrap();
    // What a link leads to may change as well.
    fs::write(outside.path().join("blob"), "other weights").unwrap();
    assert!(tree.check().unwrap_err().to_string().contains("grew"));

    symlink("..", at("model/up")).unwrap();
    let error = follow().unwrap_err().to_string();
    assert!(
        error.contains("up (a link back to a folder that it is in)"),
        "{error}"
    );
    fs::remove_file(at("model/up")).unwrap();
    symlink("nowhere", at("model/gone")).unwrap();
    symlink("self", at("self")).unwrap();
    let error = follow().unwrap_err().to_string();
    assert!(
        error.contains("gone (a symbolic link that leads nowhere"),
        "{error}"
    );
    assert!(
        error.contains("self (a symbolic link that leads nowhere"),
        "{error}"
    );
}

#[test]
fn a_directory_that_changes_while_it_is_read_is_refused() {
    type Change = (&'static str, &'static str, fn(&Path));
    let changes: [Change; 11] = [
        ("b", "grew", |at| put(at, "b", "longer")),
        ("c", "shrank", |at| put(at, "c", "")),
        ("b", "it is gone", |at| {
            fs::remove_file(at.join("b")).unwrap()
        }),
        ("aa", "it is new", |at| put(at, "aa", "x")),
        ("z", "it is new", |at| put(at, "z", "x")),
        ("new", "it is new", |at| {
            fs::create_dir(at.join("new")).unwrap()
        }),
        ("d/new", "it is new", |at| put(at, "d/new", "x")),
        ("d", "permissions were changed", |at| {
            chmod(&at.join("d"), 0o700)
        }),
        ("", "permissions were changed", |at| chmod(at, 0o750)),
        ("odd", "permissions were changed", |at| {
            chmod(&at.join("odd"), 0o755)
        }),
        ("b", "took its place", |at| {
            fs::write(at.join(".b"), "bb").unwrap();
            chmod(&at.join(".b"), 0o644);
            fs::rename(at.join(".b"), at.join("b")).unwrap();
        }),
    ];
    for (name, what, change) in changes {
        for before in [0, 600, 4_000] {
            let folder = folder(&[("a", "aa"), ("b", "bb"), ("c", "cc"), ("d/e", "ee")]);
            put(folder.path(), "odd/f", "ff");
            chmod(&folder.path().join("odd"), 0o711);
            let mut tree = scan(folder.path()).unwrap();
            let mut some = Vec::new();
            (&mut tree).take(before).read_to_end(&mut some).unwrap();
            change(folder.path());
            let error = tree
                .read_to_end(&mut some)
                .map_err(|error| error.to_string())
                .and_then(|_| tree.check().map_err(|error| error.to_string()))
                .unwrap_err();
            // A file that is gone before it is opened is told by the system.
            let told = error.contains(what) || error.contains("No such file");
            assert!(
                told && error.contains(name),
                "{name} {what} {before}: {error}"
            );
        }
    }
}

#[test]
fn the_same_directory_is_recognised_and_a_changed_one_is_not() {
    let folder = folder(&[("a", "aa"), ("b", "bb")]);
    let first = scan(folder.path()).unwrap().identity();
    assert_eq!(scan(folder.path()).unwrap().identity(), first);
    chmod(&folder.path().join("a"), 0o600);
    let second = scan(folder.path()).unwrap().identity();
    assert_ne!(second, first);
    put(folder.path(), "b", "longer");
    assert_ne!(scan(folder.path()).unwrap().identity(), second);
}

#[test]
fn the_users_own_directory_and_too_many_files_are_refused() {
    let folder = folder(&[("rows", "x"), ("home/key.json", "secret")]);
    let home = folder.path().join("home");
    let refused = |path: &Path| {
        Tree::scan(path, false, Some(&home))
            .unwrap_err()
            .to_string()
    };
    assert!(refused(folder.path()).contains("home (your own directory"));
    assert!(refused(&home).contains("your own directory"));
    put(&home, "model/weights", "w");
    Tree::scan(&home.join("model"), false, Some(&home)).unwrap();

    for n in 0..=4_096 {
        fs::write(folder.path().join(n.to_string()), "").unwrap();
    }
    assert!(refusal(folder.path()).contains("more than 4096 files"));
}

#[test]
fn secret_keys_are_refused_under_any_name() {
    let folder = folder(&[
        ("rows", "x"),
        ("notes.json", r#"{"version": 1, "seed": "of doubt"}"#),
    ]);
    Tree::scan(folder.path(), false, None).unwrap();
    let key = assay_crypto::SecretKey::from_seed([7; 32]);
    let kept = folder.path().join("validator-1/rows.txt");
    crate::keys::save(&kept, &key).unwrap();
    assert!(refusal(folder.path()).contains("rows.txt (a secret key of Assay"));
    let alone = FileSource::open(&kept).unwrap_err().to_string();
    assert!(alone.contains("is a secret key of Assay"), "{alone}");
    fs::write(&kept, r#"{"version":1,"share":"00ff"}"#).unwrap();
    assert!(refusal(folder.path()).contains("rows.txt (a secret key of Assay"));
}

#[test]
fn unreadable_files_are_named() {
    let folder = folder(&[("open", "x"), ("closed", "x"), ("shut/inner", "x")]);
    chmod(&folder.path().join("closed"), 0);
    chmod(&folder.path().join("shut"), 0);
    // Root reads everything.
    let is_root = fs::metadata("/proc/self").unwrap().uid() == 0;
    if is_root {
        assert!(scan(folder.path()).is_ok());
    } else {
        let error = refusal(folder.path());
        assert!(error.contains("closed (cannot be read"), "{error}");
        assert!(error.contains("shut (cannot be read"), "{error}");
    }
    chmod(&folder.path().join("shut"), 0o755);
}
