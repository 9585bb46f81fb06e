//! The JSON form of an answer, with the names of the seed system's.

use chrono::{DateTime, Utc};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::{Held, Reputation};
use crate::geo::Country;
use crate::snapshot::SnapshotFeed;
use crate::warninglist::Action;

#[derive(Serialize)]
struct Metadata<'a> {
    asn: Option<String>,
    country: Option<&'a str>,
    org: Option<&'a str>,
}

#[derive(Serialize)]
struct OnList<'a> {
    name: &'a str,
    category: Option<&'a str>,
    action: Option<Action>,
}

impl<'a> OnList<'a> {
    fn of(list: &'a SnapshotFeed) -> Self {
        let facts = list.warninglist.as_ref();
        Self {
            name: &list.name,
            category: facts.map(|facts| facts.category.as_str()),
            action: facts.map(|facts| facts.action),
        }
    }
}

#[derive(Serialize)]
struct SnapshotRef {
    id: u64,
    created: DateTime<Utc>,
    stale: bool,
}

impl<H: Held> Serialize for Reputation<H> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        self.serialize_fields(&mut map)?;
        map.end()
    }
}

impl<H: Held> Reputation<H> {
    /// The fields of the JSON form, for this answer and for an explanation around it.
    pub(crate) fn serialize_fields<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
        map.serialize_entry("ip", &self.ip())?;
        map.serialize_entry("is_IoC", &self.is_ioc())?;
        map.serialize_entry("is_Active", &self.is_active())?;
        map.serialize_entry("historical", &self.is_historical())?;
        map.serialize_entry(
            "metadata",
            &Metadata {
                asn: self.asn().map(|asn| format!("AS{asn}")),
                country: self.country().as_ref().map(Country::as_str),
                org: self.organisation(),
            },
        )?;
        map.serialize_entry("score", &self.score())?;
        map.serialize_entry("risk", &self.risk())?;
        map.serialize_entry("description", &self.description())?;
        map.serialize_entry("blacklists", &self.feeds().map(|f| &f.name).collect::<Vec<_>>())?;
        map.serialize_entry("labels", &self.labels().map(|f| &f.name).collect::<Vec<_>>())?;
        map.serialize_entry(
            "warninglists",
            &self.warninglists().map(OnList::of).collect::<Vec<_>>(),
        )?;
        map.serialize_entry("type", &self.categories())?;
        map.serialize_entry("verdict", &self.verdict())?;
        map.serialize_entry("first_seen", &self.first_seen())?;
        map.serialize_entry("last_seen", &self.last_seen())?;
        map.serialize_entry("override", &self.override_entry())?;
        map.serialize_entry("special_purpose", &self.special_purpose().map(|block| block.name))?;
        if self.is_moved() {
            map.serialize_entry("signals", &self.signals())?;
        }
        map.serialize_entry(
            "snapshot",
            &SnapshotRef {
                id: self.snapshot_id(),
                created: self.view().created(),
                stale: self.is_stale(),
            },
        )
    }
}
