//! What a light audit sees.

use super::*;

fn items(count: u16) -> Vec<Item> {
    let order = OrderId(Digest::of("test", &[]));
    (0..count)
        .map(|round| Item::Merge { order, round })
        .collect()
}

/// Over 2,000 seeds, as often as the formula says, within what chance allows in 999 of 1,000 cases.
#[test]
fn bad_items_are_drawn_as_often_as_the_formula_says() {
    let all = items(200);
    const SEEDS: u64 = 2_000;
    for (bad, count) in [(2, 10), (2, 100), (10, 45), (20, 5), (20, 22)] {
        let seen = (0..SEEDS).filter(|seed| {
            let seed = Digest::of("test", &[&seed.to_le_bytes()]);
            let drawn = draw(&all, count, seed);
            // Those of the first rounds are bad.
            drawn.iter().any(|item| all[..bad].contains(item))
        });
        let seen = seen.count() as f64 / SEEDS as f64;
        let chance = found_with(bad as f64 / 200.0, count);
        let spread = 3.29 * (chance * (1.0 - chance) / SEEDS as f64).sqrt();
        assert!(
            (seen - chance).abs() <= spread,
            "{bad} bad, {count} drawn: {seen}, {chance}"
        );
    }
}

#[test]
fn each_item_is_drawn_at_most_once_and_some_always_are() {
    let all = items(3);
    let drawn = draw(&all, 50, Digest::ZERO);
    assert_eq!(drawn, all);
    assert_eq!(draw(&[], 50, Digest::ZERO), []);
    assert_eq!(draw(&all, 1, Digest::ZERO).len(), 1);
}

#[test]
fn what_was_found_is_written_as_one_line_and_read_back() {
    let order = OrderId(Digest::of("test", &[]));
    for item in [
        Item::FirstModel { order },
        Item::Steps {
            order,
            round: 3,
            trainer: 4,
        },
        Item::Run {
            order,
            run: RunIndex(1),
        },
    ] {
        let text = serde_json::to_string(&item).unwrap();
        assert_eq!(serde_json::from_str::<Item>(&text).unwrap(), item);
        assert!(item.to_string().contains(&order.to_string()));
    }
    let found = Found::Differs("a\nb".to_owned());
    let text = serde_json::to_string(&found).unwrap();
    assert_eq!(text.lines().count(), 1);
    assert_eq!(serde_json::from_str::<Found>(&text).unwrap(), found);
}
