//! Storing a file.

use std::collections::BTreeMap;
use std::io::{self, Read, Seek};

use assay_crypto::{Digest, aead::FileKey};
use assay_ledger::{AccountId, FileId, LedgerTime};
use assay_machine::Machine as _;
use assay_vault::upload::{
    Answer, Ask, Input, Need, NodeFailed, Output, Upload, UploadConfig, UploadError,
};
use assay_vault::wire::{Asked, Refusal, Request, Response};
use assay_vault::{Expected, Fault, Sealer};

use super::{OWNER, Recorded, World, account, sealer};

/// The place of a file's manifest among its pieces.
pub const MANIFEST: u64 = u64::MAX;

/// What an upload did until it ended or crashed.
#[derive(Default)]
pub struct Uploaded {
    /// `None` when it crashed.
    pub result: Option<Result<FileId, UploadError>>,
    /// What it brought to the ledger.
    pub record: Option<Recorded>,
    /// What it wrote down.
    pub journal: Vec<Vec<u8>>,
    /// Whom it complained about.
    pub reports: Vec<(AccountId, Fault)>,
    /// Digests of all pieces sent.
    pub sent: Vec<Digest>,
    /// Everything it wanted.
    pub outputs: usize,
    /// What was asked of the source.
    pub needs: Vec<Need>,
    /// What was sealed, each piece with its place in the file; a manifest at [`MANIFEST`]. A place
    /// is a nonce.
    pub sealed: BTreeMap<Digest, u64>,
}

impl World {
    /// A machine that brings a file under `key` to the nodes of this world.
    pub fn upload_with(&self, config: UploadConfig, key: &FileKey) -> Upload {
        Upload::new(config, key, 1, &self.candidates())
    }

    /// Stores a file.
    pub fn upload(&mut self, plain: &[u8], key: FileKey) -> Uploaded {
        let upload = self.upload_with(UploadConfig::default(), &key);
        self.drive_upload(upload, &[], &mut sealer(plain, key), usize::MAX)
    }

    /// Runs an upload, with the journal of its earlier lives, until it ends or has made `crash_after`
    /// outputs.
    pub fn drive_upload<R: Read + Seek>(
        &mut self,
        upload: Upload,
        past: &[Vec<u8>],
        sealer: &mut Sealer<R>,
        crash_after: usize,
    ) -> Uploaded {
        let mut left = crash_after;
        let mut lives = || {
            let lives = left > 0;
            left = left.saturating_sub(1);
            lives
        };
        self.drive_upload_on(upload, past, sealer, &mut lives, &mut |_| Ok(()))
    }

    /// Runs an upload that writes its journal with `write`, until it ends, or its journal cannot be
    /// written, or `lives`, which is asked before each output, says that its process is gone.
    pub fn drive_upload_on<R: Read + Seek>(
        &mut self,
        mut upload: Upload,
        past: &[Vec<u8>],
        sealer: &mut Sealer<R>,
        lives: &mut dyn FnMut() -> bool,
        write: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    ) -> Uploaded {
        self.forget_events();
        let mut done = Uploaded::default();
        let mut expected = None;
        let mut inputs = vec![Input::Seed([3; 32])];
        inputs.extend(past.iter().cloned().map(Input::Journal));
        inputs.push(Input::News);
        loop {
            let mut next = Vec::new();
            for input in inputs {
                let early = matches!(input, Input::Seed(_) | Input::Journal(_));
                let outputs = upload.step(&self.at(), input);
                assert!(!early || outputs.is_empty(), "asks before there is news");
                for output in outputs {
                    if !lives() {
                        return done;
                    }
                    done.outputs += 1;
                    let (tag, ask) = match output {
                        Output::Ask(tag, ask) => (tag, ask),
                        Output::Journal(entry) => {
                            if write(&entry).is_err() {
                                return done;
                            }
                            done.journal.push(entry);
                            continue;
                        }
                        Output::WakeAt(at) => {
                            self.wake_at(at);
                            continue;
                        }
                        Output::Send { .. } => unreachable!("an upload only asks"),
                        Output::Report(failed) => {
                            done.reports.push((failed.node, failed.fault));
                            continue;
                        }
                        Output::End(result) => {
                            done.result = Some(result);
                            return done;
                        }
                    };
                    let answer = match ask {
                        Ask::Need(need) => {
                            done.needs.push(need);
                            let answer = satisfy(sealer, need);
                            match &answer {
                                Answer::Slice(slice) => {
                                    done.sealed.insert(slice.digest, u64::from(slice.index));
                                }
                                Answer::Manifest(file) => {
                                    done.sealed.insert(file.id.0, MANIFEST);
                                    expected = Some(file.expected());
                                }
                                _ => {}
                            }
                            answer
                        }
                        Ask::Send { to, request } => {
                            if let Request::Put { digest, .. } = &request {
                                done.sent.push(*digest);
                            }
                            self.send(tag, to, request);
                            continue;
                        }
                        Ask::Record { file, placement } => {
                            let expected = expected.unwrap();
                            assert_eq!(file, expected.id);
                            let unwilling = self.unwilling(&expected, &placement);
                            if unwilling.is_empty() {
                                done.record = Some(Recorded {
                                    expected,
                                    placement,
                                });
                                Answer::Recorded(Ok(()))
                            } else {
                                Answer::Unaccepted(unwilling)
                            }
                        }
                    };
                    next.push(Input::Answer(tag, answer));
                }
            }
            inputs = next;
            if inputs.is_empty() {
                inputs = vec![match self.next_event() {
                    Some((tag, reply)) => Input::Answer(tag, Answer::Reply(reply)),
                    None => Input::Wake,
                }];
            }
        }
    }
}

impl World {
    /// The nodes that do not agree to keep a file, each asked several times.
    fn unwilling(&mut self, expected: &Expected, placement: &[AccountId]) -> Vec<NodeFailed> {
        let asked = Request::Accept(Asked {
            file: expected.id,
            root: expected.root,
            slices: expected.slices,
            length_class: expected.length_class,
            until: LedgerTime(1),
        });
        let (now, owner) = (self.now, account(OWNER));
        let mut unwilling = Vec::new();
        for node in placement {
            let answers = self.nodes.get_mut(node).is_some_and(|of| {
                (0..4).any(|_| {
                    let answer = of.answer(now, owner, asked.clone());
                    matches!(answer, super::Answer::After(_, Response::Accepted(_)))
                })
            });
            if !answers {
                let (node, fault) = (*node, Fault::Refused(Refusal::Busy));
                unwilling.push(NodeFailed { node, fault });
            }
        }
        unwilling
    }
}

fn satisfy<R: Read + Seek>(sealer: &mut Sealer<R>, need: Need) -> Answer {
    match need {
        Need::Slice(index) => match sealer.slice(index) {
            Ok(Some(slice)) => Answer::Slice(slice),
            Ok(None) => Answer::SourceFailed("too short".into()),
            Err(error) => Answer::SourceFailed(error.to_string()),
        },
        Need::Manifest => Answer::Manifest(Box::new(sealer.finish().unwrap())),
    }
}
