//! `artif misp`.

use owo_colors::Style;

use super::args::{Direction, MispCommand, MispSyncArgs, SightingArgs};
use super::context::{Context, address};
use super::output::{Done, Screen, Stop};
use super::{exit, human};
use crate::config::MispExchange;
use crate::engine::{Engine, ExchangeOptions, ReputationEngine as _};
use crate::misp::{Exchange, ServerStatus, SightingKind, Step, send_all};

pub(super) fn run(command: &MispCommand, context: &mut Context<'_>) -> Done {
    match command {
        MispCommand::Status => status(context),
        MispCommand::Sync(args) => sync(args, context),
        MispCommand::Sighting(args) => sighting(args, context),
    }
}

fn status(context: &mut Context<'_>) -> Done {
    let servers = context.reader()?.status().misp;
    let screen = &mut context.screen;
    if screen.json {
        screen.document(&servers)?;
        return Ok(exit::OK);
    }
    for server in &servers {
        show_server(server, screen)?;
    }
    Ok(if servers.iter().any(|server| server.problem.is_some()) { exit::PARTIAL } else { exit::OK })
}

fn show_server(server: &ServerStatus, screen: &mut Screen<'_>) -> Result<(), Stop> {
    let version = server.version.as_deref().unwrap_or("unknown");
    screen.line(format_args!("{}: MISP {}", server.server, human::printable(version)))?;
    match server.synced {
        Some(synced) => screen.line(format_args!("  synced {synced}"))?,
        None => screen.line("  never synced to its end")?,
    }
    screen.line(format_args!(
        "  {} events, {} of them not published; {} attributes in {} feeds",
        human::count(server.events),
        human::count(server.unpublished),
        human::count(server.attributes),
        human::count(server.feeds)
    ))?;
    if let Some(problem) = &server.problem {
        let word = screen.paint("problem", Style::new().red());
        screen.line(format_args!("  {word} {}", human::printable(problem)))?;
    }
    Ok(())
}

fn sync(args: &MispSyncArgs, context: &mut Context<'_>) -> Done {
    let config = context.config()?;
    if !config.misp.iter().any(|server| server.enabled) {
        return Err(Stop::usage("configuration", "it names no MISP server: add one under [misp]"));
    }
    let engine = Engine::builder().config(config).clock(context.clock()).build()?;
    let options = ExchangeOptions {
        direction: args.direction.map(|direction| match direction {
            Direction::Push => MispExchange::Push,
            Direction::Pull => MispExchange::Pull,
            Direction::Both => MispExchange::Both,
        }),
        init: args.init,
        dry_run: args.dry_run,
        cancel: Some(context.cancel.flag()),
    };
    let done = engine.exchange_feeds(&options)?;
    let screen = &mut context.screen;
    if screen.json {
        screen.document(&done)?;
    } else {
        for exchange in &done {
            show(exchange, args.dry_run, screen)?;
        }
    }
    let failed = done.iter().flat_map(|exchange| &exchange.actions).any(|a| a.error.is_some());
    Ok(if failed { exit::PARTIAL } else { exit::OK })
}

fn sighting(args: &SightingArgs, context: &mut Context<'_>) -> Done {
    let config = context.config()?;
    if !config.misp.iter().any(|server| server.enabled && server.sightings) {
        let advice = "no MISP server in it wants sightings: set `sightings` under [misp]";
        return Err(Stop::usage("configuration", advice));
    }
    let addresses: Result<Vec<_>, _> = args.ip.iter().map(|text| address(text)).collect();
    let kind = if args.false_positive { SightingKind::FalsePositive } else { SightingKind::Seen };
    let now = crate::clock::seconds(context.clock().now());
    let cancel = context.cancel.flag();
    // Not through an engine: another process may own the folder.
    let sent = send_all(&config, &config.data, &addresses?, kind, now, &cancel)?;
    let screen = &mut context.screen;
    if screen.json {
        screen.document(&sent)?;
        return Ok(exit::OK);
    }
    for server in &sent {
        screen.line(format_args!(
            "{}: {} of {} addresses are listed there, {} sightings taken, {} said before",
            server.server,
            human::count(server.listed),
            human::count(server.asked),
            human::count(server.sent),
            human::count(server.repeated)
        ))?;
    }
    Ok(exit::OK)
}

pub(super) fn show(
    exchange: &Exchange,
    dry_run: bool,
    screen: &mut Screen<'_>,
) -> Result<(), Stop> {
    let Exchange { server, unchanged, actions, requests, .. } = exchange;
    if *unchanged {
        screen.line(format_args!("{server}: nothing changed on either side"))?;
        return Ok(());
    }
    let steps = actions.iter().filter(|action| action.step != Step::Leave).count();
    let (steps, would) = (human::count(steps as u64), if dry_run { "would be " } else { "" });
    screen.line(format_args!("{server}: {steps} steps {would}done, {requests} requests"))?;
    for action in actions {
        let word = match action.step {
            Step::CreateThere => "create there",
            Step::FetchThere => "fetch there",
            Step::CacheThere => "cache there",
            Step::EditThere => "edit there",
            Step::EnableThere => "switch on there",
            Step::LevelThere => "threat level there",
            Step::TagThere => "tag there",
            Step::PublishThere => "publish there",
            Step::AddHere => "add here",
            Step::Leave => "leave",
        };
        let (feed, detail) = (human::printable(&action.feed), human::printable(&action.detail));
        screen.line(format_args!("  {word} {feed} {detail}").to_string().trim_end())?;
        if let Some(error) = &action.error {
            let word = screen.paint("failed", Style::new().red());
            screen.line(format_args!("    {word} {}", human::printable(error)))?;
        }
    }
    Ok(())
}
