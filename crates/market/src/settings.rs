//! What is played for: the terms of every order, the network's numbers, and what work costs.

use assay_crypto::Digest;
use assay_crypto::release::LockKey;
use assay_ledger::{
    AccountId, Amount, BoundedBytes, BoundedString, BoundedVec, Deadlines, JobKind, Offer,
    Parameters, StopRule, Terms,
};

use crate::town::{Citizen, INPUTS};

/// The kinds that everybody offers. They are named: whatever is in the genesis moves the name of the chain,
/// and with it every draw.
pub(crate) const KINDS: [&str; 2] = ["finetune", "evaluate"];
/// Steps of a segment. One bisection goes through it; more would only take time.
const SEGMENT_STEPS: u32 = 2;
/// What an honest requester would have paid at most for a result, beside what it pays.
const WORTH: (u64, u64) = (3, 2);

/// What is played for. The money and counts of [`Settings::default`] are those that a job file gets which
/// says nothing of them, the parameters those with which a network begins.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Paid for a run.
    pub price: Amount,
    /// Locked of a provider's bond.
    pub provider_bond: Amount,
    /// Locked of an auditor's bond.
    pub auditor_bond: Amount,
    /// Paid to each auditor.
    pub auditor_fee: Amount,
    /// Segments of a run.
    pub segments: u32,
    /// Segments drawn for an audit.
    pub drawn: u32,
    /// Auditors of a run.
    pub auditors: u8,
    /// Providers tried.
    pub attempts: u8,
    /// What computing all steps of a run costs whoever does it: electricity, and the machine.
    pub cost: Amount,
    /// The network's numbers.
    pub parameters: Parameters,
    /// What providers and auditors agree to.
    pub offer: Offer,
}

impl Default for Settings {
    fn default() -> Self {
        let offer = Offer::standard().of_kinds(&KINDS);
        Self {
            price: Amount::tokens(10),
            provider_bond: Amount::tokens(20),
            auditor_bond: Amount::tokens(25),
            auditor_fee: Amount(2_500_000),
            segments: 16,
            drawn: 4,
            auditors: 2,
            attempts: 3,
            cost: Amount(1_500_000),
            parameters: Parameters {
                standard_offer: offer.clone(),
                ..Parameters::default()
            },
            offer,
        }
    }
}

impl Settings {
    /// Steps of a run.
    pub(crate) fn steps(&self) -> u64 {
        u64::from(self.segments) * u64::from(SEGMENT_STEPS)
    }

    /// What a requester pays for an order that is done as agreed, in micro-tokens.
    pub(crate) fn pay(&self) -> u64 {
        let fees = self.auditor_fee.0.saturating_mul(self.auditors.into());
        self.price.0.saturating_add(fees)
    }

    /// What a good result is worth to its requester, in micro-tokens: half as much again as it pays.
    pub fn worth(&self) -> u64 {
        self.pay().saturating_mul(WORTH.0) / WORTH.1
    }

    /// The terms of an order.
    pub(crate) fn terms(&self, requester: AccountId, key: LockKey) -> Terms {
        let input = |name: &str| assay_ledger::Input {
            name: BoundedString::new(name).unwrap_or_default(),
            file: Citizen::file(name),
            content: Digest::of("assay/market/plain/v1", &[name.as_bytes()]),
        };
        Terms {
            kind: JobKind::new("finetune").unwrap_or_default(),
            spec: BoundedBytes::new(b"a hash chain".to_vec()).unwrap_or_default(),
            model: BoundedBytes::new(vec![Terms::MODEL_VERSION; Terms::MODEL_BYTES])
                .unwrap_or_default(),
            inputs: BoundedVec::new(INPUTS.map(input)).unwrap_or_default(),
            steps: self.steps(),
            segment_steps: SEGMENT_STEPS,
            step_units: 1,
            memory: 1 << 20,
            method: BoundedString::new("lora").unwrap_or_default(),
            stop: StopRule {
                stop_after: 1,
                max_invalid: 4.min(self.steps()),
            },
            price: self.price,
            provider_bond: self.provider_bond,
            auditor_bond: self.auditor_bond,
            auditor_fee: self.auditor_fee,
            segments_drawn: self.drawn,
            auditors: self.auditors,
            attempts: self.attempts,
            copies: 1,
            keys: Digest::of("assay/market/keys/v1", &[&requester.0]),
            delivery_key: key,
            deadlines: self.deadlines(),
            rounds: None,
            contest: None,
        }
    }

    /// The shortest that both the network and everybody's offer take.
    fn deadlines(&self) -> Deadlines {
        let (floors, least) = (&self.parameters.floors, &self.offer.least_time);
        let longer = |of: fn(&Deadlines) -> u64| of(floors).max(of(least));
        Deadlines {
            assign: longer(|of| of.assign),
            grant: longer(|of| of.grant),
            run: longer(|of| of.run),
            open: longer(|of| of.open),
            audit: longer(|of| of.audit),
            reveal: longer(|of| of.reveal),
            dispute: longer(|of| of.dispute),
            attest: longer(|of| of.attest),
            complain: longer(|of| of.complain),
        }
    }
}
