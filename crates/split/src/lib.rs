//! Train on two machines without either sending what only it may hold.
//!
//! PrivateLoRA (Wang et al., 2023) puts a small trained matrix M between two frozen ones, so a
//! model falls into two parts with narrow seams. The [`Requester`] keeps tokens, labels, embedding,
//! output matrix, M and its optimiser; the [`Provider`] computes the frozen decoder with A and B. Per
//! token and projection only `r` values cross each way, forward and backward.
//!
//! In reading order:
//!
//! 1. A [`Split`] gives every node of a step an owner and lists the tensors that cross.
//! 2. [`Holdings`] are the frozen tensors of one party.
//! 3. The parties turn bytes into bytes. They run the same nodes on the same values
//!    as a [`Trainer`](assay_model::Trainer), so the state has the same bits.
//! 4. [`session`] makes a [`Machine`](assay_machine::Machine) of each end; [`local`] joins them in one
//!    process.
//! 5. [`wire`] has the encoding, and [`step_traffic`] says how much of it a step sends.
//! 6. [`masked`] hides activations as well: two providers hold additive shares of them.
//!
//! **The plain split is locality, not secrecy.** A provider that knows the public base model
//! recovers the tokens from the first tensor it is sent. `docs/private-lora.md` has the threat
//! model.
//!
//! ```
//! use std::sync::Arc;
//! use assay_kernel::Kernel;
//! use assay_model::{Adapter, AdamWConfig, Base, BatchShape, Method, PrivateLoraConfig, Purpose};
//! use assay_model::TrainState;
//! use assay_split::{Holdings, Provider, Requester, Side, Split, local};
//! # let config = assay_model::ModelConfig::from_json(br#"{"model_type": "llama",
//! #   "vocab_size": 16, "hidden_size": 8, "intermediate_size": 12, "num_hidden_layers": 1,
//! #   "num_attention_heads": 2}"#)?;
//! # let base = Base::random(config, &[0; 32])?;
//! let kernel = Kernel::detect()?;
//! let settings = PrivateLoraConfig::new(4, 8, &["q_proj", "v_proj"])?;
//! let adapter = Adapter::init(&kernel, &base, &Method::PrivateLora(settings.clone()), &[7; 32]);
//! let purpose = Purpose::Train(AdamWConfig::default().into());
//! let shape = BatchShape { batch: 1, seq: 3 };
//! let split = Arc::new(Split::new(base.config(), &settings, shape, purpose)?);
//!
//! let theirs = Holdings::of(&split, Side::Provider, &base, &adapter)?;
//! let mut provider = Provider::new(&kernel, split.clone(), theirs)?;
//! let ours = Holdings::of(&split, Side::Requester, &base, &adapter)?;
//! let mut requester = Requester::new(&kernel, split, ours, TrainState::new(adapter))?;
//!
//! let mut batch = assay_data::Batch::padding(1, 3, 0);
//! batch.labels[0] = 5;
//! local::exchange(&mut requester, &mut provider, &batch, 1e-3)?;
//! assert_eq!(requester.state().step(), 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod error;
mod holdings;
pub mod local;
pub mod masked;
mod ownership;
mod party;
mod provider;
mod requester;
mod runner;
pub mod session;
mod traffic;
pub mod wire;

pub use error::{MessageError, SetupError, StepError};
pub use holdings::Holdings;
pub use ownership::{Side, Split};
pub use provider::Provider;
pub use requester::{Outcome, Requester, Turn};
pub use traffic::{StepTraffic, Traffic, step_traffic};
