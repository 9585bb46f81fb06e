//! One sync of a server: what to ask for, and what then counts here.

use std::collections::{BTreeMap, BTreeSet};

use super::client::Client;
use super::event::Event;
use super::journal::{Journal, Position};
use super::mirror::{Incoming, Merged, merge};
use super::origin::{Copies, Survey};
use super::state::{Folder, Pending, State, Task};
use super::tags::fits;
use super::walk::{Seen, TagSets, Walk};
use crate::clock::{Seconds, span};
use crate::config::{Fetch, Misp};
use crate::error::Result;

/// Seconds that a change may take from its time stamp until it is seen: large imports last minutes.
const OVERLAP: u32 = 300;

/// What a sync came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Synced {
    pub(crate) merged: Merged,
    /// Whether what is held was written anew, and so counted.
    pub(crate) counted: bool,
    /// Whether everything was read anew.
    pub(crate) full: bool,
    /// Whether anything is different from before.
    pub(crate) changed: bool,
}

/// Whether an event's attributes are held here.
pub(crate) fn wanted(server: &Misp, copies: &Copies, event: &Event) -> bool {
    let is = |orgs: &[String]| orgs.iter().any(|pattern| fits(pattern, &event.org));
    (event.published || server.unpublished)
        && !copies.contains_key(&event.id)
        && (server.orgs.is_empty() || is(&server.orgs))
        && !is(&server.not_orgs)
}

/// Brings what is held of a server up to date. A sync that was broken off is ended first.
///
/// What is held stays as it was until all of it has come: an error leaves it so, and the pages got
/// so far wait for the next attempt.
pub(crate) fn sync(
    client: &Client<'_>,
    server: &Misp,
    fetch: &Fetch,
    folder: &Folder,
    survey: &Survey,
    state: &mut State,
    now: Seconds,
) -> Result<Synced> {
    let mut done = Synced::default();
    if state.pending.is_some() {
        done = go_on(client, server, fetch, folder, state, now)?;
    }
    let old = now.saturating_sub(state.full_at) >= span(server.resync);
    let full = state.since.is_none() || state.mirror.is_none() || old;
    if full {
        // Once in a while: what it is, and whether the key is any good.
        state.server_version = Some(client.version()?.version);
    }
    let events = client.events()?;
    let began = client.server_time().unwrap_or_else(|| now.saturating_sub(OVERLAP));
    let copies = survey.copies().unwrap_or_else(|| state.copies.clone());
    let tasks = if full { everything(server, &copies, &events, state) } else { changes(state) };
    state.pending = Some(Pending { full, began, events, copies, tasks, planned: full });
    // A journal of another plan would be taken for this one's.
    let _ = std::fs::remove_file(folder.journal());
    folder.save(state)?;
    let more = go_on(client, server, fetch, folder, state, now)?;
    if survey.remotes.is_some() {
        state.writers = survey.writers(&state.events);
        folder.save(state)?;
    }
    let merged = Merged {
        rows: if more.counted { more.merged.rows } else { done.merged.rows },
        added: done.merged.added + more.merged.added,
        changed: done.merged.changed + more.merged.changed,
        removed: done.merged.removed + more.merged.removed,
    };
    Ok(Synced {
        merged,
        counted: done.counted || more.counted,
        full: done.full || more.full,
        changed: done.changed || more.changed,
    })
}

fn everything(server: &Misp, copies: &Copies, events: &[Event], state: &State) -> Vec<Task> {
    let counts = |event: &&Event| wanted(server, copies, event) && event.attributes > 0;
    let events: Vec<_> = events.iter().filter(counts).collect();
    batches(server, &events, state, |task| task)
}

/// All that changed anywhere, deletions among it.
fn changes(state: &State) -> Vec<Task> {
    let since = state.since.map(|since| since.saturating_sub(OVERLAP));
    vec![Task { events: Vec::new(), since, deleted: true, replace: false }]
}

/// Queries for all of these events, each for as many as come in one page, if all of their
/// attributes are addresses. So nothing shifts from page to page when something is deleted
/// meanwhile; where one event is larger than a page, what is deleted is asked for, too, as it stays
/// in its place.
fn batches(
    server: &Misp,
    events: &[&Event],
    state: &State,
    finish: impl Fn(Task) -> Task,
) -> Vec<Task> {
    /// Ids of events in one request.
    const MOST: usize = 500;
    let page = u64::from(state.limit.unwrap_or(server.page_size).min(server.page_size));
    let task =
        |events: Vec<u64>, deleted| finish(Task { events, since: None, deleted, replace: true });
    let (mut tasks, mut batch, mut size) = (Vec::new(), Vec::new(), 0);
    for event in events {
        if event.attributes >= page {
            tasks.push(task(vec![event.id], true));
            continue;
        }
        // Below a full page, so that one request says that it is the last.
        if size + event.attributes >= page || batch.len() >= MOST {
            tasks.push(task(std::mem::take(&mut batch), false));
            size = 0;
        }
        batch.push(event.id);
        size += event.attributes;
    }
    if !batch.is_empty() {
        tasks.push(task(batch, false));
    }
    tasks
}

/// Gets what is left of the sync under way, and puts it in place.
fn go_on(
    client: &Client<'_>,
    server: &Misp,
    fetch: &Fetch,
    folder: &Folder,
    state: &mut State,
    now: Seconds,
) -> Result<Synced> {
    let Some(pending) = state.pending.clone() else { return Ok(Synced::default()) };
    let mut tags =
        if pending.full { TagSets::new(Vec::new()) } else { TagSets::new(state.tags.clone()) };
    let limit = state.limit.unwrap_or(server.page_size).min(server.page_size);
    let mut position = Position { limit, ..Position::default() };
    let mut seen = BTreeMap::new();
    let journal = Journal::open(&folder.journal(), |reached, rows| {
        tags.extend(reached.tags.clone());
        if reached.task == 0 {
            Walk::count(&mut seen, rows);
        }
        position = Position { tags: Vec::new(), ..reached };
        Ok(())
    })?;
    let mut walk = Walk::new(client, fetch, journal, position, tags, server.page_size);
    walk.seen = seen;
    let counts = |event: &&Event| wanted(server, &pending.copies, event);
    walk.wanted = pending.events.iter().filter(counts).map(|event| event.id).collect();
    let mut tasks = pending.tasks.clone();
    walk.run(&tasks)?;
    if !pending.planned {
        let further = further(server, state, &pending, &walk.seen);
        tasks.extend(further);
        if let Some(pending) = &mut state.pending {
            pending.tasks.clone_from(&tasks);
            pending.planned = true;
        }
        folder.save(state)?;
        walk.run(&tasks)?;
    }
    let limit = walk.position.limit;
    let held = |event: &&Event| wanted(server, &state.copies, event);
    let before: BTreeSet<u64> = state.events.iter().filter(held).map(|event| event.id).collect();
    let Walk { tags, wanted, journal, .. } = walk;
    drop(journal);

    let mut dropped: BTreeSet<u64> = before.difference(&wanted).copied().collect();
    dropped.extend(tasks.iter().filter(|task| task.replace).flat_map(|task| &task.events));
    let mut incoming = Incoming::new(folder.path());
    let mut any = false;
    Journal::open(&folder.journal(), |_, rows| {
        any |= !rows.is_empty();
        rows.iter().try_for_each(|row| incoming.add(row.encode()))
    })?;
    let old = state.mirror.as_ref().filter(|_| !pending.full).map(|name| folder.mirror(name));
    let mut done = Synced { full: pending.full, ..Synced::default() };
    if any || pending.full || !dropped.is_empty() {
        state.generation += 1;
        let name = format!("attributes-{}.bin", state.generation);
        done.counted = true;
        done.merged = merge(old.as_deref(), incoming, &dropped, &folder.mirror(&name))?;
        state.mirror = Some(name);
    }
    let Merged { added, changed, removed, .. } = done.merged;
    done.changed = pending.full || added + changed + removed > 0 || state.events != pending.events;
    if pending.full {
        state.full_at = now;
    }
    state.tags = tags.into_sets();
    state.events = pending.events;
    state.copies = pending.copies;
    state.since = Some(pending.began);
    state.limit = Some(limit);
    state.pending = None;
    folder.save(state)?;
    folder.tidy(state);
    Ok(done)
}

/// What the changes of the first task leave open: events that are new here, those that came from
/// other servers with times of theirs, and those of which more is gone than was said to be deleted.
fn further(
    server: &Misp,
    state: &State,
    pending: &Pending,
    seen: &BTreeMap<u64, Seen>,
) -> Vec<Task> {
    let held = |event: &&Event| wanted(server, &state.copies, event);
    let counts = |event: &&Event| wanted(server, &pending.copies, event);
    let before: BTreeMap<u64, &Event> =
        state.events.iter().filter(held).map(|event| (event.id, event)).collect();
    let asked_since = pending.tasks.first().and_then(|task| task.since).unwrap_or(0);
    let (mut anew, mut late) = (Vec::new(), Vec::new());
    for event in pending.events.iter().filter(counts) {
        let seen = seen.get(&event.id).copied().unwrap_or_default();
        match before.get(&event.id) {
            // All of it came already.
            None if seen.live >= event.attributes => {}
            None => anew.push(event),
            Some(old) if event.attributes.saturating_add(seen.deleted) < old.attributes => {
                anew.push(event);
            }
            Some(old) if event.timestamp != old.timestamp => {
                if event.foreign || event.timestamp < asked_since {
                    late.push((old.timestamp, event));
                }
            }
            Some(_) => {}
        }
    }
    let mut tasks = batches(server, &anew, state, |task| task);
    // Together where they are small, so that the oldest time does not bring back all of a large one.
    late.sort_unstable_by_key(|(since, event)| (*since, event.id));
    let events: Vec<&Event> = late.iter().map(|(_, event)| *event).collect();
    let since: BTreeMap<u64, u32> = late.iter().map(|(since, event)| (event.id, *since)).collect();
    tasks.extend(batches(server, &events, state, |task| Task {
        since: task.events.iter().filter_map(|id| since.get(id)).min().copied(),
        deleted: true,
        replace: false,
        ..task
    }));
    tasks
}
