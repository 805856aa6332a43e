//! Running the program.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

pub(crate) mod split;

use std::{
    fs,
    path::Path,
    process::{Child, Command, Stdio},
};

use serde_json::Value;

/// What a run left behind.
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Run {
    /// The one object on standard output.
    pub(crate) fn json(&self) -> Value {
        assert_eq!(
            self.out.lines().count(),
            1,
            "exactly one object: {:?} {:?}",
            self.out,
            self.err
        );
        serde_json::from_str(&self.out).unwrap()
    }

    /// The object of a run that must have worked.
    #[allow(dead_code)]
    pub(crate) fn ok(&self) -> Value {
        assert_eq!(self.code, 0, "{} {}", self.out, self.err);
        self.json()
    }
}

/// Runs the program with `dir` as the user's directory.
pub(crate) fn assay(dir: &Path, arguments: &[&str]) -> Run {
    let run = Command::new(env!("CARGO_BIN_EXE_assay"))
        .args(arguments)
        .env_remove("ASSAY_LOG")
        .env_remove("ASSAY_NODE")
        .env("ASSAY_DIR", dir)
        .output()
        .unwrap();
    Run {
        code: run.status.code().unwrap_or(-1),
        out: String::from_utf8(run.stdout).unwrap(),
        err: String::from_utf8(run.stderr).unwrap(),
    }
}

/// A process that dies with the test.
#[allow(dead_code)]
pub(crate) struct Process(pub(crate) Child);

#[allow(dead_code)]
impl Process {
    pub(crate) fn start(arguments: &[&str], log: &Path) -> Self {
        let out = fs::File::create(log.with_extension("out")).unwrap();
        let err = fs::File::create(log.with_extension("err")).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_assay"));
        command
            .args(arguments)
            .env("ASSAY_LOG", "warn")
            .env_remove("ASSAY_DIR");
        Self(
            command
                .stdout(Stdio::from(out))
                .stderr(Stdio::from(err))
                .spawn()
                .unwrap(),
        )
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) {
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
