//! A frozen base model.

#[cfg(feature = "cuda")]
use std::any::Any;
use std::borrow::Cow;
use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use assay_crypto::Digest;
use assay_data::Tokenizer;
use assay_graph::{Tensors, Whole, tensor_digest};
use assay_kernel::random::Stream;
use assay_kernel::{Isa, Kernel, MatRef, PackedB, PackedI8};
use safetensors::Dtype;
use safetensors::tensor::TensorView;

use crate::config::ModelConfig;
use crate::error::LoadError;
use crate::fault::first_fault_of;
use crate::files::{self, ModelFiles, ModelSource};
use crate::load::load_weights;
use crate::rope::RopeTables;
use crate::spec::ModelSpec;
use crate::storage::{Precision, Stored};
use crate::target::Target;
use assay_graph::WeightId;

/// The purpose under which random base weights are drawn.
const RANDOM_BASE_PURPOSE: u32 = 3;

/// A matrix, whether it is transposed, and the path whose layout it has.
type PackKey = (WeightId, bool, Isa);

/// Frozen weights with their shape, rotary tables and tokenizer.
///
/// Shared between trainers through an `Arc`; matrices are packed for a kernel once and kept.
pub struct Base {
    config: ModelConfig,
    spec: ModelSpec,
    weights: Vec<Stored>,
    rope: RopeTables,
    tokenizer: Option<Arc<Tokenizer>>,
    /// How the projections are held.
    precision: Precision,
    packed: Mutex<HashMap<PackKey, Arc<PackedB>>>,
    /// Copies on devices, by the device's number; what they are is the device's affair.
    #[cfg(feature = "cuda")]
    devices: Mutex<HashMap<usize, Arc<dyn Any + Send + Sync>>>,
    /// Matrices of integers, transposed or not; their layout is the same on every path.
    packed_i8: Mutex<HashMap<(WeightId, bool), Arc<PackedI8>>>,
}

impl Base {
    /// Loads a Hugging Face model folder.
    ///
    /// # Errors
    /// [`LoadError`] says which file or field is wrong and what to do.
    pub fn from_folder(folder: &Path) -> Result<Self, LoadError> {
        Self::load(ModelSource::open(folder)?, Precision::Float32)
    }

    /// Loads a model from the contents of its files, by name.
    ///
    /// # Errors
    /// As [`Base::from_folder`].
    pub fn from_files(files: ModelFiles) -> Result<Self, LoadError> {
        Self::load(files.into(), Precision::Float32)
    }

    /// Loads a model whose weights are read where they lie, its projections held in this precision:
    /// each as soon as it is read, so that only one at a time is there in float32 as well.
    ///
    /// # Errors
    /// As [`Base::from_folder`].
    pub fn load(source: ModelSource, precision: Precision) -> Result<Self, LoadError> {
        let files = &source.files;
        let file = |name: &str| {
            let bytes = files.get(name).map(Vec::as_slice);
            bytes.ok_or_else(|| LoadError::MissingFile(name.into()))
        };
        let mut config = ModelConfig::from_json(file(files::CONFIG)?)?;
        file(files::TOKENIZER)?;
        let tokenizer = Tokenizer::from_model_files(files)?;
        config.eos_token_ids = tokenizer.ends().collect();
        let spec = ModelSpec::new(&config);
        let weights = load_weights(&config, &spec, source, precision)?;
        let tokenizer = Some(Arc::new(tokenizer));
        let base = Self::assemble(config, spec, weights, tokenizer);
        Ok(Self { precision, ..base })
    }

    /// A model with random weights and no tokenizer, for benches and tests: norms are 1, other
    /// weights normal with standard deviation 0.02, as `transformers` initialises them.
    ///
    /// # Errors
    /// When the fields of `config` contradict each other.
    pub fn random(config: ModelConfig, seed: &[u8; 32]) -> Result<Self, LoadError> {
        config.check()?;
        let spec = ModelSpec::new(&config);
        let draw = |(index, info): (usize, &crate::spec::WeightInfo)| {
            let values: usize = info.shape.iter().product();
            if info.name.ends_with("norm.weight") {
                return vec![1.0; values];
            }
            let mut stream = Stream::new(seed, RANDOM_BASE_PURPOSE, index as u64);
            (0..values).map(|_| stream.normal() * 0.02).collect()
        };
        let weights = spec.weights().iter().enumerate().map(draw);
        let weights = weights.map(Stored::Float32).collect();
        Ok(Self::assemble(config, spec, weights, None))
    }

    fn assemble(
        config: ModelConfig,
        spec: ModelSpec,
        weights: Vec<Stored>,
        tokenizer: Option<Arc<Tokenizer>>,
    ) -> Self {
        let rope = RopeTables::new(&config);
        Self {
            config,
            spec,
            weights,
            rope,
            tokenizer,
            precision: Precision::Float32,
            packed: Mutex::default(),
            #[cfg(feature = "cuda")]
            devices: Mutex::default(),
            packed_i8: Mutex::default(),
        }
    }

    /// Its shape.
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// Its tensors' names and shapes.
    pub fn spec(&self) -> &ModelSpec {
        &self.spec
    }

    /// The same model with its projections held in this precision; see
    /// [`storage`](crate::storage). What was held more exactly before is lost.
    pub fn held_in(mut self, precision: Precision) -> Self {
        for layer in &self.spec.layers {
            for target in Target::ALL {
                let linear = layer.linear(target);
                let held = &mut self.weights[linear.weight.index()];
                let values = std::mem::replace(held, Stored::Float32(Vec::new()));
                let values = match values {
                    Stored::Float32(values) => values,
                    shorter => shorter.widened().into_owned(),
                };
                *held = Stored::new(values, linear.input, precision);
            }
        }
        self.precision = precision;
        self.packed = Mutex::default();
        #[cfg(feature = "cuda")]
        {
            self.devices = Mutex::default();
        }
        self.packed_i8 = Mutex::default();
        self
    }

    /// How the projections are held, and with [`Precision::W8A8`] computed.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// Checks that every value is a number in the form that it is held in: the largest float32 values
    /// have no bfloat16.
    ///
    /// # Errors
    /// [`LoadError::NotHeld`] names tensor and row of the first that is none.
    pub fn check_held(&self) -> Result<(), LoadError> {
        for (info, held) in self.spec.weights().iter().zip(&self.weights) {
            let (values, (_, cols)) = (held.widened(), info.matrix());
            if let Some((row, _)) = first_fault_of(&values, cols) {
                let name = info.name.clone();
                return Err(LoadError::NotHeld { name, row });
            }
        }
        Ok(())
    }

    /// Bytes that the frozen tensors take, without what is packed for a kernel.
    pub fn bytes(&self) -> usize {
        self.weights.iter().map(Stored::bytes).sum()
    }

    /// The values of a tensor, row-major; widened, if they are held in another form.
    pub fn weight(&self, id: WeightId) -> Cow<'_, [f32]> {
        self.weights[id.index()].widened()
    }

    /// A matrix in 8-bit integers, row-major, and the scale of each row; none for one that is held in
    /// another form.
    pub fn weight_int8(&self, id: WeightId) -> Option<(&[i8], &[f32])> {
        self.stored(id).int8()
    }

    /// A tensor as it is held.
    pub(crate) fn stored(&self, id: WeightId) -> &Stored {
        &self.weights[id.index()]
    }

    /// The values of every tensor, in the order of [`ModelSpec::weights`], one at a time.
    #[cfg(feature = "cuda")]
    pub(crate) fn widened_weights(&self) -> impl Iterator<Item = Cow<'_, [f32]>> {
        self.weights.iter().map(Stored::widened)
    }

    /// What a device keeps of the frozen tensors, made once.
    #[cfg(feature = "cuda")]
    pub(crate) fn on_device<T: Any + Send + Sync, E>(
        &self,
        device: usize,
        copy: impl FnOnce() -> Result<T, E>,
    ) -> Result<Arc<T>, E> {
        let mut devices = self.devices.lock().unwrap_or_else(PoisonError::into_inner);
        let found = devices.get(&device).cloned();
        if let Some(found) = found.and_then(|found| found.downcast().ok()) {
            return Ok(found);
        }
        let copied = Arc::new(copy()?);
        devices.insert(device, copied.clone());
        Ok(copied)
    }

    /// The values of every tensor, in the order of [`ModelSpec::weights`].
    pub(crate) fn weights(&self) -> Vec<Vec<f32>> {
        let widened = self.weights.iter().map(Stored::widened);
        widened.map(Cow::into_owned).collect()
    }

    /// Every tensor in f32, as `model.safetensors` holds them.
    pub(crate) fn safetensors(&self) -> Vec<u8> {
        let bytes: Vec<Vec<u8>> = (self.weights.iter())
            .map(|held| {
                held.widened()
                    .iter()
                    .flat_map(|v| v.to_le_bytes())
                    .collect()
            })
            .collect();
        let all = self.spec.weights().iter().zip(&bytes);
        let views = all.filter_map(|(info, bytes)| {
            let view = TensorView::new(Dtype::F32, info.shape.clone(), bytes).ok()?;
            Some((info.name.as_str(), view))
        });
        // `transformers` looks for the format mark; sizes match by construction, so this cannot
        // fail on them.
        let metadata = [("format".to_owned(), "pt".to_owned())].into();
        safetensors::serialize(views, Some(metadata)).unwrap_or_default()
    }

    /// The same model with other values, as many as before.
    pub(crate) fn with_weights(&self, weights: Vec<Vec<f32>>) -> Self {
        let (config, spec) = (self.config.clone(), self.spec.clone());
        let weights = weights.into_iter().map(Stored::Float32).collect();
        Self::assemble(config, spec, weights, self.tokenizer.clone())
    }

    /// The same model under a configuration that differs in its biases. Tensors take their values
    /// from `values` by name, else from this model; new biases are zero.
    pub(crate) fn with_config(&self, config: ModelConfig, values: &HashMap<&str, &[f32]>) -> Self {
        let spec = ModelSpec::new(&config);
        let old: HashMap<&str, &Stored> = (self.spec.weights().iter())
            .map(|info| info.name.as_str())
            .zip(&self.weights)
            .collect();
        let take = |info: &crate::spec::WeightInfo| {
            let name = info.name.as_str();
            let given = values.get(name).map(|values| values.to_vec());
            let kept = || old.get(name).map(|stored| stored.widened().into_owned());
            given
                .or_else(kept)
                .unwrap_or_else(|| vec![0.0; info.shape.iter().product()])
        };
        let weights = spec.weights().iter().map(take);
        let weights = weights.map(Stored::Float32).collect();
        Self::assemble(config, spec, weights, self.tokenizer.clone())
    }

    /// Its rotary tables.
    pub fn rope(&self) -> &RopeTables {
        &self.rope
    }

    /// Its tokenizer.
    ///
    /// # Errors
    /// When the model was made by [`Base::random`].
    pub fn tokenizer(&self) -> Result<&Tokenizer, LoadError> {
        self.tokenizer.as_deref().ok_or(LoadError::NoTokenizer)
    }

    /// A digest of every number that training reads from the base: weights and rotary tables, by
    /// tensor, with their names and shapes. The storage type of the file does not enter.
    pub fn digest(&self) -> Digest {
        let mut leaves: Vec<Digest> = (self.spec.weights().iter().zip(&self.weights))
            .map(|(info, held)| {
                let (values, (rows, cols)) = (held.widened(), info.matrix());
                tensor_digest(&info.name, rows, cols, &values)
            })
            .collect();
        let half = self.config.head_dim / 2;
        for (name, table) in [("rope.cos", &self.rope.cos), ("rope.sin", &self.rope.sin)] {
            leaves.push(tensor_digest(name, table.len() / half, half, table));
        }
        let tensors = Tensors {
            head: self.config.rms_norm_eps.to_le_bytes().to_vec(),
            digests: leaves,
        };
        tensors.digest(Whole::Base)
    }

    /// A matrix packed as the right-hand side of products on `kernel`'s path, transposed or not;
    /// none for one that is held in a shorter form, which a packed copy would undo.
    pub(crate) fn packed(
        &self,
        kernel: &Kernel,
        id: WeightId,
        transposed: bool,
    ) -> Option<Arc<PackedB>> {
        let values = self.stored(id).plain()?;
        let key = (id, transposed, kernel.isa());
        let mut cache = self.packed.lock().unwrap_or_else(PoisonError::into_inner);
        let pack = || {
            let shape = &self.spec.weights()[id.index()].shape;
            let matrix = MatRef::row_major(values, shape[0], shape[1]);
            let matrix = if transposed { matrix.t() } else { matrix };
            Arc::new(kernel.pack(matrix))
        };
        Some(cache.entry(key).or_insert_with(pack).clone())
    }

    /// A matrix of integers packed as the right-hand side of products, transposed or not; none for
    /// one that is held in another form.
    pub(crate) fn packed_i8(
        &self,
        kernel: &Kernel,
        id: WeightId,
        transposed: bool,
    ) -> Option<Arc<PackedI8>> {
        let (values, _) = self.weight_int8(id)?;
        let mut cache = self
            .packed_i8
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let (rows, cols) = self.spec.weights()[id.index()].matrix();
        let pack = || Arc::new(kernel.pack_i8(values, rows, cols, transposed));
        Some(cache.entry((id, transposed)).or_insert_with(pack).clone())
    }
}

impl std::fmt::Debug for Base {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Base")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}
