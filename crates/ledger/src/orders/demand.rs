//! What terms ask of those who could take part, as far as offers speak of it, and the classes that
//! orders which wait are told apart by.
//!
//! A *demand* is exact. A *class* is coarse: pay, bond, times and memory in powers of two. Its [`Class::best`] is
//! the best that an order of the class can ask for, so where nobody takes that, nobody takes any
//! order of the class, however many there are. Where somebody does, each is looked at alone.

use crate::accounts::acts;
use crate::{Deadlines, JobKind, JobMethod, Registration, Role, Terms, rules};

/// What terms ask of one role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Demand {
    role: Role,
    /// Each job is done by several, who have other phases to act in.
    copies: bool,
    /// The place of the kind among those that there are.
    kind: u8,
    /// Pay for a step, in micro-tokens, rounded down: offers name whole ones.
    pay: u64,
    /// What is locked, in micro-tokens.
    bond: u64,
    /// The lengths of the phases to act in, in milliseconds.
    times: [u64; 4],
    /// The place of the method among those that there are, counted from 1; 0 for none.
    method: u8,
    /// What a run takes, in bytes.
    memory: u64,
}

impl Demand {
    /// What terms ask of somebody in a role that is drawn.
    pub(crate) fn of(role: Role, terms: &Terms) -> Demand {
        let (pay, steps) = match role {
            Role::Auditor => (terms.auditor_fee, terms.audited_steps()),
            _ => (terms.price, terms.steps),
        };
        let copies = terms.copies > 1;
        Demand {
            role,
            copies,
            kind: place(&terms.kind).unwrap_or(u8::MAX),
            pay: pay.0.checked_div(steps).unwrap_or(u64::MAX),
            bond: terms.bond(role).0,
            times: times(role, copies, &terms.deadlines),
            method: match terms.method.is_empty() {
                true => 0,
                false => method_place(&terms.method).unwrap_or(u8::MAX),
            },
            memory: terms.memory,
        }
    }

    /// Whether somebody takes it: says the same as [`Registration::refuses`] without saying why.
    pub(crate) fn is_met_by(&self, able: &Able) -> bool {
        let times = match (self.role, self.copies) {
            (Role::Auditor, _) => &able.times[0],
            (_, false) => &able.times[1],
            (_, true) => &able.times[2],
        };
        is_in(able.kinds, self.kind)
            && is_in(able.methods, self.method)
            && self.memory <= able.memory
            && able.pay <= self.pay
            && self.bond <= able.bond
            && times
                .iter()
                .zip(&self.times)
                .all(|(least, given)| least <= given)
    }

    /// Whom it is asked of.
    pub(crate) fn role(&self) -> Role {
        self.role
    }

    /// Its class.
    fn class(&self) -> HalfClass {
        let role = match (self.role, self.copies) {
            (Role::Auditor, _) => 1,
            (_, false) => 2,
            (_, true) => 3,
        };
        let [first, second, third, fourth] = self.times.map(bits);
        [
            role,
            self.kind,
            bits(self.pay),
            bits(self.bond),
            first,
            second,
            third,
            fourth,
            self.method,
            bits(self.memory),
        ]
    }
}

/// What somebody takes now, made ready to be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Able {
    /// One bit for each kind.
    kinds: u32,
    pay: u64,
    bond: u64,
    /// One bit for each method, above that of no method.
    methods: u32,
    memory: u64,
    /// Least times as an auditor, as the one provider, and as one of several.
    times: [[u64; 4]; 3],
}

impl Able {
    /// Of a registration that can be drawn; `None` of one that cannot be for any terms.
    pub(crate) fn of(registration: &Registration) -> Option<Able> {
        let offer = registration.offer.as_ref()?;
        let out = registration.leaving || registration.suspended;
        if out || registration.taken() >= offer.orders {
            return None;
        }
        let kinds = offer.kinds.iter().filter_map(place);
        let methods = offer.methods.iter().filter_map(method_place);
        let least = |role, copies| times(role, copies, &offer.least_time);
        Some(Able {
            kinds: set(kinds),
            methods: set(methods) | 1,
            memory: offer.memory,
            pay: offer.least_pay.0,
            bond: offer.most_bond.0.min(registration.free().0),
            times: [
                least(Role::Auditor, false),
                least(Role::Provider, false),
                least(Role::Provider, true),
            ],
        })
    }
}

/// Whom an order waits beside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rank {
    /// Orders with a run: somebody has accepted or worked, and goes on waiting.
    Urgent,
    /// Orders that nobody works on yet.
    Posted,
}

impl Rank {
    pub(crate) const ALL: [Rank; 2] = [Rank::Urgent, Rank::Posted];

    /// Its place in keys.
    pub(crate) fn byte(self) -> u8 {
        match self {
            Rank::Urgent => 0,
            Rank::Posted => 1,
        }
    }
}

/// The class of what is asked of one role; all zeros for what needs nobody's offer.
pub(crate) type HalfClass = [u8; 10];

/// Where nobody is drawn.
const NOBODY: HalfClass = [0; 10];

/// The class of what an order that waits asks: of those who are drawn for it, and of those without
/// whom they are not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Class(pub(crate) [HalfClass; 2]);

impl Class {
    /// Of orders that are served whoever offers what.
    pub(crate) const FREE: Class = Class([NOBODY; 2]);

    /// Of an order that waits for a provider, which is not drawn where nobody could audit it.
    pub(crate) fn of_posted(terms: &Terms) -> Class {
        let provider = Demand::of(Role::Provider, terms).class();
        let auditor = match terms.auditors {
            0 => NOBODY,
            _ => Demand::of(Role::Auditor, terms).class(),
        };
        Class([provider, auditor])
    }

    /// Of an order that waits for auditors.
    pub(crate) fn of_committed(terms: &Terms) -> Class {
        Class([Demand::of(Role::Auditor, terms).class(), NOBODY])
    }

    /// As it stands in keys.
    pub(crate) fn bytes(&self) -> [u8; 20] {
        let mut bytes = [0; 20];
        let parts = self.0.iter().flatten();
        bytes
            .iter_mut()
            .zip(parts)
            .for_each(|(to, from)| *to = *from);
        bytes
    }

    /// From what stands in a key.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Class> {
        let (first, second) = bytes.split_first_chunk()?;
        Some(Class([*first, *second.first_chunk()?]))
    }
}

/// The best that an order of a class can ask for; `None` for what needs nobody's offer.
pub(crate) fn best(class: &HalfClass) -> Option<Demand> {
    let [role, kind, pay, bond, times @ .., method, memory] = *class;
    let (role, copies) = match role {
        1 => (Role::Auditor, false),
        2 => (Role::Provider, false),
        3 => (Role::Provider, true),
        _ => return None,
    };
    Some(Demand {
        role,
        copies,
        kind,
        pay: highest(pay),
        bond: lowest(bond),
        times: times.map(highest),
        method,
        memory: lowest(memory),
    })
}

/// The place of a kind among those that there are.
fn place(kind: &JobKind) -> Option<u8> {
    let place = rules::kinds().position(|known| known == kind.as_str())?;
    u8::try_from(place).ok()
}

/// The place of a method among those that there are, counted from 1.
fn method_place(method: &JobMethod) -> Option<u8> {
    let place = rules::methods().position(|known| known == *method)?;
    u8::try_from(place).ok()?.checked_add(1)
}

/// A set of places, one bit for each.
fn set(places: impl Iterator<Item = u8>) -> u32 {
    let bits = places.filter_map(|place| 1u32.checked_shl(place.into()));
    bits.fold(0, |all, bit| all | bit)
}

fn is_in(set: u32, place: u8) -> bool {
    set.checked_shr(place.into()).unwrap_or(0) & 1 == 1
}

/// The lengths of the phases in which a role has to act.
fn times(role: Role, copies: bool, deadlines: &Deadlines) -> [u64; 4] {
    let named = deadlines.named();
    let length = |phase: &str| {
        let mut found = named.iter().filter(|(name, _)| *name == phase);
        found.next().map_or(0, |(_, length)| *length)
    };
    acts(role, copies).map(length)
}

/// The bits that a number takes: 0 for 0, up to 64.
fn bits(number: u64) -> u8 {
    u8::try_from(u64::BITS - number.leading_zeros()).unwrap_or(u8::MAX)
}

/// The highest number of so many bits.
fn highest(bits: u8) -> u64 {
    1u64.checked_shl(bits.into())
        .map_or(u64::MAX, |over| over - 1)
}

/// The lowest number of so many bits.
fn lowest(bits: u8) -> u64 {
    match bits.checked_sub(1) {
        None => 0,
        Some(below) => 1u64.checked_shl(below.into()).unwrap_or(u64::MAX),
    }
}

#[cfg(test)]
#[path = "demand_tests.rs"]
mod tests;
