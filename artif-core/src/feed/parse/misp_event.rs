//! Events in the MISP core format, read for the addresses in them.

use std::fmt;
use std::io::BufRead;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};

use super::collect::{Collector, Indicator};
use super::json::{Bounded, json_error};
use super::report::SkipReason;
use super::token::Reader;
use super::{ParseLimits, SkipSample};
use crate::category::ThreatLevel;
use crate::error::{Result, excerpt};
use crate::feed::FeedId;
use crate::feed::lenient::Lenient;
use crate::net::Prefix;

/// A MISP event, as far as an IP-reputation engine cares.
///
/// ```
/// use artif_core::feed::parse_misp_event;
///
/// let json = br#"{"Event": {"uuid": "5c8f", "info": "a campaign", "threat_level_id": "2",
///     "Attribute": [{"type": "domain|ip", "value": "evil.example|192.0.2.1", "to_ids": true}]}}"#;
/// let event = parse_misp_event(&"misp".parse().unwrap(), &mut &json[..]).unwrap();
/// assert_eq!((&*event.info, event.threat_level.number()), ("a campaign", 2));
/// assert_eq!(event.attributes[0].prefix.to_string(), "192.0.2.1/32");
/// ```
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[non_exhaustive]
pub struct MispEvent {
    /// Its UUID, empty where missing.
    pub uuid: String,
    /// Its title.
    pub info: String,
    /// Its threat level; undefined where missing.
    pub threat_level: ThreatLevel,
    /// The organisation that created it, else the one that owns it.
    pub org: Option<String>,
    /// The names of its tags.
    pub tags: Vec<String>,
    /// Its date, `YYYY-MM-DD`.
    pub date: Option<String>,
    /// Whether it is published.
    pub published: bool,
    /// When it was changed last, in Unix seconds.
    pub timestamp: Option<i64>,
    /// The attributes that hold addresses, those in objects included, deleted ones left out.
    pub attributes: Vec<MispAttribute>,
    /// How many address attributes are marked as deleted.
    pub deleted: u64,
    /// How many address attributes hold something else.
    pub unreadable: u64,
    /// The first of those.
    #[serde(skip)]
    samples: Vec<SkipSample>,
}

/// An attribute of a MISP event that holds an address or network.
///
/// ```
/// # use artif_core::feed::parse_misp_event;
/// let json = br#"{"Attribute": [{"type": "ip-dst|port", "value": "192.0.2.1|443",
///     "first_seen": "2024-01-01T00:00:00.000000+00:00"}]}"#;
/// let event = parse_misp_event(&"misp".parse().unwrap(), &mut &json[..]).unwrap();
/// assert_eq!(event.attributes[0].kind, "ip-dst|port");
/// assert_eq!(event.attributes[0].first_seen, Some(1_704_067_200));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct MispAttribute {
    /// The address or network, without port or domain.
    pub prefix: Prefix,
    /// MISP's type: `ip-src`, `ip-dst`, either with `|port`, or `domain|ip`.
    pub kind: &'static str,
    /// Its UUID, empty where missing.
    pub uuid: String,
    /// Whether it is meant for detection.
    pub to_ids: bool,
    /// Unix seconds.
    pub first_seen: Option<i64>,
    /// Unix seconds.
    pub last_seen: Option<i64>,
    /// When it was changed last, in Unix seconds.
    pub timestamp: Option<i64>,
    /// The comment, where there is one.
    pub comment: Option<String>,
}

/// The types whose value is an address, or ends or begins with one.
pub(crate) const TYPES: [&str; 5] = ["ip-src", "ip-dst", "ip-src|port", "ip-dst|port", "domain|ip"];

/// Reads one MISP event: bare, as `{"Event": …}`, or as the only one in a list or `{"response": …}`.
///
/// Numbers may be written as text and truth values as 1 or "1". The feed is named in errors: JSON
/// that is none, no event, several events.
///
/// ```
/// # use artif_core::feed::parse_misp_event;
/// let id = "misp".parse().unwrap();
/// assert!(parse_misp_event(&id, &mut &b"[]"[..]).is_err());
/// assert!(parse_misp_event(&id, &mut &br#"{"Event": {"info": "x"}}"#[..]).is_ok());
/// ```
pub fn parse_misp_event(feed: &FeedId, input: &mut dyn BufRead) -> Result<MispEvent> {
    let limits = ParseLimits::default();
    let out = Collector::new(feed, &limits);
    let mut events = read(&out, input)?;
    match (events.pop(), events.len()) {
        (Some(event), 0) => Ok(event),
        (None, _) => Err(out.fail(None, "there is no MISP event in it")),
        (Some(_), more) => {
            Err(out.fail(None, format!("one MISP event expected, {} are there", more + 1)))
        }
    }
}

pub(super) fn events(
    out: &mut Collector<'_>,
    to_ids_only: bool,
    input: &mut dyn BufRead,
) -> Result<()> {
    let events = read(out, input)?;
    if events.is_empty() {
        return Err(out.fail(None, "there is no MISP event in it"));
    }
    if let [event] = events.as_slice() {
        let facts = [
            ("uuid", Some(&event.uuid)),
            ("info", Some(&event.info)),
            ("date", event.date.as_ref()),
            ("org", event.org.as_ref()),
        ];
        for (key, value) in facts {
            if let Some(value) = value.filter(|value| !value.is_empty()) {
                out.report.header.insert(key.to_owned(), excerpt(value));
            }
        }
    }
    for event in events {
        let before = out.report.lines;
        out.report.lines += event.attributes.len() as u64 + event.deleted + event.unreadable;
        for (reason, count) in
            [(SkipReason::Deleted, event.deleted), (SkipReason::NotAnIndicator, event.unreadable)]
        {
            if count > 0 {
                *out.report.skipped.entry(reason).or_insert(0) += count;
            }
        }
        let room = out.limits.samples.saturating_sub(out.report.samples.len());
        out.report.samples.extend(event.samples.into_iter().take(room).map(|mut sample| {
            sample.line += before;
            sample
        }));
        for (number, attribute) in (before + 1..).zip(event.attributes) {
            let written = attribute.prefix.to_string();
            out.report.recognised += 1;
            if to_ids_only && !attribute.to_ids {
                out.report.recognised -= 1;
                out.skip(number, SkipReason::Filtered, written.as_bytes());
            } else {
                out.add(number, Indicator::Net(attribute.prefix), written.as_bytes())?;
            }
        }
    }
    Ok(())
}

/// Reads the addresses out of attributes' values, whatever port or domain stands beside them.
#[derive(Debug, Default)]
pub(crate) struct Addresses(Reader);

impl Addresses {
    /// The type, where it is one of an address, and the network, where the value holds one.
    pub(crate) fn read(
        &mut self,
        kind: &str,
        value: &str,
    ) -> Option<(&'static str, Option<Prefix>)> {
        let kind = TYPES.into_iter().find(|known| *known == kind)?;
        let parts = value.split_once('|');
        let address = match kind {
            "domain|ip" => parts.map(|(_, address)| address),
            _ => Some(parts.map_or(value, |(address, _)| address)),
        };
        let read = address.and_then(|address| self.0.read(address.trim().as_bytes()).ok());
        match read {
            Some(Indicator::Net(prefix)) => Some((kind, Some(prefix))),
            _ => Some((kind, None)),
        }
    }
}

fn read(out: &Collector<'_>, input: &mut dyn BufRead) -> Result<Vec<MispEvent>> {
    let bounded = Bounded::after_mark(input).map_err(|error| out.read_error(&error))?;
    let mut json = serde_json::Deserializer::from_reader(bounded);
    let events = Events::deserialize(&mut json).and_then(|events| json.end().map(|()| events.0));
    events.map_err(|error| json_error(out, &error))
}

/// Events in whatever envelope.
#[derive(Default)]
struct Events(Vec<MispEvent>);

impl<'de> Deserialize<'de> for Events {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Envelope;
        impl<'de> Visitor<'de> for Envelope {
            type Value = Events;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a MISP event")
            }

            fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Events, A::Error> {
                let raw = RawEvent::deserialize(MapAccessDeserializer::new(members))?;
                Ok(raw.into_events())
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Events, A::Error> {
                let mut events = Vec::new();
                while let Some(Events(more)) = elements.next_element()? {
                    events.extend(more);
                }
                Ok(Events(events))
            }

            fn visit_unit<E: serde::de::Error>(self) -> Result<Events, E> {
                Ok(Events::default())
            }
        }
        deserializer.deserialize_any(Envelope)
    }
}

/// An object that is an event, or holds some.
#[derive(Default, Deserialize)]
#[serde(default)]
struct RawEvent {
    #[serde(rename = "Event")]
    event: Events,
    response: Events,
    uuid: Lenient,
    info: Lenient,
    threat_level_id: Lenient,
    date: Lenient,
    published: Lenient,
    timestamp: Lenient,
    #[serde(rename = "Orgc")]
    creator: Option<Named>,
    #[serde(rename = "Org")]
    owner: Option<Named>,
    #[serde(rename = "Tag")]
    tags: Option<Vec<Named>>,
    #[serde(rename = "Attribute")]
    attributes: Attributes,
    #[serde(rename = "Object")]
    objects: Option<Vec<RawObject>>,
}

impl RawEvent {
    fn into_events(self) -> Events {
        let mut events = self.event.0;
        events.extend(self.response.0);
        let is_event = self.uuid.0.is_some() || self.info.0.is_some() || self.attributes.present;
        if is_event {
            let mut attributes = self.attributes;
            for object in self.objects.unwrap_or_default() {
                attributes.append(object.attributes);
            }
            let level = self.threat_level_id.number().and_then(|n| u8::try_from(n).ok());
            let name = |org: Option<Named>| org.and_then(|org| org.name.0);
            events.push(MispEvent {
                uuid: self.uuid.0.unwrap_or_default(),
                info: self.info.0.unwrap_or_default(),
                threat_level: level.and_then(|n| ThreatLevel::new(n).ok()).unwrap_or_default(),
                org: name(self.creator).or_else(|| name(self.owner)),
                tags: self.tags.unwrap_or_default().into_iter().filter_map(|t| t.name.0).collect(),
                published: self.published.flag(),
                timestamp: self.timestamp.number(),
                date: self.date.0,
                attributes: attributes.found,
                deleted: attributes.deleted,
                unreadable: attributes.unreadable,
                samples: attributes.samples,
            });
        }
        Events(events)
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Named {
    name: Lenient,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawObject {
    #[serde(rename = "Attribute")]
    attributes: Attributes,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawAttribute {
    #[serde(rename = "type")]
    kind: Lenient,
    value: Lenient,
    uuid: Lenient,
    to_ids: Lenient,
    deleted: Lenient,
    first_seen: Lenient,
    last_seen: Lenient,
    timestamp: Lenient,
    comment: Lenient,
}

/// Attributes of an event or object; those that hold no address are dropped as they come.
#[derive(Default)]
struct Attributes {
    present: bool,
    found: Vec<MispAttribute>,
    deleted: u64,
    unreadable: u64,
    samples: Vec<SkipSample>,
}

impl Attributes {
    fn take(&mut self, addresses: &mut Addresses, raw: RawAttribute) {
        let value = raw.value.0.unwrap_or_default();
        let kind = raw.kind.0.unwrap_or_default();
        let Some((kind, read)) = addresses.read(&kind, &value) else { return };
        let reason = match read {
            _ if raw.deleted.flag() => {
                self.deleted += 1;
                SkipReason::Deleted
            }
            Some(prefix) => {
                self.found.push(MispAttribute {
                    prefix,
                    kind,
                    uuid: raw.uuid.0.unwrap_or_default(),
                    to_ids: raw.to_ids.flag(),
                    first_seen: raw.first_seen.time(),
                    last_seen: raw.last_seen.time(),
                    timestamp: raw.timestamp.number(),
                    comment: raw.comment.0.filter(|comment| !comment.is_empty()),
                });
                return;
            }
            None => {
                self.unreadable += 1;
                SkipReason::NotAnIndicator
            }
        };
        if self.samples.len() < ParseLimits::default().samples {
            let line = self.found.len() as u64 + self.deleted + self.unreadable;
            self.samples.push(SkipSample { line, reason, excerpt: excerpt(&value) });
        }
    }

    fn append(&mut self, other: Self) {
        self.found.extend(other.found);
        self.deleted += other.deleted;
        self.unreadable += other.unreadable;
        self.samples.extend(other.samples);
    }
}

impl<'de> Deserialize<'de> for Attributes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List;
        impl<'de> Visitor<'de> for List {
            type Value = Attributes;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of MISP attributes")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Attributes, A::Error> {
                let mut attributes = Attributes { present: true, ..Attributes::default() };
                let mut addresses = Addresses::default();
                while let Some(raw) = elements.next_element()? {
                    attributes.take(&mut addresses, raw);
                }
                Ok(attributes)
            }

            fn visit_unit<E: serde::de::Error>(self) -> Result<Attributes, E> {
                Ok(Attributes::default())
            }
        }
        deserializer.deserialize_any(List)
    }
}
