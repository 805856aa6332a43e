use super::*;

#[test]
fn the_first_words_are_chacha20() {
    // RFC 8439, 2.3.2 uses counter 1; the zero key, zero nonce, counter 0 block is appendix A.1.
    let mut s = Stream::new(&[0; 32], 0, 0);
    assert_eq!(s.next_u32(), 0xade0_b876);
    assert_eq!(s.next_u64(), 0xe56a_5d40_903d_f1a0);
}

#[test]
fn addresses_give_different_streams() {
    let word = |p, i| Stream::new(&[7; 32], p, i).next_u64();
    assert_ne!(word(0, 0), word(1, 0));
    assert_ne!(word(0, 0), word(0, 1));
    assert_ne!(word(0, 0), Stream::new(&[8; 32], 0, 0).next_u64());
}

#[test]
fn normals_have_normal_moments() {
    let mut s = Stream::new(&[1; 32], 2, 3);
    let n = 200_000;
    let x: Vec<f64> = (0..n).map(|_| f64::from(s.normal())).collect();
    let moment = |k| x.iter().map(|x| x.powi(k)).sum::<f64>() / f64::from(n);
    assert!(moment(1).abs() < 0.01);
    assert!((moment(2) - 1.0).abs() < 0.01);
    assert!(moment(3).abs() < 0.03);
    assert!((moment(4) - 3.0).abs() < 0.06);
}

#[test]
fn quantiles_are_known() {
    for (p, z) in [
        (0.5, 0.0),
        (0.975, 1.959_964),
        (0.999, 3.090_232),
        (0.99999, 4.264_891),
    ] {
        let x = (2.0f64 * p - 1.0) as f32;
        assert!(
            (f64::from(normal_quantile(x)) - z).abs() < 2e-3 * (1.0 + z),
            "{p}"
        );
        assert_eq!(normal_quantile(-x), -normal_quantile(x));
    }
    let end = 1.0 - f32::from_bits(0x3380_0000);
    assert!(normal_quantile(end).is_finite() && normal_quantile(end) < 5.5);
}

#[test]
fn permutations_hold_every_number() {
    for n in [0, 1, 2, 1000] {
        let mut p = Stream::new(&[5; 32], 1, 1).permutation(n);
        p.sort_unstable();
        assert!(p.into_iter().eq(0..n));
    }
}

#[test]
fn below_and_uniform_stay_in_range() {
    let mut s = Stream::new(&[9; 32], 0, 0);
    let mut seen = [0; 3];
    for _ in 0..3000 {
        seen[s.below(3) as usize] += 1;
        assert!((0.0..1.0).contains(&s.uniform01()));
        assert!((-2.0..3.0).contains(&s.uniform(-2.0, 3.0)));
    }
    assert!(seen.iter().all(|n| (900..1100).contains(n)));
}

#[test]
fn words_are_the_stream_from_any_position() {
    let mut stream = Stream::new(&[3; 32], 4, 5);
    let wanted: Vec<u32> = (0..3000).map(|_| stream.next_u32()).collect();
    for (first, n) in [(0, 1024), (1, 3), (15, 40), (16, 16), (1990, 1010)] {
        let mut words = Words::starting_at(&[3; 32], 4, 5, first);
        let mut found = vec![0; n];
        let (front, back) = found.split_at_mut(n / 3);
        words.fill(front);
        words.fill(back);
        assert_eq!(found, wanted[first..first + n]);
    }
}
