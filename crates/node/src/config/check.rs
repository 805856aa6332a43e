//! Rules that tie settings together. Each refusal says which line to change.

use std::collections::BTreeSet;

use assay_ledger::Role;

use super::{NodeConfig, WorkConfig};
use crate::address::Address;

/// Least and most time between blocks in milliseconds.
const BLOCK_INTERVAL: std::ops::RangeInclusive<u64> = 10..=60_000;

/// What the smallest job takes.
const LEAST_MEMORY: u64 = 64 << 20;

impl NodeConfig {
    pub(super) fn check(&self) -> Result<(), String> {
        self.check_roles()?;
        self.check_addresses()?;
        self.check_values()
    }

    fn check_roles(&self) -> Result<(), String> {
        if self.roles.is_empty() {
            return Err(
                "`roles` is empty: name at least one of validator, provider, auditor, \
                        storage"
                    .into(),
            );
        }
        let distinct: BTreeSet<_> = self.roles.iter().collect();
        if distinct.len() < self.roles.len() {
            return Err("`roles` names a role twice: keep each once".into());
        }
        if !self.join.is_empty() && !self.plays(Role::Provider) {
            return Err(
                "`[[join]]` is for providers: add \"provider\" to `roles`, or leave it out".into(),
            );
        }
        // Whether there is a section, and whether the role needs one.
        let section = |role: Role| match role {
            Role::Validator => (self.validator.is_some(), true),
            Role::Provider => (self.provider.is_some(), false),
            Role::Auditor => (self.auditor.is_some(), false),
            Role::Storage => (self.storage.is_some(), true),
        };
        for role in Role::ALL {
            let (name, (present, needed)) = (role.name(), section(role));
            match (self.plays(role), present) {
                (true, false) if needed => {
                    return Err(format!(
                        "role \"{name}\" needs a [{name}] section; `assay node --help` shows one"
                    ));
                }
                (false, true) => {
                    return Err(format!(
                        "section [{name}] has no effect: add \"{name}\" to `roles` or delete it"
                    ));
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn check_addresses(&self) -> Result<(), String> {
        if let (Some(http), Some(validator)) = (&self.http, &self.validator)
            && collide(http, &validator.listen)
        {
            return Err(format!(
                "`http` and `validator.listen` are both tcp {http}: change one"
            ));
        }
        if self
            .validator
            .as_ref()
            .is_some_and(|v| v.listen.port() == 0)
        {
            return Err(
                "`validator.listen` has port 0: name the port that the genesis gives for this \
                 validator"
                    .into(),
            );
        }
        if let Some(advertise) = &self.advertise {
            check_dialable(advertise).map_err(|problem| format!("`advertise`: {problem}"))?;
        }
        let mut seen = BTreeSet::new();
        for peer in &self.peers {
            check_dialable(&peer.address).map_err(|e| format!("peer {}: {e}", peer.key))?;
            if !seen.insert(peer.key) {
                return Err(format!(
                    "peer {} is listed twice: keep one address",
                    peer.key
                ));
            }
        }
        Ok(())
    }

    fn check_values(&self) -> Result<(), String> {
        if let Some(validator) = &self.validator
            && !BLOCK_INTERVAL.contains(&validator.block_interval_ms)
        {
            return Err(format!(
                "`validator.block_interval_ms` is {}: choose {} to {}",
                validator.block_interval_ms,
                BLOCK_INTERVAL.start(),
                BLOCK_INTERVAL.end()
            ));
        }
        let asked = |work: &Option<WorkConfig>| work.as_ref().and_then(|work| work.threads);
        if let (Some(one), Some(other)) = (asked(&self.provider), asked(&self.auditor))
            && one != other
        {
            return Err(format!(
                "`provider.threads` is {one} and `auditor.threads` is {other}: both roles share \
                 one set of threads, so write the same number"
            ));
        }
        for (name, work) in [("provider", &self.provider), ("auditor", &self.auditor)] {
            if asked(work).is_some_and(|threads| threads > assay_kernel::MAX_THREADS) {
                return Err(format!(
                    "`{name}.threads` is above {}: leave it out to use all processors",
                    assay_kernel::MAX_THREADS
                ));
            }
            if work.as_ref().is_some_and(|work| work.threads == Some(0)) {
                return Err(format!(
                    "`{name}.threads` is 0: leave it out to use all processors"
                ));
            }
        }
        if let Some(memory) = self.work.as_ref().and_then(|work| work.memory)
            && memory.0 < LEAST_MEMORY
        {
            return Err(format!(
                "`work.memory` is {memory}: no program runs in that; give it at least 64 MiB"
            ));
        }
        if self
            .storage
            .as_ref()
            .is_some_and(|storage| storage.quota.0 == 0)
        {
            return Err("`storage.quota` is 0: give it some room, such as \"20 GiB\"".into());
        }
        Ok(())
    }
}

/// Whether both cannot be listened on at once.
fn collide(one: &Address, other: &Address) -> bool {
    let wide = one.is_wildcard() || other.is_wildcard();
    one.port() != 0 && one.port() == other.port() && (wide || one == other)
}

fn check_dialable(address: &Address) -> Result<(), String> {
    if address.is_wildcard() || address.port() == 0 {
        return Err(format!(
            "{address} cannot be dialled: give its real address and port"
        ));
    }
    Ok(())
}
