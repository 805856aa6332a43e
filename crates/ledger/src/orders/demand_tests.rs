use assay_crypto::release::{LockKey, LockSecret};
use assay_crypto::stream::Stream;
use assay_crypto::{Digest, EncryptionKey};

use super::*;
use crate::{Amount, BoundedBytes, BoundedString, BoundedVec, Height, Offer, StopRule, Unmet};

/// Few values, so that equal ones and neighbours are common.
fn number(stream: &mut Stream) -> u64 {
    const NUMBERS: [u64; 10] = [0, 1, 2, 3, 4, 7, 8, 9, 1 << 40, (1 << 40) + 1];
    NUMBERS[stream.below(10) as usize]
}

fn deadlines(stream: &mut Stream) -> Deadlines {
    let mut all = Deadlines::all(0);
    all.run = number(stream);
    all.open = number(stream);
    all.audit = number(stream);
    all.reveal = number(stream);
    all.dispute = number(stream);
    all.attest = number(stream);
    all
}

fn kind(stream: &mut Stream) -> JobKind {
    const KINDS: [&str; 3] = ["finetune", "evaluate", "mine"];
    JobKind::new(KINDS[stream.below(3) as usize]).unwrap()
}

fn method(stream: &mut Stream) -> JobMethod {
    const METHODS: [&str; 3] = ["", "lora", "full"];
    JobMethod::new(METHODS[stream.below(3) as usize]).unwrap()
}

fn terms(stream: &mut Stream, delivery_key: &LockKey) -> Terms {
    let kind = match kind(stream).as_str() {
        // No order can be posted for a kind that there is not; an offer may name it.
        "mine" => JobKind::new("evaluate").unwrap(),
        known => JobKind::new(known).unwrap(),
    };
    Terms {
        kind,
        spec: BoundedBytes::default(),
        model: BoundedBytes::default(),
        inputs: BoundedVec::default(),
        steps: 1 + number(stream),
        segment_steps: 1 + stream.below(4) as u32,
        step_units: 1,
        memory: number(stream),
        method: method(stream),
        stop: StopRule {
            stop_after: 1,
            max_invalid: 1,
        },
        price: Amount(number(stream)),
        provider_bond: Amount(number(stream)),
        auditor_bond: Amount(number(stream)),
        auditor_fee: Amount(number(stream)),
        segments_drawn: 1 + stream.below(3) as u32,
        auditors: stream.below(3) as u8,
        attempts: 1,
        copies: 1 + stream.below(2) as u8,
        keys: Digest::ZERO,
        delivery_key: *delivery_key,
        deadlines: deadlines(stream),
        rounds: None,
        contest: None,
    }
}

fn registration(stream: &mut Stream) -> Registration {
    let kinds: Vec<JobKind> = (0..1 + stream.below(3)).map(|_| kind(stream)).collect();
    let methods: Vec<JobMethod> = (0..2 + stream.below(3)).map(|_| method(stream)).collect();
    let offer = Offer {
        kinds: BoundedVec::new(kinds).unwrap(),
        least_pay: Amount(number(stream)),
        most_bond: Amount(number(stream)),
        least_time: deadlines(stream),
        orders: stream.below(3) as u16,
        memory: number(stream) + number(stream),
        methods: BoundedVec::new(methods).unwrap(),
    };
    let locked = number(stream);
    Registration {
        bond: Amount(locked + number(stream)),
        locked: Amount(locked),
        encryption_key: EncryptionKey([1; 32]),
        address: BoundedString::default(),
        since: Height(0),
        leaving: stream.below(8) == 0,
        offer: (stream.below(8) > 0).then_some(offer),
        serving: stream.below(3) as u16,
        asked: stream.below(2) as u16,
        missed: 0,
        suspended: stream.below(8) == 0,
    }
}

fn meets(demand: &Demand, registration: &Registration) -> bool {
    Able::of(registration).is_some_and(|able| demand.is_met_by(&able))
}

/// The short comparison of the draws and the long one that is shown to people say the same, and whoever
/// takes terms takes the best of their class.
#[test]
fn demands_and_their_classes_say_what_offers_say() {
    let mut stream = Stream::new(Digest::of("demands", &[]), "test", 0);
    let delivery_key = LockSecret::from_seed(&[1; 32]).public();
    let (mut taken, mut beyond) = (0, 0);
    for case in 0..200_000 {
        let terms = terms(&mut stream, &delivery_key);
        let registration = registration(&mut stream);
        for role in [Role::Provider, Role::Auditor] {
            let demand = Demand::of(role, &terms);
            let refused: Vec<Unmet> = registration.refuses(role, &terms);
            let met = meets(&demand, &registration);
            assert_eq!(
                met,
                refused.is_empty(),
                "{case}: {role} {demand:?} {refused:?}"
            );
            let best = best(&demand.class()).unwrap();
            assert_eq!((best.class(), best.role()), (demand.class(), role));
            let class = meets(&best, &registration);
            assert!(class || !met, "{case}: {role} {demand:?}");
            taken += usize::from(met);
            beyond += usize::from(class && !met);
        }
    }
    // The comparison is of something.
    assert!(taken > 200 && beyond > 100, "{taken} {beyond}");
}

#[test]
fn a_class_comes_back_from_its_bytes() {
    let mut stream = Stream::new(Digest::of("classes", &[]), "test", 0);
    let delivery_key = LockSecret::from_seed(&[1; 32]).public();
    for _ in 0..100 {
        let class = Class::of_posted(&terms(&mut stream, &delivery_key));
        assert_eq!(Class::from_bytes(&class.bytes()), Some(class));
    }
    assert_eq!(best(&Class::FREE.0[0]), None);
    assert_eq!((highest(64), lowest(64)), (u64::MAX, 1 << 63));
    assert_eq!((highest(0), lowest(0)), (0, 0));
    for number in [0, 1, 2, 3, 4, 1 << 40, u64::MAX] {
        let bits = bits(number);
        assert!((lowest(bits)..=highest(bits)).contains(&number));
    }
}
