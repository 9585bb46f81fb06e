//! All listings of all feeds, by network.

use rustc_hash::FxHashMap;

use super::index::costs;
use super::records::{ListingRow, Sets};
use crate::clock::Seconds;
use crate::error::{Error, Result};
use crate::feed::FeedId;
use crate::ledger::Store;
use crate::net::{Prefix, Prefix4, Prefix6, PrefixSet};

/// A feed and an interval; `ended` is 0 while active.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Listing {
    pub(super) feed: u32,
    pub(super) first_seen: Seconds,
    pub(super) ended: Seconds,
}

/// Distinct listings. A feed's networks mostly share their intervals, so there are far fewer of
/// these than there are networks.
#[derive(Debug, Default)]
pub(super) struct Listings {
    all: Vec<Listing>,
    ids: FxHashMap<Listing, u32>,
    last: Option<(Listing, u32)>,
}

impl Listings {
    fn intern(&mut self, listing: Listing) -> u32 {
        if let Some((last, id)) = self.last
            && last == listing
        {
            return id;
        }
        let id = *self.ids.entry(listing).or_insert_with(|| {
            self.all.push(listing);
            (self.all.len() - 1) as u32
        });
        self.last = Some((listing, id));
        id
    }

    pub(super) fn get(&self, id: u32) -> Option<Listing> {
        self.all.get(id as usize).copied()
    }

    pub(super) fn rows(&self) -> impl Iterator<Item = ListingRow> + '_ {
        self.all.iter().map(|l| ListingRow {
            feed: l.feed.into(),
            first_seen: l.first_seen.into(),
            ended: l.ended.into(),
        })
    }
}

/// Every distinct network, sorted, with the id of its set of listings.
#[derive(Debug)]
pub(super) struct Gathered {
    pub(super) v4: Vec<Prefix4>,
    pub(super) v4_sets: Vec<u32>,
    pub(super) v6: Vec<Prefix6>,
    pub(super) v6_sets: Vec<u32>,
    /// Sets of places in `listings`.
    pub(super) sets: Sets,
    pub(super) listings: Listings,
}

impl Gathered {
    /// For each set how many of its listings are by feeds that count.
    pub(super) fn by_feeds(&self, counts: impl Fn(u32) -> bool) -> Vec<u64> {
        let sets = 0..self.sets.len() as u32;
        let listings = |set| self.sets.get(set).iter().filter_map(|id| self.listings.get(*id));
        sets.map(|set| listings(set).filter(|listing| counts(listing.feed)).count() as u64)
            .collect()
    }

    /// About how many bytes all networks take in the indexes.
    pub(super) fn cost(&self) -> u64 {
        costs(&self.v4, &self.v6).sum()
    }

    /// For each of `feeds` feeds about how many of those bytes are for networks that it lists or did.
    pub(super) fn cost_by_feed(&self, feeds: usize) -> Vec<u64> {
        let mut bytes = vec![0; feeds];
        let sets = self.v4_sets.iter().chain(&self.v6_sets);
        for (cost, set) in costs(&self.v4, &self.v6).zip(sets) {
            let mut last = None;
            for id in self.sets.get(*set) {
                let Some(listing) = self.listings.get(*id) else { continue };
                // A feed may have listed it several times.
                if last.replace(listing.feed) != Some(listing.feed)
                    && let Some(bytes) = bytes.get_mut(listing.feed as usize)
                {
                    *bytes += cost;
                }
            }
        }
        bytes
    }

    /// How many networks have a set of listings for which `holds`.
    pub(super) fn count(&self, holds: impl Fn(u32) -> bool) -> u64 {
        self.v4_sets.iter().chain(&self.v6_sets).filter(|set| holds(**set)).count() as u64
    }
}

/// Bits of a packed IPv4 network; a listing's id takes the rest of a u64.
const PACKED: u32 = 38;

/// Sorts what is mostly runs that are sorted already: each feed's networks come in order.
#[expect(
    clippy::stable_sort_primitive,
    reason = "the stable sort merges runs, the unstable does not"
)]
fn sort_runs(keys: &mut [u64]) {
    keys.sort();
}

/// Reads all listings of those of `feeds` whose place `counts`; the place is a feed's number. The networks in `builtin` are
/// listed since ever by feeds that come after those.
pub(super) fn gather(
    store: &dyn Store,
    feeds: &[FeedId],
    counts: impl Fn(usize) -> bool,
    builtin: &[PrefixSet],
) -> Result<Gathered> {
    let mut listings = Listings::default();
    let mut v4: Vec<u64> = Vec::new();
    let mut v6: Vec<(Prefix6, u32)> = Vec::new();
    for (number, feed) in (0..).zip(feeds).filter(|(number, _)| counts(*number as usize)) {
        let mut push = |prefix, first_seen, ended| {
            let id = listings.intern(Listing { feed: number, first_seen, ended });
            match prefix {
                Prefix::V4(p) => v4.push(p.packed() << (64 - PACKED) | u64::from(id)),
                Prefix::V6(p) => v6.push((p, id)),
            }
        };
        store.active(feed, &mut |l| push(l.prefix, l.first_seen, 0))?;
        store.ended(feed, &mut |l| push(l.prefix, l.first_seen, l.ended.max(1)))?;
    }
    for (number, set) in (feeds.len() as u32..).zip(builtin) {
        let id = listings.intern(Listing { feed: number, first_seen: 0, ended: 0 });
        v4.extend(set.v4().iter().map(|p| p.packed() << (64 - PACKED) | u64::from(id)));
        v6.extend(set.v6().iter().map(|p| (*p, id)));
    }
    if listings.all.len() >= 1 << (64 - PACKED) {
        return Err(Error::Invalid {
            what: "ledger",
            reason: "more than 67 million distinct (feed, interval) pairs: shorten the retention"
                .to_owned(),
        });
    }
    sort_runs(&mut v4);
    v6.sort();

    let mut sets = Sets::new();
    let mut members = Vec::new();
    let (mut nets4, mut sets4) = (Vec::new(), Vec::new());
    for group in v4.chunk_by(|a, b| a >> (64 - PACKED) == b >> (64 - PACKED)) {
        let Some(prefix) = group.first().and_then(|g| Prefix4::from_packed(g >> (64 - PACKED)))
        else {
            continue;
        };
        members.clear();
        members.extend(group.iter().map(|key| (key & ((1 << (64 - PACKED)) - 1)) as u32));
        nets4.push(prefix);
        sets4.push(sets.intern(&members));
    }
    let (mut nets6, mut sets6) = (Vec::new(), Vec::new());
    for group in v6.chunk_by(|a, b| a.0 == b.0) {
        let Some((prefix, _)) = group.first() else { continue };
        members.clear();
        members.extend(group.iter().map(|(_, id)| *id));
        nets6.push(*prefix);
        sets6.push(sets.intern(&members));
    }
    Ok(Gathered { v4: nets4, v4_sets: sets4, v6: nets6, v6_sets: sets6, sets, listings })
}
