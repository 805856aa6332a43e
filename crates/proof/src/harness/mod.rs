//! A whole network in one process, without clock or socket, to try parties and job kinds in.

mod counter;

pub use counter::CounterPrograms;
