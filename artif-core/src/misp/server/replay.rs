//! What a MISP 2.5.1 answered when it was recorded, and what is read in it.
//!
//! The recordings lie in the folder that `ARTIF_MISP_RECORDED` names, or beside the repository;
//! without them these tests prove nothing and say so.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    clippy::panic,
    reason = "tests"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::answer::{Failure, failure_inside, judge};
use super::client::has_more;
use super::page::Attribute;
use super::{Problem, event, page};
use crate::feed::Addresses;
use crate::feed::source::api::Answer;

fn folder() -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/misp-recorded");
    let path = std::env::var_os("ARTIF_MISP_RECORDED").map_or_else(beside, PathBuf::from);
    if path.join("BEHAVIOUR.md").is_file() {
        return Some(path);
    }
    eprintln!("skipped: no recordings at {} (set ARTIF_MISP_RECORDED)", path.display());
    None
}

struct Recording {
    request: Value,
    status: u16,
    headers: Vec<(String, String)>,
    json: Option<Value>,
    text: String,
}

impl Recording {
    fn read(path: &Path) -> Option<Self> {
        let all: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let response = all.get("response")?;
        Some(Self {
            request: all["request"].clone(),
            status: u16::try_from(response["status"].as_u64()?).unwrap(),
            headers: serde_json::from_value(response["headers"].clone()).unwrap(),
            json: response.get("json").filter(|json| !json.is_null()).cloned(),
            text: response["text_head"].as_str().unwrap_or_default().to_owned(),
        })
    }

    fn answer(&self) -> Answer {
        let body = self.json.as_ref().map_or_else(|| self.text.clone(), Value::to_string);
        // Of the header lines only those of the body are no longer true.
        Answer::of(self.status, &self.headers, body.as_bytes())
    }

    fn failure(&self) -> Option<Failure> {
        match judge(self.answer()) {
            Err(failure) => Some(failure),
            Ok(_) => failure_inside(self.json.as_ref()?),
        }
    }

    fn header(&self, name: &str) -> Option<u64> {
        let found = self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name))?;
        found.1.parse().ok()
    }

    fn attributes(&self) -> Vec<Attribute> {
        let mut rows = Vec::new();
        let mut answer = self.answer();
        page::attributes(answer.reader().unwrap(), |row| {
            rows.push(row);
            Ok(())
        })
        .unwrap();
        rows
    }
}

/// All recordings, by name without `.json`.
fn all() -> BTreeMap<String, Recording> {
    let mut found = BTreeMap::new();
    let Some(folder) = folder() else { return found };
    for part in std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()) {
        let Ok(files) = std::fs::read_dir(&part) else { continue };
        for file in files.map(|entry| entry.unwrap().path()) {
            let name = file.strip_prefix(&folder).unwrap().with_extension("");
            if let Some(recording) = Recording::read(&file) {
                found.insert(name.to_str().unwrap().to_owned(), recording);
            }
        }
    }
    found
}

#[test]
fn every_recorded_failure_is_the_one_it_is() {
    let all = all();
    for (name, code) in [
        ("auth/02_getVersion_no_accept", "misp-login-page"),
        ("auth/07_bad_key_40chars", "misp-key-rejected"),
        ("auth/08_short_key", "misp-key-rejected"),
        ("auth/09_no_key", "misp-key-rejected"),
        ("auth/12c_bad_key_restSearch", "misp-key-rejected"),
        ("auth/13_key_disabled_at_artif.test", "misp-account-disabled"),
        ("auth/13_key_expired", "misp-key-rejected"),
        ("auth/13_key_iplimited", "misp-key-address"),
        ("auth/14_bearer_form", "misp-key-rejected"),
        ("auth/20_readonly_role_writes", "misp-no-permission"),
        ("auth/23_non_admin_feed_add", "misp-no-permission"),
        ("auth/40_redirect_target_login_page", "misp-not-json"),
        ("errors/01_unknown_controller", "misp-no-such-page"),
        ("errors/02_unknown_action", "misp-no-such-page"),
        ("errors/05_event_not_found", "misp-not-found"),
        ("errors/08_attr_not_found", "misp-not-found"),
        ("errors/09_feed_not_found", "misp-not-found"),
        ("errors/10_tag_not_found", "misp-not-found"),
        ("errors/11_warninglist_not_found", "misp-not-found"),
        ("errors/13_get_restSearch_noparams", "misp-bad-request"),
        ("errors/16_malformed_json", "misp-bad-request"),
        ("errors/30_delete_event_notfound", "misp-invalid"),
        ("errors/31_restSearch_html_accept_error", "misp-no-such-page"),
        ("errors/35_event_view_no_accept", "misp-login-page"),
        ("attributes/02_add_duplicate", "misp-already-there"),
        ("attributes/03_add_invalid", "misp-invalid"),
        ("attributes/09_add_list_all_bad", "misp-invalid"),
        ("attributes/10_add_event_missing", "misp-not-found"),
        ("attributes/21_restore", "misp-redirected"),
        ("attributes/25_delete_get", "misp-bad-request"),
        ("attributes/30_readonly_user_add", "misp-no-permission"),
        ("attributes/31_other_org_add", "misp-no-permission"),
        ("events/03_add_no_info", "misp-invalid"),
        ("events/05_add_empty_body", "misp-bad-request"),
        ("events/08_add_bad_date", "misp-invalid"),
        ("events/11_add_duplicate_uuid", "misp-already-there"),
        ("events/16_add_sharing_group_missing", "misp-no-permission"),
        ("events/28b_publish_get", "misp-internal"),
        ("events/29b_addTag_unknown", "misp-not-done"),
        ("events/53_readd_blocklisted_uuid", "misp-blocklisted"),
        ("events/63_restSearch_bad_format", "misp-bad-format"),
        ("feeds/08_add_missing_fields", "misp-internal"),
        ("feeds/09_add_bad_url", "misp-invalid"),
        ("feeds/26_enable_missing", "misp-not-found"),
        ("feeds/28_toggleSelected", "misp-redirected"),
        ("feeds/33_fetch_disabled", "misp-not-done"),
        ("feeds/35_fetch_unreachable", "misp-not-done"),
        ("restSearch/016_limit_alpha", "misp-internal"),
        ("restSearch/910_bad_subpath", "misp-no-such-page"),
        ("sightings/05_add_value_unknown", "misp-not-done"),
        ("sightings/14_add_readonly", "misp-no-permission"),
        ("sightings/26_restSearch_attribute", "misp-bad-request"),
        ("sightings/57_restSearch_bad_context", "misp-bad-request"),
        ("tags/11_add_empty_name", "misp-invalid"),
        ("tags/26_remove_again", "misp-not-found"),
        ("warninglists/11_checkValue_empty", "misp-bad-request"),
        ("warninglists/17_toggle_missing", "misp-not-done"),
        ("warninglists/22_add_bad_type", "misp-invalid"),
        ("warninglists/28_import_missing", "misp-bad-request"),
    ] {
        let Some(recording) = all.get(name) else {
            assert!(all.is_empty(), "{name} is not there");
            continue;
        };
        let failure = recording.failure();
        let found = failure.as_ref().map(|failure| failure.problem.code());
        assert_eq!(found, Some(code), "{name}: {failure:?}");
    }
    for (name, recording) in &all {
        let failure = recording.failure();
        let failed = recording.status != 200;
        assert!(failure.is_some() || !failed, "{name}");
        if let Some(failure) = failure {
            assert_ne!(failure.problem, Problem::UnexpectedStatus, "{name}");
            assert!(!failure.detail.is_empty() && !failure.detail.contains('\n'), "{name}");
        }
    }
}

/// Every failure of the recordings, by what it is: each is in the table, and says what to do; and of
/// each row of the table that a server's answer can lead to there is a recording, but for those that
/// are left out here and made in other tests.
#[test]
fn every_recorded_failure_is_in_the_table_with_what_to_do() {
    let all = all();
    if all.is_empty() {
        return;
    }
    let table = include_str!("../mod.rs");
    let row = |problem: Problem| {
        table
            .lines()
            .filter(|line| line.starts_with("//! |"))
            .find(|line| line.contains(&format!("`{problem}`")))
    };
    let mut found: BTreeMap<&str, Vec<(u16, String)>> = BTreeMap::new();
    for (name, recording) in &all {
        let Some(failure) = recording.failure() else { continue };
        let Failure { problem, detail, .. } = failure;
        let row = row(problem).unwrap_or_else(|| panic!("{name}: {problem} is not in the table"));
        let status = recording.status.to_string();
        let any = ["any other 3xx", "200 with a page"].iter().any(|text| row.contains(text));
        // The first column says which status; not done is a success that is none.
        let first = row.split('|').nth(1).unwrap_or_default();
        assert!(any || first.contains(&status), "{name}: {status} is not in {row}");
        assert!(problem.advice().len() > 10, "{name}: {problem} says not what to do");
        // What the server said of it is not lost.
        assert!(!detail.is_empty(), "{name}");
        found.entry(problem.code()).or_default().push((recording.status, detail));
    }
    let codes: Vec<_> = found.keys().copied().collect();
    assert_eq!(
        codes,
        [
            "misp-account-disabled",
            "misp-already-there",
            "misp-bad-format",
            "misp-bad-request",
            "misp-blocklisted",
            "misp-internal",
            "misp-invalid",
            "misp-key-address",
            "misp-key-rejected",
            "misp-login-page",
            "misp-no-permission",
            "misp-no-such-page",
            "misp-not-done",
            "misp-not-found",
            "misp-not-json",
            "misp-redirected",
        ]
    );
    // The same words never stand for two things.
    let mut words: BTreeMap<&str, &str> = BTreeMap::new();
    for (code, failures) in &found {
        for (_, detail) in failures.iter().filter(|(status, _)| *status != 200) {
            let other = words.insert(detail, code);
            assert!(other.is_none_or(|other| other == *code), "{detail}: {other:?} and {code}");
        }
    }
    let advice: std::collections::BTreeSet<_> = Problem::ALL.iter().map(|p| p.advice()).collect();
    // Two report the same fault of ours, in two ways.
    assert_eq!(advice.len(), Problem::ALL.len() - 1);
}

#[test]
fn what_failures_say() {
    let all = all();
    for (name, detail) in [
        ("events/03_add_no_info", "Could not add Event: Event: info: valueNotEmpty"),
        ("errors/30_delete_event_notfound", "Could not delete Event: Event was not deleted."),
        ("events/29b_addTag_unknown", "Invalid Tag."),
        ("auth/02_getVersion_no_accept", "redirected to the login page"),
        ("attributes/21_restore", "redirected to http://127.0.0.1:18080/attributes/view/6427"),
    ] {
        let Some(recording) = all.get(name) else { continue };
        assert_eq!(recording.failure().unwrap().detail, detail, "{name}");
    }
}

#[test]
fn every_recorded_page_is_read_whole() {
    let all = all();
    let mut pages = 0;
    for (name, recording) in &all {
        let path = recording.request["path"].as_str().unwrap_or_default();
        if !path.starts_with("/attributes/restSearch") || recording.status != 200 {
            continue;
        }
        let rows =
            recording.json.as_ref().and_then(|json| json["response"]["Attribute"].as_array());
        let Some(rows) = rows else { continue };
        let read = recording.attributes();
        assert_eq!(read.len(), rows.len(), "{name}");
        for (read, row) in read.iter().zip(rows) {
            assert_eq!(row["id"], read.id.to_string(), "{name}");
            assert_eq!(row["event_id"], read.event.to_string(), "{name}");
            assert_eq!(row["timestamp"], read.timestamp.to_string(), "{name}");
            assert_eq!(
                (&row["value"], &row["uuid"]),
                (&read.value.clone().into(), &read.uuid.clone().into())
            );
            assert_eq!(
                (&row["to_ids"], &row["deleted"]),
                (&read.to_ids.into(), &read.deleted.into())
            );
            assert_eq!(read.kind.is_none(), read.prefix.is_none(), "{name} {}", read.value);
        }
        pages += 1;
    }
    assert!(all.is_empty() || pages > 200, "{pages}");
}

#[test]
fn what_attributes_say() {
    let all = all();
    if all.is_empty() {
        return;
    }
    let row = |name: &str, id: u64| {
        let rows = all[name].attributes();
        rows.into_iter().find(|row| row.id == id).unwrap_or_default()
    };
    let first = row("restSearch/001_basic_limit3", 1);
    assert_eq!(first.prefix.map(|p| p.to_string()).as_deref(), Some("101.47.159.50/32"));
    assert_eq!((first.event, first.kind, first.timestamp), (1, Some("ip-dst"), 1_795_488_624));
    assert_eq!((first.first_seen, first.last_seen, first.decay), (None, None, None));

    let seen = row("restSearch/065_tags_attr_level", 6371);
    assert_eq!(seen.first_seen, Some(1_785_542_400));
    assert_eq!(seen.last_seen, Some(1_785_666_896));
    assert_eq!(seen.tags, ["c2"]);
    // With those of the event beside it, which are not its own.
    assert_eq!(row("restSearch/139_includeDecayScore", 6371).tags, ["c2"]);
    assert_eq!(row("restSearch/139_includeDecayScore", 2159).tags, [""; 0]);

    let deleted = row("restSearch/124_deleted_only", 6425);
    assert!(deleted.deleted);
    let warned = row("restSearch/133_includeWarninglistHits", 6375);
    assert_eq!(warned.warnings.len(), 1, "{:?}", warned.warnings);
    let port = row("restSearch/340_object_attr", 5008);
    assert_eq!(port.prefix.map(|p| p.to_string()).as_deref(), Some("94.75.207.3/32"));
    assert!(!port.to_ids);
}

#[test]
fn whether_there_is_another_page() {
    let all = all();
    for (name, limit, rows, more) in [
        ("restSearch/001_basic_limit3", 3, 3, true),
        ("restSearch/005_page_past_end", 654, 0, false),
        ("restSearch/006_page_far_past_end", 1000, 0, false),
        ("restSearch/129_enforceWarninglist_limit5", 5, 0, true),
        ("restSearch/804_enforce_limit1_all_skipped", 1, 0, true),
        ("restSearch/800_allowedlist_removed_first_row", 3, 2, true),
        ("restSearch/801_allowedlist_limit1", 1, 0, true),
        ("restSearch/805_limit1_past_end", 1, 0, false),
    ] {
        let Some(recording) = all.get(name) else { continue };
        assert_eq!(recording.request["body"]["limit"], limit, "{name}");
        let got = recording.attributes().len() as u64;
        assert_eq!(got, rows, "{name}");
        let skipped = recording.header("x-skipped-elements-count").unwrap_or(0);
        let found = recording.header("x-result-count");
        assert_eq!(has_more(got, skipped, found, limit), more, "{name}: {found:?} {skipped}");
    }
    assert!(has_more(1, 0, None, 5) && !has_more(0, 0, None, 5), "where nothing is said");
}

#[test]
fn what_the_list_of_events_says() {
    let all = all();
    if all.is_empty() {
        return;
    }
    let events = |name: &str| {
        let mut events = Vec::new();
        event::index(all[name].answer().reader().unwrap(), |event| events.push(event)).unwrap();
        events
    };
    let index = events("events/30_index");
    assert_eq!(index.len(), 3);
    let first = &index[0];
    assert_eq!(
        (first.id, first.info.as_str(), first.org.as_str()),
        (1, "Rutgers botnet IPs", "ARTIFTEST")
    );
    assert_eq!((first.threat_level, first.attributes, first.timestamp), (1, 1308, 1_795_488_624));
    assert_eq!(first.tags, ["botnet", "tlp:white"]);
    assert!(first.published && !first.foreign);
    assert_eq!(events("events/33_index_minimal").len(), 2);
    assert_eq!(events("events/35_index_sort")[0].id, 63);
    assert!(events("events/31b_index_past_end").is_empty());
    assert_eq!(all["events/30_index"].header("x-result-count"), Some(69));
}

#[test]
fn every_value_as_it_is_stored_is_read() {
    let Some(folder) = folder() else { return };
    let text = std::fs::read(folder.join("attribute_normalisation.json")).unwrap();
    let forms: Vec<Value> = serde_json::from_slice(&text).unwrap();
    let mut addresses = Addresses::default();
    let mut read = BTreeMap::new();
    for form in &forms {
        let (Some(kind), Some(stored)) = (form["type"].as_str(), form["stored"].as_str()) else {
            continue;
        };
        if let Some((_, prefix)) = addresses.read(kind, stored) {
            read.insert(stored.to_owned(), prefix.map(|prefix| prefix.to_string()));
        }
    }
    for (stored, expected) in [
        ("192.0.2.10", "192.0.2.10/32"),
        ("192.0.2.77/24", "192.0.2.0/24"),
        ("::FFFF:C000:0214", "192.0.2.20/32"),
        ("::ffff:1.2.3.4", "1.2.3.4/32"),
        ("0.0.0.0/0", "0.0.0.0/0"),
    ] {
        let found = read.get(stored).cloned().flatten();
        if read.contains_key(stored) {
            assert_eq!(found.as_deref(), Some(expected), "{stored}");
        }
    }
    let unread: Vec<_> = read.iter().filter(|(_, prefix)| prefix.is_none()).collect();
    assert!(unread.is_empty(), "{unread:?}");
    assert!(read.len() > 20, "{}", read.len());
}
