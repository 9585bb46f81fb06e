//! What the engine needs of a ledger, in the domain's terms.

use std::fmt;
use std::io;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::clock::Seconds;
use crate::error::Result;
use crate::feed::FeedId;
use crate::net::{Prefix, PrefixSet};

/// What a server said about the document it sent, to ask for changes only next time, and the
/// digest of what was parsed.
///
/// ```
/// assert!(artif_core::ledger::Validators::default().etag.is_none());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Validators {
    /// The `ETag` header.
    pub etag: Option<String>,
    /// The `Last-Modified` header.
    pub last_modified: Option<String>,
    /// XXH3-128 of the document's bytes and of the format it was parsed with.
    pub content: Option<u128>,
}

/// A new generation of a feed: all that it lists at one moment.
///
/// ```
/// # use artif_core::ledger::{Generation, MemoryStore, Store, Validators};
/// # let store = MemoryStore::new();
/// let feed = "x".parse().unwrap();
/// let set = ["192.0.2.1".parse().unwrap()].into_iter().collect();
/// let commit = store.commit(Generation::new(&feed, 7, &set, &Validators::default())).unwrap();
/// assert_eq!(commit.added, 1);
/// ```
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Generation<'a> {
    /// The feed.
    pub feed: &'a FeedId,
    /// When it was seen. A time before the feed's last confirmation is moved up to it: a clock that
    /// steps back neither ends nor revives listings.
    pub at: Seconds,
    /// Everything it lists.
    pub prefixes: &'a PrefixSet,
    /// What to ask with next time.
    pub validators: &'a Validators,
    /// Since when networks are known to be listed, where the source says so, sorted by network.
    pub since: &'a [(Prefix, Seconds)],
}

impl<'a> Generation<'a> {
    /// Has networks that are new begin when their source says that they did, instead of now; never
    /// later. Of what is listed already it changes nothing. `since` is sorted by network.
    ///
    /// ```
    /// # use artif_core::ledger::{Generation, MemoryStore, Store, Validators};
    /// # let store = MemoryStore::new();
    /// let (feed, prefix) = ("x".parse().unwrap(), "192.0.2.1".parse().unwrap());
    /// let (set, validators) = ([prefix].into_iter().collect(), Validators::default());
    /// let since = [(prefix, 3)];
    /// store.commit(Generation::new(&feed, 7, &set, &validators).since(&since)).unwrap();
    /// store.active(&feed, &mut |listing| assert_eq!(listing.first_seen, 3)).unwrap();
    /// ```
    #[must_use]
    pub fn since(mut self, since: &'a [(Prefix, Seconds)]) -> Self {
        self.since = since;
        self
    }

    /// A generation of `feed` seen at `at` (seconds since 1970).
    ///
    /// ```
    /// use artif_core::ledger::{Generation, Validators};
    /// let (feed, set, validators) = ("x".parse().unwrap(), Default::default(), Validators::default());
    /// assert_eq!(Generation::new(&feed, 7, &set, &validators).at, 7);
    /// ```
    pub fn new(
        feed: &'a FeedId,
        at: Seconds,
        prefixes: &'a PrefixSet,
        validators: &'a Validators,
    ) -> Self {
        Self { feed, at, prefixes, validators, since: &[] }
    }
}

/// What a commit did.
///
/// ```
/// # use artif_core::ledger::{Generation, MemoryStore, Store, Validators};
/// # let store = MemoryStore::new();
/// let feed = "x".parse().unwrap();
/// let set = ["192.0.2.1".parse().unwrap()].into_iter().collect();
/// let commit = store.commit(Generation::new(&feed, 7, &set, &Validators::default())).unwrap();
/// assert_eq!((commit.added, commit.ended, commit.unchanged), (1, 0, 0));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct Commit {
    /// Networks listed now that were not before.
    pub added: u64,
    /// Networks no longer listed.
    pub ended: u64,
    /// Networks listed before and now.
    pub unchanged: u64,
    /// Bytes handed to the storage.
    pub written: u64,
}

/// The state of one feed in the ledger.
///
/// ```
/// # use artif_core::ledger::{Generation, MemoryStore, Store, Validators};
/// # let store = MemoryStore::new();
/// let feed = "x".parse().unwrap();
/// let set = ["192.0.2.1".parse().unwrap()].into_iter().collect();
/// let commit = store.commit(Generation::new(&feed, 7, &set, &Validators::default())).unwrap();
/// let head = store.head(&feed).unwrap().unwrap();
/// assert_eq!((head.generation, head.count, head.first_loaded), (1, 1, 7));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct FeedHead {
    /// The feed.
    pub feed: FeedId,
    /// Counts its commits, from 1.
    pub generation: u64,
    /// How many networks it lists.
    pub count: u64,
    /// When it was first loaded: listings that start then may be older.
    pub first_loaded: Seconds,
    /// When its content was last seen to differ.
    pub changed: Seconds,
    /// When its content was last confirmed, changed or not.
    pub confirmed: Seconds,
    /// What to ask with next time.
    pub validators: Validators,
    /// Why the newest attempt was refused or failed; `None` while all is well.
    pub stale: Option<String>,
}

/// One network in a feed's current generation.
///
/// ```
/// # use artif_core::ledger::{Generation, MemoryStore, Store, Validators};
/// # let store = MemoryStore::new();
/// let feed = "x".parse().unwrap();
/// let set = ["192.0.2.1".parse().unwrap()].into_iter().collect();
/// let commit = store.commit(Generation::new(&feed, 7, &set, &Validators::default())).unwrap();
/// store.active(&feed, &mut |listing| assert_eq!(listing.first_seen, 7)).unwrap();
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ActiveListing {
    /// The network.
    pub prefix: Prefix,
    /// Since when, seconds since 1970.
    pub first_seen: Seconds,
}

/// One network that a feed listed once: from `first_seen` until before `ended`.
///
/// ```
/// # use artif_core::ledger::{Generation, MemoryStore, Store, Validators};
/// # let store = MemoryStore::new();
/// let feed = "x".parse().unwrap();
/// let set = ["192.0.2.1".parse().unwrap()].into_iter().collect();
/// let commit = store.commit(Generation::new(&feed, 7, &set, &Validators::default())).unwrap();
/// store.commit(Generation::new(&feed, 9, &Default::default(), &Validators::default())).unwrap();
/// store.ended(&feed, &mut |listing| assert_eq!((listing.first_seen, listing.ended), (7, 9))).unwrap();
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct EndedListing {
    /// The network.
    pub prefix: Prefix,
    /// Since when, seconds since 1970.
    pub first_seen: Seconds,
    /// When it was first seen to be gone.
    pub ended: Seconds,
}

/// What an override does.
///
/// ```
/// # use artif_core::ledger::OverrideAction;
/// assert_eq!(serde_json::to_string(&OverrideAction::Allow).unwrap(), "\"allow\"");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OverrideAction {
    /// Let the address in, whatever feeds say.
    Allow,
    /// Keep the address out, whatever feeds say.
    Block,
}

/// An operator's decision about a network. It beats everything else until it expires; of several
/// around an address the most specific counts.
///
/// ```
/// # use artif_core::ledger::{Override, OverrideAction};
/// let now = chrono::Utc::now();
/// let entry = Override::new("192.0.2.0/24".parse().unwrap(), OverrideAction::Block, now)
///     .reason("abuse").author("ana").expires(now + chrono::Duration::days(7));
/// assert!(entry.is_live(now));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Override {
    /// The network. There is one override a network: a new one replaces it.
    pub prefix: Prefix,
    /// What to do.
    pub action: OverrideAction,
    /// Why, for whoever reads it later.
    pub reason: String,
    /// Who decided.
    pub author: String,
    /// When it was made.
    pub created: DateTime<Utc>,
    /// When it stops to count, if ever.
    pub expires: Option<DateTime<Utc>>,
}

impl Override {
    /// An override without reason, author and expiry, made at `created`.
    ///
    /// ```
    /// use artif_core::ledger::{Override, OverrideAction};
    /// let prefix = "192.0.2.0/24".parse().unwrap();
    /// let entry = Override::new(prefix, OverrideAction::Block, chrono::DateTime::UNIX_EPOCH);
    /// assert!(entry.is_live(chrono::Utc::now()));
    /// ```
    pub fn new(prefix: Prefix, action: OverrideAction, created: DateTime<Utc>) -> Self {
        Self {
            prefix,
            action,
            reason: String::new(),
            author: String::new(),
            created,
            expires: None,
        }
    }

    /// Says why.
    ///
    /// ```
    /// # use artif_core::ledger::{Override, OverrideAction};
    /// # let entry = Override::new("::/0".parse().unwrap(), OverrideAction::Block, Default::default());
    /// assert_eq!(entry.reason("abuse").reason, "abuse");
    /// ```
    #[must_use]
    pub fn reason(mut self, reason: impl Into<String>) -> Self {
        self.reason = reason.into();
        self
    }

    /// Says who.
    ///
    /// ```
    /// # use artif_core::ledger::{Override, OverrideAction};
    /// # let entry = Override::new("::/0".parse().unwrap(), OverrideAction::Block, Default::default());
    /// assert_eq!(entry.author("ana").author, "ana");
    /// ```
    #[must_use]
    pub fn author(mut self, author: impl Into<String>) -> Self {
        self.author = author.into();
        self
    }

    /// Says until when.
    ///
    /// ```
    /// # use artif_core::ledger::{Override, OverrideAction};
    /// # let entry = Override::new("::/0".parse().unwrap(), OverrideAction::Block, Default::default());
    /// assert!(!entry.expires(chrono::DateTime::UNIX_EPOCH).is_live(chrono::Utc::now()));
    /// ```
    #[must_use]
    pub fn expires(mut self, at: DateTime<Utc>) -> Self {
        self.expires = Some(at);
        self
    }

    /// Whether it counts at `now`.
    ///
    /// ```
    /// # use artif_core::ledger::{Override, OverrideAction};
    /// let entry = Override::new("::/0".parse().unwrap(), OverrideAction::Allow, Default::default());
    /// assert!(entry.is_live(chrono::Utc::now()));
    /// ```
    pub fn is_live(&self, now: DateTime<Utc>) -> bool {
        self.expires.is_none_or(|at| now < at)
    }
}

/// One change of the overrides, as their log keeps it.
///
/// ```
/// use artif_core::ledger::{Override, OverrideAction, OverrideChange};
/// let entry = Override::new("::/0".parse().unwrap(), OverrideAction::Block, Default::default());
/// assert_eq!(OverrideChange::Put(entry.clone()).prefix(), entry.prefix);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OverrideChange {
    /// An override was added, or put in place of the one for the same network.
    Put(Override),
    /// The override for exactly this network was removed.
    Remove {
        /// The network.
        prefix: Prefix,
        /// Who removed it.
        author: String,
        /// When.
        at: DateTime<Utc>,
    },
}

impl OverrideChange {
    /// The network it is about.
    ///
    /// ```
    /// # use artif_core::ledger::OverrideChange;
    /// let prefix = "192.0.2.0/24".parse().unwrap();
    /// let change = OverrideChange::Remove { prefix, author: "ana".into(), at: Default::default() };
    /// assert_eq!(change.prefix(), prefix);
    /// ```
    pub fn prefix(&self) -> Prefix {
        match self {
            Self::Put(entry) => entry.prefix,
            Self::Remove { prefix, .. } => *prefix,
        }
    }
}

/// What happened when a damaged ledger was opened.
///
/// ```
/// # use artif_core::ledger::{MemoryStore, Store};
/// assert!(MemoryStore::new().status().unwrap().recovery.is_none());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Recovery {
    /// What was wrong with it.
    pub reason: String,
    /// Where the broken folder was moved to; `None` where it was gone.
    pub quarantined: Option<std::path::PathBuf>,
    /// The checkpoint it was rebuilt from; `None` where there was none and it starts empty.
    pub checkpoint: Option<std::path::PathBuf>,
    /// Overrides replayed from their log.
    pub overrides_replayed: u64,
}

/// Figures of a store.
///
/// ```
/// # use artif_core::ledger::{MemoryStore, Store};
/// assert_eq!(MemoryStore::new().status().unwrap().kind, "memory");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct StoreStatus {
    /// `"sled"` or `"memory"`.
    pub kind: &'static str,
    /// Counts commits of any kind; never goes back.
    pub sequence: u64,
    /// Active listings.
    pub active: u64,
    /// Ended listings kept.
    pub ended: u64,
    /// Overrides kept, expired ones too until the next expiry run.
    pub overrides: u64,
    /// Bytes on disk.
    pub disk_bytes: u64,
    /// Set where this opening had to rebuild the store.
    pub recovery: Option<Recovery>,
}

/// The ledger.
///
/// Every method that changes something is atomic: after a crash either all of it is there or
/// nothing. What a method has written is durable once [`Store::sync`] has returned. Changes wait
/// for each other and for exports; a method that finds nothing to change leaves
/// [`Store::sequence`] as it is.
///
/// ```
/// # use artif_core::ledger::{Generation, MemoryStore, Store, Validators};
/// let store: Box<dyn Store> = Box::new(MemoryStore::new());
/// assert!(store.heads().unwrap().is_empty());
/// ```
pub trait Store: Send + Sync + fmt::Debug {
    /// The state of every feed that was ever committed, sorted by id.
    fn heads(&self) -> Result<Vec<FeedHead>>;

    /// The state of one feed.
    fn head(&self, feed: &FeedId) -> Result<Option<FeedHead>>;

    /// Makes `generation` the feed's current one: what is new starts now, what is gone ends now.
    /// A listing that ends at the second it started was never listed for any time and leaves no
    /// ended listing. Clears staleness.
    fn commit(&self, generation: Generation<'_>) -> Result<Commit>;

    /// Says that the feed was seen unchanged at `at`, and clears its staleness. Writes one small
    /// value. An unknown feed is ignored.
    fn confirm(&self, feed: &FeedId, at: Seconds, validators: &Validators) -> Result<()>;

    /// Says why the newest attempt for a feed was refused or failed. An unknown feed is ignored.
    fn mark_stale(&self, feed: &FeedId, reason: &str) -> Result<()>;

    /// Calls `visit` for every network the feed lists now: IPv4 in order, then IPv6 in order.
    fn active(&self, feed: &FeedId, visit: &mut dyn FnMut(ActiveListing)) -> Result<()>;

    /// Calls `visit` for every ended listing kept of the feed, in any order.
    fn ended(&self, feed: &FeedId, visit: &mut dyn FnMut(EndedListing)) -> Result<()>;

    /// Forgets listings that ended before `before`, and overrides that expired before it; what
    /// ended in that very second stays. Says how many listings were forgotten.
    fn expire(&self, before: Seconds) -> Result<u64>;

    /// Forgets a feed with everything it ever listed.
    fn remove_feed(&self, feed: &FeedId) -> Result<()>;

    /// All overrides, sorted by network.
    fn overrides(&self) -> Result<Vec<Override>>;

    /// Adds an override, in place of the one for the same network.
    fn put_override(&self, entry: &Override) -> Result<()>;

    /// Removes the override for exactly this network; says whether there was one.
    fn remove_override(&self, prefix: Prefix) -> Result<bool>;

    /// The number of the newest record of the override log that is in here; 0 before the first.
    fn absorbed(&self) -> u64;

    /// Takes numbered changes over from the override log, all at once, together with the number
    /// of the last. Those up to [`Store::absorbed`] are skipped, so that a replay does no harm.
    fn absorb(&self, changes: &[(u64, OverrideChange)]) -> Result<()>;

    /// Counts changes: grows with every one, never repeats.
    fn sequence(&self) -> u64;

    /// Digest of everything in it, the same for the same content in any store, whatever the order
    /// of the changes that led there.
    fn digest(&self) -> u128;

    /// Returns when everything written so far survives a power loss.
    fn sync(&self) -> Result<()>;

    /// Writes the whole content in the checkpoint format, as of one moment.
    fn export(&self, out: &mut dyn io::Write) -> Result<()>;

    /// Housekeeping, to be called after a checkpoint was written; the content stays the same.
    fn maintain(&self) -> Result<()> {
        Ok(())
    }

    /// Figures.
    fn status(&self) -> Result<StoreStatus>;
}
