//! Which names the API answers to, and to which web pages: its own and none.
//!
//! A page on the internet can have a browser send requests to this machine, by its address or by a
//! name of its own that it lets resolve to this machine (DNS rebinding). The first shows in
//! `Origin`, the second in `Host`: both are refused. No page elsewhere may read answers either, since
//! none carries a header that would allow it (CORS).

use axum::http::{HeaderMap, StatusCode, header, uri::Authority};

use super::error::ApiError;

/// The host names that are ours besides addresses and `localhost`.
#[derive(Clone, Debug, Default)]
pub(super) struct Names(Vec<String>);

impl Names {
    /// These names, whatever their case.
    pub(super) fn new(names: impl IntoIterator<Item = String>) -> Self {
        Self(
            names
                .into_iter()
                .map(|name| name.to_ascii_lowercase())
                .collect(),
        )
    }

    /// Refuses a request for another host, or from a page of another origin.
    pub(super) fn check(&self, headers: &HeaderMap) -> Result<(), ApiError> {
        let mut hosts = headers.get_all(header::HOST).iter();
        let (host, more) = (hosts.next(), hosts.next());
        // Only old clients, and no browser, name no host.
        let Some(host) = host else {
            return match headers.get(header::ORIGIN) {
                None => Ok(()),
                Some(_) => Err(elsewhere()),
            };
        };
        let authority = host
            .to_str()
            .ok()
            .and_then(|host| host.parse::<Authority>().ok());
        let authority = authority.filter(|_| more.is_none()).ok_or_else(|| {
            ApiError::invalid("the `Host` header is malformed", "name this node's address")
        })?;
        if !self.is_ours(authority.host()) {
            return Err(ApiError::new(
                StatusCode::MISDIRECTED_REQUEST,
                format!(
                    "this node does not answer to the name {:?}",
                    authority.host()
                ),
                "use its address, or list the name under `http_names` in its configuration",
            ));
        }
        match headers.get(header::ORIGIN) {
            None => Ok(()),
            Some(origin) => {
                let origin = origin.to_str().ok().and_then(|origin| {
                    let rest = origin.strip_prefix("http://");
                    rest.or_else(|| origin.strip_prefix("https://"))
                });
                match origin {
                    Some(origin) if origin.eq_ignore_ascii_case(authority.as_str()) => Ok(()),
                    _ => Err(elsewhere()),
                }
            }
        }
    }

    /// An address cannot be made to resolve to another machine, nor can `localhost`.
    fn is_ours(&self, host: &str) -> bool {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        let inner = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'));
        let is_address = inner.unwrap_or(&host).parse::<std::net::IpAddr>().is_ok();
        is_address || host == "localhost" || host.ends_with(".localhost") || self.0.contains(&host)
    }
}

fn elsewhere() -> ApiError {
    ApiError::new(
        StatusCode::FORBIDDEN,
        "a web page of another origin may not use this node",
        "open the node's own address, or ask it from a program",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(host: &str, origin: Option<&str>) -> u16 {
        let names = Names::new(["Node.Example.org".to_owned()]);
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, host.parse().unwrap());
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, origin.parse().unwrap());
        }
        names
            .check(&headers)
            .map_or_else(|error| error.status().as_u16(), |()| 200)
    }

    #[test]
    fn addresses_localhost_and_configured_names_are_ours() {
        for host in [
            "127.0.0.1:8100",
            "127.0.0.1",
            "[::1]:8100",
            "[::1]",
            "192.0.2.7:80",
            "localhost",
            "LOCALHOST:8100",
            "node1.localhost:8100",
            "node.example.org",
            "NODE.example.org.:8100",
        ] {
            assert_eq!(check(host, None), 200, "{host}");
        }
    }

    #[test]
    fn names_that_somebody_lets_resolve_to_us_are_not() {
        for host in [
            "evil.example",
            "evil.example:8100",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "evil-localhost",
            "node.example.org.evil.example",
            "example.org",
        ] {
            assert_eq!(check(host, None), 421, "{host}");
        }
        assert_eq!(check("a b", None), 400);
        let mut twice = HeaderMap::new();
        twice.append(header::HOST, "localhost".parse().unwrap());
        twice.append(header::HOST, "evil.example".parse().unwrap());
        assert!(Names::default().check(&twice).is_err());
    }

    #[test]
    fn pages_of_other_origins_are_refused() {
        let here = "127.0.0.1:8100";
        assert_eq!(check(here, Some("http://127.0.0.1:8100")), 200);
        for origin in [
            "https://evil.example",
            "http://evil.example:8100",
            "http://127.0.0.1:3000",
            "http://localhost:8100",
            "null",
            "file://",
            "http://127.0.0.1:8100.evil.example",
            "",
        ] {
            assert_eq!(check(here, Some(origin)), 403, "{origin}");
        }
    }
}
