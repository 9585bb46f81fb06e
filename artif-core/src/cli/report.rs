//! `artif feeds report`.

use super::args::{ReportArgs, ReportFormat};
use super::context::Context;
use super::output::{Done, Stop};
use super::{exit, human};
use crate::error::Error;

pub(super) fn run(args: &ReportArgs, context: &mut Context<'_>) -> Done {
    let report = context.reader()?.feed_report();
    let screen = &mut context.screen;
    let json = screen.json;
    let format = args.format.unwrap_or(if json { ReportFormat::Json } else { ReportFormat::Text });
    let text = match format {
        ReportFormat::Text => report.to_text(),
        ReportFormat::Html => report.to_html()?,
        ReportFormat::Json => {
            let mut text = serde_json::to_string_pretty(&report)
                .map_err(|error| Stop::Output(error.into()))?;
            text.push('\n');
            text
        }
    };
    match &args.output {
        Some(path) => {
            std::fs::write(path, text).map_err(|error| Error::io("writing", path, error))?;
            screen.note(format!("written to {}", human::printable(&path.display().to_string())));
        }
        None => screen.out().write_all(text.as_bytes())?,
    }
    Ok(exit::OK)
}
