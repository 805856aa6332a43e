//! Play the market's game in numbers, on the ledger's own rules.
//!
//! The rules of an order are there to make honesty pay. Whether they do is played out here: a small
//! network runs on the ledger that validators run, block by block, with honest parties and with those who
//! break the rules, and what each of them has in the end is counted.
//!
//! In reader's order:
//!
//! - [`Settings`] is what is played for: price, bonds, fees, what work costs.
//! - An [`Agent`] sees a [`Scene`] after every block, and moves. `agents` has the honest ones, and one
//!   file for each way of not being honest.
//! - `town` executes the blocks, and `work` is the job that everybody does.
//! - [`strategies`] lists who plays what, and [`Tally`] what it brought.
//! - `deterrence` measures the bond at which cheating stops to pay, and holds it against the formula.
//! - [`simulate`] plays everything and gives a [`Report`].
//!
//! Nothing here can reach a network: agents have no keys, links or files but those of their town.

mod agents;
mod deterrence;
mod population;
mod report;
mod scene;
mod settings;
pub mod strategies;
mod study;
mod town;
mod work;

pub use deterrence::BreakEven;
pub use report::{Report, Row, length, simulate};
pub use scene::{Agent, Scene, Vault};
pub use settings::Settings;
pub use strategies::{Kind, Part, Plan, Strategy};
pub use study::Tally;
pub use town::Broken;
