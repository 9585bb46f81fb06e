//! What the records of the known publishers say, whatever they call it.
//!
//! | publisher | number | organisation | country |
//! |---|---|---|---|
//! | MaxMind GeoLite2, GeoIP2; DB-IP | `autonomous_system_number` | `autonomous_system_organization` | `country.iso_code`, `registered_country.iso_code` |
//! | Enterprise and ISP files | the same in `traits` | the same in `traits` | `country.iso_code` |
//! | IPinfo Lite | `asn` ("AS13335") | `as_name` | `country_code` |
//! | IPinfo free, before Lite | `asn` | `as_name`, `name` | `country` as text |
//! | ip-location-db | `autonomous_system_number` | `autonomous_system_organization` | `country_code` |
//!
//! The names never contradict each other, and a file's declared type does not tell reliably (one
//! that calls itself "asn-country" has countries only), so all of them are looked for everywhere.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::Country;

/// One record, decoded.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Raw<'a> {
    #[serde(borrow)]
    autonomous_system_number: Value<'a>,
    #[serde(borrow)]
    autonomous_system_organization: Value<'a>,
    #[serde(borrow)]
    traits: Value<'a>,
    #[serde(borrow)]
    asn: Value<'a>,
    #[serde(borrow)]
    as_name: Value<'a>,
    #[serde(borrow)]
    name: Value<'a>,
    #[serde(borrow)]
    country: Value<'a>,
    #[serde(borrow)]
    registered_country: Value<'a>,
    #[serde(borrow)]
    country_code: Value<'a>,
}

impl Raw<'_> {
    /// The number of the autonomous system; 0 stands for none.
    pub(super) fn asn(&self) -> Option<u32> {
        let inner = match &self.traits {
            Value::Map(map) => map.number,
            _ => None,
        };
        self.autonomous_system_number
            .number()
            .or(inner)
            .or_else(|| self.asn.number())
            .filter(|asn| *asn != 0)
    }

    /// The organisation's name, trimmed, of at most 200 characters, without control characters.
    pub(super) fn organisation(&self) -> Option<Cow<'_, str>> {
        let inner = match &self.traits {
            Value::Map(map) => map.organisation.as_deref(),
            _ => None,
        };
        // A bare `name` could be anything where no number stands beside it.
        let name = self.asn.number().and_then(|_| self.name.text());
        let text = self.autonomous_system_organization.text().or(inner);
        let text = text.or_else(|| self.as_name.text()).or(name)?.trim();
        if text.is_empty() {
            None
        } else if text.len() <= 200 && !text.contains(char::is_control) {
            Some(Cow::Borrowed(text))
        } else {
            let kept = text.chars().filter(|c| !c.is_control()).take(200).collect();
            Some(Cow::Owned(kept))
        }
    }

    /// Where the address is, else where it is registered.
    pub(super) fn country(&self) -> Option<Country> {
        let code = |value: &Value<'_>| match value {
            Value::Map(map) => map.iso_code.as_deref().and_then(Country::new),
            Value::Text(text) => Country::new(text),
            Value::None | Value::Number(_) => None,
        };
        [&self.country_code, &self.country, &self.registered_country].into_iter().find_map(code)
    }
}

/// A value of any type: publishers differ in it, and a surprise in one field is no reason to lose
/// the others.
#[derive(Debug, Default)]
enum Value<'a> {
    #[default]
    None,
    Number(u32),
    Text(Cow<'a, str>),
    Map(Box<Inner<'a>>),
}

/// What is read of a map inside a record.
#[derive(Debug, Default)]
struct Inner<'a> {
    iso_code: Option<Cow<'a, str>>,
    number: Option<u32>,
    organisation: Option<Cow<'a, str>>,
}

impl Value<'_> {
    fn text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    fn number(&self) -> Option<u32> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Text(text) => {
                let text = text.trim();
                let digits = text.strip_prefix("AS").or_else(|| text.strip_prefix("as"));
                digits.unwrap_or(text).parse().ok()
            }
            Self::None | Self::Map(_) => None,
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Value<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
        Ok(u32::try_from(value).map_or(Value::None, Value::Number))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
        Ok(u32::try_from(value).map_or(Value::None, Value::Number))
    }

    fn visit_u128<E>(self, _: u128) -> Result<Self::Value, E> {
        Ok(Value::None)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(Value::None)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Value::None)
    }

    fn visit_bytes<E>(self, _: &[u8]) -> Result<Self::Value, E> {
        Ok(Value::None)
    }

    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Self::Value, E> {
        Ok(Value::Text(Cow::Borrowed(value)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Self::Value, E> {
        Ok(Value::Text(Cow::Owned(value.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Value::None)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut inner = Inner::default();
        while let Some(key) = map.next_key::<Key>()? {
            match key {
                Key::IsoCode => inner.iso_code = into_text(map.next_value()?),
                Key::Number => inner.number = map.next_value::<Value<'de>>()?.number(),
                Key::Organisation => inner.organisation = into_text(map.next_value()?),
                Key::Other => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(Value::Map(Box::new(inner)))
    }
}

fn into_text(value: Value<'_>) -> Option<Cow<'_, str>> {
    if let Value::Text(text) = value { Some(text) } else { None }
}

#[derive(Deserialize)]
#[serde(field_identifier)]
enum Key {
    #[serde(rename = "iso_code")]
    IsoCode,
    #[serde(rename = "autonomous_system_number")]
    Number,
    #[serde(rename = "autonomous_system_organization")]
    Organisation,
    #[serde(other)]
    Other,
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn read(json: &str) -> (Option<u32>, Option<String>, Option<String>) {
        let raw: Raw<'_> = serde_json::from_str(json).unwrap();
        let organisation = raw.organisation().map(Cow::into_owned);
        (raw.asn(), organisation, raw.country().map(|c| c.to_string()))
    }

    #[test]
    fn known_schemas() {
        let some = |text: &str| Some(text.to_owned());
        for (json, expected) in [
            (
                r#"{"autonomous_system_number":64496,"autonomous_system_organization":" A "}"#,
                (Some(64496), some("A"), None),
            ),
            (
                r#"{"country":{"iso_code":"de","names":{"en":"X"}},"registered_country":{"iso_code":"FR"}}"#,
                (None, None, some("DE")),
            ),
            (r#"{"registered_country":{"iso_code":"FR"}}"#, (None, None, some("FR"))),
            (
                r#"{"asn":"AS64496","as_name":"A","country":"Germany","country_code":"DE"}"#,
                (Some(64496), some("A"), some("DE")),
            ),
            (
                r#"{"asn":"AS64496","name":"A","country":"DE"}"#,
                (Some(64496), some("A"), some("DE")),
            ),
            (r#"{"name":"A city"}"#, (None, None, None)),
            (r#"{"asn":"AS0","as_name":""}"#, (None, None, None)),
            (r#"{"autonomous_system_number":0}"#, (None, None, None)),
            (r#"{"asn":"","country_code":""}"#, (None, None, None)),
            (
                r#"{"traits":{"autonomous_system_number":1,"autonomous_system_organization":"B","x":[1]}}"#,
                (Some(1), some("B"), None),
            ),
            (r#"{"asn":[1,"x"],"country":7,"traits":true,"as_name":{"a":1}}"#, (None, None, None)),
            (r#"{"autonomous_system_number":99999999999}"#, (None, None, None)),
        ] {
            assert_eq!(read(json), expected, "{json}");
        }
    }

    #[test]
    fn long_and_ill_mannered_names_are_cut() {
        let (_, name, _) = read(&format!(r#"{{"as_name":"a\u001b[31m{}"}}"#, "é".repeat(300)));
        let name = name.unwrap();
        assert_eq!(name.chars().count(), 200);
        assert!(!name.contains('\u{1b}'));
    }
}
