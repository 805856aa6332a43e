//! Golden digests of every operator: what a node checks before it joins.

mod estimators;
mod operators;

use crate::kernel::{Isa, Kernel};

/// This machine does not compute as specified.
#[derive(Debug, thiserror::Error)]
pub enum SelfTestError {
    /// An operator of a processor path gives other bits.
    #[error(
        "operator {operator} gives wrong bits on the {isa} path (digest {found}, specification \
         {wanted}); this machine must not train or audit, try ASSAY_KERNEL=scalar and check the \
         hardware"
    )]
    Operator {
        /// The operator.
        operator: &'static str,
        /// The path in use.
        isa: Isa,
        /// The digest of its outputs here, hexadecimal.
        found: String,
        /// The digest the specification gives.
        wanted: &'static str,
    },
    /// The device gives other bits, or does not work.
    #[cfg(feature = "cuda")]
    #[error(transparent)]
    Device(#[from] crate::cuda::DeviceError),
}

impl Kernel {
    /// Runs every operator on fixed inputs and compares digests of the results with those of
    /// specification [`crate::SPEC_VERSION`]; a device is compared with the processor. Takes some
    /// tens of milliseconds.
    ///
    /// # Errors
    /// Names the first operator whose bits differ.
    pub fn self_test(&self) -> Result<(), SelfTestError> {
        for ((operator, run), wanted) in OPERATORS.into_iter().zip(GOLDEN) {
            let found = digest(&run(self));
            if found != wanted {
                return Err(SelfTestError::Operator {
                    operator,
                    isa: self.isa(),
                    found,
                    wanted,
                });
            }
        }
        #[cfg(feature = "cuda")]
        if let Some(device) = self.device() {
            crate::cuda::compare(self, device, 0)?;
        }
        Ok(())
    }
}

/// BLAKE3 of the values' little-endian bytes.
fn digest(values: &[f32]) -> String {
    let mut hasher = blake3::Hasher::new();
    for value in values {
        hasher.update(&value.to_le_bytes());
    }
    hasher.finalize().to_hex().to_string()
}

/// An operator's name and its outputs, one after the other.
type Operator = (&'static str, fn(&Kernel) -> Vec<f32>);

const OPERATORS: [Operator; 30] = [
    ("random", |_| operators::random()),
    ("gemm", operators::gemm),
    ("gemm_packed", operators::gemm_packed),
    ("rmsnorm", operators::rmsnorm),
    ("rmsnorm_backward", operators::rmsnorm_backward),
    ("rope", operators::rope),
    ("attention", |k| operators::attention(k, false)),
    ("attention_backward", |k| operators::attention(k, true)),
    ("silu_mul", operators::silu_mul),
    ("silu_mul_backward", operators::silu_mul_backward),
    ("softmax_rows", operators::softmax_rows),
    ("softmax_rows_backward", operators::softmax_rows_backward),
    ("cross_entropy", operators::cross_entropy),
    ("embedding_backward", operators::embedding_backward),
    ("column_sums", operators::column_sums),
    ("elementwise", operators::elementwise),
    ("sum and dot", operators::sum_and_dot),
    ("adamw", operators::adamw),
    ("attention_cached", operators::attention_cached),
    ("dropout", operators::dropout),
    ("row_norms and clip_factor", operators::row_norms),
    ("column_dots and scale_columns", operators::columns),
    ("multiply and divide", operators::multiply_and_divide),
    ("functions", operators::functions),
    ("round_bf16", operators::round_bf16),
    ("quantize_rows", operators::quantize_rows),
    ("product_i8", operators::product_i8),
    ("relu", estimators::relu),
    ("sgd", estimators::sgd),
    ("patches and max_pool", estimators::images),
];

/// The digests of `OPERATORS`, in order.
const GOLDEN: [&str; 30] = [
    "abccc3704d87bbc3ab2db2a6fa843192b6b42c85ebbb256eff4038dd703c3381",
    "726f5bc54c668e11bc96750cfb68f1536521dc8482bfb3579647970824c45540",
    "6df082c424456b73155fbebbc90e8aba17666b92227ca0c86e7ad34c35f81bae",
    "fe7013f46c677f8f15f6a9cc2192cf860341f0a0b87a788a8c5c51e82e4d3497",
    "5dee45aa0efe01f0031ef36e6ea547543fe89d91d3922f6863f9debad9f517d3",
    "d52b5fd0e2d4fa4404a3ee6e3c6ac673c35b095a538bd0d2eaad2da19146162b",
    "8f607e433fa4bc4c625d5c39aceba1094d842c404f0bb58fad32c88d8dfc4185",
    "fa435855153b239dacb1b0ea7e59b72e7ba6eed6e0548f469d51064a0d420575",
    "7d9b8dfdeb6f6cac674c2278aa5263c1bf68444301112b184ca10ed994b6ce68",
    "ede9b8f3792b2a9e089d0795048f3eaa2884e10bd13abe414b59c80ace4022f6",
    "ddc2dde5d2a31abe66419f9144d20c983fcbb5cc4d99d955b18e66fe50c08fe1",
    "56847ab8fc200da81ffaad1c5cdb99d501ce23bfa9c8546d3f23c8e63d458729",
    "55dc34e46a40128ff49fed23cba49e99b08efd83c8dfaf0a3b5ec0dbe2cdf1cc",
    "1124e008484a3e5366f3fe01c64185144c0a34dbc91c37fbc37a1e856080a0c3",
    "77c82ca58423b7ad791dff7c17c12675c9630713c3b4dd05dc10ddabe30495a6",
    "4e3d94ed0c335fde19c7dacb5f15dbf10454cf7dcbb0e9fc5e5ae0b186d0c56b",
    "b9d681d18211aa64ce1769826f44b1697530757a583af764eb1188dcccce1625",
    "1b712c0dfef1b3253fa563db3107fa39d81e5f2324f471236eeca7583296c469",
    "7e988d15e49caa90fd6efd1016ac2c2e831bf1ccf6669a672b3dc0d63cceb2e1",
    "027339eb0c0e3b1cef9c0e82d88cd158b8d5fb8817446ce32e406bd6608a704d",
    "e706d30783ef3222e9dc1b48b150800792f3a01fe8e41c8562d0be211c47d9eb",
    "e705e81d08b1bd080ab15aa6a15efcdfcc40d14f38d52fc481b1e24ae481acad",
    "feabf4fd9e3dc1d605d5bc5b275e22217d88757552b2572bc684fa00f88fbef5",
    "6f4d4b5b6eb4c948b6b26159fbaa68198e7bf9a75a6e4fec975b90e605b88b3b",
    "b3a98184f6170fc15e67a33d5e7767e23dd57deb940778283aa1fad8700a3f03",
    "5a7488c27ded1161f389bd46ad779f76cca39839daa924744679962fb0cc3eec",
    "6f187c625fbd67679ad72542284cdc5844f81ece5af5a81b912c19cea09e4d0d",
    "526c65953dd235d9f99213af507fe61828a52c17320b344e366c7a3264f99893",
    "028f8c90a1b22c9f07244e53d760ae1abfdea9504895c9e4dc0b597d763d6c85",
    "b7614bf3edced11450e56bc33939b06788f95899c90350da1e9ea86a95335c07",
];

#[cfg(test)]
mod tests;
