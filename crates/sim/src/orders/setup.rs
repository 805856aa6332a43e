//! How a world of orders begins: keys, genesis and everybody's place.

use assay_crypto::aead::FileKey;
use assay_crypto::stream::Stream;
use assay_crypto::{Digest, SecretKey};
use assay_ledger::{Amount, Genesis, GenesisAccount, Height, Role};
use assay_proof::{OrderKeys, Programs};
use std::collections::BTreeMap;
use std::sync::Arc;

use super::books::{Books, BooksError};
use super::cast::{Actor, Cast, MakePrograms};
use super::happenings::Deed;
use super::life::Place;
use super::maker::{Maker, Makers};
use super::plan::Plan;
use super::rounds;
use super::shelf::Shelf;
use super::stage::Stage;
use super::vault::Vault;
use crate::founding::{self, Endowment, genesis, offering, registration, validator_keys};

/// Balance of everybody at the start.
pub const BALANCE: Amount = Amount::tokens(1_000);

/// A network in which nothing has been posted yet.
pub(crate) struct Beginning {
    pub(crate) genesis: Genesis,
    pub(super) plan: Plan,
    pub(super) places: Vec<Place>,
    pub(super) stages: Vec<Arc<Stage>>,
    /// What members that have a role are in each order, by their place.
    pub(super) actors: BTreeMap<usize, Actor>,
    /// Who does what happens, where somebody is there only for that.
    pub(super) doers: Vec<Option<usize>>,
    pub(super) shelf: Shelf,
    pub(super) books: Books,
    pub(super) vault: Vault,
}

impl Beginning {
    pub(crate) fn new<R: Programs + 'static>(
        plan: Plan,
        cast: Cast,
        programs: impl Fn() -> R + Send + Sync + 'static,
        mut endowment: Endowment,
    ) -> Result<(Beginning, Makers), BooksError> {
        let seed = Digest::of("assay/sim/orders/v1", &[&plan.seed.to_le_bytes()]);
        let mut dice = Stream::new(seed, "keys", 0);
        let secret = |n: usize| {
            let n = (n as u64).to_le_bytes();
            SecretKey::from_seed(Digest::of("assay/sim/party/v1", &[&n]).0)
        };
        let jobs = jobs(&plan);
        let keys: Vec<OrderKeys> = jobs.iter().map(|(.., job)| keys(job, &mut dice)).collect();
        let validators = validator_keys(cast.validators.len());

        let in_rounds = plan.has_rounds();
        endowment.in_rounds = in_rounds;
        let offer = match in_rounds {
            true => plan.offer.clone().of_kinds(&founding::KINDS_IN_ROUNDS),
            false => plan.offer.clone(),
        };
        let mut places: Vec<Place> = Vec::new();
        let mut actors = BTreeMap::new();
        let mut enter = |name, role, secret| {
            let dice = Stream::new(seed, "party", places.len() as u64);
            places.push(Place::new(name, role, secret, dice));
            places.len() - 1
        };
        let first = enter("requester".to_owned(), None, secret(0));
        let machine: MakePrograms = Arc::new(move || Box::new(programs()));
        let groups = [
            (Role::Provider, cast.providers),
            (Role::Auditor, cast.auditors),
            (Role::Validator, cast.validators),
        ];
        let mut judges = validators.iter().cloned();
        let mut count = 1;
        for (role, group) in groups {
            for (n, actor) in group.into_iter().enumerate() {
                let bond = actor.bond.max(100);
                let own = match role {
                    Role::Validator => judges.next(),
                    _ => None,
                };
                let secret = own.unwrap_or_else(|| secret(count));
                count += 1;
                let registered = offering(&secret, role, bond, &offer);
                endowment.registrations.push(registered);
                let (name, role) = (format!("{role} {n}"), Some((role, Amount::tokens(bond))));
                actors.insert(enter(name, role, secret), actor);
            }
        }
        let mut requesters = vec![(first, cast.requester)];
        for (n, make) in cast.others.into_iter().enumerate() {
            let name = format!("requester {}", n + 1);
            requesters.push((enter(name, None, secret(count)), make));
            count += 1;
        }
        let mut stages = Vec::new();
        let mut posting: Makers = Vec::new();
        for ((after, requester, job), keys) in jobs.into_iter().zip(keys) {
            let Some((at, make)) = requesters.get(requester) else {
                continue;
            };
            let (at, make, own) = (*at, make.clone(), keys.clone());
            let stage = Stage::new(stages.len(), (at, Height(after)), job, keys);
            let stage = Arc::new(stage);
            posting.push(Maker {
                at,
                stage: stage.clone(),
                party: Arc::new(move |me| make(me, own.clone())),
                programs: machine.clone(),
            });
            stages.push(stage);
        }
        let mut doers = Vec::new();
        for (n, happening) in plan.happenings.iter().enumerate() {
            let flood = matches!(happening.what, Deed::Flood { .. });
            let doer = flood.then(|| enter(format!("stranger {n}"), None, secret(count)));
            count += usize::from(flood);
            doers.push(doer);
        }
        let nodes: Vec<SecretKey> = (0..plan.storage.nodes).map(|n| secret(count + n)).collect();
        let registered = |node| registration(node, Role::Storage, 100);
        endowment.registrations.extend(nodes.iter().map(registered));
        endowment
            .accounts
            .extend(places.iter().map(|place| GenesisAccount {
                account: place.secret.public(),
                balance: BALANCE,
            }));
        let genesis = genesis(&validators, endowment).expect("few members");
        let mut makers: Makers = Vec::new();
        for (at, actor) in &actors {
            let member = places[*at].member();
            makers.extend(stages.iter().filter_map(|stage| {
                Some(Maker {
                    at: *at,
                    stage: stage.clone(),
                    party: rounds::part(actor, &member, stage)?,
                    programs: actor.programs.clone(),
                })
            }));
        }
        makers.append(&mut posting);
        let beginning = Beginning {
            books: Books::new(&genesis, &plan.leave_out)?,
            genesis,
            shelf: Shelf {
                nodes,
                replicas: plan.storage.replicas,
            },
            plan,
            places,
            stages,
            actors,
            doers,
            vault: Vault::default(),
        };
        Ok((beginning, makers))
    }
}

/// The jobs of a world: after which block each is posted, whose it is, and what it is like.
fn jobs(plan: &Plan) -> Vec<(u64, usize, Plan)> {
    let beside = plan.beside.iter();
    let beside = beside.map(|other| (other.after, other.requester, other.plan.clone()));
    std::iter::once((0, 0, plan.clone()))
        .chain(beside)
        .collect()
}

fn keys(job: &Plan, dice: &mut Stream) -> OrderKeys {
    let inputs = (0..job.inputs.len()).map(|_| key(dice)).collect();
    OrderKeys::new(inputs, key(dice).0)
}

fn key(dice: &mut Stream) -> FileKey {
    let mut key = [0; 32];
    dice.fill(&mut key);
    FileKey(key)
}
