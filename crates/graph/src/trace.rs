//! What a step computed, operator by operator.
//!
//! ```text
//! record[j] = H("assay/operator/v1", digest of node j, root of each of its outputs)
//! prefix[j] = Merkle root over record[0 .. j], which also fixes their number     j = 0 .. n
//! ```
//!
//! Two machines that agree on `prefix[j]` agree on every output of the first `j` nodes; so the first
//! prefix on which they differ names the node on which they do, and it is found in `log2 n` rounds.
//! The [`Frontier`] of `prefix[j]` shows that `prefix[j + 1]` follows from it with one more record,
//! and a path shows the record of any earlier node, whose outputs that one read.

use assay_crypto::Digest;
use assay_crypto::merkle::{Frontier, Path, Tree};

use crate::graph::Graph;
use crate::tile::values_root;

/// One operator's part of a trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The node's digest.
    pub node: Digest,
    /// The Merkle root over each output's tiles.
    pub outputs: Vec<Digest>,
}

impl Record {
    /// The digest that a trace lists.
    pub fn digest(&self) -> Digest {
        let outputs = self.outputs.iter().map(|root| &root.as_bytes()[..]);
        let parts: Vec<&[u8]> = [&self.node.as_bytes()[..]]
            .into_iter()
            .chain(outputs)
            .collect();
        Digest::of("assay/operator/v1", &parts)
    }
}

/// The records of a step, in the order of its nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepTrace {
    records: Vec<Record>,
}

impl StepTrace {
    /// A trace of these records, in the order of their nodes.
    pub fn new(records: Vec<Record>) -> Self {
        Self { records }
    }

    /// A trace of nothing yet, for a step of this graph.
    pub fn recorder(graph: &Graph) -> Recorder {
        Recorder {
            nodes: graph.described().map(|node| node.digest()).collect(),
            records: Vec::with_capacity(graph.nodes.len()),
        }
    }

    /// What each operator computed.
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// The commitment to the first `count` operators.
    pub fn prefix(&self, count: usize) -> Digest {
        self.frontier(count).root()
    }

    /// Every commitment: to no operator, to the first, to the first two, and so on.
    pub fn prefixes(&self) -> Vec<Digest> {
        let mut frontier = Frontier::new();
        let mut all = vec![frontier.root()];
        for record in &self.records {
            frontier.push(&record.digest());
            all.push(frontier.root());
        }
        all
    }

    /// What shows that the next commitment follows from the one to the first `count` operators.
    pub fn frontier(&self, count: usize) -> Frontier {
        let mut frontier = Frontier::new();
        for record in self.records.iter().take(count) {
            frontier.push(&record.digest());
        }
        frontier
    }

    /// The path of a record in the commitment to the first `count` operators.
    pub fn path(&self, record: usize, count: usize) -> Option<Path> {
        let records = self.records.iter().take(count);
        Tree::new(records.map(Record::digest).collect()).path(record as u64)
    }
}

/// Takes the outputs of a step's nodes as they are computed.
#[derive(Clone, Debug)]
pub struct Recorder {
    nodes: Vec<Digest>,
    records: Vec<Record>,
}

impl Recorder {
    /// Takes the outputs of the next node.
    pub fn push(&mut self, outputs: &[&[f32]]) {
        if let Some(node) = self.nodes.get(self.records.len()) {
            self.records.push(Record {
                node: *node,
                outputs: outputs.iter().map(|values| values_root(values)).collect(),
            });
        }
    }

    /// The trace of the nodes so far.
    pub fn finish(self) -> StepTrace {
        StepTrace {
            records: self.records,
        }
    }
}
