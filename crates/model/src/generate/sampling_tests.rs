use assay_kernel::Isa;

use super::*;

fn kernel() -> Kernel {
    Kernel::detect().unwrap()
}

fn sampling(temperature: f32, top_k: usize, top_p: f32) -> Sampling {
    Sampling::new(temperature, top_k, top_p, [3; 32]).unwrap()
}

/// With values that occur several times.
fn logits(n: usize, seed: u64) -> Vec<f32> {
    let mut stream = Stream::new(&[1; 32], 80, seed);
    (0..n)
        .map(|_| (stream.normal() * 24.0).round() / 8.0)
        .collect()
}

/// The definition, slowly and in f64.
fn expected(logits: &[f32], temperature: f32, top_k: usize, top_p: f32) -> Vec<f64> {
    let score = |i: usize| f64::from(logits[i]) / f64::from(temperature);
    let mut order: Vec<usize> = (0..logits.len()).collect();
    order.sort_by(|a, b| score(*b).total_cmp(&score(*a)).then(a.cmp(b)));
    if top_k > 0 {
        order.truncate(top_k);
    }
    let best = score(order[0]);
    let weight = |i: &usize| (score(*i) - best).exp();
    let total: f64 = order.iter().map(weight).sum();
    let mut before = 0.0;
    order.retain(|i| {
        let keep = before < f64::from(top_p);
        before += weight(i) / total;
        keep || top_p == 1.0
    });
    let total: f64 = order.iter().map(weight).sum();
    let mut all = vec![0.0; logits.len()];
    order.iter().for_each(|i| all[*i] = weight(i) / total);
    all
}

#[test]
fn the_distribution_is_that_of_the_definition() {
    for seed in 0..20 {
        let logits = logits(100, seed);
        for (temperature, top_k, top_p) in [
            (1.0, 0, 1.0),
            (0.7, 0, 1.0),
            (1.0, 5, 1.0),
            (1.0, 1, 1.0),
            (1.3, 1000, 1.0),
            (0.9, 0, 0.81),
            (2.0, 40, 0.63),
            (1.0, 0, 1e-9),
        ] {
            let sampling = sampling(temperature, top_k, top_p);
            let (ids, probabilities) = sampling.distribution(&kernel(), &logits);
            assert!(ids.is_sorted());
            let expected = expected(&logits, temperature, top_k, top_p);
            assert_eq!(ids.len(), expected.iter().filter(|p| **p > 0.0).count());
            for (id, p) in ids.iter().zip(probabilities) {
                let error = (f64::from(p) - expected[*id as usize]).abs();
                assert!(error < 1e-6, "{id}: {p}, not {}", expected[*id as usize]);
            }
        }
    }
}

/// What `transformers` keeps of the same logits with the same settings, made by
/// `bench/make_sampling_fixtures.py`.
#[test]
fn the_distribution_is_that_of_transformers() {
    let cases: serde_json::Value =
        serde_json::from_slice(include_bytes!("../../tests/fixtures/sampling.json")).unwrap();
    let floats = |value: &serde_json::Value| -> Vec<f32> {
        let values = value.as_array().unwrap().iter();
        values.map(|v| v.as_f64().unwrap() as f32).collect()
    };
    let cases = cases["cases"].as_array().unwrap();
    assert!(cases.len() >= 20);
    for case in cases {
        let number = |name: &str| case[name].as_f64().unwrap() as f32;
        let top_k = case["top_k"].as_u64().unwrap() as usize;
        let sampling = sampling(number("temperature"), top_k, number("top_p"));
        let theirs = floats(&case["probabilities"]);
        let (ids, probabilities) = sampling.distribution(&kernel(), &floats(&case["logits"]));
        let mut ours = vec![0.0; theirs.len()];
        for (id, p) in ids.iter().zip(probabilities) {
            ours[*id as usize] = p;
        }
        for (id, (ours, theirs)) in ours.iter().zip(&theirs).enumerate() {
            assert_eq!(*ours > 0.0, *theirs > 0.0, "token {id} of {case}");
            assert!((ours - theirs).abs() < 1e-5, "{id}: {ours}, not {theirs}");
        }
    }
}

#[test]
fn draws_follow_the_distribution_and_are_the_same_everywhere() {
    let logits = logits(50, 3);
    let sampling = sampling(0.8, 20, 0.95);
    let (ids, probabilities) = sampling.distribution(&kernel(), &logits);
    let mut counts = [0u32; 50];
    let draws: Vec<u32> = (0..20_000)
        .map(|position| sampling.draw(&kernel(), &logits, position))
        .collect();
    draws.iter().for_each(|id| counts[*id as usize] += 1);
    for (id, p) in ids.iter().zip(probabilities) {
        let (count, mean) = (f64::from(counts[*id as usize]), 20_000.0 * f64::from(p));
        assert!((count - mean).abs() < 5.0 * mean.sqrt() + 1.0, "{id}");
        counts[*id as usize] = 0;
    }
    assert!(counts.iter().all(|n| *n == 0));
    for isa in Isa::ALL.into_iter().filter(|isa| isa.is_available()) {
        for threads in 1..=3 {
            let kernel = Kernel::new(isa, threads).unwrap();
            let draw = |position| sampling.draw(&kernel, &logits, position);
            assert!((0..500).map(draw).eq(draws[..500].iter().copied()));
        }
    }
    let other = Sampling::new(0.8, 20, 0.95, [4; 32]).unwrap();
    let other = (0..500).map(|position| other.draw(&kernel(), &logits, position));
    assert!(other.ne(draws[..500].iter().copied()));
}

#[test]
fn the_lower_id_wins_a_tie() {
    let logits = [1.0, 3.0, 2.0, 3.0, 3.0];
    assert_eq!(greedy(&logits), 1);
    assert_eq!(greedy(&[-0.0, 0.0]), 0);
    let kept = |top_k, top_p| {
        sampling(1.0, top_k, top_p)
            .distribution(&kernel(), &logits)
            .0
    };
    assert_eq!(kept(1, 1.0), [1]);
    assert_eq!(kept(2, 1.0), [1, 3]);
    assert_eq!(kept(4, 1.0), [1, 2, 3, 4]);
    assert_eq!(kept(0, 0.01), [1]);
    assert_eq!(kept(0, 0.5), [1, 3]);
}

#[test]
fn extreme_values_are_drawn_from() {
    let wide = [f32::MAX, f32::MIN, 0.0, 1e-45, f32::MAX];
    for temperature in [f32::from_bits(1), 1e-30, 1.0, f32::MAX] {
        for top_p in [f32::MIN_POSITIVE, 0.5, 1.0] {
            for position in 0..20 {
                let drawn = sampling(temperature, 0, top_p).draw(&kernel(), &wide, position);
                assert!(drawn < 5, "{temperature} {top_p}");
                assert!(temperature > 1.0 || [0, 4].contains(&drawn));
            }
        }
    }
    assert_eq!(sampling(1.0, 3, 0.5).draw(&kernel(), &[7.0], 0), 0);
    assert_eq!(sampling(1.0, 0, 1.0).draw(&kernel(), &[], 0), 0);
    assert_eq!(sampling(1.0, usize::MAX, 1.0).draw(&kernel(), &[0.0], 0), 0);
}

#[test]
fn settings_that_mean_nothing_are_refused() {
    let new = |temperature, top_p| Sampling::new(temperature, 0, top_p, [0; 32]);
    for bad in [0.0, -1.0, f32::NAN, f32::INFINITY, -0.0, f32::NEG_INFINITY] {
        let text = new(bad, 1.0).unwrap_err().to_string();
        assert!(
            text.contains(&format!("temperature is {bad}; use")),
            "{text}"
        );
    }
    for bad in [0.0, -0.5, 1.0001, f32::NAN, f32::INFINITY] {
        let text = new(1.0, bad).unwrap_err().to_string();
        assert!(text.contains(&format!("top_p is {bad}; use")), "{text}");
    }
}
