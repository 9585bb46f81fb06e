//! A power failure at random moments, simulated: everything that an owner did to its folder is
//! noted, and undone as far as it was not synced. The long run is
//! `cargo test --test power_loss -- --ignored --nocapture`.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests"
)]

#[path = "support/powerloss/disk.rs"]
mod disk;
mod support;
#[path = "support/workload.rs"]
mod workload;

use std::path::Path;
use std::process::{Command, Stdio};

use disk::{Act, Disk, MODELS};
use support::Random;
use workload::Heard;

/// Not a test of its own: the entry of the processes whose writes are noted.
#[test]
fn part() {
    workload::work_if_asked();
}

/// The library to preload; `None` where there is no compiler for it.
fn shim(dir: &Path) -> Option<std::path::PathBuf> {
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/support/powerloss/shim.c");
    let library = dir.join("shim.so");
    let compiled = Command::new("cc")
        .args(["-shared", "-fPIC", "-O2", "-o"])
        .arg(&library)
        .arg(source)
        .args(["-ldl", "-lpthread"])
        .status();
    match compiled {
        Ok(status) => {
            assert!(status.success(), "{source} does not compile");
            Some(library)
        }
        Err(error) => {
            support::skipped(&format!("no C compiler: {error}"));
            None
        }
    }
}

/// All that processes do which open the folder one after the other.
fn noted(dir: &Path, library: &Path) -> Vec<Act> {
    let log = dir.join("log");
    for (first, turns) in [(1, 4), (5, 3), (8, 2)] {
        let status = workload::process(dir, first, turns)
            .env("LD_PRELOAD", library)
            .env("POWERLOSS_ROOT", dir.join("data"))
            .env("POWERLOSS_LOG", &log)
            .stdout(Stdio::null())
            .status()
            .unwrap();
        assert!(status.success());
    }
    disk::read_log(&log)
}

fn fail_and_look(cuts: u64) {
    let dir = tempfile::tempdir().unwrap();
    let Some(library) = shim(dir.path()) else { return };
    let acts = noted(dir.path(), &library);
    let seed = std::env::var("ARTIF_SEED").map_or(1, |text| text.parse().unwrap());
    let mut random = Random(seed);
    println!("{} acts; {cuts} power failures for each model", acts.len());
    println!("unsynced data  acknowledged  lost  torn  failed opens  rebuilt");
    let mut trouble = Vec::new();
    for model in MODELS {
        let mut counts = [0; 5];
        for _ in 0..cuts {
            let cut = random.below(acts.len());
            let (mut disk, mut printed) = (Disk::new(&dir.path().join("data")), String::new());
            for act in &acts[..cut] {
                disk.take(act);
                printed.push_str(act.printed().unwrap_or_default());
            }
            let mut heard = Heard::default();
            for line in printed.lines() {
                heard.take(line);
            }
            let left = tempfile::tempdir().unwrap();
            disk.fail(model, &mut random, &left.path().join("data"));
            let found = workload::inspect(left.path(), &mut heard);
            let rebuilt = usize::from(found.rebuilt.is_some());
            let these = [
                heard.writes as usize,
                found.lost.len(),
                found.torn.len(),
                found.failed.len(),
                rebuilt,
            ];
            for (count, one) in counts.iter_mut().zip(these) {
                *count += one;
            }
            if !found.is_clean() {
                trouble.push(format!("seed {seed}, {model:?}, act {cut}: {found:?}"));
            }
        }
        let [writes, lost, torn, failed, rebuilt] = counts;
        println!("{model:<13?} {writes:>13} {lost:>5} {torn:>5} {failed:>13} {rebuilt:>8}");
        assert!(writes as u64 > cuts, "too little was acknowledged to lose any of it");
    }
    assert!(trouble.is_empty(), "{}", trouble.join("\n"));
}

#[test]
fn nothing_acknowledged_is_lost_when_the_power_fails() {
    fail_and_look(8);
}

#[test]
#[ignore = "takes minutes: 4 models, 100 failures each"]
fn nothing_acknowledged_is_lost_in_many_power_failures() {
    fail_and_look(100);
}
