//! MISP servers as sources of a refresh.

mod collections;
mod exchange;
mod sightings;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::PoisonError;
use std::sync::atomic::AtomicBool;

use self::exchange::Sides;
use super::admission::Admission;
use super::owner::{ListFacts, Shared};
use super::refresh::{Content, FeedReport, Outcome};
use crate::clock::{Seconds, span};
use crate::config::{Config, Misp, MispExchange, MispFeeds};
use crate::error::{Error, Result};
use crate::feed::{Feed, FeedId, ParseLimits, Role, parse};
use crate::ledger::{FeedHead, Generation, Validators};
use crate::misp::exchange::{Rules, there, was_made};
use crate::misp::origin::Survey;
use crate::misp::told::Told;
use crate::misp::{
    Checked, Client, Folder, Known, KnownList, Made, State, SyncReport, Synced, lists, mapping,
    sync,
};
use crate::net::PrefixSet;

pub(super) use self::collections::refresh_feeds;
pub use self::exchange::ExchangeOptions;
pub(super) use self::sightings::Met;

/// Syncs the servers one after the other. One that fails keeps what was there; errors are only the
/// ledger's, and that the caller gave up.
pub(super) fn sync_servers(
    shared: &Shared,
    servers: &[&Misp],
    admission: &Admission<'_>,
    limits: &ParseLimits,
    cancel: &AtomicBool,
) -> Result<Vec<SyncReport>> {
    let mut reports = Vec::new();
    for server in servers {
        let task = Sync { shared, server, admission, limits };
        reports.push(task.run(cancel)?);
    }
    if !admission.dry_run && servers.iter().any(|server| server.sightings) {
        tell(shared, admission.now, cancel, &mut reports)?;
    }
    Ok(reports)
}

/// Sends the sightings that wait. Where that fails they wait on, and the server's report says so.
fn tell(
    shared: &Shared,
    now: Seconds,
    cancel: &AtomicBool,
    reports: &mut [SyncReport],
) -> Result<()> {
    match shared.send_noted(now, cancel) {
        Ok(sent) => {
            for report in reports {
                let here = sent.iter().filter(|sent| sent.server == report.server);
                report.sighted.extend(here.cloned());
            }
        }
        Err(Error::Cancelled) => return Err(Error::Cancelled),
        Err(error) => {
            tracing::warn!(%error, "sightings wait on");
            let Error::Misp { server, .. } = &error else { return Ok(()) };
            for report in reports.iter_mut().filter(|report| report.server.as_str() == server) {
                report.error.get_or_insert_with(|| error.to_string());
            }
        }
    }
    Ok(())
}

/// The feeds that were made of the servers before, for an engine that starts.
pub(super) fn known_feeds(config: &Config, data: &Path) -> Vec<Feed> {
    let feeds = |server: &Misp| {
        let state = Folder::of(data, &server.id).load(server);
        let mut feeds = mapping::feeds(server, &state);
        let lists = state.lists.values().filter(|_| server.warninglists);
        let lists =
            lists.map(|list| lists::feed(server, list.id, &list.name, &config.warninglists));
        feeds.extend(lists.filter_map(Result::ok));
        feeds
    };
    config.misp.iter().filter(|server| server.enabled).flat_map(feeds).collect()
}

struct Sync<'a> {
    shared: &'a Shared,
    server: &'a Misp,
    admission: &'a Admission<'a>,
    limits: &'a ParseLimits,
}

impl Sync<'_> {
    fn run(&self, cancel: &AtomicBool) -> Result<SyncReport> {
        let mut report = SyncReport::new(&self.server.id);
        let data = self.shared.misp_data();
        let folder = Folder::of(&data, &self.server.id);
        // A dry run works on a copy, and the ledger heeds that it is one.
        let copy = if self.admission.dry_run { Some(folder.copy()?) } else { None };
        let folder = copy.as_ref().map_or(&folder, |copy| &copy.folder);
        let done = self.attempt(folder, cancel, &mut report);
        let mut checked = folder.checked();
        checked.asked = self.admission.now;
        checked.problem = None;
        match done {
            Ok(found) => Self::describe(&mut checked, found, self.admission.now),
            Err(Error::Cancelled) => return Err(Error::Cancelled),
            Err(error @ (Error::Ledger { .. } | Error::Config { .. })) => return Err(error),
            Err(error) => {
                tracing::warn!(server = %self.server.id, %error, "what was there before stays");
                report.outcome = Outcome::Failed;
                report.error = Some(error.to_string());
                if let Error::Misp { retry_after, .. } = error {
                    report.retry_after = retry_after;
                }
                checked.problem.clone_from(&report.error);
            }
        }
        report.attributes = report.attributes.max(checked.attributes);
        checked.attributes = report.attributes;
        let noted = folder.create().and_then(|()| folder.note(&checked));
        if let Err(error) = noted {
            tracing::warn!(%error, "how the server is is not kept");
        }
        Ok(report)
    }

    fn describe(checked: &mut Checked, (state, attributes): (State, Option<u64>), now: Seconds) {
        checked.synced = Some(now);
        checked.version.clone_from(&state.server_version);
        checked.events = state.events.len() as u64;
        checked.unpublished = state.events.iter().filter(|event| !event.published).count() as u64;
        checked.feeds = state.feeds.values().filter(|known| known.gone.is_none()).count() as u64;
        if let Some(attributes) = attributes {
            checked.attributes = attributes;
        }
    }

    /// The state after a sync, and how many attributes are held, where that was counted.
    fn attempt(
        &self,
        folder: &Folder,
        cancel: &AtomicBool,
        report: &mut SyncReport,
    ) -> Result<(State, Option<u64>)> {
        folder.create()?;
        let mut state = folder.load(self.server);
        let client = Client::new(self.server, &self.shared.config.fetch, cancel)?;
        let survey = self.survey(&client, folder);
        report.requests = client.requests();
        let survey = survey?;
        let synced = self.sync(&client, folder, &survey, &mut state);
        report.requests = client.requests();
        let Synced { merged, counted, full, changed } = synced?;
        report.full = full;
        report.copies = state.copies.len() as u64;
        (report.added, report.changed, report.removed) =
            (merged.added, merged.changed, merged.removed);
        let counted = counted.then_some(merged.rows);
        report.attributes = counted.unwrap_or_default();
        let mut told = Told::load(folder);
        // Feeds are brought up to date without it, too.
        let listened = if self.server.read_sightings {
            told.update(&client, folder, full, self.admission.now)
        } else {
            Ok(())
        };
        if let Err(error) = self.apply(folder, &mut state, &told, report) {
            if mapping::is_damage(&error) {
                // Next time everything is read anew.
                state.mirror = None;
                folder.save(&state)?;
            }
            return Err(error);
        }
        listened?;
        self.lists(&client, folder, &mut state, report)?;
        report.requests = client.requests();
        if self.server.exchange != MispExchange::Off {
            let dry_run = self.admission.dry_run;
            let rules = Rules { direction: self.server.exchange, init: false, dry_run };
            let remotes = survey.remotes.as_deref().unwrap_or_default();
            let sides = Sides { server: self.server, folder, state: &state, remotes };
            let done = self.shared.exchange(&client, &sides, rules)?;
            report.exchange = Some(done);
            report.requests = client.requests();
        }
        if report.loaded > 0 || changed {
            report.outcome = Outcome::Loaded;
        }
        if report.refused > 0 {
            report.outcome = Outcome::Refused;
        }
        Ok((state, counted))
    }

    /// The server's feeds, where they are exchanged, or make feeds of ours: what a feed that is
    /// fetched here wrote there is no second witness.
    fn survey(&self, client: &Client<'_>, folder: &Folder) -> Result<Survey> {
        let needed =
            self.server.exchange != MispExchange::Off || self.server.feeds == MispFeeds::Feed;
        if !needed && !was_made(folder) {
            return Ok(Survey::default());
        }
        let remotes = match there(client) {
            Ok(remotes) => remotes,
            Err(Error::Cancelled) => return Err(Error::Cancelled),
            Err(error) if needed => return Err(error),
            Err(error) => {
                tracing::warn!(server = %self.server.id, %error, "going on with the feeds known before");
                return Ok(Survey::default());
            }
        };
        let mut ours = self.shared.feeds().clone();
        ours.retain(|feed| feed.enabled && feed.misp.is_none());
        // One that never came is none that counts here.
        let heads = self.admission.store.heads()?;
        ours.retain(|feed| heads.iter().any(|head| head.feed == feed.id));
        Ok(Survey { remotes: Some(remotes), ours })
    }

    fn sync(
        &self,
        client: &Client<'_>,
        folder: &Folder,
        survey: &Survey,
        state: &mut State,
    ) -> Result<Synced> {
        let (server, fetch) = (self.server, &self.shared.config.fetch);
        let result = sync::sync(client, server, fetch, folder, survey, state, self.admission.now);
        match result {
            Err(error) if mapping::is_damage(&error) && state.mirror.is_some() => {
                tracing::warn!(server = %server.id, %error, "everything is read anew");
                state.mirror = None;
                state.pending = None;
                folder.save(state)?;
                sync::sync(client, server, fetch, folder, survey, state, self.admission.now)
            }
            other => other,
        }
    }

    /// Takes what is held into the ledger, where it is not there yet.
    fn apply(
        &self,
        folder: &Folder,
        state: &mut State,
        told: &Told,
        report: &mut SyncReport,
    ) -> Result<()> {
        let Admission { store, now, force, dry_run, .. } = *self.admission;
        let heads: BTreeMap<FeedId, FeedHead> =
            store.heads()?.into_iter().map(|head| (head.feed.clone(), head)).collect();
        let there = |id: &FeedId, known: &Known| {
            heads.get(id).is_some_and(|head| head.validators.content == Some(known.content))
        };
        let made_from = mapping::made_from(self.server, state, told, self.limits, now);
        let all_there =
            state.feeds.iter().all(|(id, known)| known.gone.is_some() || there(id, known));
        if !force && state.made_from == made_from && all_there {
            let confirmed =
                state.feeds.iter().filter(|(_, known)| known.gone.is_none() && !dry_run);
            for (id, known) in confirmed {
                store.confirm(id, now, &validators(known.content))?;
            }
            report.feeds = state.feeds.values().filter(|known| known.gone.is_none()).count() as u64;
            return if dry_run { Ok(()) } else { self.forget(folder, state) };
        }
        let mut known = BTreeMap::new();
        mapping::make(
            self.server,
            folder,
            state,
            told,
            (self.limits, now),
            |Made { feed, known: made, parsed }| {
                let id = feed.id.clone();
                let head = heads.get(&id);
                let new = validators(made.content);
                let content = match head {
                    Some(head) if head.validators.content == Some(made.content) => {
                        Content::Unchanged(Some(new))
                    }
                    _ => Content::New(Box::new(parsed), new),
                };
                let admitted = self.admission.admit(&feed, head, Ok(content))?;
                match admitted.outcome {
                    Outcome::Loaded => report.loaded += 1,
                    Outcome::Refused => {
                        report.refused += 1;
                        report.error = report.error.take().or_else(|| admitted.error.clone());
                    }
                    Outcome::Unchanged | Outcome::Failed => {}
                }
                report.feeds += 1;
                if dry_run && admitted.outcome != Outcome::Unchanged {
                    report.changes.push(FeedReport { error: None, ..admitted });
                }
                known.insert(id, made);
                Ok(())
            },
        )?;
        let none = PrefixSet::default();
        for (id, old) in &state.feeds {
            if known.contains_key(id) {
                continue;
            }
            if old.gone.is_none() && dry_run {
                let changes = Some(self.admission.changes(id, &none)?);
                report.changes.push(FeedReport { changes, ..FeedReport::new(id, Outcome::Loaded) });
            } else if old.gone.is_none() {
                // Nothing to guard against: the server says that it is gone.
                store.commit(Generation::new(id, now, &none, &Validators::default()))?;
            }
            let gone = old.gone.or(Some(now));
            known.insert(id.clone(), Known { gone, count: 0, ..old.clone() });
        }
        if dry_run {
            return Ok(());
        }
        state.feeds = known;
        // With something refused all of it is looked at again, so that it goes on being said.
        state.made_from = if report.refused == 0 { made_from } else { String::new() };
        folder.save(state)?;
        self.forget(folder, state)
    }

    /// Takes over the warninglists that changed; none where the configuration wants none.
    fn lists(
        &self,
        client: &Client<'_>,
        folder: &Folder,
        state: &mut State,
        report: &mut SyncReport,
    ) -> Result<()> {
        if !self.server.warninglists && state.lists.is_empty() {
            return Ok(());
        }
        let Admission { store, now, .. } = *self.admission;
        let mut there = Vec::new();
        if self.server.warninglists {
            let said = client.small("reading the list of warninglists", "warninglists", None)?;
            there = lists::there(&said, self.server, &self.shared.config.warninglists)?;
            // Those that are configured here count as they are.
            let ours = self.shared.warninglists();
            there.retain(|list| ours.iter().all(|own| own.id != list.feed.id));
        }
        if self.admission.dry_run {
            let held = |list: &&lists::There| {
                let held = state.lists.get(&list.feed.id);
                held.is_some_and(|held| held.version == list.version && held.id == list.id)
            };
            report.lists = there.iter().filter(|list| !held(list)).count() as u64;
            return Ok(());
        }
        let mut known = BTreeMap::new();
        let mut feeds = Vec::new();
        for list in there {
            let id = list.feed.id.clone();
            let head = store.head(&id)?;
            let held = state.lists.get(&id).filter(|held| {
                held.version == list.version
                    && held.id == list.id
                    && head.as_ref().is_some_and(|h| h.validators.content == Some(held.content))
            });
            let entry = if let Some(held) = held {
                store.confirm(&id, now, &validators(held.content))?;
                held.clone()
            } else {
                let path = format!("warninglists/export/{}", list.id);
                let said = client.small("reading a warninglist", &path, None)?.to_string();
                let parsed = parse(&id, &list.feed.format, self.limits, &mut said.as_bytes())?;
                let content = mapping::content(&parsed.prefixes);
                let new = Content::New(Box::new(parsed), validators(content));
                let admitted = self.admission.admit(&list.feed, head.as_ref(), Ok(new))?;
                if admitted.outcome == Outcome::Refused {
                    report.error = report.error.take().or(admitted.error);
                }
                report.lists += 1;
                let (id, version) = (list.id, list.version.clone());
                KnownList { id, name: list.feed.name.clone(), version, content }
            };
            let facts = ListFacts { name: list.feed.name.clone(), version: list.display_version };
            self.shared.list_facts().insert(id.clone(), facts);
            known.insert(id, entry);
            feeds.push(list.feed);
        }
        let none = PrefixSet::default();
        for id in state.lists.keys().filter(|id| !known.contains_key(*id)) {
            store.commit(Generation::new(id, now, &none, &Validators::default()))?;
        }
        if state.lists != known {
            state.lists = known;
            folder.save(state)?;
        }
        let mut all = self.shared.feeds();
        let old = |feed: &Feed| {
            feed.role == Role::Warninglist && feed.misp.as_ref() == Some(&self.server.id)
        };
        all.retain(|feed| !old(feed));
        all.extend(feeds);
        Ok(())
    }

    /// Forgets feeds that are gone for longer than their history counts, and tells the engine which
    /// there are.
    fn forget(&self, folder: &Folder, state: &mut State) -> Result<()> {
        let kept = span(self.shared.config.history.retention);
        let over = |known: &Known| {
            known.gone.is_some_and(|gone| self.admission.now.saturating_sub(gone) > kept)
        };
        let old: Vec<_> =
            state.feeds.iter().filter(|(_, known)| over(known)).map(|(id, _)| id.clone()).collect();
        for id in &old {
            self.admission.store.remove_feed(id)?;
            state.feeds.remove(id);
        }
        if !old.is_empty() {
            folder.save(state)?;
        }
        let mut made = mapping::feeds(self.server, state);
        self.shared.switch(&mut made)?;
        let mut feeds = self.shared.feeds();
        feeds.retain(|feed| {
            feed.misp.as_ref() != Some(&self.server.id) || feed.role == Role::Warninglist
        });
        feeds.extend(made);
        Ok(())
    }
}

fn validators(content: u128) -> Validators {
    Validators { content: Some(content), ..Validators::default() }
}

impl Shared {
    /// The folder in which what is known of MISP servers is kept.
    fn misp_data(&self) -> PathBuf {
        match (&self.dir, &self.misp_folder) {
            (Some(dir), _) => dir.clone(),
            (None, _) if self.looked_at.is_some() => self.looked_at.clone().unwrap_or_default(),
            (None, Some(folder)) => folder.path().to_owned(),
            // Only where no server is configured.
            (None, None) => std::env::temp_dir(),
        }
    }

    /// When a server was last synced.
    pub(in crate::engine) fn synced(&self, server: &FeedId) -> Option<Seconds> {
        self.servers().find(|other| other.id == *server)?;
        Folder::of(&self.misp_data(), server).checked().synced
    }

    fn switch(&self, feeds: &mut [Feed]) -> Result<()> {
        for feed in feeds.iter_mut() {
            feed.enabled = self.config.feeds.is_enabled(&feed.id, feed.enabled);
        }
        if let Some(dir) = &self.dir {
            super::switches::Switches::load(dir)?.apply(feeds);
            return Ok(());
        }
        // In memory, what was switched is known from the feeds themselves.
        let now = self.feeds.lock().unwrap_or_else(PoisonError::into_inner);
        for feed in feeds {
            if let Some(before) = now.iter().find(|other| other.id == feed.id) {
                feed.enabled = before.enabled;
            }
        }
        Ok(())
    }
}
