//! Dated folders, and what is known after each of them.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use chrono::{NaiveDate, NaiveTime};

use crate::clock::{Seconds, seconds, span};
use crate::config::{Config, ScorerKind};
use crate::engine::parse_limits;
use crate::error::{Error, Result};
use crate::feed::{Catalogue, Feed, FeedId, Format, Role, parse};
use crate::geo::GeoSources;
use crate::ledger::{Generation, MemoryStore, Store as _, Validators};
use crate::net::PrefixSet;
use crate::score;
use crate::snapshot::{Input, Snapshot, SnapshotFeed, compile};

/// Bad addresses and others count alike, so that calibration is seen over the whole range.
pub(super) const PRIOR: f64 = 0.5;

/// One folder.
#[derive(Debug, Clone)]
pub(super) struct Day {
    pub(super) date: NaiveDate,
    path: PathBuf,
}

impl Day {
    fn at(&self) -> Seconds {
        // Six o'clock: daily lists are out by then.
        let six = NaiveTime::from_hms_opt(6, 0, 0).unwrap_or_default();
        seconds(self.date.and_time(six).and_utc())
    }
}

/// A feed and what it lists on a day.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) feed: Feed,
    pub(super) prefixes: PrefixSet,
}

/// The dated folders in `dir`, in order.
pub(super) fn days(dir: &Path) -> Result<Vec<Day>> {
    let failed = |error| Error::io("reading", dir, error);
    let mut days = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        if let Some(date) = name.and_then(|name| name.parse().ok()).filter(|_| path.is_dir()) {
            days.push(Day { date, path });
        }
    }
    days.sort_by_key(|day| day.date);
    if days.len() < 2 {
        return Err(Error::Invalid {
            what: "replay folder",
            reason: format!(
                "{} has {} folders named like 2026-08-05: what is known on one day is judged by \
                 the next, so there have to be two",
                dir.display(),
                days.len()
            ),
        });
    }
    Ok(days)
}

/// The feeds of a catalogue, by the names of their files.
pub(super) fn catalogue(path: Option<&Path>) -> Result<Vec<(String, Feed)>> {
    let Some(path) = path else { return Ok(Vec::new()) };
    let named = Catalogue::load(path)?.feeds.into_iter().map(|feed| {
        let file = feed.url.split(['?', '#']).next().unwrap_or_default().to_owned();
        (stem(Path::new(&file)), feed)
    });
    Ok(named.collect())
}

fn stem(path: &Path) -> String {
    path.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned())
}

/// What is known by some day.
#[derive(Debug)]
pub(super) struct Replay<'a> {
    config: &'a Config,
    catalogue: Vec<(String, Feed)>,
    geo: &'a GeoSources,
    store: MemoryStore,
}

impl<'a> Replay<'a> {
    pub(super) fn new(
        config: &'a Config,
        catalogue: Vec<(String, Feed)>,
        geo: &'a GeoSources,
    ) -> Self {
        Self { config, catalogue, geo, store: MemoryStore::new() }
    }

    /// Reads a day's files, and takes in nothing yet.
    pub(super) fn read(&self, day: &Day) -> Result<Vec<Loaded>> {
        let failed = |error| Error::io("reading", &day.path, error);
        let mut files = Vec::new();
        for entry in std::fs::read_dir(&day.path).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            let hidden =
                path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
            if path.is_file() && !hidden {
                files.push(path);
            }
        }
        files.sort();
        let mut loaded: Vec<Loaded> = Vec::new();
        for file in files {
            let feed = self.feed(&file)?;
            if feed.role == Role::Warninglist {
                continue;
            }
            if loaded.iter().any(|other| other.feed.id == feed.id) {
                return Err(Error::Invalid {
                    what: "replay folder",
                    reason: format!(
                        "{} is the second file for feed {}: files are known by their names \
                         without what follows the last dot",
                        file.display(),
                        feed.id
                    ),
                });
            }
            let failed = |error| Error::io("reading", &file, error);
            let mut input = BufReader::with_capacity(1 << 16, File::open(&file).map_err(failed)?);
            let limits = parse_limits(&self.config.parse);
            let parsed = parse(&feed.id, &feed.format, &limits, &mut input)?;
            loaded.push(Loaded { feed, prefixes: parsed.prefixes });
        }
        Ok(loaded)
    }

    /// The catalogue's feed with a file of this name, else one of free text by a publisher of its
    /// own.
    fn feed(&self, file: &Path) -> Result<Feed> {
        let name = stem(file);
        if let Some((_, feed)) = self.catalogue.iter().find(|(known, _)| *known == name) {
            return Ok(feed.clone());
        }
        let id = FeedId::from_name(&name)?;
        if let Some((_, feed)) = self.catalogue.iter().find(|(_, feed)| feed.id == id) {
            return Ok(feed.clone());
        }
        Ok(Feed::new(id.as_str(), "file:replayed")?.format(Format::FreeText))
    }

    /// Takes a day in.
    pub(super) fn commit(&self, day: &Day, loaded: &[Loaded]) -> Result<()> {
        for Loaded { feed, prefixes } in loaded {
            let validators = Validators::default();
            self.store.commit(Generation::new(&feed.id, day.at(), prefixes, &validators))?;
        }
        self.store.expire(day.at().saturating_sub(span(self.config.history.retention)))?;
        Ok(())
    }

    /// What the feeds of this day know on it, as one scorer sees it.
    pub(super) fn compile(
        &self,
        day: &Day,
        loaded: &[Loaded],
        scorer: ScorerKind,
    ) -> Result<Snapshot> {
        let scorer = score::by_name(scorer.name()).ok_or_else(|| Error::Invalid {
            what: "scorer",
            reason: format!("no {:?} in this build", scorer.name()),
        })?;
        let ids: Vec<FeedId> = loaded.iter().map(|loaded| loaded.feed.id.clone()).collect();
        let mut feeds = Vec::with_capacity(loaded.len());
        for Loaded { feed, .. } in loaded {
            let head = self.store.head(&feed.id)?;
            feeds.push(SnapshotFeed::new(feed, head.as_ref()));
        }
        let compiled = compile(Input {
            feeds,
            ids: &ids,
            builtin: Vec::new(),
            store: &self.store,
            geo: &self.geo.table,
            databases: Vec::new(),
            scorer,
            now: day.at(),
            window: span(self.config.history.window),
            retention: span(self.config.history.retention),
            stale_after: Seconds::MAX,
            prior: PRIOR,
            thresholds: (&self.config.scoring).into(),
            max_index: u64::MAX,
            index: self.config.snapshot.index,
            memory_budget: self.config.snapshot.memory_budget,
            edge: None,
            sequence: 0,
            inputs: String::new(),
        })?;
        Snapshot::from_bytes(compiled.bytes)
    }
}

/// The lists of threat feeds.
pub(super) fn threats(loaded: &[Loaded]) -> impl Iterator<Item = &Loaded> {
    loaded.iter().filter(|loaded| loaded.feed.role == Role::Threat)
}
