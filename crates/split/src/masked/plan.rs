//! Which nodes of a step go to the providers.

use assay_model::{
    BatchShape, Graph, Input, ModelConfig, ModelSpec, Op, Purpose, Target, Targets, WeightId,
};

use super::fixed::MAX_INNER;
use crate::error::SetupError;
use crate::traffic::{Traffic, without_input_gradient};

/// A product with a frozen matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FrozenProduct {
    pub(crate) matrix: WeightId,
    pub(crate) transposed: bool,
    pub(crate) accumulate: bool,
}

/// The projections of every layer, in the order of the model's tensors.
pub fn frozen_matrices(config: &ModelConfig) -> Vec<WeightId> {
    let spec = ModelSpec::new(config);
    let is_projection = |name: &str| {
        let module = name.strip_suffix(".weight");
        name.starts_with("model.layers.")
            && module.is_some_and(|m| Target::ALL.iter().any(|t| m.ends_with(t.module())))
    };
    (0..)
        .zip(spec.weights())
        .filter(|(_, info)| is_projection(&info.name))
        .map(|(i, _)| WeightId(i))
        .collect()
}

/// For every node, the frozen product it is, if it is one.
pub(crate) fn plan(
    graph: &Graph,
    config: &ModelConfig,
) -> Result<Vec<Option<FrozenProduct>>, SetupError> {
    let frozen = frozen_matrices(config);
    let matrix = |input: Option<Input>| match input {
        Some(Input::Weight(id)) if frozen.contains(&id) => Some(id),
        _ => None,
    };
    let mut plan = Vec::with_capacity(graph.nodes.len());
    for node in &graph.nodes {
        let mut inputs = node.inputs.iter().map(|id| matrix(graph.tensor(*id).input));
        let read = inputs.position(|id| id.is_some());
        let product = match (node.op, read) {
            (Op::Dropout { .. }, _) => return Err(SetupError::NotMasked("dropout")),
            (_, None) => None,
            (
                Op::Product {
                    ta: false,
                    tb,
                    accumulate,
                },
                Some(1),
            ) => {
                let right = graph.tensor(node.inputs[1]);
                let inner = if tb { right.cols } else { right.rows };
                if inner > MAX_INNER {
                    return Err(SetupError::TooWide {
                        inner,
                        most: MAX_INNER,
                    });
                }
                matrix(right.input).map(|matrix| FrozenProduct {
                    matrix,
                    transposed: tb,
                    accumulate,
                })
            }
            (op, Some(_)) => return Err(SetupError::NotMasked(op.name())),
        };
        plan.push(product);
    }
    Ok(plan)
}

/// What one provider is sent and what it sends, by a formula that knows nothing of the graph: one
/// message each way for every projection of every layer, `rows * in` and `rows * out` integers;
/// backward again with `in` and `out` exchanged where the input is influenced by a trained tensor;
/// with checkpointing a second forward pass without `down_proj`. `trained` are the adapted
/// projections. Values count twice four bytes in [`Traffic::bytes`].
pub fn provider_traffic(
    config: &ModelConfig,
    trained: Targets,
    shape: BatchShape,
    purpose: Purpose,
) -> (Traffic, Traffic) {
    let (layers, rows) = (config.num_hidden_layers, shape.positions());
    let (mut to, mut from) = (Traffic::default(), Traffic::default());
    let mut add = |times: usize, sent: usize, returned: usize| {
        to.messages += times;
        from.messages += times;
        to.values += 2 * times * rows * sent;
        from.values += 2 * times * rows * returned;
    };
    let settings = match purpose {
        Purpose::Train(settings) => Some(settings),
        _ => None,
    };
    let micro_batches = settings.map_or(1, |s| s.gradient_accumulation_steps.max(1) as usize);
    for target in Target::ALL {
        let (out, input) = target.shape(config);
        let one = Targets::new(&[target.name()]).unwrap_or(Targets::NONE);
        let times = micro_batches * layers;
        add(times, input, out);
        if settings.is_some_and(|s| s.gradient_checkpointing) && target != Target::DownProj {
            add(times, input, out);
        }
        if settings.is_some() {
            let without = micro_batches * without_input_gradient(one, trained);
            add(times - without, out, input);
        }
    }
    (to, from)
}
