//! From a place in a TOML document to a line number, and from the parser's errors to ours.

use std::path::Path;

use toml::de::DeTable;

use super::suggest;
use crate::error::Error;

/// The line, from 1, that holds the byte at `offset`.
pub(super) fn line(text: &[u8], offset: usize) -> usize {
    let before = text.get(..offset).unwrap_or(text);
    1 + memchr::memchr_iter(b'\n', before).count()
}

/// The line of a key's value; of its section where the key is not there.
pub(super) fn key(text: &str, section: &str, key: &str) -> Option<usize> {
    let document = DeTable::parse(text).ok()?;
    let root = document.get_ref();
    let span = if section.is_empty() {
        root.get(key)?.span()
    } else {
        let section = root.get(section)?;
        section.get_ref().get(key).map_or(section.span(), toml::Spanned::span)
    };
    Some(line(text.as_bytes(), span.start))
}

pub(super) fn error(error: &toml::de::Error, text: &str, path: Option<&Path>) -> Error {
    Error::Config {
        path: path.map(Path::to_owned),
        line: error.span().map(|span| line(text.as_bytes(), span.start)),
        message: message(error.message()),
    }
}

/// The parser's message in our words and on one line, with a suggestion for a misspelt key.
pub(super) fn message(parsers: &str) -> String {
    let mut message: String = parsers
        .lines()
        .collect::<Vec<_>>()
        .join(", ")
        .chars()
        .take(600)
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect();
    if let Some(rest) = message.strip_prefix("unknown field ") {
        let mut quoted = rest.split('`').skip(1).step_by(2);
        let hint =
            quoted.next().map(|unknown| suggest::did_you_mean(unknown, quoted)).unwrap_or_default();
        message = format!("unknown key {rest}{hint}");
    }
    message
}
