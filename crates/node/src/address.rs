//! Where something listens, as people write it: `203.0.113.7:7100`, `[::1]:7100`,
//! `localhost:7100`, `validator.example.org:7100`.
//!
//! A name stays a name: it is looked up when it is used, so an entry that changes is followed.

use std::{
    fmt, io,
    net::{IpAddr, SocketAddr},
    str::FromStr,
};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Longest host name, in bytes.
const MAX_NAME: usize = 253;

/// An address or a name, with a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A numeric address.
    Socket(SocketAddr),
    /// A host name, to be looked up.
    Name {
        /// The name.
        host: String,
        /// The port.
        port: u16,
    },
}

/// A text that is no address.
#[derive(Debug, thiserror::Error)]
#[error("{text:?} is no address: {problem}")]
pub struct BadAddress {
    text: String,
    problem: &'static str,
}

impl Address {
    /// The port.
    pub fn port(&self) -> u16 {
        match self {
            Self::Socket(address) => address.port(),
            Self::Name { port, .. } => *port,
        }
    }

    /// The numeric address, where it is one.
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::Socket(address) => Some(address.ip()),
            Self::Name { .. } => None,
        }
    }

    /// Whether it stands for every address of the machine, `0.0.0.0` or `[::]`.
    pub fn is_wildcard(&self) -> bool {
        self.ip().is_some_and(|ip| ip.is_unspecified())
    }

    /// What it stands for now, IPv4 first; never empty.
    ///
    /// # Errors
    /// When a name cannot be looked up or stands for nothing.
    pub async fn resolve(&self) -> io::Result<Vec<SocketAddr>> {
        let mut found: Vec<SocketAddr> = match self {
            Self::Socket(address) => vec![*address],
            Self::Name { host, port } => tokio::net::lookup_host((host.as_str(), *port))
                .await?
                .collect(),
        };
        found.sort_by_key(SocketAddr::is_ipv6);
        if found.is_empty() {
            return Err(io::Error::other("the name stands for no address"));
        }
        Ok(found)
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        Self::Socket(address)
    }
}

impl FromStr for Address {
    type Err = BadAddress;

    fn from_str(text: &str) -> Result<Self, BadAddress> {
        if let Ok(address) = text.parse() {
            return Ok(Self::Socket(address));
        }
        let bad = |problem| BadAddress {
            text: text.chars().take(80).collect(),
            problem,
        };
        if text.contains("://") {
            return Err(bad(
                "leave out what stands before the host, as in \"127.0.0.1:8100\"",
            ));
        }
        if text.parse::<std::net::Ipv6Addr>().is_ok() {
            return Err(bad("write [IPV6]:PORT, as in \"[::1]:8100\""));
        }
        let Some((host, port)) = text.rsplit_once(':') else {
            return Err(bad(
                "it has no port; write HOST:PORT, as in \"127.0.0.1:8100\"",
            ));
        };
        let Ok(port) = port.parse() else {
            return Err(bad("its port is no number from 0 to 65535"));
        };
        if host.is_empty() || host == "*" {
            return Err(bad(
                "it has no host; \"0.0.0.0:PORT\" listens on every address",
            ));
        }
        if host.contains(['[', ']', ':']) {
            return Err(bad("write [IPV6]:PORT, as in \"[::1]:8100\""));
        }
        if host
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'.')
        {
            return Err(bad("an IPv4 address is four numbers from 0 to 255"));
        }
        let labels = host.strip_suffix('.').unwrap_or(host).split('.');
        let spelt = |label: &str| {
            let inside = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
            !label.is_empty() && label.len() <= 63 && label.bytes().all(inside)
        };
        if host.len() > MAX_NAME || !labels.into_iter().all(spelt) {
            return Err(bad(
                "a host name has letters, digits, hyphens and dots only",
            ));
        }
        let host = host.to_owned();
        Ok(Self::Name { host, port })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Socket(address) => address.fmt(f),
            Self::Name { host, port } => write!(f, "{host}:{port}"),
        }
    }
}

impl Serialize for Address {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_people_write_them() {
        for text in [
            "127.0.0.1:8100",
            "[::1]:8100",
            "[::]:0",
            "localhost:7000",
            "validator-1.example.org:7000",
            "my_host:1",
        ] {
            let address: Address = text.parse().unwrap();
            assert_eq!(address.to_string(), text);
        }
        let v6: Address = "[::1]:8100".parse().unwrap();
        assert_eq!(v6.ip(), Some("::1".parse().unwrap()));
        assert!("0.0.0.0:1".parse::<Address>().unwrap().is_wildcard());
        assert!(!"localhost:1".parse::<Address>().unwrap().is_wildcard());
    }

    #[test]
    fn what_is_no_address_is_refused_with_the_form_that_works() {
        for (text, says) in [
            ("8100", "has no port"),
            ("127.0.0.1", "has no port"),
            (":8100", "0.0.0.0:PORT"),
            ("*:8100", "0.0.0.0:PORT"),
            ("http://127.0.0.1:8100", "leave out"),
            ("::1", "[::1]:8100"),
            ("::1:8100x", "no number"),
            ("fe80::1:2:3:4:5:6:7:8100", "[::1]:8100"),
            ("127.0.0.1:99999", "no number"),
            ("127.0.0.1:", "no number"),
            ("300.1.1.1:80", "four numbers"),
            ("bad host:80", "letters, digits"),
            ("a..b:80", "letters, digits"),
            ("", "has no port"),
        ] {
            let error = text.parse::<Address>().unwrap_err().to_string();
            assert!(error.contains(says), "{text}: {error}");
        }
        let long = format!("{}:80", "a".repeat(300));
        assert!(long.parse::<Address>().is_err());
    }

    #[tokio::test]
    async fn names_are_looked_up_and_the_rest_stays() {
        let local: Address = "localhost:7000".parse().unwrap();
        let found = local.resolve().await.unwrap();
        assert!(
            found
                .iter()
                .all(|a| a.ip().is_loopback() && a.port() == 7000)
        );
        let nowhere: Address = "nowhere.invalid:7000".parse().unwrap();
        assert!(nowhere.resolve().await.is_err());
    }
}
