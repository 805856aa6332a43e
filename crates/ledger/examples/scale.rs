//! What one node needs for its part in a large state, on one core: a block that is full, a block in
//! which as much falls due and waits for draws as can, and the pages that faces show.
//!
//! `cargo run --release -p assay-ledger --example scale [ACCOUNTS] [ORDERS] [FILES]`
#![expect(clippy::print_stdout, reason = "the figures are the point")]

use std::error::Error;
use std::time::Instant;

use assay_ledger::query::{self, Which};
use assay_ledger::{Amount, Call, Deadlines, OrderCall, Parameters, Phase};

use large::World;

#[allow(dead_code, reason = "shared with another example")]
mod large;

fn main() -> Result<(), Box<dyn Error>> {
    let mut numbers = std::env::args().skip(1).map(|text| text.parse::<usize>());
    let mut next = |default| numbers.next().unwrap_or(Ok(default));
    let (accounts, orders, files) = (next(10_000)?, next(40_000)?, next(100_000)?);
    let mut world = World::new(
        accounts,
        Parameters {
            // The orders that wait ask for more than anybody has.
            max_bond_multiple: u32::MAX,
            ..Parameters::default()
        },
    )?;
    let limit = Parameters::default().max_block_cost as usize;

    let began = Instant::now();
    let mut recorded = 0;
    while recorded < files.max(1) {
        let count = (limit / world.file(0).cost() as usize).min(files.max(1) - recorded);
        let calls = (recorded..recorded + count).map(|n| (n % accounts, world.file(n)));
        let calls: Vec<_> = calls.collect();
        world.block(calls)?;
        recorded += count;
    }
    let mut posted = 0;
    while posted < orders {
        let count = (limit / 12).min(orders - posted);
        let calls = (posted..posted + count).map(|n| (n % accounts, order(&world, n)));
        let calls: Vec<_> = calls.collect();
        world.block(calls)?;
        posted += count;
    }
    println!(
        "{accounts} accounts, {orders} orders, {files} files: {} records in the state, made in {:.0} s",
        world.store.pairs().len(),
        began.elapsed().as_secs_f64()
    );

    let transfers = limit / 2;
    let mut times = Vec::new();
    for _ in 0..5 {
        let calls = (0..transfers).map(|n| (n % accounts, world.pay(n + 1)));
        let calls: Vec<_> = calls.collect();
        times.push(world.block(calls)?);
    }
    told(&format!("a full block, {transfers} transfers"), &mut times);

    // Everything posted waits for a provider, and its deadline has come.
    let mut times = Vec::new();
    for _ in 0..DEADLINE {
        world.block(Vec::new())?;
    }
    for _ in 0..5 {
        let calls = (0..transfers).map(|n| (n % accounts, world.pay(n + 1)));
        let calls: Vec<_> = calls.collect();
        times.push(world.block(calls)?);
    }
    told("the same with deadlines overdue and draws", &mut times);

    let me = world.secrets[1].public();
    let pages: [(&str, Which); 4] = [
        ("latest orders", Which::Latest),
        ("orders in a phase", Which::In(Phase::Posted)),
        ("orders of an account", Which::PostedBy(me)),
        ("orders with a part", Which::WithPart(me)),
    ];
    for (what, which) in pages {
        let began = Instant::now();
        let page = query::listed(&world.store, which, 500)?;
        let ms = began.elapsed().as_secs_f64() * 1e3;
        println!("{what:<44} {ms:8.1} ms for {} entries", page.entries.len());
    }
    let began = Instant::now();
    let page = query::files_of(&world.store, &me, 500)?;
    let ms = began.elapsed().as_secs_f64() * 1e3;
    println!(
        "{:<44} {ms:8.1} ms for {} entries",
        "files of an account",
        page.entries.len()
    );
    Ok(())
}

fn told(what: &str, times: &mut [[f64; 2]]) {
    times.sort_by(|a, b| (a[0] + a[1]).total_cmp(&(b[0] + b[1])));
    let [execute, rooted] = times[times.len() / 2];
    println!(
        "{what:<44} {:8.1} ms: {execute:.1} executing, {rooted:.1} for the root",
        execute + rooted
    );
}

/// Blocks that a posted order waits.
const DEADLINE: u32 = 150;

/// An order that nobody has bond enough for.
fn order(world: &World, n: usize) -> Call {
    let deadlines = Deadlines::all(large::GAP_MS * u64::from(DEADLINE));
    let mut terms = world.terms(n % world.secrets.len(), deadlines);
    terms.provider_bond = Amount::tokens(1_000_000);
    OrderCall::Post(Box::new(terms)).into()
}
