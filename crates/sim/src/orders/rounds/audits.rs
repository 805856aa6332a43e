//! Audits of rounds, which begin by themselves.

use std::sync::Arc;

use assay_ledger::{Order, OrderId, ReadError, query};
use tokio::sync::mpsc::UnboundedReceiver;

use super::super::lock::lock;
use super::super::maker::Maker;
use super::super::shared::Shared;
use super::super::stage::Stage;
use super::parts::part_in_audit;

impl Shared {
    /// Those that began so far.
    pub(in super::super) fn audits(&self) -> Vec<Arc<Stage>> {
        lock(&self.rounds.audits).clone()
    }

    /// Parties of audits as they begin; none where there are no rounds, or to whoever asks once more.
    pub(in super::super) fn coming_parties(&self) -> Option<UnboundedReceiver<Maker>> {
        lock(&self.rounds.entered).take()
    }

    /// Has everybody enter that has a part in an audit that has just begun.
    pub(in super::super) fn begin_audits(&self) -> Result<(), ReadError> {
        for stage in self.stages.iter().filter(|stage| stage.rounds().is_some()) {
            let Some(id) = stage.id().filter(|_| !stage.is_over()) else {
                continue;
            };
            let mut begun = Vec::new();
            {
                let books = self.books();
                let order = query::order(&books.store, &id)?;
                let rounds = order.and_then(|order| order.head.rounds);
                let Some(rounds) = rounds else { continue };
                for number in rounds.audits.numbers() {
                    let audit = OrderId::of_audit(id, rounds.round, number);
                    if !books.audits.contains_key(&audit) {
                        begun.extend(query::order(&books.store, &audit)?);
                    }
                }
            }
            for audit in begun {
                self.begin_audit(stage, &audit);
            }
        }
        Ok(())
    }

    fn begin_audit(&self, of: &Stage, audit: &Order) {
        let (id, parent) = (audit.head.id, audit.head.audit_of.as_ref());
        self.books().audits.extend(parent.map(|of| (id, of.order)));
        let stage = {
            let mut audits = lock(&self.rounds.audits);
            let number = self.stages.len() + audits.len();
            let stage = Arc::new(Stage::of_audit(number, id));
            audits.push(stage.clone());
            stage
        };
        for (at, actor) in &self.rounds.actors {
            let member = self.places.get(*at).map(|place| place.member());
            let party = member.and_then(|member| part_in_audit(actor, &member, (audit, of.number)));
            if let (Some(party), Some(entering)) = (party, &self.rounds.entering) {
                // The other end lives as long as the world is played.
                let _ = entering.send(Maker {
                    at: *at,
                    stage: stage.clone(),
                    party,
                    programs: actor.programs.clone(),
                });
            }
        }
    }
}
