//! The kinds of jobs an order may ask for.
//!
//! A kind is a chain of steps over one state, run, audited and judged in the same way as every
//! other. What the ledger has to know about it is whether terms make sense: one [`Rule`] in a
//! file of its own, and one entry in `RULES`.

mod evaluate;
mod federated;
mod finetune;
pub(super) mod problem;
mod train;

use std::collections::BTreeSet;

use super::registry;
use crate::{Amount, JobMethod, Lasting, OrderRefusal, Parameters, ProcedureName, Refusal, Terms};
pub use problem::TermsProblem;
use problem::outside;

/// What the ledger checks of one kind of job.
pub trait Rule: Sync {
    /// The kind's name, as in [`Terms::kind`].
    fn kind(&self) -> &'static str;

    /// The names of the inputs it takes, in the order they must be listed.
    fn inputs(&self) -> &'static [&'static str];

    /// The names of inputs that may follow those, in this order, each listed or left out.
    fn optional_inputs(&self) -> &'static [&'static str] {
        &[]
    }

    /// Whether it works on a model, whose sizes the terms then tell.
    fn on_model(&self) -> bool;

    /// The names of the ways in which it is done, one of which terms name; none of a kind that has only
    /// one, whose terms name none.
    fn methods(&self) -> &'static [&'static str] {
        &[]
    }

    /// Whether many trainers do it in rounds, each on rows of its own, instead of providers on the order's
    /// inputs.
    fn in_rounds(&self) -> bool {
        false
    }

    /// Whether providers may compete for it: what a model of its is worth on a test set is an integer.
    fn in_contest(&self) -> bool {
        false
    }

    /// Whether the terms make sense for this kind, beyond what holds for every order.
    ///
    /// # Errors
    /// What is wrong and what to do about it.
    fn check_terms(&self, terms: &Terms) -> Result<(), String>;
}

/// Every kind of job this version knows.
const RULES: &[&dyn Rule] = &[
    &finetune::Finetune,
    &evaluate::Evaluate,
    &train::Train,
    &federated::Federated,
];

/// The names of all kinds.
pub fn kinds() -> impl Iterator<Item = &'static str> {
    RULES.iter().map(|rule| rule.kind())
}

/// Whether a kind works on a language model, whose sizes the terms then tell; not, where there is no such
/// kind.
pub fn on_model(kind: &str) -> bool {
    let rule = RULES.iter().find(|rule| rule.kind() == kind);
    rule.is_some_and(|rule| rule.on_model())
}

/// The names of the methods of all kinds.
pub fn methods() -> impl Iterator<Item = JobMethod> {
    let all = RULES.iter().flat_map(|rule| rule.methods());
    all.filter_map(|name| JobMethod::new(*name).ok())
}

/// Whether an order may have these terms in a network with these parameters.
///
/// # Errors
/// [`OrderRefusal::BadTerms`] naming the first problem.
pub fn check_terms(terms: &Terms, parameters: &Parameters) -> Result<(), Refusal> {
    match problems(terms, parameters).into_iter().next() {
        None => Ok(()),
        Some(TermsProblem { text, .. }) => Err(OrderRefusal::BadTerms { problem: text }.into()),
    }
}

/// What keeps an order of a network with these parameters from having inputs of these length
/// classes, in bytes, if anything does. `docs/decisions/0298-lengths-are-network-parameters.md` says
/// who asks this.
pub fn length_problem(classes: &[u64], parameters: &Parameters) -> Option<String> {
    let (one, all) = (parameters.max_input_bytes, parameters.max_task_bytes);
    let longest = classes.iter().copied().max().unwrap_or(0);
    if longest > one {
        return Some(format!(
            "an input has up to {longest} bytes, and the network's max_input_bytes is {one}"
        ));
    }
    let together = classes.iter().copied().fold(0, u64::saturating_add);
    (together > all).then(|| {
        format!("the inputs have up to {together} bytes, and the network's max_task_bytes is {all}")
    })
}

/// Everything that keeps an order from having these terms in a network with these parameters.
pub fn problems(terms: &Terms, parameters: &Parameters) -> Vec<TermsProblem> {
    let Some(rule) = RULES.iter().find(|rule| rule.kind() == terms.kind.as_str()) else {
        let known: Vec<_> = kinds().collect();
        let kind = terms.kind.as_str();
        let text = format!("no job kind is called {kind:?}; known are {known:?}");
        return vec![TermsProblem {
            field: "kind",
            text,
        }];
    };
    let mut found = shape(terms);
    found.extend(registry::of(ProcedureName::of(terms)).problems(terms));
    let rounds = terms.rounds.iter();
    found.extend(rounds.flat_map(|of| of.problems_here(terms, parameters)));
    let contest = terms.contest.iter();
    found.extend(contest.flat_map(|of| of.problems_here(terms, parameters)));
    found.extend(work(terms, parameters));
    found.extend(money(terms, parameters));
    found.extend(deadlines(terms, parameters));
    let problem = |field| move |text| TermsProblem { field, text };
    found.extend(inputs(terms, *rule).map(problem("inputs")));
    found.extend(in_rounds(terms, *rule).map(problem("rounds")));
    found.extend(in_contest(terms, *rule).map(problem("contest")));
    found.extend(model(&terms.model, *rule).map(problem("model")));
    found.extend(method(&terms.method, *rule).map(problem("method")));
    let text = "memory is 0: a run takes some".to_owned();
    found.extend((terms.memory == 0).then_some(problem("memory")(text)));
    found.extend(rule.check_terms(terms).err().map(problem("spec")));
    let key = terms.delivery_key.check().err();
    found.extend(key.map(|error| problem("delivery_key")(error.to_string())));
    found
}

fn shape(terms: &Terms) -> Vec<TermsProblem> {
    // Each with the name that its refusal has, which for the number of segments is no field.
    let segments = Terms::MAX_SEGMENTS.into();
    let copies = Terms::MAX_COPIES.into();
    let attempts = Terms::MAX_ATTEMPTS.into();
    let counts: [(_, _, u64, u64); 7] = [
        ("steps", "steps", terms.steps, Terms::MAX_STEPS),
        (
            "segment_steps",
            "segment_steps",
            terms.segment_steps.into(),
            terms.steps,
        ),
        (
            "segment_steps",
            "steps / segment_steps",
            terms.segments().into(),
            segments,
        ),
        (
            "stop_after",
            "stop_after",
            terms.stop.stop_after.into(),
            terms.segment_steps.into(),
        ),
        (
            "max_invalid",
            "max_invalid",
            terms.stop.max_invalid,
            terms.steps,
        ),
        ("copies", "copies", terms.copies.into(), copies),
        ("attempts", "attempts", terms.attempts.into(), attempts),
    ];
    outside(counts)
}

/// Whether a segment is more than a judge can be asked to replay.
fn work(terms: &Terms, parameters: &Parameters) -> Option<TermsProblem> {
    let (most, step) = (parameters.max_judge_units, terms.step_units);
    let text = if step == 0 {
        "step_units is 0: a step takes some work".to_owned()
    } else if terms.segment_units() > most {
        format!(
            "a segment of {} steps is {} products, and the network's max_judge_units is {most}; make \
             segments shorter, or steps smaller",
            terms.segment_steps,
            terms.segment_units()
        )
    } else {
        return None;
    };
    let field = "segment_steps";
    Some(TermsProblem { field, text })
}

/// What is wrong with the bonds, and what they are locked for. A bond that is large beside the pay
/// would make it worth more to trip somebody up than to have work done.
fn money(terms: &Terms, parameters: &Parameters) -> Vec<TermsProblem> {
    let provider = (
        (
            "provider_bond",
            terms.provider_bond,
            parameters.provider_bond,
        ),
        earned_by_provider(terms),
    );
    let auditor = (
        ("auditor_bond", terms.auditor_bond, parameters.auditor_bond),
        ("auditor_fee", terms.auditor_fee),
    );
    // Where none is drawn, none is bound.
    let auditor = (terms.copies < 2).then_some(auditor);
    let multiple = parameters.max_bond_multiple;
    let mut found = Vec::new();
    let unpaid = terms.price == Amount::ZERO;
    if unpaid {
        let text = format!("price is {}, the least here is {}", terms.price, Amount(1));
        found.push(TermsProblem {
            field: "price",
            text,
        });
    }
    for ((field, bond, least), (pay, earned)) in std::iter::once(provider).chain(auditor) {
        let most = Amount(earned.0.saturating_mul(multiple.into()));
        if bond < least {
            let text = format!("{field} is {bond}, the least here is {least}");
            found.push(TermsProblem { field, text });
        } else if bond > most && !(field == "provider_bond" && unpaid) {
            let text = format!(
                "{field} is {bond}, the most here is {most}: {multiple} times {pay}, which is \
                 {earned}; lower it, or raise {pay}"
            );
            found.push(TermsProblem { field, text });
        }
    }
    found
}

/// What a provider earns under its bond, in words and as an amount: a trainer earns the price in every round.
fn earned_by_provider(terms: &Terms) -> (&'static str, Amount) {
    if let Some(contest) = &terms.contest {
        return ("the providers' share of the price", contest.pool(terms));
    }
    match &terms.rounds {
        None => ("price", terms.price),
        Some(of) => {
            let all = terms.price.0.saturating_mul(of.rounds.into());
            ("the price of all rounds", Amount(all))
        }
    }
}

/// Which phases are shorter than the network's floors, so that silence in them proves nothing, or
/// longer than it allows.
fn deadlines(terms: &Terms, parameters: &Parameters) -> Vec<TermsProblem> {
    let high = parameters.max_deadline_ms;
    let floors = parameters.floors.named().map(|(_, floor)| floor);
    let named = terms.deadlines.named().into_iter().zip(DEADLINES);
    let outside = named
        .zip(floors)
        .filter(|(((_, length), _), low)| length < low || *length > high);
    outside
        .map(|(((name, length), field), low)| TermsProblem {
            field,
            text: format!(
                "the {name} deadline is {:#} of ledger time, the network takes from {:#} to {:#}",
                Lasting(length),
                Lasting(low),
                Lasting(high)
            ),
        })
        .collect()
}

/// The deadlines' fields, in the order of [`Deadlines::named`](crate::Deadlines::named).
const DEADLINES: [&str; 9] = [
    "deadlines.assign",
    "deadlines.grant",
    "deadlines.run",
    "deadlines.open",
    "deadlines.audit",
    "deadlines.reveal",
    "deadlines.dispute",
    "deadlines.attest",
    "deadlines.complain",
];

fn inputs(terms: &Terms, rule: &dyn Rule) -> Option<String> {
    let names: Vec<&str> = terms
        .inputs
        .iter()
        .map(|input| input.name.as_str())
        .collect();
    let distinct: BTreeSet<_> = names.iter().collect();
    if distinct.len() != names.len() {
        return Some(format!("an input name is used twice in {names:?}"));
    }
    let (takes, may) = (rule.inputs(), rule.optional_inputs());
    let rest = names.strip_prefix(takes);
    // What is optional must come in its order: each name found after the one before it.
    let fits = rest.is_some_and(|rest| {
        let mut left = may.iter();
        rest.iter()
            .all(|name| left.any(|optional| optional == name))
    });
    (!fits).then(|| {
        let kind = rule.kind();
        format!("a {kind} job takes the inputs {takes:?}, then any of {may:?}, not {names:?}")
    })
}

fn in_rounds(terms: &Terms, rule: &dyn Rule) -> Option<String> {
    let kind = rule.kind();
    match (rule.in_rounds(), terms.rounds) {
        (true, Some(_)) | (false, None) => None,
        (true, None) => Some(format!(
            "a {kind} job is done in rounds: say how many, and by whom"
        )),
        (false, Some(_)) => Some(format!(
            "a {kind} job is not done in rounds: leave them out"
        )),
    }
}

fn in_contest(terms: &Terms, rule: &dyn Rule) -> Option<String> {
    if terms.contest.is_some() && terms.rounds.is_some() {
        let text = "an order is a contest or has rounds, not both: leave one of them out";
        return Some(text.to_owned());
    }
    let refused = terms.contest.is_some() && !rule.in_contest();
    refused.then(|| {
        let all = RULES.iter().filter(|rule| rule.in_contest());
        let all: Vec<_> = all.map(|rule| rule.kind()).collect();
        format!(
            "nobody can compete for a {} job, whose models have no score that is an integer; for {all:?} jobs one can: \
             leave `contest` out",
            rule.kind()
        )
    })
}

fn model(told: &[u8], rule: &dyn Rule) -> Option<String> {
    let kind = rule.kind();
    let (version, bytes) = (Terms::MODEL_VERSION, Terms::MODEL_BYTES);
    match (rule.on_model(), told.first()) {
        (false, None) => None,
        (false, Some(_)) => Some(format!(
            "a {kind} job works on no model: leave `model` empty"
        )),
        (true, Some(first)) if *first == version && told.len() == bytes => None,
        (true, _) => Some(format!(
            "a {kind} job tells the sizes of its model in {bytes} bytes that begin with {version}, \
             not in these {}",
            told.len()
        )),
    }
}

fn method(named: &str, rule: &dyn Rule) -> Option<String> {
    let (kind, known) = (rule.kind(), rule.methods());
    match known.is_empty() {
        true if named.is_empty() => None,
        true => Some(format!("a {kind} job has no methods: leave `method` empty")),
        false if known.contains(&named) => None,
        false => Some(format!(
            "a {kind} job has the methods {known:?}, not {named:?}"
        )),
    }
}

#[cfg(test)]
mod tests;
