//! Attributes as `restSearch` answers them, read one after the other.

use std::fmt;
use std::io::BufRead;

use serde::Deserialize;
use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::Problem;
use super::answer::Failure;
use crate::error::excerpt;
use crate::feed::Addresses;
use crate::feed::lenient::Lenient;
use crate::net::Prefix;

/// An attribute, as far as it matters here.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Attribute {
    pub(crate) id: u64,
    pub(crate) event: u64,
    pub(crate) uuid: String,
    /// The type, where it is one of an address.
    pub(crate) kind: Option<&'static str>,
    /// As the server writes it.
    pub(crate) value: String,
    /// The address or network in the value, where it can be read.
    pub(crate) prefix: Option<Prefix>,
    pub(crate) to_ids: bool,
    pub(crate) deleted: bool,
    /// When it was changed last, in Unix seconds.
    pub(crate) timestamp: u32,
    pub(crate) first_seen: Option<i64>,
    pub(crate) last_seen: Option<i64>,
    /// Its own tags, not those of the event.
    pub(crate) tags: Vec<String>,
    /// How often it was seen, called a false positive, and said to have expired.
    pub(crate) sightings: [u32; 3],
    /// The highest score of a decaying model, and whether all models call it decayed.
    pub(crate) decay: Option<(f64, bool)>,
    /// The warninglists of the server that it is on.
    pub(crate) warnings: Vec<String>,
}

/// Why a document could not be read to its end.
#[derive(Debug)]
pub(crate) enum Unreadable {
    /// It is broken.
    Broken(String),
    /// It holds what was not asked for.
    Unfiltered(String),
}

impl From<std::io::Error> for Unreadable {
    fn from(error: std::io::Error) -> Self {
        Self::Broken(excerpt(&error.to_string()))
    }
}

impl From<serde_json::Error> for Unreadable {
    fn from(error: serde_json::Error) -> Self {
        Self::Broken(excerpt(&error.to_string()))
    }
}

impl From<Unreadable> for Failure {
    fn from(unreadable: Unreadable) -> Self {
        match unreadable {
            Unreadable::Broken(detail) => Self::new(Problem::Unreadable, detail),
            Unreadable::Unfiltered(detail) => {
                Self::new(Problem::Unfiltered, format!("the answer holds {detail}"))
            }
        }
    }
}

/// What ends the reading early: something that was not asked for.
pub(crate) struct Stop(pub(crate) String);

/// Calls `visit` for each attribute of an answer: `{"response": {"Attribute": […]}}`, or one of the
/// shapes an empty answer has.
pub(crate) fn attributes(
    input: impl BufRead,
    mut visit: impl FnMut(Attribute) -> Result<(), Stop>,
) -> Result<(), Unreadable> {
    let mut addresses = Addresses::default();
    let mut stop = None;
    let mut known = false;
    let read = {
        let mut each = |raw: RawAttribute| {
            visit(raw.into_attribute(&mut addresses)).map_err(|Stop(why)| stop = Some(why))
        };
        let mut json = serde_json::Deserializer::from_reader(input);
        Envelope { each: &mut each, known: &mut known, inside: false }
            .deserialize(&mut json)
            .and_then(|()| json.end())
    };
    if let Some(why) = stop {
        return Err(Unreadable::Unfiltered(why));
    }
    read?;
    if !known {
        return Err(Unreadable::Broken(
            "no attributes in it, and not said that there are none".to_owned(),
        ));
    }
    Ok(())
}

type Each<'a> = dyn FnMut(RawAttribute) -> Result<(), ()> + 'a;

struct Envelope<'e, 'a> {
    each: &'e mut Each<'a>,
    /// Whether it is an answer, maybe an empty one.
    known: &'e mut bool,
    /// Within `response`.
    inside: bool,
}

impl<'de> DeserializeSeed<'de> for Envelope<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Envelope<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("attributes of MISP")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        while let Some(name) = members.next_key::<String>()? {
            match name.as_str() {
                "response" if !self.inside => {
                    let (each, known) = (&mut *self.each, &mut *self.known);
                    members.next_value_seed(Envelope { each, known, inside: true })?;
                }
                "Attribute" => {
                    *self.known = true;
                    members.next_value_seed(List(&mut *self.each))?;
                }
                _ => drop(members.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }

    /// Nothing is written as an empty list; as none that holds something.
    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        if elements.next_element::<IgnoredAny>()?.is_some() {
            return Err(de::Error::custom("a list where attributes were expected"));
        }
        *self.known = true;
        Ok(())
    }
}

struct List<'e, 'a>(&'e mut Each<'a>);

impl<'de> DeserializeSeed<'de> for List<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for List<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of attributes")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        while let Some(raw) = elements.next_element()? {
            (self.0)(raw).map_err(|()| de::Error::custom("stopped"))?;
        }
        Ok(())
    }
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct RawAttribute {
    id: Lenient,
    event_id: Lenient,
    uuid: Lenient,
    #[serde(rename = "type")]
    kind: Lenient,
    value: Lenient,
    to_ids: Lenient,
    deleted: Lenient,
    timestamp: Lenient,
    first_seen: Lenient,
    last_seen: Lenient,
    #[serde(rename = "Tag")]
    tags: Option<Vec<RawTag>>,
    #[serde(rename = "Sighting")]
    sightings: Option<Vec<RawSighting>>,
    decay_score: Option<Vec<RawScore>>,
    warnings: Option<Vec<RawWarning>>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct RawTag {
    name: Lenient,
    inherited: Lenient,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct RawSighting {
    #[serde(rename = "type")]
    kind: Lenient,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct RawScore {
    score: Option<f64>,
    decayed: Lenient,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct RawWarning {
    warninglist_name: Lenient,
}

impl RawAttribute {
    fn into_attribute(self, addresses: &mut Addresses) -> Attribute {
        let number = |field: &Lenient| field.number().and_then(|n| u64::try_from(n).ok());
        let value = self.value.0.unwrap_or_default();
        let read = addresses.read(self.kind.text().unwrap_or_default(), &value);
        let tags = self.tags.unwrap_or_default().into_iter();
        let own = tags.filter(|tag| !tag.inherited.flag()).filter_map(|tag| tag.name.0);
        let mut sightings = [0; 3];
        for sighting in self.sightings.unwrap_or_default() {
            let kind = sighting.kind.number().and_then(|kind| usize::try_from(kind).ok());
            if let Some(count) = kind.and_then(|kind| sightings.get_mut(kind)) {
                *count += 1;
            }
        }
        let scores = self.decay_score.unwrap_or_default();
        let highest = scores.iter().filter_map(|score| score.score).reduce(f64::max);
        let decayed = scores.iter().all(|score| score.decayed.flag());
        let warnings = self.warnings.unwrap_or_default().into_iter();
        Attribute {
            id: number(&self.id).unwrap_or_default(),
            event: number(&self.event_id).unwrap_or_default(),
            uuid: self.uuid.0.unwrap_or_default(),
            kind: read.map(|(kind, _)| kind),
            prefix: read.and_then(|(_, prefix)| prefix),
            value,
            to_ids: self.to_ids.flag(),
            deleted: self.deleted.flag(),
            timestamp: number(&self.timestamp).and_then(|t| u32::try_from(t).ok()).unwrap_or(0),
            first_seen: self.first_seen.time(),
            last_seen: self.last_seen.time(),
            tags: own.collect(),
            sightings,
            decay: highest.map(|score| (score, decayed)),
            warnings: warnings.filter_map(|warning| warning.warninglist_name.0).collect(),
        }
    }
}
