//! Jobs of many trainers: files, one trainer's round as a program, merging.

mod files;
mod merging;
mod refusals;
mod runs;

use std::fs;
use std::path::{Path, PathBuf};

use assay_crypto::Digest;
use assay_estimator::{Order, Shard, State};
use assay_job::{Job, JobError, Registry, federated};
use assay_kernel::Kernel;
use assay_ledger::{StepIndex, StopRule};
use assay_proof::{Program, Programs, Task, TaskInput};
use assay_rounds::{NoUpdate, RoundSpec, Rounds, Sender, train};

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples")
}

/// The example with these texts replaced.
fn text(changes: &[(&str, &str)]) -> String {
    let mut text = fs::read_to_string(examples().join("federated.toml")).unwrap();
    for (from, to) in changes {
        assert!(text.contains(from), "the example has no {from}");
        text = text.replacen(from, to, 1);
    }
    text
}

fn changed(changes: &[(&str, &str)]) -> Result<Job, JobError> {
    assay_job::read(&text(changes), &examples())
}

/// A federation of an example, as those who take part know it.
struct Federation {
    job: Job,
    /// The rows of each trainer, as they are recorded.
    rows: Vec<Vec<u8>>,
    /// The model of the round under way.
    model: Vec<u8>,
    round: u64,
}

/// What a round draws.
fn seed(round: u64) -> Digest {
    Digest::of("test round", &[&round.to_le_bytes()])
}

impl Federation {
    fn new(changes: &[(&str, &str)], trainers: u32) -> Federation {
        let job = changed(changes).unwrap();
        Federation {
            rows: federated::deal(&text(changes), &examples(), trainers).unwrap(),
            model: federated::first_model(&job.specification, &Digest::ZERO).unwrap(),
            round: 0,
            job,
        }
    }

    fn spec(&self) -> RoundSpec {
        RoundSpec::from_bytes(&self.job.specification).unwrap()
    }

    /// One trainer's run of the round, as an order asks for it.
    fn task(&self, trainer: u16) -> Task {
        Task {
            kind: federated::KIND.to_owned(),
            spec: federated::run_spec(&self.job.specification, self.round, trainer),
            model: Vec::new(),
            memory: u64::MAX,
            inputs: vec![
                TaskInput::in_memory("model", self.model.clone()),
                TaskInput::in_memory("rows", self.rows[usize::from(trainer)].clone()),
            ],
            seed: seed(self.round),
            steps: self.job.steps,
            segment_steps: self.job.audit.segment_steps,
            stop: StopRule {
                stop_after: 3,
                max_invalid: 3,
            },
        }
    }

    fn program(&self, trainer: u16) -> Box<dyn Program> {
        Registry.build(&self.task(trainer)).unwrap()
    }

    /// All states of one trainer's run.
    fn states(&self, trainer: u16) -> Vec<Vec<u8>> {
        let mut program = self.program(trainer);
        program.restart().unwrap();
        let mut states = vec![program.encode()];
        for step in 1..=self.job.steps {
            program.advance(StepIndex(step)).unwrap();
            states.push(program.encode());
        }
        states
    }

    /// The last state of one trainer's run.
    fn last(&self, trainer: u16) -> Vec<u8> {
        self.states(trainer).pop().unwrap()
    }

    /// The update that the library makes of the same.
    fn expected(&self, trainer: u16) -> Result<Vec<u8>, NoUpdate> {
        let spec = self.spec();
        let rounds = Rounds::resume(spec.clone(), self.round, &self.model).unwrap();
        let shard = Shard::from_bytes(&self.rows[usize::from(trainer)]).unwrap();
        let order = Order {
            seed: seed(self.round).0,
            round: self.round,
            trainer: trainer.into(),
        };
        let kernel = Kernel::detect().unwrap();
        let local = train(&kernel, &spec, rounds.model(), &shard, order)?;
        let head = rounds.head(trainer.into());
        Sender::default().send(&spec, &head, rounds.model(), &local, &seed(self.round))
    }

    fn merge(&self, updates: &[(u16, &[u8])]) -> federated::Merged {
        let spec = &self.job.specification;
        federated::merge(spec, self.round, &seed(!self.round), &self.model, updates).unwrap()
    }

    fn state(&self) -> State {
        State::from_bytes(&self.model, &self.spec().learning.model).unwrap()
    }
}
