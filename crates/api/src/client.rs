//! A node's JSON API, from the asking side. Blocking, because its user is a command line.

use std::time::Duration;

use assay_ledger::Lasting;
use serde::{Serialize, de::DeserializeOwned};
use ureq::{
    Agent,
    http::{Response, Uri},
};

use crate::views::ErrorBody;

/// Longest answer that is read, in bytes: a block of the largest size in hexadecimal.
const MAX_ANSWER: u64 = 8 << 20;

/// Time for one request.
const TIMEOUT: Duration = Duration::from_secs(35);

/// Time to connect.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A node reached over HTTP.
#[derive(Clone, Debug)]
pub struct HttpNode {
    agent: Agent,
    base: String,
}

/// Why a node's API gave no usable answer.
#[derive(Debug, thiserror::Error)]
pub enum HttpNodeError {
    /// The address is not one.
    #[error("{0:?} is not the address of a node: write it like http://127.0.0.1:8100")]
    BadUrl(String),
    /// Nobody answers.
    #[error("no node answers at {base}")]
    Unreachable {
        /// The address asked.
        base: String,
        /// What the transport said.
        #[source]
        source: Box<ureq::Error>,
    },
    /// Somebody takes the connection and says nothing.
    #[error("what listens at {0} gave no answer within {wait}", wait = Lasting::from(TIMEOUT))]
    Silent(String),
    /// The node answered with an error.
    #[error("{}", body.error)]
    Refused {
        /// HTTP status.
        status: u16,
        /// The node's explanation.
        body: ErrorBody,
    },
    /// The node answered with something that is not part of the API.
    #[error("what answers at {base}{path} is not an assay node of this version")]
    Malformed {
        /// The address asked.
        base: String,
        /// The path asked for.
        path: String,
        /// What was unexpected.
        #[source]
        source: Box<ureq::Error>,
    },
}

impl HttpNode {
    /// A node at `base`, such as `http://127.0.0.1:8100`. Nothing is sent yet.
    ///
    /// # Errors
    /// [`HttpNodeError::BadUrl`].
    pub fn new(base: &str) -> Result<Self, HttpNodeError> {
        let base = plain(base).ok_or_else(|| HttpNodeError::BadUrl(base.to_owned()))?;
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(TIMEOUT))
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .max_redirects(0)
            .proxy(None)
            .build()
            .new_agent();
        Ok(Self { agent, base })
    }

    /// The address asked.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Asks for a path, such as `/v1/status`.
    ///
    /// # Errors
    /// [`HttpNodeError`].
    pub fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, HttpNodeError> {
        let answer = self.agent.get(format!("{}{path}", self.base)).call();
        self.read(path, answer)
    }

    /// Sends a body to a path.
    ///
    /// # Errors
    /// [`HttpNodeError`].
    pub fn post<B: Serialize, T: DeserializeOwned>(
        &self,
        path: &str,
        body: &B,
    ) -> Result<T, HttpNodeError> {
        let answer = self
            .agent
            .post(format!("{}{path}", self.base))
            .send_json(body);
        self.read(path, answer)
    }

    fn read<T: DeserializeOwned>(
        &self,
        path: &str,
        answer: Result<Response<ureq::Body>, ureq::Error>,
    ) -> Result<T, HttpNodeError> {
        let mut answer = answer.map_err(|source| match source {
            ureq::Error::Timeout(ureq::Timeout::Global) => HttpNodeError::Silent(self.base.clone()),
            source => HttpNodeError::Unreachable {
                base: self.base.clone(),
                source: Box::new(source),
            },
        })?;
        let malformed = |source| HttpNodeError::Malformed {
            base: self.base.clone(),
            path: path.to_owned(),
            source: Box::new(source),
        };
        let status = answer.status();
        let body = answer.body_mut().with_config().limit(MAX_ANSWER);
        if status.is_success() {
            return body.read_json().map_err(malformed);
        }
        let body = body.read_json().map_err(malformed)?;
        Err(HttpNodeError::Refused {
            status: status.as_u16(),
            body,
        })
    }
}

/// `http://HOST[:PORT]` and nothing that would be passed over: no user, path, query or fragment.
fn plain(base: &str) -> Option<String> {
    let url: Uri = base.parse().ok()?;
    let authority = url.authority()?;
    let port = authority.as_str().strip_prefix(authority.host())?;
    let is_port = |port: &str| {
        port.bytes().all(|byte| byte.is_ascii_digit())
            && port.parse().is_ok_and(|port: u16| port > 0)
    };
    let fits = url.scheme_str() == Some("http")
        && !authority.host().is_empty()
        && (port.is_empty() || port.strip_prefix(':').is_some_and(is_port))
        && matches!(url.path(), "" | "/")
        && !base.contains(['?', '#']);
    fits.then(|| format!("http://{authority}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_checked_before_anything_is_sent() {
        for bad in [
            "",
            "127.0.0.1:8100",
            "https://a",
            "http://",
            "http://a/b",
            "http://a b",
            "http://:8100",
            "http://a:",
            "http://a:0",
            "http://a:65536",
            "http://a:+80",
            "http://a:80:80",
            "http://me@a:80",
            "http://a:80?x",
            "http://a:80/#x",
            "ftp://a",
        ] {
            let error = HttpNode::new(bad).unwrap_err();
            assert!(matches!(error, HttpNodeError::BadUrl(_)), "{bad}");
        }
        assert_eq!(
            HttpNode::new("http://[::1]:8/").unwrap().base(),
            "http://[::1]:8"
        );
        assert_eq!(HttpNode::new("HTTP://a.b").unwrap().base(), "http://a.b");
    }

    #[test]
    fn a_node_that_is_not_there_is_named() {
        let node = HttpNode::new("http://127.0.0.1:9").unwrap();
        let error = node.get::<serde_json::Value>("/v1/status").unwrap_err();
        assert!(matches!(error, HttpNodeError::Unreachable { .. }));
        assert!(error.to_string().contains("http://127.0.0.1:9"), "{error}");
    }
}
