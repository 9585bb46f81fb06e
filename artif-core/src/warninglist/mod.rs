//! Warninglists: known-good or shared infrastructure, and what being on such a list means.
//!
//! A warninglist is a source like a feed: fetched, guarded and kept in the ledger, and compiled into
//! the snapshot. It never lists a threat. Its category says what follows for an address on it:
//! [`Action::Cap`] keeps feeds alone from blocking it, [`Action::Annotate`] only names it.
//!
//! Two small lists are built in; the lists of the misp-warninglists project, or of your own, are
//! named under `[warninglists]` in the configuration.

mod builtin;
mod category;
mod source;

use serde::{Deserialize, Serialize};

pub(crate) use builtin::builtin;
pub(crate) use category::classify;
pub(crate) use source::{feeds, feeds_of_names, is_folder, is_of_source, list_name};

/// What a hit on a warninglist means.
///
/// ```
/// use artif_core::warninglist::Action;
/// assert_eq!(serde_json::to_string(&Action::Cap).unwrap(), "\"cap\"");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Action {
    /// Feeds alone make it no worse than "Manual triage needed".
    Cap,
    /// Answers name the list, and nothing else follows.
    Annotate,
    /// The list is not used.
    Ignore,
}

impl Action {
    /// As configuration and answers spell it.
    ///
    /// ```
    /// assert_eq!(artif_core::warninglist::Action::Cap.as_str(), "cap");
    /// ```
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cap => "cap",
            Self::Annotate => "annotate",
            Self::Ignore => "ignore",
        }
    }
}

/// What a warninglist is about.
///
/// ```
/// use artif_core::{Engine, ReputationEngine};
/// use artif_core::warninglist::Action;
///
/// let engine = Engine::builder().in_memory().catalogue("no-feeds.toml");
/// # let dir = tempfile::tempdir().unwrap();
/// # std::fs::write(dir.path().join("none.toml"), "").unwrap();
/// # let engine = Engine::builder().in_memory().catalogue(dir.path().join("none.toml"));
/// let engine = engine.build().unwrap();
/// engine.refresh(&Default::default()).unwrap();
/// let answer = engine.check("9.9.9.9".parse().unwrap());
/// let about = answer.warninglists().next().unwrap().warninglist.as_ref().unwrap();
/// assert_eq!((&*about.category, about.action), ("public-dns", Action::Cap));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Facts {
    /// The category's id, as in `public-dns`.
    pub category: String,
    /// The category for people, as in "public DNS resolver".
    pub meaning: String,
    /// What a hit means.
    pub action: Action,
    /// The list's version, where its document says one and it was read since the last start.
    pub version: Option<String>,
}
