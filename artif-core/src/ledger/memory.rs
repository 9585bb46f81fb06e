//! A ledger in memory: for tests, and for builds without sled.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::block::{self, Block, Gone, Listed, Net};
use super::checkpoint::{self, Header, Sink, Writer};
use super::digest::{self, FeedKey};
use super::merge::{self, Moment, Tally};
use super::record;
use super::store::{
    ActiveListing, Commit, EndedListing, FeedHead, Generation, Override, OverrideChange, Store,
    StoreStatus, Validators,
};
use crate::clock::{Seconds, seconds};
use crate::error::{Error, Result};
use crate::feed::FeedId;
use crate::net::{Prefix, Prefix4, Prefix6};

/// A [`Store`] that lives as long as the process; [`Store::sync`] does nothing.
///
/// ```
/// use artif_core::ledger::{Generation, MemoryStore, Store, Validators};
///
/// let store = MemoryStore::new();
/// let (feed, validators) = ("list".parse().unwrap(), Validators::default());
/// let listed = ["192.0.2.1".parse().unwrap()].into_iter().collect();
/// let commit = store.commit(Generation::new(&feed, 7, &listed, &validators)).unwrap();
/// assert_eq!(commit.added, 1);
/// ```
#[derive(Debug, Default)]
pub struct MemoryStore(RwLock<State>);

#[derive(Debug, Default)]
struct State {
    feeds: BTreeMap<FeedId, Feed>,
    overrides: BTreeMap<Prefix, Override>,
    sequence: u64,
    digest: u128,
    absorbed: u64,
}

#[derive(Debug)]
struct Feed {
    key: FeedKey,
    head: FeedHead,
    v4: Vec<Listed<Prefix4>>,
    v6: Vec<Listed<Prefix6>>,
    ended4: Vec<Gone<Prefix4>>,
    ended6: Vec<Gone<Prefix6>>,
}

impl MemoryStore {
    /// An empty one.
    ///
    /// ```
    /// use artif_core::ledger::{MemoryStore, Store};
    /// assert_eq!(MemoryStore::new().sequence(), 0);
    /// ```
    pub fn new() -> Self {
        Self::default()
    }

    /// One with the content of a checkpoint, as [`Store::export`] writes it. Fails where the
    /// checkpoint is damaged.
    ///
    /// ```
    /// use artif_core::ledger::{MemoryStore, Store};
    /// let mut bytes = Vec::new();
    /// MemoryStore::new().export(&mut bytes).unwrap();
    /// assert_eq!(MemoryStore::import(&mut bytes.as_slice()).unwrap().digest(), 0);
    /// assert!(MemoryStore::import(&mut &bytes[1..]).is_err());
    /// ```
    pub fn import(input: &mut dyn io::Read) -> Result<Self> {
        Self::import_from(input, Path::new("checkpoint"))
    }

    pub(crate) fn import_from(input: &mut dyn io::Read, path: &Path) -> Result<Self> {
        let mut state = Import::default();
        let header = checkpoint::read(input, path, &mut state)?;
        state.flush();
        let mut state = state.state;
        (state.sequence, state.digest) = (header.sequence, header.digest);
        state.absorbed = header.absorbed;
        Ok(Self(RwLock::new(state)))
    }

    /// Continues counting from `sequence`.
    #[cfg_attr(feature = "sled", expect(dead_code, reason = "for ledgers without sled"))]
    pub(crate) fn continue_from(&self, sequence: u64) {
        let mut state = self.write();
        state.sequence = state.sequence.max(sequence);
    }

    // A panic in a visitor poisons the lock but leaves the content whole.
    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Changes a feed's head.
    fn with_head(&mut self, feed: &FeedId, change: impl FnOnce(&mut FeedHead)) {
        let Some(feed) = self.feeds.get_mut(feed) else { return };
        let before = feed.head.clone();
        change(&mut feed.head);
        if feed.head != before {
            self.digest = self.digest.wrapping_sub(digest::head(&before));
            self.digest = self.digest.wrapping_add(digest::head(&feed.head));
            self.sequence += 1;
        }
    }

    /// Puts or removes an override; says whether there was one, and whether anything changed.
    fn set_override(&mut self, prefix: Prefix, entry: Option<Override>) -> (bool, bool) {
        let old = self.overrides.remove(&prefix);
        let (was_there, changed) = (old.is_some(), old != entry);
        if let Some(old) = old {
            self.digest = self.digest.wrapping_sub(digest::override_(&old));
        }
        if let Some(entry) = entry {
            self.digest = self.digest.wrapping_add(digest::override_(&entry));
            self.overrides.insert(prefix, entry);
        }
        (was_there, changed)
    }
}

impl Store for MemoryStore {
    fn heads(&self) -> Result<Vec<FeedHead>> {
        Ok(self.read().feeds.values().map(|feed| feed.head.clone()).collect())
    }

    fn head(&self, feed: &FeedId) -> Result<Option<FeedHead>> {
        Ok(self.read().feeds.get(feed).map(|feed| feed.head.clone()))
    }

    fn commit(&self, generation: Generation<'_>) -> Result<Commit> {
        let mut state = self.write();
        let old = state.feeds.remove(generation.feed);
        let first = old.is_none();
        let at = FeedHead::moment(old.as_ref().map(|feed| &feed.head), generation.at);
        let before = old.as_ref().map_or(0, |feed| digest::head(&feed.head));
        let mut feed =
            old.unwrap_or_else(|| Feed::new(FeedHead::committed(None, &generation, true)));
        let mut tally = Tally::default();
        let moment = Moment { at, since: generation.since };
        let Feed { key, v4, v6, ended4, ended6, .. } = &mut feed;
        tally.add(advance(*key, v4, ended4, generation.prefixes.v4(), moment));
        tally.add(advance(*key, v6, ended6, generation.prefixes.v6(), moment));
        if !first {
            feed.head = FeedHead::committed(Some(&feed.head), &generation, tally.differs());
        }
        state.digest = state
            .digest
            .wrapping_sub(before)
            .wrapping_add(digest::head(&feed.head))
            .wrapping_add(tally.active_sum)
            .wrapping_add(tally.ended_sum);
        state.sequence += 1;
        state.feeds.insert(generation.feed.clone(), feed);
        Ok(Commit {
            added: tally.added,
            ended: tally.ended,
            unchanged: tally.unchanged,
            written: 0,
        })
    }

    fn confirm(&self, feed: &FeedId, at: Seconds, validators: &Validators) -> Result<()> {
        self.write().with_head(feed, |head| {
            head.confirmed = FeedHead::moment(Some(head), at);
            head.validators = record::storable_validators(validators);
            head.stale = None;
        });
        Ok(())
    }

    fn mark_stale(&self, feed: &FeedId, reason: &str) -> Result<()> {
        self.write().with_head(feed, |head| head.stale = Some(record::storable_reason(reason)));
        Ok(())
    }

    fn active(&self, feed: &FeedId, visit: &mut dyn FnMut(ActiveListing)) -> Result<()> {
        let state = self.read();
        let Some(feed) = state.feeds.get(feed) else { return Ok(()) };
        for &(prefix, first_seen) in &feed.v4 {
            visit(ActiveListing { prefix: prefix.prefix(), first_seen });
        }
        for &(prefix, first_seen) in &feed.v6 {
            visit(ActiveListing { prefix: prefix.prefix(), first_seen });
        }
        Ok(())
    }

    fn ended(&self, feed: &FeedId, visit: &mut dyn FnMut(EndedListing)) -> Result<()> {
        let state = self.read();
        let Some(feed) = state.feeds.get(feed) else { return Ok(()) };
        for &(prefix, first_seen, ended) in &feed.ended4 {
            visit(EndedListing { prefix: prefix.prefix(), first_seen, ended });
        }
        for &(prefix, first_seen, ended) in &feed.ended6 {
            visit(EndedListing { prefix: prefix.prefix(), first_seen, ended });
        }
        Ok(())
    }

    fn expire(&self, before: Seconds) -> Result<u64> {
        let mut state = self.write();
        let state = &mut *state;
        let mut forgotten = 0;
        for feed in state.feeds.values_mut() {
            for sum in [
                forget(feed.key, &mut feed.ended4, before, &mut forgotten),
                forget(feed.key, &mut feed.ended6, before, &mut forgotten),
            ] {
                state.digest = state.digest.wrapping_sub(sum);
            }
        }
        let expired: Vec<Prefix> = state
            .overrides
            .values()
            .filter(|entry| entry.expires.is_some_and(|at| seconds(at) < before))
            .map(|entry| entry.prefix)
            .collect();
        state.sequence += u64::from(forgotten > 0 || !expired.is_empty());
        for prefix in expired {
            state.set_override(prefix, None);
        }
        Ok(forgotten)
    }

    fn remove_feed(&self, feed: &FeedId) -> Result<()> {
        let mut state = self.write();
        if let Some(feed) = state.feeds.remove(feed) {
            for sum in [
                digest::head(&feed.head),
                feed.key.sum_active(&feed.v4),
                feed.key.sum_active(&feed.v6),
                feed.key.sum_ended(&feed.ended4),
                feed.key.sum_ended(&feed.ended6),
            ] {
                state.digest = state.digest.wrapping_sub(sum);
            }
            state.sequence += 1;
        }
        Ok(())
    }

    fn overrides(&self) -> Result<Vec<Override>> {
        Ok(self.read().overrides.values().cloned().collect())
    }

    fn put_override(&self, entry: &Override) -> Result<()> {
        record::check_override(entry)?;
        let mut state = self.write();
        let (_, changed) = state.set_override(entry.prefix, Some(entry.clone()));
        state.sequence += u64::from(changed);
        Ok(())
    }

    fn remove_override(&self, prefix: Prefix) -> Result<bool> {
        let mut state = self.write();
        let (was_there, changed) = state.set_override(prefix, None);
        state.sequence += u64::from(changed);
        Ok(was_there)
    }

    fn absorbed(&self) -> u64 {
        self.read().absorbed
    }

    fn absorb(&self, changes: &[(u64, OverrideChange)]) -> Result<()> {
        for (_, change) in changes {
            if let OverrideChange::Put(entry) = change {
                record::check_override(entry)?;
            }
        }
        let mut state = self.write();
        let before = state.absorbed;
        for (number, change) in changes {
            if *number <= state.absorbed {
                continue;
            }
            state.absorbed = *number;
            let entry = match change {
                OverrideChange::Put(entry) => Some(entry.clone()),
                OverrideChange::Remove { .. } => None,
            };
            state.set_override(change.prefix(), entry);
        }
        state.sequence += u64::from(state.absorbed != before);
        Ok(())
    }

    fn sequence(&self) -> u64 {
        self.read().sequence
    }

    fn digest(&self) -> u128 {
        self.read().digest
    }

    fn sync(&self) -> Result<()> {
        Ok(())
    }

    fn export(&self, out: &mut dyn io::Write) -> Result<()> {
        export(&self.read(), out).map_err(|e| Error::io("write", "checkpoint", e))
    }

    fn status(&self) -> Result<StoreStatus> {
        let state = self.read();
        Ok(StoreStatus {
            kind: "memory",
            sequence: state.sequence,
            active: state.feeds.values().map(|feed| feed.head.count).sum(),
            ended: state
                .feeds
                .values()
                .map(|feed| (feed.ended4.len() + feed.ended6.len()) as u64)
                .sum(),
            overrides: state.overrides.len() as u64,
            disk_bytes: 0,
            recovery: None,
        })
    }
}

impl Feed {
    fn new(head: FeedHead) -> Self {
        let key = FeedKey::of(&head.feed);
        let (ended4, ended6) = (Vec::new(), Vec::new());
        Self { key, head, v4: Vec::new(), v6: Vec::new(), ended4, ended6 }
    }
}

fn advance<P: Net>(
    key: FeedKey,
    listed: &mut Vec<Listed<P>>,
    ended: &mut Vec<Gone<P>>,
    new: &[P],
    moment: Moment<'_>,
) -> Tally {
    let merge = merge::merge(key, listed, new, moment);
    if merge.tally.differs() {
        *listed = merge.entries;
        ended.extend(merge.gone);
    }
    merge.tally
}

/// Drops what ended before `before` and returns its share of the digest.
fn forget<P: Net>(
    key: FeedKey,
    ended: &mut Vec<Gone<P>>,
    before: Seconds,
    forgotten: &mut u64,
) -> u128 {
    let mut sum = 0u128;
    ended.retain(|&gone| {
        let keep = gone.2 >= before;
        if !keep {
            sum = sum.wrapping_add(key.ended(gone));
            *forgotten += 1;
        }
        keep
    });
    sum
}

fn export(state: &State, out: &mut dyn io::Write) -> io::Result<()> {
    let State { sequence, digest, absorbed, .. } = *state;
    let mut writer = Writer::new(out, Header { sequence, digest, absorbed })?;
    for entry in state.overrides.values() {
        writer.override_(entry)?;
    }
    for feed in state.feeds.values() {
        writer.feed(&feed.head)?;
        let mut result = Ok(());
        let mut put = |payload: Vec<u8>| {
            if result.is_ok() {
                result = writer.block(&payload);
            }
        };
        block::split_active(&feed.v4, &mut |_, payload| put(payload));
        block::split_active(&feed.v6, &mut |_, payload| put(payload));
        block::split_ended(&sorted(&feed.ended4), &mut |_, payload| put(payload));
        block::split_ended(&sorted(&feed.ended6), &mut |_, payload| put(payload));
        result?;
    }
    writer.finish()
}

fn sorted<P: Net>(ended: &[Gone<P>]) -> Vec<Gone<P>> {
    let mut ended = ended.to_vec();
    ended.sort_unstable();
    ended
}

/// A checkpoint on its way into memory.
#[derive(Default)]
struct Import {
    state: State,
    current: Option<Feed>,
}

impl Import {
    fn flush(&mut self) {
        if let Some(feed) = self.current.take() {
            self.state.feeds.insert(feed.head.feed.clone(), feed);
        }
    }
}

impl Sink for Import {
    fn override_(&mut self, entry: Override) -> Result<()> {
        self.state.overrides.insert(entry.prefix, entry);
        Ok(())
    }

    fn feed(&mut self, head: FeedHead) -> Result<()> {
        self.flush();
        self.current = Some(Feed::new(head));
        Ok(())
    }

    fn block(&mut self, _: &[u8], block: Block) -> Result<()> {
        if let Some(feed) = &mut self.current {
            match block {
                Block::Active4(entries) => feed.v4.extend(entries),
                Block::Active6(entries) => feed.v6.extend(entries),
                Block::Ended4(entries) => feed.ended4.extend(entries),
                Block::Ended6(entries) => feed.ended6.extend(entries),
            }
        }
        Ok(())
    }
}
