//! A disk that stops answering: no read is taken for an absence, no block half executed.

use std::cell::Cell;

use assay_ledger::{
    AccountCall, Admission, AdmitError, ExecuteError, Head, Height, MemoryStore, OrderCall, Pairs,
    Phase, ReadError, RunIndex, Store, check_block, execute_block,
    query::{self, Which},
};

use crate::life::{REACH, wait};
use crate::world::{Run, Who, World, file_id, terms};

/// Answers that many reads and fails from then on, or fails only once.
struct Failing<'a> {
    state: &'a MemoryStore,
    left: Cell<u32>,
    once: bool,
    asked: Cell<u32>,
}

impl<'a> Failing<'a> {
    fn after(reads: u32, once: bool, state: &'a MemoryStore) -> Failing<'a> {
        Failing {
            state,
            left: Cell::new(reads),
            once,
            asked: Cell::new(0),
        }
    }

    fn check(&self) -> Result<(), ReadError> {
        self.asked.set(self.asked.get() + 1);
        let left = self.left.get();
        if left == 0 {
            if self.once {
                self.left.set(u32::MAX);
            }
            return Err(ReadError::new("the disk failed: test"));
        }
        self.left.set(left - 1);
        Ok(())
    }
}

impl Store for Failing<'_> {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
        self.check()?;
        self.state.get(key)
    }

    fn scan(&self, prefix: &[u8], from: &[u8], limit: usize) -> Result<Pairs, ReadError> {
        self.check()?;
        self.state.scan(prefix, from, limit)
    }
}

/// Executes the blocks of a life above a height with every read failing, one after the other.
fn every_failure_is_told(world: &World, above: Height) {
    let mut again = World::with(world.genesis.parameters.clone());
    for (context, txs) in &world.history {
        if context.height <= above {
            again.execute(*context, txs.clone());
            continue;
        }
        let whole = execute_block(&again.store, context, txs).unwrap();
        let reads = {
            let counting = Failing::after(u32::MAX, false, &again.store);
            assert_eq!(execute_block(&counting, context, txs).unwrap(), whole);
            counting.asked.get()
        };
        assert!(reads > 0);
        for failing in 0..reads {
            for once in [true, false] {
                let store = Failing::after(failing, once, &again.store);
                match execute_block(&store, context, txs) {
                    Err(ExecuteError::Read(error)) => {
                        let cause = std::error::Error::source(&error).unwrap();
                        assert_eq!(cause.to_string(), "the disk failed: test");
                    }
                    other => panic!("read {failing} of {reads} at {context:?}: {other:?}"),
                }
            }
        }
        again.execute(*context, txs.clone());
    }
}

#[test]
fn a_failing_read_ends_a_block_of_calls() {
    let mut world = World::new();
    let order = world.accepted();
    wait(&mut world, order);
    every_failure_is_told(&world, Height(0));
}

#[test]
fn a_failing_read_ends_a_block_whose_deadlines_pass() {
    let truth = Run::truth(&terms());
    for (_, reach) in REACH {
        let mut world = World::new();
        let order = reach(&mut world, &truth);
        let reached = world.height();
        wait(&mut world, order);
        world.apply(
            Who::Auditor(3),
            AccountCall::Unregister {
                role: assay_ledger::Role::Auditor,
            },
        );
        world.advance(6);
        every_failure_is_told(&world, reached);
    }
}

#[test]
fn no_query_takes_a_failing_disk_for_an_absence() {
    let mut world = World::new();
    let order = world.accepted();
    let broken = || Failing::after(0, false, &world.store);
    assert!(query::order(&broken(), &order).is_err());
    assert!(query::account(&broken(), &Who::Requester.id()).is_err());
    assert!(query::orders(&broken()).is_err());
    assert!(query::active_orders(&broken()).is_err());
    assert!(query::parameters(&broken()).is_err());
    assert!(query::files(&broken()).is_err());
    assert!(query::grants(&broken(), &order, RunIndex(0)).is_err());
    for which in [Which::Latest, Which::In(Phase::Accepted), Which::Judged] {
        assert!(query::list(&broken(), which, 1).is_err());
    }
    let (file, id) = (file_id("model"), Who::Requester.id());
    assert!(query::file_grant(&broken(), &file, &id, &id).is_err());
    assert!(query::file_grants(&broken(), &file, &id).is_err());
    assert!(query::grants_of(&broken(), &id, 1).is_err());
    assert!(query::grants_to(&broken(), &id, 1).is_err());
    // Nor is a move taken for one that nobody waits for.
    let accept = OrderCall::Accept { order }.into();
    assert!(query::turn(&world.store, id, &accept).unwrap().is_some());
    // Its head, its run, the validators.
    for reads in 0..3 {
        let store = Failing::after(reads, false, &world.store);
        assert!(query::turn(&store, id, &accept).is_err());
    }
    // Not at the first read either: of what is partly read nothing is told.
    for reads in 1..5 {
        assert!(query::counted_supply(&Failing::after(reads, false, &world.store)).is_err());
    }
    assert!(query::active_orders(&Failing::after(1, false, &world.store)).is_err());
}

#[test]
fn nothing_is_refused_for_what_could_not_be_read() {
    let world = World::new();
    let to = Who::Requester.id();
    let amount = assay_ledger::Amount(1);
    let txs = world.sign(vec![(
        Who::Stranger,
        AccountCall::Transfer { to, amount }.into(),
    )]);
    for reads in 0..2 {
        let store = Failing::after(reads, false, &world.store);
        assert!(matches!(
            check_block(&store, &txs),
            Err(ExecuteError::Read(_))
        ));
    }
    assert!(Admission::new(&Failing::after(0, false, &world.store)).is_err());
    let store = Failing::after(1, false, &world.store);
    let mut admission = Admission::new(&store).unwrap();
    assert!(matches!(admission.admit(&txs[0]), Err(AdmitError::Read(_))));
}

#[test]
fn a_damaged_record_is_an_error_and_no_absence() {
    let mut world = World::new();
    let order = world.posted();
    let key = world
        .store
        .pairs()
        .iter()
        .find(|(_, value)| borsh::from_slice::<Head>(value).is_ok_and(|found| found.id == order))
        .map(|(key, _)| key.clone())
        .unwrap();
    let damage = [(key, Some(b"torn".to_vec()))].into();
    world.store.apply(&damage);
    let error = query::order(&world.store, &order).unwrap_err();
    let cause = std::error::Error::source(&error).unwrap();
    assert!(cause.to_string().contains("is damaged"), "{cause}");
    assert!(query::orders(&world.store).is_err());
    let txs = world.sign(vec![(Who::Requester, OrderCall::Cancel { order }.into())]);
    let executed = execute_block(&world.store, &world.next_context(), &txs);
    assert!(
        matches!(executed, Err(ExecuteError::Read(_))),
        "{executed:?}"
    );
}
