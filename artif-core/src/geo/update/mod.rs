//! Updates of the databases: fetched, checked, opened and compared before they replace anything.

#[cfg(all(feature = "fetch", feature = "geo"))]
mod document;
#[cfg(all(feature = "fetch", feature = "geo"))]
mod run;
mod state;

use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use serde::{Deserialize, Serialize};

pub use state::GeoUpdateStatus;
pub(crate) use state::Updates;

use crate::clock::Seconds;
use crate::config::Config;
use crate::engine::Outcome;
use crate::error::Result;

/// Which database.
///
/// ```
/// assert_eq!(artif_core::geo::GeoKind::Asn.to_string(), "asn");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum GeoKind {
    /// Autonomous systems and their organisations.
    Asn,
    /// Countries.
    Country,
}

impl fmt::Display for GeoKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Asn => "asn",
            Self::Country => "country",
        })
    }
}

/// What became of a database's update.
///
/// ```
/// let engine = artif_core::Engine::in_memory().unwrap();
/// assert!(engine.update_geo(&Default::default()).unwrap().is_empty(), "no source is configured");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct GeoReport {
    /// Which database.
    pub database: GeoKind,
    /// Its file.
    pub path: PathBuf,
    /// `Loaded` where a new one is in place, `Refused` where what came was not fit to be.
    pub outcome: Outcome,
    /// Why it failed or was refused; the last good one stays.
    pub error: Option<String>,
    /// Bytes of the new file.
    pub bytes: Option<u64>,
    /// Seconds for which the server asked to be left alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u32>,
}

/// The databases that have a source, each file once.
pub(crate) fn updated(config: &Config) -> Vec<GeoKind> {
    let geo = &config.geo;
    let mut kinds: Vec<_> =
        [GeoKind::Asn, GeoKind::Country].into_iter().filter(|k| geo.source(*k).is_some()).collect();
    // One file with both is fetched once.
    if kinds.len() == 2 && geo.asn == geo.country {
        kinds.pop();
    }
    kinds
}

/// Looks for an update of one database and puts it in place. Errors are a cancellation; whatever
/// else goes wrong is in the report.
#[cfg_attr(
    not(all(feature = "fetch", feature = "geo")),
    expect(clippy::unnecessary_wraps, reason = "with the features it can be cancelled")
)]
pub(crate) fn update(
    config: &Config,
    kind: GeoKind,
    updates: &mut Updates,
    now: Seconds,
    force: bool,
    cancel: &AtomicBool,
) -> Result<GeoReport> {
    #[cfg(all(feature = "fetch", feature = "geo"))]
    let report = run::update(config, kind, updates.known(kind), force, cancel)?;
    #[cfg(not(all(feature = "fetch", feature = "geo")))]
    let report = {
        let _ = (force, cancel);
        GeoReport {
            database: kind,
            path: config.geo.path(kind).map(std::path::Path::to_owned).unwrap_or_default(),
            outcome: Outcome::Failed,
            error: Some("this artif is built without features `fetch` and `geo`".to_owned()),
            bytes: None,
            retry_after: None,
        }
    };
    updates.note(&report, now);
    Ok(report)
}
