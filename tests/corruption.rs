//! Files of the data folder that are cut, flipped or zeroed, each in turn: whoever opens the folder
//! says so, answers as before, and has the whole again. The long run is
//! `cargo test --test corruption -- --ignored --nocapture`.
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
use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

use artif_core::ledger::{Override, OverrideAction};
use artif_core::{Reader, RefreshOptions, ReputationEngine as _, Verdict};
use support::Random;
use workload::Heard;

const TURNS: u64 = 4;
/// Far more than opening takes on any machine: what takes longer hangs.
const HANGS: Duration = Duration::from_secs(300);

/// A folder as a service leaves it: after some refreshes, and overrides before and after the last.
fn sample() -> (tempfile::TempDir, Heard) {
    let (dir, mut heard) = (tempfile::tempdir().unwrap(), Heard::default());
    let engine = workload::builder(dir.path()).build().unwrap();
    for turn in 1..=TURNS {
        workload::write_lists(dir.path(), turn);
        let report = engine.refresh(&RefreshOptions::default()).unwrap();
        (heard.turn, heard.begun, heard.snapshot) = (Some(turn), turn, report.snapshot.id);
        for number in turn * 10..turn * 10 + 3 {
            let now = chrono::Utc::now();
            let entry = Override::new(workload::overridden(number), OverrideAction::Block, now);
            engine.add_override(entry).unwrap();
            heard.overrides.insert(number);
        }
        let gone = turn * 10 + 1;
        assert!(engine.remove_override(workload::overridden(gone), "test").unwrap());
        heard.overrides.remove(&gone);
    }
    (dir, heard)
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        if entry.path().is_dir() {
            files(&entry.path(), found);
        } else if entry.metadata().unwrap().len() > 0 {
            found.push(entry.path());
        }
    }
    found.sort();
}

/// What kind of file it is: its name without numbers.
fn kind(path: &Path, data: &Path) -> String {
    let name = path.strip_prefix(data).unwrap().to_str().unwrap();
    let name = name.split(['-', '.']).next().unwrap().to_owned();
    if name == "overrides" { "overrides.log".to_owned() } else { name }
}

/// Cuts, flips a bit of, or zeroes a page of a file; says what.
fn damage(path: &Path, random: &mut Random) -> String {
    let mut bytes = fs::read(path).unwrap();
    // A file may end in a stretch of zeroes; what is before it is worth aiming at.
    let used = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last) + 1;
    let at = random.below(used);
    let what = match random.below(3) {
        0 => {
            bytes.truncate(at);
            "cut"
        }
        1 => {
            bytes[at] ^= 1 << random.below(8);
            "flipped"
        }
        _ => {
            let end = bytes.len().min(at + 4096);
            bytes[at..end].fill(0);
            "zeroed"
        }
    };
    // In place of the old one: a disk gives other bytes when it is read anew, it does not take
    // those back that are mapped.
    let beside = path.with_extension("beside");
    fs::write(&beside, bytes).unwrap();
    fs::rename(beside, path).unwrap();
    format!("{} {what} at {at} of {used}", path.display())
}

/// Some answers, and whether they are those of the sample.
fn answers(engine: &dyn artif_core::ReputationEngine, heard: &Heard) -> bool {
    let listed = workload::list(2, TURNS).into_iter().step_by(50);
    let active = listed.map(|host| engine.check(Ipv4Addr::from(host).into()).is_active());
    let blocks = |number: &u64| {
        let ip: IpAddr = workload::overridden(*number).address();
        engine.check(ip).verdict() == Verdict::Blocked
    };
    active.fold(true, |all, one| all & one) & heard.overrides.iter().all(blocks)
}

#[derive(Default)]
struct Row {
    cases: u64,
    refused: u64,
    reported: u64,
    wrong: u64,
}

/// One damage, from the reader that was there before it to the owner that comes after.
fn go_through(
    root: &Path,
    heard: &mut Heard,
    random: &mut Random,
    target: &Path,
) -> (String, bool, bool) {
    let data = root.join("data");
    let before = Reader::open(&data).unwrap();
    let what = damage(target, random);
    // What is open goes on as it was, whatever the folder looks like.
    assert!(answers(&before, heard), "{what}: an open reader answers otherwise");
    // Who opens it now is refused, or answers something: it does not fall.
    let refused = match Reader::open(&data) {
        Ok(reader) => {
            let _ = answers(&reader, heard);
            false
        }
        Err(error) => {
            assert!(!error.to_string().is_empty(), "{what}");
            true
        }
    };
    let engine =
        workload::builder(root).build().unwrap_or_else(|error| panic!("{what}: {error:?}"));
    let problems = engine.status().problems;
    let is_told = |problem: &String| !problem.contains("database");
    let reported = problems.iter().any(is_told);
    assert!(answers(&engine, heard), "{what}: {problems:?}");
    assert!(answers(&before, heard), "{what}: an open reader answers otherwise later");
    let kept = Reader::open(&data).unwrap_or_else(|error| panic!("{what}: {error} after mending"));
    assert!(answers(&kept, heard), "{what}: wrong after mending");
    drop((before, kept, engine));
    // Whole, and whole for good.
    let found = workload::inspect(root, heard);
    assert!(found.is_clean() && found.rebuilt.is_none(), "{what}: {found:?} {problems:?}");
    let again = workload::builder(root).build().unwrap().status().problems;
    assert!(!again.iter().any(is_told), "{what}: mended, and yet {again:?}");
    (what, refused, reported)
}

fn damage_and_look(cases: usize) {
    let (sample, heard) = sample();
    let mut random = Random(std::env::var("ARTIF_SEED").map_or(1, |text| text.parse().unwrap()));
    let mut rows: BTreeMap<String, Row> = BTreeMap::new();
    for case in 0..cases {
        let dir = tempfile::tempdir().unwrap();
        support::copy_folder(sample.path(), dir.path());
        let data = dir.path().join("data");
        let mut targets = Vec::new();
        files(&data, &mut targets);
        // Every kind of file as often as any other.
        let mut kinds: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
        for path in targets {
            kinds.entry(kind(&path, &data)).or_default().push(path);
        }
        if case == 0 {
            println!("{:?}", kinds.keys().collect::<Vec<_>>());
        }
        let (kind, paths) = kinds.iter().nth(case % kinds.len()).unwrap();
        let (kind, target) = (kind.clone(), paths[random.below(paths.len())].clone());
        let (done, waiting) = mpsc::channel();
        let (mut heard, seed) = (heard.clone(), random.next());
        let run = move || {
            let result = go_through(dir.path(), &mut heard, &mut Random(seed), &target);
            let _ = done.send(result);
        };
        let run = std::thread::spawn(run);
        let result = waiting.recv_timeout(HANGS);
        let row = rows.entry(kind.clone()).or_default();
        row.cases += 1;
        match result {
            Ok((_, refused, reported)) => {
                row.refused += u64::from(refused);
                row.reported += u64::from(reported);
            }
            Err(mpsc::RecvTimeoutError::Timeout) => panic!("{kind}: no end"),
            // It has printed why.
            Err(mpsc::RecvTimeoutError::Disconnected) => {
                assert!(run.join().is_err());
                row.wrong += 1;
            }
        }
    }
    println!("file           damages  readers refused  told in status  wrong or lost");
    let mut wrong = 0;
    for (kind, row) in &rows {
        let Row { cases, refused, reported, wrong: bad } = row;
        println!("{kind:<14} {cases:>7} {refused:>16} {reported:>15} {bad:>14}");
        wrong += bad;
        if ["snapshot", "checkpoint", "CURRENT", "OVERRIDES"].contains(&kind.as_str()) {
            assert!(*reported > 0, "no damage to {kind} was told");
        }
    }
    println!("{cases} damages, {wrong} of them wrong or lost");
    assert_eq!(wrong, 0);
}

#[test]
fn every_file_may_be_damaged() {
    damage_and_look(55);
}

#[test]
#[ignore = "takes minutes: 550 damages"]
fn every_file_may_be_damaged_many_times() {
    damage_and_look(550);
}
