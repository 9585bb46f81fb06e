//! Answers for many addresses at once, into columns that the caller owns.

use std::net::IpAddr;

use crate::error::{Error, Result};
use crate::net::{Canonical, parse_v4, parse_v6};
use crate::reputation::{Held, Reputation};
use crate::snapshot::{LANES, Lanes, Record, Standing};
use crate::view::View;

/// Many addresses, as callers have them.
///
/// ```
/// use artif_core::Addresses;
///
/// assert_eq!(Addresses::from(&[0x0102_0304_u32, 7][..]).len(), 2);
/// assert_eq!(Addresses::from(&["1.2.3.4"][..]).len(), 1);
/// // Two texts in one buffer, as Arrow keeps them.
/// let texts = Addresses::Packed { text: b"1.2.3.4::1", offsets: &[0, 7, 10] };
/// assert_eq!(texts.len(), 2);
/// ```
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Addresses<'a> {
    /// IPv4 as numbers: 1.2.3.4 is `0x01020304`.
    V4(&'a [u32]),
    /// IPv6 as numbers.
    V6(&'a [u128]),
    /// IPv6 as the 16 bytes of each, in network order.
    V6Bytes(&'a [[u8; 16]]),
    /// Both kinds.
    Ip(&'a [IpAddr]),
    /// What [`IpAddr::from_str`](std::str::FromStr) reads.
    Text(&'a [&'a str]),
    /// Texts behind each other: text `i` is `text[offsets[i]..offsets[i + 1]]`.
    Packed {
        /// All texts.
        text: &'a [u8],
        /// One more than there are texts.
        offsets: &'a [i32],
    },
    /// Like [`Self::Packed`], for more than 2 GiB of text.
    LargePacked {
        /// All texts.
        text: &'a [u8],
        /// One more than there are texts.
        offsets: &'a [i64],
    },
}

impl Addresses<'_> {
    /// How many they are.
    ///
    /// ```
    /// assert_eq!(artif_core::Addresses::V4(&[1, 2, 3]).len(), 3);
    /// ```
    pub const fn len(&self) -> usize {
        match self {
            Self::V4(list) => list.len(),
            Self::V6(list) => list.len(),
            Self::V6Bytes(list) => list.len(),
            Self::Ip(list) => list.len(),
            Self::Text(list) => list.len(),
            Self::Packed { offsets, .. } => offsets.len().saturating_sub(1),
            Self::LargePacked { offsets, .. } => offsets.len().saturating_sub(1),
        }
    }

    /// Whether there are none.
    ///
    /// ```
    /// assert!(artif_core::Addresses::Packed { text: b"", offsets: &[] }.is_empty());
    /// ```
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Puts the addresses from place `from` on into lanes, as many as there are.
    fn load(&self, from: usize, lanes: &mut Lanes) {
        let part_end = self.len().min(from + LANES);
        match *self {
            Self::V4(list) => lanes.load_v4(part(list, from)),
            Self::V6(list) => {
                lanes.load(part(list, from).iter().map(|bits| Some(Canonical::v6(*bits))));
            }
            Self::V6Bytes(list) => {
                lanes.load(
                    part(list, from).iter().map(|b| Some(Canonical::v6(u128::from_be_bytes(*b)))),
                );
            }
            Self::Ip(list) => {
                lanes.load(part(list, from).iter().map(|ip| Some(Canonical::of(*ip))));
            }
            Self::Text(list) => {
                lanes.load(part(list, from).iter().map(|text| parsed(Some(text.as_bytes()))));
            }
            Self::Packed { text, offsets } => {
                let offset = |at| usize::try_from(*offsets.get(at)?).ok();
                let text = |at| text.get(offset(at)?..offset(at + 1)?);
                lanes.load((from..part_end).map(|at| parsed(text(at))));
            }
            Self::LargePacked { text, offsets } => {
                let offset = |at| usize::try_from(*offsets.get(at)?).ok();
                let text = |at| text.get(offset(at)?..offset(at + 1)?);
                lanes.load((from..part_end).map(|at| parsed(text(at))));
            }
        }
    }
}

fn part<T>(list: &[T], from: usize) -> &[T] {
    let rest = list.get(from..).unwrap_or_default();
    rest.get(..LANES).unwrap_or(rest)
}

fn parsed(text: Option<&[u8]>) -> Option<Canonical> {
    let text = text?;
    match parse_v4(text) {
        Some(bits) => Some(Canonical::v4(bits)),
        None => parse_v6(text).map(|v6| Canonical::v6(v6.to_bits())),
    }
}

impl<'a> From<&'a [u32]> for Addresses<'a> {
    fn from(list: &'a [u32]) -> Self {
        Self::V4(list)
    }
}

impl<'a> From<&'a [u128]> for Addresses<'a> {
    fn from(list: &'a [u128]) -> Self {
        Self::V6(list)
    }
}

impl<'a> From<&'a [IpAddr]> for Addresses<'a> {
    fn from(list: &'a [IpAddr]) -> Self {
        Self::Ip(list)
    }
}

impl<'a> From<&'a [&'a str]> for Addresses<'a> {
    fn from(list: &'a [&'a str]) -> Self {
        Self::Text(list)
    }
}

/// Where the answers for many addresses go: those columns that are given, each as long as the
/// addresses are many. Nothing is allocated, and types are such that arrays of `NumPy`, Arrow or
/// JavaScript can be written in place.
///
/// For text that is no address the score is not a number, the verdict is
/// [`Self::NO_ADDRESS`], and everything else is as for an address of which nothing is known.
///
/// ```
/// use artif_core::{AnswerColumns, Engine, ReputationEngine, Verdict};
///
/// let engine = Engine::in_memory().unwrap();
/// let (mut scores, mut verdicts) = ([0.0; 3], [0; 3]);
/// let mut columns = AnswerColumns::new().score(&mut scores).verdict(&mut verdicts);
/// let bad = engine.check_into((&["8.8.8.8", "::1", "no"][..]).into(), &mut columns).unwrap();
/// assert_eq!(bad, 1);
/// assert!(scores[0] > 98.0 && scores[2].is_nan());
/// assert_eq!(Verdict::from_u8(verdicts[1]), Some(Verdict::NotApplicable));
/// assert_eq!(verdicts[2], AnswerColumns::NO_ADDRESS);
/// ```
#[derive(Debug, Default)]
pub struct AnswerColumns<'a> {
    score: Option<&'a mut [f64]>,
    verdict: Option<&'a mut [u8]>,
    state: Option<&'a mut [u8]>,
    asn: Option<&'a mut [u32]>,
    country: Option<&'a mut [[u8; 2]]>,
    organisation: Option<&'a mut [u32]>,
    listed: Option<&'a mut [u16]>,
    feed_set: Option<&'a mut [u32]>,
    label_set: Option<&'a mut [u32]>,
    categories: Option<&'a mut [u32]>,
}

/// A setter for each column, with its documentation.
macro_rules! columns {
    ($($(#[$doc:meta])* $name:ident: $type:ty;)*) => {
        $(
            $(#[$doc])*
            #[must_use]
            pub fn $name(mut self, column: &'a mut [$type]) -> Self {
                self.$name = Some(column);
                self
            }
        )*

        /// The lengths of the columns that are given.
        fn lengths(&self) -> impl Iterator<Item = usize> {
            [$(self.$name.as_ref().map(|column| column.len())),*].into_iter().flatten()
        }
    };
}

impl<'a> AnswerColumns<'a> {
    /// The number in the column of verdicts for text that is no address.
    pub const NO_ADDRESS: u8 = u8::MAX;

    /// No columns yet.
    ///
    /// ```
    /// let mut scores = vec![0.0; 1000];
    /// let columns = artif_core::AnswerColumns::new().score(&mut scores);
    /// ```
    pub fn new() -> Self {
        Self::default()
    }

    columns! {
        /// 0 (certainly bad) to 100 (safe).
        ///
        /// ```
        /// # use artif_core::{AnswerColumns, Engine, ReputationEngine};
        /// # let engine = Engine::in_memory().unwrap();
        /// let mut scores = [0.0];
        /// engine.check_into((&[1_u32][..]).into(), &mut AnswerColumns::new().score(&mut scores))?;
        /// assert_eq!(scores, [100.0]);
        /// # Ok::<(), artif_core::Error>(())
        /// ```
        score: f64;
        /// The verdict's number (see [`Verdict::from_u8`](crate::Verdict::from_u8)); overrides count.
        ///
        /// ```
        /// # use artif_core::{AnswerColumns, Engine, ReputationEngine, Verdict};
        /// # let engine = Engine::in_memory().unwrap();
        /// let mut verdicts = [0];
        /// let mut columns = AnswerColumns::new().verdict(&mut verdicts);
        /// engine.check_into((&[0x7f00_0001_u32][..]).into(), &mut columns)?;
        /// assert_eq!(verdicts, [Verdict::NotApplicable as u8]);
        /// # Ok::<(), artif_core::Error>(())
        /// ```
        verdict: u8;
        /// 0 unknown, 1 historical, 2 active.
        ///
        /// ```
        /// # use artif_core::{AnswerColumns, Engine, ReputationEngine};
        /// # let engine = Engine::in_memory().unwrap();
        /// let mut states = [9];
        /// engine.check_into((&[1_u32][..]).into(), &mut AnswerColumns::new().state(&mut states))?;
        /// assert_eq!(states, [artif_core::score::State::Unknown as u8]);
        /// # Ok::<(), artif_core::Error>(())
        /// ```
        state: u8;
        /// The autonomous system's number, 0 where unknown.
        ///
        /// ```
        /// # use artif_core::{AnswerColumns, Engine, ReputationEngine};
        /// # let engine = Engine::in_memory().unwrap();
        /// let mut systems = [9];
        /// engine.check_into((&[1_u32][..]).into(), &mut AnswerColumns::new().asn(&mut systems))?;
        /// assert_eq!(systems, [0]);
        /// # Ok::<(), artif_core::Error>(())
        /// ```
        asn: u32;
        /// The country's two letters, two zeros where unknown.
        ///
        /// ```
        /// # use artif_core::{AnswerColumns, Engine, ReputationEngine};
        /// # let engine = Engine::in_memory().unwrap();
        /// let mut countries = [*b"--"];
        /// let mut columns = AnswerColumns::new().country(&mut countries);
        /// engine.check_into((&[1_u32][..]).into(), &mut columns)?;
        /// assert_eq!(countries, [[0, 0]]);
        /// # Ok::<(), artif_core::Error>(())
        /// ```
        country: [u8; 2];
        /// The number of the organisation, for [`Pinned::organisation`](crate::Pinned::organisation);
        /// `u32::MAX` where unknown.
        ///
        /// ```
        /// # use artif_core::{AnswerColumns, Engine};
        /// # let pinned = Engine::in_memory().unwrap().pin();
        /// let mut names = [0];
        /// let mut columns = AnswerColumns::new().organisation(&mut names);
        /// pinned.check_into((&[1_u32][..]).into(), &mut columns)?;
        /// assert_eq!(pinned.organisation(names[0]), None);
        /// # Ok::<(), artif_core::Error>(())
        /// ```
        organisation: u32;
        /// How many threat feeds list it, or where historical, listed it.
        ///
        /// ```
        /// # use artif_core::{AnswerColumns, Engine, ReputationEngine};
        /// # let engine = Engine::in_memory().unwrap();
        /// let mut counts = [9];
        /// engine.check_into((&[1_u32][..]).into(), &mut AnswerColumns::new().listed(&mut counts))?;
        /// assert_eq!(counts, [0]);
        /// # Ok::<(), artif_core::Error>(())
        /// ```
        listed: u16;
        /// The number of the set of these feeds, for [`Pinned::feed_set`](crate::Pinned::feed_set); 0
        /// where there are none.
        ///
        /// ```
        /// # use artif_core::{AnswerColumns, Engine};
        /// # let pinned = Engine::in_memory().unwrap().pin();
        /// let mut sets = [9];
        /// pinned.check_into((&[1_u32][..]).into(), &mut AnswerColumns::new().feed_set(&mut sets))?;
        /// assert_eq!(pinned.feed_set(sets[0]).count(), 0);
        /// # Ok::<(), artif_core::Error>(())
        /// ```
        feed_set: u32;
        /// The number of the set of label feeds and warninglists that list it; 0 where there are none.
        ///
        /// ```
        /// # use artif_core::{AnswerColumns, Engine};
        /// # let pinned = Engine::in_memory().unwrap().pin();
        /// let mut sets = [9];
        /// let mut columns = AnswerColumns::new().label_set(&mut sets);
        /// pinned.check_into((&[1_u32][..]).into(), &mut columns)?;
        /// assert_eq!(sets, [0]);
        /// # Ok::<(), artif_core::Error>(())
        /// ```
        label_set: u32;
        /// The categories of all these feeds, a bit each (see
        /// [`CategorySet::bits`](crate::CategorySet::bits)).
        ///
        /// ```
        /// # use artif_core::{AnswerColumns, Engine, ReputationEngine};
        /// # let engine = Engine::in_memory().unwrap();
        /// let mut bits = [9];
        /// engine.check_into((&[1_u32][..]).into(), &mut AnswerColumns::new().categories(&mut bits))?;
        /// assert_eq!(bits, [0]);
        /// # Ok::<(), artif_core::Error>(())
        /// ```
        categories: u32;
    }

    fn fits(&self, count: usize) -> Result<()> {
        match self.lengths().find(|length| *length != count) {
            None => Ok(()),
            Some(length) => Err(Error::Invalid {
                what: "column",
                reason: format!("it has {length} places for {count} addresses"),
            }),
        }
    }

    /// From a view, a chunk at a time: each step is done for all of the chunk before the next, so
    /// that what has to come from memory is waited for together.
    pub(crate) fn fill(&mut self, addresses: Addresses<'_>, view: &View) -> Result<usize> {
        self.fits(addresses.len())?;
        let snapshot = &*view.snapshot;
        let mut lanes = Lanes::new();
        let mut chunk = Chunk::new();
        let mut bad = 0;
        for from in (0..addresses.len()).step_by(LANES) {
            addresses.load(from, &mut lanes);
            snapshot.lookup_lanes(&lanes, &mut chunk.records);
            bad += lanes.bad().count_ones() as usize;
            match &view.signals {
                None => self.finish(view, from, &lanes, &mut chunk),
                Some(signals) => {
                    let mut moved = [Record::UNKNOWN; LANES];
                    let mut records = chunk.records;
                    for (lane, (place, record)) in moved.iter_mut().zip(&mut records).enumerate() {
                        let address = lanes.address(lane);
                        let found = address.and_then(|a| view.moved_record(signals, a, record));
                        if let Some(found) = found {
                            *place = found;
                            *record = place;
                        }
                    }
                    self.finish(view, from, &lanes, &mut Chunk { records, ..Chunk::new() });
                }
            }
        }
        Ok(bad)
    }

    /// Makes the rows of a chunk whose records are known.
    #[inline]
    fn finish(&mut self, view: &View, from: usize, lanes: &Lanes, chunk: &mut Chunk<'_>) {
        let snapshot = &*view.snapshot;
        let count = lanes.len();
        chunk.no_address = lanes.bad();
        for (verdict, record) in chunk.verdicts.iter_mut().zip(&chunk.records) {
            *verdict = record.verdict_number();
        }
        if !view.overlay.entries().is_empty() {
            let verdicts = chunk.verdicts.iter_mut().zip(&chunk.records);
            for (lane, (verdict, record)) in verdicts.enumerate().take(count) {
                if let Some(address) = lanes.address(lane) {
                    *verdict = view.verdict(address, record) as u8;
                }
            }
        }
        if self.wants_standings() {
            for (row, record) in chunk.standings.iter_mut().zip(&chunk.records).take(count) {
                *row = snapshot.standing(record);
            }
        }
        if self.listed.is_some() {
            let rows = chunk.listed.iter_mut().zip(&chunk.standings);
            for (listed, standing) in rows.take(count) {
                let set = snapshot.feed_set(standing.feeds.get());
                *listed = u16::try_from(set.len()).unwrap_or(u16::MAX);
            }
        }
        self.put(from, count, chunk);
    }

    /// From any engine, one address after the other.
    pub(crate) fn fill_each<H: Held>(
        &mut self,
        addresses: Addresses<'_>,
        check: impl Fn(IpAddr) -> Reputation<H>,
    ) -> Result<usize> {
        self.fits(addresses.len())?;
        let mut lanes = Lanes::new();
        let mut bad = 0;
        for from in (0..addresses.len()).step_by(LANES) {
            addresses.load(from, &mut lanes);
            bad += lanes.bad().count_ones() as usize;
            let mut records = [Record::UNKNOWN; LANES];
            let mut chunk = Chunk::new();
            chunk.no_address = lanes.bad();
            let columns = records.iter_mut().zip(&mut chunk.verdicts);
            let columns = columns.zip(chunk.standings.iter_mut().zip(&mut chunk.listed));
            for (lane, ((record, verdict), (standing, listed))) in columns.enumerate() {
                let Some(address) = lanes.address(lane) else { continue };
                let answer = check(address.ip());
                *record = *answer.record();
                *verdict = answer.verdict() as u8;
                *standing = answer.standing();
                *listed = u16::try_from(answer.feeds().len()).unwrap_or(u16::MAX);
            }
            chunk.records = records.each_ref();
            self.put(from, lanes.len(), &mut chunk);
        }
        Ok(bad)
    }

    fn wants_standings(&self) -> bool {
        self.listed.is_some()
            || self.feed_set.is_some()
            || self.label_set.is_some()
            || self.categories.is_some()
    }

    /// Writes the first `count` rows of a chunk to the places from `from` on.
    fn put(&mut self, from: usize, count: usize, chunk: &mut Chunk<'_>) {
        let mut scores = [0.0; LANES];
        for (score, record) in scores.iter_mut().zip(&chunk.records) {
            *score = record.score.get();
        }
        let mut left = chunk.no_address;
        while left != 0 {
            chunk.blank(left.trailing_zeros() as usize, &mut scores);
            left &= left - 1;
        }
        write(&mut self.score, from, count, &scores, |score| *score);
        write(&mut self.verdict, from, count, &chunk.verdicts, |verdict| *verdict);
        let records = &chunk.records;
        write(&mut self.state, from, count, records, |record| record.state() as u8);
        write(&mut self.asn, from, count, records, |record| record.asn_number());
        write(&mut self.country, from, count, records, |record| record.country_letters());
        write(&mut self.organisation, from, count, records, |record| record.organisation_place());
        let standings = &chunk.standings;
        write(&mut self.feed_set, from, count, standings, |standing| standing.feeds.get());
        write(&mut self.label_set, from, count, standings, |standing| standing.labels.get());
        write(&mut self.categories, from, count, standings, |s| s.categories.get());
        write(&mut self.listed, from, count, &chunk.listed, |listed| *listed);
    }
}

#[inline]
fn write<R, T>(
    column: &mut Option<&mut [T]>,
    from: usize,
    count: usize,
    rows: &[R; LANES],
    value: impl Fn(&R) -> T,
) {
    let places = column.as_deref_mut().and_then(|column| column.get_mut(from..from + count));
    for (place, row) in places.unwrap_or_default().iter_mut().zip(rows) {
        *place = value(row);
    }
}

/// The rows of as many addresses as are looked up together.
struct Chunk<'a> {
    records: [&'a Record; LANES],
    verdicts: [u8; LANES],
    standings: [Standing; LANES],
    listed: [u16; LANES],
    /// A bit for each lane without an address.
    no_address: u64,
}

impl Chunk<'_> {
    fn new() -> Self {
        Self {
            records: [&Record::UNKNOWN; LANES],
            verdicts: [0; LANES],
            standings: [Standing::NOTHING; LANES],
            listed: [0; LANES],
            no_address: 0,
        }
    }

    /// What is written where there is no address.
    fn blank(&mut self, lane: usize, scores: &mut [f64; LANES]) {
        let columns = self.records.iter_mut().zip(&mut self.verdicts);
        let mut columns = columns.zip(self.standings.iter_mut().zip(&mut self.listed)).zip(scores);
        if let Some((((record, verdict), (standing, listed)), score)) = columns.nth(lane) {
            *record = &Record::UNKNOWN;
            *verdict = AnswerColumns::NO_ADDRESS;
            *standing = Standing::NOTHING;
            *listed = 0;
            *score = f64::NAN;
        }
    }
}
