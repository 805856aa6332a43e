//! Parameters as other programs read them: a safetensors file, and a description in JSON.
//!
//! The tensors have the names and shapes of PyTorch's `Sequential` for the same model, and the description
//! says how features were made, so that a few lines load both (`docs/estimators.md`).

use safetensors::tensor::{Dtype, TensorView};
use safetensors::{SafeTensors, serialize};
use serde::{Deserialize, Serialize};

use crate::data::Scaling;
use crate::error::{StateError, TrainError};
use crate::network::Layout;
use crate::spec::ModelSpec;
use crate::train::{State, check_values};

/// The longest file of tensors that is read, in bytes.
pub const MAX_EXPORT_BYTES: usize = (4 << 24) + (1 << 20);
/// The longest description that is read, in bytes.
pub const MAX_DESCRIPTION_BYTES: usize = 8 << 20;

/// What a file of tensors does not say.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Description {
    /// Always `assay-estimator`.
    pub format: String,
    /// Always 1.
    pub version: u32,
    /// The model.
    pub model: ModelSpec,
    /// How many steps it was trained for.
    pub steps: u64,
    /// The digest of the state that it is from.
    pub state: String,
    /// The features, in order, where they have names.
    #[serde(default)]
    pub features: Vec<String>,
    /// The classes, in order, where they have names.
    #[serde(default)]
    pub classes: Vec<String>,
    /// What features were standardised by.
    #[serde(default)]
    pub scaling: Option<Scaling>,
}

/// Why files are no export.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// A file is too long.
    #[error("the file has {found} bytes, and at most {most} are read")]
    TooLong {
        /// Its length.
        found: usize,
        /// The most possible.
        most: usize,
    },
    /// The description is none.
    #[error("the description is none of a model of this kind: {0}")]
    Description(String),
    /// The file of tensors is none.
    #[error("the file of tensors cannot be read: {0}")]
    Tensors(String),
    /// A tensor is missing, of another shape, or not needed.
    #[error("tensor {0} is missing, or not of the shape and type that this model has (F32)")]
    Tensor(String),
    /// The model makes no sense, or the values do not fit it.
    #[error("the model cannot be used")]
    Model(#[from] TrainError),
}

impl Description {
    /// That of a state, without names and standardisation.
    pub fn of(state: &State) -> Self {
        Self {
            format: "assay-estimator".into(),
            version: 1,
            model: state.model().clone(),
            steps: state.steps(),
            state: state.digest().to_string(),
            features: Vec::new(),
            classes: Vec::new(),
            scaling: None,
        }
    }

    /// The description as JSON.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_default()
    }

    /// Reads [`Description::to_json`].
    ///
    /// # Errors
    /// When it is none, or what it says does not go together.
    pub fn from_json(text: &str) -> Result<Self, ExportError> {
        bounded(text.len(), MAX_DESCRIPTION_BYTES)?;
        let wrong = |text: &str| ExportError::Description(text.to_owned());
        let read: Self = serde_json::from_str(text).map_err(|error| wrong(&error.to_string()))?;
        if read.format != "assay-estimator" || read.version != 1 {
            return Err(wrong("its format is not assay-estimator, version 1"));
        }
        Layout::new(&read.model).map_err(TrainError::from)?;
        let width = read.model.features();
        if !read.features.is_empty() && read.features.len() != width {
            return Err(wrong(
                "it names another number of features than the model has",
            ));
        }
        let classes = read.model.classes().unwrap_or_default() as usize;
        if !read.classes.is_empty() && read.classes.len() != classes {
            return Err(wrong(
                "it names another number of classes than the model has",
            ));
        }
        if let Some(scaling) = &read.scaling
            && (scaling.check().is_err() || scaling.mean.len() != width)
        {
            return Err(wrong(
                "its standardisation is not one of the model's features",
            ));
        }
        Ok(read)
    }
}

/// The parameters of a state as a safetensors file.
///
/// # Errors
/// When the format cannot hold them.
pub fn to_safetensors(state: &State) -> Result<Vec<u8>, ExportError> {
    let bytes: Vec<(String, Vec<usize>, Vec<u8>)> = state
        .views()
        .map(|view| {
            let bytes = view.values.iter().flat_map(|value| value.to_le_bytes());
            (
                view.info.name.clone(),
                view.info.shape.clone(),
                bytes.collect(),
            )
        })
        .collect();
    let told = |error: safetensors::SafeTensorError| ExportError::Tensors(error.to_string());
    let tensors = bytes.iter().map(|(name, shape, bytes)| {
        let view = TensorView::new(Dtype::F32, shape.clone(), bytes);
        view.map(|view| (name.as_str(), view))
    });
    let tensors = tensors.collect::<Result<Vec<_>, _>>().map_err(told)?;
    serialize(tensors, None).map_err(told)
}

/// A state at rest with the parameters of a safetensors file, whoever wrote it.
///
/// # Errors
/// When the file is none, or its tensors are not exactly the model's.
pub fn from_safetensors(bytes: &[u8], description: &Description) -> Result<State, ExportError> {
    bounded(bytes.len(), MAX_EXPORT_BYTES)?;
    let told = |error: safetensors::SafeTensorError| ExportError::Tensors(error.to_string());
    let file = SafeTensors::deserialize(bytes).map_err(told)?;
    let layout = Layout::new(&description.model).map_err(TrainError::from)?;
    let mut values = Vec::with_capacity(layout.len());
    for info in &layout.params {
        let tensor = file.tensor(&info.name).ok();
        let tensor = tensor.filter(|t| t.dtype() == Dtype::F32 && t.shape() == info.shape);
        let tensor = tensor.ok_or_else(|| ExportError::Tensor(info.name.clone()))?;
        let (words, _) = tensor.data().as_chunks::<4>();
        values.extend(words.iter().map(|word| f32::from_le_bytes(*word)));
    }
    let known = |name: &&str| layout.params.iter().any(|info| info.name == **name);
    if let Some(other) = file.names().into_iter().find(|name| !known(name)) {
        return Err(ExportError::Tensor(other.chars().take(60).collect()));
    }
    check_values(&values, layout.len()).map_err(TrainError::from)?;
    let state = State::initial(&description.model, &[0; 32]).map_err(TrainError::from)?;
    let state: Result<State, StateError> = state.at_rest(values, description.steps);
    Ok(state.map_err(TrainError::from)?)
}

fn bounded(found: usize, most: usize) -> Result<(), ExportError> {
    match found <= most {
        true => Ok(()),
        false => Err(ExportError::TooLong { found, most }),
    }
}
