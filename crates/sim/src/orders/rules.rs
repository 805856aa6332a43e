//! Rules of the game that a world may leave out, to show what they keep from happening.

use std::collections::BTreeMap;

use assay_ledger::{Order, Parameters, Ppm, ReadError, Role, Store, query};
use serde::{Deserialize, Serialize};

/// A rule that is left out. Nothing but these worlds can do without it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// Nobody is drawn for terms outside its offer: without it everybody takes whatever there is, and
    /// phases are shorter than a minute.
    Consent,
    /// At most f of 3f + 1 validators lie: without it two of four do.
    HonestJudges,
    /// Of the nodes that keep a file one stays: without it all go dark at once.
    SpareCopies,
    /// Providers keep copies of their inputs.
    CopiesOfInputs,
    /// What is granted is sealed to the key that counted as its receiver accepted: without it, to the one
    /// that is registered now.
    KeysAtAcceptance,
    /// A block looks at more waiting orders than can be posted in one: without it at four.
    Looks,
    /// Whoever keeps a provider waiting pays for it.
    IdleFee,
}

impl Rule {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Consent,
        Self::HonestJudges,
        Self::SpareCopies,
        Self::CopiesOfInputs,
        Self::KeysAtAcceptance,
        Self::Looks,
        Self::IdleFee,
    ];

    /// As scenario files spell it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Consent => "consent",
            Self::HonestJudges => "honest-judges",
            Self::SpareCopies => "spare-copies",
            Self::CopiesOfInputs => "copies-of-inputs",
            Self::KeysAtAcceptance => "keys-at-acceptance",
            Self::Looks => "looks",
            Self::IdleFee => "idle-fee",
        }
    }

    /// The network's numbers without it.
    pub(super) fn leave_out_of(self, parameters: Parameters) -> Parameters {
        match self {
            Self::Looks => Parameters {
                max_looks: 4,
                ..parameters
            },
            Self::IdleFee => Parameters {
                idle_rate: Ppm(0),
                ..parameters
            },
            _ => parameters,
        }
    }
}

/// Puts other numbers in the place of those of a genesis, whether it might have them or not: the chain's
/// record ends with them, and no number changes its length.
pub(super) fn with_numbers(
    mut state: BTreeMap<Vec<u8>, Vec<u8>>,
    parameters: &Parameters,
) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let numbers = borsh::to_vec(parameters).expect("memory does not fail");
    let chain = state.get_mut(&b"c"[..]).expect("a chain has a record");
    let from = chain.len() - numbers.len();
    chain[from..].copy_from_slice(&numbers);
    state
}

/// The order as it was when keys were sealed to whatever was registered last.
pub(super) fn with_keys_of_now(store: &dyn Store, order: &mut Order) -> Result<(), ReadError> {
    for run in &mut order.runs {
        if let Some(now) = query::registration(store, Role::Provider, &run.provider)? {
            run.encryption_key = now.encryption_key;
        }
        for seat in run.rounds.iter_mut().flat_map(|round| &mut round.seats) {
            if let Some(now) = query::registration(store, seat.role, &seat.auditor)? {
                seat.encryption_key = now.encryption_key;
            }
        }
    }
    Ok(())
}
