//! Reading a file.

use std::collections::VecDeque;

use assay_crypto::aead::FileKey;
use assay_ledger::AccountId;
use assay_machine::Machine as _;
use assay_vault::download::{Answer, Ask, Download, DownloadConfig, DownloadError, Part};
use assay_vault::download::{Input, Output};
use assay_vault::placement::Placement;
use assay_vault::{Content, Fault, Piece};

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

/// What a download of a file's slices came to.
pub struct Slices {
    /// How it ended.
    pub result: Result<(), DownloadError>,
    /// The slices as they are sealed.
    pub pieces: Vec<Piece>,
    /// Whom it complained about.
    pub reports: Vec<(AccountId, Part, Fault)>,
}

impl World {
    /// Reads a file.
    pub fn download(&mut self, file: &Recorded, key: FileKey) -> Downloaded {
        let config = DownloadConfig::default();
        let download = Download::new(config, file.expected, placement(file), key);
        let (result, taken, reports) = self.drive(download);
        Downloaded {
            result: result.map(|content| content.expect("it was opened")),
            bytes: taken.into_iter().flat_map(|(plain, _)| plain).collect(),
            reports,
        }
    }

    /// Reads a file's slices as they are sealed.
    pub fn slices(&mut self, file: &Recorded) -> Slices {
        let config = DownloadConfig::default();
        let download = Download::sealed(config, file.expected, placement(file));
        let (result, taken, reports) = self.drive(download);
        Slices {
            result: result.map(|content| assert_eq!(content, None)),
            pieces: taken.into_iter().map(|(_, piece)| piece).collect(),
            reports,
        }
    }

    fn drive(&mut self, mut download: Download) -> Driven {
        self.forget_events();
        let mut taken = Vec::new();
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
                    Output::Ask(tag, Ask::Take { plain, piece, .. }) => {
                        taken.push((plain, piece));
                        inputs.push_back(Input::Answer(tag, Answer::Taken(Ok(()))));
                    }
                    Output::WakeAt(at) => self.wake_at(at),
                    Output::Send { .. } => unreachable!("a download only asks"),
                    Output::Report(failed) => {
                        reports.push((failed.node, failed.part, failed.fault));
                    }
                    Output::Journal(_) => unreachable!("a download keeps no journal"),
                    Output::End(result) => return (result, taken, reports),
                }
            }
        }
    }
}

/// How a download ended, what it handed over, and whom it complained about.
type Driven = (
    Result<Option<Content>, DownloadError>,
    Vec<(Vec<u8>, Piece)>,
    Vec<(AccountId, Part, Fault)>,
);

fn placement(file: &Recorded) -> Placement {
    Placement {
        coding: COPIES,
        nodes: file.placement.clone(),
    }
}
