//! When lists list: who is first, what comes and goes, how long it stays.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;

use super::lag::Lags;
use crate::clock::Seconds;
use crate::snapshot::{Snapshot, Spell};

/// A feed, as far as times need it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Timed {
    /// Compared with others: not so warninglists.
    pub(super) compared: bool,
    /// Only feeds of one role are compared.
    pub(super) role: u8,
    pub(super) publisher: u32,
    /// When it was first loaded. What was there by then may have been for longer.
    pub(super) loaded: Option<Seconds>,
}

/// Who of two is first; times are told for networks that both list or listed.
#[derive(Debug, Clone, Default)]
pub(super) struct Order {
    pub(super) first: u64,
    pub(super) later: u64,
    pub(super) same: u64,
    pub(super) lags: Lags,
}

/// What comes and goes in one feed.
#[derive(Debug, Clone, Default)]
pub(super) struct Turnover {
    /// Listings by the day they began and ended on, in days since 1970.
    pub(super) days: BTreeMap<u32, (u64, u64)>,
    pub(super) ended: u64,
    /// Days that networks were listed for, added up.
    pub(super) listed_days: f64,
    pub(super) first_of_publishers: Order,
}

#[derive(Debug)]
pub(super) struct Times {
    pub(super) feeds: Vec<Turnover>,
    /// By two feeds, the smaller number first: how the first one fared against the other.
    pub(super) pairs: FxHashMap<(u32, u32), Order>,
}

/// What is known of when a feed first listed a network.
#[derive(Debug, Clone, Copy)]
struct Begin {
    feed: u32,
    at: Seconds,
    /// It was not there when the feed was first loaded.
    seen: bool,
}

/// Reads all listings. What ended before `since` is forgotten already, so nothing before counts.
pub(super) fn times(
    snapshot: &Snapshot,
    listings: &[Vec<Spell>],
    feeds: &[Timed],
    since: Seconds,
    now: Seconds,
) -> Times {
    let mut counts = vec![0_u64; listings.len()];
    let sets = snapshot.listed4().map(|n| n.1).chain(snapshot.listed6().map(|n| n.1));
    for set in sets {
        if let Some(count) = counts.get_mut(set as usize) {
            *count += 1;
        }
    }
    let mut times =
        Times { feeds: vec![Turnover::default(); feeds.len()], pairs: FxHashMap::default() };
    let mut begins: Vec<Begin> = Vec::new();
    for (spells, count) in listings.iter().zip(counts).filter(|(_, count)| *count > 0) {
        begins.clear();
        for spell in spells {
            let Some(feed) = feeds.get(spell.feed as usize).filter(|feed| feed.compared) else {
                continue;
            };
            let seen = feed.loaded != Some(spell.first_seen);
            if let Some(turnover) = times.feeds.get_mut(spell.feed as usize) {
                turnover.add(*spell, seen, count, since, now);
            }
            match begins.iter_mut().find(|begin| begin.feed == spell.feed) {
                Some(begin) if begin.at <= spell.first_seen => {}
                Some(begin) => (begin.at, begin.seen) = (spell.first_seen, seen),
                None => begins.push(Begin { feed: spell.feed, at: spell.first_seen, seen }),
            }
        }
        times.compare(&begins, feeds, count);
    }
    times
}

impl Turnover {
    fn add(&mut self, spell: Spell, seen: bool, count: u64, since: Seconds, now: Seconds) {
        let day = |at: Seconds| at / 86_400;
        if seen && spell.first_seen >= since {
            self.days.entry(day(spell.first_seen)).or_default().0 += count;
        }
        if let Some(ended) = spell.ended.filter(|ended| *ended >= since) {
            self.days.entry(day(ended)).or_default().1 += count;
            self.ended += count;
        }
        let end = spell.ended.unwrap_or(now).min(now);
        let seconds = end.saturating_sub(spell.first_seen.max(since));
        self.listed_days += f64::from(seconds) / 86_400.0 * count as f64;
    }

    /// The half-life of listings if each day takes the same share of them; `None` where none was
    /// seen to end.
    pub(super) fn half_life_days(&self) -> Option<f64> {
        (self.ended > 0).then(|| std::f64::consts::LN_2 * self.listed_days / self.ended as f64)
    }
}

impl Times {
    fn compare(&mut self, begins: &[Begin], feeds: &[Timed], count: u64) {
        let facts = |begin: &Begin| feeds.get(begin.feed as usize);
        for (place, one) in begins.iter().enumerate() {
            let Some(about) = facts(one) else { continue };
            let others = || {
                begins.iter().filter(|other| {
                    facts(other).is_some_and(|other| {
                        other.role == about.role && other.publisher != about.publisher
                    })
                })
            };
            if let Some(turnover) = self.feeds.get_mut(one.feed as usize) {
                turnover.first_of_publishers.add_all(*one, others(), count);
            }
            for other in begins.iter().skip(place + 1) {
                if facts(other).is_some_and(|other| other.role == about.role) {
                    let (a, b) = if one.feed < other.feed { (one, other) } else { (other, one) };
                    let order = self.pairs.entry((a.feed, b.feed)).or_default();
                    order.add_all(*a, std::iter::once(b), count);
                }
            }
        }
    }
}

impl Order {
    /// Counts a network that `one` lists, and `others` do. Of one that was there from the start
    /// only an upper bound of its time is known.
    fn add_all<'a>(&mut self, one: Begin, others: impl Iterator<Item = &'a Begin>, count: u64) {
        let (mut earliest, mut all_seen, mut before) = (None, true, false);
        for other in others {
            earliest = Some(earliest.map_or(other.at, |at: Seconds| at.min(other.at)));
            all_seen &= other.seen;
            before |= other.at < one.at;
        }
        let Some(earliest) = earliest else { return };
        if one.seen && all_seen {
            self.lags.add(i64::from(one.at) - i64::from(earliest), count);
        }
        if one.seen && before {
            self.later += count;
        } else if all_seen && earliest > one.at {
            self.first += count;
        } else if all_seen && one.seen && earliest == one.at {
            self.same += count;
        }
    }

    /// How many networks' order is known.
    pub(super) fn known(&self) -> u64 {
        self.first + self.later + self.same
    }
}
