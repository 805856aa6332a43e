//! A federation that goes on from its model alone, and steps that are taken one at a time.

use assay_crypto::Digest;
use assay_estimator::{Order, State};
use assay_rounds::{Age, Rounds, SavedError, Sender, Steps, train};

use crate::common::{Federation, alike, digits, kernel, seed, spec};

#[test]
fn what_goes_on_from_a_model_alone_makes_the_same_models() {
    let mut whole = Federation::new(spec(), alike(&digits().0, 4));
    let mut model = whole.rounds.model().to_bytes();
    for round in 0..3 {
        let mut resumed = Federation::new(spec(), alike(&digits().0, 4));
        resumed.rounds = Rounds::resume(spec(), round, &model).unwrap();
        assert_eq!(resumed.rounds.head(2), whole.rounds.head(2));
        let merged = resumed.round();
        assert_eq!(merged, whole.round());
        model = resumed.rounds.model().to_bytes();
        assert_eq!(model, whole.rounds.model().to_bytes());
    }
    // Rounds that merged nothing do not change the model, but what an update of it is made on.
    let later = Rounds::resume(spec(), 9, &model).unwrap();
    assert_eq!(
        later.model().parameters(),
        whole.rounds.model().parameters()
    );
    assert_eq!((later.round(), later.model().steps()), (9, 72));
    assert_ne!(later.head(0).base, whole.rounds.head(0).base);
}

#[test]
fn what_no_round_left_is_refused() {
    let first = Rounds::new(spec(), &Digest::ZERO).unwrap();
    let model = first.model();
    let rest = |steps| {
        let rest = model.at_rest(model.parameters().to_vec(), steps);
        rest.unwrap().to_bytes()
    };
    let resumed = |round, bytes: &[u8]| Rounds::resume(spec(), round, bytes);
    assert!(resumed(2, &rest(16)).is_ok() && resumed(2, &rest(0)).is_ok());
    for steps in [1, 15, 17, 24, u64::MAX] {
        let refused = resumed(2, &rest(steps));
        assert!(
            matches!(refused, Err(SavedError::NotAtRest { round: 2 })),
            "{steps}"
        );
    }
    let mut moving = rest(8);
    let at = moving.len() - 1;
    moving[at] = 0x3f;
    assert!(matches!(
        resumed(2, &moving),
        Err(SavedError::NotAtRest { .. })
    ));
    assert!(matches!(
        resumed(2, &moving[1..]),
        Err(SavedError::Model(_))
    ));
    for round in [30, u64::MAX] {
        let refused = resumed(round, &rest(0));
        assert!(matches!(
            refused,
            Err(SavedError::NoRound { rounds: 30, .. })
        ));
    }
    let mut late = spec();
    late.age = Age {
        most: 1,
        decay: 1 << 19,
    };
    let refused = Rounds::resume(late, 0, &rest(0));
    assert!(matches!(refused, Err(SavedError::Remembers)));
    let mut nonsense = spec();
    nonsense.quorum = 0;
    let refused = Rounds::resume(nonsense, 0, &rest(0));
    assert!(matches!(refused, Err(SavedError::Spec(_))));
}

#[test]
fn steps_one_at_a_time_lead_where_all_of_them_lead() {
    let mut spec = spec();
    spec.learning.training.proximal = 0.5;
    spec.learning.training.momentum = 0.5;
    let shards = alike(&digits().0, 4);
    let rounds = Rounds::new(spec.clone(), &Digest::ZERO).unwrap();
    let (model, order) = (
        rounds.model(),
        Order {
            seed: seed(0).0,
            round: 0,
            trainer: 1,
        },
    );
    let all = train(&kernel(), &spec, model, &shards[1], order).unwrap();
    let mut state = model.clone();
    for index in 0..spec.local_steps {
        // Each by somebody who took none of the others.
        let bytes = state.to_bytes();
        state = State::from_bytes(&bytes, &spec.learning.model).unwrap();
        let mut steps = Steps::new(&kernel(), &spec, model, order).unwrap();
        assert!(
            steps
                .take(&mut state, &shards[1], index)
                .unwrap()
                .is_valid()
        );
    }
    assert_eq!(state, all.state);
    let head = rounds.head(1);
    let sent = |of: &mut Sender| of.send(&spec, &head, model, &all, &seed(0)).unwrap();
    let reached = Sender::default().send_reached(&spec, &head, model, &state, &seed(0));
    assert_eq!(reached.unwrap(), sent(&mut Sender::default()));
}
