//! Feeds that are all but contained in another.

use std::fmt::Write as _;

use super::model::{FeedMeasures, NearCopy, Overlap};
use super::text::{hours, percent};

/// From this share on a feed is a copy of what contains it.
pub(super) const CONTAINED: f64 = 0.9;
/// Of fewer networks chance alone makes copies.
const SMALLEST: u64 = 20;
/// Of fewer networks a median says nothing.
const TIMED: u64 = 20;

/// All of them, the most alike first.
pub(super) fn find(feeds: &[FeedMeasures], overlaps: &[Overlap]) -> Vec<NearCopy> {
    let networks =
        |id: &str| feeds.iter().find(|feed| feed.id == id).map_or(0, |feed| feed.volume.networks);
    let mut copies = Vec::new();
    for pair in overlaps {
        let directions = [
            (&pair.a, &pair.b, pair.a_in_b_share, pair.b_in_a_share, pair.median_hours),
            (&pair.b, &pair.a, pair.b_in_a_share, pair.a_in_b_share, pair.median_hours.map(|h| -h)),
        ];
        let both = pair.a_in_b_share >= CONTAINED && pair.b_in_a_share >= CONTAINED;
        for (feed, of, contained, contains, lag) in directions {
            // Two that are copies of each other are named once, the smaller one first.
            let smaller = (networks(feed), feed) < (networks(of), of);
            if contained < CONTAINED || networks(feed) < SMALLEST || (both && !smaller) {
                continue;
            }
            let timed = pair.a_first + pair.b_first + pair.same >= TIMED;
            copies.push(NearCopy {
                feed: feed.clone(),
                of: of.clone(),
                contained,
                contains,
                jaccard: pair.jaccard,
                implied: false,
                text: sentence(feed, of, contained, contains, lag.filter(|_| timed)),
            });
        }
    }
    let contained: Vec<(String, String)> =
        copies.iter().map(|copy| (copy.feed.clone(), copy.of.clone())).collect();
    for copy in copies.iter_mut().filter(|copy| copy.contains < CONTAINED) {
        copy.implied = contained.iter().any(|(feed, between)| {
            *feed == copy.feed && contained.iter().any(|(f, of)| f == between && *of == copy.of)
        });
    }
    copies.sort_by(|a, b| {
        b.jaccard.total_cmp(&a.jaccard).then_with(|| (&a.feed, &a.of).cmp(&(&b.feed, &b.of)))
    });
    copies
}

fn sentence(feed: &str, of: &str, contained: f64, contains: f64, lag: Option<f64>) -> String {
    let mut text = if contains >= CONTAINED {
        let (contained, contains) = (percent(contained), percent(contains));
        format!(
            "{feed} and {of} are near-copies: {contained} of the one is in the other, {contains} of \
             the other in the one"
        )
    } else {
        let contained = percent(contained);
        format!("{feed} is {contained} contained in {of}, of which it makes {}", percent(contains))
    };
    if let Some(lag) = lag.filter(|lag| lag.abs() >= 1.0) {
        let word = if lag > 0.0 { "later" } else { "earlier" };
        // Writing to a String cannot fail.
        let _ = write!(text, "; {feed} has what both have {} {word} (median)", hours(lag.abs()));
    }
    text
}
