//! How much each listed network weighs in its surroundings, and how much one publisher can do.
//!
//! A listed address weighs `1 + 10·exp(−days/5)`, with the days since it last entered a feed, or 1
//! where it was there when the feed was first loaded; once, however many feeds list it. A network
//! weighs like as many addresses, but at most 16. What label and benign feeds list weighs nothing.
//!
//! Whoever can write into one feed could move verdicts elsewhere: lift a network by filling it, or
//! make everything look harmless by raising the average that it is compared with. So what a single
//! publisher says, and nobody else, is bounded twice:
//!
//! - in each /24 (/48) at [`CELL_CAP`];
//! - in all, at a quarter of what all others say, or three times what it has said for a week, or a
//!   thousand fresh addresses, whichever is more.
//!
//! So a publisher that has said nothing before raises the average of the others by a quarter at
//! most: no verdict elsewhere softens by more than `0.979·ln 1.25 = 0.22` in its logit.

use super::feeds::{FeedModel, Publisher, Turnover, estimate};
use super::space::Address;
use crate::feed::Role;
use crate::score::{Interval, ScoreInput};

/// What a fresh listing weighs more than an old one, and the days over which that fades.
const FRESH: f64 = 10.0;
const FRESH_DAYS: f64 = 5.0;
/// As many addresses a network counts for at most.
const NETWORK_CAP: f64 = 16.0;
/// The mass of one publisher in a cell.
const CELL_CAP: f64 = 64.0;
/// A publisher's share of what all others say.
const QUARTER: f64 = 0.25;
/// How often over what a publisher has said for [`SETTLED_DAYS`] counts.
const GROWTH: f64 = 3.0;
const SETTLED_DAYS: f64 = 7.0;
/// What every publisher may say.
const FREE: f64 = 1000.0 * (1.0 + FRESH);

/// What a set of listings weighs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Weight {
    pub(super) mass: f64,
    /// The publisher, where there is only one.
    pub(super) sole: Option<u32>,
    /// Listed for a week, or from the start.
    settled: bool,
}

/// What listings weigh an address; `None` without a threat feed among them.
pub(super) fn weigh(feeds: &[FeedModel], listings: &[Interval]) -> Option<Weight> {
    let mut weight: Option<Weight> = None;
    for listing in listings {
        let Some(feed) = feeds.get(listing.feed as usize) else { continue };
        if feed.role != Role::Threat {
            continue;
        }
        let days = listing.since_days.max(0.0);
        let mass = if listing.from_start { 1.0 } else { 1.0 + FRESH * (-days / FRESH_DAYS).exp() };
        let settled = listing.from_start || days >= SETTLED_DAYS;
        let publisher = feed.publisher;
        weight = Some(match weight {
            None => Weight { mass, sole: Some(publisher), settled },
            Some(before) => Weight {
                mass: before.mass.max(mass),
                sole: before.sole.filter(|sole| *sole == publisher),
                settled: before.settled || settled,
            },
        });
    }
    weight
}

/// As how many addresses a network counts.
pub(super) fn addresses<A: Address>(length: u8) -> f64 {
    A::size(length).min(NETWORK_CAP)
}

/// A listed network with its mass.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry<A> {
    pub(super) first: A,
    pub(super) length: u8,
    pub(super) mass: f64,
    pub(super) sole: Option<u32>,
}

/// All of both families, sorted by address and from wide to narrow.
#[derive(Debug)]
pub(super) struct Listed {
    pub(super) v4: Vec<Entry<u32>>,
    pub(super) v6: Vec<Entry<u128>>,
}

/// What a publisher says alone.
#[derive(Debug, Clone, Copy, Default)]
struct Says {
    all: f64,
    settled: f64,
}

/// Weighs all listed networks; learns half-lives and the publishers' factors on the way.
pub(super) fn gather(
    input: &ScoreInput<'_>,
    feeds: &mut [FeedModel],
    publishers: &mut [Publisher],
) -> Listed {
    let mut listings = Vec::new();
    let mut weights = Vec::with_capacity(input.networks.sets() as usize);
    for set in 0..input.networks.sets() {
        input.networks.set(set, &mut listings);
        weights.push(weigh(feeds, &listings));
    }

    let mut counts = vec![0_u32; weights.len()];
    let mut says = vec![Says::default(); publishers.len()];
    let mut total = 0.0;
    let v4: Vec<Entry<u32>> = entries(input, &weights, &mut counts, &mut says, &mut total);
    let v6: Vec<Entry<u128>> = entries(input, &weights, &mut counts, &mut says, &mut total);
    for (publisher, says) in publishers.iter_mut().zip(&says) {
        publisher.factor = factor(*says, total - says.all);
    }

    learn_half_lives(input, &counts, feeds);
    let mut listed = Listed { v4, v6 };
    scale(&mut listed.v4, publishers);
    scale(&mut listed.v6, publishers);
    listed
}

/// What of a publisher's sole mass counts.
fn factor(says: Says, others: f64) -> f64 {
    let allowed = (QUARTER * others).max(GROWTH * says.settled).max(FREE);
    if says.all > allowed { allowed / says.all } else { 1.0 }
}

fn entries<A: Address>(
    input: &ScoreInput<'_>,
    weights: &[Option<Weight>],
    counts: &mut [u32],
    says: &mut [Says],
    total: &mut f64,
) -> Vec<Entry<A>> {
    let mut entries = Vec::new();
    let mut settled = Vec::new();
    A::networks(input.networks, &mut |first, length, set| {
        if let Some(count) = counts.get_mut(set as usize) {
            *count = count.saturating_add(1);
        }
        let Some(Some(weight)) = weights.get(set as usize) else { return };
        let mass = weight.mass * addresses::<A>(length);
        entries.push(Entry { first, length, mass, sole: weight.sole });
        settled.push(weight.settled);
    });
    cap_cells(&mut entries);
    for (entry, settled) in entries.iter().zip(settled) {
        *total += entry.mass;
        let Some(says) = entry.sole.and_then(|sole| says.get_mut(sole as usize)) else { continue };
        says.all += entry.mass;
        if settled {
            says.settled += addresses::<A>(entry.length);
        }
    }
    entries
}

/// Bounds what one publisher says alone in each cell.
pub(super) fn cap_cells<A: Address>(entries: &mut [Entry<A>]) {
    let cell = |entry: &Entry<A>| (entry.first.first(A::CELL), entry.length >= A::CELL);
    let mut sums: Vec<(u32, f64)> = Vec::new();
    for group in entries.chunk_by_mut(|a, b| cell(a) == cell(b)) {
        let most: f64 = group.iter().map(|entry| entry.mass).sum();
        if most <= CELL_CAP || group.first().is_some_and(|entry| entry.length < A::CELL) {
            continue;
        }
        sums.clear();
        for entry in &*group {
            let Some(sole) = entry.sole else { continue };
            match sums.iter_mut().find(|sum| sum.0 == sole) {
                Some(sum) => sum.1 += entry.mass,
                None => sums.push((sole, entry.mass)),
            }
        }
        for entry in &mut *group {
            let sum = sums.iter().find(|sum| Some(sum.0) == entry.sole);
            if let Some((_, sum)) = sum.filter(|sum| sum.1 > CELL_CAP) {
                entry.mass *= CELL_CAP / sum;
            }
        }
    }
}

/// Multiplies what publishers say alone with their factors.
pub(super) fn scale<A>(entries: &mut [Entry<A>], publishers: &[Publisher]) {
    for entry in entries {
        let sole = entry.sole.and_then(|sole| publishers.get(sole as usize));
        entry.mass *= sole.map_or(1.0, |publisher| publisher.factor);
    }
}

fn learn_half_lives(input: &ScoreInput<'_>, counts: &[u32], feeds: &mut [FeedModel]) {
    let mut turnover = vec![Turnover::default(); feeds.len()];
    let mut listings = Vec::new();
    for (set, count) in (0..).zip(counts) {
        input.networks.set(set, &mut listings);
        for listing in &listings {
            let Some(turnover) = turnover.get_mut(listing.feed as usize) else { continue };
            let days = (listing.since_days - listing.ended_days.unwrap_or(0.0)).max(0.0);
            turnover.days += f64::from(*count) * days;
            if listing.ended_days.is_some() {
                turnover.ended += f64::from(*count);
            }
        }
    }
    for (feed, turnover) in feeds.iter_mut().zip(turnover) {
        feed.half_life = estimate(turnover, feed.half_life);
    }
}
