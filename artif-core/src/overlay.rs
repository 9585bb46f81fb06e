//! Overrides beside the snapshot: consulted first, in force everywhere as soon as they are written.
//!
//! The log of changes is what is durable; the overlay that readers follow is replaced after each
//! change without a wait for the disk. After a power loss it may be an older one, or damaged: it
//! says up to which change it goes, so that who opens the folder adds what the log has beyond that.
//! Where the log no longer begins there, or the overlay is damaged, the newest checkpoint takes its
//! place: the log keeps every change until two checkpoints have it. The next owner publishes a
//! whole one.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::ledger::{Override, OverrideChange, OverrideLog, Peeked, overrides_above};
use crate::net::{Prefix, canonical_address};
use crate::sealed;
use crate::snapshot::remove_unfinished;

const FILE: &str = "OVERRIDES";
const HEADER: &str = "artif-overrides 1";

/// All overrides, sorted by network.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Overlay {
    entries: Vec<Override>,
    /// The lengths in use, longest first, so that the most specific is found first.
    lengths4: Vec<u8>,
    lengths6: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
struct Content {
    /// The last change of the log that is in it.
    #[serde(default)]
    number: u64,
    overrides: Vec<Override>,
}

/// An overlay as it is published.
#[derive(Debug, Default)]
pub(crate) struct Published {
    pub(crate) overlay: Overlay,
    /// The last change of the log that is in it.
    pub(crate) number: u64,
}

impl Published {
    /// Itself, or what the newest checkpoint has where the log begins later than this ends.
    fn or_newer(self, dir: &Path, log: Option<&Peeked>) -> Self {
        if log.is_none_or(|log| log.before <= self.number) {
            return self;
        }
        match overrides_above(dir, self.number) {
            Ok(Some((overrides, number))) => Self { overlay: Overlay::new(overrides), number },
            // The log was lost, and begun anew with a number of its own.
            Ok(None) => self,
            Err(error) => {
                tracing::warn!(%error, "the newest overrides may be missing");
                self
            }
        }
    }

    /// What stands in for an overlay that cannot be read because of `error`, which is given back
    /// where changes may be missing between the checkpoint and the log.
    fn of_checkpoint(dir: &Path, log: Option<&Peeked>, error: Error) -> Result<Self> {
        let Some(log) = log else { return Err(error) };
        let found = match overrides_above(dir, 0)? {
            // Nothing was taken out of a log that no checkpoint has.
            None => Self::default(),
            Some((_, number)) if number < log.before => return Err(error),
            Some((overrides, number)) => Self { overlay: Overlay::new(overrides), number },
        };
        tracing::warn!(%error, "reading the overrides from the ledger's checkpoint and their log");
        Ok(found)
    }
}

impl Overlay {
    pub(crate) fn new(mut entries: Vec<Override>) -> Self {
        entries.sort_by_key(|entry| entry.prefix);
        entries.dedup_by_key(|entry| entry.prefix);
        let lengths = |v4: bool| {
            let of_family = entries.iter().filter(|e| matches!(e.prefix, Prefix::V4(_)) == v4);
            let mut lengths: Vec<u8> = of_family.map(|e| e.prefix.len()).collect();
            lengths.sort_unstable_by(|a, b| b.cmp(a));
            lengths.dedup();
            lengths
        };
        let (lengths4, lengths6) = (lengths(true), lengths(false));
        Self { entries, lengths4, lengths6 }
    }

    pub(crate) fn entries(&self) -> &[Override] {
        &self.entries
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The overrides around an address, the most specific first; expired ones too.
    pub(crate) fn covering(&self, address: IpAddr) -> impl Iterator<Item = &Override> {
        let address = canonical_address(address);
        let lengths = if address.is_ipv4() { &self.lengths4 } else { &self.lengths6 };
        lengths.iter().filter_map(move |length| {
            let prefix = Prefix::new(address, *length)?;
            let at = self.entries.binary_search_by_key(&prefix, |entry| entry.prefix).ok()?;
            self.entries.get(at)
        })
    }

    /// The override that decides about an address at `now`, if any.
    #[inline]
    pub(crate) fn decides(
        &self,
        address: impl FnOnce() -> IpAddr,
        now: impl Fn() -> DateTime<Utc>,
    ) -> Option<&Override> {
        if self.entries.is_empty() {
            return None;
        }
        self.covering(address()).find(|entry| entry.expires.is_none() || entry.is_live(now()))
    }

    /// Where a data folder keeps it.
    pub(crate) fn path(dir: &Path) -> PathBuf {
        dir.join(FILE)
    }

    /// With these changes, the last one of a network counting.
    pub(crate) fn changed<'a>(self, changes: impl IntoIterator<Item = &'a OverrideChange>) -> Self {
        let changes: BTreeMap<_, _> = changes.into_iter().map(|c| (c.prefix(), c)).collect();
        if changes.is_empty() {
            return self;
        }
        let mut entries = self.entries;
        entries.retain(|entry| !changes.contains_key(&entry.prefix));
        entries.extend(changes.into_values().filter_map(|change| match change {
            OverrideChange::Put(entry) => Some(entry.clone()),
            OverrideChange::Remove { .. } => None,
        }));
        Self::new(entries)
    }

    /// The folder's overlay as it was published last; `None` where none ever was.
    ///
    /// Errors: [`Error::Io`], and [`Error::Snapshot`] where it is damaged.
    pub(crate) fn published(dir: &Path) -> Result<Option<Published>> {
        let content: Option<Content> = sealed::read(&Self::path(dir), HEADER)?;
        Ok(content.map(|Content { number, overrides }| Published {
            overlay: Self::new(overrides),
            number,
        }))
    }

    /// Reads the overlay of a folder that is in use.
    pub(crate) fn follow(dir: &Path) -> Result<Self> {
        match Self::published(dir) {
            Err(Error::Snapshot { .. }) => Self::load(dir),
            published => Ok(published?.unwrap_or_default().overlay),
        }
    }

    /// All overrides that were acknowledged in a folder, whatever became of it.
    ///
    /// Errors: [`Error::Io`], and [`Error::Snapshot`] where the overlay is damaged and what else
    /// there is does not make up for it.
    pub(crate) fn load(dir: &Path) -> Result<Self> {
        /// The owner may change the one after the other was read.
        const ATTEMPTS: usize = 3;
        let mut attempt = 1;
        let (published, log) = loop {
            let published = match Self::published(dir) {
                Err(error @ Error::Snapshot { .. }) => Err(error),
                published => Ok(published?.unwrap_or_default()),
            };
            let log = match OverrideLog::peek(dir) {
                Err(error) if published.is_ok() => {
                    tracing::warn!(%error, "the newest overrides may be missing");
                    None
                }
                log => log?,
            };
            let fits = |number| log.as_ref().is_none_or(|log| log.before <= number);
            if attempt == ATTEMPTS || published.as_ref().is_ok_and(|p| fits(p.number)) {
                break (published, log);
            }
            attempt += 1;
        };
        let base = match published {
            Ok(published) => published.or_newer(dir, log.as_ref()),
            Err(error) => Published::of_checkpoint(dir, log.as_ref(), error)?,
        };
        let newer = log.iter().flat_map(|log| &log.records);
        let newer = newer.filter(|record| record.0 > base.number).map(|record| &record.1);
        Ok(base.overlay.changed(newer))
    }

    /// Removes what processes left that died while they replaced it. Under the override log's lock.
    pub(crate) fn remove_unfinished(dir: &Path) {
        remove_unfinished(dir, &[FILE]);
    }

    /// Replaces the folder's overlay by this one, which has all changes up to `number`, durably.
    pub(crate) fn publish(&self, dir: &Path, number: u64) -> Result<()> {
        sealed::write(&Self::path(dir), HEADER, &self.content(number))
    }

    /// The same without a wait for the disk: for changes that are in the log durably.
    pub(crate) fn publish_soon(&self, dir: &Path, number: u64) -> Result<()> {
        sealed::write_soon(&Self::path(dir), HEADER, &self.content(number))
    }

    fn content(&self, number: u64) -> Content {
        Content { number, overrides: self.entries.clone() }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::ledger::OverrideAction::{Allow, Block};
    use crate::ledger::{Ledger, LedgerOptions};

    fn entry(prefix: &str, action: crate::ledger::OverrideAction) -> Override {
        Override::new(prefix.parse().unwrap(), action, DateTime::UNIX_EPOCH)
    }

    #[test]
    fn the_most_specific_live_override_decides() {
        let now = || "2026-01-01T00:00:00Z".parse().unwrap();
        let overlay = Overlay::new(vec![
            entry("10.0.0.0/8", Block),
            entry("10.1.0.0/16", Allow),
            entry("10.1.1.1", Block).expires("2025-01-01T00:00:00Z".parse().unwrap()),
            entry("2001:db8::/32", Block),
        ]);
        let decides = |ip: &str| overlay.decides(|| ip.parse().unwrap(), now).map(|e| e.action);
        assert_eq!(decides("10.2.0.1"), Some(Block));
        assert_eq!(decides("10.1.0.1"), Some(Allow));
        assert_eq!(decides("10.1.1.1"), Some(Allow), "an expired one does not count");
        assert_eq!(decides("::ffff:10.2.0.1"), Some(Block));
        assert_eq!(decides("2001:db8::5"), Some(Block));
        assert_eq!(decides("11.0.0.1"), None);
    }

    #[test]
    fn what_is_published_is_loaded_and_damage_is_named() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Overlay::load(dir.path()).unwrap(), Overlay::default());
        let overlay =
            Overlay::new(vec![entry("10.0.0.0/8", Block).reason("line\nbreak").author("ana")]);
        overlay.publish(dir.path(), 7).unwrap();
        assert_eq!(Overlay::load(dir.path()).unwrap(), overlay);
        assert_eq!(Overlay::published(dir.path()).unwrap().unwrap().number, 7);
        let mut bytes = fs::read(Overlay::path(dir.path())).unwrap();
        let last = bytes.len() - 3;
        bytes[last] ^= 1;
        fs::write(Overlay::path(dir.path()), bytes).unwrap();
        assert_eq!(Overlay::load(dir.path()).unwrap_err().code(), "ARTIF_SNAPSHOT");
    }

    /// A folder whose log has `b` and `c`, whose overlay has `a` and `b`.
    fn behind() -> (tempfile::TempDir, OverrideLog, [Override; 3]) {
        let dir = tempfile::tempdir().unwrap();
        let log = OverrideLog::open(dir.path()).unwrap();
        let entries = ["10.0.0.0/8", "11.0.0.0/8", "12.0.0.0/8"].map(|prefix| entry(prefix, Block));
        let put = |entry: &Override| OverrideChange::Put(entry.clone());
        let number = log.append(&[put(&entries[1])]).unwrap();
        Overlay::new(entries[..2].to_vec()).publish_soon(dir.path(), number).unwrap();
        log.append(&[put(&entries[2])]).unwrap();
        (dir, log, entries)
    }

    #[test]
    fn what_the_log_has_beyond_the_overlay_counts_and_removals_do() {
        let (dir, log, entries) = behind();
        assert_eq!(Overlay::load(dir.path()).unwrap().entries(), entries);
        assert_eq!(Overlay::follow(dir.path()).unwrap().entries(), &entries[..2]);
        let at = DateTime::UNIX_EPOCH;
        let author = String::new();
        let remove = OverrideChange::Remove { prefix: entries[0].prefix, author, at };
        log.append(&[remove]).unwrap();
        assert_eq!(Overlay::load(dir.path()).unwrap().entries(), &entries[1..]);
    }

    #[test]
    fn a_damaged_overlay_is_made_up_for_by_the_log_and_the_checkpoint_or_told() {
        let (dir, log, entries) = behind();
        let path = Overlay::path(dir.path());
        let tear = || fs::write(&path, "artif-over").unwrap();
        tear();
        assert_eq!(Overlay::load(dir.path()).unwrap().entries(), &entries[1..], "no checkpoint");
        // Two checkpoints have what then goes out of the log.
        let ledger = Ledger::open(dir.path(), &LedgerOptions::default()).unwrap();
        ledger.put_override(&entries[0]).unwrap();
        let last = ledger.store().absorbed();
        ledger.checkpoint().unwrap();
        ledger.put_override(&entries[0].clone().reason("newer")).unwrap();
        ledger.checkpoint().unwrap();
        assert_eq!(OverrideLog::peek(dir.path()).unwrap().unwrap().before, last);
        let newest = entry("13.0.0.0/8", Block);
        log.append(&[OverrideChange::Put(newest.clone())]).unwrap();
        let all = [&entries[0].clone().reason("newer"), &entries[1], &entries[2], &newest]
            .map(Clone::clone);
        assert_eq!(Overlay::follow(dir.path()).unwrap().entries(), all);
        // An overlay from before the log begins is as old as none.
        Overlay::new(vec![entry("14.0.0.0/8", Block)]).publish(dir.path(), last - 1).unwrap();
        assert_eq!(Overlay::load(dir.path()).unwrap().entries(), all);
        // With nothing to close the gap it is damage after all.
        drop(ledger);
        for entry in fs::read_dir(dir.path()).unwrap().map(Result::unwrap) {
            if entry.file_name().to_str().unwrap().starts_with("checkpoint-") {
                fs::write(entry.path(), "torn").unwrap();
            }
        }
        tear();
        assert_eq!(Overlay::load(dir.path()).unwrap_err().code(), "ARTIF_LEDGER_CORRUPT");
    }

    #[test]
    fn a_log_that_was_lost_takes_nothing_from_the_overlay() {
        let (dir, log, entries) = behind();
        fs::remove_file(dir.path().join("overrides.log")).unwrap();
        assert_eq!(Overlay::load(dir.path()).unwrap().entries(), &entries[..2]);
        log.append(&[OverrideChange::Put(entries[2].clone())]).unwrap();
        assert_eq!(Overlay::load(dir.path()).unwrap().entries(), entries);
        // With both gone nobody knows.
        fs::remove_file(dir.path().join("overrides.log")).unwrap();
        fs::write(Overlay::path(dir.path()), "").unwrap();
        assert_eq!(Overlay::load(dir.path()).unwrap_err().code(), "ARTIF_SNAPSHOT");
    }
}
