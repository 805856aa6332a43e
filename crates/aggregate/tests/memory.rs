//! What is allocated for a thousand long updates that are nowhere held whole. Alone in its process, so
//! that the peak is its own.

use assay_aggregate::{
    AggregateError, Liars, Rule, Settings, Shape, Updates, aggregate, peak_bytes,
};
use assay_crypto::Digest;
use assay_kernel::Kernel;

/// Updates that are computed when they are read.
struct Computed(Shape);

impl Updates for Computed {
    fn shape(&self) -> Shape {
        self.0
    }

    fn read(&self, update: usize, first: usize, out: &mut [i32]) -> Result<(), AggregateError> {
        for (at, out) in (first..).zip(out) {
            let mixed =
                (update as u32).wrapping_mul(2_654_435_761) ^ (at as u32).wrapping_mul(40_503);
            *out = (mixed >> 19) as i32 - 4096;
        }
        Ok(())
    }
}

/// The most memory this process ever had, in bytes.
fn peak() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(
        line.trim()
            .strip_suffix(" kB")?
            .trim()
            .parse::<u64>()
            .ok()?
            << 10,
    )
}

#[test]
fn a_thousand_updates_of_a_hundred_thousand_are_aggregated_in_a_sixth_of_their_size() {
    let shape = Shape::new(1000, 100_000, 16).unwrap();
    let whole = 4 * 1000 * 100_000;
    let liars = Liars::Count(100);
    let rules = [Rule::TrimmedMean { liars }, Rule::Krum { liars }];
    for settings in rules
        .map(Settings::rule)
        .into_iter()
        .chain([Settings::default()])
    {
        let told = peak_bytes(&shape, &settings, 1);
        // Sketches of a thousand updates are most of it.
        assert!(told < whole / 6, "{settings:?}: {told}");
    }
    let Some(before) = peak() else {
        println!("not run: there is no /proc/self/status here");
        return;
    };
    let kernel = Kernel::from_settings(None, Some("1")).unwrap();
    for settings in rules.map(Settings::rule) {
        let told = peak_bytes(&shape, &settings, 1);
        let outcome = aggregate(&kernel, &Computed(shape), &settings, &Digest::ZERO).unwrap();
        assert_eq!(outcome.update.len(), 100_000);
        let grown = peak().unwrap_or(0) - before;
        println!("{settings:?}: {grown} bytes, {told} told");
        // What the allocator keeps to itself, and stacks.
        assert!(grown <= told + (8 << 20), "{grown} bytes, {told} told");
    }
}
