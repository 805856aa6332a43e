//! Reading a file.

use std::collections::VecDeque;

use assay_crypto::aead::FileKey;
use assay_ledger::AccountId;
use assay_machine::Machine as _;
use assay_vault::download::{Answer, Ask, Download, DownloadConfig, DownloadError, Part};
use assay_vault::download::{Input, Output};
use assay_vault::placement::Placement;
use assay_vault::{Content, Fault};

use super::{COPIES, Recorded, World};

/// What a download came to.
pub struct Downloaded {
    /// How it ended.
    pub result: Result<Content, DownloadError>,
    /// What it delivered.
    pub bytes: Vec<u8>,
    /// Whom it complained about.
    pub reports: Vec<(AccountId, Part, Fault)>,
}

impl World {
    /// Reads a file.
    pub fn download(&mut self, file: &Recorded, key: FileKey) -> Downloaded {
        let placement = Placement {
            coding: COPIES,
            nodes: file.placement.clone(),
        };
        let config = DownloadConfig::default();
        let mut download = Download::new(config, file.expected, placement, key);
        self.forget_events();
        let mut bytes = Vec::new();
        let mut reports = Vec::new();
        let mut inputs = VecDeque::from([Input::News]);
        loop {
            let input = inputs
                .pop_front()
                .unwrap_or_else(|| match self.next_event() {
                    Some((tag, reply)) => Input::Answer(tag, Answer::Reply(reply)),
                    None => Input::Wake,
                });
            for output in download.step(&self.at(), input) {
                match output {
                    Output::Ask(tag, Ask::Send { to, request }) => {
                        self.send(tag, to, request);
                    }
                    Output::Ask(tag, Ask::Take { plain, .. }) => {
                        bytes.extend(plain);
                        inputs.push_back(Input::Answer(tag, Answer::Taken(Ok(()))));
                    }
                    Output::WakeAt(at) => self.wake_at(at),
                    Output::Send { .. } => unreachable!("a download only asks"),
                    Output::Report(failed) => {
                        reports.push((failed.node, failed.part, failed.fault));
                    }
                    Output::Journal(_) => unreachable!("a download keeps no journal"),
                    Output::End(result) => {
                        return Downloaded {
                            result,
                            bytes,
                            reports,
                        };
                    }
                }
            }
        }
    }
}
