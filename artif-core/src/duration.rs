//! Spans of time as people write them in configuration and catalogues: `90d`, `1h 30m`, `45s`.
//!
//! Whole seconds only, and no unit whose length depends on the calendar: general duration parsers
//! read `5M` as five months, which nobody who writes it in a feed's `refresh` means.

use std::fmt::Write as _;
use std::time::Duration;

use serde::{Deserializer, Serializer};

use crate::error::{Error, Result, excerpt};

const UNITS: [(&str, &[&str], u64); 5] = [
    ("w", &["w", "week", "weeks"], 7 * 86_400),
    ("d", &["d", "day", "days"], 86_400),
    ("h", &["h", "hr", "hour", "hours"], 3_600),
    ("m", &["m", "min", "minute", "minutes"], 60),
    ("s", &["s", "sec", "second", "seconds"], 1),
];

/// Reads a sum of whole numbers with units (`w`, `d`, `h`, `m`, `s` and their English names), as
/// in `36h` or `1d 12h`. A lone `0` needs no unit.
pub(crate) fn parse(text: &str) -> Result<Duration> {
    seconds(text).map(Duration::from_secs).ok_or_else(|| Error::Invalid {
        what: "duration",
        reason: format!(
            "{:?} is not a whole number with a unit (w, d, h, m, s), as in \"90d\" or \"1h 30m\"",
            excerpt(text)
        ),
    })
}

fn seconds(text: &str) -> Option<u64> {
    let mut rest = text.trim();
    if rest == "0" {
        return Some(0);
    }
    let mut total = None;
    while !rest.is_empty() {
        let (number, tail) = split(rest, |c| c.is_ascii_digit());
        let (unit, tail) = split(tail.trim_start(), char::is_alphabetic);
        let (_, _, length) = UNITS.iter().find(|(_, names, _)| names.contains(&unit))?;
        let part = number.parse::<u64>().ok()?.checked_mul(*length)?;
        total = Some(total.unwrap_or(0_u64).checked_add(part)?);
        rest = tail.trim_start();
    }
    total
}

fn split(text: &str, belongs: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(|c| !belongs(c)).unwrap_or(text.len()))
}

/// The shortest form [`parse`] reads back to the same number of seconds; weeks are written as days.
pub(crate) fn format(duration: Duration) -> String {
    let mut rest = duration.as_secs();
    let mut out = String::new();
    for (unit, _, length) in UNITS.iter().skip(1) {
        if rest >= *length {
            // Writing to a string cannot fail.
            let _ = write!(out, "{}{}{unit}", if out.is_empty() { "" } else { " " }, rest / length);
            rest %= length;
        }
    }
    if out.is_empty() { "0s".to_owned() } else { out }
}

/// For `#[serde(with = "crate::duration")]`.
pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    struct Visitor;
    impl serde::de::Visitor<'_> for Visitor {
        type Value = Duration;
        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a duration with a unit, as in \"90d\"")
        }
        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Duration, E> {
            parse(text).map_err(E::custom)
        }
    }
    from.deserialize_str(Visitor)
}

/// For `#[serde(with = "crate::duration")]`.
pub(crate) fn serialize<S: Serializer>(duration: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&format(*duration))
}

/// The same for durations that may be left out.
pub(crate) mod optional {
    use super::{Deserializer, Duration, Serializer};

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<Duration>, D::Error> {
        super::deserialize(from).map(Some)
    }

    #[expect(clippy::ref_option, reason = "as serde calls it")]
    pub(crate) fn serialize<S: Serializer>(
        duration: &Option<Duration>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        match duration {
            Some(duration) => super::serialize(duration, to),
            None => to.serialize_none(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_people_write() {
        for (text, seconds) in [
            ("7d", 604_800),
            ("90 days", 90 * 86_400),
            ("1h 30m", 5_400),
            ("1h30m", 5_400),
            (" 2w ", 14 * 86_400),
            ("45s", 45),
            ("0", 0),
            ("0s", 0),
        ] {
            assert_eq!(parse(text).unwrap().as_secs(), seconds, "{text}");
        }
    }

    #[test]
    fn what_is_refused() {
        for text in [
            "",
            " ",
            "7",
            "d",
            "-1d",
            "1.5h",
            "5M",
            "1y",
            "1month",
            "100ms",
            "7d,",
            "7d x",
            "1h 30",
            "99999999999999999999s",
            "18446744073709551615w",
            "18446744073709551615s 1s",
            "７d",
        ] {
            let error = parse(text).expect_err(text).to_string();
            assert!(error.starts_with("bad duration: "), "{error}");
        }
    }

    proptest! {
        #[test]
        fn formatting_is_undone_by_parsing(seconds: u64) {
            let duration = Duration::from_secs(seconds);
            prop_assert_eq!(parse(&format(duration)).unwrap(), duration);
        }

        #[test]
        fn no_text_panics(text: String) {
            let _ = parse(&text);
        }
    }
}
