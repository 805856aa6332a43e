//! Prints the measured fused multiply-add peak and the speed of matrix products, in GFLOP/s.
//!
//! `cargo run --release -p assay-kernel --example peak [-- M N K]`; `ASSAY_KERNEL` selects one
//! path, `ASSAY_THREADS` the number of threads (1).

use std::time::Instant;

use assay_kernel::{ConfigError, Isa, Kernel, MatMut, MatRef, Store};

/// The best of repeated runs within a second, in GFLOP/s.
fn best(flops: f64, mut work: impl FnMut()) -> f64 {
    let start = Instant::now();
    let mut best = f64::INFINITY;
    while start.elapsed().as_secs_f64() < 1.0 {
        let one = Instant::now();
        work();
        best = best.min(one.elapsed().as_secs_f64());
    }
    flops / best / 1e9
}

fn product(kernel: &Kernel, m: usize, n: usize, k: usize) -> [f64; 4] {
    let a = vec![0.5; m * k];
    let b = vec![0.25; k * n];
    let mut c = vec![0.0; m * n];
    let flops = 2.0 * (m * n * k) as f64;
    let left = MatRef::row_major(&a, m, k);
    let left_t = MatRef::row_major(&a, k, m).t();
    let right = MatRef::row_major(&b, k, n);
    let right_t = MatRef::row_major(&b, n, k).t();
    let packed = kernel.pack(right);
    let mut run = |a: MatRef<'_>, b: MatRef<'_>| {
        best(flops, || {
            kernel.gemm(a, b, &mut MatMut::row_major(&mut c, m, n), Store::Overwrite)
        })
    };
    let plain = [run(left, right), run(left, right_t), run(left_t, right)];
    let packed = best(flops, || {
        let mut c = MatMut::row_major(&mut c, m, n);
        kernel.gemm_packed(left, &packed, &mut c, Store::Overwrite);
    });
    [plain[0], plain[1], plain[2], packed]
}

#[allow(clippy::print_stdout)]
fn main() -> Result<(), ConfigError> {
    let given: Vec<usize> = std::env::args()
        .skip(1)
        .filter_map(|n| n.parse().ok())
        .collect();
    let shapes = match given[..] {
        [m, n, k] => vec![(m, n, k)],
        _ => vec![
            (256, 256, 256),
            (1024, 1024, 1024),
            (512, 341, 128),
            (512, 128, 341),
            (512, 1024, 128),
            (512, 128, 128),
            (512, 8, 128),
            (512, 128, 8),
            (8, 128, 512),
            (341, 8, 512),
        ],
    };
    let threads = std::env::var("ASSAY_THREADS")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(1);
    for isa in [Isa::Avx512, Isa::Avx2, Isa::Scalar] {
        let unwanted = std::env::var("ASSAY_KERNEL").is_ok_and(|name| name != isa.name());
        if unwanted || !isa.is_available() {
            continue;
        }
        let kernel = Kernel::new(isa, threads)?;
        match kernel.multiply_add_peak() {
            None => println!("{isa}, {threads} thread(s)"),
            Some(flops) => {
                let peak = best(flops as f64, || {
                    kernel.multiply_add_peak();
                });
                println!("{isa}, {threads} thread(s): peak {peak:.0} GFLOP/s on one");
            }
        }
        println!("       m      n      k |     ab   ab^T   a^Tb  packed");
        for &(m, n, k) in &shapes {
            let [ab, abt, atb, packed] = product(&kernel, m, n, k);
            println!("  {m:6} {n:6} {k:6} | {ab:6.1} {abt:6.1} {atb:6.1}  {packed:6.1}");
        }
    }
    Ok(())
}
