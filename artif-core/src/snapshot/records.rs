//! The fixed-size rows of a snapshot.

use rustc_hash::FxHashMap;
use zerocopy::little_endian::{F64, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::geo::{Country, GeoRecord};
use crate::reputation::Verdict;
use crate::score::State;

/// The answer for a range of addresses that do not differ.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct Record {
    /// The feed set that lists it, or where historical, listed it.
    pub(crate) feeds: U32,
    /// The set of label and benign feeds that list it.
    pub(crate) labels: U32,
    /// Its geo record.
    pub(crate) geo: U32,
    /// Where historical, when it left its last feed; else 0.
    pub(crate) ended: U32,
    /// What the feeds in both sets say, one bit a category.
    pub(crate) categories: U32,
    pub(crate) state: u8,
    pub(crate) verdict: u8,
    pub(crate) flags: u8,
    pub(crate) zero: u8,
    pub(crate) score: F64,
}

impl Record {
    /// Set in `flags` for special-purpose addresses.
    pub(crate) const SPECIAL: u8 = 1;

    /// What a damaged file answers: nothing known.
    pub(crate) const UNKNOWN: Self = Self {
        feeds: U32::ZERO,
        labels: U32::ZERO,
        geo: U32::ZERO,
        ended: U32::ZERO,
        categories: U32::ZERO,
        state: State::Unknown as u8,
        verdict: Verdict::NoAction as u8,
        flags: 0,
        zero: 0,
        score: F64::from_bytes(100.0_f64.to_le_bytes()),
    };

    pub(crate) fn state(&self) -> State {
        match self.state {
            1 => State::Historical,
            2 => State::Active,
            _ => State::Unknown,
        }
    }

    pub(crate) fn is_special(&self) -> bool {
        self.flags & Self::SPECIAL != 0
    }
}

/// A [`GeoRecord`] as stored; absent values are 0 (ASN 0 is nobody's), `u32::MAX`, and two zeros.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct GeoRow {
    asn: U32,
    organisation: U32,
    country: [u8; 2],
    zero: [u8; 2],
}

impl From<GeoRecord> for GeoRow {
    fn from(record: GeoRecord) -> Self {
        let country =
            record.country.and_then(|c| c.as_str().as_bytes().first_chunk::<2>().copied());
        Self {
            asn: record.asn.unwrap_or(0).into(),
            organisation: record.organisation.unwrap_or(u32::MAX).into(),
            country: country.unwrap_or_default(),
            zero: [0; 2],
        }
    }
}

impl GeoRow {
    pub(crate) fn record(&self) -> GeoRecord {
        GeoRecord {
            asn: Some(self.asn.get()).filter(|asn| *asn != 0),
            organisation: Some(self.organisation.get()).filter(|org| *org != u32::MAX),
            country: std::str::from_utf8(&self.country).ok().and_then(Country::new),
        }
    }
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
    fn geo_rows_keep_what_is_unknown() {
        for record in [
            GeoRecord::default(),
            GeoRecord { asn: Some(64500), organisation: Some(0), country: Country::new("DE") },
            GeoRecord { asn: None, organisation: None, country: Country::new("FR") },
        ] {
            assert_eq!(GeoRow::from(record).record(), record);
        }
    }
}
