//! `artif explain` and `artif history`.

use super::args::{ExplainArgs, HistoryArgs};
use super::context::{Context, address};
use super::output::{Done, Screen, Stop};
use super::{exit, human};
use crate::engine::ReputationEngine as _;
use crate::explain::Evidence;

pub(super) fn explain(args: &ExplainArgs, context: &mut Context<'_>) -> Done {
    let ip = address(&args.ip)?;
    let explanation = context.reader()?.explain(ip);
    let screen = &mut context.screen;
    if screen.json {
        screen.document(&explanation)?;
    } else {
        screen.line(human::printable_lines(&explanation.to_text()))?;
    }
    Ok(exit::OK)
}

pub(super) fn history(args: &HistoryArgs, context: &mut Context<'_>) -> Done {
    let ip = address(&args.ip)?;
    let reader = context.reader()?;
    let screen = &mut context.screen;
    let Some(at) = args.at else {
        let evidence = reader.history(ip);
        if screen.json {
            screen.document(&evidence)?;
        } else if evidence.is_empty() {
            screen.line(format_args!("{ip}: no feed lists it, or did within the retention"))?;
        } else {
            listings(&evidence, screen)?;
        }
        return Ok(exit::OK);
    };
    let past = reader.check_at(ip, at);
    if screen.json {
        screen.document(&past)?;
        return Ok(exit::OK);
    }
    let state = serde_json::to_value(past.state).map_err(|error| Stop::Output(error.into()))?;
    screen.line(format_args!(
        "{} at {}: {}, {}",
        past.ip,
        human::moment(past.at),
        state.as_str().unwrap_or("unknown"),
        past.verdict
    ))?;
    if !past.evidence.is_empty() {
        listings(&past.evidence, screen)?;
    }
    if past.at < past.remembers_since {
        let since = human::moment(past.remembers_since);
        screen
            .note(format!("this memory is whole since {since} only; before, absence says nothing"));
    }
    Ok(exit::OK)
}

fn listings(evidence: &[Evidence], screen: &mut Screen<'_>) -> Result<(), Stop> {
    let rows: Vec<_> = evidence
        .iter()
        .map(|listing| {
            let categories: Vec<_> =
                listing.categories.iter().map(crate::category::Category::name).collect();
            let or_earlier = if listing.since_start { " or earlier" } else { "" };
            [
                if listing.is_active() { "now" } else { "was" }.to_owned(),
                listing.network.to_string(),
                listing.feed.clone(),
                listing.source_group.clone(),
                categories.join(","),
                format!("{}{or_earlier}", human::moment(listing.first_seen)),
                human::moment_or_dash(listing.ended),
            ]
        })
        .collect();
    screen.table(
        [
            ("", false),
            ("network", false),
            ("feed", false),
            ("publisher", false),
            ("says", false),
            ("since", false),
            ("until", false),
        ],
        &rows,
    )?;
    Ok(())
}
