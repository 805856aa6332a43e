//! How many bytes a step sends, from a formula that knows nothing of the graph.

use assay_model::{BatchShape, ModelConfig, PrivateLoraConfig, Purpose, Target, Targets};

use crate::wire::HEADER;

/// Messages in one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// How many.
    pub messages: usize,
    /// f32 values in all of them.
    pub values: usize,
}

impl Traffic {
    /// Bytes of all of them: a header each, four bytes a value.
    pub fn bytes(self) -> usize {
        HEADER * self.messages + 4 * self.values
    }

    fn add(&mut self, messages: usize, width: usize, positions: usize) {
        self.messages += messages;
        self.values += messages * width * positions;
    }
}

/// What crosses in both directions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StepTraffic {
    /// From requester to provider.
    pub to_provider: Traffic,
    /// From provider to requester.
    pub to_requester: Traffic,
}

/// The formula of `docs/private-lora.md`. With `h` the hidden width, `r` the rank, `n` adapted
/// projections in all layers, and `d` of them those whose input some trained tensor influences,
/// each position of each micro-batch sends, in values:
///
/// | | to the provider | to the requester |
/// | --- | --- | --- |
/// | forward | `h + n r` | `n r + h` |
/// | backward | `h + d r` | `n r` |
/// | with checkpointing also | `(n - n_down) r` | `n r` |
pub fn step_traffic(
    config: &ModelConfig,
    method: &PrivateLoraConfig,
    shape: BatchShape,
    purpose: Purpose,
) -> StepTraffic {
    let (positions, hidden, r) = (shape.positions(), config.hidden_size, method.r());
    let targets = method.target_modules();
    let layers = config.num_hidden_layers;
    let all = layers * targets.count();
    let down = layers * usize::from(targets.contains(Target::DownProj));
    let (micro_batches, trains, checkpoints) = match purpose {
        Purpose::Train(settings) => (
            settings.gradient_accumulation_steps.max(1) as usize,
            true,
            settings.gradient_checkpointing,
        ),
        _ => (1, false, false),
    };
    let mut traffic = StepTraffic::default();
    let StepTraffic {
        to_provider,
        to_requester,
    } = &mut traffic;
    for _ in 0..micro_batches {
        to_provider.add(1, hidden, positions);
        to_provider.add(all, r, positions);
        to_requester.add(all, r, positions);
        to_requester.add(1, hidden, positions);
        if trains {
            to_provider.add(1, hidden, positions);
            to_provider.add(all - without_input_gradient(targets, targets), r, positions);
            to_requester.add(all, r, positions);
        }
        if checkpoints {
            to_provider.add(all - down, r, positions);
            to_requester.add(all, r, positions);
        }
    }
    traffic
}

/// How many of `of` in the first layer have an input that no tensor of `trained` influences: those
/// up to the first stage of the layer with a trained tensor.
pub(crate) fn without_input_gradient(of: Targets, trained: Targets) -> usize {
    let first = trained.iter().map(stage).min().unwrap_or(usize::MAX);
    of.iter().filter(|target| stage(*target) <= first).count()
}

/// Projections of one stage read the same tensor or tensors that do not depend on each other.
fn stage(target: Target) -> usize {
    match target {
        Target::QProj | Target::KProj | Target::VProj => 0,
        Target::OProj => 1,
        Target::GateProj | Target::UpProj => 2,
        Target::DownProj => 3,
    }
}
