//! The ledger as its owner holds it: the store, the override log and the checkpoints of one folder.

use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::lock::{FolderLock, check_process};
use super::override_log::OverrideLog;
use super::store::{Override, OverrideChange, Store};
use super::{checkpoint, files};
use crate::error::Result;
use crate::net::Prefix;

/// How a ledger is opened.
///
/// ```
/// assert_eq!(artif_core::ledger::LedgerOptions::default().cache_bytes, 32 << 20);
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct LedgerOptions {
    /// Bytes that sled may cache. Default 32 MB; sensible are 16 to 64.
    pub cache_bytes: u64,
    /// Bytes that one atomic write may have; a generation that is larger is written beside the old
    /// one before it takes its place. Default 16 MB.
    pub batch_bytes: u64,
    /// How long opening and checking may take before the ledger counts as broken. Default 120 s.
    pub open_limit: Duration,
}

impl Default for LedgerOptions {
    fn default() -> Self {
        Self { cache_bytes: 32 << 20, batch_bytes: 16 << 20, open_limit: Duration::from_secs(120) }
    }
}

impl LedgerOptions {
    /// Sets the bytes that sled may cache.
    ///
    /// ```
    /// let options = artif_core::ledger::LedgerOptions::default().cache_bytes(16 << 20);
    /// assert_eq!(options.cache_bytes, 16 << 20);
    /// ```
    #[must_use]
    pub fn cache_bytes(mut self, bytes: u64) -> Self {
        self.cache_bytes = bytes;
        self
    }

    /// Sets the bytes that one atomic write may have.
    ///
    /// ```
    /// let options = artif_core::ledger::LedgerOptions::default().batch_bytes(1 << 20);
    /// assert_eq!(options.batch_bytes, 1 << 20);
    /// ```
    #[must_use]
    pub fn batch_bytes(mut self, bytes: u64) -> Self {
        self.batch_bytes = bytes;
        self
    }

    /// Sets how long opening may take.
    ///
    /// ```
    /// use std::time::Duration;
    /// let options = artif_core::ledger::LedgerOptions::default().open_limit(Duration::MAX);
    /// assert_eq!(options.open_limit, Duration::MAX);
    /// ```
    #[must_use]
    pub fn open_limit(mut self, limit: Duration) -> Self {
        self.open_limit = limit;
        self
    }
}

/// A data folder's ledger in the hands of the one process that owns it.
///
/// The folder holds `ledger/` (sled's files), `checkpoint-<sequence>.artif` (the newest two),
/// `overrides.log` and the lock files. Without the feature `sled` the content lives in memory and
/// starts from the newest checkpoint.
///
/// ```
/// use artif_core::ledger::{Ledger, LedgerOptions, Override, OverrideAction};
///
/// let dir = tempfile::tempdir().unwrap();
/// let ledger = Ledger::open(dir.path(), &LedgerOptions::default()).unwrap();
/// let prefix = "192.0.2.0/24".parse().unwrap();
/// let entry = Override::new(prefix, OverrideAction::Block, Default::default());
/// ledger.put_override(&entry).unwrap();
/// ledger.checkpoint().unwrap();
/// drop(ledger);
/// let ledger = Ledger::open(dir.path(), &LedgerOptions::default()).unwrap();
/// assert_eq!(ledger.store().overrides().unwrap(), [entry]);
/// ```
#[derive(Debug)]
pub struct Ledger {
    dir: PathBuf,
    store: Box<dyn Store>,
    log: OverrideLog,
    /// What was damaged beside the store, and is whole again.
    mended: Vec<String>,
    process: u32,
    /// Where the store does not hold the folder's lock itself.
    _lock: Option<FolderLock>,
}

impl Ledger {
    /// Opens the ledger in the data folder `dir` and creates what is missing. A damaged ledger is
    /// moved aside and rebuilt; [`super::StoreStatus::recovery`] then tells what happened.
    ///
    /// Fails with [`crate::Error::Locked`] where another process owns the folder. Must not be
    /// called before a fork whose child goes on using it.
    ///
    /// ```
    /// use artif_core::ledger::{Ledger, LedgerOptions};
    /// let dir = tempfile::tempdir().unwrap();
    /// let first = Ledger::open(dir.path(), &LedgerOptions::default()).unwrap();
    /// assert!(Ledger::open(dir.path(), &LedgerOptions::default()).is_err());
    /// ```
    pub fn open(dir: &Path, options: &LedgerOptions) -> Result<Self> {
        Self::open_locked(dir, FolderLock::acquire(dir)?, options)
    }

    /// Like [`Self::open`], by who has the folder's lock.
    pub(crate) fn open_locked(
        dir: &Path,
        lock: FolderLock,
        options: &LedgerOptions,
    ) -> Result<Self> {
        let (store, lock) = open_store(dir, lock, options)?;
        let log = OverrideLog::open(dir)?;
        let (mended, process) = (Vec::new(), std::process::id());
        let mut ledger = Self { dir: dir.to_owned(), store, log, mended, process, _lock: lock };
        ledger.absorb_pending()?;
        ledger.mend()?;
        // Everything was read once, in a thread of its own.
        crate::heap::give_back();
        Ok(ledger)
    }

    /// Makes whole again what the store would be rebuilt from, while there is a store: damage to it
    /// is noticed at once, and not when it is needed.
    fn mend(&mut self) -> Result<()> {
        if self.log.continue_after(self.store.absorbed())? {
            self.mended.push(format!(
                "the override log in {} had lost changes, which the ledger has",
                self.dir.display()
            ));
        }
        for (_, path) in checkpoint::list(&self.dir)? {
            let Err(error) = checkpoint::check(&path) else { continue };
            files::rename(&path, &self.dir.join("checkpoint.damaged"))?;
            self.mended.push(format!("{error}; it was moved aside and a new checkpoint written"));
        }
        if !self.mended.is_empty() {
            tracing::warn!(dir = %self.dir.display(), mended = ?self.mended, "writing a checkpoint");
            self.checkpoint()?;
        }
        Ok(())
    }

    /// Fails in a child that was forked after the ledger was opened.
    pub(crate) fn check_process(&self) -> Result<()> {
        check_process(self.process)
    }

    /// What was found damaged beside the store when it was opened, a sentence each.
    pub(crate) fn mended(&self) -> &[String] {
        &self.mended
    }

    /// The store.
    ///
    /// ```
    /// # use artif_core::ledger::{Ledger, LedgerOptions};
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let ledger = Ledger::open(dir.path(), &LedgerOptions::default()).unwrap();
    /// assert!(ledger.store().heads().unwrap().is_empty());
    /// ```
    pub fn store(&self) -> &dyn Store {
        self.store.as_ref()
    }

    /// The log through which overrides are changed.
    pub(crate) fn override_log(&self) -> &OverrideLog {
        &self.log
    }

    /// Adds an override, in place of the one for the same network; durable on return.
    ///
    /// ```
    /// # use artif_core::ledger::{Ledger, LedgerOptions, Override, OverrideAction};
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let ledger = Ledger::open(dir.path(), &LedgerOptions::default()).unwrap();
    /// let prefix = "192.0.2.0/24".parse().unwrap();
    /// ledger.put_override(&Override::new(prefix, OverrideAction::Block, Default::default())).unwrap();
    /// ```
    pub fn put_override(&self, entry: &Override) -> Result<()> {
        self.log.append(&[OverrideChange::Put(entry.clone())])?;
        self.absorb_pending().map(drop)
    }

    /// Removes the override for exactly this network, durable on return; says whether there was
    /// one.
    ///
    /// ```
    /// # use artif_core::ledger::{Ledger, LedgerOptions};
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let ledger = Ledger::open(dir.path(), &LedgerOptions::default()).unwrap();
    /// let prefix = "192.0.2.0/24".parse().unwrap();
    /// assert!(!ledger.remove_override(prefix, "ana", chrono::Utc::now()).unwrap());
    /// ```
    pub fn remove_override(&self, prefix: Prefix, author: &str, at: DateTime<Utc>) -> Result<bool> {
        self.absorb_pending()?;
        let was_there = self.store.overrides()?.iter().any(|entry| entry.prefix == prefix);
        if was_there {
            let author = author.to_owned();
            self.log.append(&[OverrideChange::Remove { prefix, author, at }])?;
            self.absorb_pending()?;
        }
        Ok(was_there)
    }

    /// Takes over what other processes appended to the override log; says how many changes.
    ///
    /// ```
    /// # use artif_core::ledger::{Ledger, LedgerOptions, OverrideChange, OverrideLog};
    /// # let dir = tempfile::tempdir().unwrap();
    /// let ledger = Ledger::open(dir.path(), &LedgerOptions::default()).unwrap();
    /// let elsewhere = OverrideLog::open(dir.path()).unwrap();
    /// let prefix = "192.0.2.0/24".parse().unwrap();
    /// let change = OverrideChange::Remove { prefix, author: "ana".into(), at: Default::default() };
    /// elsewhere.append(&[change]).unwrap();
    /// assert_eq!(ledger.absorb_pending().unwrap(), 1);
    /// ```
    pub fn absorb_pending(&self) -> Result<usize> {
        let pending = self.log.read_after(self.store.absorbed())?;
        if !pending.is_empty() {
            self.store.absorb(&pending)?;
        }
        Ok(pending.len())
    }

    /// Does `work` with all overrides and the number of the last change in them, before another
    /// process may change them.
    pub(crate) fn with_overrides<T>(
        &self,
        work: impl FnOnce(Vec<Override>, u64) -> Result<T>,
    ) -> Result<T> {
        self.log.with_pending(self.store.absorbed(), |pending| {
            if !pending.is_empty() {
                self.store.absorb(pending)?;
            }
            work(self.store.overrides()?, self.store.absorbed())
        })
    }

    /// Writes a checkpoint, durably, and does the housekeeping that goes with it. Returns the
    /// file's path.
    ///
    /// ```
    /// # use artif_core::ledger::{Ledger, LedgerOptions};
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let ledger = Ledger::open(dir.path(), &LedgerOptions::default()).unwrap();
    /// let path = ledger.checkpoint().unwrap();
    /// assert_eq!(artif_core::ledger::newest_good(dir.path()).unwrap(), Some(path));
    /// ```
    pub fn checkpoint(&self) -> Result<PathBuf> {
        self.absorb_pending()?;
        // The store first: one that is older than a checkpoint counts as damaged.
        self.store.sync()?;
        let path = checkpoint::write_checkpoint(&self.dir, self.store.as_ref())?;
        self.store.maintain()?;
        let kept = checkpoint::list(&self.dir)?;
        if kept.len() > 1 {
            let mut absorbed = u64::MAX;
            for (_, path) in kept {
                absorbed = absorbed.min(checkpoint::header_of(&path).map_or(0, |h| h.absorbed));
            }
            self.log.truncate_absorbed(absorbed)?;
        }
        Ok(path)
    }
}

type Opened = (Box<dyn Store>, Option<FolderLock>);

#[cfg(feature = "sled")]
fn open_store(dir: &Path, lock: FolderLock, options: &LedgerOptions) -> Result<Opened> {
    Ok((Box::new(super::SledStore::open_locked(dir, lock, options)?), None))
}

#[cfg(not(feature = "sled"))]
fn open_store(dir: &Path, lock: FolderLock, _: &LedgerOptions) -> Result<Opened> {
    use super::MemoryStore;

    let highest = checkpoint::list(dir)?.first().map(|(number, _)| *number);
    let store = match checkpoint::newest_whole(dir, 0)? {
        Some((path, _)) => {
            let file =
                std::fs::File::open(&path).map_err(|e| crate::Error::io("open", &path, e))?;
            MemoryStore::import_from(&mut std::io::BufReader::new(file), &path)?
        }
        None => MemoryStore::new(),
    };
    if let Some(highest) = highest {
        // What came after the newest checkpoint is forgotten; its sequence numbers are not.
        store.continue_from(highest.saturating_add(checkpoint::SEQUENCE_JUMP));
    }
    Ok((Box::new(store), Some(lock)))
}
