//! What must not be in an order with rounds, told from what happened on the ledger.

use std::collections::{BTreeMap, BTreeSet};

use assay_ledger::{AccountId, Event, FileId, Order, OrderEvent, OrderId, Phase};

/// What was wrong for those who keep to the protocol.
#[derive(Default)]
pub(in super::super) struct Judged {
    /// A trainer whose update is on the ledger, or a validator whose model became the round's, without its pay.
    pub(in super::super) unpaid: Vec<String>,
    /// A trainer that sent nothing in a round.
    pub(in super::super) missed: Vec<String>,
    /// Rounds that merged nothing although honest updates are enough for it.
    pub(in super::super) unmerged: Vec<String>,
    /// Updates that were sent.
    pub(in super::super) updates: usize,
    /// Trainers that were put out.
    pub(in super::super) put_out: usize,
    /// What the order, and its audits, paid.
    pub(in super::super) paid: u64,
}

/// Who keeps to the protocol, by name.
pub(in super::super) type Honest = BTreeMap<AccountId, String>;

/// Goes through all that happened. `audits` tells the order of each audit of a trainer's round.
pub(in super::super) fn judge(
    events: &[Event],
    order: &Order,
    audits: &BTreeMap<OrderId, OrderId>,
    honest: &Honest,
) -> Judged {
    let id = order.head.id;
    let mut walk = Walk {
        price: order.head.terms.price.0,
        least: order.head.terms.rounds.map_or(1, |of| of.least.into()),
        ..Walk::new(honest)
    };
    for event in events {
        let Event::Order { order, event } = event else {
            continue;
        };
        if audits.get(order) == Some(&id) {
            walk.in_audit(event);
        } else if *order == id {
            walk.take(event);
        }
    }
    walk.judged
}

struct Walk<'a> {
    honest: &'a Honest,
    price: u64,
    least: usize,
    /// The round under way.
    round: u16,
    /// Those who take part.
    present: BTreeSet<AccountId>,
    /// Those of whom an update is expected, while they train.
    awaited: Option<BTreeSet<AccountId>>,
    /// Those who sent one in the round.
    sent: BTreeSet<AccountId>,
    /// Who was paid what since the round began.
    paid: BTreeMap<AccountId, u64>,
    /// Who was paid since merging began.
    merged: BTreeSet<AccountId>,
    attested: BTreeMap<FileId, Vec<AccountId>>,
    has_model: bool,
    judged: Judged,
}

impl<'a> Walk<'a> {
    fn new(honest: &'a Honest) -> Self {
        Self {
            honest,
            price: 0,
            least: 1,
            round: 0,
            present: BTreeSet::new(),
            awaited: None,
            sent: BTreeSet::new(),
            paid: BTreeMap::new(),
            merged: BTreeSet::new(),
            attested: BTreeMap::new(),
            has_model: false,
            judged: Judged::default(),
        }
    }

    fn pay(&mut self, account: AccountId, amount: u64) {
        self.judged.paid += amount;
        *self.paid.entry(account).or_default() += amount;
    }

    fn in_audit(&mut self, event: &OrderEvent) {
        if let OrderEvent::Paid { account, amount } = event {
            self.pay(*account, amount.0);
        }
    }

    fn take(&mut self, event: &OrderEvent) {
        match event {
            OrderEvent::Paid { account, amount } => {
                self.pay(*account, amount.0);
                self.merged.insert(*account);
            }
            OrderEvent::Joined { trainer, .. } => drop(self.present.insert(*trainer)),
            OrderEvent::Left { trainer } => drop(self.present.remove(trainer)),
            OrderEvent::PutOut { trainer } => {
                self.present.remove(trainer);
                self.judged.put_out += 1;
            }
            OrderEvent::UpdateCommitted { trainer, .. } => {
                self.sent.insert(*trainer);
                self.judged.updates += 1;
            }
            OrderEvent::PhaseEntered { phase } => self.enter(*phase),
            OrderEvent::ModelAttested { validator, file } => {
                self.attested.entry(*file).or_default().push(*validator);
            }
            OrderEvent::FirstModel { file } => {
                self.has_model = true;
                self.merge(*file);
            }
            OrderEvent::Merged { file, .. } => self.merge(*file),
            OrderEvent::NotMerged { .. } => {
                let sent = self.sent.iter();
                let sent = sent.filter(|of| self.honest.contains_key(of)).count();
                let round = self.round;
                if !self.has_model {
                    self.judged.unmerged.push("no first model".to_owned());
                } else if sent >= self.least {
                    let why = format!("round {round} merged nothing of {sent} honest updates");
                    self.judged.unmerged.push(why);
                }
            }
            OrderEvent::RoundBegun { round, .. } => {
                self.conclude();
                self.round = *round;
            }
            OrderEvent::Ended { .. } => self.conclude(),
            _ => {}
        }
    }

    fn enter(&mut self, phase: Phase) {
        match phase {
            Phase::Training => self.awaited = Some(self.present.clone()),
            Phase::Gathering | Phase::Between => {
                let awaited = self.awaited.take().unwrap_or_default();
                for of in awaited.intersection(&self.present) {
                    let name = self.honest.get(of).filter(|_| !self.sent.contains(of));
                    let missed = name.map(|name| format!("{name} in round {}", self.round));
                    self.judged.missed.extend(missed);
                }
            }
            Phase::Merging => {
                self.attested.clear();
                self.merged.clear();
            }
            _ => {}
        }
    }

    /// A model became the round's: whoever had said so is paid.
    fn merge(&mut self, file: FileId) {
        for of in self.attested.remove(&file).unwrap_or_default() {
            let name = self.honest.get(&of).filter(|_| !self.merged.contains(&of));
            let unpaid = name.map(|name| format!("{name} for merging in round {}", self.round));
            self.judged.unpaid.extend(unpaid);
        }
    }

    /// The round is over, and whoever sent an update is paid for all of its steps.
    fn conclude(&mut self) {
        for of in std::mem::take(&mut self.sent) {
            let paid = self.paid.get(&of).copied().unwrap_or_default();
            let name = self.honest.get(&of).filter(|_| paid < self.price);
            let unpaid = name.map(|name| format!("{name} for round {}", self.round));
            self.judged.unpaid.extend(unpaid);
        }
        self.paid.clear();
    }
}
