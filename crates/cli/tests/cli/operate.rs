//! What whoever runs nodes meets: full machines, second processes, moved addresses, signals.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream, UdpSocket},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Mutex, MutexGuard, PoisonError},
    thread::sleep,
    time::{Duration, Instant},
};

use crate::support::assay;
use serde_json::Value;

/// Each test runs a network.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A running program with its output in files; killed when the test ends.
struct Running {
    child: Child,
    out: PathBuf,
    err: PathBuf,
}

impl Running {
    /// Runs a shell line in which `$ASSAY` is the program.
    fn shell(line: &str, log: &Path) -> Self {
        let (out, err) = (log.with_extension("out"), log.with_extension("err"));
        let child = Command::new("sh")
            .args(["-c", line])
            .env("ASSAY", env!("CARGO_BIN_EXE_assay"))
            .env_remove("ASSAY_DIR")
            .env_remove("ASSAY_LOG")
            .env_remove("ASSAY_NODE")
            .stdin(Stdio::null())
            .stdout(fs::File::create(&out).unwrap())
            .stderr(fs::File::create(&err).unwrap())
            .spawn()
            .unwrap();
        Self { child, out, err }
    }

    fn out(&self) -> String {
        fs::read_to_string(&self.out).unwrap()
    }

    fn err(&self) -> String {
        fs::read_to_string(&self.err).unwrap()
    }

    fn await_out(&mut self, wanted: &str) {
        let began = Instant::now();
        while !self.out().contains(wanted) {
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none(), "ended: {}{}", self.out(), self.err());
            assert!(began.elapsed() < Duration::from_secs(120), "{}", self.err());
            sleep(Duration::from_millis(50));
        }
    }

    /// How it ended; it must within two minutes.
    fn ended(&mut self) -> ExitStatus {
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(
                began.elapsed() < Duration::from_secs(120),
                "runs on: {}{}",
                self.out(),
                self.err()
            );
            sleep(Duration::from_millis(50));
        }
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &pid]).status();
        assert!(sent.unwrap().success());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_port() -> u16 {
    let held = TcpListener::bind("127.0.0.1:0").unwrap();
    held.local_addr().unwrap().port()
}

/// Body and headers of a GET.
fn get(address: &str, path: &str) -> (String, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    // Chunks come with their lengths in lines of their own.
    (head.to_lowercase(), body.to_owned())
}

fn status(address: &str) -> Value {
    let (_, body) = get(address, "/v1/status");
    let start = body.find('{').unwrap();
    let end = body.rfind('}').unwrap();
    serde_json::from_str(&body[start..=end]).unwrap()
}

fn devnet(dir: &Path, http: u16, log: &Path) -> Running {
    let dir = dir.display();
    let line = format!("exec \"$ASSAY\" devnet --dir {dir} --http 127.0.0.1:{http}");
    Running::shell(&line, log)
}

#[test]
fn a_devnet_is_ready_when_it_says_so_and_its_directory_is_its_own() {
    let _alone = alone();
    let temp = tempfile::tempdir().unwrap();
    let (dir, log) = (temp.path().join("net"), temp.path().join("log"));
    let first = free_port();
    let mut net = devnet(&dir, first, &log);
    net.await_out("Ctrl-C");

    // What comes next works at once, without a second try.
    let file = temp.path().join("note.txt");
    fs::write(&file, "a note").unwrap();
    assay(&dir, &["vault", "put", file.to_str().unwrap(), "--json"]).ok();
    let address = format!("127.0.0.1:{first}");
    let told = status(&address);
    assert_eq!(told["ready"], true, "{told}");
    assert!(
        told["clock_ms"].as_u64().unwrap() > 1_600_000_000_000,
        "{told}"
    );
    metrics_are_as_scrapers_want_them(&address);

    // Nobody else runs in there: not a second devnet, not one of its nodes, not a copy of one.
    let pid = net.child.id().to_string();
    let mut second = devnet(&dir, free_port(), &temp.path().join("second"));
    assert_eq!(second.ended().code(), Some(1), "{}", second.err());
    assert!(
        second.err().contains(&format!("process {pid}")),
        "{}",
        second.err()
    );
    let node = dir.join("nodes/provider-0/node.toml");
    let refused = assay(&dir, &["node", "--config", node.to_str().unwrap()]);
    assert_eq!(refused.code, 1);
    assert!(
        refused.err.contains(&format!("in use by process {pid}")),
        "{}",
        refused.err
    );
    let copy = dir.join("nodes/copy");
    fs::create_dir(&copy).unwrap();
    for name in ["node.toml", "key.json"] {
        let from = dir.join("nodes/provider-0").join(name);
        fs::copy(from, copy.join(name)).unwrap();
    }
    let refused = assay(
        &dir,
        &["node", "--config", copy.join("node.toml").to_str().unwrap()],
    );
    assert_eq!(refused.code, 1);
    assert!(
        refused.err.contains("runs with the key of account"),
        "{}",
        refused.err
    );
    fs::remove_dir_all(&copy).unwrap();
    // Reading goes on beside it.
    assay(&dir, &["network", "--json"]).ok();

    net.signal("TERM");
    assert_eq!(net.ended().code(), Some(0), "{}", net.err());
    assert!(!net.err().contains("panicked"), "{}", net.err());

    // What was laid out cannot be changed by flags; where it is served can.
    for flag in ["--storage 2", "--providers 1", "--auditors 3"] {
        let line = format!("exec \"$ASSAY\" devnet --dir {} {flag}", dir.display());
        let mut other = Running::shell(&line, &temp.path().join("other"));
        assert_eq!(other.ended().code(), Some(2), "{}", other.err());
        assert!(other.err().contains(flag), "{}", other.err());
    }
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let busy = taken.local_addr().unwrap().port();
    let mut net = devnet(&dir, busy, &log);
    assert_eq!(net.ended().code(), Some(1), "{}", net.err());
    assert!(net.err().contains("choose another port"), "{}", net.err());
    let last = free_port();
    let mut net = devnet(&dir, last, &log);
    net.await_out("Ctrl-C");
    assert!(
        net.out().contains(&format!("http://127.0.0.1:{last}")),
        "{}",
        net.out()
    );
    assay(&dir, &["account", "show", "--json"]).ok();
    // Whoever starts the tests with `nohup` has the program ignore SIGHUP, as it should.
    let signal = if ignores_hang_up() { "INT" } else { "HUP" };
    net.signal(signal);
    assert_eq!(net.ended().code(), Some(0), "{}", net.err());
}

/// Whether this process, and so every program it starts, ignores SIGHUP.
fn ignores_hang_up() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    u64::from_str_radix(mask.unwrap().trim(), 16).unwrap() & 1 == 1
}

fn metrics_are_as_scrapers_want_them(address: &str) {
    let _ = get(address, "/v1/status");
    let (head, body) = get(address, "/metrics");
    assert!(
        head.contains("content-type: text/plain; version=0.0.4"),
        "{head}"
    );
    let text: String = body
        .lines()
        .filter(|line| !line.bytes().all(|b| b.is_ascii_hexdigit()))
        .map(|line| format!("{line}\n"))
        .collect();
    let wrong = assay_node::metrics::exposition::lint(&text);
    assert!(wrong.is_empty(), "{wrong:#?}");
    for family in [
        "assay_height ",
        "assay_healthy ",
        "assay_engine_",
        "assay_http_requests_total{",
        "assay_disk_free_bytes ",
    ] {
        assert!(text.contains(family), "{family} is not in\n{text}");
    }
    let promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    // Where it is not installed our own check above has the same rules.
    if let Ok(mut promtool) = promtool {
        let mut input = promtool.stdin.take().unwrap();
        input.write_all(text.as_bytes()).unwrap();
        drop(input);
        let found = promtool.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&found.stderr).into_owned();
        assert!(
            found.status.success(),
            "{said}{}",
            String::from_utf8_lossy(&found.stdout)
        );
    }
}

#[test]
fn what_is_missing_is_said_before_anything_is_laid_out() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("net");
    let run = |limit: &str, more: &str| {
        let line = format!(
            "{limit}; exec \"$ASSAY\" devnet --dir {} --http 127.0.0.1:{} {more}",
            dir.display(),
            free_port()
        );
        let mut run = Running::shell(&line, &temp.path().join("log"));
        let code = run.ended().code();
        let left = fs::read_dir(&dir).map_or(0, |dir| dir.count());
        (code, run.err(), run.out(), left)
    };
    let (code, err, _, left) = run("ulimit -n 256", "");
    assert_eq!(code, Some(1), "{err}");
    assert!(
        err.contains("ulimit -n") && err.contains("256 open files"),
        "{err}"
    );
    assert!(left <= 1, "only the lock may lie there");
    let (code, _, out, _) = run("ulimit -n 256", "--json");
    let told: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(code, Some(1));
    assert!(
        told["error"].as_str().unwrap().contains("open files"),
        "{told}"
    );

    // A foreign address, and a directory that cannot be written.
    let line = format!(
        "exec \"$ASSAY\" devnet --dir {} --http 192.0.2.1:8100",
        dir.display()
    );
    let mut foreign = Running::shell(&line, &temp.path().join("foreign"));
    assert_eq!(foreign.ended().code(), Some(1));
    assert!(
        foreign.err().contains("no address 192.0.2.1"),
        "{}",
        foreign.err()
    );
    let file = temp.path().join("file");
    fs::write(&file, "").unwrap();
    let below = assay(
        temp.path(),
        &["devnet", "--dir", file.join("net").to_str().unwrap()],
    );
    assert_eq!(below.code, 1, "{}", below.err);
    assert!(!below.err.contains("panicked"), "{}", below.err);
}

#[test]
fn a_devnet_that_runs_out_of_room_or_files_ends_and_says_why() {
    let _alone = alone();
    let temp = tempfile::tempdir().unwrap();
    // Too little from the start: the database cannot be made.
    let dir = temp.path().join("small");
    let line = format!(
        "ulimit -f 2048; exec \"$ASSAY\" devnet --dir {} --http 127.0.0.1:{}",
        dir.display(),
        free_port()
    );
    let mut net = Running::shell(&line, &temp.path().join("log"));
    assert_eq!(net.ended().code(), Some(1), "{}", net.err());
    assert!(net.err().contains("File too large"), "{}", net.err());

    // And while it runs: files that may not grow, then no further files.
    for (limit, reason) in [
        ("--fsize=65536", "File too large"),
        ("--nofile=300", "Too many open files"),
    ] {
        let dir = temp.path().join("net");
        let mut net = devnet(&dir, free_port(), &temp.path().join("log"));
        net.await_out("Ctrl-C");
        let pid = net.child.id().to_string();
        let limited = Command::new("prlimit")
            .args(["--pid", &pid, limit])
            .status();
        assert!(limited.unwrap().success());
        assert_eq!(net.ended().code(), Some(1), "{}", net.err());
        let err = net.err();
        let last = err
            .lines()
            .rfind(|line| line.starts_with("error:"))
            .unwrap();
        assert!(last.contains("validator") && last.contains(reason), "{err}");
        assert!(
            !err.contains("stack backtrace") && !err.contains("RUST_BACKTRACE"),
            "{err}"
        );
    }
    // What it had agreed to is there; it goes on.
    let mut net = devnet(
        &temp.path().join("net"),
        free_port(),
        &temp.path().join("log"),
    );
    net.await_out("Ctrl-C");
}

#[test]
fn a_devnet_outlives_its_reader_and_a_second_signal_ends_it_at_once() {
    let _alone = alone();
    let temp = tempfile::tempdir().unwrap();
    let (dir, port) = (temp.path().join("net"), free_port());
    let line = format!(
        "\"$ASSAY\" devnet --dir {} --http 127.0.0.1:{port} 2>{}/pipe.err & echo $! >{}/pid; wait",
        dir.display(),
        temp.path().display(),
        temp.path().display()
    );
    // The reader of its output goes away after one line.
    let piped = format!("( {line} ) | head -1");
    let _shell = Running::shell(&piped, &temp.path().join("log"));
    let address = format!("127.0.0.1:{port}");
    let began = Instant::now();
    loop {
        let is_up = TcpStream::connect(&address).is_ok();
        if is_up && status(&address)["ready"] == true {
            break;
        }
        assert!(began.elapsed() < Duration::from_secs(120), "never ready");
        sleep(Duration::from_millis(100));
    }
    sleep(Duration::from_secs(2));
    let height = status(&address)["head"]["height"].as_u64().unwrap();
    sleep(Duration::from_secs(2));
    assert!(status(&address)["head"]["height"].as_u64().unwrap() > height);
    let pid = fs::read_to_string(temp.path().join("pid")).unwrap();
    for _ in 0..2 {
        let _ = Command::new("kill")
            .args(["-s", "INT", pid.trim()])
            .status();
    }
    let began = Instant::now();
    while TcpStream::connect(&address).is_ok() {
        assert!(began.elapsed() < Duration::from_secs(60), "runs on");
        sleep(Duration::from_millis(50));
    }
    // A background job of a script ignores SIGINT until the program asks for it; it did.
    let err = fs::read_to_string(temp.path().join("pipe.err")).unwrap();
    assert!(!err.contains("panicked"), "{err}");
}

/// The addresses at which the ledger has a node.
fn registered(dir: &Path, role: &str) -> Vec<String> {
    let network = assay(dir, &["network", "--json"]).ok();
    let members = network["members"].as_array().unwrap().iter();
    members
        .filter(|member| member["role"] == role)
        .map(|member| member["address"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn a_node_that_moved_is_found_at_its_new_address() {
    let _alone = alone();
    let temp = tempfile::tempdir().unwrap();
    let (dir, http) = (temp.path().join("net"), free_port());
    let laid = assay(
        &dir,
        &[
            "devnet",
            "--lay-out",
            "--storage",
            "2",
            "--http",
            &format!("127.0.0.1:{http}"),
        ],
    );
    assert_eq!(laid.code, 0, "{}", laid.err);
    let start = |name: &str, config: &str| {
        let config = dir.join("nodes").join(name).join(config);
        let line = format!("exec \"$ASSAY\" node --config {}", config.display());
        Running::shell(&line, &temp.path().join(format!("{name}.log")))
    };
    let names = [
        "validator-0",
        "validator-1",
        "validator-2",
        "validator-3",
        "storage-1",
    ];
    let mut nodes: Vec<Running> = names.iter().map(|name| start(name, "node.toml")).collect();
    for node in &mut nodes {
        node.await_out("ready at height");
    }

    // By name, on every address of the machine, with a path of the home directory: all at once.
    let home = dir.join("nodes/storage-0");
    let old = fs::read_to_string(home.join("node.toml")).unwrap();
    let port = UdpSocket::bind("0.0.0.0:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let moved: String = old
        .lines()
        .map(|line| match line.starts_with("listen = ") {
            true => format!("listen = \"0.0.0.0:{port}\"\nadvertise = \"localhost:{port}\"\n"),
            false => format!("{line}\n"),
        })
        .collect();
    fs::write(home.join("moved.toml"), moved).unwrap();
    let mut storage = start("storage-0", "moved.toml");
    storage.await_out("ready at height");
    let there: SocketAddr = format!("127.0.0.1:{port}").parse().unwrap();
    assert!(
        registered(&dir, "storage").contains(&there.to_string()),
        "{}",
        storage.err()
    );

    // The same key from another directory on the same machine is refused, and moves nothing.
    let copy = dir.join("nodes/copy");
    fs::create_dir(&copy).unwrap();
    fs::copy(home.join("key.json"), copy.join("key.json")).unwrap();
    fs::write(copy.join("node.toml"), &old).unwrap();
    let mut second = start("copy", "node.toml");
    assert_eq!(second.ended().code(), Some(1), "{}", second.err());
    assert!(registered(&dir, "storage").contains(&there.to_string()));

    // A file can be stored on it where it is now.
    let file = temp.path().join("note.txt");
    fs::write(&file, "a note").unwrap();
    assay(&dir, &["vault", "put", file.to_str().unwrap(), "--json"]).ok();
    storage.signal("TERM");
    assert_eq!(storage.ended().code(), Some(0), "{}", storage.err());
}
