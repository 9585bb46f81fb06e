//! The classic scorer against vectors: the project's own, and the original system's where present.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    clippy::panic,
    reason = "tests"
)]

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use artif_core::geo::{Country, GeoRecord, GeoTable};
use artif_core::score::{
    ClassicModel, ClassicScorer, Dimension, Document, FeedFacts, Model, ScoreInput, Scorer, State,
    Subject,
};
use artif_core::{CategorySet, Feed, FeedId, ThreatLevel};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Vector {
    id: String,
    #[serde(rename = "about")]
    _about: String,
    given: Given,
    then: Then,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Given {
    window_days: f64,
    feeds: Vec<FeedRow>,
    documents: Vec<DocumentRow>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FeedRow {
    id: String,
    threat_level: u8,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DocumentRow {
    feeds: Vec<String>,
    categories: CategorySet,
    asn: Option<u32>,
    country: Option<String>,
    organisation: Option<String>,
    age_days: Option<f64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Then {
    groups: Groups,
    maxima: Maxima,
    scores: Vec<ScoreRow>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Groups {
    asn: Vec<GroupRow<u32>>,
    country: Vec<GroupRow<String>>,
    organisation: Vec<GroupRow<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GroupRow<K> {
    key: Option<K>,
    n: u32,
    h: u32,
    frequency: f64,
    feeds: f64,
    types: f64,
    recency: f64,
    #[serde(rename = "final")]
    last: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Maxima {
    asn: f64,
    country: f64,
    organisation: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "lowercase")]
struct ScoreRow {
    state: StateName,
    asn: Option<u32>,
    country: Option<String>,
    organisation: Option<String>,
    age_days: Option<f64>,
    score: f64,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum StateName {
    Unknown,
    Historical,
    Active,
}

/// Records and organisations as a real table would have them.
struct Places {
    table: GeoTable,
    organisations: HashMap<String, u32>,
    records: HashMap<GeoRecord, u32>,
}

impl Places {
    fn new() -> Self {
        let table = GeoTable::default();
        let records = HashMap::from([(table.records[0], 0)]);
        Self { table, organisations: HashMap::new(), records }
    }

    fn record(&mut self, asn: Option<u32>, country: Option<&str>, org: Option<&str>) -> GeoRecord {
        let mut record = GeoRecord::default();
        record.asn = asn;
        record.country = country.map(|code| Country::new(code).unwrap());
        record.organisation = org.map(|name| {
            let next = self.table.organisations.len() as u32;
            let place = *self.organisations.entry(name.to_owned()).or_insert(next);
            if place == next {
                self.table.organisations.push(name.to_owned());
            }
            place
        });
        record
    }

    fn place(&mut self, record: GeoRecord) -> u32 {
        let next = self.table.records.len() as u32;
        let place = *self.records.entry(record).or_insert(next);
        if place == next {
            self.table.records.push(record);
        }
        place
    }
}

fn close(found: f64, expected: f64, what: impl Fn() -> String) {
    assert!((found - expected).abs() <= 1e-9, "{}: {found} is not {expected}", what());
}

fn state(name: StateName) -> State {
    match name {
        StateName::Unknown => State::Unknown,
        StateName::Historical => State::Historical,
        StateName::Active => State::Active,
    }
}

fn learn(given: &Given, places: &mut Places) -> ClassicModel {
    let facts: Vec<FeedFacts> = given
        .feeds
        .iter()
        .map(|feed| {
            let level = ThreatLevel::new(feed.threat_level).unwrap();
            let feed = Feed::new(&feed.id, "file:none").unwrap().threat_level(level);
            FeedFacts::from(&feed)
        })
        .collect();
    let number = |id: &String| given.feeds.iter().position(|feed| feed.id == *id).unwrap() as u32;
    let mut sets: HashMap<Vec<u32>, u32> = HashMap::new();
    let rows: Vec<_> = given
        .documents
        .iter()
        .map(|row| {
            let mut feeds: Vec<u32> = row.feeds.iter().map(number).collect();
            feeds.sort_unstable();
            let next = sets.len() as u32;
            let set = *sets.entry(feeds.clone()).or_insert(next);
            let record =
                places.record(row.asn, row.country.as_deref(), row.organisation.as_deref());
            (feeds, set, row, [places.place(record)])
        })
        .collect();
    let documents: Vec<Document<'_>> = rows
        .iter()
        .map(|(feeds, feed_set, row, geo)| Document {
            feeds,
            feed_set: *feed_set,
            categories: row.categories,
            age_days: row.age_days,
            geo,
        })
        .collect();
    ClassicScorer.learn(&ScoreInput {
        feeds: &facts,
        documents: &documents,
        networks: &(),
        geo: &places.table,
        window_days: given.window_days,
        prior: 0.01,
    })
}

fn check(vector: &Vector) {
    let id = &vector.id;
    let mut places = Places::new();
    let model = learn(&vector.given, &mut places);

    let groups = &vector.then.groups;
    let by_name = |row: &GroupRow<String>| row.key.clone();
    for row in &groups.asn {
        let record = places.record(row.key, None, None);
        check_group(id, &model, Dimension::Asn, &record, row);
    }
    for row in &groups.country {
        let record = places.record(None, by_name(row).as_deref(), None);
        check_group(id, &model, Dimension::Country, &record, row);
    }
    for row in &groups.organisation {
        let record = places.record(None, None, by_name(row).as_deref());
        check_group(id, &model, Dimension::Organisation, &record, row);
    }
    let expected = &vector.then.maxima;
    let expected = [expected.asn, expected.country, expected.organisation];
    for (found, expected) in model.maxima().into_iter().zip(expected) {
        close(found, expected, || format!("{id}: maxima"));
    }

    let decoded = ClassicScorer.decode(&model.encode()).unwrap();
    for row in &vector.then.scores {
        let record = places.record(row.asn, row.country.as_deref(), row.organisation.as_deref());
        let subject = Subject {
            state: state(row.state),
            feeds: &[0],
            age_days: row.age_days.unwrap_or(0.0),
            geo: 0,
            record,
            ..Subject::default()
        };
        let what = || format!("{id}: {subject:?}");
        close(model.score(&subject), row.score, what);
        close(decoded.score(&subject), row.score, what);
        let terms: f64 = model.explain(&subject, None).iter().map(|term| term.contribution).sum();
        close(100.0 + terms, row.score, what);
        assert_eq!(model.explain(&subject, None), decoded.explain(&subject, None), "{}", what());
    }
}

fn check_group<K: std::fmt::Debug>(
    id: &str,
    model: &ClassicModel,
    dimension: Dimension,
    record: &GeoRecord,
    row: &GroupRow<K>,
) {
    let what = || format!("{id}: {dimension:?} {:?}", row.key);
    let Some(group) = model.group(dimension, record) else { panic!("{} is missing", what()) };
    assert_eq!((group.documents, group.historical), (row.n, row.h), "{}", what());
    close(group.frequency, row.frequency, what);
    close(group.feeds, row.feeds, what);
    close(group.types, row.types, what);
    close(group.recency, row.recency, what);
    close(group.final_score, row.last, what);
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn check_file(name: &str, count: usize) {
    let path = root().join("tests/conformance").join(name);
    let vectors: Vec<Vector> =
        serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    assert_eq!(vectors.len(), count, "{}", path.display());
    vectors.iter().for_each(check);
}

#[test]
fn classic_tiny() {
    check_file("classic_tiny.json", 1);
}

#[test]
fn classic_tiny_events() {
    check_file("classic_tiny_events.json", 1);
}

#[test]
fn classic_history() {
    check_file("classic_history.json", 4);
}

/// What is read of the original system's vectors.
#[derive(Deserialize)]
struct Original {
    name: String,
    feeds: Vec<OriginalFeed>,
    events: Vec<OriginalEvent>,
    geo: HashMap<String, Option<[Option<String>; 3]>>,
    current_order: Option<Vec<String>>,
    current_documents: Option<Vec<OriginalDocument>>,
    expected: OriginalExpected,
    queries: Vec<OriginalQuery>,
}

#[derive(Deserialize)]
struct OriginalFeed {
    name: String,
    r#type: Vec<String>,
    ips: Vec<String>,
}

#[derive(Deserialize)]
struct OriginalEvent {
    name: String,
    threat_level_id: String,
}

#[derive(Deserialize)]
struct OriginalDocument {
    feeds: Vec<String>,
    types: Vec<String>,
    asn: String,
    country: String,
    org: String,
}

#[derive(Deserialize)]
struct OriginalExpected {
    asn: HashMap<String, OriginalGroup>,
    country: HashMap<String, OriginalGroup>,
    org: HashMap<String, OriginalGroup>,
    max: HashMap<String, f64>,
}

#[derive(Deserialize)]
struct OriginalGroup {
    blacklist_score: f64,
    type_score: f64,
    nominal_freq: f64,
    recency_score: f64,
    final_score: f64,
    n: f64,
    h: f64,
}

#[derive(Deserialize)]
struct OriginalQuery {
    response: OriginalResponse,
}

#[derive(Deserialize)]
struct OriginalResponse {
    #[serde(rename = "is_Active", default)]
    active: bool,
    score: Option<f64>,
    metadata: Option<serde_json::Value>,
}

/// The original writes "NA" for what is unknown, so it takes Namibia for it, too.
fn known(text: &str) -> Option<String> {
    (text != "NA").then(|| text.to_owned())
}

fn known_asn(text: &str) -> Option<u32> {
    known(text).map(|text| text.strip_prefix("AS").unwrap().parse().unwrap())
}

fn feed_id(event: &str) -> String {
    FeedId::from_name(event).unwrap().as_str().to_owned()
}

impl Original {
    fn documents(&self) -> Vec<DocumentRow> {
        let row = |document: &OriginalDocument| DocumentRow {
            feeds: document.feeds.iter().map(|event| feed_id(event)).collect(),
            categories: document.types.iter().filter_map(|tag| tag.parse().ok()).collect(),
            asn: known_asn(&document.asn),
            country: known(&document.country),
            organisation: known(&document.org),
            age_days: None,
        };
        if let Some(documents) = &self.current_documents {
            return documents.iter().map(row).collect();
        }
        let mut listed: HashMap<&str, OriginalDocument> = HashMap::new();
        for feed in &self.feeds {
            for ip in &feed.ips {
                let place = self.geo.get(ip).cloned().flatten().unwrap_or_default();
                let [asn, country, org] = place.map(|text| text.unwrap_or("NA".to_owned()));
                let document = listed.entry(ip).or_insert_with(|| OriginalDocument {
                    feeds: vec![],
                    types: vec![],
                    asn,
                    country,
                    org,
                });
                document.feeds.push(format!("{} feed", feed.name));
                document.types.extend(feed.r#type.iter().cloned());
            }
        }
        let order = self.current_order.as_ref().unwrap();
        order.iter().map(|ip| row(&listed[ip.as_str()])).collect()
    }

    fn vector(&self) -> Vector {
        let level = |text: &String| text.parse().unwrap();
        let feeds = self.events.iter().map(|event| FeedRow {
            id: feed_id(&event.name),
            threat_level: level(&event.threat_level_id),
        });
        let scores = self.queries.iter().filter_map(|query| {
            let response = &query.response;
            let metadata = response.metadata.clone()?;
            // A list for listed addresses, an object for others.
            let metadata = metadata.get(0).cloned().unwrap_or(metadata);
            let text = |key: &str| metadata[key].as_str().and_then(known);
            Some(ScoreRow {
                state: if response.active { StateName::Active } else { StateName::Unknown },
                asn: text("asn").as_deref().and_then(known_asn),
                country: text("country"),
                organisation: text("org"),
                age_days: None,
                score: response.score?,
            })
        });
        Vector {
            id: self.name.clone(),
            _about: String::new(),
            given: Given { window_days: 7.0, feeds: feeds.collect(), documents: self.documents() },
            then: Then {
                groups: Groups {
                    asn: self.expected.asn.iter().map(|(k, g)| g.row(known_asn(k))).collect(),
                    country: self.expected.country.iter().map(|(k, g)| g.row(known(k))).collect(),
                    organisation: self.expected.org.iter().map(|(k, g)| g.row(known(k))).collect(),
                },
                maxima: Maxima {
                    asn: self.expected.max["asn"],
                    country: self.expected.max["country"],
                    organisation: self.expected.max["org"],
                },
                scores: scores.collect(),
            },
        }
    }
}

impl OriginalGroup {
    #[expect(clippy::cast_sign_loss, reason = "counts written as floats")]
    fn row<K>(&self, key: Option<K>) -> GroupRow<K> {
        GroupRow {
            key,
            n: self.n as u32,
            h: self.h as u32,
            frequency: self.nominal_freq,
            feeds: self.blacklist_score,
            types: self.type_score,
            recency: self.recency_score,
            last: self.final_score,
        }
    }
}

#[test]
fn the_original_systems_vectors() {
    for name in ["tiny", "tiny_events", "real8"] {
        let path = root().join("../shared/scoring").join(format!("{name}.json"));
        let Ok(text) = std::fs::read_to_string(&path) else {
            eprintln!("skipped: no {}", path.display());
            continue;
        };
        let original: Original = serde_json::from_str(&text).unwrap();
        let vector = original.vector();
        assert!(vector.then.scores.len() >= 20, "{name}");
        check(&vector);
    }
}
