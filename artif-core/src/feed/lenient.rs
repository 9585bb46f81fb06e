//! Scalars that are written in several ways.

use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// Text, a number or a truth value, as MISP's versions write the same field in turn. Anything else
/// counts as missing.
#[derive(Debug, Default)]
pub(crate) struct Lenient(pub(crate) Option<String>);

impl Lenient {
    pub(crate) fn text(&self) -> Option<&str> {
        self.0.as_deref()
    }

    pub(crate) fn flag(&self) -> bool {
        let truths = ["1", "true", "yes", "on"];
        let text = self.0.as_deref().map(str::trim);
        text.is_some_and(|text| truths.iter().any(|truth| text.eq_ignore_ascii_case(truth)))
    }

    pub(crate) fn number(&self) -> Option<i64> {
        self.0.as_deref()?.trim().parse().ok()
    }

    /// Unix seconds of an RFC 3339 time, or of a count of seconds or microseconds.
    pub(crate) fn time(&self) -> Option<i64> {
        match self.number() {
            Some(number) if number.unsigned_abs() >= 100_000_000_000 => Some(number / 1_000_000),
            Some(number) => Some(number),
            None => {
                let text = self.0.as_deref()?;
                chrono::DateTime::parse_from_rfc3339(text).ok().map(|time| time.timestamp())
            }
        }
    }
}

impl<'de> Deserialize<'de> for Lenient {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Anything;
        impl<'de> Visitor<'de> for Anything {
            type Value = Lenient;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text, a number or a truth value")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Lenient, E> {
                Ok(Lenient(Some(text.to_owned())))
            }

            fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<Lenient, E> {
                Ok(Lenient(Some(value.to_string())))
            }

            fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Lenient, E> {
                Ok(Lenient(Some(number.to_string())))
            }

            fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<Lenient, E> {
                Ok(Lenient(Some(number.to_string())))
            }

            fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<Lenient, E> {
                Ok(Lenient(Some(number.to_string())))
            }

            fn visit_unit<E: serde::de::Error>(self) -> Result<Lenient, E> {
                Ok(Lenient(None))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Lenient, A::Error> {
                while elements.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Lenient(None))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Lenient, A::Error> {
                while members.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Lenient(None))
            }
        }
        deserializer.deserialize_any(Anything)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn read(json: &str) -> Lenient {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn the_same_said_in_many_ways() {
        for truth in ["true", "1", "\"1\"", "\"true\"", "\"Yes\""] {
            assert!(read(truth).flag(), "{truth}");
        }
        for lie in ["false", "0", "\"0\"", "\"\"", "null", "{}", "[1]"] {
            assert!(!read(lie).flag(), "{lie}");
        }
        for number in ["7", "\"7\"", "\" 7 \""] {
            assert_eq!(read(number).number(), Some(7), "{number}");
        }
        for time in [
            "1704067200",
            "\"1704067200\"",
            "\"1704067200000000\"",
            "\"2024-01-01T00:00:00.000000+00:00\"",
            "\"2024-01-01T01:00:00+01:00\"",
        ] {
            assert_eq!(read(time).time(), Some(1_704_067_200), "{time}");
        }
        assert_eq!(read("\"soon\"").time(), None);
    }
}
