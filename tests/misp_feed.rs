//! Feeds in MISP's format: a manifest and its events, from a server and from folders.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod support;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::IpAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};

use artif_core::{Engine, Feed, FeedReport, Format, Outcome, ReputationEngine};
use serde_json::{Value, json};
use support::http_server::{Server, answer, path_of, say};
use support::{clock, refresh, time};

type Documents = Arc<Mutex<BTreeMap<String, String>>>;

fn event(uuid: &str, addresses: &[&str]) -> Value {
    let attribute = |value: &&str| json!({"type": "ip-dst", "value": value, "to_ids": true});
    let mut attributes: Vec<_> = addresses.iter().map(attribute).collect();
    attributes.push(json!({"type": "ip-dst", "value": "70.0.0.1", "to_ids": false}));
    json!({"Event": {"uuid": uuid, "info": "an event", "Attribute": attributes}})
}

fn put(documents: &Documents, uuid: &str, changed: i64, addresses: &[&str]) {
    let mut documents = documents.lock().unwrap();
    documents.insert(format!("{uuid}.json"), event(uuid, addresses).to_string());
    let manifest = documents.entry("manifest.json".to_owned()).or_insert_with(|| "{}".to_owned());
    let mut entries: Value = serde_json::from_str(manifest).unwrap();
    entries[uuid] = json!({"info": "an event", "timestamp": changed.to_string()});
    *manifest = entries.to_string();
}

fn serve(documents: &Documents) -> Server {
    let documents = Arc::clone(documents);
    Server::start(move |head, to| {
        let documents = documents.lock().unwrap();
        let Some(text) = documents.get(path_of(head).trim_start_matches("/feed/")) else {
            return say(to, answer("404 Not Found", ""));
        };
        let tag = format!("\"{:x}\"", xxhash_rust::xxh3::xxh3_64(text.as_bytes()));
        if head.to_ascii_lowercase().contains(&format!("if-none-match: {tag}\r\n")) {
            return say(to, answer("304 Not Modified", ""));
        }
        say(to, answer(&format!("200 OK\nETag: {tag}"), text));
    })
}

fn engine(data: &Path, url: &str) -> Engine {
    let feed = Feed::new("osint", url).unwrap().format(Format::MispFeed {});
    Engine::builder().data(data).feed(feed).build().unwrap()
}

fn outcome(engine: &Engine) -> FeedReport {
    refresh(engine).feeds.remove(0)
}

fn listed(engine: &Engine, addresses: &[&str]) -> Vec<bool> {
    let active = |text: &&str| engine.check(text.parse::<IpAddr>().unwrap()).is_active();
    addresses.iter().map(active).collect()
}

const A: &str = "5c8f0000-0000-4000-8000-00000000000a";
const B: &str = "5c8f0000-0000-4000-8000-00000000000b";
const C: &str = "5c8f0000-0000-4000-8000-00000000000c";

#[test]
fn only_events_that_changed_are_fetched() {
    let (dir, documents) = (tempfile::tempdir().unwrap(), Documents::default());
    put(&documents, A, 1, &["60.0.0.1", "60.0.0.2"]);
    put(&documents, B, 1, &["60.0.0.2", "60.0.0.3"]);
    let server = serve(&documents);
    let mut ours = engine(dir.path(), &server.url("/feed/"));
    let all = ["60.0.0.1", "60.0.0.2", "60.0.0.3", "60.0.0.4", "70.0.0.1"];
    let report = outcome(&ours);
    assert_eq!((report.outcome, &report.error), (Outcome::Loaded, &None));
    assert_eq!(listed(&ours, &all), [true, true, true, false, false]);
    assert_eq!(server.requests().len(), 3);

    assert_eq!(outcome(&ours).outcome, Outcome::Unchanged);
    assert_eq!(server.requests().len(), 4, "the manifest alone");

    put(&documents, B, 2, &["60.0.0.4"]);
    drop(ours);
    ours = engine(dir.path(), &server.url("/feed/manifest.json"));
    assert_eq!(outcome(&ours).outcome, Outcome::Loaded);
    // Another address is another feed; the slash at the end is no matter.
    assert_eq!(listed(&ours, &all), [true, true, false, true, false]);

    // An event that is broken or missing keeps what it listed, until it can be had.
    put(&documents, A, 3, &["60.0.0.1"]);
    put(&documents, C, 3, &["60.0.0.3"]);
    let good =
        documents.lock().unwrap().insert(format!("{A}.json"), "{\"Event\": {".into()).unwrap();
    let report = outcome(&ours);
    assert_eq!(report.outcome, Outcome::Loaded);
    assert!(report.error.unwrap().starts_with("1 events keep what they listed before"));
    assert_eq!(listed(&ours, &all), [true, true, true, true, false]);
    documents.lock().unwrap().insert(format!("{A}.json"), good);
    assert_eq!(outcome(&ours).error, None);
    assert_eq!(listed(&ours, &all), [true, false, true, true, false]);

    // Events that are named no more.
    let manifest = json!({A: {"timestamp": "3"}}).to_string();
    documents.lock().unwrap().insert("manifest.json".into(), manifest);
    outcome(&ours);
    assert_eq!(listed(&ours, &all), [true, false, false, false, false]);
}

/// What the publisher writes beside the manifest: a hash of each value, here of those of an event
/// together.
fn put_hashes(documents: &Documents) {
    let mut documents = documents.lock().unwrap();
    let mut lines = String::new();
    for (name, text) in documents.iter().filter(|(name, _)| name.starts_with("5c8f")) {
        let event: Value = serde_json::from_str(text).unwrap();
        for attribute in event["Event"]["Attribute"].as_array().unwrap() {
            let value = attribute["value"].as_str().unwrap();
            let hash = xxhash_rust::xxh3::xxh3_128(value.as_bytes());
            writeln!(lines, "{hash:032x},{}", name.trim_end_matches(".json")).unwrap();
        }
    }
    documents.insert("hashes.csv".to_owned(), lines);
}

#[test]
fn of_a_feed_written_anew_only_events_with_other_values_are_fetched() {
    let (dir, documents) = (tempfile::tempdir().unwrap(), Documents::default());
    let uuid = |n: usize| format!("{}{n}", &A[..A.len() - 1]);
    let address = |n: usize| format!("60.0.1.{n}");
    let put_all = |changed: i64| {
        for n in 0..6 {
            put(&documents, &uuid(n), changed, &[&address(n)]);
        }
    };
    put_all(1);
    put_hashes(&documents);
    let server = serve(&documents);
    let clock = clock("2026-08-05T06:00:00Z");
    let feed = Feed::new("osint", &server.url("/feed/")).unwrap().format(Format::MispFeed {});
    let builder = Engine::builder().data(dir.path()).feed(feed).clock(clock.clone());
    let ours = builder.build().unwrap();
    let asked = |outcome_of: &dyn Fn() -> FeedReport| {
        let before = server.requests().len();
        let report = outcome_of();
        assert_eq!(report.error, None);
        let heads = server.requests().split_off(before);
        let mut paths: Vec<_> = heads.iter().map(|head| path_of(head).to_owned()).collect();
        paths.sort();
        (report.outcome, paths.iter().map(|p| p.replace("/feed/", "")).collect::<Vec<_>>())
    };
    let refreshed = || asked(&|| outcome(&ours));
    assert_eq!(refreshed().1.len(), 1 + 1 + 6);

    // All times are new, one event is.
    put_all(2);
    put(&documents, &uuid(3), 2, &["60.0.2.3"]);
    put_hashes(&documents);
    let event = |n: usize| format!("{}.json", uuid(n));
    let beside = ["hashes.csv".to_owned(), "manifest.json".to_owned()];
    let (how, paths) = refreshed();
    assert_eq!((how, paths), (Outcome::Loaded, [&[event(3)][..], &beside].concat()));
    assert_eq!(listed(&ours, &["60.0.1.2", "60.0.1.3", "60.0.2.3"]), [true, false, true]);

    // What the hashes say nothing of is found within a day, though nothing else changes.
    put_all(3);
    put(&documents, &uuid(3), 3, &["60.0.2.3"]);
    let text = documents.lock().unwrap()[&event(1)].replace("true", "false");
    documents.lock().unwrap().insert(event(1), text);
    put_hashes(&documents);
    assert_eq!(refreshed(), (Outcome::Unchanged, beside.to_vec()));
    assert_eq!(listed(&ours, &["60.0.1.1"]), [true]);
    clock.set(time("2026-08-06T05:00:00Z"));
    assert_eq!(refreshed(), (Outcome::Unchanged, beside[1..].to_vec()));
    clock.set(time("2026-08-06T06:00:00Z"));
    let (how, paths) = refreshed();
    assert_eq!((how, paths.len()), (Outcome::Loaded, 2 + 6));
    assert_eq!(listed(&ours, &["60.0.1.1", "60.0.1.2"]), [false, true]);

    // Without the file times alone count.
    documents.lock().unwrap().remove("hashes.csv");
    put_all(4);
    assert_eq!(refreshed().1.len(), 2 + 6);
}

#[test]
fn a_damaged_file_is_read_anew_the_next_time() {
    let (dir, documents) = (tempfile::tempdir().unwrap(), Documents::default());
    put(&documents, A, 1, &["60.0.0.1"]);
    let server = serve(&documents);
    let ours = engine(dir.path(), &server.url("/feed"));
    outcome(&ours);
    let folder = dir.path().join("misp-feeds").join("osint");
    for entry in std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.extension().is_some_and(|extension| extension == "bin") {
            std::fs::write(entry, "nothing of the kind, and longer than the head of one").unwrap();
        }
    }
    put(&documents, B, 2, &["60.0.0.2"]);
    assert_eq!(outcome(&ours).outcome, Outcome::Failed);
    assert_eq!(outcome(&ours).outcome, Outcome::Loaded);
    assert_eq!(listed(&ours, &["60.0.0.1", "60.0.0.2"]), [true, true]);
}

#[test]
fn manifests_that_are_none_change_nothing() {
    let (dir, documents) = (tempfile::tempdir().unwrap(), Documents::default());
    put(&documents, A, 1, &["60.0.0.1"]);
    let server = serve(&documents);
    let ours = engine(dir.path(), &server.url("/feed"));
    outcome(&ours);
    let entries = json!({"../../etc/passwd": {"timestamp": "2"}}).to_string();
    for bad in ["<html>", "[]", entries.as_str(), "{\"5c8f\": {\"timestamp\": 1}}"] {
        documents.lock().unwrap().insert("manifest.json".into(), bad.to_owned());
        let report = outcome(&ours);
        assert_eq!(report.outcome, Outcome::Failed, "{bad}");
        assert_eq!(listed(&ours, &["60.0.0.1"]), [true], "{bad}: {:?}", report.error);
    }
    // Nothing but a manifest of nothing: the guard thinks it over.
    documents.lock().unwrap().insert("manifest.json".into(), "{}".into());
    assert_eq!(outcome(&ours).outcome, Outcome::Refused);
    assert_eq!(listed(&ours, &["60.0.0.1"]), [true]);
}

#[test]
fn folders_with_a_manifest_and_without() {
    let dir = tempfile::tempdir().unwrap();
    let events = dir.path().join("events");
    std::fs::create_dir(&events).unwrap();
    std::fs::write(events.join("one.json"), event(A, &["60.0.0.1"]).to_string()).unwrap();
    std::fs::write(events.join("two.json"), event(B, &["60.0.0.2"]).to_string()).unwrap();
    std::fs::write(events.join("README.md"), "# not an event").unwrap();
    let ours = engine(&dir.path().join("data"), &format!("file:{}", events.display()));
    let all = ["60.0.0.1", "60.0.0.2", "60.0.0.3"];
    assert_eq!(outcome(&ours).outcome, Outcome::Loaded);
    assert_eq!(listed(&ours, &all), [true, true, false]);
    assert_eq!(outcome(&ours).outcome, Outcome::Unchanged);
    std::fs::remove_file(events.join("one.json")).unwrap();
    std::fs::write(events.join("three.json"), event(C, &["60.0.0.3"]).to_string()).unwrap();
    outcome(&ours);
    assert_eq!(listed(&ours, &all), [false, true, true]);

    let manifest = json!({A: {"timestamp": 7}}).to_string();
    std::fs::write(events.join("manifest.json"), manifest).unwrap();
    std::fs::write(events.join(format!("{A}.json")), event(A, &["60.0.0.1"]).to_string()).unwrap();
    outcome(&ours);
    assert_eq!(listed(&ours, &all), [true, false, false]);
}
