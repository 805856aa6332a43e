//! What orders a machine takes when its role is registered: `[provider.offer]` and `[auditor.offer]`.
//!
//! From then on the offer on the ledger counts, and `assay offer set` changes it.

use assay_ledger::{Amount, BoundedVec, Deadlines, JobKind, JobMethod, Offer};
use serde::Deserialize;

use super::ByteSize;

/// What a role of the node agrees to, where it differs from [`Offer::standard`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OfferConfig {
    /// Methods of training; all that this version knows if absent.
    pub methods: Option<BoundedVec<JobMethod, 16>>,
    /// Most memory that a run may take; what [`offered_memory`] says if absent.
    pub memory: Option<ByteSize>,
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
    /// The offer as it is registered, by a machine that gives a run `memory` bytes unless something else
    /// is set.
    pub fn offer(&self, memory: u64) -> Offer {
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
            memory: self.memory.map_or(memory, |size| size.0),
            methods: self.methods.clone().unwrap_or(usual.methods),
        }
    }
}

/// What a machine offers a run of its memory where nothing is set: seven eighths of what it has in all,
/// in whole parts of 256 MiB, so that it is the same at every start. Four GiB where the system tells
/// nothing of it.
pub fn offered_memory() -> u64 {
    part_of(assay_job::machine_memory())
}

fn part_of(machine: Option<u64>) -> u64 {
    /// What offers are told apart by.
    const PART: u64 = 256 << 20;
    match machine {
        None => Offer::standard().memory,
        Some(all) => {
            let most = all - all / 8;
            (most - most % PART).max(most.min(PART))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_offers_most_of_what_it_has() {
        assert_eq!(part_of(None), 4 << 30);
        assert_eq!(part_of(Some(16 << 30)), 14 << 30);
        // As much, whatever the system keeps for itself at one start or another.
        assert_eq!(part_of(Some((16 << 30) + (9 << 20))), 14 << 30);
        assert_eq!(part_of(Some(200 << 20)), 175 << 20);
        assert_eq!(part_of(Some(0)), 0);
    }

    #[test]
    fn what_is_left_out_is_as_usual() {
        let memory = Offer::standard().memory;
        let read = |text| toml::from_str::<OfferConfig>(text).unwrap().offer(memory);
        assert_eq!(read(""), Offer::standard());
        let set = "kinds = [\"evaluate\"]\nmethods = [\"lora\"]\nmemory = \"1 GiB\"\n\
                   least_pay = 7\norders = 1\n[least_time]\nrun = 900";
        let usual = Offer::standard();
        let expected = Offer {
            kinds: BoundedVec::new([JobKind::new("evaluate").unwrap()]).unwrap(),
            methods: BoundedVec::new([JobMethod::new("lora").unwrap()]).unwrap(),
            memory: 1 << 30,
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
