//! Which projections of which layers are adapted, in PEFT's spellings.
//!
//! PEFT matches against the full names of modules, such as `model.layers.0.self_attn.q_proj`: a list
//! by whole names or by ends that begin after a point, a text as a regular expression for the whole
//! name, `"all-linear"` everything but the output layer. A name of a list that matches nothing is
//! passed over, as long as another one matches.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::names::{Found, MAX_LAYERS, Matcher, Names};
use crate::error::MethodError;
use crate::target::{Target, Targets};

/// Modules of a model that are no projections of a layer.
const OUTSIDE: [&str; 3] = ["lm_head", "model.embed_tokens", "model.norm"];
/// Modules of a layer that are no projections, and what holds the layers. PEFT refuses a list that
/// names one; an expression may match them along with the projections inside.
const IN_LAYER: [&str; 6] = [
    "",
    ".self_attn",
    ".mlp",
    ".mlp.act_fn",
    ".input_layernorm",
    ".post_attention_layernorm",
];
const AROUND: [&str; 3] = ["model", "model.layers", "model.rotary_emb"];
/// Names that a note shows.
const SHOWN: usize = 5;

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

/// What PEFT's settings say about which modules are adapted, before there is a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Modules {
    /// `target_modules`.
    pub target_modules: Names,
    /// `exclude_modules`.
    pub exclude_modules: Option<Names>,
    /// `layers_to_transform`, counted from 0; goes with a list only.
    pub layers_to_transform: Option<Vec<i64>>,
    /// `layers_pattern`: what the list of layers is called.
    pub layers_pattern: Option<Names>,
    /// (IA)3's `feedforward_modules`.
    pub feedforward_modules: Option<Names>,
}

impl Modules {
    /// Modules by a list or an expression, in every layer.
    pub fn new(target_modules: Names) -> Self {
        Self {
            target_modules,
            exclude_modules: None,
            layers_to_transform: None,
            layers_pattern: None,
            feedforward_modules: None,
        }
    }

    /// Checks what can be checked without a model.
    ///
    /// # Errors
    /// As [`Modules::on`] and [`Modules::feedforward_on`], but for layers: which there are, only a
    /// model says.
    pub fn check(&self) -> Result<(), MethodError> {
        match self.feedforward_on(MAX_LAYERS) {
            Err(MethodError::NoLayer { .. }) => Ok(()),
            other => other.map(drop),
        }
    }

    /// The projections of a model of so many layers.
    ///
    /// # Errors
    /// [`MethodError`] when no name is known, nothing is left, or settings contradict each other.
    pub fn on(&self, layers: usize) -> Result<Selection, MethodError> {
        self.chosen(layers).map(|(selection, _)| selection)
    }

    /// What a person should know of these settings on a model of so many layers: names that no
    /// module has, and exclusions that leave nothing out. Each begins with the setting's name.
    ///
    /// # Errors
    /// As [`Modules::on`].
    pub fn notes(&self, layers: usize) -> Result<Vec<String>, MethodError> {
        self.chosen(layers).map(|(_, notes)| notes)
    }

    /// Those of the projections whose input (IA)3 scales.
    ///
    /// # Errors
    /// As [`Modules::on`], or when a list names a module that `target_modules` does not.
    pub fn feedforward_on(&self, layers: usize) -> Result<Selection, MethodError> {
        let selection = self.on(layers)?;
        let names = self.feedforward_modules.as_ref();
        let Some(names) = names.filter(|names| !names.is_empty()) else {
            return Ok(Targets::NONE.into());
        };
        let feedforward = Matcher::new("feedforward_modules", names)?;
        let targets = Matcher::new("target_modules", &self.target_modules)?;
        let targeted = targets.names();
        let mut unmatched = feedforward.names();
        let mut selected = vec![Targets::NONE; layers];
        for (layer, slot) in selected.iter_mut().enumerate() {
            for target in Target::ALL {
                let path = target.path(layer);
                let Some(found) = feedforward.find(&path)? else {
                    continue;
                };
                // An expression may match more than is adapted; a name that is not is a mistake.
                if found != Found::Pattern && !targets.matches(&path)? {
                    return Err(MethodError::FeedForward);
                }
                for name in feedforward.names_of(&path) {
                    unmatched.remove(name);
                }
                *slot = slot.with(target);
            }
        }
        match unmatched.difference(&targeted).next() {
            Some(name) => Err(unknown(name, layers)),
            None => Ok(Selection::of_layers(selected).and(&selection)),
        }
    }

    fn chosen(&self, layers: usize) -> Result<(Selection, Vec<String>), MethodError> {
        self.check_layers(layers)?;
        let targets = Matcher::new("target_modules", &self.target_modules)?;
        let exclude = self
            .exclude_modules
            .as_ref()
            .filter(|names| !names.is_empty());
        let exclude = exclude.map(|names| Matcher::new("exclude_modules", names));
        let mut exclude = Exclude::new(exclude.transpose()?);
        let chosen = self.layers_to_transform.as_deref().unwrap_or_default();
        let mut unmatched = targets.names();
        let mut selected = vec![Targets::NONE; layers];
        let mut left_out = false;
        for (layer, slot) in selected.iter_mut().enumerate() {
            for target in Target::ALL {
                let path = target.path(layer);
                let Some(found) = targets.find(&path)? else {
                    continue;
                };
                for name in targets.names_of(&path) {
                    unmatched.remove(name);
                }
                let is_chosen = chosen.is_empty() || chosen.contains(&(layer as i64));
                if found == Found::End && !is_chosen {
                    continue;
                }
                match exclude.takes(&path)? {
                    true => left_out = true,
                    false => *slot = slot.with(target),
                }
            }
        }
        for module in OUTSIDE {
            if !exclude.takes(module)? && targets.matches(module)? {
                return Err(MethodError::OutsideTarget(module.to_owned()));
            }
        }
        for module in around(layers) {
            if !targets.names_of(&module).is_empty() && !exclude.matches(&module)? {
                return Err(MethodError::OutsideTarget(module));
            }
        }
        match selected.iter().all(|targets| *targets == Targets::NONE) {
            true if left_out => Err(MethodError::Setting(
                "exclude_modules leaves out every module that target_modules names".to_owned(),
            )),
            true => Err(match unmatched.first() {
                Some(name) => unknown(name, layers),
                None => MethodError::NoTargets,
            }),
            false => {
                let passed_over = passed_over(&unmatched);
                let notes = passed_over.into_iter().chain(exclude.note()).collect();
                Ok((Selection::of_layers(selected), notes))
            }
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
        if let Some(layer) = chosen.iter().find(|n| !(0..layers as i64).contains(n)) {
            return Err(MethodError::NoLayer {
                setting: "layers_to_transform",
                layer: *layer,
                layers,
            });
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

/// `exclude_modules`, and what of it has left something out.
struct Exclude<'a> {
    names: Option<Matcher<'a>>,
    /// Names of a list that have left nothing out yet.
    idle: BTreeSet<&'a str>,
    used: bool,
}

impl<'a> Exclude<'a> {
    fn new(names: Option<Matcher<'a>>) -> Self {
        Self {
            idle: names.as_ref().map(Matcher::names).unwrap_or_default(),
            names,
            used: false,
        }
    }

    /// Leaves a module out if its name is one of those.
    fn takes(&mut self, path: &str) -> Result<bool, MethodError> {
        let taken = self.matches(path)?;
        self.used |= taken;
        for name in self.names.iter().flat_map(|names| names.names_of(path)) {
            self.idle.remove(name);
        }
        Ok(taken)
    }

    fn matches(&self, path: &str) -> Result<bool, MethodError> {
        match &self.names {
            Some(names) => names.matches(path),
            None => Ok(false),
        }
    }

    fn note(&self) -> Option<String> {
        match &self.names {
            Some(Matcher::List(_)) if !self.idle.is_empty() => Some(format!(
                "exclude_modules names {}, which leaves nothing out: target_modules names no such module",
                shown(&self.idle)
            )),
            Some(_) if !self.used => Some(
                "exclude_modules leaves nothing out: it matches no module that target_modules names"
                    .to_owned(),
            ),
            _ => None,
        }
    }
}

/// The names of modules that hold others or have no weight matrix.
fn around(layers: usize) -> impl Iterator<Item = String> {
    let inside = move |layer: usize| IN_LAYER.map(|rest| format!("model.layers.{layer}{rest}"));
    let around = AROUND.into_iter().map(str::to_owned);
    around.chain((0..layers).flat_map(inside))
}

/// A name that stands for no module of a model of so many layers.
fn unknown(name: &str, layers: usize) -> MethodError {
    let name: String = name.chars().take(80).collect();
    match Target::site_of(&name) {
        Some((layer, _)) if layer >= layers => MethodError::NoLayer {
            setting: "target_modules",
            layer: layer as i64,
            layers,
        },
        _ => MethodError::UnknownTarget(name),
    }
}

/// The note on names that no module has.
fn passed_over(names: &BTreeSet<&str>) -> Option<String> {
    (!names.is_empty()).then(|| {
        format!(
            "target_modules names {}, and this model has no such module: this is passed over, as PEFT does",
            shown(names)
        )
    })
}

/// The first of some names in quotes, short whatever they are.
fn shown(names: &BTreeSet<&str>) -> String {
    let short = |name: &&str| format!("{:?}", name.chars().take(80).collect::<String>());
    let mut text = names.iter().take(SHOWN).map(short).collect::<Vec<_>>();
    if names.len() > SHOWN {
        text.push(format!("and {} more", names.len() - SHOWN));
    }
    text.join(", ")
}

#[cfg(test)]
#[path = "select_tests.rs"]
mod tests;
