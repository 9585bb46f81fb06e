//! `artif snapshot`.

use std::path::Path;
use std::time::Duration;

use serde_json::json;

use super::args::SnapshotCommand;
use super::context::{Context, advise};
use super::output::Done;
use super::{exit, human, refresh};
use crate::clock::datetime;
use crate::error::Error;
use crate::snapshot::{FORMAT_VERSION, Snapshot, current};

pub(super) fn run(command: &SnapshotCommand, context: &mut Context<'_>) -> Done {
    let dir = context.config()?.data;
    let path = current(&dir)?.ok_or_else(|| advise(Error::NoSnapshot { dir }))?;
    let snapshot = Snapshot::open(&path)?;
    match command {
        SnapshotCommand::Info => info(&snapshot, &path, context),
        SnapshotCommand::Verify => {
            snapshot.verify()?;
            let bytes = snapshot.bytes().len() as u64;
            let screen = &mut context.screen;
            if screen.json {
                screen.document(&json!({"path": path, "bytes": bytes, "intact": true}))?;
            } else {
                let path = path.display().to_string();
                let size = human::bytes(bytes);
                screen.line(format_args!("{}: intact, {size}", human::printable(&path)))?;
            }
            Ok(exit::OK)
        }
    }
}

fn info(snapshot: &Snapshot, path: &Path, context: &mut Context<'_>) -> Done {
    let (header, meta) = (snapshot.header(), snapshot.meta());
    let created = datetime(u32::try_from(header.created).unwrap_or(u32::MAX));
    let bytes = snapshot.bytes().len() as u64;
    let span = |seconds: u32| crate::duration::format(Duration::from_secs(u64::from(seconds)));
    let screen = &mut context.screen;
    if screen.json {
        screen.document(&json!({
            "path": path,
            "id": header.sequence,
            "created": created,
            "bytes": bytes,
            "format": FORMAT_VERSION,
            "scorer": meta.scorer,
            "window_seconds": meta.window,
            "retention_seconds": meta.retention,
            "stale_after_seconds": meta.stale_after,
            "thresholds": meta.thresholds,
            "next_edge": meta.next_edge.map(datetime),
            "counts": meta.counts,
            "geo": meta.geo,
            "feeds": meta.feeds_proper(),
            "warninglists": meta.warninglists(),
        }))?;
        return Ok(exit::OK);
    }
    screen.line(human::printable(&path.display().to_string()))?;
    screen.pair("id", header.sequence)?;
    screen.pair("created", human::moment(created))?;
    screen.pair("size", format_args!("{}, format {}", human::bytes(bytes), FORMAT_VERSION))?;
    screen.pair(
        "scorer",
        format_args!("{}, triage below {}", meta.scorer, meta.thresholds.triage_below),
    )?;
    screen.pair("window", span(meta.window))?;
    screen.pair("retention", span(meta.retention))?;
    screen.pair("stale after", span(meta.stale_after))?;
    screen.pair("networks", refresh::networks(&meta.counts))?;
    let counts = &meta.counts;
    screen.pair(
        "listings",
        format_args!(
            "{}; index of {} IPv4 and {} IPv6 ranges, {} distinct answers",
            human::count(counts.listings),
            human::count(counts.ranges4),
            human::count(counts.ranges6),
            human::count(counts.records)
        ),
    )?;
    screen.pair("feeds", meta.feeds_proper().len())?;
    screen.pair("warninglist", format_args!("{} lists", meta.warninglists().len()))?;
    Ok(exit::OK)
}
