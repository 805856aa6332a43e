//! The party that runs everything but the frozen products.

use std::collections::BTreeMap;
use std::sync::Arc;

use assay_data::Batch;
use assay_kernel::Kernel;
use assay_model::{
    Argument, Base, BatchShape, Graph, Input, InvalidStep, ModelConfig, Op, Purpose, TrainState,
    Values, WeightId, build_graph, run_node,
};

use super::fixed::{Fixed, rescale};
use super::plan::{FrozenProduct, plan};
use super::share::Masker;
use super::wire::{Kind, Shares};
use crate::error::{MessageError, SetupError, StepError};
use crate::holdings::Holdings;
use crate::ownership::has_split_form;
use crate::requester::{Outcome, check_feed, finish, read};
use crate::runner::Runner;

/// What to do after a call.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MaskedTurn {
    /// The messages for provider 0 and provider 1.
    pub shares: Option<[Vec<u8>; 2]>,
    /// The result, once the step is finished.
    pub outcome: Option<Outcome>,
}

/// A product that waits for its answers.
struct Pending {
    node: usize,
    product: FrozenProduct,
    number: u64,
    exponent: i32,
    answers: [Option<Vec<u64>>; 2],
}

/// Runs a step whose frozen products are computed by two providers on shares.
pub struct MaskedRequester {
    runner: Runner,
    graph: Arc<Graph>,
    plan: Vec<Option<FrozenProduct>>,
    exponents: BTreeMap<WeightId, i32>,
    config: ModelConfig,
    purpose: Purpose,
    state: TrainState,
    masker: Masker,
    at: usize,
    running: bool,
    pending: Option<Pending>,
    tokens: usize,
}

impl MaskedRequester {
    /// A requester for one kind of step, which reads of `base` everything but the projections, and
    /// of these only the exponents. `masker` must have a key of its own.
    ///
    /// # Errors
    /// When the batch cannot be computed, the state belongs to another model, or the method's
    /// frozen layers are more than products.
    pub fn new(
        kernel: &Kernel,
        base: &Base,
        state: TrainState,
        shape: BatchShape,
        purpose: Purpose,
        masker: Masker,
    ) -> Result<Self, SetupError> {
        let (config, method) = (base.config(), state.adapter().method().clone());
        if !has_split_form(purpose) {
            return Err(SetupError::Purpose);
        }
        state.check(&method, config)?;
        let graph = Arc::new(build_graph(config, Some(&method), shape, purpose)?);
        let plan = plan(&graph, config)?;
        let mut exponents = BTreeMap::new();
        for product in plan.iter().flatten() {
            if exponents.contains_key(&product.matrix) {
                continue;
            }
            let exponent = Fixed::of(&base.weight(product.matrix)).map(|fixed| fixed.exponent);
            exponents.insert(product.matrix, exponent.ok_or(SetupError::NotFinite)?);
        }
        let masked =
            |input: &Input| matches!(input, Input::Weight(id) if exponents.contains_key(id));
        let inputs = graph.tensors.iter().filter_map(|tensor| tensor.input);
        let inputs = inputs.filter(|input| !masked(input));
        let holdings = Holdings::collect(&graph, inputs, base, state.adapter())?;
        let here = vec![true; graph.nodes.len()];
        let runner = Runner::new(kernel, graph.clone(), holdings, &here, &graph.results);
        Ok(Self {
            runner,
            graph,
            plan,
            exponents,
            config: config.clone(),
            purpose,
            state,
            masker,
            at: 0,
            running: false,
            pending: None,
            tokens: 0,
        })
    }

    /// Starts a step. Only training steps read `learning_rate`.
    ///
    /// # Errors
    /// When a step is under way, or the batch or the learning rate is wrong.
    pub fn begin(&mut self, batch: &Batch, learning_rate: f32) -> Result<MaskedTurn, StepError> {
        if self.running {
            return Err(StepError::Busy(self.state.step()));
        }
        let vocab = self.config.vocab_size;
        check_feed(&self.graph, self.purpose, vocab, batch, learning_rate)?;
        self.tokens = batch.counted();
        self.runner.reset(Some(batch.clone()));
        let state = &self.state;
        self.runner
            .put_inputs(|input| read(state, input, learning_rate));
        (self.at, self.running) = (0, true);
        self.go_on()
    }

    /// Takes a provider's product.
    ///
    /// # Errors
    /// [`StepError::Message`] for a message that does not answer the open product: nothing has
    /// changed then. [`StepError::Invalid`] when an operator gives a NaN or infinity; the step must
    /// then be abandoned, and the state is as before it.
    pub fn receive(&mut self, bytes: &[u8]) -> Result<MaskedTurn, StepError> {
        let message = Shares::decode(bytes)?;
        if message.kind != Kind::Product {
            return Err(MessageError::Kind(1).into());
        }
        let pending = self.pending.as_mut().ok_or(MessageError::NotAwaited)?;
        if message.number != pending.number {
            return Err(MessageError::Exchange {
                found: message.number,
                expected: pending.number,
            }
            .into());
        }
        let product = pending.product;
        if (message.matrix, message.transposed) != (product.matrix.0, product.transposed) {
            return Err(MessageError::Matrix(message.matrix).into());
        }
        let expected = self.graph.tensor(self.graph.nodes[pending.node].outputs[0]);
        if message.integers.len() != expected.values() {
            return Err(MessageError::Values {
                found: message.integers.len(),
                expected: expected.values(),
            }
            .into());
        }
        let answer = &mut pending.answers[usize::from(message.provider)];
        if answer.is_some() {
            return Err(MessageError::Answered(message.provider).into());
        }
        *answer = Some(message.integers);
        if pending.answers.iter().any(Option::is_none) {
            return Ok(MaskedTurn::default());
        }
        if let Some(pending) = self.pending.take() {
            self.combine(pending)?;
        }
        self.go_on()
    }

    /// Goes no further with the step under way. The state is as before it; answers that still come
    /// are refused. The providers keep nothing of it.
    pub fn abandon(&mut self) {
        self.runner.reset(None);
        (self.running, self.pending) = (false, None);
    }

    /// Where training stands.
    pub fn state(&self) -> &TrainState {
        &self.state
    }

    /// The same, when the requester is no longer needed.
    pub fn into_state(self) -> TrainState {
        self.state
    }

    fn go_on(&mut self) -> Result<MaskedTurn, StepError> {
        let kernel = self.runner.kernel().clone();
        kernel.check_environment()?;
        let product = kernel.run(|| self.walk())?;
        if let Some(product) = product {
            return Ok(MaskedTurn {
                shares: Some(self.ask(product)?),
                outcome: None,
            });
        }
        let (runner, graph) = (&mut self.runner, &self.graph);
        let outcome = finish(runner, graph, self.purpose, self.tokens, &mut self.state);
        self.abandon();
        Ok(MaskedTurn {
            shares: None,
            outcome: Some(outcome?),
        })
    }

    /// Runs nodes up to the next frozen product.
    fn walk(&mut self) -> Result<Option<FrozenProduct>, InvalidStep> {
        while self.at < self.graph.nodes.len() {
            if let Some(product) = self.plan[self.at] {
                return Ok(Some(product));
            }
            self.runner.run(self.at)?;
            self.at += 1;
        }
        Ok(None)
    }

    /// Opens a product: quantises its left side and shares it out.
    fn ask(&mut self, product: FrozenProduct) -> Result<[Vec<u8>; 2], StepError> {
        let node = self.at;
        let left = self.graph.nodes[node].inputs[0];
        let values = self.runner.floats(left).unwrap_or_default();
        let fixed = Fixed::of(values).ok_or_else(|| self.not_finite(node))?;
        let shares = self.masker.share(&fixed.integers);
        let (number, shares) = shares.ok_or(StepError::Exhausted)?;
        self.runner.release(left);
        let of_matrix = self.exponents.get(&product.matrix);
        self.pending = Some(Pending {
            node,
            product,
            number,
            exponent: fixed.exponent + of_matrix.copied().unwrap_or_default(),
            answers: [None, None],
        });
        let mut provider = 0;
        Ok(shares.map(|integers| {
            let message = Shares {
                kind: Kind::Share,
                provider,
                transposed: product.transposed,
                number,
                matrix: product.matrix.0,
                integers,
            };
            provider += 1;
            message.encode()
        }))
    }

    /// Closes a product: adds the answers, rescales, and adds what the node adds to.
    fn combine(&mut self, pending: Pending) -> Result<(), InvalidStep> {
        let Pending { node, product, .. } = pending;
        let [Some(first), Some(second)] = pending.answers else {
            return Ok(());
        };
        let both = first.iter().zip(&second);
        let mut values: Vec<f32> = both
            .map(|(a, b)| rescale(a.wrapping_add(*b) as i64, pending.exponent))
            .collect();
        let graph = self.graph.clone();
        let ids = &graph.nodes[node];
        let output = ids.outputs[0];
        if product.accumulate {
            let mut sum = self.runner.take(ids.inputs[2]);
            let argument = |values| Argument {
                tensor: *graph.tensor(output),
                values,
            };
            let read = [
                argument(Values::InOutput),
                argument(Values::Floats(&values)),
            ];
            run_node(self.runner.kernel(), Op::Add, &read, None, &mut [&mut sum]);
            values = sum;
        }
        if !assay_kernel::all_finite(&values) {
            return Err(self.not_finite(node));
        }
        self.runner.release(ids.inputs[1]);
        self.runner.put(output, values);
        self.at = node + 1;
        Ok(())
    }

    fn not_finite(&self, node: usize) -> InvalidStep {
        let operator = self.graph.describe(node);
        InvalidStep::NotFinite {
            node,
            operator,
            at: None,
        }
    }
}
