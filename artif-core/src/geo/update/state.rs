//! What is known of updates, in the data folder beside the ledger.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{GeoKind, GeoReport};
use crate::clock::{Seconds, datetime};
use crate::engine::Outcome;
use crate::error::{Error, Result};
use crate::snapshot::write_atomically;

const FILE: &str = "geo-updates.json";

/// How the updates of a database are.
///
/// ```
/// use artif_core::ReputationEngine;
/// let engine = artif_core::Engine::in_memory().unwrap();
/// assert!(engine.status().geo_updates.is_empty());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct GeoUpdateStatus {
    /// Which database.
    pub database: GeoKind,
    /// Its file.
    pub path: PathBuf,
    /// When an update was last looked for.
    pub checked: DateTime<Utc>,
    /// When one was last put in place.
    pub changed: Option<DateTime<Utc>>,
    /// Why the newest look came to nothing.
    pub problem: Option<String>,
}

/// What is known of one database's source.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Known {
    pub(super) path: PathBuf,
    pub(super) checked: Seconds,
    changed: Option<Seconds>,
    problem: Option<String>,
    pub(crate) failures: u32,
    /// The source that the validators are of, without keys.
    pub(super) source: String,
    pub(super) etag: Option<String>,
    pub(super) last_modified: Option<String>,
    /// Bytes of the file as it was put in place: another one was not, and is replaced.
    pub(super) bytes: u64,
    /// Digest of that file, so that a damaged one is replaced, too.
    content: String,
}

impl Known {
    pub(crate) fn checked(&self) -> Seconds {
        self.checked
    }

    /// Notes the file that is in place.
    #[cfg(all(feature = "fetch", feature = "geo"))]
    pub(super) fn put(&mut self, file: &[u8]) {
        self.bytes = file.len() as u64;
        self.content = digest(file);
    }

    /// Whether a file is the one that was put in place, whole.
    #[cfg(all(feature = "fetch", feature = "geo"))]
    pub(super) fn is(&self, file: &[u8]) -> bool {
        file.len() as u64 == self.bytes && digest(file) == self.content
    }
}

#[cfg(all(feature = "fetch", feature = "geo"))]
fn digest(file: &[u8]) -> String {
    format!("{:032x}", xxhash_rust::xxh3::xxh3_128(file))
}

/// What is known of all of them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Updates(BTreeMap<GeoKind, Known>);

impl Updates {
    /// What was kept in a data folder; nothing where there is no such file or it is damaged.
    pub(crate) fn load(dir: &Path) -> Self {
        let Ok(text) = std::fs::read(dir.join(FILE)) else { return Self::default() };
        Self(serde_json::from_slice(&text).unwrap_or_else(|error| {
            tracing::warn!(%error, file = FILE, "damaged: every database is looked for anew");
            BTreeMap::new()
        }))
    }

    pub(crate) fn save(&self, dir: &Path) -> Result<()> {
        let text = serde_json::to_vec(&self.0)
            .map_err(|error| Error::Invalid { what: "geo updates", reason: error.to_string() })?;
        write_atomically(&dir.join(FILE), &text)
    }

    pub(crate) fn get(&self, kind: GeoKind) -> Option<&Known> {
        self.0.get(&kind)
    }

    pub(super) fn known(&mut self, kind: GeoKind) -> &mut Known {
        self.0.entry(kind).or_default()
    }

    pub(super) fn note(&mut self, report: &GeoReport, now: Seconds) {
        let known = self.known(report.database);
        known.path.clone_from(&report.path);
        known.checked = now;
        known.problem.clone_from(&report.error);
        known.failures = if report.error.is_some() { known.failures.saturating_add(1) } else { 0 };
        if report.outcome == Outcome::Loaded {
            known.changed = Some(now);
        }
    }

    pub(crate) fn status(&self) -> Vec<GeoUpdateStatus> {
        let of = |(kind, known): (&GeoKind, &Known)| GeoUpdateStatus {
            database: *kind,
            path: known.path.clone(),
            checked: datetime(known.checked),
            changed: known.changed.map(datetime),
            problem: known.problem.clone(),
        };
        self.0.iter().map(of).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_comes_back_and_damage_is_no_obstacle() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Updates::load(dir.path()), Updates::default());
        let mut updates = Updates::default();
        let report = GeoReport {
            database: GeoKind::Country,
            path: "x.mmdb".into(),
            outcome: Outcome::Failed,
            error: Some("no".to_owned()),
            bytes: None,
            retry_after: None,
        };
        updates.known(GeoKind::Country).etag = Some("\"v1\"".to_owned());
        updates.note(&report, 7);
        updates.note(&report, 8);
        updates.save(dir.path()).unwrap();
        let loaded = Updates::load(dir.path());
        assert_eq!(loaded, updates);
        assert_eq!(loaded.get(GeoKind::Country).unwrap().failures, 2);
        assert_eq!(loaded.status()[0].checked, datetime(8));
        std::fs::write(dir.path().join(FILE), "{").unwrap();
        assert_eq!(Updates::load(dir.path()), Updates::default());
    }
}
