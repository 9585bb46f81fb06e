//! Owners that are killed at random moments of all they do. `ARTIF_KILLS` and `ARTIF_SEED` ask for
//! other runs; the long one is `cargo test --test crash -- --ignored --nocapture`.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests"
)]

mod support;
#[path = "support/workload.rs"]
mod workload;

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use support::Random;
use workload::Heard;

/// What is killed, and within how many microseconds from its beginning.
const PHASES: [(&str, u64); 7] = [
    ("first open", 40_000),
    ("refresh", 30_000),
    ("checkpoint", 25_000),
    ("publish", 12_000),
    ("override", 6_000),
    ("open", 40_000),
    ("recovery", 60_000),
];

#[derive(Default)]
struct Row {
    kills: u64,
    writes: u64,
    lost: u64,
    torn: u64,
    failed: u64,
    rebuilt: u64,
}

/// Not a test of its own: the entry of the processes that are killed.
#[test]
fn part() {
    workload::work_if_asked();
}

/// Lets a process work on `root` until it is killed in `phase`.
fn kill(root: &Path, phase: &str, within: u64, random: &mut Random, heard: &mut Heard) {
    let mut child = workload::process(root, heard.begun + 1, 1 << 20)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let opening = matches!(phase, "first open" | "open" | "recovery");
    let begins = if opening { "open" } else { phase };
    let mut left = if opening { 1 } else { 1 + random.below(3) };
    let delay = Duration::from_micros(random.next() % within);
    let mut killed = false;
    // After the kill the pipe still holds what was acknowledged before it.
    for line in lines.map_while(Result::ok) {
        let begun = heard.take(&line);
        if killed || begun != Some(begins) {
            continue;
        }
        left -= 1;
        if left == 0 {
            let start = Instant::now();
            while start.elapsed() < delay {
                std::hint::spin_loop();
            }
            child.kill().unwrap();
            killed = true;
        }
    }
    child.wait().unwrap();
    assert!(killed, "the process ended by itself in {phase}: {heard:?}");
}

fn kill_and_look(kills: u64) {
    let seed = std::env::var("ARTIF_SEED").map_or(1, |text| text.parse().unwrap());
    let mut random = Random(seed);
    let mut rows: BTreeMap<&str, Row> = BTreeMap::new();
    let mut trouble = Vec::new();
    let (mut dir, mut heard) = (tempfile::tempdir().unwrap(), Heard::default());
    for round in 0..kills {
        let (phase, within) = PHASES[round as usize % PHASES.len()];
        if phase == "first open" {
            (dir, heard) = (tempfile::tempdir().unwrap(), Heard::default());
        }
        let db = dir.path().join("data/ledger/db");
        if phase == "recovery" {
            std::fs::write(&db, "what a dying disk left").unwrap();
        }
        let before = heard.writes;
        kill(dir.path(), phase, within, &mut random, &mut heard);
        let found = workload::inspect(dir.path(), &mut heard);
        let row = rows.entry(phase).or_default();
        row.kills += 1;
        row.writes += heard.writes - before;
        row.lost += found.lost.len() as u64;
        row.torn += found.torn.len() as u64;
        row.failed += found.failed.len() as u64;
        row.rebuilt += u64::from(found.rebuilt.is_some());
        // Only a ledger that was broken on purpose has to be rebuilt.
        if !found.is_clean() || found.rebuilt.is_some() && phase != "recovery" {
            trouble.push(format!("seed {seed}, round {round}, {phase}: {found:?}"));
        }
    }
    println!("killed in    kills  acknowledged  lost  torn  failed opens  rebuilt");
    let mut sum = Row::default();
    for (phase, row) in &rows {
        let Row { kills, writes, lost, torn, failed, rebuilt } = row;
        println!(
            "{phase:<12} {kills:>5} {writes:>13} {lost:>5} {torn:>5} {failed:>13} {rebuilt:>8}"
        );
        (sum.kills, sum.writes) = (sum.kills + kills, sum.writes + writes);
        (sum.lost, sum.torn, sum.failed) = (sum.lost + lost, sum.torn + torn, sum.failed + failed);
        sum.rebuilt += rebuilt;
    }
    let Row { kills: all, writes, lost, torn, failed, rebuilt } = sum;
    println!("{:<12} {all:>5} {writes:>13} {lost:>5} {torn:>5} {failed:>13} {rebuilt:>8}", "all");
    assert!(trouble.is_empty(), "{}", trouble.join("\n"));
    assert!(writes > kills, "too little work was done to lose any of it: {writes}");
}

#[test]
fn nothing_acknowledged_is_lost_wherever_the_owner_is_killed() {
    kill_and_look(std::env::var("ARTIF_KILLS").map_or(35, |text| text.parse().unwrap()));
}

#[test]
#[ignore = "takes minutes: 420 kills"]
fn nothing_acknowledged_is_lost_in_a_long_run() {
    kill_and_look(420);
}
