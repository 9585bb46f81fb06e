//! Two weeks of real feeds, day by day, against the plainest possible bookkeeping.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "tests")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use artif_core::score::State;
use artif_core::{Engine, FixedClock, Prefix, Reader, ReputationEngine};
use chrono::{DateTime, Duration, Utc};
use support::{corpus, is_acceptable, naive_networks, refresh, time};

type Interval = (DateTime<Utc>, Option<DateTime<Utc>>);

/// Each feed's networks with the intervals in which it listed them.
#[derive(Default)]
struct Naive(BTreeMap<String, BTreeMap<Prefix, Vec<Interval>>>);

impl Naive {
    fn see(&mut self, feed: &str, at: DateTime<Utc>, listed: &BTreeSet<Prefix>) {
        let known = self.0.entry(feed.to_owned()).or_default();
        for (prefix, intervals) in known.iter_mut() {
            let open = intervals.last_mut().filter(|i| i.1.is_none());
            if let Some(open) = open.filter(|_| !listed.contains(prefix)) {
                open.1 = Some(at);
            }
        }
        for prefix in listed {
            let intervals = known.entry(*prefix).or_default();
            if intervals.last().is_none_or(|i| i.1.is_some()) {
                intervals.push((at, None));
            }
        }
    }

    /// Networks by state at `now`: active, historical, and ended for longer than the window.
    fn states(&self, now: DateTime<Utc>) -> BTreeMap<Prefix, Option<State>> {
        let mut states: BTreeMap<Prefix, Option<State>> = BTreeMap::new();
        for (prefix, intervals) in self.0.values().flatten() {
            let state = states.entry(*prefix).or_default();
            for (_, ended) in intervals {
                let this = match ended {
                    None => Some(State::Active),
                    Some(ended) if now - *ended < Duration::days(7) => Some(State::Historical),
                    Some(_) => None,
                };
                *state = (*state).max_by(this);
            }
        }
        states
    }
}

trait MaxBy {
    fn max_by(self, other: Self) -> Self;
}

impl MaxBy for Option<State> {
    fn max_by(self, other: Self) -> Self {
        if self.map(|s| s as u8) >= other.map(|s| s as u8) { self } else { other }
    }
}

fn write_catalogue(path: &Path, day: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(day)
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    let feeds: Vec<_> = names
        .iter()
        .map(|name| {
            serde_json::json!({
                "name": name, "provider": name, "source_format": "freetext", "type": ["attack"],
                "threat_level_id": 3, "enabled": true, "path": day.join(name),
            })
        })
        .collect();
    std::fs::write(path, serde_json::json!({ "feeds": feeds }).to_string()).unwrap();
    names
}

#[test]
fn fourteen_days_equal_a_naive_computation() {
    let Some(corpus) = corpus() else { return };
    let dir = tempfile::tempdir().unwrap();
    let catalogue = dir.path().join("feeds.json");
    let data = dir.path().join("data");
    let mut naive = Naive::default();
    let mut days: Vec<_> =
        std::fs::read_dir(corpus.join("replay")).unwrap().map(|e| e.unwrap().path()).collect();
    days.sort();
    assert_eq!(days.len(), 14);
    let mut now = time("2026-08-01T00:00:00Z");
    for day in &days {
        now = time(&format!("{}T06:00:00Z", day.file_name().unwrap().to_str().unwrap()));
        for name in write_catalogue(&catalogue, day) {
            let listed = naive_networks(&day.join(&name)).into_iter().filter(|p| is_acceptable(*p));
            naive.see(&name, now, &listed.collect());
        }
        // A new process every day, as a daily job would be.
        let engine = Engine::builder()
            .data(&data)
            .catalogue(&catalogue)
            .clock(std::sync::Arc::new(FixedClock::new(now)))
            .build()
            .unwrap();
        let counts = refresh(&engine).snapshot.counts;
        let states = naive.states(now);
        let count = |state| states.values().filter(|s| **s == state).count() as u64;
        let seen = (counts.active, counts.historical, counts.networks4 + counts.networks6);
        let wanted =
            (count(Some(State::Active)), count(Some(State::Historical)), states.len() as u64);
        assert_eq!(seen, wanted, "(active, historical, all) on {}", day.display());
        println!(
            "{}: active, historical, expired: {:?}",
            now.date_naive(),
            (seen.0, seen.1, seen.2 - seen.0 - seen.1)
        );
    }

    // Histories and answers about the past, from the snapshot alone, for a spread of networks.
    let reader = Reader::open_with(&data, std::sync::Arc::new(FixedClock::new(now))).unwrap();
    let all: Vec<Prefix> = naive.states(now).into_keys().collect();
    let mut checked = 0;
    for prefix in all.iter().step_by(97) {
        let ip = prefix.address();
        let mut expected: Vec<(String, Prefix, Interval)> = Vec::new();
        for (feed, networks) in &naive.0 {
            for network in (0..=128).filter_map(|length| Prefix::new(ip, length)) {
                for interval in networks.get(&network).into_iter().flatten() {
                    expected.push((feed.clone(), network, *interval));
                }
            }
        }
        let mut found: Vec<(String, Prefix, Interval)> = reader
            .history(ip)
            .into_iter()
            .map(|e| (e.name, e.network, (e.first_seen, e.ended)))
            .collect();
        expected.sort();
        found.sort();
        assert_eq!(found, expected, "history of {ip}");
        for day in &days {
            let at = time(&format!("{}T12:00:00Z", day.file_name().unwrap().to_str().unwrap()));
            let mut state = State::Unknown;
            for (_, _, (since, until)) in &expected {
                let active = *since <= at && until.is_none_or(|until| at < until);
                let recent =
                    until.is_some_and(|until| until <= at && at - until < Duration::days(7));
                if active {
                    state = State::Active;
                } else if recent && state == State::Unknown {
                    state = State::Historical;
                }
            }
            assert_eq!(reader.check_at(ip, at).state, state, "{ip} at {at}");
        }
        checked += 1;
    }
    assert!(checked > 1000, "only {checked} networks were looked at");
}
