//! Which feeds were switched on or off for a data folder, beside the user's configuration.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::feed::{Feed, FeedId};
use crate::kept;

const FILE: &str = "feeds.toml";

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Switches {
    enable: Vec<FeedId>,
    disable: Vec<FeedId>,
}

impl Switches {
    pub(super) fn load(dir: &Path) -> Result<Self> {
        let path = dir.join(FILE);
        let Some(text) = kept::read(&path)? else { return Ok(Self::default()) };
        toml::from_str(&text).map_err(|error| Error::Config {
            line: error.span().map(|s| text.get(..s.start).unwrap_or("").lines().count().max(1)),
            path: Some(path),
            message: error.message().to_owned(),
        })
    }

    /// Replaces a damaged file by its copy; says what was done.
    pub(super) fn mend(dir: &Path) -> Result<Option<String>> {
        let path = dir.join(FILE);
        if path.exists() { kept::mend(&path) } else { Ok(None) }
    }

    pub(super) fn apply(&self, feeds: &mut [Feed]) {
        for feed in feeds {
            if self.enable.contains(&feed.id) {
                feed.enabled = true;
            }
            if self.disable.contains(&feed.id) {
                feed.enabled = false;
            }
        }
    }

    pub(super) fn change(dir: &Path, id: &FeedId, enabled: bool) -> Result<()> {
        let mut switches = Self::load(dir)?;
        switches.enable.retain(|other| other != id);
        switches.disable.retain(|other| other != id);
        let list = if enabled { &mut switches.enable } else { &mut switches.disable };
        list.push(id.clone());
        let text = toml::to_string(&switches)
            .map_err(|error| Error::Invalid { what: "feed switches", reason: error.to_string() })?;
        let note =
            "# Written by `artif feeds enable` and `disable`; stronger than the catalogue.\n";
        kept::write(&dir.join(FILE), &format!("{note}{text}"))
    }
}
