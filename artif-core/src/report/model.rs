//! What a report says.

use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;

use crate::feed::Role;
use crate::snapshot::ReadCounts;

/// How the feeds of a snapshot compare. Made by [`Engine::feed_report`](crate::Engine::feed_report)
/// and [`Reader::feed_report`](crate::Reader::feed_report).
///
/// Shares are 0 to 1. Networks are counted as feeds list them; addresses are IPv4 only. What a feed
/// lists is covered by another one that lists the same network or one around it. Feeds are compared
/// with feeds of the same role: a list of clouds is no copy of a list of attackers.
///
/// ```
/// let report = artif_core::Engine::in_memory().unwrap().feed_report();
/// assert!(report.feeds.is_empty(), "nothing was loaded yet");
/// ```
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct FeedsReport {
    /// When the snapshot was made that this is about.
    pub created: DateTime<Utc>,
    /// From when on the past counts: listings that ended before are forgotten.
    pub since: DateTime<Utc>,
    /// Distinct networks that threat feeds list.
    pub networks: u64,
    /// Distinct IPv4 addresses in them.
    pub addresses: u64,
    /// Every feed, in the order of the configuration; no warninglists.
    pub feeds: Vec<FeedMeasures>,
    /// Every two feeds of one role that have something in common.
    pub overlaps: Vec<Overlap>,
    /// Feeds that are all but contained in another one, the most alike first.
    pub copies: Vec<NearCopy>,
}

/// One feed.
///
/// ```
/// # let engine = artif_core::Engine::in_memory().unwrap();
/// for feed in engine.feed_report().feeds {
///     println!("{}: {:.0} % of it nobody else has", feed.id, 100.0 * feed.exclusive.share);
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct FeedMeasures {
    /// The id.
    pub id: String,
    /// The name for people.
    pub name: String,
    /// Feeds with the same publisher are one witness.
    pub publisher: String,
    /// What being listed means.
    pub role: Role,
    /// How much it lists now.
    pub volume: Volume,
    /// What nobody else has.
    pub exclusive: Exclusive,
    /// How much of what there is it has.
    pub coverage: Coverage,
    /// What speaks for and against it.
    pub accuracy: Accuracy,
    /// Whether it is early.
    pub latency: Latency,
    /// What comes and goes.
    pub churn: Churn,
}

/// How much a feed lists.
///
/// ```
/// assert_eq!(artif_core::report::Volume::default().networks, 0);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct Volume {
    /// Networks of both families, single addresses among them.
    pub networks: u64,
    /// IPv4 networks.
    pub networks4: u64,
    /// IPv6 networks.
    pub networks6: u64,
    /// Distinct IPv4 addresses in them.
    pub addresses: u64,
}

/// What no other feed of the same role lists or covers.
///
/// ```
/// assert_eq!(artif_core::report::Exclusive::default().share, 0.0);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
#[non_exhaustive]
pub struct Exclusive {
    /// Networks.
    pub networks: u64,
    /// Their share of the feed's networks.
    pub share: f64,
    /// IPv4 addresses.
    pub addresses: u64,
    /// Networks that no other *publisher* lists or covers: copies within one publisher's lists take
    /// nothing away.
    pub of_publisher: u64,
}

/// How much of what there is a feed has.
///
/// ```
/// assert_eq!(artif_core::report::Coverage::default().confirmed, None);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
#[non_exhaustive]
pub struct Coverage {
    /// Its share of all distinct networks that feeds of its role list, those it covers included.
    pub networks: f64,
    /// Its share of those that at least two other publishers agree on; `None` where there are none.
    pub confirmed: Option<f64>,
}

/// What speaks for and against a feed. None of this is ground truth.
///
/// ```
/// assert_eq!(artif_core::report::Accuracy::default().shared_infrastructure, 0);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct Accuracy {
    /// Networks that another publisher lists or covers too.
    pub corroborated: u64,
    /// Networks that hold, or lie in, something that a warninglist keeps from being blocked: public
    /// resolvers, content delivery networks …
    pub shared_infrastructure: u64,
    /// Networks of which warninglists only say what they are: clouds, VPNs, scanners …
    pub named_infrastructure: u64,
    /// What its newest document held that was dropped; `None` where that was read before this was
    /// kept.
    pub read: Option<ReadCounts>,
}

/// Whether a feed is early, by the networks that another publisher lists or listed too and of which
/// the order is known. When a feed is first loaded it is not known since when it has what it holds.
///
/// ```
/// assert_eq!(artif_core::report::Latency::default().median_hours, None);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
#[non_exhaustive]
pub struct Latency {
    /// Networks whose order is known.
    pub shared: u64,
    /// Those that it had before all others.
    pub first: u64,
    /// Those that it had at the same time as the first of the others.
    pub same: u64,
    /// Those that it had after another.
    pub later: u64,
    /// The median of its time minus that of the first of the others, in hours, below 0 where it is
    /// early; to the day from two days on. Only of networks that all of them were seen to add.
    pub median_hours: Option<f64>,
}

/// What comes and goes.
///
/// ```
/// assert_eq!(artif_core::report::Churn::default().half_life_days, None);
/// ```
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[non_exhaustive]
pub struct Churn {
    /// Days for which the feed was watched, at most the retention.
    pub days: f64,
    /// Networks added in that time; what came and went and came again counts twice.
    pub added: u64,
    /// Networks removed.
    pub removed: u64,
    /// `added / days`; `None` in the first day.
    pub added_per_day: Option<f64>,
    /// `removed / days`; `None` in the first day.
    pub removed_per_day: Option<f64>,
    /// The half-life of listings in days if every day takes the same share of them; `None` where
    /// none was seen to end.
    pub half_life_days: Option<f64>,
    /// The days on which something was added or removed.
    pub daily: Vec<DayChurn>,
}

/// One day of a feed (UTC).
///
/// ```
/// fn busiest(days: &[artif_core::report::DayChurn]) -> Option<u64> {
///     days.iter().map(|day| day.added + day.removed).max()
/// }
/// assert_eq!(busiest(&[]), None);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct DayChurn {
    /// The day.
    pub date: NaiveDate,
    /// Networks added.
    pub added: u64,
    /// Networks removed.
    pub removed: u64,
}

/// What two feeds of one role have in common.
///
/// ```
/// # let engine = artif_core::Engine::in_memory().unwrap();
/// let report = engine.feed_report();
/// assert!(report.overlaps.iter().all(|pair| pair.jaccard <= 1.0));
/// ```
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Overlap {
    /// One.
    pub a: String,
    /// The other.
    pub b: String,
    /// Networks of `a` that `b` lists or covers.
    pub a_in_b: u64,
    /// Networks of `b` that `a` lists or covers.
    pub b_in_a: u64,
    /// Their share of `a`; 1 minus this is the differential contribution of `a` over `b`.
    pub a_in_b_share: f64,
    /// Their share of `b`.
    pub b_in_a_share: f64,
    /// IPv4 addresses in both.
    pub addresses: u64,
    /// IPv4 addresses in both, by those in either; without IPv4, the smaller of the two shares.
    pub jaccard: f64,
    /// Networks both list or listed that `a` had first.
    pub a_first: u64,
    /// Those that `b` had first.
    pub b_first: u64,
    /// Those both had at once.
    pub same: u64,
    /// The median of `a`'s time minus `b`'s, in hours, of networks both were seen to add.
    pub median_hours: Option<f64>,
}

/// A feed that is all but contained in another.
///
/// ```
/// # let engine = artif_core::Engine::in_memory().unwrap();
/// for copy in engine.feed_report().copies {
///     println!("{}", copy.text);
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct NearCopy {
    /// The feed with little of its own.
    pub feed: String,
    /// The feed that has it all.
    pub of: String,
    /// The share of its networks that the other one lists or covers.
    pub contained: f64,
    /// The share of the other one's networks that it lists or covers.
    pub contains: f64,
    /// IPv4 addresses in both, by those in either.
    pub jaccard: f64,
    /// Whether it follows from two others: contained in something that is contained in this.
    pub implied: bool,
    /// A sentence that says so.
    pub text: String,
}

impl FeedsReport {
    /// The share of `feed`'s networks that `other` lists or covers. `None` where one of the two is
    /// unknown, or their roles differ.
    ///
    /// ```
    /// let report = artif_core::Engine::in_memory().unwrap().feed_report();
    /// assert_eq!(report.overlap("a", "b"), None);
    /// ```
    pub fn overlap(&self, feed: &str, other: &str) -> Option<f64> {
        let find = |id: &str| self.feeds.iter().find(|feed| feed.id == id);
        if find(feed)?.role != find(other)?.role {
            return None;
        }
        let share = self.overlaps.iter().find_map(|pair| match (&*pair.a, &*pair.b) {
            (a, b) if a == feed && b == other => Some(pair.a_in_b_share),
            (a, b) if b == feed && a == other => Some(pair.b_in_a_share),
            _ => None,
        });
        Some(share.unwrap_or(0.0))
    }
}
