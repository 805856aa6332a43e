//! What is asked of a development network that may be laid out already.

use std::{
    fs,
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
};

use super::{DevnetError, Plan, layout, node_names};

/// What a network should be like, as far as it was said. A network that is laid out keeps its
/// nodes, since the genesis names them; only the address of its API can change.
#[derive(Clone, Debug, Default)]
pub struct Wish {
    /// Storage nodes.
    pub storage: Option<u8>,
    /// Providers.
    pub providers: Option<u8>,
    /// Auditors.
    pub auditors: Option<u8>,
    /// Where the first validator serves the JSON API.
    pub http: Option<SocketAddr>,
    /// What a network is like about which nothing was said.
    pub otherwise: Plan,
}

impl From<&Plan> for Wish {
    /// A plan is for a network to be laid out; one that is there stays as it is.
    fn from(plan: &Plan) -> Self {
        Self {
            otherwise: plan.clone(),
            ..Self::default()
        }
    }
}

impl Wish {
    /// The network to lay out.
    pub fn plan(&self) -> Plan {
        let otherwise = self.otherwise.clone();
        Plan {
            storage: self.storage.unwrap_or(otherwise.storage),
            providers: self.providers.unwrap_or(otherwise.providers),
            auditors: self.auditors.unwrap_or(otherwise.auditors),
            http: self.http.or(otherwise.http),
            ..otherwise
        }
    }

    /// Brings a network that is laid out in `dir` into line, or says what cannot be.
    ///
    /// # Errors
    /// [`DevnetError::Contradiction`] names the flag and what is there.
    pub(super) fn apply(&self, dir: &Path) -> Result<(), DevnetError> {
        let names = node_names(dir)?;
        let wishes = [
            ("storage", self.storage),
            ("provider", self.providers),
            ("auditor", self.auditors),
        ];
        for (role, wanted) in wishes {
            let is_one = |name: &&String| name.rsplit_once('-').is_some_and(|(of, _)| of == role);
            let there = names.iter().filter(is_one).count();
            if let Some(wanted) = wanted.filter(|wanted| usize::from(*wanted) != there) {
                let flag = if role == "storage" {
                    "storage"
                } else {
                    &format!("{role}s")
                };
                return Err(DevnetError::Contradiction(format!(
                    "--{flag} {wanted} contradicts the network in {}, which was laid out with \
                     {there}: leave the flag out, or name a new directory with --dir",
                    dir.display()
                )));
            }
        }
        match self.http {
            Some(http) => serve_at(&dir.join("nodes/validator-0/node.toml"), http),
            None => Ok(()),
        }
    }
}

/// Changes `http` in a configuration; the rest stays as it is written.
fn serve_at(file: &Path, http: SocketAddr) -> Result<(), DevnetError> {
    let failed = |source| DevnetError::Directory {
        path: file.to_owned(),
        source,
    };
    let text = fs::read_to_string(file).map_err(failed)?;
    let mut changed = with_http(&text, http);
    if changed == text {
        return Ok(());
    }
    if http.port() == 0 {
        // A free port, for good, as when the network was laid out.
        let free = TcpListener::bind(http).and_then(|listener| listener.local_addr());
        changed = with_http(&text, free.map_err(failed)?);
    }
    let aside: PathBuf = file.with_extension("toml.new");
    layout::write(&aside, changed.as_bytes())?;
    fs::rename(&aside, file).map_err(failed)
}

fn with_http(text: &str, http: SocketAddr) -> String {
    let line = format!("http = \"{http}\"");
    let is_http = |line: &str| {
        line.trim_start()
            .strip_prefix("http")
            .is_some_and(|rest| rest.trim_start().starts_with('='))
    };
    let mut lines: Vec<&str> = text.lines().collect();
    // Settings of the node itself come before the first section.
    let own = lines
        .iter()
        .position(|line| line.trim_start().starts_with('['))
        .unwrap_or(lines.len());
    let same = |old: &str| {
        let value = old.split('"').nth(1);
        let value = value.and_then(|value| value.parse::<SocketAddr>().ok());
        // Port 0 is any port, so the one that was chosen at first.
        value.is_some_and(|old| old == http || http.port() == 0 && old.ip() == http.ip())
    };
    match lines[..own].iter().position(|line| is_http(line)) {
        Some(at) if same(lines[at]) => return text.to_owned(),
        Some(at) => lines[at] = &line,
        None => lines.insert(0, &line),
    }
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_address_of_the_api_changes() {
        let http: SocketAddr = "127.0.0.1:9".parse().unwrap();
        let old = "roles = []\n  http=\"127.0.0.1:8\" # here\n\n[validator]\nhttp = 1\n";
        let new = "roles = []\nhttp = \"127.0.0.1:9\"\n\n[validator]\nhttp = 1\n";
        assert_eq!(with_http(old, http), new);
        assert_eq!(with_http(new, http), new);
        let none = "roles = []\nhttps = 1\n[validator]\nhttp = 1\n";
        assert_eq!(with_http(none, http), format!("http = \"{http}\"\n{none}"));
    }
}
