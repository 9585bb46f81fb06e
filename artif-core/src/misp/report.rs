//! What became of a server, and how it is.

#[cfg(feature = "misp")]
use std::path::Path;

use chrono::{DateTime, Utc};
use serde::Serialize;

#[cfg(feature = "misp")]
use super::server::{Checked, Folder};
#[cfg(feature = "misp")]
use crate::clock::datetime;
use crate::engine::{FeedReport, Outcome};
use crate::feed::FeedId;

/// What a sync of a MISP server did.
///
/// ```
/// # #[cfg(feature = "misp")] {
/// # use artif_core::{Config, Engine, Outcome, RefreshOptions};
/// # let dir = tempfile::tempdir().unwrap();
/// # let key = dir.path().join("key");
/// # std::fs::write(&key, "secret").unwrap();
/// let text = format!(
///     "catalogue = []\n[fetch]\nretries = 0\n[misp]\nurl = 'http://127.0.0.1:1'\nkey = 'file:{}'",
///     key.display()
/// );
/// let engine =
///     Engine::builder().config(Config::from_toml(&text).unwrap()).in_memory().build().unwrap();
/// let report = engine.refresh(&RefreshOptions::default()).unwrap();
/// assert_eq!(report.misp[0].outcome, Outcome::Failed);
/// assert!(report.misp[0].error.as_ref().unwrap().contains("misp-unreachable"));
/// # }
/// ```
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct SyncReport {
    /// The server's id in the configuration.
    pub server: FeedId,
    /// What became of it.
    pub outcome: Outcome,
    /// Why it failed.
    pub error: Option<String>,
    /// Requests sent.
    pub requests: u64,
    /// Whether everything was read anew.
    pub full: bool,
    /// Attributes with addresses that are held of it now.
    pub attributes: u64,
    /// Attributes among them that are new, changed, and gone.
    pub added: u64,
    /// Attributes that changed.
    pub changed: u64,
    /// Attributes that are gone.
    pub removed: u64,
    /// Feeds that list something now.
    pub feeds: u64,
    /// Feeds among them that were committed.
    pub loaded: u64,
    /// Feeds whose new content was refused; the last good one stays.
    pub refused: u64,
    /// Events that are left out as a feed that is fetched here fills them: one witness, not two.
    pub copies: u64,
    /// Warninglists that were read.
    pub lists: u64,
    /// What became of sightings that waited for it.
    #[cfg(feature = "misp")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sighted: Vec<super::Sighted>,
    /// In a dry run: the feeds that would change, with those that would go.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<FeedReport>,
    /// The exchange of feeds, where one is configured.
    #[cfg(feature = "misp")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exchange: Option<super::Exchange>,
    /// Seconds after which the server wants to be asked again, where it failed with such a wish.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u32>,
}

#[cfg(feature = "misp")]
impl SyncReport {
    pub(crate) fn new(server: &FeedId) -> Self {
        Self {
            server: server.clone(),
            outcome: Outcome::Unchanged,
            error: None,
            requests: 0,
            full: false,
            attributes: 0,
            added: 0,
            changed: 0,
            removed: 0,
            feeds: 0,
            loaded: 0,
            refused: 0,
            copies: 0,
            lists: 0,
            sighted: Vec::new(),
            changes: Vec::new(),
            exchange: None,
            retry_after: None,
        }
    }
}

/// How a MISP server was when it was last asked.
///
/// ```
/// use artif_core::{Engine, ReputationEngine};
/// assert!(Engine::in_memory().unwrap().status().misp.is_empty());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ServerStatus {
    /// Its id in the configuration.
    pub server: String,
    /// When it was asked.
    pub asked: DateTime<Utc>,
    /// When a sync last came to its end.
    pub synced: Option<DateTime<Utc>>,
    /// Its version.
    pub version: Option<String>,
    /// Events that the key may see.
    pub events: u64,
    /// Events among them that do not count as they are not published.
    pub unpublished: u64,
    /// Attributes with addresses that are held of it.
    pub attributes: u64,
    /// Feeds made of them.
    pub feeds: u64,
    /// What went wrong; answers go on with what was there before.
    pub problem: Option<String>,
}

#[cfg(feature = "misp")]
impl ServerStatus {
    fn of(server: &str, checked: Checked) -> Self {
        let Checked { asked, synced, version, events, unpublished, attributes, feeds, problem } =
            checked;
        Self {
            server: server.to_owned(),
            asked: datetime(asked),
            synced: synced.map(datetime),
            version,
            events,
            unpublished,
            attributes,
            feeds,
            problem,
        }
    }
}

/// Of every server that was ever asked for a data folder.
#[cfg(feature = "misp")]
pub(crate) fn statuses(data: &Path) -> Vec<ServerStatus> {
    let Ok(entries) = std::fs::read_dir(data.join("misp")) else { return Vec::new() };
    let mut names: Vec<_> =
        entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    let status = |name: String| {
        let checked = Folder::of(data, &name.parse().ok()?).checked();
        (checked.asked > 0).then(|| ServerStatus::of(&name, checked))
    };
    names.into_iter().filter_map(status).collect()
}
