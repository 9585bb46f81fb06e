//! `artif status`.

use owo_colors::Style;

use super::args::{StatusArgs, StatusFormat};
use super::context::{Context, advise};
use super::output::{Done, Screen, Stop};
use super::{exit, human};
use crate::engine::{Engine, Reader, ReputationEngine as _, Status};
use crate::error::Error;

pub(super) fn run(args: &StatusArgs, context: &mut Context<'_>) -> Done {
    let config = context.config()?;
    let status = match Reader::open_with(&config.data, context.clock()) {
        Ok(reader) => reader.status(),
        // There is a folder without a snapshot: only its owner can say more. Asking must not
        // create one, though.
        Err(Error::NoSnapshot { .. }) if config.data.is_dir() => {
            let engine = Engine::builder().config(config).clock(context.clock()).build()?;
            engine.status()
        }
        Err(error) => return Err(advise(error)),
    };
    let screen = &mut context.screen;
    let default = if screen.json { StatusFormat::Json } else { StatusFormat::Text };
    match args.format.unwrap_or(default) {
        StatusFormat::Text => print(&status, screen)?,
        StatusFormat::Json => screen.document(&status)?,
        StatusFormat::Prometheus => write!(screen.out(), "{}", status.to_prometheus())?,
    }
    Ok(exit::OK)
}

fn print(status: &Status, screen: &mut Screen<'_>) -> Result<(), Stop> {
    let folder =
        status.data.as_ref().map_or_else(|| "memory".to_owned(), |dir| dir.display().to_string());
    screen.line(format_args!("artif {}, {}", status.version, human::printable(&folder)))?;
    let snapshot = &status.snapshot;
    let counts = &snapshot.counts;
    if snapshot.id == 0 {
        screen.pair("snapshot", "none yet")?;
    } else {
        screen.pair(
            "snapshot",
            format_args!(
                "{} of {}, {}, scorer {}{}",
                snapshot.id,
                human::moment(snapshot.created),
                human::bytes(snapshot.bytes),
                snapshot.scorer,
                if snapshot.stale { ", stale" } else { "" }
            ),
        )?;
    }
    screen.pair("networks", super::refresh::networks(counts))?;
    let stale = status.feeds.iter().filter(|feed| feed.stale.is_some()).count();
    let enabled = status.feeds.iter().filter(|feed| feed.enabled).count();
    screen.pair("feeds", format_args!("{enabled} enabled, {stale} stale"))?;
    let lists = &status.warninglists;
    let capping = lists.iter().filter(|list| list.caps() && list.count > 0).count();
    let used = lists.iter().filter(|list| list.count > 0).count();
    screen.pair(
        "warninglist",
        format_args!(
            "{used} lists with {} entries, {capping} of them cap verdicts",
            human::count(lists.iter().map(|list| list.count).sum::<u64>())
        ),
    )?;
    for database in &status.geo {
        let built =
            database.built.map_or_else(String::new, |at| format!(", built {}", at.format("%F")));
        screen.pair(
            "geo",
            format_args!(
                "{}: {}{built}, {} ranges",
                database.path.display(),
                if database.database_type.is_empty() {
                    "unreadable"
                } else {
                    &database.database_type
                },
                human::count(database.ranges as u64)
            ),
        )?;
    }
    screen.pair("overrides", status.overrides)?;
    if let Some(signals) = &status.signals {
        screen.pair(
            "signals",
            format_args!(
                "{}; {} of {} places in use, {} evicted, {} refused{}",
                signals.kinds.join(", "),
                human::count(signals.entries),
                human::count(signals.capacity),
                human::count(signals.evicted),
                human::count(signals.refused),
                if signals.writable { "" } else { ", for reading alone" }
            ),
        )?;
    }
    if let Some(ledger) = &status.ledger {
        screen.pair(
            "ledger",
            format_args!(
                "{}, {} active and {} ended listings, {}",
                ledger.kind,
                human::count(ledger.active),
                human::count(ledger.ended),
                human::bytes(ledger.disk_bytes)
            ),
        )?;
    }
    if status.problems.is_empty() {
        let fine = screen.paint("no problems", Style::new().green());
        screen.line(fine)?;
    } else {
        let head = screen.paint("problems:", Style::new().yellow());
        screen.line(head)?;
        for problem in &status.problems {
            screen.line(format_args!("  - {}", human::printable(problem)))?;
        }
    }
    Ok(())
}
