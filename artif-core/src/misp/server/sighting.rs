//! Saying on a server what was seen here.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Problem;
use super::client::Client;
use super::state::Folder;
use crate::clock::Seconds;
use crate::config::{Config, Misp};
use crate::error::{Error, Result};
use crate::feed::{FeedId, MISP_TYPES};
use crate::net::canonical_address;

/// Values in one request.
const BATCH: usize = 200;
/// The same is not said again for so many seconds.
const AGAIN: Seconds = 3600;
/// Values that are remembered as said.
const REMEMBERED: usize = 100_000;
const FILE: &str = "sightings.json";

/// What is said of an address.
///
/// ```
/// use artif_core::misp::SightingKind;
/// assert_eq!(serde_json::to_string(&SightingKind::FalsePositive).unwrap(), "\"false-positive\"");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum SightingKind {
    /// It was met, and was what its listing says.
    Seen,
    /// It was met, and was harmless.
    FalsePositive,
}

impl SightingKind {
    /// As MISP numbers it.
    fn number(self) -> &'static str {
        match self {
            Self::Seen => "0",
            Self::FalsePositive => "1",
        }
    }
}

/// What became of sightings on one server.
///
/// ```
/// # fn show(sent: &artif_core::misp::Sighted) {
/// println!("{} of {} are listed there", sent.listed, sent.asked);
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Sighted {
    /// The server's id in the configuration.
    pub server: FeedId,
    /// Different addresses that were to be said.
    pub asked: u64,
    /// Those left out as they were said within the last hour.
    pub repeated: u64,
    /// Those that the server lists as attributes of their own.
    pub listed: u64,
    /// Attributes and values for which a sighting was taken.
    pub sent: u64,
    /// Requests sent.
    pub requests: u64,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Said {
    /// When a value was said, by kind and value.
    at: BTreeMap<String, Seconds>,
}

/// Says of the addresses that they were seen, or were false positives. Those that are no attribute
/// there are passed over.
///
/// MISP compares with the value as it is stored, and not with parts of composite ones: so the server
/// is asked first how it writes them.
fn send(
    client: &Client<'_>,
    server: &FeedId,
    folder: &Folder,
    addresses: &[IpAddr],
    kind: SightingKind,
    now: Seconds,
) -> Result<Sighted> {
    let mut said: Said = folder.load_file(FILE);
    said.at.retain(|_, at| now.saturating_sub(*at) < AGAIN && *at <= now);
    let key = |value: &str| format!("{} {value}", kind.number());
    let all: BTreeSet<String> =
        addresses.iter().map(|address| canonical_address(*address).to_string()).collect();
    let asked = all.len() as u64;
    let fresh: Vec<String> =
        all.into_iter().filter(|value| !said.at.contains_key(&key(value))).collect();
    let mut done = Sighted {
        server: server.clone(),
        asked,
        repeated: asked - fresh.len() as u64,
        listed: 0,
        sent: 0,
        requests: 0,
    };
    for batch in fresh.chunks(BATCH) {
        let Stored { values, composites, listed } = stored(client, batch)?;
        done.listed += listed;
        if !values.is_empty() {
            let body = json!({
                "values": values, "type": kind.number(), "source": "artif", "timestamp": now,
            });
            if taken(client, &body)? {
                done.sent += values.len() as u64;
            }
        }
        for id in composites {
            let body = json!({
                "id": id, "type": kind.number(), "source": "artif", "timestamp": now,
            });
            done.sent += u64::from(taken(client, &body)?);
        }
        // Also of what is not there, so that it is not asked for over and over.
        if said.at.len() + batch.len() <= REMEMBERED {
            said.at.extend(batch.iter().map(|value| (key(value), now)));
        }
        folder.create()?;
        folder.save_file(FILE, &said)?;
    }
    done.requests = client.requests();
    Ok(done)
}

/// The same for every server of the configuration that wants to hear of it.
pub(crate) fn send_all(
    config: &Config,
    data: &Path,
    addresses: &[IpAddr],
    kind: SightingKind,
    now: Seconds,
    cancel: &AtomicBool,
) -> Result<Vec<Sighted>> {
    let servers = config.misp.iter().filter(|server| server.enabled && server.sightings);
    let one = |server: &Misp| {
        let client = Client::new(server, &config.fetch, cancel)?;
        send(&client, &server.id, &Folder::of(data, &server.id), addresses, kind, now)
    };
    servers.map(one).collect()
}

/// How the server writes what was asked for.
#[derive(Default)]
struct Stored {
    values: BTreeSet<String>,
    /// Ids of attributes whose value is more than the address.
    composites: BTreeSet<u64>,
    listed: u64,
}

fn stored(client: &Client<'_>, addresses: &[String]) -> Result<Stored> {
    let doing = "looking up what was seen";
    let body = json!({
        "returnFormat": "json", "type": MISP_TYPES, "value": addresses,
        "order": "Attribute.id asc",
    });
    let said = client.small(doing, "attributes/restSearch", Some(&body))?;
    let rows = said.pointer("/response/Attribute").and_then(Value::as_array);
    let wanted: BTreeSet<IpAddr> = addresses.iter().filter_map(|text| text.parse().ok()).collect();
    let mut found = Stored::default();
    let mut listed = BTreeSet::new();
    for row in rows.map(Vec::as_slice).unwrap_or_default() {
        let Some(value) = row.get("value").and_then(Value::as_str) else { continue };
        let address = |text: &str| text.parse().ok().map(canonical_address);
        let parts = value.split('|').filter_map(address);
        let hits: Vec<IpAddr> = parts.filter(|address| wanted.contains(address)).collect();
        if hits.is_empty() {
            // A search whose filter was lost finds everything.
            return Err(client.unfiltered(doing, value));
        }
        listed.extend(hits);
        let id = row
            .get("id")
            .and_then(|id| id.as_u64().or_else(|| id.as_str().and_then(|text| text.parse().ok())));
        match (value.contains('|'), id) {
            (false, _) => drop(found.values.insert(value.to_owned())),
            (true, Some(id)) => drop(found.composites.insert(id)),
            (true, None) => {}
        }
    }
    found.listed = listed.len() as u64;
    Ok(found)
}

/// Whether the server took a sighting: it may have lost the attribute meanwhile.
fn taken(client: &Client<'_>, body: &Value) -> Result<bool> {
    match client.write("adding a sighting", "sightings/add", body) {
        Ok(_) => Ok(true),
        Err(Error::Misp { problem: Problem::NotDone | Problem::NotFound, .. }) => Ok(false),
        Err(error) => Err(error),
    }
}
