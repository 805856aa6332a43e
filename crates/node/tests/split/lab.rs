//! The example job in a few small steps, and nodes to run it with.

use std::{path::Path, sync::Arc, time::Duration};

use assay_crypto::{Digest, PublicKey, SecretKey};
use assay_job::{Course, Local};
use assay_model::{Adapter, Method, Purpose};
use assay_node::split::{
    Allowed, Held, Mode, Peers, SplitError, SplitLimits, SplitProvider, Store, TERMS_VERSION,
    Terms, TrainOptions, Trained, train,
};
use assay_node::transport::{Access, Host, Limits, Protocols, Standing, Transport};
use assay_proof::Task;
use assay_split::{Holdings, Provider, Side, Split};
use tokio::runtime::Runtime;

pub(crate) const STEPS: u64 = 3;

/// A job, and everything a provider of it needs.
pub(crate) struct Lab {
    pub(crate) task: Task,
    pub(crate) course: Course,
    pub(crate) split: Arc<Split>,
    pub(crate) terms: Terms,
    pub(crate) runtime: Runtime,
}

impl Lab {
    pub(crate) fn new() -> Arc<Self> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
        let text = std::fs::read_to_string(folder.join("private-lora.toml")).unwrap();
        let text = text
            .replace("steps = 160", &format!("steps = {STEPS}"))
            .replace("warmup_steps = 8", "warmup_steps = 1")
            .replace("batch_size = 8", "batch_size = 1");
        let job = assay_job::read(&text, &folder).unwrap();
        let task = Local::new(&job, Digest::ZERO).unwrap().task;
        let course = Course::new(&task).unwrap();
        let Method::PrivateLora(settings) = course.method() else {
            panic!("the example has another method");
        };
        let (config, shape) = (course.base().config(), course.shape());
        let purpose = Purpose::Train(course.settings());
        let split = Arc::new(Split::new(config, settings, shape, purpose).unwrap());
        let terms = Terms {
            version: TERMS_VERSION,
            messages: assay_split::wire::VERSION,
            kernel_spec: assay_kernel::SPEC_VERSION,
            base: course.base().digest(),
            held: Held::Float32,
            batch: shape.batch as u32,
            seq: shape.seq as u32,
            micro_batches: 1,
            checkpointing: false,
            rounded: false,
            steps: STEPS,
            longest_message: split.longest_message() as u64,
            mode: Mode::Plain {
                r: settings.r() as u32,
                lora_alpha: settings.lora_alpha(),
                targets: settings.target_modules().bits(),
                seed: *course.seed(),
                plan: split.digest(),
            },
        };
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = runtime.worker_threads(2).enable_all().build().unwrap();
        Arc::new(Self {
            task,
            course,
            split,
            terms,
            runtime,
        })
    }

    /// The digest that the run has on one machine.
    pub(crate) fn expected(&self) -> Digest {
        let go_on = &mut |_: &_| std::ops::ControlFlow::Continue(());
        assay_job::run(&self.task, go_on).unwrap().state_digest
    }

    /// An honest party, to tamper with.
    pub(crate) fn party(&self) -> Provider {
        let course = &self.course;
        let (kernel, base) = (course.kernel(), course.base());
        let adapter = Adapter::init(kernel, base, course.method(), course.seed());
        let holdings = Holdings::of(&self.split, Side::Provider, base, &adapter).unwrap();
        Provider::new(kernel, self.split.clone(), holdings).unwrap()
    }

    pub(crate) fn provider(&self, limits: SplitLimits, allowed: Allowed) -> SplitProvider {
        let (kernel, base) = (self.course.kernel().clone(), self.course.base().clone());
        SplitProvider::new(kernel, base, limits, allowed, Arc::new(|_| {})).unwrap()
    }

    /// An honest provider that serves everybody.
    pub(crate) fn honest(&self, seed: u8) -> Transport {
        let provider = Arc::new(self.provider(SplitLimits::default(), Allowed::Anyone));
        self.node(seed, provider.clone(), provider)
    }

    pub(crate) fn node(
        &self,
        seed: u8,
        access: Arc<dyn Access>,
        host: Arc<dyn Host<Terms>>,
    ) -> Transport {
        let key = SecretKey::from_seed([seed; 32]);
        let listen = "127.0.0.1:0".parse().unwrap();
        let limits = Limits {
            connect_timeout: Duration::from_secs(2),
            ..Limits::default()
        };
        let protocols = Protocols::default().hosting(host);
        let bound = Transport::bind(&key, listen, limits, access, protocols);
        self.runtime.block_on(bound).unwrap()
    }

    pub(crate) fn node_of(&self, seed: u8, host: Arc<dyn Host<Terms>>) -> Transport {
        self.node(seed, Arc::new(|_: &PublicKey| Standing::Registered), host)
    }

    /// Trains with the node `to`, from what is in `folder`.
    pub(crate) fn train(&self, to: &[&Transport], folder: &Path) -> Result<Trained, SplitError> {
        let honest = self.provider(SplitLimits::default(), Allowed::Anyone);
        let own = self.node_of(99, Arc::new(honest));
        for node in to {
            own.book().set(node.id(), [node.address()]);
        }
        let peers = match to {
            [one] => Peers::Plain(one.id()),
            [first, second] => Peers::Masked([first.id(), second.id()]),
            _ => panic!("one or two"),
        };
        let options = TrainOptions {
            patience: Duration::from_secs(2),
            answer_timeout: Duration::from_secs(2),
            ..TrainOptions::default()
        };
        let store = Store::open(folder, "split").unwrap();
        let way = (own.clone(), self.runtime.handle().clone());
        let trained = train(&self.task, &peers, way, &store, &options, &mut |_| {});
        self.runtime.block_on(own.close());
        trained
    }
}
