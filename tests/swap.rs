//! Lookups while everything they look at is exchanged as fast as it can be: each answer has to be of
//! one generation, whole, and of none older than what was seen before. `ARTIF_TURNS` asks for
//! another number of snapshots; the long run is `cargo test --release --test swap -- --ignored
//! --nocapture`.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::format_collect,
    reason = "tests"
)]

mod support;

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use artif_core::ledger::{Override, OverrideAction};
use artif_core::{
    Addresses, AnswerColumns, Config, Engine, Feed, Gate, Prefix, Prefix4, Reader, RefreshOptions,
    ReputationEngine, Verdict,
};
use support::Random;

const ADDRESSES: u32 = 64;
const FEEDS: u64 = 3;
const OVERRIDDEN: u64 = 16;

fn address(number: u32) -> IpAddr {
    // Of several /16s, /24s and lines of the index.
    Ipv4Addr::from(0x1400_0000 | (number % 8) << 16 | (number * 37)).into()
}

/// Whether a feed lists an address in a generation.
fn lists(feed: u64, number: u32, generation: u64) -> bool {
    Random(generation << 32 | feed << 24 | u64::from(number)).next() & 1 == 1
}

fn write_lists(dir: &Path, generation: u64) {
    for feed in 0..FEEDS {
        let listed = (0..ADDRESSES).filter(|number| lists(feed, *number, generation));
        // So that no list is ever empty or much smaller than the one before.
        let lines =
            listed.map(address).chain((0..200_u32).map(|n| Ipv4Addr::from(0x1700_0000 | n).into()));
        let text: String = lines.map(|ip: IpAddr| format!("{ip}\n")).collect();
        std::fs::write(dir.join(format!("{feed}.txt")), text).unwrap();
    }
}

/// The feeds that list an address by an answer; of one that is not listed it names those of before.
fn listing<H: artif_core::Held>(answer: &artif_core::Reputation<H>) -> Vec<String> {
    if !answer.is_active() {
        return Vec::new();
    }
    answer.feeds().map(|feed| feed.id.clone()).collect()
}

/// The feeds that list an address in a generation.
fn expected(number: u32, generation: u64) -> Vec<String> {
    let feeds = (0..FEEDS).filter(|feed| lists(*feed, number, generation));
    feeds.map(|feed| format!("feed-{feed}")).collect()
}

/// Asks in every way there is until told to stop; gives the number of answers, and of generations.
fn ask(
    engine: &dyn ReputationEngine,
    mut pin: artif_core::Pinned,
    seed: u64,
    stop: &AtomicBool,
) -> (u64, u64) {
    let (mut random, mut last, mut answers, mut seen) = (Random(seed), 0, 0, 0);
    let all: Vec<IpAddr> = (0..ADDRESSES).map(address).collect();
    let mut later = |generation: u64| {
        assert!(generation >= last, "generation {generation} after {last}");
        seen += u64::from(generation > last);
        last = generation;
    };
    // What was answered keeps its generation, however many come after it.
    let mut kept = None;
    while !stop.load(Ordering::Relaxed) {
        let number = random.below(ADDRESSES as usize) as u32;
        let answer = engine.check(address(number));
        later(answer.snapshot_id());
        assert_eq!(listing(&answer), expected(number, answer.snapshot_id()), "check, {number}");
        if answers % 4096 == 0
            && let Some((number, old)) = kept.replace((number, answer))
        {
            assert_eq!(listing(&old), expected(number, old.snapshot_id()), "kept, {number}");
        }
        for (number, answer) in (0..).zip(engine.check_many(&all)) {
            later(answer.snapshot_id());
            assert_eq!(listing(&answer), expected(number, answer.snapshot_id()), "many, {number}");
        }
        pin.renew();
        let generation = pin.snapshot_id();
        let (mut scores, mut verdicts) = (vec![0.0; all.len()], vec![0; all.len()]);
        let mut columns = AnswerColumns::new().score(&mut scores).verdict(&mut verdicts);
        pin.check_into(Addresses::Ip(&all), &mut columns).unwrap();
        for (number, ip) in (0..).zip(&all) {
            let answer = pin.check(*ip);
            assert_eq!(answer.snapshot_id(), generation, "a pinned handle moved by itself");
            assert_eq!(listing(&answer), expected(number, generation), "pinned, {number}");
            assert_eq!(pin.gate(*ip), Gate::of(&answer), "gate, {number}");
            let place = number as usize;
            assert!((scores[place] - answer.score()).abs() < 1e-3, "columns, {number}");
            assert_eq!(verdicts[place], answer.verdict() as u8, "columns, {number}");
        }
        answers += 1 + 2 * u64::from(ADDRESSES);
    }
    (answers, seen)
}

fn overridden(number: u64) -> (Prefix, IpAddr) {
    let host = 0x0900_0000 | number as u32;
    (Prefix::V4(Prefix4::host(host)), Ipv4Addr::from(host).into())
}

/// Changes overrides, each of which counts as soon as it is acknowledged, until told to stop.
fn change_overrides(engine: &Engine, stop: &AtomicBool) -> u64 {
    let mut random = Random(5);
    let mut said = vec![None; OVERRIDDEN as usize];
    let mut changes = 0;
    while !stop.load(Ordering::Relaxed) {
        let number = random.next() % OVERRIDDEN;
        let (prefix, _) = overridden(number);
        let action = match random.below(3) {
            0 => None,
            1 => Some(OverrideAction::Allow),
            _ => Some(OverrideAction::Block),
        };
        if let Some(action) = action {
            engine.add_override(Override::new(prefix, action, chrono::Utc::now())).unwrap();
        } else {
            let was = engine.remove_override(prefix, "test").unwrap();
            assert_eq!(was, said[number as usize].is_some());
        }
        said[number as usize] = action;
        changes += 1;
        for (number, said) in (0..).zip(&said) {
            let verdict = engine.check(overridden(number).1).verdict();
            let right = match said {
                Some(OverrideAction::Allow) => verdict == Verdict::Allowed,
                Some(OverrideAction::Block) => verdict == Verdict::Blocked,
                None => !matches!(verdict, Verdict::Allowed | Verdict::Blocked),
            };
            assert!(right, "override {number} is {said:?}, the verdict {verdict}");
        }
    }
    changes
}

fn exchange(turns: u64, askers: u64) {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let config = "[signals.spam]\ndanger = 1.0\n[guard]\nmin_share = 0.0";
    let mut builder = Engine::builder().config(Config::from_toml(config).unwrap()).data(&data);
    for feed in 0..FEEDS {
        let url = format!("file:{}", dir.path().join(format!("{feed}.txt")).display());
        builder = builder.feed(Feed::new(&format!("feed-{feed}"), &url).unwrap());
    }
    let engine = builder.build().unwrap();
    let refresh = |generation: u64| {
        write_lists(dir.path(), generation);
        let report = engine.refresh(&RefreshOptions::default()).unwrap();
        assert_eq!((report.snapshot.id, report.published), (generation, true), "{report:?}");
    };
    refresh(1);
    let reader = Reader::open(&data).unwrap();
    let (stop, reports) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        // Whatever fails: the others are to end, too.
        struct Stop<'a>(&'a AtomicBool);
        impl Drop for Stop<'_> {
            fn drop(&mut self) {
                self.0.store(true, Ordering::Relaxed);
            }
        }
        let (engine, reader, stop, reports) = (&engine, &reader, &stop, &reports);
        let asking: Vec<_> = (0..askers)
            .map(|seed| {
                scope.spawn(move || {
                    let _stop = Stop(stop);
                    if seed % 2 == 0 {
                        ask(engine, engine.pin(), seed, stop)
                    } else {
                        ask(reader, reader.pin(), seed, stop)
                    }
                })
            })
            .collect();
        scope.spawn(move || {
            let _stop = Stop(stop);
            while !stop.load(Ordering::Relaxed) {
                // CURRENT may name a snapshot that is gone by now; the next call finds another.
                let _ = reader.reload();
            }
        });
        scope.spawn(move || {
            let _stop = Stop(stop);
            let ip = "30.0.0.1".parse().unwrap();
            while !stop.load(Ordering::Relaxed) {
                assert!(engine.signal(ip, "spam").unwrap());
                reports.fetch_add(1, Ordering::Relaxed);
                assert!(engine.signals(ip).iter().any(|signal| signal.count > 0.5));
                std::thread::yield_now();
            }
        });
        let changing = scope.spawn(move || {
            let _stop = Stop(stop);
            change_overrides(engine, stop)
        });
        let ending = Stop(stop);
        for generation in 2..=turns {
            if stop.load(Ordering::Relaxed) {
                break;
            }
            refresh(generation);
        }
        drop(ending);
        let asked: Vec<(u64, u64)> =
            asking.into_iter().map(|asker| asker.join().unwrap()).collect();
        let answers: u64 = asked.iter().map(|(answers, _)| answers).sum();
        let changes = changing.join().unwrap();
        println!(
            "{turns} snapshots, {changes} overrides, {} signals; {answers} answers by {askers} \
             threads, which saw {:?} of the snapshots",
            reports.load(Ordering::Relaxed),
            asked.iter().map(|(_, seen)| seen).collect::<Vec<_>>()
        );
        assert!(changes > 0 && asked.iter().all(|(answers, seen)| *answers > 0 && *seen > 1));
    });
    reader.reload().unwrap();
    assert_eq!(reader.pin().snapshot_id(), turns);
}

#[test]
fn every_answer_is_of_one_generation() {
    exchange(std::env::var("ARTIF_TURNS").map_or(60, |text| text.parse().unwrap()), 4);
}

#[test]
#[ignore = "takes minutes: 3,000 snapshots"]
fn every_answer_is_of_one_generation_for_long() {
    exchange(std::env::var("ARTIF_TURNS").map_or(3000, |text| text.parse().unwrap()), 6);
}
