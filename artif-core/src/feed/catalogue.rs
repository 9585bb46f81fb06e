//! Catalogues: files that define feeds.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde::Deserialize;

use super::Feed;
use super::foreign;
use super::spec::{FeedSpec, Place, line_at, placed_feeds, with_unique_ids};
use crate::error::{Error, Result};

/// Feeds as a file defines them.
///
/// Read are our own TOML with `[[feed]]` tables, JSON with a `feeds` list, MISP's feed metadata, YAML
/// with a `feeds` list, and text with the address of a list on each line, as of FireHOL's ipsets;
/// which it is shows in the content.
///
/// ```
/// let catalogue = artif_core::feed::Catalogue::embedded().unwrap();
/// assert!(catalogue.feeds.iter().any(|feed| feed.id.as_str() == "spamhaus-drop-v4"));
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct Catalogue {
    /// The feeds in the file's order; no two have the same id.
    pub feeds: Vec<Feed>,
}

/// No catalogue is this long.
const LONGEST: u64 = 16 << 20;

impl Catalogue {
    /// Reads a catalogue. Relative `file:` addresses and paths in it are taken from its folder.
    ///
    /// Errors name the file, and the line or entry.
    ///
    /// ```
    /// # use artif_core::feed::Catalogue;
    /// let folder = tempfile::tempdir().unwrap();
    /// let path = folder.path().join("feeds.toml");
    /// std::fs::write(&path, "[[feed]]\nname = 'Mine'\nurl = 'file:mine.txt'\nrefresh = '6h'").unwrap();
    /// let feed = &Catalogue::load(&path).unwrap().feeds[0];
    /// assert_eq!((feed.id.as_str(), feed.refresh_seconds), ("mine", 21_600));
    /// assert!(feed.url.starts_with("file:///") && feed.url.ends_with("/mine.txt"));
    ///
    /// std::fs::write(&path, "[[feed]]\nname = 'Mine'\nurll = 'file:mine.txt'").unwrap();
    /// let error = Catalogue::load(&path).unwrap_err().to_string();
    /// assert!(error.contains("feeds.toml:3: unknown field `urll`"), "{error}");
    /// ```
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        Self::read(&Self::text(path)?, Some(path))
    }

    fn text(path: &Path) -> Result<String> {
        let failed = |source| Error::io("reading catalogue", path, source);
        let mut text = String::new();
        let mut file = File::open(path).map_err(failed)?.take(LONGEST + 1);
        file.read_to_string(&mut text).map_err(failed)?;
        if text.len() as u64 > LONGEST {
            let message = format!("longer than {LONGEST} bytes: this is no catalogue");
            return Err(Error::Config { path: Some(path.to_owned()), line: None, message });
        }
        Ok(text)
    }

    /// What another system wrote, without the entries that cannot be used; those are told by the
    /// errors.
    #[cfg(feature = "cli")]
    pub(crate) fn import(path: &Path) -> Result<(Self, Vec<Error>)> {
        let text = Self::text(path)?;
        let (feeds, refused) = Self::entries(strip_mark(&text), Some(path))?;
        Ok((Self { feeds: with_unique_ids(feeds, Some(path))? }, refused))
    }

    /// The feeds that come with this crate. Those whose licence forbids commercial use, that want a
    /// key, or whose publisher has gone silent are there but not enabled.
    ///
    /// ```
    /// # use artif_core::feed::Catalogue;
    /// assert!(Catalogue::embedded().unwrap().feeds.len() > 60);
    /// ```
    pub fn embedded() -> Result<Self> {
        Self::read(include_str!("catalogue.toml"), None)
    }

    pub(super) fn read(text: &str, path: Option<&Path>) -> Result<Self> {
        let (feeds, refused) = Self::entries(strip_mark(text), path)?;
        // Left out, a feed's listings would end.
        match refused.into_iter().next() {
            Some(error) => Err(error),
            None => Ok(Self { feeds: with_unique_ids(feeds, path)? }),
        }
    }

    fn entries(text: &str, path: Option<&Path>) -> Result<foreign::Entries> {
        Ok(match shape(text) {
            Shape::Json => foreign::json(text, path)?,
            Shape::Yaml => foreign::yaml(text, path)?,
            Shape::Urls => foreign::urls(text, path),
            Shape::Toml => (toml(text, path)?, Vec::new()),
        })
    }
}

fn strip_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

#[derive(Debug, PartialEq, Eq)]
enum Shape {
    Json,
    Yaml,
    Urls,
    Toml,
}

fn shape(text: &str) -> Shape {
    let start = text.trim_start();
    let list_of_objects =
        start.strip_prefix('[').is_some_and(|rest| rest.trim_start().starts_with(['{', ']']));
    if start.starts_with('{') || list_of_objects {
        return Shape::Json;
    }
    let yaml = |line: &str| {
        line.starts_with("feeds:") || line.starts_with("- feed:") || line.trim_end() == "---"
    };
    if text.lines().any(yaml) {
        Shape::Yaml
    } else if foreign::is_urls(text) {
        Shape::Urls
    } else {
        Shape::Toml
    }
}

fn toml(text: &str, path: Option<&Path>) -> Result<Vec<(Place, bool, Feed)>> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Document {
        #[serde(default)]
        feed: Vec<toml::Spanned<FeedSpec>>,
    }
    let document: Document = toml::from_str(text).map_err(|error| Error::Config {
        path: path.map(Path::to_owned),
        line: error.span().map(|span| line_at(text, span.start)),
        message: error.message().to_owned(),
    })?;
    placed_feeds(document.feed, text, path)
}

#[cfg(test)]
#[path = "catalogue_tests.rs"]
mod tests;
