use proptest::prelude::*;

use super::*;
use crate::kernel::Isa;

/// Every path of this processor, on one thread and on two.
fn kernels() -> Vec<Kernel> {
    let paths = Isa::ALL.into_iter().filter(|isa| isa.is_available());
    let both = paths.flat_map(|isa| [1, 2].map(|threads| Kernel::new(isa, threads).unwrap()));
    both.chain([Kernel::without_fma(1).unwrap()]).collect()
}

fn row(seed: i64, largest: i64) -> [i16; GRAM_DEPTH] {
    let value = |k: usize| (seed * 7919 + k as i64 * 104_729) % (2 * largest + 1) - largest;
    std::array::from_fn(|k| value(k) as i16)
}

#[test]
fn products_of_all_pairs_are_those_of_the_definition_on_every_path() {
    let cases = [1, 2, 3, 5, 12, 25, 50]
        .into_iter()
        .flat_map(|n| [(n, 4095), (n, 32_767)]);
    for (count, largest) in cases {
        let rows: Vec<_> = (0..count).map(|i| row(i, largest)).collect();
        let mut wanted = vec![0i64; rows.len() * rows.len()];
        for (i, a) in rows.iter().enumerate() {
            for (j, b) in rows.iter().enumerate().skip(i) {
                let products = a.iter().zip(b).map(|(a, b)| i64::from(*a) * i64::from(*b));
                wanted[i * rows.len() + j] = 5 - 3 * products.sum::<i64>();
            }
        }
        for kernel in kernels() {
            let mut sums: Vec<_> = wanted.iter().map(|w| i64::from(*w != 0) * 5).collect();
            kernel.add_gram(&rows, -3, &mut sums);
            assert_eq!(sums, wanted, "{kernel:?}, {count} rows");
        }
    }
}

#[test]
fn the_largest_products_do_not_overflow() {
    for (one, other) in [
        (5792, 5792),
        (5792, -5792),
        (5793, 5793),
        (5793, -5793),
        (i16::MIN, i16::MIN),
        (i16::MIN, i16::MAX),
        (i16::MAX, i16::MAX),
    ] {
        let rows = [[one; GRAM_DEPTH], [other; GRAM_DEPTH], [one; GRAM_DEPTH]];
        let product = |a: i16, b: i16| i64::from(a) * i64::from(b) * GRAM_DEPTH as i64;
        let (equal, mixed) = (product(one, one), product(one, other));
        for kernel in kernels() {
            let mut sums = [0; 9];
            kernel.add_gram(&rows, 1, &mut sums);
            let wanted = [
                equal,
                mixed,
                equal,
                0,
                product(other, other),
                mixed,
                0,
                0,
                equal,
            ];
            assert_eq!(sums, wanted, "{one} {other} {kernel:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn rows_of_integers_are_the_same_on_every_path(
        (a, b, c) in (1usize..200).prop_flat_map(|n| {
            let row = || prop::collection::vec(-(1i32 << 23)..(1 << 23), n);
            (row(), row(), row())
        }),
        factor: i32,
    ) {
        let squares = a.iter().zip(&b).map(|(a, b)| (i64::from(*a) - i64::from(*b)).pow(2));
        let distance: i64 = squares.sum();
        let (low, high): (Vec<i32>, Vec<i32>) = b.iter().zip(&c).map(|(b, c)| (*b.min(c), *b.max(c))).unzip();
        let bounds = a.iter().zip(low.iter().zip(&high));
        let count = bounds.filter(|(a, (low, high))| a < low || a > high).count();
        for kernel in kernels() {
            prop_assert_eq!(kernel.squared_distance(&a, &b), distance);
            prop_assert_eq!(kernel.count_outside(&a, &low, &high) as usize, count);
            let mut sums = vec![1i64; a.len()];
            kernel.multiply_add_integers(&a, factor, &mut sums);
            prop_assert!(sums.iter().zip(&a).all(|(s, a)| *s == 1 + i64::from(*a) * i64::from(factor)));
            let mut sums = b.clone();
            kernel.add_integers(&a, &mut sums);
            kernel.subtract_integers(&b, &mut sums);
            prop_assert_eq!(&sums, &a);
            let mut low = vec![0i16; a.len()];
            kernel.narrow_integers(&a, &mut low);
            prop_assert!(low.iter().zip(&a).all(|(low, a)| *low == *a as i16));
        }
    }

    #[test]
    fn columns_are_ordered_by_their_network(values: [[i32; 3]; SORT_WIDTH]) {
        let network = [(0, 1), (1, 2), (0, 1), (2, 2), (1, 9)];
        for kernel in kernels() {
            let mut rows: [[i32; SORT_WIDTH]; 3] = std::array::from_fn(|i| values.map(|v| v[i]));
            let sums = values.map(|v| v.into_iter().map(i64::from).sum::<i64>());
            prop_assert_eq!(kernel.sum_columns(&rows), sums);
            kernel.sort_columns(&mut rows, &network);
            for (column, mut value) in values.into_iter().enumerate() {
                value.sort_unstable();
                prop_assert_eq!(rows.map(|row| row[column]), value);
            }
        }
    }
}
