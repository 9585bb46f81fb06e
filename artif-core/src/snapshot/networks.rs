//! The listings as a scorer sees them.

use super::gather::Gathered;
use super::meta::SnapshotFeed;
use crate::clock::{Seconds, seconds};
use crate::net::{Prefix4, Prefix6};
use crate::score::{Interval, Networks, Past};

const DAY: f64 = 86_400.0;

/// All listed networks, with their listings as days before now.
pub(super) struct ListedIntervals<'a> {
    gathered: &'a Gathered,
    /// When each feed was first loaded.
    loaded: Vec<Option<Seconds>>,
    now: Seconds,
}

impl<'a> ListedIntervals<'a> {
    pub(super) fn new(gathered: &'a Gathered, feeds: &[SnapshotFeed], now: Seconds) -> Self {
        let loaded = feeds.iter().map(|feed| feed.first_loaded.map(seconds)).collect();
        Self { gathered, loaded, now }
    }
}

/// A listing as days before `now`; `loaded` is when its feed was first loaded.
pub(crate) fn interval(
    feed: u32,
    first_seen: Seconds,
    ended: Option<Seconds>,
    loaded: Option<Seconds>,
    now: Seconds,
) -> Interval {
    let days = |moment: Seconds| f64::from(now.saturating_sub(moment)) / DAY;
    Interval {
        feed,
        since_days: days(first_seen),
        from_start: loaded == Some(first_seen),
        ended_days: ended.map(days),
    }
}

impl Networks for ListedIntervals<'_> {
    fn sets(&self) -> u32 {
        self.gathered.sets.len() as u32
    }

    fn set(&self, set: u32, out: &mut Vec<Interval>) {
        let listings = self.gathered.sets.get(set).iter();
        out.clear();
        out.extend(listings.filter_map(|id| self.gathered.listings.get(*id)).map(|listing| {
            let loaded = self.loaded.get(listing.feed as usize).copied().flatten();
            let ended = Some(listing.ended).filter(|ended| *ended != 0);
            interval(listing.feed, listing.first_seen, ended, loaded, self.now)
        }));
    }

    fn for_each4(&self, visit: &mut dyn FnMut(Prefix4, u32)) {
        for (prefix, set) in self.gathered.v4.iter().zip(&self.gathered.v4_sets) {
            visit(*prefix, *set);
        }
    }

    fn for_each6(&self, visit: &mut dyn FnMut(Prefix6, u32)) {
        for (prefix, set) in self.gathered.v6.iter().zip(&self.gathered.v6_sets) {
            visit(*prefix, *set);
        }
    }
}

/// How often, and for how long, an address was in any feed, from `(first_seen, ended)` of its
/// listings, where 0 stands for "still there".
pub(super) fn spells(listings: &mut [(Seconds, Seconds)], now: Seconds) -> Past {
    if listings.is_empty() {
        return Past::default();
    }
    listings.sort_unstable();
    let end = |ended: Seconds| if ended == 0 { now } else { ended };
    let (mut spells, mut seconds) = (0, 0.0);
    let mut until: Option<Seconds> = None;
    for (first_seen, ended) in listings {
        let ended = end(*ended).max(*first_seen);
        match until {
            // Handed from feed to feed at the same moment, it was never gone.
            Some(before) if *first_seen <= before => {
                seconds += f64::from(ended.saturating_sub(before));
                until = Some(before.max(ended));
            }
            _ => {
                spells += 1;
                seconds += f64::from(ended - *first_seen);
                until = Some(ended);
            }
        }
    }
    Past::new(spells, seconds / DAY / spells as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const D: Seconds = 86_400;

    #[test]
    fn overlapping_listings_are_one_spell() {
        let past = |listings: &[(Seconds, Seconds)]| spells(&mut listings.to_vec(), 20 * D);
        assert_eq!(past(&[]), Past::default());
        assert_eq!(past(&[(D, 3 * D)]), Past::new(1, 2.0));
        assert_eq!(past(&[(5 * D, 6 * D), (D, 3 * D), (2 * D, 4 * D)]), Past::new(2, 2.0));
        assert_eq!(past(&[(D, 2 * D), (2 * D, 3 * D)]), Past::new(1, 2.0), "handed on");
        assert_eq!(past(&[(D, 9 * D), (2 * D, 3 * D)]), Past::new(1, 8.0), "within");
        assert_eq!(past(&[(4 * D, 0), (D, 2 * D)]), Past::new(2, 8.5), "still there");
    }
}
