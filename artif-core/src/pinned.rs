//! A handle to one moment's knowledge, for lookups without any synchronisation.

use std::net::IpAddr;
use std::sync::Arc;

use crate::columns::{Addresses, AnswerColumns};
use crate::error::Result;
use crate::gate::Gate;
use crate::net::Canonical;
use crate::report::{self, FeedsReport};
use crate::reputation::{Borrowed, Reputation};
use crate::snapshot::SnapshotFeed;
use crate::view::{Answers, View};

/// What an [`Engine`](crate::Engine) or [`Reader`](crate::Reader) knew at one moment, for a thread
/// that looks up many addresses.
///
/// Its answers are those of [`ReputationEngine::check`](crate::ReputationEngine::check) at that
/// moment. They cost less because nothing is counted for each: an answer borrows from the handle,
/// and the processor can work on several lookups at once, which counters shared by threads keep it
/// from. [`Self::renew`] takes up what was published meanwhile, and costs one read of memory where
/// nothing was. Until then the snapshot that it holds stays mapped, even where newer ones replaced it
/// and the engine is gone.
///
/// ```
/// use artif_core::Engine;
///
/// let engine = Engine::in_memory().unwrap();
/// let mut pinned = engine.pin();
/// for client in ["8.8.8.8", "10.0.0.1"] {
///     pinned.renew();
///     let gate = pinned.gate(client.parse().unwrap());
///     println!("{client} {} {}", gate.score(), gate.verdict());
/// }
/// ```
#[derive(Debug, Clone)]
pub struct Pinned {
    view: Arc<View>,
    version: u64,
    answers: Arc<Answers>,
}

impl Pinned {
    pub(crate) fn new(answers: Arc<Answers>) -> Self {
        let version = answers.version();
        Self { view: answers.load_full(), version, answers }
    }

    /// Takes up what was published since it was pinned or renewed, snapshots and overrides; says
    /// whether there was anything. A reader that was dropped meanwhile sees nothing new.
    ///
    /// ```
    /// # use artif_core::{Engine, Feed, RefreshOptions};
    /// # let dir = tempfile::tempdir().unwrap();
    /// # std::fs::write(dir.path().join("list.txt"), "93.184.216.34\n").unwrap();
    /// # let url = format!("file:{}", dir.path().join("list.txt").display());
    /// # let feed = Feed::new("a", &url).unwrap();
    /// let engine = Engine::builder().in_memory().feed(feed).build().unwrap();
    /// let mut pinned = engine.pin();
    /// engine.refresh(&RefreshOptions::default()).unwrap();
    /// let ip = "93.184.216.34".parse().unwrap();
    /// assert!(!pinned.gate(ip).is_active(), "as it was");
    /// assert!(pinned.renew());
    /// assert!(pinned.gate(ip).is_active());
    /// ```
    #[inline]
    pub fn renew(&mut self) -> bool {
        let version = self.answers.version();
        if version == self.version {
            return false;
        }
        self.version = version;
        self.view = self.answers.load_full();
        true
    }

    /// Answers for one address.
    ///
    /// ```
    /// let pinned = artif_core::Engine::in_memory().unwrap().pin();
    /// assert_eq!(pinned.check("8.8.8.8".parse().unwrap()).feeds().count(), 0);
    /// ```
    #[inline]
    pub fn check(&self, ip: IpAddr) -> Reputation<Borrowed<'_>> {
        let address = Canonical::of(ip);
        if self.view.signals.is_some() {
            return self.check_with_signals(address);
        }
        let record = self.view.snapshot.lookup(address);
        Reputation::borrowed(address, record, &self.view)
    }

    #[inline(never)]
    fn check_with_signals(&self, address: Canonical) -> Reputation<Borrowed<'_>> {
        let record = self.view.record_with_signals(address);
        Reputation::borrowed(address, record, &self.view)
    }

    /// Score, verdict and state of one address.
    ///
    /// ```
    /// let pinned = artif_core::Engine::in_memory().unwrap().pin();
    /// assert!(pinned.gate("8.8.8.8".parse().unwrap()).score() > 98.0);
    /// ```
    #[inline]
    pub fn gate(&self, ip: IpAddr) -> Gate {
        self.view.gate(ip)
    }

    /// The score of one address alone, 0 (certainly bad) to 100 (safe). An override does not change
    /// it.
    ///
    /// ```
    /// let pinned = artif_core::Engine::in_memory().unwrap().pin();
    /// assert!(pinned.score("8.8.8.8".parse().unwrap()) > 98.0);
    /// ```
    #[inline]
    pub fn score(&self, ip: IpAddr) -> f64 {
        self.view.record(Canonical::of(ip)).score.get()
    }

    /// How the feeds compare: see [`report`](crate::report). Of 85 feeds with a million networks it
    /// was measured to take 44 ms.
    ///
    /// ```
    /// let pinned = artif_core::Engine::in_memory().unwrap().pin();
    /// assert!(pinned.feed_report().feeds.is_empty());
    /// ```
    pub fn feed_report(&self) -> FeedsReport {
        report::build(&self.view.snapshot)
    }

    /// Answers for many addresses, in their order.
    ///
    /// ```
    /// let pinned = artif_core::Engine::in_memory().unwrap().pin();
    /// let ips = ["8.8.8.8".parse().unwrap(), "10.0.0.1".parse().unwrap()];
    /// assert!(pinned.check_many(&ips)[1].special_purpose().is_some());
    /// ```
    pub fn check_many(&self, ips: &[IpAddr]) -> Vec<Reputation> {
        ips.iter().map(|ip| self.check(*ip).into_owned()).collect()
    }

    /// Answers for many addresses into columns; gives how many of them were no addresses. See
    /// [`AnswerColumns`].
    ///
    /// Errors: [`Error::Invalid`](crate::Error::Invalid) where a column is not as long as the
    /// addresses are many; nothing is written then.
    ///
    /// ```
    /// use artif_core::AnswerColumns;
    ///
    /// let pinned = artif_core::Engine::in_memory().unwrap().pin();
    /// let mut scores = [0.0; 2];
    /// let addresses: [u32; 2] = [0x0808_0808, 0x0a00_0001];
    /// pinned.check_into((&addresses[..]).into(), &mut AnswerColumns::new().score(&mut scores)).unwrap();
    /// assert!(scores.iter().all(|score| *score > 98.0));
    /// ```
    pub fn check_into(
        &self,
        addresses: Addresses<'_>,
        columns: &mut AnswerColumns<'_>,
    ) -> Result<usize> {
        columns.fill(addresses, &self.view)
    }

    /// The feeds of a set whose number stands in a column of feeds or labels.
    ///
    /// ```
    /// let pinned = artif_core::Engine::in_memory().unwrap().pin();
    /// assert_eq!(pinned.feed_set(0).count(), 0); // 0 is the empty set
    /// ```
    pub fn feed_set(&self, number: u32) -> impl ExactSizeIterator<Item = &SnapshotFeed> {
        self.view.feed_set(number)
    }

    /// The organisation whose number stands in a column.
    ///
    /// ```
    /// let pinned = artif_core::Engine::in_memory().unwrap().pin();
    /// assert_eq!(pinned.organisation(u32::MAX), None); // the number of unknown ones
    /// ```
    pub fn organisation(&self, number: u32) -> Option<&str> {
        self.view.snapshot.organisation(number)
    }

    /// The size of the snapshot that it holds, in bytes: as long as it does, so much stays mapped.
    ///
    /// ```
    /// assert!(artif_core::Engine::in_memory().unwrap().pin().snapshot_bytes() > 0);
    /// ```
    pub fn snapshot_bytes(&self) -> u64 {
        self.view.snapshot.bytes().len() as u64
    }

    /// The sequence number of the snapshot that answers. Numbers in columns belong to it.
    ///
    /// ```
    /// assert_eq!(artif_core::Engine::in_memory().unwrap().pin().snapshot_id(), 0);
    /// ```
    pub fn snapshot_id(&self) -> u64 {
        self.view.snapshot.header().sequence
    }

    /// Whether the snapshot is older than its `stale_after`.
    ///
    /// ```
    /// assert!(!artif_core::Engine::in_memory().unwrap().pin().is_stale());
    /// ```
    pub fn is_stale(&self) -> bool {
        self.view.is_stale()
    }
}
