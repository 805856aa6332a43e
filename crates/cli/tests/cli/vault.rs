//! The vault from the command line: what is refused before it costs, what is interrupted and goes
//! on, what two commands do to one another, and what lies about afterwards.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::Command,
    thread::sleep,
    time::{Duration, Instant},
};

use crate::support::{Process, Run, assay};
use assay_node::{
    config::NodeConfig,
    devnet::{Plan, lay_out},
};
use serde_json::Value;

/// Stands in every plaintext that must not lie about.
const MARK: &[u8] = b"a line that nobody but its owner may find: 4f1c9a";

/// A network in one process, and a directory to work in.
struct Net {
    temp: tempfile::TempDir,
    _devnet: Process,
}

impl Net {
    fn start() -> Self {
        Self::with_quota(10 << 30)
    }

    fn with_quota(quota: u64) -> Self {
        let temp = tempfile::tempdir().unwrap();
        let home = temp.path().join("net");
        fs::create_dir_all(temp.path().join("work")).unwrap();
        let plan = Plan {
            providers: 0,
            auditors: 0,
            http: Some(([127, 0, 0, 1], 0).into()),
            quota: Some(quota),
            ..Plan::default()
        };
        lay_out(&home, &plan).unwrap();
        let dir = home.to_str().unwrap();
        let devnet = Process::start(
            &["devnet", "--dir", dir, "--json"],
            &temp.path().join("log"),
        );
        let began = Instant::now();
        while assay(&home, &["network", "--json"]).code != 0 {
            let log = || fs::read_to_string(temp.path().join("log.err")).unwrap();
            assert!(began.elapsed() < Duration::from_secs(120), "{}", log());
            sleep(Duration::from_millis(200));
        }
        Self {
            temp,
            _devnet: devnet,
        }
    }

    fn home(&self) -> PathBuf {
        self.temp.path().join("net")
    }

    fn at(&self, name: &str) -> PathBuf {
        self.temp.path().join("work").join(name)
    }

    fn text(&self, name: &str) -> String {
        self.at(name).to_str().unwrap().to_owned()
    }

    fn run(&self, arguments: &[&str]) -> Run {
        assay(&self.home(), &[arguments, &["--json"]].concat())
    }

    fn put(&self, name: &str) -> Run {
        self.run(&["vault", "put", &self.text(name)])
    }

    fn get(&self, file: &str, name: &str) -> Run {
        self.run(&["vault", "get", file, "--out", &self.text(name)])
    }

    /// Starts a command and kills it after a while.
    fn killed(&self, arguments: &[&str], after: Duration) {
        let home = self.home();
        let home = home.to_str().unwrap();
        let all = [arguments, &["--json", "--dir", home]].concat();
        let mut process = Process::start(&all, &self.temp.path().join("killed"));
        sleep(after);
        process.kill();
    }

    fn unfinished(&self) -> Value {
        self.run(&["vault", "ls", "--unfinished"]).ok()
    }

    /// Bytes that storage nodes keep of us outside recorded files.
    fn pending(&self) -> u64 {
        let left = self.unfinished();
        assert_eq!(left["silent"].as_array().unwrap().len(), 0, "{left}");
        let nodes = left["nodes"].as_array().unwrap();
        assert_eq!(nodes.len(), 3, "{left}");
        nodes
            .iter()
            .map(|node| node["bytes"].as_u64().unwrap())
            .sum()
    }

    /// Files with the mark in them, wherever the user's commands may write.
    fn marked(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        search(self.temp.path(), &mut found);
        found.sort();
        found
    }
}

fn search(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let Ok(kind) = fs::symlink_metadata(&path) else {
            continue;
        };
        if kind.is_dir() && !path.ends_with("net/nodes") {
            search(&path, found);
        } else if kind.is_file()
            && let Ok(bytes) = fs::read(&path)
        {
            // Any beginning or end of what was marked has the mark near it.
            let near = 8_192.min(bytes.len());
            let ends = [&bytes[..near], &bytes[bytes.len() - near..]];
            if ends
                .iter()
                .any(|end| end.windows(MARK.len()).any(|w| w == MARK))
            {
                found.push(path);
            }
        }
    }
}

/// Bytes that nothing compresses, with the mark at their beginning and end.
fn marked_bytes(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut bytes: Vec<u8> = MARK.to_vec();
    while bytes.len() + MARK.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend(state.to_le_bytes());
    }
    bytes.truncate(length - MARK.len());
    bytes.extend(MARK);
    bytes
}

fn told(run: &Run) -> String {
    let said = run.json();
    format!("{} {}", said["error"], said["hint"])
}

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn what_cannot_be_stored_is_refused_before_a_byte_is_sent() {
    let net = Net::with_quota(64 << 20);
    fs::write(net.at("rows"), marked_bytes(1_000)).unwrap();
    fs::create_dir_all(net.at("d/deep")).unwrap();
    fs::write(net.at("d/deep/rows"), "x").unwrap();
    for name in ["pipe", "d/deep/pipe"] {
        let made = Command::new("mkfifo").arg(net.at(name)).status();
        assert!(made.unwrap().success());
    }
    symlink("rows", net.at("d/link")).unwrap();
    fs::File::create(net.at("vast"))
        .unwrap()
        .set_len((256 << 30) + 1)
        .unwrap();
    fs::File::create(net.at("large"))
        .unwrap()
        .set_len(40 << 20)
        .unwrap();
    let long = "n".repeat(129);
    let rows = net.text("rows");
    let named = |name| net.run(&["vault", "put", &rows, "--name", name]);
    let cases: [(Run, i32, &[&str]); 12] = [
        (named(&long), 2, &["129 bytes", "at most 128", "--name"]),
        (named(""), 2, &["empty"]),
        (named("a\u{7}b"), 2, &["control character"]),
        (net.put("pipe"), 2, &["pipe", "a named pipe"]),
        (
            net.put("d"),
            2,
            &["deep/pipe (a named pipe)", "link (a symbolic link"],
        ),
        (net.put("none"), 3, &["none"]),
        (net.run(&["vault", "put", "-"]), 2, &["standard input"]),
        (
            net.run(&["vault", "put", "/dev/zero"]),
            2,
            &["a character device"],
        ),
        (net.run(&["vault", "put", "/proc/cpuinfo"]), 2, &["/proc"]),
        (net.put("vast"), 2, &["274877906945 bytes"]),
        (
            net.run(&["vault", "put", &rows, "--copies", "4"]),
            1,
            &["4 storage nodes", "has 3"],
        ),
        // A quarter of the room is for one account's unfinished uploads.
        (
            net.put("large"),
            1,
            &["40.0 MiB", "64.0 MiB free", "16.0 MiB of unfinished"],
        ),
    ];
    for (n, (run, code, words)) in cases.iter().enumerate() {
        let told = told(run);
        assert_eq!(run.code, *code, "{n}: {told}");
        for word in *words {
            assert!(told.contains(word), "{n}, {word}: {told}");
        }
    }
    let home = net.home();
    let own = net.run(&["vault", "put", home.to_str().unwrap()]);
    assert!(told(&own).contains("your own directory"), "{}", own.out);

    // Somebody without money is told the fee, not a storage node's refusal.
    let poor = net.temp.path().join("poor");
    assay(&poor, &["keys", "new", "--json"]).ok();
    fs::copy(net.home().join("genesis.json"), poor.join("genesis.json")).unwrap();
    let config = NodeConfig::load(&net.home().join("nodes/validator-0/node.toml")).unwrap();
    let url = format!("http://{}", config.http.unwrap());
    let broke = assay(&poor, &["vault", "put", &rows, "--node", &url, "--json"]);
    assert_eq!(broke.code, 1);
    assert!(told(&broke).contains("a fee of 0."), "{}", broke.out);

    assert_eq!(net.pending(), 0);
    assert_eq!(net.unfinished()["uploads"].as_array().unwrap().len(), 0);

    // A place that cannot be written to is found out before anything is fetched.
    let file = net.put("rows").ok()["file"].as_str().unwrap().to_owned();
    symlink("nowhere", net.at("planted")).unwrap();
    for (name, words) in [
        ("rows", "exists already"),
        ("planted", "exists already"),
        ("none/rows", "cannot write in"),
        ("d", "exists already"),
        ("folder/", "names a directory"),
    ] {
        let run = net.get(&file, name);
        assert!(
            run.code != 0 && told(&run).contains(words),
            "{name}: {}",
            run.out
        );
    }
    assert_eq!(net.unfinished()["downloads"].as_array().unwrap().len(), 0);
    let recorded = net.run(&["vault", "delete", &file]);
    assert!(
        told(&recorded).contains("was not interrupted")
            && told(&recorded).contains(&format!("assay vault forget {file}")),
        "{}",
        recorded.out
    );
}

#[test]
fn a_put_that_is_killed_goes_on_and_sends_what_is_missing() {
    let net = Net::start();
    let length = 96 << 20;
    fs::write(net.at("big"), marked_bytes(length)).unwrap();
    let big = net.text("big");
    let put = ["vault", "put", &big];
    for millis in [150, 600, 1_100, 1_700] {
        net.killed(&put, Duration::from_millis(millis));
        assert_eq!(net.marked(), [net.at("big")]);
    }
    let before = net.pending();
    let stored = net.put("big").ok();
    let all = stored["sent"].as_u64().unwrap() + before;
    let sealed = 2 * (length as u64 + 24 * 16 + 2_000);
    // Unless it was done before, what nodes had was not sent again.
    if before > 0 {
        assert!(stored["resumed"].as_bool().unwrap(), "{stored}");
        assert!(all <= sealed, "{before} were there, {stored}");
    }
    assert_eq!(net.pending(), 0);
    let file = stored["file"].as_str().unwrap();

    // The same for what is fetched: it is kept encrypted, and not fetched again.
    let out = net.text("back");
    let get = ["vault", "get", file, "--out", &out];
    for millis in [150, 400, 700] {
        net.killed(&get, Duration::from_millis(millis));
        if !net.at("back").exists() {
            assert_eq!(net.marked(), [net.at("big")]);
        }
    }
    if !net.at("back").exists() {
        let kept: u64 = net.unfinished()["downloads"]
            .as_array()
            .unwrap()
            .iter()
            .map(|left| left["bytes"].as_u64().unwrap())
            .sum();
        let got = net.get(file, "back").ok();
        let fetched = got["fetched"].as_u64().unwrap();
        assert!(fetched + kept <= length as u64 + (5 << 20), "{kept}, {got}");
    }
    assert!(fs::read(net.at("back")).unwrap() == fs::read(net.at("big")).unwrap());
    let left = net.unfinished();
    assert_eq!(left["uploads"].as_array().unwrap().len(), 0, "{left}");
    assert_eq!(left["downloads"].as_array().unwrap().len(), 0, "{left}");
}

#[test]
fn a_source_that_changes_is_refused_and_leaves_nothing() {
    let net = Net::start();
    type Change = fn(&Path);
    let changes: [(&str, Change); 4] = [
        ("shrank", |path| {
            let file = fs::OpenOptions::new().write(true).open(path).unwrap();
            file.set_len(1_000).unwrap();
        }),
        ("grew", |path| {
            let file = fs::OpenOptions::new().write(true).open(path).unwrap();
            file.set_len(700 << 20).unwrap();
        }),
        ("another file took its place", |path| {
            fs::write(path.with_extension("new"), "other").unwrap();
            fs::rename(path.with_extension("new"), path).unwrap();
        }),
        ("leads nowhere", |path| fs::remove_file(path).unwrap()),
    ];
    for (what, change) in changes {
        let path = net.at("big");
        fs::File::create(&path).unwrap().set_len(600 << 20).unwrap();
        let (home, file) = (net.home(), net.text("big"));
        let arguments = [
            "vault",
            "put",
            &file,
            "--json",
            "--dir",
            home.to_str().unwrap(),
        ];
        let log = net.temp.path().join("put");
        let mut put = Process::start(&arguments, &log);
        while net.pending() == 0 {
            assert!(
                put.0.try_wait().unwrap().is_none(),
                "over before it could be changed"
            );
        }
        change(&path);
        assert_eq!(put.0.wait().unwrap().code(), Some(1));
        let said = fs::read_to_string(log.with_extension("out")).unwrap();
        assert!(
            said.contains(what) && said.contains("big"),
            "{what}: {said}"
        );
        assert_eq!(net.pending(), 0, "{said}");
    }
    let listed = net.run(&["vault", "ls"]).ok();
    assert_eq!(listed["files"].as_array().unwrap().len(), 0);
}

#[test]
fn a_directory_comes_back_as_it_was_and_leaves_no_copy() {
    let net = Net::start();
    for folder in ["d/empty", "d/private", "d/bin"] {
        fs::create_dir_all(net.at(folder)).unwrap();
    }
    fs::write(net.at("d/bin/run"), "#!/bin/sh\n").unwrap();
    fs::write(net.at("d/private/key"), marked_bytes(30 << 20)).unwrap();
    fs::hard_link(net.at("d/bin/run"), net.at("d/same")).unwrap();
    for (name, mode) in [
        ("d/bin/run", 0o755),
        ("d/private/key", 0o600),
        ("d/private", 0o700),
    ] {
        chmod(&net.at(name), mode);
    }
    let (folder, out) = (net.text("d"), net.text("back"));
    net.killed(&["vault", "put", &folder], Duration::from_millis(500));
    assert_eq!(net.marked(), [net.at("d/private/key")]);
    let file = net.put("d").ok()["file"].as_str().unwrap().to_owned();
    net.killed(
        &["vault", "get", &file, "--out", &out],
        Duration::from_millis(300),
    );
    if !net.at("back").exists() {
        net.get(&file, "back").ok();
    }
    let mode = |name: &str| fs::metadata(net.at(name)).unwrap().permissions().mode() & 0o777;
    for name in ["bin/run", "private/key", "private", "empty", "same"] {
        assert_eq!(
            mode(&format!("back/{name}")),
            mode(&format!("d/{name}")),
            "{name}"
        );
    }
    assert!(
        fs::read(net.at("back/private/key")).unwrap() == fs::read(net.at("d/private/key")).unwrap()
    );
    let mut marked = net.marked();
    marked.sort();
    assert_eq!(
        marked,
        [net.at("back/private/key"), net.at("d/private/key")]
    );
}

#[test]
fn two_commands_at_once_do_not_meet_and_leftovers_can_be_deleted() {
    let net = Net::start();
    fs::write(net.at("big"), marked_bytes(40 << 20)).unwrap();
    let runs: Vec<Run> = std::thread::scope(|scope| {
        let puts = [(); 2].map(|()| scope.spawn(|| net.put("big")));
        puts.into_iter().map(|put| put.join().unwrap()).collect()
    });
    // Two of one file: one stores it, and the other does too or says who is at it.
    assert!(runs.iter().any(|run| run.code == 0), "{}", runs[0].out);
    for run in runs.iter().filter(|run| run.code != 0) {
        assert!(told(run).contains("another c"), "{}", run.out);
    }
    let stored = runs.iter().find(|run| run.code == 0).unwrap().json();
    let file = stored["file"].as_str().unwrap();
    // What stood under the name that used to be written to is left alone.
    fs::write(net.at("precious"), "mine").unwrap();
    symlink("precious", net.at(&format!(".{file}.part"))).unwrap();
    let gets: Vec<Run> = std::thread::scope(|scope| {
        let gets = ["one", "two"].map(|name| {
            let net = &net;
            scope.spawn(move || net.get(file, name))
        });
        gets.into_iter().map(|get| get.join().unwrap()).collect()
    });
    for (get, name) in gets.iter().zip(["one", "two"]) {
        get.ok();
        assert!(fs::read(net.at(name)).unwrap() == fs::read(net.at("big")).unwrap());
    }
    assert_eq!(fs::read(net.at("precious")).unwrap(), b"mine");

    // What is interrupted is listed, counts against the account, and can be deleted.
    fs::write(net.at("third"), marked_bytes(64 << 20)).unwrap();
    let third = net.text("third");
    let mut after = 300;
    let left = loop {
        net.killed(&["vault", "put", &third], Duration::from_millis(after));
        let left = net.unfinished();
        if net.pending() > 0 && left["uploads"].as_array().unwrap().len() == 1 {
            break left;
        }
        after = 200 + after * 3 % 1_000;
    };
    let upload = left["uploads"][0]["upload"].as_str().unwrap();
    assert_eq!(left["uploads"][0]["name"], "third");
    assert_eq!(left["uploads"][0]["running"], false);
    let listed = assay(&net.home(), &["vault", "list", "--unfinished"]);
    assert!(
        listed.out.contains(upload) && listed.out.contains("interrupted"),
        "{}",
        listed.out
    );
    let deleted = net.run(&["vault", "delete", &upload[..8]]).ok();
    assert_eq!(deleted["uploads"][0], *upload, "{deleted}");
    assert_eq!(net.pending(), 0, "{deleted}");
    assert_eq!(net.unfinished()["uploads"].as_array().unwrap().len(), 0);
    assert_eq!(net.run(&["vault", "delete", upload]).code, 3);

    // Without its journal too, as when it was put from another machine.
    net.killed(&["vault", "put", &third], Duration::from_millis(1_000));
    fs::remove_dir_all(net.home().join("uploads")).unwrap();
    let deleted = net.run(&["vault", "delete", "--unfinished"]).ok();
    assert_eq!(net.pending(), 0, "{deleted}");
}
