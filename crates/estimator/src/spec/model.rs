//! Models.

use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

use crate::error::SpecError;

/// The most features, and the most outputs of a layer.
const MAX_SIZE: u32 = 1 << 16;
/// The most classes.
const MAX_CLASSES: u32 = 1 << 12;
/// The most pixels in a row or column of an image.
const MAX_SIDE: u32 = 1 << 10;
/// The most channels of an image and filters of a layer.
const MAX_CHANNELS: u32 = 1 << 10;
/// The most hidden layers.
const MAX_HIDDEN: usize = 16;
/// The most convolutions.
const MAX_FILTERS: usize = 8;

/// A model of one of five kinds.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum ModelSpec {
    /// A number `w x + b`; the loss is the mean squared error.
    Linear {
        /// Features of a row.
        features: u32,
    },
    /// One of two classes, by the sign of `w x + b`; the loss is the cross-entropy of its sigmoid.
    Logistic {
        /// Features of a row.
        features: u32,
    },
    /// One of several classes, by the largest of `W x + b`; the loss is the cross-entropy of their
    /// softmax.
    Softmax {
        /// Features of a row.
        features: u32,
        /// Classes.
        classes: u32,
    },
    /// Softmax regression on hidden layers with rectifiers.
    Mlp {
        /// Features of a row.
        features: u32,
        /// Outputs of each hidden layer.
        hidden: Vec<u32>,
        /// Classes.
        classes: u32,
    },
    /// Softmax regression on convolutions, each of 3 x 3 pixels with padding 1, a rectifier and the
    /// largest of every 2 x 2 pixels. A row is an image: channels, height, width.
    Cnn {
        /// Values of a pixel.
        channels: u32,
        /// Rows of pixels.
        height: u32,
        /// Pixels in a row.
        width: u32,
        /// Channels after each convolution.
        filters: Vec<u32>,
        /// Classes.
        classes: u32,
    },
}

impl ModelSpec {
    /// Features of a row.
    pub fn features(&self) -> usize {
        match self {
            Self::Linear { features }
            | Self::Logistic { features }
            | Self::Softmax { features, .. }
            | Self::Mlp { features, .. } => *features as usize,
            Self::Cnn {
                channels,
                height,
                width,
                ..
            } => *channels as usize * *height as usize * *width as usize,
        }
    }

    /// How many classes it tells apart; none for a number.
    pub fn classes(&self) -> Option<u32> {
        match self {
            Self::Linear { .. } => None,
            Self::Logistic { .. } => Some(2),
            Self::Softmax { classes, .. }
            | Self::Mlp { classes, .. }
            | Self::Cnn { classes, .. } => Some(*classes),
        }
    }

    /// Checks every size by itself.
    pub(crate) fn check(&self) -> Result<(), SpecError> {
        if let Some(classes) = self.classes() {
            size("classes", classes, 2, MAX_CLASSES)?;
        }
        match self {
            Self::Linear { features }
            | Self::Logistic { features }
            | Self::Softmax { features, .. } => size("features", *features, 1, MAX_SIZE),
            Self::Mlp {
                features, hidden, ..
            } => {
                size("features", *features, 1, MAX_SIZE)?;
                let remedy = "kind = \"softmax\" has none";
                sizes("hidden", hidden, MAX_HIDDEN, MAX_SIZE, remedy)
            }
            Self::Cnn {
                channels,
                height,
                width,
                filters,
                ..
            } => {
                size("channels", *channels, 1, MAX_CHANNELS)?;
                size("height", *height, 1, MAX_SIDE)?;
                size("width", *width, 1, MAX_SIDE)?;
                let remedy = "kind = \"mlp\" has none";
                sizes("filters", filters, MAX_FILTERS, MAX_CHANNELS, remedy)?;
                let pools = filters.len();
                match (*height).min(*width) >> pools {
                    0 => Err(SpecError::Pools {
                        height: *height,
                        width: *width,
                        pools,
                    }),
                    _ => Ok(()),
                }
            }
        }
    }
}

fn size(name: &'static str, found: u32, least: u32, most: u32) -> Result<(), SpecError> {
    match (least..=most).contains(&found) {
        true => Ok(()),
        false => Err(SpecError::Size {
            name,
            found: found.into(),
            least: least.into(),
            most: most.into(),
        }),
    }
}

fn sizes(
    name: &'static str,
    list: &[u32],
    layers: usize,
    most: u32,
    remedy: &'static str,
) -> Result<(), SpecError> {
    if list.is_empty() || list.len() > layers {
        return Err(SpecError::Layers {
            name,
            found: list.len(),
            most: layers,
            remedy,
        });
    }
    list.iter().try_for_each(|n| size(name, *n, 1, most))
}
