//! What is wrong with terms.

use crate::Terms;

/// One thing that keeps terms from becoming an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TermsProblem {
    /// The field of [`Terms`](crate::Terms) it is about; a deadline by its own name, such as
    /// `deadlines.run`.
    pub field: &'static str,
    /// What is wrong and what would be right.
    pub text: String,
}

/// What is wrong with how a run is to be audited.
pub(in crate::orders) fn of_audit(terms: &Terms) -> Vec<TermsProblem> {
    let drawn = u64::from(terms.segments_drawn);
    let auditors = u64::from(terms.auditors);
    outside([
        (
            "segments_drawn",
            "segments_drawn",
            drawn,
            Terms::MAX_DRAWN.into(),
        ),
        ("auditors", "auditors", auditors, Terms::MAX_AUDITORS.into()),
    ])
}

/// A problem for each count, with its field and its name, that is not from 1 to its highest value.
pub(in crate::orders) fn outside(
    counts: impl IntoIterator<Item = (&'static str, &'static str, u64, u64)>,
) -> Vec<TermsProblem> {
    let counts = counts.into_iter();
    let outside = counts.filter(|(.., value, high)| !(1..=*high).contains(value));
    outside
        .map(|(field, name, value, high)| TermsProblem {
            field,
            text: format!("{name} is {value}, it must be from 1 to {high}"),
        })
        .collect()
}
