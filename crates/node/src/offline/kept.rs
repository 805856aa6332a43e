//! What an audit has come to, so that the same command goes on after an interruption.
//!
//! ```text
//! DIR/state       the state at some height with what was noted until then, behind a digest
//! DIR/findings    a line of JSON for each item that was done again
//! ```
//!
//! It is the auditor's own: whoever can write there can have the audit say anything. The digest finds a disk's
//! errors, no more.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use assay_chain::Checkpoint;
use assay_crypto::Digest;
use assay_ledger::Height;
use serde::{Deserialize, Serialize};

use super::error::{KeptError, OfflineError};
use super::gathered::Gathered;
use super::items::{Found, Item};
use crate::disk::{Files as _, Log, System, replace, sync_names};

/// The share of the time that goes into saving the state, at most: one in so many.
const SAVING_SHARE: u32 = 20;
/// Time between two saves, at least.
const LEAST: Duration = Duration::from_millis(20);

/// The first line of the findings.
#[derive(Serialize)]
struct About {
    network: Digest,
}

/// A line of the findings.
#[derive(Serialize, Deserialize)]
struct Line {
    #[serde(flatten)]
    item: Item,
    /// Digest of what the ledger says of it: of another history it is another item.
    claim: Digest,
    #[serde(flatten)]
    found: Found,
}

/// A folder in which an audit keeps what it has come to.
#[derive(Debug)]
pub struct Kept {
    dir: PathBuf,
    log: Box<dyn Log>,
    findings: BTreeMap<(Item, Digest), Found>,
    saved: Instant,
    took: Duration,
}

impl Kept {
    /// Opens or makes the folder of an audit of this network.
    ///
    /// # Errors
    /// [`KeptError`].
    pub fn open(dir: &Path, network: Digest) -> Result<Self, KeptError> {
        let path = dir.join("findings");
        let failed = |source: io::Error| KeptError::Disk {
            path: path.clone(),
            source,
        };
        System.create_dir(dir).map_err(failed)?;
        let log = System.locked_log(&path, true).map_err(failed)?;
        let mut log = log.ok_or_else(|| KeptError::InUse(dir.to_owned()))?;
        let bytes = log.read().map_err(failed)?;
        let expected = line(&About { network });
        if !bytes.starts_with(&expected) && !expected.starts_with(&bytes) {
            return Err(KeptError::Network(dir.to_owned()));
        }
        let whole = bytes.iter().rposition(|byte| *byte == b'\n');
        let whole = &bytes[..whole.map_or(0, |at| at + 1)];
        let mut lines = whole.split(|byte| *byte == b'\n');
        let first = lines.next().unwrap_or_default();
        let mut findings = BTreeMap::new();
        if first.is_empty() {
            log.truncate(0).map_err(failed)?;
            log.append(&expected).map_err(failed)?;
        } else {
            // The end of the last line may be missing.
            log.truncate(whole.len() as u64).map_err(failed)?;
            let lines = lines.filter_map(|line| serde_json::from_slice::<Line>(line).ok());
            findings.extend(lines.map(|line| ((line.item, line.claim), line.found)));
        }
        log.sync().map_err(failed)?;
        sync_names(&System, &path).map_err(failed)?;
        Ok(Self {
            dir: dir.to_owned(),
            log,
            findings,
            saved: Instant::now(),
            took: Duration::ZERO,
        })
    }

    /// What was found of an item, unless it has to be looked at again: what was missing may be there now.
    /// `claim` is what the ledger says of it ([`Repeater::claim`](super::Repeater::claim)).
    pub fn found(&self, item: &Item, claim: Digest) -> Option<&Found> {
        let found = self.findings.get(&(*item, claim));
        found.filter(|found| matches!(found, Found::Equal | Found::Differs(_)))
    }

    /// Keeps what was found of an item.
    ///
    /// # Errors
    /// [`KeptError::Disk`].
    pub fn note(&mut self, item: Item, claim: Digest, found: &Found) -> Result<(), KeptError> {
        let bytes = line(&Line {
            item,
            claim,
            found: found.clone(),
        });
        let written = self.log.append(&bytes).and_then(|()| self.log.sync());
        self.findings.insert((item, claim), found.clone());
        written.map_err(|source| KeptError::Disk {
            path: self.dir.join("findings"),
            source,
        })
    }

    fn path(&self) -> PathBuf {
        self.dir.join("state")
    }

    /// The state that was kept of an audit that began at this height, if one is whole.
    pub(super) fn load(&self, from: Height) -> Option<(Checkpoint, Gathered)> {
        let bytes = System.read(&self.path()).ok()?;
        let (digest, rest) = bytes.split_first_chunk::<32>()?;
        if Digest::of(DOMAIN, &[rest]).0 != *digest {
            return None;
        }
        let (began, checkpoint, gathered) =
            borsh::from_slice::<(Height, Vec<u8>, Gathered)>(rest).ok()?;
        let checkpoint = Checkpoint::decode(&checkpoint).ok()?;
        (began == from).then_some((checkpoint, gathered))
    }

    /// Whether it is time to keep the state again.
    pub(super) fn is_due(&self) -> bool {
        self.saved.elapsed() >= LEAST.max(SAVING_SHARE * self.took)
    }

    /// Keeps the state.
    pub(super) fn save(
        &mut self,
        from: Height,
        checkpoint: &Checkpoint,
        gathered: &Gathered,
    ) -> Result<(), OfflineError> {
        let began = Instant::now();
        // Writing into memory cannot fail.
        let rest = borsh::to_vec(&(from, checkpoint.to_bytes(), gathered)).unwrap_or_default();
        let mut bytes = Digest::of(DOMAIN, &[&rest]).0.to_vec();
        bytes.extend_from_slice(&rest);
        let path = self.path();
        let written = replace(&System, &path, &bytes);
        written.map_err(|source| KeptError::Disk { path, source })?;
        (self.saved, self.took) = (Instant::now(), began.elapsed());
        Ok(())
    }
}

const DOMAIN: &str = "assay/audit/kept/v1";

fn line(value: &impl Serialize) -> Vec<u8> {
    // Plain structures cannot fail to be written.
    let mut bytes = serde_json::to_vec(value).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}
