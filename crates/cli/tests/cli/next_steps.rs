//! What a command prints as the next step runs as it is printed.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use crate::support::{Process, Run, assay};

const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples");

/// Types a line into a shell, in `folder`, where `assay` is this build.
fn typed(line: &str, folder: &Path) -> Command {
    let program = Path::new(env!("CARGO_BIN_EXE_assay"));
    let path = std::env::var("PATH").unwrap_or_default();
    let path = format!("{}:{path}", program.parent().unwrap().display());
    let mut command = Command::new("sh");
    // With `exec` the shell becomes the program, so that killing it kills the program.
    command.args(["-c", &format!("exec {line}")]);
    command.current_dir(folder).env("PATH", path);
    command.env_remove("ASSAY_DIR").env_remove("ASSAY_NODE");
    command.stdin(Stdio::null());
    command
}

/// Types a line and waits for its end.
fn run(line: &str, folder: &Path) -> Run {
    let done = typed(line, folder).output().unwrap();
    Run {
        code: done.status.code().unwrap_or(-1),
        out: String::from_utf8(done.stdout).unwrap(),
        err: String::from_utf8(done.stderr).unwrap(),
    }
}

/// Types a line that starts a network, and waits until it says that it is ready.
fn start(line: &str, folder: &Path) -> Process {
    let log = folder.join("network.log");
    let mut command = typed(line, folder);
    command.stdout(fs::File::create(&log).unwrap());
    command.stderr(fs::File::create(folder.join("network.err")).unwrap());
    let network = Process(command.spawn().unwrap());
    for _ in 0..1200 {
        if fs::read_to_string(&log).unwrap().contains("Ctrl-C") {
            return network;
        }
        thread::sleep(Duration::from_millis(100));
    }
    let said = fs::read_to_string(folder.join("network.err")).unwrap();
    panic!("{line:?} did not become ready: {said}");
}

/// The commands below the heading "Next".
fn steps(text: &str) -> Vec<String> {
    let (_, next) = text.split_once("\nNext\n").unwrap();
    let lines = next.lines().take_while(|line| line.starts_with("  assay "));
    lines.map(|line| line.trim().to_owned()).collect()
}

/// The commands that a hint holds between backquotes.
fn quoted(hint: &str) -> Vec<String> {
    let parts = hint.split('`').skip(1).step_by(2);
    parts.map(str::to_owned).collect()
}

#[test]
fn every_next_step_of_the_demo_runs_even_in_a_folder_with_a_space() {
    let temp = tempfile::tempdir().unwrap();
    let home = temp.path().join("my demo's folder");
    let demo = assay(&home, &["demo"]);
    assert_eq!(demo.code, 0, "{} {}", demo.out, demo.err);
    let steps = steps(&demo.out);
    let names: Vec<&str> = steps.iter().filter_map(|s| s.split(' ').nth(1)).collect();
    assert_eq!(
        names,
        ["audit", "generate", "try", "devnet"],
        "{}",
        demo.out
    );
    for step in &steps {
        if step.starts_with("assay devnet") {
            drop(start(step, temp.path()));
        } else {
            let done = run(step, temp.path());
            assert_eq!(done.code, 0, "{step}: {} {}", done.out, done.err);
        }
    }
}

#[test]
fn a_trial_on_another_model_names_that_model() {
    let temp = tempfile::tempdir().unwrap();
    let model = temp.path().join("another model");
    fs::create_dir(&model).unwrap();
    for entry in fs::read_dir(Path::new(EXAMPLES).join("glassllm")).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), model.join(entry.file_name())).unwrap();
    }
    let job = fs::read_to_string(Path::new(EXAMPLES).join("finetune.toml")).unwrap();
    let job = job
        .replace("\"glassllm\"", "\"another model\"")
        .replace("\"dialogue/", &format!("\"{EXAMPLES}/dialogue/"))
        .replace("steps = 160", "steps = 20");
    let path = temp.path().join("job.toml");
    fs::write(&path, job).unwrap();
    let trial = assay(&temp.path().join("trial"), &["try", path.to_str().unwrap()]);
    assert_eq!(trial.code, 0, "{} {}", trial.out, trial.err);
    let steps = steps(&trial.out);
    let talk = steps.iter().find(|step| step.starts_with("assay generate"));
    let talk = talk.unwrap();
    assert!(talk.contains("another model"), "{talk}");
    let done = run(talk, temp.path());
    assert_eq!(done.code, 0, "{talk}: {} {}", done.out, done.err);
}

#[test]
fn a_failed_trial_says_why_and_how_to_hear_the_whole_story() {
    let temp = tempfile::tempdir().unwrap();
    let job = fs::read_to_string(Path::new(EXAMPLES).join("evaluate.toml")).unwrap();
    // More than any provider of the network has.
    let job = job
        .replace("provider_bond = \"2.0\"", "provider_bond = \"1500.0\"")
        .replace("price = \"1.0\"", "price = \"75.0\"")
        .replace("path = \"", &format!("path = \"{EXAMPLES}/"));
    let path = temp.path().join("job.toml");
    fs::write(&path, job + "\n[deadlines]\nassign = 5\n").unwrap();
    let trial = assay(&temp.path().join("trial"), &["try", path.to_str().unwrap()]);
    assert_eq!(trial.code, 1, "{} {}", trial.out, trial.err);
    let reason = "refunded: no provider took it in time, or there were too few auditors for it";
    assert!(trial.err.contains(reason), "{}", trial.err);
    let commands = quoted(&trial.err);
    let [network, why] = commands.as_slice() else {
        panic!("two commands: {}", trial.err);
    };
    let _network = start(network, temp.path());
    let story = run(why, temp.path());
    assert_eq!(story.code, 0, "{why}: {} {}", story.out, story.err);
    assert!(story.out.contains(reason), "{}", story.out);
}

#[test]
fn what_a_network_and_a_stored_file_name_next_runs() {
    let temp = tempfile::tempdir().unwrap();
    let keys = run("assay keys new --dir home", temp.path());
    assert_eq!(keys.code, 0, "{}", keys.err);
    let _network = start("assay devnet --dir net --http 127.0.0.1:0", temp.path());
    fs::write(temp.path().join("notes.txt"), "one\n").unwrap();
    let put = run("assay vault put notes.txt --dir net", temp.path());
    assert_eq!(put.code, 0, "{} {}", put.out, put.err);
    let line = put
        .out
        .lines()
        .find(|line| line.contains("assay vault get"));
    let get = line.unwrap().split_once("assay vault get").unwrap().1;
    fs::remove_file(temp.path().join("notes.txt")).unwrap();
    let got = run(&format!("assay vault get{get}"), temp.path());
    assert_eq!(got.code, 0, "{get}: {} {}", got.out, got.err);
    assert_eq!(fs::read(temp.path().join("notes.txt")).unwrap(), b"one\n");
}
