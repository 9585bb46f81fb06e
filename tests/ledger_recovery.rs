//! A ledger that is damaged, rolled back, or whose process is killed comes back complete, or says
//! what it came back from. `ARTIF_KILLS` and `ARTIF_DAMAGES` ask for longer runs.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests"
)]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use artif_core::ledger::{
    Generation, Ledger, LedgerOptions, MemoryStore, Override, OverrideAction, OverrideChange,
    OverrideLog, Recovery, Store, Validators,
};
use artif_core::{FeedId, Prefix, Prefix4, PrefixSet};

/// A small, well-known generator: the same numbers in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.0 >> 33) % sides
    }
}

fn asked(variable: &str, default: u64) -> u64 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn open(dir: &Path) -> Ledger {
    Ledger::open(dir, &LedgerOptions::default()).unwrap()
}

fn recovery(ledger: &Ledger) -> Option<Recovery> {
    ledger.store().status().unwrap().recovery
}

fn feed(number: u64) -> FeedId {
    format!("feed-{number}").parse().unwrap()
}

/// What feed `number` lists in its generation `generation`: most of it the same each time.
fn list(number: u64, generation: u64) -> PrefixSet {
    let mut dice = Dice(number);
    let count = 300 << number;
    let hosts = (0..count).map(|_| (dice.roll(1 << 31) as u32) << 1);
    let mut hosts: Vec<Prefix4> = hosts.map(Prefix4::host).collect();
    let mut dice = Dice(generation);
    for _ in 0..count / 10 {
        let at = dice.roll(hosts.len() as u64) as usize;
        hosts[at] = Prefix4::host((dice.roll(1 << 31) as u32) << 1 | 1);
    }
    PrefixSet::new(hosts, Vec::new())
}

fn commit(ledger: &Ledger, number: u64, generation: u64) {
    let (id, list, validators) = (feed(number), list(number, generation), Validators::default());
    let at = 1_700_000_000 + generation as u32 * 1000;
    let done = ledger.store().commit(Generation::new(&id, at, &list, &validators)).unwrap();
    assert!(done.added + done.unchanged == list.len() as u64);
}

fn host(number: u64) -> Prefix {
    Prefix::V4(Prefix4::host(number as u32))
}

fn block(number: u64) -> Override {
    Override::new(host(number), OverrideAction::Block, chrono::DateTime::UNIX_EPOCH).reason("test")
}

fn overrides(ledger: &Ledger) -> BTreeSet<Prefix> {
    ledger.store().overrides().unwrap().iter().map(|entry| entry.prefix).collect()
}

/// A folder with two checkpoints, commits and overrides after them.
struct Sample {
    dir: tempfile::TempDir,
    /// Digest of all of it.
    digest: u128,
    /// Digest of what each checkpoint and the override log hold together, newest first.
    rebuilt: Vec<u128>,
}

fn sample() -> Sample {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    let mut checkpoints = Vec::new();
    for generation in 1..=4 {
        for number in 0..3 {
            commit(&ledger, number, generation);
        }
        ledger.put_override(&block(generation)).unwrap();
        if generation < 3 {
            checkpoints.insert(0, ledger.checkpoint().unwrap());
        }
    }
    ledger.remove_override(host(3), "ana", chrono::DateTime::UNIX_EPOCH).unwrap();
    ledger.store().sync().unwrap();
    let digest = ledger.store().digest();
    let changes = OverrideLog::open(dir.path()).unwrap().read_after(0).unwrap();
    assert!(changes.len() >= 3, "{changes:?}");
    let rebuilt = checkpoints.iter().map(|path| {
        let memory = MemoryStore::import(&mut fs::read(path).unwrap().as_slice()).unwrap();
        memory.absorb(&changes).unwrap();
        memory.digest()
    });
    let rebuilt = rebuilt.collect();
    drop(ledger);
    Sample { dir, digest, rebuilt }
}

fn copied(sample: &Sample) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    support::copy_folder(sample.dir.path(), dir.path());
    dir
}

fn files(dir: &Path, starts: &str) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with(starts))
        .collect();
    found.sort();
    found
}

/// Cuts the file, flips a bit, or zeroes a page of it.
fn damage(path: &Path, dice: &mut Dice) -> String {
    let mut bytes = fs::read(path).unwrap();
    // sled's file ends in a stretch of zeroes; what is before it is worth aiming at.
    let used = bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last as u64) + 1;
    let at = dice.roll(used) as usize;
    let what = match dice.roll(3) {
        0 => {
            bytes.truncate(at);
            "cut"
        }
        1 => {
            bytes[at] ^= 1 << dice.roll(8);
            "flipped"
        }
        _ => {
            let end = bytes.len().min(at + 4096);
            bytes[at..end].fill(0);
            "zeroed"
        }
    };
    fs::write(path, bytes).unwrap();
    format!("{} {what} at {at} of {used}", path.display())
}

/// The ledger is as it was, or rebuilt and says so.
fn check(sample: &Sample, dir: &Path, what: &str, rebuilt: u128) -> bool {
    let ledger = open(dir);
    let recovered = recovery(&ledger);
    let expected = if recovered.is_some() { rebuilt } else { sample.digest };
    assert_eq!(ledger.store().digest(), expected, "{what}: {recovered:?}");
    let memory = {
        let mut bytes = Vec::new();
        ledger.store().export(&mut bytes).unwrap();
        MemoryStore::import(&mut bytes.as_slice()).unwrap()
    };
    assert_eq!(memory.digest(), expected, "{what}");
    if let Some(recovery) = &recovered {
        assert!(recovery.quarantined.as_ref().is_none_or(|path| path.is_dir()), "{what}");
    }
    commit(&ledger, 1, 9);
    ledger.checkpoint().unwrap();
    drop(ledger);
    assert_eq!(recovery(&open(dir)), None, "{what}: mended for good");
    recovered.is_some()
}

#[test]
fn damaged_files_are_noticed_and_rebuilt() {
    let sample = sample();
    let mut dice = Dice(7);
    let mut rebuilt = 0;
    let cases = asked("ARTIF_DAMAGES", 36);
    for case in 0..cases {
        let dir = copied(&sample);
        let ledger = dir.path().join("ledger");
        let target = match case % 6 {
            0 => files(&ledger, "snap.").pop().unwrap(),
            1 => ledger.join("conf"),
            _ => ledger.join("db"),
        };
        let what = damage(&target, &mut dice);
        rebuilt += u64::from(check(&sample, dir.path(), &what, sample.rebuilt[0]));
    }
    assert!(rebuilt > cases / 3, "{rebuilt} of {cases} had to be rebuilt");
}

#[test]
fn missing_files_are_noticed_and_rebuilt() {
    let sample = sample();
    for name in ["snap.", "conf", "db", "", "snap.+db", "empty"] {
        let dir = copied(&sample);
        let ledger = dir.path().join("ledger");
        match name {
            "" => fs::remove_dir_all(&ledger).unwrap(),
            "empty" => {
                fs::remove_dir_all(&ledger).unwrap();
                fs::create_dir(&ledger).unwrap();
            }
            _ => {
                for name in name.split('+') {
                    for path in files(&ledger, name) {
                        fs::remove_file(path).unwrap();
                    }
                }
            }
        }
        check(&sample, dir.path(), name, sample.rebuilt[0]);
    }
}

#[test]
fn a_crash_while_opening_costs_nothing() {
    let sample = sample();
    let dir = copied(&sample);
    fs::write(dir.path().join("ledger/snap.7FFFFFFFFFFFFFFF.generating"), "half").unwrap();
    fs::create_dir(dir.path().join("ledger.new")).unwrap();
    assert!(!check(&sample, dir.path(), "crash while opening", 0));
}

#[test]
fn a_broken_checkpoint_falls_back_to_the_one_before_without_losing_an_override() {
    let sample = sample();
    let mut dice = Dice(3);
    for _ in 0..asked("ARTIF_DAMAGES", 36) / 6 {
        let dir = copied(&sample);
        let mut checkpoints = files(dir.path(), "checkpoint-");
        checkpoints.sort_by_key(|path| (path.to_str().unwrap().len(), path.clone()));
        let what = damage(&checkpoints.pop().unwrap(), &mut dice);
        fs::write(dir.path().join("ledger/db"), "nonsense").unwrap();
        assert!(check(&sample, dir.path(), &what, sample.rebuilt[1]), "{what}");
        // The second came between the checkpoints: only the log still has it for the older one.
        assert_eq!(overrides(&open(dir.path())), [host(1), host(2), host(4)].into(), "{what}");
    }
}

#[test]
fn a_broken_checkpoint_alone_harms_nothing() {
    let sample = sample();
    let dir = copied(&sample);
    for path in files(dir.path(), "checkpoint-") {
        damage(&path, &mut Dice(1));
    }
    assert!(!check(&sample, dir.path(), "checkpoints", 0));
}

#[test]
fn without_any_checkpoint_only_logged_overrides_come_back() {
    let sample = sample();
    let dir = copied(&sample);
    for path in files(dir.path(), "checkpoint-") {
        fs::remove_file(path).unwrap();
    }
    fs::write(dir.path().join("ledger/db"), "nonsense").unwrap();
    let ledger = open(dir.path());
    let recovery = recovery(&ledger).unwrap();
    assert_eq!(recovery.checkpoint, None);
    assert!(recovery.overrides_replayed > 0);
    assert_eq!(ledger.store().heads().unwrap(), []);
    assert!(overrides(&ledger).is_superset(&[host(2), host(4)].into()));
}

#[test]
fn a_store_older_than_a_checkpoint_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    commit(&ledger, 0, 1);
    drop(ledger);
    let old = tempfile::tempdir().unwrap();
    support::copy_folder(&dir.path().join("ledger"), &old.path().join("ledger"));
    let ledger = open(dir.path());
    commit(&ledger, 0, 2);
    ledger.checkpoint().unwrap();
    let (digest, sequence) = (ledger.store().digest(), ledger.store().sequence());
    drop(ledger);
    fs::remove_dir_all(dir.path().join("ledger")).unwrap();
    support::copy_folder(&old.path().join("ledger"), &dir.path().join("ledger"));
    let ledger = open(dir.path());
    assert!(recovery(&ledger).unwrap().reason.contains("sequence"));
    assert_eq!(ledger.store().digest(), digest);
    assert!(ledger.store().sequence() > sequence, "numbers are not used twice");
}

#[test]
fn damage_under_a_running_ledger_is_mended_by_the_next_call() {
    let dir = tempfile::tempdir().unwrap();
    // So little cache, and so much content, that reads go to the file.
    let options = LedgerOptions::default().cache_bytes(1 << 16);
    let ledger = Ledger::open(dir.path(), &options).unwrap();
    commit(&ledger, 8, 1);
    commit(&ledger, 9, 1);
    ledger.checkpoint().unwrap();
    let digest = ledger.store().digest();
    let db = dir.path().join("ledger/db");
    let bytes = fs::read(&db).unwrap();
    fs::write(&db, vec![0; bytes.len()]).unwrap();
    let export = || ledger.store().export(&mut Vec::new());
    assert!(export().is_err(), "zeroes are no ledger");
    export().unwrap();
    assert_eq!(ledger.store().digest(), digest);
    assert!(recovery(&ledger).is_some());
    commit(&ledger, 8, 2);
}

#[test]
fn a_torn_override_log_loses_only_what_was_never_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    ledger.put_override(&block(1)).unwrap();
    drop(ledger);
    let log = dir.path().join("overrides.log");
    let mut bytes = fs::read(&log).unwrap();
    let whole = bytes.len();
    OverrideLog::open(dir.path()).unwrap().append(&[OverrideChange::Put(block(2))]).unwrap();
    bytes = fs::read(&log).unwrap();
    fs::write(&log, &bytes[..usize::midpoint(whole, bytes.len())]).unwrap();
    let ledger = open(dir.path());
    assert_eq!(overrides(&ledger), [host(1)].into());
    ledger.put_override(&block(3)).unwrap();
    assert_eq!(overrides(&ledger), [host(1), host(3)].into());
}

#[test]
fn a_lost_override_log_does_not_swallow_new_changes() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    ledger.put_override(&block(1)).unwrap();
    drop(ledger);
    fs::remove_file(dir.path().join("overrides.log")).unwrap();
    let ledger = open(dir.path());
    ledger.put_override(&block(2)).unwrap();
    assert_eq!(overrides(&ledger), [host(1), host(2)].into());
}

#[test]
fn one_process_owns_a_folder() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    let error = Ledger::open(dir.path(), &LedgerOptions::default()).unwrap_err();
    assert_eq!(error.code(), "ARTIF_LOCKED");
    assert!(error.to_string().contains(&std::process::id().to_string()), "{error}");
    drop(ledger);
    open(dir.path());
}

#[test]
fn a_folder_that_outgrew_its_content_is_made_anew() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    let limit = 8 << 20;
    let mut largest = 0;
    for generation in 1..200 {
        for number in [5, 6] {
            commit(&ledger, number, generation);
        }
        largest = largest.max(ledger.store().status().unwrap().disk_bytes);
        if largest > limit {
            break;
        }
    }
    ledger.store().expire(u32::MAX).unwrap();
    let digest = ledger.store().digest();
    ledger.checkpoint().unwrap();
    let after = ledger.store().status().unwrap().disk_bytes;
    assert!(largest > limit && after < limit / 2, "{largest} bytes became {after}");
    assert_eq!(ledger.store().digest(), digest);
    commit(&ledger, 5, 1000);
    let digest = ledger.store().digest();
    drop(ledger);
    let ledger = open(dir.path());
    assert_eq!((ledger.store().digest(), recovery(&ledger)), (digest, None));
}

#[cfg(unix)]
#[test]
fn only_the_owner_may_look_into_the_folder() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    drop(open(&data));
    for path in [data.clone(), data.join("ledger")] {
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
    }
}

const CHILD: &str = "ARTIF_LEDGER_CHILD";

/// Not a test of its own: the process that gets killed. Tells on stdout what is durable.
#[test]
fn killed_child() {
    let Ok(dir) = std::env::var(CHILD) else { return };
    let ledger = open(Path::new(&dir));
    let mut out = std::io::stdout();
    let mut acknowledge = |line: String| {
        writeln!(out, "{line}").unwrap();
        out.flush().unwrap();
    };
    if let Some(recovery) = recovery(&ledger) {
        acknowledge(format!("\nack broken {recovery:?}"));
    }
    let mut next = overrides(&ledger).len() as u64;
    for turn in 0u64.. {
        let number = turn % 4;
        let head = ledger.store().head(&feed(number)).unwrap();
        let generation = head.map_or(0, |head| head.generation) + 1;
        commit(&ledger, number, generation);
        ledger.store().sync().unwrap();
        acknowledge(format!("\nack generation {number} {generation}"));
        if turn % 3 == 0 {
            ledger.put_override(&block(next)).unwrap();
            acknowledge(format!("\nack override {next}"));
            next += 1;
        }
        if turn % 11 == 10 {
            ledger.checkpoint().unwrap();
            ledger.store().expire(1_700_000_000 + generation as u32 * 1000 - 5000).unwrap();
        }
    }
}

#[test]
fn killed_processes_lose_nothing_they_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let mut dice = Dice(asked("ARTIF_SEED", 42));
    let (mut generations, mut acknowledged_overrides) = ([0u64; 4], BTreeSet::new());
    let mut acknowledged = 0;
    for round in 0..asked("ARTIF_KILLS", 20) {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["killed_child", "--exact", "--nocapture", "--test-threads=1"])
            .env(CHILD, dir.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (mut left, mut killed) = (1 + dice.roll(25), false);
        // After the kill the pipe still holds what was acknowledged before it.
        for line in lines.map_while(Result::ok) {
            let words: Vec<&str> = line.split(' ').collect();
            match words[..] {
                ["ack", "generation", number, generation] => {
                    generations[number.parse::<usize>().unwrap()] = generation.parse().unwrap();
                }
                ["ack", "override", number] => {
                    acknowledged_overrides.insert(host(number.parse().unwrap()));
                }
                ["ack", ..] => panic!("round {round}: {line}"),
                _ => continue,
            }
            acknowledged += 1;
            left = left.saturating_sub(1);
            if left == 0 && !killed {
                // Somewhere within the work for the next acknowledgement.
                for _ in 0..dice.roll(2_000_000) {
                    std::hint::spin_loop();
                }
                child.kill().unwrap();
                killed = true;
            }
        }
        child.wait().unwrap();
        assert!(killed, "round {round}: the child ended by itself");

        let ledger = open(dir.path());
        assert_eq!(recovery(&ledger), None, "round {round}");
        for (number, &generation) in (0..).zip(&generations) {
            let Some(head) = ledger.store().head(&feed(number)).unwrap() else {
                assert_eq!(generation, 0, "round {round}: feed {number} is lost");
                continue;
            };
            assert!(head.generation >= generation, "round {round}: {head:?} < {generation}");
            let mut found = Vec::new();
            let mut visit = |listing: artif_core::ledger::ActiveListing| found.push(listing.prefix);
            ledger.store().active(&feed(number), &mut visit).unwrap();
            let expected: Vec<Prefix> = list(number, head.generation).iter().collect();
            assert!(found == expected, "round {round}: feed {number} is torn");
        }
        assert!(overrides(&ledger).is_superset(&acknowledged_overrides), "round {round}");
    }
    assert!(acknowledged > 20);
}
