//! The odds of an audit: how likely a cheater is caught, and what bond makes cheating a loss.
//!
//! A provider that cheats in a share `beta` of its segments is caught by `q` draws with
//! replacement, each replayed by at least one honest auditor, with probability
//!
//! ```text
//! detection(beta, q) = 1 - (1 - beta)^q
//! ```
//!
//! Everything is integer arithmetic, so that every machine prints and checks the same figures.

use std::fmt;

/// One million: a whole, in parts per million.
pub const WHOLE_PPM: u32 = 1_000_000;

/// Fixed point used inside a computation: 10^18 is one.
const ONE: u128 = 1_000_000_000_000_000_000;

/// A probability in parts per million.
///
/// ```
/// use assay_proof::odds::Probability;
///
/// let tenth = Probability::ratio(1, 10);
/// assert_eq!(tenth.detection(45).to_string(), "99.12%");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Probability(u32);

impl Probability {
    /// Cannot happen.
    pub const NEVER: Probability = Probability(0);
    /// Always happens.
    pub const ALWAYS: Probability = Probability(WHOLE_PPM);

    /// From parts per million; more than a whole counts as a whole.
    pub fn from_ppm(ppm: u32) -> Probability {
        Probability(ppm.min(WHOLE_PPM))
    }

    /// `part / whole`, rounded down; a `whole` of zero or a part above it counts as certain.
    pub fn ratio(part: u64, whole: u64) -> Probability {
        if part >= whole {
            return Probability::ALWAYS;
        }
        let ppm = u128::from(part) * u128::from(WHOLE_PPM) / u128::from(whole);
        Probability(ppm as u32)
    }

    /// In parts per million.
    pub fn ppm(self) -> u32 {
        self.0
    }

    /// The probability that it does not happen.
    pub fn complement(self) -> Probability {
        Probability(WHOLE_PPM - self.0)
    }

    /// The probability that it happens `n` times in a row, rounded down.
    pub fn power(self, n: u32) -> Probability {
        Probability((power(self.fixed(), n) / (ONE / u128::from(WHOLE_PPM))) as u32)
    }

    /// `1 - (1 - self)^draws`: at least one of `draws` independent draws hits a share `self`.
    ///
    /// The square-and-multiply runs at 18 digits, so the result is off by at most one part per
    /// million.
    pub fn detection(self, draws: u32) -> Probability {
        let missed = power(ONE - self.fixed(), draws);
        Probability(((ONE - missed) / (ONE / u128::from(WHOLE_PPM))) as u32)
    }

    fn fixed(self) -> u128 {
        u128::from(self.0) * (ONE / u128::from(WHOLE_PPM))
    }
}

impl fmt::Display for Probability {
    /// Per cent with two decimals, rounded down so that only a certainty prints as `100.00%`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:02}%", self.0 / 10_000, self.0 % 10_000 / 100)
    }
}

fn power(base: u128, mut exponent: u32) -> u128 {
    let (mut result, mut square) = (ONE, base);
    while exponent > 0 {
        if exponent & 1 == 1 {
            result = result * square / ONE;
        }
        square = square * square / ONE;
        exponent >>= 1;
    }
    result
}

/// The smallest number of draws that catches a share `beta` with at least `target`, or `None`
/// when none up to `limit` does.
pub fn draws_for(beta: Probability, target: Probability, limit: u32) -> Option<u32> {
    (1..=limit).find(|q| beta.detection(*q) >= target)
}

/// What a provider stands to lose and to gain, in micro-units of money.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stakes {
    /// Price still unpaid when the verdict falls.
    pub price: u64,
    /// The provider's locked bond.
    pub bond: u64,
    /// Share of a slashed bond that a challenger is paid: a cheater who challenges itself gets
    /// this back, so it deters nothing.
    pub challenger_share: Probability,
    /// What the work costs an honest provider; its price is a safe upper bound.
    pub cost: u64,
    /// Share of the auditors' bonded weight that would pass a lie, for money or from laziness.
    pub dishonest: Probability,
    /// Auditors drawn for the order.
    pub auditors: u8,
}

impl Stakes {
    /// Probability that a segment which is drawn is replayed by at least one honest auditor:
    /// `1 - dishonest^v`.
    pub fn looked_at(&self) -> Probability {
        self.dishonest.power(u32::from(self.auditors)).complement()
    }

    /// The bond that makes cheating in any share a loss:
    ///
    /// ```text
    /// price + bond (1 - challenger_share) >= cost / (1 - dishonest^v)
    /// ```
    ///
    /// Cheating in a share `beta` saves `beta cost` and loses price and bond with probability
    /// `(1 - dishonest^v) detection(beta, q)`. For `q >= 1` that detection is at least `beta`,
    /// with equality at `beta = 1`, so the bound above covers every share. `None` when every
    /// auditor may be dishonest or when a challenger is paid the whole bond: then no bond deters.
    pub fn bond_needed(&self) -> Option<u64> {
        let looked = u128::from(self.looked_at().ppm());
        let at_stake = u128::from(self.challenger_share.complement().ppm());
        let whole = u128::from(WHOLE_PPM);
        if looked == 0 {
            return None;
        }
        let needed = (u128::from(self.cost) * whole).div_ceil(looked);
        let beyond_price = needed.saturating_sub(u128::from(self.price));
        if beyond_price > 0 && at_stake == 0 {
            return None;
        }
        match beyond_price {
            0 => Some(0),
            _ => u64::try_from((beyond_price * whole).div_ceil(at_stake)).ok(),
        }
    }

    /// The dearest work with which cheating in any share still loses money on average, rounded down:
    ///
    /// ```text
    /// (price + bond (1 - challenger_share)) (1 - dishonest^v)
    /// ```
    pub fn deterred_cost(&self) -> u64 {
        let whole = u128::from(WHOLE_PPM);
        let at_stake = u128::from(self.challenger_share.complement().ppm());
        let lost = u128::from(self.price) * whole + u128::from(self.bond) * at_stake;
        let cost = lost * u128::from(self.looked_at().ppm()) / (whole * whole);
        u64::try_from(cost).unwrap_or(u64::MAX)
    }

    /// Whether cheating in any share loses money on average.
    pub fn deters(&self) -> bool {
        self.bond_needed().is_some_and(|needed| self.bond >= needed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn detection_matches_the_formula_in_floating_point() {
        for beta in [1, 1_000, 50_000, 100_000, 333_333, 999_999, 1_000_000] {
            for draws in [0, 1, 2, 5, 20, 45, 1_000] {
                let ours = Probability::from_ppm(beta).detection(draws).ppm();
                let real = 1.0 - (1.0 - f64::from(beta) / 1e6).powi(draws as i32);
                assert!(
                    (f64::from(ours) - real * 1e6).abs() <= 1.0,
                    "beta {beta} draws {draws}: {ours} against {real}"
                );
            }
        }
    }

    #[test]
    fn the_design_example_holds() {
        assert_eq!(
            Probability::from_ppm(100_000).detection(45).ppm() / 1_000,
            991
        );
        let target = Probability::from_ppm(990_000);
        assert_eq!(draws_for(Probability::ratio(1, 10), target, 100), Some(44));
        assert_eq!(draws_for(Probability::NEVER, target, 100), None);
    }

    #[test]
    fn a_ratio_never_exceeds_a_whole() {
        assert_eq!(Probability::ratio(3, 2), Probability::ALWAYS);
        assert_eq!(Probability::ratio(0, 0), Probability::ALWAYS);
        assert_eq!(Probability::ratio(1, 3).ppm(), 333_333);
        assert_eq!(Probability::from_ppm(u32::MAX), Probability::ALWAYS);
        assert_eq!(Probability::ALWAYS.to_string(), "100.00%");
        assert_eq!(Probability::from_ppm(999_999).to_string(), "99.99%");
    }

    #[test]
    fn the_needed_bond_grows_with_dishonest_auditors() {
        let mut stakes = Stakes {
            price: 1_000,
            bond: 0,
            challenger_share: Probability::ratio(1, 2),
            cost: 1_000,
            dishonest: Probability::NEVER,
            auditors: 2,
        };
        assert_eq!(stakes.bond_needed(), Some(0));
        stakes.dishonest = Probability::ratio(3, 10);
        // 1000 / (1 - 0.09) = 1098.9: 99 beyond the price, doubled since half may flow back.
        assert_eq!(stakes.bond_needed(), Some(198));
        assert!(!stakes.deters());
        stakes.bond = 198;
        assert!(stakes.deters());
        stakes.dishonest = Probability::ALWAYS;
        assert_eq!(stakes.bond_needed(), None);
    }

    #[test]
    fn the_deterred_cost_is_the_dearest_that_deters() {
        for (price, bond, share, dishonest, auditors) in [
            (10_000_000, 20_000_000, 500_000, 333_333, 2),
            (1, 0, 0, 0, 1),
            (900, 198, 500_000, 300_000, 2),
            (u64::MAX, u64::MAX, 0, 999_999, 16),
        ] {
            let mut stakes = Stakes {
                price,
                bond,
                challenger_share: Probability::from_ppm(share),
                cost: 0,
                dishonest: Probability::from_ppm(dishonest),
                auditors,
            };
            stakes.cost = stakes.deterred_cost();
            assert!(stakes.deters(), "{stakes:?}");
            if let Some(dearer) = stakes.cost.checked_add(1 + stakes.cost / 500_000) {
                stakes.cost = dearer;
                assert!(!stakes.deters(), "{stakes:?}");
            }
        }
        let open = Stakes {
            price: 5,
            bond: 5,
            challenger_share: Probability::NEVER,
            cost: 0,
            dishonest: Probability::ALWAYS,
            auditors: 3,
        };
        assert_eq!(open.deterred_cost(), 0);
    }

    #[test]
    fn a_bond_at_the_bound_makes_every_share_a_loss() {
        let stakes = Stakes {
            price: 900,
            bond: 0,
            challenger_share: Probability::NEVER,
            cost: 1_000,
            dishonest: Probability::ratio(1, 5),
            auditors: 1,
        };
        let bond = stakes.bond_needed().unwrap();
        for draws in [1, 3, 45] {
            for beta in (10_000..=WHOLE_PPM).step_by(10_000) {
                let caught = f64::from(Probability::from_ppm(beta).detection(draws).ppm()) / 1e6
                    * f64::from(stakes.looked_at().ppm())
                    / 1e6;
                let saved = f64::from(beta) / 1e6 * 1_000.0;
                assert!(caught * (900 + bond) as f64 >= saved - 1e-2);
            }
        }
    }
}
