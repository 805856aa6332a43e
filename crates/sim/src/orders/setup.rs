//! How a world of an order begins: keys, genesis, inputs and the order.

use assay_crypto::aead::FileKey;
use assay_crypto::stream::Stream;
use assay_crypto::{Digest, SecretKey};
use assay_ledger::{
    Amount, BoundedBytes, BoundedString, BoundedVec, Deadlines, Genesis, GenesisAccount,
    Input as TermsInput, Offer, OrderCall, OrderId, Role, StopRule, Terms,
};
use assay_proof::{OrderKeys, Programs};

use super::books::{Books, BooksError};
use super::cast::{Cast, MakeParty, MakePrograms};
use super::life::Place;
use super::shared::put;
use super::vault::Vault;
use crate::founding::{Endowment, genesis, offering, registration, validator_keys};

/// Balance of everybody at the start.
pub const BALANCE: Amount = Amount::tokens(1_000);

/// What a run is like beyond its cast.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Seed of everything that is drawn.
    pub seed: u64,
    /// Steps of the job.
    pub steps: u64,
    /// Steps of a segment.
    pub segment_steps: u32,
    /// When a run is given up; by the default only after as many invalid steps in a row as a segment
    /// has.
    pub stop: Option<StopRule>,
    /// Segments drawn.
    pub drawn: u32,
    /// Auditors drawn.
    pub auditors: u8,
    /// What it pays and locks.
    pub money: Money,
    /// What providers and auditors offer.
    pub offer: Offer,
    /// Providers that do the job.
    pub copies: u8,
    /// Providers tried.
    pub attempts: u8,
    /// Every phase's deadline, in seconds of ledger time.
    pub deadline: u32,
    /// The judges' deadline, in seconds of ledger time, where it is another.
    pub attest: Option<u32>,
    /// Answers take up to this many blocks.
    pub delay: u64,
    /// A party is killed with this chance at each of its outputs and each block, in thousandths.
    pub kills: u64,
    /// Plaintexts of the inputs.
    pub inputs: Vec<(&'static str, Vec<u8>)>,
    /// The job kind.
    pub kind: &'static str,
    /// The job's specification.
    pub spec: Vec<u8>,
    /// The sizes of its model, as terms tell them.
    pub model: Vec<u8>,
}

/// What an order pays and locks.
#[derive(Clone, Copy, Debug)]
pub struct Money {
    /// Paid to each provider whose whole run is accepted.
    pub price: Amount,
    /// Locked of a provider's bond.
    pub provider_bond: Amount,
    /// Locked of an auditor's bond.
    pub auditor_bond: Amount,
    /// Paid to each auditor.
    pub auditor_fee: Amount,
}

impl Default for Money {
    fn default() -> Money {
        Money {
            price: Amount::tokens(100),
            provider_bond: Amount::tokens(50),
            auditor_bond: Amount::tokens(20),
            auditor_fee: Amount::tokens(5),
        }
    }
}

impl Plan {
    fn stop(&self) -> StopRule {
        self.stop.unwrap_or(StopRule {
            stop_after: self.segment_steps,
            max_invalid: self.steps,
        })
    }
}

impl Default for Plan {
    fn default() -> Plan {
        Plan {
            seed: 0,
            steps: 20,
            segment_steps: 2,
            stop: None,
            drawn: 3,
            auditors: 2,
            money: Money::default(),
            offer: Offer::anything(),
            copies: 1,
            attempts: 2,
            deadline: 12,
            attest: None,
            delay: 0,
            kills: 0,
            inputs: vec![("model", vec![1; 64]), ("train", vec![2; 64])],
            kind: "finetune",
            spec: vec![7],
            model: vec![Terms::MODEL_VERSION; Terms::MODEL_BYTES],
        }
    }
}

/// A network in which the requester has put its inputs into the vault, and its order waits for the
/// first block.
pub(crate) struct Beginning {
    pub(crate) genesis: Genesis,
    pub(super) plan: Plan,
    pub(super) places: Vec<Place>,
    pub(super) order: OrderId,
    pub(super) storage: SecretKey,
    pub(super) books: Books,
    pub(super) vault: Vault,
}

/// What a party and its computation are made of, over and over.
pub(crate) type Makers = Vec<(MakeParty, MakePrograms)>;

impl Beginning {
    pub(crate) fn new<R: Programs + 'static>(
        plan: Plan,
        cast: Cast,
        programs: impl Fn() -> R + Send + 'static,
        mut endowment: Endowment,
    ) -> Result<(Beginning, Makers), BooksError> {
        let seed = Digest::of("assay/sim/orders/v1", &[&plan.seed.to_le_bytes()]);
        let mut dice = Stream::new(seed, "keys", 0);
        let secret = |n: usize| {
            let n = (n as u64).to_le_bytes();
            SecretKey::from_seed(Digest::of("assay/sim/party/v1", &[&n]).0)
        };
        let input_keys: Vec<FileKey> = (0..plan.inputs.len()).map(|_| key(&mut dice)).collect();
        let validators = validator_keys(cast.validators.len());
        let keys = OrderKeys::new(input_keys, key(&mut dice).0);

        let mut places = Vec::new();
        let mut makers: Makers = Vec::new();
        let mut enter = |places: &mut Vec<Place>, name, role, secret, makes| {
            let dice = Stream::new(seed, "party", places.len() as u64);
            places.push(Place::new(name, role, secret, dice));
            makers.push(makes);
        };
        let (own, requester) = (keys.clone(), cast.requester);
        let make: MakeParty = Box::new(move |me| requester(me, own.clone()));
        let machine: MakePrograms = Box::new(move || Box::new(programs()));
        let makes = (make, machine);
        enter(&mut places, "requester".to_owned(), None, secret(0), makes);
        let groups = [
            (Role::Provider, cast.providers),
            (Role::Auditor, cast.auditors),
            (Role::Validator, cast.validators),
        ];
        let mut judges = validators.iter().cloned();
        for (role, actors) in groups {
            for (n, actor) in actors.into_iter().enumerate() {
                let bond = actor.bond.max(100);
                let own = match role {
                    Role::Validator => judges.next(),
                    _ => None,
                };
                let secret = own.unwrap_or_else(|| secret(places.len()));
                let registered = offering(&secret, role, bond, &plan.offer);
                endowment.registrations.push(registered);
                let (name, role) = (format!("{role} {n}"), Some((role, Amount::tokens(bond))));
                let makes = (actor.party, actor.programs);
                enter(&mut places, name, role, secret, makes);
            }
        }
        let storage = secret(places.len());
        let registered = registration(&storage, Role::Storage, 100);
        endowment.registrations.push(registered);
        endowment
            .accounts
            .extend(places.iter().map(|place| GenesisAccount {
                account: place.secret.public(),
                balance: BALANCE,
            }));
        let genesis = genesis(&validators, endowment).expect("few members");
        let mut beginning = Beginning {
            books: Books::new(&genesis)?,
            genesis,
            plan,
            places,
            order: OrderId(Digest::ZERO),
            storage,
            vault: Vault::default(),
        };
        beginning.post(&keys);
        Ok((beginning, makers))
    }

    /// Puts the inputs into the vault and lets the order wait for a block.
    fn post(&mut self, keys: &OrderKeys) {
        let Self {
            plan,
            places,
            books,
            vault,
            ..
        } = self;
        let Some(requester) = places.first() else {
            return;
        };
        let secret = &requester.secret;
        let mut inputs = Vec::new();
        for ((name, bytes), key) in plan.inputs.iter().zip(keys.inputs()) {
            let content = Vault::content(bytes);
            let file = vault.store(secret.public(), key, bytes.clone());
            let put = put((file, secret.public(), name), books.chain, &self.storage);
            books.submit(0, secret, put.into());
            inputs.push(TermsInput {
                name: BoundedString::new(*name).expect("a short name"),
                file,
                content,
            });
        }
        self.order = OrderId::new(books.chain, secret.public(), inputs.len() as u64);
        let terms = terms(plan, inputs, keys);
        books.submit(0, secret, OrderCall::Post(Box::new(terms)).into());
    }
}

fn terms(plan: &Plan, inputs: Vec<TermsInput>, keys: &OrderKeys) -> Terms {
    let audited = plan.copies < 2;
    Terms {
        kind: BoundedString::new(plan.kind).expect("a short kind"),
        spec: BoundedBytes::new(plan.spec.clone()).expect("a short specification"),
        model: BoundedBytes::new(plan.model.clone()).expect("the sizes of a model"),
        inputs: BoundedVec::new(inputs).expect("few inputs"),
        steps: plan.steps,
        segment_steps: plan.segment_steps,
        step_units: 1,
        memory: 1 << 30,
        method: BoundedString::new("lora").expect("short"),
        stop: plan.stop(),
        price: plan.money.price,
        provider_bond: plan.money.provider_bond,
        auditor_bond: plan.money.auditor_bond,
        auditor_fee: if audited {
            plan.money.auditor_fee
        } else {
            Amount::ZERO
        },
        segments_drawn: if audited { plan.drawn } else { 0 },
        auditors: if audited { plan.auditors } else { 0 },
        attempts: plan.attempts,
        copies: plan.copies,
        keys: keys.commitment(),
        delivery_key: keys.delivery_key(),
        deadlines: Deadlines {
            attest: 1_000 * u64::from(plan.attest.unwrap_or(plan.deadline)),
            ..Deadlines::all(1_000 * u64::from(plan.deadline))
        },
    }
}

fn key(dice: &mut Stream) -> FileKey {
    let mut key = [0; 32];
    dice.fill(&mut key);
    FileKey(key)
}
