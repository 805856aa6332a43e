//! Rows from tables.

use std::collections::BTreeMap;

use assay_data::Place;
use assay_data::table::{Row, Table};
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::samples::{Labels, MAX_CLASSES, MAX_ROWS, MAX_VALUES, MAX_WIDTH, Samples};
use crate::error::DataFault;

/// Which columns of a table are what.
///
/// ```toml
/// label = "diagnosis"
/// classes = ["malignant", "benign"]
/// ignore = ["id"]
/// [categories]
/// city = ["Paris", "Rome"]
/// ```
#[derive(
    Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[serde(default, deny_unknown_fields)]
pub struct TableSpec {
    /// The column that is to be told.
    pub label: String,
    /// Its cells as texts, the class of each by its place; none where the label is a number.
    pub classes: Vec<String>,
    /// Columns of features in the order of the rows; none for all the others, in the file's order.
    pub features: Vec<String>,
    /// Columns that are not used.
    pub ignore: Vec<String>,
    /// Columns of texts, each with the texts that it holds: a feature for each, in this order, 1 where the
    /// cell is that text and 0 where it is another.
    pub categories: BTreeMap<String, Vec<String>>,
}

/// How a column becomes features.
enum Use<'a> {
    Number,
    OneOf(&'a [String]),
}

impl TableSpec {
    /// The same with the columns of features named, so that every file is read in one order whatever the
    /// order of its columns. This is what is stored with a task.
    ///
    /// # Errors
    /// When a column that is named is not there, or something is said twice.
    pub fn resolved(&self, table: &Table) -> Result<Self, DataFault> {
        let there = |name: &str| table.columns().iter().any(|column| column.name == name);
        let mut named = std::iter::once(&self.label)
            .chain(&self.features)
            .chain(&self.ignore)
            .chain(self.categories.keys());
        if let Some(missing) = named.find(|name| !there(name)) {
            let names = table.columns().iter().map(|column| column.name.as_str());
            return Err(DataFault::no_column(missing, names));
        }
        let mut spec = self.clone();
        if spec.features.is_empty() {
            let names = table.columns().iter().map(|column| column.name.clone());
            let used = |name: &String| *name != self.label && !self.ignore.contains(name);
            spec.features = names.filter(used).collect();
        }
        spec.check()?;
        Ok(spec)
    }

    /// Checks what does not depend on a file.
    fn check(&self) -> Result<(), DataFault> {
        let twice = |names: &[String]| {
            let mut names: Vec<_> = names.iter().collect();
            names.sort();
            let pair = names.windows(2).find(|pair| pair[0] == pair[1]);
            pair.map(|pair| pair[0].clone())
        };
        let lists = [&self.features, &self.classes].into_iter();
        if let Some(name) = lists
            .chain(self.categories.values())
            .find_map(|list| twice(list))
        {
            return Err(DataFault::Twice(name));
        }
        let category = |name: &&String| !self.features.contains(name);
        if let Some(name) = self.categories.keys().find(category) {
            return Err(DataFault::UnusedCategory(name.clone()));
        }
        if self.features.contains(&self.label) {
            return Err(DataFault::LabelIsFeature(self.label.clone()));
        }
        if self.classes.len() == 1 || self.classes.len() > MAX_CLASSES as usize {
            return Err(DataFault::Classes(self.classes.len() as u32));
        }
        match self.uses().map(|using| using.width()).sum() {
            width if width == 0 || width > MAX_WIDTH => Err(DataFault::Width(width)),
            _ => Ok(()),
        }
    }

    fn uses(&self) -> impl Iterator<Item = Use<'_>> {
        self.features
            .iter()
            .map(|name| match self.categories.get(name) {
                None => Use::Number,
                Some(texts) => Use::OneOf(texts),
            })
    }

    /// For each feature of a row, whether it is a column of numbers, which may be standardised, and not
    /// one of a category's. Only of a [`TableSpec::resolved`] specification.
    pub fn numeric(&self) -> Vec<bool> {
        let each = |using: Use<'_>| vec![matches!(using, Use::Number); using.width()];
        self.uses().flat_map(each).collect()
    }

    /// Reads a table.
    ///
    /// # Errors
    /// Names the row and the column of the first cell that is missing, no number, or none of the texts
    /// that its column holds.
    pub fn read(&self, table: Table) -> Result<Samples, DataFault> {
        let spec = self.resolved(&table)?;
        let place = |name: &String| table.columns().iter().position(|c| c.name == *name);
        // Every name was found just now.
        let places: Vec<usize> = spec.features.iter().filter_map(place).collect();
        let label_at = place(&spec.label).unwrap_or_default();
        let width = spec.numeric().len();
        let (mut features, mut classes, mut values) = (Vec::new(), Vec::new(), Vec::new());
        for row in table {
            let row = row?;
            if classes.len().max(values.len()) == MAX_ROWS || features.len() + width > MAX_VALUES {
                let rows = features.len() / width + 1;
                return Err(DataFault::TooMuch { rows, width });
            }
            for ((at, name), using) in places.iter().zip(&spec.features).zip(spec.uses()) {
                let cell = Cell::of(&row, *at, name)?;
                match using {
                    Use::Number => features.push(cell.number()?),
                    Use::OneOf(texts) => {
                        let found = cell.one_of(texts)?;
                        let one = |i: usize| if i == found { 1.0 } else { 0.0 };
                        features.extend((0..texts.len()).map(one));
                    }
                }
            }
            let cell = Cell::of(&row, label_at, &spec.label)?;
            match spec.classes.is_empty() {
                true => values.push(cell.number()?),
                false => classes.push(cell.one_of(&spec.classes)? as u32),
            }
        }
        let labels = match spec.classes.len() {
            0 => Labels::Values(values),
            count => Labels::classes(classes, count as u32)?,
        };
        Samples::new(features, width, labels)
    }
}

impl Use<'_> {
    fn width(&self) -> usize {
        match self {
            Self::Number => 1,
            Self::OneOf(texts) => texts.len(),
        }
    }
}

/// A cell that holds something.
struct Cell<'a> {
    place: Place,
    column: &'a str,
    value: &'a Value,
}

impl<'a> Cell<'a> {
    fn of(row: &'a Row, at: usize, column: &'a str) -> Result<Self, DataFault> {
        let place = row.place;
        match &row.cells[at] {
            Value::Null => Err(DataFault::missing(place, column)),
            Value::String(text) if text.trim().is_empty() => Err(DataFault::missing(place, column)),
            value => Ok(Self {
                place,
                column,
                value,
            }),
        }
    }

    /// The number in it: the f64 nearest to its digits, rounded to f32.
    fn number(&self) -> Result<f32, DataFault> {
        let value = match self.value {
            Value::Number(number) => number.as_f64(),
            Value::Bool(value) => Some(f64::from(u8::from(*value))),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        };
        let number = value.map(|value| value as f32);
        number
            .filter(|number| number.is_finite())
            .ok_or_else(|| DataFault::not_a_number(self.place, self.column, &self.text()))
    }

    /// Which of the texts it is.
    fn one_of(&self, texts: &[String]) -> Result<usize, DataFault> {
        let found = self.text();
        let at = texts.iter().position(|text| *text == found);
        at.ok_or_else(|| DataFault::other_text(self.place, self.column, &found, texts))
    }

    fn text(&self) -> String {
        match self.value {
            Value::String(text) => text.trim().to_owned(),
            other => other.to_string(),
        }
    }
}
