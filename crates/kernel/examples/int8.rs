//! Prints the speed of products of 8-bit integers beside that of f32 products, both of packed
//! right-hand matrices, in billions of operations a second, and the peaks of both kinds.
//!
//! `cargo run --release -p assay-kernel --example int8 [-- M N K]`; `ASSAY_KERNEL` selects one path,
//! `ASSAY_THREADS` the number of threads (1).

use std::time::Instant;

use assay_kernel::{ConfigError, Isa, Kernel, MatMut, MatRef, Store};

/// The best of repeated runs within a time, in billions of operations a second.
fn best(operations: f64, mut work: impl FnMut()) -> f64 {
    let start = Instant::now();
    let mut best = f64::INFINITY;
    while start.elapsed().as_secs_f64() < 0.5 {
        let one = Instant::now();
        work();
        best = best.min(one.elapsed().as_secs_f64());
    }
    operations / best / 1e9
}

/// Prints what one thread reaches in its registers, where that is known.
#[allow(clippy::print_stdout)]
fn show_peak(name: &str, run: impl Fn() -> Option<u64>) {
    if let Some(operations) = run() {
        let peak = best(operations as f64, || {
            run();
        });
        println!("  {name} peak of one thread: {peak:.0}");
    }
}

/// f32, integers alone, integers with the rounding of A before.
fn products(kernel: &Kernel, m: usize, n: usize, k: usize) -> [f64; 3] {
    let operations = 2.0 * (m * n * k) as f64;
    let value = |i: usize| (i % 97) as f32 / 97.0 - 0.5;
    let (a, b): (Vec<f32>, Vec<f32>) = ((0..m * k).map(value).collect(), vec![0.25; k * n]);
    let mut c = vec![0.0; m * n];
    let packed = kernel.pack(MatRef::row_major(&b, k, n));
    let float = best(operations, || {
        let mut c = MatMut::row_major(&mut c, m, n);
        kernel.gemm_packed(
            MatRef::row_major(&a, m, k),
            &packed,
            &mut c,
            Store::Overwrite,
        );
    });
    let (mut q, mut scale, columns) = (vec![0; m * k], vec![0.0; m], vec![0.01; n]);
    kernel.quantize_rows(&a, None, &mut q, &mut scale);
    let packed = kernel.pack_i8(&vec![3; n * k], n, k, true);
    let integer = best(operations, || {
        let mut c = MatMut::row_major(&mut c, m, n);
        kernel.product_i8(
            &q,
            &scale,
            &packed,
            Some(&columns),
            &mut c,
            Store::Overwrite,
        );
    });
    let whole = best(operations, || {
        let mut c = MatMut::row_major(&mut c, m, n);
        kernel.quantized_product(&a, None, &packed, Some(&columns), &mut c, Store::Overwrite);
    });
    [float, integer, whole]
}

#[allow(clippy::print_stdout)]
fn main() -> Result<(), ConfigError> {
    let given: Vec<usize> = std::env::args()
        .skip(1)
        .filter_map(|n| n.parse().ok())
        .collect();
    let shapes = match given[..] {
        [m, n, k] => vec![(m, n, k)],
        // A square, and SmolLM2-135M's projections for 1024 positions.
        _ => vec![
            (1024, 1024, 1024),
            (1024, 1536, 576),
            (1024, 576, 1536),
            (1024, 576, 576),
            (1024, 192, 576),
            (1, 1536, 576),
        ],
    };
    let threads = std::env::var("ASSAY_THREADS")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(1);
    for isa in [Isa::Avx512, Isa::Avx2, Isa::Neon, Isa::Scalar] {
        let unwanted = std::env::var("ASSAY_KERNEL").is_ok_and(|name| name != isa.name());
        if unwanted || !isa.is_available() {
            continue;
        }
        let kernel = Kernel::new(isa, threads)?;
        println!("{isa}, {threads} thread(s)");
        show_peak("f32", || kernel.multiply_add_peak());
        show_peak("int8", || kernel.multiply_add_i8_peak());
        println!("       m      n      k |    f32    int8  with rounding");
        for &(m, n, k) in &shapes {
            let [float, integer, whole] = products(&kernel, m, n, k);
            println!("  {m:6} {n:6} {k:6} | {float:6.1}  {integer:6.1}  {whole:6.1}");
        }
    }
    Ok(())
}
