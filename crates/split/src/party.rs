//! What requester and provider have in common: walking the graph, sending and receiving.

use std::sync::Arc;

use assay_data::Batch;
use assay_kernel::Kernel;
use assay_model::Input;

use crate::error::{MessageError, StepError};
use crate::holdings::Holdings;
use crate::ownership::{Side, Split};
use crate::runner::Runner;
use crate::wire::Message;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Idle,
    Running,
    /// A node of this exchange failed; nothing but abandoning it is left.
    Failed,
}

/// What a message led to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Event {
    Progress,
    Abandoned,
}

pub(crate) struct Party {
    pub(crate) side: Side,
    pub(crate) split: Arc<Split>,
    pub(crate) runner: Runner,
    pub(crate) phase: Phase,
    /// The number of the exchange that runs, or of the next one.
    pub(crate) exchange: u64,
    /// Which nodes need no more thought: run, or the other side's.
    done: Vec<bool>,
    /// The first node that is not done.
    at: usize,
    /// How many of the tensors for the other side are sent.
    sent: usize,
    /// How many of the expected tensors have come.
    received: usize,
}

impl Party {
    pub(crate) fn new(kernel: &Kernel, split: Arc<Split>, side: Side, holdings: Holdings) -> Self {
        let here: Vec<bool> = split.owners().iter().map(|owner| *owner == side).collect();
        let mut kept = split.received_by(side.other()).to_vec();
        if side == Side::Requester {
            kept.extend(&split.graph().results);
        }
        let runner = Runner::new(kernel, split.graph().clone(), holdings, &here, &kept);
        Self {
            side,
            split,
            runner,
            phase: Phase::Idle,
            exchange: 0,
            done: Vec::new(),
            at: 0,
            sent: 0,
            received: 0,
        }
    }

    /// Starts an exchange; the first nodes have not run yet.
    pub(crate) fn begin(
        &mut self,
        batch: Option<Batch>,
        state: impl Fn(Input) -> Option<Vec<f32>>,
    ) {
        self.runner.reset(batch);
        self.runner.put_inputs(state);
        let owners = self.split.owners().iter();
        self.done = owners.map(|owner| *owner != self.side).collect();
        (self.at, self.sent, self.received) = (0, 0, 0);
        self.phase = Phase::Running;
    }

    /// Checks a message against what comes next, and takes it. On an error nothing changes.
    pub(crate) fn accept(&mut self, bytes: &[u8]) -> Result<Event, MessageError> {
        let message = Message::decode(bytes)?;
        let (Message::Values { exchange, .. } | Message::Abandon { exchange }) = message;
        if exchange != self.exchange {
            return Err(MessageError::Exchange {
                found: exchange,
                expected: self.exchange,
            });
        }
        let Message::Values { tensor, values, .. } = message else {
            self.end();
            return Ok(Event::Abandoned);
        };
        let awaited = self.split.received_by(self.side).get(self.received);
        let Some(expected) = awaited.filter(|_| self.phase == Phase::Running) else {
            return Err(MessageError::NotAwaited);
        };
        if tensor != expected.0 {
            return Err(MessageError::Tensor {
                found: tensor,
                expected: expected.0,
            });
        }
        let length = self.split.graph().tensor(*expected).values();
        if values.len() != length {
            return Err(MessageError::Values {
                found: values.len(),
                expected: length,
            });
        }
        self.runner.put(*expected, values);
        self.received += 1;
        Ok(Event::Progress)
    }

    /// Runs every node of this side whose inputs are there; returns the messages that came of it.
    ///
    /// Nodes that wait are passed over, so that the queries, keys and values of a layer cross in
    /// one round and not in three. Messages still leave in the order of the graph, which is the one
    /// order the other side accepts, and bits depend on no order.
    pub(crate) fn advance(&mut self) -> Result<Vec<Vec<u8>>, StepError> {
        let kernel = self.runner.kernel().clone();
        let result = match kernel.check_environment() {
            Ok(()) => kernel.run(|| self.walk()),
            Err(error) => Err(error.into()),
        };
        match result {
            Ok(()) => Ok(self.messages()),
            Err(error) => {
                self.phase = Phase::Failed;
                Err(error)
            }
        }
    }

    fn walk(&mut self) -> Result<(), StepError> {
        let graph = self.split.graph().clone();
        for (index, node) in graph.nodes.iter().enumerate().skip(self.at) {
            if !self.done[index] && self.runner.is_ready(node) {
                self.runner.run(index)?;
                self.done[index] = true;
            }
            if self.at == index && self.done[index] {
                self.at += 1;
            }
        }
        Ok(())
    }

    /// The next tensors for the other side, as far as they are made.
    fn messages(&mut self) -> Vec<Vec<u8>> {
        let split = self.split.clone();
        let all = split.received_by(self.side.other());
        let mut messages = Vec::new();
        while let Some(id) = all.get(self.sent)
            && self.runner.floats(*id).is_some()
        {
            let message = Message::Values {
                exchange: self.exchange,
                tensor: id.0,
                values: self.runner.take(*id),
            };
            messages.push(message.encode());
            self.sent += 1;
        }
        messages
    }

    pub(crate) fn has_run_all(&self) -> bool {
        self.phase == Phase::Running && self.at == self.split.graph().nodes.len()
    }

    /// Ends the exchange, finished or not; the next one has the next number.
    pub(crate) fn end(&mut self) {
        self.runner.reset(None);
        self.phase = Phase::Idle;
        self.exchange = self.exchange.wrapping_add(1);
    }

    /// Ends the exchange and says so to the other side.
    pub(crate) fn abandon(&mut self) -> Option<Vec<u8>> {
        let exchange = self.exchange;
        let running = self.phase != Phase::Idle;
        running.then(|| {
            self.end();
            Message::Abandon { exchange }.encode()
        })
    }
}
