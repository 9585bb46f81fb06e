//! A refresh: fetch, parse, commit, then compile and publish if an answer may differ.

use std::io::BufRead as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;
use xxhash_rust::xxh3::xxh3_128;

use super::admission::{Admission, Changes};
use super::autonomous::Systems;
use super::options::{RefreshEvent, RefreshOptions};
use super::owner::{ListFacts, Shared};
use super::publication::{self, Published};
use super::status::SnapshotStatus;
use crate::clock::{Seconds, seconds, span};
use crate::config::Misp;
use crate::error::{Error, Result};
use crate::feed::source::{self, Body, Fetched};
use crate::feed::{Feed, FeedId, Format, ParseLimits, ParseReport, Parsed, Scope, guard, parse};
use crate::geo::GeoSources;
use crate::ledger::{Commit, FeedHead, Validators};
use crate::misp::SyncReport;

/// Bumped when the same bytes would be parsed to something else than before.
const PARSER: u32 = 1;

/// What became of a feed.
///
/// ```
/// assert_ne!(artif_core::Outcome::Loaded, artif_core::Outcome::Failed);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Outcome {
    /// Its new content is in the ledger.
    Loaded,
    /// It has not changed.
    Unchanged,
    /// It could not be fetched or read; the last good content stays.
    Failed,
    /// Its new content looked wrong; the last good content stays.
    Refused,
}

/// What became of one feed.
///
/// ```
/// # use artif_core::{Engine, Feed, RefreshOptions};
/// # let feed = Feed::new("gone", "file:/no/such/file").unwrap();
/// # let engine = Engine::builder().in_memory().feed(feed).build().unwrap();
/// let report = engine.refresh(&RefreshOptions::default()).unwrap();
/// assert!(report.feeds[0].error.as_ref().unwrap().contains("/no/such/file"));
/// ```
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct FeedReport {
    /// The feed.
    pub feed: FeedId,
    /// What became of it.
    pub outcome: Outcome,
    /// Why it failed or was refused.
    pub error: Option<String>,
    /// What was read, where anything was.
    pub parse: Option<ParseReport>,
    /// What changed, where anything did.
    pub commit: Option<Commit>,
    /// In a dry run: what would change, or would if it were not refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changes: Option<Changes>,
    /// Seconds for which the server asked to be left alone, where it failed with such a wish.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u32>,
}

impl FeedReport {
    pub(super) fn new(feed: &FeedId, outcome: Outcome) -> Self {
        Self {
            feed: feed.clone(),
            outcome,
            error: None,
            parse: None,
            commit: None,
            changes: None,
            retry_after: None,
        }
    }
}

/// Where the time of a refresh went, in milliseconds.
///
/// ```
/// # use artif_core::{Engine, Feed, RefreshOptions};
/// # let feed = Feed::new("gone", "file:/no/such/file").unwrap();
/// # let engine = Engine::builder().in_memory().feed(feed).build().unwrap();
/// let report = engine.refresh(&RefreshOptions::default()).unwrap();
/// assert!(report.timings.total >= report.timings.feeds);
/// ```
#[derive(Debug, Clone, Copy, Default, Serialize)]
#[non_exhaustive]
pub struct RefreshTimings {
    /// Fetching, parsing and committing, which overlap.
    pub feeds: u64,
    /// Loading the geo databases.
    pub geo: u64,
    /// Compiling.
    pub compile: u64,
    /// Writing ledger, checkpoint and snapshot to disk for good.
    pub publish: u64,
    /// All of it.
    pub total: u64,
}

/// What a refresh did.
///
/// ```
/// # use artif_core::{Engine, Feed, RefreshOptions};
/// # let feed = Feed::new("gone", "file:/no/such/file").unwrap();
/// # let engine = Engine::builder().in_memory().feed(feed).build().unwrap();
/// let report = engine.refresh(&RefreshOptions::default()).unwrap();
/// assert_eq!((report.feeds.len(), report.snapshot.counts.active), (1, 0));
/// ```
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct RefreshReport {
    /// Every feed that was to be fetched, in the order of the configuration.
    pub feeds: Vec<FeedReport>,
    /// The same of the warninglists.
    pub warninglists: Vec<FeedReport>,
    /// The syncs of MISP servers.
    pub misp: Vec<SyncReport>,
    /// Ended listings forgotten because they passed the retention.
    pub expired: u64,
    /// Whether a new snapshot was published.
    pub published: bool,
    /// The snapshot that answers now.
    pub snapshot: SnapshotStatus,
    /// Where the time went.
    pub timings: RefreshTimings,
}

impl RefreshReport {
    /// How many feeds had this outcome.
    ///
    /// ```
    /// use artif_core::{Engine, Feed, Outcome, RefreshOptions};
    /// let feed = Feed::new("gone", "file:/no/such/file").unwrap();
    /// let engine = Engine::builder().in_memory().feed(feed).build().unwrap();
    /// let report = engine.refresh(&RefreshOptions::default()).unwrap();
    /// assert_eq!(report.count(Outcome::Failed), 1);
    /// ```
    pub fn count(&self, outcome: Outcome) -> usize {
        self.feeds.iter().filter(|feed| feed.outcome == outcome).count()
    }
}

/// What one refresh leaves for the next.
#[derive(Debug, Default)]
pub(super) struct Work {
    /// The databases as loaded, with the identity of their files.
    geo: Option<(u128, Arc<GeoSources>)>,
}

impl Work {
    /// The databases as their files are now, with the identity of those.
    pub(super) fn databases(&mut self, config: &crate::config::Geo) -> (u128, Arc<GeoSources>) {
        let (asn, country) = (config.asn.as_deref(), config.country.as_deref());
        let identity = GeoSources::identity(asn, country);
        let geo = match &self.geo {
            Some((loaded, geo)) if *loaded == identity => Arc::clone(geo),
            _ => Arc::new(GeoSources::load(asn, country)),
        };
        self.geo = Some((identity, Arc::clone(&geo)));
        (identity, geo)
    }
}

/// What arrived for a feed and waits to be parsed.
struct Arrived {
    place: usize,
    body: Box<Body>,
    validators: Validators,
}

/// What a feed's document turned out to be.
pub(super) enum Content {
    /// The validators are `None` where the server sent no document, so that the old ones hold.
    Unchanged(Option<Validators>),
    New(Box<Parsed>, Validators),
}

pub(super) fn refresh(shared: &Shared, options: &RefreshOptions) -> Result<RefreshReport> {
    let all = shared.sources();
    let chosen = choose(shared, &all, options)?;
    refresh_chosen(shared, options, &chosen)
}

/// What a refresh is about.
struct Chosen<'a> {
    /// What is fetched.
    feeds: Vec<&'a Feed>,
    /// What is synced.
    servers: Vec<&'a Misp>,
}

/// Refreshes the feeds named in the options and, unlike [`refresh`], no feed where none is: then
/// only what depends on the clock is seen to.
pub(super) fn refresh_named(shared: &Shared, options: &RefreshOptions) -> Result<RefreshReport> {
    let all = shared.sources();
    let named = |id: &FeedId| options.feeds.contains(id);
    let feeds = all.iter().filter(|feed| feed.misp.is_none() && named(&feed.id)).collect();
    let servers = shared.servers().filter(|server| named(&server.id)).collect();
    refresh_chosen(shared, options, &Chosen { feeds, servers })
}

fn refresh_chosen(
    shared: &Shared,
    options: &RefreshOptions,
    chosen: &Chosen<'_>,
) -> Result<RefreshReport> {
    shared.check_process()?;
    let mut work = shared.work.lock().unwrap_or_else(PoisonError::into_inner);
    let started = Instant::now();
    let mut timings = RefreshTimings::default();
    if !options.dry_run {
        shared.absorb_overrides()?;
    }
    if let Err(error) = shared.answers.follow() {
        // Before the first snapshot there is none to follow; anything else the follower reports.
        tracing::debug!(%error, "nothing to take up before this refresh");
    }

    let progress = |event: RefreshEvent<'_>| {
        if let Some(progress) = &options.progress {
            progress(event);
        }
    };
    if !chosen.feeds.is_empty() {
        tracing::info!(sources = chosen.feeds.len(), "fetching");
    }
    progress(RefreshEvent::Started { feeds: chosen.feeds.len() });
    let now = seconds(shared.clock.now());
    let systems = Systems::needed_by(&chosen.feeds, shared, &mut work);
    let (many, single): (Vec<_>, Vec<_>) =
        chosen.feeds.iter().copied().partition(|feed| is_of_many_documents(feed));
    let mut reports = take_in(shared, options, &single, &systems, now, &progress)?;
    reports.extend(collections(shared, options, &many, now)?);
    let place = |id: &FeedId| chosen.feeds.iter().position(|feed| feed.id == *id);
    reports.sort_by_key(|report| place(&report.feed));
    #[cfg(feature = "misp")]
    let misp = sync(shared, options, &chosen.servers, now)?;
    #[cfg(not(feature = "misp"))]
    let misp = chosen.servers.iter().filter_map(|_| None).collect();
    let (reports, warninglists) = apart(shared, reports);
    timings.feeds = millis(started.elapsed());

    if options.dry_run {
        timings.total = millis(started.elapsed());
        let snapshot = SnapshotStatus::of_view(&shared.answers.load());
        return Ok(RefreshReport {
            feeds: reports,
            warninglists,
            misp,
            expired: 0,
            published: false,
            snapshot,
            timings,
        });
    }

    let retention = span(shared.config.history.retention);
    let expired = shared.ledger.store().expire(now.saturating_sub(retention))?;

    // Syncs make feeds.
    let all = shared.sources();
    let Published { anew: published, geo, compile, publish } =
        publication::publish_if_needed(shared, &mut work, &all, now, expired > 0, &progress)?;
    timings.geo = millis(geo);
    timings.compile = millis(compile);
    timings.publish = millis(publish);
    timings.total = millis(started.elapsed());
    let snapshot = SnapshotStatus::of_view(&shared.answers.load());
    Ok(RefreshReport { feeds: reports, warninglists, misp, expired, published, snapshot, timings })
}

/// The reports of feeds and those of warninglists. What they held is kept, and of warninglists what
/// they say of themselves.
fn apart(shared: &Shared, reports: Vec<FeedReport>) -> (Vec<FeedReport>, Vec<FeedReport>) {
    let known = shared.warninglists();
    let ids: std::collections::BTreeSet<_> = known.iter().map(|list| &list.id).collect();
    let (lists, feeds): (Vec<_>, Vec<_>) =
        reports.into_iter().partition(|report| ids.contains(&report.feed));
    drop(known);
    let mut counts = shared.read_counts.lock().unwrap_or_else(PoisonError::into_inner);
    for report in lists.iter().chain(&feeds).filter(|report| report.commit.is_some()) {
        if let Some(parse) = &report.parse {
            counts.insert(report.feed.clone(), parse.into());
        }
    }
    drop(counts);
    let mut known = shared.list_facts.lock().unwrap_or_else(PoisonError::into_inner);
    for report in lists.iter().filter(|report| report.commit.is_some()) {
        let header = report.parse.as_ref().map(|parse| &parse.header);
        let Some(name) = header.and_then(|header| header.get("name")) else { continue };
        let version = header.and_then(|header| header.get("version")).cloned();
        known.insert(report.feed.clone(), ListFacts { name: name.clone(), version });
    }
    (feeds, lists)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

pub(crate) fn parse_limits(config: &crate::config::Parse) -> ParseLimits {
    ParseLimits {
        max_line: config.max_line,
        max_entries: config.max_entries,
        shortest_v4: config.v4_floor,
        shortest_v6: config.v6_floor,
        ..ParseLimits::default()
    }
}

fn choose<'a>(shared: &'a Shared, all: &'a [Feed], options: &RefreshOptions) -> Result<Chosen<'a>> {
    if options.feeds.is_empty() {
        let feeds = all.iter().filter(|feed| feed.enabled && feed.misp.is_none()).collect();
        return Ok(Chosen { feeds, servers: shared.servers().collect() });
    }
    let mut chosen = Chosen { feeds: Vec::new(), servers: Vec::new() };
    for id in &options.feeds {
        let feed = all.iter().find(|feed| feed.id == *id);
        // A feed of a server comes with all others of it.
        let server = feed.map_or(Some(id), |feed| feed.misp.as_ref());
        let server = server.and_then(|id| shared.servers().find(|server| server.id == *id));
        match (feed, server) {
            (_, Some(server)) => {
                if !chosen.servers.iter().any(|other| other.id == server.id) {
                    chosen.servers.push(server);
                }
            }
            (Some(feed), None) => chosen.feeds.push(feed),
            (None, None) => return Err(Error::UnknownFeed { id: id.to_string() }),
        }
    }
    Ok(chosen)
}

/// Whether a feed is no single document.
fn is_of_many_documents(feed: &Feed) -> bool {
    cfg!(feature = "misp") && matches!(feed.format, Format::MispFeed {})
}

#[cfg_attr(not(feature = "misp"), expect(clippy::unnecessary_wraps, reason = "nothing to do"))]
fn collections(
    shared: &Shared,
    options: &RefreshOptions,
    feeds: &[&Feed],
    now: Seconds,
) -> Result<Vec<FeedReport>> {
    #[cfg(feature = "misp")]
    {
        let never = AtomicBool::new(false);
        let cancel = options.cancel.as_deref().unwrap_or(&never);
        let limits = parse_limits(&shared.config.parse);
        let admission = admission(shared, options, now);
        super::misp::refresh_feeds(shared, feeds, &admission, &limits, cancel)
    }
    #[cfg(not(feature = "misp"))]
    {
        let _ = (shared, options, feeds, now);
        Ok(Vec::new())
    }
}

#[cfg(feature = "misp")]
fn sync(
    shared: &Shared,
    options: &RefreshOptions,
    servers: &[&Misp],
    now: Seconds,
) -> Result<Vec<SyncReport>> {
    let never = AtomicBool::new(false);
    let cancel = options.cancel.as_deref().unwrap_or(&never);
    let limits = parse_limits(&shared.config.parse);
    let admission = admission(shared, options, now);
    super::misp::sync_servers(shared, servers, &admission, &limits, cancel)
}

fn admission<'a>(shared: &'a Shared, options: &RefreshOptions, now: Seconds) -> Admission<'a> {
    Admission {
        store: shared.ledger.store(),
        guard: &shared.config.guard,
        troubles: &shared.troubles,
        force: options.force,
        dry_run: options.dry_run,
        now,
    }
}

/// Fetches and parses on other threads, commits on this one, in the order of arrival.
fn take_in(
    shared: &Shared,
    options: &RefreshOptions,
    feeds: &[&Feed],
    systems: &Systems,
    now: Seconds,
    progress: &dyn Fn(RefreshEvent<'_>),
) -> Result<Vec<FeedReport>> {
    let never = AtomicBool::new(false);
    let cancel = options.cancel.as_deref().unwrap_or(&never);
    let limits = parse_limits(&shared.config.parse);
    let mut heads = Vec::with_capacity(feeds.len());
    let mut requests = Vec::with_capacity(feeds.len());
    for feed in feeds {
        let head = shared.ledger.store().head(&feed.id)?;
        // What the server calls unchanged is only so if it would be parsed as it was.
        let parser = parser_id(feed, &feed.guard.limits(&limits), systems);
        let known = head.as_ref().filter(|_| !options.force).map(|head| &head.validators);
        let validators = known.filter(|v| v.content.is_some_and(|c| parsed_by(c, parser))).cloned();
        requests.push(source::Request::new(feed, validators.unwrap_or_default()));
        heads.push(head);
    }
    let admission = admission(shared, options, now);
    let mut reports: Vec<Option<FeedReport>> = vec![None; feeds.len()];
    let workers = std::thread::available_parallelism().map_or(2, |n| n.get().clamp(1, 4));
    // Small bounds: what is parsed but not committed is the memory that a refresh needs.
    let (to_parse, arrived) = sync_channel::<Arrived>(workers);
    let (to_commit, parsed) = sync_channel::<(usize, Message)>(workers);
    let arrived = Mutex::new(arrived);

    std::thread::scope(|scope| {
        for _ in 0..workers {
            let to_commit = to_commit.clone();
            let (arrived, heads, limits) = (&arrived, &heads, &limits);
            let force = options.force;
            scope.spawn(move || {
                let how = How { limits, systems, force };
                parse_loop(arrived, &to_commit, feeds, heads, &how);
            });
        }
        let fetch = scope.spawn({
            let requests = &requests;
            move || {
                source::fetch_all(requests, &shared.config.fetch, cancel, |place, event| {
                    forward(place, event, &to_parse, &to_commit);
                })
            }
        });
        let mut failure = None;
        for (place, message) in parsed {
            let (Some(feed), Some(head), Some(report)) =
                (feeds.get(place), heads.get(place), reports.get_mut(place))
            else {
                continue;
            };
            let result = match message {
                Message::Received(bytes, total) => {
                    progress(RefreshEvent::Received { feed: &feed.id, bytes, total });
                    continue;
                }
                Message::Done(result) => result,
            };
            // After a ledger error or a cancellation the rest is only drained.
            if failure.is_some() || cancel.load(Ordering::Relaxed) {
                continue;
            }
            match admission.admit(feed, head.as_ref(), result) {
                Ok(done) => progress(RefreshEvent::Feed(report.insert(done))),
                Err(error) => failure = Some(error),
            }
        }
        let fetched = fetch.join().unwrap_or(Err(Error::Invalid {
            what: "refresh",
            reason: "the fetching thread panicked; what was committed before stays".to_owned(),
        }));
        failure.map_or(fetched, Err)
    })?;
    let missing = |feed: &&Feed| FeedReport {
        error: Some("nothing came back for it".to_owned()),
        ..FeedReport::new(&feed.id, Outcome::Failed)
    };
    Ok(reports.into_iter().zip(feeds).map(|(r, feed)| r.unwrap_or_else(|| missing(feed))).collect())
}

/// What the committing thread hears of.
enum Message {
    Received(u64, Option<u64>),
    Done(Result<Content>),
}

fn forward(
    place: usize,
    event: source::Event,
    to_parse: &SyncSender<Arrived>,
    to_commit: &SyncSender<(usize, Message)>,
) {
    // The receivers live as long as this thread; a failed send means that the refresh is over.
    let _ = match event {
        source::Event::Started => Ok(()),
        source::Event::Received { bytes, total } => {
            to_commit.send((place, Message::Received(bytes, total))).map_err(drop)
        }
        source::Event::Finished(Ok(Fetched::Document { body, validators })) => {
            to_parse.send(Arrived { place, body, validators }).map_err(drop)
        }
        source::Event::Finished(Ok(Fetched::Unchanged)) => {
            to_commit.send((place, Message::Done(Ok(Content::Unchanged(None))))).map_err(drop)
        }
        source::Event::Finished(Err(error)) => {
            to_commit.send((place, Message::Done(Err(error)))).map_err(drop)
        }
    };
}

fn parse_loop(
    arrived: &Mutex<Receiver<Arrived>>,
    to_commit: &SyncSender<(usize, Message)>,
    feeds: &[&Feed],
    heads: &[Option<FeedHead>],
    how: &How<'_>,
) {
    loop {
        let next = arrived.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(Arrived { place, mut body, validators }) = next else { return };
        let Some(feed) = feeds.get(place) else { continue };
        let known = heads.get(place).and_then(Option::as_ref).and_then(|h| h.validators.content);
        let content = read(feed, &mut body, validators, known, how);
        if to_commit.send((place, Message::Done(content))).is_err() {
            return;
        }
    }
}

/// How documents are read.
struct How<'a> {
    limits: &'a ParseLimits,
    systems: &'a Systems,
    force: bool,
}

/// Parses a document unless it is the one the ledger already holds.
fn read(
    feed: &Feed,
    body: &mut Body,
    mut validators: Validators,
    known: Option<u128>,
    how: &How<'_>,
) -> Result<Content> {
    let limits = feed.guard.limits(how.limits);
    let parser = parser_id(feed, &limits, how.systems);
    validators.content = Some(content_id(body.digest()?, parser));
    if known.is_some() && known == validators.content {
        return Ok(Content::Unchanged(Some(validators)));
    }
    let mut reader = body.reader()?;
    if !how.force {
        let page = reader.fill_buf().map(|start| guard::refuse_page(feed, start));
        // Not `?` with the error mapped: the reader borrows the body.
        let page = match page {
            Ok(page) => page,
            Err(error) => {
                drop(reader);
                return Err(body.error(error));
            }
        };
        if let Some(reason) = page {
            return Err(Error::Refused { feed: feed.id.to_string(), reason });
        }
    }
    let parsed = parse(&feed.id, &feed.format, &limits, &mut reader)?;
    // A file may have changed since its digest was taken.
    let digest = reader.finish().map_err(|error| body.error(error))?;
    validators.content = Some(content_id(digest, parser));
    let parsed = if feed.scope == Scope::As { how.systems.resolve(feed, parsed)? } else { parsed };
    Ok(Content::New(Box::new(parsed), validators))
}

/// Identifies the way a feed is parsed: with another way the same bytes are news.
fn parser_id(feed: &Feed, limits: &ParseLimits, systems: &Systems) -> u64 {
    let mut text = format!("{PARSER} {:?} {limits:?}", feed.format);
    if feed.scope == Scope::As {
        text = format!("{text} {}", systems.identity());
    }
    xxh3_128(text.as_bytes()) as u64
}

/// Identifies a document as it was parsed: the parser above, the bytes' digest below.
fn content_id(digest: u128, parser: u64) -> u128 {
    u128::from(parser) << 64 | u128::from(digest as u64)
}

fn parsed_by(content: u128, parser: u64) -> bool {
    content >> 64 == u128::from(parser)
}
