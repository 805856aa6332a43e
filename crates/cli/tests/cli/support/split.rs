//! Providers and requesters of split training, each a process.

#![allow(dead_code, reason = "each test uses a part")]

use std::{
    fs,
    path::{Path, PathBuf},
    thread::sleep,
    time::{Duration, Instant},
};

use serde_json::Value;

use super::{Process, Run, assay};

pub(crate) fn examples(path: &str) -> String {
    let path = format!("{}/../../examples/{path}", env!("CARGO_MANIFEST_DIR"));
    fs::canonicalize(path).unwrap().display().to_string()
}

/// The example's job file with some of its text replaced.
pub(crate) fn job(dir: &Path, changes: &[(&str, &str)]) -> String {
    let mut text = fs::read_to_string(examples("private-lora.toml")).unwrap();
    for (from, to) in changes {
        assert!(text.contains(from), "the example has no {from}");
        text = text.replacen(from, to, 1);
    }
    for name in ["glassllm", "dialogue/train.jsonl", "dialogue/heldout.jsonl"] {
        text = text.replace(&format!("\"{name}\""), &format!("{:?}", examples(name)));
    }
    let file = dir.join("job.toml");
    fs::write(&file, text).unwrap();
    file.display().to_string()
}

/// A serving process.
pub(crate) struct Provider {
    process: Option<Process>,
    home: PathBuf,
    arguments: Vec<String>,
    pub(crate) account: String,
    pub(crate) port: u16,
}

impl Provider {
    pub(crate) fn start(dir: &Path, name: &str, more: &[&str]) -> Self {
        let home = dir.join(name);
        let made = assay(&home, &["keys", "new", "--json"]).ok();
        let mut arguments = vec!["split".to_owned(), "serve".to_owned(), "--json".to_owned()];
        if !more.contains(&"--model") {
            arguments.extend(["--model".to_owned(), examples("glassllm")]);
        }
        arguments.extend(more.iter().map(|&text| text.to_owned()));
        let mut provider = Self {
            process: None,
            home,
            arguments,
            account: made["account"].as_str().unwrap().to_owned(),
            port: 0,
        };
        provider.spawn();
        provider
    }

    /// Starts the process again, on the port it had before.
    pub(crate) fn spawn(&mut self) {
        let (home, listen) = (
            self.home.display().to_string(),
            format!("127.0.0.1:{}", self.port),
        );
        let mut arguments: Vec<&str> = self.arguments.iter().map(String::as_str).collect();
        arguments.extend(["--listen", &listen, "--dir", &home]);
        let log = self.home.join("log");
        self.process = Some(Process::start(&arguments, &log));
        let began = Instant::now();
        let said: Value = loop {
            let text = fs::read_to_string(log.with_extension("out")).unwrap();
            if text.ends_with('\n') {
                break serde_json::from_str(&text).unwrap();
            }
            let error = fs::read_to_string(log.with_extension("err")).unwrap();
            assert!(
                began.elapsed() < Duration::from_secs(60),
                "no start: {error}"
            );
            sleep(Duration::from_millis(20));
        };
        let listen = said["listen"].as_str().unwrap();
        self.port = listen.rsplit_once(':').unwrap().1.parse().unwrap();
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) {
        self.process.take().unwrap().kill();
    }

    /// What a requester is told of it.
    pub(crate) fn at(&self) -> String {
        format!("{}@127.0.0.1:{}", self.account, self.port)
    }
}

/// The arguments of a requester.
pub(crate) fn arguments<'a>(job: &'a str, at: &[&'a str], more: &[&'a str]) -> Vec<&'a str> {
    let mut arguments = vec!["split", "train", job, "--json"];
    for provider in at {
        arguments.extend(["--provider", provider]);
    }
    arguments.extend(more);
    arguments
}

/// Trains to the end in the folder `out` below `dir`, with the key in `dir`.
pub(crate) fn train(dir: &Path, job: &str, at: &[&str], more: &[&str]) -> Run {
    if !dir.join("key.json").exists() {
        assay(dir, &["keys", "new", "--json"]).ok();
    }
    let out = dir.join("out").display().to_string();
    let out = ["--out", &out];
    let more = if more.contains(&"--out") {
        more.to_vec()
    } else {
        [more, &out].concat()
    };
    assay(dir, &arguments(job, at, &more))
}

/// The same job on one machine.
pub(crate) fn unsplit(dir: &Path, job: &str) -> Value {
    let out = dir.join("unsplit").display().to_string();
    assay(dir, &["train", job, "--out", &out, "--json"]).ok()
}

/// What a failed run said.
pub(crate) fn error(run: &Run) -> String {
    run.json()["error"].as_str().unwrap().to_owned()
}
