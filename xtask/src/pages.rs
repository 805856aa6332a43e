//! What must not stand in the pages under `docs`.

use std::path::Path;

use anyhow::{Context, Result};

/// Where the pages are.
const PAGES: &str = "docs";

/// How lines begin that a test run prints.
const SAID_BY_TESTS: [&str; 4] = [
    "test result:",
    "error: test failed",
    "note: run with `RUST_BACKTRACE",
    "Finished `test` profile",
];

/// Notes every page that breaks a rule.
pub(crate) fn check(broken: &mut Vec<String>) -> Result<()> {
    pasted(Path::new(PAGES), broken)
}

/// What a test run says has no place between the sentences of a page.
fn pasted(folder: &Path, broken: &mut Vec<String>) -> Result<()> {
    for entry in std::fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path.is_dir() {
            pasted(&path, broken)?;
            continue;
        }
        let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let found = text.lines().find(|line| {
            let mut said = SAID_BY_TESTS.iter();
            said.any(|said| line.trim_start().starts_with(said))
        });
        if let Some(line) = found {
            broken.push(format!(
                "{} has the output of a tool: {line}",
                path.display()
            ));
        }
    }
    Ok(())
}
