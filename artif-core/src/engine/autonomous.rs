//! The networks of autonomous systems, for feeds that list those.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::owner::Shared;
use super::refresh::Work;
use crate::error::{Error, Result};
use crate::feed::{Feed, Parsed, Scope, cover_v4, cover_v6, covered};
use crate::geo::{GeoSources, GeoTable};
use crate::net::PrefixSet;

/// The databases where a feed needs them, with the identity of their files: with others the same
/// list stands for other networks.
#[derive(Debug, Default)]
pub(super) struct Systems {
    identity: u128,
    geo: Option<Arc<GeoSources>>,
}

impl Systems {
    /// Loads the databases if one of these feeds lists autonomous systems.
    pub(super) fn needed_by(feeds: &[&Feed], shared: &Shared, work: &mut Work) -> Self {
        if feeds.iter().all(|feed| feed.scope != Scope::As) {
            return Self::default();
        }
        let (identity, geo) = work.databases(&shared.config.geo);
        Self { identity, geo: Some(geo) }
    }

    pub(super) fn identity(&self) -> u128 {
        self.identity
    }

    /// Puts the networks that the systems announce in their place.
    pub(super) fn resolve(&self, feed: &Feed, mut parsed: Parsed) -> Result<Parsed> {
        let there = |geo: &&Arc<GeoSources>| {
            geo.databases.iter().any(|database| database.asn && database.problem.is_none())
        };
        let Some(geo) = self.geo.as_ref().filter(there) else {
            return Err(Error::Parse {
                feed: feed.id.to_string(),
                line: None,
                reason: "it lists autonomous systems, and there is no ASN database to find their \
                         networks in: set `geo.asn`, or disable it"
                    .to_owned(),
            });
        };
        parsed.prefixes = networks(&geo.table, &parsed.asns.iter().copied().collect());
        parsed.report.distinct = parsed.prefixes.len() as u64;
        parsed.report.v4_addresses = covered(parsed.prefixes.v4());
        Ok(parsed)
    }
}

/// The fewest networks that make up the ranges of these systems.
fn networks(table: &GeoTable, systems: &BTreeSet<u32>) -> PrefixSet {
    let is_listed: Vec<bool> = table
        .records
        .iter()
        .map(|record| record.asn.is_some_and(|asn| systems.contains(&asn)))
        .collect();
    let listed = |record: &u32| is_listed.get(*record as usize).copied().unwrap_or_default();
    let v4 =
        runs(&table.v4_starts, table.v4_records.iter().map(listed), u32::MAX, |start| start - 1)
            .flat_map(|(first, last)| cover_v4(first, last));
    let v6 =
        runs(&table.v6_starts, table.v6_records.iter().map(listed), u128::MAX, |start| start - 1)
            .flat_map(|(first, last)| cover_v6(first, last));
    let (v4, v6): (Vec<_>, Vec<_>) = (v4.collect(), v6.collect());
    // What databases say of private space is nobody's network.
    let v4 = v4.into_iter().filter(|net| crate::Prefix::V4(*net).special_purpose().is_none());
    let v6 = v6.into_iter().filter(|net| crate::Prefix::V6(*net).special_purpose().is_none());
    PrefixSet::new(v4.collect(), v6.collect())
}

/// First and last address of the runs of listed ranges. A range begins after another but for the
/// first, which begins at 0, so `before` is asked of starts above 0 only.
fn runs<A: Copy>(
    starts: &[A],
    listed: impl Iterator<Item = bool>,
    end: A,
    before: impl Fn(A) -> A,
) -> impl Iterator<Item = (A, A)> {
    let mut open = None;
    let mut found = Vec::new();
    for (start, listed) in starts.iter().zip(listed) {
        match (listed, open) {
            (true, None) => open = Some(*start),
            (false, Some(first)) => {
                found.push((first, before(*start)));
                open = None;
            }
            _ => {}
        }
    }
    found.extend(open.map(|first| (first, end)));
    found.into_iter()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::net::{IpAddr, Ipv4Addr};

    use proptest::prelude::*;

    use super::*;
    use crate::geo::GeoRecord;

    fn table(starts: &BTreeSet<u32>, records: &[u32]) -> GeoTable {
        let v4_starts: Vec<u32> = std::iter::once(0).chain(starts.iter().copied()).collect();
        let v4_records = (0..v4_starts.len()).map(|n| records[n % records.len()]).collect();
        let mut table = GeoTable { v4_starts, v4_records, ..GeoTable::default() };
        for asn in 1..4 {
            table.records.push(GeoRecord { asn: Some(asn), ..GeoRecord::default() });
        }
        table
    }

    #[test]
    fn runs_reach_both_ends() {
        let all = |listed: &[bool]| {
            runs(&[0_u32, 10, 20], listed.iter().copied(), u32::MAX, |s| s - 1).collect::<Vec<_>>()
        };
        assert_eq!(all(&[true, true, true]), [(0, u32::MAX)]);
        assert_eq!(all(&[true, false, true]), [(0, 9), (20, u32::MAX)]);
        assert_eq!(all(&[false, true, false]), [(10, 19)]);
        assert_eq!(all(&[false, false, false]), []);
    }

    proptest! {
        #[test]
        fn exactly_the_addresses_of_the_systems(
            starts in prop::collection::btree_set(0x0b00_0001_u32..0x0b00_1000, 1..40),
            records in prop::collection::vec(0_u32..4, 1..7),
            systems in prop::collection::btree_set(1_u32..4, 0..3),
        ) {
            // The edges of the space belong to nobody, as they do in databases.
            let mut starts = starts;
            starts.insert(0x0b00_1000);
            let mut table = table(&starts, &records);
            table.v4_records[0] = 0;
            *table.v4_records.last_mut().unwrap() = 0;
            let found = networks(&table, &systems);
            for address in 0x0b00_0000_u32..0x0b00_1001 {
                let asn = table.lookup(IpAddr::from(Ipv4Addr::from_bits(address))).asn;
                let expected = asn.is_some_and(|asn| systems.contains(&asn));
                let within = found.iter().any(|net| net.contains(Ipv4Addr::from_bits(address).into()));
                prop_assert_eq!(within, expected, "{}", Ipv4Addr::from_bits(address));
            }
        }
    }
}
