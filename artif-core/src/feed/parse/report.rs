//! What reading a feed came to, in numbers and samples.

use std::collections::BTreeMap;

use serde::Serialize;

/// Why something in a feed did not become an entry.
///
/// ```
/// use artif_core::feed::SkipReason;
/// assert_eq!(serde_json::to_string(&SkipReason::TooWide).unwrap(), "\"too_wide\"");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SkipReason {
    /// No address, network or range.
    NotAnIndicator,
    /// A domain, URL, hash or mail address.
    OtherIndicator,
    /// Octets padded with zeros, where the format does not say that they are decimal.
    ZeroPadded,
    /// Two addresses side by side, and no columns to say which one is meant.
    Ambiguous,
    /// A range that ends before it starts, mixes the families or contradicts its netmask.
    BadRange,
    /// Special-purpose space (private, loopback, documentation, multicast …).
    SpecialPurpose,
    /// A network wider than the floor.
    TooWide,
    /// A line or record longer than the limit.
    TooLong,
    /// Bytes that are not UTF-8.
    BadEncoding,
    /// A row with too few columns, or a line that is not JSON.
    BadRecord,
    /// Left out by `where`, `min`, `skip_if` or `to_ids_only`.
    Filtered,
    /// Marked as deleted by its publisher.
    Deleted,
}

/// One skipped piece, for people.
///
/// ```
/// use artif_core::{FeedId, Format, feed::{ParseLimits, parse}};
///
/// let id: FeedId = "x".parse().unwrap();
/// let parsed = parse(&id, &Format::Plain, &ParseLimits::default(), &mut &b"1.2.3\n"[..]).unwrap();
/// assert_eq!((parsed.report.samples[0].line, &*parsed.report.samples[0].excerpt), (1, "1.2.3"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct SkipSample {
    /// The line, from 1; in JSON documents and MISP events the number of the value.
    pub line: u64,
    /// Why.
    pub reason: SkipReason,
    /// Its first 80 characters, control characters replaced.
    pub excerpt: String,
}

/// What reading a feed came to.
///
/// ```
/// use artif_core::{FeedId, Format, feed::{ParseLimits, SkipReason, parse}};
///
/// let id: FeedId = "x".parse().unwrap();
/// let text = b"# mine\n198.18.0.1\n8.8.8.8\n8.8.8.8\n8.0.0.0/7\nexample.com\n8.8.8\n";
/// let report = parse(&id, &Format::Plain, &ParseLimits::default(), &mut &text[..]).unwrap().report;
/// assert_eq!((report.lines, report.comments, report.entries, report.distinct), (7, 1, 2, 1));
/// assert_eq!((report.special_purpose, report.too_wide), (1, 1));
/// assert_eq!(report.skipped[&SkipReason::OtherIndicator], 1);
/// assert_eq!(report.recognised_share(), 0.8);
/// ```
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[non_exhaustive]
pub struct ParseReport {
    /// Lines read; in JSON documents and MISP events values read.
    pub lines: u64,
    /// Blank lines among them.
    pub blank: u64,
    /// Comment and header lines among them.
    pub comments: u64,
    /// Lines among them in which an indicator was recognised, whether it was kept or not.
    pub recognised: u64,
    /// Entries kept, repetitions included. A range counts once for each network it takes.
    pub entries: u64,
    /// Networks and autonomous systems that remain without repetitions.
    pub distinct: u64,
    /// `entries - distinct`.
    pub duplicates: u64,
    /// Entries in special-purpose space, dropped unless the limits keep them.
    pub special_purpose: u64,
    /// Entries wider than the floor, dropped unless the limits keep them.
    pub too_wide: u64,
    /// How many IPv4 addresses the networks kept cover together.
    pub v4_addresses: u64,
    /// What was skipped, by reason.
    pub skipped: BTreeMap<SkipReason, u64>,
    /// The first pieces that were skipped.
    pub samples: Vec<SkipSample>,
    /// What the document says of itself: `# Key : value` comments of `FireHOL` lists, and the
    /// event's facts in MISP events.
    pub header: BTreeMap<String, String>,
}

impl ParseReport {
    /// The share, 0 to 1, of lines with something to read in which an indicator was recognised.
    /// Blank lines, comments, other indicators (domains, URLs …) and what filters left out do not
    /// count; 1 where nothing else is there.
    ///
    /// ```
    /// assert_eq!(artif_core::feed::ParseReport::default().recognised_share(), 1.0);
    /// ```
    pub fn recognised_share(&self) -> f64 {
        let aside = [SkipReason::Filtered, SkipReason::Deleted, SkipReason::OtherIndicator];
        let aside = aside.iter().filter_map(|reason| self.skipped.get(reason)).sum::<u64>();
        let readable = self.lines.saturating_sub(self.blank + self.comments + aside);
        if readable == 0 { 1.0 } else { self.recognised as f64 / readable as f64 }
    }
}
