//! What requester and provider have in common: walking the graph, sending and receiving.

use std::sync::Arc;

use assay_data::Batch;
use assay_kernel::Kernel;
use assay_model::{Input, TensorId};

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
    /// The next node.
    at: usize,
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
            at: 0,
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
        (self.at, self.received, self.phase) = (0, 0, Phase::Running);
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

    /// Runs every node that can run, in order; returns the messages that came of it.
    pub(crate) fn advance(&mut self) -> Result<Vec<Vec<u8>>, StepError> {
        let kernel = self.runner.kernel().clone();
        let result = match kernel.check_environment() {
            Ok(()) => kernel.run(|| self.walk()),
            Err(error) => Err(error.into()),
        };
        if result.is_err() {
            self.phase = Phase::Failed;
        }
        result
    }

    fn walk(&mut self) -> Result<Vec<Vec<u8>>, StepError> {
        let split = self.split.clone();
        let graph = split.graph();
        let sent = split.received_by(self.side.other());
        let mut messages = Vec::new();
        while let Some(node) = graph.nodes.get(self.at) {
            if split.owners()[self.at] == self.side {
                if !self.runner.is_ready(node) {
                    break;
                }
                self.runner.run(self.at)?;
                for id in node.outputs.iter().filter(|id| sent.contains(id)) {
                    messages.push(self.message(*id));
                }
            }
            self.at += 1;
        }
        Ok(messages)
    }

    fn message(&mut self, id: TensorId) -> Vec<u8> {
        let values = self.runner.take(id);
        let (exchange, tensor) = (self.exchange, id.0);
        let message = Message::Values {
            exchange,
            tensor,
            values,
        };
        message.encode()
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
