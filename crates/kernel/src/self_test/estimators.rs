//! Operators that only small models need.

use super::operators::values;
use crate::kernel::Kernel;
use crate::shape::{ImageShape, Sgd};

pub(super) fn relu(k: &Kernel) -> Vec<f32> {
    let mut x = values(52, 500);
    x[..2].copy_from_slice(&[0.0, -0.0]);
    let (mut y, mut dx) = (vec![9.0; 500], vec![9.0; 500]);
    k.relu(&x, &mut y);
    k.relu_backward(&values(53, 500), &x, &mut dx);
    [y, dx].concat()
}

pub(super) fn sgd(k: &Kernel) -> Vec<f32> {
    let (mut p, mut v) = (values(54, 500), vec![0.0; 500]);
    let settings = Sgd {
        lr: 0.05,
        momentum: 0.9,
        weight_decay: 0.01,
    };
    for step in 0..3 {
        k.sgd(&mut p, &values(55 + step, 500), &mut v, &settings);
    }
    [p, v].concat()
}

pub(super) fn images(k: &Kernel) -> Vec<f32> {
    let mut all = Vec::new();
    for (images, height, width, channels) in [(3, 5, 7, 2), (2, 1, 4, 3), (1, 8, 8, 5)] {
        let shape = ImageShape {
            images,
            height,
            width,
            channels,
        };
        let n = shape.values();
        let x = values(58, n);
        let (mut wide, mut dx) = (vec![9.0; 9 * n], vec![9.0; n]);
        k.patches(&x, shape, &mut wide);
        k.patches_backward(&values(59, 9 * n), shape, &mut dx);
        let (mut pooled, mut dp) = (vec![9.0; shape.pooled().values()], vec![9.0; n]);
        k.max_pool(&x, shape, &mut pooled);
        k.max_pool_backward(&values(60, pooled.len()), &x, shape, &mut dp);
        all.extend([wide, dx, pooled, dp].concat());
    }
    all
}
