//! Runs tests, and notices when there were none.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// Runs a `cargo test`, printing and showing its lines; whether all tests passed.
///
/// # Errors
/// Where no test ran: a filter that fits none would count as a success that did nothing.
pub(crate) fn run(command: &mut Command, mut look: impl FnMut(&str)) -> Result<bool> {
    let mut child = command.stdout(Stdio::piped()).spawn()?;
    let output = child.stdout.take().context("the tests have no output")?;
    let mut ran = 0;
    for line in BufReader::new(output).lines() {
        let line = line?;
        println!("{line}");
        look(&line);
        ran += ran_by(&line);
    }
    if !child.wait()?.success() {
        return Ok(false);
    }
    match ran {
        0 => bail!("no test ran: {command:?} fits none"),
        _ => Ok(true),
    }
}

/// How many tests a binary ran, where this is the line in which it says so.
fn ran_by(line: &str) -> u64 {
    let told = line
        .strip_prefix("running ")
        .and_then(|rest| rest.split(' ').next());
    told.and_then(|count| count.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::ran_by;

    #[test]
    fn lines_that_count_tests_are_counted() {
        assert_eq!(ran_by("running 12 tests"), 12);
        assert_eq!(ran_by("running 1 test"), 1);
        assert_eq!(ran_by("running 0 tests"), 0);
        assert_eq!(ran_by("running late"), 0);
        assert_eq!(ran_by("test running 3 ... ok"), 0);
    }
}
