//! Feeds and their publishers: how long listings stay, and how far to believe them.

use rustc_hash::FxHashMap;

use super::RiskModel;
use crate::category::{Category, CategorySet};
use crate::feed::Role;
use crate::score::ScoreInput;

/// Half-lives in days: never shorter or longer.
const SHORTEST: f64 = 1.0;
const LONGEST: f64 = 120.0;
/// How many ended listings the default for a feed's categories is worth.
const DEFAULT_WORTH: f64 = 20.0;
/// How long a listing is as good as new: lists are published once a day.
const FRESH_DAYS: f64 = 1.0;

/// A feed, as far as scores need it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct FeedModel {
    /// A place among the publishers.
    pub(super) publisher: u32,
    pub(super) role: Role,
    /// A list made of other lists, which is no witness beside them.
    pub(super) aggregate: bool,
    pub(super) reliability: f64,
    /// Days.
    pub(super) half_life: f64,
    /// Days since it was last confirmed.
    pub(super) confirmed: f64,
}

impl FeedModel {
    /// How far it is to be believed; `decayed`, by what it last confirmed.
    fn belief(&self, decayed: bool) -> f64 {
        let age = self.confirmed - FRESH_DAYS;
        if decayed && age > 0.0 {
            self.reliability * (-age / self.half_life).exp2()
        } else {
            self.reliability
        }
    }
}

/// Who is behind feeds.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Publisher {
    pub(super) name: String,
    /// What the mass of addresses that nobody else lists is multiplied with, 0 to 1.
    pub(super) factor: f64,
}

/// The half-life to start from.
fn usual(categories: CategorySet) -> f64 {
    let lasting = [Category::CommandAndControl, Category::Malware, Category::Botnet];
    if lasting.into_iter().any(|category| categories.contains(category)) { 30.0 } else { 14.0 }
}

/// Reads the feeds; half-lives are the usual ones, see [`estimate`].
pub(super) fn learn(input: &ScoreInput<'_>) -> (Vec<FeedModel>, Vec<Publisher>) {
    let mut publishers = Vec::new();
    let mut ids: FxHashMap<&str, u32> = FxHashMap::default();
    let feeds = input.feeds.iter().map(|feed| FeedModel {
        publisher: *ids.entry(&feed.source_group).or_insert_with(|| {
            publishers.push(Publisher { name: feed.source_group.clone(), factor: 1.0 });
            (publishers.len() - 1) as u32
        }),
        role: feed.role,
        aggregate: feed.categories.contains(Category::Reputation),
        reliability: sound(feed.reliability, 0.0, 1.0),
        half_life: usual(feed.categories),
        confirmed: sound(feed.confirmed_days, 0.0, f64::MAX),
    });
    let feeds = feeds.collect();
    (feeds, publishers)
}

/// Within bounds, which NaN is not.
fn sound(value: f64, low: f64, high: f64) -> f64 {
    if value > low { value.min(high) } else { low }
}

/// How listings of one feed ended: of `days` listed in all, `ended` times.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Turnover {
    pub(super) ended: f64,
    pub(super) days: f64,
}

/// The half-life that listings of this turnover have, if each day takes the same share of them.
pub(super) fn estimate(turnover: Turnover, usual: f64) -> f64 {
    let ln2 = std::f64::consts::LN_2;
    let rate = (turnover.ended + DEFAULT_WORTH) / (turnover.days + DEFAULT_WORTH * usual / ln2);
    sound(ln2 / rate, SHORTEST, LONGEST)
}

impl RiskModel {
    pub(super) fn is_label(&self, feed: u32) -> bool {
        self.feeds.get(feed as usize).is_some_and(|feed| feed.role == Role::Label)
    }

    /// For each publisher among these feeds, the most believed of its feeds. Aggregates count only
    /// where nobody else is there.
    pub(super) fn witnesses(&self, feeds: &[u32], decayed: bool) -> Vec<(u32, f64)> {
        let known = || feeds.iter().filter_map(|feed| self.feeds.get(*feed as usize));
        let threats = || known().filter(|feed| feed.role == Role::Threat);
        let only_aggregates = threats().all(|feed| feed.aggregate);
        let mut witnesses: Vec<(u32, f64)> = Vec::new();
        for feed in threats().filter(|feed| only_aggregates || !feed.aggregate) {
            let belief = feed.belief(decayed);
            match witnesses.iter_mut().find(|witness| witness.0 == feed.publisher) {
                Some(witness) => witness.1 = witness.1.max(belief),
                None => witnesses.push((feed.publisher, belief)),
            }
        }
        witnesses
    }

    /// The probability that one of these feeds is right.
    pub(super) fn believed(&self, feeds: &[u32], decayed: bool) -> f64 {
        // Most of what is listed has one feed: no need for a list.
        if let [feed] = feeds {
            let threat = self.feeds.get(*feed as usize).filter(|feed| feed.role == Role::Threat);
            return threat.map_or(0.0, |feed| 1.0 - (1.0 - feed.belief(decayed)));
        }
        let mut witnesses = self.witnesses(feeds, decayed);
        // In one order whatever the order of feeds, to the last bit.
        witnesses.sort_by(|a, b| a.1.total_cmp(&b.1));
        1.0 - witnesses.iter().map(|witness| 1.0 - witness.1).product::<f64>()
    }

    /// Days since the newest confirmation among these feeds.
    pub(super) fn unconfirmed_days(&self, feeds: &[u32]) -> f64 {
        let days = feeds.iter().filter_map(|feed| Some(self.feeds.get(*feed as usize)?.confirmed));
        let newest = days.fold(f64::INFINITY, f64::min);
        if newest.is_finite() { newest } else { 0.0 }
    }
}
