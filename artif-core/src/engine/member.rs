//! One of several equal processes on one folder.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use super::ReputationEngine;
use super::builder::{configured_feeds, configured_scorer, empty_snapshot};
use super::follow::Follower;
use super::owner::Engine;
use super::schedule::{Refresher, ScheduleOptions};
use super::status::Status;
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::ledger::FolderLock;
use crate::pinned::Pinned;
use crate::view::Answers;

/// How often a member that follows looks whether the folder has an owner: one attempt to lock a
/// file.
const LOOK: Duration = Duration::from_millis(500);
/// How long one that resigned leaves the folder to others.
const PAUSE: Duration = Duration::from_secs(2);

/// One of several equal processes on one data folder, such as the workers of a web server. One of
/// them owns the folder and refreshes it by the schedule of the configuration; all answer from the
/// snapshots that it publishes, and share their memory. Where the owner goes away, however it does,
/// another takes over within a second. Who owns it may also be an [`Engine`] elsewhere, or `artif
/// watch`: then no member refreshes.
///
/// Owning is a matter of a background thread: joining and lookups never wait for it. While there is
/// no snapshot, answers are those of an empty engine ([`Self::has_snapshot`]).
///
/// A member does not survive a fork, since threads stay in the parent: join after it. Who has to
/// fork while a member lives calls [`Self::resign`] before, and forgets the copy in the child
/// ([`std::mem::forget`]): dropping it would wait for threads that are not there. A child of a process
/// that ever owned a folder follows, and does not come to own one: the ledger's threads stay in the
/// parent, too.
///
/// ```
/// use artif_core::{Config, Member, ReputationEngine};
/// # let dir = tempfile::tempdir().unwrap();
/// # std::fs::write(dir.path().join("list.txt"), "93.184.216.34\n").unwrap();
///
/// let config = Config::from_toml(&format!(
///     "data = '{0}/data'\n[[feed]]\nid = 'mine'\nurl = 'file:{0}/list.txt'",
///     dir.path().display()
/// ))?;
/// let member = Member::join(config)?;
/// println!("{}", member.check("93.184.216.34".parse().unwrap()).verdict());
/// # Ok::<(), artif_core::Error>(())
/// ```
pub struct Member {
    answers: Arc<Answers>,
    post: Arc<Post>,
    thread: Option<JoinHandle<()>>,
    _follower: Follower,
}

/// The owner's post of a folder, and what it takes to hold it.
struct Post {
    dir: PathBuf,
    config: Config,
    clock: Arc<dyn Clock>,
    options: ScheduleOptions,
    held: Mutex<Held>,
    owns: AtomicBool,
    stop: AtomicBool,
}

#[derive(Default)]
struct Held {
    /// The refresher goes first.
    owner: Option<(Refresher, Engine)>,
    not_before: Option<Instant>,
    /// What was last said to be wrong: once, not twice a second.
    trouble: Option<String>,
}

impl fmt::Debug for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Member")
            .field("data", &self.post.dir)
            .field("is_owner", &self.is_owner())
            .field("snapshot", &self.answers.load().snapshot.header().sequence)
            .finish_non_exhaustive()
    }
}

impl Member {
    /// Joins the processes on the data folder of this configuration, which is made where there is
    /// none.
    ///
    /// Errors: [`Error::Config`] and others that an engine of this configuration would fail with
    /// at once, [`Error::Snapshot`] and [`Error::SnapshotVersion`] only in the log: the owner
    /// replaces such a snapshot.
    ///
    /// ```
    /// # use artif_core::{Config, Member};
    /// let config = Config::from_toml("[scoring]\nprior = 2.0").and_then(Member::join);
    /// assert_eq!(config.unwrap_err().code(), "ARTIF_CONFIG");
    /// ```
    pub fn join(config: Config) -> Result<Self> {
        Self::join_with(config, ScheduleOptions::default(), Arc::new(SystemClock))
    }

    /// Like [`Self::join`], with another clock, and says what happens while it is the owner.
    ///
    /// ```
    /// # use std::sync::{Arc, mpsc};
    /// # use artif_core::{Config, Member, ScheduleEvent, ScheduleOptions, SystemClock};
    /// # let dir = tempfile::tempdir().unwrap();
    /// # std::fs::write(dir.path().join("list.txt"), "93.184.216.34\n").unwrap();
    /// # let config = Config::from_toml(&format!(
    /// #     "data = '{0}/data'\n[[feed]]\nid = 'mine'\nurl = 'file:{0}/list.txt'",
    /// #     dir.path().display()
    /// # )).unwrap();
    /// let (sender, published) = mpsc::channel();
    /// let options = ScheduleOptions::default().on_event(move |event| {
    ///     if let ScheduleEvent::Refreshed(report) = event {
    ///         let _ = sender.send(report.snapshot.id);
    ///     }
    /// });
    /// let member = Member::join_with(config, options, Arc::new(SystemClock)).unwrap();
    /// assert_eq!(published.recv().unwrap(), 1);
    /// assert!(member.is_owner());
    /// ```
    pub fn join_with(
        config: Config,
        options: ScheduleOptions,
        clock: Arc<dyn Clock>,
    ) -> Result<Self> {
        Self::validate(&config)?;
        let dir = config.data.clone();
        let empty = empty_snapshot(&config, configured_scorer(&config)?, &*clock)?;
        let answers = Arc::new(Answers::new(Some(&dir), empty, Arc::clone(&clock)));
        if let Err(error) = answers.follow() {
            tracing::warn!(%error, "starting without the published snapshot");
        }
        let follower = Follower::start(Arc::clone(&answers))?;
        let (held, owns, stop) = (Mutex::default(), AtomicBool::new(false), AtomicBool::new(false));
        let post = Arc::new(Post { dir, config, clock, options, held, owns, stop });
        let watched = Arc::clone(&post);
        let thread = Builder::new()
            .name("artif-member".to_owned())
            .spawn(move || watched.watch())
            .map_err(|error| Error::io("starting a thread to take over", &post.dir, error))?;
        Ok(Self { answers, post, thread: Some(thread), _follower: follower })
    }

    /// Checks a configuration as [`Self::join`] does, for who joins later.
    ///
    /// ```
    /// # use artif_core::{Config, Member};
    /// let config = Config::from_toml("[[feed]]\nid = 'mine'\nurl = 'nonsense'").unwrap();
    /// assert_eq!(Member::validate(&config).unwrap_err().code(), "ARTIF_INVALID");
    /// ```
    pub fn validate(config: &Config) -> Result<()> {
        config.validate()?;
        configured_feeds(config, &[], Vec::new(), Some(&config.data)).map(drop)
    }

    /// Whether it owns the folder and refreshes it now.
    ///
    /// ```
    /// # use artif_core::{Config, Engine, Member};
    /// # let dir = tempfile::tempdir().unwrap();
    /// let owner = Engine::builder().data(dir.path()).build().unwrap();
    /// # let mut config = Config::default();
    /// # config.data = dir.path().to_owned();
    /// assert!(!Member::join(config).unwrap().is_owner());
    /// ```
    pub fn is_owner(&self) -> bool {
        self.post.owns.load(Ordering::Acquire)
    }

    /// Whether a snapshot was published yet; without one nothing is known of any address.
    ///
    /// ```
    /// # use artif_core::{Config, Engine, Member};
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let owner = Engine::builder().data(dir.path()).build().unwrap();
    /// # let mut config = Config::default();
    /// # config.data = dir.path().to_owned();
    /// assert!(!Member::join(config).unwrap().has_snapshot());
    /// ```
    #[inline]
    pub fn has_snapshot(&self) -> bool {
        self.answers.load().snapshot.header().sequence > 0
    }

    /// Gives the folder up, where it owns it, and leaves it to others for two seconds; then it
    /// takes over again where nobody did. Waits until a refresh under way has stopped.
    ///
    /// ```
    /// # use artif_core::{Config, Engine, Member};
    /// # let dir = tempfile::tempdir().unwrap();
    /// # std::fs::write(dir.path().join("list.txt"), "93.184.216.34\n").unwrap();
    /// # let config = Config::from_toml(&format!(
    /// #     "data = '{0}/data'\n[[feed]]\nid = 'mine'\nurl = 'file:{0}/list.txt'",
    /// #     dir.path().display()
    /// # )).unwrap();
    /// let member = Member::join(config.clone()).unwrap();
    /// member.resign();
    /// assert!(!member.is_owner());
    /// Engine::builder().config(config).build().unwrap();
    /// ```
    pub fn resign(&self) {
        let mut held = self.post.held();
        held.not_before = Instant::now().checked_add(PAUSE);
        self.post.give_up(&mut held);
    }

    /// Takes up what was published meanwhile at once, instead of within a quarter of a second.
    /// Says whether there was anything.
    ///
    /// ```
    /// # use artif_core::{Config, Engine, Member};
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let owner = Engine::builder().data(dir.path()).build().unwrap();
    /// # let mut config = Config::default();
    /// # config.data = dir.path().to_owned();
    /// assert!(!Member::join(config).unwrap().reload().unwrap(), "nothing yet");
    /// ```
    pub fn reload(&self) -> Result<bool> {
        self.answers.follow()
    }

    /// A handle to what it knows now, for the cheapest lookups.
    ///
    /// ```
    /// # use artif_core::{Config, Engine, Member};
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let owner = Engine::builder().data(dir.path()).build().unwrap();
    /// # let mut config = Config::default();
    /// # config.data = dir.path().to_owned();
    /// assert_eq!(Member::join(config).unwrap().pin().snapshot_id(), 0);
    /// ```
    pub fn pin(&self) -> Pinned {
        Pinned::new(Arc::clone(&self.answers))
    }

    pub(super) fn answers(&self) -> &Answers {
        &self.answers
    }

    /// The data folder.
    ///
    /// ```
    /// # use artif_core::{Config, Engine, Member};
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let owner = Engine::builder().data(dir.path()).build().unwrap();
    /// # let mut config = Config::default();
    /// # config.data = dir.path().to_owned();
    /// assert_eq!(Member::join(config).unwrap().data(), dir.path());
    /// ```
    pub fn data(&self) -> &Path {
        &self.post.dir
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.post.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // A panic there has been printed; there is nothing to add to it here.
            let _ = thread.join();
        }
        self.post.give_up(&mut self.post.held());
    }
}

impl Post {
    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn watch(&self) {
        while !self.stop.load(Ordering::Acquire) {
            let mut held = self.held();
            match self.take(&mut held) {
                // Another owner is what is to be expected.
                Ok(()) | Err(Error::Locked { .. }) => held.trouble = None,
                Err(error) => {
                    let text = error.to_string();
                    if held.trouble.as_ref() != Some(&text) {
                        tracing::error!(%error, "cannot own the folder, the last good snapshot keeps answering");
                        held.trouble = Some(text);
                    }
                }
            }
            drop(held);
            std::thread::park_timeout(LOOK);
        }
    }

    /// Becomes the owner where there is none.
    fn take(&self, held: &mut Held) -> Result<()> {
        if held.owner.is_some() || held.not_before.is_some_and(|moment| Instant::now() < moment) {
            return Ok(());
        }
        // Before all else that an engine does: followers come here twice a second.
        let lock = FolderLock::acquire(&self.dir)?;
        let engine = Engine::builder()
            .config(self.config.clone())
            .clock(Arc::clone(&self.clock))
            .locked(lock)
            .build()?;
        // Before the schedule tells anybody that this is the owner.
        self.owns.store(true, Ordering::Release);
        let refresher = engine
            .spawn_refresh_with(self.options.clone())
            .inspect_err(|_| self.owns.store(false, Ordering::Release))?;
        held.owner = Some((refresher, engine));
        tracing::info!(dir = ?self.dir, "owns the folder and refreshes it from now on");
        Ok(())
    }

    fn give_up(&self, held: &mut Held) {
        self.owns.store(false, Ordering::Release);
        if let Some((refresher, engine)) = held.owner.take() {
            refresher.join();
            drop(engine);
        }
    }
}

impl ReputationEngine for Member {
    answered_from!(self => self.answers);

    /// As the owner says it, where this is the owner.
    fn status(&self) -> Status {
        // Not while ownership is being taken or given up, which may take seconds.
        let held = self.post.held.try_lock();
        match held.ok().as_ref().and_then(|held| held.owner.as_ref()) {
            Some((_, engine)) => engine.status(),
            None => Status::of_view(&self.answers.load(), self.answers.dir()),
        }
    }
}
