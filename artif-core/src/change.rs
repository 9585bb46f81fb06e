//! What would change an answer.

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::category::CategorySet;
use crate::clock::datetime;
use crate::ledger::OverrideAction;
use crate::reputation::Reputation;
use crate::score::{Model, State, Subject};
use crate::signals::{Basis, Moved};
use crate::snapshot::Meta;
use crate::verdict::Verdict;

/// At most so many feeds are told of one by one.
const FEEDS: usize = 5;
/// Points of a score that are worth telling.
const MATTERS: f64 = 0.05;

/// Something that would change an answer, all else being as it is.
///
/// ```
/// # use artif_core::{Engine, Feed, RefreshOptions, ReputationEngine, Verdict};
/// # let dir = tempfile::tempdir().unwrap();
/// # std::fs::write(dir.path().join("list.txt"), "93.184.216.34\n").unwrap();
/// # let url = format!("file:{}", dir.path().join("list.txt").display());
/// # let data = dir.path().join("data");
/// let engine = Engine::builder().data(&data).feed(Feed::new("a", &url).unwrap()).build().unwrap();
/// engine.refresh(&RefreshOptions::default()).unwrap();
/// let explanation = engine.explain("93.184.216.34".parse().unwrap());
/// let change = &explanation.changes[0];
/// assert_eq!((change.feed.as_deref(), change.verdict), (Some("a"), Verdict::Suspicious));
/// assert!(change.text.starts_with("a alone keeps it listed"));
/// ```
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Change {
    /// What it is about, stable: `"feed"` (one feed drops it), `"feeds"` (all do), `"window"` (the
    /// history window passes), `"warninglist"` (it is no longer on one), `"override"` (that ends),
    /// `"signals"` (the application's own are forgotten).
    pub name: &'static str,
    /// The feed's id, where it is about one.
    pub feed: Option<String>,
    /// When it happens by itself; `None` where somebody has to act.
    pub at: Option<DateTime<Utc>>,
    /// The score then, 0 (certainly bad) to 100 (safe).
    pub score: f64,
    /// The verdict then.
    pub verdict: Verdict,
    /// A sentence for an analyst.
    pub text: String,
}

/// What would change an answer that `model` made of `subject`, and own signals then moved.
pub(crate) fn changes(
    reputation: &Reputation,
    model: &dyn Model,
    subject: &Subject<'_>,
    moved: Option<&Moved<'_>>,
) -> Vec<Change> {
    let view = reputation.view();
    let meta = view.snapshot.meta();
    let basis = view.basis(reputation.record());
    let capped = basis.capped;
    let unmoved = Then { score: basis.score, verdict: basis.verdict };
    let now = moved.map_or(unmoved, |moved| Then::of(moved.apply(&basis)));
    let judge = |subject: &Subject<'_>, capped| judge(meta, model, subject, capped, moved);
    let mut changes = Vec::new();
    if let Some(entry) = reputation.override_entry() {
        let done = if entry.action == OverrideAction::Allow { "allowed" } else { "blocked" };
        let until = entry.expires.map_or_else(
            || format!("{done} by an operator until that is taken back"),
            |at| format!("{done} by an operator until {}", at.format("%F %R")),
        );
        changes.push(now.change("override", None, entry.expires, &until));
    }
    match subject.state {
        State::Active => {
            let ended = Subject { state: State::Historical, age_days: 0.0, ..*subject };
            if let [feed] = subject.feeds {
                let id = meta.feeds.get(*feed as usize).map(|feed| feed.id.clone());
                let text = format!("{} alone keeps it listed: without it", name(id.as_deref()));
                changes.push(judge(&ended, capped).change("feed", id, None, &text));
            } else {
                changes.extend(without_each(meta, subject, now, |subject| judge(subject, capped)));
                let text = format!("without any of its {} feeds", subject.feeds.len());
                changes.push(judge(&ended, capped).change("feeds", None, None, &text));
            }
        }
        State::Historical => {
            let left = reputation.standing().ended.get();
            let at = datetime(left.saturating_add(meta.window));
            let forgotten = Subject {
                state: State::Unknown,
                feeds: &[],
                age_days: f64::from(meta.window) / DAY,
                ..*subject
            };
            let text = format!("from {} on, unless a feed lists it again", at.format("%F %R"));
            changes.push(judge(&forgotten, capped).change("window", None, Some(at), &text));
        }
        State::Unknown => {}
    }
    let free = judge(subject, false);
    if capped && free.differs(now) {
        changes.push(free.change("warninglist", None, None, "were it on no warninglist"));
    }
    if moved.is_some() && unmoved.differs(now) {
        let text = "without what your application reported of it";
        changes.push(unmoved.change("signals", None, None, text));
    }
    changes
}

const DAY: f64 = 86_400.0;

/// How it would stand.
#[derive(Debug, Clone, Copy)]
struct Then {
    score: f64,
    verdict: Verdict,
}

impl Then {
    fn of((score, verdict): (f64, Verdict)) -> Self {
        Self { score, verdict }
    }

    fn differs(self, other: Self) -> bool {
        self.verdict != other.verdict || (self.score - other.score).abs() >= MATTERS
    }

    fn change(
        self,
        name: &'static str,
        feed: Option<String>,
        at: Option<DateTime<Utc>>,
        when: &str,
    ) -> Change {
        let Self { score, verdict } = self;
        Change { name, feed, at, score, verdict, text: format!("{when}: {verdict}, {score:.1}") }
    }
}

fn judge(
    meta: &Meta,
    model: &dyn Model,
    subject: &Subject<'_>,
    capped: bool,
    moved: Option<&Moved<'_>>,
) -> Then {
    let feeds = subject.feeds.iter().filter_map(|feed| meta.feeds.get(*feed as usize));
    let threats = feeds.fold(CategorySet::EMPTY, |all, feed| all.union(feed.categories));
    let mut score = model.score(subject);
    let mut verdict = meta.thresholds.verdict(subject.state, score, threats);
    if capped {
        score = score.max(meta.thresholds.triage_below);
        verdict = verdict.capped();
    }
    let basis = Basis { state: subject.state, score, verdict, threats, capped };
    moved.map_or(Then { score, verdict }, |moved| Then::of(moved.apply(&basis)))
}

/// What it would be without each of several feeds, where that matters; the most telling first.
fn without_each(
    meta: &Meta,
    subject: &Subject<'_>,
    now: Then,
    judge: impl Fn(&Subject<'_>) -> Then,
) -> Vec<Change> {
    let mut found: Vec<(f64, Change)> = Vec::new();
    let mut rest = Vec::with_capacity(subject.feeds.len());
    for feed in subject.feeds {
        rest.clear();
        rest.extend(subject.feeds.iter().copied().filter(|other| other != feed));
        let then = judge(&Subject { feeds: &rest, ..*subject });
        if then.differs(now) {
            let id = meta.feeds.get(*feed as usize).map(|feed| feed.id.clone());
            let text = format!("without {}", name(id.as_deref()));
            found.push(((then.score - now.score).abs(), then.change("feed", id, None, &text)));
        }
    }
    found.sort_by(|a, b| b.0.total_cmp(&a.0));
    found.truncate(FEEDS);
    found.into_iter().map(|(_, change)| change).collect()
}

fn name(id: Option<&str>) -> &str {
    id.unwrap_or("a feed")
}
