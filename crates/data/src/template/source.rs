//! A template's text, made ready for the engine: Jinja2's line ends and string escapes, and the
//! `generation` tag of `transformers`.

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
}

/// Tags that `transformers` knows. The engine knows more, and some of these it need not know.
const TAGS: [&str; 26] = [
    "if",
    "elif",
    "else",
    "endif",
    "for",
    "endfor",
    "set",
    "endset",
    "macro",
    "endmacro",
    "call",
    "endcall",
    "filter",
    "endfilter",
    "with",
    "endwith",
    "break",
    "continue",
    "raw",
    "endraw",
    "generation",
    "endgeneration",
    "block",
    "endblock",
    "autoescape",
    "endautoescape",
];
/// Known to Jinja2, but met in no template of a model, and refused by name.
const REFUSED: [&str; 4] = ["block", "endblock", "autoescape", "endautoescape"];

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
    };
    scanner.run()?;
    Ok(Source {
        text: scanner.out,
        marks_answers: scanner.marks_answers,
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
}

impl Scanner<'_> {
    fn take(&mut self, bytes: usize) {
        let (taken, rest) = self.rest.split_at(bytes);
        self.out.push_str(taken);
        self.rest = rest;
    }

    fn run(&mut self) -> Result<(), String> {
        loop {
            let starts = ["{{", "{%", "{#"].map(|mark| self.rest.find(mark));
            let Some(at) = starts.into_iter().flatten().min() else {
                self.take(self.rest.len());
                return Ok(());
            };
            self.take(at);
            self.terms = 0;
            match self.rest.as_bytes()[1] {
                b'#' => {
                    let end = self.rest.find("#}").map_or(self.rest.len(), |end| end + 2);
                    self.take(end);
                }
                b'{' => {
                    self.take(2);
                    self.code("}}")?;
                }
                _ => self.tag()?,
            }
        }
    }

    fn tag(&mut self) -> Result<(), String> {
        self.take(2);
        if self.rest.starts_with(['-', '+']) {
            self.take(1);
        }
        let name_at = self.rest.len() - self.rest.trim_start().len();
        let after = &self.rest[name_at..];
        let is_name = |c: char| c.is_alphanumeric() || c == '_';
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
                self.take(end);
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
        self.code("%}")
    }

    /// Copies code up to and with its end mark, string literals rewritten.
    fn code(&mut self, end: &str) -> Result<(), String> {
        while !self.rest.is_empty() {
            if self.rest.starts_with(end) {
                self.take(end.len());
                return Ok(());
            }
            self.step()?;
        }
        Ok(())
    }

    /// Copies one thing: a string literal, what stands between brackets, or a character.
    fn step(&mut self) -> Result<(), String> {
        let Some(first) = self.rest.chars().next() else {
            return Ok(());
        };
        let close = match first {
            '\'' | '"' => {
                self.string(first)?;
                return self.percent();
            }
            '(' => ")",
            '[' => "]",
            '{' => "}",
            _ => {
                // Names, numbers and what separates them nest nothing; a blank stands for a word.
                let nests = !first.is_alphanumeric() && !"_.,:".contains(first);
                self.terms += usize::from(nests);
                if self.terms > MAX_TERMS {
                    return Err(format!("a tag of it has more than {MAX_TERMS} operators"));
                }
                self.take(first.len_utf8());
                return Ok(());
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
        self.code(close)?;
        self.depth -= 1;
        Ok(())
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
                '(' | '[' | '{' | '\'' | '"' => self.step()?,
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

/// Whether a subscript is a slice with an end and a negative step, which the engine gets wrong.
fn is_backward_slice(rest: &str) -> bool {
    let inside = rest[1..].split(']').next().unwrap_or_default();
    let mut parts = inside.split(':').skip(1);
    let end = parts.next().unwrap_or_default();
    let step = parts.next().unwrap_or_default();
    !inside.contains(['{', '\'', '"']) && !end.trim().is_empty() && step.trim().starts_with('-')
}

/// The end of a raw block: what follows its `{% endraw %}`.
fn end_of_raw(rest: &str) -> usize {
    let mut from = 0;
    while let Some(at) = rest[from..].find("{%") {
        let tag = &rest[from + at + 2..];
        let tag = tag.strip_prefix(['-', '+']).unwrap_or(tag).trim_start();
        if let Some(tail) = tag.strip_prefix("endraw")
            && let Some(end) = tail.find("%}")
            && tail[..end]
                .trim_start()
                .trim_start_matches(['-', '+'])
                .is_empty()
        {
            return rest.len() - tail.len() + end + 2;
        }
        from += at + 2;
    }
    rest.len()
}

/// The value of a string literal, as Python's `unicode-escape` reads it.
fn unescape(literal: &str) -> Result<String, String> {
    let mut value = String::with_capacity(literal.len());
    let mut chars = literal.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '\\' {
            value.push(c);
            continue;
        }
        let Some(escape) = chars.next() else {
            value.push('\\');
            break;
        };
        let code = match escape {
            '\n' => continue,
            '\\' | '\'' | '"' => escape,
            'a' => '\u{7}',
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'v' => '\u{b}',
            'x' | 'u' | 'U' => {
                let digits = match escape {
                    'x' => 2,
                    'u' => 4,
                    _ => 8,
                };
                let number: String = chars.by_ref().take(digits).collect();
                let whole = number.len() == digits;
                let code = u32::from_str_radix(&number, 16).ok().filter(|_| whole);
                let wrong = || format!("the escape \\{escape}{number} is no character");
                code.and_then(char::from_u32).ok_or_else(wrong)?
            }
            'N' => return Err("the escape \\N{...} is not understood".into()),
            '0'..='7' => {
                let mut code = escape.to_digit(8).unwrap_or_default();
                for _ in 0..2 {
                    let Some(digit) = chars.peek().and_then(|c| c.to_digit(8)) else {
                        break;
                    };
                    code = code * 8 + digit;
                    chars.next();
                }
                char::from_u32(code).unwrap_or_default()
            }
            other => {
                value.push('\\');
                other
            }
        };
        value.push(code);
    }
    Ok(value)
}
