//! What a feed's new content has to look like before it may replace the last good one.
//!
//! Every rule is there for a way in which feeds break: emptied by a failing job, replaced by an
//! error page, cut short, or filled with half the address space.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::net::PrefixSet;
use crate::snapshot::index_cost;

use super::{Feed, Format, ParseLimits, ParseReport, Scope};

/// When a feed's new content is refused (`[guard]`); a feed can have its own values, [`FeedGuard`].
///
/// | key | default | unit, range |
/// |---|---|---|
/// | `min_share` | `0.2` | share of the last good content's networks, 0 to 1; with fewer it is refused |
/// | `min_share_from` | `50` | networks the last good content must have had for `min_share` to count |
/// | `min_recognised` | `0.5` | share of readable lines with an indicator in them, 0 to 1; with less, and less than half of the networks of the last good content, it is refused |
/// | `max_v4_addresses` | `536870912` | IPv4 addresses that a feed of scope "address" may cover, 1 to 2^32 |
/// | `max_v4_ranges` | `1073741824` | the same for a feed of scope "range" |
/// | `max_growth` | `20.0` | times the networks of the last good content, from 1 |
/// | `max_growth_from` | `100000` | networks that must be new, at the least, for `max_growth` to count |
/// | `max_index` | `268435456` | bytes that the indexes of a snapshot may need for this feed alone, estimated, from 1 |
/// | `max_index_total` | `1073741824` | the same for all listings of all feeds together, ended ones included, from 1; with more nothing is published |
/// | `max_age` | `"90d"` | duration; a feed that was neither loaded nor found unchanged for longer no longer counts in answers, until it is again |
///
/// Whatever these say, an HTML page is refused where a list is expected, and so is empty content in
/// place of a list that was not, unless the feed says `can_be_empty`. Nothing but the bounds on
/// addresses and on the index, and the rule on HTML, concerns a feed that was never loaded before.
///
/// ```
/// let guard = artif_core::config::Guard::default();
/// assert_eq!((guard.min_share, guard.min_share_from), (0.2, 50));
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Guard {
    /// The share of the last good content's networks that has to be there.
    pub min_share: f64,
    /// How many networks that must have been for `min_share` to count.
    pub min_share_from: u64,
    /// The share of readable lines in which an indicator has to be recognised.
    pub min_recognised: f64,
    /// How many IPv4 addresses a feed of single addresses may cover.
    pub max_v4_addresses: u64,
    /// How many IPv4 addresses a feed of networks may cover.
    pub max_v4_ranges: u64,
    /// How many times the networks of the last good content there may be.
    pub max_growth: f64,
    /// How many networks must be new for `max_growth` to count.
    pub max_growth_from: u64,
    /// How many bytes of a snapshot's indexes a feed may need.
    pub max_index: u64,
    /// How many bytes all feeds together may need.
    pub max_index_total: u64,
    /// For how long a feed counts that was neither loaded nor found unchanged.
    #[serde(with = "crate::duration")]
    pub max_age: Duration,
}

impl Default for Guard {
    fn default() -> Self {
        Self {
            min_share: 0.2,
            min_share_from: 50,
            min_recognised: 0.5,
            // An eighth and a quarter of all: the widest real list of data centres covers a tenth.
            max_v4_addresses: 1 << 29,
            max_v4_ranges: 1 << 30,
            max_growth: 20.0,
            max_growth_from: 100_000,
            // 16 million IPv4 networks, or 700,000 IPv6 addresses without anything in common.
            max_index: 256 << 20,
            max_index_total: 1 << 30,
            max_age: Duration::from_secs(90 * 86_400),
        }
    }
}

/// What a single feed has in place of the values of `[guard]`, written
/// `guard = { min_share = 0.05 }` in its `[[feed]]`.
///
/// ```
/// use artif_core::feed::FeedGuard;
///
/// let mut feed = artif_core::Feed::new("x", "file:x.txt").unwrap();
/// assert_eq!(feed.guard, FeedGuard::default());
/// feed.guard.min_share = Some(0.05);
/// ```
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct FeedGuard {
    /// In place of [`Guard::min_share`]; 0 switches the rule off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_share: Option<f64>,
    /// In place of [`Guard::min_share_from`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_share_from: Option<u64>,
    /// In place of [`Guard::min_recognised`]; 0 switches the rule off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_recognised: Option<f64>,
    /// In place of [`Guard::max_v4_addresses`] or [`Guard::max_v4_ranges`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_v4: Option<u64>,
    /// In place of [`Guard::max_growth`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_growth: Option<f64>,
    /// In place of [`Guard::max_growth_from`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_growth_from: Option<u64>,
    /// In place of [`Guard::max_index`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_index: Option<u64>,
    /// In place of [`Guard::max_age`].
    #[serde(skip_serializing_if = "Option::is_none", with = "crate::duration::optional")]
    pub max_age: Option<Duration>,
    /// In place of `parse.v4_floor`: the prefix length below which IPv4 networks are dropped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub v4_floor: Option<u8>,
    /// In place of `parse.v6_floor`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub v6_floor: Option<u8>,
    /// The list is an HTML page, to be read as text.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub allow_html: bool,
}

const SHARE: &str = "is not within 0 to 1";
const SPACE: &str = "is not within 1 to 2^32 addresses";
const AGE: &str = "has to be longer than nothing";
const INDEX: &str = "is not at least 1 byte";
const GROWTH: &str = "is not a number from 1 on";

fn is_share(value: f64) -> bool {
    (0.0..=1.0).contains(&value)
}

fn is_space(value: u64) -> bool {
    (1..=1 << 32).contains(&value)
}

fn is_growth(value: f64) -> bool {
    value >= 1.0 && value.is_finite()
}

impl Guard {
    /// A key whose value makes no sense, and why.
    pub(crate) fn problem(&self) -> Option<(&'static str, String)> {
        [
            (is_share(self.min_share), "min_share", SHARE),
            (is_share(self.min_recognised), "min_recognised", SHARE),
            (is_space(self.max_v4_addresses), "max_v4_addresses", SPACE),
            (is_space(self.max_v4_ranges), "max_v4_ranges", SPACE),
            (is_growth(self.max_growth), "max_growth", GROWTH),
            (self.max_index > 0, "max_index", INDEX),
            (self.max_index_total > 0, "max_index_total", INDEX),
            (!self.max_age.is_zero(), "max_age", AGE),
        ]
        .into_iter()
        .find(|(holds, ..)| !holds)
        .map(|(_, key, message)| (key, message.to_owned()))
    }
}

impl FeedGuard {
    /// The bounds within which the feed is read, where those of all others are `limits`.
    pub(crate) fn limits(&self, limits: &ParseLimits) -> ParseLimits {
        ParseLimits {
            shortest_v4: self.v4_floor.unwrap_or(limits.shortest_v4),
            shortest_v6: self.v6_floor.unwrap_or(limits.shortest_v6),
            ..limits.clone()
        }
    }

    pub(crate) fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// A key whose value makes no sense, and why.
    pub(super) fn problem(&self) -> Option<String> {
        let message = |key: &str, why: &str| Some(format!("guard.{key} {why}"));
        if self.min_share.is_some_and(|share| !is_share(share)) {
            message("min_share", SHARE)
        } else if self.min_recognised.is_some_and(|share| !is_share(share)) {
            message("min_recognised", SHARE)
        } else if self.max_v4.is_some_and(|space| !is_space(space)) {
            message("max_v4", SPACE)
        } else if self.max_growth.is_some_and(|growth| !is_growth(growth)) {
            message("max_growth", GROWTH)
        } else if self.v4_floor.is_some_and(|floor| !(1..=32).contains(&floor)) {
            message("v4_floor", "is not within 1 to 32")
        } else if self.v6_floor.is_some_and(|floor| !(1..=128).contains(&floor)) {
            message("v6_floor", "is not within 1 to 128")
        } else if self.max_index == Some(0) {
            message("max_index", INDEX)
        } else if self.max_age.is_some_and(|age| age.is_zero()) {
            message("max_age", AGE)
        } else {
            None
        }
    }
}

/// Whether a document that begins like this is an HTML page.
pub(super) fn is_html(start: &[u8]) -> bool {
    let start = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start).trim_ascii_start();
    [&b"<!doctype"[..], b"<html", b"<head", b"<body"]
        .iter()
        .any(|tag| start.get(..tag.len()).is_some_and(|begins| begins.eq_ignore_ascii_case(tag)))
}

/// Why a document that begins like this must not be read as this feed.
pub(crate) fn refuse_page(feed: &Feed, start: &[u8]) -> Option<String> {
    // Whoever writes a pattern of their own has seen what they read.
    let expected = !matches!(feed.format, Format::Regex { .. }) && !feed.guard.allow_html;
    (expected && is_html(start)).then(|| {
        format!(
            "it is an HTML page, not a list in the format {}: look at it in a browser, the list \
             may have moved or want a login (set guard.allow_html if it is meant to be a page)",
            feed.format.name()
        )
    })
}

/// Why these networks must not become the feed's content, whatever it was before: there are lists of
/// few bytes that only serve to make an index of many.
pub(crate) fn refuse_index(guard: &Guard, feed: &Feed, prefixes: &PrefixSet) -> Option<String> {
    let ceiling = feed.guard.max_index.unwrap_or(guard.max_index);
    let bytes = index_cost(prefixes);
    (bytes > ceiling).then(|| {
        format!(
            "its {} networks would take about {bytes} bytes of the index, above the ceiling of \
             {ceiling}: look for addresses without anything in common; `artif feeds accept {}` \
             takes it once, guard.max_index raises the ceiling",
            prefixes.len(),
            feed.id
        )
    })
}

/// Why what was read must not become the feed's content. `before` is the number of networks of the
/// last good content; `None` where there is none.
pub(crate) fn refuse_content(
    guard: &Guard,
    feed: &Feed,
    before: Option<u64>,
    report: &ParseReport,
) -> Option<String> {
    let own = &feed.guard;
    let now = report.distinct;
    let accept = format!("`artif feeds accept {}`", feed.id);
    let ceiling = own.max_v4.unwrap_or(match feed.scope {
        Scope::Range => guard.max_v4_ranges,
        _ => guard.max_v4_addresses,
    });
    if report.v4_addresses > ceiling {
        return Some(format!(
            "it covers {} IPv4 addresses, above the ceiling of {ceiling}: look for far too wide \
             networks in it; {accept} takes it once, guard.max_v4 raises the ceiling",
            report.v4_addresses
        ));
    }
    let before = before.filter(|count| *count > 0)?;
    if now == 0 {
        return (!feed.can_be_empty).then(|| {
            format!(
                "it lists nothing, the last good content listed {before}: see whether the \
                 publisher has given it up; {accept} takes it once, can_be_empty for good"
            )
        });
    }
    let share = now as f64 / before as f64;
    let recognised = report.recognised_share();
    if recognised < own.min_recognised.unwrap_or(guard.min_recognised) && share < 0.5 {
        return Some(format!(
            "an indicator is recognised in only {} of its lines, and it lists {now} where the last \
             good content listed {before}: see whether its format has changed; {accept} takes it \
             once, guard.min_recognised lowers the floor",
            percent(recognised)
        ));
    }
    let min_share = own.min_share.unwrap_or(guard.min_share);
    let counts = before >= own.min_share_from.unwrap_or(guard.min_share_from);
    // A feed that can be empty can be small, too.
    if counts && !feed.can_be_empty && share < min_share {
        return Some(format!(
            "it lists {now}, which is {} of the {before} of the last good content and below {}: \
             see whether it is complete; {accept} takes it once, guard.min_share lowers the floor",
            percent(share),
            percent(min_share)
        ));
    }
    let max_growth = own.max_growth.unwrap_or(guard.max_growth);
    let new = now.saturating_sub(before);
    if share > max_growth && new > own.max_growth_from.unwrap_or(guard.max_growth_from) {
        return Some(format!(
            "it lists {now}, more than {max_growth} times the {before} of the last good content: \
             see whether it is still the same list; {accept} takes it once, guard.max_growth \
             raises the ceiling"
        ));
    }
    None
}

fn percent(share: f64) -> String {
    let percent = share * 100.0;
    if percent < 10.0 { format!("{percent:.1} %") } else { format!("{percent:.0} %") }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use proptest::prelude::*;

    use super::*;

    fn feed() -> Feed {
        Feed::new("x", "file:x.txt").unwrap()
    }

    fn listing(count: u64) -> ParseReport {
        ParseReport {
            lines: count,
            recognised: count,
            entries: count,
            distinct: count,
            v4_addresses: count,
            ..ParseReport::default()
        }
    }

    /// With so many lines that are nothing beside those that are something.
    fn among_junk(count: u64, junk: u64) -> ParseReport {
        ParseReport { lines: count + junk, ..listing(count) }
    }

    fn refuse(before: u64, report: &ParseReport) -> Option<String> {
        refuse_content(&Guard::default(), &feed(), Some(before), report)
    }

    #[test]
    fn each_rule_at_its_edge() {
        let guard = Guard::default();
        for (before, report, expected, why) in [
            (1, listing(0), Some("it lists nothing"), "emptied"),
            (0, listing(0), None, "it always was empty"),
            (50, listing(9), Some("it lists 9, which is 18 %"), "cut short"),
            (50, listing(10), None, "exactly the share"),
            (49, listing(1), None, "too small for shares to mean anything"),
            (10, among_junk(4, 5), Some("only 44 % of its lines"), "an error text"),
            (10, among_junk(5, 6), None, "not clearly worse than before"),
            (10, among_junk(4, 4), None, "half of the lines is enough"),
            (30, among_junk(30, 2762), None, "a page of addresses among others, as ever"),
            (10, listing(100_010), None, "not enough is new for growth to count"),
            (10, listing(100_011), Some("more than 20 times"), "a hundred thousand at once"),
            (6000, listing(120_000), None, "exactly the growth"),
            (6000, listing(120_001), Some("more than 20 times"), "above it"),
        ] {
            let reason = refuse_content(&guard, &feed(), Some(before), &report);
            match expected {
                None => assert_eq!(reason, None, "{why}"),
                Some(start) => {
                    let reason = reason.unwrap_or_else(|| String::from("accepted"));
                    assert!(reason.contains(start), "{why}: {reason}");
                    assert!(reason.contains("`artif feeds accept x`"), "{why}: {reason}");
                }
            }
        }
    }

    #[test]
    fn the_ceiling_depends_on_the_scope_and_holds_for_a_first_load() {
        let guard = Guard::default();
        let mut feed = feed();
        let wide = |v4_addresses| ParseReport { v4_addresses, ..listing(3) };
        let refused = |feed: &Feed, space| refuse_content(&guard, feed, None, &wide(space));
        assert_eq!(refused(&feed, 1 << 29), None);
        assert!(refused(&feed, (1 << 29) + 1).unwrap().contains("ceiling of 536870912"));
        feed.scope = Scope::Range;
        assert_eq!(refused(&feed, 1 << 30), None);
        assert!(refused(&feed, (1 << 30) + 1).is_some());
        feed.guard.max_v4 = Some(7);
        assert!(refused(&feed, 8).unwrap().contains("ceiling of 7"));
        feed.guard.max_v4 = Some(1 << 32);
        assert_eq!(refused(&feed, 1 << 32), None);
    }

    #[test]
    fn a_feed_has_values_of_its_own() {
        let guard = Guard::default();
        let refused =
            |feed: &Feed, before, report| refuse_content(&guard, feed, Some(before), &report);
        let mut lax = feed();
        lax.guard = FeedGuard {
            min_share: Some(0.0),
            min_recognised: Some(0.0),
            max_growth: Some(1e9),
            ..FeedGuard::default()
        };
        assert_eq!(refused(&lax, 1000, among_junk(1, 99)), None);
        assert_eq!(refused(&lax, 1, listing(1_000_000)), None);
        assert!(refused(&lax, 1000, listing(0)).is_some(), "empty is another matter");
        lax.can_be_empty = true;
        assert_eq!(refused(&lax, 1000, listing(0)), None);

        let mut strict = feed();
        strict.guard = FeedGuard {
            min_share: Some(0.9),
            min_share_from: Some(1),
            max_growth: Some(2.0),
            max_growth_from: Some(0),
            ..FeedGuard::default()
        };
        assert!(refused(&strict, 10, listing(8)).is_some());
        assert!(refused(&strict, 10, listing(21)).is_some());
        assert_eq!(refused(&strict, 10, listing(20)), None);
    }

    #[test]
    fn pages() {
        let html = Feed::new("x", "file:x").unwrap();
        for (start, expected) in [
            ("<!DOCTYPE html>", true),
            ("\u{feff}\r\n\t <HTML lang=de>", true),
            ("<html", true),
            ("<body>1.2.3.4", true),
            ("", false),
            ("<", false),
            ("<htm", false),
            ("1.2.3.4 <html>", false),
            ("# <!doctype html>", false),
        ] {
            assert_eq!(refuse_page(&html, start.as_bytes()).is_some(), expected, "{start:?}");
        }
        let mut meant = feed();
        meant.guard.allow_html = true;
        assert_eq!(refuse_page(&meant, b"<html>"), None);
        let pattern = Format::Regex { pattern: "(IP)".to_owned() };
        assert_eq!(refuse_page(&feed().format(pattern), b"<html>"), None);
    }

    #[test]
    fn values_that_make_no_sense() {
        assert_eq!(Guard::default().problem(), None);
        for (guard, key) in [
            (Guard { min_share: f64::NAN, ..Guard::default() }, "min_share"),
            (Guard { min_share: 1.1, ..Guard::default() }, "min_share"),
            (Guard { min_recognised: -0.1, ..Guard::default() }, "min_recognised"),
            (Guard { max_v4_addresses: 0, ..Guard::default() }, "max_v4_addresses"),
            (Guard { max_v4_ranges: (1 << 32) + 1, ..Guard::default() }, "max_v4_ranges"),
            (Guard { max_growth: 0.5, ..Guard::default() }, "max_growth"),
            (Guard { max_growth: f64::INFINITY, ..Guard::default() }, "max_growth"),
            (Guard { max_age: Duration::ZERO, ..Guard::default() }, "max_age"),
        ] {
            assert_eq!(guard.problem().map(|(key, _)| key), Some(key));
        }
        let own = FeedGuard { max_v4: Some(0), ..FeedGuard::default() };
        assert!(own.problem().unwrap().starts_with("guard.max_v4 "));
        for (own, key) in [
            (FeedGuard { v4_floor: Some(0), ..FeedGuard::default() }, "v4_floor"),
            (FeedGuard { v6_floor: Some(129), ..FeedGuard::default() }, "v6_floor"),
            (FeedGuard { max_age: Some(Duration::ZERO), ..FeedGuard::default() }, "max_age"),
        ] {
            assert!(own.problem().unwrap().starts_with(&format!("guard.{key} ")));
        }
    }

    proptest! {
        #[test]
        fn the_same_content_again_is_never_refused(count in 0_u64..5_000_000, junk in 0_u64..5_000_000) {
            prop_assert_eq!(refuse(count, &among_junk(count, junk)), None);
        }

        #[test]
        fn a_first_load_meets_absolute_rules_only(count in 0_u64..1 << 29, junk in 0_u64..1 << 40) {
            let report = among_junk(count, junk);
            prop_assert_eq!(refuse_content(&Guard::default(), &feed(), None, &report), None);
        }

        /// Between the two shares and with lines that can be read nothing is refused, outside
        /// everything that is large enough.
        #[test]
        fn only_the_shares_decide_for_clean_lists(before in 50_u64..200_000, now in 1_u64..8_000_000) {
            let share = now as f64 / before as f64;
            let too_large = share > 20.0 && now - before > 100_000;
            prop_assert_eq!(refuse(before, &listing(now)).is_some(), share < 0.2 || too_large);
        }
    }
}
