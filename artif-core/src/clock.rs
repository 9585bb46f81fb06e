//! Where the engine's time comes from: the system, or a fixed moment for replays and tests.

use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, Utc};

/// A source of the current time.
///
/// ```
/// use artif_core::{Clock, FixedClock};
///
/// let clock = FixedClock::new("2026-08-05T00:00:00Z".parse().unwrap());
/// assert_eq!(clock.now().to_rfc3339(), "2026-08-05T00:00:00+00:00");
/// ```
pub trait Clock: Send + Sync + fmt::Debug {
    /// The current time.
    fn now(&self) -> DateTime<Utc>;
}

/// The operating system's clock.
///
/// ```
/// use artif_core::{Clock, SystemClock};
///
/// assert!(SystemClock.now().timestamp() > 1_700_000_000);
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> DateTime<Utc> {
        Utc::now()
    }
}

/// A clock that stands still until it is moved: for replaying dated feeds and for tests.
///
/// ```
/// use artif_core::{Clock, FixedClock};
///
/// let clock = FixedClock::new("2026-08-05T00:00:00Z".parse().unwrap());
/// clock.set("2026-08-06T00:00:00Z".parse().unwrap());
/// assert_eq!(clock.now().to_rfc3339(), "2026-08-06T00:00:00+00:00");
/// ```
#[derive(Debug)]
pub struct FixedClock(AtomicI64);

impl FixedClock {
    /// A clock that shows `now`, to the second.
    ///
    /// ```
    /// let clock = artif_core::FixedClock::new(chrono::DateTime::UNIX_EPOCH);
    /// assert_eq!(artif_core::Clock::now(&clock).timestamp(), 0);
    /// ```
    pub fn new(now: DateTime<Utc>) -> Self {
        Self(AtomicI64::new(now.timestamp()))
    }

    /// Moves the clock, forwards or back.
    ///
    /// ```
    /// let clock = artif_core::FixedClock::new(chrono::DateTime::UNIX_EPOCH);
    /// clock.set("2026-08-01T00:00:00Z".parse().unwrap());
    /// ```
    pub fn set(&self, now: DateTime<Utc>) {
        self.0.store(now.timestamp(), Ordering::Relaxed);
    }
}

impl Clock for FixedClock {
    fn now(&self) -> DateTime<Utc> {
        DateTime::from_timestamp(self.0.load(Ordering::Relaxed), 0).unwrap_or_default()
    }
}

/// Seconds since 1970 as stored in ledger and snapshot: enough until 2106, half the size of i64.
pub(crate) type Seconds = u32;

/// `time` as stored; moments outside 1970..2106 are moved to the nearest end.
pub(crate) fn seconds(time: DateTime<Utc>) -> Seconds {
    Seconds::try_from(time.timestamp().max(0)).unwrap_or(Seconds::MAX)
}

/// A stored time as the API shows it.
pub(crate) fn datetime(seconds: Seconds) -> DateTime<Utc> {
    DateTime::from_timestamp(i64::from(seconds), 0).unwrap_or_default()
}

/// A span of time as stored; longer ones become the longest.
pub(crate) fn span(duration: std::time::Duration) -> Seconds {
    Seconds::try_from(duration.as_secs()).unwrap_or(Seconds::MAX)
}
