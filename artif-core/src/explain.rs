//! Why an address has its answer, and what was known of it earlier.

use std::fmt::Write as _;
use std::net::IpAddr;

use chrono::{DateTime, Utc};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use crate::category::{CategorySet, ThreatLevel};
use crate::change::{self, Change};
use crate::clock::{datetime, seconds};
use crate::error::{Error, Result};
use crate::feed::Role;
use crate::ledger::Override;
use crate::net::{Canonical, Prefix, canonical_address};
use crate::reputation::Reputation;
use crate::score::{Interval, Nearby, Past, Scorer, State, Subject, Term};
use crate::snapshot::{Listed, Meta, interval};
use crate::verdict::Verdict;
use crate::view::View;

/// One listing of an address: which feed lists, or listed, which network around it, and when.
///
/// ```
/// # use artif_core::{Engine, Feed, Reader, RefreshOptions, ReputationEngine};
/// # let dir = tempfile::tempdir().unwrap();
/// # std::fs::write(dir.path().join("list.txt"), "93.184.216.34\n").unwrap();
/// # let url = format!("file:{}", dir.path().join("list.txt").display());
/// # let data = dir.path().join("data");
/// let engine = Engine::builder().data(&data).feed(Feed::new("a", &url).unwrap()).build().unwrap();
/// engine.refresh(&RefreshOptions::default()).unwrap();
/// let evidence = engine.history("93.184.216.34".parse().unwrap());
/// assert_eq!((evidence[0].feed.as_str(), evidence[0].ended), ("a", None));
/// ```
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Evidence {
    /// The feed's id.
    pub feed: String,
    /// The feed's name.
    pub name: String,
    /// The publisher: feeds of one publisher are one witness.
    pub source_group: String,
    /// What being listed there means.
    pub role: Role,
    /// The network it lists: the address itself or one around it.
    pub network: Prefix,
    /// What the feed says its addresses do.
    pub categories: CategorySet,
    /// How bad they are.
    pub threat_level: ThreatLevel,
    /// Since when.
    pub first_seen: DateTime<Utc>,
    /// It was there when the feed was first loaded, so it may be listed for longer.
    pub since_start: bool,
    /// When it was seen to be gone; `None` while active.
    pub ended: Option<DateTime<Utc>>,
}

impl Evidence {
    fn new(meta: &Meta, listed: &Listed) -> Option<Self> {
        let feed = meta.feeds.get(listed.feed as usize)?;
        // Warninglists have a place of their own in answers.
        if feed.role == Role::Warninglist {
            return None;
        }
        let first_seen = datetime(listed.first_seen);
        Some(Self {
            feed: feed.id.clone(),
            name: feed.name.clone(),
            source_group: feed.source_group.clone(),
            role: feed.role,
            network: listed.prefix,
            categories: feed.categories,
            threat_level: feed.threat_level,
            first_seen,
            since_start: feed.first_loaded == Some(first_seen),
            ended: listed.ended.map(datetime),
        })
    }

    /// Whether it is listed now.
    ///
    /// ```
    /// # use artif_core::{Engine, Feed, Reader, RefreshOptions, ReputationEngine};
    /// # let dir = tempfile::tempdir().unwrap();
    /// # std::fs::write(dir.path().join("list.txt"), "93.184.216.34\n").unwrap();
    /// # let url = format!("file:{}", dir.path().join("list.txt").display());
    /// # let data = dir.path().join("data");
    /// let engine = Engine::builder().data(&data).feed(Feed::new("a", &url).unwrap()).build().unwrap();
    /// engine.refresh(&RefreshOptions::default()).unwrap();
    /// assert!(engine.history("93.184.216.34".parse().unwrap())[0].is_active());
    /// ```
    pub fn is_active(&self) -> bool {
        self.ended.is_none()
    }
}

/// An answer with its reasons.
///
/// ```
/// # use artif_core::{Engine, Feed, Reader, RefreshOptions, ReputationEngine};
/// # let dir = tempfile::tempdir().unwrap();
/// # std::fs::write(dir.path().join("list.txt"), "93.184.216.34\n").unwrap();
/// # let url = format!("file:{}", dir.path().join("list.txt").display());
/// # let data = dir.path().join("data");
/// let engine = Engine::builder().data(&data).feed(Feed::new("a", &url).unwrap()).build().unwrap();
/// engine.refresh(&RefreshOptions::default()).unwrap();
/// let explanation = engine.explain("93.184.216.34".parse().unwrap());
/// let sum: f64 = explanation.terms.iter().map(|term| term.contribution).sum();
/// assert!((100.0 + sum - explanation.reputation.score()).abs() < 1e-9);
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Explanation {
    /// The answer.
    pub reputation: Reputation,
    /// Every listing kept of it, active ones first, then by time.
    pub evidence: Vec<Evidence>,
    /// Why the score is what it is: the contributions and 100 add up to it. Empty for
    /// special-purpose addresses.
    pub terms: Vec<Term>,
    /// The bounds between which the score lies with 90 % probability, as far as the amount of
    /// evidence tells; `None` from scorers that do not say.
    pub interval: Option<[f64; 2]>,
    /// Every override around it, the most specific first, expired ones too.
    pub overrides: Vec<Override>,
    /// What would change the answer: when its listing runs out, which feed alone keeps it listed.
    pub changes: Vec<Change>,
}

impl Explanation {
    /// How much of the scale the evidence rules out: 1 less the width of [`Self::interval`], of 100;
    /// 0 (nothing is known) to 1. `None` where there is no interval.
    ///
    /// ```
    /// # use artif_core::{Config, Engine, ReputationEngine};
    /// let config = Config::from_toml("[scoring]\nscorer = 'risk'").unwrap();
    /// let engine = Engine::builder().config(config).in_memory().build().unwrap();
    /// let explanation = engine.explain("93.184.216.34".parse().unwrap());
    /// let [low, high] = explanation.interval.unwrap();
    /// let confidence = explanation.confidence().unwrap();
    /// assert!((confidence - (1.0 - (high - low) / 100.0)).abs() < 1e-12);
    /// ```
    pub fn confidence(&self) -> Option<f64> {
        self.interval.map(|[low, high]| (1.0 - (high - low) / 100.0).clamp(0.0, 1.0))
    }
}

/// Explains an address.
pub(crate) fn explain(
    reputation: Reputation,
    scorer: impl Fn(&str) -> Option<&'static dyn Scorer>,
) -> Explanation {
    // What the application says is read once, so that answer and reasons agree.
    let record = reputation.view().snapshot.lookup(reputation.canonical());
    let reputation = reputation.with_record(record);
    let view = reputation.view();
    let meta = view.snapshot.meta();
    let evidence = evidence(view, reputation.ip());
    let overrides = view.overlay.covering(reputation.ip()).cloned().collect();
    let mut terms = Vec::new();
    let mut interval = None;
    let mut changes = Vec::new();
    let mut explained = false;
    let basis = view.basis(&record);
    let moved = view.signals.as_ref();
    let moved = moved.and_then(|s| view.signals_of(s, reputation.canonical(), &record));
    if !record.is_special() {
        let model = scorer(&meta.scorer)
            .ok_or_else(|| Error::config(format!("this build has no scorer {:?}", meta.scorer)))
            .and_then(|scorer| scorer.decode(view.snapshot.model()));
        match model {
            Ok(model) => {
                let standing = reputation.standing();
                let feeds = view.snapshot.feed_set(standing.feeds.get());
                let feeds: Vec<u32> = feeds.iter().map(|f| f.get()).collect();
                let labels = view.snapshot.feed_set(standing.labels.get());
                let labels: Vec<u32> = labels.iter().map(|f| f.get()).collect();
                let created = seconds(view.created());
                let subject = Subject {
                    state: record.state(),
                    feeds: &feeds,
                    labels: &labels,
                    age_days: f64::from(created.saturating_sub(standing.ended.get())) / 86_400.0,
                    past: Past { spells: standing.spells, spell_days: standing.spell_days },
                    neighbourhood: record.neighbourhood,
                    geo: view.snapshot.geo_id(reputation.ip()),
                    record: view.snapshot.geo(&record),
                };
                let nearby = SnapshotNearby { view, address: canonical_address(reputation.ip()) };
                terms = model.explain(&subject, Some(&nearby));
                explained = true;
                interval = model.interval(&subject, Some(&nearby));
                changes = change::changes(&reputation, &*model, &subject, moved.as_ref());
            }
            Err(error) => tracing::warn!(%error, "no score terms in this explanation"),
        }
    }
    terms.extend(cap(&reputation, &terms));
    let mut answer = record;
    if let Some(moved) = &moved {
        let (score, verdict) = moved.apply(&basis);
        answer = record.moved(score, verdict);
        // Without the model's own, reasons would not add up.
        if explained {
            terms.extend(moved.terms(&basis, seconds(view.clock.now())));
        }
        interval = interval.map(|ends| ends.map(|end| moved.score(end)));
    }
    let reputation = reputation.with_record(answer);
    Explanation { reputation, evidence, terms, interval, overrides, changes }
}

/// The listings around an address, from the snapshot's cold part.
struct SnapshotNearby<'a> {
    view: &'a View,
    address: IpAddr,
}

impl SnapshotNearby<'_> {
    fn intervals(&self, listed: &[Listed], out: &mut Vec<Interval>) {
        let feeds = &self.view.snapshot.meta().feeds;
        let now = seconds(self.view.created());
        out.clear();
        out.extend(listed.iter().map(|listed| {
            let feed = feeds.get(listed.feed as usize);
            let loaded = feed.and_then(|feed| feed.first_loaded).map(seconds);
            interval(listed.feed, listed.first_seen, listed.ended, loaded, now)
        }));
    }
}

impl Nearby for SnapshotNearby<'_> {
    fn address(&self) -> IpAddr {
        self.address
    }

    fn covering(&self, visit: &mut dyn FnMut(Prefix, &[Interval])) {
        let mut intervals = Vec::new();
        for listed in self.view.snapshot.listings(self.address) {
            self.intervals(&[listed], &mut intervals);
            visit(listed.prefix, &intervals);
        }
    }

    fn within(&self, prefix: Prefix, visit: &mut dyn FnMut(Prefix, &[Interval])) {
        let mut intervals = Vec::new();
        self.view.snapshot.listings_within(prefix, &mut |prefix, listed| {
            self.intervals(listed, &mut intervals);
            visit(prefix, &intervals);
        });
    }

    fn system(&self, address: IpAddr) -> Option<u32> {
        self.view.snapshot.lookup(Canonical::of(address)).asn()
    }
}

/// What warninglists give back of what feeds take.
fn cap(reputation: &Reputation, terms: &[Term]) -> Option<Term> {
    let caps = reputation.warninglists().filter(|list| list.caps());
    let mut meanings: Vec<&str> =
        caps.filter_map(|list| Some(list.warninglist.as_ref()?.meaning.as_str())).collect();
    meanings.sort_unstable();
    meanings.dedup();
    let scored = 100.0 + terms.iter().map(|term| term.contribution).sum::<f64>();
    let contribution = reputation.score() - scored;
    // Without terms there is nothing to add up to.
    let counts = reputation.is_ioc() || contribution > 1e-9;
    (!meanings.is_empty() && !terms.is_empty() && counts).then(|| Term {
        name: "warninglist",
        contribution,
        text: format!("{}: capped, feeds alone do not block it", meanings.join(", ")),
    })
}

/// Every listing of an address that a view holds.
pub(crate) fn evidence(view: &View, ip: IpAddr) -> Vec<Evidence> {
    let meta = view.snapshot.meta();
    let listed = view.snapshot.listings(canonical_address(ip));
    let mut evidence: Vec<_> = listed.iter().filter_map(|l| Evidence::new(meta, l)).collect();
    evidence.sort_by(|a, b| {
        let key = |e: &Evidence| (e.ended.is_some(), e.first_seen, e.ended);
        key(a).cmp(&key(b)).then_with(|| a.feed.cmp(&b.feed))
    });
    evidence
}

impl Explanation {
    /// The explanation as lines for a terminal or a ticket.
    ///
    /// ```
    /// # use artif_core::{Engine, ReputationEngine};
    /// # let engine = Engine::in_memory().unwrap();
    /// let text = engine.explain("8.8.8.8".parse().unwrap()).to_text();
    /// assert!(text.starts_with("8.8.8.8  score 98.9 of 100"));
    /// ```
    pub fn to_text(&self) -> String {
        let mut out = String::new();
        // Writing to a String cannot fail.
        let _ = self.write_text(&mut out);
        out
    }

    fn write_text(&self, out: &mut String) -> std::fmt::Result {
        let answer = &self.reputation;
        writeln!(
            out,
            "{}  score {:.1} of 100 (100 is safe): {}",
            answer.ip(),
            answer.score(),
            answer.verdict()
        )?;
        writeln!(out, "  {}", answer.description())?;
        let asn = answer.asn().map(|asn| format!("AS{asn}"));
        let country = answer.country().map(|country| country.to_string());
        let place = [asn, answer.organisation().map(str::to_owned), country];
        let place: Vec<String> = place.into_iter().flatten().collect();
        if !place.is_empty() {
            writeln!(out, "  {}", place.join(", "))?;
        }
        for list in answer.warninglists() {
            let facts = list.warninglist.as_ref();
            let meaning = facts.map_or("known infrastructure", |facts| facts.meaning.as_str());
            let capped = if list.caps() { ", capped" } else { "" };
            writeln!(out, "  on warninglist {:?}: {meaning}{capped}", list.name)?;
        }
        for entry in &self.overrides {
            let live = entry.is_live(answer.view().clock.now());
            writeln!(
                out,
                "  override {}: {} by {}, {}{}{}",
                entry.prefix,
                if entry.action == crate::ledger::OverrideAction::Allow {
                    "allow"
                } else {
                    "block"
                },
                if entry.author.is_empty() { "unknown" } else { &entry.author },
                entry.created.format("%F"),
                if entry.reason.is_empty() {
                    String::new()
                } else {
                    format!(", {:?}", entry.reason)
                },
                match entry.expires {
                    Some(at) if live => format!(", until {}", at.format("%F %R")),
                    Some(at) => format!(", expired {}", at.format("%F %R")),
                    None => String::new(),
                },
            )?;
        }
        if !self.terms.is_empty() {
            writeln!(out, "  why {:.1}:", answer.score())?;
            writeln!(out, "     100.0  where every address starts")?;
            for term in &self.terms {
                writeln!(out, "    {:+6.1}  {}", term.contribution, term.text)?;
            }
        }
        if !self.changes.is_empty() {
            writeln!(out, "  what would change it:")?;
        }
        for change in &self.changes {
            writeln!(out, "    {}", change.text)?;
        }
        if !self.evidence.is_empty() {
            writeln!(out, "  listings:")?;
        }
        for listing in &self.evidence {
            let what: Vec<_> = listing.categories.iter().map(crate::Category::name).collect();
            writeln!(
                out,
                "    {} {} in {} by {} ({}), since {}{}{}",
                if listing.is_active() { "now" } else { "was" },
                listing.network,
                listing.name,
                listing.source_group,
                if what.is_empty() { "no category".to_owned() } else { what.join(", ") },
                listing.first_seen.format("%F %R"),
                if listing.since_start { " or earlier" } else { "" },
                listing
                    .ended
                    .map_or_else(String::new, |at| format!(" until {}", at.format("%F %R"))),
            )?;
        }
        if answer.is_stale() {
            writeln!(out, "  note: this snapshot is stale, created {}", answer.view().created())?;
        }
        Ok(())
    }
}

impl Serialize for Explanation {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        self.reputation.serialize_fields(&mut map)?;
        map.serialize_entry("evidence", &self.evidence)?;
        map.serialize_entry("terms", &self.terms)?;
        map.serialize_entry("interval", &self.interval)?;
        map.serialize_entry("confidence", &self.confidence())?;
        map.serialize_entry("overrides", &self.overrides)?;
        map.serialize_entry("changes", &self.changes)?;
        map.end()
    }
}

/// What the ledger knew of an address at a moment in the past. Overrides and scores are those of
/// their time and are not kept, so there are none here.
///
/// ```
/// # use artif_core::{Engine, Feed, Reader, RefreshOptions, ReputationEngine};
/// # let dir = tempfile::tempdir().unwrap();
/// # std::fs::write(dir.path().join("list.txt"), "93.184.216.34\n").unwrap();
/// # let url = format!("file:{}", dir.path().join("list.txt").display());
/// # let data = dir.path().join("data");
/// let engine = Engine::builder().data(&data).feed(Feed::new("a", &url).unwrap()).build().unwrap();
/// engine.refresh(&RefreshOptions::default()).unwrap();
/// let past = engine.check_at("93.184.216.34".parse().unwrap(), chrono::DateTime::UNIX_EPOCH);
/// assert!(past.evidence.is_empty() && past.remembers_since > past.at);
/// ```
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct PastReputation {
    /// The address as it was looked up.
    pub ip: IpAddr,
    /// The moment asked about.
    pub at: DateTime<Utc>,
    /// Where feeds said it stood then.
    pub state: State,
    /// What its verdict would have been from listings, those of warninglists included, alone.
    pub verdict: Verdict,
    /// The listings that made it so.
    pub evidence: Vec<Evidence>,
    /// The earliest moment for which this ledger's memory is whole; what ended before it is
    /// forgotten, so that "unknown" earlier means nothing.
    pub remembers_since: DateTime<Utc>,
}

/// What was known of `ip` at `at`.
pub(crate) fn check_at(view: &View, ip: IpAddr, at: DateTime<Utc>) -> PastReputation {
    let meta = view.snapshot.meta();
    let ip = canonical_address(ip);
    let moment = seconds(at);
    let special = crate::net::special_purpose(ip).is_some();
    let all: Vec<Evidence> = if special {
        Vec::new()
    } else {
        evidence(view, ip).into_iter().filter(|e| e.role == Role::Threat).collect()
    };
    let since = |e: &Evidence| seconds(e.first_seen);
    let until = |e: &Evidence| e.ended.map(seconds);
    let (active, rest): (Vec<_>, Vec<_>) = all
        .into_iter()
        .partition(|e| since(e) <= moment && until(e).is_none_or(|ended| moment < ended));
    let past: Vec<_> = rest
        .into_iter()
        .filter(|e| until(e).is_some_and(|ended| ended <= moment && moment - ended < meta.window))
        .collect();
    let (state, evidence) = match (active.is_empty(), past.is_empty()) {
        (false, _) => (State::Active, active),
        (true, false) => (State::Historical, past),
        (true, true) => (State::Unknown, Vec::new()),
    };
    let said = evidence.iter().fold(CategorySet::EMPTY, |all, e| all.union(e.categories));
    let verdict = match state {
        _ if special => Verdict::NotApplicable,
        State::Unknown => Verdict::NoAction,
        // Scores of the past are not kept: by what a bad one would have come to.
        state => meta.thresholds.verdict(state, 0.0, said),
    };
    let caps = |listed: &Listed| {
        let then = listed.first_seen <= moment && listed.ended.is_none_or(|ended| moment < ended);
        then && meta.feeds.get(listed.feed as usize).is_some_and(crate::SnapshotFeed::caps)
    };
    let capped = view.snapshot.listings(ip).iter().any(caps);
    let verdict = if capped { verdict.capped() } else { verdict };
    let loaded = meta
        .feeds
        .iter()
        .filter(|feed| feed.role != Role::Warninglist)
        .filter_map(|feed| feed.first_loaded)
        .min();
    let horizon = datetime(seconds(view.created()).saturating_sub(meta.retention));
    let remembers_since = loaded.map_or(view.created(), |loaded| loaded.max(horizon));
    PastReputation { ip, at, state, verdict, evidence, remembers_since }
}
