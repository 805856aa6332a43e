//! A storage node and its disk, one request at a time.

use assay_crypto::Digest;
use assay_ledger::{AccountId, LedgerTime};

use super::{
    Backend, BackendError, Input, Keeper, Output, Record, Shelf, StorageConfig, StorageNode, Usage,
};
use crate::time::{Millis, Tags};
use crate::wire::{Refusal, Request, Response};

/// Performs what [`StorageNode`] asks of its disk at once, on the calling thread.
#[derive(Debug)]
pub struct Service<B> {
    node: StorageNode,
    backend: B,
    tags: Tags,
}

/// A storage node could not start.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The disk could not be listed or read.
    #[error("the storage node could not read its disk")]
    Disk(#[from] BackendError),
}

impl<B: Backend> Service<B> {
    /// Takes over a disk, empty or not. Also returns the keys of damaged rows, worth a warning.
    ///
    /// # Errors
    /// [`OpenError`] when the disk does not answer.
    pub fn open(
        config: StorageConfig,
        backend: B,
        now: Millis,
    ) -> Result<(Self, Vec<Digest>), OpenError> {
        let pieces = backend.list(Shelf::Pieces)?;
        let mut rows = Vec::new();
        for (key, _) in backend.list(Shelf::Holdings)? {
            rows.push((key, backend.get(Shelf::Holdings, &key)?.unwrap_or_default()));
        }
        let (node, damaged) = StorageNode::restore(config, now, pieces, rows);
        let service = Self {
            node,
            backend,
            tags: Tags::default(),
        };
        Ok((service, damaged))
    }

    /// Answers one request of an authenticated account.
    pub fn handle(&mut self, now: Millis, from: AccountId, request: Request) -> Response {
        let tag = self.tags.next();
        self.run(now, Input::Request { from, tag, request })
            .unwrap_or(Response::Refused(Refusal::Busy))
    }

    /// From now on files are accepted in this name; without one, none are.
    pub fn keep_as(&mut self, keeper: Keeper) {
        self.node.keep_as(keeper);
    }

    /// The newest block has this ledger time. Until one is told, no file is accepted.
    pub fn ledger_time(&mut self, time: LedgerTime) {
        self.node.ledger_time(time);
    }

    /// The ledger records a file as kept here; see [`Input::Recorded`].
    pub fn recorded(&mut self, now: Millis, record: Record) {
        self.run(now, Input::Recorded(record));
    }

    /// The ledger no longer has this record; see [`Input::Expired`].
    pub fn expired(&mut self, now: Millis, record: Record) {
        self.run(now, Input::Expired(record));
    }

    /// Removes garbage; only while the view of the ledger is current, see [`Input::Collect`].
    pub fn collect(&mut self, now: Millis) {
        self.run(now, Input::Collect);
    }

    /// How full the node is.
    pub fn usage(&self) -> Usage {
        self.node.usage()
    }

    /// The disk.
    pub fn backend(&self) -> &B {
        &self.backend
    }

    fn run(&mut self, now: Millis, input: Input) -> Option<Response> {
        let mut inputs = vec![input];
        let mut answer = None;
        while let Some(input) = inputs.pop() {
            for output in self.node.step(now, input) {
                match output {
                    Output::Write {
                        shelf,
                        digest,
                        bytes,
                    } => inputs.push(Input::Written {
                        shelf,
                        digest,
                        result: self.backend.put(shelf, &digest, &bytes),
                    }),
                    Output::Read { digest } => inputs.push(Input::Read {
                        digest,
                        result: self.backend.get(Shelf::Pieces, &digest),
                    }),
                    Output::Remove { shelf, digest } => inputs.push(Input::Removed {
                        shelf,
                        digest,
                        result: self.backend.delete(shelf, &digest),
                    }),
                    Output::Reply { response, .. } => answer = Some(response),
                }
            }
        }
        answer
    }
}
