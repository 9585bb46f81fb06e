//! Catalogues other systems write.

use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use super::format::Columns;
use super::lenient::Lenient;
use super::spec::{FeedSpec, Place, Refresh, file_url};
use super::{Feed, FeedId, Format, Headers, Role, Scope};
use crate::category::{Category, CategorySet, ThreatLevel};
use crate::error::{Error, Result, excerpt};

/// Feeds in the order of their entries, and why others were left out.
pub(super) type Entries = (Vec<(Place, bool, Feed)>, Vec<Error>);

pub(super) fn json(text: &str, path: Option<&Path>) -> Result<Entries> {
    let document: Value = serde_json::from_str(text).map_err(|error| Error::Config {
        path: path.map(Path::to_owned),
        line: Some(error.line()),
        message: excerpt(&error.to_string()),
    })?;
    entries(document, path)
}

pub(super) fn yaml(text: &str, path: Option<&Path>) -> Result<Entries> {
    let document: Value = serde_saphyr::from_str(text).map_err(|error| Error::Config {
        path: path.map(Path::to_owned),
        line: error.location().and_then(|at| usize::try_from(at.line()).ok()),
        message: excerpt(error.without_snippet().to_string().lines().next().unwrap_or("not YAML")),
    })?;
    entries(document, path)
}

fn entries(mut document: Value, path: Option<&Path>) -> Result<Entries> {
    let ours = document.get("schema").is_some();
    let list = document.get_mut("feeds").map(Value::take).unwrap_or(document);
    let Value::Array(entries) = list else {
        let message = "no list of feeds is in it: expected [[feed]] tables, or a list `feeds`";
        return Err(Error::Config {
            path: path.map(Path::to_owned),
            line: None,
            message: message.to_owned(),
        });
    };
    let (mut feeds, mut refused) = (Vec::with_capacity(entries.len()), Vec::new());
    for (index, mut entry) in entries.into_iter().enumerate() {
        for wrapper in ["feed", "Feed"] {
            if let Some(inside @ Value::Object(_)) = entry.get_mut(wrapper) {
                entry = inside.take();
            }
        }
        let name = entry.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
        let place = Place::Entry(index + 1, name);
        let base = path.and_then(Path::parent);
        let spec = if ours {
            Shared::deserialize(entry).map_err(|e| e.to_string()).and_then(Shared::into_spec)
        } else {
            Seed::deserialize(entry).map_err(|e| e.to_string()).and_then(|s| s.into_spec(base))
        };
        let feed = spec.and_then(|spec| {
            let given = spec.id.is_some();
            spec.into_feed(base).map(|feed| (given, feed)).map_err(|error| error.to_string())
        });
        match feed {
            Ok((given, feed)) => feeds.push((place, given, feed)),
            Err(reason) => refused.push(place.error(path, reason)),
        }
    }
    Ok((feeds, refused))
}

/// Whether a text is a list of addresses of lists, as one keeps for FireHOL's ipsets.
pub(super) fn is_urls(text: &str) -> bool {
    let first = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#'));
    first.is_some_and(|line| line.starts_with("http://") || line.starts_with("https://"))
}

/// One address a line, and what follows a blank and `#` is a comment. Of FireHOL's `.netset` and
/// `.ipset` it is known how they are written; anything else is looked through for addresses.
pub(super) fn urls(text: &str, path: Option<&Path>) -> Entries {
    let (mut feeds, mut refused) = (Vec::new(), Vec::new());
    for (number, line) in text.lines().enumerate() {
        let line = line.split_once(" #").map_or(line, |(address, _)| address).trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let place = Place::Line(number + 1);
        match url_feed(line, path.and_then(Path::parent)) {
            Ok(feed) => feeds.push((place, false, feed)),
            Err(error) => refused.push(place.error(path, error.to_string())),
        }
    }
    (feeds, refused)
}

fn url_feed(line: &str, base: Option<&Path>) -> Result<Feed> {
    let invalid = |reason: &str| Error::Invalid {
        what: "feed url",
        reason: format!("{:?} {reason}", excerpt(line)),
    };
    if line.contains(char::is_whitespace) {
        return Err(invalid("is more than one address: write one a line"));
    }
    let url = url::Url::parse(line).map_err(|error| invalid(&format!("is none: {error}")))?;
    let file = url.path_segments().and_then(|mut parts| parts.next_back()).unwrap_or_default();
    let stem = file.rsplit_once('.').map_or(file, |(stem, _)| stem);
    let host = url.host_str().unwrap_or_default();
    let spec = FeedSpec {
        name: Some(if stem.is_empty() { host.to_owned() } else { stem.to_owned() }),
        provider: Some(host.to_owned()),
        url: Some(line.to_owned()),
        format: Format::FreeText,
        ..FeedSpec::default()
    };
    let ipset = [(".netset", Scope::Range), (".ipset", Scope::Address)];
    let ipset = ipset.into_iter().find(|(extension, _)| file.ends_with(extension));
    let Some((_, scope)) = ipset else { return spec.into_feed(base) };
    // The same list over a day, a week or a month has one maintainer; FireHOL's own are made of
    // others.
    let window = stem.rsplit_once('_').filter(|(_, window)| {
        window.strip_suffix(['d', 'h']).is_some_and(|number| number.parse::<u16>().is_ok())
    });
    let maintained = window.map_or(stem, |(name, _)| name);
    FeedSpec {
        provider: Some("FireHOL".to_owned()),
        source_group: Some(maintained.to_owned()),
        aggregate: stem.starts_with("firehol_"),
        format: Format::Firehol { drop_bogons: false, drop_cdn: false },
        scope,
        ..spec
    }
    .into_feed(base)
}

/// An entry of a JSON catalogue with `"schema": 1`; keys for people (`note`, `alive`) are ignored.
#[derive(Deserialize)]
struct Shared {
    id: Option<FeedId>,
    name: Option<String>,
    provider: Option<String>,
    source_group: Option<String>,
    url: Option<String>,
    #[serde(default)]
    format: Value,
    #[serde(default)]
    categories: CategorySet,
    #[serde(default)]
    threat_level: ThreatLevel,
    confidence: Option<u8>,
    role: Option<String>,
    #[serde(default)]
    scope: Scope,
    refresh_hours: Option<f64>,
    licence: Option<String>,
    #[serde(default)]
    aggregate: bool,
    #[serde(default)]
    can_be_empty: bool,
    enabled: Option<bool>,
}

impl Shared {
    fn into_spec(mut self) -> Result<FeedSpec, String> {
        // It is the feed that may be empty, however it is written.
        let format = self.format.as_object_mut();
        let empty = format.and_then(|format| format.remove("can_be_empty"));
        let format = match self.format {
            Value::Null => Format::Plain,
            format => Format::deserialize(format).map_err(|error| format!("format: {error}"))?,
        };
        let role = match self.role.as_deref() {
            None | Some("threat") => Role::Threat,
            Some("label") => Role::Label,
            Some("benign" | "benign-shared" | "allow") => Role::Benign,
            Some(other) => return Err(format!("role {:?} is not known", excerpt(other))),
        };
        let refresh = match self.refresh_hours {
            None => None,
            Some(hours) if hours > 0.0 && hours <= 24.0 * 366.0 =>
            {
                #[expect(clippy::cast_sign_loss, reason = "above 0")]
                Some(Refresh((hours * 3600.0).ceil() as u32))
            }
            Some(hours) => return Err(format!("refresh_hours {hours} makes no sense")),
        };
        Ok(FeedSpec {
            id: self.id,
            name: self.name,
            provider: self.provider,
            source_group: self.source_group,
            url: self.url,
            format,
            categories: self.categories,
            threat_level: self.threat_level,
            confidence: self.confidence,
            role,
            scope: self.scope,
            refresh,
            licence: self.licence,
            aggregate: self.aggregate,
            can_be_empty: self.can_be_empty || empty == Some(Value::Bool(true)),
            enabled: self.enabled,
            ..FeedSpec::default()
        })
    }
}

/// An entry with MISP's names, as MISP itself and the systems around it write it. Keys that are not
/// needed here are ignored.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Seed {
    name: Lenient,
    provider: Lenient,
    url: Lenient,
    path: Lenient,
    source_format: Lenient,
    #[serde(rename = "type")]
    kinds: Value,
    threat_level_id: Lenient,
    enabled: Lenient,
    settings: Value,
    headers: Lenient,
}

impl Seed {
    fn into_spec(self, base: Option<&Path>) -> Result<FeedSpec, String> {
        let text = |value: Lenient| value.0.filter(|text| !text.trim().is_empty());
        let has_scheme = |url: &str| url.contains("://") || url.starts_with("file:");
        let (url, path) = match (text(self.url), text(self.path)) {
            (Some(url), _) if has_scheme(&url) => (Some(url), None),
            // A feed of MISP's with local input.
            (Some(path), _) | (None, Some(path)) => (None, Some(path)),
            (None, None) => (None, None),
        };
        let url = match path {
            Some(path) => Some(file_url(Path::new(&path), base).map_err(|e| e.to_string())?),
            None => url,
        };
        let file = url.as_deref().and_then(|url| url.split('?').next()).map(Path::new);
        let extension = file.and_then(Path::extension);
        let single_event = extension.is_some_and(|ext| ext.eq_ignore_ascii_case("json"));
        let format = match text(self.source_format).as_deref() {
            None | Some("freetext") => Format::FreeText,
            Some("csv") => csv(self.settings)?,
            Some("misp") if single_event => Format::MispEvent { to_ids_only: false },
            Some("misp") => Format::MispFeed {},
            Some(other) => return Err(format!("source_format {:?} is not known", excerpt(other))),
        };
        let threat_level = match text(self.threat_level_id) {
            None => ThreatLevel::UNDEFINED,
            Some(level) => ThreatLevel::new(level.trim().parse().unwrap_or(0))
                .map_err(|error| error.to_string())?,
        };
        Ok(FeedSpec {
            headers: headers(self.headers.text().unwrap_or_default())?,
            name: text(self.name),
            provider: text(self.provider),
            url,
            format,
            categories: categories(&self.kinds)?,
            threat_level,
            enabled: self.enabled.0.is_some().then(|| self.enabled.flag()),
            ..FeedSpec::default()
        })
    }
}

/// A header a line, as in `Accept: text/plain`.
fn headers(lines: &str) -> Result<Headers, String> {
    let lines = lines.lines().map(str::trim).filter(|line| !line.is_empty());
    let pairs: Result<Vec<_>, _> = lines
        .map(|line| {
            let (name, value) = line.split_once(':').ok_or("headers: a line has no colon")?;
            Ok((name.trim(), value.trim()))
        })
        .collect();
    Headers::new(pairs.map_err(str::to_owned)?).map_err(|error| error.to_string())
}

/// One name, several with commas between, or a list.
fn categories(kinds: &Value) -> Result<CategorySet, String> {
    let names: Vec<&str> = match kinds {
        Value::Null => Vec::new(),
        Value::String(names) => names.split(',').collect(),
        Value::Array(names) => names.iter().filter_map(Value::as_str).collect(),
        _ => return Err("type must be a name or a list of names".to_owned()),
    };
    let names = names.into_iter().filter(|name| !name.trim().is_empty());
    names.map(|name| name.parse::<Category>().map_err(|error| error.to_string())).collect()
}

/// MISP's settings of a CSV feed; without columns in them every column is looked at.
fn csv(settings: Value) -> Result<Format, String> {
    let mut settings = settings;
    // MISP gives them as a document within the document, some of its own feeds as one within that.
    for _ in 0..3 {
        let Value::String(text) = &settings else { break };
        settings = if text.trim().is_empty() {
            Value::Null
        } else {
            serde_json::from_str(text).map_err(|error| format!("settings: {error}"))?
        };
    }
    let exclude = settings.pointer("/common/excluderegex").and_then(Value::as_str);
    if exclude.is_some_and(|regex| !matches!(regex, "" | "/^#.*/i")) {
        return Err(
            "settings.common.excluderegex is not supported: describe the columns".to_owned()
        );
    }
    let scalar = |pointer| match settings.pointer(pointer) {
        Some(Value::String(text)) if !text.is_empty() => Some(text.clone()),
        Some(Value::Number(number)) => Some(number.to_string()),
        _ => None,
    };
    let Some(columns) = scalar("/csv/value") else {
        return Ok(Format::FreeText);
    };
    let columns: Result<Vec<usize>, _> =
        columns.split(',').map(|column| column.trim().parse::<usize>()).collect();
    let value_col = columns.map_err(|_| "settings.csv.value must be column numbers".to_owned())?;
    Ok(Format::Csv(Columns { value_col, sep: scalar("/csv/delimiter"), ..Columns::default() }))
}
