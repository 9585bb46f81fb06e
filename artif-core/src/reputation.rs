//! The answer for one address.

mod json;

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use arc_swap::Guard;
use chrono::{DateTime, Utc};

use crate::category::CategorySet;
use crate::clock::datetime;
use crate::error::one_line;
use crate::feed::Role;
use crate::geo::Country;
use crate::ledger::{Override, OverrideAction};
use crate::net::{Canonical, SpecialPurpose, special_purpose};
use crate::score::State;
use crate::signals::Signal;
use crate::snapshot::{Record, SnapshotFeed, Standing};
use crate::verdict::Verdict;
use crate::view::View;

/// The answer for one address: cheap to make, its parts are decoded when asked for.
///
/// Serialised, it has the names of the seed system's JSON, so that its clients keep working.
///
/// ```
/// use artif_core::{Engine, ReputationEngine, Verdict};
///
/// let engine = Engine::in_memory().unwrap();
/// let answer = engine.check("10.1.2.3".parse().unwrap());
/// assert_eq!(answer.verdict(), Verdict::NotApplicable);
/// assert_eq!(answer.special_purpose().unwrap().name, "Private-Use");
/// ```
///
/// It keeps the snapshot that answered alive, or with `H = `[`Borrowed`] borrows it from a
/// [`Pinned`](crate::Pinned).
#[derive(Clone)]
pub struct Reputation<H = Owned> {
    address: Canonical,
    record: Record,
    held: H,
}

/// How a [`Reputation`] holds what answered: [`Owned`] or [`Borrowed`].
///
/// ```
/// fn is_bad<H: artif_core::Held>(answer: &artif_core::Reputation<H>) -> bool {
///     answer.score() < 30.0
/// }
/// ```
pub trait Held: sealed::Holds {}

/// Keeps what answered alive for as long as it is needed.
///
/// ```
/// use artif_core::{Engine, Owned, Reputation, ReputationEngine};
///
/// let engine = Engine::in_memory().unwrap();
/// let answer: Reputation<Owned> = engine.check("8.8.8.8".parse().unwrap());
/// drop(engine);
/// assert!(answer.score() > 98.0);
/// ```
#[derive(Debug)]
pub struct Owned(Guard<Arc<View>>);

/// Borrows from a [`Pinned`](crate::Pinned), which costs nothing.
///
/// ```
/// use artif_core::{Borrowed, Engine, Reputation};
///
/// let pinned = Engine::in_memory().unwrap().pin();
/// let answer: Reputation<Borrowed<'_>> = pinned.check("8.8.8.8".parse().unwrap());
/// assert!(answer.score() > 98.0);
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Borrowed<'a>(&'a Arc<View>);

mod sealed {
    use super::View;

    pub trait Holds {
        fn view(&self) -> &View;
    }
}

impl sealed::Holds for Owned {
    #[inline]
    fn view(&self) -> &View {
        &self.0
    }
}

impl sealed::Holds for Borrowed<'_> {
    #[inline]
    fn view(&self) -> &View {
        self.0
    }
}

impl Held for Owned {}
impl Held for Borrowed<'_> {}

impl Reputation {
    #[inline]
    pub(crate) fn new(address: Canonical, record: Record, view: Guard<Arc<View>>) -> Self {
        Self { address, record, held: Owned(view) }
    }

    pub(crate) fn with_record(self, record: Record) -> Self {
        Self { record, ..self }
    }
}

impl<'a> Reputation<Borrowed<'a>> {
    #[inline]
    pub(crate) fn borrowed(address: Canonical, record: Record, view: &'a Arc<View>) -> Self {
        Self { address, record, held: Borrowed(view) }
    }

    /// The same answer, to be kept for longer than what it was pinned by.
    ///
    /// ```
    /// # use artif_core::Engine;
    /// let pinned = Engine::in_memory().unwrap().pin();
    /// let answer = pinned.check("8.8.8.8".parse().unwrap()).into_owned();
    /// drop(pinned);
    /// assert!(answer.score() > 98.0);
    /// ```
    pub fn into_owned(self) -> Reputation {
        Reputation::new(self.address, self.record, Guard::from_inner(Arc::clone(self.held.0)))
    }
}

impl<H: Held> Reputation<H> {
    #[inline]
    pub(crate) fn view(&self) -> &View {
        self.held.view()
    }

    pub(crate) fn record(&self) -> &Record {
        &self.record
    }

    pub(crate) fn canonical(&self) -> Canonical {
        self.address
    }

    /// The address as it was looked up: IPv4 carried in IPv6 is shown as IPv4.
    ///
    /// ```
    /// # use artif_core::{Engine, ReputationEngine};
    /// # let engine = Engine::in_memory().unwrap();
    /// let answer = engine.check("::ffff:8.8.8.8".parse().unwrap());
    /// assert_eq!(answer.ip().to_string(), "8.8.8.8");
    /// ```
    #[inline]
    pub fn ip(&self) -> IpAddr {
        self.address.ip()
    }

    /// Where feeds say it stands. Special-purpose addresses are always unknown.
    ///
    /// ```
    /// # use artif_core::{Engine, ReputationEngine};
    /// # let engine = Engine::in_memory().unwrap();
    /// # let answer = engine.check("8.8.8.8".parse().unwrap());
    /// assert_eq!(answer.state(), artif_core::score::State::Unknown);
    /// ```
    #[inline]
    pub fn state(&self) -> State {
        self.record.state()
    }

    /// Whether a threat feed lists it, or did within the history window.
    ///
    /// ```
    /// # use artif_core::{Engine, ReputationEngine};
    /// # let engine = Engine::in_memory().unwrap();
    /// # let answer = engine.check("8.8.8.8".parse().unwrap());
    /// assert!(!answer.is_ioc());
    /// ```
    pub fn is_ioc(&self) -> bool {
        self.state() != State::Unknown
    }

    /// Whether a threat feed lists it now.
    ///
    /// ```
    /// # use artif_core::{Engine, ReputationEngine};
    /// # let engine = Engine::in_memory().unwrap();
    /// # let answer = engine.check("8.8.8.8".parse().unwrap());
    /// assert!(!answer.is_active());
    /// ```
    pub fn is_active(&self) -> bool {
        self.state() == State::Active
    }

    /// Whether no threat feed lists it now but one did within the history window.
    ///
    /// ```
    /// # use artif_core::{Engine, ReputationEngine};
    /// # let engine = Engine::in_memory().unwrap();
    /// # let answer = engine.check("8.8.8.8".parse().unwrap());
    /// assert!(!answer.is_historical());
    /// ```
    pub fn is_historical(&self) -> bool {
        self.state() == State::Historical
    }

    /// 0 (certainly bad) to 100 (safe). An override does not change it.
    ///
    /// ```
    /// # use artif_core::{Engine, ReputationEngine};
    /// # let engine = Engine::in_memory().unwrap();
    /// # let answer = engine.check("8.8.8.8".parse().unwrap());
    /// assert!(answer.score() > 98.0);
    /// ```
    #[inline]
    pub fn score(&self) -> f64 {
        self.record.score.get()
    }

    /// Calibrated probability, 0 to 1, that it is malicious now; `None` from scorers that are not
    /// calibrated, such as the classic one.
    ///
    /// ```
    /// # use artif_core::{Engine, ReputationEngine};
    /// # let engine = Engine::in_memory().unwrap();
    /// # let answer = engine.check("8.8.8.8".parse().unwrap());
    /// // Nothing was ever ingested: what is taken for the share of bad ones, `scoring.prior`.
    /// assert!((0.01..0.02).contains(&answer.risk().unwrap()));
    /// ```
    pub fn risk(&self) -> Option<f64> {
        (self.view().snapshot.meta().scorer == "risk" && !self.record.is_special())
            .then(|| 1.0 - self.score() / 100.0)
    }

    /// What to do about it; an operator's override beats everything else.
    ///
    /// ```
    /// # use artif_core::{Engine, ReputationEngine};
    /// # let engine = Engine::in_memory().unwrap();
    /// # let answer = engine.check("8.8.8.8".parse().unwrap());
    /// assert_eq!(answer.verdict(), artif_core::Verdict::NoAction);
    /// ```
    #[inline]
    pub fn verdict(&self) -> Verdict {
        self.view().verdict(self.address, &self.record)
    }

    /// What the application itself reported of it: see [`Engine::signal`](crate::Engine::signal).
    /// As it is when this is called; empty where [`Self::is_moved`] is false.
    ///
    /// ```
    /// # use artif_core::{Engine, ReputationEngine};
    /// # let engine = Engine::in_memory().unwrap();
    /// # let answer = engine.check("8.8.8.8".parse().unwrap());
    /// assert!(answer.signals().is_empty());
    /// ```
    pub fn signals(&self) -> Vec<Signal> {
        if self.is_moved() { self.view().signals(self.ip()) } else { Vec::new() }
    }

    /// Whether score and verdict are moved by what the application itself reported.
    ///
    /// ```
    /// # use artif_core::{Engine, ReputationEngine};
    /// # let engine = Engine::in_memory().unwrap();
    /// # let answer = engine.check("8.8.8.8".parse().unwrap());
    /// assert!(!answer.is_moved());
    /// ```
    #[inline]
    pub fn is_moved(&self) -> bool {
        self.record.is_moved()
    }

    /// The verdict in a sentence.
    ///
    /// ```
    /// # use artif_core::{Engine, ReputationEngine};
    /// # let engine = Engine::in_memory().unwrap();
    /// # let answer = engine.check("8.8.8.8".parse().unwrap());
    /// assert_eq!(answer.description(), "Benign IP according to feeds");
    /// ```
    pub fn description(&self) -> String {
        if let Some(entry) = self.override_entry() {
            let action = if entry.action == OverrideAction::Allow { "Allowed" } else { "Blocked" };
            let reason = if entry.reason.is_empty() { "no reason given" } else { &entry.reason };
            let reason = one_line(reason);
            return format!("{action} by an operator ({}): {reason}", entry.prefix);
        }
        if let Some(block) = self.special_purpose() {
            return format!("Special-purpose address: {} ({})", block.name, block.reference);
        }
        let by_feeds = match self.state() {
            State::Active => "IP is an active IoC",
            State::Historical => "IP is a historically malicious IP",
            State::Unknown => "Benign IP according to feeds",
        };
        if self.is_moved() { format!("{by_feeds}; own signals count") } else { by_feeds.to_owned() }
    }

    /// The operator's decision that holds for it, if any.
    ///
    /// ```
    /// # use artif_core::{Engine, ReputationEngine};
    /// # let engine = Engine::in_memory().unwrap();
    /// # let answer = engine.check("8.8.8.8".parse().unwrap());
    /// assert!(answer.override_entry().is_none());
    /// ```
    #[inline]
    pub fn override_entry(&self) -> Option<&Override> {
        self.view().decides(self.address)
    }

    /// The special-purpose block it is in, if any.
    ///
    /// ```
    /// # use artif_core::{Engine, ReputationEngine};
    /// # let engine = Engine::in_memory().unwrap();
    /// # let answer = engine.check("8.8.8.8".parse().unwrap());
    /// assert!(answer.special_purpose().is_none());
    /// ```
    pub fn special_purpose(&self) -> Option<&'static SpecialPurpose> {
        self.record.is_special().then(|| special_purpose(self.ip())).flatten()
    }

    /// The autonomous system's number.
    ///
    /// ```
    /// # use artif_core::{Engine, ReputationEngine};
    /// # let engine = Engine::in_memory().unwrap();
    /// # let answer = engine.check("8.8.8.8".parse().unwrap());
    /// assert_eq!(answer.asn(), None); // no database yet
    /// ```
    #[inline]
    pub fn asn(&self) -> Option<u32> {
        self.record.asn()
    }

    /// The country.
    ///
    /// ```
    /// # use artif_core::{Engine, ReputationEngine};
    /// # let engine = Engine::in_memory().unwrap();
    /// # let answer = engine.check("8.8.8.8".parse().unwrap());
    /// assert_eq!(answer.country(), None);
    /// ```
    #[inline]
    pub fn country(&self) -> Option<Country> {
        self.record.country()
    }

    /// The organisation behind the autonomous system.
    ///
    /// ```
    /// # use artif_core::{Engine, ReputationEngine};
    /// # let engine = Engine::in_memory().unwrap();
    /// # let answer = engine.check("8.8.8.8".parse().unwrap());
    /// assert_eq!(answer.organisation(), None);
    /// ```
    #[inline]
    pub fn organisation(&self) -> Option<&str> {
        self.view().snapshot.organisation(self.record.organisation_place())
    }

    #[inline]
    pub(crate) fn standing(&self) -> Standing {
        self.view().snapshot.standing(&self.record)
    }

    /// The threat feeds that list it; where historical, that listed it. How many they are is known
    /// without walking through them ([`ExactSizeIterator::len`]).
    ///
    /// ```
    /// # use artif_core::{Engine, ReputationEngine};
    /// # let engine = Engine::in_memory().unwrap();
    /// # let answer = engine.check("8.8.8.8".parse().unwrap());
    /// assert_eq!(answer.feeds().len(), 0);
    /// ```
    #[inline]
    pub fn feeds(&self) -> impl ExactSizeIterator<Item = &SnapshotFeed> {
        self.feed_set(self.standing().feeds.get())
    }

    /// The label and benign feeds that list it now: what it is, not that it is bad.
    ///
    /// ```
    /// # use artif_core::{Engine, ReputationEngine};
    /// # let engine = Engine::in_memory().unwrap();
    /// # let answer = engine.check("8.8.8.8".parse().unwrap());
    /// assert_eq!(answer.labels().count(), 0);
    /// ```
    pub fn labels(&self) -> impl Iterator<Item = &SnapshotFeed> {
        let labels = self.feed_set(self.standing().labels.get());
        labels.filter(|feed| feed.role != Role::Warninglist)
    }

    /// The warninglists it is on: known-good or shared infrastructure.
    ///
    /// ```
    /// # use artif_core::{Engine, ReputationEngine};
    /// # let engine = Engine::in_memory().unwrap();
    /// # let answer = engine.check("8.8.8.8".parse().unwrap());
    /// assert_eq!(answer.warninglists().count(), 0); // before the first refresh
    /// ```
    pub fn warninglists(&self) -> impl Iterator<Item = &SnapshotFeed> {
        let labels = self.feed_set(self.standing().labels.get());
        labels.filter(|feed| feed.role == Role::Warninglist)
    }

    /// Whether a warninglist keeps feeds alone from blocking it: its verdict is at most
    /// [`Verdict::Triage`] and its score not below the threshold for triage, unless an operator
    /// blocks it.
    ///
    /// ```
    /// # use artif_core::{Engine, ReputationEngine};
    /// # let engine = Engine::in_memory().unwrap();
    /// # let answer = engine.check("8.8.8.8".parse().unwrap());
    /// assert!(!answer.is_capped()); // before the first refresh
    /// ```
    pub fn is_capped(&self) -> bool {
        self.warninglists().any(SnapshotFeed::caps)
    }

    #[inline]
    fn feed_set(&self, set: u32) -> impl ExactSizeIterator<Item = &SnapshotFeed> {
        self.view().feed_set(set)
    }

    /// What those feeds say of it.
    ///
    /// ```
    /// # use artif_core::{Engine, ReputationEngine};
    /// # let engine = Engine::in_memory().unwrap();
    /// # let answer = engine.check("8.8.8.8".parse().unwrap());
    /// assert!(answer.categories().is_empty());
    /// ```
    pub fn categories(&self) -> CategorySet {
        CategorySet::from_bits(self.standing().categories.get())
    }

    /// When a threat feed that makes it active or historical first listed it.
    ///
    /// ```
    /// # use artif_core::{Engine, ReputationEngine};
    /// # let engine = Engine::in_memory().unwrap();
    /// # let answer = engine.check("8.8.8.8".parse().unwrap());
    /// assert_eq!(answer.first_seen(), None);
    /// ```
    pub fn first_seen(&self) -> Option<DateTime<Utc>> {
        let counted = self.counted_listings();
        counted.map(|listing| listing.first_seen).min().map(datetime)
    }

    /// When a threat feed was last seen to list it: the feed's newest confirmation while active,
    /// else when it left its last feed.
    ///
    /// ```
    /// # use artif_core::{Engine, ReputationEngine};
    /// # let engine = Engine::in_memory().unwrap();
    /// # let answer = engine.check("8.8.8.8".parse().unwrap());
    /// assert_eq!(answer.last_seen(), None);
    /// ```
    pub fn last_seen(&self) -> Option<DateTime<Utc>> {
        match self.state() {
            State::Unknown => None,
            State::Historical => Some(datetime(self.standing().ended.get())),
            State::Active => self.feeds().filter_map(|feed| feed.confirmed).max(),
        }
    }

    fn counted_listings(&self) -> impl Iterator<Item = crate::snapshot::Listed> {
        let snapshot = &self.view().snapshot;
        let wanted = self.state();
        // The cold part is only read for addresses that are listed.
        let listings =
            if wanted == State::Unknown { Vec::new() } else { snapshot.listings(self.ip()) };
        listings.into_iter().filter(move |listing| {
            let feed = snapshot.meta().feeds.get(listing.feed as usize);
            let threat = feed.is_some_and(|feed| feed.role == Role::Threat);
            threat && (wanted != State::Active || listing.ended.is_none())
        })
    }

    /// The sequence number of the snapshot that answered.
    ///
    /// ```
    /// # use artif_core::{Engine, ReputationEngine};
    /// # let engine = Engine::in_memory().unwrap();
    /// # let answer = engine.check("8.8.8.8".parse().unwrap());
    /// assert_eq!(answer.snapshot_id(), 0); // before the first refresh
    /// ```
    pub fn snapshot_id(&self) -> u64 {
        self.view().snapshot.header().sequence
    }

    /// Whether the snapshot that answered is older than its `stale_after`.
    ///
    /// ```
    /// # use artif_core::{Engine, ReputationEngine};
    /// # let engine = Engine::in_memory().unwrap();
    /// # let answer = engine.check("8.8.8.8".parse().unwrap());
    /// assert!(!answer.is_stale());
    /// ```
    pub fn is_stale(&self) -> bool {
        self.view().is_stale()
    }

    /// The answer exactly as the seed system's HTTP API documents it.
    ///
    /// ```
    /// use artif_core::{Engine, ReputationEngine};
    ///
    /// let engine = Engine::in_memory().unwrap();
    /// let answer = engine.check("192.168.1.1".parse().unwrap());
    /// assert_eq!(answer.to_seed_json(), r#"{"description": "Private IP"}"#);
    /// ```
    pub fn to_seed_json(&self) -> String {
        crate::seed_json::answer(self)
    }
}

impl Clone for Owned {
    fn clone(&self) -> Self {
        Self(Guard::from_inner(Arc::clone(&self.0)))
    }
}

impl<H: Held> fmt::Debug for Reputation<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reputation")
            .field("ip", &self.ip())
            .field("state", &self.state())
            .field("score", &self.score())
            .field("verdict", &self.verdict())
            .finish_non_exhaustive()
    }
}
