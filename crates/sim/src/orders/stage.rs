//! One order of a world, from before it is posted.

use std::sync::{Arc, Mutex, MutexGuard};

use assay_crypto::SecretKey;
use assay_crypto::aead::FileKey;
use assay_ledger::{
    Amount, BoundedString, Height, Input, Order, OrderCall, OrderId, Parameters, Terms,
};
use assay_proof::{OrderKeys, View};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use super::books::Books;
use super::lock::lock;
use super::plan::{Money, Plan, ProcedureName, RoundsPlan};
use super::shelf::Shelf;
use super::vault::Vault;

/// Views that a party may lag behind; it needs the newest only.
const BACKLOG: usize = 4;

/// An order and what its parties see of it.
pub(super) struct Stage {
    /// Which it is: those that are posted come first, then audits of rounds as they begin.
    pub(super) number: usize,
    pub(super) views: broadcast::Sender<Arc<View>>,
    /// How it is posted; an audit of a round is not.
    posted: Option<Posting>,
    known: Mutex<Known>,
}

/// How an order comes to be.
struct Posting {
    /// Whose it is, by its place among the members.
    requester: usize,
    /// The block after which it is posted.
    after: Height,
    job: Plan,
    keys: OrderKeys,
}

/// What of an order is known so far.
#[derive(Default)]
struct Known {
    /// Its name, from when it waits for a block.
    id: Option<OrderId>,
    view: Option<Arc<View>>,
}

impl Stage {
    pub(super) fn new(
        number: usize,
        (requester, after): (usize, Height),
        job: Plan,
        keys: OrderKeys,
    ) -> Self {
        let posted = Posting {
            requester,
            after,
            job,
            keys,
        };
        Self {
            number,
            views: broadcast::Sender::new(BACKLOG),
            posted: Some(posted),
            known: Mutex::default(),
        }
    }

    /// The audit of a trainer's round, which is on the ledger.
    pub(super) fn of_audit(number: usize, id: OrderId) -> Self {
        Self {
            number,
            views: broadcast::Sender::new(BACKLOG),
            posted: None,
            known: Mutex::new(Known {
                id: Some(id),
                view: None,
            }),
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        lock(&self.known)
    }

    /// Its name, once it was posted.
    pub(super) fn id(&self) -> Option<OrderId> {
        self.known().id
    }

    /// The order after the last block, once there is one.
    pub(super) fn view(&self) -> Option<Arc<View>> {
        self.known().view.clone()
    }

    /// How it is done.
    pub(super) fn procedure(&self) -> ProcedureName {
        let posted = self.posted.as_ref();
        posted.map_or(ProcedureName::Traced, |of| of.job.procedure())
    }

    /// What it is like in rounds, if it has some.
    pub(super) fn rounds(&self) -> Option<&RoundsPlan> {
        self.posted.as_ref()?.job.rounds.as_ref()
    }

    /// Whose it is, by its place among the members; an audit of a round is nobody's.
    pub(super) fn requester(&self) -> Option<usize> {
        self.posted.as_ref().map(|of| of.requester)
    }

    /// Shows everybody the order as it is now.
    pub(super) fn show(&self, view: View) {
        let view = Arc::new(view);
        self.known().view = Some(view.clone());
        // Nobody may be looking.
        let _ = self.views.send(view);
    }

    /// Whether nothing can happen to it any more.
    pub(super) fn is_over(&self) -> bool {
        let over = |order: &Order| order.head.phase.is_final();
        self.view().is_some_and(|view| over(&view.order))
    }

    /// Waits until the order is in another attempt than now, or has another list of who is asked; false if
    /// it ended before.
    pub(super) async fn next_attempt(&self, views: &mut broadcast::Receiver<Arc<View>>) -> bool {
        let now = |view: Arc<View>| (view.order.attempt(), view.order.head.lists);
        let before = self.view().map(now);
        while !self.is_over() {
            if matches!(views.recv().await, Err(RecvError::Closed)) {
                return false;
            }
            if self.view().map(now) != before {
                return true;
            }
        }
        false
    }

    /// Puts the inputs into the vault and lets the order wait for a block, unless it was done or is too
    /// early.
    pub(super) fn post(
        &self,
        secret: &SecretKey,
        books: &mut Books,
        vault: &mut Vault,
        shelf: &Shelf,
    ) {
        let mut known = self.known();
        let Some(of) = &self.posted else { return };
        if known.id.is_some() || books.height < of.after {
            return;
        }
        let (owner, member) = (secret.public(), of.requester);
        let who = (member, secret);
        let inputs = record_inputs(who, (books, vault, shelf), (&of.job, &of.keys));
        let nonce = books.next_nonce(member, owner);
        known.id = Some(OrderId::new(books.chain, owner, nonce));
        let terms = of.job.terms(inputs, &of.keys);
        books.submit(member, secret, OrderCall::Post(Box::new(terms)).into());
    }
}

/// What an order is posted to.
type Scene<'a> = (&'a mut Books, &'a mut Vault, &'a Shelf);

/// Stores the inputs of a job.
fn record_inputs(
    (member, secret): (usize, &SecretKey),
    (books, vault, shelf): Scene<'_>,
    (job, keys): (&Plan, &OrderKeys),
) -> Vec<Input> {
    let owner = secret.public();
    let mut inputs = Vec::new();
    for ((name, bytes), key) in job.inputs.iter().zip(keys.inputs()) {
        let content = Vault::content(bytes);
        let file = vault.store(owner, key, bytes.clone());
        let put = shelf.put((file, owner, name), books.chain, vault);
        books.submit(member, secret, put.into());
        inputs.push(Input {
            name: BoundedString::new(*name).expect("a short name"),
            file,
            content,
        });
    }
    inputs
}

/// Posts so many orders that nobody takes, which wait for so many seconds: for as many auditors as any
/// order may have, and there are fewer.
pub(super) fn flood(
    who: (usize, &SecretKey),
    (books, vault, shelf): Scene<'_>,
    (orders, seconds): (u32, u32),
) {
    let least = Parameters::default();
    let multiple = u64::from(least.max_bond_multiple);
    let job = Plan {
        steps: 1,
        segment_steps: 1,
        drawn: 1,
        auditors: Terms::MAX_AUDITORS,
        attempts: 1,
        deadline: seconds,
        money: Money {
            price: Amount(least.provider_bond.0 / multiple),
            provider_bond: least.provider_bond,
            auditor_bond: least.auditor_bond,
            auditor_fee: Amount(least.auditor_bond.0 / multiple),
        },
        ..Plan::default()
    };
    let keys = job.inputs.iter().map(|_| FileKey([8; 32])).collect();
    let keys = OrderKeys::new(keys, [8; 32]);
    let inputs = record_inputs(who, (books, vault, shelf), (&job, &keys));
    for _ in 0..orders {
        let terms = job.terms(inputs.clone(), &keys);
        books.submit(who.0, who.1, OrderCall::Post(Box::new(terms)).into());
    }
}
