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

use super::cut::{Flat, Place, cut};
use super::format::{Section, Writer};
use super::gather::{Gathered, gather};
use super::index::{self, IndexTier};
use super::meta::{Meta, SnapshotCounts, SnapshotFeed};
use super::networks::ListedIntervals;
use super::organisations;
use super::records::{ListingRow, Prefix6Row, Record, Sets, Standing as StandingRow};
use super::standing::{Classify, NOTHING, Standing};
use crate::clock::{Seconds, seconds, span};
use crate::error::{Error, Result};
use crate::feed::{FeedId, Role};
use crate::geo::{GeoDatabase, GeoRecord, GeoTable};
use crate::ledger::Store;
use crate::net::PrefixSet;
use crate::score::{Document, Documents, FeedFacts, Model, ScoreInput, Scorer, State, Subject};
use crate::thresholds::Thresholds;
use crate::verdict::Verdict;

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
    // The scorer learns on one core while the other flattens what it learns from.
    let (model, flat) = std::thread::scope(|scope| {
        let sets = feed_sets.clone();
        let flat =
            scope.spawn(|| Flat::new(&gathered, &classify, &within_window, input.window, sets));
        let model = input.scorer.fit(&ScoreInput {
            feeds: &facts,
            documents: &documents,
            networks: &networks,
            geo: input.geo,
            window_days: f64::from(input.window) / DAY,
            prior: input.prior,
        });
        (model, flat.join())
    });
    let model = model?;
    let flat = flat.map_err(|_| Error::Invalid {
        what: "snapshot",
        reason: "flattening what is listed: its thread panicked".to_owned(),
    });

    let flat = flat?;
    let cut = cut(&flat, input.geo, model.as_ref());
    let size = cut.v4.starts.len() * 8 + cut.v6.starts.len() * 20 + gathered.v4.len() * 12;
    let mut writer = Writer::new(size + cut.places.len() * 32 + (8 << 20));
    let organisations = organisations::Places::write(&input.geo.organisations, &mut writer);
    let mut scorings = Scorings {
        input: &input,
        flat: &flat,
        model: model.as_ref(),
        known: (!model.is_local()).then(Known::default),
    };
    let records: Vec<Record> = std::iter::once(Record::SPECIAL_PURPOSE)
        .chain(cut.places.iter().skip(1).map(|place| {
            scorings.record(*place).with_organisation_at(|number| organisations.of(number))
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

    let rows = records.as_bytes().len() + flat.standings.len() * size_of::<StandingRow>();
    let room = input.memory_budget.saturating_sub(rows as u64);
    index::build(&mut writer, &cut.v4, &cut.v6, input.index, room)?;
    writer.section(Section::Records, records.as_bytes());
    write_places(&mut writer, &flat.standings, &cut.places);
    write_sets(&mut writer, [Section::FeedSetEnds, Section::FeedSetMembers], &flat.feed_sets);
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

/// Scores places.
struct Scorings<'a> {
    input: &'a Input<'a>,
    flat: &'a Flat,
    model: &'a dyn Model,
    /// What was scored before, where the model looks at standing and neighbourhood alone.
    known: Option<Known>,
}

/// Score and verdict by standing and neighbourhood.
#[derive(Default)]
struct Known {
    /// Most places have nothing listed.
    unlisted: Vec<Option<(f64, Verdict)>>,
    listed: FxHashMap<(u32, i8), (f64, Verdict)>,
}

impl Known {
    fn get_or_insert_with(
        &mut self,
        place: Place,
        score: impl FnOnce() -> (f64, Verdict),
    ) -> (f64, Verdict) {
        if place.listed != 0 {
            let key = (place.listed, place.neighbourhood);
            return *self.listed.entry(key).or_insert_with(score);
        }
        if self.unlisted.is_empty() {
            self.unlisted.resize(1 << u8::BITS, None);
        }
        match self.unlisted.get_mut(usize::from(place.neighbourhood.cast_unsigned())) {
            Some(known) => *known.get_or_insert_with(score),
            None => score(),
        }
    }
}

impl Scorings<'_> {
    fn record(&mut self, place: Place) -> Record {
        let standing = self.flat.standings.get(place.listed as usize).copied().unwrap_or(NOTHING);
        let found = self.input.geo.records.get(place.geo as usize).copied().unwrap_or_default();
        let (input, flat, model) = (self.input, self.flat, self.model);
        let score = || scored(input, flat, model, &standing, found, place);
        let (score, verdict) = match &mut self.known {
            Some(known) => known.get_or_insert_with(place, score),
            None => score(),
        };
        let mut record = Record::new(place.listed, standing.state, verdict, found, score);
        record.neighbourhood = place.neighbourhood;
        record
    }
}

fn scored(
    input: &Input<'_>,
    flat: &Flat,
    model: &dyn Model,
    standing: &Standing,
    found: GeoRecord,
    place: Place,
) -> (f64, Verdict) {
    let score = model.score(&Subject {
        state: standing.state,
        feeds: flat.feed_sets.get(standing.feeds),
        labels: flat.feed_sets.get(standing.labels),
        age_days: f64::from(input.now.saturating_sub(standing.ended)) / DAY,
        past: standing.past,
        neighbourhood: place.neighbourhood,
        geo: place.geo,
        record: found,
    });
    let thresholds = &input.thresholds;
    let verdict = thresholds.verdict(standing.state, score, standing.threats);
    if standing.capped {
        (score.max(thresholds.triage_below), verdict.capped())
    } else {
        (score, verdict)
    }
}

fn write_places(writer: &mut Writer, standings: &[Standing], places: &[Place]) {
    let rows: Vec<StandingRow> = standings
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
    let geo: Vec<U32> = places.iter().map(|place| U32::new(place.geo)).collect();
    writer.section(Section::RecordGeo, geo.as_bytes());
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
