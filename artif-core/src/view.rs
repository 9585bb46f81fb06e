//! What answers are made from at one moment, and how it is exchanged for the next.

use std::fs::Metadata;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use arc_swap::{ArcSwap, Guard};

use crate::category::CategorySet;
use crate::clock::{Clock, datetime, seconds};
use crate::error::{Error, Result};
use crate::gate::Gate;
use crate::ledger::{Override, OverrideAction};
use crate::net::{Canonical, special_purpose};
use crate::overlay::Overlay;
use crate::reputation::Reputation;
use crate::signals::{self, Basis, Moved, Signal, Signals};
use crate::snapshot::{Record, Snapshot, SnapshotFeed, UNKNOWN_FEED, current};
use crate::verdict::Verdict;

/// A snapshot with the overrides and the application's signals that stand beside it.
#[derive(Debug, Clone)]
pub struct View {
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) overlay: Arc<Overlay>,
    /// `None` where no kinds are configured.
    pub(crate) signals: Option<Arc<Signals>>,
    pub(crate) clock: Arc<dyn Clock>,
}

impl View {
    /// The record of a canonical address, moved by what the application says of it.
    #[inline]
    pub(crate) fn record(&self, address: Canonical) -> Record {
        if self.signals.is_some() {
            return self.record_with_signals(address);
        }
        self.snapshot.lookup(address)
    }

    /// Apart, so that who has no signals pays for one comparison.
    #[inline(never)]
    pub(crate) fn record_with_signals(&self, address: Canonical) -> Record {
        let record = self.snapshot.lookup(address);
        let moved = self.signals.as_ref().and_then(|s| self.moved_record(s, address, &record));
        moved.unwrap_or(record)
    }

    /// What the application makes of a record; `None` where it said nothing of the address.
    #[inline(never)]
    pub(crate) fn moved_record(
        &self,
        signals: &Signals,
        address: Canonical,
        record: &Record,
    ) -> Option<Record> {
        let moved = self.signals_of(signals, address, record)?;
        let (score, verdict) = moved.apply(&self.basis(record));
        Some(record.moved(score, verdict))
    }

    /// What the application says of an address. Of special-purpose addresses nothing counts.
    pub(crate) fn signals_of<'a>(
        &'a self,
        signals: &'a Signals,
        address: Canonical,
        record: &Record,
    ) -> Option<Moved<'a>> {
        if record.is_special() {
            return None;
        }
        let found = signals.find(address, || seconds(self.clock.now()))?;
        Some(Moved::new(signals, found, &self.snapshot))
    }

    /// How an address stands whose record this is, without signals.
    pub(crate) fn basis(&self, record: &Record) -> Basis {
        let standing = self.snapshot.standing(record);
        let threats = self.feed_set(standing.feeds.get());
        let mut labels = self.feed_set(standing.labels.get());
        Basis {
            state: record.state(),
            score: record.score.get(),
            verdict: record.verdict(),
            threats: threats.fold(CategorySet::EMPTY, |all, feed| all.union(feed.categories)),
            capped: labels.any(SnapshotFeed::caps),
        }
    }

    /// The override that decides about a canonical address now, if any.
    #[inline]
    pub(crate) fn decides(&self, address: Canonical) -> Option<&Override> {
        self.overlay.decides(|| address.ip(), || self.clock.now())
    }

    /// The verdict about a canonical address whose record this is; overrides count.
    #[inline]
    pub(crate) fn verdict(&self, address: Canonical, record: &Record) -> Verdict {
        if self.overlay.is_empty() {
            return record.verdict();
        }
        self.verdict_with_overrides(address, record)
    }

    /// Apart, so that who has no overrides pays for one comparison.
    #[inline(never)]
    fn verdict_with_overrides(&self, address: Canonical, record: &Record) -> Verdict {
        match self.decides(address).map(|entry| entry.action) {
            None => record.verdict(),
            Some(OverrideAction::Allow) => Verdict::Allowed,
            Some(OverrideAction::Block) => Verdict::Blocked,
        }
    }

    #[inline]
    pub(crate) fn gate(&self, ip: IpAddr) -> Gate {
        let address = Canonical::of(ip);
        if self.signals.is_some() {
            return self.gate_with_signals(address);
        }
        let record = self.snapshot.lookup(address);
        Gate::new(record.score.get(), self.verdict(address, &record), record.state())
    }

    #[inline(never)]
    fn gate_with_signals(&self, address: Canonical) -> Gate {
        let record = self.record_with_signals(address);
        Gate::new(record.score.get(), self.verdict(address, &record), record.state())
    }

    /// What the application says of an address.
    pub(crate) fn signals(&self, ip: IpAddr) -> Vec<Signal> {
        let list = |signals: &Arc<Signals>| signals.list(ip, seconds(self.clock.now()));
        self.signals.as_ref().map(list).unwrap_or_default()
    }

    /// The feeds of a set.
    #[inline]
    pub(crate) fn feed_set(&self, set: u32) -> impl ExactSizeIterator<Item = &SnapshotFeed> {
        let feed = |place| self.snapshot.meta().feeds.get(place as usize).unwrap_or(&UNKNOWN_FEED);
        self.snapshot.feed_set(set).iter().map(move |place| feed(place.get()))
    }

    /// Whether the snapshot is older than it should get.
    pub(crate) fn is_stale(&self) -> bool {
        let created = self.snapshot.header().created;
        let limit = created.saturating_add(u64::from(self.snapshot.meta().stale_after));
        u64::try_from(self.clock.now().timestamp()).is_ok_and(|now| now > limit)
    }

    pub(crate) fn created(&self) -> chrono::DateTime<chrono::Utc> {
        datetime(u32::try_from(self.snapshot.header().created).unwrap_or(u32::MAX))
    }
}

/// The current [`View`] of a data folder. Lookups never wait, whatever happens to the folder.
#[derive(Debug)]
pub(crate) struct Answers {
    /// `None` in memory: then only [`Answers::exchange_snapshot`] changes the view.
    dir: Option<PathBuf>,
    view: ArcSwap<View>,
    /// Grows after each exchange of the view.
    version: AtomicU64,
    /// Snapshots that were exchanged for newer ones and may still be in use: the last to let go of one
    /// unmaps it, which takes longer than a lookup may.
    retired: Mutex<Vec<Arc<Snapshot>>>,
    /// What the folder looked like when the view was loaded; also serialises loading.
    seen: Mutex<Seen>,
}

/// Signs by which a replaced file is known.
#[derive(Debug, Default, PartialEq, Eq, Clone)]
struct Seen {
    /// A folder that was made anew may have other snapshots under the same names.
    snapshot: Option<(PathBuf, Option<Sign>)>,
    overlay: Option<Sign>,
    /// Whether the overrides were looked for at all.
    overlay_read: bool,
    signals: Option<Sign>,
}

type Sign = (SystemTime, u64, u64);

impl Answers {
    pub(crate) fn new(dir: Option<&Path>, snapshot: Snapshot, clock: Arc<dyn Clock>) -> Self {
        let seen = Seen { snapshot: snapshot.path().map(signed), ..Seen::default() };
        let overlay = Arc::default();
        let view = View { snapshot: Arc::new(snapshot), overlay, signals: None, clock };
        Self {
            dir: dir.map(Path::to_owned),
            view: ArcSwap::from_pointee(view),
            version: AtomicU64::new(0),
            retired: Mutex::default(),
            seen: Mutex::new(seen),
        }
    }

    #[inline]
    pub(crate) fn load(&self) -> Guard<Arc<View>> {
        self.view.load()
    }

    #[inline]
    pub(crate) fn load_full(&self) -> Arc<View> {
        self.view.load_full()
    }

    /// Read before the view, it says by staying the same that the view is the newest.
    #[inline]
    pub(crate) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    pub(crate) fn dir(&self) -> Option<&Path> {
        self.dir.as_deref()
    }

    /// Answers for one address.
    #[inline]
    pub(crate) fn check(&self, ip: IpAddr) -> Reputation {
        let view = self.view.load();
        let address = Canonical::of(ip);
        let record = view.record(address);
        Reputation::new(address, record, view)
    }

    /// Like [`Self::check`], for who needs no more.
    #[inline]
    pub(crate) fn gate(&self, ip: IpAddr) -> Gate {
        self.view.load().gate(ip)
    }

    /// Takes up what was published since the last call; says whether anything was. What cannot be
    /// read leaves the old view in place.
    pub(crate) fn follow(&self) -> Result<bool> {
        self.drop_retired();
        let Some(dir) = self.dir.as_deref() else { return Ok(false) };
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let mut changed = false;
        let mut trouble = None;
        let overlay = std::fs::metadata(Overlay::path(dir)).ok().as_ref().map(sign);
        if overlay.is_none() && seen.overlay.is_some() {
            // It is replaced, never removed: what it said holds until the owner mends it.
            let gone = std::io::Error::from(std::io::ErrorKind::NotFound);
            trouble = Some(Error::io("reading", Overlay::path(dir), gone));
        } else if overlay != seen.overlay || !seen.overlay_read {
            // Only a power loss makes the file older than what was acknowledged.
            let load = if seen.overlay_read { Overlay::follow } else { Overlay::load };
            match load(dir) {
                Ok(loaded) => {
                    (seen.overlay, seen.overlay_read) = (overlay, true);
                    if loaded != *self.view.load().overlay {
                        self.exchange_overlay(loaded);
                        changed = true;
                    }
                }
                Err(error) => trouble = Some(error),
            }
        }
        let signals = std::fs::metadata(Signals::path(dir)).ok().as_ref().map(sign);
        if signals != seen.signals {
            match Signals::follow(dir, self.view.load().signals.as_deref()) {
                Ok(followed) => {
                    self.exchange_signals(followed);
                    seen.signals = signals;
                    changed = true;
                }
                Err(error) => trouble = Some(error),
            }
        }
        match current(dir) {
            Ok(path) => {
                let found = path.as_deref().map(signed);
                match path.filter(|_| found != seen.snapshot).as_deref().map(opened) {
                    Some(Ok(snapshot)) => {
                        self.exchange_snapshot(snapshot);
                        seen.snapshot = found;
                        changed = true;
                    }
                    // The owner may have replaced and removed it since CURRENT was read: next time.
                    Some(Err(error)) => trouble = Some(error),
                    // It vanished; what is mapped goes on answering.
                    None if found != seen.snapshot => {
                        trouble = Some(Error::NoSnapshot { dir: dir.to_owned() });
                    }
                    None => {}
                }
            }
            Err(error) => trouble = Some(error),
        }
        trouble.map_or(Ok(changed), Err)
    }

    pub(crate) fn exchange_snapshot(&self, snapshot: Snapshot) {
        self.drop_retired();
        let snapshot = Arc::new(snapshot);
        let old = Arc::clone(&self.view.load().snapshot);
        self.retired.lock().unwrap_or_else(PoisonError::into_inner).push(old);
        self.exchange(|old| View { snapshot: Arc::clone(&snapshot), ..old.clone() });
    }

    /// Lets go of exchanged snapshots that nobody else uses any more.
    fn drop_retired(&self) {
        let mut retired = self.retired.lock().unwrap_or_else(PoisonError::into_inner);
        retired.retain(|snapshot| Arc::strong_count(snapshot) > 1);
    }

    pub(crate) fn exchange_overlay(&self, overlay: Overlay) {
        let overlay = Arc::new(overlay);
        self.exchange(|old| View { overlay: Arc::clone(&overlay), ..old.clone() });
    }

    pub(crate) fn exchange_signals(&self, signals: Option<Signals>) {
        let signals = signals.map(Arc::new);
        self.exchange(|old| View { signals: signals.clone(), ..old.clone() });
    }

    fn exchange(&self, new: impl Fn(&View) -> View) {
        self.view.rcu(|old| new(old));
        self.version.fetch_add(1, Ordering::Release);
    }

    /// Adds reports of the application about an address; says whether they were kept.
    pub(crate) fn report(&self, ip: IpAddr, name: &str, count: u32) -> Result<bool> {
        let view = self.view.load();
        let signals = view.signals.as_ref().ok_or_else(signals::off)?;
        if special_purpose(ip).is_some() {
            return Ok(false);
        }
        signals.report(ip, name, count, seconds(view.clock.now()))
    }

    /// What the application says of an address.
    pub(crate) fn signals(&self, ip: IpAddr) -> Vec<Signal> {
        self.view.load().signals(ip)
    }

    /// Forgets what the application said of an address; says whether it did say anything.
    pub(crate) fn forget_signals(&self, ip: IpAddr) -> Result<bool> {
        let view = self.view.load();
        let signals = view.signals.as_ref().ok_or_else(signals::off)?;
        signals.forget(ip, seconds(view.clock.now()))
    }
}

/// Opens a snapshot and makes it ready for lookups.
fn opened(path: &Path) -> Result<Snapshot> {
    let snapshot = Snapshot::open(path)?;
    snapshot.warm()?;
    Ok(snapshot)
}

fn signed(path: &Path) -> (PathBuf, Option<Sign>) {
    (path.to_owned(), std::fs::metadata(path).ok().as_ref().map(sign))
}

fn sign(metadata: &Metadata) -> Sign {
    #[cfg(unix)]
    let inode = std::os::unix::fs::MetadataExt::ino(metadata);
    #[cfg(not(unix))]
    let inode = 0;
    (metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH), metadata.len(), inode)
}
