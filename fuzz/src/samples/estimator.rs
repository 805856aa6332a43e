//! Small models of every kind.

use assay_estimator::{
    Labels, ModelSpec, Samples, Schedule, Shard, Specification, State, TrainSpec,
};

/// One model of every kind.
pub fn models() -> Vec<ModelSpec> {
    vec![
        ModelSpec::Linear { features: 2 },
        ModelSpec::Logistic { features: 2 },
        ModelSpec::Softmax { features: 2, classes: 3 },
        ModelSpec::Mlp { features: 2, hidden: vec![2, 3], classes: 2 },
        ModelSpec::Cnn { channels: 1, height: 2, width: 3, filters: vec![2], classes: 2 },
    ]
}

/// Each of them, with settings of every kind.
pub fn specifications() -> Vec<Specification> {
    let schedules = [
        Schedule::Constant,
        Schedule::Steps { every: 3, factor: 0.5 },
        Schedule::Linear { warmup_steps: 2, steps: 9 },
    ];
    let each = models().into_iter().zip(schedules.into_iter().cycle());
    let with = |(model, schedule)| Specification {
        model,
        training: TrainSpec {
            momentum: 0.5,
            max_grad_norm: Some(1.0),
            schedule,
            ..TrainSpec::at_rate(0.1)
        },
    };
    each.map(with).collect()
}

/// A state of each of them.
pub fn states() -> Vec<State> {
    let state = |model: &ModelSpec| State::initial(model, &[4; 32]).expect("a good model");
    models().iter().map(state).collect()
}

/// A shard of numbers, one of classes, and an empty one.
pub fn shards() -> Vec<Shard> {
    let classes = Labels::classes(vec![0, 2], 3).expect("classes");
    let labels = [Labels::Values(vec![1.0, -0.5]), classes, Labels::Values(vec![])];
    let shard = |labels: Labels| {
        let features = vec![0.5; 3 * labels.len()];
        Shard::new(Samples::new(features, 3, labels).expect("good rows"))
    };
    labels.into_iter().map(shard).collect()
}
