//! Text a line at a time: plain lists, free text, `FireHOL` sets, regular expressions.

use std::io::BufRead;
use std::net::IpAddr;

use memchr::memchr3;

use super::collect::{Collector, Indicator};
use super::report::SkipReason;
use super::token::{Reader, kind_of, length, split_once};
use super::{each_line, each_line_or};
use crate::error::{Result, excerpt};
use crate::net::{Prefix, Prefix4, parse_v4_start, parse_v6};

/// How a line is taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    /// One indicator, in the first column; comments.
    Plain,
    /// The same, with `# Key : value` comments kept.
    Firehol,
    /// Whatever is in the words.
    Free,
}

pub(super) fn text(out: &mut Collector<'_>, style: Style, input: &mut dyn BufRead) -> Result<()> {
    let mut reader = Reader::default();
    let usual = |out: &mut Collector<'_>, number, ahead: &[u8]| {
        let Some((net, at)) = bare_v4(ahead) else { return Ok(0) };
        let taken = match ahead.get(at..) {
            Some([b'\n', ..]) => at + 1,
            Some([b'\r', b'\n', ..]) => at + 2,
            _ => return Ok(0),
        };
        out.report.recognised += 1;
        out.add_v4(number, net, ahead.get(..at).unwrap_or(ahead)).map(|()| taken)
    };
    each_line_or(out, input, usual, |out, number, line| {
        let line = line.trim_ascii();
        if let Some(net) = bare_v6(line) {
            out.report.recognised += 1;
            return out.add(number, Indicator::Net(net), line);
        }
        if line.is_empty() {
            out.report.blank += 1;
        } else if style == Style::Free {
            return free_line(out, &mut reader, number, line);
        } else if let Some(comment) = comment(line) {
            out.report.comments += 1;
            if style == Style::Firehol {
                header_field(out, comment);
            }
        } else {
            return plain_line(out, &mut reader, number, line);
        }
        Ok(())
    })
}

/// The IPv4 address or network at the start of nearly every line, and its length in bytes.
#[inline]
fn bare_v4(ahead: &[u8]) -> Option<(Prefix4, usize)> {
    let (address, at) = parse_v4_start(ahead)?;
    match ahead.get(at..)? {
        [b'/', tens @ b'1'..=b'3', ones @ b'0'..=b'9', ..] => {
            Some((Prefix4::new(address, (tens - b'0') * 10 + (ones - b'0'))?, at + 3))
        }
        [b'/', ones @ b'0'..=b'9', ..] => Some((Prefix4::new(address, ones - b'0')?, at + 2)),
        _ => Some((Prefix4::host(address), at)),
    }
}

/// An IPv6 address or network that is the whole line.
fn bare_v6(line: &[u8]) -> Option<Prefix> {
    let (address, bits) = split_once(line, b'/').map_or((line, None), |(a, b)| (a, Some(b)));
    let address = IpAddr::V6(parse_v6(address)?);
    match bits {
        None => Some(Prefix::host(address)),
        Some(bits) => Prefix::new(address, length(bits, address)?),
    }
}

/// The text of a comment line.
fn comment(line: &[u8]) -> Option<&[u8]> {
    [b"#".as_slice(), b";", b"//"].into_iter().find_map(|marker| line.strip_prefix(marker))
}

/// The line without a trailing comment. `//` starts one only after a blank: elsewhere it is part of
/// a URL.
fn without_comment(line: &[u8]) -> &[u8] {
    let mut from = 0;
    while let Some(at) = line.get(from..).and_then(|rest| memchr3(b'#', b';', b'/', rest)) {
        let (before, after) = line.split_at_checked(from + at).unwrap_or((line, &[]));
        let slashes =
            after.starts_with(b"//") && before.last().is_some_and(u8::is_ascii_whitespace);
        if slashes || !after.starts_with(b"/") {
            return before.trim_ascii_end();
        }
        from += at + 1;
    }
    line
}

/// The first column, and the rest from the start of the second.
fn first_column(line: &[u8]) -> (&[u8], &[u8]) {
    let between = |b: &u8| b.is_ascii_whitespace() || matches!(b, b',' | b'|');
    let end = line.iter().position(between).unwrap_or(line.len());
    let (column, rest) = line.split_at_checked(end).unwrap_or((line, &[]));
    let start = rest.iter().position(|b| !between(b)).unwrap_or(rest.len());
    (column, rest.get(start..).unwrap_or_default())
}

fn plain_line(
    out: &mut Collector<'_>,
    reader: &mut Reader,
    number: u64,
    line: &[u8],
) -> Result<()> {
    let (first, rest) = first_column(without_comment(line));
    if let Some(range) = spaced_range(reader, first, rest) {
        out.report.recognised += 1;
        return out.add(number, range, line);
    }
    match reader.read(first) {
        Ok(indicator) => {
            let (second, _) = first_column(rest);
            let also = reader.read(second).ok().filter(|also| *also != indicator);
            if matches!(also, Some(Indicator::Net(_) | Indicator::Range(..))) {
                out.skip(number, SkipReason::Ambiguous, line);
                return Ok(());
            }
            out.report.recognised += 1;
            out.add(number, indicator, line)
        }
        Err(reason) => {
            out.skip(number, reason, line);
            Ok(())
        }
    }
}

/// `1.2.3.4 - 1.2.3.9`, with a blank on either side (without, it is one word).
fn spaced_range(reader: &Reader, first: &[u8], rest: &[u8]) -> Option<Indicator> {
    let (first, rest) = match (first.strip_suffix(b"-"), rest.strip_prefix(b"-")) {
        (Some(first), None) => (first, rest),
        (None, Some(rest)) => (first, rest.trim_ascii_start()),
        _ => return None,
    };
    let (last, _) = first_column(rest);
    Some(Indicator::Range(reader.address(first)?, reader.address(last)?))
}

/// What separates words in free text, beside blanks.
fn between_words(byte: u8) -> bool {
    byte <= b' ' || matches!(byte, b',' | b';' | b'|' | b'"' | b'<' | b'>' | 0x7f)
}

fn free_line(out: &mut Collector<'_>, reader: &mut Reader, number: u64, line: &[u8]) -> Result<()> {
    // As MISP does, a no-break space is a space.
    let spaced;
    let line = if memchr::memmem::find(line, b"\xc2\xa0").is_some() {
        spaced = String::from_utf8_lossy(line).replace('\u{a0}', " ");
        spaced.as_bytes()
    } else {
        line
    };
    let mut found = false;
    let mut reason = SkipReason::NotAnIndicator;
    for word in line.split(|b| between_words(*b)).filter(|word| !word.is_empty()) {
        match reader.read(word) {
            // In prose it says where an address is, not what is bad.
            Ok(Indicator::As(_)) | Err(SkipReason::NotAnIndicator) => {}
            Ok(indicator) => {
                found = true;
                out.add(number, indicator, word)?;
            }
            Err(other) => reason = other,
        }
    }
    if found {
        out.report.recognised += 1;
    } else if line.starts_with(b"#") {
        out.report.comments += 1;
    } else {
        out.skip(number, reason, line);
    }
    Ok(())
}

/// Keeps `Key : value`, so few and short that a hostile header does no harm.
fn header_field(out: &mut Collector<'_>, comment: &[u8]) {
    let Ok(comment) = std::str::from_utf8(comment) else { return };
    let Some((key, value)) = comment.split_once(':') else { return };
    let (key, value) = (key.trim(), value.trim());
    let plausible = (1..=40).contains(&key.len())
        && key.chars().all(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    if plausible && !value.is_empty() && out.report.header.len() < 64 {
        out.report.header.entry(key.to_owned()).or_insert_with(|| excerpt(value));
    }
}

/// What stands for `(IP)`. Whether it is an address is decided as for a word of plain text.
const ADDRESS: &str = concat!(
    "(?P<__ip>",
    r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?::[0-9]{1,5}|/[0-9]{1,2})?",
    r"|\[?(?:[0-9A-Fa-f]{1,4}:|:)(?:[0-9A-Fa-f]{0,4}:)+[0-9A-Fa-f.]*(?:/[0-9]{1,3}|\](?::[0-9]{1,5})?)?",
    ")"
);

pub(super) fn regex(out: &mut Collector<'_>, pattern: &str, input: &mut dyn BufRead) -> Result<()> {
    if pattern.matches("(IP)").count() != 1 {
        return Err(out.fail(None, "the pattern must hold (IP) exactly once"));
    }
    let regex = regex::bytes::RegexBuilder::new(&pattern.replace("(IP)", ADDRESS))
        .unicode(false)
        .build()
        .map_err(|error| {
            out.fail(None, format!("the pattern is no regular expression: {error}"))
        })?;
    let mut reader = Reader::default();
    each_line(out, input, |out, number, line| {
        let line = line.trim_ascii();
        if line.is_empty() {
            out.report.blank += 1;
            return Ok(());
        }
        let (mut found, mut reason) = (false, None);
        for captures in regex.captures_iter(line) {
            let (Some(whole), Some(ip)) = (captures.get(0), captures.name("__ip")) else {
                continue;
            };
            // `v1.2.3.4` and `1.2.3.4.example` are no addresses, unless the pattern says so by
            // reaching beyond.
            let before = line.get(..ip.start()).filter(|_| ip.start() == whole.start());
            let after = line.get(ip.end()..).filter(|_| ip.end() == whole.end());
            if before.is_some_and(|b| b.last().copied().is_some_and(joins))
                || after.is_some_and(goes_on)
            {
                continue;
            }
            match reader.read(ip.as_bytes()) {
                Ok(indicator) => {
                    found = true;
                    out.add(number, indicator, line)?;
                }
                Err(why) => reason = Some(why),
            }
        }
        if found {
            out.report.recognised += 1;
        } else if line.starts_with(b"#") {
            out.report.comments += 1;
        } else {
            out.skip(number, reason.unwrap_or_else(|| kind_of(line)), line);
        }
        Ok(())
    })
}

fn joins(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.')
}

/// Whether what follows an address belongs to the same word. A full stop at its end does not.
fn goes_on(after: &[u8]) -> bool {
    match after {
        [b'.' | b'-', next, ..] => joins(*next),
        [next, ..] => next.is_ascii_alphanumeric() || *next == b'_',
        [] => false,
    }
}
