//! Strangers' programs on the real binary: too large, killed, starved, and what a worker is given.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    thread::sleep,
    time::{Duration, Instant},
};

use crate::support;
use crate::support::assay;
use assay_crypto::Digest;
use assay_job::Local;
use assay_ledger::StepIndex;
use assay_node::worker::{Runner, WorkerProcess};
use assay_proof::{Start, Work, WorkFailure};

fn examples(path: &str) -> String {
    let path = format!("{}/../../examples/{path}", env!("CARGO_MANIFEST_DIR"));
    fs::canonicalize(path).unwrap().display().to_string()
}

/// The example's job file with some of its text replaced, in `dir`.
fn job(dir: &Path, name: &str, changes: &[(&str, &str)]) -> String {
    let mut text = fs::read_to_string(examples("finetune.toml")).unwrap();
    let (glass, dialogue) = (examples("glassllm"), examples("dialogue/"));
    let places = [
        ("\"glassllm\"", format!("{glass:?}")),
        ("dialogue/train", format!("{dialogue}/train")),
        ("dialogue/heldout", format!("{dialogue}/heldout")),
    ];
    let places = places.iter().map(|(from, to)| (*from, to.as_str()));
    for (from, to) in places.chain(changes.iter().copied()) {
        assert!(text.contains(from), "the example has no {from}");
        text = text.replacen(from, to, 1);
    }
    let path = dir.join(name);
    fs::write(&path, text).unwrap();
    path.display().to_string()
}

/// The whole run of a job file as one piece of work.
fn work(path: &str, steps: u64) -> Work {
    let text = fs::read_to_string(path).unwrap();
    let job = assay_job::read(&text, Path::new("/")).unwrap();
    Work {
        task: Local::new(&job, Digest([7; 32])).unwrap().task,
        start: Start::Initial,
        from: StepIndex(0),
        to: StepIndex(steps),
    }
}

fn worker(dir: &Path, memory: u64) -> Arc<WorkerProcess> {
    let program = PathBuf::from(env!("CARGO_BIN_EXE_assay"));
    WorkerProcess::new(program, vec!["worker".into()], memory, dir.join("worker"))
}

fn kill(pid: u32) {
    let killed = Command::new("kill").args(["-9", &pid.to_string()]).status();
    assert!(killed.unwrap().success());
}

#[test]
fn a_worker_that_is_killed_is_replaced_and_the_bits_stay() {
    let dir = tempfile::tempdir().unwrap();
    let work = work(&job(dir.path(), "job.toml", &[]), 12);
    let process = worker(dir.path(), 4 << 30);
    let mut desk = process.desk();
    let (mut kills, mut heard) = (0, 0);
    let done = desk.run(
        &work,
        &mut |report| {
            heard += 1;
            if report.step.0 == 5 && kills < 2 {
                kills += 1;
                kill(process.id().unwrap());
            }
        },
        &|| false,
    );
    let done = done.unwrap();
    assert_eq!(kills, 2);
    assert!(heard >= 12 + 2 * 5, "{heard}");
    assert_eq!(done.reports.len(), 12);
    let here = assay_proof::run(&assay_job::Registry, &work, &mut |_| {
        std::ops::ControlFlow::Continue(())
    });
    assert_eq!(done, here.unwrap());
}

#[test]
fn a_worker_that_dies_every_time_is_given_up_and_nobody_is_blamed() {
    let dir = tempfile::tempdir().unwrap();
    let work = work(&job(dir.path(), "job.toml", &[]), 12);
    let process = worker(dir.path(), 4 << 30);
    let mut kills = 0;
    let mut on_step = |_: &assay_proof::StepReport| {
        if let Some(pid) = process.id() {
            // It may have been killed a moment ago.
            let _ = Command::new("kill").args(["-9", &pid.to_string()]).status();
            kills += 1;
        }
    };
    let failure = process
        .desk()
        .run(&work, &mut on_step, &|| false)
        .unwrap_err();
    let WorkFailure::Unable(told) = failure else {
        panic!("{failure}");
    };
    assert!(told.contains("signal 9"), "{told}");
    assert!(kills >= 5, "{kills}");
}

#[test]
fn a_worker_that_cannot_be_started_is_a_failure_of_this_machine() {
    let dir = tempfile::tempdir().unwrap();
    let work = work(&job(dir.path(), "job.toml", &[]), 1);
    let nowhere = WorkerProcess::new("/nowhere/assay".into(), vec![], 1 << 30, dir.path().into());
    let mut desk = nowhere.desk();
    let failure = desk.run(&work, &mut |_| (), &|| false).unwrap_err();
    assert!(matches!(failure, WorkFailure::Local(_)), "{failure}");
    // One that says nothing a worker says.
    let other = WorkerProcess::new("/bin/cat".into(), vec![], 1 << 30, dir.path().into());
    let failure = other.desk().run(&work, &mut |_| (), &|| false).unwrap_err();
    assert!(matches!(failure, WorkFailure::Unable(_)), "{failure}");
}

#[test]
fn what_is_priced_too_low_ends_the_worker_and_not_the_node() {
    let dir = tempfile::tempdir().unwrap();
    // Short records, of which reading makes many times their bytes.
    let records = "{\"text\":\"a\"}\n".repeat(2_000_000);
    fs::write(dir.path().join("tiny.jsonl"), records).unwrap();
    let tiny = format!("{}/tiny.jsonl", dir.path().display());
    let train = format!("{}/train.jsonl", examples("dialogue/"));
    let texts = ("completion_only = true", "completion_only = false");
    let path = job(dir.path(), "job.toml", &[(&train, &tiny), texts]);
    let work = work(&path, 1);
    let failure = worker(dir.path(), 224 << 20)
        .desk()
        .run(&work, &mut |_| (), &|| false);
    let told = failure.unwrap_err().to_string();
    assert!(
        told.contains("the worker ran out of its 224.0 MiB"),
        "{told}"
    );
}

#[test]
fn a_worker_has_no_more_than_it_needs() {
    let dir = tempfile::tempdir().unwrap();
    let work = work(&job(dir.path(), "job.toml", &[]), 3);
    // What this test was itself started with cannot be told apart by whoever starts the worker.
    let given: Vec<_> = fs::read_dir("/proc/self/fd")
        .unwrap()
        .filter_map(|fd| fs::read_link(fd.unwrap().path()).ok())
        .collect();
    let process = worker(dir.path(), 3 << 30).with_threads(Some(1));
    let mut seen = None;
    let mut on_step = |_: &assay_proof::StepReport| {
        let proc = PathBuf::from(format!("/proc/{}", process.id().unwrap()));
        let fds = fs::read_dir(proc.join("fd")).unwrap();
        let fds: Vec<_> = fds
            .filter_map(|fd| fs::read_link(fd.unwrap().path()).ok())
            .filter(|fd| !given.contains(fd))
            .collect();
        let limits = fs::read_to_string(proc.join("limits")).unwrap();
        let environment = fs::read(proc.join("environ")).unwrap();
        let folder = fs::read_link(proc.join("cwd")).unwrap();
        seen = Some((fds, limits, environment, folder));
    };
    // The test's own process has a variable that nobody else should see.
    assert!(std::env::var_os("CARGO_MANIFEST_DIR").is_some());
    process.desk().run(&work, &mut on_step, &|| false).unwrap();
    let (fds, limits, environment, folder) = seen.unwrap();
    assert_eq!(fds.len(), 3, "{fds:?}");
    assert!(
        fds.iter()
            .all(|fd| fd.display().to_string().starts_with("pipe:")),
        "{fds:?}"
    );
    let limit = |name: &str| {
        let line = limits.lines().find(|line| line.starts_with(name)).unwrap();
        line[name.len()..]
            .split_whitespace()
            .next()
            .unwrap()
            .to_owned()
    };
    assert_eq!(limit("Max data size"), (3_u64 << 30).to_string());
    assert_eq!(limit("Max core file size"), "0");
    let environment = String::from_utf8_lossy(&environment).into_owned();
    assert!(!environment.contains("CARGO_MANIFEST_DIR"), "{environment}");
    assert!(environment.contains("ASSAY_THREADS=1"), "{environment}");
    assert_eq!(folder, fs::canonicalize(dir.path()).unwrap().join("worker"));
    // It ends with whoever started it.
    let pid = process.id().unwrap();
    drop(process);
    assert!(!Path::new(&format!("/proc/{pid}")).exists());
}

/// A development network in a process with a limit on its memory.
struct Net {
    dir: PathBuf,
    process: Child,
}

impl Net {
    fn start(dir: &Path, kibibytes: u64) -> Self {
        let log = fs::File::create(dir.join("log")).unwrap();
        let out = fs::File::create(dir.join("out")).unwrap();
        let net = dir.join("net");
        let limited = format!(
            "ulimit -v {kibibytes} && exec {} devnet --json --http 127.0.0.1:0 --dir {}",
            env!("CARGO_BIN_EXE_assay"),
            net.display()
        );
        let process = Command::new("sh")
            .args(["-c", &limited])
            .env("ASSAY_LOG", "warn")
            .stdout(Stdio::from(out))
            .stderr(Stdio::from(log))
            .spawn()
            .unwrap();
        let net = Self {
            dir: dir.to_owned(),
            process,
        };
        net.until("the network runs", || {
            fs::read_to_string(dir.join("out")).unwrap().contains('\n')
        });
        net
    }

    fn until(&self, what: &str, mut holds: impl FnMut() -> bool) {
        let began = Instant::now();
        while !holds() {
            assert!(
                began.elapsed() < Duration::from_secs(300),
                "never: {what}\n{}",
                self.log()
            );
            sleep(Duration::from_millis(20));
        }
    }

    fn log(&self) -> String {
        fs::read_to_string(self.dir.join("log")).unwrap()
    }

    fn lives(&mut self) -> bool {
        self.process.try_wait().unwrap().is_none()
    }

    fn run(&self, arguments: &[&str]) -> support::Run {
        assay(&self.dir.join("net"), arguments)
    }

    /// The process of its worker, if there is one.
    fn worker(&self) -> Option<u32> {
        let parent = format!("PPid:\t{}", self.process.id());
        let processes = fs::read_dir("/proc").unwrap().flatten();
        let mut numbers = processes.filter_map(|p| p.file_name().to_str()?.parse::<u32>().ok());
        numbers.find(|pid| {
            let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
            status.lines().any(|line| line == parent)
        })
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn a_network_of_12_gib_refuses_what_it_cannot_hold_with_its_price_and_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let mut net = Net::start(dir.path(), 12 << 20);

    // More than the account has: nothing is stored.
    let dear = job(
        dir.path(),
        "dear.toml",
        &[("price = \"10.0\"", "price = 9_999.9")],
    );
    let refused = net.run(&["job", "post", &dear, "--json"]);
    let told = refused.json()["error"].as_str().unwrap().to_owned();
    assert!(told.contains("nothing was sent"), "{told}");
    let kept = net.run(&["vault", "ls", "--json"]);
    assert!(!kept.out.contains("dialogue/model"), "{}", kept.out);

    let huge = [
        ("batch_size = 8", "batch_size = 4096"),
        ("sequence_length = 64", "sequence_length = 128"),
        // Nobody takes it, so nobody is waited for longer.
        ("[training]", "[deadlines]\nassign = 10\n\n[training]"),
    ];
    let huge = job(dir.path(), "huge.toml", &huge);
    let checked = net.run(&["job", "check", &huge, "--json"]);
    // A machine that could hold it says who would not take it, a smaller one that it cannot run it itself.
    let prices = ["MiB of memory, and it gives", "GiB for a step"];
    let told = &checked.out;
    assert!(prices.iter().any(|price| told.contains(price)), "{told}");
    let posted = net.run(&["job", "post", &huge, "--json"]);
    assert_ne!(posted.code, 0, "{}", posted.out);
    assert!(net.lives(), "the network died: {}", net.log());
    // The terms told it: nobody was drawn, nothing was fetched, and no program built.
    assert_eq!(net.worker(), None, "{}", net.log());

    // A worker that is killed in the middle of an order is replaced, and the order settles.
    let small = job(dir.path(), "small.toml", &[]);
    let out = dir.path().join("adapter");
    let post = [
        "job",
        "post",
        &small,
        "--json",
        "--out",
        out.to_str().unwrap(),
    ];
    let settled = std::thread::scope(|scope| {
        let order = scope.spawn(|| net.run(&post));
        net.until("the order runs", || {
            let listed = net.run(&["job", "list", "--json"]);
            order.is_finished() || listed.out.contains("\"running\"")
        });
        net.until("a worker is there", || {
            order.is_finished() || net.worker().is_some()
        });
        let pid = net.worker().unwrap();
        kill(pid);
        net.until("another worker is there", || {
            order.is_finished() || net.worker().is_some_and(|other| other != pid)
        });
        order.join().unwrap()
    });
    assert_eq!(
        settled.code,
        0,
        "{} {}\n{}",
        settled.out,
        settled.err,
        net.log()
    );
    assert_eq!(settled.json()["phase"], "settled");
    assert!(out.join("adapter_model.safetensors").exists());

    // Whoever kills the node ends its worker.
    let pid = net.worker().unwrap();
    net.process.kill().unwrap();
    net.process.wait().unwrap();
    net.until("the worker ended", || {
        let status = fs::read_to_string(format!("/proc/{pid}/status"));
        status.map_or(true, |status| status.contains("State:\tZ"))
    });
}
