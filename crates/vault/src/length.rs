//! The class of file lengths that the ledger shows instead of the length.

/// The smallest length class that holds `length` bytes.
///
/// Padme rounding: a length keeps about as many leading bits as its logarithm has bits, so a class
/// is at most 12% above the length and all lengths below 2^40 fall into under 1,300 classes.
///
/// Source: Nikitin et al., "Reducing Metadata Leakage from Encrypted Files and Communication with
/// PURBs", PETS 2019, section 4.
pub fn class(length: u64) -> u64 {
    if length < 2 {
        return length;
    }
    let mask = mask(length);
    length.saturating_add(mask) & !mask
}

/// What a file of this class has at least: no more than an eighth less than its length.
pub fn at_least(class: u64) -> u64 {
    if class < 2 {
        return class;
    }
    // That of the class is no smaller than that of any length in it.
    class - mask(class).min(class)
}

/// The bits of a length of 2 or more that its class does not show.
fn mask(length: u64) -> u64 {
    let exponent = length.ilog2();
    let kept = exponent.checked_ilog2().unwrap_or(0) + 1;
    (1u64 << (exponent - kept.min(exponent))) - 1
}

#[cfg(test)]
mod tests {
    use super::{at_least, class};

    #[test]
    fn a_class_is_close_above_and_stable() {
        for length in (0..5_000).chain([9 << 20, (9 << 20) + 1, 1 << 38, (1 << 38) + 12_345]) {
            let class_of = class(length);
            assert!(class_of >= length);
            assert!(
                class_of - length <= length * 12 / 100,
                "{length} -> {class_of}"
            );
            assert_eq!(class(class_of), class_of);
            assert!(class(length + 1) >= class_of);
            let least = at_least(class_of);
            assert!(least <= length, "{length} -> {class_of} -> {least}");
            assert!(length - least <= length / 8, "{length} -> {least}");
        }
    }

    #[test]
    fn classes_are_few() {
        let classes: std::collections::BTreeSet<u64> = (0..1u64 << 20).map(class).collect();
        assert!(classes.len() < 400, "{}", classes.len());
    }
}
