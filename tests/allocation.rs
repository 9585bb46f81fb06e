//! Lookups allocate nothing. A test binary of its own, because it counts what the allocator does.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::hint::black_box;
use std::net::IpAddr;

use allocation_counter::measure;
use artif_core::{Addresses, AnswerColumns, Engine, ReputationEngine};
use support::sample_engine;

/// The texts of IPv4 and IPv6 addresses, in every form, listed and not.
const TEXTS: [&str; 10] = [
    "93.184.216.34",
    "8.8.8.8",
    "1.2.3.4",
    "10.0.0.1",
    "2001:470::1",
    "2a00:1450::5",
    "2a00:1450:4001:82a::200e",
    "::ffff:93.184.216.34",
    "2002:5db8:d822::1",
    "no address",
];

fn allocates_nothing(what: &str, work: impl Fn()) {
    // What happens once a thread, such as making thread-local state, is not a lookup's.
    work();
    let info = measure(&work);
    assert_eq!(info.count_total, 0, "{what}: {info:?}");
}

fn ask(engine: &Engine) {
    let pinned = engine.pin();
    let texts: Vec<&str> = TEXTS.repeat(20);
    let ips: Vec<IpAddr> = texts.iter().filter_map(|text| text.parse().ok()).collect();
    let v4: Vec<u32> = (0..200).map(|i| 0x5db8_d700 + i * 3).collect();
    let v6: Vec<u128> = (0..200).map(|i| 0x2001_0470 << 96 | i << 60).collect();
    let packed = texts.concat();
    let mut offsets = vec![0_i32];
    offsets.extend(texts.iter().scan(0, |end, text| {
        *end += i32::try_from(text.len()).unwrap();
        Some(*end)
    }));

    allocates_nothing("check", || {
        for ip in &ips {
            let answer = engine.check(*ip);
            black_box((answer.score(), answer.verdict(), answer.state(), answer.asn()));
            black_box((answer.country(), answer.organisation(), answer.categories()));
            black_box((answer.feeds().map(|feed| feed.count).sum::<u64>(), answer.is_capped()));
        }
    });
    allocates_nothing("pinned check", || {
        for ip in &ips {
            let answer = pinned.check(*ip);
            black_box((answer.score(), answer.verdict(), answer.organisation()));
            black_box((answer.feeds().len(), answer.labels().count(), answer.risk()));
        }
    });
    allocates_nothing("gate", || {
        for ip in &ips {
            black_box((engine.gate(*ip), pinned.gate(*ip)));
        }
    });
    allocates_nothing("pin and renew", || {
        black_box(engine.pin().renew());
    });
    allocates_nothing("text", || {
        for text in &texts {
            black_box(text.parse::<IpAddr>().is_ok_and(|ip| pinned.gate(ip).is_active()));
        }
    });
    for addresses in [
        Addresses::V4(&v4),
        Addresses::V6(&v6),
        Addresses::Text(&texts),
        Addresses::Packed { text: packed.as_bytes(), offsets: &offsets },
    ] {
        assert_eq!(addresses.len(), 200);
        allocates_nothing("columns", || {
            let (mut score, mut verdict, mut state) = ([0.0; 200], [0; 200], [0; 200]);
            let (mut asn, mut country, mut organisation) = ([0; 200], [[0; 2]; 200], [0; 200]);
            let (mut listed, mut feeds, mut labels) = ([0; 200], [0; 200], [0; 200]);
            let mut categories = [0; 200];
            let mut columns = AnswerColumns::new()
                .score(&mut score)
                .verdict(&mut verdict)
                .state(&mut state)
                .asn(&mut asn)
                .country(&mut country)
                .organisation(&mut organisation)
                .listed(&mut listed)
                .feed_set(&mut feeds)
                .label_set(&mut labels)
                .categories(&mut categories);
            black_box(engine.check_into(addresses, &mut columns).unwrap());
        });
    }
}

#[test]
fn no_lookup_allocates_in_either_tier() {
    for tier in ["flat", "compact"] {
        let (_dir, engine) = sample_engine(tier);
        ask(&engine);
        let network = "93.184.216.34".parse().unwrap();
        let action = artif_core::ledger::OverrideAction::Block;
        let now = chrono::Utc::now();
        engine.add_override(artif_core::ledger::Override::new(network, action, now)).unwrap();
        ask(&engine);
    }
}

#[test]
fn no_lookup_allocates_with_own_signals() {
    let dir = tempfile::tempdir().unwrap();
    support::sample_feeds(dir.path());
    let kinds = "[signals.bad]\ndanger = 2\n[signals.good]\ntrust = 1\n";
    let engine =
        support::sample_builder_with(dir.path(), "flat", kinds).in_memory().build().unwrap();
    support::refresh(&engine);
    for text in TEXTS {
        let Ok(ip) = text.parse() else { continue };
        for (name, count) in [("bad", 3), ("good", 1)] {
            engine.signal_count(ip, name, count).unwrap();
        }
    }
    assert!(engine.check("8.8.8.8".parse().unwrap()).is_moved());
    ask(&engine);
    allocates_nothing("report", || {
        black_box(engine.signal("8.8.8.8".parse().unwrap(), "bad").unwrap());
    });
}

#[test]
fn what_allocates_is_noticed() {
    let info = measure(|| drop(black_box(vec![1_u8; 100])));
    assert_eq!(info.count_total, 1);
}
