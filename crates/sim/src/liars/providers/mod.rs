//! Providers that lie, beside [`assay_proof::lazy`].
//!
//! Who fakes a computation is an honest [`Provider`](assay_proof::parties::Provider) on top of
//! [`Programs`](assay_proof::Programs) that lie; who breaks the protocol replaces the party itself.

mod collapse;
mod copy;
mod crafted;
mod dead_end;
mod declining;
mod looking;
mod other_data;
mod withholding;

pub use collapse::CollapsePrograms;
pub use copy::CopyPrograms;
pub use crafted::CraftedPrograms;
pub use dead_end::DeadEndPrograms;
pub use declining::DecliningProvider;
pub use looking::LookingProvider;
pub use other_data::OtherDataPrograms;
pub use withholding::{Withheld, WithholdingProvider};
