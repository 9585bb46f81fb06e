//! From the bytes of a feed to networks.
//!
//! Everything streams: what is held in memory is the entries kept, one line or record, and counts.

mod collect;
mod columns;
mod json;
mod lines;
mod misp_event;
mod probe;
#[cfg(test)]
mod properties;
mod report;
#[cfg(test)]
mod tests;
mod text;
mod token;
mod warninglist;

use std::io::BufRead;

pub(crate) use collect::{cover_v4, cover_v6, covered};
#[cfg(feature = "misp")]
pub(crate) use misp_event::{Addresses, TYPES as MISP_TYPES};
pub use misp_event::{MispAttribute, MispEvent, parse_misp_event};
pub(super) use probe::{Probe, Word};
pub use report::{ParseReport, SkipReason, SkipSample};

use self::collect::Collector;
use self::lines::{Line, LineSink, for_each_line};
use self::text::Style;
use super::{FeedId, Format};
use crate::error::{Error, Result};
use crate::net::PrefixSet;

/// The bounds of reading a feed, and the rules its entries must pass.
///
/// ```
/// let mut limits = artif_core::feed::ParseLimits::default();
/// assert_eq!((limits.shortest_v4, limits.shortest_v6), (8, 19));
/// limits.max_entries = 100_000;
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ParseLimits {
    /// The longest line or record in bytes; longer ones are skipped without being held.
    pub max_line: usize,
    /// The most different entries; a feed with more is an error.
    pub max_entries: usize,
    /// The shortest IPv4 prefix: wider networks are dropped.
    pub shortest_v4: u8,
    /// The shortest IPv6 prefix.
    pub shortest_v6: u8,
    /// Counts special-purpose entries and keeps them.
    pub keep_special_purpose: bool,
    /// Counts entries that are too wide and keeps them.
    pub keep_too_wide: bool,
    /// How many skipped pieces are kept as samples.
    pub samples: usize,
}

impl Default for ParseLimits {
    fn default() -> Self {
        Self {
            max_line: 64 * 1024,
            max_entries: 20_000_000,
            shortest_v4: 8,
            shortest_v6: 19,
            keep_special_purpose: false,
            keep_too_wide: false,
            samples: 20,
        }
    }
}

/// What a feed lists, and how reading it went.
///
/// ```
/// use artif_core::{FeedId, Format, feed::{ParseLimits, parse}};
///
/// let id: FeedId = "x".parse().unwrap();
/// let parsed = parse(&id, &Format::Plain, &ParseLimits::default(), &mut &b"AS64500\n"[..]).unwrap();
/// assert_eq!((parsed.asns, parsed.prefixes.len()), (vec![64500], 0));
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Parsed {
    /// The networks, sorted, without repetitions.
    pub prefixes: PrefixSet,
    /// The autonomous systems, sorted, without repetitions.
    pub asns: Vec<u32>,
    /// Counts and samples.
    pub report: ParseReport,
    /// Since when networks are listed, where the source says so, sorted; some may not be in
    /// `prefixes`.
    pub(crate) since: Vec<(crate::net::Prefix, crate::clock::Seconds)>,
}

/// Reads the networks out of a feed.
///
/// Single bad lines are counted and skipped; an error means that the document as a whole cannot be
/// read: reading broke off, JSON that is none, more entries than the limits allow, a format that is
/// no single document.
///
/// ```
/// use artif_core::{FeedId, Format, feed::{ParseLimits, parse}};
///
/// let id: FeedId = "my-list".parse().unwrap();
/// let text = b"# hosts\r\n9.9.9.9:443\r\n8.8.4.0-8.8.5.255 ; a range\r\n1[.]1[.]1[.]1";
/// let parsed = parse(&id, &Format::Plain, &ParseLimits::default(), &mut &text[..]).unwrap();
/// let nets: Vec<String> = parsed.prefixes.iter().map(|net| net.to_string()).collect();
/// assert_eq!(nets, ["1.1.1.1/32", "8.8.4.0/23", "9.9.9.9/32"]);
/// ```
pub fn parse(
    feed: &FeedId,
    format: &Format,
    limits: &ParseLimits,
    input: &mut dyn BufRead,
) -> Result<Parsed> {
    let mut out = Collector::new(feed, limits);
    let needs =
        |client: &str| format!("{} needs {client}: it is not a single document", format.name());
    match format {
        // A list of URLs is plain text where most lines are no indicator.
        Format::Plain | Format::UrlList { .. } => text::text(&mut out, Style::Plain, input)?,
        Format::Firehol { .. } => text::text(&mut out, Style::Firehol, input)?,
        Format::FreeText => text::text(&mut out, Style::Free, input)?,
        Format::Regex { pattern } => text::regex(&mut out, pattern, input)?,
        Format::Csv(options) => columns::table(&mut out, options, ',', Some('"'), input)?,
        Format::Tsv(options) => columns::table(&mut out, options, '\t', None, input)?,
        Format::Sep(options) => {
            if options.sep.is_none() {
                return Err(out.fail(None, "the format sep needs the key sep"));
            }
            columns::table(&mut out, options, ',', None, input)?;
        }
        Format::Json(options) => json::document(&mut out, options, input)?,
        Format::Ndjson(options) => json::lines(&mut out, options, input)?,
        Format::MispEvent { to_ids_only } => misp_event::events(&mut out, *to_ids_only, input)?,
        Format::MispWarninglist {} => warninglist::list(&mut out, input)?,
        Format::MispFeed {} => return Err(out.fail(None, needs("the client for MISP feeds"))),
        Format::MispWarninglists { .. } => {
            return Err(out.fail(None, needs("the client for warninglists")));
        }
        Format::Otx { .. } => return Err(out.fail(None, needs("the client for OTX"))),
        Format::CrowdsecStream { .. } => {
            return Err(out.fail(None, needs("the client for CrowdSec")));
        }
    }
    out.finish()
}

/// What a feed lists that is no document: the same rules for every network of it. With each comes
/// since when it is listed, or 0.
#[cfg(feature = "misp")]
pub(crate) fn gather(
    feed: &FeedId,
    limits: &ParseLimits,
    networks: impl IntoIterator<Item = (crate::net::Prefix, crate::clock::Seconds)>,
) -> Result<Parsed> {
    let mut out = Collector::new(feed, limits);
    let mut since = Vec::new();
    for (number, (network, begun)) in (1..).zip(networks) {
        if begun != 0 {
            since.push((network, begun));
        }
        out.report.lines = number;
        out.report.recognised += 1;
        out.add(number, collect::Indicator::Net(network), network.to_string().as_bytes())?;
    }
    // The earliest of each.
    since.sort_unstable();
    since.dedup_by_key(|(network, _)| *network);
    Ok(Parsed { since, ..out.finish()? })
}

/// Lines of text for every format that is made of them: counts them, passes over those that are too
/// long, and refuses text in an encoding that would be read as something else.
fn each_line<'a>(
    out: &mut Collector<'a>,
    input: &mut dyn BufRead,
    each: impl FnMut(&mut Collector<'a>, u64, &[u8]) -> Result<()>,
) -> Result<()> {
    each_line_or(out, input, |_, _, _| Ok(0), each)
}

/// The same, with a short cut for lines of the usual kind: [`LineSink::usual`].
fn each_line_or<'a>(
    out: &mut Collector<'a>,
    input: &mut dyn BufRead,
    usual: impl FnMut(&mut Collector<'a>, u64, &[u8]) -> Result<usize>,
    each: impl FnMut(&mut Collector<'a>, u64, &[u8]) -> Result<()>,
) -> Result<()> {
    struct Counted<'c, 'a, U, L> {
        out: &'c mut Collector<'a>,
        usual: U,
        each: L,
    }

    impl<'a, U, L> LineSink<Error> for Counted<'_, 'a, U, L>
    where
        U: FnMut(&mut Collector<'a>, u64, &[u8]) -> Result<usize>,
        L: FnMut(&mut Collector<'a>, u64, &[u8]) -> Result<()>,
    {
        fn line(&mut self, number: u64, line: Line<'_>) -> Result<()> {
            self.out.report.lines = number;
            match line {
                Line::Text(line) => {
                    if number == 1
                        && (line.starts_with(b"\xff\xfe") || line.starts_with(b"\xfe\xff"))
                    {
                        let reason = "this is UTF-16: only UTF-8 and ASCII are read";
                        return Err(self.out.fail(Some(1), reason));
                    }
                    (self.each)(self.out, number, line)
                }
                Line::TooLong(start) => {
                    self.out.skip(number, SkipReason::TooLong, start);
                    Ok(())
                }
            }
        }

        #[inline]
        fn usual(&mut self, number: u64, ahead: &[u8]) -> Result<usize> {
            let taken = (self.usual)(self.out, number, ahead)?;
            if taken > 0 {
                self.out.report.lines = number;
            }
            Ok(taken)
        }
    }

    let limit = out.limits.max_line;
    let done = for_each_line(input, limit, &mut Counted { out: &mut *out, usual, each });
    done.map_err(|stopped| out.stopped(stopped))
}
