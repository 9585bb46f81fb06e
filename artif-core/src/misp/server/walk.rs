//! Getting all pages of a plan, however slow or shaky the server is.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use super::Problem;
use super::client::{Client, Page, Query};
use super::journal::{Journal, Position};
use super::mirror::Row;
use super::page::Attribute;
use super::state::Task;
use crate::error::{Error, Result};
use crate::feed::source::FetchOptions;

/// Pages are not made smaller than this.
const SMALLEST: u32 = 50;
/// After so many pages without trouble they are made larger again.
const EASY: u32 = 8;
/// So many pages in a row may hold nothing though the server says that there is more.
const EMPTY: u32 = 1000;
/// Different sets of tags that attributes may have; further ones count as none.
const SETS: usize = 200_000;

/// Sets of tags, by number.
#[derive(Debug, Default)]
pub(crate) struct TagSets {
    sets: Vec<Vec<String>>,
    numbers: HashMap<Vec<String>, u32>,
    /// From here on they are not in the journal yet.
    written: usize,
}

impl TagSets {
    pub(crate) fn new(sets: Vec<Vec<String>>) -> Self {
        let mut tags = Self::default();
        tags.extend(sets);
        if tags.sets.is_empty() {
            tags.extend(vec![Vec::new()]);
        }
        tags
    }

    /// Sets as they were numbered before.
    pub(crate) fn extend(&mut self, sets: Vec<Vec<String>>) {
        for set in sets {
            let number = u32::try_from(self.sets.len()).unwrap_or(u32::MAX);
            self.numbers.entry(set.clone()).or_insert(number);
            self.sets.push(set);
        }
        self.written = self.sets.len();
    }

    fn number(&mut self, mut set: Vec<String>) -> u32 {
        set.sort_unstable();
        set.dedup();
        if let Some(number) = self.numbers.get(&set) {
            return *number;
        }
        if self.sets.len() >= SETS {
            return 0;
        }
        let number = u32::try_from(self.sets.len()).unwrap_or(0);
        self.numbers.insert(set.clone(), number);
        self.sets.push(set);
        number
    }

    fn unwritten(&mut self) -> Vec<Vec<String>> {
        let new = self.sets.get(self.written..).unwrap_or_default().to_vec();
        self.written = self.sets.len();
        new
    }

    pub(crate) fn into_sets(self) -> Vec<Vec<String>> {
        self.sets
    }
}

/// What came for an event.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) live: u64,
    pub(crate) deleted: u64,
}

/// A walk through a plan.
pub(crate) struct Walk<'a> {
    pub(crate) client: &'a Client<'a>,
    pub(crate) fetch: &'a FetchOptions,
    pub(crate) journal: Journal,
    pub(crate) position: Position,
    pub(crate) tags: TagSets,
    /// Rows of the first task by event.
    pub(crate) seen: BTreeMap<u64, Seen>,
    pub(crate) largest: u32,
    /// The events that count; others are passed over.
    pub(crate) wanted: BTreeSet<u64>,
    easy: u32,
}

impl<'a> Walk<'a> {
    pub(crate) fn new(
        client: &'a Client<'a>,
        fetch: &'a FetchOptions,
        journal: Journal,
        position: Position,
        tags: TagSets,
        largest: u32,
    ) -> Self {
        Self {
            client,
            fetch,
            journal,
            position,
            tags,
            seen: BTreeMap::new(),
            largest,
            wanted: BTreeSet::new(),
            easy: 0,
        }
    }

    pub(crate) fn count(seen: &mut BTreeMap<u64, Seen>, rows: &[Row]) {
        for row in rows {
            let seen = seen.entry(row.event).or_default();
            if row.prefix.is_some() {
                seen.live += 1;
            } else {
                seen.deleted += 1;
            }
        }
    }

    /// Goes on with the plan until all of it is done.
    pub(crate) fn run(&mut self, tasks: &[Task]) -> Result<()> {
        while let Some(task) = tasks.get(self.position.task) {
            if !self.position.done {
                self.pages(task)?;
            }
            if self.position.task + 1 >= tasks.len() {
                return Ok(());
            }
            self.position = Position {
                task: self.position.task + 1,
                limit: self.position.limit,
                ..Position::default()
            };
        }
        Ok(())
    }

    fn pages(&mut self, task: &Task) -> Result<()> {
        let query = Query { events: task.events.clone(), since: task.since, deleted: task.deleted };
        let (mut patience, mut empty) = (Patience::default(), 0);
        while !self.position.done {
            let limit = self.position.limit.clamp(1, self.largest);
            // Where pages have become smaller the last may have been passed in part.
            let number = self.position.offset / u64::from(limit);
            let mut rows = Vec::new();
            let page = self.page(&query, limit, number, &mut rows);
            let page = match page {
                Ok(page) => page,
                Err(error) => {
                    self.bear(error, &mut patience)?;
                    continue;
                }
            };
            patience = Patience::default();
            empty = if page.rows == 0 { empty + 1 } else { 0 };
            let endless = empty > EMPTY;
            self.position.offset = (number + 1) * u64::from(limit);
            self.position.limit = limit;
            self.position.done = !page.more || endless;
            if endless {
                tracing::warn!("{EMPTY} empty pages one after the other: taken for the end");
            }
            if self.position.task == 0 {
                Self::count(&mut self.seen, &rows);
            }
            self.position.tags = self.tags.unwritten();
            self.journal.append(&self.position, &rows)?;
            self.position.tags.clear();
            self.ease();
        }
        Ok(())
    }

    fn page(
        &mut self,
        query: &Query,
        limit: u32,
        number: u64,
        rows: &mut Vec<Row>,
    ) -> Result<Page> {
        let number = u32::try_from(number + 1).unwrap_or(u32::MAX);
        let Self { tags, wanted, client, .. } = self;
        client.attributes(query, limit, number, &mut |attribute| {
            if wanted.contains(&attribute.event) {
                rows.push(row(attribute, tags));
            }
            Ok(())
        })
    }

    /// Waits or makes pages smaller, where that may help; else gives up.
    fn bear(&mut self, error: Error, patience: &mut Patience) -> Result<()> {
        let Error::Misp { problem, retry_after, .. } = &error else { return Err(error) };
        let large = self.position.limit > SMALLEST;
        let wait = match (problem, retry_after) {
            (Problem::RateLimited, Some(wait)) => {
                let wait = Duration::from_secs(u64::from(*wait) + 1);
                let bearable = wait <= self.fetch.max_retry_wait;
                bearable
                    .then(|| patience.next(self.fetch).map(|planned| planned.max(wait)))
                    .flatten()
            }
            // Too much at once. There are only so many halves.
            (Problem::TimedOut | Problem::AnswerTooLarge | Problem::Internal, _) if large => {
                Some(Duration::ZERO)
            }
            (
                Problem::Unreachable | Problem::Gateway | Problem::TimedOut | Problem::Unreadable,
                _,
            ) => patience.next(self.fetch),
            _ => None,
        };
        let Some(wait) = wait else { return Err(error) };
        if *problem != Problem::RateLimited {
            self.position.limit = (self.position.limit / 2).max(SMALLEST.min(self.largest));
            self.easy = 0;
        }
        tracing::debug!(%error, ?wait, rows = self.position.limit, "trying again");
        self.client.sleep(wait)
    }

    /// After some pages without trouble tries larger ones.
    fn ease(&mut self) {
        self.easy += 1;
        let double = self.position.limit.saturating_mul(2).min(self.largest);
        let fits = self.position.offset.is_multiple_of(u64::from(double.max(1)));
        if self.easy >= EASY && double > self.position.limit && fits {
            self.position.limit = double;
            self.easy = 0;
        }
    }
}

/// How often it was waited since the last page.
#[derive(Default)]
struct Patience(usize);

impl Patience {
    /// How long to wait the next time, as often as the configuration says.
    fn next(&mut self, fetch: &FetchOptions) -> Option<Duration> {
        let wait = crate::feed::source::waits(fetch).nth(self.0);
        self.0 += 1;
        wait
    }
}

fn row(attribute: Attribute, tags: &mut TagSets) -> Row {
    let Attribute { id, event, prefix, to_ids, deleted, timestamp, decay, .. } = attribute;
    let seconds = |time: Option<i64>| time.and_then(|time| u32::try_from(time).ok());
    let (first, last) = (seconds(attribute.first_seen), seconds(attribute.last_seen));
    Row {
        event,
        id,
        prefix: prefix.filter(|_| !deleted),
        to_ids,
        decayed: decay.is_some_and(|(_, decayed)| decayed),
        timestamp,
        // It is known at least since it was changed, and was not seen before it was first seen.
        since: first.filter(|first| *first > 0).map_or(timestamp, |first| first.min(timestamp)),
        seen: last.map_or(timestamp, |last| last.max(timestamp)),
        tags: if attribute.tags.is_empty() { 0 } else { tags.number(attribute.tags) },
    }
}
