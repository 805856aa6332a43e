//! Results that are not the final state, shown to the ledger: no validator has a part in it.

use assay_crypto::aead::{self, FileKey};
use assay_crypto::content::SLICE_BYTES;
use assay_crypto::tiles::{TILE_BYTES, Tiled};
use assay_crypto::{Digest, merkle};
use assay_ledger::{
    Contradiction, Examined, FailureReason, NoContradiction, NotTheSlices, OrderCall, OrderId,
    OrderRefusal, Outcome, Phase, Promised, Reached, Refusal, RunIndex, StateFile, Status,
    StepIndex, Trace, examine, sealed_digest,
};

use crate::life::wait;
use crate::redundant::crew::{crowd, files, gain, tokens};
use crate::world::{BOND, FEE, Run, Who, World, ends, file_id, lock, terms};

const RUN: RunIndex = RunIndex(0);

/// A final state of three tiles.
fn text() -> Vec<u8> {
    let word = |at: u64| Digest::of("test/text", &[&at.to_le_bytes()]).0;
    (0..(2 * TILE_BYTES as u64 + 320) / 32)
        .flat_map(word)
        .collect()
}

/// A run that ends with this state.
fn ending(state: &[u8]) -> Run {
    let truth = Run::truth(&terms());
    let counts = truth.counts();
    let state = Tiled::of(state);
    truth.with(terms().steps, Reached { state, counts })
}

/// A result as its provider stored it.
#[derive(Clone)]
struct Stored {
    slices: Vec<Vec<u8>>,
}

impl Stored {
    fn seal(file: &[u8], key: &FileKey) -> Stored {
        // An empty file is one empty slice.
        let count = file.len().div_ceil(SLICE_BYTES).max(1);
        let slices = (0..).zip(file.chunks(SLICE_BYTES).chain([&[][..]]).take(count));
        let seal = |(index, slice): (u64, &[u8])| aead::encrypt(key, index, b"", slice).unwrap();
        let slices = slices.map(seal).collect();
        Stored { slices }
    }

    fn digests(&self) -> Vec<Digest> {
        self.slices
            .iter()
            .map(|slice| sealed_digest(slice))
            .collect()
    }

    fn root(&self) -> Digest {
        merkle::root(self.digests())
    }

    /// What somebody finds who looks at it under this key.
    fn examine(&self, state: &[u8], key: &FileKey) -> Examined {
        let promised = Promised {
            state: Tiled::of(state),
            root: self.root(),
            slices: self.slices.len() as u32,
        };
        let slice = |at: u32| Ok::<_, NotTheSlices>(self.slices[at as usize].clone());
        examine(&promised, key, &self.digests(), slice).unwrap()
    }

    fn contradiction(&self, state: &[u8], key: &FileKey) -> Box<Contradiction> {
        match self.examine(state, key) {
            Examined::Bad(contradiction) => contradiction,
            Examined::Good(_) => panic!("nothing is wrong"),
        }
    }
}

/// The key of a run's result.
fn key(world: &World, order: OrderId, run: RunIndex) -> FileKey {
    let order = world.order(order);
    let provider = Who::of(order.run_at(run).unwrap().provider);
    let use_of = Trace::locked_for(&order.work(run));
    Trace::result_key(&lock(provider).key(&use_of))
}

/// How a provider spoils what it stores.
type Spoil<'a> = &'a dyn Fn(&mut Vec<u8>);
type BoxedSpoil = Box<dyn Fn(&mut Vec<u8>)>;

/// Has a run's provider store this as its result.
fn store(
    world: &mut World,
    (order, run): (OrderId, RunIndex),
    name: &str,
    spoil: Spoil<'_>,
) -> Stored {
    let mut file = StateFile::encode(&ending(&text()).counts(), text());
    spoil(&mut file);
    let stored = Stored::seal(&file, &key(world, order, run));
    let recorded = (stored.root(), stored.slices.len() as u32);
    world.stored.insert(file_id(name), recorded);
    stored
}

/// Where the usual provider's result is.
fn result() -> String {
    format!("checkpoint {}", terms().segments())
}

/// Brings an order from its posting to where the requester looks at what was stored.
fn deliver(world: &mut World, order: OrderId, spoil: Spoil<'_>) -> Stored {
    world.assign(order);
    world.grant_to_provider(order);
    let run = world.order(order).attempt();
    let stored = store(world, (order, run), &result(), spoil);
    let truth = ending(&text());
    world.commit(order, &truth);
    world.audit(order, &truth, |_, _| truth.clone());
    assert_eq!(world.phase(order), Phase::Accepted);
    stored
}

/// What the requester says about the result that is delivered now.
fn call(world: &World, order: OrderId, contradiction: Box<Contradiction>) -> OrderCall {
    let order = world.order(order);
    let run = order.result_run().unwrap();
    OrderCall::Contradict {
        place: order.work(run.index),
        shown: run.released.unwrap().show(&lock(Who::Requester)).unwrap(),
        contradiction,
    }
}

fn refused(refusal: &Refusal) -> &OrderRefusal {
    match refusal {
        Refusal::Order(refusal) => refusal,
        other => panic!("{other}"),
    }
}

/// Everything that can be wrong with what a provider stores.
fn kinds() -> Vec<(&'static str, BoxedSpoil)> {
    let length = text().len();
    vec![
        ("a byte of the first tile", Box::new(|file| file[0] ^= 1)),
        (
            "a byte of the last tile",
            Box::new(move |file| file[length - 1] ^= 1),
        ),
        (
            "everything",
            Box::new(|file| file.iter_mut().for_each(|byte| *byte = !*byte)),
        ),
        (
            "a tile and its node",
            Box::new(move |file| {
                file[0] ^= 1;
                let other = StateFile::encode(&Default::default(), file[..length].to_vec());
                file[length..length + 32].copy_from_slice(&other[length..length + 32]);
            }),
        ),
        (
            "another state with all its nodes",
            Box::new(move |file| {
                let other: Vec<u8> = file[..length].iter().map(|byte| !byte).collect();
                *file = StateFile::encode(&Default::default(), other);
            }),
        ),
        (
            "a byte too few",
            Box::new(|file| file.truncate(file.len() - 1)),
        ),
        ("a byte too many", Box::new(|file| file.push(0))),
        ("nothing", Box::new(Vec::clear)),
    ]
}

#[test]
fn garbage_of_every_kind_costs_its_provider_the_bond_at_once() {
    for (kind, spoil) in kinds() {
        let mut world = World::new();
        let order = world.posted();
        let stored = deliver(&mut world, order, &*spoil);
        let provider = world.provider(order);
        let auditors = world.auditors(order);
        let before = world.balance(Who::Requester);
        let earned = auditors
            .iter()
            .map(|who| world.balance(*who).0)
            .sum::<u64>();
        let key = key(&world, order, RUN);
        let contradict = call(&world, order, stored.contradiction(&text(), &key));
        world.apply(Who::Requester, contradict.clone());
        // It paid a fee, and no deposit.
        assert_eq!(world.balance(Who::Requester).0, before.0 - FEE.0, "{kind}");
        let record = world.order(order);
        let failed = record.runs[0].failed.unwrap();
        assert_eq!(failed.reason, FailureReason::WrongResult, "{kind}");
        assert_eq!(failed.slashed, terms().provider_bond);
        assert_eq!(
            world.registration(provider).bond.0,
            BOND.0 - failed.slashed.0
        );
        assert_eq!(world.paid(order, provider.id()), 0);
        assert_eq!(
            (record.disputes.len(), record.head.phase),
            (0, Phase::Posted)
        );
        let now = auditors
            .iter()
            .map(|who| world.balance(*who).0)
            .sum::<u64>();
        assert!(now > earned, "{kind}: the auditors' work was in vain");
        // Once is enough.
        let again = world.refuse(Who::Requester, contradict);
        assert!(matches!(refused(&again), OrderRefusal::WrongPhase { .. }));
        // The next provider is honest, and what was shown of the first counts for it no more.
        deliver(&mut world, order, &|_| {});
        let old = call(&world, order, stored.contradiction(&text(), &key));
        let refusal = world.refuse(Who::Requester, old);
        let expected = OrderRefusal::NothingWrong {
            order,
            run: RunIndex(1),
            problem: NoContradiction::NotRecorded,
        };
        assert_eq!(*refused(&refusal), expected, "{kind}");
        world.apply(Who::Requester, OrderCall::Accept { order });
        assert_eq!(world.order(order).head.outcome, Some(Outcome::Paid));
        assert_eq!(world.replay(), world.root);
    }
}

/// An order every provider of which delivers garbage.
pub(crate) fn of_every_provider() -> World {
    let mut world = World::new();
    let order = world.posted();
    for run in 0..terms().attempts {
        let stored = deliver(&mut world, order, &|file| file[40] ^= 1);
        let key = key(&world, order, RunIndex(run.into()));
        let contradict = call(&world, order, stored.contradiction(&text(), &key));
        world.apply(Who::Requester, contradict);
    }
    let head = world.order(order).head;
    assert_eq!(head.outcome, Some(Outcome::AttemptsUsed));
    world
}

/// An order of three copies, all of which are garbage.
pub(crate) fn of_every_copy() -> World {
    let (mut world, order, stored) = copies(3);
    for run in 0..3 {
        contradicted(&mut world, order, run, &stored[run as usize]);
    }
    assert_eq!(world.order(order).head.outcome, Some(Outcome::NoCopies));
    world
}

#[test]
fn an_order_whose_attempts_are_used_is_refunded() {
    of_every_provider();
}

#[test]
fn an_order_of_which_no_copy_is_good_is_refunded() {
    of_every_copy();
}

#[test]
fn nothing_that_a_liar_shows_of_a_good_result_counts() {
    let mut world = World::new();
    let order = world.posted();
    let good = deliver(&mut world, order, &|_| {});
    let key = key(&world, order, RUN);
    assert!(matches!(good.examine(&text(), &key), Examined::Good(_)));
    let mut forged = Vec::new();
    for (_, spoil) in kinds() {
        let mut file = StateFile::encode(&ending(&text()).counts(), text());
        spoil(&mut file);
        // Of another file, under the key of this one.
        forged.push(Stored::seal(&file, &key).contradiction(&text(), &key));
    }
    // What the good file contradicts is another state's root, or itself under another key.
    forged.push(good.contradiction(&[7; 100][..].repeat(327), &key));
    forged.push(good.contradiction(&text(), &FileKey([1; 32])));
    for contradiction in forged {
        let call = call(&world, order, contradiction);
        let refusal = world.refuse(Who::Requester, call);
        let wrong = matches!(refused(&refusal), OrderRefusal::NothingWrong { .. });
        assert!(wrong, "{refusal}");
    }
    wait(&mut world, order);
    assert_eq!(world.order(order).head.outcome, Some(Outcome::Paid));
}

#[test]
fn only_the_released_key_counts_and_only_the_requester_shows_it() {
    let mut world = World::new();
    let order = world.posted();
    let bad = deliver(&mut world, order, &|file| file[0] ^= 1);
    let provider = world.provider(order);
    let key = key(&world, order, RUN);
    let right = call(&world, order, bad.contradiction(&text(), &key));
    let OrderCall::Contradict {
        place,
        contradiction,
        ..
    } = right.clone()
    else {
        panic!("{right:?}");
    };
    let use_of = Trace::locked_for(&place);
    let to = lock(Who::Stranger).public();
    let elsewhere = lock(provider).release(&use_of, &to, &[9; 32]).unwrap();
    let others = [
        // Shown by its holder, by somebody to whom it was not released, and another's.
        lock(provider).show(&use_of),
        elsewhere.released.show(&lock(Who::Stranger)).unwrap(),
        lock(Who::Stranger).show(&use_of),
    ];
    for shown in others {
        let contradiction = contradiction.clone();
        let wrong = OrderCall::Contradict {
            place,
            shown,
            contradiction,
        };
        let refusal = world.refuse(Who::Requester, wrong);
        assert_eq!(
            *refused(&refusal),
            OrderRefusal::OtherKey { order, run: RUN }
        );
    }
    for who in [provider, Who::Stranger, Who::Validator(0)] {
        let refusal = world.refuse(who, right.clone());
        assert!(matches!(
            refused(&refusal),
            OrderRefusal::NotYourMove { .. }
        ));
    }
    for other in crate::places::others(place) {
        let mut moved = right.clone();
        if let OrderCall::Contradict { place, .. } = &mut moved {
            *place = other;
        }
        let Status::Refused(refusal) = world.would(Who::Requester, moved) else {
            panic!("it counts at {other:?}");
        };
        assert!(matches!(
            refused(&refusal),
            OrderRefusal::OtherPlace { .. } | OrderRefusal::UnknownOrder { .. }
        ));
    }
    // Validators may look as well: then that is what is waited for.
    world.apply(Who::Requester, OrderCall::Complain { order });
    let refusal = world.refuse(Who::Requester, right);
    assert!(matches!(refused(&refusal), OrderRefusal::WrongPhase { .. }));
}

#[test]
fn a_result_in_other_slices_or_too_long_is_not_opened() {
    let mut world = World::new();
    let order = world.posted();
    world.assign(order);
    world.grant_to_provider(order);
    world.stored.insert(file_id(&result()), (Digest::ZERO, 2));
    let truth = ending(&text());
    world.commit(order, &truth);
    world.open(order, &truth);
    for auditor in world.auditors(order) {
        let results = truth.results(&world.order(order));
        world.commit_results(order, auditor, &results);
    }
    let provider = world.provider(order);
    let place = world.here(order);
    let openings = truth.openings(&ends(&world.order(order)));
    let refusal = world.refuse(provider, OrderCall::OpenEnds { place, openings });
    let expected = OrderRefusal::OtherSlices {
        order,
        expected: 1,
        found: 2,
    };
    assert_eq!(*refused(&refusal), expected);
}

/// An order of three equal copies, of which the first so many delivered garbage.
fn copies(garbage: u32) -> (World, OrderId, Vec<Stored>) {
    let mut world = crowd();
    let runs = [0, 1, 2].map(|_| ending(&text()));
    let order = world.committed(&runs);
    let mut stored = Vec::new();
    for run in 0..3 {
        let runner = world.runner(order, run);
        let spoil = |file: &mut Vec<u8>| {
            if run < garbage {
                file[7] ^= 1;
            }
        };
        let name = format!("{runner:?} {}", terms().segments());
        assert_eq!(files(runner).1, file_id(&name));
        stored.push(store(&mut world, (order, RunIndex(run)), &name, &spoil));
    }
    for (run, of) in (0..).zip(&runs) {
        world.reveal_run(order, run, of);
    }
    (world, order, stored)
}

/// Shows of a copy that is delivered that it is garbage.
fn contradicted(world: &mut World, order: OrderId, run: u32, stored: &Stored) {
    assert_eq!(world.phase(order), Phase::Accepted);
    let key = key(world, order, RunIndex(run));
    let contradict = call(world, order, stored.contradiction(&text(), &key));
    world.apply(Who::Requester, contradict);
    let failed = world.order(order).runs[run as usize].failed.unwrap();
    assert_eq!(failed.reason, FailureReason::WrongResult);
    assert_eq!(gain(world, world.runner(order, run)), tokens(-20));
}

#[test]
fn the_next_copy_counts_where_the_first_ones_result_is_garbage() {
    let (mut world, order, stored) = copies(2);
    for run in 0..2 {
        contradicted(&mut world, order, run, &stored[run as usize]);
    }
    assert_eq!(world.phase(order), Phase::Accepted);
    world.apply(Who::Requester, OrderCall::Accept { order });
    assert_eq!(world.order(order).head.outcome, Some(Outcome::Paid));
    assert_eq!(gain(&world, world.runner(order, 2)), tokens(10));
    let end = StepIndex(terms().steps);
    assert!(world.order(order).runs[2].opened(end).is_some());
}
