//! Forgets what is old, and packs what many small commits left behind.

use std::collections::BTreeMap;

use super::commit::apply_in_parts;
use super::handle::{Handle, Op, Pair};
use super::keys::{self, EndedKey};
use super::scan::{State, damaged};
use super::values::{self, FeedState};
use crate::clock::{Seconds, seconds};
use crate::error::Result;
use crate::ledger::block::{self, Block, Gone, Net};
use crate::ledger::digest::{self, FeedKey};
use crate::ledger::store::Override;
use crate::net::{Prefix4, Prefix6};

/// A day's ended listings are packed once they lie in at least so many blocks …
const SCATTERED: usize = 4;
/// … that are emptier than this on average.
const LOOSE: usize = 256;

pub(super) fn expire(handle: &Handle, state: &mut State, before: Seconds) -> Result<u64> {
    let (mut ops, mut feeds): (Vec<Op>, Vec<FeedState>) = (Vec::new(), Vec::new());
    let (mut digest, mut forgotten) = (state.digest, 0);
    for feed in state.feeds.values().filter(|feed| feed.ended > 0) {
        let mut after = feed.clone();
        for pair in ended_until(handle, feed.number, before)? {
            forget(handle, &mut after, &pair, before, &mut ops)?;
        }
        if after.ended != feed.ended {
            forgotten += feed.ended - after.ended;
            digest = digest.wrapping_sub(feed.share()).wrapping_add(after.share());
            ops.push(after.op());
            feeds.push(after);
        }
    }
    let expired: Vec<Override> = state
        .overrides
        .values()
        .filter(|entry| entry.expires.is_some_and(|at| seconds(at) < before))
        .cloned()
        .collect();
    for entry in &expired {
        digest = digest.wrapping_sub(digest::override_(entry));
        ops.push((values::override_key(entry.prefix), None));
    }
    if ops.is_empty() {
        return Ok(0);
    }
    let mut stamp = state.stamp();
    stamp.sequence += 1;
    stamp.digest = digest;
    ops.push(stamp.op());
    handle.apply(ops)?;
    (state.sequence, state.digest) = (stamp.sequence, stamp.digest);
    for entry in expired {
        state.overrides.remove(&entry.prefix);
    }
    for feed in feeds {
        state.feeds.insert(feed.head.feed.clone(), feed);
    }
    Ok(forgotten)
}

/// The blocks that may hold listings that ended before `before`.
fn ended_until(handle: &Handle, feed: u32, before: Seconds) -> Result<Vec<Pair>> {
    let start = keys::all_ended(feed);
    let mut end = start.clone();
    end.extend_from_slice(&(keys::day(before) + 1).to_be_bytes());
    handle.between(&start, &end)
}

fn forget(
    handle: &Handle,
    feed: &mut FeedState,
    (key, value): &Pair,
    before: Seconds,
    ops: &mut Vec<Op>,
) -> Result<()> {
    let read = block::unseal(value, key).and_then(block::decode);
    match read.map_err(|what| damaged(handle, what.0))? {
        Block::Ended4(gone) => forget_from(feed, key, &gone, before, ops),
        Block::Ended6(gone) => forget_from(feed, key, &gone, before, ops),
        _ => return Err(damaged(handle, "block is of another kind")),
    }
    Ok(())
}

fn forget_from<P: Net>(
    feed: &mut FeedState,
    key: &[u8],
    gone: &[Gone<P>],
    before: Seconds,
    ops: &mut Vec<Op>,
) {
    let (old, kept): (Vec<_>, Vec<_>) = gone.iter().partition(|entry| entry.2 < before);
    if old.is_empty() {
        return;
    }
    feed.ended = feed.ended.saturating_sub(old.len() as u64);
    feed.ended_sum = feed.ended_sum.wrapping_sub(feed.key.sum_ended(&old));
    ops.push(if kept.is_empty() {
        (key.to_vec(), None)
    } else {
        values::sealed(key.to_vec(), block::ended_block(&kept))
    });
}

/// Takes a feed out with all its listings.
pub(super) fn remove_feed(handle: &Handle, state: &mut State, feed: &FeedState) -> Result<()> {
    let mut ops: Vec<Op> = Vec::new();
    for start in [keys::whole_run(feed.run), keys::all_ended(feed.number)] {
        ops.extend(handle.with_prefix(&start)?.into_iter().map(|(key, _)| (key.to_vec(), None)));
    }
    ops.push((keys::head(feed.number), None));
    ops.push((keys::mark(feed.number), None));
    let mut stamp = state.stamp();
    stamp.sequence += 1;
    stamp.digest = stamp.digest.wrapping_sub(feed.share());
    ops.push(stamp.op());
    handle.apply(ops)?;
    (state.sequence, state.digest) = (stamp.sequence, stamp.digest);
    state.feeds.remove(&feed.head.feed);
    Ok(())
}

/// Packs the ended listings of days on which many commits left a little each. The content stays the
/// same.
pub(super) fn pack(handle: &Handle, state: &State, batch_bytes: u64) -> Result<()> {
    for feed in state.feeds.values().filter(|feed| feed.ended > 0) {
        let mut days: BTreeMap<(u16, u8), Vec<Pair>> = BTreeMap::new();
        for pair in handle.with_prefix(&keys::all_ended(feed.number))? {
            let place =
                EndedKey::decode(&pair.0).ok_or_else(|| damaged(handle, "a key is malformed"))?;
            days.entry((place.day, place.family)).or_default().push(pair);
        }
        for ((_, family), pairs) in days {
            if pairs.len() < SCATTERED {
                continue;
            }
            let ops = if family == Prefix4::BITS {
                packed::<Prefix4>(handle, &pairs)?
            } else {
                packed::<Prefix6>(handle, &pairs)?
            };
            // One batch, or a crash would leave the listings twice or not at all.
            if ops.iter().map(super::handle::size).sum::<u64>() <= batch_bytes {
                handle.apply(ops)?;
            }
        }
    }
    Ok(())
}

fn packed<P: Net>(handle: &Handle, pairs: &[Pair]) -> Result<Vec<Op>> {
    let mut all: Vec<Gone<P>> = Vec::new();
    let mut place = None;
    for (key, value) in pairs {
        let gone = block::unseal(value, key).and_then(block::decode_ended);
        all.extend(gone.map_err(|what| damaged(handle, what.0))?);
        place = place.max(EndedKey::decode(key));
    }
    let Some(mut place) = place.filter(|_| all.len() < pairs.len() * LOOSE) else {
        return Ok(Vec::new());
    };
    all.sort_unstable();
    let mut ops: BTreeMap<_, _> = pairs.iter().map(|(key, _)| (key.to_vec(), None)).collect();
    place.part = 0;
    block::split_ended(&all, &mut |_, payload| {
        let (key, value) = values::sealed(place.encode(), payload);
        ops.insert(key, value);
        place.part += 1;
    });
    Ok(ops.into_iter().collect())
}

/// Days of ended listings on their way into blocks, when a store is rebuilt.
#[derive(Default)]
pub(super) struct EndedDays {
    four: BTreeMap<u16, Vec<Gone<Prefix4>>>,
    six: BTreeMap<u16, Vec<Gone<Prefix6>>>,
}

impl EndedDays {
    pub(super) fn add4(&mut self, gone: Vec<Gone<Prefix4>>) {
        for entry in gone {
            self.four.entry(keys::day(entry.2)).or_default().push(entry);
        }
    }

    pub(super) fn add6(&mut self, gone: Vec<Gone<Prefix6>>) {
        for entry in gone {
            self.six.entry(keys::day(entry.2)).or_default().push(entry);
        }
    }

    /// Their blocks; adds their count and share of the digest to the feed.
    pub(super) fn into_blocks(self, feed: &mut FeedState, ops: &mut Vec<Op>) {
        put_days(self.four, feed, ops);
        put_days(self.six, feed, ops);
    }
}

fn put_days<P: Net>(days: BTreeMap<u16, Vec<Gone<P>>>, feed: &mut FeedState, ops: &mut Vec<Op>) {
    for (day, mut gone) in days {
        gone.sort_unstable();
        feed.ended += gone.len() as u64;
        let key: FeedKey = feed.key;
        feed.ended_sum = feed.ended_sum.wrapping_add(key.sum_ended(&gone));
        let (number, generation) = (feed.number, feed.head.generation);
        let mut place = EndedKey { feed: number, day, generation, family: P::BITS, part: 0 };
        block::split_ended(&gone, &mut |_, payload| {
            ops.push(values::sealed(place.encode(), payload));
            place.part += 1;
        });
    }
}

/// Removes what an unfinished commit left behind.
pub(super) fn sweep(handle: &Handle, left_over: Vec<keys::Key>, batch_bytes: u64) -> Result<()> {
    let removals = left_over.into_iter().map(|key| (key, None)).collect();
    apply_in_parts(handle, removals, batch_bytes).map(drop)
}
