//! What a world of orders is like: its jobs, what they pay, and what is in everybody's way.

use assay_ledger::{
    Amount, BoundedBytes, BoundedString, BoundedVec, Deadlines, Input, Offer, RoundTerms, StopRule,
    Terms,
};
use assay_proof::OrderKeys;
use serde::{Deserialize, Serialize};

use super::happenings::Happening;
use super::rounds::summing;
use super::rules::Rule;
use crate::founding;

/// How an order is done and checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProcedureName {
    /// One provider at a time, audited.
    Traced,
    /// Several at once, compared.
    Redundant,
    /// Many trainers, round by round.
    Rounds,
}

impl ProcedureName {
    /// As scenario files spell it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Traced => "traced",
            Self::Redundant => "redundant",
            Self::Rounds => "rounds",
        }
    }
}

/// What an order with rounds is like beside that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoundsPlan {
    /// How many rounds there are.
    pub rounds: u16,
    /// Trainers without which it does not begin, and updates without which a round merges none.
    pub least: u16,
    /// Most trainers.
    pub most: u16,
    /// Trainers that are audited in each round.
    pub audited: u16,
    /// What the validators whose model is the round's share for it.
    pub merge_fee: Amount,
    /// Parameters of its model.
    pub parameters: u32,
    /// How many providers join as soon as it is posted: the first ones.
    pub trainers: usize,
}

/// What a run is like beyond its cast.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Seed of everything that is drawn.
    pub seed: u64,
    /// Steps of the job.
    pub steps: u64,
    /// Steps of a segment.
    pub segment_steps: u32,
    /// When a run is given up; by the default only after as many invalid steps in a row as a segment
    /// has.
    pub stop: Option<StopRule>,
    /// Segments drawn.
    pub drawn: u32,
    /// Auditors drawn.
    pub auditors: u8,
    /// What it pays and locks.
    pub money: Money,
    /// What providers and auditors offer.
    pub offer: Offer,
    /// Providers that do the job.
    pub copies: u8,
    /// Providers tried.
    pub attempts: u8,
    /// Every phase's deadline, in seconds of ledger time.
    pub deadline: u32,
    /// The judges' deadline, in seconds of ledger time, where it is another.
    pub attest: Option<u32>,
    /// Answers take up to this many blocks.
    pub delay: u64,
    /// A party is killed with this chance at each of its outputs and each block, in thousandths.
    pub kills: u64,
    /// Plaintexts of the inputs.
    pub inputs: Vec<(&'static str, Vec<u8>)>,
    /// The job kind.
    pub kind: &'static str,
    /// The job's specification.
    pub spec: Vec<u8>,
    /// The sizes of its model, as terms tell them.
    pub model: Vec<u8>,
    /// What it is like in rounds, if it has some.
    pub rounds: Option<RoundsPlan>,
    /// Orders that are posted in the same network.
    pub beside: Vec<Beside>,
    /// Storage nodes, and on how many of them a file is kept.
    pub storage: Storage,
    /// What happens beside the parties' own moves.
    pub happenings: Vec<Happening>,
    /// Rules that are left out, to show what they are for.
    pub leave_out: Vec<Rule>,
}

/// An order beside the first one.
#[derive(Debug, Clone)]
pub struct Beside {
    /// Blocks after the first order until it is posted.
    pub after: u64,
    /// Whose it is: 0 is the first order's requester.
    pub requester: usize,
    /// Its job; of the network, and of what is in everybody's way, the first order's plan tells.
    pub plan: Plan,
}

/// Where files lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Storage {
    /// Storage nodes there are.
    pub nodes: usize,
    /// Of how many of them a file is asked to be kept.
    pub replicas: usize,
}

impl Default for Storage {
    fn default() -> Storage {
        Storage {
            nodes: 1,
            replicas: 1,
        }
    }
}

/// What an order pays and locks.
#[derive(Clone, Copy, Debug)]
pub struct Money {
    /// Paid to each provider whose whole run is accepted.
    pub price: Amount,
    /// Locked of a provider's bond.
    pub provider_bond: Amount,
    /// Locked of an auditor's bond.
    pub auditor_bond: Amount,
    /// Paid to each auditor.
    pub auditor_fee: Amount,
}

impl Default for Money {
    fn default() -> Money {
        Money {
            price: Amount::tokens(100),
            provider_bond: Amount::tokens(50),
            auditor_bond: Amount::tokens(20),
            auditor_fee: Amount::tokens(5),
        }
    }
}

impl Plan {
    fn stop(&self) -> StopRule {
        self.stop.unwrap_or(StopRule {
            stop_after: self.segment_steps,
            max_invalid: self.steps,
        })
    }

    /// The same as a job in rounds, of which each trainer takes so many steps and one that makes its update.
    #[must_use]
    pub fn in_rounds(self, rounds: RoundsPlan) -> Plan {
        Plan {
            kind: summing::KIND,
            spec: summing::spec(rounds.least, rounds.parameters),
            model: Vec::new(),
            inputs: Vec::new(),
            attempts: 1,
            copies: 1,
            rounds: Some(rounds),
            ..self
        }
    }

    /// Whether it, or one beside it, has rounds.
    pub(super) fn has_rounds(&self) -> bool {
        let beside = self.beside.iter().any(|other| other.plan.rounds.is_some());
        self.rounds.is_some() || beside
    }

    /// How it is done.
    pub(super) fn procedure(&self) -> ProcedureName {
        match (self.rounds, self.copies) {
            (Some(_), _) => ProcedureName::Rounds,
            (None, 0..2) => ProcedureName::Traced,
            (None, _) => ProcedureName::Redundant,
        }
    }

    fn round_terms(&self) -> Option<RoundTerms> {
        self.rounds.map(|of| RoundTerms {
            rounds: of.rounds,
            least: of.least,
            most: of.most,
            audited: of.audited,
            merge_fee: of.merge_fee,
            update_bytes: summing::update_bytes(of.parameters),
        })
    }

    /// Its terms, over inputs that were stored under these keys.
    pub(super) fn terms(&self, inputs: Vec<Input>, keys: &OrderKeys) -> Terms {
        let audited = self.copies < 2;
        Terms {
            kind: BoundedString::new(self.kind).expect("a short kind"),
            spec: BoundedBytes::new(self.spec.clone()).expect("a short specification"),
            model: BoundedBytes::new(self.model.clone()).expect("the sizes of a model"),
            inputs: BoundedVec::new(inputs).expect("few inputs"),
            steps: self.steps,
            segment_steps: self.segment_steps,
            step_units: 1,
            memory: 1 << 30,
            method: match self.rounds {
                Some(_) => BoundedString::default(),
                None => BoundedString::new("lora").expect("short"),
            },
            stop: self.stop(),
            price: self.money.price,
            provider_bond: self.money.provider_bond,
            auditor_bond: self.money.auditor_bond,
            auditor_fee: if audited {
                self.money.auditor_fee
            } else {
                Amount::ZERO
            },
            segments_drawn: if audited { self.drawn } else { 0 },
            auditors: if audited { self.auditors } else { 0 },
            attempts: self.attempts,
            copies: self.copies,
            keys: keys.commitment(),
            delivery_key: keys.delivery_key(),
            deadlines: Deadlines {
                attest: 1_000 * u64::from(self.attest.unwrap_or(self.deadline)),
                ..Deadlines::all(1_000 * u64::from(self.deadline))
            },
            rounds: self.round_terms(),
            contest: None,
        }
    }
}

impl Default for Plan {
    fn default() -> Plan {
        Plan {
            seed: 0,
            steps: 20,
            segment_steps: 2,
            stop: None,
            drawn: 3,
            auditors: 2,
            money: Money::default(),
            offer: founding::anything(),
            copies: 1,
            attempts: 2,
            deadline: 12,
            attest: None,
            delay: 0,
            kills: 0,
            inputs: vec![("model", vec![1; 64]), ("train", vec![2; 64])],
            kind: "finetune",
            spec: vec![7],
            model: vec![Terms::MODEL_VERSION; Terms::MODEL_BYTES],
            rounds: None,
            beside: Vec::new(),
            storage: Storage::default(),
            happenings: Vec::new(),
            leave_out: Vec::new(),
        }
    }
}
