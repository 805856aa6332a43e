//! A template's text, made ready for the engine: Jinja2's line ends and string escapes, and the
//! `generation` tag of `transformers`.

use super::literals::{end_of_raw, ending, is_backward_slice, is_name, unescape};
use super::terms::{COPIED, NESTED, Operator, Segment, ends_segment};

use super::tags::{REFUSED, TAGS, TARGETS};

/// What the `generation` tag becomes: a call of this function, whose block is the answer.
pub(super) const GENERATION: &str = "_assay_generation";

/// What `%` after a text becomes: this filter.
pub(super) const PERCENT: &str = "_assay_percent";

/// Nesting of brackets beyond which a template is refused.
const MAX_DEPTH: usize = 100;

/// Operators and words of one tag beyond which a template is refused: the engine nests them.
const MAX_TERMS: usize = 1_000;

/// `elif` tags beyond which a template is refused, for the same reason.
const MAX_ELIFS: usize = 500;

/// A template's text for the engine.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Source {
    pub(super) text: String,
    /// Whether the template marks answers itself.
    pub(super) marks_answers: bool,
    /// The bytes of the longest text between tags, and of all of them.
    pub(super) plain: (usize, usize),
}

/// Rewrites a template.
///
/// # Errors
/// Names a tag or an escape that is not understood.
pub(super) fn prepare(source: &str) -> Result<Source, String> {
    let normal = source.replace("\r\n", "\n").replace('\r', "\n");
    let mut scanner = Scanner {
        rest: &normal,
        out: String::with_capacity(normal.len()),
        marks_answers: false,
        depth: 0,
        terms: 0,
        elifs: 0,
        plain: (0, 0),
    };
    scanner.run()?;
    Ok(Source {
        text: scanner.out,
        marks_answers: scanner.marks_answers,
        plain: scanner.plain,
    })
}

struct Scanner<'a> {
    rest: &'a str,
    out: String,
    marks_answers: bool,
    depth: usize,
    /// Operators and words of the tag so far.
    terms: usize,
    elifs: usize,
    plain: (usize, usize),
}

/// What stood between brackets, outside of others.
#[derive(Clone, Copy, Debug, Default)]
struct Inside {
    commas: bool,
    colons: bool,
}

impl<'a> Scanner<'a> {
    fn take(&mut self, bytes: usize) {
        let (taken, rest) = self.rest.split_at(bytes);
        self.out.push_str(taken);
        self.rest = rest;
    }

    /// Copies text between tags.
    fn plain(&mut self, bytes: usize) {
        self.plain = (self.plain.0.max(bytes), self.plain.1 + bytes);
        self.take(bytes);
    }

    fn run(&mut self) -> Result<(), String> {
        loop {
            let starts = ["{{", "{%", "{#"].map(|mark| self.rest.find(mark));
            let Some(at) = starts.into_iter().flatten().min() else {
                self.plain(self.rest.len());
                return Ok(());
            };
            self.plain(at);
            self.terms = 0;
            match self.rest.as_bytes()[1] {
                b'#' => {
                    let end = self.rest.find("#}").map_or(self.rest.len(), |end| end + 2);
                    self.take(end);
                }
                b'{' => {
                    self.take(2);
                    self.sign();
                    self.code("}}", "")?;
                }
                _ => self.tag()?,
            }
        }
    }

    /// Copies the sign for white space that may follow the mark of a tag.
    fn sign(&mut self) {
        if self.rest.starts_with(['-', '+']) {
            self.take(1);
        }
    }

    fn tag(&mut self) -> Result<(), String> {
        self.take(2);
        self.sign();
        let name_at = self.rest.len() - self.rest.trim_start().len();
        let after = &self.rest[name_at..];
        let length = after.find(|c| !is_name(c)).unwrap_or(after.len());
        let name = &after[..length];
        if !TAGS.contains(&name) || REFUSED.contains(&name) {
            let name: String = name.chars().take(40).collect();
            return Err(format!("the tag {name:?} is not understood"));
        }
        self.elifs += usize::from(name == "elif");
        if self.elifs > MAX_ELIFS {
            return Err(format!("it has more than {MAX_ELIFS} elif tags"));
        }
        match name {
            "raw" => {
                let end = end_of_raw(self.rest);
                self.plain(end);
                return Ok(());
            }
            "generation" => {
                self.marks_answers = true;
                self.out.push_str(" call ");
                self.out.push_str(GENERATION);
                self.out.push_str("() ");
                self.rest = &after[length..];
            }
            "set" => {
                // Blocks that are called see only names they read, and this one is set.
                let target = after[length..].trim_start();
                let length = target.find(|c| !is_name(c)).unwrap_or(target.len());
                if target[length..].starts_with('.') {
                    let name = &target[..length];
                    self.out
                        .push_str(&format!(" if {name} %}}{{% endif %}}{{%"));
                }
            }
            "endgeneration" => {
                self.out.push_str(" endcall ");
                self.rest = &after[length..];
            }
            _ => {}
        }
        // The name, where it has not been replaced.
        if self.rest.len() > after.len() - length {
            self.take(name_at + length);
        }
        self.code("%}", name).map(|_| ())
    }

    /// Copies code up to and with its end mark. String literals are rewritten, and so is what makes
    /// texts and lists.
    fn code(&mut self, end: &str, tag: &str) -> Result<Inside, String> {
        let mut inside = Inside::default();
        let mut segment = Segment::new(self.out.len());
        let mut rewrite = !TARGETS.contains(&tag);
        let mut before = "";
        let mut assigned = None;
        while let Some(first) = self.rest.chars().next() {
            if let Some(length) = ending(self.rest, end) {
                segment.finish(&mut self.out, rewrite);
                if let Some(start) = assigned {
                    let value = self.out.split_off(start);
                    self.out.push_str(&format!(" {NESTED}(({value}))"));
                }
                self.take(length);
                return Ok(inside);
            }
            let blank = segment.is_blank(&self.out);
            match first {
                '\'' | '"' => drop(self.step()?),
                '(' | '[' | '{' => {
                    let within = self.step()?;
                    match first {
                        '(' if blank && within.commas => segment.call(NESTED),
                        '[' | '{' if blank => segment.call(NESTED),
                        '[' if within.colons => segment.call(COPIED),
                        _ => {}
                    }
                }
                ',' | ':' | '=' | '<' | '>' | '!' => {
                    segment.finish(&mut self.out, rewrite);
                    self.step()?;
                    segment = Segment::new(self.out.len());
                    inside.commas |= first == ',';
                    inside.colons |= first == ':';
                    if first == '=' && tag == "set" && assigned.is_none() {
                        assigned = Some(self.out.len());
                        rewrite = true;
                    }
                }
                c if is_name(c) => {
                    let word = self.word();
                    let ends = !self.out.ends_with('.') && ends_segment(word, before);
                    if ends {
                        segment.finish(&mut self.out, rewrite);
                    }
                    self.take(word.len());
                    if ends {
                        segment = Segment::new(self.out.len());
                        rewrite |= tag == "for" && word == "in";
                    }
                    before = word;
                }
                _ => match Operator::at(self.rest).filter(|_| !blank) {
                    Some((operator, length)) => {
                        self.count(first)?;
                        self.take(length);
                        segment.operator(operator, self.out.len(), length);
                    }
                    None if self.rest.starts_with("**") => self.power()?,
                    None => drop(self.step()?),
                },
            }
        }
        Ok(inside)
    }

    /// The name, keyword or number at the start.
    fn word(&self) -> &'a str {
        let rest = self.rest;
        let end = |from: usize| {
            let length = rest[from..].find(|c| !is_name(c));
            length.map_or(rest.len(), |length| from + length)
        };
        let first = end(0);
        let exponent = rest.starts_with(|c: char| c.is_ascii_digit())
            && rest[..first].ends_with(['e', 'E'])
            && rest[first..].starts_with(['+', '-']);
        &rest[..if exponent { end(first + 1) } else { first }]
    }

    /// Copies `**` and the sign of the exponent, which is no operator.
    fn power(&mut self) -> Result<(), String> {
        self.count('*')?;
        let exponent = self.rest[2..].trim_start();
        let sign = usize::from(exponent.starts_with(['+', '-']));
        self.take(self.rest.len() - exponent.len() + sign);
        Ok(())
    }

    /// Counts what may nest in the engine.
    fn count(&mut self, c: char) -> Result<(), String> {
        // Names, numbers and what separates them nest nothing; a blank stands for a word.
        self.terms += usize::from(!c.is_alphanumeric() && !"_.,:".contains(c));
        match self.terms > MAX_TERMS {
            true => Err(format!("a tag of it has more than {MAX_TERMS} operators")),
            false => Ok(()),
        }
    }

    /// Copies one thing: a string literal, what stands between brackets, or a character.
    fn step(&mut self) -> Result<Inside, String> {
        let Some(first) = self.rest.chars().next() else {
            return Ok(Inside::default());
        };
        let close = match first {
            '\'' | '"' => {
                self.string(first)?;
                return self.percent().map(|()| Inside::default());
            }
            '(' => ")",
            '[' => "]",
            '{' => "}",
            _ => {
                self.count(first)?;
                self.take(first.len_utf8());
                return Ok(Inside::default());
            }
        };
        if first == '[' && is_backward_slice(self.rest) {
            return Err("slices that run backwards to a given end are not understood".into());
        }
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err("its brackets are nested too deeply".into());
        }
        self.take(1);
        let inside = self.code(close, "")?;
        self.depth -= 1;
        Ok(inside)
    }

    /// A text, `%` and what is formatted: the engine knows the operator for numbers only.
    fn percent(&mut self) -> Result<(), String> {
        let rest = self.rest.trim_start();
        let Some(operand) = rest.strip_prefix('%') else {
            return Ok(());
        };
        if operand.starts_with('}') {
            return Ok(());
        }
        self.rest = operand.trim_start();
        self.out.push('|');
        self.out.push_str(PERCENT);
        self.out.push('(');
        let mut filtered = false;
        while let Some(next) = self.rest.chars().next() {
            match next {
                c if c.is_alphanumeric() || c == '_' || c == '.' => self.take(c.len_utf8()),
                '(' | '[' | '{' | '\'' | '"' => drop(self.step()?),
                '|' => {
                    self.take(1);
                    self.rest = self.rest.trim_start();
                    filtered = true;
                    continue;
                }
                _ => {
                    // A filter may stand apart from what it filters.
                    match self.rest.trim_start().starts_with('|') && !filtered {
                        true => self.rest = self.rest.trim_start(),
                        false => break,
                    }
                    continue;
                }
            }
            filtered = false;
        }
        self.out.push(')');
        Ok(())
    }

    fn string(&mut self, quote: char) -> Result<(), String> {
        let mut escaped = false;
        let mut end = None;
        for (at, c) in self.rest.char_indices().skip(1) {
            match c {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                c if c == quote => {
                    end = Some(at);
                    break;
                }
                _ => {}
            }
        }
        let Some(end) = end else {
            // The engine says that the string does not end.
            self.take(self.rest.len());
            return Ok(());
        };
        let value = unescape(&self.rest[1..end])?;
        self.rest = &self.rest[end + 1..];
        self.out.push('"');
        for c in value.chars() {
            if matches!(c, '\\' | '"') {
                self.out.push('\\');
            }
            self.out.push(c);
        }
        self.out.push('"');
        Ok(())
    }
}
