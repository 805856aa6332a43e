//! Commands that a command names as the next step. A test types each of them as it is printed.

use std::{env, path::Path};

use crate::args::Global;

/// Commands that read the user's directory or ask a node, so that they need the same options.
const NETWORK: [&str; 6] = ["account", "job", "network", "offer", "vault", "why"];

/// A path as a shell reads it back.
pub(crate) fn quoted(path: &Path) -> String {
    shell(&path.display().to_string())
}

fn shell(text: &str) -> String {
    // Only a NUL byte cannot be quoted, and no argument holds one.
    shlex::try_quote(text).map_or_else(|_| text.to_owned(), |quoted| quoted.into_owned())
}

/// One command a line, with what it is for.
pub(crate) fn list(steps: &[(String, &str)]) -> String {
    let width = steps.iter().map(|(command, _)| command.len()).max();
    let width = width.unwrap_or_default();
    let line = |(command, purpose): &(String, &str)| format!("  {command:width$}  # {purpose}\n");
    steps.iter().map(line).collect()
}

/// The options a command was given that the next one needs too: ` --dir DIR --node URL`, each
/// only if it was typed and is not in the environment anyway.
pub(crate) fn options(global: &Global) -> String {
    let mut text = String::new();
    let in_environment = |name, value: &str| env::var_os(name).is_some_and(|set| set == value);
    let dir = global.dir.as_ref().map(|dir| dir.display().to_string());
    let given = [
        ("--dir", "ASSAY_DIR", &dir),
        ("--node", "ASSAY_NODE", &global.node),
    ];
    for (option, variable, value) in given {
        if let Some(value) = value
            .as_ref()
            .filter(|value| !in_environment(variable, value))
        {
            text += &format!(" {option} {}", shell(value));
        }
    }
    text
}

/// A message in which every command between backquotes that needs these options has them.
pub(crate) fn with_options(message: &str, options: &str) -> String {
    let parts = message.split('`').enumerate().map(|(i, part)| {
        let command = part.strip_prefix("assay ").filter(|_| i % 2 == 1);
        let first = command.and_then(|command| command.split(' ').next());
        let needs = first.is_some_and(|first| NETWORK.contains(&first));
        if needs && !part.contains(" --dir") && !part.contains(" --node") {
            format!("{part}{options}")
        } else {
            part.to_owned()
        }
    });
    parts.collect::<Vec<_>>().join("`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_that_asks_the_network_gets_the_options_once() {
        let told = |message| with_options(message, " --dir 'my net'");
        assert_eq!(
            told("`assay why 5d20` says why; see `assay job list`"),
            "`assay why 5d20 --dir 'my net'` says why; see `assay job list --dir 'my net'`"
        );
        let own = "start one with `assay devnet`, or `assay why 5d20 --dir other`";
        assert_eq!(told(own), own);
    }
}
