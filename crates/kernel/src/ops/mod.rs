//! The operators: checked lengths, then the path's body on each thread's share.

mod activation;
mod attention;
mod bf16;
mod dropout;
mod embedding;
mod function;
mod image;
mod integers;
mod norm;
mod optimizer;
mod product;
mod quantized;
mod tensor;

pub use integers::{GRAM_DEPTH, SORT_WIDTH};
pub use product::PackedB;
pub use quantized::{MAX_DEPTH_I8, PackedI8};

/// Checks a length that the caller is responsible for.
#[track_caller]
fn expect_len(name: &str, found: usize, wanted: usize) {
    assert!(
        found == wanted,
        "{name} holds {found} values, the shape asks for {wanted}"
    );
}
