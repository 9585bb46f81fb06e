//! `artif feeds add` and `remove`.

use std::collections::BTreeSet;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::json;
use url::Url;

use super::args::AddArgs;
use super::context::Context;
use super::output::{Done, Screen, Stop};
use super::{exit, human};
use crate::config::Config;
use crate::engine::{folder_feeds, parse_limits};
use crate::error::{Error, Result};
use crate::feed::source::{self, Event, Fetched, redact};
use crate::feed::{Detected, Feed, FeedId, Hint, Proposal, absolute_url, added, detect, guard};
use crate::ledger::Validators;

/// What was found, and what became of it.
#[derive(Serialize)]
struct Added<'a> {
    feed: &'a Feed,
    found: &'a Proposal,
    /// The file it was written to.
    written: Option<&'a Path>,
}

pub(super) fn run(args: &AddArgs, context: &mut Context<'_>) -> Done {
    let config = context.config()?;
    let url = address(&args.url)?;
    let known = folder_feeds(&config, &config.data)?;
    if let Some(there) = known.iter().find(|feed| feed.url == url) {
        let reason = format!("{} is there already, as {:?}", redact(&url), there.id);
        return Err(Stop::usage("feed", reason));
    }
    let taken: BTreeSet<&FeedId> = known.iter().map(|feed| &feed.id).collect();
    let id = match &args.id {
        Some(id) if taken.contains(id) => {
            return Err(Stop::usage("feed id", format!("there is a feed {id:?} already")));
        }
        Some(id) => id.clone(),
        None => free_id(&url, &taken)?,
    };
    let bytes = download(&id, &url, &config, context)?;
    let mut hint = Hint::default().url(&*url).limits(parse_limits(&config.parse));
    hint.format.clone_from(&args.format);
    hint.name = args.name.clone().unwrap_or_default();
    let found = match detect(&bytes, &hint) {
        Detected::Feed(found) => *found,
        Detected::Refused(refusal) => {
            let reason =
                format!("{} is no feed but: {}: {}", redact(&url), refusal.what, refusal.reason);
            return Err(Stop::usage("feed", reason));
        }
    };
    let feed = feed(args, &id, &url, &found)?;
    let ceiling = guard::refuse_content(&config.guard, &feed, None, &found.report);
    if !context.screen.json {
        show(&feed, &found, ceiling.as_deref(), &mut context.screen)?;
    }
    let write = args.yes || (!args.dry_run && confirmed(context, "add it? [y/N]")?);
    let written = if write { Some(write_checked(&config, &feed, &found, context)?) } else { None };
    report(args, &feed, &found, written.as_deref(), context)
}

fn report(
    args: &AddArgs,
    feed: &Feed,
    found: &Proposal,
    written: Option<&Path>,
    context: &mut Context<'_>,
) -> Done {
    let screen = &mut context.screen;
    if screen.json {
        let feed = Feed { url: redact(&feed.url), ..feed.clone() };
        screen.document(&Added { feed: &feed, found, written })?;
    }
    if let Some(path) = written {
        if !screen.json {
            let path = path.display().to_string();
            screen.line(format_args!("added in {}", human::printable(&path)))?;
        }
        let id = &feed.id;
        screen.note(format!(
            "`artif refresh --feed {id}` loads it; an engine that is running takes it up when it \
             starts next"
        ));
        return Ok(exit::OK);
    }
    if args.dry_run || screen.interactive() {
        screen.note("nothing was added");
        return Ok(exit::OK);
    }
    Err(Stop::usage("command line", "nothing was added: say --yes to add it, or --dry-run"))
}

/// The address as it is kept; a path becomes one.
fn address(given: &str) -> Result<String, Stop> {
    let here = std::env::current_dir().ok();
    let has_scheme = given.contains("://") || given.starts_with("file:");
    let given = if !has_scheme && Path::new(given).is_file() {
        format!("file:{given}")
    } else {
        given.to_owned()
    };
    absolute_url(&given, here.as_deref()).map_err(Stop::Usage)
}

/// An id made from the address that no feed has.
fn free_id(url: &str, taken: &BTreeSet<&FeedId>) -> Result<FeedId, Stop> {
    let name = name_of(url);
    let first = FeedId::from_name(&name);
    let first = first.map_err(|_| {
        Stop::usage(
            "feed id",
            format!("none can be made from {:?}: give one with --id", redact(url)),
        )
    })?;
    unlike(&first, taken)
}

/// The id, with a number where it is taken.
pub(super) fn unlike(first: &FeedId, taken: &BTreeSet<&FeedId>) -> Result<FeedId, Stop> {
    if !taken.contains(first) {
        return Ok(first.clone());
    }
    let stem: String = first.as_str().chars().take(58).collect();
    let mut numbered = (2..10_000).map(|n| FeedId::from_name(&format!("{stem}-{n}")));
    let free = numbered.find_map(|id| id.ok().filter(|id| !taken.contains(id)));
    free.ok_or_else(|| Stop::usage("feed id", "all that can be made are taken: give one with --id"))
}

/// What an address suggests: the host without what every host has, and the file's name.
fn name_of(url: &str) -> String {
    let Ok(url) = Url::parse(url) else { return String::new() };
    let parts: Vec<&str> =
        url.path_segments().into_iter().flatten().filter(|p| !p.is_empty()).collect();
    let file = parts.last().copied().unwrap_or_default();
    // As it is called in the folder: `%20` would become letters of the id.
    let on_disk = url.to_file_path().ok().and_then(|path| Some(path.file_name()?.to_owned()));
    let on_disk = on_disk.as_deref().and_then(std::ffi::OsStr::to_str);
    let file = on_disk.unwrap_or(file);
    let stem = file.split_once('.').map_or(file, |(stem, _)| stem);
    let host = url.host_str().unwrap_or_default();
    let place = match host {
        "" | "localhost" => String::new(),
        "raw.githubusercontent.com" | "github.com" | "cdn.jsdelivr.net" => parts
            .get(1)
            .filter(|_| parts.len() > 2)
            .map_or_else(String::new, |part| (*part).to_owned()),
        host => {
            let common = ["www", "lists", "list", "feeds", "feed", "raw", "api", "rules", "data"];
            let host = host.trim_start_matches('[').trim_end_matches(']');
            let labels = host.split('.').skip_while(|label| common.contains(label));
            labels.collect::<Vec<_>>().join("-")
        }
    };
    format!("{place} {stem}")
}

fn download(
    id: &FeedId,
    url: &str,
    config: &Config,
    context: &Context<'_>,
) -> Result<Vec<u8>, Stop> {
    let request = source::Request::plain(id.clone(), url.to_owned(), Validators::default());
    let mut body = None;
    source::fetch_all(&[request], &config.fetch, &context.cancel.flag(), |_, event| {
        if let Event::Finished(result) = event {
            body = Some(result);
        }
    })?;
    let missing = || Error::Invalid { what: "feed", reason: "nothing came back".to_owned() };
    let Fetched::Document { mut body, .. } = body.ok_or_else(missing)?? else {
        return Err(missing().into());
    };
    let mut bytes = Vec::new();
    let read = body.reader()?.read_to_end(&mut bytes);
    if let Err(error) = read {
        return Err(body.error(error).into());
    }
    Ok(bytes)
}

fn feed(args: &AddArgs, id: &FeedId, url: &str, found: &Proposal) -> Result<Feed, Stop> {
    let mut feed = Feed::new(id.as_str(), url)?.format(found.format.clone()).role(found.role);
    let host = Url::parse(url).ok().and_then(|url| url.host_str().map(str::to_owned));
    feed = feed.publisher(args.provider.clone().or(host).unwrap_or_else(|| id.to_string()));
    feed.categories = if args.categories.is_empty() {
        found.categories
    } else {
        args.categories.iter().copied().collect()
    };
    feed.threat_level = args.threat_level.unwrap_or_default();
    feed.scope = found.scope;
    feed.refresh_seconds = args.refresh;
    Ok(match &args.name {
        Some(name) => feed.name(name),
        None => feed,
    })
}

fn show(
    feed: &Feed,
    found: &Proposal,
    ceiling: Option<&str>,
    screen: &mut Screen<'_>,
) -> Result<(), Stop> {
    let report = &found.report;
    screen.line(format_args!("{}: {}", feed.id, human::printable(&redact(&feed.url))))?;
    screen.pair("found", &found.shape)?;
    let written = added::format_table(&feed.format)?;
    screen.pair("format", written)?;
    if !found.comments.is_empty() {
        screen.pair("comments", found.comments.join("  "))?;
    }
    let categories: Vec<_> = feed.categories.iter().map(crate::Category::name).collect();
    let none = "none: give them with --categories";
    screen
        .pair("says", if categories.is_empty() { none.to_owned() } else { categories.join(",") })?;
    screen.pair("level", feed.threat_level.number())?;
    let role = serde_json::to_value(feed.role).map_err(|error| Stop::Output(error.into()))?;
    screen.pair("role", role.as_str().unwrap_or_default())?;
    screen.pair("confidence", format_args!("{:.0} %", found.confidence * 100.0))?;
    screen.pair(
        "keeps",
        format_args!(
            "{} networks, {} IPv4 addresses; {} duplicates",
            human::count(report.distinct),
            human::count(report.v4_addresses),
            human::count(report.duplicates)
        ),
    )?;
    for (reason, count) in &report.skipped {
        let reason = serde_json::to_value(reason).map_err(|error| Stop::Output(error.into()))?;
        let reason = reason.as_str().unwrap_or_default().replace('_', " ");
        let sample = report.samples.iter().find(|sample| {
            serde_json::to_value(sample.reason)
                .is_ok_and(|r| r.as_str().is_some_and(|r| r.replace('_', " ") == reason))
        });
        let sample =
            sample.map_or_else(String::new, |s| format!(", as in line {}: {}", s.line, s.excerpt));
        screen.pair("skips", format_args!("{} {reason}{sample}", human::count(*count)))?;
    }
    for note in found.notes.iter().map(String::as_str).chain(ceiling) {
        screen.pair("note", note)?;
    }
    Ok(())
}

/// Asks, where somebody is there.
pub(super) fn confirmed(context: &mut Context<'_>, question: &str) -> Result<bool, Stop> {
    if !context.screen.interactive() {
        return Ok(false);
    }
    context.screen.ask(question);
    let mut answer = Vec::new();
    let mut byte = [0];
    while answer.len() < 16 && context.stdin.read(&mut byte).map_err(Stop::Input)? == 1 {
        if byte == *b"\n" {
            break;
        }
        answer.extend_from_slice(&byte);
    }
    let answer = answer.trim_ascii().to_ascii_lowercase();
    Ok(matches!(&*answer, b"y" | b"yes"))
}

/// Writes the feed's file, and takes it back if the feeds of this folder could not be read with it.
fn write_checked(
    config: &Config,
    feed: &Feed,
    found: &Proposal,
    context: &Context<'_>,
) -> Result<PathBuf, Stop> {
    let note = format!(
        "Added by `artif feeds add` on {}; `artif feeds remove {}` removes it.\n{}",
        context.clock().now().format("%Y-%m-%d"),
        feed.id,
        found.shape
    );
    let path = added::write(&config.data, feed, &note)?;
    if let Err(error) = folder_feeds(config, &config.data) {
        added::remove(&config.data, &feed.id)?;
        return Err(error.into());
    }
    Ok(path)
}

pub(super) fn remove(id: &FeedId, context: &mut Context<'_>) -> Done {
    let config = context.config()?;
    if !added::remove(&config.data, id)? {
        let known = folder_feeds(&config, &config.data)?.into_iter().any(|feed| feed.id == *id);
        if known {
            let reason = format!(
                "{id:?} comes from the configuration or a catalogue: `artif feeds disable {id}` \
                 switches it off"
            );
            return Err(Stop::usage("feed", reason));
        }
        return Err(Error::UnknownFeed { id: id.to_string() }.into());
    }
    let screen = &mut context.screen;
    if screen.json {
        screen.document(&json!({"id": id, "removed": true}))?;
    } else {
        screen.line(format_args!("{id} is removed; its listings go with the next refresh"))?;
    }
    Ok(exit::OK)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn ids_from_addresses() {
        for (url, expected) in [
            ("https://lists.blocklist.de/lists/ssh.txt", "blocklist-de-ssh"),
            ("https://raw.githubusercontent.com/o/ipsum/master/levels/3.txt", "ipsum-3"),
            ("https://www.example.com/", "example-com"),
            ("http://127.0.0.1:80/list.csv?key=secret", "127-0-0-1-list"),
            ("file:///home/x/my%20list.txt", "my-list"),
        ] {
            assert_eq!(free_id(url, &BTreeSet::new()).unwrap().as_str(), expected, "{url}");
        }
        let first = "ipsum-3".parse().unwrap();
        let taken = BTreeSet::from([&first]);
        let url = "https://raw.githubusercontent.com/o/ipsum/master/levels/3.txt";
        assert_eq!(free_id(url, &taken).unwrap().as_str(), "ipsum-3-2");
        assert!(free_id("https://xn--p1ai./\u{1f980}", &BTreeSet::new()).is_ok());
        assert!(free_id("file:///\u{1f980}", &BTreeSet::new()).is_err(), "nothing to name it by");
    }
}
