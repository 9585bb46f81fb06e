//! Compiling a snapshot of everything with each scorer.
//!
//! ```text
//! cargo bench --bench compile
//! valgrind --tool=callgrind --toggle-collect=artif_core::snapshot::compile::compile BINARY count risk
//! ```
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::indexing_slicing, reason = "a bench")]

mod support;

use std::sync::Arc;
use std::sync::Mutex;
use std::time::Instant;

use artif_core::config::ScorerKind;
use artif_core::{
    Clock, Config, Engine, FixedClock, RefreshEvent, RefreshOptions, ReputationEngine,
};
use cpu_time::ProcessTime;
use support::Input;

const ROUNDS: usize = 7;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let input = Input::load();
    if let [mode, name, ..] = &arguments[1..]
        && mode == "count"
    {
        let kind = ScorerKind::ALL.into_iter().find(|kind| kind.name() == name).unwrap();
        // Loads everything and compiles once.
        drop(loaded(&input, kind));
        return;
    }
    let mut engines = ScorerKind::ALL.map(|kind| (loaded(&input, kind), Vec::new()));
    println!("best of {ROUNDS}, taking turns     ms of processor      wall     records      KB");
    for _ in 0..ROUNDS {
        for ((engine, clock), costs) in &mut engines {
            costs.push(compile(engine, clock));
        }
    }
    let mut best = Vec::new();
    for (kind, ((engine, _), costs)) in ScorerKind::ALL.into_iter().zip(&engines) {
        let least =
            |which: fn(&(f64, f64)) -> f64| costs.iter().map(which).fold(f64::MAX, f64::min);
        let (cpu, wall) = (least(|cost| cost.0), least(|cost| cost.1));
        let status = engine.status();
        println!(
            "{:31}{cpu:>16.0}{wall:>10.0}{:>12}{:>8}",
            kind.name(),
            status.snapshot.counts.records,
            status.snapshot.bytes / 1000,
        );
        best.push((kind, cpu));
    }
    let of = |kind| best.iter().find(|(other, _)| *other == kind).unwrap().1;
    println!("risk, of classic{:31.2}", of(ScorerKind::Risk) / of(ScorerKind::Classic));
}

/// An engine in memory with all feeds loaded.
fn loaded(input: &Input, kind: ScorerKind) -> (Engine, Arc<FixedClock>) {
    let mut config = Config::default();
    config.geo.asn = Some(input.asn.clone());
    config.geo.country = Some(input.country.clone());
    config.scoring.scorer = kind;
    let clock = Arc::new(FixedClock::new("2026-08-18T06:00:00Z".parse().unwrap()));
    let builder = Engine::builder().config(config).in_memory().clock(clock.clone());
    let builder = input.feeds().into_iter().fold(builder, artif_core::EngineBuilder::feed);
    let engine = builder.build().unwrap();
    engine.refresh(&RefreshOptions::default()).unwrap();
    (engine, clock)
}

/// Milliseconds of processor and of wall time of one compile.
fn compile(engine: &Engine, clock: &FixedClock) -> (f64, f64) {
    // So late that a new snapshot is due, though no feed changed.
    clock.set(clock.now() + chrono::Duration::hours(7));
    let started = Arc::new(Mutex::new(None));
    let at = Arc::clone(&started);
    let options = RefreshOptions::default().progress(move |event| {
        if matches!(event, RefreshEvent::Compiling) {
            *at.lock().unwrap() = Some((ProcessTime::now(), Instant::now()));
        }
    });
    engine.refresh(&options).unwrap();
    let (cpu, wall) = started.lock().unwrap().unwrap();
    (cpu.elapsed().as_secs_f64() * 1e3, wall.elapsed().as_secs_f64() * 1e3)
}
