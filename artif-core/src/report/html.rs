//! A report as one HTML page that needs nothing from elsewhere: no script, no font, no picture.

use std::fmt::Write as _;

use super::model::{FeedMeasures, FeedsReport};
use super::plots;
use super::text::{hours, percent, short_rate};
use crate::error::Result;

const STYLE: &str = "\
body { font: 15px/1.5 sans-serif; color: #222; max-width: 1100px; margin: 2em auto; padding: 0 1em }
h1 { font-size: 1.6em } h2 { font-size: 1.2em; margin-top: 2em }
table { border-collapse: collapse; font-size: 13px }
th, td { padding: 2px 8px; text-align: right; border-bottom: 1px solid #e4e4e4; white-space: nowrap }
th { position: sticky; top: 0; background: #fff } td:first-child, th:first-child { text-align: left }
.wide { overflow-x: auto } svg { max-width: none } p.small { color: #666; font-size: 13px }
";

/// Text that is no markup, whatever a catalogue calls its feeds.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

impl FeedsReport {
    /// The report as an HTML page with plots. The page holds everything it shows.
    ///
    /// Errors: [`Error::Invalid`](crate::Error::Invalid) where a plot cannot be drawn.
    ///
    /// ```
    /// let page = artif_core::Engine::in_memory().unwrap().feed_report().to_html().unwrap();
    /// assert!(page.starts_with("<!DOCTYPE html>") && !page.contains("<script"));
    /// ```
    pub fn to_html(&self) -> Result<String> {
        let plots = [
            (
                "What each feed has, and what nobody else does",
                "Networks, on a logarithmic scale; a network around another covers it. The number \
                 behind a bar is the feed's size and the share of it that no other feed has.",
                plots::volume(self)?,
            ),
            (
                "Overlap",
                "Dark: the feed of the row is all but contained in that of the column. Feeds of \
                 different roles are not compared.",
                plots::overlap(self)?,
            ),
            (
                "Who is first",
                "Of the networks that another publisher lists or listed too, and of which the order \
                 is known. The median is this feed's time minus the first other publisher's.",
                plots::latency(self)?,
            ),
            (
                "What comes and goes",
                "Networks added (above) and removed (below) a day, of the feeds in which most \
                 changes.",
                plots::churn(self)?,
            ),
        ];
        let mut out = String::new();
        // Writing to a String cannot fail.
        let _ = self.write_html(&mut out, &plots);
        Ok(out)
    }

    fn write_html(
        &self,
        out: &mut String,
        plots: &[(&str, &str, Option<String>)],
    ) -> std::fmt::Result {
        write!(
            out,
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <title>Feed report</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n\
             <h1>Feed report</h1>\n<p>{} feeds on {}: {} networks and {} IPv4 addresses in threat \
             feeds. These figures compare feeds with each other; none of them says who is right.\
             </p>\n",
            self.feeds.len(),
            self.created.format("%Y-%m-%d %H:%M UTC"),
            self.networks,
            self.addresses
        )?;
        out.write_str("<h2>Near-copies</h2>\n")?;
        let mut items = String::new();
        for copy in self.copies.iter().filter(|copy| !copy.implied) {
            writeln!(items, "<li>{}</li>", escape(&copy.text))?;
        }
        if items.is_empty() {
            out.write_str("<p>No feed is contained in another.</p>\n")?;
        } else {
            write!(out, "<ul>\n{items}</ul>\n")?;
        }
        for (title, about, plot) in plots {
            write!(out, "<h2>{title}</h2>\n<p class=\"small\">{about}</p>\n")?;
            match plot {
                Some(plot) => write!(out, "<div class=\"wide\">\n{plot}</div>\n")?,
                None => out.write_str("<p>Nothing to show yet.</p>\n")?,
            }
        }
        self.write_table(out)?;
        out.write_str("</body>\n</html>\n")
    }

    fn write_table(&self, out: &mut String) -> std::fmt::Result {
        const COLUMNS: [&str; 17] = [
            "feed",
            "publisher",
            "networks",
            "IPv6",
            "addresses",
            "only here",
            "only this publisher",
            "of all",
            "of agreed",
            "corroborated",
            "shared infrastructure",
            "clouds, VPNs …",
            "junk dropped",
            "first",
            "median lag",
            "added, removed / day",
            "half-life",
        ];
        out.write_str("<h2>All figures</h2>\n<div class=\"wide\">\n<table>\n<tr>")?;
        for column in COLUMNS {
            write!(out, "<th>{column}</th>")?;
        }
        out.write_str("</tr>\n")?;
        for feed in &self.feeds {
            out.write_str("<tr>")?;
            for cell in cells(feed) {
                write!(out, "<td>{}</td>", escape(&cell))?;
            }
            out.write_str("</tr>\n")?;
        }
        out.write_str("</table>\n</div>\n")
    }
}

fn cells(feed: &FeedMeasures) -> [String; 17] {
    let none = || "–".to_owned();
    let of = |part: u64| {
        let whole = feed.volume.networks;
        if whole == 0 { none() } else { percent(part as f64 / whole as f64) }
    };
    let latency = &feed.latency;
    let churn = &feed.churn;
    [
        feed.id.clone(),
        feed.publisher.clone(),
        feed.volume.networks.to_string(),
        feed.volume.networks6.to_string(),
        feed.volume.addresses.to_string(),
        of(feed.exclusive.networks),
        of(feed.exclusive.of_publisher),
        percent(feed.coverage.networks),
        feed.coverage.confirmed.map_or_else(none, percent),
        of(feed.accuracy.corroborated),
        feed.accuracy.shared_infrastructure.to_string(),
        feed.accuracy.named_infrastructure.to_string(),
        feed.accuracy
            .read
            .map_or_else(none, |read| (read.special_purpose + read.too_wide).to_string()),
        if latency.shared == 0 {
            none()
        } else {
            percent(latency.first as f64 / latency.shared as f64)
        },
        latency.median_hours.map_or_else(none, hours),
        match (churn.added_per_day, churn.removed_per_day) {
            (Some(added), Some(removed)) => {
                format!("{}, {}", short_rate(added), short_rate(removed))
            }
            _ => none(),
        },
        churn.half_life_days.map_or_else(none, |days| format!("{days:.1} d")),
    ]
}
