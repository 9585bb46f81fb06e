//! The plots of a report, as SVG.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::model::{FeedMeasures, FeedsReport};
use super::text::{cut, hours, percent, short, short_rate};
use crate::error::{Error, Result};

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// More rows than this make a plot nobody reads.
const ROWS: usize = 60;
const ROW: u32 = 18;
const WIDTH: u32 = 1000;
/// Room for the names of feeds.
const NAMES: u32 = 230;
const NAME: usize = 30;
/// Lines in one plot.
const LINES: usize = 8;

const LIGHT: RGBColor = RGBColor(158, 188, 218);
const DARK: RGBColor = RGBColor(33, 84, 140);
const WARM: RGBColor = RGBColor(200, 90, 60);
const INK: RGBColor = RGBColor(40, 40, 40);
const PALE: RGBColor = RGBColor(225, 225, 225);
/// Colours that people with any colour vision tell apart (Okabe and Ito).
const COLOURS: [RGBColor; LINES] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(120, 120, 120),
    RGBColor(0, 0, 0),
];

fn failed(error: impl std::fmt::Display) -> Error {
    Error::Invalid { what: "plot", reason: error.to_string() }
}

/// A picture of this size, drawn by `draw`.
fn picture(width: u32, height: u32, draw: impl FnOnce(&Area<'_>) -> Result<()>) -> Result<String> {
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, (width, height)).into_drawing_area();
        draw(&area)?;
        area.present().map_err(failed)?;
    }
    Ok(svg)
}

fn words(size: u32, horizontal: HPos) -> TextStyle<'static> {
    ("sans-serif", size).into_font().color(&INK).pos(Pos::new(horizontal, VPos::Center))
}

fn write(area: &Area<'_>, text: &str, at: (i32, i32), style: &TextStyle<'_>) -> Result<()> {
    area.draw(&Text::new(text.to_owned(), at, style.clone())).map_err(failed)
}

fn fill(area: &Area<'_>, from: (i32, i32), to: (i32, i32), colour: RGBColor) -> Result<()> {
    area.draw(&Rectangle::new([from, to], colour.filled())).map_err(failed)
}

fn pixels(size: u32) -> i32 {
    i32::try_from(size).unwrap_or(i32::MAX)
}

/// The feeds that list most.
fn largest(report: &FeedsReport) -> Vec<&FeedMeasures> {
    let mut feeds: Vec<_> = report.feeds.iter().filter(|feed| feed.volume.networks > 0).collect();
    feeds.sort_by(|a, b| (b.volume.networks, &a.id).cmp(&(a.volume.networks, &b.id)));
    feeds.truncate(ROWS);
    feeds
}

/// Which share of the row's feed the column's feed lists or covers.
pub(super) fn overlap(report: &FeedsReport) -> Result<Option<String>> {
    let mut feeds = largest(report);
    if feeds.len() < 2 {
        return Ok(None);
    }
    // Publishers side by side: their lists overlap most.
    feeds.sort_by(|a, b| {
        (a.role as u8, &a.publisher, &a.id).cmp(&(b.role as u8, &b.publisher, &b.id))
    });
    let side = ROW * feeds.len() as u32;
    let (left, top) = (pixels(NAMES), pixels(NAMES));
    let row = pixels(ROW);
    // The legend below needs its room, however few the feeds.
    let svg = picture(NAMES + side.max(680) + 10, NAMES + side + 40, |area| {
        let names = words(12, HPos::Right);
        let columns = words(12, HPos::Left).transform(FontTransform::Rotate270);
        for (place, feed) in (0..).zip(&feeds) {
            let name = cut(&feed.id, NAME);
            write(area, &name, (left - 6, top + place * row + row / 2), &names)?;
            write(area, &name, (left + place * row + row / 2, top - 6), &columns)?;
            for (column, other) in (0..).zip(&feeds) {
                let at = (left + column * row, top + place * row);
                let to = (at.0 + row - 1, at.1 + row - 1);
                if feed.id == other.id {
                    fill(area, at, to, PALE)?;
                } else if let Some(share) =
                    report.overlap(&feed.id, &other.id).filter(|share| *share >= 0.005)
                {
                    fill(area, at, to, shade(share))?;
                }
            }
        }
        let bottom = top + pixels(side) + 22;
        write(area, "share of the row in the column:", (left, bottom), &words(12, HPos::Left))?;
        for (place, share) in (0..).zip([0.01, 0.25, 0.5, 0.75, 1.0]) {
            let x = left + 200 + place * 90;
            fill(area, (x, bottom - 8), (x + 16, bottom + 8), shade(share))?;
            write(area, &percent(share), (x + 22, bottom), &words(12, HPos::Left))?;
        }
        Ok(())
    })?;
    Ok(Some(svg))
}

/// From pale to dark, so that small shares are seen too.
fn shade(share: f64) -> RGBColor {
    let mix = share.clamp(0.0, 1.0).sqrt();
    let between = |from: u8, to: u8| {
        let value = f64::from(from) + (f64::from(to) - f64::from(from)) * mix;
        #[expect(clippy::cast_sign_loss, reason = "between two bytes")]
        let byte = value.round() as u8;
        byte
    };
    RGBColor(between(240, 8), between(246, 48), between(252, 107))
}

/// Networks of each feed, and those that nobody else has, on a logarithmic scale.
pub(super) fn volume(report: &FeedsReport) -> Result<Option<String>> {
    let feeds = largest(report);
    let Some(most) = feeds.first().map(|feed| feed.volume.networks) else { return Ok(None) };
    // A feed of one network has a bar too.
    let decades = (most as f64).log10().ceil().max(1.0) + 0.3;
    let span = f64::from(WIDTH - NAMES - 130);
    let reach = |networks: u64| ((networks as f64).log10() + 0.3) / decades * span;
    let left = pixels(NAMES);
    let height = ROW * feeds.len() as u32;
    let svg = picture(WIDTH, height + 50, |area| {
        for decade in (0..20).take_while(|decade| f64::from(*decade) <= decades) {
            let x = left + reach(10_u64.pow(decade)) as i32;
            fill(area, (x, 4), (x + 1, pixels(height) + 4), PALE)?;
            let label = short(10_u64.pow(decade));
            write(area, &label, (x, pixels(height) + 14), &words(11, HPos::Center))?;
        }
        for (place, feed) in (0..).zip(&feeds) {
            let y = 4 + place * pixels(ROW);
            write(area, &cut(&feed.id, NAME), (left - 6, y + 8), &words(12, HPos::Right))?;
            let end = left + reach(feed.volume.networks) as i32;
            fill(area, (left, y + 2), (end, y + 14), LIGHT)?;
            if feed.exclusive.networks > 0 {
                let end = left + reach(feed.exclusive.networks) as i32;
                fill(area, (left, y + 5), (end, y + 11), DARK)?;
            }
            let label =
                format!("{}, {}", short(feed.volume.networks), percent(feed.exclusive.share));
            write(area, &label, (end + 6, y + 8), &words(11, HPos::Left))?;
        }
        let y = pixels(height) + 36;
        legend(area, y, &[("networks", LIGHT), ("of these in no other feed", DARK)])
    })?;
    Ok(Some(svg))
}

fn legend(area: &Area<'_>, y: i32, entries: &[(&str, RGBColor)]) -> Result<()> {
    let mut x = pixels(NAMES);
    for (text, colour) in entries {
        fill(area, (x, y - 6), (x + 12, y + 6), *colour)?;
        write(area, text, (x + 18, y), &words(12, HPos::Left))?;
        x += 40 + 8 * i32::try_from(text.chars().count()).unwrap_or(0);
    }
    Ok(())
}

/// How often each feed was first, at once with the first, or later.
pub(super) fn latency(report: &FeedsReport) -> Result<Option<String>> {
    let mut feeds: Vec<_> = report.feeds.iter().filter(|feed| feed.latency.shared > 0).collect();
    feeds.sort_by(|a, b| (b.latency.shared, &a.id).cmp(&(a.latency.shared, &b.id)));
    feeds.truncate(ROWS);
    if feeds.is_empty() {
        return Ok(None);
    }
    let left = pixels(NAMES);
    let span = f64::from(WIDTH - NAMES - 260);
    let height = ROW * feeds.len() as u32;
    let svg = picture(WIDTH, height + 40, |area| {
        for (place, feed) in (0..).zip(&feeds) {
            let y = 4 + place * pixels(ROW);
            let latency = &feed.latency;
            write(area, &cut(&feed.id, NAME), (left - 6, y + 8), &words(12, HPos::Right))?;
            let mut sum = 0;
            let at = |sum: u64| left + (sum as f64 / latency.shared as f64 * span) as i32;
            for (count, colour) in
                [(latency.first, DARK), (latency.same, LIGHT), (latency.later, WARM)]
            {
                if count > 0 {
                    fill(area, (at(sum), y + 2), (at(sum + count), y + 14), colour)?;
                }
                sum += count;
            }
            let of = format!("of {}", short(latency.shared));
            let label = match latency.median_hours {
                Some(median) => format!("{of}, median {}", hours(median)),
                None => of,
            };
            write(area, &label, (at(sum) + 6, y + 8), &words(11, HPos::Left))?;
        }
        let entries = [("before all others", DARK), ("at once", LIGHT), ("later", WARM)];
        legend(area, pixels(height) + 24, &entries)
    })?;
    Ok(Some(svg))
}

/// Networks added and removed a day, of the feeds in which most changes.
pub(super) fn churn(report: &FeedsReport) -> Result<Option<String>> {
    let moved = |feed: &FeedMeasures| feed.churn.added + feed.churn.removed;
    let mut feeds: Vec<_> = report.feeds.iter().filter(|feed| moved(feed) > 0).collect();
    feeds.sort_by(|a, b| (moved(b), &a.id).cmp(&(moved(a), &b.id)));
    feeds.truncate(LINES);
    let days = || feeds.iter().flat_map(|feed| &feed.churn.daily);
    let (Some(first), Some(last)) =
        (days().map(|day| day.date).min(), days().map(|day| day.date).max())
    else {
        return Ok(None);
    };
    let number = |date: NaiveDate| (date - first).num_days() as i32;
    let most = days().map(|day| day.added.max(day.removed)).max().unwrap_or(1) as f64 * 1.05;
    let end = number(last).max(1);
    let svg = picture(WIDTH, 420, |area| {
        let mut chart = ChartBuilder::on(area)
            .margin(10)
            .margin_right(pixels(NAMES) + 40)
            .x_label_area_size(30)
            .y_label_area_size(70)
            .build_cartesian_2d(0..end, -most..most)
            .map_err(failed)?;
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(PALE)
            .label_style(words(12, HPos::Center))
            .y_label_style(words(12, HPos::Right))
            .x_labels(usize::try_from(end + 1).unwrap_or(1).min(12))
            .x_label_formatter(&|day| {
                let date = first + chrono::Duration::days(i64::from(*day));
                date.format("%b %d").to_string()
            })
            .y_label_formatter(&|count: &f64| {
                let sign = if *count < 0.0 { "−" } else { "" };
                format!("{sign}{}", short_rate(count.abs()))
            })
            .draw()
            .map_err(failed)?;
        for (feed, colour) in feeds.iter().zip(COLOURS) {
            let known: BTreeMap<i32, (u64, u64)> = feed
                .churn
                .daily
                .iter()
                .map(|day| (number(day.date), (day.added, day.removed)))
                .collect();
            // Before the day after it was first loaded nothing is known of changes.
            let from = report.created.date_naive()
                - chrono::Duration::days(feed.churn.days.ceil() as i64 - 1);
            let from = number(from).clamp(0, end);
            let value = |day| known.get(&day).copied().unwrap_or_default();
            let line = |pick: fn((u64, u64)) -> f64| {
                LineSeries::new((from..=end).map(|day| (day, pick(value(day)))), &colour)
            };
            chart.draw_series(line(|day| day.0 as f64)).map_err(failed)?;
            chart.draw_series(line(|day| -(day.1 as f64))).map_err(failed)?;
        }
        for (place, (feed, colour)) in (0..).zip(feeds.iter().zip(COLOURS)) {
            let y = 20 + place * 16;
            let x = pixels(WIDTH - NAMES) - 30;
            fill(area, (x, y - 5), (x + 12, y + 5), colour)?;
            write(area, &cut(&feed.id, NAME), (x + 18, y), &words(12, HPos::Left))?;
        }
        Ok(())
    })?;
    Ok(Some(svg))
}
