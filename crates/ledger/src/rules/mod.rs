//! The kinds of jobs an order may ask for.
//!
//! A kind is a chain of steps over one state, run, audited and judged in the same way as every
//! other. What the ledger has to know about it is whether terms make sense: one [`Rule`] in a
//! file of its own, and one entry in `RULES`.

mod evaluate;
mod finetune;

use std::collections::BTreeSet;

use crate::{Amount, Parameters, Refusal, Terms};

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

    /// Whether the terms make sense for this kind, beyond what holds for every order.
    ///
    /// # Errors
    /// What is wrong and what to do about it.
    fn check_terms(&self, terms: &Terms) -> Result<(), String>;
}

/// Every kind of job this version knows.
const RULES: &[&dyn Rule] = &[&finetune::Finetune, &evaluate::Evaluate];

/// The names of all kinds.
pub fn kinds() -> impl Iterator<Item = &'static str> {
    RULES.iter().map(|rule| rule.kind())
}

/// Whether an order may have these terms in a network with these parameters.
///
/// # Errors
/// [`Refusal::BadTerms`] naming the first problem.
pub fn check_terms(terms: &Terms, parameters: &Parameters) -> Result<(), Refusal> {
    problem(terms, parameters).map_or(Ok(()), |problem| Err(Refusal::BadTerms { problem }))
}

fn problem(terms: &Terms, parameters: &Parameters) -> Option<String> {
    let Some(rule) = RULES.iter().find(|rule| rule.kind() == terms.kind.as_str()) else {
        let known: Vec<_> = kinds().collect();
        return Some(format!(
            "no job kind is called {:?}; known are {known:?}",
            terms.kind.as_str()
        ));
    };
    shape(terms)
        .or_else(|| money(terms, parameters))
        .or_else(|| deadlines(terms, parameters))
        .or_else(|| inputs(terms, *rule))
        .or_else(|| rule.check_terms(terms).err())
}

fn shape(terms: &Terms) -> Option<String> {
    let within = |name: &str, value: u64, low: u64, high: u64| {
        let outside = value < low || value > high;
        outside.then(|| format!("{name} is {value}, it must be from {low} to {high}"))
    };
    within("steps", terms.steps, 1, Terms::MAX_STEPS)
        .or_else(|| within("segment_steps", terms.segment_steps.into(), 1, terms.steps))
        .or_else(|| {
            let max = Terms::MAX_SEGMENTS.into();
            within("steps / segment_steps", terms.segments().into(), 1, max)
        })
        .or_else(|| {
            within(
                "segments_drawn",
                terms.segments_drawn.into(),
                1,
                Terms::MAX_DRAWN.into(),
            )
        })
        .or_else(|| {
            within(
                "auditors",
                terms.auditors.into(),
                1,
                Terms::MAX_AUDITORS.into(),
            )
        })
        .or_else(|| {
            within(
                "attempts",
                terms.attempts.into(),
                1,
                Terms::MAX_ATTEMPTS.into(),
            )
        })
}

fn money(terms: &Terms, parameters: &Parameters) -> Option<String> {
    let least = |name: &str, value: Amount, min: Amount| {
        (value < min).then(|| format!("{name} is {value}, the least here is {min}"))
    };
    least("price", terms.price, Amount(1))
        .or_else(|| {
            least(
                "provider_bond",
                terms.provider_bond,
                parameters.provider_bond,
            )
        })
        .or_else(|| least("auditor_bond", terms.auditor_bond, parameters.auditor_bond))
}

fn deadlines(terms: &Terms, parameters: &Parameters) -> Option<String> {
    let (low, high) = (parameters.min_deadline, parameters.max_deadline);
    let named = terms.deadlines.named();
    let (name, blocks) = named
        .iter()
        .find(|(_, blocks)| *blocks < low || *blocks > high)?;
    Some(format!(
        "the {name} deadline is {blocks} blocks, it must be from {low} to {high}"
    ))
}

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
