//! The definition of one feed.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::source::redact;
use super::{Auth, FeedGuard, Format, Headers};
use crate::category::{CategorySet, ThreatLevel};
use crate::error::{Error, Result, excerpt};

/// The name a feed has in configuration, ledger and answers: 1 to 64 of `a-z 0-9 . _ -`, starting
/// with a letter or digit.
///
/// ```
/// use artif_core::FeedId;
///
/// assert_eq!("spamhaus-drop".parse::<FeedId>().unwrap().as_str(), "spamhaus-drop");
/// assert!("Botscout C&C".parse::<FeedId>().is_err());
/// assert_eq!(FeedId::from_name("Botscout C&C Bots").unwrap().as_str(), "botscout-c-c-bots");
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct FeedId(Arc<str>);

impl FeedId {
    /// The id as text.
    ///
    /// ```
    /// assert_eq!("a".parse::<artif_core::FeedId>().unwrap().as_str(), "a");
    /// ```
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// An id made from a free name: lower case, everything else becomes single dashes.
    ///
    /// ```
    /// assert!(artif_core::FeedId::from_name("!!!").is_err());
    /// ```
    pub fn from_name(name: &str) -> Result<Self> {
        let mut id = String::new();
        for c in name.chars() {
            let c = c.to_ascii_lowercase();
            if c.is_ascii_alphanumeric() || ((c == '.' || c == '_') && !id.is_empty()) {
                id.push(c);
            } else if !id.is_empty() && !id.ends_with('-') {
                id.push('-');
            }
        }
        id.truncate(64);
        id.trim_end_matches('-').parse()
    }
}

impl FromStr for FeedId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let valid = (1..=64).contains(&text.len())
            && text.bytes().next().is_some_and(allowed)
            && text.bytes().all(|b| allowed(b) || matches!(b, b'.' | b'_' | b'-'));
        if valid {
            Ok(Self(text.into()))
        } else {
            Err(Error::Invalid {
                what: "feed id",
                reason: format!(
                    "{:?} is not 1 to 64 of a-z 0-9 . _ - starting with a letter or digit",
                    excerpt(text)
                ),
            })
        }
    }
}

impl fmt::Display for FeedId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for FeedId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

impl<'de> Deserialize<'de> for FeedId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// What being listed means.
///
/// ```
/// assert_eq!(artif_core::Role::default(), artif_core::Role::Threat);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Role {
    /// The address is a threat: it makes an address an active indicator.
    #[default]
    Threat,
    /// Says what an address is (cloud, VPN, scanner), not that it is bad.
    Label,
    /// Known good or shared infrastructure.
    Benign,
    /// A warninglist: its category decides whether feeds alone may block what is on it.
    Warninglist,
}

/// What a feed's entries stand for.
///
/// ```
/// assert_eq!(artif_core::Scope::default(), artif_core::Scope::Address);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Scope {
    /// Single addresses, here and there a network.
    #[default]
    Address,
    /// Networks.
    Range,
    /// Autonomous systems.
    As,
}

/// One feed: a published list of indicators, with what its publisher says of them.
///
/// ```
/// use artif_core::{Category, Feed, Format, ThreatLevel};
///
/// let feed = Feed::new("my-list", "https://feeds.example/list.txt")
///     .unwrap()
///     .categories([Category::Attack])
///     .threat_level(ThreatLevel::MEDIUM)
///     .publisher("example");
/// assert_eq!(feed.id.as_str(), "my-list");
/// assert_eq!(feed.format, Format::Plain);
/// assert_eq!(feed.reliability(), 0.75);
/// ```
#[derive(Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Feed {
    /// Its id, unique in a configuration.
    pub id: FeedId,
    /// Its name for people.
    pub name: String,
    /// Who offers it.
    pub provider: String,
    /// The publisher the data comes from in the end: feeds of one publisher are one witness.
    /// The provider where nothing else is said.
    pub source_group: String,
    /// `https:`, `http:` or `file:`. May hold a password or a key: it is shown and written without
    /// user and query.
    #[serde(serialize_with = "redacted")]
    pub url: String,
    /// What requests for it show, where its publisher wants a key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth: Option<Auth>,
    /// Headers of its requests, in place of artif's own; shown to its origin only.
    #[serde(skip_serializing_if = "Headers::is_empty")]
    pub headers: Headers,
    /// The `User-Agent` of its requests, in place of `fetch.user_agent`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
    /// The member to read where a zip archive with several comes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub member: Option<String>,
    /// How it is written.
    pub format: Format,
    /// What its addresses do.
    pub categories: CategorySet,
    /// How bad they are.
    pub threat_level: ThreatLevel,
    /// How sure its entries are, 0 to 100 percent, where somebody said so.
    pub confidence: Option<u8>,
    /// What being listed means.
    pub role: Role,
    /// What an entry stands for.
    pub scope: Scope,
    /// Seconds between two refreshes.
    pub refresh_seconds: u32,
    /// The licence, as text.
    pub licence: Option<String>,
    /// Whether the licence lets it be used commercially, where its publisher says so.
    pub commercial: Option<bool>,
    /// Made of other feeds, so it is no witness beside them.
    pub aggregate: bool,
    /// An empty list is a valid one.
    pub can_be_empty: bool,
    /// What it has in place of the values of `[guard]`.
    #[serde(skip_serializing_if = "FeedGuard::is_default")]
    pub guard: FeedGuard,
    /// Whether it is refreshed and takes part in answers.
    pub enabled: bool,
}

impl Feed {
    /// A feed of plain text with default properties: threat, level "undefined", daily, enabled.
    ///
    /// ```
    /// assert!(artif_core::Feed::new("x", "gopher://x").is_err());
    /// ```
    pub fn new(id: &str, url: &str) -> Result<Self> {
        let id: FeedId = id.parse()?;
        check_url(url)?;
        Ok(Self {
            name: id.to_string(),
            provider: id.to_string(),
            source_group: id.to_string(),
            id,
            url: url.to_owned(),
            auth: None,
            headers: Headers::default(),
            user_agent: None,
            member: None,
            format: Format::Plain,
            categories: CategorySet::EMPTY,
            threat_level: ThreatLevel::UNDEFINED,
            confidence: None,
            role: Role::Threat,
            scope: Scope::Address,
            refresh_seconds: 86_400,
            licence: None,
            commercial: None,
            aggregate: false,
            can_be_empty: false,
            guard: FeedGuard::default(),
            enabled: true,
        })
    }

    /// Sets the name for people.
    ///
    /// ```
    /// # let feed = artif_core::Feed::new("x", "file:x.txt").unwrap();
    /// assert_eq!(feed.name("My list").name, "My list");
    /// ```
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Sets provider and publisher.
    ///
    /// ```
    /// # let feed = artif_core::Feed::new("x", "file:x.txt").unwrap();
    /// assert_eq!(feed.publisher("Example").source_group, "Example");
    /// ```
    #[must_use]
    pub fn publisher(mut self, publisher: impl Into<String>) -> Self {
        self.provider = publisher.into();
        self.source_group.clone_from(&self.provider);
        self
    }

    /// Sets how it is written.
    ///
    /// ```
    /// # use artif_core::{Feed, Format};
    /// # let feed = Feed::new("x", "file:x.txt").unwrap();
    /// assert_eq!(feed.format(Format::FreeText).format, Format::FreeText);
    /// ```
    #[must_use]
    pub fn format(mut self, format: Format) -> Self {
        self.format = format;
        self
    }

    /// Sets what its addresses do.
    ///
    /// ```
    /// # use artif_core::{Category, Feed};
    /// # let feed = Feed::new("x", "file:x.txt").unwrap();
    /// assert!(feed.categories([Category::Tor]).categories.contains(Category::Tor));
    /// ```
    #[must_use]
    pub fn categories(mut self, categories: impl IntoIterator<Item = crate::Category>) -> Self {
        self.categories = categories.into_iter().collect();
        self
    }

    /// Sets how bad they are.
    ///
    /// ```
    /// # use artif_core::{Feed, ThreatLevel};
    /// # let feed = Feed::new("x", "file:x.txt").unwrap();
    /// assert_eq!(feed.threat_level(ThreatLevel::HIGH).threat_level.number(), 1);
    /// ```
    #[must_use]
    pub fn threat_level(mut self, level: ThreatLevel) -> Self {
        self.threat_level = level;
        self
    }

    /// Sets what being listed means.
    ///
    /// ```
    /// # use artif_core::{Feed, Role};
    /// # let feed = Feed::new("x", "file:x.txt").unwrap();
    /// assert_eq!(feed.role(Role::Label).role, Role::Label);
    /// ```
    #[must_use]
    pub fn role(mut self, role: Role) -> Self {
        self.role = role;
        self
    }

    /// Sets what requests for it show.
    ///
    /// ```
    /// # use artif_core::Feed;
    /// let feed = Feed::new("x", "https://feeds.example/x.txt").unwrap();
    /// let feed = feed.auth("header:X-Key env:FEEDS_EXAMPLE_KEY".parse().unwrap());
    /// assert!(feed.auth.is_some());
    /// ```
    #[must_use]
    pub fn auth(mut self, auth: Auth) -> Self {
        self.auth = Some(auth);
        self
    }

    /// Sets the time between two refreshes, in seconds from 1 on.
    ///
    /// ```
    /// # let feed = artif_core::Feed::new("x", "file:x.txt").unwrap();
    /// assert_eq!(feed.refresh_every(3600).refresh_seconds, 3600);
    /// ```
    #[must_use]
    pub fn refresh_every(mut self, seconds: u32) -> Self {
        self.refresh_seconds = seconds.max(1);
        self
    }

    /// How far one listing is to be believed, 0 to 1: the confidence, else by threat level
    /// 1 → 0.9, 2 → 0.75, 3 → 0.6, 4 → 0.4.
    ///
    /// ```
    /// # use artif_core::{Feed, ThreatLevel};
    /// # let feed = Feed::new("x", "file:x.txt").unwrap();
    /// assert_eq!(feed.threat_level(ThreatLevel::HIGH).reliability(), 0.9);
    /// ```
    pub fn reliability(&self) -> f64 {
        match (self.confidence, self.threat_level.number()) {
            (Some(percent), _) => f64::from(percent.min(100)) / 100.0,
            (None, 1) => 0.9,
            (None, 2) => 0.75,
            (None, 3) => 0.6,
            (None, _) => 0.4,
        }
    }
}

fn redacted<S: serde::Serializer>(url: &str, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&redact(url))
}

impl fmt::Debug for Feed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Feed")
            .field("id", &self.id)
            .field("name", &self.name)
            .field("provider", &self.provider)
            .field("source_group", &self.source_group)
            .field("url", &redact(&self.url))
            .field("auth", &self.auth)
            .field("headers", &self.headers)
            .field("user_agent", &self.user_agent)
            .field("member", &self.member)
            .field("format", &self.format)
            .field("categories", &self.categories)
            .field("threat_level", &self.threat_level)
            .field("confidence", &self.confidence)
            .field("role", &self.role)
            .field("scope", &self.scope)
            .field("refresh_seconds", &self.refresh_seconds)
            .field("licence", &self.licence)
            .field("commercial", &self.commercial)
            .field("aggregate", &self.aggregate)
            .field("can_be_empty", &self.can_be_empty)
            .field("guard", &self.guard)
            .field("enabled", &self.enabled)
            .finish()
    }
}

/// Whether the engine could ever fetch this.
pub(crate) fn check_url(url: &str) -> Result<()> {
    let scheme = url.split_once(':').map(|(scheme, _)| scheme.to_ascii_lowercase());
    match scheme.as_deref() {
        Some("file" | "http" | "https") => Ok(()),
        _ => Err(Error::Invalid {
            what: "feed url",
            reason: format!("{:?} does not start with https:, http: or file:", excerpt(url)),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_from_free_names() {
        for (name, id) in [
            ("Botscout C&C Bots", "botscout-c-c-bots"),
            ("  spaced  out ", "spaced-out"),
            ("cps-AtomSpam", "cps-atomspam"),
            ("datashield-prod_critical", "datashield-prod_critical"),
            ("__x", "x"),
        ] {
            assert_eq!(FeedId::from_name(name).unwrap().as_str(), id, "{name}");
        }
        assert!(FeedId::from_name("日本").is_err());
        assert_eq!(FeedId::from_name(&"a".repeat(100)).unwrap().as_str().len(), 64);
    }
}
