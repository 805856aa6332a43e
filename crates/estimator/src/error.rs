//! What can be wrong with data, specifications, states and steps.

use assay_data::{DataError, Place};
use assay_kernel::EnvironmentError;

/// Why rows cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataFault {
    /// The table cannot be read.
    #[error("the table cannot be read")]
    Table(#[from] DataError),
    /// A column is not there.
    #[error("there is no column {name:?}; the table has {others}")]
    NoColumn {
        /// Its name.
        name: String,
        /// The columns there are.
        others: String,
    },
    /// A name is given twice.
    #[error(
        "{0:?} stands twice in one list; each place in it means something else, so name it once"
    )]
    Twice(String),
    /// A category of a column that is no feature.
    #[error("column {0:?} has categories and is no feature; add it to the features or remove them")]
    UnusedCategory(String),
    /// The label is a feature too.
    #[error(
        "column {0:?} is the label and a feature; a model would copy it, so remove it from one"
    )]
    LabelIsFeature(String),
    /// A cell is empty.
    #[error(
        "{place}: column {column:?} is empty; fill it in, remove the row, or ignore the column: no value \
         is made up for it"
    )]
    Missing {
        /// The row.
        place: Place,
        /// The column.
        column: String,
    },
    /// A cell is no number.
    #[error(
        "{place}: column {column:?} holds {found:?}, which is no finite number; correct it, list the \
         column's texts under categories, or ignore the column"
    )]
    NotANumber {
        /// The row.
        place: Place,
        /// The column.
        column: String,
        /// What it holds.
        found: String,
    },
    /// A cell holds another text than its column was said to.
    #[error(
        "{place}: column {column:?} holds {found:?}, and its texts are {texts}; add it or correct it"
    )]
    OtherText {
        /// The row.
        place: Place,
        /// The column.
        column: String,
        /// What it holds.
        found: String,
        /// What it may hold.
        texts: String,
    },
    /// A row has no feature, or too many.
    #[error("a row has {0} features; from 1 to 65536 are possible")]
    Width(usize),
    /// Features and labels do not go together.
    #[error(
        "{values} feature values in rows of {width} do not go with {labels} labels; there must be one \
         label for each row"
    )]
    Lengths {
        /// Feature values.
        values: usize,
        /// Features of a row.
        width: usize,
        /// Labels.
        labels: usize,
    },
    /// More than is read.
    #[error(
        "{rows} rows of {width} features are more than are read (16777216 rows and 268435456 values); \
         deal them to several trainers"
    )]
    TooMuch {
        /// Rows.
        rows: usize,
        /// Features.
        width: usize,
    },
    /// A feature is not finite.
    #[error("feature {column} of row {row} is no finite number")]
    NotFinite {
        /// The row, counted from 0.
        row: u64,
        /// The feature, counted from 0.
        column: u64,
    },
    /// A label is not finite.
    #[error("the label of row {0} is no finite number")]
    LabelNotFinite(u64),
    /// A number of classes that is not possible.
    #[error(
        "there are {0} classes; from 2 to 4096 are possible (a label that is a number has none)"
    )]
    Classes(u32),
    /// A class that is none.
    #[error("row {row} has class {class}, and there are {count}, counted from 0")]
    Class {
        /// The row, counted from 0.
        row: u64,
        /// Its class.
        class: u64,
        /// How many there are.
        count: u32,
    },
    /// Classes are needed and labels are numbers.
    #[error("labels are numbers, and rows are dealt by class; deal them alike (iid)")]
    NoClasses,
    /// Another number of constants than of features.
    #[error("the standardisation has {found} entries, and there are {wanted} features")]
    ScalingWidth {
        /// Entries.
        found: usize,
        /// Features.
        wanted: usize,
    },
    /// A constant is not finite.
    #[error(
        "the standardisation of feature {0} is no finite number; its column is too large for f32"
    )]
    ScalingNotFinite(u64),
    /// Rows are needed and there are none.
    #[error("there are no rows to compute anything from")]
    NoRows,
    /// A number of trainers that is not possible.
    #[error("rows are dealt to {0} trainers; from 1 to 65536 are possible")]
    Trainers(u32),
    /// A concentration that is not possible.
    #[error(
        "alpha is {0}; from 0.01 (few classes for each trainer) to 1000 (nearly alike) is possible"
    )]
    Alpha(f32),
    /// The plain path could not be set up.
    #[error("this machine's floating-point state was changed by a library; restart the program")]
    Kernel,
    /// A divisor that is not possible.
    #[error(
        "values are divided by {0}; it must be a positive number, 255 for bytes and 1 for no change"
    )]
    Divisor(f32),
    /// Bytes that are no shard.
    #[error("these bytes are no shard: {0}")]
    Shard(&'static str),
    /// An archive of arrays cannot be read.
    #[error("the .npz file cannot be read: {0}")]
    Npz(String),
}

fn short(text: &str) -> String {
    text.chars().take(60).collect()
}

fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let mut names: Vec<String> = names.take(21).map(short).collect();
    if names.len() == 21 {
        names[20] = "others".into();
    }
    names.join(", ")
}

impl DataFault {
    pub(crate) fn no_column<'a>(name: &str, others: impl Iterator<Item = &'a str>) -> Self {
        Self::NoColumn {
            name: short(name),
            others: list(others),
        }
    }

    pub(crate) fn missing(place: Place, column: &str) -> Self {
        let column = short(column);
        Self::Missing { place, column }
    }

    pub(crate) fn not_a_number(place: Place, column: &str, found: &str) -> Self {
        Self::NotANumber {
            place,
            column: short(column),
            found: short(found),
        }
    }

    pub(crate) fn other_text(place: Place, column: &str, found: &str, texts: &[String]) -> Self {
        Self::OtherText {
            place,
            column: short(column),
            found: short(found),
            texts: list(texts.iter().map(String::as_str)),
        }
    }
}

/// Why a specification makes no sense.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum SpecError {
    /// The bytes are none.
    #[error("these bytes are no specification: {0}")]
    Bytes(String),
    /// A size is not possible.
    #[error("`{name}` is {found}, and must be from {least} to {most}")]
    Size {
        /// Which one.
        name: &'static str,
        /// What it is.
        found: u64,
        /// The least possible.
        least: u64,
        /// The most possible.
        most: u64,
    },
    /// A list is empty or too long.
    #[error("`{name}` lists {found} layers, and from 1 to {most} are possible; {remedy}")]
    Layers {
        /// Which list.
        name: &'static str,
        /// How many it lists.
        found: usize,
        /// The most possible.
        most: usize,
        /// What to do.
        remedy: &'static str,
    },
    /// An image is too small for its pools.
    #[error(
        "an image of {height} x {width} pixels is halved {pools} times (once for each of `filters`), which \
         leaves nothing: height and width must be at least 2^{pools}; list fewer filters or use larger images"
    )]
    Pools {
        /// Pixels.
        height: u32,
        /// Pixels.
        width: u32,
        /// Halvings.
        pools: usize,
    },
    /// Too many parameters.
    #[error(
        "the model has {found} parameters (for each layer outputs * inputs + outputs, inputs times 9 in a \
         convolution), and at most {most} are trained; make its layers smaller"
    )]
    Parameters {
        /// How many.
        found: u64,
        /// The most possible.
        most: u64,
    },
    /// A step would take too much memory.
    #[error(
        "a step on {batch} rows holds about {found} numbers (for each layer the rows times its outputs, and \
         nine times its inputs in a convolution), and at most {most} are allowed; make `batch_size` or the \
         layers smaller"
    )]
    Activations {
        /// Rows.
        batch: u32,
        /// Numbers.
        found: u64,
        /// The most possible.
        most: u64,
    },
    /// A setting is out of its range.
    #[error("`{name}` is {found}, and must be {range}")]
    Setting {
        /// Which one.
        name: &'static str,
        /// What it is.
        found: f32,
        /// What it may be.
        range: &'static str,
    },
}

/// Why bytes are no state, or a list no parameters.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StateError {
    /// The bytes begin otherwise.
    #[error("these bytes are no training state")]
    NotAState,
    /// Another version.
    #[error("the training state is of version {0}, and version 1 is read")]
    Version(u64),
    /// A state of another model.
    #[error("the training state is one of another model")]
    OtherModel,
    /// Another length than the model's.
    #[error("{found} bytes or values, and this model takes {expected}")]
    Length {
        /// What there must be.
        expected: u64,
        /// What there is.
        found: u64,
    },
    /// A value is not finite.
    #[error("value {0} is a NaN or infinity")]
    NotFinite(u64),
}

/// Why a trainer cannot work at all, rather than a step be taken.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// The specification makes no sense.
    #[error("the specification cannot be used")]
    Spec(#[from] SpecError),
    /// Rows of another width than the model's.
    #[error("a row has {found} features, and the model takes {wanted}")]
    Width {
        /// Of the rows.
        found: usize,
        /// Of the model.
        wanted: usize,
    },
    /// Labels of another kind than the model's.
    #[error("the labels are {found}, and the model is for {wanted}")]
    Labels {
        /// What they are.
        found: String,
        /// What the model tells.
        wanted: String,
    },
    /// The state is not one of this model.
    #[error("the parameters are not those of this model")]
    State(#[from] StateError),
    /// A proximal term without what it pulls to.
    #[error(
        "`proximal` pulls parameters to those that the round began with; give the trainer these (anchor)"
    )]
    NoAnchor,
    /// A row that is not there.
    #[error("there is no row {0}")]
    NoRow(u32),
    /// A library changed how this machine computes.
    #[error("this machine cannot compute as specified")]
    Environment(#[from] EnvironmentError),
    /// An output is not finite, so there is nothing to score.
    #[error("the parameters give no usable outputs on these rows")]
    Outputs(#[source] Fault),
    /// There is nothing to train or to score on.
    #[error("there are no rows")]
    NoRows,
    /// There are more steps than 64 bits count.
    #[error("the state counts more steps than there are")]
    Steps,
}

/// Why a step was not taken. The state is as it was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// There are no rows.
    #[error("the shard is empty, so there is nothing to learn from")]
    EmptyShard,
    /// A layer's output is not finite.
    #[error(
        "the output of layer {0} is not finite; lower the learning rate or standardise the features"
    )]
    Output(String),
    /// The loss is not finite.
    #[error("the loss is not finite; lower the learning rate or standardise the features")]
    Loss,
    /// A gradient is not finite.
    #[error(
        "the gradient of {0} is not finite; lower the learning rate or standardise the features"
    )]
    Gradient(String),
    /// The parameters would not be finite.
    #[error(
        "the step leads to parameters that are not finite; lower the learning rate or clip gradients"
    )]
    Update,
}
