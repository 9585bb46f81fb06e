//! The owner of a data folder.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};

use super::admission::Troubles;
use super::builder::EngineBuilder;
use super::follow::Follower;
use super::options::RefreshOptions;
use super::refresh::{Outcome, RefreshReport, Work};
use super::schedule::{Refresher, ScheduleOptions};
use super::status::Status;
use super::{ReputationEngine, feeds_now};
use crate::clock::Clock;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::feed::{Feed, FeedId, Role};
use crate::geo::{GeoReport, Updates};
use crate::ledger::{Ledger, MemoryStore, Override, OverrideChange, Store};
use crate::net::Prefix;
use crate::overlay::Overlay;
use crate::pinned::Pinned;
use crate::report::{self, FeedsReport};
use crate::score::Scorer;
use crate::snapshot::ReadCounts;
use crate::view::Answers;
use crate::warninglist;

/// The owner of a data folder: refreshes feeds, keeps the ledger, publishes snapshots, answers.
/// There is one owner a folder; other processes use a [`crate::Reader`].
///
/// ```no_run
/// use artif_core::{Engine, RefreshOptions, ReputationEngine};
///
/// let engine = Engine::builder().data("/var/lib/artif").build()?;
/// let report = engine.refresh(&RefreshOptions::default())?;
/// println!("{} feeds", report.feeds.len());
/// println!("{}", engine.check("192.0.2.1".parse().unwrap()).verdict());
/// # Ok::<(), artif_core::Error>(())
/// ```
pub struct Engine {
    pub(super) shared: Arc<Shared>,
    _follower: Option<Follower>,
}

/// What refreshes and answers have in common.
pub(super) struct Shared {
    pub(super) config: Config,
    pub(super) feeds: Mutex<Vec<Feed>>,
    pub(super) dir: Option<PathBuf>,
    pub(super) ledger: Holding,
    pub(super) answers: Arc<Answers>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) scorer: &'static dyn Scorer,
    /// Held during a refresh: there is one at a time.
    pub(super) work: Mutex<Work>,
    pub(super) troubles: Troubles,
    /// What is known of the sources of geo databases.
    pub(super) updates: Mutex<Updates>,
    /// Held during an update of a geo database: there is one at a time.
    pub(super) updating: Mutex<()>,
    /// Whether a thread refreshes by the schedule: there is one at most.
    pub(super) scheduled: AtomicBool,
    /// Fetched and kept like feeds, and shown apart from them.
    pub(super) warninglists: Mutex<Vec<Feed>>,
    pub(super) list_facts: Mutex<BTreeMap<FeedId, ListFacts>>,
    /// The folder of another owner that is looked at: what is known of MISP servers there.
    #[cfg(feature = "misp")]
    pub(super) looked_at: Option<PathBuf>,
    /// What waits to be said on MISP servers.
    #[cfg(feature = "misp")]
    pub(super) met: super::misp::Met,
    /// Where an engine in memory keeps what is known of MISP servers while it lives.
    #[cfg(feature = "misp")]
    pub(super) misp_folder: Option<tempfile::TempDir>,
    /// What was found damaged and mended when the folder was opened, for the status.
    pub(super) mended: Mutex<Vec<String>>,
    /// Why the last refresh could not publish, if it could not.
    pub(super) unpublished: Mutex<Option<String>>,
    /// What the newest documents held.
    pub(super) read_counts: Mutex<BTreeMap<FeedId, ReadCounts>>,
}

/// What a warninglist's document says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ListFacts {
    pub(super) name: String,
    pub(super) version: Option<String>,
}

/// The ledger, in a folder or in memory.
#[derive(Debug)]
pub(super) enum Holding {
    Folder(Box<Ledger>),
    Memory(MemoryStore),
}

impl Holding {
    pub(super) fn store(&self) -> &dyn Store {
        match self {
            Self::Folder(ledger) => ledger.store(),
            Self::Memory(store) => store,
        }
    }
}

/// Where it is and what it answers from; all that it holds would be megabytes, and keys.
impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine")
            .field("data", &self.data())
            .field("snapshot", &self.shared.answers.load().snapshot.header().sequence)
            .field("feeds", &self.shared.feeds().len())
            .field("warninglists", &self.shared.warninglists().len())
            .finish_non_exhaustive()
    }
}

impl Engine {
    /// Starts to describe an engine.
    ///
    /// ```
    /// let engine = artif_core::Engine::builder().in_memory().build().unwrap();
    /// ```
    pub fn builder() -> EngineBuilder {
        EngineBuilder::default()
    }

    /// An engine without a folder, for tests and for services that load their feeds at each start.
    ///
    /// ```
    /// let engine = artif_core::Engine::in_memory().unwrap();
    /// assert!(engine.overrides().is_empty());
    /// ```
    pub fn in_memory() -> Result<Self> {
        Self::builder().in_memory().build()
    }

    pub(super) fn start(shared: Shared) -> Result<Self> {
        let follower = match shared.dir {
            Some(_) => Some(Follower::start(Arc::clone(&shared.answers))?),
            None => None,
        };
        Ok(Self { shared: Arc::new(shared), _follower: follower })
    }

    /// Fetches feeds, commits what changed, and publishes a new snapshot if an answer may differ.
    /// Answers go on meanwhile. A feed that fails keeps its last good content; the report says so.
    ///
    /// Errors: only what concerns all feeds, such as a ledger that cannot be written.
    ///
    /// ```
    /// # use artif_core::{Engine, Feed, Outcome, RefreshOptions};
    /// let feed = Feed::new("gone", "file:/no/such/file").unwrap();
    /// let engine = Engine::builder().in_memory().feed(feed).build().unwrap();
    /// let report = engine.refresh(&RefreshOptions::default()).unwrap();
    /// assert_eq!(report.feeds[0].outcome, Outcome::Failed);
    /// ```
    pub fn refresh(&self, options: &RefreshOptions) -> Result<RefreshReport> {
        super::refresh::refresh(&self.shared, options)
    }

    /// Keeps everything current from now on, in a thread of its own: fetches each feed when it is
    /// due (see [`crate::config::Schedule`]), and recompiles when an answer changes by the clock
    /// alone. Stops when the [`Refresher`] is stopped or dropped; no async runtime is needed.
    ///
    /// Errors: [`Error::Invalid`] while another [`Refresher`] of this engine runs, [`Error::Io`]
    /// where no thread can be started. What goes wrong later is logged, and a reason to try again.
    ///
    /// ```
    /// # use artif_core::{Engine, Feed};
    /// # let feed = Feed::new("gone", "file:/no/such/file").unwrap();
    /// let engine = Engine::builder().in_memory().feed(feed).build().unwrap();
    /// let refresher = engine.spawn_refresh().unwrap();
    /// assert!(engine.spawn_refresh().is_err(), "one is enough");
    /// refresher.join(); // stops, and waits until it has
    /// ```
    pub fn spawn_refresh(&self) -> Result<Refresher> {
        self.spawn_refresh_with(ScheduleOptions::default())
    }

    /// Like [`Self::spawn_refresh`], and says what happens.
    ///
    /// ```
    /// # use artif_core::{Engine, Feed, ScheduleEvent, ScheduleOptions};
    /// # let feed = Feed::new("gone", "file:/no/such/file").unwrap();
    /// # let engine = Engine::builder().in_memory().feed(feed).build().unwrap();
    /// let (sender, reports) = std::sync::mpsc::channel();
    /// let options = ScheduleOptions::default().on_event(move |event| {
    ///     if let ScheduleEvent::Refreshed(report) = event {
    ///         let _ = sender.send(report.clone());
    ///     }
    /// });
    /// let refresher = engine.spawn_refresh_with(options).unwrap();
    /// assert_eq!(reports.recv().unwrap().feeds.len(), 1);
    /// # refresher.join();
    /// ```
    pub fn spawn_refresh_with(&self, options: ScheduleOptions) -> Result<Refresher> {
        super::schedule::spawn(&self.shared, options)
    }

    /// Looks for newer geo databases where the configuration says they come from (`[geo]`), puts
    /// them in place, and publishes a snapshot made with them. A database that cannot be fetched,
    /// does not match its checksum or cannot be opened leaves the last good one where it is; the
    /// report says so.
    ///
    /// Of the options, `cancel` counts, `dry_run` (then nothing is looked for), and `force`, which
    /// fetches in any case and compares with nothing.
    ///
    /// Errors: [`Error::Cancelled`], and those of publishing.
    ///
    /// ```
    /// # use artif_core::{Config, Engine, RefreshOptions};
    /// # let dir = tempfile::tempdir().unwrap();
    /// let text = "[fetch]\nretries = 0\n[geo]\nasn_source = 'http://127.0.0.1:1/asn.mmdb'";
    /// let engine = Engine::builder()
    ///     .config(Config::from_toml(text).unwrap())
    ///     .data(dir.path())
    ///     .build()
    ///     .unwrap();
    /// let reports = engine.update_geo(&RefreshOptions::default()).unwrap();
    /// assert!(reports[0].error.is_some());
    /// ```
    pub fn update_geo(&self, options: &RefreshOptions) -> Result<Vec<GeoReport>> {
        let never = std::sync::Arc::default();
        let cancel = options.cancel.as_ref().unwrap_or(&never);
        let kinds = if options.dry_run { vec![] } else { crate::geo::updated(self.config()) };
        let mut reports = Vec::new();
        for kind in kinds {
            reports.push(self.shared.update_geo(kind, options.force, cancel)?);
        }
        if reports.iter().any(|report| report.outcome == Outcome::Loaded) {
            let options = RefreshOptions { feeds: Vec::new(), ..options.clone() };
            super::refresh::refresh_named(&self.shared, &options)?;
        }
        Ok(reports)
    }

    /// Fetches a feed once more and takes its content though the guard refused it: all but what
    /// cannot be read. What is fetched now may differ from what was refused; the report says what
    /// it was.
    ///
    /// Errors: [`Error::UnknownFeed`], and those of [`Engine::refresh`].
    ///
    /// ```
    /// # use artif_core::{Engine, Feed, Outcome, RefreshOptions};
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let list = dir.path().join("list.txt");
    /// # std::fs::write(&list, "93.184.216.34\n").unwrap();
    /// # let feed = Feed::new("mine", &format!("file:{}", list.display())).unwrap();
    /// # let engine = Engine::builder().in_memory().feed(feed).build().unwrap();
    /// # engine.refresh(&RefreshOptions::default()).unwrap();
    /// std::fs::write(&list, "").unwrap();
    /// let report = engine.refresh(&RefreshOptions::default()).unwrap();
    /// assert_eq!(report.feeds[0].outcome, Outcome::Refused);
    /// let report = engine.accept_feed(&"mine".parse().unwrap()).unwrap();
    /// assert_eq!(report.feeds[0].outcome, Outcome::Loaded);
    /// ```
    pub fn accept_feed(&self, id: &FeedId) -> Result<RefreshReport> {
        self.refresh(&RefreshOptions::default().feed(id.clone()).force())
    }

    /// How the feeds in the current snapshot compare: see [`report`](crate::report). Of 85
    /// feeds with a million networks it was measured to take 44 ms.
    ///
    /// ```
    /// let report = artif_core::Engine::in_memory().unwrap().feed_report();
    /// assert_eq!(report.networks, 0);
    /// ```
    pub fn feed_report(&self) -> FeedsReport {
        report::build(&self.shared.answers.load().snapshot)
    }

    /// The feeds as configured.
    ///
    /// ```
    /// let engine = artif_core::Engine::in_memory().unwrap();
    /// assert!(engine.feeds().len() > 60, "the built-in catalogue");
    /// ```
    pub fn feeds(&self) -> Vec<Feed> {
        let feeds = self.shared.feeds();
        feeds.iter().filter(|feed| feed.role != Role::Warninglist).cloned().collect()
    }

    /// The warninglists as configured, without those that are built in; of a folder those that were
    /// in it when it was last looked at, which every refresh begins with.
    ///
    /// ```
    /// assert!(artif_core::Engine::in_memory().unwrap().warninglists().is_empty());
    /// ```
    pub fn warninglists(&self) -> Vec<Feed> {
        self.shared.warninglists().clone()
    }

    /// Enables or disables a feed for this folder, beyond this process's life. It takes effect with
    /// the next refresh.
    ///
    /// Errors: [`Error::UnknownFeed`].
    ///
    /// ```
    /// let engine = artif_core::Engine::in_memory().unwrap();
    /// let id = engine.feeds()[0].id.clone();
    /// engine.enable_feed(&id, false).unwrap();
    /// assert!(!engine.feeds()[0].enabled);
    /// ```
    pub fn enable_feed(&self, id: &FeedId, enabled: bool) -> Result<()> {
        let mut feeds = self.shared.feeds();
        let Some(feed) = feeds.iter_mut().find(|feed| feed.id == *id) else {
            return Err(Error::UnknownFeed { id: id.to_string() });
        };
        if let Some(dir) = &self.shared.dir {
            super::switches::Switches::change(dir, id, enabled)?;
        }
        feed.enabled = enabled;
        Ok(())
    }

    /// Adds an override, in place of the one for the same network. When this returns it survives a
    /// power loss and counts in this process; in every other it does within a second.
    ///
    /// ```
    /// # use artif_core::ledger::{Override, OverrideAction};
    /// # use artif_core::{Engine, ReputationEngine, Verdict};
    /// # let engine = Engine::in_memory().unwrap();
    /// let prefix = "198.41.0.0/24".parse().unwrap();
    /// engine.add_override(Override::new(prefix, OverrideAction::Block, chrono::Utc::now())).unwrap();
    /// assert_eq!(engine.check("198.41.0.4".parse().unwrap()).verdict(), Verdict::Blocked);
    /// ```
    pub fn add_override(&self, entry: Override) -> Result<()> {
        self.shared.change_overrides(OverrideChange::Put(entry))
    }

    /// Removes the override for exactly this network; says whether there was one.
    ///
    /// ```
    /// let engine = artif_core::Engine::in_memory().unwrap();
    /// assert!(!engine.remove_override("198.41.0.0/24".parse().unwrap(), "ana").unwrap());
    /// ```
    pub fn remove_override(&self, prefix: Prefix, author: &str) -> Result<bool> {
        if !self.overrides().iter().any(|entry| entry.prefix == prefix) {
            return Ok(false);
        }
        let at = self.shared.clock.now();
        let change = OverrideChange::Remove { prefix, author: author.to_owned(), at };
        self.shared.change_overrides(change).map(|()| true)
    }

    /// All overrides, sorted by network, expired ones too.
    ///
    /// ```
    /// assert!(artif_core::Engine::in_memory().unwrap().overrides().is_empty());
    /// ```
    pub fn overrides(&self) -> Vec<Override> {
        self.shared.answers.load().overlay.entries().to_vec()
    }

    /// A handle to what it knows now, for the cheapest lookups.
    ///
    /// ```
    /// let mut pinned = artif_core::Engine::in_memory().unwrap().pin();
    /// assert!(pinned.gate("8.8.8.8".parse().unwrap()).score() > 98.0);
    /// assert!(!pinned.renew(), "nothing new");
    /// ```
    pub fn pin(&self) -> Pinned {
        Pinned::new(Arc::clone(&self.shared.answers))
    }

    /// The folder; `None` in memory.
    ///
    /// ```
    /// assert!(artif_core::Engine::in_memory().unwrap().data().is_none());
    /// ```
    pub fn data(&self) -> Option<&Path> {
        self.shared.dir.as_deref()
    }

    /// The configuration it was built with.
    ///
    /// ```
    /// let engine = artif_core::Engine::in_memory().unwrap();
    /// assert_eq!(engine.config().history.window.as_secs(), 7 * 86_400);
    /// ```
    pub fn config(&self) -> &Config {
        &self.shared.config
    }
}

impl Shared {
    pub(super) fn feeds(&self) -> std::sync::MutexGuard<'_, Vec<Feed>> {
        self.feeds.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(feature = "misp")]
    pub(super) fn list_facts(&self) -> std::sync::MutexGuard<'_, BTreeMap<FeedId, ListFacts>> {
        self.list_facts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The MISP servers that are asked.
    pub(super) fn servers(&self) -> impl Iterator<Item = &crate::config::Misp> {
        self.config.misp.iter().filter(|server| server.enabled)
    }

    pub(super) fn warninglists(&self) -> std::sync::MutexGuard<'_, Vec<Feed>> {
        self.warninglists.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Everything that is fetched: feeds, then warninglists.
    pub(super) fn sources(&self) -> Vec<Feed> {
        self.look_for_warninglists();
        let mut all = self.feeds().clone();
        all.extend(self.warninglists().iter().cloned());
        all
    }

    /// Takes up lists that were put into the folder of warninglists, and drops those taken out of
    /// it. Where it cannot be read, all stays as it is.
    fn look_for_warninglists(&self) {
        if !warninglist::is_folder(&self.config.warninglists) {
            return;
        }
        match warninglist::feeds(&self.config.warninglists) {
            Ok(found) => {
                let mut lists = self.warninglists();
                if found.is_empty() && lists.iter().any(|list| warninglist::is_of_source(&list.id))
                {
                    // A folder that is being filled anew, or not mounted: nothing to unlearn from.
                    tracing::debug!("the folder of warninglists is empty: its lists stay");
                    return;
                }
                // Those of a catalogue have ids of their own.
                lists.retain(|list| !warninglist::is_of_source(&list.id) || found.contains(list));
                for list in found {
                    if !lists.contains(&list) {
                        tracing::info!(list = %list.id, "a warninglist was put into the folder");
                        lists.push(list);
                    }
                }
            }
            // That they cannot be fetched any more is what the status says.
            Err(error) => tracing::debug!(%error, "going on with the warninglists known before"),
        }
    }

    /// Fails in a child that was forked after the folder was opened.
    pub(super) fn check_process(&self) -> Result<()> {
        match &self.ledger {
            Holding::Folder(ledger) => ledger.check_process(),
            Holding::Memory(_) => Ok(()),
        }
    }

    fn change_overrides(&self, change: OverrideChange) -> Result<()> {
        self.check_process()?;
        match (&self.dir, &self.ledger) {
            (Some(dir), Holding::Folder(ledger)) => {
                match super::overrides::change(dir, ledger.override_log(), &change) {
                    // It is in the log, and so in what is published anew.
                    Err(Error::Snapshot { .. }) => {
                        super::overrides::mend(dir, ledger)?;
                    }
                    changed => changed?,
                }
                ledger.absorb_pending()?;
                self.answers.follow().map(drop)
            }
            (_, ledger) => {
                let store = ledger.store();
                store.absorb(&[(store.absorbed() + 1, change)])?;
                self.answers.exchange_overlay(Overlay::new(store.overrides()?));
                Ok(())
            }
        }
    }

    /// Updates one geo database, and keeps what is known of its source.
    pub(super) fn update_geo(
        &self,
        kind: crate::geo::GeoKind,
        force: bool,
        cancel: &AtomicBool,
    ) -> Result<GeoReport> {
        self.check_process()?;
        let _updating = self.updating.lock().unwrap_or_else(PoisonError::into_inner);
        let updates = || self.updates.lock().unwrap_or_else(PoisonError::into_inner);
        // A copy, as the status is asked for meanwhile.
        let mut changed = updates().clone();
        let now = crate::clock::seconds(self.clock.now());
        let report = crate::geo::update(&self.config, kind, &mut changed, now, force, cancel)?;
        if let Some(dir) = &self.dir {
            changed.save(dir)?;
        }
        *updates() = changed;
        Ok(report)
    }

    /// Takes into the ledger what this or another process wrote to the override log, and sees to it
    /// that what is published is the same.
    pub(super) fn absorb_overrides(&self) -> Result<()> {
        match (&self.dir, &self.ledger) {
            (Some(dir), Holding::Folder(ledger)) => super::overrides::mend(dir, ledger).map(drop),
            _ => Ok(()),
        }
    }
}

impl ReputationEngine for Engine {
    answered_from!(self => self.shared.answers);

    fn status(&self) -> Status {
        let mut status = Status::of_view(&self.shared.answers.load(), self.data());
        status.owner = true;
        match self.shared.ledger.store().status() {
            Ok(ledger) => status.ledger = Some(ledger),
            Err(error) => tracing::error!(%error, "the ledger gives no status"),
        }
        match self.shared.ledger.store().heads() {
            Ok(heads) => {
                status.feeds = feeds_now(
                    &self.feeds(),
                    &heads,
                    &self.shared.troubles,
                    &self.shared.config.guard,
                    crate::clock::seconds(self.shared.clock.now()),
                );
            }
            Err(error) => tracing::error!(%error, "the ledger gives no feed states"),
        }
        let updates = self.shared.updates.lock().unwrap_or_else(PoisonError::into_inner);
        status.geo_updates = updates.status();
        #[cfg(feature = "misp")]
        if let Some(folder) = &self.shared.misp_folder {
            status.misp = crate::misp::statuses(folder.path());
        }
        let mended = self.shared.mended.lock().unwrap_or_else(PoisonError::into_inner);
        status.mended.clone_from(&mended);
        drop(mended);
        let unpublished = self.shared.unpublished.lock().unwrap_or_else(PoisonError::into_inner);
        status.unpublished.clone_from(&unpublished);
        drop(unpublished);
        status.find_problems();
        status
    }
}
