//! How the code is cut: no file too long, no circle of files too wide.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use syn::visit::{self, Visit};
use syn::{Attribute, Item, ItemMod, ItemUse, UseTree};

/// Most lines of a file, its tests left out.
const MOST_LINES: usize = 400;

/// Most files that cannot be understood without one another: each needs the next one's names, and
/// the last one the first one's. A re-export is such a need, but for those of the crate's root,
/// which every file may use.
const MOST_IN_CIRCLE: usize = 6;

/// The names that lead to a file from the root of its crate.
type Module = Vec<String>;

/// Finds files of a crate that are too long, and circles of too many.
pub(crate) fn check(package: &str, source: &Path, broken: &mut Vec<String>) -> Result<()> {
    let mut files = BTreeMap::new();
    collect(source, &mut Vec::new(), &mut files)?;
    let known: BTreeSet<Module> = files.keys().cloned().collect();
    let mut needs = BTreeMap::new();
    for (module, path) in files {
        let text = std::fs::read_to_string(&path)?;
        let lines = without_tests(&text).lines().count();
        if lines > MOST_LINES {
            let path = path.display();
            broken.push(format!(
                "{path} has {lines} lines, at most {MOST_LINES} may be"
            ));
        }
        let code = syn::parse_file(&text).with_context(|| path.display().to_string())?;
        let mut found = Needs {
            known: &known,
            file: module.clone(),
            inside: module.clone(),
            found: BTreeSet::new(),
        };
        found.visit_file(&code);
        needs.insert(module, found.found);
    }
    for circle in circles(&needs) {
        let names: Vec<_> = circle.iter().map(|module| module.join("::")).collect();
        broken.push(format!(
            "{} files of {package} need one another, at most {MOST_IN_CIRCLE} may: {}",
            names.len(),
            names.join(", ")
        ));
    }
    Ok(())
}

/// The code of a file, without the module of tests written out at its end. One that only names the file
/// of its tests, wherever it does, is looked at whole.
pub(crate) fn without_tests(text: &str) -> &str {
    const BEGINS: &str = "#[cfg(test)]\nmod ";
    let inline = |at: &usize| {
        let name = text.get(at + BEGINS.len()..).unwrap_or_default();
        name.lines().next().is_some_and(|line| line.ends_with('{'))
    };
    let mut begins = text.match_indices(BEGINS).map(|(at, _)| at);
    let end = begins.find(inline).unwrap_or(text.len());
    text.get(..end).unwrap_or(text)
}

/// The files below `folder`, whose module is `at`; tests are left out.
fn collect(folder: &Path, at: &mut Module, files: &mut BTreeMap<Module, PathBuf>) -> Result<()> {
    for entry in std::fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        let stays = ["mod", "lib", "main"].contains(&&*name);
        if path.is_dir() {
            at.push(name.into_owned());
            collect(&path, at, files)?;
            at.pop();
        } else if path.extension().is_some_and(|e| e == "rs") && !name.ends_with("tests") {
            let mut module = at.clone();
            module.extend((!stays).then(|| name.into_owned()));
            files.insert(module, path);
        }
    }
    Ok(())
}

/// Groups of more than [`MOST_IN_CIRCLE`] files of which each reaches every other.
fn circles(needs: &BTreeMap<Module, BTreeSet<Module>>) -> BTreeSet<BTreeSet<&Module>> {
    let reached = |from| {
        let (mut seen, mut next) = (BTreeSet::new(), vec![from]);
        while let Some(module) = next.pop() {
            let unseen = needs.get(module).into_iter().flatten();
            next.extend(unseen.filter(|module| seen.insert(*module)));
        }
        seen
    };
    let reach: BTreeMap<&Module, BTreeSet<&Module>> = needs
        .keys()
        .map(|module| (module, reached(module)))
        .collect();
    let mut found = BTreeSet::new();
    for (module, reached) in &reach {
        let back = |other: &&Module| reach.get(other).is_some_and(|from| from.contains(module));
        let circle: BTreeSet<&Module> = reached.iter().copied().filter(back).collect();
        if circle.len() > MOST_IN_CIRCLE {
            found.insert(circle);
        }
    }
    found
}

/// Gathers the files whose names a file uses.
struct Needs<'a> {
    known: &'a BTreeSet<Module>,
    file: Module,
    /// The file's module, and the modules written out in it.
    inside: Module,
    found: BTreeSet<Module>,
}

impl Needs<'_> {
    fn path(&mut self, names: &[String]) {
        let Some(first) = names.first() else { return };
        let ups = names.iter().take_while(|name| *name == "super").count();
        let (mut full, rest) = match first.as_str() {
            "crate" => (Vec::new(), 1),
            "self" => (self.inside.clone(), 1),
            "super" => {
                let kept = self.inside.len().saturating_sub(ups);
                (self.inside.get(..kept).unwrap_or_default().to_vec(), ups)
            }
            _ => (self.inside.clone(), 0),
        };
        let beside = full.len();
        full.extend_from_slice(names.get(rest..).unwrap_or_default());
        // A name without `self` is a module of the file's folder, or none of this crate's.
        let least = if rest == 0 { beside } else { 0 };
        while full.len() > least {
            if self.known.contains(&full) {
                if full != self.file {
                    self.found.insert(full);
                }
                return;
            }
            full.pop();
        }
    }

    fn tree(&mut self, before: &mut Vec<String>, tree: &UseTree) {
        match tree {
            UseTree::Path(path) => {
                before.push(path.ident.to_string());
                self.tree(before, &path.tree);
                before.pop();
            }
            UseTree::Group(group) => {
                for tree in &group.items {
                    self.tree(before, tree);
                }
            }
            UseTree::Name(name) => self.within(before, Some(name.ident.to_string())),
            UseTree::Rename(name) => self.within(before, Some(name.ident.to_string())),
            UseTree::Glob(_) => self.within(before, None),
        }
    }

    fn within(&mut self, before: &[String], name: Option<String>) {
        let path: Vec<_> = before.iter().cloned().chain(name).collect();
        self.path(&path);
    }
}

impl<'ast> Visit<'ast> for Needs<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        let attributes: &[Attribute] = match item {
            Item::Mod(item) => &item.attrs,
            Item::Use(item) => &item.attrs,
            Item::Fn(item) => &item.attrs,
            Item::Impl(item) => &item.attrs,
            _ => &[],
        };
        if !attributes.iter().any(is_of_tests) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        self.inside.push(item.ident.to_string());
        visit::visit_item_mod(self, item);
        self.inside.pop();
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        self.tree(&mut Vec::new(), &item.tree);
    }

    /// Who may see something is no need of it.
    fn visit_visibility(&mut self, _: &'ast syn::Visibility) {}

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let names: Vec<_> = path.segments.iter().map(|s| s.ident.to_string()).collect();
        if names.len() > 1 {
            self.path(&names);
        }
        visit::visit_path(self, path);
    }
}

fn is_of_tests(attribute: &Attribute) -> bool {
    let of_tests = |word: syn::Ident| word == "test";
    attribute.path().is_ident("cfg") && attribute.parse_args().is_ok_and(of_tests)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_names_its_tests_at_the_top_is_looked_at_whole() {
        let named = "mod a;\n#[cfg(test)]\nmod tests;\n\nfn long() {}\n";
        assert_eq!(without_tests(named), named);
        let both = format!("{named}\n#[cfg(test)]\nmod more {{\n}}\n");
        assert_eq!(without_tests(&both), format!("{named}\n"));
    }

    #[test]
    fn only_who_is_reached_from_all_is_in_a_circle() {
        let module = |n: usize| vec![n.to_string()];
        let ring = |count: usize| {
            let next = |n| (module(n), BTreeSet::from([module((n + 1) % count)]));
            (0..count).map(next).collect::<BTreeMap<_, _>>()
        };
        assert!(circles(&ring(MOST_IN_CIRCLE)).is_empty());
        let mut needs = ring(MOST_IN_CIRCLE + 1);
        // It uses the ring, and nothing in the ring uses it.
        needs.insert(vec!["user".to_owned()], BTreeSet::from([module(0)]));
        let found = circles(&needs);
        let found: Vec<_> = found.iter().map(BTreeSet::len).collect();
        assert_eq!(found, [MOST_IN_CIRCLE + 1]);
    }
}
