//! What to do with a request: the decisions that middleware of every language shares.
//!
//! A [`Gatekeeper`] is made once from [`Middleware`] options; for each request it names the client
//! ([`Gatekeeper::client`]), says whether the path is exempt, and rules. It never waits: a ruling is
//! one lookup.

mod options;
mod paths;
mod reference;

use std::net::IpAddr;

use serde::ser::{SerializeMap, Serializer};

pub use self::options::{Middleware, Mode, Unknown};
pub use self::reference::Reference;
use crate::client::ClientAddress;
use crate::engine::ReputationEngine;
use crate::error::Result;
use crate::reputation::Reputation;
use crate::verdict::Verdict;

/// Decides about requests.
///
/// ```
/// use artif_core::middleware::{Action, Gatekeeper, Middleware, Mode};
/// use artif_core::{Engine, ReputationEngine};
///
/// let engine = Engine::in_memory()?;
/// let mut options = Middleware::default();
/// options.mode = Mode::Enforce;
/// let gatekeeper = Gatekeeper::new(&options)?;
///
/// let client = gatekeeper.client().find("8.8.8.8".parse().ok(), []);
/// let ruling = gatekeeper.rule(&engine, client);
/// assert_eq!(ruling.action, Action::Pass);
/// # Ok::<(), artif_core::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Gatekeeper {
    client: ClientAddress,
    exempt: paths::Exempt,
    mode: Mode,
    unknown: Unknown,
    block: Vec<Verdict>,
    block_below: Option<f64>,
}

/// What becomes of a request.
///
/// ```
/// use artif_core::middleware::Action;
/// assert_eq!(Action::Flag.as_str(), "flag");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Action {
    /// It goes on.
    Pass,
    /// It goes on, because the mode is to monitor; enforcing, it would be blocked.
    Flag,
    /// It is refused.
    Block,
}

impl Action {
    /// As logs spell it.
    ///
    /// ```
    /// assert_eq!(artif_core::middleware::Action::Block.as_str(), "block");
    /// ```
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Flag => "flag",
            Self::Block => "block",
        }
    }
}

/// The decision about one request.
///
/// ```
/// use artif_core::Engine;
/// use artif_core::middleware::{Action, Gatekeeper, Middleware};
///
/// let gatekeeper = Gatekeeper::new(&Middleware::default())?;
/// let ruling = gatekeeper.rule(&Engine::in_memory()?, None);
/// assert_eq!((ruling.action, ruling.reputation.is_none()), (Action::Pass, true));
/// # Ok::<(), artif_core::Error>(())
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Ruling {
    /// What becomes of it.
    pub action: Action,
    /// The answer for the client; `None` where its address is not known.
    pub reputation: Option<Reputation>,
    /// Where it is flagged or blocked: what a client may be shown and finds the log line again. The
    /// reason is for the log alone.
    pub reference: Option<Reference>,
}

impl Gatekeeper {
    /// Checks the options.
    ///
    /// Errors: [`Error::Invalid`](crate::Error::Invalid) and
    /// [`Error::BadPrefix`](crate::Error::BadPrefix) for options that make no sense.
    ///
    /// ```
    /// use artif_core::middleware::{Gatekeeper, Middleware};
    ///
    /// let mut options = Middleware::default();
    /// options.trusted_proxies = vec!["10.0.0.0/40".to_owned()];
    /// assert_eq!(Gatekeeper::new(&options).unwrap_err().code(), "ARTIF_BAD_PREFIX");
    /// ```
    pub fn new(options: &Middleware) -> Result<Self> {
        Ok(Self {
            client: options.client_address()?,
            exempt: paths::Exempt::new(&options.exempt)?,
            mode: options.mode,
            unknown: options.unknown,
            block: options.block.clone(),
            block_below: options.checked_block_below()?,
        })
    }

    /// Finds the client's address.
    ///
    /// ```
    /// use artif_core::middleware::{Gatekeeper, Middleware};
    /// let gatekeeper = Gatekeeper::new(&Middleware::default()).unwrap();
    /// assert_eq!(gatekeeper.client().header(), None, "no header is read unless configured");
    /// ```
    pub fn client(&self) -> &ClientAddress {
        &self.client
    }

    /// Whether requests are blocked or only flagged.
    ///
    /// ```
    /// use artif_core::middleware::{Gatekeeper, Middleware, Mode};
    /// assert_eq!(Gatekeeper::new(&Middleware::default()).unwrap().mode(), Mode::Monitor);
    /// ```
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Whether requests to this path (without query) go on unseen. Paths that a server may read
    /// as another path, with `..`, `//`, backslashes or percent signs, are never exempt.
    ///
    /// ```
    /// use artif_core::middleware::{Gatekeeper, Middleware};
    ///
    /// let mut options = Middleware::default();
    /// options.exempt = vec!["/health".to_owned(), "/static/*".to_owned()];
    /// let gatekeeper = Gatekeeper::new(&options).unwrap();
    /// assert!(gatekeeper.is_exempt("/health") && gatekeeper.is_exempt("/static/logo.svg"));
    /// assert!(!gatekeeper.is_exempt("/healthy") && !gatekeeper.is_exempt("/static/../login"));
    /// ```
    pub fn is_exempt(&self, path: &str) -> bool {
        self.exempt.contains(path)
    }

    /// Decides about a request of `client`, `None` where the address is not known.
    ///
    /// ```
    /// use artif_core::Engine;
    /// use artif_core::middleware::{Action, Gatekeeper, Middleware, Mode, Unknown};
    ///
    /// let mut options = Middleware::default();
    /// (options.mode, options.unknown) = (Mode::Enforce, Unknown::Block);
    /// let gatekeeper = Gatekeeper::new(&options)?;
    /// let ruling = gatekeeper.rule(&Engine::in_memory()?, None);
    /// assert_eq!(ruling.action, Action::Block);
    /// assert_eq!(ruling.reference.unwrap().to_string().len(), 13);
    /// # Ok::<(), artif_core::Error>(())
    /// ```
    pub fn rule<E>(&self, engine: &E, client: Option<IpAddr>) -> Ruling
    where
        E: ReputationEngine + ?Sized,
    {
        self.rule_on(client.map(|client| engine.check(client)))
    }

    /// Like [`Self::rule`], for an answer that is there already.
    ///
    /// ```
    /// use artif_core::middleware::{Action, Gatekeeper, Middleware};
    /// let gatekeeper = Gatekeeper::new(&Middleware::default()).unwrap();
    /// assert_eq!(gatekeeper.rule_on(None).action, Action::Pass);
    /// ```
    pub fn rule_on(&self, reputation: Option<Reputation>) -> Ruling {
        let bad = match &reputation {
            None => self.unknown == Unknown::Block,
            Some(answer) => self.is_bad(answer),
        };
        let action = match (bad, self.mode) {
            (false, _) => Action::Pass,
            (true, Mode::Monitor) => Action::Flag,
            (true, Mode::Enforce) => Action::Block,
        };
        let reference = bad.then(Reference::new);
        Ruling { action, reputation, reference }
    }

    fn is_bad(&self, answer: &Reputation) -> bool {
        match answer.verdict() {
            Verdict::Blocked => true,
            Verdict::Allowed | Verdict::NotApplicable => false,
            verdict => {
                self.block.contains(&verdict)
                    || self.block_below.is_some_and(|limit| answer.score() < limit)
            }
        }
    }
}

impl Ruling {
    /// One line of JSON for the log: what was decided and why. Not for the client. Text from
    /// outside is escaped, so that it cannot forge another line.
    ///
    /// ```
    /// use artif_core::{Engine, middleware::{Gatekeeper, Middleware}};
    ///
    /// let gatekeeper = Gatekeeper::new(&Middleware::default())?;
    /// let ruling = gatekeeper.rule(&Engine::in_memory()?, "8.8.8.8".parse().ok());
    /// let line = ruling.to_log_json();
    /// assert!(line.starts_with(r#"{"action":"pass","reference":null,"ip":"8.8.8.8","#), "{line}");
    /// # Ok::<(), artif_core::Error>(())
    /// ```
    pub fn to_log_json(&self) -> String {
        let mut bytes = Vec::new();
        let mut serializer = serde_json::Serializer::new(&mut bytes);
        // Writing to memory does not fail, and neither do maps with text for keys.
        match self.serialize_log(&mut serializer) {
            Ok(()) => String::from_utf8(bytes).unwrap_or_default(),
            Err(error) => format!("{{\"action\":{:?},\"error\":{error:?}}}", self.action.as_str()),
        }
    }

    fn serialize_log<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("action", &self.action)?;
        map.serialize_entry("reference", &self.reference.as_ref().map(Reference::as_str))?;
        let answer = self.reputation.as_ref();
        map.serialize_entry("ip", &answer.map(Reputation::ip))?;
        if let Some(answer) = answer {
            map.serialize_entry("verdict", &answer.verdict())?;
            map.serialize_entry("score", &answer.score())?;
            map.serialize_entry("description", &answer.description())?;
            let feeds: Vec<&str> = answer.feeds().map(|feed| feed.id.as_str()).collect();
            map.serialize_entry("feeds", &feeds)?;
            map.serialize_entry("type", &answer.categories())?;
            map.serialize_entry("asn", &answer.asn())?;
            map.serialize_entry(
                "country",
                &answer.country().as_ref().map(crate::geo::Country::as_str),
            )?;
            map.serialize_entry("snapshot", &answer.snapshot_id())?;
        } else {
            map.serialize_entry("description", "the client's address is not known")?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests;
