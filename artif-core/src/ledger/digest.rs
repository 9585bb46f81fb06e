//! The digest of a ledger: the sum of a hash of every head, listing and override in it. A sum
//! depends neither on order nor on block boundaries, and a change costs as much as it changes.

use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

use super::block::{Gone, Listed, Net};
use super::record;
use super::store::{FeedHead, Override};
use crate::feed::FeedId;

const ACTIVE: u8 = 0;
const ENDED: u8 = 2;
const HEAD: u8 = 4;
const OVERRIDE: u8 = 5;

/// What makes the same listing of two feeds two things.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FeedKey(u64);

impl FeedKey {
    pub(crate) fn of(feed: &FeedId) -> Self {
        Self(xxh3_64(feed.as_str().as_bytes()))
    }

    pub(crate) fn active<P: Net>(self, listed: Listed<P>) -> u128 {
        self.listing(ACTIVE, listed.0, listed.1, 0)
    }

    pub(crate) fn ended<P: Net>(self, gone: Gone<P>) -> u128 {
        self.listing(ENDED, gone.0, gone.1, gone.2)
    }

    /// The sum over many.
    pub(crate) fn sum_active<P: Net>(self, listed: &[Listed<P>]) -> u128 {
        listed.iter().fold(0, |sum, &entry| sum.wrapping_add(self.active(entry)))
    }

    /// The sum over many.
    pub(crate) fn sum_ended<P: Net>(self, gone: &[Gone<P>]) -> u128 {
        gone.iter().fold(0, |sum, &entry| sum.wrapping_add(self.ended(entry)))
    }

    fn listing<P: Net>(self, kind: u8, prefix: P, from: u32, until: u32) -> u128 {
        let mut bytes = [0; 34];
        // Fixed offsets instead of a writer: this runs for every listing at every opening.
        let (feed, rest) = bytes.split_at_mut(8);
        feed.copy_from_slice(&self.0.to_le_bytes());
        let (marks, rest) = rest.split_at_mut(2);
        marks.copy_from_slice(&[kind | P::FLAG, prefix.length()]);
        let (times, address) = rest.split_at_mut(8);
        let both = u64::from(from) | u64::from(until) << 32;
        times.copy_from_slice(&both.to_le_bytes());
        address.copy_from_slice(&P::bytes(prefix.word()));
        xxh3_128(&bytes)
    }
}

/// The share of a feed's state.
pub(crate) fn head(head: &FeedHead) -> u128 {
    let mut bytes = vec![HEAD];
    record::put_head(&mut bytes, head);
    xxh3_128(&bytes)
}

/// The share of an override.
pub(crate) fn override_(entry: &Override) -> u128 {
    let mut bytes = vec![OVERRIDE];
    record::put_override(&mut bytes, entry);
    xxh3_128(&bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::{Prefix4, Prefix6};

    #[test]
    fn every_part_of_a_listing_counts() {
        let (a, b): (FeedId, FeedId) = ("a".parse().unwrap(), "b".parse().unwrap());
        let (a, b) = (FeedKey::of(&a), FeedKey::of(&b));
        let host = Prefix4::host(7);
        let all = [
            a.active((host, 1)),
            b.active((host, 1)),
            a.active((host, 2)),
            a.active((Prefix4::host(8), 1)),
            a.active((Prefix4::new(0, 32).unwrap(), 1)),
            a.active((Prefix4::new(0, 31).unwrap(), 1)),
            a.active((Prefix6::new(0, 32).unwrap(), 1)),
            a.ended((host, 1, 0)),
            a.ended((host, 1, 2)),
            a.ended((host, 2, 1)),
        ];
        let distinct: std::collections::BTreeSet<u128> = all.into_iter().collect();
        assert_eq!(distinct.len(), all.len());
    }
}
