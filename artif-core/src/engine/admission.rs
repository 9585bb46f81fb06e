//! Whether a feed's new content may replace the last good one, and what changes with it.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use serde::Serialize;

use super::refresh::{Content, FeedReport, Outcome};
use crate::clock::Seconds;
use crate::config::Guard;
use crate::error::{Error, Result};
use crate::feed::{Feed, FeedId, Parsed, guard};
use crate::ledger::{FeedHead, Generation, Store, Validators};
use crate::net::{Prefix, PrefixSet};

/// Why feeds that were never loaded were not: the ledger knows nothing of them.
pub(super) type Troubles = Mutex<BTreeMap<FeedId, String>>;

/// How many networks are shown of each kind.
const SAMPLES: usize = 10;

/// What new content would change.
///
/// ```
/// # use artif_core::{Engine, Feed, RefreshOptions};
/// # let dir = tempfile::tempdir().unwrap();
/// # let list = dir.path().join("list.txt");
/// # std::fs::write(&list, "93.184.216.34\n").unwrap();
/// # let feed = Feed::new("mine", &format!("file:{}", list.display())).unwrap();
/// let engine = Engine::builder().in_memory().feed(feed).build().unwrap();
/// let report = engine.refresh(&RefreshOptions::default().dry_run()).unwrap();
/// let changes = report.feeds[0].changes.as_ref().unwrap();
/// assert_eq!((changes.added, changes.removed), (1, 0));
/// assert_eq!(changes.added_samples, ["93.184.216.34".parse().unwrap()]);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct Changes {
    /// Networks that would be listed and are not.
    pub added: u64,
    /// Networks that are listed and would not be.
    pub removed: u64,
    /// Networks that are listed and would stay so.
    pub unchanged: u64,
    /// The first ten of those added.
    pub added_samples: Vec<Prefix>,
    /// The first ten of those removed.
    pub removed_samples: Vec<Prefix>,
}

impl Changes {
    fn between(store: &dyn Store, feed: &FeedId, new: &PrefixSet) -> Result<Self> {
        let mut old = Vec::new();
        store.active(feed, &mut |listing| old.push(listing.prefix))?;
        Ok(Self::of(old.into_iter(), new.iter()))
    }

    /// Both sorted: IPv4, then IPv6.
    fn of(old: impl Iterator<Item = Prefix>, new: impl Iterator<Item = Prefix>) -> Self {
        let mut changes = Self::default();
        let (mut old, mut new) = (old.peekable(), new.peekable());
        loop {
            let order = match (old.peek(), new.peek()) {
                (None, None) => return changes,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(before), Some(now)) => before.cmp(now),
            };
            let removed = if order.is_le() { old.next() } else { None };
            let added = if order.is_ge() { new.next() } else { None };
            match (removed, added) {
                (Some(prefix), None) => {
                    changes.removed += 1;
                    if changes.removed_samples.len() < SAMPLES {
                        changes.removed_samples.push(prefix);
                    }
                }
                (None, Some(prefix)) => {
                    changes.added += 1;
                    if changes.added_samples.len() < SAMPLES {
                        changes.added_samples.push(prefix);
                    }
                }
                _ => changes.unchanged += 1,
            }
        }
    }
}

/// How a refresh decides.
pub(super) struct Admission<'a> {
    pub(super) store: &'a dyn Store,
    pub(super) guard: &'a Guard,
    pub(super) troubles: &'a Troubles,
    pub(super) force: bool,
    pub(super) dry_run: bool,
    pub(super) now: Seconds,
}

impl Admission<'_> {
    /// Takes a feed's content into the ledger, or says there why not; in a dry run only says it.
    /// Errors are the ledger's own.
    pub(super) fn admit(
        &self,
        feed: &Feed,
        head: Option<&FeedHead>,
        content: Result<Content>,
    ) -> Result<FeedReport> {
        let mut report = FeedReport::new(&feed.id, Outcome::Unchanged);
        match content {
            Ok(Content::Unchanged(validators)) => self.confirm(feed, head, validators)?,
            Ok(Content::New(parsed, validators)) => {
                let Parsed { prefixes, report: read, mut since, .. } = *parsed;
                let before = head.map(|head| head.count);
                let refused = if self.force {
                    None
                } else {
                    guard::refuse_content(self.guard, feed, before, &read)
                        .or_else(|| guard::refuse_index(self.guard, feed, &prefixes))
                };
                report.parse = Some(read);
                if self.dry_run {
                    report.changes = Some(self.changes(&feed.id, &prefixes)?);
                }
                if let Some(reason) = refused {
                    let error = Error::Refused { feed: feed.id.to_string(), reason };
                    self.keep_old(feed, head, &error, &mut report)?;
                } else {
                    report.outcome = Outcome::Loaded;
                    if !self.dry_run {
                        self.not_before_it_ended(&feed.id, &mut since)?;
                        let new = Generation::new(&feed.id, self.now, &prefixes, &validators)
                            .since(&since);
                        let commit = self.store.commit(new)?;
                        let (added, ended) = (commit.added, commit.ended);
                        tracing::info!(feed = %feed.id, added, ended, "loaded");
                        report.commit = Some(commit);
                        self.troubles().remove(&feed.id);
                    }
                }
            }
            Err(error) => self.keep_old(feed, head, &error, &mut report)?,
        }
        Ok(report)
    }

    /// What would change for a feed.
    pub(super) fn changes(&self, feed: &FeedId, new: &PrefixSet) -> Result<Changes> {
        Changes::between(self.store, feed, new)
    }

    /// What was listed before and then was not is listed anew from its end on at the earliest.
    fn not_before_it_ended(&self, feed: &FeedId, since: &mut [(Prefix, Seconds)]) -> Result<()> {
        if since.is_empty() {
            return Ok(());
        }
        self.store.ended(feed, &mut |listing| {
            let place = since.binary_search_by(|(prefix, _)| prefix.cmp(&listing.prefix));
            if let Some((_, begun)) = place.ok().and_then(|place| since.get_mut(place)) {
                *begun = listing.ended.max(*begun);
            }
        })
    }

    fn confirm(
        &self,
        feed: &Feed,
        head: Option<&FeedHead>,
        validators: Option<Validators>,
    ) -> Result<()> {
        if self.dry_run {
            return Ok(());
        }
        let old = || head.map(|head| head.validators.clone()).unwrap_or_default();
        self.store.confirm(&feed.id, self.now, &validators.unwrap_or_else(old))
    }

    fn keep_old(
        &self,
        feed: &Feed,
        head: Option<&FeedHead>,
        error: &Error,
        report: &mut FeedReport,
    ) -> Result<()> {
        let refused = matches!(error, Error::Refused { .. });
        report.outcome = if refused { Outcome::Refused } else { Outcome::Failed };
        let mut text = error.to_string();
        if let Some(source) = std::error::Error::source(&error) {
            text = format!("{text}: {source}");
        }
        if !self.dry_run {
            let outcome = if refused { "refused" } else { "failed" };
            tracing::warn!(feed = %feed.id, outcome, error = %text, "the last good content stays");
            match head {
                Some(_) => self.store.mark_stale(&feed.id, &text)?,
                None => drop(self.troubles().insert(feed.id.clone(), text.clone())),
            }
        }
        report.error = Some(text);
        if let Error::Fetch { retry_after: Some(wait), .. } = error {
            report.retry_after = Some(*wait);
        }
        Ok(())
    }

    fn troubles(&self) -> std::sync::MutexGuard<'_, BTreeMap<FeedId, String>> {
        self.troubles.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn changes_are_the_differences_of_the_sets(
            old in prop::collection::btree_set(0_u8..60, 0..40),
            new in prop::collection::btree_set(0_u8..60, 0..40),
        ) {
            // Odd ones are IPv6.
            let prefix = |n: &u8| {
                let text = if n.is_multiple_of(2) { format!("9.0.0.{n}") } else { format!("2a00::{n:x}") };
                text.parse::<Prefix>().ok()
            };
            let sets = [&old, &new].map(|set| set.iter().filter_map(prefix).collect::<PrefixSet>());
            let [before, after] = &sets;
            let changes = Changes::of(before.iter(), after.iter());
            let [a, b] = [before, after].map(|set| set.iter().collect::<BTreeSet<_>>());
            let added: Vec<_> = b.difference(&a).copied().collect();
            let removed: Vec<_> = a.difference(&b).copied().collect();
            prop_assert_eq!(changes.added, added.len() as u64);
            prop_assert_eq!(changes.removed, removed.len() as u64);
            prop_assert_eq!(changes.unchanged, a.intersection(&b).count() as u64);
            prop_assert!(added.starts_with(&changes.added_samples));
            prop_assert!(removed.starts_with(&changes.removed_samples));
            prop_assert_eq!(changes.added_samples.len(), added.len().min(SAMPLES));
        }
    }
}
