//! Feeds as people write them in TOML: our catalogues and the configuration.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer, de};

use super::definition::check_url;
use super::source::{self, Auth, Headers};
use super::{Feed, FeedGuard, FeedId, Format, Role, Scope};
use crate::category::{CategorySet, ThreatLevel};
use crate::error::{Error, Result, excerpt};

/// A `[[feed]]` table.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct FeedSpec {
    pub(super) id: Option<FeedId>,
    pub(super) name: Option<String>,
    pub(super) provider: Option<String>,
    pub(super) source_group: Option<String>,
    pub(super) url: Option<String>,
    pub(super) auth: Option<Auth>,
    pub(super) headers: Headers,
    pub(super) user_agent: Option<String>,
    pub(super) member: Option<String>,
    #[serde(deserialize_with = "format_or_name")]
    pub(super) format: Format,
    pub(super) categories: CategorySet,
    pub(super) threat_level: ThreatLevel,
    pub(super) confidence: Option<u8>,
    pub(super) role: Role,
    pub(super) scope: Scope,
    pub(super) refresh: Option<Refresh>,
    pub(super) licence: Option<String>,
    pub(super) commercial: Option<bool>,
    pub(super) aggregate: bool,
    pub(super) can_be_empty: bool,
    pub(super) guard: FeedGuard,
    pub(super) enabled: Option<bool>,
}

impl FeedSpec {
    /// The feed, checked. Relative `file:` addresses are taken from `base`, the folder of the file
    /// the table is in.
    pub(crate) fn into_feed(self, base: Option<&Path>) -> Result<Feed> {
        let invalid = |what, reason: &str| Error::Invalid { what, reason: reason.to_owned() };
        let id = match (self.id, &self.name) {
            (Some(id), _) => id,
            (None, Some(name)) => FeedId::from_name(name)?,
            (None, None) => return Err(invalid("feed", "it needs an id or a name")),
        };
        let url = self.url.ok_or_else(|| invalid("feed url", "it is missing"))?;
        if self.confidence.is_some_and(|percent| percent > 100) {
            return Err(invalid("confidence", "it is a percentage from 0 to 100"));
        }
        if let Some(reason) = self.guard.problem() {
            return Err(invalid("feed", &reason));
        }
        if self.user_agent.as_deref().is_some_and(|agent| !source::is_user_agent(agent)) {
            return Err(invalid("user_agent", "it has to be visible ASCII"));
        }
        let mut feed = Feed::new(id.as_str(), &absolute_url(&url, base)?)?;
        feed.auth = self.auth;
        if let (Some(auth), Some(base)) = (&mut feed.auth, base) {
            auth.resolve(base);
        }
        feed.headers = self.headers;
        feed.user_agent = self.user_agent;
        feed.member = self.member;
        if let Some(provider) = self.provider {
            feed = feed.publisher(provider);
        }
        if let Some(group) = self.source_group {
            feed.source_group = group;
        }
        if let Some(Refresh(seconds)) = self.refresh {
            feed.refresh_seconds = seconds;
        }
        feed.name = self.name.unwrap_or(feed.name);
        feed.format = self.format;
        feed.categories = self.categories;
        feed.threat_level = self.threat_level;
        feed.confidence = self.confidence;
        feed.role = self.role;
        feed.scope = self.scope;
        feed.licence = self.licence;
        feed.commercial = self.commercial;
        feed.aggregate = self.aggregate;
        feed.can_be_empty = self.can_be_empty;
        feed.guard = self.guard;
        feed.enabled = self.enabled.unwrap_or(true);
        Ok(feed)
    }
}

/// A table where it is more than a name.
pub(crate) fn format_or_name<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Format, D::Error> {
    struct Visitor;
    impl<'de> de::Visitor<'de> for Visitor {
        type Value = Format;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a format's name or table")
        }

        fn visit_str<E: de::Error>(self, name: &str) -> Result<Format, E> {
            let table = [("type", name)].into_iter();
            Format::deserialize(de::value::MapDeserializer::new(table))
        }

        fn visit_map<A: de::MapAccess<'de>>(self, table: A) -> Result<Format, A::Error> {
            Format::deserialize(de::value::MapAccessDeserializer::new(table))
        }
    }
    deserializer.deserialize_any(Visitor)
}

/// Seconds between refreshes, written as such or as `90s`, `15m`, `6h`, `1d`, `1h30m`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Refresh(pub(super) u32);

impl<'de> Deserialize<'de> for Refresh {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "expected seconds, or text like \"6h\"")]
        enum Written {
            Seconds(u64),
            Text(String),
        }
        let seconds = match Written::deserialize(deserializer)? {
            Written::Seconds(seconds) => Some(seconds),
            Written::Text(text) => parse_duration(&text),
        };
        let seconds = seconds.and_then(|seconds| u32::try_from(seconds).ok());
        seconds.filter(|seconds| *seconds > 0).map(Self).ok_or_else(|| {
            de::Error::custom("expected seconds above 0, or text like \"90s\", \"6h\", \"1h30m\"")
        })
    }
}

/// Seconds of `90s`, `15m`, `6h`, `1d`, `2w` or several of them, as in `1h30m`.
pub(crate) fn parse_duration(text: &str) -> Option<u64> {
    let mut total = 0_u64;
    let mut rest = text.trim();
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let (number, unit) = rest.split_at_checked(digits)?;
        let seconds = match unit.chars().next()? {
            's' => 1,
            'm' => 60,
            'h' => 3600,
            'd' => 86_400,
            'w' => 604_800,
            _ => return None,
        };
        total = total.checked_add(number.parse::<u64>().ok()?.checked_mul(seconds)?)?;
        rest = unit.get(1..)?.trim_start();
    }
    Some(total)
}

/// The address as the fetcher takes it: `file:` made absolute, everything else checked.
pub(crate) fn absolute_url(url: &str, base: Option<&Path>) -> Result<String> {
    let url = url.trim();
    check_url(url)?;
    let invalid = |reason: String| Error::Invalid { what: "feed url", reason };
    let (scheme, rest) = url.split_once(':').unwrap_or((url, ""));
    if scheme.eq_ignore_ascii_case("file") && !rest.starts_with("//") {
        return file_url(Path::new(rest), base);
    }
    match url::Url::parse(url) {
        Ok(_) => Ok(url.to_owned()),
        Err(error) => Err(invalid(format!("{:?} is none: {error}", excerpt(url)))),
    }
}

/// The `file:` address of a path, relative ones taken from `base`.
pub(super) fn file_url(path: &Path, base: Option<&Path>) -> Result<String> {
    let invalid = |reason: &str| Error::Invalid {
        what: "feed url",
        reason: format!("{:?} {reason}", excerpt(&path.to_string_lossy())),
    };
    if path.as_os_str().is_empty() {
        return Err(invalid("names no file"));
    }
    let joined: PathBuf = match base {
        _ if path.is_absolute() => path.to_owned(),
        Some(base) => base.join(path),
        None => return Err(invalid("is relative, and there is no folder to start from")),
    };
    let absolute = std::path::absolute(&joined).map_err(|_| invalid("cannot be made absolute"))?;
    url::Url::from_file_path(absolute)
        .map(String::from)
        .map_err(|()| invalid("cannot be written as a file: address"))
}

/// Where in a file a feed is written.
#[derive(Debug, Clone)]
pub(super) enum Place {
    Line(usize),
    /// Its number from 1, and its name.
    Entry(usize, String),
}

impl Place {
    pub(super) fn error(&self, path: Option<&Path>, message: impl Into<String>) -> Error {
        let (line, message) = match self {
            Self::Line(line) => (Some(*line), message.into()),
            Self::Entry(..) => (None, format!("{self}: {}", message.into())),
        };
        Error::Config { path: path.map(Path::to_owned), line, message }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(line) => write!(f, "line {line}"),
            Self::Entry(number, name) => write!(f, "entry {number} ({:?})", excerpt(name)),
        }
    }
}

/// The feeds of `[[feed]]` tables in a TOML text, in their order, with where they are and whether
/// they have ids of their own. `path` is the file the text is from.
pub(super) fn placed_feeds(
    tables: Vec<toml::Spanned<FeedSpec>>,
    text: &str,
    path: Option<&Path>,
) -> Result<Vec<(Place, bool, Feed)>> {
    let mut feeds = Vec::new();
    for table in tables {
        let place = Place::Line(line_at(text, table.span().start));
        let spec = table.into_inner();
        let named = spec.id.is_some();
        let feed = spec
            .into_feed(path.and_then(Path::parent))
            .map_err(|error| place.error(path, error.to_string()))?;
        feeds.push((place, named, feed));
    }
    Ok(feeds)
}

/// The line, from 1, of a byte in a text.
pub(crate) fn line_at(text: &str, byte: usize) -> usize {
    text.bytes().take(byte).filter(|b| *b == b'\n').count() + 1
}

/// Ids that were given (`true`) must differ; those made from names get a number where taken.
pub(super) fn with_unique_ids(
    feeds: Vec<(Place, bool, Feed)>,
    path: Option<&Path>,
) -> Result<Vec<Feed>> {
    let mut taken: HashMap<FeedId, Place> = HashMap::new();
    for (place, _, feed) in feeds.iter().filter(|(_, given, _)| *given) {
        if let Some(first) = taken.insert(feed.id.clone(), place.clone()) {
            let message = format!("feed id {:?} is taken already: {first}", feed.id.as_str());
            return Err(place.error(path, message));
        }
    }
    let mut out = Vec::with_capacity(feeds.len());
    for (place, given, mut feed) in feeds {
        if !given {
            let wanted = feed.id.as_str().to_owned();
            for number in 2_u32.. {
                if !taken.contains_key(&feed.id) {
                    break;
                }
                let suffix = format!("-{number}");
                let stem: String = wanted.chars().take(64 - suffix.len()).collect();
                feed.id = FeedId::from_name(&format!("{stem}{suffix}"))?;
            }
            taken.insert(feed.id.clone(), place);
        }
        out.push(feed);
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn durations() {
        for (text, seconds) in [
            ("90s", Some(90)),
            ("15m", Some(900)),
            ("6h", Some(21_600)),
            ("1d", Some(86_400)),
            ("2w", Some(1_209_600)),
            ("1h30m", Some(5400)),
            (" 1h 30m ", Some(5400)),
            ("0s", Some(0)),
            ("", None),
            ("6", None),
            ("h", None),
            ("6 h", None),
            ("6y", None),
            ("-6h", None),
            ("1.5h", None),
            ("99999999999999999999h", None),
            ("99999999999999999d", None),
            ("6\u{e9}", None),
        ] {
            assert_eq!(parse_duration(text), seconds, "{text:?}");
        }
    }

    #[test]
    fn addresses() {
        let base = Some(Path::new("/lists"));
        for (url, expected) in [
            ("https://feeds.example/a b", "https://feeds.example/a b"),
            ("file:mine.txt", "file:///lists/mine.txt"),
            ("file:a/b c.txt", "file:///lists/a/b%20c.txt"),
            ("FILE:mine.txt", "file:///lists/mine.txt"),
            ("file:/tmp/x", "file:///tmp/x"),
            ("file:///tmp/x%20y", "file:///tmp/x%20y"),
        ] {
            assert_eq!(absolute_url(url, base).unwrap(), expected, "{url}");
        }
        for bad in ["gopher://x", "https://", "mine.txt", "file:", "http://[::1", ""] {
            assert!(absolute_url(bad, base).is_err(), "{bad}");
        }
        assert!(absolute_url("file:mine.txt", None).is_err());
        let here = absolute_url("file:mine.txt", Some(Path::new(""))).unwrap();
        assert!(here.starts_with("file:///") && here.ends_with("/mine.txt"), "{here}");
    }
}
