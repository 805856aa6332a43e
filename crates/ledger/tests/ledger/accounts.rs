//! Transfers, bonds, fees and nonces.

use assay_crypto::{Digest, EncryptionKey, PublicKey, SecretKey};
use assay_ledger::{
    AccountCall, AccountRefusal, Admission, AdmitError, Amount, BoundedString, Call, ChainId,
    ExecuteError, Invalid, InvalidBlock, Offer, Refusal, Role, Transaction, check_block,
    execute_block, query,
};

use crate::world::{BALANCE, BOND, FEE, Who, World, blocks, parameters, terms, with_fees};

/// The block, or the transaction, is at fault, and not the state.
fn invalid(result: Result<(), ExecuteError>) -> InvalidBlock {
    match result {
        Err(ExecuteError::Invalid(invalid)) => invalid,
        other => panic!("{other:?}"),
    }
}

fn transfer(to: Who, amount: Amount) -> Call {
    let to = to.id();
    AccountCall::Transfer { to, amount }.into()
}

fn register(role: Role, bond: Amount) -> Call {
    let address = BoundedString::new("localhost:1").unwrap();
    let call = AccountCall::Register {
        role,
        bond,
        encryption_key: EncryptionKey([5; 32]),
        address,
        offer: role.is_drawn().then(Offer::anything),
    };
    call.into()
}

#[test]
fn transfers_move_money_and_fees() {
    let mut world = World::new();
    world.apply(Who::Stranger, transfer(Who::Requester, Amount::tokens(3)));
    assert_eq!(world.balance(Who::Requester).0, BALANCE.0 + 3_000_000);
    assert_eq!(
        world.balance(Who::Stranger).0,
        BALANCE.0 - 3_000_000 - FEE.0
    );
    assert_eq!(query::supply(&world.store).unwrap().treasury, FEE);
    // To oneself: only the fee is gone.
    world.apply(
        Who::Requester,
        transfer(Who::Requester, Amount::tokens(1_003 - 1)),
    );
    assert_eq!(
        world.balance(Who::Requester).0,
        BALANCE.0 + 3_000_000 - FEE.0
    );
}

#[test]
fn a_refused_call_costs_fee_and_nonce_only() {
    let mut world = World::new();
    let refusal = world.refuse(Who::Stranger, transfer(Who::Requester, BALANCE));
    let balance = Amount(BALANCE.0 - FEE.0);
    assert_eq!(
        refusal,
        Refusal::Account(AccountRefusal::InsufficientBalance {
            balance,
            needed: BALANCE
        })
    );
    assert_eq!(
        (world.balance(Who::Stranger), world.nonce(Who::Stranger)),
        (balance, 1)
    );
    assert_eq!(world.balance(Who::Requester), BALANCE);
    assert_eq!(
        world.refuse(Who::Stranger, transfer(Who::Requester, Amount(0))),
        Refusal::Account(AccountRefusal::ZeroAmount)
    );
    let account = PublicKey([0xff; 32]);
    let nowhere = AccountCall::Transfer {
        to: account,
        amount: Amount(1),
    };
    assert_eq!(
        world.refuse(Who::Stranger, nowhere),
        Refusal::Account(AccountRefusal::NotAKey { account })
    );
    let all = transfer(Who::Requester, Amount(u64::MAX));
    assert!(matches!(
        world.refuse(Who::Stranger, all),
        Refusal::Account(AccountRefusal::InsufficientBalance { .. })
    ));
}

#[test]
fn invalid_transactions_make_a_block_invalid() {
    let world = World::with(with_fees());
    let secret = Who::Stranger.secret();
    let call = transfer(Who::Requester, Amount(5));
    let sign = |chain, nonce, fee| Transaction::sign(&secret, chain, nonce, fee, call.clone());
    let good = sign(world.chain, 0, FEE);
    let other = ChainId(Digest::ZERO);
    let mut tampered = good.clone();
    tampered.call = transfer(Who::Stranger, Amount(5));
    let mut stolen = good.clone();
    stolen.sender = Who::Requester.id();
    let least = with_fees().min_fee(good.encoded_len());
    let below = Amount(least.0 - 1);
    let poor = SecretKey::from_seed([99; 32]);
    let broke = Transaction::sign(&poor, world.chain, 0, FEE, call.clone());
    let cases = [
        (tampered, Invalid::Signature),
        (stolen, Invalid::Signature),
        (
            sign(other, 0, FEE),
            Invalid::OtherChain {
                expected: world.chain,
                found: other,
            },
        ),
        (
            sign(world.chain, 1, FEE),
            Invalid::Nonce {
                expected: 0,
                found: 1,
            },
        ),
        (
            sign(world.chain, 0, below),
            Invalid::FeeTooLow {
                least,
                offered: below,
            },
        ),
        (
            broke,
            Invalid::FeeUnaffordable {
                fee: FEE,
                balance: Amount::ZERO,
            },
        ),
    ];
    for (tx, reason) in cases {
        let block = [
            world.sign(vec![(Who::Requester, call.clone())])[0].clone(),
            tx,
        ];
        let executed = execute_block(&world.store, &world.next_context(), &block);
        let error = invalid(executed.map(drop));
        assert_eq!((error.index, &error.reason), (1, &reason));
        assert_eq!(invalid(check_block(&world.store, &block)), error);
    }
    check_block(&world.store, &[sign(world.chain, 0, least)]).unwrap();
}

#[test]
fn a_transaction_counts_once() {
    let mut world = World::new();
    let txs = world.sign(vec![(Who::Stranger, transfer(Who::Requester, Amount(5)))]);
    let twice = [txs[0].clone(), txs[0].clone()];
    let replayed = Invalid::Nonce {
        expected: 1,
        found: 0,
    };
    assert_eq!(invalid(check_block(&world.store, &twice)).reason, replayed);
    world.execute(world.next_context(), txs.clone());
    assert_eq!(invalid(check_block(&world.store, &txs)).reason, replayed);
    // Nor on a network that differs in nothing but a parameter.
    let mut other = parameters();
    other.unbonding_ms += 1;
    let reason = invalid(check_block(&World::with(other).store, &txs)).reason;
    assert!(matches!(reason, Invalid::OtherChain { .. }), "{reason:?}");
}

/// Fees are taken before any call: money that a call moves away cannot leave a fee unpaid.
#[test]
fn no_call_makes_an_admitted_fee_unpayable() {
    let mut world = World::new();
    let left = Amount(BALANCE.0 - 3 * FEE.0);
    let receipts = world.block(vec![
        (Who::Stranger, transfer(Who::Requester, left)),
        (Who::Stranger, transfer(Who::Requester, Amount(1))),
        (Who::Stranger, transfer(Who::Requester, Amount(1))),
    ]);
    assert_eq!(world.balance(Who::Stranger), Amount::ZERO);
    assert_eq!(query::supply(&world.store).unwrap().treasury.0, 3 * FEE.0);
    let refused = |i: usize| receipts.receipts[i].events.is_empty();
    assert_eq!([refused(0), refused(1), refused(2)], [false, true, true]);
    // Money that arrives within a block cannot pay that block's fees.
    let poor = SecretKey::from_seed([99; 32]);
    let gift = AccountCall::Transfer {
        to: poor.public(),
        amount: Amount::tokens(1),
    };
    let mut txs = world.sign(vec![(Who::Requester, gift.into())]);
    txs.push(Transaction::sign(
        &poor,
        world.chain,
        0,
        FEE,
        transfer(Who::Requester, Amount(1)),
    ));
    assert_eq!(invalid(check_block(&world.store, &txs)).index, 1);
}

#[test]
fn admission_skips_what_does_not_fit() {
    let world = World::new();
    let txs = world.sign(vec![
        (Who::Stranger, transfer(Who::Requester, Amount(1))),
        (Who::Stranger, transfer(Who::Requester, Amount(2))),
        (Who::Stranger, transfer(Who::Requester, Amount(3))),
    ]);
    let mut admission = Admission::new(&world.store).unwrap();
    admission.admit(&txs[0]).unwrap();
    assert!(matches!(
        admission.admit(&txs[2]),
        Err(AdmitError::Invalid(Invalid::Nonce {
            expected: 1,
            found: 2
        }))
    ));
    admission.admit(&txs[1]).unwrap();
    admission.admit(&txs[2]).unwrap();
}

#[test]
fn bonds_need_a_minimum_and_come_back_late() {
    let mut world = World::new();
    let role = Role::Provider;
    for bond in [Amount::ZERO, Amount(999_999)] {
        let refusal = world.refuse(Who::Stranger, register(role, bond));
        assert_eq!(
            refusal,
            Refusal::Account(AccountRefusal::BondTooSmall {
                role,
                bond,
                min: Amount::tokens(1)
            })
        );
    }
    world.apply(Who::Stranger, register(role, Amount::tokens(2)));
    world.apply(Who::Stranger, register(role, Amount::tokens(1)));
    let id = Who::Stranger.id();
    let bond = query::registration(&world.store, role, &id)
        .unwrap()
        .unwrap()
        .bond;
    assert_eq!(bond, Amount::tokens(3));
    let before = world.balance(Who::Stranger);
    world.apply(Who::Stranger, AccountCall::Unregister { role });
    assert_eq!(query::registration(&world.store, role, &id).unwrap(), None);
    let refusal = world.refuse(Who::Stranger, AccountCall::Unregister { role });
    assert_eq!(
        refusal,
        Refusal::Account(AccountRefusal::NotRegistered { account: id, role })
    );
    world.advance(3);
    assert_eq!(world.balance(Who::Stranger).0, before.0 - 2 * FEE.0);
    world.advance(1);
    assert_eq!(
        world.balance(Who::Stranger).0,
        before.0 - 2 * FEE.0 + 3_000_000
    );
    assert!(query::unbonding(&world.store).unwrap().is_empty());
}

#[test]
fn validators_are_those_of_the_genesis() {
    let mut world = World::new();
    let role = Role::Validator;
    let outsider = world.refuse(Who::Stranger, register(role, Amount::tokens(200)));
    assert_eq!(
        outsider,
        Refusal::Account(AccountRefusal::ValidatorsAreFixed)
    );
    let refusal = world.refuse(Who::Validator(0), AccountCall::Unregister { role });
    assert_eq!(
        refusal,
        Refusal::Account(AccountRefusal::ValidatorsAreFixed)
    );
    world.apply(Who::Validator(0), register(role, Amount::tokens(1)));
    assert_eq!(
        world.registration(Who::Validator(0)).bond.0,
        BOND.0 + 1_000_000
    );
}

/// What an order has locked stays liable after its holder gave up the role.
#[test]
fn leaving_does_not_free_a_locked_bond() {
    let mut world = World::new();
    let order = world.posted();
    let provider = world.assign(order);
    world.apply(
        provider,
        AccountCall::Unregister {
            role: Role::Provider,
        },
    );
    let registration = world.registration(provider);
    assert!(registration.leaving);
    assert_eq!(registration.bond, terms().provider_bond);
    assert_eq!(registration.free(), Amount::ZERO);
    let before = world.balance(provider);
    world.grant_to_provider(order);
    world.advance(blocks(terms().deadlines.run) + 1);
    // A fifth was cut for being late; the rest unbonds from here.
    let rest = Amount(terms().provider_bond.0 / 5 * 4);
    assert_eq!(
        query::registration(&world.store, Role::Provider, &provider.id()).unwrap(),
        None
    );
    let unbonding = query::unbonding(&world.store).unwrap();
    assert!(
        unbonding
            .iter()
            .any(|(_, who, _, amount)| *who == provider.id() && *amount == rest)
    );
    world.advance(blocks(parameters().unbonding_ms));
    let back = BOND.0 - terms().provider_bond.0 + rest.0;
    assert_eq!(world.balance(provider).0, before.0 + back);
    // Somebody who is leaving is not drawn.
    assert!(!world.ranked(order).contains(&provider));
    assert_eq!(world.ranked(order).len(), 2);
}

#[test]
fn registering_again_takes_a_departure_back() {
    let mut world = World::new();
    let order = world.posted();
    let provider = world.assign(order);
    world.apply(
        provider,
        AccountCall::Unregister {
            role: Role::Provider,
        },
    );
    world.apply(provider, register(Role::Provider, Amount::tokens(1)));
    let registration = world.registration(provider);
    assert!(!registration.leaving);
    assert_eq!(registration.bond.0, terms().provider_bond.0 + 1_000_000);
    assert_eq!(registration.free(), Amount::tokens(1));
}
