//! `artif watch`.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::args::WatchArgs;
use super::context::Context;
use super::output::{Done, Screen, Stop};
use super::progress::Progress;
use super::{exit, human};
use crate::engine::{Engine, Outcome, RefreshReport, ScheduleEvent, ScheduleOptions};
use crate::geo::GeoReport;

/// How soon Ctrl-C is noticed.
const LOOK: Duration = Duration::from_millis(100);

enum Told {
    Waiting(DateTime<Utc>),
    Refreshed(Box<RefreshReport>),
    Geo(Box<GeoReport>),
    Failed(String),
}

pub(super) fn run(args: &WatchArgs, context: &mut Context<'_>) -> Done {
    let (stop, clock) = (context.cancel.flag(), context.clock());
    let mut builder = Engine::builder().config(context.config()?).clock(Arc::clone(&clock));
    for catalogue in &args.catalogue {
        builder = builder.catalogue(catalogue);
    }
    let engine = builder.build()?;
    let (sender, events) = channel();
    let options = ScheduleOptions::default().on_event(move |event| {
        // That nobody listens any more means that all of it ends.
        let _ = sender.send(match event {
            ScheduleEvent::Waiting { until } => Told::Waiting(until),
            ScheduleEvent::Refreshed(report) => Told::Refreshed(Box::new(report.clone())),
            ScheduleEvent::Geo(report) => Told::Geo(Box::new(report.clone())),
            ScheduleEvent::Failed(error) => Told::Failed(error.to_string()),
        });
    });
    let (progress, options) = Progress::follow_schedule(&context.screen, options);
    let refresher = engine.spawn_refresh_with(options)?;
    let screen = &mut context.screen;
    while !stop.load(Ordering::Relaxed) {
        match events.recv_timeout(LOOK) {
            Ok(told) => {
                // The line takes the bar's place.
                progress.finish();
                print(&told, clock.now(), screen)?;
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    refresher.join();
    progress.finish();
    if !screen.json && !screen.quiet {
        screen.line("stopped")?;
    }
    Ok(exit::OK)
}

fn print(told: &Told, now: DateTime<Utc>, screen: &mut Screen<'_>) -> Result<(), Stop> {
    let report = match told {
        Told::Waiting(until) => {
            if screen.verbose() && !screen.json {
                screen.line(format_args!("nothing is due before {}", human::moment(*until)))?;
            }
            screen.out().flush()?;
            return Ok(());
        }
        Told::Geo(report) => {
            if screen.json {
                let text = serde_json::to_string(report);
                screen.line(text.map_err(|error| Stop::Output(error.into()))?)?;
            } else if report.outcome != Outcome::Unchanged || screen.verbose() {
                super::geo::print(report, screen)?;
            }
            screen.out().flush()?;
            return Ok(());
        }
        Told::Failed(error) => {
            screen.note(format!("the refresh failed, it is tried again: {error}"));
            return Ok(());
        }
        Told::Refreshed(report) => report,
    };
    if screen.json {
        screen.line(serde_json::to_string(report).map_err(|error| Stop::Output(error.into()))?)?;
        screen.out().flush()?;
        return Ok(());
    }
    // Quiet while nothing changes.
    let unchanged = report.count(Outcome::Unchanged) == report.feeds.len();
    if !screen.quiet && (report.published || !unchanged) {
        screen.line(format_args!(
            "{}  {} feeds in {}: {} loaded, {} unchanged, {} failed, {} refused; {}",
            human::moment(now),
            report.feeds.len(),
            human::millis(report.timings.total),
            report.count(Outcome::Loaded),
            report.count(Outcome::Unchanged),
            report.count(Outcome::Failed),
            report.count(Outcome::Refused),
            if report.published {
                format!("snapshot {} published", report.snapshot.id)
            } else {
                format!("snapshot {} stays", report.snapshot.id)
            }
        ))?;
    }
    super::refresh::troubles(report, screen)?;
    screen.out().flush()?;
    Ok(())
}
