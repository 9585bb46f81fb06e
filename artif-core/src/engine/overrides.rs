//! Changing overrides, from the owner or from any other process.

use std::path::Path;

use crate::error::Result;
use crate::ledger::{Ledger, Override, OverrideChange, OverrideLog};
use crate::net::Prefix;
use crate::overlay::Overlay;

/// Logs a change durably, then makes it count: publishes the overlay with it. The log's lock makes
/// changes of several processes follow one another.
pub(crate) fn change(dir: &Path, log: &OverrideLog, change: &OverrideChange) -> Result<()> {
    log.append_then(std::slice::from_ref(change), |number| {
        let before = match Overlay::published(dir) {
            Ok(Some(published)) if published.number + 1 == number => published.overlay,
            // It lacks changes or is damaged. What is loaded may have this one already: it is the
            // last one, so that it does no harm twice.
            _ => Overlay::load(dir)?,
        };
        // The log has it durably, and whoever reads an older or damaged overlay after a power loss
        // reads the log, too: nobody has to wait for the disk a second time.
        before.changed([change]).publish_soon(dir, number)
    })
    .map(drop)
}

/// Publishes the ledger's overrides where the published ones are others: a process died between
/// logging and publishing a change, or the file is damaged or gone. Says what was wrong.
pub(super) fn mend(dir: &Path, ledger: &Ledger) -> Result<Option<String>> {
    ledger.with_overrides(|kept, number| {
        Overlay::remove_unfinished(dir);
        let kept = Overlay::new(kept);
        let trouble = match Overlay::published(dir) {
            Ok(None) if kept == Overlay::default() => return Ok(None),
            Ok(Some(published)) if published.overlay == kept => return Ok(None),
            Ok(published) => format!(
                "{} overrides were published where the ledger has {}",
                published.map_or(0, |published| published.overlay.entries().len()),
                kept.entries().len()
            ),
            Err(error) => error.to_string(),
        };
        kept.publish(dir, number)?;
        tracing::warn!(dir = %dir.display(), %trouble, "the overrides were published anew");
        Ok(Some(trouble))
    })
}

/// The overrides of a data folder, changed without owning it: what the command line does beside a
/// running service. The owner takes the changes into its ledger with its next refresh.
///
/// ```
/// use artif_core::ledger::{Override, OverrideAction};
/// use artif_core::Overrides;
///
/// let dir = tempfile::tempdir().unwrap();
/// let overrides = Overrides::open(dir.path()).unwrap();
/// let prefix = "198.51.100.0/24".parse().unwrap();
/// overrides.add(Override::new(prefix, OverrideAction::Block, chrono::Utc::now())).unwrap();
/// assert_eq!(overrides.list().unwrap().len(), 1);
/// assert!(overrides.remove(prefix, "ana", chrono::Utc::now()).unwrap());
/// ```
#[derive(Debug)]
pub struct Overrides {
    dir: std::path::PathBuf,
    log: OverrideLog,
}

impl Overrides {
    /// The overrides of `dir`.
    ///
    /// ```
    /// # let dir = tempfile::tempdir().unwrap();
    /// assert!(artif_core::Overrides::open(dir.path()).unwrap().list().unwrap().is_empty());
    /// ```
    pub fn open(dir: impl AsRef<Path>) -> Result<Self> {
        let dir = dir.as_ref().to_owned();
        let log = OverrideLog::open(&dir)?;
        Ok(Self { dir, log })
    }

    /// Adds one, in place of the one for the same network. When this returns it survives a power
    /// loss; in every process it counts within a second.
    ///
    /// ```
    /// # use artif_core::Overrides;
    /// # let dir = tempfile::tempdir().unwrap();
    /// let overrides = Overrides::open(dir.path()).unwrap();
    /// # use artif_core::ledger::{Override, OverrideAction};
    /// let entry = Override::new("192.0.2.0/24".parse().unwrap(), OverrideAction::Allow, chrono::Utc::now());
    /// overrides.add(entry.reason("our office")).unwrap();
    /// ```
    pub fn add(&self, entry: Override) -> Result<()> {
        // Damaged, it would not take the change up, which the log would then have all the same.
        Overlay::load(&self.dir)?;
        change(&self.dir, &self.log, &OverrideChange::Put(entry))
    }

    /// Removes the one for exactly this network; says whether there was one.
    ///
    /// ```
    /// # use artif_core::Overrides;
    /// # let dir = tempfile::tempdir().unwrap();
    /// let overrides = Overrides::open(dir.path()).unwrap();
    /// let prefix = "192.0.2.0/24".parse().unwrap();
    /// assert!(!overrides.remove(prefix, "ana", chrono::Utc::now()).unwrap());
    /// ```
    pub fn remove(
        &self,
        prefix: Prefix,
        author: &str,
        at: chrono::DateTime<chrono::Utc>,
    ) -> Result<bool> {
        let found = self.list()?.iter().any(|entry| entry.prefix == prefix);
        if found {
            let author = author.to_owned();
            change(&self.dir, &self.log, &OverrideChange::Remove { prefix, author, at })?;
        }
        Ok(found)
    }

    /// All of them, sorted by network, expired ones too.
    ///
    /// ```
    /// # use artif_core::Overrides;
    /// # let dir = tempfile::tempdir().unwrap();
    /// let overrides = Overrides::open(dir.path()).unwrap();
    /// assert!(overrides.list().unwrap().is_empty());
    /// ```
    pub fn list(&self) -> Result<Vec<Override>> {
        Ok(Overlay::load(&self.dir)?.entries().to_vec())
    }
}
