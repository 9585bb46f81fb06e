//! Describing an engine.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};

use super::options::RefreshOptions;
use super::owner::{Engine, Holding, ListFacts, Shared};
use super::refresh::Work;
use super::switches::Switches;
use crate::clock::{Clock, SystemClock, seconds, span};
use crate::config::{Catalogue as CatalogueSource, Config};
use crate::error::{Error, Result};
use crate::feed::{Catalogue, Feed, FeedId, FeedSpec, Role, added};
use crate::geo::{GeoTable, Updates};
use crate::ledger::{FolderLock, Ledger, LedgerOptions, MemoryStore, Store, newest_good};
use crate::score::{self, Scorer};
use crate::signals::Signals;
use crate::snapshot::{self, Input, ReadCounts, Snapshot, SnapshotFeed, compile};
use crate::view::Answers;
use crate::warninglist;

/// Describes an [`Engine`]; [`Self::build`] checks it all, after that lookups cannot fail.
///
/// ```
/// use artif_core::{Engine, Feed, RefreshOptions, ReputationEngine};
///
/// let dir = tempfile::tempdir().unwrap();
/// let list = dir.path().join("list.txt");
/// std::fs::write(&list, "93.184.216.34\n").unwrap();
///
/// let engine = Engine::builder()
///     .data(dir.path().join("data"))
///     .feed(Feed::new("mine", &format!("file:{}", list.display())).unwrap())
///     .build()
///     .unwrap();
/// engine.refresh(&RefreshOptions::default()).unwrap();
/// assert!(engine.check("93.184.216.34".parse().unwrap()).is_active());
/// ```
#[derive(Debug, Default)]
pub struct EngineBuilder {
    config: Config,
    data: Option<PathBuf>,
    in_memory: bool,
    only_looks: bool,
    feeds: Vec<Feed>,
    catalogues: Vec<PathBuf>,
    clock: Option<Arc<dyn Clock>>,
    lock: Option<FolderLock>,
}

impl EngineBuilder {
    /// Takes a configuration, from [`Config::load`] or made in code.
    ///
    /// ```
    /// # use artif_core::{Config, Engine};
    /// let config = Config::from_toml("[history]\nwindow = '14d'").unwrap();
    /// let engine = Engine::builder().config(config).in_memory().build().unwrap();
    /// assert_eq!(engine.config().history.window.as_secs(), 14 * 86_400);
    /// ```
    #[must_use]
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// Sets the data folder, in place of the configuration's.
    ///
    /// ```
    /// # use artif_core::Engine;
    /// let dir = tempfile::tempdir().unwrap();
    /// let engine = Engine::builder().data(dir.path()).build().unwrap();
    /// assert_eq!(engine.data(), Some(dir.path()));
    /// ```
    #[must_use]
    pub fn data(mut self, dir: impl AsRef<Path>) -> Self {
        self.data = Some(dir.as_ref().to_owned());
        self
    }

    /// Keeps everything in memory: no folder, no lock, nothing left behind.
    ///
    /// ```
    /// assert!(artif_core::Engine::builder().in_memory().build().unwrap().data().is_none());
    /// ```
    #[must_use]
    pub fn in_memory(mut self) -> Self {
        self.in_memory = true;
        self
    }

    /// Opens the folder without becoming its owner and without writing to it, for dry runs: the
    /// ledger is what the newest checkpoint holds, and nothing that changes is kept.
    #[cfg(feature = "cli")]
    #[must_use]
    pub(crate) fn only_looking(mut self) -> Self {
        self.only_looks = true;
        self
    }

    /// Adds a feed. With one, the built-in catalogue is used only if the configuration says so.
    ///
    /// ```
    /// # use artif_core::{Engine, Feed};
    /// let feed = Feed::new("mine", "https://feeds.example/list.txt").unwrap();
    /// let engine = Engine::builder().in_memory().feed(feed).build().unwrap();
    /// assert_eq!(engine.feeds().len(), 1);
    /// ```
    #[must_use]
    pub fn feed(mut self, feed: Feed) -> Self {
        self.feeds.push(feed);
        self
    }

    /// Adds the feeds of a catalogue file, in place of the configuration's catalogues.
    ///
    /// ```
    /// # use artif_core::Engine;
    /// let error = Engine::builder().in_memory().catalogue("no/such.toml").build().unwrap_err();
    /// assert_eq!(error.code(), "ARTIF_IO");
    /// ```
    #[must_use]
    pub fn catalogue(mut self, path: impl AsRef<Path>) -> Self {
        self.catalogues.push(path.as_ref().to_owned());
        self
    }

    /// Sets the clock, for replays and tests.
    ///
    /// ```
    /// # use artif_core::{Engine, FixedClock};
    /// let clock = FixedClock::new("2026-08-05T00:00:00Z".parse().unwrap());
    /// let engine = Engine::builder().in_memory().clock(std::sync::Arc::new(clock)).build();
    /// assert!(engine.is_ok());
    /// ```
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = Some(clock);
        self
    }

    /// Hands over the folder's lock, by who has it.
    #[must_use]
    pub(super) fn locked(mut self, lock: FolderLock) -> Self {
        self.lock = Some(lock);
        self
    }

    /// Opens the folder, becomes its owner, and starts to answer from its newest snapshot.
    ///
    /// Errors: [`Error::Config`], [`Error::Locked`] where another process owns the folder, and what
    /// the ledger says where it can be neither opened nor rebuilt.
    ///
    /// ```
    /// # use artif_core::Engine;
    /// let dir = tempfile::tempdir().unwrap();
    /// let first = Engine::builder().data(dir.path()).build().unwrap();
    /// let second = Engine::builder().data(dir.path()).build().unwrap_err();
    /// assert_eq!(second.code(), "ARTIF_LOCKED");
    /// ```
    pub fn build(self) -> Result<Engine> {
        let mut config = self.config;
        config.validate()?;
        let dir = (!self.in_memory).then(|| self.data.unwrap_or_else(|| config.data.clone()));
        let mut feeds = configured_feeds(&config, &self.catalogues, self.feeds, dir.as_deref())?;
        let scorer = configured_scorer(&config)?;
        let clock: Arc<dyn Clock> = self.clock.unwrap_or_else(|| Arc::new(SystemClock));

        if let Some(dir) = &dir {
            config.geo.place(dir);
        }
        if let Some(dir) = &dir {
            Switches::load(dir)?.apply(&mut feeds);
        }
        let ledger = match &dir {
            Some(dir) if self.only_looks => Holding::Memory(known_to_checkpoint(dir)?),
            Some(dir) => {
                let options = LedgerOptions::default();
                Holding::Folder(Box::new(match self.lock {
                    Some(lock) => Ledger::open_locked(dir, lock, &options)?,
                    None => Ledger::open(dir, &options)?,
                }))
            }
            None => Holding::Memory(MemoryStore::new()),
        };

        #[cfg(feature = "misp")]
        let misp_folder = match &dir {
            None if !config.misp.is_empty() || feeds.iter().any(is_collection) => {
                Some(tempfile::tempdir().map_err(|error| {
                    Error::io("making a folder in", std::env::temp_dir(), error)
                })?)
            }
            _ => None,
        };
        #[cfg(not(feature = "misp"))]
        if config.misp.iter().any(|server| server.enabled) {
            return Err(Error::config("this build has no feature `misp`: remove `[misp]`"));
        }

        let (mut lists, feeds): (Vec<Feed>, Vec<Feed>) = feeds
            .into_iter()
            .partition(|feed| feed.role == Role::Warninglist && feed.misp.is_none());
        for list in &mut lists {
            let facts = warninglist::classify(list.id.as_str(), &config.warninglists);
            list.enabled &= facts.action != warninglist::Action::Ignore;
        }
        lists.extend(named_lists(&config, ledger.store())?);

        let empty = empty_snapshot(&config, scorer, &*clock)?;
        let answers = Arc::new(Answers::new(dir.as_deref(), empty, Arc::clone(&clock)));
        let (mut mended, mut unusable) = (Vec::new(), None);
        match &dir {
            Some(dir) => {
                if let (false, Holding::Folder(ledger)) = (self.only_looks, &ledger) {
                    mended = mend(dir, ledger)?;
                    Signals::publish(dir, &config.signals, seconds(clock.now()))?;
                }
                unusable = take_up(&answers, dir, ledger.store());
            }
            None => answers.exchange_signals(Signals::in_memory(&config.signals)),
        }
        let updates = dir.as_deref().map(Updates::load).unwrap_or_default();
        // What kept feeds from ever being loaded is known from the snapshot alone.
        let troubles = known_troubles(&answers.load().snapshot.meta().feeds);
        let list_facts = known_list_facts(&answers.load().snapshot.meta().feeds);
        let read_counts = known_read_counts(&answers.load().snapshot.meta().feeds);
        let engine = Engine::start(Shared {
            config,
            feeds: Mutex::new(feeds),
            #[cfg(feature = "misp")]
            looked_at: dir.clone().filter(|_| self.only_looks),
            // What has no folder writes to none.
            dir: dir.filter(|_| !self.only_looks),
            ledger,
            answers,
            clock,
            scorer,
            work: Mutex::new(Work::default()),
            troubles: Mutex::new(troubles),
            updates: Mutex::new(updates),
            updating: Mutex::default(),
            scheduled: AtomicBool::new(false),
            warninglists: Mutex::new(lists),
            list_facts: Mutex::new(list_facts),
            #[cfg(feature = "misp")]
            misp_folder,
            #[cfg(feature = "misp")]
            met: Mutex::default(),
            mended: Mutex::new(mended),
            unpublished: Mutex::default(),
            read_counts: Mutex::new(read_counts),
        })?;
        if let (Some(unusable), false) = (unusable, self.only_looks) {
            engine.make_snapshot_anew(unusable);
        }
        Ok(engine)
    }
}

/// A published snapshot that cannot be used, or cannot be trusted.
struct Unusable {
    /// Its file, where that is damaged.
    path: Option<PathBuf>,
    reason: Error,
}

impl Engine {
    /// Publishes what the ledger has in place of a snapshot that cannot be used, and moves that
    /// aside.
    fn make_snapshot_anew(&self, unusable: Unusable) {
        let Unusable { path, reason } = unusable;
        tracing::warn!(error = %reason, "making the snapshot anew from the ledger");
        let published = super::refresh::refresh_named(&self.shared, &RefreshOptions::default());
        let aside = path.filter(|_| published.is_ok()).map(|path| snapshot::set_aside(&path));
        let done = match (published, aside) {
            (Err(error), _) => format!("and could not be made anew: {error}"),
            // Another build's is whole, for that build.
            (Ok(_), None) if matches!(reason, Error::SnapshotVersion { .. }) => return,
            (Ok(_), Some(Ok(aside))) => {
                format!("and was made anew from the ledger; the damaged one is {}", aside.display())
            }
            (Ok(_), Some(Err(_)) | None) => "and was made anew from the ledger".to_owned(),
        };
        let was = match reason {
            Error::NoSnapshot { .. } => "was missing".to_owned(),
            Error::Snapshot { path, reason } => {
                format!("{} was damaged: {reason};", path.display())
            }
            other => format!("could not be used: {other};"),
        };
        let mut mended = self.shared.mended.lock().unwrap_or_else(PoisonError::into_inner);
        mended.push(format!("the published snapshot {was} {done}"));
    }
}

/// The scorer that a configuration names.
pub(super) fn configured_scorer(config: &Config) -> Result<&'static dyn Scorer> {
    score::by_name(config.scoring.scorer.name()).ok_or_else(|| {
        Error::config(format!("no scorer {:?} in this build", config.scoring.scorer.name()))
    })
}

/// What answers while nothing is known.
pub(super) fn empty_snapshot(
    config: &Config,
    scorer: &'static dyn Scorer,
    clock: &dyn Clock,
) -> Result<Snapshot> {
    let empty = compile(Input {
        feeds: Vec::new(),
        ids: &[],
        builtin: Vec::new(),
        store: &MemoryStore::new(),
        geo: &GeoTable::default(),
        databases: Vec::new(),
        scorer,
        now: seconds(clock.now()),
        window: span(config.history.window),
        retention: span(config.history.retention),
        stale_after: u32::MAX,
        prior: config.scoring.prior,
        thresholds: (&config.scoring).into(),
        max_index: u64::MAX,
        index: config.snapshot.index,
        memory_budget: config.snapshot.memory_budget,
        sequence: 0,
        inputs: String::new(),
        edge: None,
    })?;
    Snapshot::from_bytes(empty.bytes)
}

/// Whether a feed needs a place for what it was before.
#[cfg(feature = "misp")]
fn is_collection(feed: &Feed) -> bool {
    matches!(feed.format, crate::feed::Format::MispFeed {})
}

/// The ledger as of the newest checkpoint, which is written with every snapshot; empty where the
/// folder or the checkpoint is not there.
fn known_to_checkpoint(dir: &Path) -> Result<MemoryStore> {
    if !dir.is_dir() {
        return Ok(MemoryStore::new());
    }
    let Some(path) = newest_good(dir)? else { return Ok(MemoryStore::new()) };
    let file = File::open(&path).map_err(|error| Error::io("opening", &path, error))?;
    MemoryStore::import_from(&mut BufReader::new(file), &path)
}

fn known_troubles(feeds: &[SnapshotFeed]) -> BTreeMap<FeedId, String> {
    let never_loaded = feeds.iter().filter(|feed| feed.first_loaded.is_none());
    never_loaded.filter_map(|feed| Some((feed.id.parse().ok()?, feed.stale.clone()?))).collect()
}

/// What the documents of warninglists said of themselves when they were read last.
fn known_list_facts(feeds: &[SnapshotFeed]) -> BTreeMap<FeedId, ListFacts> {
    let facts = |feed: &SnapshotFeed| {
        let version = feed.warninglist.as_ref()?.version.clone();
        Some((feed.id.parse().ok()?, ListFacts { name: feed.name.clone(), version }))
    };
    feeds.iter().filter_map(facts).collect()
}

/// What the documents of feeds held when they were read last.
fn known_read_counts(feeds: &[SnapshotFeed]) -> BTreeMap<FeedId, ReadCounts> {
    feeds.iter().filter_map(|feed| Some((feed.id.parse().ok()?, feed.read?))).collect()
}

/// The warninglists of the configuration. Where their folder has gone away, those that the ledger
/// holds go on counting.
fn named_lists(config: &Config, store: &dyn Store) -> Result<Vec<Feed>> {
    let error = match warninglist::feeds(&config.warninglists) {
        Ok(lists) => return Ok(lists),
        Err(error) => error,
    };
    let heads = store.heads()?;
    let ids = heads.iter().map(|head| &head.feed);
    let lists = warninglist::feeds_of_names(ids, &config.warninglists)?;
    if lists.is_empty() {
        return Err(error);
    }
    tracing::warn!(%error, "going on with the warninglists loaded before");
    Ok(lists)
}

/// Makes whole what stands beside the ledger, but for the snapshot. Says what was damaged.
fn mend(dir: &Path, ledger: &Ledger) -> Result<Vec<String>> {
    snapshot::remove_unfinished(dir, &["snapshot-", "CURRENT"]);
    let mut mended = ledger.mended().to_vec();
    mended
        .extend(super::overrides::mend(dir, ledger)?.map(|trouble| {
            format!("the overrides were published anew from the ledger: {trouble}")
        }));
    mended.extend(Switches::mend(dir)?);
    mended.extend(added::mend(dir)?);
    Ok(mended)
}

/// Starts from what is published, and says what is wrong with it. Whatever it is, it does not keep
/// the engine from opening; on a first start there is nothing.
fn take_up(answers: &Answers, dir: &Path, store: &dyn Store) -> Option<Unusable> {
    let followed = answers.follow().and_then(|_| answers.load().snapshot.verify());
    let reason = match followed {
        Ok(()) if answers.load().snapshot.header().sequence > 0 => return None,
        // It was never published, or the pointer to it is gone.
        Ok(()) | Err(Error::NoSnapshot { .. }) => {
            if store.heads().is_ok_and(|heads| heads.is_empty()) {
                return None;
            }
            Error::NoSnapshot { dir: dir.to_owned() }
        }
        Err(error) => error,
    };
    let path = match &reason {
        Error::Snapshot { .. } => snapshot::current(dir).ok().flatten(),
        _ => None,
    };
    Some(Unusable { path: path.filter(|path| path.is_file()), reason })
}

/// All feeds of a configuration, switched as it and the data folder say.
#[cfg(feature = "cli")]
pub(crate) fn folder_feeds(config: &Config, dir: &Path) -> Result<Vec<Feed>> {
    let mut feeds = configured_feeds(config, &[], Vec::new(), Some(dir))?;
    Switches::load(dir)?.apply(&mut feeds);
    Ok(feeds)
}

/// All feeds of a configuration, and those added to the data folder, switched as it says.
pub(crate) fn configured_feeds(
    config: &Config,
    catalogues: &[PathBuf],
    own: Vec<Feed>,
    data: Option<&Path>,
) -> Result<Vec<Feed>> {
    let mut feeds = own;
    let named = config.feed_sections::<FeedSpec>()?;
    for spec in named {
        feeds.push(spec.into_feed(config.base())?);
    }
    if !catalogues.is_empty() {
        for path in catalogues {
            feeds.extend(Catalogue::load(path)?.feeds);
        }
    } else if config.catalogue.is_some() || feeds.is_empty() {
        for source in config.catalogues() {
            feeds.extend(match source {
                CatalogueSource::Default => Catalogue::embedded()?.feeds,
                CatalogueSource::File(path) => Catalogue::load(path)?.feeds,
            });
        }
    }
    let mut seen = std::collections::BTreeSet::new();
    let added = data.map_or_else(|| Ok(Vec::new()), added::load)?;
    for (path, feed) in added {
        if feeds.iter().any(|other| other.id == feed.id) {
            return Err(Error::Config {
                message: format!(
                    "feed {:?} is there twice: remove this file, or give one of them another id",
                    feed.id
                ),
                path: Some(path),
                line: None,
            });
        }
        feeds.push(feed);
    }
    #[cfg(feature = "misp")]
    if let Some(data) = data {
        feeds.extend(super::misp::known_feeds(config, data));
    }
    for feed in &mut feeds {
        if !seen.insert(feed.id.clone()) {
            return Err(Error::config(format!(
                "feed {:?} is there twice: give one of them another id",
                feed.id
            )));
        }
        feed.enabled = config.feeds.is_enabled(&feed.id, feed.enabled);
    }
    Ok(feeds)
}
