//! Transactions waiting for a block: a market with a reserved share.
//!
//! - A sender has at most a few transactions here, without a gap from its account's next nonce, and
//!   its balance covers the sum of their fees. So everything here can be in a block, and every
//!   place taken can be made to pay.
//! - The most paid per byte goes first; within one sender nonces go in order. Where the pool is
//!   full, who offers more takes the place of who offered least, from the end of that sender's run.
//! - A call that an order's phase waits for ([`Turn`]) has a place of its own in a share of the pool
//!   that nothing else takes, whatever it pays: silence costs a bond, so nobody may be priced out
//!   of speaking. There the least time left goes first, in powers of two, and of moves with about as
//!   much those whose orders hold the most.

mod order;
pub(crate) mod pending;
#[cfg(test)]
mod penny_orders;
mod run;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use assay_ledger::{Account, AccountId, Amount, LedgerTime, Moment, Turn, TxId};

use pending::{Limits, Pending, Price, Refusal, Room};
use run::{Entry, Rank, Run, Slot, Tail, rank, replacement, slot, tail};

pub(crate) struct Mempool {
    limits: Limits,
    runs: HashMap<AccountId, Run>,
    ids: HashSet<TxId>,
    market: Room,
    reserved: Room,
    /// The tail of each run whose place is for sale.
    tails: BTreeSet<Tail>,
    /// Moves with a place of their own, the most urgent first.
    moves: BTreeMap<(Rank, Slot), AccountId>,
    /// The ledger time as which they are ranked.
    ranked_at: LedgerTime,
    slots: HashSet<Slot>,
    arrivals: u64,
}

impl Mempool {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            runs: HashMap::new(),
            ids: HashSet::new(),
            market: Room::default(),
            reserved: Room::default(),
            tails: BTreeSet::new(),
            moves: BTreeMap::new(),
            ranked_at: LedgerTime::default(),
            slots: HashSet::new(),
            arrivals: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.ids.len()
    }

    pub(crate) fn contains(&self, id: &TxId) -> bool {
        self.ids.contains(id)
    }

    /// The nonce that a sender's next transaction has to have, if its account's is `account_nonce`.
    pub(crate) fn expected(&self, sender: &AccountId, account_nonce: u64) -> u64 {
        let run = self.runs.get(sender);
        let last = run.and_then(|run| run.0.last_key_value());
        last.map_or(account_nonce, |(nonce, _)| account_nonce.max(nonce + 1))
    }

    /// Takes `pending` at block height `height`; `account` is its sender's as it is now.
    pub(crate) fn insert(
        &mut self,
        pending: Pending,
        account: Account,
        height: u64,
    ) -> Result<(), Refusal> {
        if self.ids.contains(&pending.id) {
            return Err(Refusal::Duplicate);
        }
        self.used(&pending.sender, account.nonce);
        if pending.nonce < account.nonce {
            return Err(Refusal::NonceUsed);
        }
        let expected = self.expected(&pending.sender, account.nonce);
        if pending.nonce > expected {
            return Err(Refusal::Gap { expected });
        }
        if pending.nonce - account.nonce >= self.limits.per_sender as u64 {
            return Err(Refusal::SenderFull);
        }
        let run = self.runs.get(&pending.sender);
        let old = run.and_then(|run| run.0.get(&pending.nonce));
        let replaced = old.map_or(0, |old| u128::from(old.pending.fee.0));
        let sum = run.map_or(0, Run::fees) - replaced + u128::from(pending.fee.0);
        if sum > u128::from(account.balance.0) {
            return Err(Refusal::Unaffordable {
                sum: Amount(u64::try_from(sum).unwrap_or(u64::MAX)),
                balance: account.balance,
            });
        }
        if let Some(old) = old {
            let fee = replacement(old, pending.encoded.len());
            if pending.fee < fee {
                return Err(Refusal::NonceTaken { fee });
            }
        }
        let is_next = pending.nonce == account.nonce;
        match pending.turn.filter(|_| is_next) {
            Some(turn) if self.keeps_a_place(&turn, &pending) => {
                self.put(pending, height, true);
                Ok(())
            }
            _ => self.buy_a_place(pending, height),
        }
    }

    /// Whether the reserved share has, or can make, room for a move: by dropping the least urgent one,
    /// if that is less so.
    fn keeps_a_place(&mut self, turn: &Turn, pending: &Pending) -> bool {
        let bytes = pending.encoded.len();
        let rank = self.rank(turn);
        let run = self.runs.get(&pending.sender);
        let own = run.and_then(|run| run.0.get(&pending.nonce));
        let own = own.filter(|own| own.reserved);
        if own.is_none() && self.slots.contains(&slot(turn)) {
            return false;
        }
        // What it replaces makes room first.
        let freed = own.map_or(0, Entry::bytes);
        let mut taken = self.reserved;
        if own.is_some() {
            taken.sub(freed);
        }
        while !taken.takes(bytes, self.limits.reserved) {
            let last = self.moves.last_key_value();
            let Some(((least, _), sender)) = last else {
                return false;
            };
            if *least <= rank || *sender == pending.sender {
                return false;
            }
            let sender = *sender;
            let front = self.runs.get(&sender);
            let Some(nonce) = front.and_then(|run| Some(*run.0.first_key_value()?.0)) else {
                return false;
            };
            self.drop_from(&sender, nonce);
            taken = self.reserved;
            if freed > 0 {
                taken.sub(freed);
            }
        }
        true
    }

    fn rank(&self, turn: &Turn) -> Rank {
        rank(turn, self.ranked_at, self.limits.urgent_ms)
    }

    /// Ranks the moves anew once enough time has passed to change much.
    fn rank_again(&mut self, now: LedgerTime) {
        let passed = now.0.saturating_sub(self.ranked_at.0);
        if self.limits.urgent_ms == 0 || passed < self.limits.urgent_ms / 16 {
            return;
        }
        self.ranked_at = now;
        let moves = std::mem::take(&mut self.moves);
        for ((_, slot), sender) in moves {
            let run = self.runs.get(&sender);
            let entry = run.and_then(|run| run.0.values().find(|entry| entry.reserved));
            if let Some(turn) = entry.and_then(|entry| entry.pending.turn) {
                self.moves.insert((self.rank(&turn), slot), sender);
            }
        }
    }

    /// Puts a transaction into the market, in the place of cheaper ones if there is no other.
    fn buy_a_place(&mut self, pending: Pending, height: u64) -> Result<(), Refusal> {
        let bytes = pending.encoded.len();
        let price = pending.price();
        let run = self.runs.get(&pending.sender);
        let before = run.into_iter().flat_map(|run| run.0.range(..pending.nonce));
        let worth = before.map(|(_, entry)| entry.worth).fold(price, Price::min);
        let old = run.and_then(|run| run.0.get(&pending.nonce));
        let mut taken = self.market;
        if let Some(old) = old.filter(|old| !old.reserved) {
            taken.sub(old.bytes());
        }
        let victims = self.cheapest(taken, bytes, worth, &pending.sender);
        let victims = victims.map_err(|least| match least.filter(|least| *least < price) {
            Some(_) => Refusal::Behind,
            None => Refusal::Full {
                fee: least.map_or(pending.fee, |least| least.beaten_by(bytes)),
            },
        })?;
        for (sender, nonce) in victims {
            self.drop_from(&sender, nonce);
        }
        self.put(pending, height, false);
        Ok(())
    }

    /// The tails to drop so that `bytes` more fit, all worth less than `worth` and of others than
    /// `sender`; `Err` with the least that would have to be beaten where those do not suffice.
    fn cheapest(
        &self,
        mut taken: Room,
        bytes: usize,
        worth: Price,
        sender: &AccountId,
    ) -> Result<Vec<(AccountId, u64)>, Option<Price>> {
        let mut victims = Vec::new();
        if taken.takes(bytes, self.limits.market) {
            return Ok(victims);
        }
        // Tails that appear once those behind them are gone.
        let mut exposed: BTreeSet<Tail> = BTreeSet::new();
        let mut tails = self
            .tails
            .iter()
            .filter(|tail| tail.2 != *sender)
            .peekable();
        while !taken.takes(bytes, self.limits.market) {
            let from_exposed = match (exposed.first(), tails.peek()) {
                (Some(hidden), Some(tail)) => hidden < *tail,
                (hidden, _) => hidden.is_some(),
            };
            let next = if from_exposed {
                exposed.pop_first()
            } else {
                tails.next().copied()
            };
            let Some((least, _, victim, nonce)) = next else {
                return Err(None);
            };
            if least >= worth {
                return Err(Some(least));
            }
            let run = self.runs.get(&victim);
            let Some(entry) = run.and_then(|run| run.0.get(&nonce)) else {
                continue;
            };
            taken.sub(entry.bytes());
            victims.push((victim, nonce));
            let before = run.and_then(|run| run.0.range(..nonce).next_back());
            if let Some((nonce, entry)) = before.filter(|(_, entry)| !entry.reserved) {
                exposed.insert(tail(victim, *nonce, entry));
            }
        }
        Ok(victims)
    }

    /// Puts a transaction into its run, in place of one with the same nonce.
    fn put(&mut self, pending: Pending, height: u64, reserved: bool) {
        let (sender, nonce) = (pending.sender, pending.nonce);
        self.arrivals += 1;
        let entry = Entry {
            arrival: self.arrivals,
            height,
            worth: Price(0),
            reserved,
            pending,
        };
        let mut run = self.unlist(&sender);
        if let Some(old) = run.0.remove(&nonce) {
            self.uncount(&old);
        }
        self.ids.insert(entry.pending.id);
        let bytes = entry.bytes();
        match entry.pending.turn.filter(|_| reserved) {
            Some(turn) => {
                self.reserved.add(bytes);
                self.slots.insert(slot(&turn));
                self.moves.insert((self.rank(&turn), slot(&turn)), sender);
            }
            None => self.market.add(bytes),
        }
        run.0.insert(nonce, entry);
        self.list(sender, run);
    }

    /// Takes a run out to change it; [`Self::list`] brings it back.
    fn unlist(&mut self, sender: &AccountId) -> Run {
        let run = self.runs.remove(sender).unwrap_or_default();
        if let Some((nonce, entry)) = run.tail() {
            self.tails.remove(&tail(*sender, nonce, entry));
        }
        run
    }

    fn list(&mut self, sender: AccountId, mut run: Run) {
        run.appraise();
        if let Some((nonce, entry)) = run.tail() {
            self.tails.insert(tail(sender, nonce, entry));
        }
        if !run.0.is_empty() {
            self.runs.insert(sender, run);
        }
    }

    fn uncount(&mut self, entry: &Entry) {
        self.ids.remove(&entry.pending.id);
        match entry.pending.turn.filter(|_| entry.reserved) {
            Some(turn) => {
                self.reserved.sub(entry.bytes());
                self.slots.remove(&slot(&turn));
                self.moves.remove(&(self.rank(&turn), slot(&turn)));
            }
            None => self.market.sub(entry.bytes()),
        }
    }

    /// Drops a transaction and those of its sender behind it, which cannot go without it.
    pub(crate) fn drop_from(&mut self, sender: &AccountId, nonce: u64) {
        let mut run = self.unlist(sender);
        for entry in run.0.split_off(&nonce).values() {
            self.uncount(entry);
        }
        self.list(*sender, run);
    }

    /// After a block became final: drops what it used up of this sender's nonces.
    pub(crate) fn used(&mut self, sender: &AccountId, next_nonce: u64) {
        if !self.runs.contains_key(sender) {
            return;
        }
        let mut run = self.unlist(sender);
        let left = run.0.split_off(&next_nonce);
        for entry in run.0.values() {
            self.uncount(entry);
        }
        self.list(*sender, Run(left));
    }

    /// After the block `now` became final: drops what has waited too long, and moves whose time is
    /// over.
    pub(crate) fn expire(&mut self, now: Moment) {
        self.rank_again(now.time);
        let height = now.height.0;
        // The next block is the first that could hold anything.
        let next = now.deadline(0, 1);
        let oldest = height.saturating_sub(self.limits.patience);
        let late = |entry: &Entry| {
            let turn = entry.pending.turn.filter(|_| entry.reserved);
            entry.height < oldest || turn.is_some_and(|turn| turn.deadline.is_over(next))
        };
        let gone: Vec<(AccountId, u64)> = self
            .runs
            .iter()
            .filter_map(|(sender, run)| {
                let (nonce, _) = run.0.iter().find(|(_, entry)| late(entry))?;
                Some((*sender, *nonce))
            })
            .collect();
        for (sender, nonce) in gone {
            self.drop_from(&sender, nonce);
        }
    }
}
