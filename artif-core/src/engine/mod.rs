//! Engines: the owner of a data folder, and readers of its snapshots.

/// The questions of [`ReputationEngine`] that everything with [`Answers`](crate::view::Answers)
/// answers alike; what differs is the status.
macro_rules! answered_from {
    ($self:ident => $answers:expr) => {
        fn check(&$self, ip: std::net::IpAddr) -> $crate::Reputation {
            $answers.check(ip)
        }

        fn check_many(&$self, ips: &[std::net::IpAddr]) -> Vec<$crate::Reputation> {
            $self.pin().check_many(ips)
        }

        fn check_into(
            &$self,
            addresses: $crate::Addresses<'_>,
            columns: &mut $crate::AnswerColumns<'_>,
        ) -> $crate::Result<usize> {
            $self.pin().check_into(addresses, columns)
        }

        fn gate(&$self, ip: std::net::IpAddr) -> $crate::Gate {
            $answers.gate(ip)
        }

        fn explain(&$self, ip: std::net::IpAddr) -> $crate::Explanation {
            $crate::explain::explain($answers.check(ip), $crate::score::by_name)
        }

        fn history(&$self, ip: std::net::IpAddr) -> Vec<$crate::Evidence> {
            $crate::explain::evidence(&$answers.load(), ip)
        }

        fn check_at(
            &$self,
            ip: std::net::IpAddr,
            at: chrono::DateTime<chrono::Utc>,
        ) -> $crate::PastReputation {
            $crate::explain::check_at(&$answers.load(), ip, at)
        }
    };
}

mod admission;
mod autonomous;
mod builder;
mod follow;
mod member;
mod metrics;
#[cfg(feature = "misp")]
mod misp;
mod options;
mod overrides;
mod owner;
mod publication;
mod reader;
mod refresh;
mod schedule;
mod signals;
mod status;
mod switches;

use std::net::IpAddr;

use chrono::{DateTime, Utc};

use self::admission::Troubles;
use crate::clock::{Seconds, span};
use crate::columns::{Addresses, AnswerColumns};
use crate::error::Result;
use crate::explain::{Evidence, Explanation, PastReputation};
use crate::feed::Feed;
use crate::gate::Gate;
use crate::ledger::FeedHead;
use crate::reputation::Reputation;
use crate::snapshot::SnapshotFeed;

pub use admission::Changes;
pub use builder::EngineBuilder;
#[cfg(feature = "cli")]
pub(crate) use builder::folder_feeds;
pub use member::Member;
#[cfg(feature = "misp")]
pub use misp::ExchangeOptions;
pub use options::{Progress, RefreshEvent, RefreshOptions};
pub use overrides::Overrides;
pub use owner::Engine;
pub use reader::Reader;
#[cfg(any(feature = "cli", feature = "backtest"))]
pub(crate) use refresh::parse_limits;
pub use refresh::{FeedReport, Outcome, RefreshReport, RefreshTimings};
pub use schedule::{Listener, Refresher, ScheduleEvent, ScheduleOptions};
pub use status::{SnapshotStatus, Status};

/// What an application asks. Lookups never block, fail or touch disk or network; all of it can be
/// called from any thread.
///
/// ```
/// use std::sync::Arc;
/// use artif_core::{Engine, ReputationEngine};
///
/// let engine: Arc<dyn ReputationEngine> = Arc::new(Engine::in_memory().unwrap());
/// assert!(engine.check("8.8.8.8".parse().unwrap()).score() > 98.0);
/// ```
pub trait ReputationEngine: Send + Sync {
    /// Answers for one address.
    fn check(&self, ip: IpAddr) -> Reputation;

    /// Answers for many, in the same order and from the same moment's knowledge unless a new
    /// snapshot arrives meanwhile.
    fn check_many(&self, ips: &[IpAddr]) -> Vec<Reputation> {
        ips.iter().map(|ip| self.check(*ip)).collect()
    }

    /// Score, verdict and state of one address: what it takes to let somebody in or not.
    fn gate(&self, ip: IpAddr) -> Gate {
        Gate::of(&self.check(ip))
    }

    /// Answers for many into columns; see [`AnswerColumns`]. Gives how many of them were no addresses.
    ///
    /// Errors: [`Error::Invalid`](crate::Error::Invalid) where a column is not as long as the
    /// addresses are many.
    fn check_into(
        &self,
        addresses: Addresses<'_>,
        columns: &mut AnswerColumns<'_>,
    ) -> Result<usize> {
        columns.fill_each(addresses, |ip| self.check(ip))
    }

    /// Answers with all reasons. May take microseconds.
    fn explain(&self, ip: IpAddr) -> Explanation;

    /// Every listing of the address within the retention: active ones first, then by time.
    fn history(&self, ip: IpAddr) -> Vec<Evidence>;

    /// What was known of the address at a moment in the past, by feeds: own signals are of now.
    fn check_at(&self, ip: IpAddr, at: DateTime<Utc>) -> PastReputation;

    /// How the engine is.
    fn status(&self) -> Status;
}

/// Until when a feed counts that is not confirmed again.
fn counts_until(feed: &Feed, head: &FeedHead, guard: &crate::config::Guard) -> Seconds {
    head.confirmed.saturating_add(span(feed.guard.max_age.unwrap_or(guard.max_age)))
}

/// Feeds as configured, with their states in the ledger.
fn feeds_now(
    feeds: &[Feed],
    heads: &[FeedHead],
    troubles: &Troubles,
    guard: &crate::config::Guard,
    now: Seconds,
) -> Vec<SnapshotFeed> {
    let troubles = troubles.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let state = |feed: &Feed| {
        let at = heads.binary_search_by(|head| head.feed.cmp(&feed.id)).ok()?;
        heads.get(at)
    };
    feeds
        .iter()
        .map(|feed| {
            let head = state(feed);
            let mut known = SnapshotFeed::new(feed, head);
            if head.is_none() {
                known.stale = troubles.get(&feed.id).cloned();
            }
            known.outdated = head.is_some_and(|head| counts_until(feed, head, guard) < now);
            known
        })
        .collect()
}
