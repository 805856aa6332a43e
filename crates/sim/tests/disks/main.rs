//! What is kept on a disk that forgets what was not synced.
//!
//! Each property is a function of a seed, or of a seed and the operation in place of which the power
//! goes, that says what was broken. Beside each stands a control: the same on a disk that pretends to
//! have done one of the syncs must be found out.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "helpers of tests, which fail by panicking"
)]

mod chain;
mod disk;
mod journals;
mod storage;
mod uploads;
mod validator;

use std::path::Path;

use assay_crypto::{Digest, stream::Stream};
use assay_sim::disk::Disk;

/// What was broken.
type Broken = String;

/// How many seeds a property is tried with; `ASSAY_CASES` sets it.
fn cases() -> u64 {
    let cases = std::env::var("ASSAY_CASES").ok();
    cases.map_or(40, |cases| cases.parse().expect("ASSAY_CASES is a number"))
}

/// What chance says, by seed and purpose.
fn chance(seed: u64, purpose: &str) -> Stream {
    let seed = Digest::of("assay/test/v1", &[&seed.to_le_bytes()]);
    Stream::new(seed, purpose, 0)
}

fn must(holds: bool, broken: impl FnOnce() -> Broken) -> Result<(), Broken> {
    match holds {
        true => Ok(()),
        false => Err(broken()),
    }
}

/// Which syncs a disk leaves out.
type LeftOut = fn(&Path) -> bool;

/// A disk that leaves out some syncs.
fn disk(seed: u64, left_out: Option<LeftOut>) -> Disk {
    let disk = Disk::new(seed);
    if let Some(of) = left_out {
        disk.leave_out_syncs(of);
    }
    disk
}

/// How a process is to end in place of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ends {
    /// The power goes.
    Cut,
    /// It is killed, and the next one sees all that it wrote.
    Killed,
}

impl Ends {
    const BOTH: [Self; 2] = [Self::Cut, Self::Killed];

    fn after(self, disk: &Disk, operations: u64) {
        match self {
            Self::Cut => disk.cut_after(operations),
            Self::Killed => disk.kill_after(operations),
        }
    }

    fn now(self, disk: &Disk) {
        match self {
            Self::Cut => disk.cut(),
            Self::Killed => disk.kill(),
        }
    }

    /// One of both, the power three times as often.
    fn drawn(chance: &mut Stream) -> Self {
        Self::BOTH[usize::from(chance.below(4) == 0)]
    }
}

/// Tries a property with every operation of a short history in place of which its process ends, until it
/// says that it came to its end before. It tells how many operations that takes.
fn everywhere(
    least: u64,
    property: impl Fn(u64, Ends) -> Result<bool, Broken>,
) -> Result<(), Broken> {
    for ends in Ends::BOTH {
        let mut operation = 0;
        while !property(operation, ends)
            .map_err(|broken| format!("{ends:?} at operation {operation}: {broken}"))?
        {
            operation += 1;
        }
        must(operation >= least, || {
            format!("{operation} operations are few")
        })?;
    }
    Ok(())
}

/// Tries a property with every seed.
fn holds(property: impl Fn(u64, Option<LeftOut>) -> Result<(), Broken>) {
    for seed in 0..cases() {
        if let Err(broken) = property(seed, None) {
            panic!("seed {seed}: {broken}");
        }
    }
    println!("seeds 0 to {}", cases() - 1);
}

/// Tries a property on disks that leave out a sync, until it is broken.
fn is_found_out(
    what: &str,
    left_out: LeftOut,
    property: impl Fn(u64, Option<LeftOut>) -> Result<(), Broken>,
) {
    const ENOUGH: u64 = 400;
    let broken = (0..ENOUGH).find_map(|seed| Some((seed, property(seed, Some(left_out)).err()?)));
    match broken {
        Some((seed, broken)) => println!("without {what}, seed {seed}: {broken}"),
        None => panic!("nobody misses {what}"),
    }
}
