//! Two threads, and exchanges of the snapshot under load.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Barrier};
use std::time::Duration;

use artif_core::ledger::{Override, OverrideAction};
use artif_core::{Engine, Reader, RefreshOptions, ReputationEngine};
use cpu_time::ThreadTime;

use super::{median, ours};

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
    pub(crate) exchanges: u64,
    pub(crate) lookups: u64,
    /// The slowest lookup, in microseconds of processor time.
    pub(crate) slowest: f64,
    /// All but one of 100,000 were faster than this.
    pub(crate) usual: f64,
    pub(crate) wrong: u64,
}

/// Looks up while an engine publishes snapshots and overrides again and again.
pub(crate) fn swapped(engine: &Engine, reader: &Reader, list: &[u32], times: usize) -> Swapped {
    // What every snapshot has to say.
    let expected: Vec<u8> =
        list.iter().map(|ip| reader.check(ours::v4(*ip)).verdict() as u8).collect();
    let over = Arc::new(AtomicBool::new(false));
    let exchanges = AtomicU64::new(0);
    std::thread::scope(|scope| {
        let stop = Arc::clone(&over);
        let exchanges = &exchanges;
        scope.spawn(move || {
            // Documentation space: no question is about it.
            let network: artif_core::Prefix = "192.0.2.0/24".parse().unwrap();
            for round in 0..times {
                let options = RefreshOptions::default();
                if round % 10 == 0 {
                    let mut options = options;
                    options.force = true;
                    engine.refresh(&options).unwrap();
                }
                let entry = Override::new(network, OverrideAction::Block, chrono::Utc::now());
                engine.add_override(entry).unwrap();
                engine.remove_override(network, "").unwrap();
                reader.reload().unwrap();
                exchanges.fetch_add(1, Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(5));
            }
            stop.store(true, Ordering::Release);
        });
        let mut took: Vec<f64> = Vec::new();
        let mut wrong = 0;
        while !over.load(Ordering::Acquire) {
            for (ip, expected) in list.iter().zip(&expected) {
                let started = ThreadTime::now();
                let verdict = reader.gate(ours::v4(*ip)).verdict();
                took.push(started.elapsed().as_nanos() as f64 / 1000.0);
                wrong += u64::from(verdict as u8 != *expected);
            }
        }
        took.sort_by(f64::total_cmp);
        Swapped {
            exchanges: exchanges.load(Ordering::Relaxed),
            lookups: took.len() as u64,
            slowest: *took.last().unwrap(),
            usual: took[took.len() - 1 - took.len() / 100_000],
            wrong,
        }
    })
}
