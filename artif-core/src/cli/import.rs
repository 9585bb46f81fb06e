//! `artif feeds import`.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde::Serialize;

use super::args::ImportArgs;
use super::context::Context;
use super::output::{Done, Screen, Stop};
use super::{add, exit, human};
use crate::config::Config;
use crate::engine::folder_feeds;
use crate::error::Result;
use crate::feed::source::redact;
use crate::feed::{Catalogue, Feed, FeedId, Format, Role, added, guess_categories};

/// What was found, and what becomes of it.
#[derive(Default, Serialize)]
struct Imported {
    feeds: Vec<Feed>,
    /// Entries that are not taken, and why.
    left_out: Vec<String>,
    /// The files that were written.
    written: Vec<PathBuf>,
}

pub(super) fn run(args: &ImportArgs, context: &mut Context<'_>) -> Done {
    let config = context.config()?;
    let known = folder_feeds(&config, &config.data)?;
    let (catalogue, refused) = Catalogue::import(&args.file).map_err(Stop::Usage)?;
    let mut imported = Imported {
        left_out: refused.iter().map(ToString::to_string).collect(),
        ..Imported::default()
    };
    for feed in catalogue.feeds {
        take(feed, args, &known, &mut imported)?;
    }
    if !context.screen.json {
        show(&imported, &mut context.screen)?;
    }
    let write = !imported.feeds.is_empty()
        && (args.yes || (!args.dry_run && add::confirmed(context, "add them? [y/N]")?));
    if write {
        imported.written = write_checked(&config, &imported.feeds, args, context)?;
    }
    let screen = &mut context.screen;
    let nothing = imported.feeds.is_empty();
    if screen.json {
        screen.document(&imported)?;
    } else if write {
        let count = imported.written.len();
        screen.line(format_args!(
            "{count} feeds added in {}",
            human::printable(&config.data.join("feeds.d").display().to_string())
        ))?;
        screen.note("`artif refresh` loads them; an engine that runs takes them up when it starts");
    }
    if !write && !args.dry_run && !nothing && !context.screen.interactive() {
        return Err(Stop::usage("command line", "nothing was added: say --yes, or --dry-run"));
    }
    Ok(exit::OK)
}

/// Makes an entry fit what is there, or leaves it out.
fn take(
    mut feed: Feed,
    args: &ImportArgs,
    known: &[Feed],
    imported: &mut Imported,
) -> Result<(), Stop> {
    let there = known.iter().chain(&imported.feeds);
    if let Some(there) = there.clone().find(|there| there.url == feed.url) {
        let text =
            format!("{:?}: {} is there already, as {:?}", feed.name, redact(&feed.url), there.id);
        imported.left_out.push(text);
        return Ok(());
    }
    let taken: BTreeSet<&FeedId> = there.map(|feed| &feed.id).collect();
    feed.id = add::unlike(&feed.id, &taken)?;
    if feed.categories.is_empty() && feed.role == Role::Threat {
        feed.categories = guess_categories(&feed.name, &feed.url);
    }
    if args.disabled || !single_document(&feed.format) {
        feed.enabled = false;
    }
    imported.feeds.push(feed);
    Ok(())
}

/// Whether a refresh can read it; the others would fail each time.
fn single_document(format: &Format) -> bool {
    !matches!(
        format,
        Format::MispFeed {}
            | Format::MispWarninglists { .. }
            | Format::Otx { .. }
            | Format::CrowdsecStream { .. }
    )
}

fn show(imported: &Imported, screen: &mut Screen<'_>) -> Result<(), Stop> {
    let rows: Vec<_> = imported
        .feeds
        .iter()
        .map(|feed| {
            let categories: Vec<_> = feed.categories.iter().map(crate::Category::name).collect();
            [
                feed.id.to_string(),
                if feed.enabled { "on" } else { "off" }.to_owned(),
                feed.format.name().to_owned(),
                feed.threat_level.number().to_string(),
                categories.join(","),
                redact(&feed.url),
            ]
        })
        .collect();
    if !rows.is_empty() {
        screen.table(
            [
                ("feed", false),
                ("state", false),
                ("format", false),
                ("level", true),
                ("says", false),
                ("url", false),
            ],
            &rows,
        )?;
    }
    for reason in &imported.left_out {
        screen.line(format_args!("left out: {}", human::printable(reason)))?;
    }
    if imported.feeds.iter().any(|feed| !single_document(&feed.format)) {
        screen.note("feeds of several documents are added switched off: they cannot be read yet");
    }
    Ok(())
}

/// Writes the files, and takes all of them back if the feeds could not be read with them.
fn write_checked(
    config: &Config,
    feeds: &[Feed],
    args: &ImportArgs,
    context: &Context<'_>,
) -> Result<Vec<PathBuf>, Stop> {
    let note = |id: &FeedId| {
        format!(
            "Imported from {} on {}; `artif feeds remove {id}` removes it.",
            args.file.display(),
            context.clock().now().format("%Y-%m-%d"),
        )
    };
    let mut written = Vec::new();
    let all: Result<()> = feeds.iter().try_for_each(|feed| {
        written.push(added::write(&config.data, feed, &note(&feed.id))?);
        Ok(())
    });
    if let Err(error) = all.and_then(|()| folder_feeds(config, &config.data).map(drop)) {
        for feed in feeds.iter().take(written.len()) {
            added::remove(&config.data, &feed.id)?;
        }
        return Err(error.into());
    }
    Ok(written)
}
