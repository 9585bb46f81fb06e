//! How an engine is.

use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::geo::{GeoDatabase, GeoUpdateStatus, Updates};
use crate::ledger::StoreStatus;
use crate::misp::ServerStatus;
use crate::signals::SignalsStatus;
use crate::snapshot::{SnapshotCounts, SnapshotFeed};
use crate::view::View;

/// The snapshot that answers.
///
/// ```
/// use artif_core::{Engine, ReputationEngine};
///
/// let engine = Engine::in_memory().unwrap();
/// assert_eq!(engine.status().snapshot.id, 0); // nothing refreshed yet
/// ```
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct SnapshotStatus {
    /// Its sequence number; 0 before the first refresh.
    pub id: u64,
    /// When it was compiled; answers that depend on the clock are as of then.
    pub created: DateTime<Utc>,
    /// Whether it is older than its `stale_after`.
    pub stale: bool,
    /// Whether its file was found not to be what was published. Each process looks once, in the
    /// background, after it opened the folder.
    #[serde(skip)]
    pub(super) damaged: bool,
    /// Its file; `None` in memory.
    pub path: Option<PathBuf>,
    /// Its size.
    pub bytes: u64,
    /// The scorer that made its scores.
    pub scorer: String,
    /// What is in it.
    pub counts: SnapshotCounts,
}

impl SnapshotStatus {
    pub(crate) fn of_view(view: &View) -> Self {
        let snapshot = &view.snapshot;
        let meta = snapshot.meta();
        Self {
            id: snapshot.header().sequence,
            created: view.created(),
            stale: snapshot.header().sequence != 0 && view.is_stale(),
            damaged: snapshot.is_damaged(),
            path: snapshot.path().map(Path::to_owned),
            bytes: snapshot.bytes().len() as u64,
            scorer: meta.scorer.clone(),
            counts: meta.counts.clone(),
        }
    }
}

/// How an engine is: what it answers from, how its feeds and databases are, what is wrong.
///
/// ```
/// use artif_core::{Engine, ReputationEngine};
///
/// let status = Engine::in_memory().unwrap().status();
/// assert!(status.owner);
/// assert!(status.problems.iter().any(|problem| problem.contains("no ASN database")));
/// ```
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Status {
    /// The version of this build.
    pub version: &'static str,
    /// The data folder; `None` in memory.
    pub data: Option<PathBuf>,
    /// Whether this engine owns the folder, or reads from it.
    pub owner: bool,
    /// The snapshot that answers.
    pub snapshot: SnapshotStatus,
    /// The feeds: an owner's as they are now, a reader's as of the snapshot.
    pub feeds: Vec<SnapshotFeed>,
    /// The warninglists as of the snapshot, those built in included.
    pub warninglists: Vec<SnapshotFeed>,
    /// The geo databases as of the snapshot.
    pub geo: Vec<GeoDatabase>,
    /// How the updates of those are that have a source.
    pub geo_updates: Vec<GeoUpdateStatus>,
    /// The MISP servers, as they were when they were last asked.
    pub misp: Vec<ServerStatus>,
    /// Overrides in force or expired, not yet forgotten.
    pub overrides: u64,
    /// The application's own signals; `None` where no kinds are configured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signals: Option<SignalsStatus>,
    /// The ledger; a reader has none.
    pub ledger: Option<StoreStatus>,
    /// What somebody should look at, one sentence each.
    pub problems: Vec<String>,
    /// What was damaged and is whole again.
    #[serde(skip)]
    pub(super) mended: Vec<String>,
    /// Why the last refresh could not publish.
    #[serde(skip)]
    pub(super) unpublished: Option<String>,
}

impl Status {
    pub(crate) fn of_view(view: &View, data: Option<&Path>) -> Self {
        let meta = view.snapshot.meta();
        let snapshot = SnapshotStatus::of_view(view);
        let mut status = Self {
            version: env!("CARGO_PKG_VERSION"),
            data: data.map(Path::to_owned),
            owner: false,
            snapshot,
            feeds: meta.feeds_proper(),
            warninglists: meta.warninglists(),
            geo: meta.geo.clone(),
            geo_updates: data.map(Updates::load).unwrap_or_default().status(),
            #[cfg(feature = "misp")]
            misp: data.map(crate::misp::statuses).unwrap_or_default(),
            #[cfg(not(feature = "misp"))]
            misp: Vec::new(),
            overrides: view.overlay.entries().len() as u64,
            signals: view.signals.as_ref().map(|signals| signals.status()),
            ledger: None,
            problems: Vec::new(),
            mended: Vec::new(),
            unpublished: None,
        };
        status.find_problems();
        status
    }

    /// Fills `problems` from the rest.
    pub(crate) fn find_problems(&mut self) {
        self.problems.clear();
        if self.snapshot.id == 0 {
            self.problems.push("nothing was refreshed yet: every address is unknown".to_owned());
        } else if self.snapshot.stale {
            let created = self.snapshot.created;
            self.problems.push(format!("the snapshot is stale, it was created {created}"));
        }
        if let (true, Some(path)) = (self.snapshot.damaged, &self.snapshot.path) {
            self.problems.push(format!(
                "the snapshot {} is damaged, answers may be wrong: an owner that opens the folder \
                 makes it anew",
                path.display()
            ));
        }
        if let Some(reason) = &self.unpublished {
            self.problems.push(format!(
                "the last refresh could not publish, the snapshot of before goes on answering: \
                 {reason}"
            ));
        }
        self.problems.extend_from_slice(&self.mended);
        let has = |asn: bool| {
            self.geo.iter().any(|db| db.problem.is_none() && if asn { db.asn } else { db.country })
        };
        for (there, name) in [(has(true), "ASN"), (has(false), "country")] {
            if !there {
                self.problems.push(format!(
                    "no {name} database: answers have no {name}, neighbourhood scores lack it \
                     (set [geo] in the configuration)"
                ));
            }
        }
        for database in &self.geo {
            if let Some(problem) = &database.problem {
                self.problems.push(format!("geo database {}: {problem}", database.path.display()));
            }
        }
        for update in &self.geo_updates {
            if let Some(problem) = &update.problem {
                let path = update.path.display();
                self.problems.push(format!(
                    "geo database {path} is not updated, the last good one stays: {problem}"
                ));
            }
        }
        for server in &self.misp {
            let Some(problem) = &server.problem else { continue };
            let since = match server.synced {
                Some(synced) => format!("answers go on with what it held at {synced}"),
                None => "it was never read to its end".to_owned(),
            };
            self.problems.push(format!("misp {}: {since}: {problem}", server.server));
        }
        for feed in self.feeds.iter().filter(|feed| feed.enabled) {
            let never = feed.first_loaded.is_none();
            match &feed.stale {
                Some(reason) if never => {
                    self.problems.push(format!("feed {} was never loaded: {reason}", feed.id));
                }
                Some(reason) => {
                    self.problems.push(format!("feed {} is stale: {reason}", feed.id));
                }
                None if never && self.snapshot.id != 0 => {
                    self.problems.push(format!("feed {} was never loaded", feed.id));
                }
                None => {}
            }
            if feed.outdated {
                let last = feed.confirmed.map_or_else(String::new, |at| format!(" ({at})"));
                self.problems.push(format!(
                    "feed {} no longer counts: its content was last confirmed longer ago than its \
                     `guard.max_age`{last}",
                    feed.id
                ));
            }
        }
        for list in &self.warninglists {
            if let Some(reason) = &list.stale {
                self.problems.push(format!("warninglist {} is stale: {reason}", list.id));
            }
        }
        if let Some(problem) = self.signals.as_ref().and_then(|own| own.problem.as_ref()) {
            self.problems.push(format!("signals: {problem}"));
        }
        if let Some(recovery) = self.ledger.as_ref().and_then(|ledger| ledger.recovery.as_ref()) {
            let kept = recovery.quarantined.as_ref();
            let kept = kept
                .map_or_else(String::new, |at| format!("; the damaged one is at {}", at.display()));
            self.problems.push(format!("the ledger was rebuilt: {}{kept}", recovery.reason));
        }
    }
}
