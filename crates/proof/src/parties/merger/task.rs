//! Merging as a task of the job's kind.

use assay_ledger::{Place, Rounds, StateFile};

use super::Merger;
use crate::keys::model_key;
use crate::party::{Ask, Tag, What};
use crate::program::{Task, TaskInput};
use crate::view::View;

/// The number of a trainer that there is none of: with it at its end, a specification is that of merging.
pub const MERGING: u32 = u32::MAX;

/// The name of the input that is a trainer's update, in the task of merging.
pub fn update_name(trainer: u16) -> String {
    format!("update-{trainer}")
}

impl Merger {
    /// What is computed, once all of it is here.
    pub(super) fn task(&mut self, view: &View, rounds: &Rounds, place: Place) -> Option<Task> {
        let terms = &view.order.head.terms;
        let mut spec = terms.spec.to_vec();
        spec.extend(u64::from(rounds.round).to_le_bytes());
        spec.extend(MERGING.to_le_bytes());
        let mut inputs = Vec::new();
        if let Some(model) = &rounds.model {
            let Some(handle) = self.case.model.clone() else {
                let what = What::Input(0, 0);
                self.desk.ask(Tag { place, what }, view.height, || {
                    Some(Ask::FetchInput {
                        file: model.file,
                        owners: model.keepers.clone(),
                        key: model_key(place.order, &model.content),
                        content: model.content,
                    })
                });
                return None;
            };
            inputs.push(TaskInput {
                name: "model".to_owned(),
                handle,
            });
            for number in rounds.counted.numbers() {
                let file = self.case.updates.get(&number)?;
                let (_, state) = StateFile::decode(file).ok()?;
                inputs.push(TaskInput::in_memory(update_name(number), state.to_vec()));
            }
        }
        let seed = match rounds.model {
            Some(_) => rounds.merge_seed?,
            None => rounds.seed?,
        };
        Some(Task {
            kind: terms.kind.to_string(),
            spec,
            model: Vec::new(),
            memory: u64::MAX,
            inputs,
            seed,
            steps: 1,
            segment_steps: 1,
            stop: terms.stop,
        })
    }
}
