//! Metrics of the consensus engine in the text format that `/metrics` serves.
//!
//! The engine writes OpenMetrics, where the family of a counter is named without the `_total` of
//! its samples and an `# EOF` ends the text. Scrapers of the Prometheus text format 0.0.4 take
//! such a counter for two metrics, one untyped and one without samples. Serving one format and
//! rewriting the engine's was preferred to serving two by `Accept`: one text is tested.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

/// Prefix of everything of the engine.
const PREFIX: &str = "assay_engine_";

/// Units that are no base units, as parts of a name, with the base unit's name and factor.
const UNITS: [(&str, &str, f64); 8] = [
    ("milliseconds", "seconds", 1e-3),
    ("millis", "seconds", 1e-3),
    ("ms", "seconds", 1e-3),
    ("microseconds", "seconds", 1e-6),
    ("us", "seconds", 1e-6),
    ("nanoseconds", "seconds", 1e-9),
    ("ns", "seconds", 1e-9),
    ("kilobytes", "bytes", 1e3),
];

/// One family as read.
#[derive(Default)]
struct Family {
    kind: String,
    help: String,
    /// Suffix of the name, labels, value; in the engine's order.
    samples: Vec<(String, String, String)>,
    seen: BTreeSet<(String, String)>,
    /// Factor by which values are multiplied.
    factor: Option<f64>,
}

/// Rewrites the engine's OpenMetrics text as Prometheus text 0.0.4. Lines that are neither are
/// left out.
pub fn of_engine(text: &str) -> String {
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    let mut current = String::new();
    for line in text.lines() {
        if let Some(comment) = line.strip_prefix("# ") {
            let mut words = comment.splitn(3, ' ');
            let (what, name) = (words.next(), words.next());
            let rest = words.next().unwrap_or_default();
            let Some(name) = name else { continue };
            match what {
                Some("HELP") => families.entry(name.to_owned()).or_default().help = help(rest),
                Some("TYPE") => families.entry(name.to_owned()).or_default().kind = rest.to_owned(),
                _ => continue,
            }
            current = name.to_owned();
        } else if let (Some(family), Some((suffix, labels, value))) =
            (families.get_mut(&current), sample(line, &current))
        {
            // Of equal samples the first one counts, as a scraper would refuse both.
            if family.seen.insert((suffix.to_owned(), labels.clone())) {
                let sample = (suffix.to_owned(), labels, value.to_owned());
                family.samples.push(sample);
            }
        }
    }
    let mut out = String::new();
    let mut written = BTreeSet::new();
    for (name, mut family) in families {
        let (name, factor) = base_units(&name);
        family.factor = factor;
        let name = family.name(&name);
        if !family.samples.is_empty() && written.insert(name.clone()) {
            family.write(&name, &mut out);
        }
    }
    out
}

impl Family {
    /// The family's name in the text format, where a counter's ends in `_total` and nothing else's
    /// does.
    fn name(&self, name: &str) -> String {
        let bare = name.strip_suffix("_total").unwrap_or(name);
        match self.kind.as_str() {
            "counter" => format!("{PREFIX}{bare}_total"),
            "histogram" | "summary" => format!("{PREFIX}{bare}"),
            // These ends belong to histograms and summaries.
            _ => match bare.strip_suffix("_count") {
                Some(bare) => format!("{PREFIX}{bare}_entries"),
                None => format!("{PREFIX}{bare}"),
            },
        }
    }

    fn write(&self, name: &str, out: &mut String) {
        let kind = match self.kind.as_str() {
            known @ ("counter" | "gauge" | "histogram" | "summary") => known,
            "info" | "stateset" => "gauge",
            _ => "untyped",
        };
        // Writing to a string cannot fail.
        let _ = writeln!(
            out,
            "# HELP {name} {}\n# TYPE {name} {kind}",
            help(&self.help)
        );
        for (suffix, labels, value) in &self.samples {
            let suffix = match (kind, suffix.as_str()) {
                // When a series began is no sample of this format.
                (_, "_created") => continue,
                ("histogram" | "summary", suffix) => suffix,
                _ => "",
            };
            let counted = matches!(suffix, "_count" | "_bucket");
            let value = match self.factor.filter(|_| !counted) {
                Some(factor) => value
                    .parse::<f64>()
                    .map_or_else(|_| value.clone(), |value| (value * factor).to_string()),
                None => value.clone(),
            };
            let labels = match self.factor.filter(|_| suffix == "_bucket") {
                Some(factor) => scaled_bound(labels, factor),
                None => labels.clone(),
            };
            let _ = writeln!(out, "{name}{suffix}{labels} {value}");
        }
    }
}

/// Labels of a bucket with its bound in base units.
fn scaled_bound(labels: &str, factor: f64) -> String {
    let bound = labels.split_once("le=\"").and_then(|(before, rest)| {
        let (bound, after) = rest.split_once('"')?;
        Some((before, bound.parse::<f64>().ok()?, after))
    });
    match bound.filter(|(_, bound, _)| bound.is_finite()) {
        Some((before, bound, after)) => format!("{before}le=\"{}\"{after}", bound * factor),
        None => labels.to_owned(),
    }
}

/// A help text that is there and in one line.
fn help(text: &str) -> String {
    match text.trim() {
        "" => "Of the consensus engine".to_owned(),
        text => text.to_owned(),
    }
}

/// The name in lower case with base units, and the factor that brings a value into them.
fn base_units(name: &str) -> (String, Option<f64>) {
    let lower = name.to_ascii_lowercase().replace(':', "_");
    let mut factor = None;
    let words: Vec<&str> = lower
        .split('_')
        .map(|word| match UNITS.iter().find(|(unit, ..)| *unit == word) {
            Some((_, base, by)) => {
                factor = Some(*by);
                *base
            }
            None => word,
        })
        .collect();
    (words.join("_"), factor)
}

/// Suffix, labels with their braces, and value of a sample of `family`.
fn sample<'a>(line: &'a str, family: &str) -> Option<(&'a str, String, &'a str)> {
    let rest = line.strip_prefix(family)?;
    let (suffix, labels, value) = match rest.find(['{', ' '])? {
        at if rest[at..].starts_with('{') => {
            let end = at + closing(&rest[at..])?;
            (&rest[..at], &rest[at..=end], &rest[end + 1..])
        }
        at => (&rest[..at], "", &rest[at..]),
    };
    // A timestamp or an exemplar may follow; neither has the same form in the other format.
    let value = value.split_whitespace().next()?;
    let labels = if labels == "{}" { "" } else { labels };
    Some((suffix, labels.to_owned(), value))
}

/// Where the brace that opens at 0 closes; braces inside quoted values do not count.
fn closing(text: &str) -> Option<usize> {
    let (mut quoted, mut escaped) = (false, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'}' if !quoted => return Some(at),
            _ => {}
        }
    }
    None
}

/// What a scraper would find wrong in a text of format 0.0.4; empty when nothing is. The rules of
/// `promtool check metrics`, for machines without it.
pub fn lint(text: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut kinds: BTreeMap<&str, &str> = BTreeMap::new();
    let mut helped: BTreeMap<&str, bool> = BTreeMap::new();
    let (mut seen, mut closed) = (BTreeSet::new(), BTreeSet::new());
    let mut current = "";
    for line in text.lines().filter(|line| !line.is_empty()) {
        let mut words = line.splitn(4, ' ');
        match (words.next(), words.next(), words.next(), words.next()) {
            (Some("#"), Some("HELP"), Some(name), help) => {
                if helped.insert(name, help.is_some()).is_some() {
                    wrong.push(format!("{name}: two help texts"));
                }
            }
            (Some("#"), Some("TYPE"), Some(name), Some(kind)) => {
                if !["counter", "gauge", "histogram", "summary", "untyped"].contains(&kind) {
                    wrong.push(format!("{name}: type {kind}"));
                }
                if kinds.insert(name, kind).is_some() {
                    wrong.push(format!("{name}: two types"));
                }
                if !helped.get(name).copied().unwrap_or(false) {
                    wrong.push(format!("{name}: no help text"));
                }
                closed.insert(current);
                current = name;
                wrong.extend(bad_name(name, kind).map(|what| format!("{name}: {what}")));
            }
            (Some("#"), ..) => wrong.push(format!("{line}: neither help nor type")),
            _ => {
                let Some((suffix, labels, value)) = sample(line, current) else {
                    wrong.push(format!("{line}: not a sample of {current}"));
                    continue;
                };
                let allowed: &[&str] = match kinds.get(current).copied() {
                    Some("histogram") => &["_bucket", "_sum", "_count"],
                    Some("summary") => &["", "_sum", "_count"],
                    _ => &[""],
                };
                if !allowed.contains(&suffix) || closed.contains(current) {
                    wrong.push(format!("{line}: not a sample of {current}"));
                }
                if value.parse::<f64>().is_err() && !["+Inf", "-Inf", "NaN"].contains(&value) {
                    wrong.push(format!("{line}: no number"));
                }
                let series = &line[..current.len() + suffix.len() + labels.len()];
                if !seen.insert(series) {
                    wrong.push(format!("{series}: twice"));
                }
            }
        }
    }
    wrong
}

fn bad_name(name: &str, kind: &str) -> Option<&'static str> {
    let total = name.ends_with("_total");
    let reserved = ["_count", "_sum", "_bucket", "_info_info"];
    let units = UNITS
        .iter()
        .any(|(unit, ..)| name.split('_').any(|word| word == *unit));
    let spelt = name
        .bytes()
        .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    match () {
        () if !name.starts_with("assay_") => Some("no assay_ prefix"),
        () if !spelt => Some("not in lower case"),
        () if kind == "counter" && !total => Some("a counter without _total"),
        () if kind != "counter" && total => Some("_total, but no counter"),
        () if reserved.iter().any(|end| name.ends_with(end)) => Some("a reserved end"),
        () if units => Some("no base unit"),
        () => None,
    }
}

#[cfg(test)]
#[path = "exposition_tests.rs"]
mod tests;
