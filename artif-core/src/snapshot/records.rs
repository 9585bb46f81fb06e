//! The fixed-size rows of a snapshot.

use rustc_hash::FxHashMap;
use zerocopy::little_endian::{F64, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::geo::{Country, GeoRecord};
use crate::score::State;
use crate::verdict::Verdict;

/// The answer for a range of addresses that do not differ: all that one verdict needs, so that it
/// costs one place in memory.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct Record {
    /// 0 where unknown: nobody's number.
    asn: U32,
    /// Where its name is; `u32::MAX` where unknown.
    organisation: U32,
    /// A place among the standings.
    pub(crate) standing: U32,
    /// Two zeros where unknown.
    country: [u8; 2],
    /// The verdict in the lowest three bits, the state in the next two, [`Self::MOVED`],
    /// [`Self::SPECIAL`].
    bits: u8,
    /// What listings nearby say of it; 0 says nothing.
    pub(crate) neighbourhood: i8,
    pub(crate) score: F64,
}

const _: () = assert!(size_of::<Record>() == 24);

impl Record {
    /// Set in `bits` for special-purpose addresses.
    const SPECIAL: u8 = 1 << 7;
    const STATE: u32 = 3;
    /// Set in `bits` where own signals moved score and verdict; not in files.
    const MOVED: u8 = 1 << 5;
    /// The place of the name of an unknown organisation.
    pub(crate) const NO_NAME: u32 = u32::MAX;

    /// What a damaged file answers: nothing known.
    pub(crate) const UNKNOWN: Self = Self {
        asn: U32::ZERO,
        organisation: U32::from_bytes([0xff; 4]),
        standing: U32::ZERO,
        country: [0; 2],
        bits: Verdict::NoAction as u8 | (State::Unknown as u8) << Self::STATE,
        neighbourhood: 0,
        score: F64::from_bytes(100.0_f64.to_le_bytes()),
    };

    /// What every special-purpose address answers.
    pub(crate) const SPECIAL_PURPOSE: Self =
        Self { bits: Verdict::NotApplicable as u8 | Self::SPECIAL, ..Self::UNKNOWN };

    pub(crate) fn new(
        standing: u32,
        state: State,
        verdict: Verdict,
        geo: GeoRecord,
        score: f64,
    ) -> Self {
        let country = geo.country.and_then(|c| c.as_str().as_bytes().first_chunk::<2>().copied());
        Self {
            asn: geo.asn.unwrap_or(0).into(),
            organisation: geo.organisation.unwrap_or(u32::MAX).into(),
            standing: standing.into(),
            country: country.unwrap_or_default(),
            bits: verdict as u8 | (state as u8) << Self::STATE,
            neighbourhood: 0,
            score: score.into(),
        }
    }

    #[inline]
    pub(crate) fn state(&self) -> State {
        match self.bits >> Self::STATE & 3 {
            1 => State::Historical,
            2 => State::Active,
            _ => State::Unknown,
        }
    }

    /// The verdict before any override.
    #[inline]
    pub(crate) fn verdict(&self) -> Verdict {
        Verdict::from_number(self.bits & 7)
    }

    /// The number of [`Self::verdict`].
    #[inline]
    pub(crate) fn verdict_number(&self) -> u8 {
        let number = self.bits & 7;
        if number > Verdict::NotApplicable as u8 { Verdict::NoAction as u8 } else { number }
    }

    /// 0 where unknown.
    #[inline]
    pub(crate) fn asn_number(&self) -> u32 {
        self.asn.get()
    }

    /// Two zeros where unknown.
    #[inline]
    pub(crate) fn country_letters(&self) -> [u8; 2] {
        self.country
    }

    /// Where the organisation's name is; `u32::MAX` where unknown.
    #[inline]
    pub(crate) fn organisation_place(&self) -> u32 {
        self.organisation.get()
    }

    #[inline]
    pub(crate) fn is_special(&self) -> bool {
        self.bits & Self::SPECIAL != 0
    }

    /// The same with the score and the verdict that own signals made of it.
    pub(crate) fn moved(self, score: f64, verdict: Verdict) -> Self {
        let bits = self.bits & !7 | Self::MOVED | verdict as u8;
        Self { bits, score: score.into(), ..self }
    }

    /// Whether own signals moved it.
    #[inline]
    pub(crate) fn is_moved(&self) -> bool {
        self.bits & Self::MOVED != 0
    }

    /// The same with the place of the organisation's name instead of the organisation's number.
    pub(crate) fn with_organisation_at(mut self, place: impl Fn(u32) -> Option<u32>) -> Self {
        let number = Some(self.organisation.get()).filter(|number| *number != u32::MAX);
        self.organisation = number.and_then(place).unwrap_or(u32::MAX).into();
        self
    }

    #[inline]
    pub(crate) fn asn(&self) -> Option<u32> {
        Some(self.asn.get()).filter(|asn| *asn != 0)
    }

    #[inline]
    pub(crate) fn country(&self) -> Option<Country> {
        Country::from_letters(self.country)
    }
}

/// Where an address stands with the feeds. There are few of these, so that they stay in the cache.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned,
)]
#[repr(C)]
pub(crate) struct Standing {
    /// The feed set that lists it, or where historical, listed it.
    pub(crate) feeds: U32,
    /// The set of label and benign feeds that list it.
    pub(crate) labels: U32,
    /// What the feeds in both sets say, one bit a category.
    pub(crate) categories: U32,
    /// When it left its last feed, where it is remembered; 0 while active.
    pub(crate) ended: U32,
    /// How often it was listed, and for how many days each time; 0 where no scorer asked.
    pub(crate) spells: u8,
    pub(crate) spell_days: u8,
    pub(crate) zero: [u8; 2],
}

impl Standing {
    /// In no feed; the first of every snapshot.
    pub(crate) const NOTHING: Self = Self {
        feeds: U32::ZERO,
        labels: U32::ZERO,
        categories: U32::ZERO,
        ended: U32::ZERO,
        spells: 0,
        spell_days: 0,
        zero: [0; 2],
    };
}

/// One listing: a feed and an interval.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct ListingRow {
    pub(crate) feed: U32,
    pub(crate) first_seen: U32,
    /// 0 while active.
    pub(crate) ended: U32,
}

/// An IPv6 network as stored, ordered like [`crate::Prefix6`].
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct Prefix6Row {
    pub(crate) address: zerocopy::little_endian::U128,
    pub(crate) length: u8,
}

/// Distinct sorted sets of numbers, each with an id; id 0 is the empty set.
#[derive(Debug, Clone)]
pub(crate) struct Sets {
    ends: Vec<u32>,
    members: Vec<u32>,
    ids: FxHashMap<Box<[u32]>, u32>,
}

impl Sets {
    pub(crate) fn new() -> Self {
        let ids = std::iter::once((Box::default(), 0)).collect();
        Self { ends: vec![0], members: Vec::new(), ids }
    }

    pub(crate) fn intern(&mut self, set: &[u32]) -> u32 {
        if let Some(&id) = self.ids.get(set) {
            return id;
        }
        let id = self.ends.len() as u32;
        self.members.extend_from_slice(set);
        self.ends.push(self.members.len() as u32);
        self.ids.insert(set.into(), id);
        id
    }

    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(crate) fn get(&self, id: u32) -> &[u32] {
        let end = |id: usize| self.ends.get(id).map_or(0, |end| *end as usize);
        let start = (id as usize).checked_sub(1).map_or(0, end);
        self.members.get(start..end(id as usize)).unwrap_or_default()
    }

    pub(crate) fn ends(&self) -> &[u32] {
        &self.ends
    }

    pub(crate) fn members(&self) -> &[u32] {
        &self.members
    }
}

/// A set as [`Sets`] wrote it to two sections.
pub(crate) fn stored_set<'a, T>(ends: &[U32], members: &'a [T], id: u32) -> &'a [T] {
    let end = |id: usize| ends.get(id).map_or(0, |end| end.get() as usize);
    let start = (id as usize).checked_sub(1).map_or(0, end);
    members.get(start..end(id as usize)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_interned_and_read_back() {
        let mut sets = Sets::new();
        let a = sets.intern(&[1, 2]);
        let b = sets.intern(&[7]);
        assert_eq!((sets.intern(&[]), sets.intern(&[1, 2]), sets.intern(&[7])), (0, a, b));
        assert_eq!(
            (sets.get(0), sets.get(a), sets.get(b), sets.get(99)),
            (&[][..], &[1, 2][..], &[7][..], &[][..])
        );
        let ends: Vec<U32> = sets.ends().iter().map(|e| U32::new(*e)).collect();
        assert_eq!(stored_set(&ends, sets.members(), a), [1, 2]);
        assert!(stored_set(&ends, sets.members(), 99).is_empty());
    }

    #[test]
    fn records_keep_what_is_put_in_and_what_is_unknown() {
        for geo in [
            GeoRecord::default(),
            GeoRecord { asn: Some(64500), organisation: Some(0), country: Country::new("DE") },
            GeoRecord { asn: None, organisation: None, country: Country::new("FR") },
        ] {
            for state in [State::Unknown, State::Historical, State::Active] {
                for verdict in [Verdict::NoAction, Verdict::Triage, Verdict::Suspicious] {
                    let record = Record::new(7, state, verdict, geo, 12.5);
                    assert_eq!((record.asn(), record.country()), (geo.asn, geo.country));
                    let place = record.with_organisation_at(|n| Some(n + 5)).organisation_place();
                    assert_eq!(place, geo.organisation.map_or(u32::MAX, |number| number + 5));
                    assert_eq!(record.state(), state);
                    assert_eq!((record.verdict(), record.is_special()), (verdict, false));
                    assert_eq!(record.verdict_number(), verdict as u8);
                    assert_eq!((record.standing.get(), record.score.get()), (7, 12.5));
                    let moved = record.moved(3.5, Verdict::Dangerous);
                    assert_eq!((record.is_moved(), moved.is_moved()), (false, true));
                    assert_eq!((moved.score.get(), moved.verdict()), (3.5, Verdict::Dangerous));
                    assert_eq!((moved.state(), moved.asn()), (state, geo.asn));
                }
            }
        }
        let special = Record::SPECIAL_PURPOSE;
        assert!(special.is_special() && special.verdict() == Verdict::NotApplicable);
        assert_eq!((special.state(), special.asn()), (State::Unknown, None));
        assert_eq!((special.country(), special.organisation_place()), (None, u32::MAX));
    }
}
