//! `artif feeds`.

use serde::Serialize;
use serde_json::json;

use super::args::FeedsCommand;
use super::context::Context;
use super::output::{Done, Screen, Stop};
use super::{exit, human};
use crate::engine::{Engine, Reader, RefreshOptions, ReputationEngine as _, folder_feeds};
use crate::error::Error;
use crate::feed::source::redact;
use crate::feed::{Feed, FeedId};
use crate::snapshot::SnapshotFeed;

pub(super) fn run(command: &FeedsCommand, context: &mut Context<'_>) -> Done {
    match command {
        FeedsCommand::List { table, all } => list(*table, *all, context),
        FeedsCommand::Report(args) => super::report::run(args, context),
        FeedsCommand::Show { id } => show(id, context),
        FeedsCommand::Accept { id } => accept(id, context),
        FeedsCommand::Add(args) => super::add::run(args, context),
        FeedsCommand::Import(args) => super::import::run(args, context),
        FeedsCommand::Remove { id } => super::add::remove(id, context),
        FeedsCommand::Enable { id } => switch(id, true, context),
        FeedsCommand::Disable { id } => switch(id, false, context),
    }
}

/// A feed of the configuration with what the snapshot knows of it.
#[derive(Serialize)]
struct Row {
    #[serde(flatten)]
    feed: Feed,
    /// Networks it lists in the snapshot.
    count: Option<u64>,
    first_loaded: Option<chrono::DateTime<chrono::Utc>>,
    confirmed: Option<chrono::DateTime<chrono::Utc>>,
    stale: Option<String>,
}

impl Row {
    fn new(mut feed: Feed, known: &[SnapshotFeed]) -> Self {
        // A key may be part of the address; it has no business on a screen or in a ticket.
        feed.url = redact(&feed.url);
        let known = known.iter().find(|known| known.id == feed.id.as_str());
        Self {
            feed,
            count: known.map(|known| known.count),
            first_loaded: known.and_then(|known| known.first_loaded),
            confirmed: known.and_then(|known| known.confirmed),
            stale: known.and_then(|known| known.stale.clone()),
        }
    }

    fn state(&self) -> &'static str {
        match (self.feed.enabled, &self.stale, self.confirmed) {
            (false, ..) => "off",
            (true, Some(_), _) => "stale",
            (true, None, Some(_)) => "fresh",
            (true, None, None) => "never loaded",
        }
    }

    fn categories(&self) -> String {
        let names: Vec<_> =
            self.feed.categories.iter().map(crate::category::Category::name).collect();
        names.join(",")
    }

    fn listed(&self) -> String {
        self.count.map_or_else(|| "-".to_owned(), human::count)
    }
}

fn rows(context: &Context<'_>) -> Result<Vec<Row>, Stop> {
    let config = context.config()?;
    let feeds = folder_feeds(&config, &config.data)?;
    let known = match Reader::open_with(&config.data, context.clock()) {
        Ok(reader) => reader.status().feeds,
        Err(Error::NoSnapshot { .. }) => Vec::new(),
        Err(error) => return Err(error.into()),
    };
    Ok(feeds.into_iter().map(|feed| Row::new(feed, &known)).collect())
}

fn list(table: bool, all: bool, context: &mut Context<'_>) -> Done {
    let mut rows = rows(context)?;
    let everything = rows.len();
    if !all {
        rows.retain(|row| row.feed.enabled);
    }
    let screen = &mut context.screen;
    if screen.json {
        screen.document(&rows)?;
        return Ok(exit::OK);
    }
    if table {
        wide(&rows, screen)?;
    } else {
        let cells: Vec<_> = rows
            .iter()
            .map(|row| {
                let feed = &row.feed;
                [feed.id.to_string(), row.state().to_owned(), row.listed(), feed.name.clone()]
            })
            .collect();
        screen
            .table([("feed", false), ("state", false), ("lists", true), ("name", false)], &cells)?;
    }
    if rows.len() < everything {
        let off = everything - rows.len();
        screen.note(format!("{off} more are switched off: --all lists them too"));
    }
    Ok(exit::OK)
}

/// The columns of the table in their order (`sold`: whether commercial use is allowed), with how much each is wanted: where the lines are too
/// short, those wanted least are left out first.
const COLUMNS: [(&str, bool, u8); 15] = [
    ("feed", false, 0),
    ("state", false, 1),
    ("lists", true, 2),
    ("level", true, 3),
    ("conf", true, 5),
    ("role", false, 6),
    ("every", true, 7),
    ("sold", false, 8),
    ("format", false, 9),
    ("categories", false, 4),
    ("publisher", false, 10),
    ("name", false, 12),
    ("confirmed", false, 11),
    ("licence", false, 13),
    ("url", false, 14),
];

/// Longer lists of categories are cut where the lines have an end.
const CATEGORIES: usize = 22;

fn cells(row: &Row, limited: bool) -> Result<[String; 15], Stop> {
    let feed = &row.feed;
    let role = serde_json::to_value(feed.role).map_err(|error| Stop::Output(error.into()))?;
    let every = std::time::Duration::from_secs(u64::from(feed.refresh_seconds));
    let mut categories = row.categories();
    if limited && categories.chars().count() > CATEGORIES {
        categories = categories.chars().take(CATEGORIES - 1).chain(['\u{2026}']).collect();
    }
    let commercial = feed.commercial.map_or("-", |allowed| if allowed { "yes" } else { "no" });
    Ok([
        feed.id.to_string(),
        if row.state() == "never loaded" { "new" } else { row.state() }.to_owned(),
        row.listed(),
        feed.threat_level.number().to_string(),
        feed.confidence.map_or_else(|| "-".to_owned(), |percent| percent.to_string()),
        role.as_str().unwrap_or_default().to_owned(),
        crate::duration::format(every),
        commercial.to_owned(),
        feed.format.name().to_owned(),
        categories,
        feed.source_group.clone(),
        feed.name.clone(),
        human::moment_or_dash(row.confirmed),
        feed.licence.clone().unwrap_or_else(|| "not stated".to_owned()),
        feed.url.clone(),
    ])
}

fn wide(rows: &[Row], screen: &mut Screen<'_>) -> Result<(), Stop> {
    let limit = screen.width();
    let cells: Result<Vec<_>, _> = rows.iter().map(|row| cells(row, limit.is_some())).collect();
    let cells = cells?;
    let widths: Vec<usize> = (0..COLUMNS.len()).map(|place| width(place, &cells)).collect();
    let mut wanted: Vec<usize> = (0..COLUMNS.len()).collect();
    wanted.sort_by_key(|place| COLUMNS.get(*place).map(|(.., wanted)| *wanted));
    let (mut room, mut shown) = (limit.unwrap_or(usize::MAX), Vec::new());
    for place in wanted {
        let needed = widths.get(place).copied().unwrap_or_default() + 2;
        // The first needs no gap before it.
        if shown.is_empty() || needed <= room {
            room = room.saturating_sub(if shown.is_empty() { needed - 2 } else { needed });
            shown.push(place);
        }
    }
    shown.sort_unstable();
    let pick = |row: &[String]| -> Vec<String> {
        shown.iter().filter_map(|place| row.get(*place).cloned()).collect()
    };
    let head: Vec<_> = shown
        .iter()
        .filter_map(|place| COLUMNS.get(*place))
        .map(|(n, right, _)| (*n, *right))
        .collect();
    let rows: Vec<_> = cells.iter().map(|row| pick(row)).collect();
    screen.columns(&head, &rows)?;
    screen.note(
        "level: 1 high to 4 undefined; conf: percent; every: between fetches; sold: whether the \
         licence allows commercial use, - where it does not say",
    );
    let left: Vec<_> = (0..COLUMNS.len()).filter(|place| !shown.contains(place)).collect();
    let left: Vec<_> = left.iter().filter_map(|place| COLUMNS.get(*place)).map(|c| c.0).collect();
    if !left.is_empty() {
        screen.note(format!(
            "no room for {}: a wider terminal shows them, and so do --json and a pipe",
            left.join(", ")
        ));
    }
    Ok(())
}

fn width(place: usize, cells: &[[String; 15]]) -> usize {
    let head = COLUMNS.get(place).map_or(0, |(name, ..)| name.len());
    let cells = cells.iter().filter_map(|row| row.get(place));
    cells.map(|cell| cell.chars().count()).fold(head, usize::max)
}

fn show(id: &FeedId, context: &mut Context<'_>) -> Done {
    let row = rows(context)?.into_iter().find(|row| row.feed.id == *id);
    let Some(row) = row else {
        return Err(Error::UnknownFeed { id: id.to_string() }.into());
    };
    let screen = &mut context.screen;
    if screen.json {
        screen.document(&row)?;
        return Ok(exit::OK);
    }
    let feed = &row.feed;
    screen.line(format_args!("{}: {}", feed.id, human::printable(&feed.name)))?;
    let role = serde_json::to_value(feed.role).map_err(|error| Stop::Output(error.into()))?;
    screen.pair("state", row.state())?;
    screen.pair("lists", row.listed())?;
    screen.pair("confirmed", human::moment_or_dash(row.confirmed))?;
    if let Some(reason) = &row.stale {
        screen.pair("trouble", reason)?;
    }
    screen.pair("provider", &feed.provider)?;
    screen.pair("publisher", &feed.source_group)?;
    screen.pair("url", crate::feed::source::redact(&feed.url))?;
    screen.pair("format", feed.format.name())?;
    screen.pair("says", row.categories())?;
    screen.pair("level", feed.threat_level.number())?;
    screen.pair("believed", format_args!("{:.0} %", feed.reliability() * 100.0))?;
    screen.pair("role", role.as_str().unwrap_or_default())?;
    let every = std::time::Duration::from_secs(u64::from(feed.refresh_seconds));
    screen.pair("refresh", format_args!("every {}", crate::duration::format(every)))?;
    screen.pair("licence", feed.licence.as_deref().unwrap_or("not stated"))?;
    let commercial = match feed.commercial {
        Some(true) => "allowed",
        Some(false) => "not allowed",
        None => "not stated",
    };
    screen.pair("commercial", commercial)?;
    Ok(exit::OK)
}

fn accept(id: &FeedId, context: &mut Context<'_>) -> Done {
    let engine = Engine::builder().config(context.config()?).clock(context.clock()).build()?;
    let options = RefreshOptions::default().feed(id.clone()).force();
    let report = engine.refresh(&options.cancel(context.cancel.flag()))?;
    super::refresh::show(&report, &mut context.screen)
}

fn switch(id: &FeedId, enabled: bool, context: &mut Context<'_>) -> Done {
    let config = context.config()?;
    let data = config.data.clone();
    let change = Engine::builder()
        .config(config)
        .clock(context.clock())
        .build()
        .and_then(|engine| engine.enable_feed(id, enabled));
    change.map_err(|error| match error {
        Error::Locked { .. } => Stop::Advice(
            Box::new(error),
            format!(
                "only the owner of a folder can switch its feeds: stop it first, or name the feed \
                 under [feeds] {} in its configuration",
                if enabled { "enable" } else { "disable" }
            ),
        ),
        error => error.into(),
    })?;
    let screen = &mut context.screen;
    if screen.json {
        screen.document(&json!({"id": id, "enabled": enabled}))?;
    } else {
        let word = if enabled { "on" } else { "off" };
        screen.line(format_args!(
            "{id} is {word} for {}, from the next refresh on",
            human::printable(&data.display().to_string())
        ))?;
    }
    Ok(exit::OK)
}
