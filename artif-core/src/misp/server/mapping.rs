//! From attributes to feeds of ours: which belong together, and what is said of them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::{Ipv4Addr, Ipv6Addr};

use xxhash_rust::xxh3::Xxh3;

use super::event::Event;
use super::mirror::{Reader, Row};
use super::origin::Writer;
use super::sort::Sorter;
use super::state::{Folder, Known, State};
use super::sync::wanted;
use super::tags::{any_fits, categories, confidence, fits};
use super::told::{Opinion, Told};
use crate::category::ThreatLevel;
use crate::clock::Seconds;
use crate::config::{Misp, MispFeeds};
use crate::error::{Error, Result};
use crate::feed::{Feed, FeedId, Format, ParseLimits, Parsed, gather};
use crate::net::{Prefix, PrefixSet};

/// Bumped when the same attributes would make other feeds than before.
const VERSION: u32 = 3;

/// A group before its address: a number, family, address, length; then since when.
const MEMBER: usize = 4 + 1 + 16 + 1 + 4;

/// A feed with what it lists now.
pub(crate) struct Made {
    pub(crate) feed: Feed,
    pub(crate) known: Known,
    pub(crate) parsed: Parsed,
}

/// What feeds are made from, in short: with the same nothing has to be made again.
pub(crate) fn made_from(
    server: &Misp,
    state: &State,
    told: &Told,
    limits: &ParseLimits,
    now: Seconds,
) -> String {
    let mut hash = Xxh3::new();
    let Misp { id, url, feeds, to_ids, tags, not_tags, categories, confidence, refresh, .. } =
        server;
    let rules = format!(
        "{VERSION} {id} {} {feeds:?} {to_ids} {tags:?} {not_tags:?} {categories:?} {confidence:?} \
         {refresh:?} {limits:?} {:?}",
        crate::feed::source::redact(url),
        state.mirror
    );
    hash.update(format!("{rules} {:?} {}", server.max_age, server.read_sightings).as_bytes());
    for event in &state.events {
        // Not its time: an edit that changes nothing of this makes the same feeds.
        let Event { id, uuid, info, threat_level, org, tags, published, .. } = event;
        let text = format!("{id} {uuid} {info:?} {threat_level} {org:?} {tags:?} {published}\n");
        hash.update(text.as_bytes());
    }
    // What was said of attributes, and on which day, as that grows old.
    if server.read_sightings {
        hash.update(&told.digest().to_le_bytes());
    }
    if server.read_sightings || !server.max_age.is_zero() {
        hash.update(&(now / 86_400).to_le_bytes());
    }
    // Which events are left out, and which belong together.
    let together = (*feeds == MispFeeds::Feed).then_some(&state.writers);
    hash.update(format!("{:?} {together:?}", state.copies.keys()).as_bytes());
    format!("{:032x}", hash.digest128())
}

/// Identifies what a feed lists.
pub(crate) fn content(prefixes: &PrefixSet) -> u128 {
    let mut hash = Xxh3::new();
    for net in prefixes.v4() {
        hash.update(&net.first().to_le_bytes());
        hash.update(&[net.len()]);
    }
    hash.update(&[0xff]);
    for net in prefixes.v6() {
        hash.update(&net.first().to_le_bytes());
        hash.update(&[net.len()]);
    }
    hash.digest128()
}

/// The feeds as they were made last, for an engine that starts. Those that nothing makes any more
/// are among them while their history counts.
pub(crate) fn feeds(server: &Misp, state: &State) -> Vec<Feed> {
    let rules = Rules::new(server, state);
    state.feeds.iter().map(|(id, known)| rules.describe(id, known)).collect()
}

/// Makes all feeds anew, and calls `visit` with each that lists something.
pub(crate) fn make(
    server: &Misp,
    folder: &Folder,
    state: &State,
    told: &Told,
    (limits, now): (&ParseLimits, Seconds),
    mut visit: impl FnMut(Made) -> Result<()>,
) -> Result<()> {
    let Some(mirror) = &state.mirror else { return Ok(()) };
    let rules = Rules::new(server, state);
    let age = Age::new(server, told, now);
    let mut groups = Groups::default();
    let mut members = Sorter::<MEMBER, MEMBER>::new(folder.path());
    let mut rows = Reader::open(&folder.mirror(mirror))?;
    while let Some(row) = rows.next()? {
        let Some(prefix) = row.prefix.filter(|_| age.counts(&row)) else { continue };
        for group in rules.groups_of(&row) {
            members.add(member(groups.number(group), prefix, row.since))?;
        }
    }
    let mut members = members.finish()?;
    let mut next = members.next()?;
    // What had an id keeps it.
    let known: HashMap<&str, &FeedId> =
        state.feeds.iter().map(|(id, known)| (known.of.as_str(), id)).collect();
    let mut ids: BTreeSet<FeedId> = state.feeds.keys().cloned().collect();
    while let Some(first) = next {
        let number = number_of(&first);
        let (mut current, mut failure) = (Some(first), None);
        next = None;
        let of = groups.names.get(number as usize).cloned().unwrap_or_default();
        let id = match known.get(of.as_str()) {
            Some(id) => (*id).clone(),
            None => rules.id(&of, &mut ids)?,
        };
        let networks = std::iter::from_fn(|| {
            let record = current.take()?;
            loop {
                match members.next() {
                    // The same, from later on.
                    Ok(Some(after)) if place_of(&after) == place_of(&record) => {}
                    Ok(Some(after)) if number_of(&after) == number => {
                        current = Some(after);
                        break;
                    }
                    Ok(after) => {
                        next = after;
                        break;
                    }
                    Err(error) => {
                        failure = Some(error);
                        break;
                    }
                }
            }
            Some((prefix_of(&record)?, since_of(&record)))
        });
        let parsed = gather(&id, limits, networks)?;
        if let Some(error) = failure {
            return Err(error);
        }
        if parsed.prefixes.is_empty() {
            continue;
        }
        let name = rules.name(&of);
        let content = content(&parsed.prefixes);
        let count = parsed.prefixes.len() as u64;
        let known = Known { of, name, content, count, gone: None };
        visit(Made { feed: rules.describe(&id, &known), known, parsed })?;
    }
    Ok(())
}

#[derive(Default)]
struct Groups {
    names: Vec<String>,
    numbers: HashMap<String, u32>,
}

impl Groups {
    fn number(&mut self, name: &str) -> u32 {
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        let number = u32::try_from(self.names.len()).unwrap_or(u32::MAX);
        self.names.push(name.to_owned());
        self.numbers.insert(name.to_owned(), number);
        number
    }
}

fn member(group: u32, prefix: Prefix, since: u32) -> [u8; MEMBER] {
    let (family, address) = match prefix {
        Prefix::V4(net) => (4, u128::from(net.first())),
        Prefix::V6(net) => (6, net.first()),
    };
    let mut out = [0; MEMBER];
    let (address, length) = (address.to_be_bytes(), [prefix.len()]);
    // Of several with one address the first is the oldest, those of which nothing is known last.
    let since = since.wrapping_sub(1).to_be_bytes();
    let parts: [&[u8]; 5] = [&group.to_be_bytes(), &[family], &address, &length, &since];
    for (to, from) in out.iter_mut().zip(parts.concat()) {
        *to = from;
    }
    out
}

fn number_of(member: &[u8; MEMBER]) -> u32 {
    member.first_chunk().map_or(0, |number| u32::from_be_bytes(*number))
}

/// What a member is without since when.
fn place_of(member: &[u8; MEMBER]) -> &[u8] {
    member.get(..MEMBER - 4).unwrap_or(member)
}

fn since_of(member: &[u8; MEMBER]) -> u32 {
    member.last_chunk().map_or(0, |since| u32::from_be_bytes(*since).wrapping_add(1))
}

fn prefix_of(member: &[u8; MEMBER]) -> Option<Prefix> {
    let (family, rest) = member.get(4..)?.split_first()?;
    let (address, rest) = rest.split_first_chunk::<16>()?;
    let address = u128::from_be_bytes(*address);
    let length = *rest.first()?;
    if *family == 4 {
        Prefix::new(Ipv4Addr::from_bits(u32::try_from(address).ok()?).into(), length)
    } else {
        Prefix::new(Ipv6Addr::from_bits(address).into(), length)
    }
}

/// What is too old to count, or was withdrawn.
struct Age {
    opinions: HashMap<u64, Opinion>,
    /// What was last seen before this is too old; 0 for nothing.
    from: Seconds,
}

impl Age {
    fn new(server: &Misp, told: &Told, now: Seconds) -> Self {
        let opinions = if server.read_sightings { told.by_attribute() } else { HashMap::new() };
        let limit = Some(crate::clock::span(server.max_age)).filter(|limit| *limit > 0);
        Self { opinions, from: limit.map_or(0, |limit| now.saturating_sub(limit)) }
    }

    fn counts(&self, row: &Row) -> bool {
        let opinion = self.opinions.get(&row.id);
        let seen = row.seen.max(opinion.map_or(0, Opinion::seen));
        seen >= self.from && !opinion.is_some_and(|opinion| opinion.withdraws(row.timestamp))
    }
}

/// How attributes are put together.
struct Rules<'a> {
    server: &'a Misp,
    tags: &'a [Vec<String>],
    /// The events that count, and what all of their attributes have of them.
    events: HashMap<u64, &'a Event>,
    by_name: BTreeMap<&'a str, &'a Event>,
    /// The groups of events that feeds of the server wrote, by event.
    written: HashMap<u64, String>,
    /// By group: the feed, and what it wrote.
    writers: BTreeMap<String, (&'a Writer, Vec<&'a Event>)>,
    nothing: Vec<String>,
}

impl<'a> Rules<'a> {
    fn new(server: &'a Misp, state: &'a State) -> Self {
        let events: HashMap<_, _> = state
            .events
            .iter()
            .filter(|event| wanted(server, &state.copies, event))
            .map(|event| (event.id, event))
            .collect();
        let by_name = events.values().map(|event| (event_name(event), *event)).collect();
        let (mut written, mut writers) = (HashMap::new(), BTreeMap::new());
        let by_feed = state
            .events
            .iter()
            .filter_map(|event| Some((*events.get(&event.id)?, state.writers.get(&event.id)?)));
        for (event, writer) in by_feed.filter(|_| server.feeds == MispFeeds::Feed) {
            // Not by its name, which may change.
            let group = format!("feed {}", writer.id);
            let of = writers.entry(group.clone()).or_insert_with(|| (writer, Vec::new()));
            of.1.push(event);
            written.insert(event.id, group);
        }
        Self { server, tags: &state.tags, events, by_name, written, writers, nothing: Vec::new() }
    }

    /// What a row is part of.
    fn groups_of(&self, row: &Row) -> Vec<&str> {
        let Some(event) = self.events.get(&row.event) else { return Vec::new() };
        let own = self.tags.get(row.tags as usize).unwrap_or(&self.nothing);
        let Misp { to_ids, tags, not_tags, feeds, .. } = self.server;
        let all = || event.tags.iter().chain(own);
        if (*to_ids && !row.to_ids)
            || row.decayed
            || (!tags.is_empty() && !any_fits(tags, all()))
            || (!not_tags.is_empty() && any_fits(not_tags, all()))
        {
            return Vec::new();
        }
        match feeds {
            MispFeeds::Event => vec![event_name(event)],
            // What nobody but a person wrote is a feed by itself.
            MispFeeds::Feed => {
                vec![self.written.get(&event.id).map_or(event_name(event), String::as_str)]
            }
            MispFeeds::Org => vec![event.org.as_str()],
            MispFeeds::One => vec!["all"],
            MispFeeds::Tag => {
                let mut named: Vec<_> = all()
                    .filter(|tag| tags.iter().any(|pattern| fits(pattern, tag)))
                    .map(String::as_str)
                    .collect();
                named.sort_unstable();
                named.dedup();
                named
            }
        }
    }

    /// An id for a group, different from all others.
    fn id(&self, of: &str, taken: &mut BTreeSet<FeedId>) -> Result<FeedId> {
        let server = self.server.id.as_str();
        let called = self.writers.get(of).map_or(of, |(writer, _)| writer.name.as_str());
        let wanted = FeedId::from_name(&format!("{server}.{called}"))
            .or_else(|_| FeedId::from_name(&format!("{server}.other")))?;
        let mut id = wanted.clone();
        // Names that differ in what an id cannot hold.
        for number in 2_u32.. {
            if taken.insert(id.clone()) {
                break;
            }
            let stem: String = wanted.as_str().chars().take(56).collect();
            id = FeedId::from_name(&format!("{stem}-{number}"))?;
        }
        Ok(id)
    }

    fn name(&self, of: &str) -> String {
        if let Some((writer, _)) = self.writers.get(of).filter(|(w, _)| !w.name.is_empty()) {
            return writer.name.clone();
        }
        match (self.server.feeds, self.by_name.get(of)) {
            (MispFeeds::Event | MispFeeds::Feed, Some(event)) if !event.info.is_empty() => {
                event.info.clone()
            }
            (MispFeeds::One, _) => format!("MISP {}", self.server.id),
            _ => of.to_owned(),
        }
    }

    fn describe(&self, id: &FeedId, known: &Known) -> Feed {
        let server = self.server;
        let of = known.of.as_str();
        let writer = self.writers.get(of);
        let events: Vec<&Event> = match (server.feeds, writer) {
            (_, Some((_, events))) => events.clone(),
            (MispFeeds::Event | MispFeeds::Feed, None) => {
                self.by_name.get(of).copied().into_iter().collect()
            }
            _ => Vec::new(),
        };
        let event = events.first();
        let base = server.url.trim_end_matches('/');
        let url = event.map_or_else(|| base.to_owned(), |e| format!("{base}/events/view/{}", e.id));
        let org = match (server.feeds, writer, event) {
            (MispFeeds::Org, ..) => Some(of),
            // One publisher, here and there.
            (_, Some((writer, _)), _) => Some(writer.provider.as_str()),
            (.., event) => event.map(|event| event.org.as_str()),
        };
        let mut feed = Feed::part_of(id.clone(), url, server.id.clone())
            .name(known.name.clone())
            .publisher(org.filter(|org| !org.is_empty()).unwrap_or(server.id.as_str()))
            .format(Format::MispEvent { to_ids_only: server.to_ids })
            .refresh_every(crate::clock::span(server.refresh));
        let tag = (server.feeds == MispFeeds::Tag).then(|| known.of.clone());
        let tags: Vec<String> =
            events.iter().flat_map(|event| event.tags.iter().cloned()).chain(tag).collect();
        feed.categories = categories(server, &tags);
        feed.confidence = confidence(server, &tags);
        // The worst: the lowest number.
        let worst = events.iter().map(|event| event.level()).min_by_key(|level| level.number());
        feed.threat_level = worst.unwrap_or(ThreatLevel::UNDEFINED);
        feed.licence = tags.iter().find(|tag| fits("tlp:*", tag)).cloned();
        // What is gone was said to be gone: an event may well become empty.
        feed.can_be_empty = true;
        feed
    }
}

/// What an event is called here: its UUID, which is the same on every server.
fn event_name(event: &Event) -> &str {
    if event.uuid.is_empty() { &event.info } else { &event.uuid }
}

/// An error that a mirror is damaged means: read everything anew.
pub(crate) fn is_damage(error: &Error) -> bool {
    matches!(error, Error::LedgerCorrupt { .. })
        || matches!(error, Error::Io { source, .. }
            if matches!(source.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::UnexpectedEof))
}
