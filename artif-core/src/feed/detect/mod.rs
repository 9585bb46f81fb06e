//! Looking at a document to say how it is written.
//!
//! The structure is guessed from a sample of bounded size (of JSON from one walk through all of
//! it), and then the real parser says what would be kept.

mod json;
mod sample;
mod table;
mod text;
mod topic;

use serde::Serialize;

use super::{FeedId, Format, ParseLimits, ParseReport, Role, Scope, guard, parse};
use crate::category::CategorySet;
use crate::error::{Error, excerpt};

/// What a list is about, by its name and address alone.
#[cfg(feature = "cli")]
pub(crate) fn guess_categories(name: &str, url: &str) -> crate::CategorySet {
    topic::categories(name, url, "")
}

/// What is known of a document beside its bytes.
///
/// ```
/// let hint = artif_core::feed::Hint::default().url("https://lists.example/tor-exits.txt");
/// assert_eq!(hint.limits.shortest_v4, 8);
/// ```
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Hint {
    /// Where it comes from; categories are guessed from its path.
    pub url: String,
    /// What it is called; categories are guessed from it before anything else.
    pub name: String,
    /// How it is written, where that is known: then only the rest is looked at.
    pub format: Option<Format>,
    /// The bounds within which it is read.
    pub limits: ParseLimits,
}

impl Hint {
    /// Sets the address it comes from.
    ///
    /// ```
    /// assert_eq!(artif_core::feed::Hint::default().url("file:x").url, "file:x");
    /// ```
    #[must_use]
    pub fn url(mut self, url: impl Into<String>) -> Self {
        self.url = url.into();
        self
    }

    /// Sets what it is called.
    ///
    /// ```
    /// assert_eq!(artif_core::feed::Hint::default().name("My list").name, "My list");
    /// ```
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Says how it is written, in place of a guess.
    ///
    /// ```
    /// use artif_core::Format;
    /// use artif_core::feed::{Detected, Hint, detect};
    ///
    /// let hint = Hint::default().format(Format::FreeText);
    /// let Detected::Feed(found) = detect(b"a 8.8.8.8, b 9.9.9.9", &hint) else { panic!() };
    /// assert_eq!((found.format, found.report.distinct), (Format::FreeText, 2));
    /// ```
    #[must_use]
    pub fn format(mut self, format: Format) -> Self {
        self.format = Some(format);
        self
    }

    /// Sets the bounds within which it is read.
    ///
    /// ```
    /// use artif_core::feed::{Hint, ParseLimits};
    /// assert_eq!(Hint::default().limits(ParseLimits::default()).limits.max_line, 65_536);
    /// ```
    #[must_use]
    pub fn limits(mut self, limits: ParseLimits) -> Self {
        self.limits = limits;
        self
    }
}

/// What a document turned out to be.
///
/// ```
/// use artif_core::feed::{Detected, Hint, detect};
///
/// let Detected::Refused(refusal) = detect(b"<!DOCTYPE html><p>Sign in", &Hint::default()) else {
///     panic!()
/// };
/// assert_eq!(refusal.what, "HTML page");
/// ```
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Detected {
    /// A feed, and how to read it.
    Feed(Box<Proposal>),
    /// No feed, or none that can be read.
    Refused(Refusal),
}

/// How to read a feed, and what that gives.
///
/// ```
/// use artif_core::feed::{Detected, Hint, detect};
///
/// let Detected::Feed(proposal) = detect(b"# mine\n9.9.9.9\n10.0.0.1\n", &Hint::default()) else {
///     panic!()
/// };
/// assert_eq!((proposal.report.distinct, proposal.report.special_purpose), (1, 1));
/// assert_eq!(proposal.comments, ["#"]);
/// ```
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Proposal {
    /// How it is written.
    pub format: Format,
    /// The same for people, as in "networks, one a line".
    pub shape: String,
    /// What its comment lines start with.
    pub comments: Vec<String>,
    /// What its entries stand for.
    pub scope: Scope,
    /// What being listed means; a warninglist proposes itself as one.
    pub role: Role,
    /// What its addresses do, by name, address and comments; empty where nothing points anywhere.
    pub categories: CategorySet,
    /// How sure the format is, 0 to 1: the share of lines in which an indicator was recognised,
    /// lower where something had to be guessed.
    pub confidence: f64,
    /// What was guessed, and what is worth a look.
    pub notes: Vec<String>,
    /// What the whole document gives when it is read that way.
    pub report: ParseReport,
}

/// Why a document is no feed.
///
/// ```
/// use artif_core::feed::{Detected, Hint, detect};
///
/// let Detected::Refused(refusal) = detect(b"example.com\nexample.org\n", &Hint::default()) else {
///     panic!()
/// };
/// assert!(refusal.reason.contains("no address"), "{}", refusal.reason);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Refusal {
    /// What it is instead.
    pub what: &'static str,
    /// Why that cannot be read, and what to do.
    pub reason: String,
}

/// A way to read a document, before the parser had its say.
struct Guess {
    format: Format,
    shape: String,
    /// How certain the structure itself is, 0 to 1.
    certainty: f64,
    /// The share of readable lines in which the format recognises something, where the parser's
    /// own would count comments with signs it does not know.
    share: Option<f64>,
    comments: Vec<String>,
    role: Role,
    notes: Vec<String>,
    /// Text in which a topic may be named.
    about: String,
}

impl Guess {
    fn new(format: Format, shape: impl Into<String>, certainty: f64) -> Self {
        Self {
            format,
            shape: shape.into(),
            certainty,
            share: None,
            comments: Vec::new(),
            role: Role::Threat,
            notes: Vec::new(),
            about: String::new(),
        }
    }
}

fn refused<T>(what: &'static str, reason: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal { what, reason: reason.into() })
}

/// Says how a document is written and what reading it that way would keep.
///
/// Told apart are plain lists with their comment signs, networks, ranges, addresses with ports,
/// URLs, tables with and without header, `FireHOL` sets, lines behind a fixed text (`deny from …`),
/// free text, JSON documents and lines, MISP events and warninglists. What holds no address, or is
/// something that no feed format reads (a page, an archive, a MISP manifest, a STIX bundle, a list
/// of feeds), is refused with the reason.
///
/// Works on any bytes, in time linear in their number.
///
/// ```
/// use artif_core::feed::{Detected, Hint, detect};
/// use artif_core::{Category, Format};
///
/// let csv = b"# C2 servers\nfirst_seen;ip;port\n2026-01-01;9.9.9.9;443\n2026-01-02;8.8.8.8;80\n";
/// let hint = Hint::default().url("https://lists.example/c2.csv");
/// let Detected::Feed(found) = detect(csv, &hint) else { panic!() };
/// let Format::Sep(columns) = found.format else { panic!() };
/// assert_eq!((columns.sep.as_deref(), &*columns.value_col), (Some(";"), &[2][..]));
/// assert!(columns.header && found.categories.contains(Category::CommandAndControl));
/// assert_eq!(found.report.distinct, 2);
/// ```
pub fn detect(bytes: &[u8], hint: &Hint) -> Detected {
    match guess(bytes, hint).and_then(|guess| confirm(bytes, hint, guess)) {
        Ok(proposal) => Detected::Feed(Box::new(proposal)),
        Err(refusal) => Detected::Refused(refusal),
    }
}

fn guess(bytes: &[u8], hint: &Hint) -> Result<Guess, Refusal> {
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let start = text.trim_ascii_start();
    if start.is_empty() {
        return refused("empty document", "there is nothing in it");
    }
    if guard::is_html(start) {
        return refused(
            "HTML page",
            "look at it in a browser: the list may have moved or want a login, or the page links \
             to the list itself",
        );
    }
    if let Some(what) = packed(bytes) {
        return refused(what, "unpack it and give the address of the list inside");
    }
    if bytes.get(..4096).unwrap_or(bytes).contains(&0) {
        return refused("binary file", "feeds are text");
    }
    if let Some(format) = &hint.format {
        return Ok(Guess::new(format.clone(), format!("{}, as told", format.name()), 1.0));
    }
    match start.first() {
        Some(b'{' | b'[') => match json::guess(text) {
            // Brackets may also start a line of text.
            Ok(None) => text::guess(text, &hint.limits),
            Ok(Some(guess)) => Ok(guess),
            Err(refusal) => Err(refusal),
        },
        _ => text::guess(text, &hint.limits),
    }
}

fn packed(bytes: &[u8]) -> Option<&'static str> {
    let kinds: [(&[u8], &str); 8] = [
        (b"\x1f\x8b", "gzip file"),
        (b"PK\x03\x04", "zip archive"),
        (b"7z\xbc\xaf", "7-Zip archive"),
        (b"BZh", "bzip2 file"),
        (b"\xfd7zXZ", "xz file"),
        (b"\x28\xb5\x2f\xfd", "zstd file"),
        (b"\xff\xfe", "UTF-16 text"),
        (b"\xfe\xff", "UTF-16 text"),
    ];
    kinds.into_iter().find(|(magic, _)| bytes.starts_with(magic)).map(|(_, what)| what)
}

/// Reads the document as guessed; what comes of it decides.
fn confirm(bytes: &[u8], hint: &Hint, guess: Guess) -> Result<Proposal, Refusal> {
    let Guess { format, shape, certainty, share, comments, role, mut notes, about } = guess;
    let report = match read(bytes, &format, &hint.limits) {
        Ok((report, 0)) => report,
        Ok((_, systems)) => {
            return refused(
                "list of autonomous systems",
                format!("{systems} numbers of autonomous systems cannot be applied to addresses"),
            );
        }
        Err(reason) => return refused("broken document", reason),
    };
    if report.distinct == 0 {
        return refused("list without a usable address", nothing_kept(&report));
    }
    let shown = |count: u64, what: &str| format!("{count} {what}");
    let dropped = report.special_purpose + report.too_wide;
    if dropped * 10 > report.entries + dropped {
        let count = shown(report.special_purpose, "special-purpose and ");
        notes.push(format!("{count}{} too wide entries are dropped", report.too_wide));
    }
    let certainty = if report.distinct < 3 { certainty * 0.8 } else { certainty };
    let share = share.unwrap_or_else(|| report.recognised_share());
    let confidence = (share * certainty * 100.0).round() / 100.0;
    let networks = report.v4_addresses > report.distinct.saturating_mul(4);
    Ok(Proposal {
        format,
        shape,
        comments,
        scope: if networks { Scope::Range } else { Scope::Address },
        role,
        categories: topic::categories(&hint.name, &hint.url, &about),
        confidence: confidence.clamp(0.0, 1.0),
        notes,
        report,
    })
}

/// What the parser makes of it, and how many autonomous systems come of it where nothing else does.
fn read(
    bytes: &[u8],
    format: &Format,
    limits: &ParseLimits,
) -> Result<(ParseReport, usize), String> {
    let id = FeedId::from_name("new").map_err(|error| error.to_string())?;
    let mut input = bytes;
    match parse(&id, format, limits, &mut input) {
        Ok(parsed) if parsed.prefixes.is_empty() => Ok((parsed.report, parsed.asns.len())),
        Ok(parsed) => Ok((parsed.report, 0)),
        Err(Error::Parse { line, reason, .. }) => {
            let place = line.map_or_else(String::new, |line| format!("line {line}: "));
            Err(format!("{place}{reason}"))
        }
        Err(error) => Err(error.to_string()),
    }
}

fn nothing_kept(report: &ParseReport) -> String {
    if report.special_purpose + report.too_wide > 0 {
        return format!(
            "of its entries {} are special-purpose and {} too wide: nothing would be kept",
            report.special_purpose, report.too_wide
        );
    }
    let sample = report.samples.first().map_or("", |sample| sample.excerpt.as_str());
    format!("there is no address in it (it begins with {:?})", excerpt(sample))
}

#[cfg(test)]
mod tests;
