//! Feeds in MISP's format: `manifest.json` beside an `UUID.json` for each event, at an address or in
//! a folder; a folder of event files without a manifest, too.
//!
//! The manifest says when each event was changed; only those that changed are fetched. Where that is
//! several, or it does not say, `hashes.csv` beside it says of which the values are others, where the
//! publisher has it: the rest is passed over, and read within a day all the same, as the hashes say
//! nothing of what is meant for detection. An event
//! that cannot be had keeps what it listed before, and is tried again next time.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use serde::{Deserialize, Serialize};

use super::hashes::{self, Digests};
use super::mapping::{content, is_damage};
use super::mirror::{Incoming, Reader, Row, merge};
use super::state::Folder;
use crate::clock::Seconds;
use crate::error::{Error, Result, excerpt};
use crate::feed::lenient::Lenient;
use crate::feed::source::{self, Body, FetchOptions, Fetched, Request};
use crate::feed::{Feed, MispAttribute, MispEvent, ParseLimits, Parsed, gather, parse_misp_event};
use crate::ledger::Validators;

/// Bytes of a manifest.
const LONGEST_MANIFEST: u64 = 256 << 20;

/// What a feed turned out to be.
#[derive(Debug)]
pub(crate) struct Read {
    pub(crate) parsed: Parsed,
    pub(crate) validators: Validators,
    /// Events that could not be had, and why the first of them.
    pub(crate) missed: Option<(usize, String)>,
}

/// What is kept from refresh to refresh.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Kept {
    question: String,
    events: BTreeMap<String, KeptEvent>,
    next: u64,
    generation: u64,
    mirror: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct KeptEvent {
    /// What it is called in the file of attributes.
    number: u64,
    /// When it was changed, as the manifest said; 0 where it has to be fetched again.
    changed: i64,
    /// What its values come to, where hashes said so when it was fetched.
    #[serde(default)]
    digest: Option<u128>,
    /// Since when it was passed over though it has another time.
    #[serde(default)]
    passed: Option<Seconds>,
}

/// What changed in up to so many events is fetched at once; of more, hashes are asked for first.
const FEW: usize = 3;
/// So long an event may be passed over as its values are the same.
const PASSED: Seconds = 86_400;

/// How a feed is read.
pub(crate) struct How<'a> {
    pub(crate) options: &'a FetchOptions,
    pub(crate) limits: &'a ParseLimits,
    pub(crate) now: Seconds,
    pub(crate) cancel: &'a AtomicBool,
}

/// Reads a feed anew as far as it changed; `None` where its manifest did not.
pub(crate) fn read(
    feed: &Feed,
    folder: &Folder,
    how: &How<'_>,
    known: Option<Validators>,
) -> Result<Option<Read>> {
    let How { options, limits, now, cancel } = *how;
    folder.create()?;
    // With other limits the same documents say something else.
    let question = format!("2 {} {limits:?}", source::redact(&feed.url));
    let mut kept: Kept = folder.load_as();
    if kept.question != question || kept.mirror.is_none() {
        kept = Kept { question, ..Kept::default() };
    }
    // Where something was passed over for long enough the manifest is needed, changed or not.
    let whole = kept.mirror.is_some() && !kept.events.values().any(|event| overdue(event, now));
    let known = known.filter(|_| whole).unwrap_or_default();
    let Some((listed, mut validators)) = manifest(feed, options, known, cancel)? else {
        return Ok(None);
    };

    let mut changed: Vec<_> = listed
        .iter()
        .filter(|(uuid, event)| {
            event.changed.is_none()
                || kept
                    .events
                    .get(*uuid)
                    .is_none_or(|kept| Some(kept.changed) != event.changed || overdue(kept, now))
        })
        .collect();
    let digests = pass_over(feed, how, &mut changed, &mut kept)?;
    let mut incoming = Incoming::new(folder.path());
    let mut dropped: BTreeSet<u64> = kept
        .events
        .iter()
        .filter(|(uuid, _)| !listed.contains_key(*uuid))
        .map(|(_, e)| e.number)
        .collect();
    let coming = Coming { kept: &mut kept, dropped: &mut dropped, incoming: &mut incoming };
    let missed = get(feed, how, &changed, &digests, coming)?;
    if let Some((count, why)) = &missed
        && *count == changed.len()
    {
        let reason = format!("none of {count} events could be had: {why}");
        return Err(Error::Parse { feed: feed.id.to_string(), line: None, reason });
    }
    if missed.is_some() {
        // Otherwise an unchanged manifest would leave out what was missed.
        validators.etag = None;
        validators.last_modified = None;
    }

    kept.events.retain(|uuid, _| listed.contains_key(uuid));
    kept.generation += 1;
    let name = format!("attributes-{}.bin", kept.generation);
    let old = kept.mirror.as_ref().map(|name| folder.mirror(name));
    let path = folder.mirror(&name);
    if let Err(error) = merge(old.as_deref(), incoming, &dropped, &path) {
        if is_damage(&error) {
            // Next time everything is read anew.
            folder.save_as(&Kept::default())?;
        }
        return Err(error);
    }
    kept.mirror = Some(name);
    folder.save_as(&kept)?;
    if let Some(old) = old {
        // One that stays is in nobody's way.
        let _ = std::fs::remove_file(old);
    }
    let mut parsed = all_of(feed, &path, limits)?;
    parsed.report.header.insert("events".to_owned(), kept.events.len().to_string());
    validators.content = Some(content(&parsed.prefixes));
    Ok(Some(Read { parsed, validators, missed }))
}

/// Whether an event was passed over for long enough.
fn overdue(kept: &KeptEvent, now: Seconds) -> bool {
    kept.passed.is_some_and(|since| since > now || now - since >= PASSED)
}

/// Takes out of what changed by its time the events whose values are the same, and gives what all
/// events come to, where that was asked for.
fn pass_over(
    feed: &Feed,
    how: &How<'_>,
    changed: &mut Vec<(&String, &Listed)>,
    kept: &mut Kept,
) -> Result<Digests> {
    let mut digests = Digests::default();
    if changed.len() > FEW && is_listed(changed) {
        digests = hashes::fetch(feed, base_of(feed), how.options, how.cancel)?.unwrap_or_default();
        changed.retain(|(uuid, event)| {
            let Some(held) = kept.events.get_mut(*uuid) else { return true };
            if overdue(held, how.now)
                || held.digest.is_none()
                || held.digest.as_ref() != digests.get(*uuid)
            {
                return true;
            }
            held.changed = event.changed.unwrap_or_default();
            held.passed.get_or_insert(how.now);
            false
        });
    }
    Ok(digests)
}

/// What events become part of.
struct Coming<'a> {
    kept: &'a mut Kept,
    dropped: &'a mut BTreeSet<u64>,
    incoming: &'a mut Incoming,
}

/// Fetches events; how many could not be had, and why the first of them.
fn get(
    feed: &Feed,
    how: &How<'_>,
    changed: &[(&String, &Listed)],
    digests: &Digests,
    coming: Coming<'_>,
) -> Result<Option<(usize, String)>> {
    let Coming { kept, dropped, incoming } = coming;
    let mut missed: Option<(usize, String)> = None;
    let requests: Vec<_> = changed
        .iter()
        .map(|(_, event)| Request {
            url: event.url.clone(),
            ..Request::new(feed, Validators::default())
        })
        .collect();
    let mut failure = None;
    source::fetch_all(&requests, how.options, how.cancel, |place, event| {
        let (source::Event::Finished(done), Some((uuid, listed))) = (event, changed.get(place))
        else {
            return;
        };
        let read = done.and_then(|fetched| match fetched {
            Fetched::Document { body, .. } => event_in(feed, *body),
            Fetched::Unchanged => Ok(MispEvent::default()),
        });
        match read {
            Ok(event) => {
                let next = kept.next + 1;
                let entry = kept.events.entry((*uuid).clone()).or_insert(KeptEvent {
                    number: next,
                    changed: 0,
                    digest: None,
                    passed: None,
                });
                kept.next = kept.next.max(entry.number);
                entry.changed = listed.changed.unwrap_or_default();
                entry.digest = digests.get(*uuid).copied();
                entry.passed = None;
                dropped.insert(entry.number);
                for (id, attribute) in (0..).zip(event.attributes.iter().filter(|a| a.to_ids)) {
                    let row = Row {
                        event: entry.number,
                        id,
                        prefix: Some(attribute.prefix),
                        to_ids: true,
                        decayed: false,
                        timestamp: 0,
                        since: begun(attribute),
                        seen: 0,
                        tags: 0,
                    };
                    if let Err(error) = incoming.add(row.encode()) {
                        failure.get_or_insert(error);
                    }
                }
            }
            Err(error) => {
                missed.get_or_insert((0, error.to_string())).0 += 1;
            }
        }
    })?;
    if let Some(error) = failure {
        return Err(error);
    }
    Ok(missed)
}

fn all_of(feed: &Feed, mirror: &Path, limits: &ParseLimits) -> Result<Parsed> {
    let mut rows = Reader::open(mirror)?;
    let mut failure = None;
    let networks = std::iter::from_fn(|| match rows.next() {
        Ok(row) => row.and_then(|row| Some((row.prefix?, row.since))),
        Err(error) => {
            failure = Some(error);
            None
        }
    });
    let parsed = gather(&feed.id, limits, networks)?;
    failure.map_or(Ok(parsed), Err)
}

fn event_in(feed: &Feed, mut body: Body) -> Result<MispEvent> {
    let mut reader = body.reader()?;
    parse_misp_event(&feed.id, &mut reader)
}

/// Since when an attribute is known: when it was first seen, else when it was changed; 0 where
/// nothing says so.
fn begun(attribute: &MispAttribute) -> u32 {
    let times = [attribute.first_seen, attribute.timestamp];
    let known = times.into_iter().flatten().filter_map(|time| u32::try_from(time).ok());
    known.filter(|time| *time > 0).min().unwrap_or_default()
}

/// The address without the manifest's name.
fn base_of(feed: &Feed) -> &str {
    feed.url.trim_end_matches("manifest.json").trim_end_matches('/')
}

/// Whether a manifest names these, and no folder.
fn is_listed(events: &[(&String, &Listed)]) -> bool {
    events.iter().all(|(_, event)| event.in_manifest)
}

struct Listed {
    url: String,
    /// `None` where nothing says so: it is fetched each time, unless hashes say otherwise.
    changed: Option<i64>,
    in_manifest: bool,
}

/// The events, by UUID or file name; `None` where the manifest is as it was.
fn manifest(
    feed: &Feed,
    options: &FetchOptions,
    known: Validators,
    cancel: &AtomicBool,
) -> Result<Option<(BTreeMap<String, Listed>, Validators)>> {
    let base = base_of(feed);
    if let Some(folder) = folder_of(base)
        && folder.is_dir()
        && !folder.join("manifest.json").exists()
    {
        return Ok(Some((files(&folder)?, Validators::default())));
    }
    let request = Request { url: format!("{base}/manifest.json"), ..Request::new(feed, known) };
    let mut fetched = None;
    source::fetch_all(&[request], options, cancel, |_, event| {
        if let source::Event::Finished(done) = event {
            fetched = Some(done);
        }
    })?;
    let failed = |reason: String| Error::Parse { feed: feed.id.to_string(), line: None, reason };
    let (mut body, validators) = match fetched {
        None => return Err(failed("nothing came back for its manifest".to_owned())),
        Some(Err(error)) => return Err(error),
        Some(Ok(Fetched::Unchanged)) => return Ok(None),
        Some(Ok(Fetched::Document { body, validators })) => (body, validators),
    };
    let reader = body.reader()?;
    let entries: BTreeMap<String, Entry> = serde_json::from_reader(reader.take(LONGEST_MANIFEST))
        .map_err(|error| {
        failed(format!("its manifest is none: {}", excerpt(&error.to_string())))
    })?;
    let mut listed = BTreeMap::new();
    for (uuid, entry) in entries {
        // It becomes part of an address.
        let fine = (1..=64).contains(&uuid.len())
            && uuid.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-');
        if !fine {
            return Err(failed(format!("its manifest names {:?}, no UUID", excerpt(&uuid))));
        }
        let url = format!("{base}/{uuid}.json");
        let event = Listed { url, changed: entry.timestamp.number(), in_manifest: true };
        listed.insert(uuid, event);
    }
    Ok(Some((listed, validators)))
}

#[derive(Deserialize)]
struct Entry {
    #[serde(default)]
    timestamp: Lenient,
}

/// The path in a `file:` address.
fn folder_of(url: &str) -> Option<PathBuf> {
    let rest = url.strip_prefix("file:")?;
    if rest.starts_with("//") {
        return url::Url::parse(url).ok()?.to_file_path().ok();
    }
    Some(rest.into())
}

/// The event files of a folder; when each was written says whether it changed.
fn files(folder: &Path) -> Result<BTreeMap<String, Listed>> {
    let failed = |error| Error::io("reading the event files in", folder, error);
    let mut listed = BTreeMap::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let json = path.extension().is_some_and(|extension| extension == "json");
        let name = path.file_name().and_then(|name| name.to_str());
        let Some(name) = name.filter(|_| json) else { continue };
        let written = std::fs::metadata(&path).and_then(|data| data.modified()).ok();
        let since = written.and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok());
        let changed = since.and_then(|since| i64::try_from(since.as_nanos()).ok());
        let url = format!("file:{}", path.display());
        listed.insert(name.to_owned(), Listed { url, changed, in_manifest: false });
    }
    Ok(listed)
}
