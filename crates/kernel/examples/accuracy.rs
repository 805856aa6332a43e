//! Prints the error of every elementary function over all 2^32 values, in units in the last place
//! of the true value, which f64 arithmetic gives. About two minutes on two cores.
//!
//! `cargo run --release -p assay-kernel --example accuracy`

use std::sync::atomic::{AtomicU32, Ordering};

use assay_kernel::{ConfigError, Function, Isa, Kernel};

/// The worst error of a range, and where.
#[derive(Clone, Copy, Default)]
struct Worst {
    error: f64,
    at: f32,
}

impl Worst {
    fn take(&mut self, error: f64, at: f32) {
        if error > self.error {
            *self = Self { error, at };
        }
    }

    fn merge(&mut self, other: Self) {
        self.take(other.error, other.at);
    }
}

/// What one function does wrong.
#[derive(Clone, Copy, Default)]
struct Row {
    /// In units in the last place, inside the range.
    inside: Worst,
    /// As a difference, outside of it.
    outside: Worst,
    /// Values whose result is infinite or no number although the true one is finite.
    lost: u64,
}

/// The true value.
fn exact(function: Function, x: f64) -> f64 {
    let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
    match function {
        Function::Exp => x.exp(),
        Function::Log => x.ln(),
        Function::Sigmoid => sigmoid(x),
        Function::Silu => x * sigmoid(x),
        Function::Tanh => x.tanh(),
        Function::Gelu => {
            let root = 1.595_769_121_605_730_7;
            x * sigmoid(root * (x + 0.044715 * x * x * x))
        }
    }
}

/// Where the specification promises a small relative error: outside, it returns 0 or infinity
/// early.
fn range(function: Function) -> (f32, f32) {
    match function {
        Function::Exp => (-87.0, 88.0),
        Function::Sigmoid | Function::Silu => (-87.0, f32::MAX),
        Function::Gelu => (-5.0, f32::MAX),
        Function::Log => (0.0, f32::MAX),
        Function::Tanh => (f32::MIN, f32::MAX),
    }
}

/// The unit in the last place of the binade that holds `x`.
fn unit(x: f64) -> f64 {
    let exponent = ((x.to_bits() >> 52 & 0x7ff) as i32 - 1023).clamp(-126, 127);
    f64::from_bits(((exponent - 23 + 1023) as u64) << 52)
}

fn measure(kernel: &Kernel, function: Function, first: u32, rows: &mut Row) {
    let x: Vec<f32> = (0..1u32 << 16).map(|i| f32::from_bits(first | i)).collect();
    let mut y = vec![0.0; x.len()];
    kernel.apply(function, &x, &mut y);
    let (low, high) = range(function);
    for (x, y) in x.iter().zip(y).filter(|(x, _)| x.is_finite()) {
        let wanted = exact(function, f64::from(*x));
        if !wanted.is_finite() || wanted.abs() > f64::from(f32::MAX) {
            continue;
        }
        if !y.is_finite() {
            rows.lost += 1;
            continue;
        }
        let error = (f64::from(y) - wanted).abs();
        if (low..=high).contains(x) {
            rows.inside.take(error / unit(wanted), *x);
        } else {
            rows.outside.take(error, *x);
        }
    }
}

#[allow(clippy::print_stdout)]
fn main() -> Result<(), ConfigError> {
    let best = Isa::ALL.into_iter().rev().find(|isa| isa.is_available());
    let kernel = Kernel::new(best.unwrap_or(Isa::Scalar), 1)?;
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    println!("function   within              max ulp at             outside: error at  not finite");
    for function in Function::ALL {
        let next = AtomicU32::new(0);
        let work = || {
            let mut row = Row::default();
            loop {
                let chunk = next.fetch_add(1, Ordering::Relaxed);
                if chunk >= 1 << 16 {
                    return row;
                }
                measure(&kernel, function, chunk << 16, &mut row);
            }
        };
        let mut row = Row::default();
        std::thread::scope(|scope| {
            let parts: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
            for part in parts.into_iter().filter_map(|part| part.join().ok()) {
                row.inside.merge(part.inside);
                row.outside.merge(part.outside);
                row.lost += part.lost;
            }
        });
        let (low, high) = range(function);
        println!(
            "{:<9} [{low:>8.1e}, {high:>7.1e}] {:>8.3} {:>14.7e}   {:>9.2e} {:>11.4e} {:>9}",
            format!("{function:?}"),
            row.inside.error,
            row.inside.at,
            row.outside.error,
            row.outside.at,
            row.lost
        );
    }
    Ok(())
}
