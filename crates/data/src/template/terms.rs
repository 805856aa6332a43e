//! Operators, literals and slices of a template, rewritten to calls that pay for what they make
//! ([`super::budget`]).
//!
//! A *segment* is a run of code between what binds less than `+`: commas, comparisons, `and`, `if`
//! and the like. In it stand operands with operators between them, from the loosest: `+` and `-`,
//! then `~`, then `*`, `/`, `//` and `%`, as Jinja2 has them. A segment that makes nothing is left as
//! it is.

pub(super) const PLUS: &str = "_assay_plus";
pub(super) const CONCAT: &str = "_assay_concat";
pub(super) const TIMES: &str = "_assay_times";
/// Around what is cut out of a text or a list.
pub(super) const COPIED: &str = "_assay_copied";
/// Around lists, tuples and dictionaries, and what is assigned.
pub(super) const NESTED: &str = "_assay_nested";

/// Words that end a segment.
const WORDS: [&str; 8] = ["and", "or", "not", "in", "if", "elif", "else", "recursive"];

/// What makes a segment end at a word, unless it is part of a test (`is not`, `is in`).
pub(super) fn ends_segment(word: &str, before: &str) -> bool {
    WORDS.contains(&word) && before != "is"
}

/// An operator between two operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Plus,
    Minus,
    Concat,
    Times,
    /// `/`, `//`, `%`: they make numbers only, and stay the engine's.
    Other(&'static str),
}

impl Operator {
    /// The operator at the start of the code, and its length. Powers bind more than any of these.
    pub(super) fn at(rest: &str) -> Option<(Self, usize)> {
        let found = match rest.as_bytes() {
            [b'*', b'*', ..] => return None,
            [b'+', ..] => Self::Plus,
            [b'-', ..] => Self::Minus,
            [b'~', ..] => Self::Concat,
            [b'*', ..] => Self::Times,
            [b'/', b'/', ..] => return Some((Self::Other("//"), 2)),
            [b'/', ..] => Self::Other("/"),
            [b'%', ..] => Self::Other("%"),
            _ => return None,
        };
        Some((found, 1))
    }
}

/// A segment that is being read. Places are those in the text written so far.
#[derive(Debug)]
pub(super) struct Segment {
    /// Where the operands begin.
    starts: Vec<usize>,
    /// Each operator, and where it begins.
    operators: Vec<(Operator, usize)>,
    /// For each operand, the call it needs around it.
    calls: Vec<Option<&'static str>>,
}

impl Segment {
    pub(super) fn new(start: usize) -> Self {
        Self {
            starts: vec![start],
            operators: Vec::new(),
            calls: vec![None],
        }
    }

    /// Whether the current operand has no character yet.
    pub(super) fn is_blank(&self, out: &str) -> bool {
        let start = self.starts.last().copied().unwrap_or_default();
        out[start..].trim().is_empty()
    }

    /// An operator of this length stands at the end of what is written.
    pub(super) fn operator(&mut self, operator: Operator, end: usize, length: usize) {
        self.operators.push((operator, end - length));
        self.starts.push(end);
        self.calls.push(None);
    }

    /// The current operand needs a call around it.
    pub(super) fn call(&mut self, name: &'static str) {
        if let Some(call) = self.calls.last_mut() {
            *call = Some(name);
        }
    }

    /// Ends the segment: rewrites it where it makes something, and begins the next one.
    pub(super) fn finish(&mut self, out: &mut String, rewrite: bool) {
        let makes = |(operator, _): &(Operator, usize)| {
            matches!(
                operator,
                Operator::Plus | Operator::Concat | Operator::Times
            )
        };
        let makes = self.operators.iter().any(makes) || self.calls.iter().any(Option::is_some);
        if makes && rewrite {
            let ends = self.operators.iter().map(|(_, at)| *at);
            let ends = ends.chain([out.len()]);
            let operand = |((start, end), call): ((&usize, usize), &Option<&str>)| {
                let code = &out[*start..end];
                call.map_or_else(|| code.to_owned(), |name| called(name, &[code]))
            };
            let operands = self.starts.iter().zip(ends).zip(&self.calls).map(operand);
            let operands: Vec<String> = operands.collect();
            let operators: Vec<Operator> = self.operators.iter().map(|(op, _)| *op).collect();
            out.truncate(self.starts[0]);
            out.push_str(&expression(operands, &operators));
        }
        *self = Self::new(out.len());
    }
}

/// A call; the blank keeps it apart from a word before.
fn called(name: &str, arguments: &[impl AsRef<str>]) -> String {
    let arguments: Vec<&str> = arguments.iter().map(AsRef::as_ref).collect();
    format!(" {name}({})", arguments.join(","))
}

/// One operand for those that operators of one kind join; they are gathered from the left.
fn one(name: &str, mut operands: Vec<String>) -> String {
    match operands.len() {
        1 => operands.remove(0),
        _ => called(name, &operands),
    }
}

/// Operands and the operators between them as one expression.
fn expression(operands: Vec<String>, operators: &[Operator]) -> String {
    let (mut product, mut chain, mut sum) = (Vec::new(), Vec::new(), Vec::new());
    // What the next chain is taken from, and what the next operand divides.
    let (mut minuend, mut dividend): (Option<String>, Option<String>) = (None, None);
    let after = operators.iter().copied().map(Some).chain([None]);
    for (operand, operator) in operands.into_iter().zip(after) {
        product.push(dividend.take().unwrap_or_default() + &operand);
        if operator == Some(Operator::Times) {
            continue;
        }
        let factor = one(TIMES, std::mem::take(&mut product));
        if let Some(Operator::Other(sign)) = operator {
            dividend = Some(factor + sign);
            continue;
        }
        chain.push(factor);
        if operator == Some(Operator::Concat) {
            continue;
        }
        let term = one(CONCAT, std::mem::take(&mut chain));
        match minuend.take() {
            Some(before) => sum.push(format!("{before}-{term}")),
            None => sum.push(term),
        }
        if operator == Some(Operator::Minus) {
            minuend = Some(one(PLUS, std::mem::take(&mut sum)));
        }
    }
    one(PLUS, sum)
}
