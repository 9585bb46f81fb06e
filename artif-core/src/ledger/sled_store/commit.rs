//! A generation becomes the current one: only the blocks that change are written.

use std::ops::Range;

use super::handle::{Handle, Op, Pair, size};
use super::keys::{self, EndedKey};
use super::scan::{State, damaged};
use super::values::{self, FeedState};
use crate::clock::Seconds;
use crate::error::{Error, Result};
use crate::ledger::block::{self, Gone, Listed, Net};
use crate::ledger::digest::FeedKey;
use crate::ledger::merge::{Moment, Tally, merge};
use crate::ledger::store::{Commit, FeedHead, Generation};
use crate::net::{Prefix4, Prefix6};

/// A changed block with fewer listings joins its neighbour …
const SMALL: usize = 128;
/// … unless both together had more than this.
const JOINED: usize = 768;

pub(super) fn commit(
    handle: &Handle,
    state: &mut State,
    generation: &Generation<'_>,
    batch_bytes: u64,
) -> Result<Commit> {
    let old = state.feeds.get(generation.feed);
    let old_share = old.map_or(0, FeedState::share);
    let at = FeedHead::moment(old.map(|feed| &feed.head), generation.at);
    let numbers = state.next_number;
    let mut feed = match old {
        Some(feed) => feed.clone(),
        None => FeedState {
            number: take_number(handle, state)?,
            run: take_number(handle, state)?,
            key: FeedKey::of(generation.feed),
            head: FeedHead::committed(None, generation, true),
            ended: 0,
            active_sum: 0,
            ended_sum: 0,
        },
    };
    let is_new = state.next_number != numbers;

    let moment = Moment { at, since: generation.since };
    let four = Family::<Prefix4>::compare(handle, &feed, generation.prefixes.v4(), moment)?;
    let six = Family::<Prefix6>::compare(handle, &feed, generation.prefixes.v6(), moment)?;
    let mut tally = four.tally;
    tally.add(six.tally);
    if !is_new {
        feed.head = FeedHead::committed(Some(&feed.head), generation, tally.differs());
    }
    feed.ended += (four.gone.len() + six.gone.len()) as u64;
    feed.active_sum = feed.active_sum.wrapping_add(tally.active_sum);
    feed.ended_sum = feed.ended_sum.wrapping_add(tally.ended_sum);

    let mut ended = Vec::new();
    ended_blocks(&feed, &four.gone, at, &mut ended);
    ended_blocks(&feed, &six.gone, at, &mut ended);
    let mut blocks = Vec::new();
    four.changed_blocks(feed.run, &mut blocks);
    six.changed_blocks(feed.run, &mut blocks);

    let bytes: u64 = blocks.iter().chain(&ended).map(size).sum();
    let mut commit =
        Commit { added: tally.added, ended: tally.ended, unchanged: tally.unchanged, written: 0 };
    let old_run = if bytes > batch_bytes {
        drop(blocks);
        let old_run = (!is_new).then_some(feed.run);
        feed.run = take_number(handle, state)?;
        commit.written += reserve(handle, state)?;
        let mut blocks = Vec::new();
        four.all_blocks(handle, feed.run, &mut blocks)?;
        six.all_blocks(handle, feed.run, &mut blocks)?;
        // Nothing refers to any of it yet, so that it need not be atomic.
        blocks.append(&mut ended);
        commit.written += apply_in_parts(handle, blocks, batch_bytes)?;
        old_run
    } else {
        ended.append(&mut blocks);
        None
    };

    let sequence = state.sequence + 1;
    let digest = state.digest.wrapping_sub(old_share).wrapping_add(feed.share());
    let mut ops = ended;
    ops.push(feed.op());
    ops.push(feed.mark(sequence, digest));
    if state.next_number != numbers {
        let mut stamp = state.stamp();
        (stamp.sequence, stamp.digest) = (sequence, digest);
        ops.push(stamp.op());
    }
    commit.written += handle.apply(ops)?;
    (state.sequence, state.digest) = (sequence, digest);
    state.feeds.insert(generation.feed.clone(), feed);
    if let Some(run) = old_run {
        let stale = handle.with_prefix(&keys::whole_run(run))?;
        let removals = stale.into_iter().map(|(key, _)| (key.to_vec(), None)).collect();
        commit.written += apply_in_parts(handle, removals, batch_bytes)?;
    }
    Ok(commit)
}

/// A number for a feed or a run.
fn take_number(handle: &Handle, state: &mut State) -> Result<u32> {
    let number = state.next_number;
    state.next_number = number
        .checked_add(1)
        .ok_or_else(|| damaged(handle, "all numbers for feeds and runs are used up"))?;
    Ok(number)
}

/// Makes sure that numbers taken so far are not given out again, even if this commit fails.
fn reserve(handle: &Handle, state: &mut State) -> Result<u64> {
    state.sequence += 1;
    handle.apply(vec![state.stamp().op()])
}

pub(super) fn apply_in_parts(handle: &Handle, ops: Vec<Op>, batch_bytes: u64) -> Result<u64> {
    let (mut written, mut part, mut bytes) = (0, Vec::new(), 0);
    for op in ops {
        bytes += size(&op);
        part.push(op);
        if bytes >= batch_bytes {
            written += handle.apply(std::mem::take(&mut part))?;
            bytes = 0;
        }
    }
    Ok(written + handle.apply(part)?)
}

/// The blocks of what ended now.
fn ended_blocks<P: Net>(feed: &FeedState, gone: &[Gone<P>], at: Seconds, ops: &mut Vec<Op>) {
    let mut place = EndedKey {
        feed: feed.number,
        day: keys::day(at),
        generation: feed.head.generation,
        family: P::BITS,
        part: 0,
    };
    block::split_ended(gone, &mut |_, payload| {
        ops.push(values::sealed(place.encode(), payload));
        place.part += 1;
    });
}

/// What one family of a feed looks like after the commit.
struct Family<P> {
    old: Vec<Pair>,
    pieces: Vec<Piece<P>>,
    tally: Tally,
    gone: Vec<Gone<P>>,
}

/// Some neighbouring old blocks, and what takes their place.
struct Piece<P> {
    replaces: Range<usize>,
    /// Nothing in it sorts before this.
    from: P,
    /// `None` where the block stays as it is.
    entries: Option<Vec<Listed<P>>>,
}

impl<P: Net> Family<P> {
    fn compare(handle: &Handle, feed: &FeedState, new: &[P], moment: Moment<'_>) -> Result<Self> {
        let start = keys::run::<P>(feed.run);
        let old = handle.with_prefix(&start)?;
        let mut family =
            Self { old: Vec::new(), pieces: Vec::new(), tally: Tally::default(), gone: Vec::new() };
        let froms = old
            .iter()
            .map(|(key, _)| P::from_key(key.get(start.len()..).unwrap_or_default()))
            .collect::<Option<Vec<P>>>()
            .ok_or_else(|| damaged(handle, "a key is malformed"))?;
        if old.is_empty() {
            let merge = merge(feed.key, &[], new, moment);
            if let Some(&from) = new.first() {
                family.pieces.push(Piece { replaces: 0..0, from, entries: Some(merge.entries) });
            }
            family.tally = merge.tally;
            return Ok(family);
        }
        let mut rest = new;
        for (position, (pair, &from)) in old.iter().zip(&froms).enumerate() {
            // Each block answers for everything up to the next one's key, the first also for
            // everything before its own.
            let end = froms
                .get(position + 1)
                .map_or(rest.len(), |next| rest.partition_point(|prefix| prefix < next));
            let (slice, behind) = rest.split_at(end);
            rest = behind;
            let entries = entries::<P>(handle, pair)?;
            let merge = merge(feed.key, &entries, slice, moment);
            family.tally.add(merge.tally);
            family.gone.extend(merge.gone);
            let replaces = position..position + 1;
            let piece = if merge.tally.differs() {
                let from = merge.entries.first().map_or(from, |entry| entry.0.min(from));
                Piece { replaces, from, entries: Some(merge.entries) }
            } else {
                Piece { replaces, from, entries: None }
            };
            family.push(handle, &old, piece)?;
        }
        family.old = old;
        Ok(family)
    }

    /// Adds a piece, joined with the one before where either has become too small.
    fn push(&mut self, handle: &Handle, old: &[Pair], piece: Piece<P>) -> Result<()> {
        let small = |piece: &Piece<P>| {
            piece.entries.as_ref().is_some_and(|e| (1..SMALL).contains(&e.len()))
        };
        let Some(before) = self.pieces.last_mut().filter(|before| small(before) || small(&piece))
        else {
            self.pieces.push(piece);
            return Ok(());
        };
        let read = |piece: &Piece<P>| match (&piece.entries, old.get(piece.replaces.start)) {
            (Some(entries), _) => Ok(entries.clone()),
            (None, Some(pair)) => entries::<P>(handle, pair),
            (None, None) => Ok(Vec::new()),
        };
        let (mut left, right) = (read(before)?, read(&piece)?);
        if left.is_empty() || left.len() + right.len() > JOINED {
            self.pieces.push(piece);
        } else {
            left.extend(right);
            before.replaces.end = piece.replaces.end;
            before.entries = Some(left);
        }
        Ok(())
    }

    /// What has to be written where the run stays the same.
    fn changed_blocks(&self, run: u32, ops: &mut Vec<Op>) {
        for piece in &self.pieces {
            let Some(entries) = &piece.entries else { continue };
            let stays = (!entries.is_empty()).then(|| keys::active(run, piece.from));
            for (key, _) in self.old.get(piece.replaces.clone()).unwrap_or_default() {
                if stays.as_deref() != Some(key) {
                    ops.push((key.to_vec(), None));
                }
            }
            put_blocks(run, piece.from, entries, ops);
        }
    }

    /// All blocks under a new run.
    fn all_blocks(&self, handle: &Handle, run: u32, ops: &mut Vec<Op>) -> Result<()> {
        for piece in &self.pieces {
            if let Some(entries) = &piece.entries {
                put_blocks(run, piece.from, entries, ops);
            } else {
                for (key, value) in self.old.get(piece.replaces.clone()).unwrap_or_default() {
                    let payload =
                        block::unseal(value, key).map_err(|what| damaged(handle, what.0))?;
                    ops.push(values::active_block(run, piece.from, payload.to_vec()));
                }
            }
        }
        Ok(())
    }
}

fn put_blocks<P: Net>(run: u32, from: P, entries: &[Listed<P>], ops: &mut Vec<Op>) {
    // The first keeps the old key, so that losing its first listing moves nothing.
    let mut from = Some(from);
    block::split_active(entries, &mut |chunk, payload| {
        if let Some(start) = from.take().or_else(|| chunk.first().map(|entry| entry.0)) {
            ops.push(values::active_block(run, start, payload));
        }
    });
}

fn entries<P: Net>(handle: &Handle, (key, value): &Pair) -> Result<Vec<Listed<P>>, Error> {
    block::unseal(value, key)
        .and_then(block::decode_active)
        .map_err(|what| damaged(handle, &format!("{what}, key {key:02x?}")))
}
