//! The risk scorer through the engine: what may not move it, and what its reasons come to.
#![cfg(feature = "sled")]
#![allow(clippy::unwrap_used, clippy::float_cmp, clippy::panic, reason = "tests")]
#![allow(clippy::indexing_slicing, clippy::print_stdout, reason = "tests")]

mod support;

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::Arc;

use artif_core::score::State;
use artif_core::{
    Category, Config, Engine, Feed, FixedClock, RefreshOptions, Reputation, ReputationEngine, Role,
    Verdict,
};
use support::{clock, corpus, time};

/// A feed of one day: id, publisher, content.
type Day<'a> = &'a [(&'a str, &'a str, String)];

/// The engine after these days, a day apart.
fn engine_of(folder: &Path, config: &str, days: &[Day<'_>]) -> (Engine, Arc<FixedClock>) {
    let clock = clock("2026-08-01T06:00:00Z");
    let mut last = None;
    for (number, day) in (0_i64..).zip(days) {
        drop(last.take());
        clock.set(time("2026-08-01T06:00:00Z") + chrono::Duration::days(number));
        let mut builder = Engine::builder()
            .config(Config::from_toml(config).unwrap())
            .data(folder.join("data"))
            .clock(clock.clone());
        for (id, publisher, content) in *day {
            let path = folder.join(format!("{id}.txt"));
            std::fs::write(&path, content).unwrap();
            let url = format!("file:{}", path.display());
            let role = if id.starts_with("label") { Role::Label } else { Role::Threat };
            let category = if id.starts_with("tor") { Category::Tor } else { Category::Attack };
            let feed = Feed::new(id, &url).unwrap().publisher(*publisher).role(role);
            builder = builder.feed(feed.categories([category]));
        }
        let engine = builder.build().unwrap();
        // What a feed suddenly does is the point of some of these tests: no guard.
        engine.refresh(&RefreshOptions::default().force()).unwrap();
        last = Some(engine);
    }
    (last.unwrap(), clock)
}

const RISK: &str = "[scoring]\nscorer = 'risk'\n";

fn check(engine: &Engine, ip: &str) -> Reputation {
    engine.check(ip.parse().unwrap())
}

/// Addresses of three networks in 20/8 and 21/8, `count` in each.
fn list(seed: u32, count: u32) -> String {
    let mut text = String::new();
    for place in 0..count {
        let spread = (place + 1).wrapping_mul(2_654_435_761).wrapping_add(seed << 26);
        for net in [20 << 24 | 5 << 16, 20 << 24 | 77 << 16, 21 << 24] {
            writeln!(text, "{}", Ipv4Addr::from_bits(net | spread >> 18)).unwrap();
        }
    }
    text
}

/// Addresses, listed and not, near what [`list`] lists and far from it.
fn probes() -> Vec<IpAddr> {
    let near = (0..400_u32).map(|n| 20 << 24 | 5 << 16 | (n * 37));
    let close = (0..200_u32).map(|n| (21 << 24) | (n * 113));
    let far = (0..200_u32).map(|n| ((60 + n % 40) << 24) | (n * 7919));
    near.chain(close).chain(far).map(|bits| IpAddr::V4(Ipv4Addr::from_bits(bits))).collect()
}

fn scores(engine: &Engine) -> Vec<f64> {
    probes().into_iter().map(|ip| engine.check(ip).score()).collect()
}

/// Places of the probes from bad to safe; equal scores have one place.
fn ranks(engine: &Engine) -> Vec<usize> {
    let scores = scores(engine);
    let mut distinct = scores.clone();
    distinct.sort_by(f64::total_cmp);
    distinct.dedup();
    scores.iter().map(|score| distinct.partition_point(|other| other < score)).collect()
}

#[test]
fn feeds_and_lines_may_come_in_any_order() {
    let reversed = |text: &str| -> String {
        let mut lines: Vec<&str> = text.lines().collect();
        lines.reverse();
        lines.join("\n")
    };
    let (first, second) = (list(1, 200), list(9, 150));
    let days = [("a", "p", first.clone()), ("b", "q", second.clone()), ("c", "r", list(5, 20))];
    let mirrored = [
        ("c", "r", reversed(&list(5, 20))),
        ("b", "q", reversed(&second)),
        ("a", "p", reversed(&first)),
    ];
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (forwards, _) = engine_of(one.path(), RISK, &[&days, &days]);
    let (backwards, _) = engine_of(other.path(), RISK, &[&mirrored, &mirrored]);
    let (forwards, backwards) = (scores(&forwards), scores(&backwards));
    assert!(forwards.iter().any(|score| *score < 50.0) && forwards.iter().any(|s| *s > 98.0));
    // Sums of the same numbers in another order differ in the last bits, no score by more.
    for (forwards, backwards) in forwards.iter().zip(&backwards) {
        assert!((forwards - backwards).abs() < 1e-6, "{forwards} {backwards}");
    }
}

#[test]
fn a_near_copy_by_the_same_publisher_changes_no_rank() {
    let (original, other) = (list(1, 200), list(9, 150));
    let near_copy: String =
        original.lines().skip(6).fold(String::new(), |all, line| all + line + "\n");
    let usual = [("a", "p", original.clone()), ("b", "q", other.clone())];
    let copied = [("a", "p", original), ("b", "q", other), ("copy", "p", near_copy)];
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (before, _) = engine_of(one.path(), RISK, &[&usual, &usual]);
    let (after, _) = engine_of(two.path(), RISK, &[&usual, &copied]);
    assert_eq!(ranks(&before), ranks(&after));
    let witnesses = |engine: &Engine| {
        let ip = original_ip();
        let explanation = engine.explain(ip);
        explanation.terms.iter().find(|term| term.name == "listing").unwrap().text.clone()
    };
    assert!(witnesses(&after).contains("listed by 1 publisher (p)"), "{}", witnesses(&after));
}

/// An address that the first feed of the near-copy test lists, and its copy, but no other.
fn original_ip() -> IpAddr {
    let other = list(9, 150);
    let first = list(1, 200);
    let own = first.lines().skip(6).find(|line| !other.lines().any(|other| other == *line));
    own.unwrap().parse().unwrap()
}

/// The logit of the risk.
fn logit(score: f64) -> f64 {
    ((100.0 - score) / score.max(1e-9)).ln()
}

#[test]
fn a_publisher_gone_mad_moves_unrelated_verdicts_within_a_bound() {
    // So much that a quarter of it is more than what every publisher may say, 11,000.
    let many = |seed| -> String {
        let moved = |line: &str, net: u32| line.replacen("20.77.", &format!("22.{net}."), 1);
        let text = list(seed, 2000);
        let more = (0..12).flat_map(|net| {
            text.lines().filter(|l| l.starts_with("20.77.")).map(move |line| moved(line, net))
        });
        more.fold(text.clone(), |all, line| all + &line + "\n")
    };
    // What else it says weighs less then: that is far from the addresses looked at.
    let own = "120.1.1.1\n120.1.1.2\n";
    let usual = [("a", "p", many(1)), ("b", "q", many(9)), ("c", "r", own.to_owned())];
    let mut random = 7_u32;
    let mut hundred_thousand = own.to_owned();
    for _ in 0..100_000 {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        writeln!(hundred_thousand, "{}", Ipv4Addr::from_bits(40 << 24 | random >> 8)).unwrap();
    }
    let everything = format!("{own}50.0.0.0/8\n");
    let folder = tempfile::tempdir().unwrap();
    let (before, _) = engine_of(folder.path(), RISK, &[&usual, &usual]);
    for (what, content) in [("100,000 addresses", hundred_thousand), ("a /8", everything)] {
        let mad = [usual[0].clone(), usual[1].clone(), ("c", "r", content)];
        let folder = tempfile::tempdir().unwrap();
        let (after, _) = engine_of(folder.path(), RISK, &[&usual, &mad]);
        let (mut worst, mut verdicts) = (0.0_f64, 0);
        for ip in probes() {
            let (before, after) = (before.check(ip), after.check(ip));
            verdicts += u32::from(before.verdict() != after.verdict());
            worst = worst.max((logit(before.score()) - logit(after.score())).abs());
        }
        println!("{what}: logit moved by {worst:.3} at most, {verdicts} verdicts changed");
        // What one publisher says alone may raise the average to 1.25 times: 0.22 in the logit,
        // and half a step of 1/4 is rounded at either end.
        assert!(worst <= 0.22 + 0.25 + 1e-6, "{what}: {worst}");
        assert_eq!(verdicts, 0, "{what}");
    }
}

#[test]
fn reasons_add_up_and_say_what_would_change_it() {
    let both = "20.5.1.7\n20.5.1.9\n20.5.9.1\n";
    let first = [("a", "p", both.to_owned()), ("b", "q", "20.5.1.7\n30.1.1.1\n".to_owned())];
    let second = [("a", "p", "20.5.1.7\n20.5.9.1\n".to_owned()), first[1].clone()];
    let folder = tempfile::tempdir().unwrap();
    let (engine, _) = engine_of(folder.path(), RISK, &[&first, &second]);
    for ip in ["20.5.1.7", "20.5.1.9", "20.5.1.200", "99.1.1.1"] {
        let explanation = engine.explain(ip.parse().unwrap());
        let sum: f64 = explanation.terms.iter().map(|term| term.contribution).sum();
        assert!((100.0 + sum - explanation.reputation.score()).abs() < 1e-9, "{ip}");
        let [low, high] = explanation.interval.unwrap();
        assert!((low..=high).contains(&explanation.reputation.score()), "{ip}");
        let confidence = explanation.confidence().unwrap();
        assert!((confidence - (1.0 - (high - low) / 100.0)).abs() < 1e-12, "{ip}: {confidence}");
        let json = serde_json::to_value(&explanation).unwrap();
        assert_eq!(json["confidence"], confidence, "{ip}");
    }

    let changes = |ip: &str| engine.explain(ip.parse().unwrap()).changes;
    let active = changes("20.5.1.7");
    let names: Vec<_> = active.iter().map(|c| (c.name, c.feed.as_deref())).collect();
    assert_eq!(names, [("feed", Some("a")), ("feed", Some("b")), ("feeds", None)]);
    let score = check(&engine, "20.5.1.7").score();
    assert!(active.iter().all(|change| change.score > score), "{active:?}");
    assert_eq!(active[2].verdict, Verdict::Suspicious);

    let sole = changes("20.5.9.1");
    assert_eq!((sole.len(), sole[0].feed.as_deref()), (1, Some("a")));
    assert!(sole[0].text.starts_with("a alone keeps it listed: without it: suspicious, "));

    // What is said to happen happens.
    let left = changes("20.5.1.9");
    assert_eq!((left.len(), left[0].name), (1, "window"));
    assert_eq!(left[0].at, Some(time("2026-08-09T06:00:00Z")));
    drop(engine);
    let days: Vec<Day<'_>> = std::iter::once(&first as Day<'_>)
        .chain(std::iter::repeat_n(&second as Day<'_>, 8))
        .collect();
    let later = tempfile::tempdir().unwrap();
    let (engine, _) = engine_of(later.path(), RISK, &days);
    let forgotten = check(&engine, "20.5.1.9");
    assert_eq!((forgotten.state(), forgotten.verdict()), (State::Unknown, left[0].verdict));
    assert!(forgotten.explain_is_empty_of_changes(&engine));
}

trait Unchanged {
    fn explain_is_empty_of_changes(&self, engine: &Engine) -> bool;
}

impl Unchanged for Reputation {
    fn explain_is_empty_of_changes(&self, engine: &Engine) -> bool {
        engine.explain(self.ip()).changes.is_empty()
    }
}

#[test]
fn a_tor_exit_may_be_no_danger() {
    let day = [
        ("tor", "p", "20.5.1.7\n20.5.1.8\n".to_owned()),
        ("b", "q", "20.5.1.8\n20.5.1.9\n".to_owned()),
    ];
    let lax = "[scoring.category.tor]\ndangerous_below = 0.0\nsuspicious_below = 0.0\n";
    for (config, tor) in [(lax.to_owned(), Verdict::Triage), (String::new(), Verdict::Dangerous)] {
        let folder = tempfile::tempdir().unwrap();
        let (engine, _) = engine_of(folder.path(), &config, &[&day]);
        assert_eq!(check(&engine, "20.5.1.7").verdict(), tor, "{config}");
        assert!(check(&engine, "20.5.1.7").is_active(), "listed all the same");
        assert_eq!(check(&engine, "20.5.1.8").verdict(), Verdict::Dangerous, "and more");
        assert_eq!(check(&engine, "20.5.1.9").verdict(), Verdict::Dangerous);
        let then = engine.check_at("20.5.1.7".parse().unwrap(), time("2026-08-01T06:00:00Z"));
        assert_eq!(then.verdict, tor);
    }
}

#[test]
fn a_label_alone_is_hardly_a_risk() {
    let day = [("label", "p", "20.5.0.0/16\n".to_owned()), ("b", "q", list(9, 10))];
    let folder = tempfile::tempdir().unwrap();
    let (engine, _) = engine_of(folder.path(), RISK, &[&day]);
    let labelled = check(&engine, "20.5.255.1");
    assert_eq!(labelled.verdict(), Verdict::NoAction);
    let terms = engine.explain(labelled.ip()).terms;
    let label = terms.iter().find(|term| term.name == "label").unwrap();
    assert!((-2.0..0.0).contains(&label.contribution), "{label:?}");
}

#[test]
fn lookups_find_the_same_whichever_scorer() {
    let Some(corpus) = corpus() else { return };
    let content = std::fs::read_to_string(corpus.join("feeds/cps-tor-exit.txt"));
    let Ok(content) = content else {
        return support::skipped("the corpus has no cps-tor-exit.txt");
    };
    let day = [("a", "p", content)];
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (risk, _) = engine_of(one.path(), RISK, &[&day]);
    let (classic, _) = engine_of(two.path(), "[scoring]\nscorer = 'classic'\n", &[&day]);
    for word in day[0].2.split_whitespace().filter_map(|word| word.parse().ok()) {
        let (risk, classic) = (risk.check(word), classic.check(word));
        assert_eq!(risk.state(), classic.state());
        assert!(risk.risk().is_some() && classic.risk().is_none());
    }
}
