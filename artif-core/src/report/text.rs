//! A report as text, for terminals of 100 columns.

use std::fmt::Write as _;

use super::copies::CONTAINED;
use super::model::{FeedMeasures, FeedsReport};
use crate::feed::Role;

/// How many characters of a feed's id are shown.
const NAME: usize = 26;

/// A share, never rounded up to 100 nor down to 0.
pub(super) fn percent(share: f64) -> String {
    let percent = 100.0 * share;
    if percent >= 99.95 && share < 1.0 {
        "99.9 %".to_owned()
    } else if percent > 0.0 && percent < 0.1 {
        "< 0.1 %".to_owned()
    } else if percent == 0.0 || share >= 1.0 || (1.0..99.0).contains(&percent) {
        format!("{percent:.0} %")
    } else {
        format!("{percent:.1} %")
    }
}

/// Hours, from two days on as days.
pub(super) fn hours(hours: f64) -> String {
    if hours.abs() < 48.0 { format!("{hours:.0} h") } else { format!("{:.0} d", hours / 24.0) }
}

/// At most four digits and a letter.
pub(super) fn short(count: u64) -> String {
    short_rate(count as f64)
}

/// Likewise, below ten to a tenth.
pub(super) fn short_rate(size: f64) -> String {
    const UNITS: [(f64, &str); 3] = [(1e9, "G"), (1e6, "M"), (1e3, "k")];
    if size < 9.95 && size.fract() > 0.0 {
        return format!("{size:.1}");
    }
    if size < 9_999.5 {
        return format!("{size:.0}");
    }
    let unit = UNITS.iter().find(|(unit, _)| size >= unit * 0.9995);
    let (unit, name) = unit.copied().unwrap_or((1.0, ""));
    let size = size / unit;
    if size < 9.95 { format!("{size:.1}{name}") } else { format!("{size:.0}{name}") }
}

/// An id that is not too wide, cut behind the middle: feeds of one family differ there or at the end.
pub(crate) fn cut(id: &str, width: usize) -> String {
    let clean = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    let all: Vec<char> = id.chars().map(clean).collect();
    if all.len() <= width {
        return all.into_iter().collect();
    }
    let tail = width / 3;
    let head = width.saturating_sub(1) - tail;
    let start = all.iter().take(head);
    start.chain(&['…']).chain(all.iter().skip(all.len() - tail)).collect()
}

impl FeedsReport {
    /// A table of the feeds and the near-copies among them, with a legend, in lines of at most 100
    /// characters (sentences about feeds with long names are longer).
    ///
    /// ```
    /// let text = artif_core::Engine::in_memory().unwrap().feed_report().to_text();
    /// assert!(text.contains("0 feeds"));
    /// ```
    pub fn to_text(&self) -> String {
        let mut out = String::new();
        // Writing to a String cannot fail.
        let _ = self.write_text(&mut out);
        out
    }

    fn write_text(&self, out: &mut String) -> std::fmt::Result {
        writeln!(
            out,
            "{} feeds on {}: {} networks and {} IPv4 addresses in threat feeds",
            self.feeds.len(),
            self.created.format("%Y-%m-%d %H:%M UTC"),
            self.networks,
            self.addresses
        )?;
        for (role, title) in [
            (Role::Threat, "Threat feeds"),
            (Role::Label, "Feeds that only say what an address is"),
            (Role::Benign, "Feeds of what is known to be good"),
        ] {
            let feeds: Vec<_> = self.feeds.iter().filter(|feed| feed.role == role).collect();
            if !feeds.is_empty() {
                writeln!(out, "\n{title}")?;
                table(out, &feeds)?;
            }
        }
        self.write_copies(out)?;
        legend(out)
    }

    fn write_copies(&self, out: &mut String) -> std::fmt::Result {
        let (implied, told): (Vec<_>, Vec<_>) = self.copies.iter().partition(|copy| copy.implied);
        if told.is_empty() {
            return writeln!(
                out,
                "\nNo feed is contained in another to {:.0} % or more.",
                100.0 * CONTAINED
            );
        }
        writeln!(out, "\nNear-copies")?;
        for copy in told {
            wrap(out, &copy.text)?;
        }
        if !implied.is_empty() {
            writeln!(out, "  {} more follow from these: a copy of a copy.", implied.len())?;
        }
        Ok(())
    }
}

/// Breaks a sentence at blanks so that lines stay within 100 characters.
fn wrap(out: &mut String, text: &str) -> std::fmt::Result {
    let mut width = 0;
    for word in text.split(' ') {
        let word = cut(word, 90);
        let length = word.chars().count();
        if width == 0 {
            write!(out, "  {word}")?;
            width = 2 + length;
        } else if width + 1 + length > 100 {
            write!(out, "\n    {word}")?;
            width = 4 + length;
        } else {
            write!(out, " {word}")?;
            width += 1 + length;
        }
    }
    writeln!(out)
}

fn table(out: &mut String, feeds: &[&FeedMeasures]) -> std::fmt::Result {
    const DASH: &str = "-";
    writeln!(
        out,
        "{:<NAME$} {:>8} {:>7} {:>5} {:>5} {:>5} {:>5} {:>6} {:>5} {:>5} {:>5} {:>6}",
        "feed",
        "networks",
        "addrs",
        "only",
        "cover",
        "infra",
        "junk",
        "first",
        "lag",
        "+/day",
        "-/day",
        "half"
    )?;
    let names: Vec<String> = feeds.iter().map(|feed| cut(&feed.id, NAME)).collect();
    for (feed, name) in feeds.iter().zip(&names) {
        // Two that look alike when cut are written out on lines of their own.
        let alike = names.iter().filter(|other| *other == name).count() > 1;
        if alike {
            writeln!(out, "{}", cut(&feed.id, 100))?;
        }
        let whole = feed.volume.networks;
        let of = |part: u64| {
            if whole == 0 { DASH.to_owned() } else { tight(part as f64 / whole as f64) }
        };
        let rate = |rate: Option<f64>| rate.map_or(DASH.to_owned(), short_rate);
        let latency = &feed.latency;
        writeln!(
            out,
            "{:<NAME$} {:>8} {:>7} {:>5} {:>5} {:>5} {:>5} {:>6} {:>5} {:>5} {:>5} {:>6}",
            if alike { "" } else { name },
            whole,
            short(feed.volume.addresses),
            of(feed.exclusive.networks),
            feed.coverage.confirmed.map_or(DASH.to_owned(), tight),
            short(feed.accuracy.shared_infrastructure),
            feed.accuracy
                .read
                .map_or(DASH.to_owned(), |read| short(read.special_purpose + read.too_wide)),
            if latency.shared == 0 {
                DASH.to_owned()
            } else {
                tight(latency.first as f64 / latency.shared as f64)
            },
            latency.median_hours.map_or(DASH.to_owned(), |lag| hours(lag).replace(' ', "")),
            rate(feed.churn.added_per_day),
            rate(feed.churn.removed_per_day),
            feed.churn.half_life_days.map_or(DASH.to_owned(), half_life),
        )?;
    }
    Ok(())
}

fn half_life(days: f64) -> String {
    if days < 9.95 {
        format!("{days:.1}d")
    } else if days < 1000.0 {
        format!("{days:.0}d")
    } else {
        ">999d".to_owned()
    }
}

/// A share in five characters.
fn tight(share: f64) -> String {
    let percent = 100.0 * share;
    if share > 0.0 && percent < 0.5 {
        "<1%".to_owned()
    } else if share < 1.0 && percent >= 99.5 {
        ">99%".to_owned()
    } else {
        format!("{percent:.0}%")
    }
}

fn legend(out: &mut String) -> std::fmt::Result {
    out.write_str(
        "
only   networks that no other feed lists or covers, of its own
cover  what it has of the networks that at least two other publishers agree on
infra  networks with shared infrastructure in them: public resolvers, CDNs … (warninglists)
junk   entries of its newest document in special-purpose space or too wide, dropped
first  networks it had before every other publisher, of those whose order is known
lag    its time minus the first other publisher's, median; below 0 it is early
half   half-life of listings: after so long half of them have ended
These figures compare feeds with each other; none of them says who is right.
",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_short_and_never_rounded_to_all_or_nothing() {
        assert_eq!(
            [0.0, 0.0004, 0.004, 0.5, 0.984, 0.9949, 0.99999, 1.0].map(percent),
            ["0 %", "< 0.1 %", "0.4 %", "50 %", "98 %", "99.5 %", "99.9 %", "100 %"]
        );
        assert_eq!(
            [0, 9_999, 10_000, 999_700, 42_000_000, 1 << 32].map(short),
            ["0", "9999", "10k", "1.0M", "42M", "4.3G"]
        );
        assert_eq!([0.04, 2.5, 9.96, 12.5].map(short_rate), ["0.0", "2.5", "10", "12"]);
        assert_eq!([0.0, 0.001, 0.999, 1.0].map(tight), ["0%", "<1%", ">99%", "100%"]);
        assert_eq!(half_life(120_000.0), ">999d");
    }

    #[test]
    fn long_names_keep_both_ends() {
        assert_eq!(cut("short", 9), "short");
        assert_eq!(cut("a-rather-long-name-4", 9), "a-rat…e-4");
        assert_eq!(cut("a\u{1b}[2J", 9), "a\u{fffd}[2J");
    }

    #[test]
    fn sentences_are_broken_at_blanks() {
        let mut out = String::new();
        wrap(&mut out, &"twelve chars ".repeat(20)).unwrap();
        assert!(out.lines().count() > 2);
        assert!(out.lines().all(|line| line.chars().count() <= 100), "{out}");
        assert_eq!(out.split_whitespace().count(), 40);
    }
}
