//! How documents are fetched: the `[fetch]` section of the configuration.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How feeds are fetched (`[fetch]`).
///
/// | key | default | unit, range |
/// |---|---|---|
/// | `timeout` | `"5m"` | duration, for one document with all its redirects |
/// | `connect_timeout` | `"10s"` | duration, name resolution and TLS handshake included |
/// | `idle_timeout` | `"30s"` | duration without a byte from the server |
/// | `max_bytes` | `268435456` | bytes of one document, as sent and again once unpacked |
/// | `max_redirects` | `5` | redirects, 0 to 20 |
/// | `user_agent` | `artif/<version> (+<repository>)` | visible ASCII |
/// | `allow_private` | `false` | let host names lead to private and other special addresses |
/// | `concurrency` | `8` | transfers at once, 1 to 64; never more than two a host |
///
/// A feed whose configured host *is* a private address, or `localhost`, needs no `allow_private`:
/// whoever wrote it there meant it. Redirects to other such hosts are refused all the same.
///
/// ```
/// let fetch = artif_core::config::Fetch::default();
/// assert_eq!(fetch.timeout.as_secs(), 300);
/// assert!(!fetch.allow_private);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct FetchOptions {
    /// For one document with all its redirects.
    #[serde(with = "crate::duration")]
    pub timeout: Duration,
    /// For one connection, name resolution and TLS handshake included.
    #[serde(with = "crate::duration")]
    pub connect_timeout: Duration,
    /// Between two pieces of an answer, and before the first.
    #[serde(with = "crate::duration")]
    pub idle_timeout: Duration,
    /// Bytes of one document, as sent and again once unpacked.
    pub max_bytes: u64,
    /// Redirects followed for one document.
    pub max_redirects: u32,
    /// The `User-Agent` header; `None` stands for artif's own.
    pub user_agent: Option<String>,
    /// Whether host names may lead to special-purpose addresses.
    pub allow_private: bool,
    /// Transfers at once, over all hosts.
    pub concurrency: u32,
}

impl Default for FetchOptions {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(300),
            connect_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(30),
            max_bytes: 256 << 20,
            max_redirects: 5,
            user_agent: None,
            allow_private: false,
            concurrency: 8,
        }
    }
}

impl FetchOptions {
    /// The `User-Agent` header as sent.
    ///
    /// ```
    /// assert!(artif_core::config::Fetch::default().user_agent().starts_with("artif/"));
    /// ```
    pub fn user_agent(&self) -> &str {
        const OWN: &str =
            concat!("artif/", env!("CARGO_PKG_VERSION"), " (+", env!("CARGO_PKG_REPOSITORY"), ")");
        self.user_agent.as_deref().unwrap_or(OWN)
    }

    /// What is wrong: the key, and why.
    pub(crate) fn problem(&self) -> Option<(&'static str, String)> {
        let zero = |key, duration: Duration| {
            duration.is_zero().then(|| (key, "has to be longer than nothing".to_owned()))
        };
        zero("timeout", self.timeout)
            .or_else(|| zero("connect_timeout", self.connect_timeout))
            .or_else(|| zero("idle_timeout", self.idle_timeout))
            .or_else(|| {
                (!(1..=1 << 40).contains(&self.max_bytes)).then(|| {
                    ("max_bytes", format!("{} is not within 1 to 2^40 bytes", self.max_bytes))
                })
            })
            .or_else(|| {
                (self.max_redirects > 20).then(|| {
                    ("max_redirects", format!("{} is not within 0 to 20", self.max_redirects))
                })
            })
            .or_else(|| {
                (!(1..=64).contains(&self.concurrency))
                    .then(|| ("concurrency", format!("{} is not within 1 to 64", self.concurrency)))
            })
            .or_else(|| {
                let sendable = |text: &str| text.bytes().all(|b| matches!(b, b' '..=b'~'));
                let agent = self.user_agent.as_deref()?;
                (agent.trim().is_empty() || !sendable(agent))
                    .then(|| ("user_agent", "has to be visible ASCII".to_owned()))
            })
    }
}
