//! Where a node listens: looked up and tried before anything is opened.

use std::net::SocketAddr;

use super::NodeError;
use crate::{
    address::Address,
    config::NodeConfig,
    needs::{self, NeedError},
};

/// The numeric addresses that a node listens on.
pub(crate) struct Listening {
    pub(super) peers: SocketAddr,
    pub(super) http: Option<SocketAddr>,
    pub(super) consensus: Option<SocketAddr>,
}

impl Listening {
    /// Looks up what the configuration names.
    ///
    /// # Errors
    /// [`NodeError::Name`].
    pub(crate) async fn of(config: &NodeConfig) -> Result<Self, NodeError> {
        let validator = config.validator.as_ref().map(|validator| &validator.listen);
        Ok(Self {
            peers: look_up("listen", &config.listen).await?,
            http: match &config.http {
                Some(address) => Some(look_up("http", address).await?),
                None => None,
            },
            consensus: match validator {
                Some(address) => Some(look_up("validator.listen", address).await?),
                None => None,
            },
        })
    }

    /// Whether every port is free, before anything is opened.
    ///
    /// # Errors
    /// [`NeedError::Port`].
    pub(crate) fn check(&self) -> Result<(), NeedError> {
        needs::udp("listen", self.peers)?;
        if let Some(http) = self.http {
            needs::tcp("http", http)?;
        }
        if let Some(consensus) = self.consensus {
            needs::tcp("validator.listen", consensus)?;
        }
        Ok(())
    }
}

async fn look_up(setting: &'static str, address: &Address) -> Result<SocketAddr, NodeError> {
    let found = address.resolve().await.map_err(|source| NodeError::Name {
        setting,
        address: address.clone(),
        source,
    })?;
    Ok(found[0])
}
