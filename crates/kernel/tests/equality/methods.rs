//! The operators of adapters, dropout and clipping.

use super::{all_agree, values};
use assay_kernel::{Function, Store};
use proptest::prelude::*;

fn columns(rows: usize, cols: usize) {
    let n = rows * cols;
    let (a, b, factors) = (values(1, n), values(2, n), values(3, cols));
    all_agree(&format!("columns {rows} x {cols}"), |k| {
        let (mut norms, mut scaled) = (vec![9.0; rows], vec![9.0; n]);
        k.row_norms(&a, cols, &mut norms);
        k.scale_columns(&a, &factors, &mut scaled);
        let (mut dots, mut more) = (vec![9.0; cols], factors.clone());
        k.column_dots(&a, &b, &mut dots, Store::Overwrite);
        k.column_dots(&a, &b, &mut more, Store::Accumulate);
        vec![norms, scaled, dots, more]
    });
}

#[test]
fn columns_that_fill_threads_and_blocks() {
    for (rows, cols) in [
        (0, 3),
        (1, 1),
        (256, 31),
        (257, 32),
        (600, 33),
        (300, 700),
        (2, 100_000),
    ] {
        columns(rows, cols);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn columns_of_any_shape(rows in 0usize..40, cols in 0usize..150) {
        columns(rows, cols);
    }
}

#[test]
fn products_quotients_and_dropout() {
    for n in [0, 1, 7, 16, 33, 1025, 200_003] {
        let (a, b) = (values(1, n), values(2, n));
        let nonzero: Vec<f32> = b.iter().map(|b| b + b.signum()).collect();
        all_agree(&format!("elementwise {n}"), |k| {
            let (mut product, mut quotient) = (vec![9.0; n], vec![9.0; n]);
            k.multiply(&a, &b, &mut product);
            k.divide(&a, &nonzero, &mut quotient);
            let mut outs = vec![product, quotient];
            for p in [0.0, 0.1, 0.5] {
                let mut out = vec![9.0; n];
                k.dropout(&a, &[5; 32], 6, 7, p, &mut out);
                outs.push(out);
            }
            outs
        });
    }
}

#[test]
fn functions_and_their_gradients() {
    for n in [0, 1, 33, 100_001] {
        let (x, dy) = (values(1, n), values(2, n));
        let x: Vec<f32> = x.iter().map(|x| x * 30.0).collect();
        let positive: Vec<f32> = x.iter().map(|x| x.abs() + 1e-30).collect();
        all_agree(&format!("functions {n}"), |k| {
            let mut outs = Vec::new();
            for function in Function::ALL {
                let x = match function {
                    Function::Log => &positive,
                    _ => &x,
                };
                let (mut y, mut dx) = (vec![9.0; n], vec![9.0; n]);
                k.apply(function, x, &mut y);
                k.apply_backward(function, &dy, x, &mut dx);
                outs.extend([y, dx]);
            }
            // The exponential of 88 and more is infinite.
            outs[0].iter_mut().for_each(|y| *y = y.min(f32::MAX));
            outs[1]
                .iter_mut()
                .for_each(|y| *y = y.clamp(f32::MIN, f32::MAX));
            outs
        });
    }
}
