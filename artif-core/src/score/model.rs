//! What a scorer is given and what it gives back.

use std::fmt;
use std::net::IpAddr;

use serde::Serialize;

use crate::category::{CategorySet, ThreatLevel};
use crate::error::Result;
use crate::feed::{Feed, Role};
use crate::geo::{GeoRecord, GeoTable};
use crate::net::{Prefix, Prefix4, Prefix6};

/// Where an address stands.
///
/// ```
/// # use artif_core::score::State;
/// assert_eq!(serde_json::to_string(&State::Active).unwrap(), "\"active\"");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub enum State {
    /// In no feed, now or within the history window.
    #[default]
    Unknown = 0,
    /// In no feed now, but in one within the history window.
    Historical = 1,
    /// In a feed now.
    Active = 2,
}

impl State {
    /// Its name in lower case.
    ///
    /// ```
    /// assert_eq!(artif_core::score::State::Active.as_str(), "active");
    /// ```
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Historical => "historical",
            Self::Active => "active",
        }
    }
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
    /// Days since its content was last confirmed.
    pub confirmed_days: f64,
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
            confirmed_days: 0.0,
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

/// One listing: a feed and an interval, in days before now.
///
/// ```
/// # use artif_core::score::Interval;
/// let listing = Interval { feed: 0, since_days: 3.0, from_start: false, ended_days: Some(1.0) };
/// assert_eq!(listing.since_days - listing.ended_days.unwrap_or(0.0), 2.0); // for two days
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// A place in [`ScoreInput::feeds`].
    pub feed: u32,
    /// Since when.
    pub since_days: f64,
    /// It was there when the feed was first loaded, so it may be listed for longer.
    pub from_start: bool,
    /// `None` while active, else when it was seen to be gone.
    pub ended_days: Option<f64>,
}

/// All networks that a feed of any role lists, or listed within the retention.
///
/// `()` is the implementation in which nothing is listed.
///
/// ```
/// # use artif_core::score::Networks;
/// assert_eq!(().sets(), 0);
/// ```
pub trait Networks {
    /// How many distinct sets of listings there are.
    fn sets(&self) -> u32;

    /// Puts one of these sets into `out`, in place of what it holds.
    fn set(&self, set: u32, out: &mut Vec<Interval>);

    /// Calls `visit` for every IPv4 network, in order, with the number of its set of listings.
    fn for_each4(&self, visit: &mut dyn FnMut(Prefix4, u32));

    /// Calls `visit` for every IPv6 network, in order, with the number of its set of listings.
    fn for_each6(&self, visit: &mut dyn FnMut(Prefix6, u32));
}

impl Networks for () {
    fn sets(&self) -> u32 {
        0
    }

    fn set(&self, _: u32, out: &mut Vec<Interval>) {
        out.clear();
    }

    fn for_each4(&self, _: &mut dyn FnMut(Prefix4, u32)) {}

    fn for_each6(&self, _: &mut dyn FnMut(Prefix6, u32)) {}
}

/// Everything that scores are made from.
#[expect(missing_debug_implementations, reason = "borrows a trait object for the time of one call")]
pub struct ScoreInput<'a> {
    /// All feeds known, empty ones too.
    pub feeds: &'a [FeedFacts],
    /// All listed networks.
    pub documents: &'a dyn Documents,
    /// All listed networks with all that is known of their listings.
    pub networks: &'a dyn Networks,
    /// Who announces what.
    pub geo: &'a GeoTable,
    /// Days for which an address that left all feeds is "historical".
    pub window_days: f64,
    /// The share of bad addresses among those asked about, above 0 and below 1.
    pub prior: f64,
}

/// One address, or a range of addresses that do not differ, to be scored.
///
/// ```
/// # use artif_core::score::{State, Subject};
/// assert_eq!(Subject::default().state, State::Unknown);
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct Subject<'a> {
    /// Where it stands.
    pub state: State,
    /// The threat feeds that list it, or the last ones that did.
    pub feeds: &'a [u32],
    /// The label feeds that list it.
    pub labels: &'a [u32],
    /// Days since it left its last feed, where it did.
    pub age_days: f64,
    /// What is known of its own past.
    pub past: Past,
    /// What [`Model::territory`] says of its place.
    pub neighbourhood: i8,
    /// A place in [`GeoTable::records`].
    pub geo: u32,
    /// What the databases say of it.
    pub record: GeoRecord,
}

/// How often and for how long threat feeds listed an address before now, coarsely, so that many
/// addresses have the same past.
///
/// ```
/// # use artif_core::score::Past;
/// let past = Past::new(3, 5.2);
/// assert_eq!((past.spells, past.spell_days), (3, 6));
/// assert_eq!(Past::new(10_000, 0.1), Past { spells: 16, spell_days: 1 });
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Past {
    /// How often it was listed, the present time included; 1 to 16, or 0 where it never was.
    pub spells: u8,
    /// For how many days on average until now: 1, 2, 3, 4, 6, 8, 11, 16, 22 or 30; 0 where it never
    /// was.
    pub spell_days: u8,
}

impl Past {
    /// A past of `spells` (at least 1) that lasted `mean_days` each.
    ///
    /// ```
    /// # use artif_core::score::Past;
    /// assert_eq!(Past::new(1, 99.0).spell_days, 30);
    /// ```
    pub fn new(spells: usize, mean_days: f64) -> Self {
        const STEPS: [u8; 10] = [1, 2, 3, 4, 6, 8, 11, 16, 22, 30];
        let step = STEPS.into_iter().find(|step| mean_days <= f64::from(*step));
        Self { spells: spells.clamp(1, 16) as u8, spell_days: step.unwrap_or(30) }
    }
}

/// Ranges that cover both families, each with what its surroundings say of the addresses in it. The
/// starts are sorted; each list is empty or begins with 0.
///
/// ```
/// # use artif_core::score::Territory;
/// assert!(Territory::default().v4_starts.is_empty());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Territory {
    /// First addresses of the IPv4 ranges.
    pub v4_starts: Vec<u32>,
    /// The model's own number for each of `v4_starts`; 0 says nothing.
    pub v4_values: Vec<i8>,
    /// First addresses of the IPv6 ranges.
    pub v6_starts: Vec<u128>,
    /// The model's own number for each of `v6_starts`; 0 says nothing.
    pub v6_values: Vec<i8>,
}

/// What a snapshot can tell of the listings around an address, for explanations.
pub trait Nearby {
    /// The address.
    fn address(&self) -> IpAddr;

    /// Calls `visit` for every listed network around the address, with its listings.
    fn covering(&self, visit: &mut dyn FnMut(Prefix, &[Interval]));

    /// Calls `visit` for every listed network inside `prefix`, in order, with its listings.
    fn within(&self, prefix: Prefix, visit: &mut dyn FnMut(Prefix, &[Interval]));

    /// The autonomous system that announces `address`.
    fn system(&self, address: IpAddr) -> Option<u32>;
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

    /// How many days back an address that left all feeds is still told from one that never was in
    /// any; at least the history window.
    fn memory_days(&self) -> f64 {
        0.0
    }

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

    /// The reasons: terms whose contributions and 100 add up to the score, within 1e-9. With
    /// `nearby` they can say more.
    fn explain(&self, subject: &Subject<'_>, nearby: Option<&dyn Nearby>) -> Vec<Term>;

    /// What surroundings say, by range; [`Subject::neighbourhood`] comes from here.
    fn territory(&self) -> Territory {
        Territory::default()
    }

    /// What of a number of [`Self::territory`] matters to addresses in this state: it may be coarser
    /// where scores hardly depend on it, for the fewer distinct answers.
    fn nearby(&self, state: State, neighbourhood: i8) -> i8 {
        let _ = state;
        neighbourhood
    }

    /// Whether [`Self::score`] looks at what the databases say, [`Subject::geo`] and
    /// [`Subject::record`]. If not, addresses that differ in nothing else need one score.
    fn is_local(&self) -> bool {
        true
    }

    /// The bounds between which the score lies with 90 % probability, as far as the amount of
    /// evidence tells; `None` from models that cannot say.
    fn interval(&self, subject: &Subject<'_>, nearby: Option<&dyn Nearby>) -> Option<[f64; 2]> {
        let _ = (subject, nearby);
        None
    }

    /// All it needs to score and explain again, for the snapshot.
    fn encode(&self) -> Vec<u8>;
}
