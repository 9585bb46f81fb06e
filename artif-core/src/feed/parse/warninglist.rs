//! Lists of the misp-warninglists project.

use std::borrow::Cow;
use std::fmt;
use std::io::BufRead;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::collect::Collector;
use super::json::{Bounded, json_error};
use super::report::SkipReason;
use super::token::Reader;
use crate::error::{Error, Result, excerpt};

/// Types of lists whose entries are compared with a whole value; the others hold parts of texts.
const WHOLE: [&str; 2] = ["cidr", "string"];
/// Attributes that are addresses.
const ADDRESSES: [&str; 5] = ["ip-src", "ip-dst", "domain|ip", "ip-src|port", "ip-dst|port"];

/// What a list says of itself. Its members come in any order, so that it is known only at the end
/// whether the entries count.
#[derive(Default)]
struct About {
    kind: Option<String>,
    attributes: Vec<String>,
    texts: Vec<(&'static str, String)>,
    entries: bool,
}

pub(super) fn list(out: &mut Collector<'_>, input: &mut dyn BufRead) -> Result<()> {
    let mut about = About::default();
    let mut failed = None;
    let bounded = Bounded::after_mark(input).map_err(|error| out.read_error(&error))?;
    let mut json = serde_json::Deserializer::from_reader(bounded);
    let document = Document { about: &mut about, out: &mut *out, failed: &mut failed };
    let read = document.deserialize(&mut json).and_then(|()| json.end());
    match (read, failed) {
        (_, Some(error)) => return Err(error),
        (Err(error), None) => return Err(json_error(out, &error)),
        (Ok(()), None) => {}
    }
    if !about.entries {
        return Err(out.fail(None, "this is no warninglist: it has no `list`"));
    }
    let whole = about.kind.as_deref().is_none_or(|kind| WHOLE.contains(&kind));
    let of_addresses = about.attributes.is_empty()
        || about.attributes.iter().any(|name| ADDRESSES.contains(&name.as_str()));
    if !(whole && of_addresses) {
        let lines = out.report.lines;
        out.forget();
        out.report.lines = lines;
        out.report.skipped.insert(SkipReason::OtherIndicator, lines);
    }
    out.report.header.extend(about.texts.into_iter().map(|(key, text)| (key.to_owned(), text)));
    Ok(())
}

struct Document<'d, 'a> {
    about: &'d mut About,
    out: &'d mut Collector<'a>,
    failed: &'d mut Option<Error>,
}

impl<'de> DeserializeSeed<'de> for Document<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Document<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a warninglist")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        while let Some(key) = members.next_key::<Cow<'de, str>>()? {
            let text = ["name", "version", "type", "description"].into_iter().find(|k| *k == key);
            match (&*key, text) {
                ("list", _) => {
                    self.about.entries = true;
                    members.next_value_seed(Entries { out: self.out, failed: self.failed })?;
                }
                ("matching_attributes", _) => {
                    self.about.attributes = members.next_value()?;
                }
                (_, Some(key)) => {
                    let value = members.next_value::<crate::feed::lenient::Lenient>()?;
                    let value = value.text().map(excerpt).unwrap_or_default();
                    if key == "type" {
                        self.about.kind = Some(value.clone());
                    }
                    if !value.is_empty() {
                        self.about.texts.push((key, value));
                    }
                }
                _ => {
                    members.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}

struct Entries<'d, 'a> {
    out: &'d mut Collector<'a>,
    failed: &'d mut Option<Error>,
}

impl<'de> DeserializeSeed<'de> for Entries<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Entries<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of texts")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        let mut reader = Reader::default();
        while let Some(entry) = elements.next_element::<Cow<'de, str>>()? {
            let out = &mut *self.out;
            out.report.lines += 1;
            let (number, entry) = (out.report.lines, entry.trim().as_bytes());
            match reader.read(entry) {
                Ok(indicator) => {
                    out.report.recognised += 1;
                    if let Err(error) = out.add(number, indicator, entry) {
                        *self.failed = Some(error);
                        return Err(serde::de::Error::custom("stopped"));
                    }
                }
                Err(reason) => out.skip(number, reason, entry),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Format;
    use crate::feed::{ParseLimits, Parsed, parse};

    fn read(json: &str) -> Result<Parsed> {
        let id = "x".parse().unwrap();
        parse(&id, &Format::MispWarninglist {}, &ParseLimits::default(), &mut json.as_bytes())
    }

    fn entries(json: &str) -> Vec<String> {
        read(json).unwrap().prefixes.iter().map(|prefix| prefix.to_string()).collect()
    }

    #[test]
    fn entries_of_address_lists() {
        let parsed = read(
            r#"{"description": "d", "list": ["8.8.8.8", "9.9.9.0/24", "2A00::/32", "10.0.0.0/8",
                "example.com"], "matching_attributes": ["ip-src", "domain|ip"],
                "name": "A list", "type": "cidr", "version": 20260811}"#,
        )
        .unwrap();
        let nets: Vec<String> = parsed.prefixes.iter().map(|prefix| prefix.to_string()).collect();
        assert_eq!(nets, ["8.8.8.8/32", "9.9.9.0/24", "2a00::/32"]);
        let report = parsed.report;
        assert_eq!((report.lines, report.special_purpose), (5, 1));
        assert_eq!(report.skipped[&SkipReason::OtherIndicator], 1);
        assert_eq!((&*report.header["name"], &*report.header["version"]), ("A list", "20260811"));
    }

    #[test]
    fn lists_of_something_else_give_nothing() {
        for json in [
            r#"{"type": "hostname", "list": ["8.8.8.8", "example.com"]}"#,
            r#"{"list": ["8.8.8.8", "example.com"], "type": "substring"}"#,
            r#"{"list": ["8.8.8.8", "8\\.8"], "type": "regex"}"#,
            r#"{"list": ["8.8.8.8", "x"], "type": "string", "matching_attributes": ["md5"]}"#,
        ] {
            let parsed = read(json).unwrap();
            assert!(parsed.prefixes.is_empty(), "{json}");
            let skipped = &parsed.report.skipped;
            assert_eq!((skipped.len(), skipped[&SkipReason::OtherIndicator]), (1, 2), "{json}");
            assert_eq!((parsed.report.entries, parsed.report.recognised_share()), (0, 1.0));
        }
        assert_eq!(entries(r#"{"list": ["8.8.8.8"]}"#), ["8.8.8.8/32"]);
    }

    #[test]
    fn what_is_no_warninglist() {
        for json in ["", "[]", "{}", r#"{"list": 7}"#, r#"{"list": ["8.8.8.8"#, r#"{"list": [7]}"#]
        {
            assert!(read(json).is_err(), "{json}");
        }
    }
}
