//! Validators that lie about updates and models, in orders with rounds. In disputes they are honest.

mod false_holder;
mod silent;
mod wrong_model;

pub use false_holder::FalseHolder;
pub use silent::SilentMerger;
pub use wrong_model::WrongModel;
