//! What an agent sees of an order when it may move, and what it does then.

use std::collections::BTreeMap;

use assay_ledger::{AccountId, Order, OrderCall, OrderId, Reached, RunIndex, StepIndex};

use crate::work::Trace;

/// Somebody who takes part in orders: honest, or not.
///
/// It is asked after every block about every order in which it has a part, and moves or does not. It has
/// no way to the network but the calls that it makes here.
pub trait Agent: Send {
    /// What it does about this order now.
    fn moves(&mut self, scene: &mut Scene<'_>);
}

/// What providers have brought to the vault: the states of every run that was committed to.
///
/// Whoever is honest reads no state of it that is not at the start of a segment; an accomplice of the
/// provider may read them all.
#[derive(Default)]
pub struct Vault(BTreeMap<(OrderId, RunIndex), Trace>);

impl Vault {
    /// Keeps a run.
    pub(crate) fn keep(&mut self, order: OrderId, run: RunIndex, trace: Trace) {
        self.0.insert((order, run), trace);
    }

    /// The stored state after a step.
    pub(crate) fn state(&self, order: OrderId, run: RunIndex, step: StepIndex) -> Option<Reached> {
        self.0.get(&(order, run))?.at(step)
    }

    /// Everything: for the run's provider and its accomplices.
    pub(crate) fn trace(&self, order: OrderId, run: RunIndex) -> Option<&Trace> {
        self.0.get(&(order, run))
    }

    /// Forgets the runs of an order that is over.
    pub(crate) fn forget(&mut self, order: OrderId) {
        self.0.retain(|(of, _), _| *of != order);
    }
}

/// One order, as one agent sees it.
pub struct Scene<'a> {
    /// The order as the ledger has it.
    pub order: &'a Order,
    /// Whose move it may be.
    pub me: AccountId,
    /// What providers have stored.
    pub vault: &'a mut Vault,
    /// What it says.
    pub(crate) calls: Vec<OrderCall>,
    /// Steps that it computed for it.
    pub(crate) steps: u64,
}

impl Scene<'_> {
    /// Makes a call.
    pub(crate) fn say(&mut self, call: OrderCall) {
        self.calls.push(call);
    }

    /// Computes so many steps, which cost something.
    pub(crate) fn computes(&mut self, steps: u64) {
        self.steps += steps;
    }

    /// Whether the order's provider is this account.
    pub(crate) fn is_provider(&self) -> bool {
        self.order.provider() == Some(self.me)
    }

    /// Says that it takes part, if it is asked.
    pub(crate) fn accepts(&mut self) {
        if !self.order.has_to_answer(self.me) {
            return;
        }
        if let Some(place) = self.order.list_place() {
            let accept = true;
            self.say(OrderCall::Answer { place, accept });
        }
    }
}
