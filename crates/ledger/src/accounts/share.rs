//! Whose offers an order's terms meet, measured in bonds: the share of the network that could be drawn.
//!
//! Whoever writes terms could write them so that only accomplices take them. So auditors are drawn only
//! where the offers that take the terms hold at least [`Parameters::min_share`] of the auditors' bonds.
//! What is asked of auditors by terms as good as the network's standard offer, everybody takes whose offer
//! counts here, so such terms are never short of it.

use crate::{Offer, Parameters, Ppm, Registration, Role, Terms};

impl Offer {
    /// Whether it takes every order that `other` takes.
    fn takes_all_of(&self, other: &Offer) -> bool {
        let times = self.least_time.named();
        let mut times = times.iter().zip(other.least_time.named());
        other.kinds.iter().all(|kind| self.kinds.contains(kind))
            && (other.methods.iter()).all(|method| self.methods.contains(method))
            && self.memory >= other.memory
            && self.least_pay <= other.least_pay
            && self.most_bond >= other.most_bond
            && times.all(|((_, own), (_, other))| *own <= other)
            && self.orders > 0
    }
}

/// The share of the auditors' bonds whose offers take an order with these terms. Both parts of it count,
/// busy or not, those whose offers are not suspended and take all that the standard offer takes; where
/// there is nobody of that kind, nothing can be said against any terms, and it is one.
pub fn eligible_share<'a>(
    terms: &Terms,
    parameters: &Parameters,
    auditors: impl IntoIterator<Item = &'a Registration>,
) -> Ppm {
    let (mut taking, mut all) = (0u128, 0u128);
    for auditor in auditors {
        let out = auditor.leaving || auditor.suspended;
        let offer = auditor.offer.as_ref().filter(|_| !out);
        let standard = |offer: &&Offer| offer.takes_all_of(&parameters.standard_offer);
        let Some(offer) = offer.filter(standard) else {
            continue;
        };
        let bond = u128::from(auditor.bond.0);
        all = all.saturating_add(bond);
        if offer.refuses(Role::Auditor, terms).is_empty() {
            taking = taking.saturating_add(bond);
        }
    }
    let one = u128::from(Ppm::ONE.0);
    let share = (taking.saturating_mul(one)).checked_div(all).unwrap_or(one);
    Ppm(u32::try_from(share).unwrap_or(Ppm::ONE.0))
}
