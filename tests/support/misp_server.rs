//! A MISP on the loopback interface, with a store of its own: it behaves as a recorded 2.5.1 does,
//! in paging, filters and errors, as far as a client can notice.

#![allow(clippy::indexing_slicing, clippy::too_many_lines, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard};

use serde_json::{Value, json};

use super::http_server::{Connection, Server, answer, path_of, say};

pub(crate) const KEY: &str = "0123456789012345678901234567890123456789";

#[derive(Debug, Clone)]
pub(crate) struct Event {
    pub(crate) info: String,
    pub(crate) org: String,
    pub(crate) threat_level: u8,
    pub(crate) tags: Vec<String>,
    pub(crate) published: bool,
    pub(crate) timestamp: u64,
    pub(crate) foreign: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct Attribute {
    pub(crate) event: u64,
    pub(crate) kind: String,
    pub(crate) value: String,
    pub(crate) to_ids: bool,
    pub(crate) deleted: bool,
    pub(crate) timestamp: u64,
    pub(crate) tags: Vec<String>,
    /// As MISP writes it.
    pub(crate) first_seen: Option<String>,
    pub(crate) last_seen: Option<String>,
}

/// What is answered in place of the truth, once.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// Status, further headers, body.
    Say(String, String),
    /// The answer breaks off after so many bytes.
    CutAfter(usize),
    /// Nothing until the client goes away.
    Hang,
    /// The body of the request was lost on the way: an unfiltered search.
    Unfiltered,
}

#[derive(Debug, Default)]
pub(crate) struct Store {
    /// Connections are closed without an answer.
    pub(crate) down: bool,
    /// The clock, in Unix seconds.
    pub(crate) now: u64,
    pub(crate) events: BTreeMap<u64, Event>,
    pub(crate) attributes: BTreeMap<u64, Attribute>,
    /// Values on an enabled warninglist.
    pub(crate) warned: BTreeSet<String>,
    /// Values on the allowedlist, which are left out without a word.
    pub(crate) allowed: BTreeSet<String>,
    /// The feeds, as they are stored.
    pub(crate) feeds: BTreeMap<u64, Value>,
    /// What the server gets when it fetches these addresses.
    pub(crate) lists: BTreeMap<String, Vec<String>>,
    /// The tags there are; others are unknown.
    pub(crate) tags: BTreeSet<String>,
    /// The warninglists with their entries.
    pub(crate) warninglists: BTreeMap<u64, Value>,
    /// Sightings: value, type.
    pub(crate) sightings: Vec<(String, String)>,
    /// What was said of attributes: of which, as what (0, 1, 2), and when.
    pub(crate) told: Vec<(u64, u8, u64)>,
    /// Faults of the next requests to these paths.
    pub(crate) faults: VecDeque<(String, Fault)>,
    /// What was asked: path, and body.
    pub(crate) log: Vec<(String, Value)>,
    next: u64,
}

impl Store {
    pub(crate) fn add_event(&mut self, info: &str, level: u8, tags: &[&str]) -> u64 {
        self.next += 1;
        let event = Event {
            info: info.to_owned(),
            org: "ORG".to_owned(),
            threat_level: level,
            tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
            published: true,
            timestamp: self.now,
            foreign: false,
        };
        self.events.insert(self.next, event);
        self.next
    }

    pub(crate) fn add(&mut self, event: u64, kind: &str, value: &str) -> u64 {
        self.touch(event);
        self.next += 1;
        let attribute = Attribute {
            event,
            kind: kind.to_owned(),
            value: value.to_owned(),
            to_ids: true,
            deleted: false,
            timestamp: self.now,
            tags: Vec::new(),
            first_seen: None,
            last_seen: None,
        };
        self.attributes.insert(self.next, attribute);
        self.next
    }

    fn touch(&mut self, event: u64) {
        let now = self.now;
        self.events.get_mut(&event).unwrap().timestamp = now;
    }

    pub(crate) fn edit(&mut self, id: u64, change: impl FnOnce(&mut Attribute)) {
        let now = self.now;
        let attribute = self.attributes.get_mut(&id).unwrap();
        change(attribute);
        attribute.timestamp = now;
        let event = attribute.event;
        self.touch(event);
    }

    pub(crate) fn delete(&mut self, id: u64) {
        self.edit(id, |attribute| attribute.deleted = true);
    }

    /// For good: no search finds a trace of it.
    pub(crate) fn delete_hard(&mut self, id: u64) {
        let event = self.attributes.remove(&id).unwrap().event;
        self.touch(event);
    }

    pub(crate) fn delete_event(&mut self, id: u64) {
        self.events.remove(&id).unwrap();
        self.attributes.retain(|_, attribute| attribute.event != id);
    }

    pub(crate) fn tag_event(&mut self, id: u64, tag: &str) {
        self.events.get_mut(&id).unwrap().tags.push(tag.to_owned());
        self.touch(id);
    }

    fn live(&self, event: u64) -> usize {
        self.attributes.values().filter(|a| a.event == event && !a.deleted).count()
    }

    /// The requests to paths that begin so.
    pub(crate) fn count(&self, path: &str) -> usize {
        self.log.iter().filter(|(asked, _)| asked.starts_with(path)).count()
    }
}

pub(crate) struct Misp {
    pub(crate) server: Server,
    store: Arc<Mutex<Store>>,
}

impl Misp {
    pub(crate) fn start(now: u64) -> Self {
        let store = Arc::new(Mutex::new(Store { now, ..Store::default() }));
        let answering = Arc::clone(&store);
        let server = Server::start(move |head, to| respond(&answering, head, to));
        Self { server, store }
    }

    pub(crate) fn start_tls(now: u64, config: Arc<rustls::ServerConfig>) -> Self {
        let store = Arc::new(Mutex::new(Store { now, ..Store::default() }));
        let answering = Arc::clone(&store);
        let server = Server::start_tls(config, move |head, to| respond(&answering, head, to));
        Self { server, store }
    }

    pub(crate) fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap()
    }
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

fn respond(store: &Mutex<Store>, head: &str, to: &mut dyn Connection) {
    let length = header(head, "content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    if to.read_exact(&mut body).is_err() {
        return;
    }
    // It may lie below a path.
    let path = path_of(head).trim_start_matches('/').trim_start_matches("misp/").to_owned();
    let mut store = store.lock().unwrap();
    if store.down {
        return;
    }
    let query = serde_json::from_slice(&body).unwrap_or(Value::Null);
    store.log.push((path.clone(), query.clone()));
    let fault = match store.faults.front() {
        Some((at, _)) if path.starts_with(at) => store.faults.pop_front().map(|(_, fault)| fault),
        _ => None,
    };
    let date = chrono::DateTime::from_timestamp(store.now.cast_signed(), 0).unwrap().to_rfc2822();
    let login = answer("302 Found\nLocation: http://x/users/login\nContent-Type: text/html", "");
    if header(head, "accept") != Some("application/json") {
        return say(to, login);
    }
    if header(head, "authorization") != Some(KEY) {
        return say(
            to,
            error(
                403,
                &path,
                "Authentication failed. Please make sure you pass the API key of an API enabled user along in the Authorization header.",
            ),
        );
    }
    let json = header(head, "content-type") == Some("application/json");
    if let Some(Fault::Say(head, body)) = &fault {
        return say(to, answer(head, body));
    }
    if let Some(said) = change(&mut store, &path, &query) {
        let head = "200 OK\nContent-Type: application/json; charset=UTF-8";
        return say(to, answer(head, said.to_string()));
    }
    let (found, extra) = match (&fault, path.split('/').collect::<Vec<_>>().as_slice()) {
        (Some(Fault::Hang), _) => {
            drop(store);
            return to.hang();
        }
        (Some(Fault::Unfiltered), _) => search(&store, &Value::Null),
        (_, ["servers", "getVersion"]) => {
            (json!({"version": "2.5.1", "perm_sighting": true, "uuid": ""}), String::new())
        }
        (_, ["events", "index", named @ ..]) => index(&store, named),
        (_, ["attributes", "restSearch"]) if head.starts_with("GET") => {
            return say(
                to,
                error(
                    400,
                    &path,
                    "Restsearch queries using GET and no parameters are not allowed.",
                ),
            );
        }
        (_, ["attributes", "restSearch"]) if json && !body.is_empty() && query.is_null() => {
            return say(
                to,
                error(
                    405,
                    &path,
                    "Invalid JSON input. Make sure that the JSON input is a correctly formatted JSON string.",
                ),
            );
        }
        // What is no JSON by its header is no filter.
        (_, ["attributes", "restSearch"]) => {
            search(&store, if json { &query } else { &Value::Null })
        }
        _ => return say(to, error(404, &path, "Not Found")),
    };
    drop(store);
    let head =
        format!("200 OK\nContent-Type: application/json; charset=UTF-8\nDate: {date}{extra}");
    let mut whole = answer(&head, found.to_string());
    if let Some(Fault::CutAfter(length)) = fault {
        whole.truncate(length);
    }
    say(to, whole);
}

/// What feeds, tags and events answer to changes.
fn change(store: &mut Store, path: &str, query: &Value) -> Option<Value> {
    let mut parts = path.split('/');
    let (controller, action) = (parts.next()?, parts.next().unwrap_or("index"));
    let id = parts.next().and_then(|id| id.parse::<u64>().ok()).unwrap_or(0);
    let done = |text: &str| json!({"saved": true, "success": true, "name": text, "message": text});
    Some(match (controller, action) {
        ("feeds", "index") => store.feeds.values().map(|feed| json!({"Feed": feed})).collect(),
        ("feeds", "add") => {
            let id = store.feeds.keys().last().unwrap_or(&0) + 1;
            let mut feed = json!({
                "id": id.to_string(), "event_id": "0", "headers": null, "input_source": "network",
                "cache_timestamp": false,
            });
            put_all(&mut feed, query);
            store.feeds.insert(id, feed.clone());
            json!({"Feed": feed})
        }
        ("feeds", "edit") => {
            put_all(store.feeds.get_mut(&id)?, query);
            json!({"Feed": store.feeds[&id]})
        }
        ("feeds", "enable") => {
            store.feeds.get_mut(&id)?["enabled"] = json!(true);
            json!({"name": "Feed enabled.", "message": "Feed enabled."})
        }
        ("feeds", "fetchFromFeed") => {
            let feed = store.feeds.get(&id)?.clone();
            if feed["event_id"] == "0" {
                let name = feed["name"].as_str().unwrap().to_owned();
                let event = store.add_event(&format!("{name} feed"), 4, &[]);
                store.feeds.get_mut(&id)?["event_id"] = json!(event.to_string());
                let list = store.lists.get(feed["url"].as_str().unwrap()).cloned();
                for address in list.unwrap_or_default() {
                    store.add(event, "ip-dst", &address);
                }
            }
            json!({"result": "Fetching the feed has successfully completed."})
        }
        ("feeds", "cacheFeeds") => done("Caching the feeds has successfully completed."),
        ("tags", "add") => {
            store.tags.insert(query["name"].as_str().unwrap().to_owned());
            json!({"Tag": {"id": "1", "name": query["name"]}})
        }
        ("events", "addTag") => {
            let tag = query["tag"].as_str().unwrap_or_default().to_owned();
            if !store.tags.contains(&tag) {
                return Some(json!({"saved": false, "errors": "Invalid Tag."}));
            }
            store.tag_event(id, &tag);
            store.events.get_mut(&id)?.published = false;
            json!({"saved": true, "success": "Tag added.", "check_publish": true})
        }
        ("events", "edit") => {
            let now = store.now;
            let event = store.events.get_mut(&id)?;
            event.threat_level = u8::try_from(query["threat_level_id"].as_u64()?).ok()?;
            (event.published, event.timestamp) = (false, now);
            json!({"Event": {"id": id.to_string()}})
        }
        ("events", "publish") => {
            store.events.get_mut(&id)?.published = true;
            done("Event published without alerts")
        }
        ("warninglists", "index") => {
            let list = |list: &Value| {
                let mut list = list.clone();
                list.as_object_mut().unwrap().remove("WarninglistEntry");
                json!({"Warninglist": list})
            };
            json!({"Warninglists": store.warninglists.values().map(list).collect::<Vec<_>>()})
        }
        ("warninglists", "export") => {
            let list = store.warninglists.get(&id)?;
            let values: Vec<_> = list["WarninglistEntry"].as_array()?.clone();
            json!({
                "name": list["name"], "type": list["type"], "version": list["version"],
                "matching_attributes": ["ip-src", "ip-dst"], "list": values,
            })
        }
        ("sightings", "restSearch") => {
            let last = query["last"].as_str()?.strip_suffix('d')?.parse::<u64>().ok()?;
            let from = store.now - last * 86_400;
            let said = store.told.iter().enumerate().filter(|(_, (.., at))| *at >= from);
            let said = said.map(|(place, (attribute, kind, at))| {
                json!({"Sighting": {
                    "id": (place + 1).to_string(), "attribute_id": attribute.to_string(),
                    "type": kind.to_string(), "date_sighting": at.to_string(), "source": "",
                }})
            });
            json!({"response": said.collect::<Vec<_>>()})
        }
        ("sightings", "add") => {
            let stored: BTreeSet<&str> = store
                .attributes
                .values()
                .filter(|a| !a.deleted)
                .map(|a| a.value.as_str())
                .collect();
            let of_id = query["id"].as_u64().and_then(|id| store.attributes.get(&id));
            let values = query["values"].as_array().cloned().unwrap_or_default();
            let asked = values.iter().filter_map(Value::as_str).filter(|v| !v.contains('|'));
            let asked: Vec<_> = asked.chain(of_id.map(|a| a.value.as_str())).collect();
            let kind = query["type"].as_str().unwrap_or("0").to_owned();
            let hits: Vec<_> = asked
                .iter()
                .filter(|value| stored.contains(*value))
                .map(|value| ((*value).to_owned(), kind.clone()))
                .collect();
            if hits.is_empty() {
                return Some(
                    json!({"message": "Could not add the Sighting. Reason: No valid attributes found that match the criteria."}),
                );
            }
            store.sightings.extend(hits);
            json!({"Sighting": {"id": "1", "type": kind}})
        }
        _ => return None,
    })
}

/// Puts the members of `{"Feed": …}`, or of what stands for it, into a feed.
fn put_all(feed: &mut Value, query: &Value) {
    for (key, value) in query.get("Feed").unwrap_or(query).as_object().unwrap() {
        let flag = ["enabled", "fixed_event", "delta_merge", "caching_enabled", "publish"];
        feed[key] = match value {
            Value::Number(number) if flag.contains(&key.as_str()) => {
                json!(number.as_u64() == Some(1))
            }
            // It is a text in the answers.
            value if key == "settings" => json!(value.to_string()),
            value => value.clone(),
        };
    }
}

pub(crate) fn error(status: u16, path: &str, message: &str) -> Vec<u8> {
    let body = json!({"name": message, "message": message, "url": format!("/{path}")});
    answer(&format!("{status} X\nContent-Type: application/json"), body.to_string())
}

fn index(store: &Store, named: &[&str]) -> (Value, String) {
    let number = |name: &str| {
        let of = |part: &&str| part.strip_prefix(name)?.strip_prefix(':')?.parse::<usize>().ok();
        named.iter().find_map(of)
    };
    let limit = number("limit").unwrap_or(usize::MAX);
    let skip = limit.saturating_mul(number("page").unwrap_or(1).saturating_sub(1));
    let mut counts: BTreeMap<u64, u64> = BTreeMap::new();
    for attribute in store.attributes.values().filter(|a| !a.deleted) {
        *counts.entry(attribute.event).or_default() += 1;
    }
    let list: Vec<_> = store
        .events
        .iter()
        .skip(skip)
        .take(limit)
        .map(|(id, event)| {
            let tags: Vec<_> = event
                .tags
                .iter()
                .map(|tag| json!({"local": false, "Tag": {"id": "1", "name": tag}}))
                .collect();
            json!({
                "id": id.to_string(), "info": event.info, "uuid": uuid(*id),
                "published": event.published, "locked": event.foreign,
                "attribute_count": counts.get(id).unwrap_or(&0).to_string(),
                "timestamp": event.timestamp.to_string(),
                "threat_level_id": event.threat_level.to_string(),
                "Orgc": {"id": "1", "name": event.org}, "EventTag": tags,
            })
        })
        .collect();
    (Value::Array(list), format!("\nX-Result-Count: {}", store.events.len()))
}

pub(crate) fn uuid(id: u64) -> String {
    format!("00000000-0000-4000-8000-{id:012x}")
}

/// Strings and numbers alike, alone or in a list; `None` where nothing is said.
fn list(query: &Value, key: &str) -> Option<Vec<String>> {
    let text = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    match query.get(key)? {
        Value::Array(values) if values.is_empty() => None,
        Value::Array(values) => Some(values.iter().filter_map(text).collect()),
        // JSON's false is no filter.
        value => text(value).map(|one| vec![one]),
    }
}

fn search(store: &Store, query: &Value) -> (Value, String) {
    let wrapped = query.get("request").unwrap_or(query);
    let query = wrapped;
    let flag = |key: &str| {
        list(query, key).is_some_and(|v| v != ["0"]) || query.get(key) == Some(&json!(true))
    };
    let (types, events) = (list(query, "type"), list(query, "eventid"));
    let values = list(query, "value");
    let since = list(query, "timestamp").and_then(|v| v.first()?.parse::<u64>().ok());
    let deleted = list(query, "deleted").unwrap_or_else(|| vec!["0".to_owned()]);
    let mut found: Vec<_> = store
        .attributes
        .iter()
        .filter(|(_, a)| types.as_ref().is_none_or(|types| types.contains(&a.kind)))
        .filter(|(_, a)| events.as_ref().is_none_or(|ids| ids.contains(&a.event.to_string())))
        .filter(|(_, a)| {
            // A part or the whole of what has one part; the whole of a composite value is none.
            values
                .as_ref()
                .is_none_or(|v| a.value.split('|').any(|part| v.iter().any(|x| x == part)))
        })
        .filter(|(_, a)| since.is_none_or(|since| a.timestamp >= since))
        .filter(|(_, a)| deleted.contains(&u8::from(a.deleted).to_string()))
        .collect();
    if query.get("order") != Some(&json!("Attribute.id asc")) {
        // As an index has them, which nobody should rely on.
        found.sort_by_key(|(id, a)| (a.value.len(), *id));
    }
    let limit = list(query, "limit").and_then(|v| v.first()?.parse::<usize>().ok());
    let limit = limit.filter(|limit| *limit > 0);
    let page = list(query, "page").and_then(|v| v.first()?.parse::<usize>().ok()).unwrap_or(1);
    let total = found.len();
    let rows: Vec<_> = match limit {
        Some(limit) => found.into_iter().skip(limit * (page.max(1) - 1)).take(limit).collect(),
        None => found,
    };
    let count = match limit {
        None => total,
        Some(_) if rows.is_empty() => 1,
        Some(limit) if rows.len() == limit => limit + 1,
        Some(_) => rows.len(),
    };
    let (mut skipped, mut out) = (0, Vec::new());
    for (id, a) in rows {
        let address = a.value.split('|').next_back().unwrap().to_owned();
        if flag("enforceWarninglist") && a.to_ids && store.warned.contains(&address) {
            skipped += 1;
            continue;
        }
        if store.allowed.contains(&a.value) {
            continue;
        }
        let mut row = json!({
            "id": id.to_string(), "event_id": a.event.to_string(), "type": a.kind,
            "value": a.value, "to_ids": a.to_ids, "deleted": a.deleted,
            "timestamp": a.timestamp.to_string(), "uuid": uuid(*id), "comment": "",
            "first_seen": a.first_seen, "last_seen": a.last_seen,
            "Event": {"id": a.event.to_string(), "info": "x"},
        });
        if !a.tags.is_empty() {
            let tag = |name| json!({"id": "1", "name": name, "local": false, "is_galaxy": false});
            row["Tag"] = a.tags.iter().map(tag).collect();
        }
        out.push(row);
    }
    let mut headers = format!("\nX-Result-Count: {count}");
    let _ = write!(headers, "\nX-Skipped-Elements-Count: {skipped}");
    (json!({"response": {"Attribute": out}}), headers)
}

impl Store {
    /// What a client that counts published events and detection only has to hold, by event.
    pub(crate) fn expected(&self) -> BTreeMap<String, BTreeSet<String>> {
        let mut expected: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for attribute in self.attributes.values() {
            let event = &self.events[&attribute.event];
            let counts = ["ip-src", "ip-dst", "ip-src|port", "ip-dst|port", "domain|ip"]
                .contains(&attribute.kind.as_str());
            if !counts || attribute.deleted || !attribute.to_ids || !event.published {
                continue;
            }
            let address = match attribute.kind.as_str() {
                "domain|ip" => attribute.value.split('|').nth(1).unwrap(),
                _ => attribute.value.split('|').next().unwrap(),
            };
            let set = expected.entry(format!("misp.{}", uuid(attribute.event))).or_default();
            set.insert(address.parse::<artif_core::Prefix>().unwrap().to_string());
        }
        expected
    }

    pub(crate) fn events_with(&self, event: u64) -> usize {
        self.live(event)
    }
}
