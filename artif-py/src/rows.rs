//! Answers for many addresses while they are filled in.

use std::num::NonZero;
use std::sync::{Mutex, PoisonError};

use artif_core::{Addresses, AnswerColumns, Pinned};

/// What can be asked of each address, in the order of columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Score,
    Verdict,
    State,
    Asn,
    Country,
    Organisation,
    Listed,
    Feeds,
    Categories,
}

impl Kind {
    pub(crate) const ALL: [Self; 9] = [
        Self::Score,
        Self::Verdict,
        Self::State,
        Self::Asn,
        Self::Country,
        Self::Organisation,
        Self::Listed,
        Self::Feeds,
        Self::Categories,
    ];

    /// Those that are there unless others are asked for: all that is a number.
    pub(crate) const USUAL: [Self; 7] = [
        Self::Score,
        Self::Verdict,
        Self::State,
        Self::Asn,
        Self::Country,
        Self::Listed,
        Self::Categories,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Score => "score",
            Self::Verdict => "verdict",
            Self::State => "state",
            Self::Asn => "asn",
            Self::Country => "country",
            Self::Organisation => "organisation",
            Self::Listed => "listed",
            Self::Feeds => "feeds",
            Self::Categories => "categories",
        }
    }
}

/// A column for each kind that is wanted, and empty ones for the others.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    pub(crate) kinds: Vec<Kind>,
    /// How many of the addresses were none.
    pub(crate) invalid: usize,
    pub(crate) score: Vec<f64>,
    /// Always there: it says where there was no address.
    pub(crate) verdict: Vec<u8>,
    pub(crate) state: Vec<u8>,
    pub(crate) asn: Vec<u32>,
    pub(crate) country: Vec<[u8; 2]>,
    pub(crate) organisation: Vec<u32>,
    pub(crate) listed: Vec<u16>,
    pub(crate) feeds: Vec<u32>,
    pub(crate) categories: Vec<u32>,
}

impl Rows {
    pub(crate) fn new(kinds: Vec<Kind>) -> Self {
        Self { kinds, ..Self::default() }
    }

    /// With so many places in each column that is wanted.
    pub(crate) fn with_places(self, count: usize) -> Self {
        let places = |kind| if self.kinds.contains(&kind) { count } else { 0 };
        Self {
            invalid: 0,
            score: vec![0.0; places(Kind::Score)],
            verdict: vec![0; count],
            state: vec![0; places(Kind::State)],
            asn: vec![0; places(Kind::Asn)],
            country: vec![[0; 2]; places(Kind::Country)],
            organisation: vec![0; places(Kind::Organisation)],
            listed: vec![0; places(Kind::Listed)],
            feeds: vec![0; places(Kind::Feeds)],
            categories: vec![0; places(Kind::Categories)],
            kinds: self.kinds,
        }
    }

    /// Answers for these addresses, from the place `from` on. Many are shared out among processors.
    pub(crate) fn fill(
        &mut self,
        pin: &Pinned,
        from: usize,
        addresses: Addresses<'_>,
    ) -> artif_core::Result<()> {
        let shares = shares(addresses);
        let size = shares.first().map_or(1, Addresses::len).max(1);
        let places = from..from + addresses.len();
        let mut parts: Vec<_> = shares.into_iter().map(|a| (a, AnswerColumns::new())).collect();
        macro_rules! give {
            ($($field:ident => $setter:ident),*) => {
                $(
                    if let Some(column) = self.$field.get_mut(places.clone()) {
                        for ((_, part), rows) in parts.iter_mut().zip(column.chunks_mut(size)) {
                            *part = std::mem::take(part).$setter(rows);
                        }
                    }
                )*
            };
        }
        give!(score => score, verdict => verdict, state => state, asn => asn, country => country);
        give!(organisation => organisation, listed => listed, feeds => feed_set);
        give!(categories => categories);
        self.invalid += answer(pin, parts)?;
        Ok(())
    }

    /// Makes a row that of no address.
    pub(crate) fn blank(&mut self, row: usize) {
        fn put<T>(column: &mut [T], row: usize, value: T) {
            if let Some(place) = column.get_mut(row) {
                *place = value;
            }
        }
        if self.verdict.get(row) != Some(&AnswerColumns::NO_ADDRESS) {
            self.invalid += 1;
        }
        put(&mut self.score, row, f64::NAN);
        put(&mut self.verdict, row, AnswerColumns::NO_ADDRESS);
        put(&mut self.state, row, 0);
        put(&mut self.asn, row, 0);
        put(&mut self.country, row, [0; 2]);
        put(&mut self.organisation, row, u32::MAX);
        put(&mut self.listed, row, 0);
        put(&mut self.feeds, row, 0);
        put(&mut self.categories, row, 0);
    }
}

/// So many addresses at a time are worth being shared out: it takes some ten times as long to answer
/// for them as to start a thread. Whoever is done takes the next, so that a thread that starts late
/// holds up nobody.
const SHARE: usize = 1 << 15;

/// The addresses in parts of one size, of which the last may be smaller.
fn shares(addresses: Addresses<'_>) -> Vec<Addresses<'_>> {
    match addresses {
        _ if addresses.len() < 2 * SHARE => vec![addresses],
        Addresses::V4(all) => all.chunks(SHARE).map(Addresses::V4).collect(),
        Addresses::V6Bytes(all) => all.chunks(SHARE).map(Addresses::V6Bytes).collect(),
        Addresses::Text(all) => all.chunks(SHARE).map(Addresses::Text).collect(),
        Addresses::Packed { text, offsets } => {
            let shares = offset_shares(offsets, SHARE);
            shares.map(|offsets| Addresses::Packed { text, offsets }).collect()
        }
        Addresses::LargePacked { text, offsets } => {
            let shares = offset_shares(offsets, SHARE);
            shares.map(|offsets| Addresses::LargePacked { text, offsets }).collect()
        }
        other => vec![other],
    }
}

/// Where one part ends the next begins.
fn offset_shares<T>(offsets: &[T], size: usize) -> impl Iterator<Item = &[T]> {
    let starts = (0..offsets.len().saturating_sub(1)).step_by(size);
    starts.filter_map(move |start| {
        let end = offsets.len().min(start + size + 1);
        offsets.get(start..end)
    })
}

/// Fills in all parts, as many at once as threads can be had; gives how many of their addresses were
/// none.
fn answer(
    pin: &Pinned,
    parts: Vec<(Addresses<'_>, AnswerColumns<'_>)>,
) -> artif_core::Result<usize> {
    let processors = std::thread::available_parallelism().map_or(1, NonZero::get);
    let threads = parts.len().min(processors);
    let left = Mutex::new(parts.into_iter());
    let next = || left.lock().unwrap_or_else(PoisonError::into_inner).next();
    let work = || {
        let mut invalid = 0;
        while let Some((addresses, mut columns)) = next() {
            invalid += pin.check_into(addresses, &mut columns)?;
        }
        Ok(invalid)
    };
    std::thread::scope(|scope| {
        let named = || std::thread::Builder::new().name("artif-columns".to_owned());
        // Where there is no thread to be had, those that there are do it all.
        let others: Vec<_> =
            (1..threads).map_while(|_| named().spawn_scoped(scope, work).ok()).collect();
        let mut invalid = work()?;
        for other in others {
            invalid += other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        }
        Ok(invalid)
    })
}
