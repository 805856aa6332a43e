//! Run the project's chores.
fn main() {}
