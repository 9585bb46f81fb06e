//! `hashes.csv` of a feed in MISP's format: which event holds which values, by their MD5.
//!
//! Publishers that write all of their feed anew give every event a new time. The hashes say of which
//! the values are others.

use std::collections::BTreeMap;
use std::io::BufRead;
use std::sync::atomic::AtomicBool;

use xxhash_rust::xxh3::xxh3_128;

use crate::error::Result;
use crate::feed::Feed;
use crate::feed::source::{self, FetchOptions, Fetched, Request};
use crate::ledger::Validators;

/// No line is longer: an MD5, a comma and a UUID.
const LONGEST: usize = 256;

/// What an event's values come to, by UUID: the same for the same values in any order.
pub(crate) type Digests = BTreeMap<String, u128>;

/// The digests of all events; `None` where the publisher has no such file, or it cannot be had: then
/// times alone say what changed.
pub(crate) fn fetch(
    feed: &Feed,
    base: &str,
    options: &FetchOptions,
    cancel: &AtomicBool,
) -> Result<Option<Digests>> {
    let url = format!("{base}/hashes.csv");
    let request = Request { url, ..Request::new(feed, Validators::default()) };
    let mut fetched = None;
    source::fetch_all(&[request], options, cancel, |_, event| {
        if let source::Event::Finished(done) = event {
            fetched = Some(done);
        }
    })?;
    let read = match fetched {
        Some(Ok(Fetched::Document { mut body, .. })) => body.reader().and_then(|mut reader| {
            digests(&mut reader).map_err(|error| {
                crate::error::Error::io("reading", format!("{base}/hashes.csv"), error)
            })
        }),
        Some(Ok(Fetched::Unchanged)) | None => return Ok(None),
        Some(Err(error)) => Err(error),
    };
    match read {
        Ok(digests) => Ok(Some(digests)),
        Err(error) => {
            tracing::debug!(feed = %feed.id, %error, "without hashes");
            Ok(None)
        }
    }
}

/// Reads lines of `MD5,UUID`; others say nothing.
fn digests(input: &mut dyn BufRead) -> std::io::Result<Digests> {
    let mut digests = Digests::new();
    let mut line = Vec::new();
    loop {
        line.clear();
        let mut part = std::io::Read::take(&mut *input, LONGEST as u64);
        if part.read_until(b'\n', &mut line)? == 0 {
            return Ok(digests);
        }
        let Ok(text) = std::str::from_utf8(&line) else { continue };
        let Some((hash, uuid)) = text.trim().split_once(',') else { continue };
        let hash = hash.trim().trim_matches('"').to_ascii_lowercase();
        let uuid = uuid.trim().trim_matches('"');
        if hash.len() == 32 && hash.bytes().all(|b| b.is_ascii_hexdigit()) && !uuid.is_empty() {
            let sum = digests.entry(uuid.to_owned()).or_default();
            *sum = sum.wrapping_add(xxh3_128(hash.as_bytes()));
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

    use super::*;

    #[test]
    fn the_order_is_no_matter_and_the_values_are() {
        let of = |text: &str| digests(&mut text.as_bytes()).unwrap();
        let (a, b) = ("0".repeat(32), "f".repeat(32));
        let one = of(&format!("{a},x\n{b},x\n{a},y\n"));
        let other = of(&format!("\"{}\", x\r\n{a},y\nno line of it\n,\n\n{a},x", b.to_uppercase()));
        assert_eq!(one, other);
        assert_ne!(one["x"], one["y"]);
        assert_ne!(of(&format!("{a},x")), of(&format!("{a},x\n{a},x")));
        assert!(of("<html>").is_empty());
        assert!(of(&format!("{}{a},x", "z".repeat(1000))).len() <= 1, "a long line is none");
    }
}
