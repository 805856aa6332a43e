//! Operators on single elements, and lookups.

use super::device::Device;
use super::error::DeviceError;
use super::launch::{Threads, arguments, expect_len, int};
use super::memory::DeviceSlice;

/// Settings of AdamW whose learning rate and running powers lie on the device.
#[derive(Clone, Copy, Debug)]
pub struct DeviceAdamW<'a> {
    /// Decay of the first moment.
    pub beta1: f32,
    /// Decay of the second moment.
    pub beta2: f32,
    /// Added to the root of the second moment.
    pub eps: f32,
    /// Decoupled weight decay.
    pub weight_decay: f32,
    /// `beta1^t` and `beta2^t`.
    pub powers: &'a DeviceSlice,
    /// The learning rate.
    pub rate: &'a DeviceSlice,
}

/// Which mask of a step dropout draws; the stream's index is `step * slots + slot`.
#[derive(Clone, Copy, Debug)]
pub struct Mask {
    /// The stream's purpose.
    pub purpose: u32,
    /// This mask.
    pub slot: u32,
    /// Masks of a step.
    pub slots: u32,
}

impl Device {
    /// `out_t = table[ids_t]`, rows of `width` values; the caller has checked the ids.
    ///
    /// # Errors
    /// When the driver refuses, as for all operators here.
    ///
    /// # Panics
    /// If the lengths disagree, as all operators here.
    pub fn embedding(
        &self,
        table: &DeviceSlice,
        ids: &DeviceSlice,
        width: usize,
        out: &DeviceSlice,
    ) -> Result<(), DeviceError> {
        expect_len("out", out.len(), ids.len() * width);
        let n = int(out.len());
        let threads = self.elements(out.len());
        self.launch(
            "embedding",
            threads,
            arguments![table, ids, out, n, int(width)],
        )
    }

    /// [`Kernel::embedding_backward`](crate::Kernel::embedding_backward).
    ///
    /// # Errors
    /// When the driver refuses.
    pub fn embedding_backward(
        &self,
        gradient: &DeviceSlice,
        ids: &DeviceSlice,
        width: usize,
        table: &DeviceSlice,
    ) -> Result<(), DeviceError> {
        expect_len("gradient", gradient.len(), ids.len() * width);
        self.clear(table)?;
        let threads = Threads::new([ids.len() as u32, 1, 1], [256, 1]);
        let (positions, width) = (int(ids.len()), int(width));
        self.launch(
            "embedding_backward",
            threads,
            arguments![gradient, ids, table, positions, width],
        )
    }

    /// `x = x + bias` on every row.
    ///
    /// # Errors
    /// When the driver refuses.
    pub fn add_bias(&self, x: &DeviceSlice, bias: &DeviceSlice) -> Result<(), DeviceError> {
        let (n, width) = (int(x.len()), int(bias.len()));
        self.launch(
            "add_bias",
            self.elements(x.len()),
            arguments![x, bias, n, width],
        )
    }

    /// `a = a + b`.
    ///
    /// # Errors
    /// When the driver refuses.
    pub fn add_assign(&self, a: &DeviceSlice, b: &DeviceSlice) -> Result<(), DeviceError> {
        expect_len("b", b.len(), a.len());
        self.launch(
            "add_assign",
            self.elements(a.len()),
            arguments![a, b, int(a.len())],
        )
    }

    /// `out = a / b`.
    ///
    /// # Errors
    /// When the driver refuses.
    pub fn divide(
        &self,
        a: &DeviceSlice,
        b: &DeviceSlice,
        out: &DeviceSlice,
    ) -> Result<(), DeviceError> {
        expect_len("a", a.len(), out.len());
        expect_len("b", b.len(), out.len());
        let n = int(out.len());
        self.launch("divide", self.elements(out.len()), arguments![a, b, out, n])
    }

    /// `x = x * factor`.
    ///
    /// # Errors
    /// When the driver refuses.
    pub fn scale(&self, x: &DeviceSlice, factor: f32) -> Result<(), DeviceError> {
        self.launch(
            "scale",
            self.elements(x.len()),
            arguments![x, factor, int(x.len())],
        )
    }

    /// `x = x * factor`, a value on the device.
    ///
    /// # Errors
    /// When the driver refuses.
    pub fn scale_by(&self, x: &DeviceSlice, factor: &DeviceSlice) -> Result<(), DeviceError> {
        expect_len("factor", factor.len(), 1);
        self.launch(
            "scale_by",
            self.elements(x.len()),
            arguments![x, factor, int(x.len())],
        )
    }

    /// `out_rj = x_rj * factors_j`.
    ///
    /// # Errors
    /// When the driver refuses.
    pub fn scale_columns(
        &self,
        x: &DeviceSlice,
        factors: &DeviceSlice,
        out: &DeviceSlice,
    ) -> Result<(), DeviceError> {
        expect_len("x", x.len(), out.len());
        let (n, width) = (int(x.len()), int(factors.len()));
        self.launch(
            "scale_columns",
            self.elements(x.len()),
            arguments![x, factors, out, n, width],
        )
    }

    /// [`Kernel::round_bf16`](crate::Kernel::round_bf16).
    ///
    /// # Errors
    /// When the driver refuses.
    pub fn round_bf16(&self, x: &DeviceSlice, out: &DeviceSlice) -> Result<(), DeviceError> {
        expect_len("x", x.len(), out.len());
        self.launch(
            "round_bf16",
            self.elements(x.len()),
            arguments![x, out, int(x.len())],
        )
    }

    /// [`Kernel::rope`](crate::Kernel::rope), with tables of `[seq, half]`.
    ///
    /// # Errors
    /// When the driver refuses.
    pub fn rope(
        &self,
        x: &DeviceSlice,
        cosines: &DeviceSlice,
        sines: &DeviceSlice,
        heads: usize,
        half: usize,
        inverse: bool,
    ) -> Result<(), DeviceError> {
        let seq = cosines.len().checked_div(half).unwrap_or(0);
        expect_len("cosines", cosines.len(), seq * half);
        expect_len("sines", sines.len(), seq * half);
        let (pairs, width) = (x.len() / 2, heads * half);
        assert!(
            width > 0 && seq > 0 && pairs.is_multiple_of(width * seq) && x.len() == 2 * pairs,
            "{} values are no whole sequences of {seq}",
            x.len()
        );
        let (n, heads, half, seq) = (int(pairs), int(heads), int(half), int(seq));
        self.launch(
            "rope",
            self.elements(pairs),
            arguments![x, cosines, sines, n, heads, half, seq, inverse],
        )
    }

    /// `out = (gate * sigmoid(gate)) * up`.
    ///
    /// # Errors
    /// When the driver refuses.
    pub fn silu_mul(
        &self,
        gate: &DeviceSlice,
        up: &DeviceSlice,
        out: &DeviceSlice,
    ) -> Result<(), DeviceError> {
        expect_len("gate", gate.len(), out.len());
        expect_len("up", up.len(), out.len());
        let n = int(out.len());
        self.launch(
            "silu_mul",
            self.elements(out.len()),
            arguments![gate, up, out, n],
        )
    }

    /// [`Kernel::silu_mul_backward`](crate::Kernel::silu_mul_backward).
    ///
    /// # Errors
    /// When the driver refuses.
    pub fn silu_mul_backward(
        &self,
        dout: &DeviceSlice,
        gate: &DeviceSlice,
        up: &DeviceSlice,
        dgate: &DeviceSlice,
        dup: &DeviceSlice,
    ) -> Result<(), DeviceError> {
        for (name, slice) in [("gate", gate), ("up", up), ("dgate", dgate), ("dup", dup)] {
            expect_len(name, slice.len(), dout.len());
        }
        self.launch(
            "silu_mul_backward",
            self.elements(dout.len()),
            arguments![dout, gate, up, dgate, dup, int(dout.len())],
        )
    }

    /// [`clip_factor`](crate::clip_factor).
    ///
    /// # Errors
    /// When the driver refuses.
    pub fn clip_factor(
        &self,
        squares: &DeviceSlice,
        max_norm: f32,
        out: &DeviceSlice,
    ) -> Result<(), DeviceError> {
        expect_len("squares", squares.len(), 1);
        expect_len("out", out.len(), 1);
        let one = Threads::new([1; 3], [1, 1]);
        self.launch("clip_factor", one, arguments![squares, out, max_norm])
    }

    /// [`BiasPowers::next`](crate::BiasPowers::next) in place.
    ///
    /// # Errors
    /// When the driver refuses.
    pub fn next_powers(
        &self,
        powers: &DeviceSlice,
        beta1: f32,
        beta2: f32,
    ) -> Result<(), DeviceError> {
        expect_len("powers", powers.len(), 2);
        let one = Threads::new([1; 3], [1, 1]);
        self.launch("next_powers", one, arguments![powers, beta1, beta2])
    }

    /// [`Kernel::adamw`](crate::Kernel::adamw).
    ///
    /// # Errors
    /// When the driver refuses.
    pub fn adamw(
        &self,
        param: &DeviceSlice,
        gradient: &DeviceSlice,
        first: &DeviceSlice,
        second: &DeviceSlice,
        settings: &DeviceAdamW<'_>,
    ) -> Result<(), DeviceError> {
        for (name, slice) in [("gradient", gradient), ("first", first), ("second", second)] {
            expect_len(name, slice.len(), param.len());
        }
        expect_len("powers", settings.powers.len(), 2);
        expect_len("rate", settings.rate.len(), 1);
        let DeviceAdamW {
            beta1,
            beta2,
            eps,
            weight_decay,
            powers,
            rate,
        } = *settings;
        let n = int(param.len());
        self.launch(
            "adamw",
            self.elements(param.len()),
            arguments![
                param,
                gradient,
                first,
                second,
                powers,
                rate,
                beta1,
                beta2,
                eps,
                weight_decay,
                n
            ],
        )
    }

    /// [`Kernel::dropout`](crate::Kernel::dropout). `noise` holds the key's eight words, little-endian,
    /// and the step's two, the low one first.
    ///
    /// # Errors
    /// When the driver refuses.
    pub fn dropout(
        &self,
        x: &DeviceSlice,
        noise: &DeviceSlice,
        mask: Mask,
        p: f32,
        out: &DeviceSlice,
    ) -> Result<(), DeviceError> {
        expect_len("noise", noise.len(), 10);
        expect_len("out", out.len(), x.len());
        assert!(
            (0.0..1.0).contains(&p),
            "a dropout probability of {p} does not lie in 0.0..1.0"
        );
        let threshold = (f64::from(p) * 4_294_967_296.0) as u32;
        let factor = 1.0 / (1.0 - p);
        let Mask {
            purpose,
            slot,
            slots,
        } = mask;
        let n = int(x.len());
        self.launch(
            "dropout",
            self.elements(x.len().div_ceil(16)),
            arguments![x, noise, purpose, slot, slots, threshold, factor, out, n],
        )
    }

    /// Sets the word `flag` to 1 if a value is NaN or infinite.
    ///
    /// # Errors
    /// When the driver refuses.
    pub fn find_fault(&self, x: &DeviceSlice, flag: &DeviceSlice) -> Result<(), DeviceError> {
        expect_len("flag", flag.len(), 1);
        self.launch(
            "find_fault",
            self.elements(x.len()),
            arguments![x, flag, int(x.len())],
        )
    }
}
