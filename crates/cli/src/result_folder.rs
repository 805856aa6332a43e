//! The folder that a command writes its result into: never one that holds something else.
//!
//! `transformers` attaches an adapter that lies beside a model, so two results in one folder would
//! be read as a third one that nobody made.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use crate::failure::{Failure, Kind};

/// Where files are written before they get their names in a result folder.
const ASIDE: &str = "unfinished-result";
/// Names that an error shows.
const SHOWN: usize = 3;

/// Makes sure that `dir` is an empty folder or can be made. Called before any work, so that nothing is
/// computed for a folder that cannot take it; work that then fails leaves no folder behind.
///
/// # Errors
/// When it holds anything, is no folder, or cannot be made.
pub(crate) fn claim(dir: &Path) -> Result<(), Failure> {
    let ancestors = dir.ancestors();
    let new: Vec<&Path> = ancestors
        .take_while(|path| !path.as_os_str().is_empty() && fs::symlink_metadata(path).is_err())
        .collect();
    let claimed = claim_beside::<&str>(dir, &[]);
    // Innermost first. One that somebody has put something into meanwhile stays.
    for made in new {
        let _ = fs::remove_dir(made);
    }
    claimed
}

/// As [`claim`], but the folder is made, and files of these names may lie there: what this very work left
/// when it was interrupted.
///
/// # Errors
/// As [`claim`].
pub(crate) fn claim_beside<N: AsRef<str>>(dir: &Path, own: &[N]) -> Result<(), Failure> {
    let unusable = |error: io::Error| {
        let context = format!("cannot write results into {}", dir.display());
        let error = anyhow::Error::from(error).context(context);
        Failure::new(Kind::Usage, error).hint("name another folder with --out")
    };
    fs::create_dir_all(dir).map_err(unusable)?;
    let mut others = Vec::new();
    for entry in fs::read_dir(dir).map_err(unusable)? {
        let name = entry.map_err(unusable)?.file_name();
        let name = name.to_string_lossy().into_owned();
        if own.iter().all(|own| own.as_ref() != name) {
            others.push(name);
        }
    }
    others.sort();
    if others.is_empty() {
        return Ok(());
    }
    let interrupted = others.iter().any(|name| name == ASIDE);
    let more = others.len().saturating_sub(SHOWN);
    let mut names = others[..others.len().min(SHOWN)].join(", ");
    if more > 0 {
        names += &format!(" and {more} more");
    }
    let text = format!("{} is not empty: it holds {names}", dir.display());
    let hint = match interrupted {
        true => "a command was interrupted while it wrote there: delete it, or name another folder",
        false => "name another folder with --out, or empty this one",
    };
    Err(Failure::say(Kind::Usage, text).hint(hint))
}

/// Writes the files of a result into a claimed folder. None of them has its name before all are on
/// disk.
///
/// # Errors
/// When the system refuses; the folder then holds no result that looks whole.
pub(crate) fn write(dir: &Path, files: &[(&str, &[u8])]) -> Result<(), Failure> {
    write_beside::<&str>(dir, &[], files)
}

/// As [`write()`], into a folder claimed with [`claim_beside`].
///
/// # Errors
/// As [`write()`], or when something else has come to lie there: a file of another name, or one of
/// these names that holds other bytes. Nothing is overwritten but by itself.
pub(crate) fn write_beside<N: AsRef<str>>(
    dir: &Path,
    own: &[N],
    files: &[(&str, &[u8])],
) -> Result<(), Failure> {
    // A name may have folders before it, of which the first lies there.
    let names = files.iter();
    let names = names.map(|(name, _)| name.split('/').next().unwrap_or(name));
    let own = own.iter().map(AsRef::as_ref);
    let expected: Vec<&str> = names.chain(own).chain([ASIDE]).collect();
    claim_beside(dir, &expected)?;
    let mut names = files.iter();
    if let Some((name, _)) = names.find(|(name, bytes)| holds_other(&dir.join(name), bytes)) {
        let text = format!(
            "{} holds another {name} than the result, and it is not overwritten",
            dir.display()
        );
        return Err(Failure::say(Kind::Usage, text).hint(
            "move it elsewhere and run the command again, or name another folder with --out",
        ));
    }
    let put = || -> io::Result<()> {
        let aside = dir.join(ASIDE);
        fs::create_dir_all(&aside)?;
        for (name, bytes) in files {
            let mut file = File::create(in_folder(&aside, name)?)?;
            file.write_all(bytes)?;
            file.sync_all()?;
        }
        for (name, _) in files {
            fs::rename(aside.join(name), in_folder(dir, name)?)?;
        }
        // Whatever an earlier, interrupted attempt left there goes with it.
        fs::remove_dir_all(&aside)?;
        sync(dir)
    };
    put().map_err(|error| {
        let context = format!("cannot write the result into {}", dir.display());
        Failure::new(Kind::Failed, anyhow::Error::from(error).context(context))
    })
}

/// Whether something else than a file of these bytes lies there.
fn holds_other(path: &Path, bytes: &[u8]) -> bool {
    match fs::symlink_metadata(path) {
        // Nothing is there; or writing will say why nothing can be.
        Err(_) => false,
        Ok(about) if !about.is_file() || about.len() != bytes.len() as u64 => true,
        Ok(_) => fs::read(path).map_or(true, |found| found != bytes),
    }
}

/// The path of a file, whose own folders are made where needed.
fn in_folder(dir: &Path, name: &str) -> io::Result<PathBuf> {
    let path = dir.join(name);
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    Ok(path)
}

/// Makes the names in a folder last; where the system has no such call, it does so by itself.
fn sync(dir: &Path) -> io::Result<()> {
    #[cfg(unix)]
    File::open(dir)?.sync_all()?;
    #[cfg(not(unix))]
    let _ = dir;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_a_results_name_is_left_alone_unless_it_is_that_result() {
        let dir = tempfile::tempdir().unwrap();
        let result: [(&str, &[u8]); 2] = [("a", b"1"), ("c/d", b"3")];
        let write = || write_beside(dir.path(), &["own.state"], &result);
        for name in ["own.state", "a"] {
            fs::write(dir.path().join(name), b"1").unwrap();
        }
        write().unwrap();
        // As long as the result's, longer, and a folder in its place.
        for foreign in [&b"2"[..], b"12"] {
            fs::write(dir.path().join("c/d"), foreign).unwrap();
            let refused = write().unwrap_err().to_string();
            assert!(refused.contains("holds another c/d"), "{refused}");
            assert_eq!(fs::read(dir.path().join("c/d")).unwrap(), foreign);
        }
        fs::remove_file(dir.path().join("c/d")).unwrap();
        fs::create_dir(dir.path().join("c/d")).unwrap();
        write().unwrap_err();
        fs::remove_dir(dir.path().join("c/d")).unwrap();
        write().unwrap();
    }

    #[test]
    fn a_folder_with_anything_in_it_is_refused_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let (new, file) = (dir.path().join("a/b"), dir.path().join("file"));
        claim(&new).unwrap();
        assert!(!dir.path().join("a").exists(), "it is not needed yet");
        fs::create_dir_all(&new).unwrap();
        claim(&new).unwrap();
        assert!(new.is_dir(), "it was there before");
        fs::write(new.join("model.safetensors"), b"").unwrap();
        let refused = claim(&new).unwrap_err();
        assert!(refused.to_string().contains("is not empty"), "{refused}");
        assert!(refused.to_string().contains("model.safetensors"));
        claim_beside(&new, &["model.safetensors"]).unwrap();
        fs::write(&file, b"").unwrap();
        let refused = claim(&file).unwrap_err();
        assert!(refused.to_string().contains("cannot write"), "{refused}");
        for name in ["c", "d", "e", "f"] {
            fs::write(new.join(name), b"").unwrap();
        }
        let refused = claim(&new).unwrap_err().to_string();
        assert!(refused.ends_with("c, d, e and 2 more"), "{refused}");
    }

    #[test]
    fn files_get_their_names_once_all_are_written() {
        let dir = tempfile::tempdir().unwrap();
        claim(dir.path()).unwrap();
        write(dir.path(), &[("a", &b"1"[..]), ("b", b"2"), ("c/d", b"3")]).unwrap();
        assert_eq!(fs::read(dir.path().join("c/d")).unwrap(), b"3");
        assert_eq!(fs::read(dir.path().join("b")).unwrap(), b"2");
        assert!(!dir.path().join(ASIDE).exists());
        // A name that cannot be a file here: nothing of the result appears.
        let other = dir.path().join("other");
        claim(&other).unwrap();
        write(&other, &[("a", &b"1"[..]), ("no\0name", b"2")]).unwrap_err();
        assert!(!other.join("a").exists());
        let refused = claim(&other).unwrap_err();
        assert_eq!(
            refused.advice(),
            Some(
                "a command was interrupted while it wrote there: delete it, or name another folder"
            )
        );
    }
}
