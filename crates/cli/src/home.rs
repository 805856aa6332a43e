//! The user's directory.

use std::path::{Path, PathBuf};

use assay_node::config::NodeConfig;

use crate::{
    args::Global,
    failure::{Failure, Kind},
};

/// A directory with the user's key and the genesis of the network that is trusted.
///
/// ```text
/// DIR/key.json        the account; in a devnet's directory DIR/requester/key.json
/// DIR/genesis.json    what the network began with
/// ```
///
/// The directory of a devnet works as it is.
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

    /// A directory that is named.
    pub(crate) fn at(dir: &Path) -> Self {
        Self(dir.to_owned())
    }

    /// The user's account key.
    pub(crate) fn key(&self) -> PathBuf {
        let own = self.0.join("key.json");
        let devnet = self.0.join("requester/key.json");
        if !own.exists() && devnet.exists() {
            devnet
        } else {
            own
        }
    }

    /// The genesis of the network that is trusted.
    pub(crate) fn genesis(&self) -> PathBuf {
        self.0.join("genesis.json")
    }

    /// Where a devnet in this directory serves its API.
    pub(crate) fn devnet_node(&self) -> Option<String> {
        let config = NodeConfig::load(&self.0.join("nodes/validator-0/node.toml")).ok()?;
        config.http.map(|address| format!("http://{address}"))
    }

    /// The directory itself.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}
