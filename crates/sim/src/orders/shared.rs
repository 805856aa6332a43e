//! What the tasks of a world share: the ledger, the files, everybody's place and what all see.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use assay_api::told;
use assay_ledger::{AccountCall, AccountId, Call, FileCall, FileId, Order, consent, query};
use assay_ledger::{CONSENT_DOMAIN, OrderId, ReadError, Role};
use assay_node::drive::DriveError;
use assay_proof::View;

use super::books::{Books, BooksError};
use super::happenings::{self, Change, Coming, Deed};
use super::life::Place;
use super::lock::lock;
use super::plan::Plan;
use super::rounds::Rounds;
use super::rules::{self, Rule};
use super::setup::Beginning;
use super::shelf::Shelf;
use super::stage::{self, Stage};
use super::vault::Vault;
use super::waits::Waits;

/// Time between two blocks.
pub(super) const BLOCK: Duration = Duration::from_secs(1);

/// What all tasks have in common.
pub(super) struct Shared {
    pub(super) plan: Plan,
    pub(super) places: Vec<Place>,
    /// The orders, the first one first.
    pub(super) stages: Vec<Arc<Stage>>,
    /// Audits of trainers' rounds.
    pub(super) rounds: Rounds,
    pub(super) shelf: Shelf,
    books: Mutex<Books>,
    vault: Mutex<Vault>,
    coming: Mutex<Vec<Coming>>,
    waits: Mutex<Waits>,
    /// Orders that nobody drew for although somebody takes them.
    pub(super) closed: Mutex<Vec<String>>,
    pub(super) failures: Mutex<Vec<String>>,
}

impl Shared {
    pub(super) fn new(beginning: Beginning) -> Self {
        let Beginning {
            plan,
            places,
            stages,
            actors,
            doers,
            shelf,
            books,
            vault,
            genesis: _,
        } = beginning;
        let rounds = Rounds::new(plan.has_rounds(), actors);
        let coming = plan.happenings.iter().zip(doers).map(Coming::new);
        let coming = coming.collect();
        let shared = Self {
            plan,
            places,
            stages,
            rounds,
            shelf,
            books: Mutex::new(books),
            vault: Mutex::new(vault),
            coming: Mutex::new(coming),
            waits: Mutex::default(),
            closed: Mutex::default(),
            failures: Mutex::default(),
        };
        shared.post();
        shared
    }

    pub(super) fn books(&self) -> MutexGuard<'_, Books> {
        lock(&self.books)
    }

    pub(super) fn vault(&self) -> MutexGuard<'_, Vault> {
        lock(&self.vault)
    }

    /// A party cannot go on, which is nobody's doing.
    pub(super) fn failed(&self, at: usize, error: &DriveError) {
        let name = self.places.get(at).map(|place| place.member().name);
        let failure = format!("{}: {}", name.unwrap_or_default(), told(error));
        lock(&self.failures).push(failure);
    }

    /// Shows everybody the state after a block, and brings about what happens then.
    pub(super) fn show(&self) -> Result<(), BooksError> {
        self.begin_audits()?;
        for stage in self.stages.iter().chain(&self.audits()) {
            let Some(id) = stage.id().filter(|_| !stage.is_over()) else {
                continue;
            };
            if let Some(view) = self.view(&id, None)? {
                stage.show(view);
            }
        }
        self.look()?;
        self.post();
        self.join();
        self.happen();
        Ok(())
    }

    /// An order as the last block left it, for somebody.
    pub(super) fn view(
        &self,
        id: &OrderId,
        me: Option<AccountId>,
    ) -> Result<Option<View>, ReadError> {
        let mut view = View::read(&self.books().store, id, me)?;
        if let Some(view) = view
            .as_mut()
            .filter(|_| self.leaves_out(Rule::KeysAtAcceptance))
        {
            rules::with_keys_of_now(&self.books().store, &mut view.order)?;
        }
        Ok(view)
    }

    /// What a member sees of an order that all see like this: in rounds everybody sees its own part.
    pub(super) fn seen_by(&self, at: usize, view: &View) -> View {
        let place = self.places.get(at);
        match place.filter(|_| view.order.head.rounds.is_some()) {
            Some(place) => {
                let seen = self.seen_in_rounds((at, place.secret.public()), view);
                seen.expect("a state in memory")
            }
            None => view.clone(),
        }
    }

    /// Notes orders that wait for longer than they may.
    fn look(&self) -> Result<(), BooksError> {
        let views: Vec<_> = self.stages.iter().map(|stage| stage.view()).collect();
        let orders: Vec<Option<&Order>> = views
            .iter()
            .map(|view| view.as_ref().map(|view| &view.order))
            .collect();
        let books = self.books();
        if let Some(late) = lock(&self.waits).look(&books.store, &orders)? {
            let height = books.height;
            let closed = format!("order {late} waits for a draw at height {height}");
            lock(&self.closed).push(closed);
        }
        Ok(())
    }

    /// Whether this world is without a rule.
    pub(super) fn leaves_out(&self, rule: Rule) -> bool {
        self.plan.leave_out.contains(&rule)
    }

    /// Records a file on some of the nodes.
    pub(super) fn put(&self, file: FileId, owner: AccountId, name: &str) -> FileCall {
        let chain = self.books().chain;
        self.shelf
            .put((file, owner, name), chain, &mut self.vault())
    }

    /// Posts the orders whose time it is.
    fn post(&self) {
        let (mut books, mut vault) = (self.books(), self.vault());
        for stage in &self.stages {
            if let Some(place) = stage.requester().and_then(|at| self.places.get(at)) {
                stage.post(&place.secret, &mut books, &mut vault, &self.shelf);
            }
        }
    }

    fn happen(&self) {
        let now = self.books().height;
        let phase_of = |order: usize| Some(self.stages.get(order)?.view()?.order.head.phase);
        let mut due = Vec::new();
        lock(&self.coming).retain_mut(|coming| {
            let is_due = coming.is_due(now, phase_of);
            due.extend(is_due.then_some((coming.what, coming.doer)));
            !is_due
        });
        for (deed, doer) in due {
            self.bring_about(deed, doer);
        }
    }

    fn bring_about(&self, deed: Deed, doer: Option<usize>) {
        match deed {
            Deed::Flood { orders, seconds } => {
                let doer = doer.and_then(|at| Some((at, self.places.get(at)?)));
                if let Some((at, place)) = doer {
                    let (mut books, mut vault) = (self.books(), self.vault());
                    let scene = (&mut *books, &mut *vault, &self.shelf);
                    stage::flood((at, &place.secret), scene, (orders, seconds));
                }
            }
            Deed::Joins { order, who } => self.want_to_join(order, who),
            Deed::Leaves { order, who } => self.leave(order, who),
            Deed::NodeDies { node } => self.vault().bury(node),
            Deed::NodeLoses { node } => {
                let height = self.books().height;
                self.vault().forget(node, height.0);
            }
            Deed::InputsGone { requester } => {
                let requesters = self.members(None);
                let at = requesters.get(requester).copied();
                if let Some(place) = at.and_then(|at| self.places.get(at)) {
                    let gone = place.secret.public();
                    self.vault().gone.insert(gone);
                }
            }
            Deed::Change { role, who, into } => {
                let at = self.members(Some(role)).get(who).copied();
                if let Some(at) = at {
                    self.change(at, role, into);
                }
            }
        }
    }

    /// The members with that role, by their place.
    pub(super) fn members(&self, role: Option<Role>) -> Vec<usize> {
        let places = self.places.iter().enumerate();
        let of = places.filter(|(_, place)| place.member().role == role);
        of.map(|(at, _)| at).collect()
    }

    fn change(&self, at: usize, role: Role, into: Change) {
        let (Some(place), Some(owner)) = (self.places.get(at), self.places.first()) else {
            return;
        };
        let mut books = self.books();
        let account = place.secret.public();
        let (who, secret, call): (usize, _, Call) = if into == Change::Owned {
            let text = consent(books.chain, &owner.secret.public());
            let own = AccountCall::Own {
                node: account,
                consent: place.secret.sign(CONSENT_DOMAIN, &text),
            };
            (0, &owner.secret, own.into())
        } else {
            let before = query::registration(&books.store, role, &account);
            let Some(before) = before.expect("a state in memory") else {
                return;
            };
            let call = happenings::call((&place.secret, role), &before, into);
            (at, &place.secret, call.into())
        };
        // What the ledger says to it is in the list of refused calls.
        drop(books.submit(who, secret, call));
    }
}
