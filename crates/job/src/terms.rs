//! From a job to the terms of an order, in two steps: a draft, which is checked while nothing has
//! left this machine, and the terms, once the places of the inputs are known.

use assay_crypto::Digest;
use assay_crypto::release::LockSecret;
use assay_ledger::{
    Amount, BoundedBytes, BoundedString, BoundedVec, FileId, FileRecord, Input, Parameters,
    StopRule, Terms, rules,
};
use assay_model::ModelShape;
use assay_proof::OrderKeys;

use crate::error::JobError;
use crate::inputs::Inputs;
use crate::kind::Job;
use crate::price::Sizes;
use crate::problem::Problem;
use crate::registry;
use crate::sections::{Audit, LEAST_BOND};

/// Longest name of a stored input, in bytes: what a file's record holds.
const MAX_RECORD_NAME: usize = FileRecord::MAX_NAME_BYTES;

/// What a job's terms are checked against.
#[derive(Debug, Clone, Default)]
pub struct Network {
    /// The network's numbers; by default those that networks begin with.
    pub parameters: Parameters,
    /// All the money in it, where that is known.
    pub supply: Option<Amount>,
}

/// Terms but for where the inputs lie.
pub struct Draft(Terms);

impl Draft {
    /// Drafts the terms of `job`. `model` is what they tell of its model
    /// ([`Job::told_model`]), `sizes` are those of its inputs, `contents` are the digests of its inputs' plaintexts by name,
    /// and `keys` are the order's; none for a draft that is only looked at and never posted.
    ///
    /// # Errors
    /// [`JobError::Terms`] when no ledger could hold them.
    pub fn new(
        job: &Job,
        (model, sizes): (&[u8], &Sizes),
        contents: impl Fn(&str) -> Digest,
        keys: Option<&OrderKeys>,
    ) -> Result<Self, JobError> {
        let too_long = |field: &str| {
            let field = field.to_owned();
            move |_| {
                let problem = "it is too long for the ledger".to_owned();
                JobError::Terms(vec![Problem { field, problem }])
            }
        };
        let mut inputs = Vec::with_capacity(job.inputs.len());
        for source in &job.inputs {
            let name = source.name.to_owned();
            inputs.push(Input {
                name: BoundedString::new(name).map_err(too_long(source.field))?,
                file: FileId(Digest::ZERO),
                content: contents(source.name),
            });
        }
        let specification = job.specification.clone();
        let sizes = sizes.with(job.brought);
        // Of a model that cannot be computed nothing is known, and no run is made of it.
        let shape = registry::told(job.kind, model).ok();
        let price =
            |shape: Option<ModelShape>| job.kind.price(&specification, shape.as_ref(), &sizes);
        let priced = shape.and_then(|shape| price(shape).ok());
        let method = job.kind.method(&specification).ok().flatten();
        // Copies are compared, not audited.
        let audited = job.market.copies < 2;
        let nobody = || LockSecret::from_seed(&[0; 32]).public();
        Ok(Self(Terms {
            kind: BoundedString::new(job.kind.name().to_owned()).map_err(too_long("kind"))?,
            spec: BoundedBytes::new(specification).map_err(too_long("specification"))?,
            model: BoundedBytes::new(model).map_err(too_long("model"))?,
            inputs: BoundedVec::new(inputs).map_err(too_long("inputs"))?,
            steps: job.steps,
            segment_steps: job.audit.segment_steps,
            step_units: priced.map_or(1, |price| price.work.max(1)),
            memory: priced.map_or(1, |price| price.anywhere.max(1)),
            method: BoundedString::new(method.unwrap_or_default()).map_err(too_long("method"))?,
            stop: job.stop_rule(),
            price: job.market.price,
            provider_bond: job.market.provider_bond,
            auditor_bond: job.market.auditor_bond,
            auditor_fee: if audited {
                job.market.auditor_fee
            } else {
                Amount::ZERO
            },
            segments_drawn: if audited { job.audit.segments } else { 0 },
            auditors: if audited { job.audit.auditors } else { 0 },
            attempts: job.market.attempts,
            copies: job.market.copies,
            keys: keys.map_or(Digest::ZERO, OrderKeys::commitment),
            delivery_key: keys.map_or_else(nobody, OrderKeys::delivery_key),
            deadlines: job.deadlines.clone().into(),
            rounds: job.rounds,
            contest: None,
        }))
    }

    /// The same, with another name for what is stored beside the order: one without inputs has no keys that
    /// would tell it from others.
    #[must_use]
    pub fn named(mut self, name: Digest) -> Self {
        self.0.keys = name;
        self
    }

    /// What posting takes into escrow in a network with these parameters; `None` for more than there can
    /// be.
    pub fn escrow(&self, parameters: &Parameters) -> Option<Amount> {
        self.0.escrow(parameters)
    }

    /// Whether an order with these terms is the same work: the job with the same contents of its
    /// inputs, whatever they are stored as, at the same price.
    pub fn is_same_work(&self, terms: &Terms) -> bool {
        let asks = |terms: &Terms| {
            let Terms {
                kind,
                spec,
                inputs,
                steps,
                segment_steps,
                price,
                copies,
                rounds,
                ..
            } = terms.clone();
            let inputs: Vec<_> = inputs
                .iter()
                .map(|input| (input.name.clone(), input.content))
                .collect();
            (
                kind,
                spec,
                inputs,
                steps,
                segment_steps,
                (price, copies, rounds),
            )
        };
        asks(&self.0) == asks(terms)
    }

    /// Length of the terms in bytes as they are posted.
    pub fn length(&self) -> usize {
        // Serialising into memory cannot fail.
        borsh::to_vec(&self.0).map_or(0, |bytes| bytes.len())
    }

    /// How long the inputs must stay recorded at least, in milliseconds: see [`Terms::inputs_ms`].
    pub fn inputs_ms(&self, parameters: &Parameters) -> u64 {
        self.0.inputs_ms(parameters)
    }

    /// The terms, with the files of the inputs in the job's own sequence.
    pub fn place(self, files: impl IntoIterator<Item = FileId>) -> Terms {
        let mut terms = self.0;
        let mut inputs = terms.inputs.to_vec();
        for (input, file) in inputs.iter_mut().zip(files) {
            input.file = file;
        }
        // As many as before.
        if let Ok(inputs) = BoundedVec::new(inputs) {
            terms.inputs = inputs;
        }
        terms
    }
}

impl Job {
    /// Everything that would keep a network from taking the job as an order, by the fields of the
    /// job file. Nothing of the inputs is read for it.
    pub fn problems(&self, network: &Network) -> Vec<Problem> {
        // Any model will do, since a ledger looks at no size of it.
        let model = [ModelShape::VERSION; ModelShape::BYTES];
        let told = match rules::on_model(self.kind.name()) {
            true => &model[..],
            false => &[],
        };
        let about = (told, &Sizes::default());
        let draft = match Draft::new(self, about, |_| Digest::ZERO, None) {
            Ok(draft) => draft,
            Err(JobError::Terms(problems)) => return problems,
            Err(error) => {
                let field = "job".to_owned();
                let problem = error.to_string();
                return vec![Problem { field, problem }];
            }
        };
        let mut found: Vec<Problem> = self.bad_name().into_iter().collect();
        found.extend(self.not_audited());
        let refused = rules::problems(&draft.0, &network.parameters);
        found.extend(refused.into_iter().map(|found| self.told(found)));
        if draft.escrow(&network.parameters).is_none() {
            let problem = "the price and the fees of all auditors are together more money than \
                           there can be; lower it, or market.auditor_fee";
            found.push(Problem {
                field: "market.price".to_owned(),
                problem: problem.to_owned(),
            });
        }
        found.extend(network.supply.iter().flat_map(|all| self.unpayable(*all)));
        found
    }

    /// When a run is given up because its steps come to nothing.
    pub fn stop_rule(&self) -> StopRule {
        self.market.stop_rule(self.steps, self.audit.segment_steps)
    }

    /// Refuses what [`Job::problems`] finds.
    ///
    /// # Errors
    /// [`JobError::Terms`] with all of it.
    pub fn check_terms(&self, network: &Network) -> Result<(), JobError> {
        match self.problems(network) {
            none if none.is_empty() => Ok(()),
            problems => Err(JobError::Terms(problems)),
        }
    }

    /// Refuses inputs that are longer than a network allows; of the bytes nothing is read.
    ///
    /// # Errors
    /// [`JobError::Terms`] naming the field of the longest one.
    pub fn check_lengths(&self, inputs: &Inputs, network: &Network) -> Result<(), JobError> {
        let classes = self.inputs.iter().map(|source| {
            let input = inputs.get(source.name);
            let class = input.map_or(0, |input| assay_vault::length::class(input.length()));
            (class, source.field)
        });
        let classes: Vec<_> = classes.collect();
        let (lengths, _): (Vec<u64>, Vec<&str>) = classes.iter().copied().unzip();
        let Some(problem) = rules::length_problem(&lengths, &network.parameters) else {
            return Ok(());
        };
        let longest = classes.iter().max_by_key(|(class, _)| class);
        let field = longest.map_or("inputs", |(_, field)| field).to_owned();
        Err(JobError::Terms(vec![Problem { field, problem }]))
    }

    /// Sums that are more than all the money of a network.
    fn unpayable(&self, all: Amount) -> impl Iterator<Item = Problem> {
        let market = &self.market;
        let sums = [
            ("price", market.price),
            ("provider_bond", market.provider_bond),
            ("auditor_bond", market.auditor_bond),
            ("auditor_fee", market.auditor_fee),
        ];
        let above = sums.into_iter().filter(move |(_, amount)| *amount > all);
        above.map(move |(name, amount)| Problem {
            field: format!("market.{name}"),
            problem: format!("it is {amount}, and there is only {all} in the whole network"),
        })
    }

    /// Settings of an audit that a job done in several copies does not have. What stands there by
    /// itself does no harm.
    fn not_audited(&self) -> Vec<Problem> {
        let audit = Audit::default();
        let set = [
            ("audit.auditors", self.audit.auditors != audit.auditors),
            ("audit.segments", self.audit.segments != audit.segments),
            ("market.auditor_fee", self.market.auditor_fee > Amount::ZERO),
            (
                "market.auditor_bond",
                self.market.auditor_bond != LEAST_BOND,
            ),
        ];
        let copies = self.market.copies;
        let set = set.into_iter().filter(|(_, set)| *set && copies > 1);
        set.map(|(field, _)| Problem {
            field: field.to_owned(),
            problem: format!(
                "with market.copies = {copies} the results are compared and nothing is audited; \
                 remove it, or set market.copies = 1"
            ),
        })
        .collect()
    }

    /// Every stored input is called after the job.
    fn bad_name(&self) -> Option<Problem> {
        let inputs = self.inputs.iter().map(|source| source.name.len());
        let room = MAX_RECORD_NAME - 1 - inputs.max().unwrap_or(0);
        let length = self.name.len();
        (length > room).then(|| Problem {
            field: "name".to_owned(),
            problem: format!("it has {length} bytes; the names of stored inputs begin with it, so write at most {room}"),
        })
    }

    /// What the ledger says about terms, in the words of the job file.
    fn told(&self, found: rules::TermsProblem) -> Problem {
        let rules::TermsProblem { field, text } = found;
        let (field, problem) = match field {
            "steps" => (self.steps_field.to_owned(), text),
            "segment_steps" => ("audit.segment_steps".to_owned(), text),
            "segments_drawn" => ("audit.segments".to_owned(), text),
            "auditors" => ("audit.auditors".to_owned(), text),
            "least" | "most" | "audited" => (format!("trainers.{field}"), text),
            "price" | "provider_bond" | "auditor_bond" | "auditor_fee" | "merge_fee"
            | "attempts" | "copies" | "stop_after" | "max_invalid" => {
                (format!("market.{field}"), text)
            }
            "inputs" => {
                let last = self.inputs.last().map_or("inputs", |source| source.field);
                let text = format!(
                    "networks do not take it yet ({text}); remove it, or run the job here with \
                     `assay train`"
                );
                (last.to_owned(), text)
            }
            other => (other.to_owned(), text),
        };
        Problem { field, problem }
    }
}

/// The digests of inputs by name, as [`Draft::new`] asks for them.
pub fn contents(inputs: &Inputs) -> impl Fn(&str) -> Digest {
    let digests: std::collections::BTreeMap<String, Digest> = inputs
        .iter()
        .map(|(name, handle)| (name.clone(), handle.content()))
        .collect();
    move |name| digests.get(name).copied().unwrap_or(Digest::ZERO)
}
