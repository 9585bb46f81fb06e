//! Feeds in both places: ours are made known to the server, its become ours.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use xxhash_rust::xxh3::xxh3_128;

use super::Problem;
use super::client::Client;
use super::event::Event;
use super::remote::{self, Remote, for_server, free_id, in_short, level, same_address};
use super::state::Folder;
use crate::config::{Misp, MispExchange};
use crate::error::{Error, Result};
use crate::feed::{Feed, FeedId};

/// What is done with a feed, or would be.
///
/// ```
/// use artif_core::misp::Step;
/// assert_eq!(serde_json::to_string(&Step::CreateThere).unwrap(), "\"create-there\"");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Step {
    /// A feed of ours is created on the server.
    CreateThere,
    /// The server fetches it.
    FetchThere,
    /// The server caches it.
    CacheThere,
    /// Its settings on the server are put right.
    EditThere,
    /// It is switched on there.
    EnableThere,
    /// The event it writes to gets its threat level.
    LevelThere,
    /// That event gets a tag.
    TagThere,
    /// That event is published again, as it was before.
    PublishThere,
    /// A feed of the server is added here.
    AddHere,
    /// Nothing, for a reason.
    Leave,
}

/// One step of an exchange.
///
/// ```
/// # fn show(action: &artif_core::misp::Action) {
/// println!("{:?} {}: {}", action.step, action.feed, action.detail);
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Action {
    /// What.
    pub step: Step,
    /// With which feed: its id here, or its name there.
    pub feed: String,
    /// With what, or why not.
    pub detail: String,
    /// Whether it was done.
    pub done: bool,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// What an exchange of feeds with a server came to.
///
/// ```
/// # fn show(exchange: &artif_core::misp::Exchange) {
/// println!("{} steps after {} requests", exchange.actions.len(), exchange.requests);
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Exchange {
    /// The server's id in the configuration.
    pub server: FeedId,
    /// Whether both sides are as they were after the last one, so that nothing was looked into.
    pub unchanged: bool,
    /// The steps, in their order.
    pub actions: Vec<Action>,
    /// Requests sent.
    pub requests: u64,
}

/// What is kept from one to the next.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Kept {
    /// Digest of both sides.
    seen: String,
    /// Feeds that came from the server: its id, and ours.
    taken: BTreeMap<u64, FeedId>,
}

const FILE: &str = "exchange.json";

/// How an exchange goes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules {
    pub(crate) direction: MispExchange,
    /// Everything that the server has is fetched, cached and switched on, not only what is new.
    pub(crate) init: bool,
    pub(crate) dry_run: bool,
}

/// The feeds that the server has.
pub(crate) fn there(client: &Client<'_>) -> Result<Vec<Remote>> {
    Ok(remote::remotes(&client.small("reading the list of feeds", "feeds", None)?))
}

/// Whether feeds were ever exchanged with a server.
pub(crate) fn was_made(folder: &Folder) -> bool {
    folder.path().join(FILE).exists()
}

/// Compares both sides and does what is missing. `add` takes a feed over here.
pub(crate) fn exchange(
    client: &Client<'_>,
    server: &Misp,
    (ours, remotes): (&[Feed], &[Remote]),
    events: &[Event],
    folder: &Folder,
    rules: Rules,
    add: &mut dyn FnMut(&Feed, &str) -> Result<()>,
) -> Result<Exchange> {
    let mut kept: Kept = folder.load_file(FILE);
    let ours: Vec<&Feed> = ours.iter().filter(|feed| feed.misp.is_none() && feed.enabled).collect();
    let seen = digest(remotes, &ours, events, rules.direction);
    let mut run = Run { client, server, rules, actions: Vec::new() };
    if kept.seen == seen && !rules.init {
        return Ok(run.report(true));
    }
    if rules.direction.pushes() {
        for feed in &ours {
            if !kept.taken.values().any(|taken| *taken == feed.id) {
                run.push(feed, remotes, events)?;
            }
        }
    }
    if rules.direction.pulls() {
        let all: Vec<Feed> = ours.iter().map(|feed| (*feed).clone()).collect();
        run.pull(remotes, all, events, &mut kept, add);
    }
    if !rules.dry_run {
        // What was done changed the server: how it is now is seen by the next exchange, once.
        let clean = run.actions.iter().all(|action| action.step == Step::Leave);
        kept.seen = if clean { seen } else { String::new() };
        folder.create()?;
        folder.save_file(FILE, &kept)?;
    }
    Ok(run.report(false))
}

fn digest(remotes: &[Remote], ours: &[&Feed], events: &[Event], direction: MispExchange) -> String {
    let mut text = format!("{direction:?}\n");
    for feed in ours {
        text.push_str(&in_short(feed));
        text.push('\n');
    }
    for remote in remotes {
        let of = events.iter().find(|event| event.id == remote.event && event.id != 0);
        let of = of.map(|event| (event.threat_level, &event.tags));
        // Without what its own work changes there, such as when it was cached.
        let remote = serde_json::to_string(remote).unwrap_or_default();
        text.extend([remote, format!(" {of:?}\n")]);
    }
    format!("{:032x}", xxh3_128(text.as_bytes()))
}

struct Run<'a> {
    client: &'a Client<'a>,
    server: &'a Misp,
    rules: Rules,
    actions: Vec<Action>,
}

impl Run<'_> {
    fn report(self, unchanged: bool) -> Exchange {
        Exchange {
            server: self.server.id.clone(),
            unchanged,
            requests: self.client.requests(),
            actions: self.actions,
        }
    }

    fn leave(&mut self, feed: &str, why: impl Into<String>) {
        let (step, feed, detail) = (Step::Leave, feed.to_owned(), why.into());
        self.actions.push(Action { step, feed, detail, done: false, error: None });
    }

    /// Does a step unless this is a rehearsal, and says what the server answered. A failure is
    /// noted and the rest goes on; only that nobody is there ends it.
    fn call(
        &mut self,
        step: Step,
        feed: &str,
        detail: impl Into<String>,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Option<Value>> {
        let mut action =
            Action { step, feed: feed.to_owned(), detail: detail.into(), done: false, error: None };
        if self.rules.dry_run {
            self.actions.push(action);
            return Ok(None);
        }
        let doing = match step {
            Step::CreateThere => "creating a feed",
            Step::FetchThere => "having a feed fetched",
            Step::CacheThere => "having a feed cached",
            Step::TagThere => "tagging an event",
            _ => "changing a feed or event",
        };
        let empty = json!({});
        let answer = self.client.write(doing, path, body.unwrap_or(&empty));
        let answer = match answer {
            Ok(said) => {
                action.done = true;
                Some(said)
            }
            Err(Error::Misp { problem: Problem::TimedOut, .. })
                if matches!(step, Step::FetchThere | Step::CacheThere) =>
            {
                action.done = true;
                action.detail.push_str("it goes on there");
                None
            }
            Err(
                error @ (Error::Cancelled
                | Error::Misp { problem: Problem::Unreachable | Problem::LoginPage, .. }),
            ) => return Err(error),
            Err(error) => {
                action.error = Some(error.to_string());
                None
            }
        };
        self.actions.push(action);
        Ok(answer)
    }

    fn push(&mut self, feed: &Feed, remotes: &[Remote], events: &[Event]) -> Result<()> {
        let id = feed.id.as_str();
        let body = match for_server(feed) {
            Ok(body) => body,
            Err(why) => {
                self.leave(id, why);
                return Ok(());
            }
        };
        let Some(remote) = remotes.iter().find(|remote| same_address(&remote.url, &feed.url))
        else {
            let made = self.call(Step::CreateThere, id, &feed.url, "feeds/add", Some(&body))?;
            if self.rules.dry_run {
                return self.fill(id, 0);
            }
            let there = made.as_ref().map(|said| remote::remotes(&json!([said])));
            return match there.as_deref() {
                Some([remote]) => self.fill(id, remote.id),
                _ => Ok(()),
            };
        };
        let wrong = remote.amiss();
        if !wrong.is_empty() {
            let keys: Vec<_> =
                wrong.iter().map(|(key, value)| format!("{key} = {value}")).collect();
            let path = format!("feeds/edit/{}", remote.id);
            let body = json!({ "Feed": wrong });
            self.call(Step::EditThere, id, keys.join(", "), &path, Some(&body))?;
        }
        if !remote.enabled {
            if !self.rules.init {
                self.leave(id, "it is switched off there");
                return Ok(());
            }
            let path = format!("feeds/enable/{}", remote.id);
            self.call(Step::EnableThere, id, "", &path, None)?;
        }
        if self.rules.init {
            self.fill(id, remote.id)?;
        }
        if let Some(event) = events.iter().find(|e| e.id == remote.event && e.id != 0) {
            self.describe(feed, event)?;
        }
        Ok(())
    }

    /// Has the server fetch and cache a feed.
    fn fill(&mut self, id: &str, remote: u64) -> Result<()> {
        self.call(Step::FetchThere, id, "", &format!("feeds/fetchFromFeed/{remote}"), None)?;
        self.call(Step::CacheThere, id, "", &format!("feeds/cacheFeeds/{remote}"), None)?;
        Ok(())
    }

    /// Gives the event of a feed its level and tags.
    fn describe(&mut self, feed: &Feed, event: &Event) -> Result<()> {
        let id = feed.id.as_str();
        let before = self.actions.len();
        if level(feed) != 0 && level(feed) != event.threat_level {
            let body = json!({ "threat_level_id": level(feed) });
            let path = format!("events/edit/{}", event.id);
            self.call(Step::LevelThere, id, level(feed).to_string(), &path, Some(&body))?;
        }
        for category in feed.categories.iter() {
            let name = category.name();
            if event.tags.iter().any(|tag| tag.eq_ignore_ascii_case(name)) {
                continue;
            }
            let path = format!("events/addTag/{}", event.id);
            let body = json!({ "tag": name });
            self.call(Step::TagThere, id, name, &path, Some(&body))?;
            let unknown = self.actions.last().and_then(|action| action.error.as_ref());
            if unknown.is_some_and(|error| error.contains("Invalid Tag")) {
                // It has to be there first.
                let tag = json!({ "name": name, "colour": "#4a4a4a", "exportable": true });
                if self.client.write("creating a tag", "tags/add", &tag).is_ok() {
                    self.actions.pop();
                    self.call(Step::TagThere, id, name, &path, Some(&body))?;
                }
            }
        }
        // An edit takes it back to being a draft.
        if self.actions.len() > before && event.published {
            let path = format!("events/publish/{}", event.id);
            self.call(Step::PublishThere, id, "", &path, None)?;
        }
        Ok(())
    }

    fn pull(
        &mut self,
        remotes: &[Remote],
        mut ours: Vec<Feed>,
        events: &[Event],
        kept: &mut Kept,
        add: &mut dyn FnMut(&Feed, &str) -> Result<()>,
    ) {
        for remote in remotes {
            let known = ours.iter().any(|feed| same_address(&feed.url, &remote.url));
            if let (Some(id), false) = (kept.taken.get(&remote.id), remote.enabled) {
                let id = id.to_string();
                self.leave(
                    &id,
                    "it was switched off there; `artif feeds remove` takes it away here",
                );
            }
            if known || !remote.enabled || kept.taken.contains_key(&remote.id) {
                continue;
            }
            let made = remote.as_ours().and_then(|feed| {
                let id = free_id(&remote.name, &self.server.id, &ours);
                id.map(|id| Feed { id, ..feed }).ok_or_else(|| "its id is taken here".to_owned())
            });
            let mut feed = match made {
                Ok(feed) => feed,
                Err(why) => {
                    self.leave(&remote.name, why);
                    continue;
                }
            };
            if let Some(event) = events.iter().find(|e| e.id == remote.event && e.id != 0) {
                feed.threat_level = event.level();
                feed.categories = super::tags::categories(self.server, &event.tags);
            }
            feed.enabled = true;
            let mut action = Action {
                step: Step::AddHere,
                feed: feed.id.to_string(),
                detail: crate::feed::source::redact(&feed.url),
                done: false,
                error: None,
            };
            if !self.rules.dry_run {
                let note = format!("Feed {} of the MISP server {}.", remote.id, self.server.id);
                match add(&feed, &note) {
                    Ok(()) => {
                        action.done = true;
                        kept.taken.insert(remote.id, feed.id.clone());
                    }
                    Err(error) => action.error = Some(error.to_string()),
                }
            }
            self.actions.push(action);
            ours.push(feed);
        }
    }
}
