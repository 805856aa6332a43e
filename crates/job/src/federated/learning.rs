//! The tables of a job file that say what is trained, and how a step is taken.

use assay_estimator::{ModelSpec, Schedule, Specification, TrainSpec};
use schemars::JsonSchema;
use serde::Deserialize;

/// The model, and how a trainer takes a step.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Learning {
    model: Model,
    training: Training,
}

/// What is trained.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
#[schemars(rename = "FederatedModel")]
enum Model {
    /// A number `w x + b`.
    Linear {
        /// Features of a row.
        features: u32,
    },
    /// One of two classes, by the sign of `w x + b`.
    Logistic {
        /// Features of a row.
        features: u32,
    },
    /// One of several classes, by the largest of `W x + b`.
    Softmax {
        /// Features of a row.
        features: u32,
        /// Classes.
        classes: u32,
    },
    /// Softmax regression on hidden layers with rectifiers.
    Mlp {
        /// Features of a row.
        features: u32,
        /// Outputs of each hidden layer.
        hidden: Vec<u32>,
        /// Classes.
        classes: u32,
    },
    /// Softmax regression on convolutions of 3 x 3 pixels, each with a rectifier and the largest of every
    /// 2 x 2 pixels. A row is an image: channels, height, width.
    Cnn {
        /// Values of a pixel.
        #[serde(default = "one")]
        channels: u32,
        /// Rows of pixels.
        height: u32,
        /// Pixels in a row.
        width: u32,
        /// Channels after each convolution.
        filters: Vec<u32>,
        /// Classes.
        classes: u32,
    },
}

fn one() -> u32 {
    1
}

/// Stochastic gradient descent, from every round's model anew.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "FederatedTraining")]
struct Training {
    /// Rows per step; a trainer with fewer takes all of them.
    batch_size: u32,
    /// Peak learning rate.
    learning_rate: f32,
    /// How much of the last step's direction stays, from 0 to below 1; a round begins with none.
    #[serde(default)]
    momentum: f32,
    /// Weight decay.
    #[serde(default)]
    weight_decay: f32,
    /// How strongly a trainer is pulled to the model that its round began with (FedProx).
    #[serde(default)]
    proximal: f32,
    /// Gradients longer than this are scaled down to it.
    #[serde(default)]
    max_grad_norm: Option<f32>,
    /// What the learning rate does, over the steps of all rounds.
    #[serde(default)]
    schedule: Rates,
}

/// What the learning rate does.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
enum Rates {
    /// Stays at the peak.
    #[default]
    Constant,
    /// Is multiplied by `factor` after `every` steps, and again after as many.
    Steps {
        /// Steps of one rate.
        every: u64,
        /// Above 0 and at most 1.
        factor: f32,
    },
    /// Rises over the warm-up, then falls in a straight line to zero.
    Linear {
        /// Steps of the rise.
        #[serde(default)]
        warmup_steps: u64,
        /// The step that would have rate zero: `rounds * local_steps`, if it is to end there.
        steps: u64,
    },
}

impl From<Learning> for Specification {
    fn from(file: Learning) -> Self {
        Specification {
            model: file.model.into(),
            training: file.training.into(),
        }
    }
}

impl From<Model> for ModelSpec {
    fn from(model: Model) -> Self {
        match model {
            Model::Linear { features } => Self::Linear { features },
            Model::Logistic { features } => Self::Logistic { features },
            Model::Softmax { features, classes } => Self::Softmax { features, classes },
            Model::Mlp {
                features,
                hidden,
                classes,
            } => Self::Mlp {
                features,
                hidden,
                classes,
            },
            Model::Cnn {
                channels,
                height,
                width,
                filters,
                classes,
            } => Self::Cnn {
                channels,
                height,
                width,
                filters,
                classes,
            },
        }
    }
}

impl From<Training> for TrainSpec {
    fn from(training: Training) -> Self {
        TrainSpec {
            batch_size: training.batch_size,
            learning_rate: training.learning_rate,
            momentum: training.momentum,
            weight_decay: training.weight_decay,
            proximal: training.proximal,
            max_grad_norm: training.max_grad_norm,
            schedule: match training.schedule {
                Rates::Constant => Schedule::Constant,
                Rates::Steps { every, factor } => Schedule::Steps { every, factor },
                Rates::Linear {
                    warmup_steps,
                    steps,
                } => Schedule::Linear {
                    warmup_steps,
                    steps,
                },
            },
        }
    }
}
