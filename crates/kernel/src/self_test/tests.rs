use super::operators::values;
use super::*;

#[test]
fn every_path_gives_the_golden_digests() {
    for isa in Isa::ALL.into_iter().filter(|isa| isa.is_available()) {
        for threads in [1, 2, 3, 8] {
            Kernel::new(isa, threads).unwrap().self_test().unwrap();
        }
    }
    Kernel::without_fma(1).unwrap().self_test().unwrap();
}

/// What to paste into `GOLDEN` when a new specification version moves bits on purpose.
#[test]
fn the_table_is_complete() {
    let k = Kernel::new(Isa::Scalar, 1).unwrap();
    let found: Vec<String> = OPERATORS.iter().map(|(_, run)| digest(&run(&k))).collect();
    let differs = found.iter().zip(GOLDEN).any(|(a, b)| a != b);
    assert!(!differs, "the specification's digests are now\n{found:#?}");
}

#[test]
fn a_moved_bit_is_noticed() {
    let values = values(0, 100);
    for at in 0..values.len() {
        let mut moved = values.clone();
        moved[at] = f32::from_bits(moved[at].to_bits() ^ 1);
        assert_ne!(digest(&values), digest(&moved));
    }
}
