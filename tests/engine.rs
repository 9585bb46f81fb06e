//! The engine as an application uses it.
#![allow(clippy::unwrap_used, clippy::float_cmp, clippy::panic, reason = "tests")]

mod support;

use std::net::IpAddr;
use std::sync::Arc;

use artif_core::ledger::{Override, OverrideAction};
use artif_core::score::State;
use artif_core::{
    Category, Engine, Feed, Outcome, Overrides, Prefix, Reader, RefreshOptions, ReputationEngine,
    Role, Verdict,
};
use support::{catalogue, clock, refresh, time};

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn net(text: &str) -> Prefix {
    text.parse().unwrap()
}

#[test]
fn addresses_go_from_unknown_to_active_to_historical_to_forgotten() {
    let dir = tempfile::tempdir().unwrap();
    let clock = clock("2026-08-01T00:00:00Z");
    let path = catalogue(
        dir.path(),
        &[("a", "93.184.216.34\n93.184.217.0/24\n"), ("b", "93.184.216.34\n")],
    );
    let data = dir.path().join("data");
    let engine =
        Engine::builder().data(&data).catalogue(&path).clock(clock.clone()).build().unwrap();
    assert_eq!(
        engine.check(ip("93.184.216.34")).state(),
        State::Unknown,
        "before the first refresh"
    );
    let report = refresh(&engine);
    assert_eq!((report.count(Outcome::Loaded), report.published), (2, true));

    let active = engine.check(ip("93.184.216.34"));
    assert_eq!((active.state(), active.verdict()), (State::Active, Verdict::Dangerous));
    assert!(active.score() < 1.0 && active.risk().unwrap() > 0.99, "{}", active.score());
    assert_eq!(active.feeds().map(|f| f.name.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    assert!(active.categories().contains(Category::Attack));
    assert!(engine.check(ip("93.184.217.77")).is_active(), "inside a listed network");
    assert!(engine.check(ip("::ffff:93.184.217.77")).is_active(), "mapped");
    assert_eq!(engine.check(ip("93.184.218.1")).state(), State::Unknown);

    // It leaves one feed, then the other.
    clock.set(time("2026-08-02T00:00:00Z"));
    catalogue(dir.path(), &[("a", "93.184.217.0/24\n"), ("b", "93.184.216.34\n")]);
    refresh(&engine);
    assert!(engine.check(ip("93.184.216.34")).is_active());
    clock.set(time("2026-08-03T00:00:00Z"));
    catalogue(dir.path(), &[("a", "93.184.217.0/24\n"), ("b", "93.184.219.1\n")]);
    refresh(&engine);
    let past = engine.check(ip("93.184.216.34"));
    assert_eq!((past.state(), past.verdict()), (State::Historical, Verdict::Suspicious));
    assert_eq!(past.last_seen(), Some(time("2026-08-03T00:00:00Z")));
    assert_eq!(past.first_seen(), Some(time("2026-08-01T00:00:00Z")));
    assert_eq!(past.feeds().count(), 2);

    // Back again: active wins, the old interval stays in the history.
    clock.set(time("2026-08-04T00:00:00Z"));
    catalogue(dir.path(), &[("a", "93.184.216.34\n93.184.217.0/24\n"), ("b", "93.184.219.1\n")]);
    refresh(&engine);
    let back = engine.check(ip("93.184.216.34"));
    assert!(back.state() == State::Active && back.score() < 1.0);
    assert_eq!(back.first_seen(), Some(time("2026-08-04T00:00:00Z")));
    assert_eq!(engine.history(ip("93.184.216.34")).len(), 3);
    let then = |at: &str| engine.check_at(ip("93.184.216.34"), time(at)).state;
    assert_eq!(then("2026-07-31T23:59:59Z"), State::Unknown);
    assert_eq!(then("2026-08-01T00:00:00Z"), State::Active);
    assert_eq!(then("2026-08-02T12:00:00Z"), State::Active);
    assert_eq!(then("2026-08-03T12:00:00Z"), State::Historical);
    assert_eq!(then("2026-08-04T00:00:00Z"), State::Active);

    // Gone for longer than the window.
    clock.set(time("2026-08-05T00:00:00Z"));
    catalogue(dir.path(), &[("a", "93.184.217.0/24\n"), ("b", "93.184.219.1\n")]);
    refresh(&engine);
    assert!(engine.check(ip("93.184.216.34")).is_historical());
    clock.set(time("2026-08-12T00:00:00Z"));
    let report = refresh(&engine);
    assert!(report.published, "the window's edge passed, so answers differ though no feed did");
    assert_eq!(engine.check(ip("93.184.216.34")).state(), State::Unknown);
    assert_eq!(engine.history(ip("93.184.216.34")).len(), 3, "kept for the retention");
    clock.set(time("2026-12-01T00:00:00Z"));
    assert_eq!(refresh(&engine).expired, 3);
    assert!(engine.history(ip("93.184.216.34")).is_empty());
}

#[test]
fn a_refresh_without_news_publishes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = catalogue(dir.path(), &[("a", "93.184.216.34\n")]);
    let engine = Engine::builder().data(dir.path().join("data")).catalogue(&path).build().unwrap();
    assert!(refresh(&engine).published);
    let report = refresh(&engine);
    assert_eq!((report.count(Outcome::Unchanged), report.published), (1, false));
}

#[test]
fn feeds_that_fail_or_are_emptied_keep_what_they_had() {
    let dir = tempfile::tempdir().unwrap();
    let path = catalogue(dir.path(), &[("a", "93.184.216.34\n"), ("b", "93.184.216.35\n")]);
    let engine = Engine::builder().data(dir.path().join("data")).catalogue(&path).build().unwrap();
    refresh(&engine);
    std::fs::write(dir.path().join("a.txt"), "<html>sorry</html>\n").unwrap();
    std::fs::remove_file(dir.path().join("b.txt")).unwrap();
    let report = refresh(&engine);
    assert_eq!((report.count(Outcome::Refused), report.count(Outcome::Failed)), (1, 1));
    for address in ["93.184.216.34", "93.184.216.35"] {
        assert!(engine.check(ip(address)).is_active(), "{address}");
    }
    let problems = engine.status().problems.join("\n");
    assert!(
        problems.contains("feed a is stale") && problems.contains("feed b is stale"),
        "{problems}"
    );
}

#[test]
fn special_purpose_addresses_are_never_dangerous() {
    let dir = tempfile::tempdir().unwrap();
    // The network is wide enough to hold 172.16.0.0/12.
    let list = "10.1.2.3\n127.0.0.1\n192.168.0.0/16\n172.0.0.0/8\n::1\n2001:db8::1\nfe80::/10\n100.64.0.1\n224.0.0.1\n";
    let path = catalogue(dir.path(), &[("a", list)]);
    let engine = Engine::builder().in_memory().catalogue(&path).build().unwrap();
    let report = refresh(&engine);
    assert_eq!(report.feeds[0].parse.as_ref().unwrap().special_purpose, 8);
    for address in [
        "10.1.2.3",
        "127.0.0.1",
        "192.168.1.1",
        "172.16.9.9",
        "::1",
        "2001:db8::1",
        "fe80::1",
        "100.64.0.1",
        "224.0.0.1",
        "::ffff:10.1.2.3",
        "0.0.0.0",
        "255.255.255.255",
        "192.0.2.1",
    ] {
        let answer = engine.check(ip(address));
        assert_eq!(answer.verdict(), Verdict::NotApplicable, "{address}");
        assert!(answer.special_purpose().is_some() && !answer.is_ioc(), "{address}");
        assert_eq!(answer.to_seed_json(), r#"{"description": "Private IP"}"#);
    }
    assert!(engine.check(ip("172.217.0.1")).is_active(), "the rest of the network counts");
}

#[test]
fn overrides_beat_feeds_until_they_expire() {
    let dir = tempfile::tempdir().unwrap();
    let clock = clock("2026-08-01T00:00:00Z");
    let path = catalogue(dir.path(), &[("a", "93.184.216.34\n")]);
    let data = dir.path().join("data");
    let engine =
        Engine::builder().data(&data).catalogue(&path).clock(clock.clone()).build().unwrap();
    refresh(&engine);
    let now = time("2026-08-01T00:00:00Z");
    let allow = Override::new(net("93.184.216.0/24"), OverrideAction::Allow, now)
        .reason("our partner")
        .author("ana")
        .expires(time("2026-08-02T00:00:00Z"));
    engine.add_override(allow.clone()).unwrap();
    let answer = engine.check(ip("93.184.216.34"));
    assert_eq!(answer.verdict(), Verdict::Allowed);
    assert!(answer.is_active(), "what feeds say stays visible");
    assert!(answer.description().contains("our partner"));
    assert_eq!(answer.override_entry(), Some(&allow));
    engine.add_override(Override::new(net("10.0.0.0/8"), OverrideAction::Block, now)).unwrap();
    assert_eq!(engine.check(ip("10.1.1.1")).verdict(), Verdict::Blocked);

    clock.set(time("2026-08-02T00:00:00Z"));
    assert_eq!(engine.check(ip("93.184.216.34")).verdict(), Verdict::Dangerous);
    assert!(engine.remove_override(net("10.0.0.0/8"), "ana").unwrap());
    assert!(!engine.remove_override(net("10.0.0.0/8"), "ana").unwrap());
    assert_eq!(engine.check(ip("10.1.1.1")).verdict(), Verdict::NotApplicable);

    // They survive a restart with and without a refresh in between.
    clock.set(now);
    drop(engine);
    let engine =
        Engine::builder().data(&data).catalogue(&path).clock(clock.clone()).build().unwrap();
    assert_eq!(engine.check(ip("93.184.216.34")).verdict(), Verdict::Allowed);
    assert_eq!(engine.overrides(), [allow]);
    refresh(&engine);
    drop(engine);
    let engine = Engine::builder().data(&data).catalogue(&path).clock(clock).build().unwrap();
    assert_eq!(engine.check(ip("93.184.216.34")).verdict(), Verdict::Allowed);
}

#[test]
fn overrides_are_made_beside_the_owner_and_taken_up() {
    let dir = tempfile::tempdir().unwrap();
    let path = catalogue(dir.path(), &[("a", "93.184.216.34\n")]);
    let data = dir.path().join("data");
    let engine = Engine::builder().data(&data).catalogue(&path).build().unwrap();
    refresh(&engine);
    let reader = Reader::open(&data).unwrap();
    let block = Override::new(net("93.184.220.0/24"), OverrideAction::Block, chrono::Utc::now());
    Overrides::open(&data).unwrap().add(block).unwrap();
    reader.reload().unwrap();
    assert_eq!(reader.check(ip("93.184.220.1")).verdict(), Verdict::Blocked);
    refresh(&engine);
    assert_eq!(engine.check(ip("93.184.220.1")).verdict(), Verdict::Blocked);
    assert_eq!(engine.status().ledger.unwrap().overrides, 1);
    // The overlay is lost: the owner writes it anew from the ledger.
    drop((engine, reader));
    std::fs::write(data.join("OVERRIDES"), "garbage").unwrap();
    let engine = Engine::builder().data(&data).catalogue(&path).build().unwrap();
    assert_eq!(engine.check(ip("93.184.220.1")).verdict(), Verdict::Blocked);
}

#[test]
fn one_owner_any_number_of_readers() {
    let dir = tempfile::tempdir().unwrap();
    let path = catalogue(dir.path(), &[("a", "93.184.216.34\n")]);
    let data = dir.path().join("data");
    assert_eq!(Reader::open(&data).unwrap_err().code(), "ARTIF_NO_SNAPSHOT");
    let clock = clock("2026-08-01T00:00:00Z");
    let engine =
        Engine::builder().data(&data).catalogue(&path).clock(clock.clone()).build().unwrap();
    let error = Engine::builder().data(&data).catalogue(&path).build().unwrap_err();
    assert_eq!(error.code(), "ARTIF_LOCKED");
    assert!(error.to_string().contains(&std::process::id().to_string()), "{error}");
    refresh(&engine);
    let readers: Vec<Reader> =
        (0..3).map(|_| Reader::open_with(&data, clock.clone()).unwrap()).collect();
    clock.set(time("2026-08-02T00:00:00Z"));
    catalogue(dir.path(), &[("a", "93.184.216.35\n")]);
    refresh(&engine);
    for reader in &readers {
        reader.reload().unwrap();
        assert!(reader.check(ip("93.184.216.35")).is_active());
        assert!(reader.check(ip("93.184.216.34")).is_historical());
        assert_eq!(reader.history(ip("93.184.216.34")), engine.history(ip("93.184.216.34")));
        let (ours, theirs) =
            (engine.explain(ip("93.184.216.34")), reader.explain(ip("93.184.216.34")));
        assert_eq!(serde_json::to_value(&ours).unwrap(), serde_json::to_value(&theirs).unwrap());
    }
    drop(engine);
    Engine::builder().data(&data).catalogue(&path).build().unwrap();
}

#[test]
fn explanations_add_up_and_name_their_reasons() {
    let dir = tempfile::tempdir().unwrap();
    let path = catalogue(dir.path(), &[("a", "93.184.216.34\n"), ("b", "93.184.216.0/24\n")]);
    let engine = Engine::builder().in_memory().catalogue(&path).build().unwrap();
    refresh(&engine);
    for address in ["93.184.216.34", "93.184.216.35", "8.8.8.8"] {
        let explanation = engine.explain(ip(address));
        let sum: f64 = explanation.terms.iter().map(|term| term.contribution).sum();
        assert!(
            (100.0 + sum - explanation.reputation.score()).abs() < 1e-9,
            "{address}: {explanation:?}"
        );
    }
    let text = engine.explain(ip("93.184.216.34")).to_text();
    assert!(text.contains("now 93.184.216.0/24 in b by b"), "{text}");
    assert!(text.contains("now 93.184.216.34/32 in a by a (attack)"), "{text}");
    assert!(engine.explain(ip("10.0.0.1")).terms.is_empty());
}

#[test]
fn labels_say_what_an_address_is_without_making_it_a_threat() {
    let dir = tempfile::tempdir().unwrap();
    let list = dir.path().join("cloud.txt");
    std::fs::write(&list, "93.184.216.0/24\n").unwrap();
    let feed = Feed::new("cloud", &format!("file:{}", list.display()))
        .unwrap()
        .categories([Category::Cloud])
        .role(Role::Label);
    let engine = Engine::builder().in_memory().feed(feed).build().unwrap();
    refresh(&engine);
    let answer = engine.check(ip("93.184.216.1"));
    assert_eq!((answer.state(), answer.verdict()), (State::Unknown, Verdict::NoAction));
    assert_eq!(answer.labels().map(|f| f.id.as_str()).collect::<Vec<_>>(), ["cloud"]);
    assert!(answer.categories().contains(Category::Cloud));
    assert_eq!(answer.feeds().count(), 0);
}

#[test]
fn a_named_feed_is_refreshed_alone_and_an_unknown_one_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let path = catalogue(dir.path(), &[("a", "93.184.216.34\n"), ("b", "93.184.216.35\n")]);
    let engine = Engine::builder().in_memory().catalogue(&path).build().unwrap();
    let report = engine.refresh(&RefreshOptions::default().feed("a".parse().unwrap())).unwrap();
    assert_eq!(report.feeds.len(), 1);
    assert!(!engine.check(ip("93.184.216.35")).is_active());
    let error = engine.refresh(&RefreshOptions::default().feed("c".parse().unwrap())).unwrap_err();
    assert_eq!(error.code(), "ARTIF_UNKNOWN_FEED");
}

#[test]
fn a_disabled_feed_takes_no_part_and_stays_disabled() {
    let dir = tempfile::tempdir().unwrap();
    let path = catalogue(dir.path(), &[("a", "93.184.216.34\n"), ("b", "93.184.216.35\n")]);
    let data = dir.path().join("data");
    let engine = Engine::builder().data(&data).catalogue(&path).build().unwrap();
    refresh(&engine);
    engine.enable_feed(&"b".parse().unwrap(), false).unwrap();
    refresh(&engine);
    assert_eq!(engine.check(ip("93.184.216.35")).state(), State::Unknown);
    drop(engine);
    let engine = Engine::builder().data(&data).catalogue(&path).build().unwrap();
    refresh(&engine);
    assert_eq!(engine.check(ip("93.184.216.35")).state(), State::Unknown);
    engine.enable_feed(&"b".parse().unwrap(), true).unwrap();
    refresh(&engine);
    assert!(engine.check(ip("93.184.216.35")).is_active());
    assert_eq!(
        engine.enable_feed(&"x".parse().unwrap(), true).unwrap_err().code(),
        "ARTIF_UNKNOWN_FEED"
    );
}

#[test]
fn a_cancelled_refresh_leaves_the_published_answers() {
    let dir = tempfile::tempdir().unwrap();
    let path = catalogue(dir.path(), &[("a", "93.184.216.34\n")]);
    let engine = Engine::builder().in_memory().catalogue(&path).build().unwrap();
    refresh(&engine);
    catalogue(dir.path(), &[("a", "93.184.216.35\n")]);
    let cancel = Arc::new(std::sync::atomic::AtomicBool::new(true));
    let error = engine.refresh(&RefreshOptions::default().cancel(cancel)).unwrap_err();
    assert_eq!(error.code(), "ARTIF_CANCELLED");
    assert!(engine.check(ip("93.184.216.34")).is_active());
}

#[test]
fn the_seed_form_is_the_documented_one() {
    let dir = tempfile::tempdir().unwrap();
    let path = catalogue(dir.path(), &[("a", "93.184.216.34\n")]);
    let config = artif_core::Config::from_toml("[scoring]\nscorer = 'classic'").unwrap();
    let engine = Engine::builder().config(config).in_memory().catalogue(&path).build().unwrap();
    refresh(&engine);
    assert_eq!(
        engine.check(ip("93.184.216.34")).to_seed_json(),
        "{\"is_IoC\": true, \"is_Active\": true, \"metadata\": {\"asn\": \"NA\", \"country\": \"NA\", \
         \"org\": \"NA\"}, \"score\": 0.0, \"description\": \"IP is an active IoC\", \"blacklists\": \
         [\"a\"], \"type\": [\"attack\"], \"historical\": false, \"verdict\": \"dangerous\"}"
    );
    assert_eq!(
        engine.check(ip("8.8.8.8")).to_seed_json(),
        "{\"is_IoC\": false, \"is_Active\": false, \"metadata\": {\"asn\": \"NA\", \"country\": \"NA\", \
         \"org\": \"NA\"}, \"score\": 100.0, \"description\": \"Benign IP according to feeds\", \
         \"blacklists\": \"\", \"type\": \"\", \"historical\": false, \"verdict\": \"No action needed\"}"
    );
}

#[test]
fn debug_output_is_short() {
    let dir = tempfile::tempdir().unwrap();
    let path = catalogue(dir.path(), &[("a", "93.184.216.34\n")]);
    let engine = Engine::builder().data(dir.path().join("data")).catalogue(path).build().unwrap();
    refresh(&engine);
    let reader = Reader::open(dir.path().join("data")).unwrap();
    for text in [format!("{engine:?}"), format!("{reader:?}")] {
        assert!(text.contains("snapshot: 1") && text.len() < 300, "{text}");
    }
    let memory = Engine::in_memory().unwrap();
    assert!(format!("{memory:?}").len() < 300, "nor where all of it is in memory");
}

#[test]
fn without_databases_no_reason_is_made_of_who_announces() {
    let dir = tempfile::tempdir().unwrap();
    let path = catalogue(dir.path(), &[("a", "93.184.216.34\n93.184.216.35\n93.185.0.1\n")]);
    let engine = Engine::builder().in_memory().catalogue(&path).build().unwrap();
    refresh(&engine);
    for (address, reason) in [
        ("93.184.216.34", "its /16 has 2 listed networks: "),
        ("93.184.216.36", "its /24 has 2 listed networks: "),
        ("8.8.4.4", "nothing is listed in its /16"),
    ] {
        let explained = engine.explain(ip(address));
        let text = explained.to_text();
        assert!(text.contains(reason), "{text}");
        assert!(!text.contains("announce") && !text.contains("listed in the average"), "{text}");
        let sum: f64 = explained.terms.iter().map(|term| term.contribution).sum();
        assert!((100.0 + sum - explained.reputation.score()).abs() < 1e-9, "{text}");
    }
}
