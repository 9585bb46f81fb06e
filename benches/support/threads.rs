//! Two threads, and exchanges of the snapshot under load.

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};

use artif_core::ledger::{Override, OverrideAction};
use artif_core::{Feed, Reader, RefreshOptions, ReputationEngine};
use cpu_time::ThreadTime;

use super::{Input, median, ours};

/// Nanoseconds of processor time a lookup, in a thread alone and in each of two at once. That is what
/// threads take from each other, whatever else the machine runs.
pub(crate) fn alone_and_together(
    list: &[u32],
    ask: impl Fn(u32) -> u64 + Sync,
    rounds: usize,
) -> [f64; 2] {
    let pass = || {
        let started = ThreadTime::now();
        let sum = list.iter().fold(0_u64, |sum, ip| sum.wrapping_add(ask(*ip)));
        std::hint::black_box(sum);
        started.elapsed().as_nanos() as f64 / list.len() as f64
    };
    let (mut alone, mut together) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        alone.push(pass());
        let barrier = Barrier::new(2);
        let both = || {
            barrier.wait();
            pass()
        };
        let times = std::thread::scope(|scope| {
            let other = scope.spawn(both);
            [both(), other.join().unwrap()]
        });
        together.extend(times);
    }
    [median(alone), median(together)]
}

/// What happened while snapshots and overrides were exchanged.
pub(crate) struct Swapped {
    pub(crate) snapshots: usize,
    pub(crate) lookups: usize,
    /// The slowest lookup, in microseconds of processor time.
    pub(crate) slowest: f64,
    /// The slowest of as many while nothing is exchanged: what the machine and the clock add.
    pub(crate) slowest_undisturbed: f64,
    pub(crate) wrong: u64,
}

/// Looks up while an engine publishes snapshots, and overrides between them.
pub(crate) fn swapped(input: &Input, list: &[u32], snapshots: usize) -> Swapped {
    let dir = tempfile::tempdir().unwrap();
    let own = dir.path().join("own.txt");
    std::fs::write(&own, "93.184.216.1\n").unwrap();
    let mut feeds = input.feeds();
    feeds.push(Feed::new("own", &format!("file:{}", own.display())).unwrap());
    let data = dir.path().join("data");
    let engine = super::ingest::engine_of(input, &feeds, &data);
    engine.refresh(&RefreshOptions::default()).unwrap();
    let reader = Reader::open(&data).unwrap();
    // What every snapshot has to say; only of the list of its own do they differ.
    let list: Vec<u32> = list.iter().copied().filter(|ip| ip >> 8 != 0x005d_b8d8).collect();
    let expected: Vec<u8> =
        list.iter().map(|ip| reader.gate(ours::v4(*ip)).verdict() as u8).collect();
    let lookups = |took: &mut Vec<f64>| {
        let mut wrong = 0;
        for (ip, expected) in list.iter().zip(&expected) {
            let started = ThreadTime::now();
            let verdict = reader.gate(ours::v4(*ip)).verdict();
            took.push(started.elapsed().as_nanos() as f64 / 1000.0);
            wrong += u64::from(verdict as u8 != *expected);
        }
        wrong
    };
    let over = AtomicBool::new(false);
    let (mut took, mut wrong) = (Vec::new(), 0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // Documentation space: no question is about it.
            let network: artif_core::Prefix = "192.0.2.0/24".parse().unwrap();
            for round in 0..snapshots {
                let text = format!("93.184.216.1\n93.184.216.{}\n", 2 + round);
                std::fs::write(&own, text).unwrap();
                assert!(engine.refresh(&RefreshOptions::default()).unwrap().published);
                reader.reload().unwrap();
                let entry = Override::new(network, OverrideAction::Block, chrono::Utc::now());
                engine.add_override(entry).unwrap();
                reader.reload().unwrap();
            }
            over.store(true, Ordering::Release);
        });
        while !over.load(Ordering::Acquire) {
            wrong += lookups(&mut took);
        }
    });
    let mut undisturbed = Vec::new();
    while undisturbed.len() < took.len() {
        lookups(&mut undisturbed);
    }
    let slowest = |took: &[f64]| took.iter().copied().fold(0.0, f64::max);
    Swapped {
        snapshots,
        lookups: took.len(),
        slowest: slowest(&took),
        slowest_undisturbed: slowest(&undisturbed),
        wrong,
    }
}
