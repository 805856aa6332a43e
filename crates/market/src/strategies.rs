//! Every way to play that is measured, beside the honest one of the same role.

use std::collections::BTreeSet;

use assay_ledger::{AccountId, Amount};
use serde::Serialize;

use crate::agents::absent::Absent;
use crate::agents::auditor::Auditor;
use crate::agents::complaining::Complaining;
use crate::agents::framing::{Accusation, Framing};
use crate::agents::keeping::Keeping;
use crate::agents::provider::Provider;
use crate::agents::requester::Requester;
use crate::agents::returning::Returning;
use crate::agents::sharing::Sharing;
use crate::agents::stamping::Stamping;
use crate::agents::vanishing::Vanishing;
use crate::agents::withdrawing::Withdrawing;
use crate::agents::withholding::Withholding;
use crate::population::{HEAVY, auditor, crowd, provider, requester, ring};
use crate::settings::Settings;
use crate::town::Citizen;

/// Accounts over which those split a bond who split one.
const SPLIT: u64 = 10;
/// Accounts in which accomplices come.
const RING: u32 = 30;
/// The bond under each of its names of a provider that changes them, and what it has to put up for them,
/// in tokens. All bonds of a network are below 2^64 millionths of one.
pub(crate) const RENAMED: u64 = 100_000_000;
const PURSE: u64 = 2_000_000_000_000;
/// The provider whose return is measured.
pub(crate) const PROVIDER: &str = "provider";

/// Whose return is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// A provider, for each run.
    Provider,
    /// An auditor, for each seat.
    Auditor,
    /// A requester, for each order.
    Requester,
    /// A provider with auditors, for each order.
    Ring,
    /// A requester with auditors, for each order.
    Gang,
}

impl Part {
    /// All of them.
    pub const ALL: [Part; 5] = [
        Part::Provider,
        Part::Auditor,
        Part::Requester,
        Part::Ring,
        Part::Gang,
    ];

    /// As in tables.
    pub fn name(self) -> &'static str {
        match self {
            Part::Provider => "provider",
            Part::Auditor => "auditor",
            Part::Requester => "requester",
            Part::Ring => "provider with auditors",
            Part::Gang => "requester with auditors",
        }
    }
}

/// Whether a way to play keeps to the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// It does.
    Honest,
    /// It does not, and must not pay.
    Cheat,
    /// It does, under other names than it need have: it must not bring more.
    Split,
    /// It does not. It passes nothing that is wrong, and the rules do not stop it: see `docs/market.md`.
    Shirks,
}

/// A way to play.
#[derive(Clone, Copy, Debug)]
pub struct Strategy {
    /// Whose.
    pub part: Part,
    /// Its name in tables.
    pub name: &'static str,
    /// Whether it keeps to the protocol.
    pub kind: Kind,
    /// Those who play it.
    pub(crate) ours: fn(&Plan) -> Vec<Citizen>,
    /// What is changed of the terms.
    pub(crate) terms: fn(&mut Settings),
    /// Whether a provider that was caught comes back under another name.
    pub(crate) renames: bool,
    /// Whether all honest auditors are kept busy meanwhile.
    pub(crate) crowds: bool,
}

/// How much is played.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// All draws and dice follow from it.
    pub seed: u64,
    /// Orders for each way to play.
    pub orders: u64,
    /// Share of the auditors' bonds that accomplices hold, in parts per million.
    pub collusion_ppm: u32,
    /// Draws of auditors for each break-even bond.
    pub draws: u64,
}

fn as_they_are(_: &mut Settings) {}

const fn plays(
    part: Part,
    name: &'static str,
    kind: Kind,
    ours: fn(&Plan) -> Vec<Citizen>,
) -> Strategy {
    Strategy {
        part,
        name,
        kind,
        ours,
        terms: as_they_are,
        renames: false,
        crowds: false,
    }
}

/// All ways to play, the honest one of each part first.
pub const ALL: [Strategy; 29] = [
    plays(Part::Provider, "honest", Kind::Honest, |_| lazy(0, 0)),
    plays(Part::Provider, "fakes 5%", Kind::Cheat, |plan| {
        lazy(50_000, plan.seed)
    }),
    plays(Part::Provider, "fakes 10%", Kind::Cheat, |plan| {
        lazy(100_000, plan.seed)
    }),
    plays(Part::Provider, "fakes 30%", Kind::Cheat, |plan| {
        lazy(300_000, plan.seed)
    }),
    plays(Part::Provider, "fakes all", Kind::Cheat, |plan| {
        lazy(1_000_000, plan.seed)
    }),
    Strategy {
        renames: true,
        ..plays(
            Part::Provider,
            "fakes 10%, new name when caught",
            Kind::Cheat,
            |plan| {
                let mut first = named_lazy(PROVIDER, RENAMED, 100_000, plan.seed);
                first.balance = PURSE;
                vec![first]
            },
        )
    },
    plays(
        Part::Provider,
        "takes orders and vanishes",
        Kind::Cheat,
        |_| vec![provider(PROVIDER, HEAVY, Vanishing)],
    ),
    plays(
        Part::Provider,
        "gives back with keys in hand",
        Kind::Cheat,
        |_| vec![provider(PROVIDER, HEAVY, Returning)],
    ),
    plays(
        Part::Provider,
        "works, keeps the result",
        Kind::Cheat,
        |_| {
            let honest = Provider::honest(Citizen::file(PROVIDER));
            vec![provider(PROVIDER, HEAVY, Keeping(honest))]
        },
    ),
    plays(
        Part::Provider,
        "splits its bond in ten",
        Kind::Split,
        |_| split(|name, bond| provider(name, bond, Provider::honest(Citizen::file(name)))),
    ),
    plays(Part::Auditor, "honest", Kind::Honest, |_| {
        vec![auditor("auditor", HEAVY, Auditor::default())]
    }),
    plays(Part::Auditor, "stamps without a look", Kind::Cheat, |_| {
        vec![auditor("auditor", HEAVY, Stamping::default())]
    }),
    plays(Part::Auditor, "accuses of a wrong end", Kind::Cheat, |_| {
        let framing = Framing::new(Accusation::WrongEnd);
        vec![auditor("auditor", HEAVY, framing)]
    }),
    plays(
        Part::Auditor,
        "says it was shown nothing",
        Kind::Cheat,
        |_| {
            let framing = Framing::new(Accusation::NothingShown);
            vec![auditor("auditor", HEAVY, framing)]
        },
    ),
    plays(
        Part::Auditor,
        "takes seats and vanishes",
        Kind::Cheat,
        |_| vec![auditor("auditor", HEAVY, Absent::default())],
    ),
    plays(Part::Auditor, "commits, never reveals", Kind::Cheat, |_| {
        vec![auditor("auditor", HEAVY, Absent::unrevealed())]
    }),
    plays(Part::Auditor, "splits its bond in ten", Kind::Split, |_| {
        split(|name, bond| auditor(name, bond, Auditor::default()))
    }),
    plays(
        Part::Auditor,
        "one replay for two seats",
        Kind::Shirks,
        |_| pair(|friends| Sharing::new(friends.clone())),
    ),
    plays(Part::Requester, "honest", Kind::Honest, |_| {
        vec![requester(Requester)]
    }),
    plays(
        Part::Requester,
        "complains of good results",
        Kind::Cheat,
        |_| vec![requester(Complaining)],
    ),
    plays(Part::Requester, "hands over no keys", Kind::Cheat, |_| {
        vec![requester(Withholding)]
    }),
    plays(
        Part::Requester,
        "withdraws at the seed",
        Kind::Cheat,
        |_| vec![requester(Withdrawing)],
    ),
    Strategy {
        terms: |settings| {
            let most = settings.parameters.max_bond_multiple;
            settings.provider_bond = Amount(settings.price.0 * u64::from(most));
        },
        ..plays(Part::Requester, "asks for huge bonds", Kind::Cheat, |_| {
            vec![requester(Requester)]
        })
    },
    plays(Part::Ring, "honest", Kind::Honest, |plan| {
        let provider_ = provider(PROVIDER, HEAVY, Provider::honest(Citizen::file(PROVIDER)));
        let honest = |mut of: Citizen| {
            of.agent = Box::new(Auditor::default());
            of
        };
        let auditors = ring(plan.collusion_ppm, RING, PROVIDER).into_iter();
        auditors.map(honest).chain([provider_]).collect()
    }),
    plays(
        Part::Ring,
        "fakes all, friends pass it",
        Kind::Cheat,
        |plan| ringed(plan, 1_000_000),
    ),
    Strategy {
        crowds: true,
        ..plays(
            Part::Ring,
            "fakes all, others kept busy",
            Kind::Cheat,
            |plan| crowd(plan.collusion_ppm, RING, PROVIDER, plan.seed),
        )
    },
    plays(
        Part::Ring,
        "works, friends look away",
        Kind::Shirks,
        |plan| ringed(plan, 0),
    ),
    plays(Part::Gang, "honest", Kind::Honest, |_| {
        let honest = pair(|_| Auditor::default()).into_iter();
        honest.chain([requester(Requester)]).collect()
    }),
    plays(Part::Gang, "accuses its provider", Kind::Cheat, |_| {
        let accuse = |_: &BTreeSet<AccountId>| Framing::new(Accusation::WrongEnd);
        pair(accuse)
            .into_iter()
            .chain([requester(Requester)])
            .collect()
    }),
];

fn lazy(faked_ppm: u32, seed: u64) -> Vec<Citizen> {
    vec![named_lazy(PROVIDER, HEAVY, faked_ppm, seed)]
}

/// A provider that fakes a share, under some name.
pub(crate) fn named_lazy(name: &str, bond: u64, faked_ppm: u32, seed: u64) -> Citizen {
    let agent = Provider::lazy(Citizen::file(name), faked_ppm, seed);
    provider(name, bond, agent)
}

fn split(make: impl Fn(&str, u64) -> Citizen) -> Vec<Citizen> {
    (0..SPLIT)
        .map(|i| make(&format!("part {i}"), HEAVY / SPLIT))
        .collect()
}

/// Two auditors of one person that take both seats.
fn pair<A: crate::scene::Agent + 'static>(
    make: impl Fn(&BTreeSet<AccountId>) -> A,
) -> Vec<Citizen> {
    let names = ["auditor", "other auditor"];
    let friends = names.iter().map(|name| Citizen::account(name)).collect();
    let one = |name: &&str| auditor(name, HEAVY, make(&friends));
    names.iter().map(one).collect()
}

fn ringed(plan: &Plan, faked_ppm: u32) -> Vec<Citizen> {
    let provider = named_lazy(PROVIDER, HEAVY, faked_ppm, plan.seed);
    let auditors = ring(plan.collusion_ppm, RING, PROVIDER).into_iter();
    auditors.chain([provider]).collect()
}

/// An accomplice that is nobody's return: it passes what its friends did.
pub(crate) fn bribed(share_ppm: u32, accounts: u32, provider: &str) -> Vec<Citizen> {
    let unpaid = |mut of: Citizen| {
        of.ours = false;
        of
    };
    ring(share_ppm, accounts, provider)
        .into_iter()
        .map(unpaid)
        .collect()
}
