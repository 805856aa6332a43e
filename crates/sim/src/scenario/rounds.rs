//! Orders with rounds in a scenario.

use assay_ledger::{Amount, RoundTerms};
use serde::{Deserialize, Serialize};

use super::ScenarioError;
use crate::orders::{Plan, ProcedureName, RoundsPlan};

/// Most parameters of a simulated model.
const MAX_PARAMETERS: u64 = 1_000_000;

/// What an order with rounds is like beside its other settings. Its `steps` are those of one trainer in one round,
/// the one that makes its update among them; `attempts` mean nothing there. What a network does not take is refused
/// by its ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RoundsSettings {
    /// How many rounds there are.
    pub rounds: u16,
    /// Providers that join as soon as the order is posted, the first ones; all of them unless it is said. Others join
    /// where something happens that has them join.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trainers: Option<usize>,
    /// Trainers without which it does not begin, and updates without which a round merges none.
    pub least: u16,
    /// Most trainers; as many as there are providers unless it is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub most: Option<u16>,
    /// Trainers that are audited in each round.
    pub audited: u16,
    /// Parameters of its model: sums, and what is added to them.
    pub parameters: u32,
    /// What the validators whose model is the round's share for it, in millionths of a token.
    pub merge_fee: u64,
}

impl Default for RoundsSettings {
    fn default() -> Self {
        Self {
            rounds: 3,
            trainers: None,
            least: 2,
            most: None,
            audited: 1,
            parameters: 4,
            merge_fee: 400_000,
        }
    }
}

impl RoundsSettings {
    /// Refuses rounds where there are none, none where there are some, and what cannot be simulated. `place` says
    /// which order it is.
    pub(super) fn check(
        of: Option<&Self>,
        (place, procedure, providers): (&str, ProcedureName, usize),
    ) -> Result<(), ScenarioError> {
        let place = place.to_owned();
        let of = match (procedure, of) {
            (ProcedureName::Rounds, None) => return Err(ScenarioError::NoRounds(place)),
            (ProcedureName::Rounds, Some(of)) => of,
            (_, None) => return Ok(()),
            (_, Some(_)) => return Err(ScenarioError::Rounds(place)),
        };
        let bounds = [
            (
                "rounds",
                u64::from(of.rounds),
                RoundTerms::MAX_ROUNDS.into(),
            ),
            ("parameters", of.parameters.into(), MAX_PARAMETERS),
            (
                "trainers",
                of.trainers.unwrap_or(1) as u64,
                providers as u64,
            ),
        ];
        let beyond = bounds
            .into_iter()
            .find(|(_, value, most)| !(1..=*most).contains(value));
        match beyond {
            None => Ok(()),
            Some((field, value, most)) => Err(ScenarioError::Bounds {
                place,
                field,
                value,
                least: 1,
                most,
            }),
        }
    }

    /// A plan in which the work is done in rounds, by these providers.
    pub(super) fn of(self, plan: Plan, providers: usize) -> Plan {
        let all = u16::try_from(providers).unwrap_or(u16::MAX);
        plan.in_rounds(RoundsPlan {
            rounds: self.rounds,
            least: self.least,
            most: self.most.unwrap_or(all),
            audited: self.audited,
            parameters: self.parameters,
            merge_fee: Amount(self.merge_fee),
            trainers: self.trainers.unwrap_or(providers),
        })
    }
}
