//! Sorted listings, delta-coded.
//!
//! ```text
//! flags    u8: 1 IPv6, 2 ended listings, 4 lengths differ
//! count    varint, 1..=1024
//! lengths  one u8 for all; where they differ the longest, then (length u8, run varint) pairs
//! address  first, then differences, in units of the longest length's block size; varints
//! times    first_seen; for ended listings then ended: dictionary of distinct times (count, first,
//!          differences), then, if it holds more than one, runs or bit-packed indexes
//! ```
//! Almost everything that is listed is a single address first seen with thousands of others, so a
//! listing costs the three bytes of its address difference and little else.

use std::fmt;

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use super::bytes::{Damaged, Decoded, Input, put_varint, put_wide_varint};
use crate::clock::Seconds;
use crate::net::{Prefix, Prefix4, Prefix6};

/// Most listings in a block.
pub(crate) const MAX_ENTRIES: usize = 1024;
/// Most bytes of a block with its seal: seventeen of them stay below the size from which sled puts
/// a node into a file of its own, which it never syncs.
pub(crate) const MAX_BYTES: usize = 7 * 1024;
/// How full new blocks are made, so that the next listing does not split them all.
const FILL: usize = 832;

const SEAL: usize = 8;
const V6: u8 = 1;
const ENDED: u8 = 2;
const MIXED: u8 = 4;

/// What differs between the families.
pub(crate) trait Net: Copy + Ord + fmt::Debug + 'static {
    type Word: Copy + Default;
    const BITS: u8;
    const FLAG: u8;
    fn of(word: Self::Word, length: u8) -> Option<Self>;
    fn word(self) -> Self::Word;
    fn length(self) -> u8;
    fn prefix(self) -> Prefix;
    /// `to - from` in blocks of `2^shift` addresses.
    fn step(from: Self::Word, to: Self::Word, shift: u8) -> Self::Word;
    /// `from + step`; `None` beyond the last address.
    fn advance(from: Self::Word, step: Self::Word, shift: u8) -> Option<Self::Word>;
    fn put(word: Self::Word, out: &mut Vec<u8>);
    fn get(input: &mut Input<'_>) -> Decoded<Self::Word>;
    /// The address in sixteen bytes.
    fn bytes(word: Self::Word) -> [u8; 16];
    /// Address and length, big-endian: sorts as the networks do.
    #[cfg_attr(
        not(feature = "sled"),
        allow(dead_code, reason = "only sled keeps blocks under keys")
    )]
    fn put_key(self, out: &mut Vec<u8>);
    /// The reverse of `put_key`.
    #[cfg_attr(
        not(feature = "sled"),
        allow(dead_code, reason = "only sled keeps blocks under keys")
    )]
    fn from_key(key: &[u8]) -> Option<Self>;
}

impl Net for Prefix4 {
    type Word = u64;
    const BITS: u8 = 32;
    const FLAG: u8 = 0;

    fn of(word: u64, length: u8) -> Option<Self> {
        let address = u32::try_from(word).ok()?;
        Self::new(address, length).filter(|prefix| prefix.first() == address)
    }
    fn word(self) -> u64 {
        u64::from(self.first())
    }
    fn length(self) -> u8 {
        self.len()
    }
    fn prefix(self) -> Prefix {
        Prefix::V4(self)
    }
    fn step(from: u64, to: u64, shift: u8) -> u64 {
        (to >> shift) - (from >> shift)
    }
    fn advance(from: u64, step: u64, shift: u8) -> Option<u64> {
        let units = (from >> shift).checked_add(step)?;
        (units <= u64::from(u32::MAX) >> shift).then_some(units << shift)
    }
    fn put(word: u64, out: &mut Vec<u8>) {
        put_varint(out, word);
    }
    fn get(input: &mut Input<'_>) -> Decoded<u64> {
        input.varint()
    }
    fn bytes(word: u64) -> [u8; 16] {
        u128::from(word).to_le_bytes()
    }
    fn put_key(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.first().to_be_bytes());
        out.push(self.len());
    }
    fn from_key(key: &[u8]) -> Option<Self> {
        let (address, [length]) = key.split_first_chunk()? else { return None };
        Self::of(u64::from(u32::from_be_bytes(*address)), *length)
    }
}

impl Net for Prefix6 {
    type Word = u128;
    const BITS: u8 = 128;
    const FLAG: u8 = V6;

    fn of(word: u128, length: u8) -> Option<Self> {
        Self::new(word, length).filter(|prefix| prefix.first() == word)
    }
    fn word(self) -> u128 {
        self.first()
    }
    fn length(self) -> u8 {
        self.len()
    }
    fn prefix(self) -> Prefix {
        Prefix::V6(self)
    }
    fn step(from: u128, to: u128, shift: u8) -> u128 {
        shr(to, shift) - shr(from, shift)
    }
    fn advance(from: u128, step: u128, shift: u8) -> Option<u128> {
        let units = shr(from, shift).checked_add(step)?;
        (units <= shr(u128::MAX, shift)).then(|| units.checked_shl(shift.into()).unwrap_or(0))
    }
    fn put(word: u128, out: &mut Vec<u8>) {
        put_wide_varint(out, word);
    }
    fn get(input: &mut Input<'_>) -> Decoded<u128> {
        input.wide_varint()
    }
    fn bytes(word: u128) -> [u8; 16] {
        word.to_le_bytes()
    }
    fn put_key(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.first().to_be_bytes());
        out.push(self.len());
    }
    fn from_key(key: &[u8]) -> Option<Self> {
        let (address, [length]) = key.split_first_chunk()? else { return None };
        Self::of(u128::from_be_bytes(*address), *length)
    }
}

/// `word >> shift`, also for a shift of all 128 bits.
fn shr(word: u128, shift: u8) -> u128 {
    word.checked_shr(shift.into()).unwrap_or(0)
}

/// A network listed now, and since when.
pub(crate) type Listed<P> = (P, Seconds);
/// A network listed once: since when, and when it was gone.
pub(crate) type Gone<P> = (P, Seconds, Seconds);

/// What a block turned out to hold.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Block {
    Active4(Vec<Listed<Prefix4>>),
    Active6(Vec<Listed<Prefix6>>),
    Ended4(Vec<Gone<Prefix4>>),
    Ended6(Vec<Gone<Prefix6>>),
}

/// Reads a block of any kind.
pub(crate) fn decode(payload: &[u8]) -> Decoded<Block> {
    match payload.first().map(|flags| flags & (V6 | ENDED)) {
        Some(0) => decode_active(payload).map(Block::Active4),
        Some(V6) => decode_active(payload).map(Block::Active6),
        Some(ENDED) => decode_ended(payload).map(Block::Ended4),
        Some(_) => decode_ended(payload).map(Block::Ended6),
        None => Err(Damaged("block is empty")),
    }
}

/// Takes a block's entries and its payload.
pub(crate) type Emit<'a, E> = dyn FnMut(&[E], Vec<u8>) + 'a;

/// Cuts sorted listings into blocks and hands each to `emit` with its payload.
pub(crate) fn split_active<P: Net>(entries: &[Listed<P>], emit: &mut Emit<'_, Listed<P>>) {
    split(entries, put_active, emit);
}

/// Cuts ended listings, sorted, into blocks and hands each to `emit` with its payload.
pub(crate) fn split_ended<P: Net>(entries: &[Gone<P>], emit: &mut Emit<'_, Gone<P>>) {
    split(entries, put_ended, emit);
}

fn split<E>(entries: &[E], put: fn(&[E], &mut Vec<u8>), emit: &mut Emit<'_, E>) {
    if entries.is_empty() {
        return;
    }
    let pieces = if entries.len() > MAX_ENTRIES { entries.len().div_ceil(FILL) } else { 1 };
    for chunk in entries.chunks(entries.len().div_ceil(pieces)) {
        let mut payload = Vec::with_capacity(16 + chunk.len() * 4);
        put(chunk, &mut payload);
        if payload.len() + SEAL <= MAX_BYTES || chunk.len() == 1 {
            emit(chunk, payload);
        } else {
            let (left, right) = chunk.split_at(chunk.len() / 2);
            split(left, put, emit);
            split(right, put, emit);
        }
    }
}

fn put_active<P: Net>(entries: &[Listed<P>], out: &mut Vec<u8>) {
    put_networks(0, entries.iter().map(|entry| entry.0), out);
    put_times(entries.iter().map(|entry| entry.1), out);
}

/// The payload of one block of ended listings, of which there are at least one and not too many.
#[cfg(feature = "sled")]
pub(crate) fn ended_block<P: Net>(entries: &[Gone<P>]) -> Vec<u8> {
    let mut payload = Vec::new();
    put_ended(entries, &mut payload);
    payload
}

fn put_ended<P: Net>(entries: &[Gone<P>], out: &mut Vec<u8>) {
    put_networks(ENDED, entries.iter().map(|entry| entry.0), out);
    put_times(entries.iter().map(|entry| entry.1), out);
    put_times(entries.iter().map(|entry| entry.2), out);
}

fn put_networks<P: Net>(
    kind: u8,
    nets: impl ExactSizeIterator<Item = P> + Clone,
    out: &mut Vec<u8>,
) {
    let lengths = || nets.clone().map(Net::length);
    let longest = lengths().max().unwrap_or(P::BITS);
    let mixed = lengths().any(|length| length != longest);
    out.push(kind | P::FLAG | if mixed { MIXED } else { 0 });
    put_varint(out, nets.len() as u64);
    out.push(longest);
    if mixed {
        put_runs(
            lengths(),
            |length, run, out| {
                out.push(length);
                put_varint(out, run);
            },
            out,
        );
    }
    let shift = P::BITS - longest;
    let mut last = P::Word::default();
    for net in nets {
        P::put(P::step(last, net.word(), shift), out);
        last = net.word();
    }
}

fn put_runs<T: PartialEq>(
    values: impl Iterator<Item = T>,
    put: impl Fn(T, u64, &mut Vec<u8>),
    out: &mut Vec<u8>,
) {
    let mut open: Option<(T, u64)> = None;
    for value in values {
        match &mut open {
            Some((same, run)) if *same == value => *run += 1,
            _ => {
                if let Some((done, run)) = open.replace((value, 1)) {
                    put(done, run, out);
                }
            }
        }
    }
    if let Some((done, run)) = open {
        put(done, run, out);
    }
}

const RUNS: u8 = 0;
const PACKED: u8 = 1;

fn put_times(times: impl ExactSizeIterator<Item = Seconds> + Clone, out: &mut Vec<u8>) {
    let mut distinct: Vec<Seconds> = Vec::new();
    for time in times.clone() {
        if distinct.last() != Some(&time) {
            distinct.push(time);
        }
    }
    distinct.sort_unstable();
    distinct.dedup();
    put_varint(out, distinct.len() as u64);
    let mut last = 0;
    for &time in &distinct {
        put_varint(out, u64::from(time - last));
        last = time;
    }
    if distinct.len() < 2 {
        return;
    }
    let index = |time: Seconds| distinct.binary_search(&time).unwrap_or(0) as u64;
    let width = width(distinct.len());
    let mut runs = Vec::new();
    put_runs(
        times.clone(),
        |time, run, out| {
            put_varint(out, index(time));
            put_varint(out, run);
        },
        &mut runs,
    );
    // Always the shorter form, so that a part of a block never takes more than the whole.
    if runs.len() < (times.len() * width).div_ceil(8) {
        out.push(RUNS);
        out.append(&mut runs);
        return;
    }
    out.push(PACKED);
    let (mut bits, mut held) = (0u64, 0);
    for time in times {
        bits |= index(time) << held;
        held += width;
        while held >= 8 {
            out.push(bits as u8);
            bits >>= 8;
            held -= 8;
        }
    }
    if held > 0 {
        out.push(bits as u8);
    }
}

/// Bits that hold the indexes of `count` things.
fn width(count: usize) -> usize {
    (usize::BITS - count.saturating_sub(1).leading_zeros()) as usize
}

/// Reads a block of active listings of one family.
pub(crate) fn decode_active<P: Net>(payload: &[u8]) -> Decoded<Vec<Listed<P>>> {
    let mut input = Input::new(payload);
    let nets = networks::<P>(&mut input, 0)?;
    if !nets.is_sorted_by(|a, b| a < b) {
        return Err(Damaged("block is out of order"));
    }
    let times = times(&mut input, nets.len())?;
    input.end()?;
    Ok(match times {
        Times::Same(time) => nets.into_iter().map(|net| (net, time)).collect(),
        Times::Each(times) => nets.into_iter().zip(times).collect(),
    })
}

/// Reads a block of ended listings of one family.
pub(crate) fn decode_ended<P: Net>(payload: &[u8]) -> Decoded<Vec<Gone<P>>> {
    let mut input = Input::new(payload);
    let nets = networks::<P>(&mut input, ENDED)?;
    let from = times(&mut input, nets.len())?;
    let until = times(&mut input, nets.len())?;
    input.end()?;
    let entries: Vec<Gone<P>> =
        nets.into_iter().zip(from.iter()).zip(until.iter()).map(|((n, f), u)| (n, f, u)).collect();
    if !entries.is_sorted_by(|a, b| a < b) {
        return Err(Damaged("block is out of order"));
    }
    Ok(entries)
}

fn networks<P: Net>(input: &mut Input<'_>, kind: u8) -> Decoded<Vec<P>> {
    let flags = input.u8()?;
    if flags & !MIXED != kind | P::FLAG {
        return Err(Damaged("block is of another kind"));
    }
    let count = input.count(MAX_ENTRIES)?;
    if count == 0 {
        return Err(Damaged("block is empty"));
    }
    let longest = input.u8()?;
    let shift = P::BITS.checked_sub(longest).ok_or(Damaged("a network is too long"))?;
    let mut nets = Vec::with_capacity(count);
    let mut last = P::Word::default();
    if flags & MIXED == 0 {
        for _ in 0..count {
            nets.push(network::<P>(input, &mut last, shift, longest)?);
        }
    } else {
        let mut lengths = Vec::with_capacity(count);
        while lengths.len() < count {
            let length = input.u8()?;
            let run = input.count(count - lengths.len())?;
            if run == 0 || length > longest {
                return Err(Damaged("a length run does not fit"));
            }
            lengths.resize(lengths.len() + run, length);
        }
        for length in lengths {
            nets.push(network::<P>(input, &mut last, shift, length)?);
        }
    }
    Ok(nets)
}

#[inline]
fn network<P: Net>(input: &mut Input<'_>, last: &mut P::Word, shift: u8, length: u8) -> Decoded<P> {
    let step = P::get(input)?;
    *last = P::advance(*last, step, shift).ok_or(Damaged("an address is too large"))?;
    P::of(*last, length).ok_or(Damaged("a network has host bits"))
}

/// A column of times.
enum Times {
    Same(Seconds),
    Each(Vec<Seconds>),
}

impl Times {
    fn iter(&self) -> impl Iterator<Item = Seconds> + '_ {
        let (each, same) = match self {
            Self::Same(time) => (&[][..], Some(*time)),
            Self::Each(times) => (times.as_slice(), None),
        };
        each.iter().copied().chain(same.into_iter().cycle())
    }
}

fn times(input: &mut Input<'_>, count: usize) -> Decoded<Times> {
    let kinds = input.count(count)?;
    let mut distinct = Vec::with_capacity(kinds);
    let mut last: Seconds = 0;
    for position in 0..kinds {
        let step = input.small()?;
        if step == 0 && position > 0 {
            return Err(Damaged("a time stands twice"));
        }
        last = last.checked_add(step).ok_or(Damaged("a time is too large"))?;
        distinct.push(last);
    }
    if kinds < 2 {
        return distinct.first().map(|&time| Times::Same(time)).ok_or(Damaged("a time is missing"));
    }
    let known = |index: usize| distinct.get(index).copied().ok_or(Damaged("a time is unknown"));
    let mut times = Vec::with_capacity(count);
    match input.u8()? {
        RUNS => {
            while times.len() < count {
                let time = known(input.count(kinds)?)?;
                let run = input.count(count - times.len())?;
                if run == 0 {
                    return Err(Damaged("a run is empty"));
                }
                times.resize(times.len() + run, time);
            }
        }
        PACKED => {
            let width = width(kinds);
            let mut packed = input.take((count * width).div_ceil(8))?.iter();
            let (mut bits, mut held) = (0u64, 0);
            for _ in 0..count {
                while held < width {
                    bits |= u64::from(*packed.next().ok_or(Damaged("ends too early"))?) << held;
                    held += 8;
                }
                times.push(known(bits as usize & ((1 << width) - 1))?);
                bits >>= width;
                held -= width;
            }
        }
        _ => return Err(Damaged("times are coded in an unknown way")),
    }
    Ok(Times::Each(times))
}

/// Appends the checksum of a payload stored under `key`: a block under another's key fails too.
#[cfg_attr(not(feature = "sled"), allow(dead_code, reason = "only sled keeps blocks under keys"))]
pub(crate) fn seal(payload: &mut Vec<u8>, key: &[u8]) {
    let sum = xxh3_64_with_seed(payload, xxh3_64(key));
    payload.extend_from_slice(&sum.to_le_bytes());
}

/// The payload, if its checksum holds.
#[cfg_attr(not(feature = "sled"), allow(dead_code, reason = "only sled keeps blocks under keys"))]
pub(crate) fn unseal<'a>(sealed: &'a [u8], key: &[u8]) -> Decoded<&'a [u8]> {
    let (payload, sum) = sealed.split_last_chunk::<SEAL>().ok_or(Damaged("ends too early"))?;
    if u64::from_le_bytes(*sum) == xxh3_64_with_seed(payload, xxh3_64(key)) {
        Ok(payload)
    } else {
        Err(Damaged("checksum does not match"))
    }
}

#[cfg(test)]
mod tests;
