//! Events as the index lists them, without their attributes.

use std::fmt;
use std::io::BufRead;

use serde::de::{DeserializeSeed, Deserializer, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};

use super::page::Unreadable;
use crate::category::ThreatLevel;
use crate::error::excerpt;
use crate::feed::lenient::Lenient;

/// What is known of an event, and kept from sync to sync.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Event {
    pub(crate) id: u64,
    pub(crate) uuid: String,
    pub(crate) info: String,
    pub(crate) threat_level: u8,
    /// The organisation that created it.
    pub(crate) org: String,
    pub(crate) tags: Vec<String>,
    pub(crate) published: bool,
    /// When it was changed last, in Unix seconds.
    pub(crate) timestamp: u32,
    /// Its attributes of any type, without those deleted.
    pub(crate) attributes: u64,
    /// It came from another server: what changed there may bear times from before.
    pub(crate) foreign: bool,
}

impl Event {
    pub(crate) fn level(&self) -> ThreatLevel {
        ThreatLevel::new(self.threat_level).unwrap_or_default()
    }
}

/// Calls `visit` for each event of a page of the index: a list of events, bare or each as
/// `{"Event": …}`, or an empty object.
pub(crate) fn index(input: impl BufRead, visit: impl FnMut(Event)) -> Result<(), Unreadable> {
    let mut json = serde_json::Deserializer::from_reader(input);
    List(visit).deserialize(&mut json).and_then(|()| json.end())?;
    Ok(())
}

struct List<F>(F);

impl<'de, F: FnMut(Event)> DeserializeSeed<'de> for List<F> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de, F: FnMut(Event)> Visitor<'de> for List<F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of events")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut elements: A) -> Result<(), A::Error> {
        while let Some(RawEvent { event, bare }) = elements.next_element()? {
            let event = event.unwrap_or(bare).into_event();
            // Without an id nothing of it can be asked for.
            if event.id != 0 {
                (self.0)(event);
            }
        }
        Ok(())
    }
}

#[derive(Deserialize)]
struct RawEvent {
    #[serde(rename = "Event")]
    event: Option<Fields>,
    #[serde(flatten)]
    bare: Fields,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Fields {
    id: Lenient,
    uuid: Lenient,
    info: Lenient,
    threat_level_id: Lenient,
    published: Lenient,
    locked: Lenient,
    timestamp: Lenient,
    attribute_count: Lenient,
    #[serde(rename = "Orgc")]
    creator: Option<Named>,
    #[serde(rename = "Org")]
    owner: Option<Named>,
    #[serde(rename = "EventTag")]
    event_tags: Option<Vec<EventTag>>,
    #[serde(rename = "Tag")]
    tags: Option<Vec<Named>>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Named {
    name: Lenient,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct EventTag {
    #[serde(rename = "Tag")]
    tag: Option<Named>,
}

impl Fields {
    fn into_event(self) -> Event {
        let number = |field: &Lenient| field.number().and_then(|n| u64::try_from(n).ok());
        let name = |named: Option<Named>| named.and_then(|named| named.name.0);
        let tags = self.event_tags.unwrap_or_default().into_iter().filter_map(|tag| tag.tag);
        let tags = tags.chain(self.tags.unwrap_or_default()).filter_map(|tag| tag.name.0);
        Event {
            id: number(&self.id).unwrap_or_default(),
            uuid: self.uuid.0.unwrap_or_default(),
            info: excerpt(&self.info.0.unwrap_or_default()),
            threat_level: number(&self.threat_level_id)
                .and_then(|level| u8::try_from(level).ok())
                .unwrap_or(ThreatLevel::UNDEFINED.number()),
            org: excerpt(&name(self.creator).or_else(|| name(self.owner)).unwrap_or_default()),
            tags: tags.map(|tag| excerpt_tag(&tag)).collect(),
            published: self.published.flag(),
            timestamp: number(&self.timestamp).and_then(|t| u32::try_from(t).ok()).unwrap_or(0),
            attributes: number(&self.attribute_count).unwrap_or(0),
            foreign: self.locked.flag(),
        }
    }
}

/// Names of tags are longer than what is shown, and matched whole.
fn excerpt_tag(tag: &str) -> String {
    tag.chars().filter(|c| !c.is_control()).take(255).collect()
}
