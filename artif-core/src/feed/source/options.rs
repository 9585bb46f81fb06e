//! How documents are fetched: the `[fetch]` section of the configuration.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use url::Url;

use super::secret::{Auth, How};

/// How feeds are fetched (`[fetch]`).
///
/// | key | default | unit, range |
/// |---|---|---|
/// | `timeout` | `"5m"` | duration, for one attempt at a document with all its redirects; none begins later than this after the first |
/// | `connect_timeout` | `"10s"` | duration, name resolution and TLS handshake included |
/// | `idle_timeout` | `"30s"` | duration without a byte from the server |
/// | `max_bytes` | `268435456` | bytes of one document, as sent and again once unpacked |
/// | `max_redirects` | `5` | redirects, 0 to 20 |
/// | `user_agent` | `artif/<version> (+<repository>)` | visible ASCII |
/// | `allow_private` | `false` | let host names lead to private and other special addresses |
/// | `concurrency` | `8` | transfers at once, 1 to 64 |
/// | `per_host` | `2` | transfers at once from one host, 1 to 16 |
/// | `retries` | `2` | further attempts after an error that may pass, 0 to 10 |
/// | `retry_wait` | `"1s"` | duration before the first further attempt; then doubled, with jitter |
/// | `max_retry_wait` | `"30s"` | longest wait, also where the server asks for one (`Retry-After`): a longer one is left to the next refresh |
/// | `proxy` | none | `"env"` for what `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY` say, or the address of one: `http:`, `https:`, `socks5:` or `socks5h:` |
/// | `no_proxy` | `[]` | hosts, domains and networks reached without `proxy` |
/// | `proxy_auth` | none | [`Auth`] of the form `basic:USER SECRET` for `proxy` |
/// | `ca_file` | none | path of PEM certificates to trust beside the system's |
///
/// A feed whose configured host *is* a private address, or `localhost`, needs no `allow_private`:
/// whoever wrote it there meant it. Redirects to other such hosts are refused all the same. A proxy
/// looks names up by itself, so what they lead to is the proxy's to judge.
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
    /// Transfers at once from one host; publishers do not like many.
    pub per_host: u32,
    /// Further attempts after an error that may pass.
    pub retries: u32,
    /// Before the first further attempt.
    #[serde(with = "crate::duration")]
    pub retry_wait: Duration,
    /// The longest wait before a further attempt.
    #[serde(with = "crate::duration")]
    pub max_retry_wait: Duration,
    /// `"env"`, or the address of a proxy, without a password in it.
    pub proxy: Option<String>,
    /// Hosts, domains and networks reached without the proxy.
    pub no_proxy: Vec<String>,
    /// What the proxy wants to be shown.
    pub proxy_auth: Option<Auth>,
    /// Certificates to trust beside the system's.
    pub ca_file: Option<PathBuf>,
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
            per_host: 2,
            retries: 2,
            retry_wait: Duration::from_secs(1),
            max_retry_wait: Duration::from_secs(30),
            proxy: None,
            no_proxy: Vec::new(),
            proxy_auth: None,
            ca_file: None,
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

    /// Takes relative paths from this folder.
    pub(crate) fn resolve(&mut self, folder: &Path) {
        if let Some(path) = &mut self.ca_file {
            *path = folder.join(&*path);
        }
        if let Some(auth) = &mut self.proxy_auth {
            auth.resolve(folder);
        }
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
                (!(1..=16).contains(&self.per_host))
                    .then(|| ("per_host", format!("{} is not within 1 to 16", self.per_host)))
            })
            .or_else(|| {
                let agent = self.user_agent.as_deref()?;
                (!is_user_agent(agent))
                    .then(|| ("user_agent", "has to be visible ASCII".to_owned()))
            })
            .or_else(|| {
                (self.retries > 10)
                    .then(|| ("retries", format!("{} is not within 0 to 10", self.retries)))
            })
            .or_else(|| zero("retry_wait", self.retry_wait))
            .or_else(|| {
                (self.max_retry_wait < self.retry_wait)
                    .then(|| ("max_retry_wait", "is shorter than `fetch.retry_wait`".to_owned()))
            })
            .or_else(|| self.proxy_problem())
    }

    fn proxy_problem(&self) -> Option<(&'static str, String)> {
        let problem = |key, text: &str| Some((key, text.to_owned()));
        if let Some(auth) = &self.proxy_auth {
            if !matches!(auth.how, How::Basic(_)) {
                return problem("proxy_auth", "has to be of the form `basic:USER env:NAME`");
            }
            if self.proxy.as_deref().is_none_or(|proxy| proxy == "env") {
                return problem("proxy_auth", "belongs to an address in `fetch.proxy`");
            }
        }
        let proxy = self.proxy.as_deref().filter(|proxy| *proxy != "env")?;
        // The text itself may hold a password: it is not repeated.
        let Ok(url) = Url::parse(proxy) else {
            return problem("proxy", "is neither \"env\" nor an address as in http://proxy:3128");
        };
        if !matches!(url.scheme(), "http" | "https" | "socks5" | "socks5h") {
            return problem("proxy", "has to start with http:, https:, socks5: or socks5h:");
        }
        if url.host_str().is_none_or(str::is_empty) {
            return problem("proxy", "names no host");
        }
        if url.password().is_some() || !url.username().is_empty() {
            return problem("proxy", "holds a user: write `basic:USER env:NAME` in `proxy_auth`");
        }
        None
    }
}

/// Whether this can be sent as a `User-Agent`.
pub(crate) fn is_user_agent(text: &str) -> bool {
    !text.trim().is_empty() && text.bytes().all(|b| matches!(b, b' '..=b'~'))
}
