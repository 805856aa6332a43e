//! How a harness run begins: keys, genesis, inputs and the order.

use assay_crypto::aead::FileKey;
use assay_crypto::stream::Stream;
use assay_crypto::{Digest, SecretKey};
use assay_ledger::{
    Amount, BoundedBytes, BoundedString, BoundedVec, Deadlines, FileCall, Genesis, GenesisAccount,
    GenesisRegistration, Height, Input as TermsInput, MemoryStore, OrderCall, OrderId, Parameters,
    Role, Terms, ValidatorInfo,
};

use super::cast::Cast;
use super::member::Member;
use super::vault::Vault;
use super::world::{Waiting, World};
use crate::keys::OrderKeys;
use crate::program::Programs;

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
    /// Segments drawn.
    pub drawn: u32,
    /// Auditors drawn.
    pub auditors: u8,
    /// Providers that do the job.
    pub copies: u8,
    /// Providers tried.
    pub attempts: u8,
    /// Every phase's deadline, in blocks.
    pub deadline: u32,
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

impl Default for Plan {
    fn default() -> Plan {
        Plan {
            seed: 0,
            steps: 20,
            segment_steps: 2,
            drawn: 3,
            auditors: 2,
            copies: 1,
            attempts: 2,
            deadline: 12,
            delay: 0,
            kills: 0,
            inputs: vec![("model", vec![1; 64]), ("train", vec![2; 64])],
            kind: "finetune",
            spec: vec![7],
            model: vec![Terms::MODEL_VERSION; Terms::MODEL_BYTES],
        }
    }
}

impl World {
    /// A network in which the requester has put its inputs into the vault and posted its order.
    ///
    /// # Panics
    /// When the plan's terms are refused.
    pub fn new<R: Programs + 'static>(
        plan: Plan,
        cast: Cast,
        programs: impl Fn() -> R + 'static,
    ) -> World {
        let seed = plan.seed.to_le_bytes();
        let mut dice = Stream::new(Digest::of("assay/harness/v1", &[&seed]), "dice", 0);
        let secret = |n: usize| {
            SecretKey::from_seed(Digest::of("assay/harness/key/v1", &[&n.to_le_bytes()]).0)
        };
        let input_keys: Vec<FileKey> = (0..plan.inputs.len()).map(|_| key(&mut dice)).collect();
        let keys = OrderKeys::new(
            input_keys,
            key(&mut dice).0,
            Terms::runs(plan.copies, plan.attempts),
        );

        let mut members = Vec::new();
        let mut roles = Vec::new();
        let (own, requester) = (keys.clone(), cast.requester);
        members.push(Member::new(
            "requester".to_owned(),
            secret(0),
            Box::new(move |me| requester(me, own.clone())),
            Box::new(move || Box::new(programs())),
        ));
        let groups = [
            (Role::Provider, cast.providers),
            (Role::Auditor, cast.auditors),
            (Role::Validator, cast.validators),
        ];
        for (role, actors) in groups {
            for (n, actor) in actors.into_iter().enumerate() {
                let (name, secret) = (format!("{role} {n}"), secret(members.len()));
                roles.push((secret.clone(), role, actor.bond));
                members.push(Member::new(name, secret, actor.party, actor.programs));
            }
        }
        let storage = secret(members.len());
        roles.push((storage.clone(), Role::Storage, 10));
        let genesis = genesis(&members, &roles);
        let state = genesis.state().expect("a genesis of distinct members");
        let mut world = World {
            store: MemoryStore::new(state),
            height: Height(0),
            chain: genesis.chain_id(),
            order: OrderId(Digest::ZERO),
            storage: storage.public(),
            vault: Vault::default(),
            events: Vec::new(),
            refused: Vec::new(),
            pending: Vec::new(),
            members,
            dice,
            plan,
        };
        world.post(&keys);
        world
    }

    /// Puts the inputs into the vault and posts the order.
    fn post(&mut self, keys: &OrderKeys) {
        let requester = self.members[0].account;
        let mut inputs = Vec::new();
        let files = self.plan.inputs.clone().into_iter().zip(keys.inputs());
        for ((name, bytes), key) in files {
            let content = Vault::content(&bytes);
            let file = self.vault.store(requester, key, bytes);
            self.pending.push((
                0,
                FileCall::Put(Box::new(self.record(file, requester, name))).into(),
                Waiting::Nobody,
            ));
            inputs.push(TermsInput {
                name: BoundedString::new(name).expect("a short name"),
                file,
                content,
            });
        }
        let nonce = self.pending.len() as u64;
        self.order = OrderId::new(self.chain, requester, nonce);
        let audited = self.plan.copies < 2;
        let terms = Terms {
            kind: BoundedString::new(self.plan.kind).expect("a short kind"),
            spec: BoundedBytes::new(self.plan.spec.clone()).expect("a short specification"),
            model: BoundedBytes::new(self.plan.model.clone()).expect("the sizes of a model"),
            inputs: BoundedVec::new(inputs).expect("few inputs"),
            steps: self.plan.steps,
            segment_steps: self.plan.segment_steps,
            price: Amount::tokens(100),
            provider_bond: Amount::tokens(50),
            auditor_bond: Amount::tokens(20),
            auditor_fee: if audited {
                Amount::tokens(5)
            } else {
                Amount::ZERO
            },
            segments_drawn: if audited { self.plan.drawn } else { 0 },
            auditors: if audited { self.plan.auditors } else { 0 },
            attempts: self.plan.attempts,
            copies: self.plan.copies,
            keys: keys.commitment(),
            encryption_key: self.members[0].secret.encryption().public(),
            deadlines: Deadlines::all(self.plan.deadline),
        };
        self.pending
            .push((0, OrderCall::Post(Box::new(terms)).into(), Waiting::Nobody));
        self.block();
        assert_eq!(
            self.refused,
            [],
            "the harness posts orders that can be posted"
        );
    }
}

fn key(dice: &mut Stream) -> FileKey {
    let mut key = [0; 32];
    dice.fill(&mut key);
    FileKey(key)
}

fn genesis(members: &[Member], roles: &[(SecretKey, Role, u64)]) -> Genesis {
    let account = |member: &Member| GenesisAccount {
        account: member.account,
        balance: BALANCE,
    };
    let registration = |(secret, role, bond): &(SecretKey, Role, u64)| GenesisRegistration {
        account: secret.public(),
        role: *role,
        bond: Amount::tokens((*bond).max(100)),
        encryption_key: secret.encryption().public(),
        address: BoundedString::default(),
    };
    let mut validators: Vec<ValidatorInfo> = roles
        .iter()
        .filter(|(_, role, _)| *role == Role::Validator)
        .map(|(secret, _, _)| ValidatorInfo {
            account: secret.public(),
            address: BoundedString::default(),
        })
        .collect();
    validators.sort_by_key(|validator| validator.account);
    Genesis {
        chain_name: BoundedString::new("harness").expect("a short name"),
        timestamp_ms: 0,
        accounts: BoundedVec::new(members.iter().map(account).collect::<Vec<_>>())
            .expect("few members"),
        registrations: BoundedVec::new(roles.iter().map(registration).collect::<Vec<_>>())
            .expect("few members"),
        parameters: Parameters::default(),
        owners: BoundedVec::default(),
        beacon_key: BoundedBytes::default(),
        validators: BoundedVec::new(validators).expect("few validators"),
    }
}
