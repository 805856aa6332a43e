//! The orders that wait for a draw, and for which of them a block draws.
//!
//! Each waits in one of two places. Who has just begun to wait stands in a line, first in, first
//! out. A block looks at the front of the line: for some it draws, and those that nobody takes leave
//! it. They lie aside by what they ask ([`Class`]) until an offer changes, or a bond or a slot
//! comes free; then a pass goes over them, a few in each block, and one look tells that a whole
//! class is still taken by nobody. So orders that nobody takes hold up nobody, however many they are.
//!
//! There is one line, and one such store, for what committed work waits for and one for orders that wait
//! for their first provider. Committed work goes first, with a part of every block left to the others.

use std::collections::BTreeMap;

use super::demand::{Class, Rank};
use super::draw::Pools;
use super::stored::{load, save};
use super::waiting::aside;
use super::{keys, registry};
use crate::state::State;
use crate::sweep::{self, Sweep, Sweeps};
use crate::{Head, OrderId, Parameters, ProcedureName, Refusal};

/// What is left for a block to do.
#[derive(Clone, Copy, Debug)]
struct Left {
    looks: u32,
    draws: u32,
}

impl Left {
    fn is_over(self) -> bool {
        self.looks == 0 || self.draws == 0
    }

    /// Does something with at most a share of it.
    fn share(&mut self, share: Left, act: impl FnOnce(&mut Left)) {
        let mut part = Left {
            looks: share.looks.min(self.looks),
            draws: share.draws.min(self.draws),
        };
        let before = part;
        act(&mut part);
        self.looks -= before.looks - part.looks;
        self.draws -= before.draws - part.draws;
    }

    /// A half of it, rounded up.
    fn half(self) -> Left {
        Left {
            looks: self.looks.div_ceil(2),
            draws: self.draws.div_ceil(2),
        }
    }
}

/// Comparisons with offers that a block makes at most in its looks, where there are very many offers.
const MOST_COMPARED: u32 = 1 << 21;

/// Draws for the orders whose turn it is, and hands what came of each to `keep`.
pub(crate) fn draw_waiting(
    state: &mut State<'_>,
    mut keep: impl FnMut(&mut State<'_>, Result<(), Refusal>),
) {
    let mut block = Block {
        pools: Pools::default(),
        met: BTreeMap::new(),
        keep: &mut keep,
    };
    let Parameters {
        max_draws,
        max_looks,
        ..
    } = state.chain.parameters;
    if !block.is_anything(state) {
        return;
    }
    let offers = u32::try_from(block.pools.count(state)).unwrap_or(u32::MAX);
    let looks = max_looks.min(MOST_COMPARED / offers.max(1)).max(1);
    let mut left = Left {
        looks,
        draws: max_draws,
    };
    // Whoever can make runs cheaply does not keep others from being drawn for.
    let urgent = Left {
        looks: looks - looks / 2,
        draws: max_draws - max_draws / 4,
    };
    state.roused = false;
    left.share(urgent, |left| block.serve(state, Rank::Urgent, left));
    block.serve(state, Rank::Posted, &mut left);
    if state.roused {
        // What came free in a draw, where an order with rounds lets its trainers go, this block has not seen: its
        // offers were read before. So there is another pass, whatever became of the one under way.
        sweep::rouse(state);
        keep(state, Ok(()));
    }
}

/// One block's draws.
struct Block<'k> {
    pools: Pools,
    /// Of classes that were looked at: whether anybody takes the best of them.
    met: BTreeMap<Class, bool>,
    keep: &'k mut dyn FnMut(&mut State<'_>, Result<(), Refusal>),
}

impl Block<'_> {
    /// Whether anybody waits whom this block could look at.
    fn is_anything(&self, state: &State<'_>) -> bool {
        let line = keys::lines();
        let sweeps: Sweeps = state.load(&sweep::key()).unwrap_or_default();
        let passes = [sweeps.urgent, sweeps.posted];
        passes.iter().any(|pass| pass.at.is_some()) || !state.scan(&line, &line, 1).is_empty()
    }

    /// Serves one rank. Those aside are looked at first, since they have waited longer, but with half of
    /// what there is: the line must not wait for them.
    fn serve(&mut self, state: &mut State<'_>, rank: Rank, left: &mut Left) {
        let half = left.half();
        left.share(half, |left| self.pass(state, rank, left));
        self.line(state, rank, left);
        self.pass(state, rank, left);
    }

    /// Looks at the front of a line.
    fn line(&mut self, state: &mut State<'_>, rank: Rank, left: &mut Left) {
        if left.is_over() {
            return;
        }
        let line = keys::line(rank);
        for (key, asks) in state.scan(&line, &line, left.looks as usize) {
            if left.is_over() {
                return;
            }
            let Some(id) = keys::order_of(&key) else {
                continue;
            };
            let taken =
                Class::from_bytes(&asks).is_none_or(|class| self.meets(state, &class, left));
            let look = match taken {
                true => self.look(state, id, left),
                false => Look::Nobody,
            };
            match look {
                Look::NotYet => return,
                Look::Drawn => {}
                Look::Nobody => {
                    let result = lay_aside(state, id, rank, key);
                    (self.keep)(state, result);
                }
            }
        }
    }

    /// Goes on with the pass over those aside.
    fn pass(&mut self, state: &mut State<'_>, rank: Rank, left: &mut Left) {
        let mut sweeps: Sweeps = state.load(&sweep::key()).unwrap_or_default();
        let mut sweep: Sweep = match rank {
            Rank::Urgent => sweeps.urgent.clone(),
            Rank::Posted => sweeps.posted.clone(),
        };
        let all = keys::all_aside(rank);
        while !left.is_over()
            && let Some(at) = sweep.at.take()
        {
            let Some((key, _)) = state.scan(&all, &at, 1).pop() else {
                sweep.end();
                break;
            };
            let found = keys::class_aside(&key).zip(keys::order_of(&key));
            let Some((class, id)) = found else {
                sweep.at = Some(after(key));
                continue;
            };
            if !self.meets(state, &class, left) {
                left.looks = left.looks.saturating_sub(1);
                sweep.at = Some(keys::beyond_class(rank, &class));
                continue;
            }
            self.look(state, id, left);
            sweep.at = Some(after(key));
        }
        let (of, other) = match rank {
            Rank::Urgent => (&mut sweeps.urgent, sweep),
            Rank::Posted => (&mut sweeps.posted, sweep),
        };
        if *of != other {
            *of = other;
            state.save(sweep::key(), &sweeps);
            (self.keep)(state, Ok(()));
        }
    }

    /// Whether anybody takes the best that an order of a class can ask for.
    fn meets(&mut self, state: &State<'_>, class: &Class, left: &mut Left) -> bool {
        if let Some(known) = self.met.get(class) {
            return *known;
        }
        left.looks = left.looks.saturating_sub(1);
        let met = class.0.iter().all(|half| self.pools.meet(state, half));
        self.met.insert(*class, met);
        met
    }

    /// Draws for one order, if anybody takes it.
    fn look(&mut self, state: &mut State<'_>, id: OrderId, left: &mut Left) -> Look {
        left.looks = left.looks.saturating_sub(1);
        match draw(state, id, &mut self.pools) {
            Ok(Look::Drawn) => {
                left.draws -= 1;
                (self.keep)(state, Ok(()));
                Look::Drawn
            }
            Ok(look) => look,
            Err(refusal) => {
                (self.keep)(state, Err(refusal));
                Look::Nobody
            }
        }
    }
}

/// What came of a look at an order.
enum Look {
    Drawn,
    /// Nobody takes it, or its time is over.
    Nobody,
    /// It waits only since this block, and so does everybody behind it.
    NotYet,
}

/// Draws for an order that waits.
fn draw(state: &mut State<'_>, id: OrderId, pools: &mut Pools) -> Result<Look, Refusal> {
    let mut order = load(state, id)?;
    let (since, deadline) = (order.head.since, order.head.deadline);
    if since.height >= state.now() {
        return Ok(Look::NotYet);
    }
    let procedure = registry::of(ProcedureName::followed_by(&order));
    if deadline.is_over(state.moment()) || !procedure.draw(state, &mut order, pools)? {
        return Ok(Look::Nobody);
    }
    save(state, &mut order);
    Ok(Look::Drawn)
}

/// Takes an order out of its line and lays it aside.
fn lay_aside(state: &mut State<'_>, id: OrderId, rank: Rank, line: Vec<u8>) -> Result<(), Refusal> {
    let head: Option<Head> = state.load(&keys::head(&id));
    if let Some(head) = head {
        state.save(aside(&head, rank), &());
    }
    state.remove(line);
    Ok(())
}

/// The least key above another.
fn after(mut key: Vec<u8>) -> Vec<u8> {
    key.push(0);
    key
}
