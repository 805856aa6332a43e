//! Sharing independent rows among the kernel's threads.

use std::ops::Range;

use rayon::prelude::*;

use crate::kernel::Kernel;

/// Work is counted in units of about a tenth of a nanosecond on a vector path; a thread is not
/// woken for less than this, ten microseconds.
const GRAIN: usize = 100_000;

/// One thread's share: some rows, and those rows of each output.
struct Share<'a, T, const N: usize> {
    rows: Range<usize>,
    outs: [&'a mut [T]; N],
}

impl Kernel {
    /// How many threads `work` units deserve.
    pub(crate) fn useful_threads(&self, work: usize) -> usize {
        (work / GRAIN).clamp(1, self.threads())
    }

    /// Calls `body` with every number below `tasks`, on the kernel's threads.
    pub(crate) fn for_each(&self, tasks: usize, body: impl Fn(usize) + Sync + Send) {
        if tasks == 1 || self.pool.is_none() {
            (0..tasks).for_each(body);
        } else {
            self.run(|| (0..tasks).into_par_iter().for_each(body));
        }
    }

    /// Calls `body` on disjoint ranges that cover `0..rows`, with the matching rows of each
    /// output; output n holds `widths[n]` values a row. `cost` is the work of one row.
    pub(crate) fn for_rows<T: Send, const N: usize>(
        &self,
        rows: usize,
        cost: usize,
        widths: [usize; N],
        outs: [&mut [T]; N],
        body: impl Fn(Range<usize>, [&mut [T]; N]) + Sync,
    ) {
        let pieces = self
            .useful_threads(rows.saturating_mul(cost))
            .min(rows.max(1));
        if pieces == 1 {
            return body(0..rows, outs);
        }
        let mut shares = Vec::with_capacity(pieces);
        let mut rest = outs;
        let mut start = 0;
        for piece in 0..pieces {
            let end = rows * (piece + 1) / pieces;
            let mut n = 0;
            let cut = rest.map(|out| {
                let pair = out.split_at_mut((end - start) * widths[n]);
                n += 1;
                pair
            });
            let mut heads = Vec::with_capacity(N);
            rest = cut.map(|(head, tail)| {
                heads.push(head);
                tail
            });
            let mut heads = heads.into_iter();
            let outs = std::array::from_fn(|_| heads.next().unwrap_or_default());
            shares.push(Share {
                rows: start..end,
                outs,
            });
            start = end;
        }
        self.run(|| {
            shares
                .into_par_iter()
                .for_each(|share| body(share.rows, share.outs))
        });
    }
}
