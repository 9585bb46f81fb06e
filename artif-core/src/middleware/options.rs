//! The options of middleware.

use serde::{Deserialize, Serialize};

use crate::client::{ClientAddress, ClientHeader, Trust};
use crate::error::{Error, Result};
use crate::verdict::Verdict;

/// What middleware does with requests (`[middleware]`).
///
/// | key | default | |
/// |---|---|---|
/// | `mode` | `"monitor"` | `"monitor"` annotates and logs, `"enforce"` refuses |
/// | `block` | `["dangerous"]` | verdicts that are refused; what an operator blocked always is |
/// | `block_below` | none | refuse below this score too, 0 to 100, 100 = safe |
/// | `unknown` | `"pass"` | `"pass"` or `"block"` requests whose client is not known |
/// | `trusted_proxies` | `[]` | networks whose `client_header` is believed |
/// | `trusted_hops` | none | in place of networks: so many proxies, unchecked |
/// | `client_header` | `"x-forwarded-for"` | or `"forwarded"`, `"x-real-ip"`, `"cf-connecting-ip"` |
/// | `exempt` | `[]` | paths that are let through unseen; a `*` at the end stands for anything |
///
/// ```
/// use artif_core::middleware::{Middleware, Mode};
///
/// let options: Middleware = serde_json::from_str(r#"{"mode": "enforce", "trusted_hops": 1}"#)?;
/// assert_eq!((options.mode, options.trusted_hops), (Mode::Enforce, Some(1)));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Middleware {
    /// Whether requests are refused.
    pub mode: Mode,
    /// The verdicts that are refused.
    pub block: Vec<Verdict>,
    /// Scores below this are refused too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub block_below: Option<f64>,
    /// What happens to requests whose client is not known.
    pub unknown: Unknown,
    /// Networks of proxies that are believed.
    pub trusted_proxies: Vec<String>,
    /// The number of proxies that are believed, in place of their networks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trusted_hops: Option<u16>,
    /// The one header that is read.
    pub client_header: ClientHeader,
    /// Paths that are let through unseen.
    pub exempt: Vec<String>,
}

impl Default for Middleware {
    fn default() -> Self {
        Self {
            mode: Mode::default(),
            block: vec![Verdict::Dangerous],
            block_below: None,
            unknown: Unknown::default(),
            trusted_proxies: Vec::new(),
            trusted_hops: None,
            client_header: ClientHeader::default(),
            exempt: Vec::new(),
        }
    }
}

/// Whether requests are refused.
///
/// ```
/// assert_eq!(serde_json::to_string(&artif_core::middleware::Mode::Monitor).unwrap(), "\"monitor\"");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Mode {
    /// All go on; what would be refused is flagged and logged.
    #[default]
    Monitor,
    /// They are.
    Enforce,
}

/// What happens to requests whose client is not known: fail open or closed.
///
/// ```
/// assert_eq!(serde_json::to_string(&artif_core::middleware::Unknown::Pass).unwrap(), "\"pass\"");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Unknown {
    /// They go on.
    #[default]
    Pass,
    /// They are refused, or flagged while monitoring.
    Block,
}

impl Middleware {
    /// How the client's address is found.
    ///
    /// Errors: [`Error::Invalid`] where both networks and hops are given, or more hops than the
    /// header can hold; [`Error::BadPrefix`] for what is no network.
    ///
    /// ```
    /// let options = artif_core::middleware::Middleware::default();
    /// assert_eq!(options.client_address().unwrap(), artif_core::client::ClientAddress::default());
    /// ```
    pub fn client_address(&self) -> Result<ClientAddress> {
        let trust = match (self.trusted_proxies.is_empty(), self.trusted_hops) {
            (true, None) => Trust::Nobody,
            (true, Some(hops)) => Trust::Hops(hops),
            (false, None) => Trust::networks(&self.trusted_proxies)?,
            (false, Some(_)) => {
                return Err(Error::Invalid {
                    what: "trusted hops",
                    reason: "trusted_proxies are given too: choose one of the two".to_owned(),
                });
            }
        };
        ClientAddress::new(trust, self.client_header)
    }

    pub(super) fn checked_block_below(&self) -> Result<Option<f64>> {
        match self.block_below {
            Some(score) if !(0.0..=100.0).contains(&score) => Err(Error::Invalid {
                what: "block_below",
                reason: format!("{score} is not a score within 0 to 100"),
            }),
            score => Ok(score),
        }
    }

    /// The first key that makes no sense, and why.
    pub(crate) fn problem(&self) -> Option<(&'static str, String)> {
        let hit = |key: &'static str| move |error: Error| (key, format!("is wrong: {error}"));
        let client = self.client_address().map_err(hit(if self.trusted_hops.is_some() {
            "trusted_hops"
        } else {
            "trusted_proxies"
        }));
        let below = self.checked_block_below().map_err(hit("block_below"));
        let exempt = super::paths::Exempt::new(&self.exempt).map_err(hit("exempt"));
        client.err().or(below.err()).or(exempt.err())
    }
}
