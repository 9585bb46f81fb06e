//! What a snapshot says of itself and of its feeds: one JSON section.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::category::{CategorySet, ThreatLevel};
use crate::clock::datetime;
use crate::error::one_line;
use crate::feed::{Feed, ParseReport, Role, SkipReason};
use crate::geo::GeoDatabase;
use crate::ledger::FeedHead;
use crate::thresholds::Thresholds;
use crate::warninglist::{Action, Facts};

/// A feed as the snapshot knows it.
///
/// ```
/// # use artif_core::{Engine, Feed, Reader, RefreshOptions, ReputationEngine};
/// # let dir = tempfile::tempdir().unwrap();
/// # std::fs::write(dir.path().join("list.txt"), "93.184.216.34\n").unwrap();
/// # let url = format!("file:{}", dir.path().join("list.txt").display());
/// # let data = dir.path().join("data");
/// let engine = Engine::builder().data(&data).feed(Feed::new("a", &url).unwrap()).build().unwrap();
/// engine.refresh(&RefreshOptions::default()).unwrap();
/// let feed = &engine.status().feeds[0];
/// assert_eq!((feed.id.as_str(), feed.count), ("a", 1));
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SnapshotFeed {
    /// The id.
    pub id: String,
    /// The name for people.
    pub name: String,
    /// Who offers it.
    pub provider: String,
    /// The publisher.
    pub source_group: String,
    /// What its addresses do.
    pub categories: CategorySet,
    /// How bad they are.
    pub threat_level: ThreatLevel,
    /// What being listed means.
    pub role: Role,
    /// How far one listing is to be believed, 0 to 1.
    pub reliability: f64,
    /// Whether it takes part; always so in a snapshot.
    pub enabled: bool,
    /// Networks it lists.
    pub count: u64,
    /// When it was first loaded; listings since then may be older.
    pub first_loaded: Option<DateTime<Utc>>,
    /// When its content was last confirmed.
    pub confirmed: Option<DateTime<Utc>>,
    /// Why the newest attempt for it failed or was refused.
    pub stale: Option<String>,
    /// What its newest document held; `None` where nothing was read since this is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read: Option<ReadCounts>,
    /// Whether it does not count, as it was not confirmed within its `guard.max_age`.
    #[serde(default)]
    pub outdated: bool,
    /// Where it is a warninglist: what it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warninglist: Option<Facts>,
}

/// What a feed's document held, of what was kept and what was dropped.
///
/// ```
/// # use artif_core::{Engine, Feed, RefreshOptions};
/// # let dir = tempfile::tempdir().unwrap();
/// # let list = dir.path().join("list.txt");
/// std::fs::write(&list, "93.184.216.34\n10.0.0.1\n").unwrap();
/// let feed = Feed::new("mine", &format!("file:{}", list.display())).unwrap();
/// let engine = Engine::builder().in_memory().feed(feed).build().unwrap();
/// engine.refresh(&RefreshOptions::default()).unwrap();
/// let read = engine.feed_report().feeds[0].accuracy.read.unwrap();
/// assert_eq!((read.entries, read.special_purpose), (1, 1));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ReadCounts {
    /// Entries kept, repetitions included.
    pub entries: u64,
    /// Repetitions among them.
    pub duplicates: u64,
    /// Entries dropped because they lie in special-purpose space (private, loopback …).
    pub special_purpose: u64,
    /// Networks dropped because they are too wide.
    pub too_wide: u64,
    /// Pieces that are no address or network, or none that could be read.
    pub skipped: u64,
}

impl From<&ParseReport> for ReadCounts {
    fn from(report: &ParseReport) -> Self {
        Self {
            entries: report.entries,
            duplicates: report.duplicates,
            special_purpose: report.special_purpose,
            too_wide: report.too_wide,
            skipped: report
                .skipped
                .iter()
                .filter(|(reason, _)| {
                    !matches!(reason, SkipReason::SpecialPurpose | SkipReason::TooWide)
                })
                .map(|(_, count)| count)
                .sum(),
        }
    }
}

/// What a damaged file names.
pub(crate) static UNKNOWN_FEED: SnapshotFeed = SnapshotFeed {
    id: String::new(),
    name: String::new(),
    provider: String::new(),
    source_group: String::new(),
    categories: CategorySet::EMPTY,
    threat_level: ThreatLevel::LOW,
    role: Role::Threat,
    reliability: 0.0,
    enabled: true,
    count: 0,
    first_loaded: None,
    confirmed: None,
    stale: None,
    read: None,
    outdated: false,
    warninglist: None,
};

impl SnapshotFeed {
    /// A feed as configured, with what the ledger knows of it.
    pub(crate) fn new(feed: &Feed, head: Option<&FeedHead>) -> Self {
        Self {
            id: feed.id.to_string(),
            // From outside, as those of MISP events are; they get into logs and terminals.
            name: one_line(&feed.name).into_owned(),
            provider: one_line(&feed.provider).into_owned(),
            source_group: one_line(&feed.source_group).into_owned(),
            categories: feed.categories,
            threat_level: feed.threat_level,
            role: feed.role,
            reliability: feed.reliability(),
            enabled: feed.enabled,
            count: head.map_or(0, |head| head.count),
            first_loaded: head.map(|head| datetime(head.first_loaded)),
            confirmed: head.map(|head| datetime(head.confirmed)),
            stale: head.and_then(|head| head.stale.clone()),
            read: None,
            outdated: false,
            warninglist: None,
        }
    }

    /// Whether feeds alone may not block what it lists.
    pub(crate) fn caps(&self) -> bool {
        self.warninglist.as_ref().is_some_and(|facts| facts.action == Action::Cap)
    }
}

impl Meta {
    /// The feeds, without warninglists.
    pub(crate) fn feeds_proper(&self) -> Vec<SnapshotFeed> {
        self.feeds.iter().filter(|feed| feed.role != Role::Warninglist).cloned().collect()
    }

    /// The warninglists.
    pub(crate) fn warninglists(&self) -> Vec<SnapshotFeed> {
        self.feeds.iter().filter(|feed| feed.role == Role::Warninglist).cloned().collect()
    }
}

/// Figures of a snapshot.
///
/// ```
/// # use artif_core::{Engine, Feed, Reader, RefreshOptions, ReputationEngine};
/// # let dir = tempfile::tempdir().unwrap();
/// # std::fs::write(dir.path().join("list.txt"), "93.184.216.34\n").unwrap();
/// # let url = format!("file:{}", dir.path().join("list.txt").display());
/// # let data = dir.path().join("data");
/// let engine = Engine::builder().data(&data).feed(Feed::new("a", &url).unwrap()).build().unwrap();
/// engine.refresh(&RefreshOptions::default()).unwrap();
/// assert_eq!(engine.status().snapshot.counts.active, 1);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SnapshotCounts {
    /// Distinct IPv4 networks that a feed lists or listed within the retention.
    pub networks4: u64,
    /// Distinct IPv6 networks, likewise.
    pub networks6: u64,
    /// Distinct networks in a threat feed now.
    pub active: u64,
    /// Distinct networks in no threat feed now but in one within the history window.
    pub historical: u64,
    /// Listings, active and ended.
    pub listings: u64,
    /// Disjoint IPv4 ranges of the index.
    pub ranges4: u64,
    /// Disjoint IPv6 ranges of the index.
    pub ranges6: u64,
    /// Distinct answers.
    pub records: u64,
}

/// All of it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct Meta {
    pub(crate) scorer: String,
    /// Seconds for which an address that left all feeds is "historical".
    pub(crate) window: u32,
    /// Seconds for which ended listings are kept.
    pub(crate) retention: u32,
    /// Seconds after creation from which answers are marked stale.
    pub(crate) stale_after: u32,
    #[serde(default)]
    pub(crate) thresholds: Thresholds,
    /// Digest of all that went in; the same digest needs no new snapshot.
    pub(crate) inputs: String,
    /// The next moment at which an answer changes by the clock alone.
    pub(crate) next_edge: Option<u32>,
    /// The lengths that IPv4 networks have, bit n for length n.
    pub(crate) lengths4: u64,
    /// The lengths that IPv6 networks have, bit n of word n / 64.
    pub(crate) lengths6: [u64; 3],
    pub(crate) counts: SnapshotCounts,
    pub(crate) geo: Vec<GeoDatabase>,
    pub(crate) feeds: Vec<SnapshotFeed>,
}
