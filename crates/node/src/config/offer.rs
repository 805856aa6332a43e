//! What orders a machine takes: `[provider.offer]` and `[auditor.offer]`.

use assay_ledger::{Amount, BoundedVec, Deadlines, JobKind, Offer};
use serde::Deserialize;

/// What a role of the node agrees to, where it differs from [`Offer::standard`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OfferConfig {
    /// Kinds of jobs; all that this version knows if absent.
    pub kinds: Option<BoundedVec<JobKind, 16>>,
    /// Least pay for a step, in micro-units.
    pub least_pay: Option<u64>,
    /// Most that one order may lock of the bond, in micro-units.
    pub most_bond: Option<u64>,
    /// Orders at once; 0 takes no new ones.
    pub orders: Option<u16>,
    /// Shortest deadlines.
    #[serde(default)]
    pub least_time: LeastTime,
}

/// The shortest deadlines of the phases in which a provider or an auditor has to act, in milliseconds of
/// ledger time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "named as the deadlines of an order")]
pub struct LeastTime {
    pub run: Option<u64>,
    pub open: Option<u64>,
    pub audit: Option<u64>,
    pub reveal: Option<u64>,
    pub dispute: Option<u64>,
    pub attest: Option<u64>,
}

impl OfferConfig {
    /// The offer as it stands on the ledger.
    pub fn offer(&self) -> Offer {
        let usual = Offer::standard();
        let (time, least) = (usual.least_time, self.least_time);
        Offer {
            kinds: self.kinds.clone().unwrap_or(usual.kinds),
            least_pay: self.least_pay.map_or(usual.least_pay, Amount),
            most_bond: self.most_bond.map_or(usual.most_bond, Amount),
            least_time: Deadlines {
                run: least.run.unwrap_or(time.run),
                open: least.open.unwrap_or(time.open),
                audit: least.audit.unwrap_or(time.audit),
                reveal: least.reveal.unwrap_or(time.reveal),
                dispute: least.dispute.unwrap_or(time.dispute),
                attest: least.attest.unwrap_or(time.attest),
                ..time
            },
            orders: self.orders.unwrap_or(usual.orders),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_is_as_usual() {
        let read = |text| toml::from_str::<OfferConfig>(text).unwrap().offer();
        assert_eq!(read(""), Offer::standard());
        let set = "kinds = [\"evaluate\"]\nleast_pay = 7\norders = 1\n[least_time]\nrun = 900";
        let usual = Offer::standard();
        let expected = Offer {
            kinds: BoundedVec::new([JobKind::new("evaluate").unwrap()]).unwrap(),
            least_pay: Amount(7),
            orders: 1,
            least_time: Deadlines {
                run: 900,
                ..usual.least_time
            },
            ..usual
        };
        assert_eq!(read(set), expected);
        assert!(toml::from_str::<OfferConfig>("least_price = 1").is_err());
    }
}
