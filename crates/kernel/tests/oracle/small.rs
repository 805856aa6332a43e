//! The cases of the operators of small models.

use assay_kernel::{ImageShape, Kernel, Sgd};

use super::{bits, tensor};

pub(super) fn relu(k: &Kernel) -> Vec<u32> {
    let (mut x, dy) = (tensor(50, 2000), tensor(51, 2000));
    x[..2].copy_from_slice(&[0.0, -0.0]);
    let (mut y, mut dx) = (vec![9.0; 2000], vec![9.0; 2000]);
    k.relu(&x, &mut y);
    k.relu_backward(&dy, &x, &mut dx);
    let each = y.iter().zip(dx).flat_map(|(y, dx)| [*y, dx]);
    bits(&each.collect::<Vec<_>>())
}

pub(super) fn sgd(k: &Kernel) -> Vec<u32> {
    let (mut p, mut v) = (tensor(52, 500), vec![0.0; 500]);
    let settings = Sgd {
        lr: 0.05,
        momentum: 0.9,
        weight_decay: 0.01,
    };
    for step in 0..4 {
        k.sgd(&mut p, &tensor(53 + step, 500), &mut v, &settings);
    }
    bits(&[p, v].concat())
}

pub(super) fn images(k: &Kernel) -> Vec<u32> {
    let mut all = Vec::new();
    for (images, height, width, channels) in [(3, 5, 7, 2), (2, 1, 4, 3), (1, 8, 8, 5)] {
        let shape = ImageShape {
            images,
            height,
            width,
            channels,
        };
        let n = shape.values();
        let x = tensor(57, n);
        let (mut wide, mut back) = (vec![9.0; 9 * n], vec![9.0; n]);
        k.patches(&x, shape, &mut wide);
        k.patches_backward(&tensor(58, 9 * n), shape, &mut back);
        let (mut out, mut routed) = (vec![9.0; shape.pooled().values()], vec![9.0; n]);
        k.max_pool(&x, shape, &mut out);
        k.max_pool_backward(&tensor(59, out.len()), &x, shape, &mut routed);
        all.extend(bits(&[wide, back, out, routed].concat()));
    }
    all
}
