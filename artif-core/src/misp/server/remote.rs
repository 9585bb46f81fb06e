//! Feeds as a MISP server lists them, and ours as it would have them.

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::category::ThreatLevel;
use crate::error::excerpt;
use crate::feed::{Columns, Feed, FeedId, Format, Role, foreign_feed};

/// A feed of the server.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "MISP has them, and none follows from another")]
pub(crate) struct Remote {
    pub(crate) id: u64,
    pub(crate) name: String,
    pub(crate) url: String,
    pub(crate) enabled: bool,
    pub(crate) fixed_event: bool,
    pub(crate) delta_merge: bool,
    pub(crate) caching: bool,
    /// The event that it writes to; 0 before it was fetched.
    pub(crate) event: u64,
    local: bool,
    headers: bool,
    #[serde(skip)]
    all: Map<String, Value>,
}

/// The feeds in the answer to `GET /feeds`: `[{"Feed": …}]`.
pub(crate) fn remotes(said: &Value) -> Vec<Remote> {
    let entries = said.as_array().map(Vec::as_slice).unwrap_or_default();
    let remote = |entry: &Value| {
        let all = entry.get("Feed").unwrap_or(entry).as_object()?;
        let text = |key: &str| match all.get(key) {
            Some(Value::String(text)) => text.trim().to_owned(),
            Some(Value::Number(number)) => number.to_string(),
            Some(Value::Bool(true)) => "1".to_owned(),
            _ => String::new(),
        };
        let flag = |key: &str| matches!(text(key).as_str(), "1" | "true");
        Some(Remote {
            id: text("id").parse().ok()?,
            name: text("name"),
            url: text("url"),
            enabled: flag("enabled"),
            fixed_event: flag("fixed_event"),
            delta_merge: flag("delta_merge"),
            caching: flag("caching_enabled"),
            event: text("event_id").parse().unwrap_or(0),
            local: text("input_source") == "local",
            headers: !text("headers").is_empty(),
            all: all.clone(),
        })
    };
    entries.iter().filter_map(remote).collect()
}

/// The same list, however its address is written.
pub(crate) fn same_address(a: &str, b: &str) -> bool {
    let plain = |url: &str| match url::Url::parse(url.trim()) {
        Ok(url) => url.as_str().trim_end_matches('/').trim_end_matches("/manifest.json").to_owned(),
        Err(_) => url.trim().to_owned(),
    };
    plain(a) == plain(b)
}

impl Remote {
    /// Who offers it.
    pub(crate) fn provider(&self) -> String {
        self.all.get("provider").and_then(Value::as_str).unwrap_or_default().trim().to_owned()
    }

    /// Whether it brings whole events of others, and not only lines.
    pub(crate) fn holds_events(&self) -> bool {
        self.all.get("source_format").and_then(Value::as_str) == Some("misp")
    }

    /// The feed as one of ours, or why it cannot be one.
    pub(crate) fn as_ours(&self) -> Result<Feed, String> {
        if self.local {
            return Err("it is a file on the server".to_owned());
        }
        if self.headers {
            return Err("it is fetched with headers, maybe keys: configure it here".to_owned());
        }
        let mut entry = self.all.clone();
        // Not what categories are called with MISP.
        for key in ["type", "threat_level_id", "path"] {
            entry.remove(key);
        }
        foreign_feed(&Value::Object(entry))
    }

    /// What of it is not as a feed of ours has to be: one event for it, from which nothing is
    /// deleted because a download came out short, and cached.
    pub(crate) fn amiss(&self) -> Map<String, Value> {
        let mut wrong = Map::new();
        for (key, is, wanted) in [
            ("fixed_event", self.fixed_event, true),
            ("delta_merge", self.delta_merge, false),
            ("caching_enabled", self.caching, true),
        ] {
            if is != wanted {
                wrong.insert(key.to_owned(), json!(u8::from(wanted)));
            }
        }
        wrong
    }
}

/// A feed of ours as the server wants it, or why it cannot have it.
pub(crate) fn for_server(feed: &Feed) -> Result<Value, String> {
    if !feed.url.starts_with("http:") && !feed.url.starts_with("https:") {
        return Err("it is a file here".to_owned());
    }
    if feed.auth.is_some()
        || !feed.headers.is_empty()
        || crate::feed::source::redact(&feed.url) != plain(&feed.url)
    {
        return Err("it is fetched with a key, which is not handed on".to_owned());
    }
    if feed.role != Role::Threat {
        return Err("it lists no threats".to_owned());
    }
    let (format, settings) = match &feed.format {
        Format::Plain | Format::FreeText | Format::UrlList { .. } | Format::Firehol { .. } => {
            ("freetext", json!({}))
        }
        Format::Csv(columns) | Format::Tsv(columns) if is_simple(columns) => {
            let tab = matches!(feed.format, Format::Tsv(_));
            let delimiter = if tab { "\\t" } else { columns.sep.as_deref().unwrap_or(",") };
            let list = columns.value_col.iter().map(ToString::to_string).collect::<Vec<_>>();
            ("csv", json!({"csv": {"value": list.join(","), "delimiter": delimiter}}))
        }
        Format::MispFeed {} => ("misp", json!({})),
        format => return Err(format!("MISP cannot read {}", format.name())),
    };
    Ok(json!({"Feed": {
        "name": feed.name,
        "provider": feed.provider,
        "url": feed.url,
        "source_format": format,
        "input_source": "network",
        "settings": settings,
        "enabled": 1,
        "caching_enabled": 1,
        "fixed_event": 1,
        // With it, one broken download would delete everything.
        "delta_merge": 0,
        "publish": 1,
        "override_ids": 0,
        "distribution": "0",
    }}))
}

/// Whether there is nothing to a table but the columns to read.
fn is_simple(columns: &Columns) -> bool {
    let others = [&columns.start_col, &columns.end_col, &columns.prefix_col];
    columns.only.is_none()
        && columns.min.is_none()
        && !columns.value_col.is_empty()
        && others.into_iter().all(Option::is_none)
}

fn plain(url: &str) -> String {
    url::Url::parse(url).map(String::from).unwrap_or_default()
}

/// A feed of ours in short, for comparison.
pub(crate) fn in_short(feed: &Feed) -> String {
    let categories: Vec<_> = feed.categories.iter().map(crate::Category::name).collect();
    format!("{} {} {} {categories:?} {:?}", feed.id, feed.url, level(feed), feed.format)
}

/// The level an event of it should have; 0 where that is not said.
pub(crate) fn level(feed: &Feed) -> u8 {
    if feed.threat_level == ThreatLevel::UNDEFINED { 0 } else { feed.threat_level.number() }
}

/// An id that none of `ours` has.
pub(crate) fn free_id(name: &str, server: &FeedId, ours: &[Feed]) -> Option<FeedId> {
    let taken = |id: &FeedId| ours.iter().any(|feed| feed.id == *id);
    let own = FeedId::from_name(name).ok().filter(|id| !taken(id));
    let with_server = || FeedId::from_name(&format!("{server}-{}", excerpt(name))).ok();
    own.or_else(|| with_server().filter(|id| !taken(id)))
}
