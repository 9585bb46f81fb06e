//! From documents to groups, in two passes: how often each feed and category occurs, then what each
//! document adds to its groups.

use rustc_hash::FxHashMap;

use super::{ClassicModel, Dimension, GroupStats, Groups, HORIZON_DAYS};
use crate::category::{Category, CategorySet};
use crate::feed::Role;
use crate::geo::GeoRecord;
use crate::score::{Document, FeedFacts, ScoreInput};

/// Stands for a document that no threat feed lists.
const NO_THREAT: u32 = u32::MAX;

/// All documents with the same feeds and categories: their contributions differ by age only.
struct Kind {
    /// Threat feeds only.
    feeds: Vec<u32>,
    categories: CategorySet,
    /// Their count, historical ones faded.
    weight: f64,
    /// What one document of full weight adds to `feeds` and `types` of its groups.
    adds: (f64, f64),
}

pub(super) fn fit(input: &ScoreInput<'_>) -> ClassicModel {
    let (kinds, kind_of) = count(input);
    let documents = kind_of.iter().filter(|kind| **kind != NO_THREAT).count() as u64;

    let mut places = Dimension::ALL.map(|dimension| Places::new(dimension, input));
    let mut next = kind_of.iter();
    let mut touched = Vec::new();
    input.documents.for_each(&mut |document| {
        let kind = next.next().and_then(|kind| kinds.get(*kind as usize));
        let Some(kind) = kind else { return };
        for places in &mut places {
            if let [geo] = document.geo {
                places.add(places.of(*geo), kind, document.age_days);
            } else {
                // A wide network may touch many records of one group, and counts there once.
                touched.clear();
                touched.extend(document.geo.iter().map(|geo| places.of(*geo)));
                touched.sort_unstable();
                touched.dedup();
                if touched.is_empty() {
                    touched.push(0);
                }
                for place in &touched {
                    places.add(*place, kind, document.age_days);
                }
            }
        }
    });

    let [asn, country, organisation] = places.map(|places| places.groups(documents));
    let name = |key: &u32| input.geo.organisation(*key).unwrap_or_default().to_owned();
    ClassicModel {
        // NaN becomes 0, and what is stored can always be read again.
        window_days: bounded(input.window_days, f64::MAX),
        documents,
        threats: input.feeds.iter().map(|feed| feed.role == Role::Threat).collect(),
        names: organisation.keys.iter().map(name).collect(),
        asn,
        country,
        organisation,
    }
}

/// Days since a document left its last feed, within the horizon; `None` while active.
fn faded_days(age_days: Option<f64>) -> Option<f64> {
    age_days.map(|age| bounded(age, HORIZON_DAYS))
}

/// 0 to `max`; NaN becomes 0, which `clamp` would let pass.
fn bounded(value: f64, max: f64) -> f64 {
    if value > 0.0 { value.min(max) } else { 0.0 }
}

fn weight(age_days: Option<f64>) -> f64 {
    faded_days(age_days).map_or(1.0, |age| (HORIZON_DAYS - age) / HORIZON_DAYS)
}

/// The kinds of documents, and for every document, in order, its kind.
fn count(input: &ScoreInput<'_>) -> (Vec<Kind>, Vec<u32>) {
    let mut kinds: Vec<Kind> = Vec::new();
    let mut by_key: FxHashMap<(u32, u32), u32> = FxHashMap::default();
    let mut kind_of = Vec::new();
    input.documents.for_each(&mut |document| {
        let key = (document.feed_set, document.categories.bits());
        let place = *by_key.entry(key).or_insert_with(|| new_kind(&document, input, &mut kinds));
        if let Some(kind) = kinds.get_mut(place as usize) {
            kind.weight += weight(document.age_days);
        }
        kind_of.push(place);
    });
    weigh(&mut kinds, input.feeds);
    (kinds, kind_of)
}

fn new_kind(document: &Document<'_>, input: &ScoreInput<'_>, kinds: &mut Vec<Kind>) -> u32 {
    let is_threat = |place: &&u32| {
        input.feeds.get(**place as usize).is_some_and(|feed| feed.role == Role::Threat)
    };
    let feeds: Vec<u32> = document.feeds.iter().filter(is_threat).copied().collect();
    if feeds.is_empty() {
        return NO_THREAT;
    }
    kinds.push(Kind { feeds, categories: document.categories, weight: 0.0, adds: (0.0, 0.0) });
    kinds.len() as u32 - 1
}

/// Fills in what a document of each kind adds.
fn weigh(kinds: &mut [Kind], feeds: &[FeedFacts]) {
    let feed_weight = |feed: &FeedFacts| 1.0 / (5.0 - f64::from(feed.threat_level.number()));
    let type_weight = |category: Category| 1.0 / (5.0 - f64::from(category.weight()));
    let all_feeds: f64 =
        feeds.iter().filter(|feed| feed.role == Role::Threat).map(feed_weight).sum();
    let all_types: f64 = Category::ALL.into_iter().map(type_weight).sum();

    let mut per_feed = vec![0.0; feeds.len()];
    let mut per_type = [0.0; Category::ALL.len()];
    for kind in &*kinds {
        for place in &kind.feeds {
            if let Some(sum) = per_feed.get_mut(*place as usize) {
                *sum += kind.weight;
            }
        }
        for category in kind.categories.iter() {
            if let Some(sum) = per_type.get_mut(category as usize) {
                *sum += kind.weight;
            }
        }
    }

    // A total of 0 means that everything in it has faded: nothing is added either.
    let part = |weight: f64, total: f64| if total > 0.0 { weight / total } else { 0.0 };
    for kind in kinds {
        let of_feed = |place: &u32| {
            let (feed, total) = (feeds.get(*place as usize)?, per_feed.get(*place as usize)?);
            Some(part(feed_weight(feed), *total))
        };
        let of_type = |category: Category| {
            let total = per_type.get(category as usize).copied().unwrap_or(0.0);
            part(type_weight(category), total)
        };
        kind.adds = (
            kind.feeds.iter().filter_map(of_feed).sum::<f64>() / all_feeds,
            kind.categories.iter().map(of_type).sum::<f64>() / all_types,
        );
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    documents: u32,
    historical: u32,
    days: f64,
    feeds: f64,
    types: f64,
}

/// The groups of one dimension while they are filled. Place 0 is for what is not known.
struct Places {
    /// For each geo record, its group's place.
    by_record: Vec<u32>,
    /// For each place but the first, its key.
    keys: Vec<u32>,
    sums: Vec<Sums>,
}

impl Places {
    fn new(dimension: Dimension, input: &ScoreInput<'_>) -> Self {
        let mut by_key: FxHashMap<u32, u32> = FxHashMap::default();
        let mut keys = Vec::new();
        let place = |record: &GeoRecord| {
            let Some(key) = dimension.key(record) else { return 0 };
            *by_key.entry(key).or_insert_with(|| {
                keys.push(key);
                keys.len() as u32
            })
        };
        let by_record = input.geo.records.iter().map(place).collect();
        let sums = vec![Sums::default(); keys.len() + 1];
        Self { by_record, keys, sums }
    }

    /// The place for a geo record; one that does not exist is not known.
    #[inline]
    fn of(&self, geo: u32) -> u32 {
        self.by_record.get(geo as usize).copied().unwrap_or(0)
    }

    #[inline]
    fn add(&mut self, place: u32, kind: &Kind, age_days: Option<f64>) {
        let Some(sums) = self.sums.get_mut(place as usize) else { return };
        let weight = weight(age_days);
        sums.documents += 1;
        sums.feeds += weight * kind.adds.0;
        sums.types += weight * kind.adds.1;
        if let Some(days) = faded_days(age_days) {
            sums.historical += 1;
            sums.days += days;
        }
    }

    fn groups(self, documents: u64) -> Groups {
        let stats = |sums: &Sums| {
            let (n, h) = (f64::from(sums.documents), f64::from(sums.historical));
            let recency = 1.0 - (sums.days / HORIZON_DAYS) * h / ((1.0 + h) * n);
            let Sums { documents: n, historical: h, feeds, types, .. } = *sums;
            GroupStats::new(n, h, documents, feeds, types, recency)
        };
        let mut sums = self.sums.iter();
        let unknown = sums.next().filter(|sums| sums.documents > 0).map(stats);
        let mut known: Vec<(u32, GroupStats)> = self
            .keys
            .into_iter()
            .zip(sums)
            .filter(|(_, sums)| sums.documents > 0)
            .map(|(key, sums)| (key, stats(sums)))
            .collect();
        known.sort_unstable_by_key(|(key, _)| *key);
        let (keys, stats) = known.into_iter().unzip();
        Groups::new(unknown, keys, stats)
    }
}
