//! A small network: its ledger, and everybody in it.
//!
//! Blocks are executed by the ledger as validators execute them. What is modelled is how they come about:
//! one a second while somebody moves, else one after the longest time that the ledger counts for a block,
//! and each with a beacon that follows from the seed. Signatures are left out, for a block is executed
//! here as one whose signatures were checked.

mod blocks;
mod citizen;

use std::collections::{BTreeMap, BTreeSet};

use assay_crypto::Digest;
use assay_crypto::release::{LockKey, LockSecret};
use assay_ledger::{
    AccountId, Amount, Call, ChainId, Event, ExecuteError, GenesisError, MAX_BLOCK_MS, MemoryStore,
    Offer, Order, OrderCall, OrderEvent, OrderId, Phase, ReadError, Receipt, Role, Terms, query,
};

pub(crate) use self::citizen::{Citizen, INPUTS, REQUESTER};
use self::citizen::{Member, genesis};
use crate::scene::{Scene, Vault};
use crate::settings::Settings;

/// More blocks than any order takes.
const MOST_BLOCKS: u32 = 20_000;

/// Why a game could not be played to its end.
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    /// The network cannot begin.
    #[error("the network cannot begin")]
    Genesis(#[from] GenesisError),
    /// A block could not be executed.
    #[error("a block could not be executed")]
    Execute(#[from] ExecuteError),
    /// The state could not be read.
    #[error("the state could not be read")]
    Read(#[from] ReadError),
    /// A call was refused that was meant to count.
    #[error("{who} made a call that was refused: {why}")]
    Refused {
        /// Who made it.
        who: String,
        /// What the ledger said.
        why: String,
    },
    /// An order did not end.
    #[error("an order did not end: it is {0:?}")]
    Stuck(Phase),
    /// Money came or went.
    #[error("money came or went: there is {found:?}, and the genesis made {genesis}")]
    Supply {
        /// What there is, in micro-tokens.
        found: Option<Amount>,
        /// What there was.
        genesis: Amount,
    },
    /// Terms that the network refuses.
    #[error("the order was not posted")]
    NotPosted,
}

/// A network, and everybody in it.
pub(crate) struct Town {
    store: MemoryStore,
    chain: ChainId,
    seed: u64,
    height: u64,
    stamp: u64,
    offer: Offer,
    members: Vec<Member>,
    places: BTreeMap<AccountId, usize>,
    pub(crate) vault: Vault,
}

impl Town {
    /// Founds a town; whoever comes first is the requester of all orders.
    pub(crate) fn found(
        settings: &Settings,
        citizens: Vec<Citizen>,
        seed: u64,
    ) -> Result<Town, Broken> {
        let genesis = genesis(settings, &citizens);
        let members: Vec<_> = citizens.into_iter().map(Member::new).collect();
        let places = members.iter().zip(0..);
        let mut town = Town {
            store: MemoryStore::new(genesis.state()?),
            chain: genesis.chain_id(),
            seed,
            height: 0,
            stamp: 0,
            offer: settings.offer.clone(),
            places: places.map(|(of, at)| (of.account, at)).collect(),
            members,
            vault: Vault::default(),
        };
        let providers = 0..town.members.len();
        let providers = providers.filter(|at| town.members[*at].role == Some(Role::Provider));
        let files = providers.map(|at| (at, town.record(at, &town.members[at].name)));
        let posters = (0..town.members.len()).filter(|at| town.members[*at].role.is_none());
        let inputs = posters.flat_map(|at| INPUTS.map(|name| (at, name)));
        let inputs = inputs.map(|(at, name)| (at, town.record(at, name)));
        let files: Vec<_> = files.chain(inputs).collect();
        town.block(files, 1_000)?;
        Ok(town)
    }

    /// The requester's account and key.
    pub(crate) fn requester() -> (AccountId, LockKey) {
        (Citizen::account(REQUESTER), Self::key(REQUESTER))
    }

    /// Whether an account is of those whose return is measured.
    pub(crate) fn is_ours(&self, account: AccountId) -> bool {
        let place = self.places.get(&account);
        place.is_some_and(|at| self.members[*at].ours)
    }

    /// All that those have whose return is measured, in micro-tokens.
    pub(crate) fn wealth(&self) -> Result<i128, Broken> {
        let mut sum = 0i128;
        let unbonding = query::unbonding(&self.store)?;
        for member in self.members.iter().filter(|of| of.ours) {
            sum += i128::from(query::account(&self.store, &member.account)?.balance.0);
            if let Some(role) = member.role {
                let registered = query::registration(&self.store, role, &member.account)?;
                sum += registered.map_or(0, |of| i128::from(of.bond.0));
            }
            let mine = unbonding
                .iter()
                .filter(|(_, who, ..)| *who == member.account);
            sum += mine.map(|(.., amount)| i128::from(amount.0)).sum::<i128>();
        }
        Ok(sum)
    }

    /// Steps that they have computed.
    pub(crate) fn steps(&self) -> u64 {
        let ours = self.members.iter().filter(|of| of.ours);
        ours.map(|of| of.steps).sum()
    }

    /// The place of whoever has this name.
    pub(crate) fn place(&self, name: &str) -> Option<usize> {
        self.places.get(&Citizen::account(name)).copied()
    }

    /// An order's life, from posting to its end.
    pub(crate) fn order(&mut self, terms: Terms) -> Result<Order, Broken> {
        let id = self.post(0, terms)?;
        for _ in 0..MOST_BLOCKS {
            let order = self.read(id)?;
            if order.head.phase.is_final() {
                return Ok(order);
            }
            let calls = self.moves(&order);
            let quiet = match calls.is_empty() {
                true => MAX_BLOCK_MS,
                false => 1_000,
            };
            self.block(calls, quiet)?;
        }
        Err(Broken::Stuck(self.read(id)?.head.phase))
    }

    /// Brings so many orders to where their runs are committed and the beacon is to draw their auditors;
    /// gives how many there are.
    pub(crate) fn committed(&mut self, settings: &Settings, count: u64) -> Result<u64, Broken> {
        let (requester, key) = Town::requester();
        let terms = settings.terms(requester, key);
        let post = || Call::Order(OrderCall::Post(Box::new(terms.clone())));
        let posts = (0..count).map(|_| (0, post())).collect();
        let receipts = self.block(posts, 1_000)?;
        let orders: Vec<_> = receipts.iter().filter_map(posted).collect();
        for _ in 0..MOST_BLOCKS {
            let mut calls = Vec::new();
            for id in &orders {
                let order = self.read(*id)?;
                // All are as far as this one, for everybody moves at once.
                if order.head.phase == Phase::Committed {
                    return Ok(orders.len() as u64);
                }
                calls.extend(self.moves(&order));
            }
            self.block(calls, 1_000)?;
        }
        Err(Broken::NotPosted)
    }

    /// Posts an order of whoever is in this place.
    pub(crate) fn post(&mut self, at: usize, terms: Terms) -> Result<OrderId, Broken> {
        let post = Call::Order(OrderCall::Post(Box::new(terms)));
        let receipts = self.block(vec![(at, post)], 1_000)?;
        receipts.iter().find_map(posted).ok_or(Broken::NotPosted)
    }

    /// Moves some orders on until each is in this phase, or over.
    pub(crate) fn bring(&mut self, orders: &[OrderId], until: Phase) -> Result<(), Broken> {
        for _ in 0..MOST_BLOCKS {
            let (mut calls, mut waits) = (Vec::new(), false);
            for id in orders {
                let order = self.read(*id)?;
                let phase = order.head.phase;
                if phase != until && !phase.is_final() {
                    waits = true;
                    calls.extend(self.moves(&order));
                }
            }
            if !waits {
                return Ok(());
            }
            let quiet = if calls.is_empty() {
                MAX_BLOCK_MS
            } else {
                1_000
            };
            self.block(calls, quiet)?;
        }
        Err(Broken::Stuck(until))
    }

    /// To what results for an account are released.
    pub(crate) fn key(name: &str) -> LockKey {
        let seed = Digest::of("assay/market/delivery/v1", &[name.as_bytes()]);
        LockSecret::from_seed(&seed.0).public()
    }

    /// An order as it is now.
    pub(crate) fn read(&self, id: OrderId) -> Result<Order, Broken> {
        query::order(&self.store, &id)?.ok_or(Broken::NotPosted)
    }

    /// What everybody does about an order now.
    pub(crate) fn moves(&mut self, order: &Order) -> Vec<(usize, Call)> {
        let asked = order.head.asked.iter().flat_map(|asked| &asked.ranked);
        let seats = order.round().into_iter().flat_map(|round| &round.seats);
        let mut concerned: BTreeSet<AccountId> = asked.map(|of| of.account).collect();
        concerned.extend(seats.map(|seat| seat.auditor));
        concerned.extend(order.provider());
        concerned.insert(order.head.requester);
        if order.head.phase == Phase::Attesting {
            let validators = self.members.iter();
            let validators = validators.filter(|of| of.role == Some(Role::Validator));
            concerned.extend(validators.map(|of| of.account));
        }
        let mut calls = Vec::new();
        for (at, member) in self.members.iter_mut().enumerate() {
            if !concerned.contains(&member.account) {
                continue;
            }
            let mut scene = Scene {
                order,
                me: member.account,
                vault: &mut self.vault,
                calls: Vec::new(),
                steps: 0,
            };
            member.agent.moves(&mut scene);
            member.steps += scene.steps;
            calls.extend(scene.calls.into_iter().map(|call| (at, Call::Order(call))));
        }
        calls
    }

    /// Fails if money came or went since the genesis.
    pub(crate) fn check_supply(&self) -> Result<(), Broken> {
        let supply = query::supply(&self.store)?;
        match supply.total == Some(supply.genesis) {
            true => Ok(()),
            false => Err(Broken::Supply {
                found: supply.total,
                genesis: supply.genesis,
            }),
        }
    }
}

/// The order that a call posted.
fn posted(receipt: &Receipt) -> Option<OrderId> {
    receipt.events.iter().find_map(|event| match event {
        Event::Order {
            order,
            event: OrderEvent::OrderPosted { .. },
        } => Some(*order),
        _ => None,
    })
}
