//! Which projections of which layers are adapted, in PEFT's spellings.
//!
//! PEFT matches against the full names of modules, such as `model.layers.0.self_attn.q_proj`: a list
//! by whole names or by ends that begin after a point, a text as a regular expression for the whole
//! name, `"all-linear"` everything but the output layer.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use fancy_regex::{Regex, RegexBuilder};
use serde::{Deserialize, Serialize};

use super::target::{Target, Targets};
use crate::error::MethodError;

/// The most layers that a configuration may name.
const MAX_LAYERS: usize = 1024;
/// The longest expression, in bytes, and the longest list.
const MAX_PATTERN: usize = 4096;
const MAX_NAMES: usize = Target::ALL.len() * MAX_LAYERS;
/// Steps back that an expression may take on one name.
const BACKTRACK_LIMIT: usize = 10_000;
/// Modules of a model that are no projections of a layer.
const OUTSIDE: [&str; 3] = ["lm_head", "model.embed_tokens", "model.norm"];

/// The adapted projections of each layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection(Layers);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Layers {
    /// The same in every layer.
    Every(Targets),
    /// Those of each layer; not the same in all.
    Each(Arc<[Targets]>),
}

impl From<Targets> for Selection {
    fn from(targets: Targets) -> Self {
        Self(Layers::Every(targets))
    }
}

impl Selection {
    fn of_layers(layers: Vec<Targets>) -> Self {
        match layers.first() {
            Some(first) if layers.iter().any(|targets| targets != first) => {
                Self(Layers::Each(layers.into()))
            }
            first => Self::from(first.copied().unwrap_or(Targets::NONE)),
        }
    }

    /// The projections of a layer.
    pub fn at(&self, layer: usize) -> Targets {
        match &self.0 {
            Layers::Every(targets) => *targets,
            Layers::Each(layers) => layers.get(layer).copied().unwrap_or(Targets::NONE),
        }
    }

    /// The projections, if they are the same in every layer.
    pub fn uniform(&self) -> Option<Targets> {
        match &self.0 {
            Layers::Every(targets) => Some(*targets),
            Layers::Each(_) => None,
        }
    }

    /// Those of each layer, if they differ.
    pub(super) fn layers(&self) -> Option<&[Targets]> {
        match &self.0 {
            Layers::Every(_) => None,
            Layers::Each(layers) => Some(layers),
        }
    }

    /// Whether each is in `other` too.
    pub(super) fn is_within(&self, other: &Self) -> bool {
        let layers = self.layers().or(other.layers()).map_or(1, <[_]>::len);
        (0..layers).all(|layer| self.at(layer).is_within(other.at(layer)))
    }

    /// Those that are in both.
    pub fn and(&self, other: &Self) -> Self {
        let layers = self.layers().or(other.layers()).map_or(1, <[_]>::len);
        let both = (0..layers).map(|layer| self.at(layer).and(other.at(layer)));
        Self::of_layers(both.collect())
    }

    /// The names for `target_modules`: of projections, or where layers differ of modules.
    pub(super) fn names(&self) -> Vec<String> {
        match &self.0 {
            Layers::Every(targets) => targets.iter().map(|t| t.name().to_owned()).collect(),
            Layers::Each(layers) => (layers.iter().enumerate())
                .flat_map(|(layer, targets)| targets.iter().map(move |t| t.path(layer)))
                .collect(),
        }
    }
}

/// A list of names, or one expression.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
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

/// What PEFT's settings say about which modules are adapted, before there is a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Modules {
    /// `target_modules`.
    pub target_modules: Names,
    /// `exclude_modules`.
    pub exclude_modules: Option<Names>,
    /// `layers_to_transform`; goes with a list only.
    pub layers_to_transform: Option<Vec<usize>>,
    /// `layers_pattern`: what the list of layers is called.
    pub layers_pattern: Option<Names>,
}

impl Modules {
    /// Modules by a list or an expression, in every layer.
    pub fn new(target_modules: Names) -> Self {
        Self {
            target_modules,
            exclude_modules: None,
            layers_to_transform: None,
            layers_pattern: None,
        }
    }

    /// Checks what can be checked without a model.
    ///
    /// # Errors
    /// As [`Modules::on`], for the largest model.
    pub fn check(&self) -> Result<(), MethodError> {
        self.on(MAX_LAYERS).map(drop)
    }

    /// The projections of a model of so many layers.
    ///
    /// # Errors
    /// [`MethodError`] when a name is unknown, nothing is left, or settings contradict each other.
    pub fn on(&self, layers: usize) -> Result<Selection, MethodError> {
        self.check_layers(layers)?;
        let targets = Matcher::new("target_modules", &self.target_modules)?;
        let exclude = self
            .exclude_modules
            .as_ref()
            .filter(|names| !names.is_empty());
        let exclude = exclude.map(|names| Matcher::new("exclude_modules", names));
        let exclude = exclude.transpose()?;
        let chosen = self.layers_to_transform.as_deref().unwrap_or_default();
        let mut used: HashMap<&str, bool> = targets.names().map(|name| (name, false)).collect();
        let mut selected = vec![Targets::NONE; layers];
        let mut left_out = false;
        for (layer, slot) in selected.iter_mut().enumerate() {
            for target in Target::ALL {
                let path = target.path(layer);
                let Some(found) = targets.find(&path)? else {
                    continue;
                };
                if let Found::End(name) | Found::Whole(name) = found
                    && let Some(used) = used.get_mut(name)
                {
                    *used = true;
                }
                let is_end = matches!(found, Found::End(_));
                if is_end && !chosen.is_empty() && !chosen.contains(&layer) {
                    continue;
                }
                let excluded = match &exclude {
                    Some(exclude) => exclude.find(&path)?.is_some(),
                    None => false,
                };
                left_out |= excluded;
                if !excluded {
                    *slot = slot.with(target);
                }
            }
        }
        if let Some((name, _)) = used.iter().filter(|(_, used)| !**used).min() {
            let name: String = name.chars().take(80).collect();
            return Err(match Target::site_of(&name) {
                Some((layer, _)) if layer >= layers => MethodError::NoLayer { layer, layers },
                _ => MethodError::UnknownTarget(name),
            });
        }
        for module in OUTSIDE {
            if let Some(Found::Pattern) = targets.find(module)?
                && !matches!(&exclude, Some(exclude) if exclude.find(module)?.is_some())
            {
                return Err(MethodError::OutsideTarget(module));
            }
        }
        match selected.iter().all(|targets| *targets == Targets::NONE) {
            true if left_out => Err(MethodError::Setting(
                "exclude_modules leaves out every module that target_modules names".to_owned(),
            )),
            true => Err(MethodError::NoTargets),
            false => Ok(Selection::of_layers(selected)),
        }
    }

    fn check_layers(&self, layers: usize) -> Result<(), MethodError> {
        let wrong = |text: &str| Err(MethodError::Setting(text.to_owned()));
        let chosen = self.layers_to_transform.as_deref().unwrap_or_default();
        let pattern = self
            .layers_pattern
            .as_ref()
            .filter(|names| !names.is_empty());
        if !chosen.is_empty() && matches!(self.target_modules, Names::Pattern(_)) {
            return wrong(
                "layers_to_transform goes with a list of target_modules; name the layers in the expression instead",
            );
        }
        if let Some(layer) = chosen.iter().copied().find(|layer| *layer >= layers) {
            return Err(MethodError::NoLayer { layer, layers });
        }
        match pattern {
            Some(_) if chosen.is_empty() => {
                wrong("layers_pattern says nothing without layers_to_transform; remove it")
            }
            Some(Names::Pattern(name)) if name != "layers" => wrong(
                "layers_pattern matches nothing: the layers of these models are called \"layers\"",
            ),
            Some(Names::List(names)) if !names.iter().any(|name| name == "layers") => wrong(
                "layers_pattern matches nothing: the layers of these models are called \"layers\"",
            ),
            _ => Ok(()),
        }
    }
}

/// How a name was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found<'a> {
    /// By its whole name.
    Whole(&'a str),
    /// By its end.
    End(&'a str),
    /// By an expression.
    Pattern,
}

/// Names ready to be looked for.
enum Matcher<'a> {
    AllLinear,
    Pattern(Box<Regex>),
    List(HashMap<&'a str, ()>),
}

impl<'a> Matcher<'a> {
    fn new(setting: &str, names: &'a Names) -> Result<Self, MethodError> {
        match names {
            Names::Pattern(text) if text.eq_ignore_ascii_case("all-linear") => Ok(Self::AllLinear),
            Names::Pattern(text) => {
                whole(setting, text).map(|regex| Self::Pattern(Box::new(regex)))
            }
            Names::List(names) if names.len() > MAX_NAMES => Err(MethodError::Setting(format!(
                "{setting} has {} names, more than {MAX_NAMES}",
                names.len()
            ))),
            Names::List(names) => Ok(Self::List(
                names.iter().map(|name| (name.as_str(), ())).collect(),
            )),
        }
    }

    fn names(&self) -> impl Iterator<Item = &'a str> {
        let list = match self {
            Self::List(names) => Some(names.keys().copied()),
            _ => None,
        };
        list.into_iter().flatten()
    }

    fn find(&self, path: &str) -> Result<Option<Found<'a>>, MethodError> {
        Ok(match self {
            Self::AllLinear => Target::site_of(path).map(|_| Found::Pattern),
            Self::Pattern(regex) => is_match(regex, path)?.then_some(Found::Pattern),
            Self::List(names) => {
                let whole = names
                    .get_key_value(path)
                    .map(|(name, ())| Found::Whole(name));
                let ends = path.match_indices('.').map(|(at, _)| &path[at + 1..]);
                let by_end = |end| names.get_key_value(end).map(|(name, ())| Found::End(name));
                whole.or_else(|| ends.clone().find_map(by_end))
            }
        })
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

#[cfg(test)]
#[path = "select_tests.rs"]
mod tests;
