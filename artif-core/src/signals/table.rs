//! The table of reports: one file of fixed size that all processes map and write to.
//!
//! A page of header, a word of tags for each bucket, then the buckets of eight places. An address has
//! one bucket, chosen by a keyed hash; the tags are a byte of that hash for each place, so that
//! lookups of addresses without reports read one word.
//!
//! Nothing is locked between processes: a place is claimed by one atomic exchange, counts only once
//! its checks hold (see [`slot`](super::slot)), and is added to by one atomic exchange. What a writer
//! that is killed leaves behind counts as empty and is written over.

use std::fs::{self, File, OpenOptions};
use std::hash::{BuildHasher as _, RandomState};
use std::io::Write as _;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering, fence};
use std::sync::{Mutex, MutexGuard, PoisonError};

use memmap2::{MmapOptions, MmapRaw};

use super::slot::{Entry, Key, Tally, Words};
use crate::clock::Seconds;
use crate::error::{Error, Result};

/// Places of a bucket.
pub(super) const PLACES: usize = 8;
const PLACE_WORDS: usize = 4;
const BUCKET_WORDS: usize = PLACES * PLACE_WORDS;
const HEADER_WORDS: usize = 512;
const MAGIC: u64 = u64::from_le_bytes(*b"artifsig");
const VERSION: u64 = 1;
/// Header words that its check covers.
const CHECKED: usize = 6;
const EVICTIONS: usize = 8;
const REFUSALS: usize = 9;
const STRIPES: usize = 64;
/// How often a writer begins anew that another process was faster than.
const TRIES: usize = 16;
/// Clocks of one machine that differ by less were not set back.
const SLACK: Seconds = 300;

/// Why a file cannot be the table.
#[derive(Debug)]
pub(super) enum Unfit {
    Io(Error),
    Damaged(String),
}

/// What became of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Added {
    Kept,
    /// Everything in its bucket says more than it would.
    Outweighed,
}

enum Backing {
    Mapped(MmapRaw),
    Memory(Box<[AtomicU64]>),
}

pub(super) struct Table {
    backing: Backing,
    buckets: usize,
    key: Key,
    ipv6_prefix: u8,
    writable: bool,
    /// Writers of this process do not get in each other's way.
    stripes: [Mutex<()>; STRIPES],
    /// Draws the marks of claimed places.
    claims: AtomicU64,
}

impl std::fmt::Debug for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Table")
            .field("buckets", &self.buckets)
            .field("writable", &self.writable)
            .finish_non_exhaustive()
    }
}

fn buckets_for(capacity: u32) -> usize {
    (capacity as usize).div_ceil(PLACES).max(1)
}

/// Tags fill whole buckets' worth of words, so that each bucket lies on cache lines of its own.
fn tag_words(buckets: usize) -> usize {
    buckets.next_multiple_of(BUCKET_WORDS)
}

fn table_words(buckets: usize) -> usize {
    HEADER_WORDS + tag_words(buckets) + buckets * BUCKET_WORDS
}

fn header(buckets: usize, key: Key, ipv6_prefix: u8) -> [u64; CHECKED + 1] {
    let plain = [MAGIC, VERSION, buckets as u64, key.0, key.1, u64::from(ipv6_prefix)];
    let mut whole = [key.hash(&plain); CHECKED + 1];
    for (word, plain) in whole.iter_mut().zip(plain) {
        *word = plain;
    }
    whole
}

pub(super) fn random_key() -> Key {
    // The standard library's hashers are seeded by the system.
    Key(RandomState::new().hash_one(1_u8), RandomState::new().hash_one(2_u8))
}

impl Table {
    pub(super) fn in_memory(capacity: u32, ipv6_prefix: u8) -> Self {
        let (buckets, key) = (buckets_for(capacity), random_key());
        let words = (0..table_words(buckets)).map(|_| AtomicU64::new(0)).collect();
        Self::new(Backing::Memory(words), buckets, key, ipv6_prefix, true)
    }

    /// Makes an empty table in a file that is not there yet. Its room on the disk is taken at once:
    /// a disk that is full later ends no process that writes to the mapping.
    pub(super) fn create(path: &Path, capacity: u32, ipv6_prefix: u8) -> Result<()> {
        let buckets = buckets_for(capacity);
        let mut bytes = vec![0_u8; table_words(buckets) * size_of::<u64>()];
        let head = header(buckets, random_key(), ipv6_prefix);
        for (place, word) in bytes.chunks_exact_mut(size_of::<u64>()).zip(head) {
            place.copy_from_slice(&word.to_ne_bytes());
        }
        let temporary = path.with_extension(format!("tmp{}", std::process::id()));
        let write = || {
            let mut file = File::create(&temporary)?;
            file.write_all(&bytes)?;
            file.sync_all()?;
            fs::rename(&temporary, path)
        };
        write().map_err(|error| {
            let _ = fs::remove_file(&temporary);
            Error::io("making the table of signals", path, error)
        })
    }

    /// Maps a table, for reading alone where more is not permitted.
    pub(super) fn open(path: &Path) -> std::result::Result<Self, Unfit> {
        let io = |error| Unfit::Io(Error::io("opening the table of signals", path, error));
        let (file, writable) = match OpenOptions::new().read(true).write(true).open(path) {
            Ok(file) => (file, true),
            Err(error) if is_forbidden(&error) => (File::open(path).map_err(io)?, false),
            Err(error) => return Err(io(error)),
        };
        Self::map(&file, writable, path)
    }

    fn map(file: &File, writable: bool, path: &Path) -> std::result::Result<Self, Unfit> {
        let io = |error| Unfit::Io(Error::io("mapping the table of signals", path, error));
        let length = file.metadata().map_err(io)?.len();
        let words = usize::try_from(length).ok().filter(|bytes| bytes % size_of::<u64>() == 0);
        let words = words.map_or(0, |bytes| bytes / size_of::<u64>());
        if words < HEADER_WORDS {
            return Err(Unfit::Damaged(format!("it has {length} bytes, less than its header")));
        }
        let options = MmapOptions::new();
        let map = if writable { options.map_raw(file) } else { options.map_raw_read_only(file) };
        let backing = Backing::Mapped(map.map_err(io)?);
        let mut head = [0; CHECKED + 1];
        for (word, stored) in head.iter_mut().zip(backing.words()) {
            *word = stored.load(Ordering::Relaxed);
        }
        let [magic, version, buckets, key0, key1, ipv6_prefix, _] = head;
        if magic != MAGIC {
            return Err(Unfit::Damaged("it is no table of signals".to_owned()));
        }
        if version != VERSION {
            return Err(Unfit::Damaged(format!("its format {version} is not this build's")));
        }
        let key = Key(key0, key1);
        let fits = usize::try_from(buckets)
            .ok()
            .filter(|buckets| *buckets > 0 && *buckets <= words && table_words(*buckets) == words)
            .zip(u8::try_from(ipv6_prefix).ok())
            .filter(|(buckets, prefix)| head == header(*buckets, key, *prefix));
        let Some((buckets, ipv6_prefix)) = fits else {
            return Err(Unfit::Damaged("its header and its size do not fit together".to_owned()));
        };
        Ok(Self::new(backing, buckets, key, ipv6_prefix, writable))
    }

    fn new(backing: Backing, buckets: usize, key: Key, ipv6_prefix: u8, writable: bool) -> Self {
        Self {
            backing,
            buckets,
            key,
            ipv6_prefix,
            writable,
            stripes: std::array::from_fn(|_| Mutex::new(())),
            claims: AtomicU64::new(u64::from(std::process::id()) << 16),
        }
    }

    /// Whether it is what a table for these settings would be.
    pub(super) fn is_for(&self, capacity: u32, ipv6_prefix: u8) -> bool {
        self.buckets == buckets_for(capacity) && self.ipv6_prefix == ipv6_prefix
    }

    pub(super) fn is_writable(&self) -> bool {
        self.writable
    }

    pub(super) fn places(&self) -> u64 {
        (self.buckets * PLACES) as u64
    }

    pub(super) fn bytes(&self) -> u64 {
        (table_words(self.buckets) * size_of::<u64>()) as u64
    }

    /// How many entries made room for stronger ones, and how many reports found no room.
    pub(super) fn losses(&self) -> (u64, u64) {
        let count = |at: usize| self.word(at).map_or(0, |word| word.load(Ordering::Relaxed));
        (count(EVICTIONS), count(REFUSALS))
    }

    /// Calls `visit` for every entry of an address.
    #[inline]
    pub(super) fn find(&self, address: u128, mut visit: impl FnMut(Entry)) {
        let hash = self.hash(address);
        let (bucket, tag) = self.place(hash);
        let mut likely = matching(self.tags(bucket).map_or(0, load), tag);
        while likely != 0 {
            let place = likely.trailing_zeros() as usize / 8;
            likely &= likely - 1;
            if let Some(entry) = self.read(bucket, place).filter(|e| e.address == address) {
                visit(entry);
            }
        }
    }

    /// Adds `count` to what is said of an address. `fade` says how much of a tally of this kind is
    /// left, `effect` how far an entry moves the log-odds: what moves them least makes room.
    pub(super) fn add(
        &self,
        report: Entry,
        fade: impl Fn(Tally) -> f64,
        effect: impl Fn(u32, Tally) -> f64,
    ) -> Added {
        let hash = self.hash(report.address);
        let (bucket, _) = self.place(hash);
        let _turn = self.turn(bucket);
        for _ in 0..TRIES {
            let entries: [Option<Entry>; PLACES] =
                std::array::from_fn(|place| self.read(bucket, place));
            let same = |e: &Entry| e.address == report.address && e.kind == report.kind;
            if let Some(place) = entries.iter().position(|e| e.as_ref().is_some_and(same)) {
                if self.grow(bucket, place, report, &fade) {
                    self.mend(bucket, report.tally.at);
                    return Added::Kept;
                }
                continue;
            }
            let weigh = |entry: &Entry| effect(entry.kind, entry.tally);
            let Some((place, evicts)) = victim(&entries, weigh(&report), weigh) else { break };
            if self.put(bucket, place, entries.get(place).copied().flatten(), report) {
                if evicts {
                    self.count(EVICTIONS);
                }
                self.mend(bucket, report.tally.at);
                return Added::Kept;
            }
        }
        self.count(REFUSALS);
        Added::Outweighed
    }

    /// Forgets an address; says how many entries it had.
    pub(super) fn forget(&self, address: u128, now: Seconds) -> usize {
        let (bucket, _) = self.place(self.hash(address));
        let _turn = self.turn(bucket);
        let mut gone = 0;
        for place in 0..PLACES {
            let Some(entry) = self.read(bucket, place).filter(|e| e.address == address) else {
                continue;
            };
            let [.., identity] = self.slot(bucket, place);
            let known = entry.pack(self.key).identity;
            gone += usize::from(identity.is_some_and(|word| exchange(word, known, 0)));
        }
        self.mend(bucket, now);
        gone
    }

    /// Every entry, in no order.
    pub(super) fn entries(&self) -> impl Iterator<Item = Entry> {
        let places = (0..self.buckets).flat_map(|bucket| (0..PLACES).map(move |p| (bucket, p)));
        places.filter_map(|(bucket, place)| self.read(bucket, place))
    }

    /// Makes good what writers that were killed, damage and clocks that ran ahead left behind.
    pub(super) fn mend_all(&self, now: Seconds) {
        for bucket in 0..self.buckets {
            let _turn = self.turn(bucket);
            self.mend(bucket, now);
        }
    }

    /// Of one bucket: the tags say what is in it, and nothing in it is of the future, as it would not
    /// fade until then.
    fn mend(&self, bucket: usize, now: Seconds) {
        let Some(tags) = self.tags(bucket) else { return };
        loop {
            let old = load(tags);
            let mut bytes = [0; PLACES];
            for (place, byte) in bytes.iter_mut().enumerate() {
                let Some(entry) = self.read(bucket, place) else { continue };
                *byte = self.place(self.hash(entry.address)).1;
                self.date(bucket, place, &entry, now);
            }
            // Where it fails, somebody wrote to the bucket meanwhile.
            let new = u64::from_le_bytes(bytes);
            if old == new || exchange(tags, old, new) {
                return;
            }
        }
    }

    /// Gives an entry of the future the present's date.
    fn date(&self, bucket: usize, place: usize, entry: &Entry, now: Seconds) {
        if entry.tally.at > now.saturating_add(SLACK)
            && let [_, _, Some(tally), _] = self.slot(bucket, place)
        {
            let old = entry.pack(self.key);
            let dated = Tally { at: now, ..entry.tally }.pack(self.key, old.identity);
            // Where it fails, somebody has just added to it.
            exchange(tally, old.tally, dated);
        }
    }

    /// Adds to an entry. False where it changed meanwhile.
    fn grow(
        &self,
        bucket: usize,
        place: usize,
        report: Entry,
        fade: impl Fn(Tally) -> f64,
    ) -> bool {
        let [_, _, Some(word), Some(identity)] = self.slot(bucket, place) else { return false };
        let known = report.pack(self.key).identity;
        let old = load(word);
        let Some(tally) = Tally::unpack(old, self.key, known).filter(|_| load(identity) == known)
        else {
            return false;
        };
        let count = fade(tally) + report.tally.count;
        let new = Tally { count, at: report.tally.at }.pack(self.key, known);
        exchange(word, old, new)
    }

    /// Writes an entry to a place that holds `held`. False where another process was faster.
    fn put(&self, bucket: usize, place: usize, held: Option<Entry>, entry: Entry) -> bool {
        let [Some(high), Some(low), Some(tally), Some(identity)] = self.slot(bucket, place) else {
            return false;
        };
        let seen = load(identity);
        if self.read(bucket, place).map(|e| (e.address, e.kind))
            != held.map(|e| (e.address, e.kind))
        {
            return false;
        }
        // Of kind 0, and unlike any other claim.
        let claim = 1 + (self.claims.fetch_add(1, Ordering::Relaxed) & 0x7fff_ffff);
        if !exchange(identity, seen, claim) {
            return false;
        }
        let words = entry.pack(self.key);
        let [first, second] = words.address;
        high.store(first, Ordering::Relaxed);
        low.store(second, Ordering::Relaxed);
        tally.store(words.tally, Ordering::Relaxed);
        // Whoever sees the identity sees the rest.
        identity
            .compare_exchange(claim, words.identity, Ordering::Release, Ordering::Relaxed)
            .is_ok()
    }

    fn read(&self, bucket: usize, place: usize) -> Option<Entry> {
        let [Some(high), Some(low), Some(tally), Some(identity)] = self.slot(bucket, place) else {
            return None;
        };
        // Plain loads and fences instead of acquiring loads: of memory that is mapped for reading
        // alone nothing else is defined.
        let before = load(identity);
        fence(Ordering::Acquire);
        let words =
            Words { address: [load(high), load(low)], tally: load(tally), identity: before };
        fence(Ordering::Acquire);
        if before == 0 || load(identity) != before {
            return None;
        }
        Entry::unpack(words, self.key)
    }

    fn hash(&self, address: u128) -> u64 {
        self.key.hash(&[(address >> 64) as u64, address as u64])
    }

    /// The bucket and the tag, never 0, of a hash.
    fn place(&self, hash: u64) -> (usize, u8) {
        let bucket = (u128::from(hash) * self.buckets as u128) >> 64;
        (bucket as usize, (hash as u8).max(1))
    }

    fn turn(&self, bucket: usize) -> Option<MutexGuard<'_, ()>> {
        let stripe = self.stripes.get(bucket % STRIPES)?;
        Some(stripe.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn count(&self, at: usize) {
        if let Some(word) = self.word(at) {
            word.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn word(&self, at: usize) -> Option<&AtomicU64> {
        self.backing.words().get(at)
    }

    fn tags(&self, bucket: usize) -> Option<&AtomicU64> {
        self.word(HEADER_WORDS + bucket)
    }

    fn slot(&self, bucket: usize, place: usize) -> [Option<&AtomicU64>; PLACE_WORDS] {
        let start =
            HEADER_WORDS + tag_words(self.buckets) + bucket * BUCKET_WORDS + place * PLACE_WORDS;
        std::array::from_fn(|n| self.word(start + n))
    }
}

impl Backing {
    #[inline]
    fn words(&self) -> &[AtomicU64] {
        match self {
            Self::Memory(words) => words,
            Self::Mapped(map) => {
                let count = map.len() / size_of::<AtomicU64>();
                #[expect(unsafe_code, reason = "a mapping is bytes to everybody but us")]
                // SAFETY: the mapping lives as long as `self`, begins on a page, which is aligned for
                // words, and holds `count` of them. All bit patterns are words. Everybody who writes
                // to the file does so through such words, so that each is read and written at once;
                // a stranger's write gives other numbers, which are checked. Where the mapping is for
                // reading alone, nothing is done to a word but relaxed loads. The file keeps its
                // length: it is replaced under another name and never truncated (a stranger who
                // does truncate it ends the process at the next access, as with any mapped file).
                let words = unsafe { std::slice::from_raw_parts(map.as_ptr().cast(), count) };
                words
            }
        }
    }
}

fn is_forbidden(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{PermissionDenied, ReadOnlyFilesystem};
    matches!(error.kind(), PermissionDenied | ReadOnlyFilesystem)
}

#[inline]
fn load(word: &AtomicU64) -> u64 {
    word.load(Ordering::Relaxed)
}

fn exchange(word: &AtomicU64, old: u64, new: u64) -> bool {
    word.compare_exchange(old, new, Ordering::AcqRel, Ordering::Relaxed).is_ok()
}

/// A bit in each byte of `tags` that may be `tag`: all that are, and rarely one more.
#[inline]
fn matching(tags: u64, tag: u8) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let different = tags ^ (ONES * u64::from(tag));
    different.wrapping_sub(ONES) & !different & (ONES << 7)
}

/// Where a new entry goes that moves the log-odds by `effect`, and whether that evicts one.
///
/// An entry gives way to one that says at least as much. What speaks for an address and what speaks
/// against addresses each keep half of a bucket from the other: who can make many reports of one
/// direction for many addresses does not wash out the other.
fn victim(
    entries: &[Option<Entry>; PLACES],
    effect: f64,
    weigh: impl Fn(&Entry) -> f64,
) -> Option<(usize, bool)> {
    let strengths = entries.each_ref().map(|entry| entry.as_ref().map_or(0.0, &weigh));
    if let Some(free) = strengths.iter().position(|strength| *strength == 0.0) {
        return Some((free, false));
    }
    let opposed = |strength: f64| (strength > 0.0) != (effect > 0.0);
    let many = strengths.iter().filter(|strength| opposed(**strength)).count() > PLACES / 2;
    let candidates = strengths.iter().enumerate().filter(|(_, s)| many || !opposed(**s));
    let (place, weakest) = candidates.min_by(|a, b| a.1.abs().total_cmp(&b.1.abs()))?;
    (weakest.abs() <= effect.abs()).then_some((place, true))
}

#[cfg(test)]
mod tests;
