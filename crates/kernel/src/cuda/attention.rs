//! Causal attention.

use super::device::Device;
use super::error::DeviceError;
use super::launch::{Argument, Threads, arguments, expect_len, int};
use super::memory::DeviceSlice;
use crate::shape::AttentionShape;

/// Rows and columns of a tile.
const SIDE: usize = 64;

impl Device {
    /// [`Kernel::attention`](crate::Kernel::attention).
    ///
    /// # Errors
    /// When the driver refuses.
    ///
    /// # Panics
    /// If the lengths disagree.
    #[allow(clippy::too_many_arguments)]
    pub fn attention(
        &self,
        q: &DeviceSlice,
        k: &DeviceSlice,
        v: &DeviceSlice,
        shape: AttentionShape,
        scale: f32,
        out: &DeviceSlice,
        probs: &DeviceSlice,
    ) -> Result<(), DeviceError> {
        expect_len("q", q.len(), shape.query_len());
        expect_len("k", k.len(), shape.key_len());
        expect_len("v", v.len(), shape.key_len());
        expect_len("out", out.len(), shape.query_len());
        expect_len("probs", probs.len(), shape.probs_len());
        self.scores(q, k, probs, shape, Some(scale))?;
        let rows = shape.batch * shape.heads * shape.seq;
        let sizes = arguments![probs, int(rows), int(shape.seq)];
        self.launch("causal_softmax", Threads::warps(rows), sizes)?;
        self.rows(probs, v, out, shape)
    }

    /// [`Kernel::attention_backward`](crate::Kernel::attention_backward); `scratch` is as large as
    /// the probabilities.
    ///
    /// # Errors
    /// When the driver refuses.
    ///
    /// # Panics
    /// If the lengths disagree.
    #[allow(clippy::too_many_arguments)]
    pub fn attention_backward(
        &self,
        dout: &DeviceSlice,
        q: &DeviceSlice,
        k: &DeviceSlice,
        v: &DeviceSlice,
        probs: &DeviceSlice,
        shape: AttentionShape,
        scale: f32,
        scratch: &DeviceSlice,
        dq: &DeviceSlice,
        dk: &DeviceSlice,
        dv: &DeviceSlice,
    ) -> Result<(), DeviceError> {
        for (name, slice) in [("dout", dout), ("q", q), ("dq", dq)] {
            expect_len(name, slice.len(), shape.query_len());
        }
        for (name, slice) in [("k", k), ("v", v), ("dk", dk), ("dv", dv)] {
            expect_len(name, slice.len(), shape.key_len());
        }
        expect_len("probs", probs.len(), shape.probs_len());
        expect_len("scratch", scratch.len(), shape.probs_len());
        self.scores(dout, v, scratch, shape, None)?;
        let rows = shape.batch * shape.heads * shape.seq;
        self.launch(
            "causal_score_gradient",
            Threads::warps(rows),
            arguments![probs, scratch, scale, int(rows), int(shape.seq)],
        )?;
        self.rows(scratch, k, dq, shape)?;
        self.columns(scratch, q, dk, shape)?;
        self.columns(probs, dout, dv, shape)
    }

    fn scores(
        &self,
        x: &DeviceSlice,
        y: &DeviceSlice,
        map: &DeviceSlice,
        shape: AttentionShape,
        scale: Option<f32>,
    ) -> Result<(), DeviceError> {
        let tiles = shape.seq.div_ceil(SIDE);
        let threads = grid([tiles, tiles, shape.batch * shape.heads]);
        let [seq, heads, kv_heads, dim] = sizes(shape);
        let (factor, scaled) = (scale.unwrap_or(1.0), scale.is_some());
        self.launch(
            "attention_scores",
            threads,
            arguments![x, y, map, factor, scaled, seq, heads, kv_heads, dim],
        )
    }

    fn rows(
        &self,
        map: &DeviceSlice,
        y: &DeviceSlice,
        out: &DeviceSlice,
        shape: AttentionShape,
    ) -> Result<(), DeviceError> {
        let across = shape.head_dim.div_ceil(SIDE);
        let threads = grid([across, shape.seq.div_ceil(SIDE), shape.batch * shape.heads]);
        self.launch("attention_rows", threads, &with_sizes([map, y, out], shape))
    }

    fn columns(
        &self,
        map: &DeviceSlice,
        x: &DeviceSlice,
        out: &DeviceSlice,
        shape: AttentionShape,
    ) -> Result<(), DeviceError> {
        let across = shape.head_dim.div_ceil(SIDE);
        let threads = grid([
            across,
            shape.seq.div_ceil(SIDE),
            shape.batch * shape.kv_heads,
        ]);
        self.launch(
            "attention_columns",
            threads,
            &with_sizes([map, x, out], shape),
        )
    }
}

/// A block of threads for each tile of each head.
fn grid(tiles: [usize; 3]) -> Threads {
    Threads::new(tiles.map(|n| int(n) as u32), [256, 1])
}

fn sizes(shape: AttentionShape) -> [i32; 4] {
    [shape.seq, shape.heads, shape.kv_heads, shape.head_dim].map(int)
}

fn with_sizes(slices: [&DeviceSlice; 3], shape: AttentionShape) -> Vec<Argument> {
    let slices = slices.into_iter().map(Argument::from);
    slices.chain(sizes(shape).map(Argument::from)).collect()
}
