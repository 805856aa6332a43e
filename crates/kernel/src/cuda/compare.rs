//! Every operator on the device against the processor, bit for bit.

mod elements;
mod products;
mod rows;

use super::device::Device;
use super::error::DeviceError;
use super::memory::DeviceSlice;
use crate::kernel::Kernel;
use crate::random::Stream;

/// An operator's name and a run of it on both sides.
type Operator = (&'static str, fn(&mut Run<'_>) -> Result<bool, DeviceError>);

const OPERATORS: [Operator; 18] = [
    ("product", products::product),
    ("rmsnorm", rows::rmsnorm),
    ("row_norms", rows::row_norms),
    ("rope", elements::rope),
    ("attention", products::attention),
    ("silu_mul", elements::silu_mul),
    ("cross_entropy", rows::cross_entropy),
    ("embedding", elements::embedding),
    ("embedding_backward", elements::embedding_backward),
    ("column_sums", rows::column_sums),
    ("sum", rows::sum),
    ("elementwise", elements::elementwise),
    ("dropout", elements::dropout),
    ("adamw", elements::adamw),
    ("clip_factor", elements::clip_factor),
    ("next_powers", elements::next_powers),
    ("find_fault", elements::find_fault),
    ("round_bf16", elements::round_bf16),
];

/// The operators that [`compare`] runs.
pub fn compared_operators() -> impl Iterator<Item = &'static str> {
    OPERATORS.into_iter().map(|(name, _)| name)
}

/// Runs every operator on the device and on the processor, on inputs and shapes drawn from a seed,
/// and compares all bits. What a node does before it trains on a device.
///
/// # Errors
/// [`DeviceError::WrongBits`] names the first operator that differs.
pub fn compare(kernel: &Kernel, device: &Device, seed: u64) -> Result<(), DeviceError> {
    let _turn = device.turn();
    for (index, (name, run)) in OPERATORS.into_iter().enumerate() {
        let stream = Stream::new(&[0x5a; 32], index as u32, seed);
        let mut inputs = Run {
            kernel,
            device,
            stream,
        };
        if !run(&mut inputs)? {
            return Err(DeviceError::WrongBits(name));
        }
    }
    Ok(())
}

struct Run<'a> {
    kernel: &'a Kernel,
    device: &'a Device,
    stream: Stream,
}

impl Run<'_> {
    /// A size from 1 on.
    fn size(&mut self, most: u32) -> usize {
        1 + self.stream.below(most) as usize
    }

    /// Values of many magnitudes, some of them subnormal or zero, with a copy on the device.
    fn values(&mut self, count: usize) -> Result<(Vec<f32>, DeviceSlice), DeviceError> {
        let draw = |stream: &mut Stream| match stream.below(64) {
            0 => 0.0,
            1 => -0.0,
            2 => stream.uniform(-1.0, 1.0) * 1e-39,
            3 => stream.uniform(-30.0, 30.0),
            _ => stream.uniform(-1.0, 1.0),
        };
        let values: Vec<f32> = (0..count).map(|_| draw(&mut self.stream)).collect();
        let there = self.device.upload(&values)?;
        Ok((values, there))
    }

    /// Memory for results, filled with something else.
    fn results(&self, count: usize) -> Result<(Vec<f32>, DeviceSlice), DeviceError> {
        let values = vec![f32::NAN; count];
        let there = self.device.upload(&values)?;
        Ok((values, there))
    }

    /// Whether values on the device have the bits of `wanted`.
    fn same(&self, wanted: &[f32], found: &DeviceSlice) -> Result<bool, DeviceError> {
        let mut values = vec![0.0_f32; wanted.len()];
        self.device.read(found, &mut values)?;
        let mut pairs = wanted.iter().zip(&values);
        Ok(pairs.all(|(a, b)| a.to_bits() == b.to_bits()))
    }
}
