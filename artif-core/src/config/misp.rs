//! MISP servers: `[misp]`, or `[[misp]]` where there are several.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize};
use url::Url;

use crate::category::CategorySet;
use crate::feed::{FeedId, SecretSource};

/// What becomes a feed of ours.
///
/// ```
/// use artif_core::config::MispFeeds;
/// assert_eq!(MispFeeds::default(), MispFeeds::Event);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum MispFeeds {
    /// Each event, with its threat level and tags.
    #[default]
    Event,
    /// Each feed of the server, made of what it wrote there; what no feed wrote as with `Event`.
    Feed,
    /// Each tag that `tags` names, with everything that has it.
    Tag,
    /// Each organisation that created events.
    Org,
    /// All of the server.
    One,
}

/// In which direction feeds are exchanged with a server.
///
/// ```
/// use artif_core::config::MispExchange;
/// assert_eq!(MispExchange::default(), MispExchange::Off);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum MispExchange {
    /// In none.
    #[default]
    Off,
    /// Ours are created there.
    Push,
    /// Those there are added here.
    Pull,
    /// Both.
    Both,
}

impl MispExchange {
    #[cfg(feature = "misp")]
    pub(crate) fn pushes(self) -> bool {
        matches!(self, Self::Push | Self::Both)
    }

    #[cfg(feature = "misp")]
    pub(crate) fn pulls(self) -> bool {
        matches!(self, Self::Pull | Self::Both)
    }
}

/// A MISP server (`[misp]`, or `[[misp]]` for several).
///
/// | key | default | unit, range |
/// |---|---|---|
/// | `id` | `"misp"` | what its feeds' ids begin with |
/// | `url` | | address, with the path MISP has there |
/// | `key` | | where the key is: `env:NAME` or `file:PATH` |
/// | `enabled` | `true` | |
/// | `feeds` | `"event"` | what becomes a feed: each `event`, `feed` of the server, `tag`, `org`, or `one` for all |
/// | `to_ids` | `true` | take only attributes that are meant for detection |
/// | `unpublished` | `false` | take events that are not published, too |
/// | `tags` | `[]` | take only what has one of these tags; `*` stands for anything |
/// | `not_tags` | `[]` | leave out what has one of these tags |
/// | `orgs`, `not_orgs` | `[]` | the same by the organisation that created the event |
/// | `categories` | `{}` | categories by tag, before those built in |
/// | `confidence` | `{}` | confidence in percent by tag, before those built in |
/// | `enforce_warninglist` | `false` | have the server leave out what is on its warninglists (slow) |
/// | `decay` | `false` | ask for decay scores (slow) and leave out what all models call decayed |
/// | `warninglists` | `false` | use the warninglists that are switched on there |
/// | `max_age` | `"0s"` | leave out attributes neither changed nor seen for longer; 0 for no limit |
/// | `read_sightings` | `false` | heed what users of the server said of attributes within 90 days |
/// | `sightings` | `false` | let sightings be sent to it |
/// | `exchange` | `"off"` | `push` our feeds to the server, `pull` its feeds, `both`, with each sync |
/// | `refresh` | `"1h"` | duration between syncs |
/// | `resync` | `"7d"` | duration after which everything is read anew |
/// | `page_size` | `2000` | attributes an answer, 10 to 100000; halved where the server is slow |
/// | `timeout` | `"2m"` | duration for one answer |
/// | `tls_verify` | `true` | believe only servers with a certificate of a known authority |
/// | `ca_file` | none | PEM certificates to trust beside the system's |
/// | `client_cert`, `client_key` | none | our own certificate and its key, PEM |
/// | `proxy` | that of `[fetch]` | `"none"` for none, `"env"`, or an address |
///
/// ```
/// use artif_core::Config;
///
/// let text = "[misp]\nurl = 'https://misp.example/'\nkey = 'env:MISP_KEY'";
/// let config = Config::from_toml(text).unwrap();
/// assert_eq!(config.misp[0].id.as_str(), "misp");
/// assert!(config.misp[0].tls_verify);
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
#[expect(clippy::struct_excessive_bools, reason = "the keys of a configuration, not a state")]
pub struct Misp {
    /// What the ids of its feeds begin with.
    pub id: FeedId,
    /// Its address, with the path MISP has there.
    pub url: String,
    /// Where the key is.
    pub key: Option<SecretSource>,
    /// Whether it is used.
    pub enabled: bool,
    /// What becomes a feed.
    pub feeds: MispFeeds,
    /// Whether only attributes count that are meant for detection.
    pub to_ids: bool,
    /// Whether events count that are not published.
    pub unpublished: bool,
    /// The tags of which something has to have one; none stands for no such condition.
    pub tags: Vec<String>,
    /// The tags of which it may have none.
    pub not_tags: Vec<String>,
    /// The organisations that count; none stands for all.
    pub orgs: Vec<String>,
    /// The organisations that do not.
    pub not_orgs: Vec<String>,
    /// Categories by tag.
    pub categories: BTreeMap<String, CategorySet>,
    /// Confidence in percent by tag.
    pub confidence: BTreeMap<String, u8>,
    /// Whether the server leaves out what is on its warninglists.
    pub enforce_warninglist: bool,
    /// Whether to ask for decay scores.
    pub decay: bool,
    /// Whether its warninglists are used.
    pub warninglists: bool,
    /// How long an attribute counts after it was last changed or seen; nothing stands for ever.
    #[serde(with = "crate::duration")]
    pub max_age: Duration,
    /// Whether what users of the server said of attributes is heeded.
    pub read_sightings: bool,
    /// Whether sightings may be sent to it.
    pub sightings: bool,
    /// In which direction feeds are exchanged.
    pub exchange: MispExchange,
    /// The time between syncs.
    #[serde(with = "crate::duration")]
    pub refresh: Duration,
    /// The time after which everything is read anew.
    #[serde(with = "crate::duration")]
    pub resync: Duration,
    /// Attributes an answer.
    pub page_size: u32,
    /// For one answer.
    #[serde(with = "crate::duration")]
    pub timeout: Duration,
    /// Whether the server's certificate is checked.
    pub tls_verify: bool,
    /// Certificates to trust beside the system's.
    pub ca_file: Option<PathBuf>,
    /// Our own certificate.
    pub client_cert: Option<PathBuf>,
    /// Its key.
    pub client_key: Option<PathBuf>,
    /// A proxy in place of that of `[fetch]`.
    pub proxy: Option<String>,
}

impl Default for Misp {
    fn default() -> Self {
        Self {
            id: FeedId::fixed("misp"),
            url: String::new(),
            key: None,
            enabled: true,
            feeds: MispFeeds::Event,
            to_ids: true,
            unpublished: false,
            tags: Vec::new(),
            not_tags: Vec::new(),
            orgs: Vec::new(),
            not_orgs: Vec::new(),
            categories: BTreeMap::new(),
            confidence: BTreeMap::new(),
            enforce_warninglist: false,
            decay: false,
            warninglists: false,
            max_age: Duration::ZERO,
            read_sightings: false,
            sightings: false,
            exchange: MispExchange::Off,
            refresh: Duration::from_secs(3600),
            resync: Duration::from_secs(7 * 86_400),
            page_size: 2000,
            timeout: Duration::from_secs(120),
            tls_verify: true,
            ca_file: None,
            client_cert: None,
            client_key: None,
            proxy: None,
        }
    }
}

impl Misp {
    /// A server with the defaults.
    ///
    /// ```
    /// use artif_core::config::Misp;
    /// let server = Misp::new("https://misp.example/", "env:MISP_KEY".parse().unwrap());
    /// assert_eq!(server.page_size, 2000);
    /// ```
    pub fn new(url: impl Into<String>, key: SecretSource) -> Self {
        Self { url: url.into(), key: Some(key), ..Self::default() }
    }

    pub(super) fn resolve(&mut self, folder: &Path) {
        let paths = [&mut self.ca_file, &mut self.client_cert, &mut self.client_key];
        for path in paths.into_iter().flatten() {
            *path = folder.join(&*path);
        }
        if let Some(key) = &mut self.key {
            key.resolve(folder);
        }
    }

    fn problem(&self) -> Option<(&'static str, String)> {
        let wrong = |key, reason: &str| Some((key, reason.to_owned()));
        let web = Url::parse(&self.url);
        if !web.as_ref().is_ok_and(|url| matches!(url.scheme(), "http" | "https")) {
            return wrong("url", "has to be an https: or http: address");
        }
        if web.is_ok_and(|url| url.password().is_some() || !url.username().is_empty()) {
            return wrong("url", "holds a user: MISP wants a `key`");
        }
        if self.key.is_none() {
            return wrong("key", "is missing: say where it is, as in \"env:MISP_KEY\"");
        }
        if self.id.as_str().len() > 24 {
            return wrong("id", "has more than 24 characters");
        }
        if !(10..=100_000).contains(&self.page_size) {
            return wrong("page_size", "is not within 10 to 100000");
        }
        if self.timeout.is_zero() {
            return wrong("timeout", "has to be longer than nothing");
        }
        if self.refresh < Duration::from_secs(60) {
            return wrong("refresh", "is shorter than a minute");
        }
        if self.resync < self.refresh {
            return wrong("resync", "is shorter than `refresh`");
        }
        if !self.max_age.is_zero() && self.max_age < self.refresh {
            return wrong("max_age", "is shorter than `refresh`");
        }
        if self.client_cert.is_some() != self.client_key.is_some() {
            return wrong("client_cert", "and `client_key` belong together");
        }
        if self.confidence.values().any(|percent| *percent > 100) {
            return wrong("confidence", "has a percentage above 100");
        }
        if self.feeds == MispFeeds::Tag && self.tags.is_empty() {
            return wrong("feeds", "by tag needs `tags`, which names those that become feeds");
        }
        None
    }
}

/// What is wrong with one of the servers: the key, and why.
pub(super) fn problem(servers: &[Misp]) -> Option<(&'static str, String)> {
    if let Some(problem) = servers.iter().find_map(Misp::problem) {
        return Some(problem);
    }
    let twice = servers
        .iter()
        .enumerate()
        .find(|(place, server)| servers.iter().take(*place).any(|other| other.id == server.id))?;
    Some(("id", format!("{:?} is there twice: give each server its own", twice.1.id.as_str())))
}

/// One table, or several.
pub(super) fn one_or_many<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Misp>, D::Error> {
    struct Visitor;
    impl<'de> serde::de::Visitor<'de> for Visitor {
        type Value = Vec<Misp>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("the table of a MISP server, or a list of them")
        }

        fn visit_map<A: serde::de::MapAccess<'de>>(self, map: A) -> Result<Vec<Misp>, A::Error> {
            let one = Misp::deserialize(serde::de::value::MapAccessDeserializer::new(map))?;
            Ok(vec![one])
        }

        fn visit_seq<A: serde::de::SeqAccess<'de>>(self, seq: A) -> Result<Vec<Misp>, A::Error> {
            Vec::deserialize(serde::de::value::SeqAccessDeserializer::new(seq))
        }
    }
    from.deserialize_any(Visitor)
}
