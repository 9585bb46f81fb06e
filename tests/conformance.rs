//! The engine's vectors, which every binding runs too.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod support;

use std::collections::BTreeMap;

use artif_core::ledger::Override;
use artif_core::{CategorySet, Config, Engine, Feed, ReputationEngine, Role, ThreatLevel, address};
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::{Map, Value};
use support::{clock, refresh};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(rename = "about")]
    _about: String,
    given: Given,
    vectors: Vec<Vector>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Given {
    config: String,
    feeds: Vec<GivenFeed>,
    days: Vec<Day>,
    overrides: Vec<Override>,
    now: DateTime<Utc>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GivenFeed {
    id: String,
    categories: CategorySet,
    threat_level: ThreatLevel,
    #[serde(default)]
    role: Role,
    source_group: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Day {
    at: DateTime<Utc>,
    lists: BTreeMap<String, Vec<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Vector {
    id: String,
    when: When,
    then: Map<String, Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct When {
    lookup: String,
    at: Option<DateTime<Utc>>,
}

fn engine(given: &Given, dir: &std::path::Path) -> Engine {
    let clock = clock("2026-01-01T00:00:00Z");
    let mut builder = Engine::builder()
        .config(Config::from_toml(&given.config).unwrap())
        .data(dir.join("data"))
        .clock(clock.clone());
    for feed in &given.feeds {
        let url = format!("file:{}", dir.join(&feed.id).display());
        let built = Feed::new(&feed.id, &url)
            .unwrap()
            .publisher(feed.source_group.clone())
            .categories(feed.categories.iter())
            .threat_level(feed.threat_level)
            .role(feed.role);
        builder = builder.feed(built);
    }
    let engine = builder.build().unwrap();
    for (n, day) in given.days.iter().enumerate() {
        clock.set(day.at);
        for (feed, list) in &day.lists {
            std::fs::write(dir.join(feed), list.join("\n")).unwrap();
        }
        if n + 1 == given.days.len() {
            given.overrides.iter().for_each(|entry| engine.add_override(entry.clone()).unwrap());
        }
        refresh(&engine);
    }
    clock.set(given.now);
    engine
}

fn answer(engine: &Engine, when: &When) -> Map<String, Value> {
    let ip = match address(&when.lookup) {
        Ok(ip) => ip,
        Err(error) => return Map::from_iter([("error".to_owned(), error.code().into())]),
    };
    let answer = match when.at {
        Some(at) => serde_json::to_value(engine.check_at(ip, at)).unwrap(),
        None => serde_json::to_value(engine.check(ip)).unwrap(),
    };
    let Value::Object(mut answer) = answer else { panic!("not an object") };
    if let Some(Value::Array(evidence)) = answer.get("evidence") {
        let count = evidence.len();
        answer.insert("evidence".to_owned(), count.into());
    }
    answer
}

#[test]
fn engine_vectors() {
    let text = include_str!("conformance/engine.json");
    let file: File = serde_json::from_str(text).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let engine = engine(&file.given, dir.path());
    let mut wrong = Vec::new();
    for vector in &file.vectors {
        let answer = answer(&engine, &vector.when);
        for (name, expected) in &vector.then {
            let found = answer.get(name).unwrap_or(&Value::Null);
            if found != expected {
                wrong.push(format!("{}: {name} is {found}, expected {expected}", vector.id));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(file.vectors.len() > 40);
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SignalsFile {
    #[serde(rename = "about")]
    _about: String,
    given: Map<String, Value>,
    vectors: Vec<SignalsVector>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SignalsVector {
    id: String,
    when: Reported,
    then: SignalsThen,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Reported {
    reports: Vec<(String, String, u32)>,
    forget: Option<String>,
    lookup: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SignalsThen {
    score: Option<f64>,
    verdict: Option<String>,
    #[serde(default)]
    signals: Vec<Said>,
    error: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Said {
    name: String,
    count: f64,
    effect: f64,
}

#[test]
fn signals_vectors() {
    let text = include_str!("conformance/signals.json");
    let file: SignalsFile = serde_json::from_str(text).unwrap();
    let config = Config::from_json(&serde_json::to_string(&file.given).unwrap()).unwrap();
    let near = |one: f64, other: f64| (one - other).abs() < 0.01;
    for SignalsVector { id, when, then } in &file.vectors {
        let engine = Engine::builder().config(config.clone()).in_memory().build().unwrap();
        let mut error = None;
        for (ip, name, count) in &when.reports {
            if let Err(refused) = engine.signal_count(address(ip).unwrap(), name, *count) {
                error = Some(refused.code().to_owned());
            }
        }
        assert_eq!(error, then.error, "{id}");
        if let Some(ip) = &when.forget {
            assert!(engine.forget_signals(address(ip).unwrap()).unwrap(), "{id}");
        }
        let answer = engine.check(address(&when.lookup).unwrap());
        if let (Some(score), Some(verdict)) = (then.score, &then.verdict) {
            assert!(near(answer.score(), score), "{id}: {}", answer.score());
            assert_eq!(answer.verdict().as_str(), verdict, "{id}");
        }
        let said = engine.signals(answer.ip());
        assert_eq!(said.len(), then.signals.len(), "{id}: {said:?}");
        for (found, expected) in said.iter().zip(&then.signals) {
            assert_eq!(found.name, expected.name, "{id}");
            let same = near(found.count, expected.count) && near(found.effect, expected.effect);
            assert!(same, "{id}: {found:?}");
        }
    }
    assert!(file.vectors.len() > 12);
}
