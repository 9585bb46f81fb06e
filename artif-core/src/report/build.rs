//! From a snapshot to a report.

use chrono::{DateTime, NaiveDate};
use rustc_hash::FxHashMap;

use super::copies;
use super::model::{
    Accuracy, Churn, Coverage, DayChurn, Exclusive, FeedMeasures, FeedsReport, Latency, Overlap,
    Volume,
};
use super::space::{self, NAMED, SHARED, Space};
use super::time::{self, Order, Timed, Times, Turnover};
use crate::clock::{Seconds, datetime, seconds};
use crate::feed::Role;
use crate::snapshot::{Snapshot, SnapshotFeed};

/// How the feeds of a snapshot compare.
pub(crate) fn build(snapshot: &Snapshot) -> FeedsReport {
    let meta = snapshot.meta();
    let now = Seconds::try_from(snapshot.header().created).unwrap_or(Seconds::MAX);
    let since = now.saturating_sub(meta.retention);
    let listings: Vec<_> = snapshot.listing_sets().collect();
    let bits: Vec<usize> = meta.feeds.iter().map(bits).collect();
    let feeds = timed(&meta.feeds);
    let space = space::sweep(snapshot, &listings, &bits);
    let times = time::times(snapshot, &listings, &feeds, since, now);
    let counts = Counts::of(&space, &feeds);

    let proper = || (0..).zip(&meta.feeds).filter(|(_, feed)| feed.role != Role::Warninglist);
    let measures = proper().map(|(number, feed)| {
        let counted = counts.feeds.get(number as usize).copied().unwrap_or_default();
        let turnover = times.feeds.get(number as usize).cloned().unwrap_or_default();
        let from = feed.first_loaded.map_or(now, seconds).max(since);
        FeedMeasures {
            id: feed.id.clone(),
            name: feed.name.clone(),
            publisher: feed.source_group.clone(),
            role: feed.role,
            volume: counted.volume,
            exclusive: Exclusive {
                share: share(counted.exclusive.networks, counted.volume.networks),
                ..counted.exclusive
            },
            coverage: counts.coverage(number, &feeds),
            accuracy: Accuracy { read: feed.read, ..counted.accuracy },
            latency: latency(&turnover.first_of_publishers),
            churn: churn(&turnover, f64::from(now.saturating_sub(from)) / 86_400.0),
        }
    });
    let measures: Vec<FeedMeasures> = measures.collect();
    let overlaps = overlaps(&meta.feeds, &feeds, &counts, &times);
    FeedsReport {
        created: datetime(now),
        since: datetime(since),
        networks: counts.threats.0,
        addresses: counts.threats.1,
        copies: copies::find(&measures, &overlaps),
        feeds: measures,
        overlaps,
    }
}

fn bits(feed: &SnapshotFeed) -> usize {
    match (feed.role, feed.caps()) {
        (Role::Warninglist, true) => SHARED,
        (Role::Warninglist, false) => NAMED,
        _ => 0,
    }
}

fn timed(feeds: &[SnapshotFeed]) -> Vec<Timed> {
    let mut publishers: FxHashMap<&str, u32> = FxHashMap::default();
    let timed = feeds.iter().map(|feed| {
        let next = publishers.len() as u32;
        Timed {
            compared: feed.role != Role::Warninglist,
            role: feed.role as u8,
            publisher: *publishers.entry(&feed.source_group).or_insert(next),
            loaded: feed.first_loaded.map(seconds),
        }
    });
    timed.collect()
}

fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

#[derive(Debug, Clone, Copy, Default)]
struct Counted {
    volume: Volume,
    exclusive: Exclusive,
    accuracy: Accuracy,
    /// Distinct networks of its role that it lists or covers.
    covered: u64,
    /// Those of them that at least two other publishers have.
    confirmed: u64,
}

/// What the kinds of networks come to for each feed, and each two.
struct Counts {
    feeds: Vec<Counted>,
    /// In row a, column b: networks of a that b lists or covers.
    within: Vec<u64>,
    /// IPv4 addresses in both.
    addresses: Vec<u64>,
    width: usize,
    /// Distinct networks by role.
    distinct: FxHashMap<u8, u64>,
    /// Distinct networks by role and the publishers that have them, where these are at least two;
    /// of more than two it does not matter which.
    agreed: FxHashMap<(u8, Option<[u32; 2]>), u64>,
    /// Distinct networks and IPv4 addresses of threat feeds.
    threats: (u64, u64),
}

impl Counts {
    fn of(space: &Space, facts: &[Timed]) -> Self {
        let width = facts.len();
        let mut counts = Self {
            feeds: vec![Counted::default(); width],
            within: vec![0; width * width],
            addresses: vec![0; width * width],
            width,
            distinct: FxHashMap::default(),
            agreed: FxHashMap::default(),
            threats: (0, 0),
        };
        let mut roles: Vec<u8> = facts.iter().filter(|f| f.compared).map(|f| f.role).collect();
        roles.sort_unstable();
        roles.dedup();
        let known = |feed: u32| facts.get(feed as usize).map(|facts| (feed, *facts));
        for kind in &space.kinds {
            for role in &roles {
                let of_role = |set| {
                    let feeds = space.sets.get(set).iter().filter_map(|feed| known(*feed));
                    feeds.filter(|(_, f)| f.compared && f.role == *role).collect::<Vec<_>>()
                };
                let all = of_role(kind.all);
                if !all.is_empty() {
                    counts.add(kind, *role, &of_role(kind.own), &all);
                }
            }
        }
        counts
    }

    fn add(&mut self, kind: &space::Kind, role: u8, own: &[(u32, Timed)], all: &[(u32, Timed)]) {
        let networks = kind.networks();
        let hits = |bit: usize| {
            let both = kind.v4.iter().enumerate().chain(kind.v6.iter().enumerate());
            both.filter(|(hits, _)| hits & bit != 0).map(|(_, count)| count).sum::<u64>()
        };
        let (shared, named) = (hits(SHARED), hits(NAMED));
        let mut publishers: Vec<u32> = all.iter().map(|(_, facts)| facts.publisher).collect();
        publishers.sort_unstable();
        publishers.dedup();

        if role == Role::Threat as u8 {
            self.threats.1 += kind.addresses;
        }
        if !own.is_empty() {
            *self.distinct.entry(role).or_default() += networks;
            if role == Role::Threat as u8 {
                self.threats.0 += networks;
            }
            match *publishers.as_slice() {
                [] | [_] => {}
                [a, b] => *self.agreed.entry((role, Some([a, b]))).or_default() += networks,
                _ => *self.agreed.entry((role, None)).or_default() += networks,
            }
        }
        for (feed, _) in all {
            let Some(counted) = self.feeds.get_mut(*feed as usize) else { continue };
            counted.volume.addresses += kind.addresses;
            if all.len() == 1 {
                counted.exclusive.addresses += kind.addresses;
            }
            if !own.is_empty() {
                counted.covered += networks;
                if publishers.len() > 2 {
                    counted.confirmed += networks;
                }
            }
            let row = *feed as usize * self.width;
            for (other, _) in all {
                if let Some(cell) = self.addresses.get_mut(row + *other as usize) {
                    *cell += kind.addresses;
                }
            }
        }
        for (feed, _) in own {
            let Some(counted) = self.feeds.get_mut(*feed as usize) else { continue };
            counted.volume.networks4 += kind.v4.iter().sum::<u64>();
            counted.volume.networks6 += kind.v6.iter().sum::<u64>();
            counted.volume.networks += networks;
            counted.accuracy.shared_infrastructure += shared;
            counted.accuracy.named_infrastructure += named;
            if all.len() == 1 {
                counted.exclusive.networks += networks;
            }
            if publishers.len() == 1 {
                counted.exclusive.of_publisher += networks;
            } else {
                counted.accuracy.corroborated += networks;
            }
            let row = *feed as usize * self.width;
            for (other, _) in all {
                if let Some(cell) = self.within.get_mut(row + *other as usize) {
                    *cell += networks;
                }
            }
        }
    }

    fn within(&self, a: u32, b: u32) -> u64 {
        self.within.get(a as usize * self.width + b as usize).copied().unwrap_or(0)
    }

    fn common(&self, a: u32, b: u32) -> u64 {
        self.addresses.get(a as usize * self.width + b as usize).copied().unwrap_or(0)
    }

    fn coverage(&self, feed: u32, facts: &[Timed]) -> Coverage {
        let (Some(counted), Some(facts)) =
            (self.feeds.get(feed as usize), facts.get(feed as usize))
        else {
            return Coverage::default();
        };
        // Of a network that two publishers have, one of them this feed's, one other is left.
        let agreed = self.agreed.iter().filter(|((role, two), _)| {
            *role == facts.role && two.is_none_or(|two| !two.contains(&facts.publisher))
        });
        let agreed: u64 = agreed.map(|(_, networks)| networks).sum();
        Coverage {
            networks: share(counted.covered, self.distinct.get(&facts.role).copied().unwrap_or(0)),
            confirmed: (agreed > 0).then(|| share(counted.confirmed, agreed)),
        }
    }
}

fn latency(order: &Order) -> Latency {
    Latency {
        shared: order.known(),
        first: order.first,
        same: order.same,
        later: order.later,
        median_hours: order.lags.median(),
    }
}

fn churn(turnover: &Turnover, days: f64) -> Churn {
    let (added, removed) =
        turnover.days.values().fold((0, 0), |sum, day| (sum.0 + day.0, sum.1 + day.1));
    let per_day = |count: u64| (days >= 1.0).then(|| count as f64 / days);
    let date = |day: u32| -> NaiveDate {
        DateTime::from_timestamp(i64::from(day) * 86_400, 0).unwrap_or_default().date_naive()
    };
    let daily = turnover.days.iter();
    Churn {
        days,
        added,
        removed,
        added_per_day: per_day(added),
        removed_per_day: per_day(removed),
        half_life_days: turnover.half_life_days(),
        daily: daily
            .map(|(day, (added, removed))| DayChurn {
                date: date(*day),
                added: *added,
                removed: *removed,
            })
            .collect(),
    }
}

fn overlaps(
    described: &[SnapshotFeed],
    facts: &[Timed],
    counts: &Counts,
    times: &Times,
) -> Vec<Overlap> {
    let volume = |feed: u32| counts.feeds.get(feed as usize).map(|counted| counted.volume);
    let proper = || (0..).zip(described.iter().zip(facts)).filter(|(_, (_, f))| f.compared);
    let mut overlaps = Vec::new();
    for (a, (one, about)) in proper() {
        for (b, (other, _)) in proper().filter(|(b, (_, f))| *b > a && f.role == about.role) {
            let (a_in_b, b_in_a) = (counts.within(a, b), counts.within(b, a));
            let order = times.pairs.get(&(a, b));
            let addresses = counts.common(a, b);
            if a_in_b == 0 && b_in_a == 0 && addresses == 0 && order.is_none() {
                continue;
            }
            let (va, vb) = (volume(a).unwrap_or_default(), volume(b).unwrap_or_default());
            let (a_share, b_share) = (share(a_in_b, va.networks), share(b_in_a, vb.networks));
            let either = va.addresses + vb.addresses - addresses;
            overlaps.push(Overlap {
                a: one.id.clone(),
                b: other.id.clone(),
                a_in_b,
                b_in_a,
                a_in_b_share: a_share,
                b_in_a_share: b_share,
                addresses,
                jaccard: if either > 0 { share(addresses, either) } else { a_share.min(b_share) },
                a_first: order.map_or(0, |order| order.first),
                b_first: order.map_or(0, |order| order.later),
                same: order.map_or(0, |order| order.same),
                median_hours: order.and_then(|order| order.lags.median()),
            });
        }
    }
    overlaps
}
