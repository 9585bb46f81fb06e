//! Feeds that were added to a data folder, each in a file of its own under `feeds.d`.

#[cfg(any(feature = "cli", feature = "misp", test))]
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

#[cfg(any(feature = "cli", feature = "misp", test))]
use serde::Serialize;

#[cfg(any(feature = "cli", feature = "misp"))]
use super::FeedId;
#[cfg(any(feature = "cli", feature = "misp", test))]
use super::{Auth, Format};
use super::{Catalogue, Feed};
#[cfg(any(feature = "cli", feature = "misp", test))]
use crate::error::excerpt;
use crate::error::{Error, Result};
use crate::kept;

/// The folder in the data folder.
const FOLDER: &str = "feeds.d";

/// All added feeds, by the names of their files, with the file of each.
///
/// A file that cannot be read is an error that names it and the line: leaving the feed out would
/// end its listings.
pub(crate) fn load(data: &Path) -> Result<Vec<(PathBuf, Feed)>> {
    let mut feeds = Vec::new();
    for path in files(data)? {
        // It was listed, and may be gone by now.
        let Some(text) = kept::read(&path)? else { continue };
        feeds.extend(
            Catalogue::read(&text, Some(&path))?.feeds.into_iter().map(|feed| (path.clone(), feed)),
        );
    }
    Ok(feeds)
}

/// The files of all added feeds, sorted.
fn files(data: &Path) -> Result<Vec<PathBuf>> {
    let folder = data.join(FOLDER);
    let entries = match std::fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::io("reading the added feeds in", folder, error)),
    };
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry.map_err(|e| Error::io("reading the added feeds in", &folder, e))?.path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

/// Replaces damaged files by their copies; says what was done.
pub(crate) fn mend(data: &Path) -> Result<Vec<String>> {
    let mut mended = Vec::new();
    for path in files(data)? {
        mended.extend(kept::mend(&path)?);
    }
    Ok(mended)
}

/// The file of a feed, whether it is there or not.
#[cfg(any(feature = "cli", feature = "misp"))]
pub(crate) fn file(data: &Path, id: &FeedId) -> PathBuf {
    data.join(FOLDER).join(format!("{id}.toml"))
}

/// Writes the file of a feed, whole or not at all; `note` goes on top as comments.
#[cfg(any(feature = "cli", feature = "misp"))]
pub(crate) fn write(data: &Path, feed: &Feed, note: &str) -> Result<PathBuf> {
    let path = file(data, &feed.id);
    let folder = data.join(FOLDER);
    crate::ledger::create_folder(&folder)?;
    let note: Vec<String> = note.lines().map(|line| format!("# {}", excerpt(line))).collect();
    let text = format!("{}\n{}", note.join("\n"), feed_text(feed)?);
    kept::write(&path, &text)?;
    Ok(path)
}

/// Removes the file of a feed, also one that cannot be read; whether there was one.
#[cfg(feature = "cli")]
pub(crate) fn remove(data: &Path, id: &FeedId) -> Result<bool> {
    let own = file(data, id);
    let path = if own.exists() {
        own
    } else {
        let Some((path, _)) = load(data)?.into_iter().find(|(_, feed)| feed.id == *id) else {
            return Ok(false);
        };
        path
    };
    let others = Catalogue::load(&path).is_ok_and(|file| file.feeds.iter().any(|f| f.id != *id));
    if others {
        return Err(Error::Config {
            path: Some(path),
            line: None,
            message: format!("there are other feeds in it than {id:?}: edit it by hand"),
        });
    }
    kept::remove(&path)?;
    Ok(true)
}

/// A feed as a `[[feed]]` table, without what is the default.
#[cfg(any(feature = "cli", feature = "misp", test))]
fn feed_text(feed: &Feed) -> Result<String> {
    #[derive(Serialize)]
    struct Written<'a> {
        id: &'a str,
        name: &'a str,
        provider: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        source_group: Option<&'a str>,
        url: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        auth: Option<&'a Auth>,
        #[serde(skip_serializing_if = "Option::is_none")]
        user_agent: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        member: Option<&'a str>,
        categories: crate::CategorySet,
        threat_level: crate::ThreatLevel,
        #[serde(skip_serializing_if = "Option::is_none")]
        confidence: Option<u8>,
        #[serde(skip_serializing_if = "is_default")]
        role: super::Role,
        #[serde(skip_serializing_if = "is_default")]
        scope: super::Scope,
        refresh: u32,
        #[serde(skip_serializing_if = "Option::is_none")]
        licence: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        commercial: Option<bool>,
        #[serde(skip_serializing_if = "is_default")]
        aggregate: bool,
        #[serde(skip_serializing_if = "is_default")]
        can_be_empty: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        enabled: Option<bool>,
        format: toml::Value,
        #[serde(skip_serializing_if = "BTreeMap::is_empty")]
        headers: BTreeMap<&'a str, &'a str>,
        #[serde(skip_serializing_if = "is_default")]
        guard: super::FeedGuard,
    }
    #[derive(Serialize)]
    struct Document<'a> {
        feed: [Written<'a>; 1],
    }
    let mut format = format_table(&feed.format)?;
    // The bare name where there is nothing else to say.
    if let Some(table) = format.as_table().filter(|table| table.len() == 1)
        && let Some(name) = table.get("type").cloned()
    {
        format = name;
    }
    let feed = Written {
        id: feed.id.as_str(),
        name: &feed.name,
        provider: &feed.provider,
        source_group: Some(&*feed.source_group).filter(|group| *group != feed.provider),
        url: &feed.url,
        auth: feed.auth.as_ref(),
        user_agent: feed.user_agent.as_deref(),
        member: feed.member.as_deref(),
        categories: feed.categories,
        threat_level: feed.threat_level,
        confidence: feed.confidence,
        role: feed.role,
        scope: feed.scope,
        refresh: feed.refresh_seconds,
        licence: feed.licence.as_deref(),
        commercial: feed.commercial,
        aggregate: feed.aggregate,
        can_be_empty: feed.can_be_empty,
        enabled: (!feed.enabled).then_some(false),
        format,
        headers: feed.headers.iter().collect(),
        guard: feed.guard.clone(),
    };
    toml::to_string(&Document { feed: [feed] }).map_err(|error| unwritable(&error))
}

#[cfg(any(feature = "cli", feature = "misp", test))]
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

#[cfg(any(feature = "cli", feature = "misp", test))]
fn unwritable(error: &toml::ser::Error) -> Error {
    Error::Invalid { what: "feed", reason: format!("it cannot be written as TOML: {error}") }
}

/// A format as catalogues write it, without what is the default.
#[cfg(any(feature = "cli", feature = "misp", test))]
pub(crate) fn format_table(format: &Format) -> Result<toml::Value> {
    let mut value = toml::Value::try_from(format).map_err(|error| unwritable(&error))?;
    if let Some(table) = value.as_table_mut() {
        let defaults = [("comment", "#"), ("value_kind", "ip"), ("take", "ip-host")];
        table.retain(|key, value| {
            let default = defaults.iter().any(|(k, v)| *k == key && value.as_str() == Some(*v));
            !default && value.as_bool() != Some(false)
        });
    }
    Ok(value)
}

#[cfg(all(test, feature = "cli"))]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::{Category, ThreatLevel};

    #[test]
    fn what_is_written_is_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        assert!(load(&data).unwrap().is_empty());
        let columns = serde_json::from_str(r#"{"type": "csv", "value_col": 2, "comment": "//"}"#);
        let feed = Feed::new("mine", "https://lists.example/a.csv?key='\"x")
            .unwrap()
            .name("A \"list\"\nof mine")
            .format(columns.unwrap())
            .categories([Category::Tor])
            .threat_level(ThreatLevel::LOW)
            .role(super::super::Role::Label);
        let path = write(&data, &feed, "Added by a test\nid = 'forged'").unwrap();
        assert_eq!(load(&data).unwrap(), [(path.clone(), feed.clone())]);
        let mut whole = Feed { id: "whole".parse().unwrap(), ..feed.clone() }.publisher("P");
        whole.source_group = "G".to_owned();
        whole.auth = Some("bearer env:KEY".parse().unwrap());
        whole.headers = super::super::Headers::new([("X-Key", "s3cr3t")]).unwrap();
        whole.user_agent = Some("me".to_owned());
        whole.member = Some("a.txt".to_owned());
        whole.confidence = Some(7);
        (whole.licence, whole.commercial) = (Some("MIT".to_owned()), Some(true));
        (whole.aggregate, whole.can_be_empty, whole.enabled) = (true, true, false);
        whole.guard.min_share = Some(0.5);
        let other = write(&data, &whole, "").unwrap();
        assert_eq!(load(&data).unwrap()[1], (other.clone(), whole));
        std::fs::remove_file(other).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("# Added by a test\n# id = 'forged'\n[[feed]]\n"), "{text}");

        std::fs::write(&path, "[[feed]]\nid = 'mine'\nurll = 'file:x'").unwrap();
        let error = load(&data).unwrap_err().to_string();
        assert!(error.contains("mine.toml:3: unknown field `urll`"), "{error}");
        assert!(remove(&data, &feed.id).unwrap() && !remove(&data, &feed.id).unwrap());
        assert!(load(&data).unwrap().is_empty());
    }
}
