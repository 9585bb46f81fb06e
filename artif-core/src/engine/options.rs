//! What a refresh is to do, and who hears of it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};

use super::refresh::FeedReport;
use crate::feed::FeedId;

/// What a refresh is to do.
///
/// ```
/// use artif_core::RefreshOptions;
///
/// let options = RefreshOptions::default().feed("spamhaus-drop-v4".parse().unwrap());
/// assert_eq!(options.feeds.len(), 1);
/// ```
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct RefreshOptions {
    /// The feeds to fetch; none stands for all that are enabled.
    pub feeds: Vec<FeedId>,
    /// Called as things happen, from the thread that refreshes.
    pub progress: Option<Arc<Progress>>,
    /// Takes what the guard would refuse; see [`RefreshOptions::force`].
    pub force: bool,
    /// Says what would change and writes nothing; see [`RefreshOptions::dry_run`].
    pub dry_run: bool,
    /// Set it from any thread to stop. What was committed by then stays, each feed whole.
    pub cancel: Option<Arc<AtomicBool>>,
}

impl RefreshOptions {
    /// Fetches this feed, and no others than those named so.
    ///
    /// ```
    /// # use artif_core::RefreshOptions;
    /// assert!(RefreshOptions::default().feeds.is_empty());
    /// ```
    #[must_use]
    pub fn feed(mut self, id: FeedId) -> Self {
        self.feeds.push(id);
        self
    }

    /// Calls `progress` as things happen.
    ///
    /// ```
    /// # use artif_core::RefreshOptions;
    /// let options = RefreshOptions::default().progress(|event| drop(event));
    /// assert!(options.progress.is_some());
    /// ```
    #[must_use]
    pub fn progress(mut self, progress: impl Fn(RefreshEvent<'_>) + Send + Sync + 'static) -> Self {
        self.progress = Some(Arc::new(progress));
        self
    }

    /// Fetches in any case and takes what arrives, unless it cannot be read: the guard looks away.
    /// For feeds named one by one, after a look at what was refused.
    ///
    /// ```
    /// # use artif_core::RefreshOptions;
    /// let options = RefreshOptions::default().feed("my-list".parse().unwrap()).force();
    /// assert!(options.force);
    /// ```
    #[must_use]
    pub fn force(mut self) -> Self {
        self.force = true;
        self
    }

    /// Fetches and compares, and leaves ledger, snapshot and feed states as they are. Reports have
    /// [`crate::FeedReport::changes`] in place of a commit, also for what would be refused.
    ///
    /// ```
    /// # use artif_core::RefreshOptions;
    /// assert!(RefreshOptions::default().dry_run().dry_run);
    /// ```
    #[must_use]
    pub fn dry_run(mut self) -> Self {
        self.dry_run = true;
        self
    }

    /// Stops once `cancel` is set.
    ///
    /// ```
    /// # use artif_core::RefreshOptions;
    /// let options = RefreshOptions::default().cancel(Default::default());
    /// assert!(options.cancel.is_some());
    /// ```
    #[must_use]
    pub fn cancel(mut self, cancel: Arc<AtomicBool>) -> Self {
        self.cancel = Some(cancel);
        self
    }
}

impl fmt::Debug for RefreshOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RefreshOptions")
            .field("feeds", &self.feeds)
            .field("force", &self.force)
            .field("dry_run", &self.dry_run)
            .field("progress", &self.progress.is_some())
            .finish_non_exhaustive()
    }
}

/// Hears of what happens during a refresh.
///
/// ```
/// let quiet: Box<artif_core::Progress> = Box::new(|event| drop(event));
/// ```
pub type Progress = dyn Fn(RefreshEvent<'_>) + Send + Sync;

/// What happens during a refresh. Serialised, `event` says what, and the rest is beside it.
///
/// ```
/// use artif_core::RefreshEvent;
///
/// let event = serde_json::to_string(&RefreshEvent::Started { feeds: 2 })?;
/// assert_eq!(event, r#"{"event":"started","feeds":2}"#);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum RefreshEvent<'a> {
    /// So many feeds are to be fetched.
    Started {
        /// How many.
        feeds: usize,
    },
    /// Bytes of a feed arrived.
    Received {
        /// The feed.
        feed: &'a FeedId,
        /// So many by now.
        bytes: u64,
        /// Of so many, where the server says so.
        total: Option<u64>,
    },
    /// A feed is done.
    Feed(&'a FeedReport),
    /// The snapshot is being compiled.
    Compiling,
    /// The snapshot is being written.
    Publishing,
}

impl Serialize for RefreshEvent<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        match self {
            Self::Started { feeds } => {
                map.serialize_entry("event", "started")?;
                map.serialize_entry("feeds", feeds)?;
            }
            Self::Received { feed, bytes, total } => {
                map.serialize_entry("event", "received")?;
                map.serialize_entry("feed", feed)?;
                map.serialize_entry("bytes", bytes)?;
                map.serialize_entry("total", total)?;
            }
            Self::Feed(report) => {
                map.serialize_entry("event", "feed")?;
                map.serialize_entry("feed", &report.feed)?;
                map.serialize_entry("report", report)?;
            }
            Self::Compiling => map.serialize_entry("event", "compiling")?,
            Self::Publishing => map.serialize_entry("event", "publishing")?,
        }
        map.end()
    }
}
