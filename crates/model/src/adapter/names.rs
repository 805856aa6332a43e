//! Names of modules as PEFT's settings give them: lists, expressions, and patterns with values.

use std::collections::{BTreeMap, BTreeSet};

use fancy_regex::{Regex, RegexBuilder};
use serde::{Deserialize, Serialize};

use crate::error::MethodError;
use crate::target::Target;

/// The most layers that a configuration may name.
pub(super) const MAX_LAYERS: usize = 1024;
/// The longest expression, in bytes, and the longest list.
const MAX_PATTERN: usize = 4096;
const MAX_NAMES: usize = Target::ALL.len() * MAX_LAYERS;
/// Steps back that an expression may take on one name.
const BACKTRACK_LIMIT: usize = 10_000;

/// A list of names, or one expression.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    untagged,
    expecting = "this must be a list of names, or a regular expression in quotes"
)]
pub enum Names {
    /// A regular expression for whole names, or `"all-linear"`.
    Pattern(String),
    /// Names, or ends of names.
    List(Vec<String>),
}

impl Names {
    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Pattern(text) => text.is_empty(),
            Self::List(names) => names.is_empty(),
        }
    }
}

/// How a module was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// By its whole name.
    Whole,
    /// By the end of its name.
    End,
    /// By an expression.
    Pattern,
}

/// Names ready to be looked for.
pub(super) enum Matcher<'a> {
    AllLinear,
    Pattern(Box<Regex>),
    List(BTreeSet<&'a str>),
}

impl<'a> Matcher<'a> {
    pub(super) fn new(setting: &str, names: &'a Names) -> Result<Self, MethodError> {
        match names {
            Names::Pattern(text) if text.eq_ignore_ascii_case("all-linear") => Ok(Self::AllLinear),
            Names::Pattern(text) => {
                whole(setting, text).map(|regex| Self::Pattern(Box::new(regex)))
            }
            Names::List(names) if names.len() > MAX_NAMES => Err(MethodError::Setting(format!(
                "{setting} has {} names, more than {MAX_NAMES}",
                names.len()
            ))),
            Names::List(names) => Ok(Self::List(names.iter().map(String::as_str).collect())),
        }
    }

    /// The names of a list; an expression has none.
    pub(super) fn names(&self) -> BTreeSet<&'a str> {
        match self {
            Self::List(names) => names.clone(),
            _ => BTreeSet::new(),
        }
    }

    /// The names of a list that stand for a module: its whole name, and ends that begin after a
    /// point.
    pub(super) fn names_of(&self, path: &str) -> Vec<&'a str> {
        let Self::List(names) = self else {
            return Vec::new();
        };
        let ends = path.match_indices('.').map(|(at, _)| &path[at + 1..]);
        let all = std::iter::once(path).chain(ends);
        all.filter_map(|end| names.get(end).copied()).collect()
    }

    pub(super) fn find(&self, path: &str) -> Result<Option<Found>, MethodError> {
        Ok(match self {
            Self::AllLinear => Target::site_of(path).map(|_| Found::Pattern),
            Self::Pattern(regex) => is_match(regex, path)?.then_some(Found::Pattern),
            Self::List(_) => match self.names_of(path).first() {
                None => None,
                Some(name) if *name == path => Some(Found::Whole),
                Some(_) => Some(Found::End),
            },
        })
    }

    pub(super) fn matches(&self, path: &str) -> Result<bool, MethodError> {
        Ok(self.find(path)?.is_some())
    }
}

/// An expression that has to match a whole name, as Python's `re.fullmatch` has it.
fn whole(setting: &str, text: &str) -> Result<Regex, MethodError> {
    let wrong = |reason: String| {
        let text: String = text.chars().take(80).collect();
        MethodError::Setting(format!(
            "{setting} is {text:?}, which is no regular expression: {reason}"
        ))
    };
    if text.is_empty() || text.len() > MAX_PATTERN {
        return Err(wrong(format!("it must have 1 to {MAX_PATTERN} bytes")));
    }
    let regex = RegexBuilder::new(&format!(r"\A(?:{text})\z"))
        .backtrack_limit(BACKTRACK_LIMIT)
        .build();
    regex.map_err(|error| wrong(error.to_string().chars().take(200).collect()))
}

fn is_match(regex: &Regex, name: &str) -> Result<bool, MethodError> {
    regex.is_match(name).map_err(|error| {
        MethodError::Setting(format!(
            "an expression takes too many steps on {name}: {error}"
        ))
    })
}

/// PEFT's `rank_pattern` or `alpha_pattern`: values for modules whose name ends with a match.
pub(super) struct Pattern<'a, T> {
    setting: &'static str,
    /// Without an expression, a key is the whole name of a module.
    keys: Vec<(&'a str, Option<Regex>, T)>,
}

impl<'a, T: Copy + PartialEq> Pattern<'a, T> {
    pub(super) fn new(
        setting: &'static str,
        values: &'a BTreeMap<String, T>,
    ) -> Result<Self, MethodError> {
        if values.len() > MAX_NAMES {
            return Err(MethodError::Setting(format!("{setting} has too many keys")));
        }
        let key = |(key, value): (&'a String, &T)| {
            let is_path = Target::site_of(key).is_some_and(|(layer, t)| t.path(layer) == *key);
            let regex = match is_path {
                true => None,
                false => Some(whole(setting, &format!(r"(?:.*\.)?(?:{key})"))?),
            };
            Ok((key.as_str(), regex, *value))
        };
        let keys = values.iter().map(key).collect::<Result<_, MethodError>>()?;
        Ok(Self { setting, keys })
    }

    /// The value for a module, if one is given.
    ///
    /// # Errors
    /// When two keys give different ones: PEFT takes the first as written, which is lost here.
    pub(super) fn of(&self, path: &str) -> Result<Option<T>, MethodError> {
        let mut found: Option<(&str, T)> = None;
        for (key, regex, value) in &self.keys {
            let matches = match regex {
                None => *key == path,
                Some(regex) => is_match(regex, path)?,
            };
            if !matches {
                continue;
            }
            match found {
                Some((other, old)) if old != *value => {
                    return Err(MethodError::Setting(format!(
                        "{}: {other:?} and {key:?} both match {path}",
                        self.setting
                    )));
                }
                _ => found = Some((key, *value)),
            }
        }
        Ok(found.map(|(_, value)| value))
    }
}
