//! A network of storage nodes on a virtual clock, and drivers for the machines.

use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::io::{Cursor, Read};
use std::rc::Rc;

use assay_crypto::{Digest, SecretKey, aead::FileKey, stream::Stream};
use assay_ledger::{AccountId, FileId};
use assay_machine::{Context, Machine};
use assay_vault::download::{self, Download, DownloadConfig, DownloadError, Part};
use assay_vault::placement::{Candidate, Placement};
use assay_vault::storage::{MemoryBackend, Service, StorageConfig};
use assay_vault::upload::{self, Need, Upload, UploadConfig, UploadError};
use assay_vault::wire::{Request, Response};
use assay_vault::{
    Coding, Content, Expected, Fault, Millis, Sealer, Tag, Unreachable, UnsealError,
};

/// How a node reacts to one request.
pub(crate) enum Answer {
    /// Answers after some milliseconds.
    After(u64, Response),
    /// Breaks the connection.
    Broken,
    /// Says nothing.
    Silence,
}

/// A storage node, honest or not.
pub(crate) trait Node {
    /// Reacts to one request.
    fn answer(&mut self, now: Millis, from: AccountId, request: Request) -> Answer;
}

/// The honest node; its disk outlives it, so that it can be restarted.
pub(crate) struct Honest(pub(crate) Service<Rc<MemoryBackend>>);

impl Honest {
    pub(crate) fn new(capacity: u64) -> Self {
        Self::on(Rc::new(MemoryBackend::new()), capacity, Millis(0))
    }

    pub(crate) fn on(disk: Rc<MemoryBackend>, capacity: u64, now: Millis) -> Self {
        let (service, damaged) = Service::open(StorageConfig::new(capacity), disk, now).unwrap();
        assert!(damaged.is_empty());
        Self(service)
    }
}

impl Node for Honest {
    fn answer(&mut self, now: Millis, from: AccountId, request: Request) -> Answer {
        // What travels is bytes: whatever does not survive its own encoding fails here.
        let request = Request::decode(&request.encode()).unwrap();
        let response = self.0.handle(now, from, request);
        Answer::After(5, Response::decode(&response.encode()).unwrap())
    }
}

impl<N: Node> Node for Rc<RefCell<N>> {
    fn answer(&mut self, now: Millis, from: AccountId, request: Request) -> Answer {
        self.borrow_mut().answer(now, from, request)
    }
}

/// A file on the ledger.
#[derive(Clone, Debug)]
pub(crate) struct Recorded {
    pub(crate) expected: Expected,
    pub(crate) placement: Vec<AccountId>,
}

#[derive(Default)]
pub(crate) struct World {
    pub(crate) now: Millis,
    pub(crate) nodes: BTreeMap<AccountId, Box<dyn Node>>,
    events: BinaryHeap<Reverse<(Millis, u64)>>,
    replies: BTreeMap<u64, (Tag, Result<Response, Unreachable>)>,
    sequence: u64,
}

/// What an upload did until it ended or crashed.
pub(crate) struct Uploaded {
    /// `None` when it crashed.
    pub(crate) result: Option<Result<FileId, UploadError>>,
    pub(crate) record: Option<Recorded>,
    pub(crate) journal: Vec<Vec<u8>>,
    pub(crate) reports: Vec<(AccountId, Fault)>,
    /// Digests of all pieces sent.
    pub(crate) sent: Vec<Digest>,
    pub(crate) outputs: usize,
    /// What was asked of the source.
    pub(crate) needs: Vec<Need>,
}

pub(crate) struct Downloaded {
    pub(crate) result: Result<Content, DownloadError>,
    pub(crate) bytes: Vec<u8>,
    pub(crate) reports: Vec<(AccountId, Part, Fault)>,
}

pub(crate) fn account(n: u8) -> AccountId {
    SecretKey::from_seed([n; 32]).public()
}

pub(crate) fn key(n: u8) -> FileKey {
    FileKey([n; 32])
}

/// `length` bytes that nothing compresses or confuses, the same for equal arguments.
pub(crate) fn bytes(length: usize, seed: u8) -> Vec<u8> {
    let mut bytes = vec![0; length];
    Stream::new(Digest([seed; 32]), "test bytes", 0).fill(&mut bytes);
    bytes
}

pub(crate) const COPIES: Coding = Coding::Replicated { copies: 2 };

pub(crate) fn sealer(plain: &[u8], key: FileKey) -> Sealer<Cursor<Vec<u8>>> {
    Sealer::new(Cursor::new(plain.to_vec()), key, COPIES)
}

impl World {
    /// `honest` honest nodes of 1 GiB, named 1, 2, 3 ...
    pub(crate) fn new(honest: u8) -> Self {
        let mut world = Self::default();
        for n in 1..=honest {
            world.add(n, Honest::new(1 << 30));
        }
        world
    }

    pub(crate) fn add(&mut self, n: u8, node: impl Node + 'static) -> AccountId {
        self.nodes.insert(account(n), Box::new(node));
        account(n)
    }

    /// Every node, each claiming a gibibyte.
    pub(crate) fn candidates(&self) -> Vec<Candidate> {
        self.nodes
            .keys()
            .map(|node| Candidate {
                node: *node,
                free: 1 << 30,
            })
            .collect()
    }

    pub(crate) fn upload_with(&self, config: UploadConfig, key: &FileKey) -> Upload {
        Upload::new(config, key, 1, &self.candidates())
    }

    pub(crate) fn upload(&mut self, plain: &[u8], key: FileKey) -> Uploaded {
        let upload = self.upload_with(UploadConfig::default(), &key);
        self.drive_upload(upload, &[], &mut sealer(plain, key), usize::MAX)
    }

    /// Runs an upload, with the journal of its earlier lives, until it ends or has made `crash_after`
    /// outputs.
    pub(crate) fn drive_upload<R: Read + std::io::Seek>(
        &mut self,
        mut upload: Upload,
        past: &[Vec<u8>],
        sealer: &mut Sealer<R>,
        crash_after: usize,
    ) -> Uploaded {
        self.forget_events();
        let mut done = Uploaded {
            result: None,
            record: None,
            journal: Vec::new(),
            reports: Vec::new(),
            sent: Vec::new(),
            outputs: 0,
            needs: Vec::new(),
        };
        let mut expected = None;
        let mut inputs = vec![upload::Input::Seed([3; 32])];
        inputs.extend(past.iter().cloned().map(upload::Input::Journal));
        inputs.push(upload::Input::News);
        loop {
            let mut next = Vec::new();
            for input in inputs {
                let early = matches!(input, upload::Input::Seed(_) | upload::Input::Journal(_));
                let outputs = upload.step(&self.at(), input);
                assert!(!early || outputs.is_empty(), "asks before there is news");
                for output in outputs {
                    if done.outputs == crash_after {
                        return done;
                    }
                    done.outputs += 1;
                    let (tag, ask) = match output {
                        upload::Output::Ask(tag, ask) => (tag, ask),
                        upload::Output::Journal(entry) => {
                            done.journal.push(entry);
                            continue;
                        }
                        upload::Output::WakeAt(at) => {
                            self.wake_at(at);
                            continue;
                        }
                        upload::Output::Send { .. } => unreachable!("an upload only asks"),
                        upload::Output::Report(failed) => {
                            done.reports.push((failed.node, failed.fault));
                            continue;
                        }
                        upload::Output::End(result) => {
                            done.result = Some(result);
                            return done;
                        }
                    };
                    let answer = match ask {
                        upload::Ask::Need(need) => {
                            done.needs.push(need);
                            match need {
                                Need::Slice(index) => match sealer.slice(index) {
                                    Ok(Some(slice)) => upload::Answer::Slice(slice),
                                    Ok(None) => upload::Answer::SourceFailed("too short".into()),
                                    Err(e) => upload::Answer::SourceFailed(e.to_string()),
                                },
                                Need::Manifest => {
                                    let file = sealer.finish().unwrap();
                                    expected = Some(file.expected());
                                    upload::Answer::Manifest(Box::new(file))
                                }
                            }
                        }
                        upload::Ask::Send { to, request } => {
                            if let Request::Put { digest, .. } = &request {
                                done.sent.push(*digest);
                            }
                            self.send(tag, to, request);
                            continue;
                        }
                        upload::Ask::Record { file, placement } => {
                            let expected = expected.unwrap();
                            assert_eq!(file, expected.id);
                            done.record = Some(Recorded {
                                expected,
                                placement,
                            });
                            upload::Answer::Recorded(Ok(()))
                        }
                    };
                    next.push(upload::Input::Answer(tag, answer));
                }
            }
            inputs = next;
            if inputs.is_empty() {
                inputs = vec![match self.next_event() {
                    Some((tag, reply)) => upload::Input::Answer(tag, upload::Answer::Reply(reply)),
                    None => upload::Input::Wake,
                }];
            }
        }
    }

    pub(crate) fn download(&mut self, file: &Recorded, key: FileKey) -> Downloaded {
        let placement = Placement {
            coding: COPIES,
            nodes: file.placement.clone(),
        };
        let config = DownloadConfig::default();
        let mut download = Download::new(config, file.expected, placement, key);
        self.forget_events();
        let mut bytes = Vec::new();
        let mut reports = Vec::new();
        let mut inputs = VecDeque::from([download::Input::News]);
        loop {
            let input = inputs
                .pop_front()
                .unwrap_or_else(|| match self.next_event() {
                    Some((tag, reply)) => {
                        download::Input::Answer(tag, download::Answer::Reply(reply))
                    }
                    None => download::Input::Wake,
                });
            for output in download.step(&self.at(), input) {
                match output {
                    download::Output::Ask(tag, download::Ask::Send { to, request }) => {
                        self.send(tag, to, request);
                    }
                    download::Output::Ask(tag, download::Ask::Take { plain, .. }) => {
                        bytes.extend(plain);
                        let taken = download::Answer::Taken(Ok(()));
                        inputs.push_back(download::Input::Answer(tag, taken));
                    }
                    download::Output::WakeAt(at) => self.wake_at(at),
                    download::Output::Send { .. } => unreachable!("a download only asks"),
                    download::Output::Report(failed) => {
                        reports.push((failed.node, failed.part, failed.fault));
                    }
                    download::Output::Journal(_) => unreachable!("a download keeps no journal"),
                    download::Output::End(result) => {
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

    fn at<P: assay_machine::Protocol<View = ()>>(&self) -> Context<'static, P> {
        Context {
            now: self.now,
            view: &(),
        }
    }

    fn send(&mut self, tag: Tag, to: AccountId, request: Request) {
        let answer = match self.nodes.get_mut(&to) {
            Some(node) => node.answer(self.now, account(200), request),
            None => Answer::Broken,
        };
        let (delay, reply) = match answer {
            Answer::After(delay, response) => (delay, Ok(response)),
            Answer::Broken => (1, Err(Unreachable)),
            Answer::Silence => return,
        };
        self.sequence += 1;
        self.replies.insert(self.sequence, (tag, reply));
        let at = self.now + delay;
        self.events.push(Reverse((at, self.sequence)));
    }

    fn wake_at(&mut self, at: Millis) {
        self.sequence += 1;
        self.events.push(Reverse((at, self.sequence)));
    }

    /// Moves the clock to the next event: a reply, or `None` for a wake-up.
    fn next_event(&mut self) -> Option<(Tag, Result<Response, Unreachable>)> {
        let Reverse((at, sequence)) = self.events.pop().expect("the machine waits for nothing");
        self.now = self.now.max(at);
        self.replies.remove(&sequence)
    }

    fn forget_events(&mut self) {
        self.events.clear();
        self.replies.clear();
    }
}

/// Opens a file whose pieces are at hand.
pub(crate) fn open(
    expected: &Expected,
    key: FileKey,
    manifest: &assay_vault::Piece,
    slices: Vec<assay_vault::Piece>,
) -> Result<Vec<u8>, UnsealError> {
    let mut bytes = Vec::new();
    assay_vault::unseal(expected, key, manifest, slices, &mut bytes)?;
    Ok(bytes)
}
