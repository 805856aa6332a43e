//! Owners of nodes: named by both sides, and what draws make of them.

use std::collections::BTreeSet;

use assay_crypto::Signature;
use assay_ledger::{
    AccountCall, AccountEvent, AccountId, AccountRefusal, Amount, BoundedVec, CONSENT_DOMAIN,
    ChainId, Genesis, GenesisError, GenesisOwner, OrderCall, OrderId, Outcome, Phase, Refusal,
    Role, Terms, consent, query,
};

use crate::redundant::crew::{copies, crowd, crowd_of};
use crate::world::{Run, Who, World, blocks, genesis, parameters, terms};

/// What a node signs.
fn signed(chain: ChainId, node: Who, owner: AccountId) -> Signature {
    node.secret().sign(CONSENT_DOMAIN, &consent(chain, &owner))
}

pub(crate) fn own(world: &mut World, owner: Who, node: Who) {
    let call = AccountCall::Own {
        node: node.id(),
        consent: signed(world.chain, node, owner.id()),
    };
    world.apply(owner, call);
}

fn owner(world: &World, node: Who) -> Who {
    Who::of(query::owner(&world.store, &node.id()).unwrap())
}

#[test]
fn a_node_has_an_owner_only_by_both_their_words() {
    let mut world = World::new();
    let node = Who::Provider(0);
    assert_eq!(owner(&world, node), node);
    let other = ChainId(assay_crypto::Digest::ZERO);
    let wrong = [
        // Another's consent, for another owner, for another network, and none.
        signed(world.chain, Who::Provider(1), Who::Stranger.id()),
        signed(world.chain, node, Who::Requester.id()),
        signed(other, node, Who::Stranger.id()),
        Signature([0; 64]),
    ];
    for consent in wrong {
        let id = node.id();
        let call = AccountCall::Own { node: id, consent };
        let refused = Refusal::Account(AccountRefusal::NoConsent { node: id });
        assert_eq!(world.refuse(Who::Stranger, call), refused);
        assert_eq!(owner(&world, node), node);
    }
    let call = AccountCall::Own {
        node: node.id(),
        consent: signed(world.chain, node, Who::Stranger.id()),
    };
    // What the node signed is for that owner alone.
    assert!(matches!(
        world.refuse(Who::Requester, call.clone()),
        Refusal::Account(AccountRefusal::NoConsent { .. })
    ));
    let told = AccountEvent::Owned {
        node: node.id(),
        owner: Who::Stranger.id(),
    };
    assert_eq!(world.apply(Who::Stranger, call), [told.into()]);
    assert_eq!(owner(&world, node), Who::Stranger);
    // It can go to another, and be its own again.
    own(&mut world, Who::Requester, node);
    assert_eq!(owner(&world, node), Who::Requester);
    own(&mut world, node, node);
    assert_eq!(owner(&world, node), node);
    assert_eq!(world.replay(), world.root);
}

#[test]
fn a_genesis_names_owners() {
    let with = |owners: Vec<(Who, Who)>| {
        let named = owners.into_iter().map(|(node, owner)| GenesisOwner {
            node: node.id(),
            owner: owner.id(),
        });
        Genesis {
            owners: BoundedVec::new(named.collect::<Vec<_>>()).unwrap(),
            ..genesis(parameters())
        }
    };
    let (node, stranger) = (Who::Provider(0), Who::Stranger);
    let state = with(vec![(node, stranger)]).state().unwrap();
    let store = assay_ledger::MemoryStore::new(state);
    assert_eq!(query::owner(&store, &node.id()).unwrap(), stranger.id());
    let twice = with(vec![(node, stranger), (node, Who::Requester)]).state();
    assert_eq!(twice.unwrap_err(), GenesisError::Duplicate(node.id()));
}

fn providers(world: &World, order: OrderId) -> Vec<Who> {
    let order = world.order(order);
    order.runs.iter().map(|run| Who::of(run.provider)).collect()
}

#[test]
fn no_two_copies_are_of_one_owner() {
    for seed in 0..20 {
        let mut world = crowd();
        world.beacon_seed = seed;
        // Six of eight providers are one owner's.
        let owned: Vec<Who> = crowd_of().skip(2).collect();
        for node in &owned {
            own(&mut world, Who::Stranger, *node);
        }
        let order = world.drawn(&copies(3));
        let drawn = providers(&world, order);
        let theirs = drawn.iter().filter(|who| owned.contains(who)).count();
        assert_eq!((drawn.len(), theirs), (3, 1), "seed {seed}");
        // Four copies of different owners cannot be had.
        let order = world.post(&copies(4));
        world.advance(blocks(terms().deadlines.assign) + 1);
        let outcome = world.order(order).head.outcome;
        assert_eq!(outcome, Some(Outcome::NoProvider));
    }
}

/// Nor in place of one that failed; and a node that changes its owner stays the same node.
#[test]
fn whoever_had_a_run_gets_no_other_by_changing_owners() {
    for seed in 0..10 {
        let mut world = World::new();
        world.beacon_seed = seed;
        let order = world.drawn(&Terms {
            attempts: 3,
            ..copies(2)
        });
        world.hand_all(order);
        let [first, second] = [0, 1].map(|run| world.runner(order, run));
        world.commit_run(order, 0, &Run::truth(&terms()));
        let place = world.order(order).work(assay_ledger::RunIndex(1));
        let reason = assay_ledger::DeclineReason::Inputs;
        // Both get another owner in the block before the draw.
        let mut calls = vec![(second, OrderCall::Decline { place, reason }.into())];
        for (owner, node) in [(Who::Stranger, first), (Who::Validator(0), second)] {
            let consent = signed(world.chain, node, owner.id());
            let node = node.id();
            calls.push((owner, AccountCall::Own { node, consent }.into()));
        }
        world.block(calls);
        assert_eq!(world.phase(order), Phase::Posted);
        world.fill(order);
        let drawn: BTreeSet<Who> = providers(&world, order).into_iter().collect();
        assert_eq!(drawn.len(), 3, "seed {seed}");
    }
}

#[test]
fn nobody_works_for_an_order_of_its_owner() {
    for (poster, count) in [(Who::Requester, 1), (Who::Stranger, 3)] {
        // The requester owns two nodes; or all of them, itself included, are a stranger's.
        let mut world = World::new();
        if poster == Who::Stranger {
            own(&mut world, Who::Stranger, Who::Requester);
        }
        let owned = if count == 1 { 2 } else { 3 };
        for i in 0..owned {
            own(&mut world, poster, Who::Provider(i));
        }
        for terms in [terms(), copies(2)] {
            let order = world.post(&terms);
            if terms.copies == 1 && owned == 2 {
                world.fill(order);
                assert_eq!(providers(&world, order), [Who::Provider(2)]);
            } else {
                world.advance(blocks(terms.deadlines.assign) + 1);
                let record = world.order(order);
                assert_eq!(record.head.outcome, Some(Outcome::NoProvider));
            }
        }
    }
}

/// Neither a node of the provider's owner, nor the provider itself under another owner.
#[test]
fn nobody_audits_a_run_of_its_own() {
    for seed in 0..10 {
        let mut world = World::new();
        world.beacon_seed = seed;
        for i in 0..3 {
            // Every provider is an auditor too, with the larger bond.
            let register = AccountCall::Register {
                role: Role::Auditor,
                bond: Amount::tokens(500),
                encryption_key: Who::Provider(i).secret().encryption().public(),
                address: assay_ledger::BoundedString::new("localhost:7002").unwrap(),
                offer: Some(assay_ledger::Offer::anything()),
            };
            world.apply(Who::Provider(i), register);
        }
        own(&mut world, Who::Stranger, Who::Auditor(0));
        own(&mut world, Who::Requester, Who::Auditor(1));
        let order = world.posted();
        let provider = world.assign(order);
        world.grant_to_provider(order);
        own(&mut world, Who::Stranger, provider);
        world.commit(order, &Run::truth(&terms()));
        world.fill(order);
        let auditors = world.auditors(order);
        for kept_out in [provider, Who::Auditor(0), Who::Auditor(1)] {
            assert!(!auditors.contains(&kept_out), "{kept_out:?}, seed {seed}");
        }
    }
}
