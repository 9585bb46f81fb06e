//! An owner's memory over many refreshes: it follows what is listed, not how often it was refreshed.
//! `ARTIF_REFRESHES` asks for another number; the long run prints the curve:
//! `cargo test --release --test memory -- --ignored --nocapture`.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "tests"
)]

mod support;

use std::fmt::Write as _;
use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

use artif_core::{Config, Engine, Feed, RefreshOptions, ReputationEngine as _};
use support::{Random, clock, time};

const FEEDS: u64 = 3;

/// A quarter of it is of this turn only, and comes back seven turns later.
fn write_list(path: &Path, feed: u64, turn: u64, size: usize) {
    let mut text = String::new();
    for (seed, count) in [(feed, size / 4 * 3), (1000 + feed * 100 + turn % 7, size / 4)] {
        let mut random = Random(seed);
        for _ in 0..count {
            let host = 0x1400_0000 | (random.next() as u32 & 0x3ff_ffff);
            writeln!(text, "{}", Ipv4Addr::from(host)).unwrap();
        }
    }
    std::fs::write(path, text).unwrap();
}

/// Kilobytes that are the process's own: resident, and the most there ever were.
fn memory() -> (u64, u64) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let number = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.split_whitespace().next().unwrap().parse().unwrap()
    };
    (number("RssAnon:"), number("VmHWM:"))
}

/// Refreshes once a day by the clock, with a history of ten days; gives the memory after each.
fn refresh_often(refreshes: u64, size: usize) -> Vec<u64> {
    let dir = tempfile::tempdir().unwrap();
    let clock = clock("2026-01-01T00:00:00Z");
    let config = Config::from_toml("[history]\nwindow = '3d'\nretention = '10d'").unwrap();
    let mut builder = Engine::builder().config(config).data(dir.path().join("data"));
    let list = |feed: u64| dir.path().join(format!("{feed}.txt"));
    for feed in 0..FEEDS {
        let url = format!("file:{}", list(feed).display());
        builder = builder.feed(Feed::new(&format!("feed-{feed}"), &url).unwrap());
    }
    let engine = builder.clock(clock.clone()).build().unwrap();
    println!("refresh   own memory   peak   listed   ended   ledger on disk   (MB, thousands)");
    let mut curve = Vec::new();
    for turn in 0..refreshes {
        for feed in 0..FEEDS {
            write_list(&list(feed), feed, turn, size);
        }
        clock.set(time("2026-01-01T00:00:00Z") + Duration::from_secs(86_400 * turn));
        let report = engine.refresh(&RefreshOptions::default()).unwrap();
        assert!(report.published && report.feeds.iter().all(|feed| feed.error.is_none()));
        let (own, peak) = memory();
        curve.push(own);
        if turn % (refreshes / 10).max(1) == 0 || turn + 1 == refreshes {
            let ledger = engine.status().ledger.unwrap();
            println!(
                "{turn:>7} {:>12.1} {:>6.0} {:>8} {:>7} {:>16.1}",
                own as f64 / 1e3,
                peak as f64 / 1e3,
                ledger.active / 1000,
                ledger.ended / 1000,
                ledger.disk_bytes as f64 / 1e6
            );
        }
    }
    curve
}

/// Whether the last third of a curve lies above its middle third.
fn grows(curve: &[u64]) -> String {
    let third = curve.len() / 3;
    let most = |part: &[u64]| part.iter().max().copied().unwrap();
    let (middle, last) = (most(&curve[third..2 * third]), most(&curve[2 * third..]));
    println!("most in the middle third {middle} kB, in the last {last} kB");
    if last > middle + middle / 4 + 8192 {
        format!("{middle} kB, then {last} kB")
    } else {
        String::new()
    }
}

#[test]
fn memory_does_not_grow_with_the_number_of_refreshes() {
    let refreshes = std::env::var("ARTIF_REFRESHES").map_or(60, |text| text.parse().unwrap());
    assert_eq!(grows(&refresh_often(refreshes, 4_000)), "");
}

#[test]
#[ignore = "takes minutes, and prints a curve"]
fn memory_does_not_grow_in_many_large_refreshes() {
    let refreshes = std::env::var("ARTIF_REFRESHES").map_or(200, |text| text.parse().unwrap());
    assert_eq!(grows(&refresh_often(refreshes, 200_000)), "");
}
