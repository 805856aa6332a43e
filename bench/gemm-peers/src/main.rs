//! Times matrix products of `faer` and `gemm`. For `cargo xtask bench gemm`.
//!
//! `gemm-peers THREADS SAMPLES M,N,K ...` prints a line `peer version m n k wall cpu` a sample.

use std::time::Instant;

use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use rustix::time::{ClockId, clock_gettime};

/// The least time a sample covers, in seconds.
const SAMPLE: f64 = 0.03;

/// The processor time of this process, in seconds.
fn processor_time() -> f64 {
    let now = clock_gettime(ClockId::ProcessCPUTime);
    now.tv_sec as f64 + now.tv_nsec as f64 * 1e-9
}

/// Prints the time of one run of `work`, as many times as asked.
fn time(peer: &str, shape: [usize; 3], samples: usize, mut work: impl FnMut()) {
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
        let (busy, wall) = (processor_time() - busy, start.elapsed().as_secs_f64());
        let [m, n, k] = shape;
        println!("{peer} {m} {n} {k} {:e} {:e}", wall / runs, busy / runs);
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [threads, samples] = [0, 1].map(|i| arguments[i].parse().expect("THREADS SAMPLES"));
    rayon_threads(threads);
    for shape in &arguments[2..] {
        let sizes: Vec<usize> = shape
            .split(',')
            .map(|n| n.parse().expect("M,N,K"))
            .collect();
        let [m, n, k] = sizes[..] else {
            panic!("{shape} is not M,N,K");
        };
        let value = |i: usize| (i % 97) as f32 / 97.0 - 0.5;
        let a: Vec<f32> = (0..m * k).map(value).collect();
        let b: Vec<f32> = (0..k * n).map(value).collect();
        let mut c = vec![0.0f32; m * n];
        let par = if threads == 1 {
            Par::Seq
        } else {
            Par::rayon(threads)
        };
        time("faer 0.24.4", [m, n, k], samples, || {
            matmul(
                MatMut::from_row_major_slice_mut(&mut c, m, n),
                Accum::Replace,
                MatRef::from_row_major_slice(&a, m, k),
                MatRef::from_row_major_slice(&b, k, n),
                1.0,
                par,
            );
        });
        let parallelism = match threads {
            1 => gemm::Parallelism::None,
            n => gemm::Parallelism::Rayon(n),
        };
        time("gemm 0.19.0", [m, n, k], samples, || {
            // SAFETY: the three buffers are row-major matrices of these shapes.
            unsafe {
                gemm::gemm(
                    m,
                    n,
                    k,
                    c.as_mut_ptr(),
                    1,
                    n as isize,
                    false,
                    a.as_ptr(),
                    1,
                    k as isize,
                    b.as_ptr(),
                    1,
                    n as isize,
                    0.0,
                    1.0,
                    false,
                    false,
                    false,
                    parallelism,
                );
            }
        });
    }
}

/// Both libraries use rayon's global threads.
fn rayon_threads(threads: usize) {
    // SAFETY: nothing else runs yet.
    unsafe { std::env::set_var("RAYON_NUM_THREADS", threads.to_string()) };
}
