//! Bytes that other programs and later versions rely on.

use std::fmt::Debug;

use assay_crypto::custody::CustodySecret;
use assay_crypto::tiles::Tiled;
use assay_crypto::{Digest, EncryptionKey, RangeOpening, SecretKey, merkle};
use assay_ledger::{
    AccountCall, AccountRefusal, Amount, AskGrant, AuditResults, BoundedBytes, BoundedString,
    BoundedVec, Call, ChainId, Contradiction, Counts, DeclineReason, Event, FileCall, FileGrant,
    FileId, FileRefusal, Finding, Genesis, GenesisError, Grant, Head, Height, LedgerTime,
    MAX_FILE_BYTES, MAX_TX_BYTES, Moment, Occasion, Opening, Order, OrderCall, OrderId,
    OrderRefusal, Piece, Place, Ppm, Reached, Refusal, Role, RunIndex, Scores, SegmentIndex,
    SliceRange, StepIndex, Terms, Transaction, query, root,
};
use borsh::{BorshDeserialize, BorshSerialize};
use proptest::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::world::{Run, Who, World, file_id, genesis, lock, parameters, sealed, terms};

fn hash(bytes: &[u8]) -> String {
    Digest::of("golden", &[bytes]).to_string()
}

/// One of each call, in the order of their encoding.
fn every_call() -> Vec<Call> {
    let accounts = account_calls().into_iter().map(Call::from);
    let files = file_calls().into_iter().map(Call::from);
    let orders = order_calls().into_iter().chain(contest_calls());
    let orders = orders.map(Call::from);
    accounts.chain(files).chain(orders).collect()
}

fn account_calls() -> Vec<AccountCall> {
    vec![
        AccountCall::Transfer {
            to: SecretKey::from_seed([2; 32]).public(),
            amount: Amount(5),
        },
        AccountCall::Register {
            role: Role::Storage,
            bond: Amount(7),
            encryption_key: EncryptionKey([3; 32]),
            address: BoundedString::new("host:1").unwrap(),
            offer: None,
        },
        AccountCall::Own {
            node: SecretKey::from_seed([2; 32]).public(),
            consent: assay_crypto::Signature([4; 64]),
        },
        AccountCall::Unregister {
            role: Role::Auditor,
        },
    ]
}

fn file_calls() -> Vec<FileCall> {
    let file = file_id("model");
    let grantee = SecretKey::from_seed([2; 32]).public();
    vec![
        FileCall::Put {
            record: Box::new(crate::world::file(Who::Requester, "model")),
            until: LedgerTime(8),
            firm: true,
            acceptances: BoundedVec::new([assay_ledger::Acceptance {
                price: Amount(5),
                by: LedgerTime(6),
                signature: assay_crypto::Signature([7; 64]),
            }])
            .unwrap(),
        },
        FileCall::AskGrant(Box::new(AskGrant {
            file,
            owner: Who::Requester.id(),
            encryption_key: EncryptionKey([3; 32]),
            purpose: BoundedString::new("a study").unwrap(),
            until: LedgerTime(9),
        })),
        FileCall::ApproveGrant {
            file,
            grantee,
            sealed: BoundedBytes::new(b"key".to_vec()).unwrap(),
            until: LedgerTime(9),
        },
        FileCall::RejectGrant { file, grantee },
        FileCall::RevokeGrant { file, grantee },
        FileCall::Delete { file },
    ]
}

fn order_calls() -> Vec<OrderCall> {
    let order = OrderId(Digest::of("order", &[]));
    let place = |occasion| Place {
        order,
        run: RunIndex(1),
        occasion,
    };
    let (work, round) = (place(Occasion::Work), place(Occasion::Round(2)));
    let dispute = place(Occasion::Dispute(3));
    let list = place(Occasion::List(4));
    let leaf = Digest::of("leaf", &[]);
    let path = merkle::Path(vec![Digest::of("sibling", &[])]);
    let reached = Reached {
        state: Tiled {
            length: 40_000,
            root: leaf,
        },
        counts: Counts {
            valid: 1,
            invalid: 2,
            idle: 0,
            in_row: 2,
        },
    };
    let opening = Opening {
        step: StepIndex(3),
        reached,
        path: path.clone(),
    };
    let openings = BoundedVec::new(vec![opening.clone()]).unwrap();
    let release = lock(Who::Provider(0))
        .release(&leaf, &terms().delivery_key, &[9; 32])
        .unwrap();
    let shown = release.released.show(&lock(Who::Requester));
    let range = SliceRange {
        digest: leaf,
        path: path.clone(),
        opening: RangeOpening::new("test", &[7; 3_000], 1_000..1_032).unwrap(),
    };
    vec![
        OrderCall::Post(Box::new(terms())),
        OrderCall::Cancel { order },
        OrderCall::Accept { order },
        OrderCall::Complain { order },
        OrderCall::Grant {
            place: work,
            grantee: SecretKey::from_seed([2; 32]).public(),
            sealed: sealed("keys"),
        },
        OrderCall::Answer {
            place: list,
            accept: true,
        },
        OrderCall::Decline {
            place: work,
            reason: DeclineReason::Inputs,
        },
        OrderCall::CommitTrace {
            place: work,
            root: leaf,
            checkpoints: BoundedVec::new(vec![FileId(leaf)]).unwrap(),
            result: FileId(leaf),
            counts: reached.counts,
            first_invalid: Some(StepIndex(2)),
            lock: lock(Who::Requester).public(),
        },
        OrderCall::CommitRun {
            place: work,
            commitment: leaf,
        },
        OrderCall::RevealRun {
            place: work,
            root: leaf,
            checkpoints: BoundedVec::new(vec![FileId(leaf)]).unwrap(),
            result: FileId(leaf),
            first_invalid: None,
            lock: lock(Who::Requester).public(),
            salt: leaf,
            openings: BoundedVec::new(openings.to_vec()).unwrap(),
        },
        OrderCall::OpenStarts {
            place: round,
            openings: openings.clone(),
        },
        OrderCall::CommitAudit {
            place: round,
            commitment: leaf,
        },
        OrderCall::OpenEnds {
            place: round,
            openings,
        },
        OrderCall::RevealAudit {
            place: round,
            results: AuditResults {
                initial: Some(leaf),
                segments: BoundedVec::new(vec![(SegmentIndex(1), None)]).unwrap(),
            },
            salt: leaf,
        },
        OrderCall::Bisect {
            place: dispute,
            step: StepIndex(5),
            leaf,
            path: Some(path),
        },
        OrderCall::Deliver {
            place: work,
            release,
        },
        OrderCall::Attest {
            place: dispute,
            found: Finding::Missing(Piece::State(SegmentIndex(2))),
            salt: Some(leaf),
        },
        OrderCall::CommitFinding {
            place: dispute,
            commitment: leaf,
        },
        OrderCall::Contradict {
            place: work,
            shown: shown.unwrap(),
            contradiction: Box::new(Contradiction::Tile {
                index: 2,
                tile: range.clone(),
                node: Some(range),
            }),
        },
        OrderCall::Join {
            order,
            rows: FileId(leaf),
            content: leaf,
        },
        OrderCall::Leave { order },
        OrderCall::CommitUpdate {
            place: work,
            root: leaf,
            checkpoints: BoundedVec::new(vec![FileId(leaf)]).unwrap(),
            update: FileId(leaf),
            first_invalid: None,
            lock: lock(Who::Requester).public(),
            openings: BoundedVec::new(vec![opening.clone(), opening]).unwrap(),
        },
        OrderCall::Hold {
            place: work,
            updates: [1, 9].into_iter().collect(),
        },
        OrderCall::AttestModel {
            place: work,
            file: FileId(leaf),
            content: leaf,
            keeper: Who::Validator(0).id(),
        },
    ]
}

/// Calls about contests: they came later.
fn contest_calls() -> Vec<OrderCall> {
    let order = OrderId(Digest::of("order", &[]));
    let place = |occasion| Place {
        order,
        run: RunIndex(1),
        occasion,
    };
    let work = place(Occasion::Work);
    let secret = CustodySecret::from_seed(&[5; 32]);
    let to = [1, 2, 3, 4].map(|of| SecretKey::from_seed([of; 32]).encryption());
    let dealt = secret.deal(&order.0, 2, &to.each_ref().map(|of| of.public()));
    let dealt = dealt.unwrap();
    let share = dealt.share(&order.0, 1, &to[1]).unwrap();
    let sealed = dealt.sealed.iter();
    let sealed = sealed.map(|of| BoundedBytes::new(of.0.clone()).unwrap());
    let scores = Scores(Some(BoundedVec::new(vec![Some(7), None]).unwrap()));
    let posted = crate::contest::terms();
    vec![
        OrderCall::Post(Box::new(posted)),
        OrderCall::DealKey {
            place: work,
            under: Digest::of("keys", &[]),
            points: BoundedVec::new(dealt.points).unwrap(),
            sealed: BoundedVec::new(sealed.collect::<Vec<_>>()).unwrap(),
        },
        OrderCall::CheckShare {
            place: work,
            good: true,
        },
        OrderCall::Claim { order },
        OrderCall::OpenShare { place: work, share },
        OrderCall::RevealScores {
            place: place(Occasion::Round(0)),
            scores,
            salt: Some(Digest::of("salt", &[])),
        },
        OrderCall::ChallengeScore {
            place: work,
            score: Some(8),
        },
    ]
}

fn sign(call: impl Into<Call>) -> Transaction {
    let secret = SecretKey::from_seed([1; 32]);
    Transaction::sign(
        &secret,
        ChainId(Digest::of("chain", &[])),
        9,
        Amount(1_000),
        call.into(),
    )
}

#[test]
fn golden_transactions() {
    let mut all = Vec::new();
    let numbers = (0..4u8).map(|call| [0, call]);
    let numbers = numbers.chain((0..6).map(|call| [1, call]));
    let numbers = numbers.chain((0..24).map(|call| [2, call]));
    // What came with contests: terms that are one, and calls about them.
    let later = [[2, 0]].into_iter().chain((24..30).map(|call| [2, call]));
    let before = numbers.clone().count();
    let numbers: Vec<_> = numbers.chain(later).collect();
    assert_eq!(every_call().len(), numbers.len());
    for (numbers, call) in numbers.into_iter().zip(every_call()) {
        let tx = sign(call);
        let bytes = tx.encode();
        // 32 bytes of chain, 32 of sender, 8 of nonce, 8 of fee: the subject's number comes next,
        // then the call's.
        assert_eq!(bytes[80..82], numbers, "{}", tx.call.name());
        assert_eq!(bytes.len(), tx.encoded_len());
        assert_eq!(Transaction::decode(&bytes).unwrap(), tx);
        assert_eq!(tx.verify(), Ok(()));
        let json = serde_json::to_string(&tx).unwrap();
        assert_eq!(tx.call.name(), name_in(&json), "{json}");
        assert_eq!(serde_json::from_str::<Transaction>(&json).unwrap(), tx);
        all.push(bytes);
    }
    assert_eq!(
        hash(&all[before..].concat()),
        "9d91514ea54b85c39262a117472b82bf5bb19f7ee1df86dd341b14056cddb69e"
    );
    assert_eq!(
        hash(&all[..before].concat()),
        "408c10580aa94984bd4d1becab1e8554af507bf68f6a5f2c70790805bf3f47a3"
    );
}

/// The name of a transaction's call in its JSON form, with its subject where the name of the
/// method says more than the name of the variant.
fn name_in(json: &str) -> String {
    let value: serde_json::Value = serde_json::from_str(json).unwrap();
    let (subject, call) = value["call"].as_object().unwrap().iter().next().unwrap();
    let name = call.as_object().unwrap().keys().next().unwrap();
    match (subject.as_str(), name.as_str()) {
        ("file", "put" | "delete") | ("order", "post" | "cancel") => format!("{name}_{subject}"),
        _ => name.clone(),
    }
}

#[test]
fn golden_transfer_byte_by_byte() {
    let tx = sign(every_call().remove(0));
    let mut expected = Vec::new();
    expected.extend(Digest::of("chain", &[]).0);
    expected.extend(SecretKey::from_seed([1; 32]).public().0);
    expected.extend(9u64.to_le_bytes());
    expected.extend(1_000u64.to_le_bytes());
    expected.extend([0, 0]);
    expected.extend(SecretKey::from_seed([2; 32]).public().0);
    expected.extend(5u64.to_le_bytes());
    assert_eq!(tx.encode()[..expected.len()], expected);
    assert_eq!(tx.encode().len(), expected.len() + 64);
    assert_eq!(
        tx.id().to_string(),
        "2f8420b7b13526ad97a3010de979b26d8a51386da103fa53aa352feea1f2e928"
    );
}

#[test]
fn golden_acceptance() {
    let record = crate::world::file(Who::Requester, "model");
    let chain = ChainId(Digest::of("chain", &[]));
    let keeping = assay_ledger::Keeping::of(chain, &record, LedgerTime(8));
    let node = SecretKey::from_seed([2; 32]);
    let agreed = assay_ledger::Acceptance::sign(&node, &keeping, Amount(5), LedgerTime(6));
    // What is signed: network, owner, file, root, slices, length class, until, price, by.
    let mut text = Vec::new();
    for digest in [chain.0, Digest(record.owner.0), record.id.0, record.root] {
        text.extend(digest.0);
    }
    text.extend(1u32.to_le_bytes());
    for number in [1_024, 8, 5, 6u64] {
        text.extend(number.to_le_bytes());
    }
    let signed = node.sign("assay/storage acceptance/v1", &text);
    assert_eq!(agreed.signature, signed);
    let bytes = borsh::to_vec(&agreed).unwrap();
    let mut expected = [5u64, 6].map(u64::to_le_bytes).concat();
    expected.extend(signed.0);
    assert_eq!(bytes, expected);
}

#[test]
fn golden_genesis() {
    let genesis = genesis(parameters());
    let bytes = genesis.encode();
    assert_eq!(Genesis::decode(&bytes).unwrap(), genesis);
    let json = serde_json::to_string(&genesis).unwrap();
    assert_eq!(serde_json::from_str::<Genesis>(&json).unwrap(), genesis);
    assert_eq!(
        genesis.chain_id().to_string(),
        "0fa8f9832e1b8a523f4dac639c1a941b508a9bf0c826eb692aeaf718b4dd6c85"
    );
    let state = genesis.state().unwrap();
    assert_eq!(
        root::genesis(&state).unwrap().root.to_string(),
        "a3941ca9b866500cdab97d15e8b158300f42f0fcb8d01c131c102f9efeee80a3"
    );
}

/// A whole life with a dispute: its state root fixes the layout of every record and every rule.
#[test]
fn golden_history() {
    let mut world = World::new();
    let truth = Run::truth(&terms());
    let lie = Run::lie(&terms(), 1, "provider");
    let order = world.ran(&lie);
    world.audit(order, &lie, |_, _| truth.clone());
    world.bisect(order, &lie, &truth);
    let step = world.order(order).dispute().unwrap().disputed.step;
    let leaf = Some(truth.at(step));
    world.judge(order, &[0, 1, 2].map(|i| (i, leaf)));
    world.assign(order);
    world.grant_to_provider(order);
    world.commit(order, &truth);
    world.audit(order, &truth, |_, _| truth.clone());
    let grants = query::grants(&world.store, &order, RunIndex(1)).unwrap();
    world.apply(Who::Requester, OrderCall::Accept { order });
    assert_eq!(
        world.root.to_string(),
        "d3dc2b48713a0e90b41f4a4fcd5cfde09591ffb2e9b232f6e17b4ec67ad3dd33"
    );
    let order = world.order(order);
    reads_back(&order.head);
    order.runs.iter().for_each(reads_back);
    order.disputes.iter().for_each(reads_back);
    assert!(grants.len() >= 3);
    grants.iter().for_each(reads_back);
    let json = serde_json::to_string(&order).unwrap();
    assert_eq!(serde_json::from_str::<Order>(&json).unwrap(), order);
    world.told.iter().for_each(|told| reads_back(&told.event));
}

/// Two rounds with an audit each: the root fixes the records of orders with rounds.
#[test]
fn golden_rounds() {
    let mut world = crate::rounds::world();
    let order = world.training(&crate::rounds::terms(3));
    world.whole_round(order);
    let audit = world.checking(order)[0];
    assert_eq!(
        world.root.to_string(),
        "9123ed2946afa07ab6c604ad9ac25d0f91656b653b83469615b467865a1837b1"
    );
    for order in [order, audit] {
        let order = world.order(order);
        reads_back(&order.head);
        let json = serde_json::to_string(&order).unwrap();
        assert_eq!(serde_json::from_str::<Order>(&json).unwrap(), order);
    }
    let trainers = query::trainers(&world.store, &order).unwrap();
    trainers.iter().for_each(reads_back);
    world.told.iter().for_each(|told| reads_back(&told.event));
}

/// A contest with a challenge and two audits: the root fixes its records.
#[test]
fn golden_contest() {
    let mut world = crate::contest::world();
    let order = world.validating(&crate::contest::terms(), crate::contest::run);
    world.verifying(order, &crate::contest::truth());
    let place = world.order(order).work(RunIndex(1));
    let score = Some(1);
    world.apply(Who::Auditor(0), OrderCall::ChallengeScore { place, score });
    reads_back(&world.contest(order));
    let again = crate::contest::sheet(&[Some(900_000)]);
    world.score(order, &[0, 1, 2].map(|of| (of, again.clone())));
    world.wait_out(order, assay_ledger::Phase::Verifying);
    world.pass_claim_audits(order);
    world.advance(1);
    assert_eq!(
        world.root.to_string(),
        "3f3430e26de0fa2481ed0336e66ddfcd0402bf8a9de1eb9706260d3cc56abe84"
    );
    let record = world.order(order);
    reads_back(&record.head);
    let json = serde_json::to_string(&record).unwrap();
    assert_eq!(serde_json::from_str::<Order>(&json).unwrap(), record);
    let claims = query::claims(&world.store, &order).unwrap();
    assert_eq!(claims.len(), 3);
    claims.iter().for_each(reads_back);
    world.told.iter().for_each(|told| reads_back(&told.event));
}

/// Borsh and JSON say as much as the value.
fn reads_back<T>(value: &T)
where
    T: BorshSerialize + BorshDeserialize + Serialize + DeserializeOwned + PartialEq + Debug,
{
    let bytes = borsh::to_vec(value).unwrap();
    assert_eq!(&T::try_from_slice(&bytes).unwrap(), value);
    let json = serde_json::to_string(value).unwrap();
    assert_eq!(&serde_json::from_str::<T>(&json).unwrap(), value, "{json}");
}

#[test]
fn a_genesis_that_contradicts_itself_is_refused() {
    let id = Who::Stranger.id();
    let check = |change: &dyn Fn(&mut Genesis)| {
        let mut genesis = genesis(parameters());
        change(&mut genesis);
        genesis.state().unwrap_err()
    };
    let accounts = |g: &mut Genesis, balance| {
        let mut accounts = g.accounts.to_vec();
        accounts.push(assay_ledger::GenesisAccount {
            account: id,
            balance,
        });
        g.accounts = BoundedVec::new(accounts).unwrap();
    };
    assert_eq!(
        check(&|g| accounts(g, Amount(1))),
        GenesisError::Duplicate(id)
    );
    assert_eq!(
        check(&|g| g.validators = BoundedVec::default()),
        GenesisError::NoValidators
    );
    let missing = check(&|g| g.registrations = BoundedVec::default());
    assert!(matches!(missing, GenesisError::Validator(_)));
    let unlisted = check(&|g| {
        g.validators = BoundedVec::new(g.validators[1..].to_vec()).unwrap();
    });
    assert!(matches!(unlisted, GenesisError::Validator(_)));
    let unsorted = check(&|g| {
        let mut validators = g.validators.to_vec();
        validators.swap(0, 1);
        g.validators = BoundedVec::new(validators).unwrap();
    });
    assert!(matches!(unsorted, GenesisError::Duplicate(_)));
    let bond = check(&|g| {
        let mut registrations = g.registrations.to_vec();
        registrations[0].bond = Amount::ZERO;
        g.registrations = BoundedVec::new(registrations).unwrap();
    });
    assert!(matches!(bond, GenesisError::Bond { .. }));
    let supply = check(&|g| {
        let mut accounts = g.accounts.to_vec();
        accounts[0].balance = Amount(u64::MAX);
        g.accounts = BoundedVec::new(accounts).unwrap();
    });
    assert_eq!(supply, GenesisError::Supply);
    let key = check(&|g| {
        let mut accounts = g.accounts.to_vec();
        accounts[0].account = assay_crypto::PublicKey([0xff; 32]);
        g.accounts = BoundedVec::new(accounts).unwrap();
    });
    assert!(matches!(key, GenesisError::Key(_)));
    let unusable = check(&|g| {
        let mut registrations = g.registrations.to_vec();
        registrations[0].encryption_key = EncryptionKey([0; 32]);
        g.registrations = BoundedVec::new(registrations).unwrap();
    });
    assert!(matches!(unusable, GenesisError::Unusable(_)));
    let silent = check(&|g| {
        let mut registrations = g.registrations.to_vec();
        registrations.iter_mut().for_each(|of| of.offer = None);
        g.registrations = BoundedVec::new(registrations).unwrap();
    });
    assert!(matches!(silent, GenesisError::Offer { .. }));
    let odd: [&dyn Fn(&mut Genesis); 19] = [
        &|g| g.parameters.answer_ms = 0,
        &|g| g.parameters.idle_rate = Ppm(1_000_001),
        &|g| g.parameters.provider_bond = Amount::ZERO,
        &|g| g.parameters.reward_rate = Ppm(1_000_001),
        &|g| g.parameters.min_blocks = 0,
        &|g| g.parameters.max_deadline_ms = 1,
        &|g| g.parameters.unbonding_ms = 0,
        &|g| g.parameters.max_rounds = 0,
        &|g| g.parameters.max_timers = 0,
        &|g| g.parameters.max_draws = 0,
        &|g| g.parameters.max_looks = 999,
        &|g| g.parameters.max_open_orders = 0,
        &|g| g.parameters.max_judge_units = 0,
        &|g| g.parameters.max_input_bytes = 0,
        &|g| g.parameters.max_input_bytes = MAX_FILE_BYTES + 1,
        &|g| g.parameters.max_bond_multiple = 0,
        &|g| g.parameters.max_task_bytes = g.parameters.max_input_bytes - 1,
        &|g| g.parameters.max_task_bytes = 8 * MAX_FILE_BYTES + 1,
        &|g| g.parameters.proposer_rate = Ppm(1_000_001),
    ];
    for change in odd {
        assert!(matches!(check(change), GenesisError::Parameters(_)));
    }
}

/// The longest transactions that the types allow are within the limit on transactions.
#[test]
fn the_longest_calls_fit_a_transaction() {
    let long = Terms {
        steps: Terms::MAX_STEPS,
        segment_steps: 1_024,
        ..terms()
    };
    let truth = Run::truth(&long);
    let opening = truth.opening(StepIndex(12_345));
    assert_eq!(opening.path.0.len(), 21);
    let openings = vec![opening; Terms::MAX_REPLAYED as usize + 1];
    let place = Place {
        order: OrderId(Digest::ZERO),
        run: RunIndex(0),
        occasion: Occasion::Work,
    };
    let tx = sign(OrderCall::OpenStarts {
        place,
        openings: BoundedVec::new(openings).unwrap(),
    });
    assert!(tx.encoded_len() <= MAX_TX_BYTES, "{}", tx.encoded_len());
    let checkpoints = BoundedVec::new(vec![FileId(Digest::ZERO); 1_024]).unwrap();
    let (root, result) = (Digest::ZERO, FileId(Digest::ZERO));
    let tx = sign(OrderCall::CommitTrace {
        place,
        root,
        checkpoints,
        result,
        counts: truth.counts(),
        first_invalid: Some(StepIndex(1)),
        lock: lock(Who::Requester).public(),
    });
    assert!(tx.encoded_len() <= MAX_TX_BYTES, "{}", tx.encoded_len());
    let checkpoints = BoundedVec::new(vec![FileId(Digest::ZERO); 1_024]).unwrap();
    let tx = sign(OrderCall::RevealRun {
        place,
        root,
        checkpoints,
        result,
        first_invalid: Some(StepIndex(1)),
        lock: lock(Who::Requester).public(),
        salt: root,
        openings: BoundedVec::new(vec![truth.opening(StepIndex(12_345)); 2]).unwrap(),
    });
    assert!(tx.encoded_len() <= MAX_TX_BYTES, "{}", tx.encoded_len());
}

#[test]
fn oversized_transactions_are_refused_before_decoding() {
    let error = Transaction::decode(&vec![0; MAX_TX_BYTES + 1]).unwrap_err();
    assert!(error.to_string().contains("65536"));
    assert!(Genesis::decode(&vec![0; Genesis::MAX_BYTES + 1]).is_err());
    assert!(root::Proof::decode(&vec![0; root::Proof::MAX_BYTES + 1]).is_err());
}

#[test]
fn refusals_speak_to_people() {
    let order = OrderId(Digest::ZERO);
    let refusal = Refusal::Order(OrderRefusal::WrongOpenings {
        order,
        expected: vec![StepIndex(0), StepIndex(4)],
    });
    assert!(
        refusal.to_string().contains("steps, in this order: 0, 4"),
        "{refusal}"
    );
    let json = serde_json::to_value(&refusal).unwrap();
    assert_eq!(json["refusal"], "wrong_openings");
    assert_eq!(serde_json::from_value::<Refusal>(json).unwrap(), refusal);
    let place = |number| Place {
        order,
        run: RunIndex(2),
        occasion: Occasion::Dispute(number),
    };
    let gone_on = Refusal::from(OrderRefusal::OtherPlace {
        expected: place(4),
        found: place(3),
    });
    let text = gone_on.to_string();
    assert!(
        text.contains("run 2") && text.contains("dispute 3"),
        "{text}"
    );
    let (file, account) = (FileId(Digest::ZERO), Who::Stranger.id());
    let late = OrderRefusal::TooLate {
        order,
        deadline: Moment {
            time: LedgerTime(7),
            height: Height(7),
        },
    };
    let all: [Refusal; 5] = [
        gone_on,
        late.into(),
        AccountRefusal::NotAKey { account }.into(),
        FileRefusal::OwnFile { file }.into(),
        FileRefusal::GrantTime {
            until: LedgerTime(1),
            now: LedgerTime(2),
            latest: LedgerTime(3),
        }
        .into(),
    ];
    all.iter().for_each(reads_back);
}

proptest! {
    #[test]
    fn decoders_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..2_000)) {
        if let Ok(tx) = Transaction::decode(&bytes) {
            prop_assert_eq!(tx.encode(), bytes.clone());
        }
        let _ = Genesis::decode(&bytes);
        let _ = root::Proof::decode(&bytes);
        let _ = Head::try_from_slice(&bytes);
        let _ = assay_ledger::Run::try_from_slice(&bytes);
        let _ = assay_ledger::Dispute::try_from_slice(&bytes);
        let _ = Grant::try_from_slice(&bytes);
        let _ = FileGrant::try_from_slice(&bytes);
        let _ = Event::try_from_slice(&bytes);
        let _ = Refusal::try_from_slice(&bytes);
        let _ = BoundedBytes::<16>::try_from_slice(&bytes);
    }

    /// What decodes is the one encoding of its value; what is damaged does not verify.
    #[test]
    fn damaged_transactions_do_not_count(
        call in prop::sample::select(every_call()), at: prop::sample::Index, bit in 0u8..8,
    ) {
        let mut bytes = sign(call).encode();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        if let Ok(tx) = Transaction::decode(&bytes) {
            prop_assert_eq!(tx.encode(), bytes.clone());
            prop_assert!(tx.verify().is_err());
        }
        bytes.truncate(at);
        prop_assert!(Transaction::decode(&bytes).is_err());
        let mut longer = sign(every_call().remove(0)).encode();
        longer.push(0);
        prop_assert!(Transaction::decode(&longer).is_err());
    }
}
