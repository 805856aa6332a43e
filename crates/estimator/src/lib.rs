//! Train and score small models on tables and images.
//!
//! Rows of numbers become [`Samples`] (from CSV, Parquet or `.npz`), those of one trainer a [`Shard`],
//! which has a name and can be opened row by row. A [`ModelSpec`] says which model is trained on them:
//! linear, logistic or softmax regression, a perceptron with hidden layers, or a small convolutional
//! network; a [`TrainSpec`] says how. A [`Trainer`] turns one [`State`] into the next, a batch at a time,
//! with the same bits on every machine, number of threads and instruction set: forward, backward and
//! update are operators of `assay-kernel`. [`score()`] tells how good the parameters are on rows that they
//! never saw, and [`export`] writes them for NumPy and PyTorch.
//!
//! ```
//! use assay_estimator::{
//!     Labels, ModelSpec, Order, Samples, Shard, Specification, State, TrainSpec, Trainer,
//! };
//! use assay_kernel::Kernel;
//!
//! // Two features; the class is whether the first exceeds the second.
//! let features = vec![0.0, 1.0, 1.0, 0.0, 0.5, 2.0, 3.0, 1.0];
//! let labels = Labels::classes(vec![0, 1, 0, 1], 2)?;
//! let shard = Shard::new(Samples::new(features, 2, labels)?);
//!
//! let specification = Specification {
//!     model: ModelSpec::Logistic { features: 2 },
//!     training: TrainSpec { batch_size: 4, ..TrainSpec::at_rate(0.5) },
//! };
//! let mut state = State::initial(&specification.model, &[7; 32])?;
//! let order = Order { seed: [8; 32], round: 0, trainer: 0 };
//! let mut trainer = Trainer::new(&Kernel::detect()?, &specification, order)?;
//! for index in 0..20 {
//!     let step = trainer.step(&mut state, &shard, index)?;
//!     assert!(step.is_valid());
//! }
//! assert_eq!(state.steps(), 20);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod data;
mod error;
pub mod export;
mod footprint;
mod network;
mod score;
mod spec;
mod train;

pub use data::npz::{Array, MAX_NPZ_BYTES, read_npz};
pub use data::{
    Images, Labels, Notice, RowProof, Samples, Scaling, Shard, ShardHead, Split, TableSpec,
    hold_out,
};
pub use error::{DataFault, Fault, SpecError, StateError, TrainError};
pub use footprint::Footprint;
pub use network::{ParamInfo, View};
pub use score::{Auc, Scores, auc, outputs, score};
pub use spec::{MAX_SPEC_BYTES, ModelSpec, Schedule, Specification, TrainSpec};
pub use train::{Order, State, StepReport, Taken, Trainer};
