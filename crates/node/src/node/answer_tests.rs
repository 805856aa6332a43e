use assay_ledger::{AccountCall, BoundedString, Transaction};

use super::*;
use assay_api::test_chain::{TestChain, key};

fn of(chain: &TestChain, seed: u8) -> Standing {
    standing(&*chain.state(), &key(seed).public()).unwrap()
}

/// A micro-token opens an account, and no more than an account's small share.
#[test]
fn who_has_something_at_stake_stands_apart_from_who_has_an_account() {
    let chain = TestChain::new();
    assert_eq!(of(&chain, 1), Standing::Member, "a validator");
    assert_eq!(of(&chain, 2), Standing::Registered, "an account with money");
    assert_eq!(of(&chain, 99), Standing::Stranger, "nobody");

    let id = chain.genesis().chain_id();
    let offer = |bond| AccountCall::Register {
        role: Role::Storage,
        bond,
        encryption_key: key(2).encryption().public(),
        address: BoundedString::new("127.0.0.1:7001").unwrap(),
        offer: None,
    };
    let call = |nonce, call| Transaction::sign(&key(2), id, nonce, Amount(100_000), call);
    chain.tick(vec![call(0, offer(Amount::tokens(10)))]);
    assert_eq!(of(&chain, 2), Standing::Member, "a bonded storage node");
    let role = Role::Storage;
    chain.tick(vec![call(1, AccountCall::Unregister { role })]);
    assert_eq!(
        of(&chain, 2),
        Standing::Registered,
        "its bond is on its way back"
    );
}

/// What cannot be read makes nobody more than a stranger, and stops nothing.
#[tokio::test]
async fn a_failing_disk_makes_nobody_a_member() {
    let chain = TestChain::new();
    let desk = Arc::new(Desk::default());
    assert_eq!(
        desk.standing(&key(1).public()),
        Standing::Stranger,
        "still starting"
    );
    let _ = desk.chain.set(chain.clone());
    assert_eq!(desk.standing(&key(1).public()), Standing::Member);
    chain.set_broken(true);
    assert_eq!(desk.standing(&key(1).public()), Standing::Stranger);
    let answered = desk.handle(key(1).public(), Request::Head).await;
    assert_eq!(answered, Ok(Response::Head { header: None }));
}
