//! What a scorer is given and what it gives back.

use std::fmt;

use serde::Serialize;

use crate::category::{CategorySet, ThreatLevel};
use crate::error::Result;
use crate::feed::{Feed, Role};
use crate::geo::{GeoRecord, GeoTable};

/// Where an address stands.
///
/// ```
/// # use artif_core::score::State;
/// assert_eq!(serde_json::to_string(&State::Active).unwrap(), "\"active\"");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub enum State {
    /// In no feed, now or within the history window.
    Unknown = 0,
    /// In no feed now, but in one within the history window.
    Historical = 1,
    /// In a feed now.
    Active = 2,
}

/// What a scorer may know of a feed. Its place in [`ScoreInput::feeds`] is its number.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct FeedFacts {
    /// The id.
    pub id: String,
    /// The publisher: feeds of one publisher are one witness.
    pub source_group: String,
    /// How bad its addresses are.
    pub threat_level: ThreatLevel,
    /// What they do.
    pub categories: CategorySet,
    /// What being listed means. Only threat feeds make documents.
    pub role: Role,
    /// How far one listing is to be believed, 0 to 1.
    pub reliability: f64,
}

impl From<&Feed> for FeedFacts {
    fn from(feed: &Feed) -> Self {
        Self {
            id: feed.id.as_str().to_owned(),
            source_group: feed.source_group.clone(),
            threat_level: feed.threat_level,
            categories: feed.categories,
            role: feed.role,
            reliability: feed.reliability(),
        }
    }
}

/// One listed network: active, or ended within the time scored.
#[derive(Debug, Clone, Copy)]
pub struct Document<'a> {
    /// The feeds that list it (active) or listed it (ended): sorted places in [`ScoreInput::feeds`].
    pub feeds: &'a [u32],
    /// An interned id of `feeds`: documents with the same set have the same id.
    pub feed_set: u32,
    /// What these feeds say it does.
    pub categories: CategorySet,
    /// `None` while active, else days since it left its last feed.
    pub age_days: Option<f64>,
    /// Places in [`GeoTable::records`] of the ranges it touches, without duplicates; never empty.
    pub geo: &'a [u32],
}

/// All documents, as often as a scorer wants to go through them.
pub trait Documents {
    /// Calls `visit` for every document, in the same order every time.
    fn for_each(&self, visit: &mut dyn FnMut(Document<'_>));
}

impl Documents for Vec<Document<'_>> {
    fn for_each(&self, visit: &mut dyn FnMut(Document<'_>)) {
        for document in self {
            visit(*document);
        }
    }
}

/// Everything that scores are made from.
#[expect(missing_debug_implementations, reason = "borrows a trait object for the time of one call")]
pub struct ScoreInput<'a> {
    /// All feeds known, empty ones too.
    pub feeds: &'a [FeedFacts],
    /// All listed networks.
    pub documents: &'a dyn Documents,
    /// Who announces what.
    pub geo: &'a GeoTable,
    /// Days for which an address that left all feeds is "historical".
    pub window_days: f64,
}

/// One address, or a range of addresses that do not differ, to be scored.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// Where it stands.
    pub state: State,
    /// The feeds that list or listed it.
    pub feeds: &'a [u32],
    /// Days since it left its last feed, where historical.
    pub age_days: f64,
    /// A place in [`GeoTable::records`].
    pub geo: u32,
    /// What the databases say of it.
    pub record: GeoRecord,
}

/// One reason for a score.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Term {
    /// What it is about, stable: `"asn"`, `"country"`, `"organisation"`, `"listing"` …
    pub name: &'static str,
    /// Points on the 0..100 scale this takes away (negative) or gives; the terms of an address and
    /// 100 add up to its score.
    pub contribution: f64,
    /// A sentence for an analyst.
    pub text: String,
}

/// A way to make scores.
pub trait Scorer: Send + Sync + fmt::Debug {
    /// Its name in configuration and snapshots, such as `"classic"`.
    fn name(&self) -> &'static str;

    /// How many days back a network that left all feeds still counts as a document.
    fn horizon_days(&self) -> f64;

    /// Learns from all that is listed.
    fn fit(&self, input: &ScoreInput<'_>) -> Result<Box<dyn Model>>;

    /// Reads back what [`Model::encode`] wrote, for explanations from a snapshot. Damaged input is
    /// an error, never a panic.
    fn decode(&self, bytes: &[u8]) -> Result<Box<dyn Model>>;
}

/// What a scorer has learned.
pub trait Model: Send + Sync + fmt::Debug {
    /// The score, 0 (certainly bad) to 100 (safe).
    fn score(&self, subject: &Subject<'_>) -> f64;

    /// The reasons: terms whose contributions and 100 add up to the score, within 1e-9.
    fn explain(&self, subject: &Subject<'_>) -> Vec<Term>;

    /// All it needs to score and explain again, for the snapshot.
    fn encode(&self) -> Vec<u8>;
}
