//! What `assay split train` says at the end.

use std::{collections::BTreeMap, path::PathBuf};

use assay_crypto::{Digest, PublicKey};
use assay_node::split::{Counted, Trained};
use serde::Serialize;

use super::ProviderAt;
use crate::output::{facts, figures};

/// How a run ended.
#[derive(Serialize)]
pub(super) struct Report {
    pub(super) state_digest: Digest,
    pub(super) trace_root: Digest,
    pub(super) steps: u64,
    pub(super) resumed_at: u64,
    pub(super) skipped: u64,
    pub(super) seconds: f64,
    #[serde(flatten)]
    pub(super) figures: BTreeMap<String, f64>,
    pub(super) warnings: Vec<String>,
    /// What the model's files leave open or say differently from one another, and what of the
    /// settings is passed over.
    pub(super) notes: Vec<String>,
    /// For each provider.
    pub(super) traffic: Vec<Traffic>,
    /// Bytes of attempts that broke off.
    pub(super) wasted_bytes: u64,
    pub(super) out: PathBuf,
    pub(super) warning: &'static str,
}

/// Bytes of messages, headers included; each is sent in a frame of 4 bytes more.
#[derive(Serialize)]
pub(super) struct Traffic {
    pub(super) provider: PublicKey,
    pub(super) steps: u64,
    pub(super) sent_bytes: u64,
    pub(super) sent_formula: u64,
    pub(super) received_bytes: u64,
    pub(super) received_formula: u64,
}

impl Traffic {
    /// One for each provider.
    pub(super) fn of(providers: &[ProviderAt], trained: &Trained) -> Vec<Self> {
        let pairs = trained.counted.iter().zip(&trained.formula);
        let one = |(provider, (counted, formula)): (&ProviderAt, (&Counted, &Counted))| Self {
            provider: provider.account,
            steps: trained.exchanged,
            sent_bytes: counted.sent,
            sent_formula: formula.sent,
            received_bytes: counted.received,
            received_formula: formula.received,
        };
        providers.iter().zip(pairs).map(one).collect()
    }
}

impl Report {
    /// For people.
    pub(super) fn text(&self) -> String {
        let mut text = facts([
            ("state digest", self.state_digest.to_string()),
            ("trace root", self.trace_root.to_string()),
            ("steps", format!("{} in {:.1} s", self.steps, self.seconds)),
            ("adapter", self.out.display().to_string()),
        ]);
        if self.resumed_at > 0 {
            text += &format!("{} steps were saved before\n", self.resumed_at);
        }
        if self.skipped > 0 {
            text += &format!("{} steps gave no number and were skipped\n", self.skipped);
        }
        text += &figures(&self.figures);
        for (which, one) in self.traffic.iter().enumerate() {
            let equal = |bytes: u64, formula: u64| match bytes == formula {
                true => format!("{bytes} bytes, as the formula says"),
                false => format!("{bytes} bytes, and the formula says {formula}"),
            };
            text += &format!(
                "provider {which}, {} steps  sent {}; received {}\n",
                one.steps,
                equal(one.sent_bytes, one.sent_formula),
                equal(one.received_bytes, one.received_formula)
            );
        }
        if self.wasted_bytes > 0 {
            text += &format!(
                "attempts that broke off  {} bytes more\n",
                self.wasted_bytes
            );
        }
        text
    }
}
