//! Times products on a CUDA device and prints one JSON object: `cuda [RUNS]`.
//!
//! f32 products have the specified chains; every division of the work is timed, and `chosen` is what
//! a step uses. Where there is no device the object says why. `bench/cuda_peers.py` times cuBLAS.

use std::error::Error;
use std::io::Write;

fn main() -> Result<(), Box<dyn Error>> {
    let runs = std::env::args().nth(1).map_or(Ok(20), |n| n.parse())?;
    let report = measure(runs)?;
    writeln!(
        std::io::stdout(),
        "{}",
        serde_json::to_string_pretty(&report)?
    )?;
    Ok(())
}

#[cfg(not(feature = "cuda"))]
fn measure(_: usize) -> Result<serde_json::Value, Box<dyn Error>> {
    Ok(serde_json::json!({ "not run": "built without --features cuda" }))
}

#[cfg(feature = "cuda")]
fn measure(runs: usize) -> Result<serde_json::Value, Box<dyn Error>> {
    use assay_kernel::Store::Overwrite;
    use assay_kernel::cuda::{Device, ProductShape, Tile};
    use assay_kernel::random::Stream;
    use serde_json::json;

    let device = match Device::open(0) {
        Ok(device) => device,
        Err(error) => return Ok(json!({ "not run": error.to_string() })),
    };
    let mut stream = Stream::new(&[1; 32], 0, 0);
    let mut draw = |n: usize| -> Vec<f32> { (0..n).map(|_| stream.uniform(-1.0, 1.0)).collect() };
    let mut rows = Vec::new();
    let shapes = [
        (4096, 4096, 4096),
        (8192, 8192, 8192),
        (8192, 1536, 576),
        (8192, 576, 1536),
        (8192, 49152, 576),
        (8192, 2048, 2048),
        (1024, 576, 576),
        (1024, 1536, 576),
        (1024, 8, 576),
        (8192, 8, 576),
        (8, 576, 8192),
        (8192, 576, 8),
    ];
    for (m, n, k) in shapes {
        let (a, b) = (device.upload(&draw(m * k))?, device.upload(&draw(k * n))?);
        let c = device.reserve(m * n)?;
        let scratch = device.reserve(m * k + k * n + 64)?;
        let operations = 2.0 * m as f64 * n as f64 * k as f64;
        for (ta, tb) in [(false, true), (false, false), (true, false)] {
            let shape = ProductShape { m, n, k, ta, tb };
            let mut best = serde_json::Map::new();
            for tile in Tile::ALL {
                if (tile == Tile::Thin) != (m.min(n) <= 32) {
                    continue;
                }
                let seconds = timed(&device, runs, || {
                    device.product_with(tile, [&a, &b], &c, shape, Overwrite, &scratch)
                })?;
                best.insert(format!("{tile:?}"), json!(operations / seconds / 1e12));
            }
            let seconds = timed(&device, runs, || {
                device.product([&a, &b], &c, shape, Overwrite, &scratch)
            })?;
            best.insert("chosen".into(), json!(operations / seconds / 1e12));
            let name = match (ta, tb) {
                (false, true) => "ab^T",
                (false, false) => "ab",
                _ => "a^Tb",
            };
            rows.push(json!({ "shape": [m, n, k], "form": name, "tflops": best }));
        }
    }
    let mut integers = Vec::new();
    for (m, n, k) in [(4096, 4096, 4096), (8192, 8192, 8192), (8192, 1536, 576)] {
        let bytes = |n: usize| -> Vec<i8> { (0..n).map(|i| (i * 37 % 255) as i8).collect() };
        let a = device.upload_i8(&bytes(m * k), m, k, false)?;
        let b = device.upload_i8(&bytes(n * k), n, k, false)?;
        let (scale_a, scale_b) = (device.upload(&draw(m))?, device.upload(&draw(n))?);
        let c = device.reserve(m * n)?;
        let seconds = timed(&device, runs, || {
            device.product_i8((&a, &scale_a), (&b, Some(&scale_b)), &c, Overwrite)
        })?;
        let operations = 2.0 * m as f64 * n as f64 * k as f64;
        integers.push(json!({ "shape": [m, n, k], "tops": operations / seconds / 1e12 }));
    }
    Ok(json!({ "device": device.name(), "f32": rows, "int8": integers }))
}

/// The median seconds of a run, over groups of runs that are waited for together.
#[cfg(feature = "cuda")]
fn timed(
    device: &assay_kernel::cuda::Device,
    runs: usize,
    work: impl Fn() -> Result<(), assay_kernel::cuda::DeviceError>,
) -> Result<f64, Box<dyn Error>> {
    work()?;
    device.wait()?;
    let mut seconds = Vec::new();
    for _ in 0..5 {
        let start = std::time::Instant::now();
        for _ in 0..runs {
            work()?;
        }
        device.wait()?;
        seconds.push(start.elapsed().as_secs_f64() / runs as f64);
    }
    seconds.sort_by(f64::total_cmp);
    Ok(seconds[2])
}
