//! Catalogues other systems write.

use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use super::format::Columns;
use super::lenient::Lenient;
use super::spec::{FeedSpec, Place, Refresh, file_url, with_unique_ids};
use super::{Feed, FeedId, Format, Role, Scope};
use crate::category::{Category, CategorySet, ThreatLevel};
use crate::error::{Error, Result, excerpt};

pub(super) fn json(text: &str, path: Option<&Path>) -> Result<Vec<Feed>> {
    let document: Value = serde_json::from_str(text).map_err(|error| Error::Config {
        path: path.map(Path::to_owned),
        line: Some(error.line()),
        message: excerpt(&error.to_string()),
    })?;
    feeds(document, path)
}

pub(super) fn yaml(text: &str, path: Option<&Path>) -> Result<Vec<Feed>> {
    let document: Value = serde_saphyr::from_str(text).map_err(|error| Error::Config {
        path: path.map(Path::to_owned),
        line: error.location().and_then(|at| usize::try_from(at.line()).ok()),
        message: excerpt(error.without_snippet().to_string().lines().next().unwrap_or("not YAML")),
    })?;
    feeds(document, path)
}

fn feeds(mut document: Value, path: Option<&Path>) -> Result<Vec<Feed>> {
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
    let mut feeds = Vec::with_capacity(entries.len());
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
        let spec = spec.map_err(|reason| place.error(path, reason))?;
        let given = spec.id.is_some();
        let feed = spec.into_feed(base).map_err(|e| place.error(path, e.to_string()))?;
        feeds.push((place, given, feed));
    }
    with_unique_ids(feeds, path)
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
}

/// One feed in MISP's words.
#[cfg(feature = "misp")]
pub(crate) fn foreign_feed(entry: &Value) -> Result<super::Feed, String> {
    let seed = Seed::deserialize(entry).map_err(|error| error.to_string())?;
    let spec = seed.into_spec(None)?;
    spec.into_feed(None).map_err(|error| error.to_string())
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
    let settings = match settings {
        // MISP's API gives them as a document within the document.
        Value::String(text) if text.trim().is_empty() => Value::Null,
        Value::String(text) => {
            serde_json::from_str(&text).map_err(|error| format!("settings: {error}"))?
        }
        settings => settings,
    };
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
