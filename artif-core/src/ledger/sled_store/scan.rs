//! Reads everything and believes nothing: what opening a store does before anyone gets an answer.

use std::collections::BTreeMap;

use super::handle::Handle;
use super::keys::{self, EndedKey, Key};
use super::synced::Place;
use super::values::{self, FeedState, Mark, Stamp};
use crate::error::{Error, Result};
use crate::feed::FeedId;
use crate::ledger::block::{self, Block, Net};
use crate::ledger::bytes::Damaged;
use crate::ledger::checkpoint::follow;
use crate::ledger::digest;
use crate::ledger::store::Override;
use crate::net::{Prefix, Prefix4, Prefix6};

/// What a store keeps in memory: all but the listings.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) feeds: BTreeMap<FeedId, FeedState>,
    pub(super) overrides: BTreeMap<Prefix, Override>,
    pub(super) sequence: u64,
    pub(super) digest: u128,
    pub(super) next_number: u32,
    pub(super) absorbed: u64,
}

impl State {
    pub(super) fn place(&self) -> Place {
        Place { sequence: self.sequence, digest: self.digest }
    }

    pub(super) fn stamp(&self) -> Stamp {
        Stamp {
            sequence: self.sequence,
            digest: self.digest,
            next_number: self.next_number,
            absorbed: self.absorbed,
        }
    }
}

/// Reads the whole store; fails where anything does not fit together. Returns also the keys that an
/// unfinished commit left behind.
pub(super) fn scan(handle: &Handle) -> Result<(State, Vec<Key>)> {
    let mut scan = Scan::default();
    handle.each(&mut |key, value| {
        scan.pair(key, value).map_err(|what| damaged(handle, &format!("{what}, key {key:02x?}")))
    })?;
    scan.finish().map_err(|what| damaged(handle, &what))
}

pub(super) fn damaged(handle: &Handle, detail: &str) -> Error {
    Error::LedgerCorrupt { path: handle.folder().to_owned(), detail: detail.to_owned() }
}

/// Where the store says it is.
pub(super) fn newest_mark(handle: &Handle) -> Result<Place> {
    let fail = |what: Damaged| damaged(handle, what.0);
    let mut newest = Place { sequence: 0, digest: 0 };
    for (key, value) in handle.with_prefix(keys::STAMP)? {
        let stamp = Stamp::decode(&key, &value).map_err(fail)?;
        newest = Place { sequence: stamp.sequence, digest: stamp.digest };
    }
    for (key, value) in handle.with_prefix(&[keys::MARK])? {
        let mark = Mark::decode(&key, &value).map_err(fail)?;
        if mark.sequence > newest.sequence {
            newest = Place { sequence: mark.sequence, digest: mark.digest };
        }
    }
    Ok(newest)
}

/// What there is of a feed.
#[derive(Debug, Default, Clone)]
struct Found {
    active: u64,
    active_sum: u128,
    ended: u64,
    ended_sum: u128,
    last4: Option<Prefix4>,
    last6: Option<Prefix6>,
}

#[derive(Default)]
struct Scan {
    stamp: Option<Stamp>,
    marks: BTreeMap<u32, Mark>,
    feeds: BTreeMap<u32, (FeedState, Found)>,
    /// Which feed has which run.
    runs: BTreeMap<u32, u32>,
    overrides: BTreeMap<Prefix, Override>,
    left_over: Vec<Key>,
}

impl Scan {
    fn pair(&mut self, key: &[u8], value: &[u8]) -> Result<(), Damaged> {
        const KEY: Damaged = Damaged("a key is malformed");
        if key == keys::STAMP {
            self.stamp = Some(Stamp::decode(key, value)?);
            return Ok(());
        }
        match key.first().copied() {
            Some(keys::MARK) => {
                let (number, _) = keys::number(key).ok_or(KEY)?;
                self.marks.insert(number, Mark::decode(key, value)?);
            }
            Some(keys::FILLER | keys::FILLER_2) => {}
            Some(keys::OVERRIDE) => {
                let entry = values::override_(key, value)?;
                self.overrides.insert(entry.prefix, entry);
            }
            Some(keys::HEAD) => {
                let feed = FeedState::decode(key, value)?;
                self.runs.insert(feed.run, feed.number);
                self.feeds.insert(feed.number, (feed, Found::default()));
            }
            // Heads come before blocks, so that all runs are known here.
            Some(keys::ACTIVE) => {
                let (run, rest) = keys::number(key).ok_or(KEY)?;
                let number = self.runs.get(&run);
                let Some((feed, found)) = number.and_then(|n| self.feeds.get_mut(n)) else {
                    self.left_over.push(key.to_vec());
                    return Ok(());
                };
                let payload = block::unseal(value, key)?;
                let (&family, from) = rest.split_first().ok_or(KEY)?;
                let (count, sum) = if family == Prefix4::BITS {
                    active(feed, &mut found.last4, from, payload)?
                } else {
                    active(feed, &mut found.last6, from, payload)?
                };
                found.active += count;
                found.active_sum = found.active_sum.wrapping_add(sum);
            }
            Some(keys::ENDED) => {
                let place = EndedKey::decode(key).ok_or(KEY)?;
                let Some((feed, found)) = self
                    .feeds
                    .get_mut(&place.feed)
                    .filter(|(feed, _)| place.generation <= feed.head.generation)
                else {
                    self.left_over.push(key.to_vec());
                    return Ok(());
                };
                let (count, sum) = match block::decode(block::unseal(value, key)?)? {
                    Block::Ended4(gone) => (gone.len(), feed.key.sum_ended(&gone)),
                    Block::Ended6(gone) => (gone.len(), feed.key.sum_ended(&gone)),
                    _ => return Err(Damaged("block is of another kind")),
                };
                found.ended += count as u64;
                found.ended_sum = found.ended_sum.wrapping_add(sum);
            }
            _ => return Err(KEY),
        }
        Ok(())
    }

    fn finish(mut self) -> Result<(State, Vec<Key>), String> {
        let stamp = self.stamp.ok_or("the stamp is missing")?;
        let mut state = State {
            overrides: self.overrides,
            sequence: stamp.sequence,
            digest: stamp.digest,
            next_number: stamp.next_number,
            absorbed: stamp.absorbed,
            ..State::default()
        };
        let mut digest = state
            .overrides
            .values()
            .fold(0u128, |sum, entry| sum.wrapping_add(digest::override_(entry)));
        for (number, (mut feed, found)) in self.feeds {
            let id = feed.head.feed.clone();
            let mark = self.marks.remove(&number).ok_or_else(|| format!("{id} has no mark"))?;
            if found.active != feed.head.count || found.ended != feed.ended {
                return Err(format!(
                    "{id} has {} active and {} ended listings where its head says {} and {}",
                    found.active, found.ended, feed.head.count, feed.ended
                ));
            }
            if found.active_sum != feed.active_sum || found.ended_sum != feed.ended_sum {
                return Err(format!("{id} has other listings than its head says"));
            }
            if mark.sequence > state.sequence {
                (state.sequence, state.digest) = (mark.sequence, mark.digest);
            }
            (feed.head.confirmed, feed.head.stale) = (mark.confirmed, mark.stale);
            digest = digest.wrapping_add(feed.share());
            state.feeds.insert(id, feed);
        }
        if let Some(number) = self.marks.keys().next() {
            return Err(format!("feed number {number} has a mark but no head"));
        }
        if digest != state.digest {
            return Err("the digest does not match the content".to_owned());
        }
        Ok((state, self.left_over))
    }
}

fn active<P: Net>(
    feed: &FeedState,
    last: &mut Option<P>,
    from: &[u8],
    payload: &[u8],
) -> Result<(u64, u128), Damaged> {
    let from = P::from_key(from).ok_or(Damaged("a key is malformed"))?;
    let entries = block::decode_active::<P>(payload)?;
    if entries.first().is_some_and(|entry| entry.0 < from) || last.is_some_and(|last| last >= from)
    {
        return Err(Damaged("a block does not fit its key"));
    }
    *last = follow(*last, &entries)?;
    Ok((entries.len() as u64, feed.key.sum_active(&entries)))
}
