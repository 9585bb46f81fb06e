//! From the ledger's listings, the geo table and a scorer to one snapshot file.
//!
//! 1. *Gather*: every listing of every feed becomes (network, listing id); sorted, each distinct
//!    network leads to its interned set of listings.
//! 2. *Flatten*: nested networks become disjoint ranges, each with the chain of what covers it.
//! 3. *Learn*: the scorer learns from all listed networks; it may say something of every place.
//! 4. *Overlay*: the flat ranges, the geo ranges, the special-purpose blocks and what the scorer says
//!    of places cut each other; each distinct (chain, geo record, neighbourhood) is one answer.
//! 5. *Score*: the scorer scores each distinct answer.

use std::time::Duration;

use rustc_hash::FxHashMap;
use zerocopy::IntoBytes;
use zerocopy::little_endian::{U32, U64};

use super::flatten::{Covers, Ranges, flatten, overlay};
use super::format::{Section, Writer};
use super::gather::{Gathered, Listings, gather};
use super::index::{self, IndexTier};
use super::meta::{Meta, SnapshotCounts, SnapshotFeed};
use super::networks::{ListedIntervals, spells};
use super::organisations;
use super::records::{ListingRow, Prefix6Row, Record, Sets, Standing as StandingRow};
use crate::category::CategorySet;
use crate::clock::{Seconds, seconds, span};
use crate::error::{Error, Result};
use crate::feed::{FeedId, Role};
use crate::geo::{GeoDatabase, GeoTable};
use crate::ledger::Store;
use crate::net::{Prefix, PrefixSet, special_blocks};
use crate::score::{
    Document, Documents, FeedFacts, Model, Past, ScoreInput, Scorer, State, Subject, Territory,
};
use crate::space;
use crate::thresholds::Thresholds;

const DAY: f64 = 86_400.0;

/// What a snapshot is made of.
#[derive(Debug)]
pub(crate) struct Input<'a> {
    /// The feeds that take part, as the snapshot will name them.
    pub(crate) feeds: Vec<SnapshotFeed>,
    /// Their ids in the ledger, in the same order.
    pub(crate) ids: &'a [FeedId],
    /// Networks of those of the feeds that come after the last id and have no ledger.
    pub(crate) builtin: Vec<PrefixSet>,
    pub(crate) store: &'a dyn Store,
    pub(crate) geo: &'a GeoTable,
    pub(crate) databases: Vec<GeoDatabase>,
    pub(crate) scorer: &'a dyn Scorer,
    pub(crate) now: Seconds,
    /// Seconds for which an address that left all feeds is "historical".
    pub(crate) window: Seconds,
    /// Seconds for which ended listings are kept.
    pub(crate) retention: Seconds,
    pub(crate) stale_after: Seconds,
    pub(crate) prior: f64,
    pub(crate) thresholds: Thresholds,
    pub(crate) index: IndexTier,
    /// Bytes that the indexes may need, estimated.
    pub(crate) max_index: u64,
    /// Bytes that what lookups touch may take for [`IndexTier::Auto`] to choose the fast index.
    pub(crate) memory_budget: u64,
    pub(crate) sequence: u64,
    pub(crate) inputs: String,
    /// When it has to be made anew for another reason than listings that end.
    pub(crate) edge: Option<Seconds>,
}

/// A snapshot in memory.
#[derive(Debug)]
pub(crate) struct Compiled {
    pub(crate) bytes: Vec<u8>,
    pub(crate) counts: SnapshotCounts,
}

/// What a set of listings, or a chain of such sets, amounts to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Standing {
    state: State,
    /// Threat feeds: those that list now, else those that did within the time looked at.
    feeds: u32,
    labels: u32,
    categories: CategorySet,
    /// Those of them that threat feeds gave.
    threats: CategorySet,
    /// When it left its last feed, where it is remembered; 0 while active.
    ended: Seconds,
    /// On a warninglist that keeps feeds alone from blocking it.
    capped: bool,
    past: Past,
}

/// Compiles a snapshot. The same input gives the same bytes.
pub(crate) fn compile(input: Input<'_>) -> Result<Compiled> {
    let counts = |place: usize| input.feeds.get(place).is_none_or(|feed| !feed.outdated);
    let gathered = gather(input.store, input.ids, counts, &input.builtin)?;
    refuse_index(&input, &gathered)?;
    let mut feed_sets = Sets::new();
    let days = |days: f64| span(Duration::try_from_secs_f64(days * DAY).unwrap_or(Duration::MAX));
    let classify = Classify {
        feeds: &input.feeds,
        listings: &gathered.listings,
        now: input.now,
        memory: days(input.scorer.memory_days()),
    };
    let mut by_set = |reach| -> Vec<Standing> {
        let sets = 0..gathered.sets.len() as u32;
        sets.map(|set| classify.standing(gathered.sets.get(set), reach, &mut feed_sets)).collect()
    };
    let within_window = by_set(input.window);
    let within_horizon = by_set(days(input.scorer.horizon_days()));

    let facts: Vec<FeedFacts> = input.feeds.iter().map(|feed| facts(feed, input.now)).collect();
    let networks = ListedIntervals::new(&gathered, &input.feeds, input.now);
    let documents = ListedNetworks {
        gathered: &gathered,
        geo: input.geo,
        now: input.now,
        standings: &within_horizon,
        feed_sets: &feed_sets,
    };
    let model = input.scorer.fit(&ScoreInput {
        feeds: &facts,
        documents: &documents,
        networks: &networks,
        geo: input.geo,
        window_days: f64::from(input.window) / DAY,
        prior: input.prior,
    })?;

    let mut cut = cut(&gathered, input.geo, &model.territory());
    let mut chain = Vec::new();
    let standings: Vec<Standing> = (0..cut.covers.len() as u32)
        .map(|cover| {
            chain.clear();
            cut.covers.items(cover).for_each(|set| chain.extend_from_slice(gathered.sets.get(set)));
            classify.standing(&chain, input.window, &mut feed_sets)
        })
        .collect();
    let size = cut.v4.starts.len() * 8 + cut.v6.starts.len() * 20 + gathered.v4.len() * 12;
    let answers = Answers::new(&mut cut, &standings);
    let mut writer = Writer::new(size + answers.keys.len() * 32 + (8 << 20));
    let organisations = organisations::Places::write(&input.geo.organisations, &mut writer);
    let records: Vec<Record> = std::iter::once(Record::SPECIAL_PURPOSE)
        .chain(answers.keys.iter().skip(1).map(|answer| {
            let scored = record(&input, model.as_ref(), &feed_sets, &answers.standings, *answer);
            scored.with_organisation_at(|number| organisations.of(number))
        }))
        .collect();

    // Figures are about feeds: what only warninglists name does not count.
    let by_feeds = gathered.by_feeds(|feed| {
        input.feeds.get(feed as usize).is_some_and(|feed| feed.role != Role::Warninglist)
    });
    let listings = |set: &u32| by_feeds.get(*set as usize).copied().unwrap_or(0);
    let networks = |sets: &[u32]| sets.iter().filter(|set| listings(set) > 0).count() as u64;
    let counts = SnapshotCounts {
        networks4: networks(&gathered.v4_sets),
        networks6: networks(&gathered.v6_sets),
        active: gathered.count(|set| state(&within_window, set) == State::Active),
        historical: gathered.count(|set| state(&within_window, set) == State::Historical),
        listings: gathered.v4_sets.iter().chain(&gathered.v6_sets).map(listings).sum(),
        ranges4: cut.v4.starts.len() as u64,
        ranges6: cut.v6.starts.len() as u64,
        records: records.len() as u64,
    };
    let historical = within_window.iter().filter(|s| s.state == State::Historical);
    let next_edge = historical.map(|s| s.ended.saturating_add(input.window)).min();
    let next_edge = next_edge.into_iter().chain(input.edge).min();

    let rows = records.as_bytes().len() + answers.standings.len() * size_of::<StandingRow>();
    let room = input.memory_budget.saturating_sub(rows as u64);
    index::build(&mut writer, &cut.v4, &cut.v6, input.index, room)?;
    writer.section(Section::Records, records.as_bytes());
    answers.write(&mut writer);
    write_sets(&mut writer, [Section::FeedSetEnds, Section::FeedSetMembers], &feed_sets);
    write_listings(&mut writer, &gathered);
    writer.section(Section::Model, &model.encode());
    let (sequence, now) = (input.sequence, input.now);
    write_meta(&mut writer, input, &gathered, counts.clone(), next_edge)?;
    Ok(Compiled { bytes: writer.finish(sequence, u64::from(now)), counts })
}

/// Fails where the indexes would become larger than they may; says because of whom.
fn refuse_index(input: &Input<'_>, gathered: &Gathered) -> Result<()> {
    const NAMED: usize = 5;
    let (bytes, ceiling) = (gathered.cost(), input.max_index);
    if bytes <= ceiling {
        return Ok(());
    }
    let by_feed = gathered.cost_by_feed(input.feeds.len());
    let mut by_feed: Vec<_> = input.feeds.iter().zip(by_feed).collect();
    by_feed.sort_by_key(|(_, bytes)| std::cmp::Reverse(*bytes));
    let named = by_feed.iter().take_while(|(_, bytes)| *bytes > 0).take(NAMED);
    let named: Vec<_> = named.map(|(feed, bytes)| format!("{} ({bytes})", feed.id)).collect();
    let reason = format!(
        "all feeds together would take about {bytes} bytes of it, above the ceiling of {ceiling}: \
         the most by {}; disable a feed, shorten history.retention or raise guard.max_index_total",
        named.join(", ")
    );
    Err(Error::Invalid { what: "index", reason })
}

/// Both families cut into ranges whose addresses do not differ.
struct Cut {
    v4: Ranges<u32>,
    v6: Ranges<u128>,
    covers: Covers,
    /// What each range's value stands for. The first is that of all special-purpose addresses.
    answers: Vec<Place>,
}

/// What makes the answer for a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
struct Place {
    /// A chain of covers, or the standing that it comes to.
    listed: u32,
    /// A geo record.
    geo: u32,
    neighbourhood: i8,
}

fn cut(gathered: &Gathered, geo: &GeoTable, territory: &Territory) -> Cut {
    let mut covers = Covers::new();
    let nets4 = gathered.v4.iter().zip(&gathered.v4_sets);
    let listed4 = flatten(nets4.map(|(p, set)| (p.first(), p.last(), *set)), &mut covers);
    let nets6 = gathered.v6.iter().zip(&gathered.v6_sets);
    let listed6 = flatten(nets6.map(|(p, set)| (p.first(), p.last(), *set)), &mut covers);
    let (special4, special6) = special_ranges();

    let mut answers = vec![Place::default()];
    let mut ids: FxHashMap<Place, u32> = FxHashMap::default();
    let mut answer = |[listed, geo, special, neighbourhood]: [u32; 4]| {
        if special != 0 {
            return 0;
        }
        let place = Place { listed, geo, neighbourhood: (neighbourhood as u8).cast_signed() };
        *ids.entry(place).or_insert_with(|| {
            answers.push(place);
            (answers.len() - 1) as u32
        })
    };
    let numbers = |values: &[i8]| -> Vec<u32> {
        values.iter().map(|value| u32::from(value.cast_unsigned())).collect()
    };
    let mut v4 = Ranges::new();
    overlay(
        [
            (&listed4.starts[..], &listed4.values[..]),
            (&geo.v4_starts, &geo.v4_records),
            (&special4.starts, &special4.values),
            (&territory.v4_starts, &numbers(&territory.v4_values)),
        ],
        |start, values| v4.push(start, answer(values)),
    );
    let mut v6 = Ranges::new();
    overlay(
        [
            (&listed6.starts[..], &listed6.values[..]),
            (&geo.v6_starts, &geo.v6_records),
            (&special6.starts, &special6.values),
            (&territory.v6_starts, &numbers(&territory.v6_values)),
        ],
        |start, values| v6.push(start, answer(values)),
    );
    Cut { v4, v6, covers, answers }
}

fn state(standings: &[Standing], set: u32) -> State {
    standings.get(set as usize).map_or(State::Unknown, |standing| standing.state)
}

fn facts(feed: &SnapshotFeed, now: Seconds) -> FeedFacts {
    let confirmed = feed.confirmed.map_or(now, seconds);
    FeedFacts {
        id: feed.id.clone(),
        source_group: feed.source_group.clone(),
        threat_level: feed.threat_level,
        categories: feed.categories,
        role: feed.role,
        reliability: feed.reliability,
        confirmed_days: f64::from(now.saturating_sub(confirmed)) / DAY,
    }
}

const NOTHING: Standing = Standing {
    state: State::Unknown,
    feeds: 0,
    labels: 0,
    categories: CategorySet::EMPTY,
    threats: CategorySet::EMPTY,
    ended: 0,
    capped: false,
    past: Past { spells: 0, spell_days: 0 },
};

/// Turns listings into where an address stands.
struct Classify<'a> {
    feeds: &'a [SnapshotFeed],
    listings: &'a Listings,
    now: Seconds,
    /// Seconds for which what left all feeds is told from what never was in any; 0 for none.
    memory: Seconds,
}

impl Classify<'_> {
    /// What these listings amount to, looking back `reach` seconds from now.
    fn standing(&self, listings: &[u32], reach: Seconds, sets: &mut Sets) -> Standing {
        let (mut active, mut past, mut labels) = (Vec::new(), Vec::new(), Vec::new());
        let mut last_ended = 0;
        let mut remembered = Vec::new();
        for id in listings {
            let Some(listing) = self.listings.get(*id) else { continue };
            let Some(feed) = self.feeds.get(listing.feed as usize) else { continue };
            if feed.role == Role::Threat
                && (listing.ended == 0 || self.now.saturating_sub(listing.ended) < self.memory)
                && self.memory > 0
            {
                remembered.push((listing.first_seen, listing.ended));
            }
            match (feed.role, listing.ended) {
                (Role::Threat, 0) => active.push(listing.feed),
                (Role::Threat, ended) if self.now.saturating_sub(ended) < reach => {
                    past.push(listing.feed);
                    last_ended = last_ended.max(ended);
                }
                (Role::Threat, _) => {}
                (_, 0) => labels.push(listing.feed),
                _ => {}
            }
        }
        let (state, mut feeds, ended) = if !active.is_empty() {
            (State::Active, active, 0)
        } else if past.is_empty() {
            let ended = remembered.iter().map(|(_, ended)| *ended).max();
            (State::Unknown, Vec::new(), ended.unwrap_or(0))
        } else {
            (State::Historical, past, last_ended)
        };
        for list in [&mut feeds, &mut labels] {
            list.sort_unstable();
            list.dedup();
        }
        let said = |list: &[u32]| {
            let sets = list.iter().filter_map(|f| self.feeds.get(*f as usize));
            sets.fold(CategorySet::EMPTY, |all, feed| all.union(feed.categories))
        };
        let threats = said(&feeds);
        let categories = threats.union(said(&labels));
        let capped =
            labels.iter().any(|f| self.feeds.get(*f as usize).is_some_and(SnapshotFeed::caps));
        Standing {
            state,
            feeds: sets.intern(&feeds),
            labels: sets.intern(&labels),
            categories,
            threats,
            ended,
            capped,
            past: spells(&mut remembered, self.now),
        }
    }
}

fn record(
    input: &Input<'_>,
    model: &dyn Model,
    sets: &Sets,
    standings: &[Standing],
    answer: Place,
) -> Record {
    let standing = standings.get(answer.listed as usize).copied().unwrap_or(NOTHING);
    let found = input.geo.records.get(answer.geo as usize).copied().unwrap_or_default();
    let score = model.score(&Subject {
        state: standing.state,
        feeds: sets.get(standing.feeds),
        labels: sets.get(standing.labels),
        age_days: f64::from(input.now.saturating_sub(standing.ended)) / DAY,
        past: standing.past,
        neighbourhood: answer.neighbourhood,
        geo: answer.geo,
        record: found,
    });
    let verdict = input.thresholds.verdict(standing.state, score, standing.threats);
    let (score, verdict) = if standing.capped {
        (score.max(input.thresholds.triage_below), verdict.capped())
    } else {
        (score, verdict)
    };
    let mut record = Record::new(answer.listed, standing.state, verdict, found, score);
    record.neighbourhood = answer.neighbourhood;
    record
}

/// The distinct answers: many chains of covers come to the same standing.
struct Answers {
    /// The first is [`NOTHING`].
    standings: Vec<Standing>,
    /// With places in `standings`; the first is that of special-purpose addresses.
    keys: Vec<Place>,
}

impl Answers {
    /// Numbers them, and makes the ranges lead to these numbers.
    fn new(cut: &mut Cut, by_cover: &[Standing]) -> Self {
        let mut standings = vec![NOTHING];
        let mut ids: FxHashMap<Standing, u32> = std::iter::once((NOTHING, 0)).collect();
        let cover_ids: Vec<u32> = by_cover
            .iter()
            .map(|standing| {
                *ids.entry(*standing).or_insert_with(|| {
                    standings.push(*standing);
                    (standings.len() - 1) as u32
                })
            })
            .collect();
        let mut keys = vec![Place::default()];
        let mut numbers: FxHashMap<Place, u32> = FxHashMap::default();
        let mut renamed = vec![0];
        renamed.extend(cut.answers.iter().skip(1).map(|place| {
            let listed = cover_ids.get(place.listed as usize).copied().unwrap_or(0);
            let key = Place { listed, ..*place };
            *numbers.entry(key).or_insert_with(|| {
                keys.push(key);
                (keys.len() - 1) as u32
            })
        }));
        // Number 0 stays with the special-purpose addresses.
        let to_number = |value: &u32| renamed.get(*value as usize).copied().unwrap_or(0);
        let values = cut.v4.values.iter().map(to_number);
        let mut space = space::addresses4(&cut.v4.starts, values, keys.len());
        if let Some(special) = space.first_mut() {
            *special = u64::MAX;
        }
        let final_numbers = space::numbers(&space);
        let keys = space::renumbered(&keys, &final_numbers);
        for number in &mut renamed {
            *number = final_numbers.get(*number as usize).copied().unwrap_or(0);
        }
        let rename = |value: u32| renamed.get(value as usize).copied().unwrap_or(0);
        cut.v4 = cut.v4.renamed(rename);
        cut.v6 = cut.v6.renamed(rename);
        Self { standings, keys }
    }

    fn write(&self, writer: &mut Writer) {
        let rows: Vec<StandingRow> = self
            .standings
            .iter()
            .map(|standing| StandingRow {
                feeds: standing.feeds.into(),
                labels: standing.labels.into(),
                categories: standing.categories.bits().into(),
                ended: standing.ended.into(),
                spells: standing.past.spells,
                spell_days: standing.past.spell_days,
                zero: [0; 2],
            })
            .collect();
        writer.section(Section::Standings, rows.as_bytes());
        let places: Vec<U32> = self.keys.iter().map(|place| U32::new(place.geo)).collect();
        writer.section(Section::RecordGeo, places.as_bytes());
    }
}

fn special_ranges() -> (Ranges<u32>, Ranges<u128>) {
    let mut v4 = Vec::new();
    let mut v6 = Vec::new();
    for block in special_blocks() {
        match block.prefix {
            Prefix::V4(p) => v4.push((p.first(), p.last(), p)),
            Prefix::V6(p) => v6.push((p.first(), p.last(), p)),
        }
    }
    v4.sort_unstable_by_key(|n| n.2);
    v6.sort_unstable_by_key(|n| n.2);
    let mut covers = Covers::new();
    (
        flatten(v4.into_iter().map(|(first, last, _)| (first, last, 1)), &mut covers),
        flatten(v6.into_iter().map(|(first, last, _)| (first, last, 1)), &mut covers),
    )
}

/// The listed networks as a scorer sees them.
struct ListedNetworks<'a> {
    gathered: &'a Gathered,
    geo: &'a GeoTable,
    now: Seconds,
    /// By listing set, looking back as far as the scorer does.
    standings: &'a [Standing],
    feed_sets: &'a Sets,
}

impl ListedNetworks<'_> {
    fn visit(&self, set: u32, geo: &[u32], visit: &mut dyn FnMut(Document<'_>)) {
        let standing = self.standings.get(set as usize).copied().unwrap_or(NOTHING);
        if standing.state == State::Unknown {
            return;
        }
        let feeds = self.feed_sets.get(standing.feeds);
        let age = f64::from(self.now.saturating_sub(standing.ended)) / DAY;
        visit(Document {
            feeds,
            feed_set: standing.feeds,
            categories: standing.categories,
            age_days: (standing.state == State::Historical).then_some(age),
            geo,
        });
    }
}

impl Documents for ListedNetworks<'_> {
    fn for_each(&self, visit: &mut dyn FnMut(Document<'_>)) {
        let mut touched = Vec::new();
        let mut place = 0;
        for (prefix, set) in self.gathered.v4.iter().zip(&self.gathered.v4_sets) {
            let geo = (&self.geo.v4_starts[..], &self.geo.v4_records[..]);
            touch(geo, &prefix.first(), &prefix.last(), &mut place, &mut touched);
            self.visit(*set, &touched, visit);
        }
        place = 0;
        for (prefix, set) in self.gathered.v6.iter().zip(&self.gathered.v6_sets) {
            let geo = (&self.geo.v6_starts[..], &self.geo.v6_records[..]);
            touch(geo, &prefix.first(), &prefix.last(), &mut place, &mut touched);
            self.visit(*set, &touched, visit);
        }
    }
}

/// Collects the records of the ranges that `first..=last` touches. `place` only moves forward, as
/// the networks come in order.
fn touch<A: Ord>(
    (starts, records): (&[A], &[u32]),
    first: &A,
    last: &A,
    place: &mut usize,
    touched: &mut Vec<u32>,
) {
    while starts.get(*place + 1).is_some_and(|start| start <= first) {
        *place += 1;
    }
    touched.clear();
    touched.extend(records.get(*place));
    let rest = starts.iter().zip(records).skip(*place + 1);
    touched.extend(rest.take_while(|(start, _)| *start <= last).map(|(_, record)| *record));
    if touched.len() > 1 {
        touched.sort_unstable();
        touched.dedup();
    }
}

fn write_sets(writer: &mut Writer, [ends, members]: [Section; 2], sets: &Sets) {
    writer.section(ends, u32s(sets.ends()).as_bytes());
    writer.section(members, u32s(sets.members()).as_bytes());
}

fn u32s(values: &[u32]) -> Vec<U32> {
    values.iter().map(|value| U32::new(*value)).collect()
}

fn write_meta(
    writer: &mut Writer,
    input: Input<'_>,
    gathered: &Gathered,
    counts: SnapshotCounts,
    next_edge: Option<Seconds>,
) -> Result<()> {
    let meta = Meta {
        scorer: input.scorer.name().to_owned(),
        window: input.window,
        retention: input.retention,
        stale_after: input.stale_after,
        thresholds: input.thresholds,
        inputs: input.inputs,
        next_edge,
        lengths4: gathered.v4.iter().fold(0, |bits, p| bits | 1 << p.len()),
        lengths6: gathered.v6.iter().fold([0; 3], |mut bits, p| {
            if let Some(word) = bits.get_mut(usize::from(p.len()) / 64) {
                *word |= 1 << (p.len() % 64);
            }
            bits
        }),
        counts,
        geo: input.databases,
        feeds: input.feeds,
    };
    let meta = serde_json::to_vec(&meta).map_err(|error| crate::Error::Invalid {
        what: "snapshot description",
        reason: error.to_string(),
    })?;
    writer.section(Section::Meta, &meta);
    Ok(())
}

fn write_listings(writer: &mut Writer, gathered: &Gathered) {
    let keys: Vec<U64> = gathered.v4.iter().map(|p| U64::new(p.packed())).collect();
    writer.section(Section::Listed4, keys.as_bytes());
    writer.section(Section::Listed4Sets, u32s(&gathered.v4_sets).as_bytes());
    let keys: Vec<Prefix6Row> = gathered
        .v6
        .iter()
        .map(|p| Prefix6Row { address: p.first().into(), length: p.len() })
        .collect();
    writer.section(Section::Listed6, keys.as_bytes());
    writer.section(Section::Listed6Sets, u32s(&gathered.v6_sets).as_bytes());
    write_sets(writer, [Section::ListingSetEnds, Section::ListingSetMembers], &gathered.sets);
    let rows: Vec<ListingRow> = gathered.listings.rows().collect();
    writer.section(Section::Listings, rows.as_bytes());
}
