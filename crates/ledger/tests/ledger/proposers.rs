//! Whoever proposes a block earns a share of its fees.

use std::collections::BTreeSet;

use assay_crypto::Digest;
use assay_ledger::{AccountCall, Amount, BlockContext, Call, Parameters, Ppm, query};

use crate::owners::own;
use crate::world::{FEE, Who, World, parameters};

/// A block of so many transfers, proposed in this view.
fn block(world: &mut World, transfers: u64, view: Option<u64>) {
    let context = BlockContext {
        view,
        ..world.next_context()
    };
    let call = |_| {
        let (to, amount) = (Who::Stranger.id(), Amount(1));
        let call: Call = AccountCall::Transfer { to, amount }.into();
        (Who::Requester, call)
    };
    let transactions = world.sign((0..transfers).map(call).collect());
    world.execute(context, transactions);
}

fn treasury(world: &World) -> u64 {
    query::supply(&world.store).unwrap().treasury.0
}

/// What was added to each validator's balance, and to the treasury.
fn earned(world: &mut World, transfers: u64, view: Option<u64>) -> ([u64; 4], u64) {
    let validators = [0, 1, 2, 3].map(Who::Validator);
    let before = validators.map(|who| world.balance(who).0);
    let held = treasury(world);
    block(world, transfers, view);
    let after = validators.map(|who| world.balance(who).0);
    let gained = [0, 1, 2, 3].map(|at| after[at] - before[at]);
    (gained, treasury(world) - held)
}

#[test]
fn validators_propose_in_turn_and_share_their_fees_with_the_treasury() {
    let mut world = World::new();
    let fees = 3 * FEE.0;
    let mut paid = Vec::new();
    for view in 1..=8u64 {
        let (gained, held) = earned(&mut world, 3, Some(view));
        let of: Vec<usize> = (0..4).filter(|at| gained[*at] > 0).collect();
        assert_eq!(of.len(), 1, "view {view}: {gained:?}");
        assert_eq!((gained[of[0]], held), (fees / 2, fees - fees / 2));
        paid.push(of[0]);
    }
    // Each in its turn, over and over; a view that was skipped is somebody's turn that is over.
    assert_eq!(paid[..4].iter().collect::<BTreeSet<_>>().len(), 4);
    assert_eq!(paid[..4], paid[4..]);
    let (gained, _) = earned(&mut world, 1, Some(8 + 3));
    assert!(gained[paid[2]] > 0);
    // Nobody has proposed, and nothing was paid.
    assert_eq!(earned(&mut world, 3, None), ([0; 4], fees));
    assert_eq!(earned(&mut world, 0, Some(1)), ([0; 4], 0));
    let far = earned(&mut world, 1, Some(u64::MAX));
    assert_eq!(far.0.iter().sum::<u64>() + far.1, FEE.0);
}

#[test]
fn the_share_goes_to_the_owner_and_is_the_networks() {
    for (rate, share) in [(0, 0), (1, 0), (250_000, FEE.0 / 4), (1_000_000, FEE.0)] {
        let mut world = World::with(Parameters {
            proposer_rate: Ppm(rate),
            ..parameters()
        });
        for i in 0..4 {
            own(&mut world, Who::Stranger, Who::Validator(i));
        }
        let before = world.balance(Who::Stranger).0;
        let (gained, held) = earned(&mut world, 1, Some(1));
        assert_eq!((gained, held), ([0; 4], FEE.0 - share), "{rate}");
        // With what was transferred to it.
        assert_eq!(world.balance(Who::Stranger).0, before + share + 1, "{rate}");
    }
}

/// The view is part of what a block does: another one gives another state.
#[test]
fn a_block_that_names_another_view_has_another_state() {
    let states = [Some(1), Some(2), None].map(|view| {
        let mut world = World::new();
        block(&mut world, 1, view);
        world.root
    });
    let distinct: BTreeSet<Digest> = states.into_iter().collect();
    assert_eq!(distinct.len(), 3);
}
