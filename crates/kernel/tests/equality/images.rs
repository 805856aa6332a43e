//! The operators of small models: rectifier, SGD, patches and pools.

use super::{all_agree, values};
use assay_kernel::{ImageShape, Isa, Kernel, Sgd};
use proptest::prelude::*;

#[test]
fn rectifiers_and_sgd() {
    for n in [0, 1, 33, 1025, 200_003] {
        let (x, dy) = (values(1, n), values(2, n));
        let settings = Sgd {
            lr: 0.1,
            momentum: 0.9,
            weight_decay: 0.01,
        };
        all_agree(&format!("relu and sgd {n}"), |k| {
            let (mut y, mut dx) = (vec![9.0; n], vec![9.0; n]);
            k.relu(&x, &mut y);
            k.relu_backward(&dy, &x, &mut dx);
            let (mut p, mut v) = (x.clone(), dy.clone());
            k.sgd(&mut p, &dx, &mut v, &settings);
            vec![y, dx, p, v]
        });
    }
}

fn images(shape: ImageShape) {
    let n = shape.values();
    let pooled = shape.pooled().values();
    let (x, dwide, dpooled) = (values(1, n), values(2, 9 * n), values(3, pooled));
    all_agree(&format!("{shape:?}"), |k| {
        let (mut wide, mut dx) = (vec![9.0; 9 * n], vec![9.0; n]);
        k.patches(&x, shape, &mut wide);
        k.patches_backward(&dwide, shape, &mut dx);
        let (mut out, mut dp) = (vec![9.0; pooled], vec![9.0; n]);
        k.max_pool(&x, shape, &mut out);
        k.max_pool_backward(&dpooled, &x, shape, &mut dp);
        vec![wide, dx, out, dp]
    });
}

#[test]
fn images_that_fill_the_threads() {
    images(ImageShape {
        images: 40,
        height: 28,
        width: 28,
        channels: 8,
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn images_of_any_shape(
        images in 0usize..5, height in 0usize..9, width in 0usize..9, channels in 0usize..5,
    ) {
        self::images(ImageShape { images, height, width, channels });
    }

    /// Gathering and adding back are adjoint: `<patches(x), y> = <x, patches_backward(y)>`.
    #[test]
    fn the_gradient_of_patches_is_their_adjoint(height in 1usize..7, width in 1usize..7) {
        let shape = ImageShape { images: 2, height, width, channels: 3 };
        let k = Kernel::new(Isa::Scalar, 1).unwrap();
        let (x, y) = (values(4, shape.values()), values(5, 9 * shape.values()));
        let (mut wide, mut back) = (vec![9.0; y.len()], vec![9.0; x.len()]);
        k.patches(&x, shape, &mut wide);
        k.patches_backward(&y, shape, &mut back);
        let dot = |a: &[f32], b: &[f32]| -> f64 {
            a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
        };
        prop_assert!((dot(&wide, &y) - dot(&x, &back)).abs() < 1e-3);
    }
}

#[test]
fn a_pool_takes_the_first_of_equal_pixels_and_leaves_an_odd_edge_out() {
    let shape = ImageShape {
        images: 1,
        height: 3,
        width: 3,
        channels: 1,
    };
    let k = Kernel::new(Isa::Scalar, 1).unwrap();
    let x = [1.0, 2.0, 9.0, 2.0, 0.0, 9.0, 9.0, 9.0, 9.0];
    let (mut out, mut dx) = ([0.0], [9.0; 9]);
    k.max_pool(&x, shape, &mut out);
    k.max_pool_backward(&[5.0], &x, shape, &mut dx);
    assert_eq!(out, [2.0]);
    assert_eq!(dx, [0.0, 5.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
}
