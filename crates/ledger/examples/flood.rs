//! What tens of thousands of decoy orders cost everybody else, on one core: the longest block while they
//! are posted, wait and end, and how long an honest order beside them waits for each of its draws.
//!
//! `cargo run --release -p assay-ledger --example flood [ACCOUNTS] [DECOYS]`; fails where a block takes
//! over 200 ms or the order waits longer than docs/ledger.md says.
#![expect(clippy::print_stdout, reason = "the figures are the point")]

use std::error::Error;

use assay_crypto::release::LockSecret;
use assay_ledger::{
    Amount, BoundedVec, Call, Counts, Deadlines, FileId, Order, OrderCall, OrderId, Parameters,
    Phase, SealedKeys, Terms, query,
};

use large::{GAP_MS, World};

#[allow(dead_code, reason = "shared with another example")]
mod large;

/// Milliseconds that a block may take, its root included.
const MOST_MS: f64 = 200.0;

/// Orders posted, or files recorded, in one block.
const POSTED: usize = 240;

/// Blocks that an order may wait for a draw beside decoys that nobody takes.
const BOUND: u64 = 10;

type Failure = Box<dyn Error>;

/// Makes the terms of one decoy, by its number, of those that everybody takes.
type Change = dyn Fn(&mut Terms, usize);

fn main() -> Result<(), Failure> {
    let mut numbers = std::env::args().skip(1).map(|text| text.parse::<usize>());
    let mut next = |default| numbers.next().unwrap_or(Ok(default));
    let (accounts, decoys) = (next(10_000)?, next(40_000)?);
    let nobody = |terms: &mut Terms, _: usize| terms.provider_bond = Amount::tokens(1_000_000);
    let nearly = |terms: &mut Terms, _: usize| terms.provider_bond = Amount(100_000_001);
    let each = |terms: &mut Terms, n: usize| {
        terms.provider_bond = Amount(100_000_001);
        let lengths = [n % 24, n / 24 % 24, n / 576 % 24, n / 13_824 % 24];
        let [run, open, dispute, attest] = lengths.map(|length| 300_000 << (length / 3));
        terms.deadlines = Deadlines {
            run,
            open,
            dispute,
            attest: attest.max(1_200_000),
            ..terms.deadlines
        };
        terms.price = Amount(50_000 << (n % 8));
    };
    let all = |_: &mut Terms, _: usize| {};
    let kinds: [(&str, &Change, bool); 4] = [
        ("nobody takes, of one class", &nobody, false),
        ("somebody nearly takes", &nearly, false),
        ("nobody takes, of many classes", &each, false),
        ("everybody takes", &all, true),
    ];
    let mut good = true;
    for (what, change, taken) in kinds {
        println!("{decoys} decoys that {what}");
        good &= Flood::new(accounts, decoys)?.run(change, taken)?;
    }
    match good {
        true => Ok(()),
        false => Err("a bound does not hold".into()),
    }
}

struct Flood {
    world: World,
    decoys: usize,
    /// What each block took since it was last told, executing and for the root.
    took: Vec<[f64; 2]>,
}

impl Flood {
    fn new(accounts: usize, decoys: usize) -> Result<Flood, Failure> {
        let parameters = Parameters {
            // Decoys may ask for more than anybody has.
            max_bond_multiple: u32::MAX,
            // Nobody answers for a decoy, and nobody is suspended for that while figures are taken.
            answer_ms: 40_000_000,
            ..Parameters::default()
        };
        let mut world = World::new(accounts, parameters)?;
        for some in (0..accounts).collect::<Vec<_>>().chunks(POSTED) {
            let calls = some.iter().map(|n| (*n, world.file(*n)));
            let calls = calls.collect();
            world.block(calls)?;
        }
        Ok(Flood {
            world,
            decoys,
            took: Vec::new(),
        })
    }

    fn block(&mut self, calls: Vec<(usize, Call)>) -> Result<(), Failure> {
        self.took.push(self.world.block(calls)?);
        Ok(())
    }

    /// Says what the longest block took since it was last asked, and below what all but one of a hundred
    /// stayed: the machine may do something else for a moment.
    fn told(&mut self, what: &str) -> bool {
        let mut took = std::mem::take(&mut self.took);
        let sum = |[execute, rooted]: &[f64; 2]| execute + rooted;
        took.sort_by(|a, b| sum(a).total_cmp(&sum(b)));
        let most = took.last().copied().unwrap_or_default();
        let usual = took[..took.len() * 99 / 100].last().copied();
        println!(
            "  {what:<36} {:6.1} ms at most: {:.1} executing, {:.1} for the root; 99% {:.1}",
            sum(&most),
            most[0],
            most[1],
            sum(&usual.unwrap_or(most))
        );
        sum(&most) < MOST_MS
    }

    fn run(mut self, change: &Change, taken: bool) -> Result<bool, Failure> {
        let accounts = self.world.secrets.len();
        // All of them are over at once, long after the last was posted.
        let blocks = self.decoys.div_ceil(POSTED) as u64;
        let end = GAP_MS * (self.world.height() + blocks + 400);
        let mut posted = 0;
        while posted < self.decoys {
            let count = POSTED.min(self.decoys - posted);
            let left = end - GAP_MS * self.world.height();
            let calls = (posted..posted + count).map(|n| {
                let who = 2 + n % (accounts - 2);
                let mut terms = self.world.terms(who, usual(left));
                change(&mut terms, n);
                (who, OrderCall::Post(Box::new(terms)).into())
            });
            let calls = calls.collect();
            self.block(calls)?;
            posted += count;
        }
        let mut good = self.told("while they are posted");
        let ahead = query::list(
            &self.world.store,
            query::Which::In(Phase::Posted),
            self.decoys,
        )?;
        let most = match taken {
            true => ahead.entries.len() as u64 / u64::from(Parameters::default().max_draws) + BOUND,
            false => BOUND,
        };
        good &= self.honest(most)?;
        good &= self.told("while an honest order is served");
        if !taken {
            while GAP_MS * self.world.height() < end {
                self.block(Vec::new())?;
            }
            let mut blocks = 0;
            let left =
                |world: &World| query::list(&world.store, query::Which::In(Phase::Posted), 1);
            while !left(&self.world)?.entries.is_empty() {
                self.block(Vec::new())?;
                blocks += 1;
            }
            println!("  {} deadlines at once end in {blocks} blocks", self.decoys);
            good &= self.told("while their time is over");
        }
        Ok(good)
    }

    /// Posts an order and plays everybody in it until its segments are drawn; whether every draw came
    /// in time.
    fn honest(&mut self, most: u64) -> Result<bool, Failure> {
        let id = self.world.next_order(1);
        let terms = self.world.terms(1, usual(3_600_000));
        self.block(vec![(1, OrderCall::Post(Box::new(terms)).into())])?;
        let first = self.wait(id, Phase::Asked, most)?;
        self.accept(id)?;
        let seed = self.wait(id, Phase::Assigned, BOUND)?;
        let order = self.order(id)?;
        let provider = order.provider().ok_or("no provider")?;
        let grant = OrderCall::Grant {
            place: order.work(order.attempt()),
            grantee: provider,
            sealed: SealedKeys::default(),
        };
        self.block(vec![(1, grant.into())])?;
        let order = self.order(id)?;
        let run = OrderCall::CommitTrace {
            place: order.work(order.attempt()),
            root: assay_crypto::Digest::ZERO,
            checkpoints: BoundedVec::new(vec![self.own_file(&provider)?; 10])?,
            result: self.own_file(&provider)?,
            counts: Counts {
                valid: 100,
                ..Counts::default()
            },
            first_invalid: None,
            lock: LockSecret::from_seed(&[9; 32]).public(),
        };
        let provider = self.place(&provider)?;
        self.block(vec![(provider, run.into())])?;
        let auditors = self.wait(id, Phase::Called, BOUND)?;
        self.accept(id)?;
        let segments = self.wait(id, Phase::Opening, BOUND)?;
        println!(
            "  an honest order waits {first} blocks for its provider (at most {most}), then {seed}, \
             {auditors} and {segments}"
        );
        let waits = [
            first <= most,
            seed <= BOUND,
            auditors <= BOUND,
            segments <= BOUND,
        ];
        Ok(waits.into_iter().all(|in_time| in_time))
    }

    fn order(&self, id: OrderId) -> Result<Order, Failure> {
        Ok(query::order(&self.world.store, &id)?.ok_or("no order")?)
    }

    /// Blocks until an order is in a phase.
    fn wait(&mut self, id: OrderId, phase: Phase, most: u64) -> Result<u64, Failure> {
        for blocks in 0..=most + 1 {
            if self.order(id)?.head.phase == phase {
                return Ok(blocks);
            }
            self.block(Vec::new())?;
        }
        Ok(u64::MAX)
    }

    /// As many of those asked as are needed accept, first in rank first.
    fn accept(&mut self, id: OrderId) -> Result<(), Failure> {
        let order = self.order(id)?;
        let (place, asked) = order.list_place().zip(order.head.asked).ok_or("no list")?;
        let ranked = asked.ranked.iter().take(asked.wanted.into());
        let calls = ranked.map(|of| {
            let answer = OrderCall::Answer {
                place,
                accept: true,
            };
            Ok((self.place(&of.account)?, answer.into()))
        });
        let calls: Vec<_> = calls.collect::<Result<_, Failure>>()?;
        self.block(calls)
    }

    fn place(&self, account: &assay_ledger::AccountId) -> Result<usize, Failure> {
        let mut secrets = self.world.secrets.iter();
        let place = secrets.position(|secret| secret.public() == *account);
        place.ok_or_else(|| "a stranger".into())
    }

    /// A file that an account has recorded.
    fn own_file(&self, owner: &assay_ledger::AccountId) -> Result<FileId, Failure> {
        let page = query::files_of(&self.world.store, owner, 1)?;
        Ok(page.entries.first().ok_or("no file")?.id)
    }
}

/// Deadlines with so much time for a draw.
fn usual(assign: u64) -> Deadlines {
    Deadlines {
        assign,
        ..Deadlines::all(3_600_000)
    }
}
