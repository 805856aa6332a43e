//! What the node offers on the ledger, and that the ledger's address for it stays its own.
//!
//! What orders a role takes stands in the configuration only until it is registered. From then on the
//! ledger's offer counts, whatever the configuration says: a node keeps it, and renews it as it is when
//! it was suspended. `assay offer set` changes it; where the two differ, the node says so.
//!
//! A role is registered again when it was suspended, or when its address has changed: a new
//! `listen` or `advertise`, a name that stands for another machine now, or somebody who registered
//! the account elsewhere. Each time costs a fee, so it is done ever more slowly if it has to be done again and again, and not
//! at all while another process answers at the ledger's address with this node's key: of two
//! processes with one key the one that is there stays, and the one that comes ends.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use assay_ledger::{
    AccountCall, Amount, BoundedString, Offer, ReadError, Registration, Role, query,
};
use tracing::{info, warn};

use super::answer::Desk;
use crate::{
    address::Address,
    client::{CallError, protocol::Request},
    config::{NodeConfig, WorkConfig},
    health::{Health, Topic},
    keys,
    orders::Services,
    reach::own_ip,
    told,
    transport::{Limits, Protocols, RequestError, Standing, Transport},
};

/// Pause between two looks at the ledger's address.
const LOOK: Duration = Duration::from_secs(5);

/// Pause before a registration that failed is tried again; doubled each time.
const RETRY: Duration = Duration::from_secs(10);

/// Pause before an address is registered again; doubled each time, up to [`SLOWEST`].
const AGAIN: Duration = Duration::from_secs(30);

/// Longest pause between two registrations.
const SLOWEST: Duration = Duration::from_secs(6 * 3600);

/// How long somebody is waited for at an address.
const PROBE: Duration = Duration::from_secs(4);

/// Where others are told to dial this node.
pub(super) struct Reach {
    /// The configured address.
    pub(super) advertise: Option<Address>,
    /// The address listened on, with its real port.
    pub(super) listen: SocketAddr,
    /// Somebody to reach, for telling by which of its addresses this machine does.
    pub(super) toward: Vec<Address>,
}

impl Reach {
    /// Whether the configuration says the address, so that it need not be guessed.
    fn is_configured(&self) -> bool {
        self.advertise.is_some() || !self.listen.ip().is_unspecified()
    }

    /// The address now; `known` if that is still one of several that a name stands for.
    ///
    /// # Errors
    /// A sentence that says which setting is missing or wrong.
    pub(super) async fn now(&self, known: Option<SocketAddr>) -> Result<SocketAddr, String> {
        if let Some(address) = &self.advertise {
            let found = address.resolve().await;
            let found = found
                .map_err(|error| format!("`advertise` = {address} cannot be looked up: {error}"))?;
            return Ok(known.filter(|k| found.contains(k)).unwrap_or(found[0]));
        }
        if !self.listen.ip().is_unspecified() {
            return Ok(self.listen);
        }
        for peer in &self.toward {
            for peer in peer.resolve().await.unwrap_or_default() {
                if let Some(ip) = own_ip(peer) {
                    return Ok(SocketAddr::new(ip, self.listen.port()));
                }
            }
        }
        Err(
            "`listen` is every address of this machine, and which of them others can dial is \
             unknown: set `advertise`"
                .to_owned(),
        )
    }
}

/// When the address may be registered next.
pub(super) struct Pace {
    pause: Duration,
    next: Instant,
}

impl Pace {
    pub(super) fn new(now: Instant) -> Self {
        let pause = AGAIN;
        Self { pause, next: now }
    }

    pub(super) fn allows(&self, now: Instant) -> bool {
        now >= self.next
    }

    /// Notes a registration.
    pub(super) fn spent(&mut self, now: Instant) {
        // A day without trouble forgives.
        if now.saturating_duration_since(self.next) > 4 * SLOWEST {
            self.pause = AGAIN;
        }
        self.next = now + self.pause;
        self.pause = (self.pause * 2).min(SLOWEST);
    }
}

/// A role as the configuration has it.
pub(super) struct Wanted {
    pub(super) role: Role,
    /// Micro-units to bond at first; if absent the network's least bond, and of a storage node as much
    /// as its room takes.
    pub(super) bond: Option<u64>,
    /// What orders it takes once it is registered, of a role that orders are drawn to.
    pub(super) offer: Option<Offer>,
    /// Whether the configuration says something of that.
    pub(super) is_set: bool,
    /// Bytes that it keeps for others at most, of a storage node.
    pub(super) room: u64,
}

/// The roles the node offers on the ledger, as its configuration says. The validators are those of the
/// genesis; one only keeps its address right.
pub(super) fn wanted(config: &NodeConfig) -> Vec<Wanted> {
    let work = |work: &Option<WorkConfig>| work.as_ref().and_then(|work| work.bond);
    let of = |role: &Role| {
        let bond = match role {
            Role::Validator => None,
            Role::Provider => work(&config.provider),
            Role::Auditor => work(&config.auditor),
            Role::Storage => config.storage.as_ref().and_then(|of| of.bond),
        };
        let room = match (role, &config.storage) {
            (Role::Storage, Some(storage)) => storage.quota.0,
            _ => 0,
        };
        Wanted {
            role: *role,
            bond,
            offer: config.offer(*role),
            is_set: config.sets_offer(*role),
            room,
        }
    };
    config.roles.iter().map(of).collect()
}

/// Keeps one node's offers.
pub(super) struct Offers {
    pub(super) services: Arc<Services>,
    pub(super) desk: Arc<Desk>,
    pub(super) health: Health,
    /// The roles of the configuration.
    pub(super) roles: Vec<Wanted>,
    pub(super) reach: Reach,
}

impl Offers {
    /// Offers the roles, then watches over the address.
    pub(super) async fn run(self) {
        let mut heights = self.services.chain.heights();
        // The state of the genesis may be old: wait for the first block that is seen live.
        if heights.wait_for(|height| height.0 > 0).await.is_err() {
            return;
        }
        let mut paces: Vec<Pace> = self
            .roles
            .iter()
            .map(|_| Pace::new(Instant::now()))
            .collect();
        let mut retry = RETRY;
        loop {
            let mut in_order = true;
            for (wanted, pace) in self.roles.iter().zip(&mut paces) {
                match self.look_after(wanted, pace).await {
                    Ok(()) => {}
                    Err(problem) => {
                        in_order = false;
                        self.health.raise(Topic::Address, problem);
                    }
                }
            }
            match self.other_offer() {
                Ok(None) => self.health.clear(Topic::Offer),
                Ok(Some(problem)) => self.health.raise(Topic::Offer, problem),
                Err(error) => warn!(reason = told(&error), "registrations cannot be read"),
            }
            match self.left_over() {
                Ok(None) => self.health.clear(Topic::Roles),
                Ok(Some(problem)) => self.health.raise(Topic::Roles, problem),
                Err(error) => warn!(reason = told(&error), "registrations cannot be read"),
            }
            if in_order {
                self.health.clear(Topic::Address);
                self.health.offered();
                retry = RETRY;
                tokio::time::sleep(LOOK).await;
            } else {
                tokio::time::sleep(retry).await;
                retry = (retry * 2).min(Duration::from_secs(600));
            }
        }
    }

    /// A role that this node does not play any more, and can still be drawn for.
    fn left_over(&self) -> Result<Option<String>, ReadError> {
        // Commands act for an account whose roles a node plays.
        if self.roles.is_empty() {
            return Ok(None);
        }
        let account = self.services.sender.account();
        let state = self.services.chain.state();
        for role in Role::ALL {
            let named = self.roles.iter().any(|named| named.role == role);
            let known = query::registration(&*state, role, &account)?;
            if !named && known.is_some_and(|known| !known.leaving) {
                return Ok(Some(format!(
                    "the ledger has this account as {role}, and `roles` in node.toml does not: \
                     orders can still be drawn to it and cost it its bond; add the role, or give it \
                     up with `assay account leave {role}`"
                )));
            }
        }
        Ok(None)
    }

    /// A role of which the ledger has another offer than the configuration.
    fn other_offer(&self) -> Result<Option<String>, ReadError> {
        let account = self.services.sender.account();
        let state = self.services.chain.state();
        for wanted in self.roles.iter().filter(|wanted| wanted.is_set) {
            let role = wanted.role;
            let known = query::registration(&*state, role, &account)?;
            if known.is_some_and(|known| !known.leaving && known.offer != wanted.offer) {
                return Ok(Some(format!(
                    "the offer as {role} on the ledger, which counts, is not that of node.toml: bring \
                     it there with `assay offer set {role} --config node.toml`, or take \
                     [{role}.offer] out of the file"
                )));
            }
        }
        Ok(None)
    }

    /// Sees to it that the ledger has this role at this node's address, with its offer.
    async fn look_after(&self, wanted: &Wanted, pace: &mut Pace) -> Result<(), String> {
        let (role, bond) = (wanted.role, wanted.bond);
        let account = self.services.sender.account();
        let known = query::registration(&*self.services.chain.state(), role, &account);
        let known = known.map_err(|error| told(&error))?;
        // Whoever leaves stays as it is: registering again would call it back. A validator has its
        // place by the genesis, which may know a better address than a guess.
        let settled = match (&known, role) {
            (Some(known), _) if known.leaving => true,
            (None, Role::Validator) => true,
            (Some(_), Role::Validator) => !self.reach.is_configured(),
            _ => false,
        };
        if settled {
            return Ok(());
        }
        let at: Option<SocketAddr> = known.as_ref().and_then(|k| k.address.parse().ok());
        let address = self.reach.now(at).await?;
        let text = address.to_string();
        let key = self.services.key.encryption().public();
        let bond = match &known {
            Some(known) if known.address.as_str() == text && known.encryption_key == key => {
                // Whoever missed an answer is asked no more until it says again what it offers.
                if !known.suspended {
                    return Ok(());
                }
                Amount::ZERO
            }
            Some(known) => {
                self.differs(role, known, address).await?;
                Amount::ZERO
            }
            None => {
                let parameters = query::parameters(&*self.services.chain.state());
                let parameters = parameters
                    .map_err(|error| told(&error))?
                    .unwrap_or_default();
                let least = parameters
                    .min_bond(role)
                    .max(parameters.storage_lock(wanted.room));
                bond.map_or(least, Amount)
            }
        };
        let offer = match &known {
            Some(known) => known.offer.clone(),
            None => wanted.offer.clone(),
        };
        if !pace.allows(Instant::now()) {
            let at = known.map_or("nowhere".to_owned(), |known| known.address.to_string());
            return Err(format!(
                "the ledger has this node's role {role} at {at} and not at {text}, or suspended; it is \
                 registered again in a while, since each time costs a fee"
            ));
        }
        let call = AccountCall::Register {
            role,
            bond,
            encryption_key: key,
            address: BoundedString::new(text).map_err(|error| told(&error))?,
            offer,
        };
        let called = self.services.sender.call(call).await;
        // What never got into a block cost nothing.
        if !matches!(
            called,
            Err(CallError::Rejected { .. } | CallError::TooLong { .. })
        ) {
            pace.spent(Instant::now());
        }
        called.map_err(|error| {
            format!(
                "the role {role} is not offered on the ledger: {}",
                told(&error)
            )
        })?;
        info!(%role, %bond, %address, "role offered on the ledger");
        Ok(())
    }

    /// The ledger has another address: whether it may be replaced.
    async fn differs(
        &self,
        role: Role,
        known: &Registration,
        ours: SocketAddr,
    ) -> Result<(), String> {
        let theirs = known.address.as_str();
        let elsewhere = match theirs.parse() {
            Ok(address) if address != ours => self.somebody_at(address).await,
            _ => false,
        };
        if !elsewhere {
            warn!(%role, ledger = theirs, address = %ours, "the ledger has another address");
            return Ok(());
        }
        let problem = format!(
            "another process runs with this node's key at {theirs}, where the ledger has it: stop \
             one of the two, or give one a key of its own"
        );
        if !self.health.is_offered() {
            // The one that was there first stays.
            self.health.fail(problem.clone());
        }
        Err(problem)
    }

    /// Whether another process answers at `address` with this node's key.
    async fn somebody_at(&self, address: SocketAddr) -> bool {
        let Ok(stranger) = keys::generate() else {
            return false;
        };
        let any: SocketAddr = match address {
            SocketAddr::V4(_) => ([0, 0, 0, 0], 0).into(),
            SocketAddr::V6(_) => ([0u16; 8], 0).into(),
        };
        let limits = Limits {
            connect_timeout: PROBE,
            request_timeout: PROBE,
            ..Limits::default()
        };
        let nobody = Arc::new(|_: &assay_crypto::PublicKey| Standing::Stranger);
        let Ok(probe) = Transport::bind(&stranger, any, limits, nobody, Protocols::default()).await
        else {
            return false;
        };
        self.desk.expect(stranger.public());
        let account = self.services.sender.account();
        probe.book().set(account, [address]);
        let answer = probe.request(account, &Request::Head).await;
        probe.close().await;
        // Any answer under our key is one, a refusal as well.
        let answered = matches!(answer, Ok(_) | Err(RequestError::Refused { .. }));
        answered && !self.desk.met(&stranger.public())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_address_to_dial_is_configured_or_found() {
        let reach = |advertise: Option<&str>, listen: &str, toward: &[&str]| Reach {
            advertise: advertise.map(|text| text.parse().unwrap()),
            listen: listen.parse().unwrap(),
            toward: toward.iter().map(|text| text.parse().unwrap()).collect(),
        };
        let told = reach(Some("203.0.113.5:7100"), "0.0.0.0:7100", &[]);
        assert_eq!(
            told.now(None).await.unwrap().to_string(),
            "203.0.113.5:7100"
        );
        let own = reach(None, "127.0.0.1:7100", &[]);
        assert_eq!(own.now(None).await.unwrap().to_string(), "127.0.0.1:7100");
        let found = reach(None, "0.0.0.0:7100", &["127.0.0.1:9"]);
        assert_eq!(found.now(None).await.unwrap().to_string(), "127.0.0.1:7100");
        let lost = reach(None, "0.0.0.0:7100", &[]).now(None).await;
        assert!(lost.unwrap_err().contains("set `advertise`"));
        let name = reach(Some("nowhere.invalid:1"), "127.0.0.1:1", &[])
            .now(None)
            .await;
        assert!(name.unwrap_err().contains("nowhere.invalid:1"));
    }

    #[tokio::test]
    async fn a_name_that_stands_for_several_machines_does_not_flap() {
        let name: Address = "localhost:7100".parse().unwrap();
        for known in name.resolve().await.unwrap() {
            let reach = Reach {
                advertise: Some(name.clone()),
                listen: "127.0.0.1:7100".parse().unwrap(),
                toward: vec![],
            };
            assert_eq!(reach.now(Some(known)).await.unwrap(), known);
        }
    }

    #[test]
    fn registering_again_and_again_gets_slower_and_a_quiet_day_forgives() {
        let mut now = Instant::now();
        let end = now + Duration::from_secs(30 * 24 * 3600);
        let mut pace = Pace::new(now);
        let mut times = 0;
        while now < end {
            if pace.allows(now) {
                pace.spent(now);
                times += 1;
            }
            now += Duration::from_secs(60);
        }
        assert!(
            (100..150).contains(&times),
            "{times} fees in a month of trouble"
        );
        now += 5 * SLOWEST;
        pace.spent(now);
        assert!(pace.allows(now + AGAIN));
    }
}
