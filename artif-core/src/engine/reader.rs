//! Answers from a folder that another process owns.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use super::ReputationEngine;
use super::follow::Follower;
use super::status::Status;
use crate::clock::{Clock, SystemClock};
use crate::error::{Error, Result};
use crate::pinned::Pinned;
use crate::report::{self, FeedsReport};
use crate::snapshot::{self, Snapshot};
use crate::view::Answers;

/// Answers from the snapshots of a data folder, and follows new ones. Any number of processes may
/// read one folder; they share the snapshot's memory. Needs neither ledger nor network.
///
/// ```no_run
/// use artif_core::{Reader, ReputationEngine};
///
/// let reader = Reader::open("/var/lib/artif")?;
/// println!("{}", reader.check("192.0.2.1".parse().unwrap()).verdict());
/// # Ok::<(), artif_core::Error>(())
/// ```
pub struct Reader {
    pub(super) answers: Arc<Answers>,
    _follower: Follower,
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader")
            .field("snapshot", &self.answers.load().snapshot.header().sequence)
            .finish_non_exhaustive()
    }
}

impl Reader {
    /// Opens the current snapshot of `dir` and starts to follow the folder.
    ///
    /// Errors: [`Error::NoSnapshot`] where no owner has published one yet, [`Error::Snapshot`] and
    /// [`Error::SnapshotVersion`] where it cannot be read.
    ///
    /// ```
    /// # use artif_core::{Engine, Feed, Reader, RefreshOptions, ReputationEngine};
    /// # let dir = tempfile::tempdir().unwrap();
    /// # std::fs::write(dir.path().join("list.txt"), "93.184.216.34\n").unwrap();
    /// # let url = format!("file:{}", dir.path().join("list.txt").display());
    /// # let data = dir.path().join("data");
    /// let engine = Engine::builder().data(&data).feed(Feed::new("a", &url).unwrap()).build().unwrap();
    /// engine.refresh(&RefreshOptions::default()).unwrap();
    /// let reader = Reader::open(&data).unwrap();
    /// assert!(reader.check("93.184.216.34".parse().unwrap()).is_active());
    /// ```
    pub fn open(dir: impl AsRef<Path>) -> Result<Self> {
        Self::open_with(dir.as_ref(), Arc::new(SystemClock))
    }

    /// Like [`Self::open`], with another clock.
    ///
    /// ```
    /// # use artif_core::{Engine, Feed, Reader, RefreshOptions, ReputationEngine};
    /// # let dir = tempfile::tempdir().unwrap();
    /// # std::fs::write(dir.path().join("list.txt"), "93.184.216.34\n").unwrap();
    /// # let url = format!("file:{}", dir.path().join("list.txt").display());
    /// # let data = dir.path().join("data");
    /// let engine = Engine::builder().data(&data).feed(Feed::new("a", &url).unwrap()).build().unwrap();
    /// engine.refresh(&RefreshOptions::default()).unwrap();
    /// let clock = artif_core::SystemClock;
    /// assert!(Reader::open_with(&data, std::sync::Arc::new(clock)).is_ok());
    /// ```
    pub fn open_with(dir: &Path, clock: Arc<dyn Clock>) -> Result<Self> {
        let path =
            snapshot::current(dir)?.ok_or_else(|| Error::NoSnapshot { dir: dir.to_owned() })?;
        let answers = Arc::new(Answers::new(Some(dir), Snapshot::open(&path)?, clock));
        answers.follow()?;
        let follower = Follower::start(Arc::clone(&answers))?;
        Ok(Self { answers, _follower: follower })
    }

    /// Takes up what was published meanwhile at once, instead of within the quarter of a second
    /// that it takes by itself. Says whether there was anything.
    ///
    /// ```
    /// # use artif_core::{Engine, Feed, Reader, RefreshOptions, ReputationEngine};
    /// # let dir = tempfile::tempdir().unwrap();
    /// # std::fs::write(dir.path().join("list.txt"), "93.184.216.34\n").unwrap();
    /// # let url = format!("file:{}", dir.path().join("list.txt").display());
    /// # let data = dir.path().join("data");
    /// let engine = Engine::builder().data(&data).feed(Feed::new("a", &url).unwrap()).build().unwrap();
    /// engine.refresh(&RefreshOptions::default()).unwrap();
    /// let reader = Reader::open(&data).unwrap();
    /// assert!(!reader.reload().unwrap(), "nothing new");
    /// ```
    pub fn reload(&self) -> Result<bool> {
        self.answers.follow()
    }

    /// A handle to what it knows now, for the cheapest lookups.
    ///
    /// ```no_run
    /// let reader = artif_core::Reader::open("/var/lib/artif")?;
    /// let mut pinned = reader.pin();
    /// # let requests: Vec<std::net::IpAddr> = Vec::new();
    /// for client in requests {
    ///     pinned.renew(); // takes up what was published meanwhile
    ///     println!("{}", pinned.gate(client).score());
    /// }
    /// # Ok::<(), artif_core::Error>(())
    /// ```
    pub fn pin(&self) -> Pinned {
        Pinned::new(Arc::clone(&self.answers))
    }

    /// How the feeds in the current snapshot compare: see [`report`](crate::report). Of 85
    /// feeds with a million networks it was measured to take 44 ms.
    ///
    /// ```
    /// # use artif_core::{Engine, Feed, Reader, RefreshOptions};
    /// # let dir = tempfile::tempdir().unwrap();
    /// # std::fs::write(dir.path().join("list.txt"), "93.184.216.34\n").unwrap();
    /// # let url = format!("file:{}", dir.path().join("list.txt").display());
    /// # let data = dir.path().join("data");
    /// let engine = Engine::builder().data(&data).feed(Feed::new("a", &url).unwrap()).build().unwrap();
    /// engine.refresh(&RefreshOptions::default()).unwrap();
    /// let report = Reader::open(&data).unwrap().feed_report();
    /// assert_eq!(report.feeds[0].exclusive.share, 1.0);
    /// ```
    pub fn feed_report(&self) -> FeedsReport {
        report::build(&self.answers.load().snapshot)
    }
}

impl ReputationEngine for Reader {
    answered_from!(self => self.answers);

    fn status(&self) -> Status {
        Status::of_view(&self.answers.load(), self.answers.dir())
    }
}
