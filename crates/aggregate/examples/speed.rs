//! Times rules. For `cargo xtask bench aggregate`.
//!
//! `... --example speed -- UPDATES COORDINATES SAMPLES RULE ...` prints a line `rule seconds` of processor
//! time a sample. Updates are standard normal, of 16 bits in steps of 2^-12, on `ASSAY_THREADS` threads; a tenth may
//! lie. `default` is what `Settings::default()` names.

use assay_aggregate::{Liars, Quantiser, Rows, Rule, Settings, aggregate};
use assay_crypto::Digest;
use assay_kernel::{Kernel, random::Stream};
use rustix::time::{ClockId, clock_gettime};

/// The processor time of this process, in seconds.
fn processor_time() -> f64 {
    let now = clock_gettime(ClockId::ProcessCPUTime);
    now.tv_sec as f64 + now.tv_nsec as f64 * 1e-9
}

fn settings(name: &str, updates: usize) -> Option<Settings> {
    let liars = Liars::Count((updates / 10).max(1) as u32);
    let rule = match name {
        "mean" => Rule::Mean,
        "median" => Rule::Median,
        "trimmed_mean" => Rule::TrimmedMean { liars },
        "krum" => Rule::Krum { liars },
        "bulyan" => Rule::Bulyan { liars },
        "geometric_median" => Rule::GeometricMedian { iterations: 8 },
        "default" => return Some(Settings::default()),
        _ => return None,
    };
    Some(Settings::rule(rule))
}

#[allow(clippy::print_stdout)]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |i: usize| {
        arguments
            .get(i)
            .and_then(|text| text.parse::<usize>().ok())
            .unwrap_or(1)
    };
    let (updates, coordinates, samples) = (number(0), number(1), number(2));
    let quantiser = Quantiser::new(16, 12)?;
    let seed = Digest::of("speed", &[]);
    let mut rows = Vec::new();
    for update in 0..updates as u64 {
        let mut stream = Stream::new(&seed.0, 0, update);
        let values: Vec<f32> = (0..coordinates).map(|_| stream.normal()).collect();
        rows.push(quantiser.quantise(&values, &seed, update)?);
    }
    let rows = Rows::new(&rows, quantiser.bits())?;
    let kernel = Kernel::detect()?;
    for name in arguments.iter().skip(3) {
        let settings = settings(name, updates).ok_or(format!("no rule {name}"))?;
        for _ in 0..samples {
            let start = processor_time();
            let outcome = aggregate(&kernel, &rows, &settings, &seed)?;
            println!("{name} {:.6}", processor_time() - start);
            assert!(outcome.update.len() == coordinates);
        }
    }
    Ok(())
}
