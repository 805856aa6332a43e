//! The user's directory.

use std::path::{Path, PathBuf};

use crate::{
    args::Global,
    failure::{Failure, Kind},
};

/// A directory with `key.json` (the user's account) and `genesis.json` (the network trusted).
#[derive(Clone, Debug)]
pub(crate) struct Home(PathBuf);

impl Home {
    /// `--dir`, else `ASSAY_DIR`, else `.assay` in the user's home directory.
    pub(crate) fn find(global: &Global) -> Result<Self, Failure> {
        if let Some(dir) = &global.dir {
            return Ok(Self(dir.clone()));
        }
        let home = std::env::home_dir().filter(|home| !home.as_os_str().is_empty());
        home.map(|home| Self(home.join(".assay"))).ok_or_else(|| {
            let error = anyhow::Error::msg("there is no home directory to keep things in");
            Failure::new(Kind::Usage, error).hint("name a directory with --dir DIR")
        })
    }

    /// The user's account key.
    pub(crate) fn key(&self) -> PathBuf {
        self.0.join("key.json")
    }

    /// The directory itself.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}
