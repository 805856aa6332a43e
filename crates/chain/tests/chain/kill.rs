//! Validators as processes of their own, ended by the operating system without warning.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use assay_chain::history;
use assay_ledger::Height;

use crate::support::{PATIENCE, free_addresses};

/// The example binary; cargo builds it next to the test binary.
fn validator() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let path = test
        .parent()
        .unwrap()
        .parent()
        .unwrap()
        .join("examples/validator");
    assert!(
        path.exists(),
        "{} is missing: run `cargo build --examples`",
        path.display()
    );
    path
}

struct Process(Child);

impl Process {
    fn start(dir: &Path, index: usize, addresses: &str) -> Self {
        let child = Command::new(validator())
            .arg(dir)
            .arg(index.to_string())
            .arg(addresses)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        Self(child)
    }

    /// SIGKILL: nothing gets to run any more.
    fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The height the process last reported.
fn height(dir: &Path, index: usize) -> u64 {
    let report = std::fs::read_to_string(dir.join(format!("{index}.height")));
    report.ok().and_then(|text| text.parse().ok()).unwrap_or(0)
}

fn wait_heights(dir: &Path, indices: &[usize], at_least: u64) {
    let start = Instant::now();
    while indices.iter().any(|index| height(dir, *index) < at_least) {
        assert!(
            start.elapsed() < PATIENCE,
            "height {at_least} was not reached"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn killed_validators_come_back_to_the_same_chain() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let addresses = free_addresses::<4>()
        .map(|address| address.to_string())
        .join(",");
    let start = |index| Process::start(dir, index, &addresses);
    let mut processes: Vec<_> = (0..4).map(|index| Some(start(index))).collect();
    wait_heights(dir, &[0, 1, 2, 3], 5);

    // One at a time, at arbitrary moments; the others go on.
    for (round, index) in [1usize, 3, 0].into_iter().enumerate() {
        std::thread::sleep(Duration::from_millis(130 * round as u64 + 70));
        processes[index].take().unwrap().kill();
        let target = (0..4).map(|i| height(dir, i)).max().unwrap() + 3;
        let rest: Vec<_> = (0..4).filter(|i| *i != index).collect();
        wait_heights(dir, &rest, target);
        processes[index] = Some(start(index));
        wait_heights(dir, &[index], target);
    }
    // All at once.
    for process in &mut processes {
        process.take().unwrap().kill();
    }
    let target = (0..4).map(|i| height(dir, i)).max().unwrap() + 3;
    for (index, process) in processes.iter_mut().enumerate() {
        *process = Some(start(index));
    }
    wait_heights(dir, &[0, 1, 2, 3], target);
    drop(processes);

    // Four directories left by a crash, one chain.
    let histories: Vec<_> = (0..4)
        .map(|i| history::open(&dir.join(i.to_string())).unwrap())
        .collect();
    let common = histories
        .iter()
        .map(|history| history.head().0)
        .min()
        .unwrap();
    assert!(common >= target);
    for height in 0..=common {
        let header = |i: usize| {
            histories[i]
                .block(Height(height))
                .unwrap()
                .unwrap()
                .block
                .header
        };
        assert!(
            (1..4).all(|i| header(i) == header(0)),
            "fork at height {height}"
        );
    }
    let mut replay = histories[2].replay().unwrap();
    while replay.advance().unwrap().is_some() {}
    assert_eq!(replay.replay().header().height, histories[2].head());
}
