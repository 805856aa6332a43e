//! A second reading of the specification, in plain C (`oracle/`), gives the bits of our kernels.
//!
//! Needs a C compiler: `cc`, or what `ASSAY_ORACLE_CC` names; `ASSAY_ORACLE_RUN` is put before the
//! program, for one built for another processor (`.ci/run` uses it with qemu).
#![allow(clippy::unwrap_used, clippy::panic)]

mod cases;

use std::path::{Path, PathBuf};
use std::process::Command;

use assay_kernel::{Isa, Kernel};

/// A setting of one or several words.
fn words(name: &str, default: &str) -> Vec<String> {
    let text = std::env::var(name).unwrap_or_else(|_| default.to_owned());
    text.split_whitespace().map(str::to_owned).collect()
}

/// Compiles the oracle.
fn build() -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("oracle");
    let program = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("oracle");
    let mut sources: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "c"))
        .collect();
    sources.sort();
    let compiler = words("ASSAY_ORACLE_CC", "cc");
    let status = Command::new(&compiler[0])
        .args(&compiler[1..])
        .args(["-std=c11", "-O2", "-ffp-contract=off", "-o"])
        .arg(&program)
        .args(sources)
        .arg("-lm")
        .status()
        .unwrap_or_else(|error| panic!("{compiler:?}: {error}; install a C compiler"));
    assert!(status.success(), "{compiler:?} did not compile the oracle");
    program
}

/// What the oracle prints.
fn run(program: &Path, argument: Option<&str>) -> String {
    let mut line = words("ASSAY_ORACLE_RUN", "");
    line.push(program.display().to_string());
    line.extend(argument.map(str::to_owned));
    let output = Command::new(&line[0]).args(&line[1..]).output().unwrap();
    assert!(output.status.success(), "{line:?} failed");
    String::from_utf8(output.stdout).unwrap()
}

/// FNV-1a over the little-endian bytes.
fn digest(words: &[u32]) -> u64 {
    let bytes = words.iter().flat_map(|word| word.to_le_bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    })
}

#[test]
fn the_kernels_agree_with_the_oracle() {
    let program = build();
    let printed = run(&program, None);
    let wanted: Vec<&str> = printed.lines().collect();
    let names: Vec<&str> = wanted
        .iter()
        .map(|l| l.split(' ').next().unwrap())
        .collect();
    let ours: Vec<&str> = cases::CASES.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ours, "the two programs have different cases");
    let mut kernels = vec![Kernel::without_fma(1).unwrap()];
    for isa in Isa::ALL.into_iter().filter(|isa| isa.is_available()) {
        kernels.extend([1, 2].map(|threads| Kernel::new(isa, threads).unwrap()));
    }
    for kernel in kernels {
        for ((name, case), wanted) in cases::CASES.iter().zip(&wanted) {
            let found: Vec<u32> = case(&kernel);
            if format!("{name} {} {:016x}", found.len(), digest(&found)) == *wanted {
                continue;
            }
            let values = run(&program, Some(name));
            let values = values.lines().map(|v| u32::from_str_radix(v, 16).unwrap());
            let differs = values.zip(&found).enumerate().find(|(_, (a, b))| a != *b);
            panic!("{name} on {kernel:?}: value (oracle, kernel) {differs:x?}, {wanted}");
        }
    }
}
