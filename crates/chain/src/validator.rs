//! One validator on any runtime: what [`start`](crate::start) runs on threads and sockets, and a
//! simulator on a clock of its own.
//!
//! A [`Member`] is who a validator is. [`Member::run`] brings it to life on a [`Runtime`], a disk and
//! a [`Network`], all three the caller's. Here, and nowhere else in this crate, types of the engine
//! are seen from outside: a simulator has to make channels, and its liars have to speak on them.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use assay_crypto::{PublicKey, SecretKey};
use assay_ledger::{Genesis, Height};
use commonware_cryptography::bls12381::primitives::group::Share;
use commonware_runtime::Handle;
use tokio::sync::{broadcast, mpsc};

pub use crate::beacon::BeaconShare;
pub use crate::engine::beacons::{decode_share, encode_share};
pub use crate::engine::channels::{Channels, Incoming, Network, Outgoing, Peers};
pub use crate::engine::payload::Payload;
pub use crate::engine::runtime::Runtime;
pub use crate::scheme::{Identity, PayloadDigest, Scheme};

use crate::beacon::BeaconVerifier;
use crate::block::Block;
use crate::chain::{Chain, Shared};
use crate::config::Pace;
use crate::core::Core;
use crate::deal::ThresholdShare;
use crate::engine::{self, Command, Parts};
use crate::execute::{self, GenesisProblem};
use crate::finalized::FinalizedBlock;
use crate::header::Header;
use crate::outcome::Outcome;
use crate::scheme::{self, Committee, CommitteeError};
use crate::sources::with_sources;
use crate::speculate::Speculation;
use crate::start::StartError;
use crate::store::{ChainStore, StoreError};

/// Blocks a slow subscriber may lag behind before it loses the oldest.
const SUBSCRIBER_BACKLOG: usize = 1_024;

/// Who a validator is: its keys, checked against the genesis, and its pace.
#[derive(Clone)]
pub struct Member {
    genesis: Genesis,
    secret: SecretKey,
    pace: Pace,
    me: Identity,
    committee: Committee,
    share: Share,
    scheme: Scheme,
}

impl Member {
    /// A validator of `genesis`; refused if the keys are not one's of it.
    pub fn new(
        genesis: Genesis,
        secret: SecretKey,
        share: ThresholdShare,
        pace: Pace,
    ) -> Result<Self, StartError> {
        let account = secret.public();
        let validators: Vec<PublicKey> = genesis.validators.iter().map(|v| v.account).collect();
        let participants = scheme::identities(&validators)?;
        let committee = scheme::committee(&genesis.beacon_key, &participants)?;
        if !validators.contains(&account) {
            return Err(StartError::NotAValidator(account));
        }
        let share = share.share()?;
        let me = scheme::identity(&account)?;
        if participants.get(usize::from(share.index)) != Some(&me) {
            return Err(StartError::WrongShare);
        }
        let namespace = scheme::namespace(&genesis.digest());
        let scheme = Scheme::signer(&namespace, participants, committee.clone(), share.clone())
            .ok_or(StartError::WrongShare)?;
        Ok(Self {
            genesis,
            secret,
            pace,
            me,
            committee,
            share,
            scheme,
        })
    }

    /// The network it is part of.
    pub fn genesis(&self) -> &Genesis {
        &self.genesis
    }

    /// Its account.
    pub fn account(&self) -> PublicKey {
        self.secret.public()
    }

    /// Its name among validators.
    pub fn identity(&self) -> &Identity {
        &self.me
    }

    /// What it votes with.
    pub fn scheme(&self) -> &Scheme {
        &self.scheme
    }

    pub(crate) fn secret(&self) -> &SecretKey {
        &self.secret
    }

    /// Starts the validator on `runtime` and `disk`; names of the engine's files begin with
    /// `prefix`. It runs until [`Chain::stop`], until the handle is aborted, which is what a kill
    /// looks like, or until [`Chain::failure`] says why it had to stop by itself.
    pub fn run<E: Runtime>(
        &self,
        runtime: E,
        disk: impl redb::StorageBackend,
        prefix: &str,
        network: Network<impl Outgoing, impl Incoming, impl Peers>,
    ) -> Result<(Chain, Handle<()>), StartError> {
        let (parts, handles) = self.prepare(prefix.to_owned(), |genesis, block, outcome| {
            ChainStore::open_on(disk, genesis, block, outcome)
        })?;
        let report = handles.failure.clone();
        let running = runtime.spawn(move |runtime| async move {
            if let Err(fatal) = engine::run(&runtime, parts, network).await {
                let reason = with_sources(&fatal);
                tracing::error!(reason, "the validator stopped");
                *report.lock().unwrap_or_else(PoisonError::into_inner) = Some(reason);
            }
        });
        Ok((handles.chain(None), running))
    }

    /// Opens the store and makes everything that the engine and the handle share.
    pub(crate) fn prepare(
        &self,
        prefix: String,
        open: impl FnOnce(&Genesis, &Block, &Outcome) -> Result<ChainStore, StoreError>,
    ) -> Result<(Parts, Handles), StartError> {
        let (header, outcome) = genesis_header(&self.genesis)?;
        let genesis_block = Block {
            header,
            transactions: Vec::new(),
        };
        let store = open(&self.genesis, &genesis_block, &outcome)?;
        let core = Arc::new(Core::new(
            Speculation::new(store.snapshot()?),
            BeaconVerifier::new(&self.genesis.digest(), *self.committee.public()),
            self.pace,
        ));
        let (subscribers, _) = broadcast::channel(SUBSCRIBER_BACKLOG);
        let (local, local_receiver) = mpsc::unbounded_channel();
        let (commands, command_receiver) = mpsc::unbounded_channel();
        let parts = Parts {
            prefix,
            core: core.clone(),
            store: store.clone(),
            genesis_block,
            scheme: self.scheme.clone(),
            committee: self.committee.clone(),
            share: self.share.clone(),
            me: self.me.clone(),
            subscribers: subscribers.clone(),
            local: local_receiver,
            commands: command_receiver,
        };
        let handles = Handles {
            core,
            store,
            subscribers,
            local,
            commands,
            failure: Arc::default(),
        };
        Ok((parts, handles))
    }
}

/// What a [`Chain`] is made of, before it runs.
pub(crate) struct Handles {
    core: Arc<Core>,
    store: ChainStore,
    subscribers: broadcast::Sender<Arc<FinalizedBlock>>,
    local: mpsc::UnboundedSender<Arc<Vec<u8>>>,
    commands: mpsc::UnboundedSender<Command>,
    pub(crate) failure: Arc<Mutex<Option<String>>>,
}

impl Handles {
    /// The handle of a validator that runs, on `thread` if it has one of its own.
    pub(crate) fn chain(self, thread: Option<JoinHandle<()>>) -> Chain {
        Chain {
            shared: Arc::new(Shared {
                core: self.core,
                store: self.store,
                subscribers: self.subscribers,
                local: self.local,
                commands: self.commands,
                thread: Mutex::new(thread),
                failure: self.failure,
            }),
        }
    }
}

/// The name of `account` among validators.
pub fn identity(account: &PublicKey) -> Result<Identity, CommitteeError> {
    scheme::identity(account)
}

/// The header at height 0 and the state it stands for. Nobody signs it: everybody derives it.
pub(crate) fn genesis_header(genesis: &Genesis) -> Result<(Header, Outcome), GenesisProblem> {
    let outcome = execute::genesis_outcome(genesis)?;
    let header = Header {
        height: Height(0),
        parent: genesis.digest(),
        view: 0,
        timestamp_ms: genesis.timestamp_ms,
        beacon: None,
        tx_root: Block::tx_root(&[]),
        state_root: outcome.state_root,
        receipts_root: outcome.receipts_root,
    };
    Ok((header, outcome))
}
