//! The durable store, on sled 0.34.

mod commit;
mod handle;
mod keys;
mod rebuild;
mod retain;
mod scan;
mod synced;
#[cfg(test)]
mod tests;
mod values;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use self::handle::{Handle, Op, Pair};
use self::scan::{State, damaged};
use self::values::FeedState;
use super::block::{self, Block};
use super::checkpoint::{self, Header, Writer};
use super::lock::{FolderLock, check_process};
use super::owner::LedgerOptions;
use super::store::{
    ActiveListing, Commit, EndedListing, FeedHead, Generation, Override, OverrideChange, Recovery,
    Store, StoreStatus, Validators,
};
use super::{digest, files, record};
use crate::clock::Seconds;
use crate::error::{Error, Result};
use crate::feed::FeedId;
use crate::net::Prefix;

/// Below this the disk is not worth a rebuild.
const RENEW_FROM: u64 = 8 << 20;
/// How much larger than its content the folder may grow.
const RENEW_RATIO: u64 = 6;
/// Content never takes more than so many times a listing's few bytes …
const LISTING_BYTES: u64 = 24;

/// A [`Store`] on disk, in `ledger/` below the data folder.
///
/// Opening reads and checks everything. A store that does not open, panics, hangs, fails a
/// checksum, or is older than a checkpoint is moved aside and rebuilt from the newest good
/// checkpoint and the override log; the same happens at the next call after an error at run time.
/// A process must open it after a fork, never before: a child is refused whose parent had one open. With `panic = "abort"` sled's panics end the
/// process; the next opening mends what they left.
///
/// ```
/// use artif_core::ledger::{LedgerOptions, SledStore, Store};
///
/// let dir = tempfile::tempdir().unwrap();
/// let store = SledStore::open(dir.path(), &LedgerOptions::default()).unwrap();
/// assert!(store.status().unwrap().recovery.is_none());
/// ```
pub struct SledStore {
    dir: PathBuf,
    options: LedgerOptions,
    inner: RwLock<Inner>,
    /// Set by an error: sled's are sticky, and what is in memory may not be what is on disk.
    broken: AtomicBool,
    lock: FolderLock,
}

/// In a child forked meanwhile, closing sled would wait for threads that are not there.
impl Drop for SledStore {
    fn drop(&mut self) {
        if self.lock.check_process().is_err() {
            let inner = self.inner.get_mut().unwrap_or_else(PoisonError::into_inner);
            std::mem::forget(inner.handle.take());
        }
    }
}

struct Inner {
    /// `None` only while it could not be opened again.
    handle: Option<Handle>,
    state: State,
    recovery: Option<Recovery>,
}

impl fmt::Debug for SledStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SledStore").field("dir", &self.dir).finish_non_exhaustive()
    }
}

impl SledStore {
    /// Opens the store of the data folder `dir` and creates what is missing.
    ///
    /// Fails with [`Error::Locked`] where it is open elsewhere, and where the system refuses (no
    /// permission, no space); damage is mended and told in [`StoreStatus::recovery`].
    ///
    /// ```
    /// # use artif_core::ledger::{LedgerOptions, SledStore};
    /// let dir = tempfile::tempdir().unwrap();
    /// let store = SledStore::open(dir.path(), &LedgerOptions::default()).unwrap();
    /// let error = SledStore::open(dir.path(), &LedgerOptions::default()).unwrap_err();
    /// assert_eq!(error.code(), "ARTIF_LOCKED");
    /// ```
    pub fn open(dir: &Path, options: &LedgerOptions) -> Result<Self> {
        files::create_folder(dir)?;
        Self::open_locked(dir, FolderLock::acquire(dir)?, options)
    }

    /// Like [`Self::open`], by who has the folder's lock.
    pub(crate) fn open_locked(
        dir: &Path,
        lock: FolderLock,
        options: &LedgerOptions,
    ) -> Result<Self> {
        /// sled's threads are shared by all that it opens, and gone in a child that is forked: there
        /// it would wait for them for ever.
        static FIRST: OnceLock<u32> = OnceLock::new();
        check_process(*FIRST.get_or_init(std::process::id))?;
        let (handle, state, recovery) = rebuild::open(dir, options)?;
        Ok(Self {
            dir: dir.to_owned(),
            options: options.clone(),
            inner: RwLock::new(Inner { handle: Some(handle), state, recovery }),
            broken: AtomicBool::new(false),
            lock,
        })
    }

    fn shared(&self) -> RwLockReadGuard<'_, Inner> {
        self.inner.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_alone(&self) -> RwLockWriteGuard<'_, Inner> {
        self.inner.write().unwrap_or_else(|poisoned| {
            self.broken.store(true, Ordering::Release);
            poisoned.into_inner()
        })
    }

    /// Reads from sled; nothing is changed meanwhile.
    fn reading<T>(&self, read: impl FnOnce(&Handle, &State) -> Result<T>) -> Result<T> {
        // sled's threads are the parent's: in a child, calls that wait for them never end.
        self.lock.check_process()?;
        if self.broken.load(Ordering::Acquire) {
            self.mend(&mut self.lock_alone())?;
        }
        let inner = self.shared();
        let handle = inner.handle.as_ref().ok_or_else(|| self.closed())?;
        self.noticing(read(handle, &inner.state))
    }

    /// Changes sled and what is in memory.
    fn changing<T>(&self, change: impl FnOnce(&Handle, &mut State) -> Result<T>) -> Result<T> {
        self.lock.check_process()?;
        let mut inner = self.lock_alone();
        self.mend(&mut inner)?;
        let Inner { handle, state, .. } = &mut *inner;
        let handle = handle.as_ref().ok_or_else(|| self.closed())?;
        self.noticing(change(handle, state))
    }

    fn noticing<T>(&self, result: Result<T>) -> Result<T> {
        if matches!(
            result,
            Err(Error::Ledger { .. } | Error::LedgerCorrupt { .. } | Error::Io { .. })
        ) {
            self.broken.store(true, Ordering::Release);
        }
        result
    }

    fn closed(&self) -> Error {
        Error::Ledger {
            operation: "use",
            path: rebuild::folder(&self.dir),
            source: "it could not be opened again".into(),
        }
    }

    /// Closes and opens again after an error.
    fn mend(&self, inner: &mut Inner) -> Result<()> {
        if !self.broken.load(Ordering::Acquire) {
            return Ok(());
        }
        if let Some(handle) = inner.handle.take() {
            handle.close();
        }
        let (handle, state, recovery) = rebuild::open(&self.dir, &self.options)?;
        (inner.handle, inner.state) = (Some(handle), state);
        inner.recovery = recovery.or(inner.recovery.take());
        self.broken.store(false, Ordering::Release);
        Ok(())
    }

    /// All blocks of a feed under one of its key prefixes; they are visited after the lock is
    /// gone, so that a visitor may take its time and call back.
    fn blocks(
        &self,
        feed: &FeedId,
        start: impl FnOnce(&FeedState) -> keys::Key,
    ) -> Result<Vec<Pair>> {
        self.reading(|handle, state| match state.feeds.get(feed) {
            Some(feed) => handle.with_prefix(&start(feed)),
            None => Ok(Vec::new()),
        })
    }

    fn decoded(&self, (key, value): &Pair) -> Result<Block> {
        self.noticing(block::unseal(value, key).and_then(block::decode).map_err(|what| {
            Error::LedgerCorrupt {
                path: rebuild::folder(&self.dir),
                detail: format!("{what}, key {key:02x?}"),
            }
        }))
    }

    fn maintain_alone(&self, inner: &mut Inner) -> Result<()> {
        let Inner { handle: slot, state, .. } = inner;
        let handle = slot.as_ref().ok_or_else(|| self.closed())?;
        retain::pack(handle, state, self.options.batch_bytes)?;
        handle.sync(state.place())?;
        let source = self.renewal(handle, state)?;
        // sled writes its own checkpoint only while opening. Closed before a copy is made, as two
        // open databases would take twice the memory.
        if let Some(handle) = slot.take() {
            handle.close();
        }
        let renewed = source.is_some_and(|source| {
            rebuild::renew(&self.dir, &self.options, &source)
                .inspect_err(|error| tracing::warn!(%error, "the ledger stays as large as it is"))
                .is_ok()
        });
        if renewed {
            // Everything in it has new numbers.
            let (handle, renewed) = rebuild::open_checked(&self.dir, &self.options)?;
            (*slot, *state) = (Some(handle), renewed);
        } else {
            *slot = Some(rebuild::reopen(&self.dir, &self.options, state)?);
        }
        Ok(())
    }

    /// The checkpoint to make the store anew from, if its folder has grown too large.
    fn renewal(&self, handle: &Handle, state: &State) -> Result<Option<PathBuf>> {
        let disk = files::folder_bytes(handle.folder());
        let listings: u64 = state.feeds.values().map(|feed| feed.head.count + feed.ended).sum();
        // Counting the content takes a scan, so it has to look large first.
        if disk < RENEW_FROM || disk < listings * LISTING_BYTES {
            return Ok(None);
        }
        let mut live = 0;
        handle.each(&mut |key, value| {
            live += (key.len() + value.len()) as u64;
            Ok(())
        })?;
        if disk <= live * RENEW_RATIO {
            return Ok(None);
        }
        let newest = checkpoint::list(&self.dir)?.into_iter().next();
        Ok(newest.map(|(_, path)| path).filter(|path| {
            checkpoint::header_of(path).is_ok_and(|header| header == state.header())
        }))
    }
}

impl State {
    fn header(&self) -> Header {
        Header { sequence: self.sequence, digest: self.digest, absorbed: self.absorbed }
    }
}

impl Store for SledStore {
    fn heads(&self) -> Result<Vec<FeedHead>> {
        self.reading(|_, state| Ok(state.feeds.values().map(|feed| feed.head.clone()).collect()))
    }

    fn head(&self, feed: &FeedId) -> Result<Option<FeedHead>> {
        self.reading(|_, state| Ok(state.feeds.get(feed).map(|feed| feed.head.clone())))
    }

    fn commit(&self, generation: Generation<'_>) -> Result<Commit> {
        self.changing(|handle, state| {
            commit::commit(handle, state, &generation, self.options.batch_bytes)
        })
    }

    fn confirm(&self, feed: &FeedId, at: Seconds, validators: &Validators) -> Result<()> {
        self.changing(|handle, state| {
            set_head(handle, state, feed, |head| {
                head.confirmed = FeedHead::moment(Some(head), at);
                head.validators = record::storable_validators(validators);
                head.stale = None;
            })
        })
    }

    fn mark_stale(&self, feed: &FeedId, reason: &str) -> Result<()> {
        self.changing(|handle, state| {
            set_head(handle, state, feed, |head| {
                head.stale = Some(record::storable_reason(reason));
            })
        })
    }

    fn active(&self, feed: &FeedId, visit: &mut dyn FnMut(ActiveListing)) -> Result<()> {
        for pair in self.blocks(feed, |feed| keys::whole_run(feed.run))? {
            match self.decoded(&pair)? {
                Block::Active4(entries) => {
                    for (prefix, first_seen) in entries {
                        visit(ActiveListing { prefix: Prefix::V4(prefix), first_seen });
                    }
                }
                Block::Active6(entries) => {
                    for (prefix, first_seen) in entries {
                        visit(ActiveListing { prefix: Prefix::V6(prefix), first_seen });
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn ended(&self, feed: &FeedId, visit: &mut dyn FnMut(EndedListing)) -> Result<()> {
        for pair in self.blocks(feed, |feed| keys::all_ended(feed.number))? {
            match self.decoded(&pair)? {
                Block::Ended4(gone) => {
                    for (prefix, first_seen, ended) in gone {
                        visit(EndedListing { prefix: Prefix::V4(prefix), first_seen, ended });
                    }
                }
                Block::Ended6(gone) => {
                    for (prefix, first_seen, ended) in gone {
                        visit(EndedListing { prefix: Prefix::V6(prefix), first_seen, ended });
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn expire(&self, before: Seconds) -> Result<u64> {
        self.changing(|handle, state| retain::expire(handle, state, before))
    }

    fn remove_feed(&self, feed: &FeedId) -> Result<()> {
        self.changing(|handle, state| match state.feeds.get(feed).cloned() {
            Some(feed) => retain::remove_feed(handle, state, &feed),
            None => Ok(()),
        })
    }

    fn overrides(&self) -> Result<Vec<Override>> {
        self.reading(|_, state| Ok(state.overrides.values().cloned().collect()))
    }

    fn put_override(&self, entry: &Override) -> Result<()> {
        record::check_override(entry)?;
        self.changing(|handle, state| {
            set_overrides(handle, state, [(entry.prefix, Some(entry.clone()))].into(), None)
        })
    }

    fn remove_override(&self, prefix: Prefix) -> Result<bool> {
        self.changing(|handle, state| {
            let was_there = state.overrides.contains_key(&prefix);
            set_overrides(handle, state, [(prefix, None)].into(), None)?;
            Ok(was_there)
        })
    }

    fn absorbed(&self) -> u64 {
        self.shared().state.absorbed
    }

    fn absorb(&self, changes: &[(u64, OverrideChange)]) -> Result<()> {
        self.changing(|handle, state| absorb(handle, state, changes))
    }

    fn sequence(&self) -> u64 {
        self.shared().state.sequence
    }

    fn digest(&self) -> u128 {
        self.shared().state.digest
    }

    fn sync(&self) -> Result<()> {
        self.reading(|handle, state| handle.sync(state.place()))
    }

    fn export(&self, out: &mut dyn io::Write) -> Result<()> {
        // A reader of the export that fails is no failure of the store.
        self.reading(|handle, state| match export(handle, state, out) {
            Err(error @ Error::Io { .. }) => Ok(Err(error)),
            other => other.map(Ok),
        })?
    }

    fn maintain(&self) -> Result<()> {
        let mut inner = self.lock_alone();
        self.mend(&mut inner)?;
        self.noticing(self.maintain_alone(&mut inner))
    }

    fn status(&self) -> Result<StoreStatus> {
        let inner = self.shared();
        let feeds = inner.state.feeds.values();
        Ok(StoreStatus {
            kind: "sled",
            sequence: inner.state.sequence,
            active: feeds.clone().map(|feed| feed.head.count).sum(),
            ended: feeds.map(|feed| feed.ended).sum(),
            overrides: inner.state.overrides.len() as u64,
            disk_bytes: files::folder_bytes(&rebuild::folder(&self.dir)),
            recovery: inner.recovery.clone(),
        })
    }
}

/// Changes a feed's head; one small write where only its mark differs.
fn set_head(
    handle: &Handle,
    state: &mut State,
    feed: &FeedId,
    change: impl FnOnce(&mut FeedHead),
) -> Result<()> {
    let Some(before) = state.feeds.get(feed) else { return Ok(()) };
    let mut after = before.clone();
    change(&mut after.head);
    if after.head == before.head {
        return Ok(());
    }
    let sequence = state.sequence + 1;
    let digest = state.digest.wrapping_sub(before.share()).wrapping_add(after.share());
    let mut ops = vec![after.mark(sequence, digest)];
    if after.head.validators != before.head.validators {
        ops.push(after.op());
    }
    handle.apply(ops)?;
    (state.sequence, state.digest) = (sequence, digest);
    state.feeds.insert(feed.clone(), after);
    Ok(())
}

/// Takes over what the log has and the store has not.
fn absorb(handle: &Handle, state: &mut State, changes: &[(u64, OverrideChange)]) -> Result<()> {
    let (mut absorbed, mut last) = (state.absorbed, BTreeMap::new());
    for (number, change) in changes {
        if *number <= absorbed {
            continue;
        }
        absorbed = *number;
        let entry = match change {
            OverrideChange::Put(entry) => {
                record::check_override(entry)?;
                Some(entry.clone())
            }
            OverrideChange::Remove { .. } => None,
        };
        last.insert(change.prefix(), entry);
    }
    if absorbed == state.absorbed {
        return Ok(());
    }
    set_overrides(handle, state, last, Some(absorbed))
}

fn set_overrides(
    handle: &Handle,
    state: &mut State,
    changes: BTreeMap<Prefix, Option<Override>>,
    absorbed: Option<u64>,
) -> Result<()> {
    let mut stamp = state.stamp();
    let mut ops: Vec<Op> = Vec::new();
    for (&prefix, entry) in &changes {
        let old = state.overrides.get(&prefix);
        if old == entry.as_ref() {
            continue;
        }
        if let Some(old) = old {
            stamp.digest = stamp.digest.wrapping_sub(digest::override_(old));
        }
        ops.push(match entry {
            Some(entry) => {
                stamp.digest = stamp.digest.wrapping_add(digest::override_(entry));
                values::put_override(entry)
            }
            None => (values::override_key(prefix), None),
        });
    }
    if ops.is_empty() && absorbed.is_none() {
        return Ok(());
    }
    stamp.absorbed = absorbed.unwrap_or(stamp.absorbed);
    stamp.sequence += 1;
    ops.push(stamp.op());
    handle.apply(ops)?;
    (state.sequence, state.digest) = (stamp.sequence, stamp.digest);
    state.absorbed = stamp.absorbed;
    for (prefix, entry) in changes {
        match entry {
            Some(entry) => state.overrides.insert(prefix, entry),
            None => state.overrides.remove(&prefix),
        };
    }
    Ok(())
}

fn export(handle: &Handle, state: &State, out: &mut dyn io::Write) -> Result<()> {
    let fail = |e| Error::io("write", "checkpoint", e);
    let mut writer = Writer::new(out, state.header()).map_err(fail)?;
    for entry in state.overrides.values() {
        writer.override_(entry).map_err(fail)?;
    }
    for feed in state.feeds.values() {
        writer.feed(&feed.head).map_err(fail)?;
        for start in [keys::whole_run(feed.run), keys::all_ended(feed.number)] {
            for (key, value) in handle.with_prefix(&start)? {
                let payload = block::unseal(&value, &key)
                    .map_err(|what| damaged(handle, &format!("{what}, key {key:02x?}")))?;
                writer.block(payload).map_err(fail)?;
            }
        }
    }
    writer.finish().map_err(fail)
}
