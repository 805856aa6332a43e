//! What a command needs to speak with a network: a node to ask, a genesis to check it by, a key.

use std::{
    fs::File,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use assay_api::{
    HttpNode, Included, LightNode,
    views::{Network, Status},
};
use assay_crypto::{PublicKey, SecretKey};
use assay_ledger::{AccountId, Call, Genesis, Registration, Role, query};
use assay_node::{
    config::NodeConfig,
    reach::Reach,
    transport::{Limits, Protocols, Standing, Transport},
};

use crate::{
    args::Global,
    failure::{Failure, Kind},
    home::Home,
};

/// Where a node serves its API unless told otherwise.
const DEFAULT_NODE: &str = "http://127.0.0.1:8100";

/// Oldest news that is believed to be the newest.
const MAX_AGE: Duration = Duration::from_secs(60);

/// How long a call may take to get into a block.
const PATIENCE: Duration = Duration::from_secs(60);

/// A verified connection to a network on behalf of the user.
pub(crate) struct Session {
    home: Home,
    /// The account's key file.
    key: PathBuf,
    light: LightNode,
}

impl Session {
    /// Finds the genesis and the node; nothing is asked yet.
    pub(crate) fn open(global: &Global) -> Result<Self, Failure> {
        let home = Home::find(global)?;
        let path = home.genesis();
        if !path.exists() {
            let text = format!("there is no genesis file at {}", path.display());
            return Err(Failure::new(Kind::NotFound, anyhow::Error::msg(text)).hint(
                "use --dir with a directory that has one, such as a devnet's; or copy it from \
                 somebody you trust",
            ));
        }
        let genesis = read_genesis(&path)?;
        let base = match &global.node {
            Some(url) => url.clone(),
            None => home
                .devnet_node()
                .unwrap_or_else(|| DEFAULT_NODE.to_owned()),
        };
        Ok(Self {
            key: home.key(),
            home,
            light: LightNode::new(HttpNode::new(&base)?, genesis, MAX_AGE)?,
        })
    }

    /// As [`Session::open`], for the account of a node, by its configuration.
    pub(crate) fn of_node(config: &NodeConfig, global: &Global) -> Result<Self, Failure> {
        let genesis = read_genesis(&config.genesis)?;
        let home = Home::at(config.genesis.parent().unwrap_or(Path::new("")));
        let own = config
            .http
            .as_ref()
            .map(|address| match address.is_wildcard() {
                true => format!("http://127.0.0.1:{}", address.port()),
                false => format!("http://{address}"),
            });
        let base = global.node.clone().or(own).or_else(|| home.devnet_node());
        let base = base.unwrap_or_else(|| DEFAULT_NODE.to_owned());
        Ok(Self {
            key: config.key.clone(),
            home,
            light: LightNode::new(HttpNode::new(&base)?, genesis, MAX_AGE)?,
        })
    }

    /// The user's directory.
    pub(crate) fn home(&self) -> &Home {
        &self.home
    }

    /// Verified reads.
    pub(crate) fn light(&self) -> &LightNode {
        &self.light
    }

    /// The user's key.
    pub(crate) fn key(&self) -> Result<SecretKey, Failure> {
        Ok(assay_node::keys::load(&self.key)?)
    }

    /// Puts a call of the user's account on the chain and waits for its receipt.
    ///
    /// One command after the other: two that make the same call at the same moment would sign the
    /// same transaction, and both take its one receipt for theirs.
    pub(crate) fn call(&self, key: &SecretKey, call: impl Into<Call>) -> Result<Included, Failure> {
        let locked = File::open(&self.key).and_then(|file| file.lock().map(|()| file));
        let _turn = locked.map_err(|error| {
            let context = "the key file cannot be locked";
            Failure::new(Kind::Failed, anyhow::Error::from(error).context(context))
        })?;
        Ok(self.light.call(key, call, PATIENCE)?)
    }

    /// What the node says of itself, after checking that it is of our network and up to date.
    pub(crate) fn status(&self) -> Result<Status, Failure> {
        let status: Status = self.light.node().get("/v1/status")?;
        let ours = self.light.genesis().digest();
        if status.chain_id != ours {
            let text = format!(
                "the node at {} is of network {}, your genesis file is of {ours}",
                self.light.node().base(),
                status.chain_id
            );
            let failure = Failure::new(Kind::Untrue, anyhow::Error::msg(text));
            return Err(failure.hint("name a node of your network with --node URL"));
        }
        // Any key serves to see a recent certified header.
        self.light.get(b"c")?;
        self.light.compare_clocks(&status);
        Ok(status)
    }

    /// Everybody in a role, each registration verified. A node can leave out members that joined
    /// later, but none of the genesis, so it cannot pick all storage nodes for us.
    pub(crate) fn registered(&self, role: Role) -> Result<Vec<(AccountId, Registration)>, Failure> {
        let network: Network = self.light.node().get("/v1/network")?;
        let told = network.members.iter();
        let told = told.filter(|member| member.role == role);
        let known = self.light.genesis().registrations.iter();
        let known = known.filter(|registration| registration.role == role);
        let mut accounts: Vec<AccountId> = told.map(|member| member.account).collect();
        accounts.extend(known.map(|registration| registration.account));
        accounts.sort();
        accounts.dedup();
        let mut found = Vec::new();
        for account in accounts {
            let verified = self
                .light
                .read(|store| query::registration(store, role, &account))?;
            found.extend(verified.map(|registration| (account, registration)));
        }
        Ok(found)
    }

    /// Opens a connection of the user's own to the nodes in a role.
    pub(crate) async fn dial(
        &self,
        key: &SecretKey,
        nodes: &[(AccountId, Registration)],
    ) -> Result<Transport, Failure> {
        let any = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
        let strangers = Arc::new(|_: &PublicKey| Standing::Stranger);
        // A command asks; it has nothing to answer.
        let nothing = Protocols::default();
        let transport = Transport::bind(key, any, Limits::default(), strangers, nothing).await?;
        let reach = Reach::of(self.light.genesis());
        for (account, registration) in nodes {
            let address = registration.address.parse().ok();
            if let Some(address) = address.filter(|address| reach.includes(*address)) {
                transport.book().set(*account, [address]);
            }
        }
        Ok(transport)
    }
}

/// A runtime for the transport.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let built = builder.worker_threads(2).enable_all().build();
    built.map_err(|error| Failure::new(Kind::Failed, error))
}

fn read_genesis(path: &Path) -> Result<Genesis, Failure> {
    let text = std::fs::read(path).map_err(|error| {
        let context = format!("cannot read the genesis file {}", path.display());
        anyhow::Error::from(error).context(context)
    })?;
    serde_json::from_slice(&text).map_err(|error| {
        let context = format!("{} is not a genesis file", path.display());
        let failure = Failure::new(Kind::Usage, anyhow::Error::from(error).context(context));
        failure.hint("copy it again from somebody you trust")
    })
}
