//! `ARTIF_*` environment variables over a configuration.

use serde::Deserialize;
use std::ffi::OsStr;
use toml::{Table, Value};

use super::{Config, locate, suggest};
use crate::error::{Error, Result, excerpt};

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Kind {
    Text,
    Integer,
    Number,
    Flag,
    List,
}

/// Every key a variable can set: section (empty at the top), key, what it holds.
pub(super) const KEYS: &[(&str, &str, Kind)] = &[
    ("", "data", Kind::Text),
    ("", "catalogue", Kind::List),
    ("geo", "asn", Kind::Text),
    ("geo", "country", Kind::Text),
    ("geo", "asn_source", Kind::Text),
    ("geo", "country_source", Kind::Text),
    ("geo", "asn_auth", Kind::Text),
    ("geo", "country_auth", Kind::Text),
    ("geo", "asn_checksum", Kind::Text),
    ("geo", "country_checksum", Kind::Text),
    ("geo", "account", Kind::Text),
    ("geo", "licence_key", Kind::Text),
    ("geo", "maxmind_url", Kind::Text),
    ("geo", "update_every", Kind::Text),
    ("scoring", "scorer", Kind::Text),
    ("scoring", "prior", Kind::Number),
    ("scoring", "dangerous_below", Kind::Number),
    ("scoring", "suspicious_below", Kind::Number),
    ("scoring", "triage_below", Kind::Number),
    ("history", "window", Kind::Text),
    ("history", "retention", Kind::Text),
    ("parse", "max_line", Kind::Integer),
    ("parse", "v4_floor", Kind::Integer),
    ("parse", "v6_floor", Kind::Integer),
    ("parse", "max_entries", Kind::Integer),
    ("fetch", "timeout", Kind::Text),
    ("fetch", "connect_timeout", Kind::Text),
    ("fetch", "idle_timeout", Kind::Text),
    ("fetch", "max_bytes", Kind::Integer),
    ("fetch", "max_redirects", Kind::Integer),
    ("fetch", "user_agent", Kind::Text),
    ("fetch", "allow_private", Kind::Flag),
    ("fetch", "concurrency", Kind::Integer),
    ("fetch", "per_host", Kind::Integer),
    ("fetch", "retries", Kind::Integer),
    ("fetch", "retry_wait", Kind::Text),
    ("fetch", "max_retry_wait", Kind::Text),
    ("fetch", "proxy", Kind::Text),
    ("fetch", "no_proxy", Kind::List),
    ("fetch", "proxy_auth", Kind::Text),
    ("fetch", "ca_file", Kind::Text),
    ("guard", "min_share", Kind::Number),
    ("guard", "min_share_from", Kind::Integer),
    ("guard", "min_recognised", Kind::Number),
    ("guard", "max_v4_addresses", Kind::Integer),
    ("guard", "max_v4_ranges", Kind::Integer),
    ("guard", "max_growth", Kind::Number),
    ("guard", "max_growth_from", Kind::Integer),
    ("guard", "max_index", Kind::Integer),
    ("guard", "max_index_total", Kind::Integer),
    ("guard", "max_age", Kind::Text),
    ("snapshot", "keep", Kind::Integer),
    ("snapshot", "stale_after", Kind::Text),
    ("snapshot", "recompile_after", Kind::Text),
    ("middleware", "mode", Kind::Text),
    ("middleware", "block", Kind::List),
    ("middleware", "block_below", Kind::Number),
    ("middleware", "unknown", Kind::Text),
    ("middleware", "trusted_proxies", Kind::List),
    ("middleware", "trusted_hops", Kind::Integer),
    ("middleware", "client_header", Kind::Text),
    ("middleware", "exempt", Kind::List),
    ("schedule", "jitter", Kind::Number),
    ("schedule", "first_retry", Kind::Text),
    ("schedule", "longest_retry", Kind::Text),
    ("warninglists", "builtin", Kind::Flag),
    ("warninglists", "source", Kind::Text),
    ("warninglists", "lists", Kind::List),
    ("warninglists", "refresh", Kind::Text),
    ("warninglists", "cap", Kind::List),
    ("warninglists", "annotate", Kind::List),
    ("warninglists", "ignore", Kind::List),
    ("snapshot", "index", Kind::Text),
    ("snapshot", "memory_budget", Kind::Integer),
    ("signals", "capacity", Kind::Integer),
    ("signals", "ipv6_prefix", Kind::Integer),
    ("signals", "suspicious_below", Kind::Number),
    ("signals", "dangerous_below", Kind::Number),
    ("feeds", "enable", Kind::List),
    ("feeds", "disable", Kind::List),
];

pub(super) fn variable(section: &str, key: &str) -> String {
    let joint = if section.is_empty() { "" } else { "_" };
    format!("ARTIF_{section}{joint}{key}").to_uppercase()
}

/// `config` with `vars` over it, and what to say of variables that look like a misspelt key.
pub(super) fn apply<K: AsRef<OsStr>, V: AsRef<OsStr>>(
    mut config: Config,
    vars: impl IntoIterator<Item = (K, V)>,
) -> Result<(Config, Vec<String>)> {
    let mut suspects = Vec::new();
    let mut applied = Vec::new();
    for (name, value) in vars {
        let (Some(name), value) = (name.as_ref().to_str(), value.as_ref()) else { continue };
        let Some(suffix) = name.strip_prefix("ARTIF_") else { continue };
        let known = KEYS.iter().find(|(section, key, _)| variable(section, key) == name);
        let Some((section, key, kind)) = known else {
            suspects.extend(suspicion(name, suffix));
            continue;
        };
        if value.is_empty() {
            continue;
        }
        let fail = |reason: &str| Error::config(format!("environment variable {name}: {reason}"));
        let text = value.to_str().ok_or_else(|| fail("not UTF-8"))?;
        let value = parse(text, *kind).map_err(|reason| fail(&reason))?;
        config = with_key(config, section, key, value).map_err(|reason| fail(&reason))?;
        applied.push((name.to_owned(), *section, *key));
    }
    let Some(problem) = config.problem() else { return Ok((config, suspects)) };
    let same_key = |(_, section, key): &&(String, &str, &str)| {
        *section == problem.section && *key == problem.key
    };
    let culprit = applied
        .iter()
        .find(same_key)
        .or_else(|| applied.iter().find(|(_, section, _)| *section == problem.section));
    Err(match culprit {
        Some((name, ..)) => {
            Error::config(format!("environment variable {name}: {}", problem.text()))
        }
        None => {
            Error::Config { path: config.origin.path.clone(), line: None, message: problem.text() }
        }
    })
}

fn suspicion(name: &str, suffix: &str) -> Option<String> {
    let names: Vec<String> = KEYS.iter().map(|(section, key, _)| variable(section, key)).collect();
    let suffixes = names.iter().filter_map(|name| name.strip_prefix("ARTIF_"));
    let hint = suggest::closest(suffix, suffixes);
    let in_a_section = KEYS.iter().any(|(section, ..)| {
        let tail = suffix.strip_prefix(section.to_uppercase().as_str());
        !section.is_empty() && tail.is_some_and(|tail| tail.starts_with('_'))
    });
    let name = excerpt(name);
    match hint {
        Some(best) => {
            Some(format!("environment variable {name} sets nothing; did you mean ARTIF_{best}?"))
        }
        None if in_a_section => {
            Some(format!("environment variable {name} sets nothing: there is no such key"))
        }
        None => None,
    }
}

fn parse(text: &str, kind: Kind) -> Result<Value, String> {
    let trimmed = text.trim();
    let no = |what| Err(format!("{:?} is not {what}", excerpt(text)));
    match kind {
        Kind::Text => Ok(Value::String(text.to_owned())),
        Kind::Integer => trimmed.parse().map(Value::Integer).or_else(|_| no("a whole number")),
        Kind::Number => match trimmed.parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(Value::Float(number)),
            _ => no("a number"),
        },
        Kind::Flag => match trimmed {
            "true" | "1" => Ok(Value::Boolean(true)),
            "false" | "0" => Ok(Value::Boolean(false)),
            _ => no("true or false"),
        },
        Kind::List => Ok(Value::Array(
            text.split(',')
                .map(str::trim)
                .filter(|part| !part.is_empty())
                .map(|part| Value::String(part.to_owned()))
                .collect(),
        )),
    }
}

/// `config` with one key set, by way of its own TOML form: so a variable obeys the rules of a file.
fn with_key(config: Config, section: &str, key: &str, value: Value) -> Result<Config, String> {
    let mut table = Table::try_from(&config)
        .map_err(|error| format!("cannot override this configuration: {error}"))?;
    if section.is_empty() {
        table.insert(key.to_owned(), value);
    } else if let Some(Value::Table(inner)) = table.get_mut(section) {
        inner.insert(key.to_owned(), value);
    }
    let overridden = Config::deserialize(table).map_err(|e| locate::message(e.message()))?;
    Ok(Config { feed: config.feed, origin: config.origin, ..overridden })
}
