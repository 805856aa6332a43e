use super::*;

#[test]
fn settings_are_read_and_refused_by_name() {
    let k = Kernel::from_settings(Some("scalar"), Some("3")).unwrap();
    assert_eq!((k.isa(), k.threads()), (Isa::Scalar, 3));
    let error = |isa, threads| Kernel::from_settings(isa, threads).unwrap_err().to_string();
    assert!(error(Some("AVX512"), None).contains("use scalar, avx2, avx512 or neon"));
    assert!(error(Some(""), None).contains("use scalar, avx2, avx512 or neon"));
    for bad in ["0", "-1", "two", "", "1025", "99999999999999999999"] {
        assert!(error(None, Some(bad)).contains("1 to 1024"), "{bad:?}");
    }
}

#[test]
fn the_default_is_the_best_available() {
    let k = Kernel::from_settings(None, None).unwrap();
    assert!(k.isa().is_available());
    assert!(!Isa::Avx512.is_available() || k.isa() == Isa::Avx512);
    assert!(k.threads() >= 1);
}
