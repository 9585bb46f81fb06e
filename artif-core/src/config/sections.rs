//! The sections of `artif.toml`.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::suggest;
use crate::category::Category;
use crate::clock::span;
use crate::error::{Error, Result, excerpt};
use crate::feed::FeedId;
use crate::schedule::Rules;
use crate::snapshot::IndexTier;

/// Where feed definitions come from: the catalogue built in, or a file.
///
/// ```
/// use artif_core::config::Catalogue;
///
/// assert_eq!("default".parse::<Catalogue>().unwrap(), Catalogue::Default);
/// assert_eq!("mine.json".parse::<Catalogue>().unwrap(), Catalogue::File("mine.json".into()));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Catalogue {
    /// The one this build carries, written `"default"`.
    Default,
    /// A catalogue file.
    File(PathBuf),
}

impl FromStr for Catalogue {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "" => Err(Error::Invalid { what: "catalogue", reason: "the name is empty".into() }),
            "default" => Ok(Self::Default),
            path => Ok(Self::File(path.into())),
        }
    }
}

impl Serialize for Catalogue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Default => serializer.serialize_str("default"),
            Self::File(path) => path.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Catalogue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// The scorers this build has.
///
/// ```
/// use artif_core::config::ScorerKind;
///
/// assert_eq!("classic".parse::<ScorerKind>().unwrap(), ScorerKind::Classic);
/// assert!("clasic".parse::<ScorerKind>().unwrap_err().to_string().contains("did you mean"));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum ScorerKind {
    /// Group shares by feed weight, type and recency.
    Classic,
    /// The calibrated probability of being malicious now.
    #[default]
    Risk,
}

impl ScorerKind {
    /// All of them.
    ///
    /// ```
    /// use artif_core::config::ScorerKind;
    /// assert!(ScorerKind::ALL.contains(&ScorerKind::Classic));
    /// ```
    pub const ALL: [Self; 2] = [Self::Classic, Self::Risk];

    /// The name in the configuration.
    ///
    /// ```
    /// assert_eq!(artif_core::config::ScorerKind::Classic.name(), "classic");
    /// ```
    pub const fn name(self) -> &'static str {
        match self {
            Self::Classic => "classic",
            Self::Risk => "risk",
        }
    }
}

impl fmt::Display for ScorerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for ScorerKind {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let names = Self::ALL.map(Self::name);
        Self::ALL.into_iter().find(|kind| kind.name() == text).ok_or_else(|| Error::Invalid {
            what: "scorer",
            reason: format!(
                "this build has no {:?}, it has: {}{}",
                excerpt(text),
                names.join(", "),
                suggest::did_you_mean(text, names)
            ),
        })
    }
}

impl Serialize for ScorerKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for ScorerKind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// How scores and verdicts are made (`[scoring]`).
///
/// | key | default | unit, range |
/// |---|---|---|
/// | `scorer` | `"risk"` | a [`ScorerKind`] |
/// | `prior` | `0.01` | share of bad addresses among those asked about, above 0 and below 1; the classic scorer does not use it |
/// | `dangerous_below` | `100.0` | score (0 to 100, 100 = safe) below which an address that is listed now is dangerous; at 100 whatever its score |
/// | `suspicious_below` | `100.0` | score below which an address that is, or lately was, listed is suspicious at least; at 100 whatever its score |
/// | `triage_below` | `40.0` | score below which any other address needs a look |
/// | `category.NAME` | none | a [`CategoryThresholds`] for addresses listed for that alone |
///
/// How many good addresses a threshold meets: of 160,000 announced IPv4 addresses drawn evenly, that
/// no list had yet, the risk scorer with its `prior` of 0.01 put 1.022 % below 90, 0.094 % below 50,
/// 0.074 % below 40 and 0.005 % below 10, the mean of 13 days with 3 to 23 public lists each. What
/// it is with other lists, `artif backtest --replay DIR --asn MMDB --country MMDB` prints.
/// `dangerous_below` and `suspicious_below` are only about what is or was listed: at 100 they meet no
/// address that never was.
///
/// ```
/// assert_eq!(artif_core::config::Scoring::default().triage_below, 40.0);
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Scoring {
    /// Which scorer.
    pub scorer: ScorerKind,
    /// Share of bad addresses among those asked about.
    pub prior: f64,
    /// The score below which an address that is listed now is dangerous.
    pub dangerous_below: f64,
    /// The score below which an address that is, or lately was, listed is suspicious.
    pub suspicious_below: f64,
    /// The score below which any other address needs a look.
    pub triage_below: f64,
    /// Other thresholds for what is listed for one kind of activity alone.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub category: BTreeMap<Category, CategoryThresholds>,
}

impl Default for Scoring {
    fn default() -> Self {
        Self {
            scorer: ScorerKind::default(),
            prior: 0.01,
            dangerous_below: 100.0,
            suspicious_below: 100.0,
            triage_below: 40.0,
            category: BTreeMap::new(),
        }
    }
}

/// Thresholds for addresses that are listed for one kind of activity (`[scoring.category.NAME]`); an
/// address that is listed for more of them gets the worst verdict that any allows.
///
/// | key | default | unit, range |
/// |---|---|---|
/// | `dangerous_below` | as in [`Scoring`] | score; 0 is never |
/// | `suspicious_below` | as in [`Scoring`] | score; 0 is never |
///
/// ```
/// use artif_core::{Category, Config};
///
/// // Whoever is a Tor exit and nothing worse is no danger here.
/// let config = Config::from_toml(
///     "[scoring.category.tor]\ndangerous_below = 0.0\nsuspicious_below = 0.0",
/// )
/// .unwrap();
/// assert_eq!(config.scoring.category[&Category::Tor].dangerous_below, Some(0.0));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CategoryThresholds {
    /// The score below which an address that is listed now is dangerous.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dangerous_below: Option<f64>,
    /// The score below which an address that is, or lately was, listed is suspicious.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suspicious_below: Option<f64>,
}

/// How long ended listings count (`[history]`).
///
/// | key | default | unit, range |
/// |---|---|---|
/// | `window` | `"7d"` | duration for which an address that left all feeds is "historical" |
/// | `retention` | `"90d"` | duration for which the ledger keeps ended listings; not below `window` |
///
/// ```
/// assert_eq!(artif_core::config::History::default().window.as_secs(), 7 * 86_400);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct History {
    /// For how long an address that left all feeds is "historical".
    #[serde(with = "crate::duration")]
    pub window: Duration,
    /// For how long ended listings are kept.
    #[serde(with = "crate::duration")]
    pub retention: Duration,
}

impl Default for History {
    fn default() -> Self {
        Self {
            window: Duration::from_secs(7 * 86_400),
            retention: Duration::from_secs(90 * 86_400),
        }
    }
}

/// Bounds on what a feed may contain (`[parse]`).
///
/// | key | default | unit, range |
/// |---|---|---|
/// | `max_line` | `65536` | bytes; a longer line is skipped and counted; from 64 |
/// | `v4_floor` | `8` | prefix length, 1 to 32; wider IPv4 networks are dropped |
/// | `v6_floor` | `19` | prefix length, 1 to 128; wider IPv6 networks are dropped |
/// | `max_entries` | `20000000` | entries of one feed; a feed with more is refused |
///
/// ```
/// assert_eq!(artif_core::config::Parse::default().v4_floor, 8);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Parse {
    /// Bytes of one line.
    pub max_line: usize,
    /// The shortest IPv4 prefix length taken.
    pub v4_floor: u8,
    /// The shortest IPv6 prefix length taken.
    pub v6_floor: u8,
    /// Entries of one feed.
    pub max_entries: usize,
}

impl Default for Parse {
    fn default() -> Self {
        Self { max_line: 64 << 10, v4_floor: 8, v6_floor: 19, max_entries: 20_000_000 }
    }
}

/// How snapshots are kept (`[snapshot]`).
///
/// | key | default | unit, range |
/// |---|---|---|
/// | `keep` | `2` | snapshot files kept in the data folder, 1 to 100 |
/// | `stale_after` | `"24h"` | age from which answers say that they are old; not below `recompile_after` |
/// | `recompile_after` | `"6h"` | age at which a new one is made even if no feed changed |
/// | `index` | `"auto"` | how IPv4 addresses are found: `flat` (fastest), `compact`, or `auto`: `flat` where it fits `memory_budget` |
/// | `memory_budget` | `67108864` | bytes that what lookups touch (indexes, records) may take for `auto` to choose `flat` |
///
/// ```
/// assert_eq!(artif_core::config::Snapshot::default().keep, 2);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Snapshot {
    /// Snapshot files kept.
    pub keep: u32,
    /// The age from which answers say that they are old.
    #[serde(with = "crate::duration")]
    pub stale_after: Duration,
    /// The age at which a new one is made in any case.
    #[serde(with = "crate::duration")]
    pub recompile_after: Duration,
    /// How IPv4 addresses are found.
    pub index: IndexTier,
    /// Bytes that what lookups touch may take for `auto` to choose the fastest.
    pub memory_budget: u64,
}

impl Default for Snapshot {
    fn default() -> Self {
        Self {
            keep: 2,
            stale_after: Duration::from_secs(24 * 3_600),
            recompile_after: Duration::from_secs(6 * 3_600),
            index: IndexTier::Auto,
            memory_budget: 64 << 20,
        }
    }
}

/// When feeds are fetched by themselves (`[schedule]`), by [`crate::Engine::spawn_refresh`] and
/// `artif watch`: each at the interval its catalogue entry gives (`refresh`), daily where it gives
/// none.
///
/// | key | default | unit, range |
/// |---|---|---|
/// | `jitter` | `0.1` | share, 0 to 1, of a wait by which it may be longer at random |
/// | `first_retry` | `"5m"` | duration after a failure, or the feed's interval where that is shorter; doubled by each further failure |
/// | `longest_retry` | `"24h"` | longest such duration; not below `first_retry` |
///
/// ```
/// assert_eq!(artif_core::config::Schedule::default().first_retry.as_secs(), 300);
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Schedule {
    /// The share of a wait by which it may be longer.
    pub jitter: f64,
    /// The wait after the first failure.
    #[serde(with = "crate::duration")]
    pub first_retry: Duration,
    /// The longest wait after a failure.
    #[serde(with = "crate::duration")]
    pub longest_retry: Duration,
}

impl Default for Schedule {
    fn default() -> Self {
        Self {
            jitter: 0.1,
            first_retry: Duration::from_secs(300),
            longest_retry: Duration::from_secs(24 * 3_600),
        }
    }
}

impl Schedule {
    pub(crate) fn rules(&self) -> Rules {
        Rules {
            first_retry: span(self.first_retry),
            longest_retry: span(self.longest_retry),
            jitter: self.jitter,
        }
    }
}

/// Known-good and shared infrastructure (`[warninglists]`).
///
/// | key | default | |
/// |---|---|---|
/// | `builtin` | `true` | use the small lists that come with this build |
/// | `source` | none | a folder with `NAME/list.json` or `NAME.json`, one such file, or an address |
/// | `lists` | `[]` | the names to use; none stands for all in the folder, and at an address for all known |
/// | `refresh` | `"1d"` | how often lists are fetched |
/// | `cap` | `[]` | lists or categories that keep feeds alone from blocking |
/// | `annotate` | `[]` | lists or categories that are only named in answers |
/// | `ignore` | `[]` | lists or categories that are not used |
///
/// In an address `{name}` stands for a list's name; without it `/NAME/list.json` is added. The last
/// three hold names of lists, names with `*` at one end, or ids of categories; a list's name counts
/// before its category, and both before what is built in.
///
/// ```
/// let lists = artif_core::config::Warninglists::default();
/// assert!(lists.builtin && lists.source.is_none());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Warninglists {
    /// Use the lists built in.
    pub builtin: bool,
    /// Where the others come from.
    pub source: Option<String>,
    /// Their names.
    pub lists: Vec<String>,
    /// How often they are fetched.
    #[serde(with = "crate::duration")]
    pub refresh: Duration,
    /// Those that keep feeds alone from blocking.
    pub cap: Vec<String>,
    /// Those that are only named.
    pub annotate: Vec<String>,
    /// Those that are not used.
    pub ignore: Vec<String>,
}

impl Default for Warninglists {
    fn default() -> Self {
        Self {
            builtin: true,
            source: None,
            lists: Vec::new(),
            refresh: Duration::from_secs(86_400),
            cap: Vec::new(),
            annotate: Vec::new(),
            ignore: Vec::new(),
        }
    }
}

impl Warninglists {
    /// What is wrong: the key, and why.
    pub(crate) fn problem(&self) -> Option<(&'static str, String)> {
        if self.refresh.is_zero() {
            return Some(("refresh", "has to be longer than nothing".to_owned()));
        }
        let source = self.source.as_deref();
        if let Some((scheme, _)) = source.and_then(|source| source.split_once("://"))
            && !matches!(scheme, "http" | "https")
        {
            return Some(("source", "is neither a path nor an http: or https: address".to_owned()));
        }
        if source.is_some_and(str::is_empty) {
            return Some(("source", "is empty".to_owned()));
        }
        let said = [("cap", &self.cap), ("annotate", &self.annotate), ("ignore", &self.ignore)];
        for (place, (key, names)) in said.iter().enumerate() {
            for name in *names {
                let other = said.iter().skip(place + 1).find(|(_, names)| names.contains(name));
                if let Some((other, _)) = other {
                    let name = excerpt(name);
                    return Some((
                        key,
                        format!("names {name:?}, which `warninglists.{other}` names too"),
                    ));
                }
            }
        }
        None
    }
}

/// Which catalogue entries take part, whatever the catalogue says (`[feeds]`).
///
/// | key | default | |
/// |---|---|---|
/// | `enable` | `[]` | ids of feeds to switch on |
/// | `disable` | `[]` | ids of feeds to switch off |
///
/// ```
/// assert!(artif_core::config::Feeds::default().enable.is_empty());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Feeds {
    /// Feeds to switch on.
    pub enable: Vec<FeedId>,
    /// Feeds to switch off.
    pub disable: Vec<FeedId>,
}

impl Feeds {
    /// Whether a feed takes part, given what its catalogue says.
    ///
    /// ```
    /// let feeds = artif_core::config::Feeds::default();
    /// assert!(feeds.is_enabled(&"x".parse().unwrap(), true));
    /// ```
    pub fn is_enabled(&self, feed: &FeedId, by_catalogue: bool) -> bool {
        (by_catalogue || self.enable.contains(feed)) && !self.disable.contains(feed)
    }
}
