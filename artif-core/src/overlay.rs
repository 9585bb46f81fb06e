//! Overrides beside the snapshot: consulted first, in force everywhere as soon as they are written.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::ledger::Override;
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
    overrides: Vec<Override>,
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

    /// Reads the folder's overlay; one that was never written is empty.
    pub(crate) fn load(dir: &Path) -> Result<Self> {
        let content: Option<Content> = sealed::read(&Self::path(dir), HEADER)?;
        Ok(content.map(|content| Self::new(content.overrides)).unwrap_or_default())
    }

    /// Removes what processes left that died while they replaced it. Under the override log's lock.
    pub(crate) fn remove_unfinished(dir: &Path) {
        remove_unfinished(dir, &[FILE]);
    }

    /// Replaces the folder's overlay by this one.
    pub(crate) fn publish(&self, dir: &Path) -> Result<()> {
        let content = Content { overrides: self.entries.clone() };
        sealed::write(&Self::path(dir), HEADER, &content)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::ledger::OverrideAction::{Allow, Block};

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
        overlay.publish(dir.path()).unwrap();
        assert_eq!(Overlay::load(dir.path()).unwrap(), overlay);
        let mut bytes = fs::read(Overlay::path(dir.path())).unwrap();
        let last = bytes.len() - 3;
        bytes[last] ^= 1;
        fs::write(Overlay::path(dir.path()), bytes).unwrap();
        assert_eq!(Overlay::load(dir.path()).unwrap_err().code(), "ARTIF_SNAPSHOT");
    }
}
