//! Times matrix products and the fused multiply-add peak. For `cargo xtask bench gemm`.
//!
//! `... --example gemm -- THREADS SAMPLES M,N,K ...` prints a line `name m n k wall cpu` a sample;
//! the peak's is the time of the one multiply-add of a 1 x 1 x 1 product.

use std::time::Instant;

use rustix::time::{ClockId, clock_gettime};

use assay_kernel::{ConfigError, Isa, Kernel, MatMut, MatRef, Store};

/// The least time a sample covers, in seconds.
const SAMPLE: f64 = 0.03;

/// The processor time of this process, in seconds.
fn processor_time() -> f64 {
    let now = clock_gettime(ClockId::ProcessCPUTime);
    now.tv_sec as f64 + now.tv_nsec as f64 * 1e-9
}

/// Prints the time of one run of `work` divided by `parts`, as many times as asked.
#[allow(clippy::print_stdout)]
fn time(name: &str, shape: [usize; 3], samples: usize, parts: f64, mut work: impl FnMut()) {
    let start = Instant::now();
    work();
    let runs = (SAMPLE / start.elapsed().as_secs_f64()).ceil().max(1.0);
    for _ in 0..=runs as usize {
        work();
    }
    for _ in 0..samples {
        let (start, busy) = (Instant::now(), processor_time());
        for _ in 0..runs as usize {
            work();
        }
        let each = |seconds: f64| seconds / runs / parts;
        let (busy, wall) = (processor_time() - busy, start.elapsed().as_secs_f64());
        let [m, n, k] = shape;
        println!("{name} {m} {n} {k} {:e} {:e}", each(wall), each(busy));
    }
}

/// The whole number in an argument.
fn number(text: &str) -> usize {
    text.parse().unwrap_or(0)
}

fn main() -> Result<(), ConfigError> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let at = |i: usize| arguments.get(i).map_or("", String::as_str);
    let (threads, samples) = (number(at(0)), number(at(1)));
    let kernel = Kernel::from_settings(None, Some(&threads.to_string()))?;
    let one = Kernel::new(kernel.isa(), 1)?;
    let peak = || {
        std::thread::scope(|scope| {
            for _ in 1..threads {
                scope.spawn(|| one.multiply_add_peak());
            }
            one.multiply_add_peak()
        })
    };
    if kernel.isa() != Isa::Scalar {
        let flops = peak().unwrap_or(0) as f64 * threads as f64;
        time("peak", [1, 1, 1], samples, flops / 2.0, || {
            peak();
        });
    }
    for shape in arguments.iter().skip(2) {
        let sizes: Vec<usize> = shape.split(',').map(number).collect();
        let [m, n, k] = [0, 1, 2].map(|i| sizes.get(i).copied().unwrap_or(1));
        let value = |i: usize| (i % 97) as f32 / 97.0 - 0.5;
        let a: Vec<f32> = (0..m * k).map(value).collect();
        let b: Vec<f32> = (0..k * n).map(value).collect();
        let mut c = vec![0.0; m * n];
        time("ours", [m, n, k], samples, 1.0, || {
            kernel.gemm(
                MatRef::row_major(&a, m, k),
                MatRef::row_major(&b, k, n),
                &mut MatMut::row_major(&mut c, m, n),
                Store::Overwrite,
            );
        });
        let packed = kernel.pack(MatRef::row_major(&b, k, n));
        time("packed", [m, n, k], samples, 1.0, || {
            kernel.gemm_packed(
                MatRef::row_major(&a, m, k),
                &packed,
                &mut MatMut::row_major(&mut c, m, n),
                Store::Overwrite,
            );
        });
    }
    Ok(())
}
