//! How much memory this process may still take, and how much the machine has for it in all.

use std::fs;
use std::path::{Path, PathBuf};

use rustix::process::{Resource, getrlimit};

/// Bytes that this process can be given: what the machine has free, within the limits of its control
/// groups and of the process itself. `None` where the system tells nothing of it.
pub fn available_memory() -> Option<u64> {
    let limits = [Resource::As, Resource::Data].map(|resource| getrlimit(resource).current);
    let found = limits.into_iter().flatten();
    let found = found.chain(free_of_machine()).chain(free_of_groups());
    found.min()
}

/// Bytes that this process could be given if nothing else ran on the machine. It stays the same from one
/// start to the next, as what is free does not. `None` where the system tells nothing of it.
pub fn machine_memory() -> Option<u64> {
    let limits = [Resource::As, Resource::Data].map(|resource| getrlimit(resource).current);
    let found = limits.into_iter().flatten();
    let found = found.chain(told_of_machine("MemTotal:"));
    found.chain(of_groups(most_of_group)).min()
}

fn free_of_machine() -> Option<u64> {
    told_of_machine("MemAvailable:")
}

fn told_of_machine(name: &str) -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|l| l.strip_prefix(name))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1 << 10)
}

/// What the narrowest of the process' control groups has left.
fn free_of_groups() -> Option<u64> {
    of_groups(free_of_group)
}

/// The least that a control group of the process, or one around it, has `of` something.
fn of_groups(of: fn(&Path) -> Option<u64>) -> Option<u64> {
    let text = fs::read_to_string("/proc/self/cgroup").ok()?;
    let groups = text.lines().filter_map(|line| {
        let mut parts = line.splitn(3, ':');
        let (_, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
        let root = match controllers {
            "" => "/sys/fs/cgroup",
            list if list.split(',').any(|c| c == "memory") => "/sys/fs/cgroup/memory",
            _ => return None,
        };
        Some(least_around(Path::new(root), path, of))
    });
    groups.flatten().min()
}

/// The least that a group or one around it has.
fn least_around(root: &Path, path: &str, of: fn(&Path) -> Option<u64>) -> Option<u64> {
    let group: PathBuf = root.join(path.trim_start_matches('/'));
    let around = group
        .ancestors()
        .take_while(|folder| folder.starts_with(root));
    around.filter_map(of).min()
}

fn number(folder: &Path, name: &str) -> Option<u64> {
    let text = fs::read_to_string(folder.join(name)).ok()?;
    text.trim().parse().ok()
}

fn most_of_group(folder: &Path) -> Option<u64> {
    let number = |name: &str| number(folder, name);
    number("memory.max").or_else(|| number("memory.limit_in_bytes"))
}

fn free_of_group(folder: &Path) -> Option<u64> {
    let most = most_of_group(folder)?;
    let number = |name: &str| number(folder, name);
    let used = number("memory.current").or_else(|| number("memory.usage_in_bytes"))?;
    // Pages of files can be had back at any time.
    let stat = fs::read_to_string(folder.join("memory.stat")).unwrap_or_default();
    let files = stat.lines().find_map(|line| {
        let files = line
            .strip_prefix("inactive_file ")
            .or_else(|| line.strip_prefix("total_inactive_file "));
        files?.parse::<u64>().ok()
    });
    let used = used.saturating_sub(files.unwrap_or(0));
    Some(most.saturating_sub(used))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_has_left_what_it_does_not_use_and_files_do_not_count() {
        let root = tempfile::tempdir().unwrap();
        let inner = root.path().join("a/b");
        fs::create_dir_all(&inner).unwrap();
        let free_below = |root: &Path, path| least_around(root, path, free_of_group);
        let write = |path: &str, text: &str| fs::write(root.path().join(path), text).unwrap();
        assert_eq!(free_below(root.path(), "/a/b"), None);
        write("a/b/memory.max", "max\n");
        write("a/b/memory.current", "70\n");
        assert_eq!(free_below(root.path(), "/a/b"), None);
        write("a/memory.max", "1000\n");
        write("a/memory.current", "700\n");
        assert_eq!(free_below(root.path(), "/a/b"), Some(300));
        write("a/memory.stat", "anon 1\ninactive_file 200\n");
        assert_eq!(free_below(root.path(), "/a/b"), Some(500));
        write("a/b/memory.max", "90\n");
        assert_eq!(free_below(root.path(), "/a/b"), Some(20));
        // What it may have in all does not depend on what it uses.
        assert_eq!(least_around(root.path(), "/a/b", most_of_group), Some(90));
        assert_eq!(least_around(root.path(), "/a", most_of_group), Some(1000));
    }

    #[test]
    fn this_machine_has_some() {
        if cfg!(target_os = "linux") {
            let free = available_memory().unwrap();
            assert!(free > 1 << 20 && free <= machine_memory().unwrap());
        }
    }
}
