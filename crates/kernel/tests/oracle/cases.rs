//! The cases of `oracle/main.c`, computed by our kernels.

#[path = "small.rs"]
mod small;

use assay_kernel::random::Stream;
use assay_kernel::{
    AdamW, AttentionShape, BiasPowers, Function, IGNORE, Kernel, MatMut, MatRef, Store, clip_factor,
};

/// A case and the bits of its values.
type Case = (&'static str, fn(&Kernel) -> Vec<u32>);

pub(super) const CASES: [Case; 29] = [
    ("inputs", |_| bits(&tensor(0, 1000))),
    ("random", |_| random()),
    ("exp", |k| sweep(k, Function::Exp)),
    ("log", |k| sweep(k, Function::Log)),
    ("sigmoid", |k| sweep(k, Function::Sigmoid)),
    ("silu", |k| sweep(k, Function::Silu)),
    ("tanh", |k| sweep(k, Function::Tanh)),
    ("gelu", |k| sweep(k, Function::Gelu)),
    ("function_gradients", function_gradients),
    ("gemm", gemm),
    ("rmsnorm", |k| [norms(k, 5, 77), norms(k, 300, 33)].concat()),
    ("rope", rope),
    ("attention", attention),
    ("attention_cached", attention_cached),
    ("silu_mul", silu_mul),
    ("softmax", softmax),
    ("embedding", embedding),
    ("columns", columns),
    ("elementwise", elementwise),
    ("dropout", dropout),
    ("clip_factor", |_| clip()),
    ("sums", sums),
    ("adamw", adamw),
    ("round_bf16", round_bf16),
    ("quantize_rows", quantize_rows),
    ("product_i8", product_i8),
    ("relu", small::relu),
    ("sgd", small::sgd),
    ("images", small::images),
];

/// NaN payloads are outside the specification.
fn bits(values: &[f32]) -> Vec<u32> {
    let one = |x: &f32| if x.is_nan() { 0x7fc0_0000 } else { x.to_bits() };
    values.iter().map(one).collect()
}

fn value(tensor: u32, i: usize) -> f32 {
    let mut z = (u64::from(tensor) << 32 | i as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^= z >> 31;
    let odd = 2 * (z >> 40) as i32 + 1 - (1 << 24);
    odd as f32 / 16_777_216.0 * (f32::from(1u8 << (z & 7)) / 16.0)
}

fn tensor(number: u32, n: usize) -> Vec<f32> {
    (0..n).map(|i| value(number, i)).collect()
}

fn random() -> Vec<u32> {
    let key = std::array::from_fn(|i| (7 * i + 1) as u8);
    let mut s = Stream::new(&key, 2, 3 << 33 | 5);
    let mut out = Vec::new();
    for _ in 0..10 {
        let word = s.next_u64();
        out.extend([word as u32, (word >> 32) as u32]);
    }
    for limit in [1, 3, 1000, 0x8000_0001] {
        out.extend((0..20).map(|_| s.below(limit)));
    }
    out.extend((0..1000).map(|_| s.uniform(-1.0, 2.0).to_bits()));
    out.extend((0..5000).map(|_| s.normal().to_bits()));
    out.extend(s.permutation(100));
    out
}

fn sweep(k: &Kernel, function: Function) -> Vec<u32> {
    let patterns = (0..4088).map(|i| f32::from_bits(i * 1_050_625));
    let mut x: Vec<f32> = patterns.filter(|x| !x.is_nan()).collect();
    x.extend(tensor(1, 3000));
    let mut out = vec![9.0; x.len()];
    k.apply(function, &x, &mut out);
    bits(&out)
}

fn function_gradients(k: &Kernel) -> Vec<u32> {
    let (dy, x) = (tensor(2, 2000), tensor(3, 2000));
    let one = |function| {
        let mut dx = vec![9.0; 2000];
        k.apply_backward(function, &dy, &x, &mut dx);
        bits(&dx)
    };
    Function::ALL.into_iter().flat_map(one).collect()
}

fn gemm(k: &Kernel) -> Vec<u32> {
    let mut out = Vec::new();
    for (m, n, depth) in [
        (1, 1, 1),
        (7, 33, 257),
        (13, 40, 600),
        (3, 2, 0),
        (40, 5, 30),
    ] {
        let (a, b) = (tensor(4, m * depth), tensor(5, depth * n));
        let left = [
            MatRef::row_major(&a, m, depth),
            MatRef::row_major(&a, depth, m).t(),
        ];
        let right = [
            MatRef::row_major(&b, depth, n),
            MatRef::row_major(&b, n, depth).t(),
        ];
        for (a, b) in right.into_iter().flat_map(|b| left.map(|a| (a, b))) {
            for store in [Store::Overwrite, Store::Accumulate] {
                let (mut c, mut packed) = (tensor(6, m * n), tensor(6, m * n));
                k.gemm(a, b, &mut MatMut::row_major(&mut c, m, n), store);
                let to = &mut MatMut::row_major(&mut packed, m, n);
                k.gemm_packed(a, &k.pack(b), to, store);
                assert!(bits(&c) == bits(&packed), "packing changes a bit");
                out.extend(bits(&c));
            }
        }
    }
    out
}

fn norms(k: &Kernel, rows: usize, cols: usize) -> Vec<u32> {
    let n = rows * cols;
    let (x, w, dy) = (tensor(7, n), tensor(8, cols), tensor(9, n));
    let (mut out, mut inv) = (vec![9.0; n], vec![9.0; rows]);
    k.rmsnorm(&x, &w, 1e-5, &mut out, &mut inv);
    let (mut dx, mut dw) = (vec![9.0; n], vec![9.0; cols]);
    k.rmsnorm_backward(&dy, &x, &w, &inv, &mut dx, Some(&mut dw));
    bits(&[out, inv, dx, dw].concat())
}

fn rope(k: &Kernel) -> Vec<u32> {
    let (batch, seq, heads, dim) = (2, 9, 3, 22);
    let (cos, sin) = (tensor(10, seq * dim / 2), tensor(11, seq * dim / 2));
    let turn = |inverse| {
        let mut x = tensor(12, batch * seq * heads * dim);
        k.rope(&mut x, &cos, &sin, seq, heads, dim, inverse);
        bits(&x)
    };
    [turn(false), turn(true)].concat()
}

fn shape(batch: usize, seq: usize, heads: usize, kv_heads: usize, dim: usize) -> AttentionShape {
    AttentionShape {
        batch,
        seq,
        heads,
        kv_heads,
        head_dim: dim,
    }
}

fn attention(k: &Kernel) -> Vec<u32> {
    let mut all = Vec::new();
    for s in [
        shape(2, 37, 4, 2, 20),
        shape(1, 270, 2, 1, 5),
        shape(1, 9, 1, 1, 300),
    ] {
        let (queries, positions) = (s.query_len(), s.key_len());
        let (q, keys, v) = (
            tensor(13, queries),
            tensor(14, positions),
            tensor(15, positions),
        );
        let (mut out, mut probs) = (vec![9.0; queries], vec![9.0; s.probs_len()]);
        k.attention(&q, &keys, &v, s, 0.125, &mut out, &mut probs);
        let (mut dq, mut dk, mut dv) = (
            vec![9.0; queries],
            vec![9.0; positions],
            vec![9.0; positions],
        );
        let dout = tensor(16, queries);
        k.attention_backward(
            &dout, &q, &keys, &v, &probs, s, 0.125, &mut dq, &mut dk, &mut dv,
        );
        all.extend(bits(&[out, probs, dq, dk, dv].concat()));
    }
    all
}

fn attention_cached(k: &Kernel) -> Vec<u32> {
    let mut all = Vec::new();
    for (past, seq) in [(0, 5), (37, 1), (254, 4)] {
        let s = shape(1, seq, 6, 2, 20);
        let positions = (past + seq) * s.kv_heads * s.head_dim;
        let (keys, v) = (tensor(18, positions), tensor(19, positions));
        let mut out = vec![9.0; s.query_len()];
        let q = tensor(17, s.query_len());
        k.attention_cached(&q, &keys, &v, s, past, 0.125, &mut out);
        all.extend(bits(&out));
    }
    all
}

fn silu_mul(k: &Kernel) -> Vec<u32> {
    let (gate, up, dout) = (tensor(20, 2000), tensor(21, 2000), tensor(22, 2000));
    let (mut out, mut dg, mut du) = (vec![9.0; 2000], vec![9.0; 2000], vec![9.0; 2000]);
    k.silu_mul(&gate, &up, &mut out);
    k.silu_mul_backward(&dout, &gate, &up, &mut dg, &mut du);
    out.extend(dg.iter().zip(du).flat_map(|(g, u)| [*g, u]));
    bits(&out)
}

fn softmax(k: &Kernel) -> Vec<u32> {
    let (rows, cols) = (20, 77);
    let (x, dy) = (tensor(23, rows * cols), tensor(24, rows * cols));
    let (mut y, mut dx) = (vec![9.0; rows * cols], vec![9.0; rows * cols]);
    k.softmax_rows(&x, cols, &mut y);
    k.softmax_rows_backward(&dy, &y, cols, &mut dx);
    let label = |r| if r % 5 == 4 { IGNORE } else { 3 * r };
    let labels: Vec<i32> = (0..rows as i32).map(label).collect();
    let (mut loss, mut gradient) = (vec![9.0; rows], x);
    k.cross_entropy_gradient(&mut gradient, &labels, cols, &mut loss, 0.0625);
    let mut out = [y, dx].concat();
    for (loss, gradient) in loss.iter().zip(gradient.chunks(cols)) {
        out.push(*loss);
        out.extend(gradient);
    }
    bits(&out)
}

fn embedding(k: &Kernel) -> Vec<u32> {
    let (vocab, width) = (11, 19);
    let mut table = tensor(25, vocab * width);
    let ids: Vec<u32> = (0..50).map(|t| t * t % 11).collect();
    let mut out = vec![9.0; ids.len() * width];
    k.embedding(&table, &ids, width, &mut out);
    k.embedding_backward(&tensor(26, ids.len() * width), &ids, width, &mut table);
    out.extend(table);
    bits(&out)
}

fn columns(k: &Kernel) -> Vec<u32> {
    let (rows, cols) = (600, 37);
    let (mut a, b, w) = (
        tensor(27, rows * cols),
        tensor(28, rows * cols),
        tensor(29, cols),
    );
    let mut out = Vec::new();
    for store in [Store::Overwrite, Store::Accumulate] {
        let (mut sums, mut dots) = (w.clone(), w.clone());
        k.column_sums(&a, &mut sums, store);
        k.column_dots(&a, &b, &mut dots, store);
        out.extend(sums.iter().zip(dots).flat_map(|(s, d)| [*s, d]));
    }
    let (mut norms, mut scaled) = (vec![9.0; rows], vec![9.0; rows * cols]);
    k.row_norms(&a, cols, &mut norms);
    k.scale_columns(&a, &w, &mut scaled);
    k.add_bias_rows(&mut a, &w);
    bits(&[out, norms, scaled, a].concat())
}

fn elementwise(k: &Kernel) -> Vec<u32> {
    let (a, b, n) = (tensor(30, 1000), tensor(31, 1000), 1000);
    let (mut sum, mut more, mut product) = (vec![9.0; n], a.clone(), vec![9.0; n]);
    let (mut quotient, mut scaled) = (vec![9.0; n], a.clone());
    k.add(&a, &b, &mut sum);
    k.add_assign(&mut more, &b);
    assert_eq!(bits(&sum), bits(&more));
    k.multiply(&a, &b, &mut product);
    k.divide(&a, &b, &mut quotient);
    k.scale(&mut scaled, 0.37);
    let each = (0..n).flat_map(|i| [sum[i], product[i], quotient[i], scaled[i]]);
    bits(&each.collect::<Vec<_>>())
}

fn dropout(k: &Kernel) -> Vec<u32> {
    let key = std::array::from_fn(|i| (200 - i) as u8);
    let x = tensor(32, 3000);
    let mut all = Vec::new();
    for (index, p) in [(1000, 0.0), (1001, 0.1), (1002, 0.5)] {
        let mut out = vec![9.0; 3000];
        k.dropout(&x, &key, 9, index, p, &mut out);
        all.extend(bits(&out));
    }
    all
}

fn clip() -> Vec<u32> {
    let one = |i| clip_factor(value(33, i).abs(), value(34, i).abs());
    bits(&(0..200).map(one).collect::<Vec<_>>())
}

fn sums(k: &Kernel) -> Vec<u32> {
    let one = |n| [k.sum(&tensor(35, n)), k.dot(&tensor(35, n), &tensor(36, n))];
    let all = [0, 1, 31, 32, 33, 1000].into_iter().flat_map(one);
    bits(&all.collect::<Vec<_>>())
}

fn adamw(k: &Kernel) -> Vec<u32> {
    let (mut p, mut m, mut v) = (tensor(37, 500), vec![0.0; 500], vec![0.0; 500]);
    let mut powers = BiasPowers::START;
    for step in 0..4 {
        powers = powers.next(0.9, 0.999);
        let (bias1, bias2) = powers.corrections();
        let settings = AdamW {
            lr: 0.002,
            beta1: 0.9,
            beta2: 0.999,
            eps: 1e-8,
            weight_decay: 0.01,
            bias1,
            bias2,
        };
        k.adamw(&mut p, &tensor(38 + step, 500), &mut m, &mut v, &settings);
    }
    bits(&[p, m, v].concat())
}

/// Once by the operator, once through the 16 bits that its outputs are held in.
fn round_bf16(k: &Kernel) -> Vec<u32> {
    const LOWER: [u32; 6] = [0, 1, 0x7fff, 0x8000, 0x8001, 0xffff];
    let uppers = (0..0x1_0000).step_by(37);
    let patterns = uppers.flat_map(|upper| LOWER.map(|lower| f32::from_bits(upper << 16 | lower)));
    let mut x: Vec<f32> = patterns.filter(|x| !x.is_nan()).collect();
    x.extend(LOWER.map(|lower| f32::from_bits(0x7f7f_0000 | lower)));
    x.extend(tensor(42, 3000));
    let (mut rounded, mut held) = (vec![9.0; x.len()], vec![9; x.len()]);
    k.round_bf16(&x, &mut rounded);
    k.narrow_bf16(&x, &mut held);
    k.widen_bf16(&held, &mut x);
    assert!(bits(&rounded) == bits(&x), "16 bits hold another value");
    bits(&rounded)
}

fn quantize_rows(k: &Kernel) -> Vec<u32> {
    let (rows, cols) = (40, 77);
    let mut x = tensor(43, rows * cols);
    // A row of zeros, rows around the smallest magnitude that counts, and ties.
    x[..cols].fill(0.0);
    for (row, largest) in [(1, 0x0d7f_ffff), (2, 0x0d80_0000), (3, 0x0000_0001)] {
        let row = &mut x[row * cols..(row + 1) * cols];
        for (i, x) in row.iter_mut().enumerate() {
            *x = f32::from_bits(largest) / (1 + i % 3) as f32;
        }
    }
    for (i, x) in x[4 * cols..5 * cols].iter_mut().enumerate() {
        *x = if i == 0 { 127.0 } else { i as f32 - 38.5 };
    }
    x[5 * cols + 3] = f32::INFINITY;
    x[6 * cols + 4] = f32::NAN;
    let factors = tensor(44, cols);
    let mut all = Vec::new();
    for factors in [None, Some(&factors[..])] {
        let (mut q, mut scale) = (vec![9; rows * cols], vec![9.0; rows]);
        k.quantize_rows(&x, factors, &mut q, &mut scale);
        for (q, scale) in q.chunks(cols).zip(scale) {
            all.extend(bits(&[scale]));
            all.extend(q.iter().map(|q| i32::from(*q) as u32));
        }
    }
    all
}

fn integers(number: u32, n: usize) -> Vec<i8> {
    let one = |i| (value(number, i).to_bits() >> 8) as u8 as i8;
    (0..n).map(one).collect()
}

fn product_i8(k: &Kernel) -> Vec<u32> {
    let mut out = Vec::new();
    for (m, n, depth) in [
        (1, 1, 1),
        (7, 33, 257),
        (13, 40, 600),
        (3, 2, 0),
        (40, 5, 30),
    ] {
        let (a, b) = (integers(45, m * depth), integers(46, depth * n));
        let (sa, sb) = (tensor(47, m), tensor(48, n));
        for transposed in [false, true] {
            let (rows, cols) = if transposed { (n, depth) } else { (depth, n) };
            let packed = k.pack_i8(&b, rows, cols, transposed);
            for sb in [None, Some(&sb[..])] {
                for store in [Store::Overwrite, Store::Accumulate] {
                    let mut c = tensor(49, m * n);
                    let to = &mut MatMut::row_major(&mut c, m, n);
                    k.product_i8(&a, &sa, &packed, sb, to, store);
                    out.extend(bits(&c));
                }
            }
        }
    }
    out
}
