//! A thread that refreshes what is due.

use std::collections::BTreeMap;
use std::fmt;
use std::hash::{BuildHasher as _, RandomState};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::options::{Progress, RefreshEvent, RefreshOptions};
use super::owner::Shared;
use super::publication::recompile_at;
use super::refresh::{Outcome, RefreshReport, refresh_named};
use crate::clock::{Seconds, datetime, seconds, span};
use crate::error::{Error, Result};
use crate::feed::FeedId;
use crate::geo::{GeoKind, GeoReport, updated};
use crate::schedule::{Plan, Task, Trouble};
use crate::snapshot::write_atomically;

/// How long the thread sleeps at most: so long it takes to notice that the clock was set or that
/// the machine was suspended.
const LONGEST_NAP: Duration = Duration::from_secs(60);
/// After a failure that concerns everything, and when compiling alone came to nothing.
const PAUSE: Seconds = 60;
/// Feeds in trouble, in the data folder.
const FILE: &str = "retries.json";

/// Hears of what happens on a schedule.
///
/// ```
/// let quiet: Box<artif_core::Listener> = Box::new(|event| drop(event));
/// ```
pub type Listener = dyn Fn(ScheduleEvent<'_>) + Send + Sync;

/// What a schedule tells, and to whom.
///
/// ```
/// let options = artif_core::ScheduleOptions::default().on_event(|event| println!("{event:?}"));
/// ```
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct ScheduleOptions {
    /// Called with what happens, from the thread that refreshes.
    pub on_event: Option<Arc<Listener>>,
    /// Called as things happen within one refresh.
    pub progress: Option<Arc<Progress>>,
}

impl ScheduleOptions {
    /// Calls `on_event` with what happens, from the thread that refreshes.
    ///
    /// ```
    /// # use artif_core::ScheduleOptions;
    /// assert!(ScheduleOptions::default().on_event(|event| drop(event)).on_event.is_some());
    /// ```
    #[must_use]
    pub fn on_event(
        mut self,
        on_event: impl Fn(ScheduleEvent<'_>) + Send + Sync + 'static,
    ) -> Self {
        self.on_event = Some(Arc::new(on_event));
        self
    }

    /// Calls `progress` as things happen within one refresh.
    ///
    /// ```
    /// # use artif_core::ScheduleOptions;
    /// assert!(ScheduleOptions::default().progress(|event| drop(event)).progress.is_some());
    /// ```
    #[must_use]
    pub fn progress(mut self, progress: impl Fn(RefreshEvent<'_>) + Send + Sync + 'static) -> Self {
        self.progress = Some(Arc::new(progress));
        self
    }

    fn tell(&self, event: ScheduleEvent<'_>) {
        if let Some(on_event) = &self.on_event {
            on_event(event);
        }
    }
}

impl fmt::Debug for ScheduleOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScheduleOptions").finish_non_exhaustive()
    }
}

/// What happens on a schedule.
///
/// ```
/// # use artif_core::{Engine, Feed, ScheduleEvent, ScheduleOptions};
/// # let feed = Feed::new("gone", "file:/no/such/file").unwrap();
/// # let engine = Engine::builder().in_memory().feed(feed).build().unwrap();
/// let (sender, waits) = std::sync::mpsc::channel();
/// let options = ScheduleOptions::default().on_event(move |event| {
///     if let ScheduleEvent::Waiting { until } = event {
///         let _ = sender.send(until);
///     }
/// });
/// let refresher = engine.spawn_refresh_with(options).unwrap();
/// assert!(waits.recv().unwrap() > chrono::Utc::now(), "after the first refresh");
/// # refresher.join();
/// ```
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum ScheduleEvent<'a> {
    /// Nothing is due before this moment. Said when it changes, and to each [`Refresher::wake`].
    Waiting {
        /// When the next thing is due, by the engine's clock.
        until: DateTime<Utc>,
    },
    /// What was due is done. A report without feeds is of a snapshot made anew for the clock.
    Refreshed(&'a RefreshReport),
    /// A geo database was looked for.
    Geo(&'a GeoReport),
    /// A refresh failed as a whole; it is tried again.
    Failed(&'a Error),
}

/// A thread that keeps an engine current, from [`crate::Engine::spawn_refresh`]. Stops the thread
/// and waits for it when dropped.
///
/// ```
/// # use artif_core::{Engine, Feed};
/// # let feed = Feed::new("gone", "file:/no/such/file").unwrap();
/// # let engine = Engine::builder().in_memory().feed(feed).build().unwrap();
/// let refresher = engine.spawn_refresh().unwrap();
/// refresher.stop();
/// refresher.join();
/// ```
#[derive(Debug)]
#[must_use = "dropping it stops the refreshes"]
pub struct Refresher {
    control: Arc<Control>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Control {
    stop: Arc<AtomicBool>,
    woken: AtomicBool,
}

impl Refresher {
    /// Has the schedule look at the clock now: after the clock was set, or a feed switched on.
    /// It does so by itself within a minute.
    ///
    /// ```
    /// # let engine = artif_core::Engine::builder().in_memory()
    /// #     .feed(artif_core::Feed::new("gone", "file:/no/such/file").unwrap()).build().unwrap();
    /// let refresher = engine.spawn_refresh().unwrap();
    /// refresher.wake();
    /// ```
    pub fn wake(&self) {
        self.control.woken.store(true, Ordering::Release);
        if let Some(thread) = &self.thread {
            thread.thread().unpark();
        }
    }

    /// Has it stop soon: transfers under way are dropped, a compilation is finished. What was
    /// committed stays. Does not wait.
    ///
    /// ```
    /// # let engine = artif_core::Engine::builder().in_memory()
    /// #     .feed(artif_core::Feed::new("gone", "file:/no/such/file").unwrap()).build().unwrap();
    /// let refresher = engine.spawn_refresh().unwrap();
    /// refresher.stop();
    /// ```
    pub fn stop(&self) {
        self.control.stop.store(true, Ordering::Release);
        self.wake();
    }

    /// Stops it and waits until it has stopped. The same happens when it is dropped.
    ///
    /// ```
    /// # let engine = artif_core::Engine::builder().in_memory()
    /// #     .feed(artif_core::Feed::new("gone", "file:/no/such/file").unwrap()).build().unwrap();
    /// engine.spawn_refresh().unwrap().join();
    /// assert!(engine.spawn_refresh().is_ok(), "and again");
    /// ```
    pub fn join(self) {
        drop(self);
    }
}

impl Drop for Refresher {
    fn drop(&mut self) {
        self.stop();
        if let Some(thread) = self.thread.take() {
            // A panic there has been printed; there is nothing to add to it here.
            let _ = thread.join();
        }
    }
}

pub(super) fn spawn(shared: &Arc<Shared>, options: ScheduleOptions) -> Result<Refresher> {
    if shared.scheduled.swap(true, Ordering::AcqRel) {
        return Err(Error::Invalid {
            what: "schedule",
            reason: "another refresher of this engine runs: stop that one first".to_owned(),
        });
    }
    let control = Arc::new(Control::default());
    let run = {
        let (shared, control) = (Arc::clone(shared), Arc::clone(&control));
        move || {
            let _running = Running(&shared);
            Schedule::new(&shared, &control, options).run();
        }
    };
    match Builder::new().name("artif-refresh".to_owned()).spawn(run) {
        Ok(thread) => Ok(Refresher { control, thread: Some(thread) }),
        Err(error) => {
            shared.scheduled.store(false, Ordering::Release);
            Err(Error::io("starting a thread to refresh", "artif-refresh", error))
        }
    }
}

/// Gives the place free, also where the thread panics.
struct Running<'a>(&'a Shared);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.scheduled.store(false, Ordering::Release);
    }
}

struct Schedule<'a> {
    shared: &'a Shared,
    control: &'a Control,
    options: ScheduleOptions,
    plan: Plan<FeedId>,
    databases: Plan<GeoKind>,
    /// Refreshes as a whole: nothing is done before this is due.
    whole: Task,
    /// Not before this moment is anything compiled for the clock's sake.
    compile_again: Seconds,
    /// What was last said of when the next thing is due.
    said: Option<Seconds>,
    saved: BTreeMap<FeedId, Trouble>,
}

impl<'a> Schedule<'a> {
    fn new(shared: &'a Shared, control: &'a Control, options: ScheduleOptions) -> Self {
        let saved = shared.dir.as_deref().map(load).unwrap_or_default();
        Self {
            shared,
            control,
            options,
            plan: Plan::new(shared.config.schedule.rules()),
            databases: Plan::new(shared.config.schedule.rules()),
            whole: Task::new(PAUSE, None),
            compile_again: 0,
            said: None,
            saved,
        }
    }

    fn run(&mut self) {
        while !self.stopped() {
            let now = seconds(self.shared.clock.now());
            let round = catch_unwind(AssertUnwindSafe(|| self.round(now)));
            let done = round.unwrap_or_else(|_| {
                self.whole.failed(now, None, dice());
                Err(Error::Invalid { what: "refresh", reason: "it panicked".to_owned() })
            });
            match done {
                Ok(true) => {}
                Ok(false) => self.nap(now),
                Err(Error::Cancelled) if self.stopped() => {}
                Err(error) => {
                    tracing::error!(%error, "the refresh failed, it is tried again");
                    // A panic of the listener is no reason to stop listening to the clock.
                    let told =
                        AssertUnwindSafe(|| self.options.tell(ScheduleEvent::Failed(&error)));
                    let _ = catch_unwind(told);
                }
            }
        }
    }

    fn stopped(&self) -> bool {
        self.control.stop.load(Ordering::Acquire)
    }

    /// Does what is due; `false` where nothing is.
    fn round(&mut self, now: Seconds) -> Result<bool> {
        let rules = self.shared.config.schedule.rules();
        self.whole.heed(now, &rules);
        if self.whole.due(&rules) > now {
            return Ok(false);
        }
        let round = self.refresh(now);
        match &round {
            Ok(_) => self.whole = Task::new(PAUSE, None),
            Err(Error::Cancelled) => {}
            Err(_) => self.whole.failed(now, None, dice()),
        }
        round
    }

    fn refresh(&mut self, now: Seconds) -> Result<bool> {
        self.take_stock()?;
        let due = self.plan.due(now);
        let new_database = self.update_databases(now)?;
        // Where the clock was set back, what is to come may lie too far ahead.
        self.compile_again = self.compile_again.min(now.saturating_add(PAUSE));
        let compile = recompile_at(self.shared, now).max(self.compile_again) <= now;
        if due.is_empty() && !compile && !new_database {
            return Ok(false);
        }
        let options = RefreshOptions {
            feeds: due,
            progress: self.options.progress.clone(),
            cancel: Some(Arc::clone(&self.control.stop)),
            ..RefreshOptions::default()
        };
        let report = refresh_named(self.shared, &options)?;
        // A long refresh: what failed just now is not to be tried again at once.
        let now = now.max(seconds(self.shared.clock.now()));
        for feed in report.feeds.iter().chain(&report.warninglists) {
            let Some(task) = self.plan.task(&feed.feed) else { continue };
            match feed.outcome {
                Outcome::Loaded | Outcome::Unchanged => task.succeeded(now, dice()),
                Outcome::Failed | Outcome::Refused => {
                    task.failed(now, feed.retry_after, dice());
                }
            }
        }
        for sync in &report.misp {
            let Some(task) = self.plan.task(&sync.server) else { continue };
            match sync.outcome {
                Outcome::Failed => task.failed(now, sync.retry_after, dice()),
                // What was refused was read all the same.
                _ => task.succeeded(now, dice()),
            }
        }
        // Where compiling is still due it came to nothing.
        let nothing = recompile_at(self.shared, now) <= now;
        self.compile_again = if nothing { now.saturating_add(PAUSE) } else { 0 };
        self.save();
        self.options.tell(ScheduleEvent::Refreshed(&report));
        Ok(true)
    }

    /// Updates the geo databases that are due; says whether one is new.
    fn update_databases(&mut self, now: Seconds) -> Result<bool> {
        let mut new = false;
        for kind in self.databases.due(now) {
            let report = self.shared.update_geo(kind, false, &self.control.stop)?;
            if let Some(task) = self.databases.task(&kind) {
                if report.error.is_none() {
                    task.succeeded(now, dice());
                } else {
                    task.failed(now, report.retry_after, dice());
                }
            }
            new |= report.outcome == Outcome::Loaded;
            self.options.tell(ScheduleEvent::Geo(&report));
        }
        Ok(new)
    }

    /// Plans for feeds, warninglists and databases as they are configured now.
    fn take_stock(&mut self) -> Result<()> {
        let feeds = self.shared.sources();
        let heads = self.shared.ledger.store().heads()?;
        // What is made of a MISP server comes with it.
        let enabled = feeds.iter().filter(|feed| feed.enabled && feed.misp.is_none());
        let enabled = enabled.map(|feed| (feed.id.clone(), feed.refresh_seconds));
        let servers = self.shared.servers();
        let servers = servers.map(|server| (server.id.clone(), span(server.refresh)));
        let saved = &self.saved;
        self.plan.set(enabled.chain(servers), |id, every| {
            if let Some(trouble) = saved.get(id) {
                return Task::troubled(every, trouble);
            }
            #[cfg(feature = "misp")]
            if let Some(synced) = self.shared.synced(id) {
                return Task::new(every, Some(synced));
            }
            let head = heads.binary_search_by(|head| head.feed.cmp(id)).ok();
            let head = head.and_then(|place| heads.get(place));
            Task::new(every, head.map(|head| head.confirmed))
        });
        let config = &self.shared.config;
        let updates = self.shared.updates.lock().unwrap_or_else(PoisonError::into_inner);
        let databases =
            updated(config).into_iter().map(|kind| (kind, span(config.geo.update_every)));
        self.databases.set(databases, |kind, every| {
            // One that is not there is due, whatever was known of it.
            let there = config.geo.path(*kind).is_some_and(Path::exists);
            match updates.get(*kind) {
                Some(known) if there || known.failures > 0 => {
                    Task::troubled(every, &Trouble::new(known.checked(), known.failures))
                }
                _ => Task::new(every, None),
            }
        });
        Ok(())
    }

    /// Sleeps until something is due or the sleep is ended.
    fn nap(&mut self, now: Seconds) {
        let rules = self.shared.config.schedule.rules();
        let compile = recompile_at(self.shared, now).max(self.compile_again);
        let next = [self.plan.next(), self.databases.next()];
        let next = next.into_iter().flatten().fold(compile, Seconds::min);
        let next = next.max(self.whole.due(&rules));
        // Threads that a refresh waited for may have left a token, which would end the sleep at once.
        std::thread::park_timeout(Duration::ZERO);
        let woken = self.control.woken.swap(false, Ordering::AcqRel);
        if woken || self.said != Some(next) {
            self.said = Some(next);
            tracing::debug!(until = %datetime(next), "nothing is due");
            let until = datetime(next);
            let told = AssertUnwindSafe(|| self.options.tell(ScheduleEvent::Waiting { until }));
            let _ = catch_unwind(told);
        }
        let left = Duration::from_secs(u64::from(next.saturating_sub(now).max(1)));
        if !self.control.woken.load(Ordering::Acquire) {
            // A wake between the look and this leaves a token, so it returns at once.
            std::thread::park_timeout(left.min(LONGEST_NAP));
        }
    }

    /// Notes which feeds are in trouble, where that changed.
    fn save(&mut self) {
        let troubles = self.plan.troubles();
        let Some(dir) = self.shared.dir.as_deref().filter(|_| troubles != self.saved) else {
            return;
        };
        let written = serde_json::to_vec(&named(&troubles))
            .map_err(|error| Error::Invalid { what: "retries", reason: error.to_string() })
            .and_then(|text| write_atomically(&path(dir), &text));
        if let Err(error) = written {
            // Only the patience after a restart hangs on it.
            tracing::warn!(%error, "which feeds to be patient with is not kept");
        }
        self.saved = troubles;
    }
}

fn path(dir: &Path) -> PathBuf {
    dir.join(FILE)
}

fn named(troubles: &BTreeMap<FeedId, Trouble>) -> BTreeMap<&str, &Trouble> {
    troubles.iter().map(|(feed, trouble)| (feed.as_str(), trouble)).collect()
}

/// What was kept; nothing where there is no such file or it is damaged.
fn load(dir: &Path) -> BTreeMap<FeedId, Trouble> {
    let Ok(text) = std::fs::read(path(dir)) else { return BTreeMap::new() };
    serde_json::from_slice(&text).unwrap_or_else(|error| {
        tracing::warn!(%error, file = FILE, "damaged: every feed is tried as if for the first time");
        BTreeMap::new()
    })
}

/// A number within 0 to 1 that differs from process to process and call to call.
fn dice() -> f64 {
    let random = RandomState::new().hash_one(std::process::id());
    (random >> 11) as f64 / (1_u64 << 53) as f64
}
