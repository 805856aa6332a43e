//! How a tensor's numbers are stored, and what f32 values they stand for.
//!
//! Each formula is written in f32 operations in the order of `docs/gguf.md`. Products are exact
//! (an f16 scale has 11 significant bits, the integers at most 13 between them), so a value is
//! rounded at most once, where a minimum is added or taken away.

use gguf_rs_lib::format::GGUFTensorType;
use half::{bf16, f16};

/// Values in a super-block of the K quantisations.
const SUPER: usize = 256;

/// A storage type of GGUF tensors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quant {
    /// 32-bit floats.
    F32,
    /// 16-bit floats.
    F16,
    /// The upper halves of 32-bit floats.
    Bf16,
    /// 32 signed bytes and their scale.
    Q8_0,
    /// 32 values of 4 bits around zero and their scale.
    Q4_0,
    /// 32 values of 4 bits, their scale and their minimum.
    Q4_1,
    /// 32 values of 5 bits around zero and their scale.
    Q5_0,
    /// 32 values of 5 bits, their scale and their minimum.
    Q5_1,
    /// 8 groups of 32 values of 4 bits, each with a scale and a minimum of 6 bits.
    Q4K,
    /// 8 groups of 32 values of 5 bits, each with a scale and a minimum of 6 bits.
    Q5K,
    /// 16 groups of 16 values of 6 bits around zero, each with a scale of 8 bits.
    Q6K,
}

impl Quant {
    /// Every type that is read.
    pub const ALL: [Self; 11] = [
        Self::F32,
        Self::F16,
        Self::Bf16,
        Self::Q8_0,
        Self::Q4_0,
        Self::Q4_1,
        Self::Q5_0,
        Self::Q5_1,
        Self::Q4K,
        Self::Q5K,
        Self::Q6K,
    ];

    pub(super) fn of(kind: GGUFTensorType) -> Option<Self> {
        Self::ALL.into_iter().find(|q| q.name() == kind.name())
    }

    /// Its name in llama.cpp.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "F32",
            Self::F16 => "F16",
            Self::Bf16 => "BF16",
            Self::Q8_0 => "Q8_0",
            Self::Q4_0 => "Q4_0",
            Self::Q4_1 => "Q4_1",
            Self::Q5_0 => "Q5_0",
            Self::Q5_1 => "Q5_1",
            Self::Q4K => "Q4_K",
            Self::Q5K => "Q5_K",
            Self::Q6K => "Q6_K",
        }
    }

    pub(super) fn names() -> String {
        Self::ALL.map(Self::name).join(", ")
    }

    /// Values in a block.
    pub fn block_values(self) -> usize {
        match self {
            Self::F32 | Self::F16 | Self::Bf16 => 1,
            Self::Q8_0 | Self::Q4_0 | Self::Q4_1 | Self::Q5_0 | Self::Q5_1 => 32,
            Self::Q4K | Self::Q5K | Self::Q6K => SUPER,
        }
    }

    /// Bytes of a block.
    pub fn block_bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
            Self::Q8_0 => 34,
            Self::Q4_0 => 18,
            Self::Q4_1 => 20,
            Self::Q5_0 => 22,
            Self::Q5_1 => 24,
            Self::Q4K => 144,
            Self::Q5K => 176,
            Self::Q6K => 210,
        }
    }

    /// Writes the values that `bytes` stand for into `out`: whole blocks, as many as both hold.
    pub(super) fn dequantise(self, bytes: &[u8], out: &mut [f32]) {
        let blocks = bytes.chunks_exact(self.block_bytes());
        for (block, out) in blocks.zip(out.chunks_exact_mut(self.block_values())) {
            match self {
                Self::F32 => out[0] = f32::from_le_bytes([block[0], block[1], block[2], block[3]]),
                Self::F16 => out[0] = half(block, 0),
                Self::Bf16 => out[0] = bf16::from_le_bytes([block[0], block[1]]).to_f32(),
                Self::Q8_0 => q8_0(block, out),
                Self::Q4_0 => small(half(block, 0), Shift::Centre(8), 0, &block[2..], out),
                Self::Q4_1 => {
                    let minimum = Shift::Minimum(half(block, 2));
                    small(half(block, 0), minimum, 0, &block[4..], out);
                }
                Self::Q5_0 => {
                    let high = word(block, 2);
                    small(half(block, 0), Shift::Centre(16), high, &block[6..], out);
                }
                Self::Q5_1 => {
                    let (minimum, high) = (Shift::Minimum(half(block, 2)), word(block, 4));
                    small(half(block, 0), minimum, high, &block[8..], out);
                }
                Self::Q4K => super_block(block, &[0; 32], &block[16..], out),
                Self::Q5K => super_block(block, &block[16..48], &block[48..], out),
                Self::Q6K => q6_k(block, out),
            }
        }
    }
}

/// Where zero lies among the integers of a block.
#[derive(Clone, Copy)]
enum Shift {
    /// At this integer.
    Centre(i32),
    /// Below them: this is the value of integer 0.
    Minimum(f32),
}

fn half(block: &[u8], at: usize) -> f32 {
    f16::from_le_bytes([block[at], block[at + 1]]).to_f32()
}

fn word(block: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([block[at], block[at + 1], block[at + 2], block[at + 3]])
}

fn q8_0(block: &[u8], out: &mut [f32]) {
    let scale = half(block, 0);
    for (value, byte) in out.iter_mut().zip(&block[2..]) {
        *value = scale * f32::from(*byte as i8);
    }
}

/// Blocks of 32 values: the lower halves of 16 bytes, then the upper ones; bit i of `high` is the
/// fifth bit of value i.
fn small(scale: f32, shift: Shift, high: u32, nibbles: &[u8], out: &mut [f32]) {
    for (i, value) in out.iter_mut().enumerate() {
        let byte = nibbles[i % 16];
        let low = if i < 16 { byte & 15 } else { byte >> 4 };
        let q = i32::from(low) + 16 * ((high >> i) & 1) as i32;
        *value = match shift {
            Shift::Centre(centre) => scale * (q - centre) as f32,
            Shift::Minimum(minimum) => scale * q as f32 + minimum,
        };
    }
}

/// Q4_K and Q5_K: 8 groups of 32; two neighbouring groups share 32 bytes of nibbles; bit g of
/// `high[i]` is the fifth bit of value i of group g.
fn super_block(block: &[u8], high: &[u8], nibbles: &[u8], out: &mut [f32]) {
    let (scale, minimum, packed) = (half(block, 0), half(block, 2), &block[4..16]);
    for (group, out) in out.chunks_exact_mut(32).enumerate() {
        let (s, m) = six_bits(packed, group);
        let (scale, minimum) = (scale * f32::from(s), minimum * f32::from(m));
        let bytes = &nibbles[32 * (group / 2)..][..32];
        for ((value, byte), high) in out.iter_mut().zip(bytes).zip(high) {
            let low = if group % 2 == 0 { byte & 15 } else { byte >> 4 };
            let q = low + 16 * ((high >> group) & 1);
            *value = scale * f32::from(q) - minimum;
        }
    }
}

/// Scale and minimum of a group: the lower six bits of bytes 0..4 and 4..8 for groups 0..4; for
/// the others a half of bytes 8..12 below the upper two bits of those.
fn six_bits(packed: &[u8], group: usize) -> (u8, u8) {
    match group {
        0..4 => (packed[group] & 63, packed[group + 4] & 63),
        _ => {
            let (low, high) = (packed[group + 4], (packed[group - 4], packed[group]));
            (
                (low & 15) | ((high.0 >> 6) << 4),
                (low >> 4) | ((high.1 >> 6) << 4),
            )
        }
    }
}

/// Halves of 128 values: each of their quarters of 32 takes four bits from 64 bytes of nibbles
/// and two from 32 bytes.
fn q6_k(block: &[u8], out: &mut [f32]) {
    let (nibbles, pairs, scales) = (&block[..128], &block[128..192], &block[192..208]);
    let scale = half(block, 208);
    for (i, value) in out.iter_mut().enumerate() {
        let (part, quarter, l) = (i / 128, i % 128 / 32, i % 32);
        let byte = nibbles[64 * part + 32 * (quarter % 2) + l];
        let low = if quarter < 2 { byte & 15 } else { byte >> 4 };
        let high = (pairs[32 * part + l] >> (2 * quarter)) & 3;
        let q = i32::from(low | (high << 4)) - 32;
        *value = (scale * f32::from(scales[i / 16] as i8)) * q as f32;
    }
}
