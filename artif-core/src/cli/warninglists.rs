//! `artif warninglists`.

use super::args::WarninglistsCommand;
use super::context::Context;
use super::output::{Done, Stop};
use super::progress::Progress;
use super::{exit, human};
use crate::engine::{Engine, RefreshOptions, ReputationEngine as _};

pub(super) fn run(command: &WarninglistsCommand, context: &mut Context<'_>) -> Done {
    match command {
        WarninglistsCommand::List => list(context),
        WarninglistsCommand::Update => update(context),
    }
}

fn list(context: &mut Context<'_>) -> Done {
    let lists = context.reader()?.status().warninglists;
    let screen = &mut context.screen;
    if screen.json {
        screen.document(&lists)?;
        return Ok(exit::OK);
    }
    let empty = lists.iter().filter(|list| list.count == 0).count();
    let rows: Vec<_> = lists
        .iter()
        .filter(|list| list.count > 0 || list.stale.is_some())
        .map(|list| {
            let facts = list.warninglist.as_ref();
            [
                crate::warninglist::list_name(&list.id).to_owned(),
                facts.map_or("", |facts| facts.category.as_str()).to_owned(),
                facts.map_or("", |facts| facts.action.as_str()).to_owned(),
                human::count(list.count),
                facts.and_then(|facts| facts.version.clone()).unwrap_or_else(|| "-".to_owned()),
                if list.stale.is_some() { "stale" } else { "" }.to_owned(),
                list.name.clone(),
            ]
        })
        .collect();
    screen.table(
        [
            ("list", false),
            ("category", false),
            ("action", false),
            ("entries", true),
            ("version", true),
            ("", false),
            ("name", false),
        ],
        &rows,
    )?;
    if empty > 0 {
        screen.note(format!("{empty} more hold no addresses"));
    }
    Ok(exit::OK)
}

fn update(context: &mut Context<'_>) -> Done {
    let engine = Engine::builder().config(context.config()?).clock(context.clock()).build()?;
    let lists = engine.warninglists().into_iter().filter(|list| list.enabled);
    let ids: Vec<_> = lists.map(|list| list.id).collect();
    if ids.is_empty() {
        return Err(Stop::usage(
            "configuration",
            "it names no warninglists: say where they are under [warninglists] source",
        ));
    }
    let options = RefreshOptions::default().cancel(context.cancel.flag());
    let options = ids.into_iter().fold(options, RefreshOptions::feed);
    let progress = Progress::start(&context.screen);
    let report = engine.refresh(&progress.follow(options));
    progress.finish();
    let report = report?;
    super::refresh::show(&report, &mut context.screen)
}
