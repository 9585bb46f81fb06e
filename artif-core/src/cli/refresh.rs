//! `artif refresh`.

use owo_colors::Style;

use super::args::RefreshArgs;
use super::context::Context;
use super::output::{Done, Screen, Stop};
use super::progress::Progress;
use super::{exit, human};
use crate::engine::{Engine, FeedReport, Outcome, RefreshOptions, RefreshReport};
use crate::feed::SkipReason;
use crate::snapshot::SnapshotCounts;

pub(super) fn run(args: &RefreshArgs, context: &mut Context<'_>) -> Done {
    let mut config = context.config()?;
    for (given, place) in
        [(&args.asn, &mut config.geo.asn), (&args.country, &mut config.geo.country)]
    {
        if given.is_some() {
            place.clone_from(given);
        }
    }
    let mut builder = Engine::builder().config(config).clock(context.clock());
    for catalogue in &args.catalogue {
        builder = builder.catalogue(catalogue);
    }
    if args.dry_run {
        builder = builder.only_looking();
    }
    let engine = builder.build()?;
    let report = refresh(&engine, args, context)?;
    let screen = &mut context.screen;
    if screen.json {
        screen.document(&report)?;
    } else if args.dry_run {
        print_dry(&report, screen)?;
    } else {
        print(&report, args.table || screen.verbose(), screen)?;
    }
    Ok(code(&report))
}

fn refresh(
    engine: &Engine,
    args: &RefreshArgs,
    context: &Context<'_>,
) -> Result<RefreshReport, Stop> {
    let mut options = RefreshOptions::default().cancel(context.cancel.flag());
    for id in &args.feed {
        options = options.feed(id.clone());
    }
    if args.dry_run {
        options = options.dry_run();
    }
    let progress = Progress::start(&context.screen);
    let report = engine.refresh(&progress.follow(options));
    progress.finish();
    Ok(report?)
}

/// The exit code a refresh deserves.
pub(super) fn code(report: &RefreshReport) -> u8 {
    let lists = report.warninglists.iter();
    let servers = report.misp.iter();
    let bad = report.count(Outcome::Failed)
        + report.count(Outcome::Refused)
        + lists.filter(|l| matches!(l.outcome, Outcome::Failed | Outcome::Refused)).count()
        + servers.filter(|s| matches!(s.outcome, Outcome::Failed | Outcome::Refused)).count();
    if bad == 0 { exit::OK } else { exit::PARTIAL }
}

/// What was read, over all feeds.
#[derive(Default)]
struct Totals {
    kept: u64,
    duplicates: u64,
    special_purpose: u64,
    too_wide: u64,
    /// Not an indicator, or not one that could be read; what filters left out does not count.
    other: u64,
    added: u64,
    ended: u64,
    unchanged: u64,
}

impl Totals {
    fn of<'a>(feeds: impl IntoIterator<Item = &'a FeedReport>) -> Self {
        let mut totals = Self::default();
        for feed in feeds {
            if let Some(parse) = &feed.parse {
                totals.kept += parse.distinct;
                totals.duplicates += parse.duplicates;
                totals.special_purpose += parse.special_purpose;
                totals.too_wide += parse.too_wide;
                let counted_elsewhere = [
                    SkipReason::SpecialPurpose,
                    SkipReason::TooWide,
                    SkipReason::Filtered,
                    SkipReason::Deleted,
                ];
                let skipped = parse.skipped.iter();
                let other = skipped.filter(|(reason, _)| !counted_elsewhere.contains(reason));
                totals.other += other.map(|(_, count)| count).sum::<u64>();
            }
            if let Some(commit) = &feed.commit {
                totals.added += commit.added;
                totals.ended += commit.ended;
                totals.unchanged += commit.unchanged;
            }
        }
        totals
    }
}

pub(super) fn networks(counts: &SnapshotCounts) -> String {
    format!(
        "{} distinct ({} IPv4, {} IPv6): {} active, {} historical",
        human::count(counts.networks4 + counts.networks6),
        human::count(counts.networks4),
        human::count(counts.networks6),
        human::count(counts.active),
        human::count(counts.historical)
    )
}

/// Says what a refresh did, in the form asked for.
pub(super) fn show(report: &RefreshReport, screen: &mut Screen<'_>) -> Done {
    if screen.json {
        screen.document(report)?;
    } else {
        print(report, false, screen)?;
    }
    Ok(code(report))
}

pub(super) fn print(
    report: &RefreshReport,
    table: bool,
    screen: &mut Screen<'_>,
) -> Result<(), Stop> {
    if table {
        per_feed(report, screen)?;
        screen.line("")?;
    }
    if !screen.quiet {
        summary(report, screen)?;
    }
    troubles(report, screen)
}

/// What a dry run found: the feeds that would change, and the troubles.
fn print_dry(report: &RefreshReport, screen: &mut Screen<'_>) -> Result<(), Stop> {
    if !screen.quiet {
        screen.line(format_args!(
            "{} feeds, nothing written: {} would be loaded, {} unchanged, {} failed, {} would be refused",
            report.feeds.len(),
            report.count(Outcome::Loaded),
            report.count(Outcome::Unchanged),
            report.count(Outcome::Failed),
            report.count(Outcome::Refused)
        ))?;
    }
    let mut feeds: Vec<&FeedReport> = report.feeds.iter().collect();
    for server in report.misp.iter().filter(|server| server.error.is_none()) {
        screen.line(format_args!(
            "{}, read with {} requests: {} attributes would be added, {} changed, {} removed; {} warninglists read",
            server.server,
            human::count(server.requests),
            human::count(server.added),
            human::count(server.changed),
            human::count(server.removed),
            human::count(server.lists)
        ))?;
        feeds.extend(&server.changes);
        #[cfg(feature = "misp")]
        if let Some(exchange) = &server.exchange {
            super::misp::show(exchange, true, screen)?;
        }
    }
    for feed in feeds {
        let Some(changes) = &feed.changes else { continue };
        screen.line(format_args!(
            "  {}: {} added, {} ended, {} unchanged",
            feed.feed,
            human::count(changes.added),
            human::count(changes.removed),
            human::count(changes.unchanged)
        ))?;
        for (sign, count, samples) in [
            ('+', changes.added, &changes.added_samples),
            ('-', changes.removed, &changes.removed_samples),
        ] {
            for prefix in samples {
                screen.line(format_args!("    {sign} {prefix}"))?;
            }
            let more = count.saturating_sub(samples.len() as u64);
            if more > 0 {
                screen.line(format_args!("    {sign} and {} more", human::count(more)))?;
            }
        }
    }
    troubles(report, screen)
}

pub(super) fn troubles(report: &RefreshReport, screen: &mut Screen<'_>) -> Result<(), Stop> {
    for feed in report.feeds.iter().chain(&report.warninglists) {
        let Some(error) = &feed.error else { continue };
        let word = if feed.outcome == Outcome::Refused { "refused" } else { "failed" };
        let word = screen.paint(word, Style::new().red());
        let name = feed.feed.as_str();
        // Errors name their feed already.
        let reason = error.strip_prefix(&format!("feed {name}: ")).unwrap_or(error);
        screen.line(format_args!("  {word} {name}: {}", human::printable(reason)))?;
    }
    for server in &report.misp {
        let Some(error) = &server.error else { continue };
        let word = screen.paint("failed", Style::new().red());
        screen.line(format_args!("  {word} {}", human::printable(error)))?;
    }
    Ok(())
}

fn summary(report: &RefreshReport, screen: &mut Screen<'_>) -> Result<(), Stop> {
    for server in report.misp.iter().filter(|server| server.error.is_none()) {
        screen.line(format_args!(
            "{}: {} attributes in {} feeds after {} requests: {} added, {} changed, {} removed",
            server.server,
            human::count(server.attributes),
            human::count(server.feeds),
            human::count(server.requests),
            human::count(server.added),
            human::count(server.changed),
            human::count(server.removed)
        ))?;
    }
    let totals = Totals::of(&report.feeds);
    let timings = &report.timings;
    screen.line(format_args!(
        "{} feeds in {}: {} loaded, {} unchanged, {} failed, {} refused",
        report.feeds.len(),
        human::millis(timings.total),
        report.count(Outcome::Loaded),
        report.count(Outcome::Unchanged),
        report.count(Outcome::Failed),
        report.count(Outcome::Refused)
    ))?;
    screen.pair(
        "entries",
        format_args!(
            "{} kept; dropped {} special-purpose, {} too wide, {} not an indicator, {} duplicates",
            human::count(totals.kept),
            human::count(totals.special_purpose),
            human::count(totals.too_wide),
            human::count(totals.other),
            human::count(totals.duplicates)
        ),
    )?;
    screen.pair(
        "listings",
        format_args!(
            "{} added, {} ended, {} unchanged, {} forgotten",
            human::count(totals.added),
            human::count(totals.ended),
            human::count(totals.unchanged),
            human::count(report.expired)
        ),
    )?;
    screen.pair("networks", networks(&report.snapshot.counts))?;
    if !report.warninglists.is_empty() {
        let lists = &report.warninglists;
        let of = |outcome| lists.iter().filter(|list| list.outcome == outcome).count();
        screen.pair(
            "warninglist",
            format_args!(
                "{} lists: {} loaded, {} unchanged, {} failed, {} refused",
                lists.len(),
                of(Outcome::Loaded),
                of(Outcome::Unchanged),
                of(Outcome::Failed),
                of(Outcome::Refused)
            ),
        )?;
    }
    screen.pair(
        "snapshot",
        format_args!(
            "{} of {}, {}{}",
            report.snapshot.id,
            human::moment(report.snapshot.created),
            human::bytes(report.snapshot.bytes),
            if report.published { "" } else { ", still the same" }
        ),
    )?;
    screen.pair(
        "time",
        format_args!(
            "feeds {}, geo {}, compile {}, publish {}",
            human::millis(timings.feeds),
            human::millis(timings.geo),
            human::millis(timings.compile),
            human::millis(timings.publish)
        ),
    )?;
    Ok(())
}

fn per_feed(report: &RefreshReport, screen: &mut Screen<'_>) -> Result<(), Stop> {
    let rows: Vec<_> = report
        .feeds
        .iter()
        .map(|feed| {
            let totals = Totals::of([feed]);
            let read = |count: u64| {
                if feed.parse.is_some() { human::count(count) } else { String::new() }
            };
            let changed = |count: u64| {
                if feed.commit.is_some() { human::count(count) } else { String::new() }
            };
            [
                feed.feed.to_string(),
                outcome(feed.outcome).to_owned(),
                read(totals.kept),
                read(totals.special_purpose),
                read(totals.too_wide),
                read(totals.other),
                read(totals.duplicates),
                changed(totals.added),
                changed(totals.ended),
            ]
        })
        .collect();
    screen.table(
        [
            ("feed", false),
            ("outcome", false),
            ("kept", true),
            ("special", true),
            ("wide", true),
            ("other", true),
            ("duplicate", true),
            ("added", true),
            ("ended", true),
        ],
        &rows,
    )?;
    Ok(())
}

fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Loaded => "loaded",
        Outcome::Unchanged => "unchanged",
        Outcome::Failed => "failed",
        Outcome::Refused => "refused",
    }
}
