//! Which layers and parameters a model has.

use std::ops::Range;

use assay_crypto::Digest;

use super::layer::Layer;
use super::loss::Loss;
use crate::error::SpecError;
use crate::spec::ModelSpec;

/// The most parameters of a model.
pub(crate) const MAX_PARAMETERS: u64 = 1 << 24;

/// A tensor among the parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParamInfo {
    /// Its name in PyTorch's `Sequential`: `0.weight`.
    pub name: String,
    /// Its shape there.
    pub shape: Vec<usize>,
    /// Its place in the list of all parameters.
    pub range: Range<usize>,
    /// Values that one output is made of.
    pub(crate) fan_in: usize,
}

/// A tensor with its values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct View<'a> {
    /// What it is.
    pub info: &'a ParamInfo,
    /// Its values, row-major.
    pub values: &'a [f32],
}

/// The tensors of a list of parameters.
pub(crate) fn views<'a>(
    infos: &'a [ParamInfo],
    values: &'a [f32],
) -> impl Iterator<Item = View<'a>> {
    infos.iter().map(|info| View {
        info,
        values: &values[info.range.clone()],
    })
}

/// Layers, parameters and loss of a model.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Layout {
    pub(crate) model: ModelSpec,
    pub(crate) layers: Vec<Layer>,
    pub(crate) params: Vec<ParamInfo>,
    pub(crate) loss: Loss,
    pub(crate) digest: Digest,
}

impl Layout {
    /// Enumerates the layers of a model.
    ///
    /// # Errors
    /// When a size is not possible, or there are too many parameters.
    pub(crate) fn new(model: &ModelSpec) -> Result<Self, SpecError> {
        model.check()?;
        let (layers, loss) = layers(model);
        let found: u64 = layers.iter().map(Layer::parameters).sum();
        if found > MAX_PARAMETERS {
            let most = MAX_PARAMETERS;
            return Err(SpecError::Parameters { found, most });
        }
        let (mut params, mut at) = (Vec::new(), 0);
        let numbered = layers.iter().filter(|layer| layer.is_numbered());
        for (number, layer) in numbered.enumerate() {
            let shapes = layer.shapes().into_iter().flatten();
            for (name, shape) in ["weight", "bias"].into_iter().zip(shapes) {
                let len: usize = shape.iter().product();
                params.push(ParamInfo {
                    name: format!("{number}.{name}"),
                    range: at..at + len,
                    fan_in: layer.fan_in(),
                    shape,
                });
                at += len;
            }
        }
        Ok(Self {
            model: model.clone(),
            digest: model.digest(),
            layers,
            params,
            loss,
        })
    }

    /// How many parameters there are.
    pub(crate) fn len(&self) -> usize {
        self.params.last().map_or(0, |param| param.range.end)
    }

    /// Numbers that a step holds for each row.
    pub(crate) fn activations(&self) -> u64 {
        let outputs = self.layers.iter().map(Layer::held);
        self.model.features() as u64 + outputs.sum::<u64>()
    }

    /// Values that the last layer gives for a row.
    pub(crate) fn outputs(&self) -> usize {
        self.layers.last().map_or(0, Layer::outputs)
    }
}

fn layers(model: &ModelSpec) -> (Vec<Layer>, Loss) {
    let dense = |inputs: usize, outputs: u32| Layer::Dense {
        inputs,
        outputs: outputs as usize,
    };
    let features = model.features();
    match model {
        ModelSpec::Linear { .. } => (vec![dense(features, 1)], Loss::Squared),
        ModelSpec::Logistic { .. } => (vec![dense(features, 1)], Loss::Logistic),
        ModelSpec::Softmax { classes, .. } => (vec![dense(features, *classes)], Loss::CrossEntropy),
        ModelSpec::Mlp {
            hidden, classes, ..
        } => {
            let (mut all, mut inputs) = (Vec::new(), features);
            for outputs in hidden {
                let len = *outputs as usize;
                all.extend([dense(inputs, *outputs), Layer::Relu { len }]);
                inputs = len;
            }
            all.push(dense(inputs, *classes));
            (all, Loss::CrossEntropy)
        }
        ModelSpec::Cnn {
            channels,
            height,
            width,
            filters,
            classes,
        } => {
            let mut image = super::layer::Image {
                height: *height as usize,
                width: *width as usize,
                channels: *channels as usize,
            };
            let mut all = vec![Layer::Pixels(image)];
            for filters in filters {
                let filters = *filters as usize;
                all.push(Layer::Conv { image, filters });
                image.channels = filters;
                let len = image.len();
                all.extend([Layer::Relu { len }, Layer::Pool(image)]);
                image.height /= 2;
                image.width /= 2;
            }
            all.extend([Layer::Flatten(image), dense(image.len(), *classes)]);
            (all, Loss::CrossEntropy)
        }
    }
}
