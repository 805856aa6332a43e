use assay_ledger::{AccountCall, OrderCall};

use super::*;
use assay_api::test_chain::{TestChain, key, transfer};

fn sender(chain: &Arc<TestChain>, seed: u8) -> Sender {
    Sender::new(chain.clone(), key(seed), Duration::from_secs(30))
}

fn pay(tokens: u64) -> AccountCall {
    AccountCall::Transfer {
        to: key(3).public(),
        amount: Amount::tokens(tokens),
    }
}

#[tokio::test]
async fn calls_take_effect_once_and_in_order() {
    let chain = TestChain::new();
    let sender = sender(&chain, 2);
    for tokens in 1..=3 {
        let included = sender.call(pay(tokens)).await.unwrap();
        assert_eq!(included.height, Height(tokens));
    }
    let state = chain.state();
    assert_eq!(
        query::account(&*state, &key(3).public()).unwrap().balance,
        Amount::tokens(1_006)
    );
    assert_eq!(query::account(&*state, &key(2).public()).unwrap().nonce, 3);
}

#[tokio::test]
async fn concurrent_calls_do_not_disturb_each_other() {
    let chain = TestChain::new();
    let sender = Arc::new(sender(&chain, 2));
    let calls: Vec<_> = (0..10)
        .map(|_| {
            let sender = sender.clone();
            tokio::spawn(async move { sender.call(pay(1)).await })
        })
        .collect();
    for call in calls {
        call.await.unwrap().unwrap();
    }
    assert_eq!(
        query::account(&*chain.state(), &key(3).public())
            .unwrap()
            .balance,
        Amount::tokens(1_010)
    );
}

#[tokio::test]
async fn a_refused_call_is_told_and_leaves_no_gap() {
    let chain = TestChain::new();
    let sender = sender(&chain, 2);
    let error = sender.call(pay(5_000)).await.unwrap_err();
    assert!(
        matches!(
            error,
            CallError::Refused {
                call: "transfer",
                ..
            }
        ),
        "{error}"
    );
    assert!(
        error.to_string().contains("get more or spend less"),
        "{error}"
    );
    sender.call(pay(1)).await.unwrap();
}

#[tokio::test]
async fn an_account_without_money_is_told_so() {
    let chain = TestChain::new();
    let error = sender(&chain, 77).call(pay(1)).await.unwrap_err();
    assert!(matches!(error, CallError::Rejected { .. }), "{error}");
    assert!(
        error.is_final() && error.to_string().contains("balance is 0.0"),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_lost_transaction_is_sent_again() {
    let chain = TestChain::new();
    chain.swallow(2);
    sender(&chain, 2).call(pay(1)).await.unwrap();
    assert_eq!(chain.submissions(), 3);
    assert_eq!(
        query::account(&*chain.state(), &key(2).public())
            .unwrap()
            .nonce,
        1
    );
}

#[tokio::test(start_paused = true)]
async fn a_nonce_taken_by_another_process_is_replaced() {
    let chain = TestChain::new();
    chain.swallow(1);
    let sender = Arc::new(sender(&chain, 2));
    let call = tokio::spawn({
        let sender = sender.clone();
        async move { sender.call(pay(1)).await }
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    // The other process uses nonce 0 while our transaction is lost.
    chain.tick(vec![transfer(
        &chain,
        2,
        key(4).public(),
        Amount::tokens(7),
    )]);
    call.await.unwrap().unwrap();
    let state = chain.state();
    assert_eq!(query::account(&*state, &key(2).public()).unwrap().nonce, 2);
    assert_eq!(
        query::account(&*state, &key(3).public()).unwrap().balance,
        Amount::tokens(1_001)
    );
    assert_eq!(
        query::account(&*state, &key(4).public()).unwrap().balance,
        Amount::tokens(1_007)
    );
}

#[tokio::test(start_paused = true)]
async fn a_chain_that_stands_still_is_told() {
    let chain = TestChain::new();
    chain.swallow(u32::MAX);
    let error = sender(&chain, 2).call(pay(1)).await.unwrap_err();
    assert!(matches!(error, CallError::Late { .. }), "{error}");
    assert!(error.to_string().contains("look at its receipt"), "{error}");
}

#[tokio::test]
async fn a_call_longer_than_a_transaction_is_refused_here() {
    let chain = TestChain::new();
    let call = OrderCall::CommitTrace {
        place: assay_ledger::Place {
            order: assay_ledger::OrderId(assay_crypto::Digest::ZERO),
            run: assay_ledger::RunIndex(0),
            occasion: assay_ledger::Occasion::Work,
        },
        root: assay_crypto::Digest::ZERO,
        counts: assay_ledger::Counts::default(),
        first_invalid: None,
        lock: assay_crypto::release::LockKey([0; 32]),
        checkpoints: assay_ledger::BoundedVec::new(vec![
            assay_ledger::FileId(
                assay_crypto::Digest::ZERO
            );
            1024
        ])
        .unwrap(),
        result: assay_ledger::FileId(assay_crypto::Digest::ZERO),
    };
    // The longest trace commitment fits; this is what the bound of its list is for.
    let error = sender(&chain, 2).call(call).await.unwrap_err();
    assert!(matches!(error, CallError::Refused { .. }), "{error}");
    assert_eq!(chain.submissions(), 1);
}

/// With a pool full of dearer ones the last word is which fee would do.
#[tokio::test(start_paused = true)]
async fn a_late_call_says_why_it_was_not_taken() {
    let chain = TestChain::new();
    chain.turn_away("the pool is full: a fee of 0.007 or more would be taken now");
    let error = sender(&chain, 2).call(pay(1)).await.unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, CallError::Late { .. }), "{text}");
    assert!(text.contains("a fee of 0.007 or more"), "{text}");
    assert!(chain.submissions() > 1, "it goes on asking until then");
}
