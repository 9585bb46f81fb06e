//! `artif geo`.

use owo_colors::Style;

use super::args::GeoCommand;
use super::context::Context;
use super::output::{Done, Screen, Stop};
use super::{exit, human};
use crate::engine::{Engine, Outcome, RefreshOptions};
use crate::error::Error;
use crate::geo::GeoReport;

pub(super) fn run(command: &GeoCommand, context: &mut Context<'_>) -> Done {
    let GeoCommand::Update { force } = command;
    let config = context.config()?;
    if config.geo.asn_source.is_none() && config.geo.country_source.is_none() {
        return Err(Stop::Usage(Error::config(
            "no database has a source: set `geo.asn_source` or `geo.country_source`",
        )));
    }
    let engine = Engine::builder().config(config).clock(context.clock()).build()?;
    let mut options = RefreshOptions::default().cancel(context.cancel.flag());
    options.force = *force;
    let reports = engine.update_geo(&options)?;
    let screen = &mut context.screen;
    if screen.json {
        screen.document(&reports)?;
    } else {
        for report in &reports {
            print(report, screen)?;
        }
    }
    let bad = reports.iter().any(|report| report.error.is_some());
    Ok(if bad { exit::PARTIAL } else { exit::OK })
}

/// One line of what became of an update.
pub(super) fn print(report: &GeoReport, screen: &mut Screen<'_>) -> Result<(), Stop> {
    let path = report.path.display();
    let text = match (&report.error, report.bytes) {
        (Some(error), _) => {
            let word = if report.outcome == Outcome::Refused { "refused" } else { "failed" };
            let word = screen.paint(word, Style::new().red());
            format!("{word} {}: {}", report.database, human::printable(error))
        }
        (None, Some(bytes)) => {
            format!("{}: {path} updated, {}", report.database, human::bytes(bytes))
        }
        (None, None) => format!("{}: {path} is the newest", report.database),
    };
    if report.error.is_some() || !screen.quiet {
        screen.line(text)?;
    }
    Ok(())
}
