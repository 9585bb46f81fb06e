//! All 85 real feeds and both databases through the whole engine.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "tests")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use artif_core::config::Config;
use artif_core::score::State;
use artif_core::{Engine, Outcome, Prefix, ReputationEngine, Verdict};
use support::{corpus, is_acceptable, naive_networks, refresh};

#[test]
fn every_feed_is_loaded_and_every_kind_of_address_is_answered() {
    let Some(corpus) = corpus() else { return };
    let dir = tempfile::tempdir().unwrap();
    let mut config = Config::default();
    config.geo.asn = Some(corpus.join("mmdb/GeoLite2-ASN.mmdb"));
    config.geo.country = Some(corpus.join("mmdb/GeoLite2-Country.mmdb"));
    let engine = Engine::builder()
        .config(config)
        .data(dir.path().join("data"))
        .catalogue(corpus.join("feeds.json"))
        .build()
        .unwrap();
    let report = refresh(&engine);
    println!("{:?} {:?}", report.timings, report.snapshot.counts);
    assert_eq!(report.feeds.len(), 85);
    let failed: Vec<_> = report.feeds.iter().filter(|f| f.outcome != Outcome::Loaded).collect();
    assert!(failed.is_empty(), "{failed:?}");

    // The same networks as the plainest reading finds, feed by feed.
    let mut listed: BTreeMap<Prefix, BTreeSet<String>> = BTreeMap::new();
    for (feed, report) in engine.feeds().iter().zip(&report.feeds) {
        let path = feed.url.strip_prefix("file:").unwrap();
        let naive: BTreeSet<_> =
            naive_networks(path.as_ref()).into_iter().filter(|p| is_acceptable(*p)).collect();
        assert_eq!(report.commit.unwrap().added, naive.len() as u64, "{}", feed.id);
        for prefix in naive {
            listed.entry(prefix).or_default().insert(feed.name.clone());
        }
    }
    let counts = &report.snapshot.counts;
    assert_eq!(counts.active, listed.len() as u64);
    assert_eq!(counts.networks4 + counts.networks6, listed.len() as u64);
    assert_eq!(counts.listings, listed.values().map(|feeds| feeds.len() as u64).sum::<u64>());

    // A spread of listed networks: exactly the feeds that list them or a network around them.
    for (prefix, _) in listed.iter().step_by(613) {
        let ip = prefix.address();
        let covering = (0..=128).filter_map(|length| Prefix::new(ip, length));
        let expected: BTreeSet<String> =
            covering.filter_map(|network| listed.get(&network)).flatten().cloned().collect();
        let answer = engine.check(ip);
        let found: BTreeSet<String> = answer.feeds().map(|feed| feed.name.clone()).collect();
        assert_eq!(found, expected, "{ip}");
        assert_eq!(answer.state(), State::Active, "{ip}");
        let range = if answer.is_capped() { 40.0..100.0 } else { 0.0..40.0 };
        assert!(range.contains(&answer.score()), "{ip}: {}", answer.score());
    }

    let check = |text: &str| engine.check(text.parse::<IpAddr>().unwrap());
    // Public resolvers are in cps-sans, 172.217.0.1 is inside a listed data centre: active, and
    // never by mistake "private". What is unlisted is found by looking, so as not to guess.
    let covered = |ip: IpAddr| {
        (0..=128).filter_map(|length| Prefix::new(ip, length)).any(|p| listed.contains_key(&p))
    };
    let unlisted = (1..=255)
        .map(|n| IpAddr::from([n, 20, 30, 40]))
        .find(|ip| !covered(*ip) && artif_core::special_purpose(*ip).is_none());
    assert_eq!(engine.check(unlisted.unwrap()).state(), State::Unknown);
    for (text, special) in [
        ("8.8.8.8", false),
        ("1.1.1.1", false),
        ("::ffff:1.2.3.4", false),
        ("172.217.0.1", false),
        ("10.1.2.3", true),
        ("127.0.0.1", true),
        ("::1", true),
        ("2001:db8::1", true),
    ] {
        let answer = check(text);
        assert_eq!(answer.special_purpose().is_some(), special, "{text}");
        assert_eq!(answer.is_active(), !special, "{text}: {answer:?}");
        // Well-known resolvers are on a list that is built in.
        let expected = match (special, answer.is_capped()) {
            (true, _) => Verdict::NotApplicable,
            (false, true) => Verdict::Triage,
            (false, false) => Verdict::Dangerous,
        };
        assert_eq!(answer.verdict(), expected, "{text}");
        assert_eq!(answer.is_capped(), matches!(text, "8.8.8.8" | "1.1.1.1"), "{text}");
    }
    let google = check("8.8.8.8");
    assert_eq!(google.asn(), Some(15169));
    assert!(google.organisation().unwrap().to_lowercase().contains("google"));
    assert_eq!(google.country().unwrap().as_str(), "US");

    // Nothing new: nothing published, almost nothing written.
    let again = refresh(&engine);
    println!("{:?}", again.timings);
    assert_eq!((again.count(Outcome::Unchanged), again.published), (85, false));
}
