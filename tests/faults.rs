//! What goes wrong around an engine: disks that are full or cannot be written, folders that are not
//! its own or go away, clocks that go back, owners that die or are two, and forks. Answers go on,
//! and who has to act is told what to do.
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::format_collect,
    clippy::format_push_string,
    reason = "tests"
)]

mod support;

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use artif_core::ledger::{Override, OverrideAction};
use artif_core::{
    Config, Engine, Error, Feed, FixedClock, Reader, RefreshOptions, ReputationEngine, Verdict,
};
use support::{refresh, skipped, time};

const PART: &str = "ARTIF_FAULT_PART";
const FOLDER: &str = "ARTIF_FAULT_FOLDER";

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn open(dir: &Path) -> artif_core::Result<Engine> {
    let url = format!("file:{}", dir.join("list.txt").display());
    Engine::builder().data(dir.join("data")).feed(Feed::new("a", &url).unwrap()).build()
}

fn list(dir: &Path, text: &str) {
    fs::write(dir.join("list.txt"), text).unwrap();
}

/// Addresses in 93.0.0.0/8 without anything in common but that.
fn long_list(count: u32) -> String {
    (0..count).map(|n| format!("{}\n", std::net::Ipv4Addr::from(93 << 24 | n << 3))).collect()
}

fn block(network: &str) -> Override {
    let now = "2026-01-01T00:00:00Z".parse().unwrap();
    Override::new(network.parse().unwrap(), OverrideAction::Block, now)
}

/// An error and all that is under it, as a log shows it.
fn text(error: &Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    text
}

/// A small disk of its own, gone when dropped.
struct Disk(tempfile::TempDir);

impl Disk {
    fn new(megabytes: u32) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let size = format!("size={megabytes}m");
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &size, "tmpfs"])
            .arg(dir.path())
            .stderr(Stdio::null())
            .status();
        if mount.is_ok_and(|status| status.success()) {
            return Some(Self(dir));
        }
        skipped("a disk cannot be mounted here: run as root");
        None
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn remount(&self, how: &str) {
        let how = format!("remount,{how}");
        let status = Command::new("mount").args(["-o", &how]).arg(self.path()).status();
        assert!(status.unwrap().success());
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}

fn spawn(part: &str, dir: &Path) -> (Child, impl Iterator<Item = String> + use<>) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["part", "--exact", "--nocapture", "--test-threads=1"])
        .env(PART, part)
        .env(FOLDER, dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let told = lines.filter_map(|line| line.split_once("told: ").map(|(_, told)| told.to_owned()));
    (child, told)
}

fn tell(line: &str) {
    println!("\ntold: {line}");
    std::io::stdout().flush().unwrap();
}

/// Not a test of its own: the entry of the processes of this file.
#[test]
fn part() {
    let Ok(part) = std::env::var(PART) else { return };
    let dir = PathBuf::from(std::env::var_os(FOLDER).unwrap());
    match part.as_str() {
        "own" => match open(&dir) {
            Ok(engine) => {
                tell("owner");
                let mut line = String::new();
                while std::io::stdin().read_line(&mut line).is_ok_and(|length| length > 0) {
                    let report = engine.refresh(&RefreshOptions::default()).unwrap();
                    tell(&report.snapshot.id.to_string());
                }
            }
            Err(error) => tell(&format!("{} {}", error.code(), text(&error))),
        },
        "look" => match open(&dir) {
            Ok(_) => tell("owner"),
            Err(error) => tell(&format!("{} {}", error.code(), text(&error))),
        },
        "fork" => fork(&dir),
        other => panic!("no part {other}"),
    }
}

#[test]
fn a_full_disk_stops_refreshes_and_nothing_else() {
    let Some(disk) = Disk::new(24) else { return };
    let lists = tempfile::tempdir().unwrap();
    list(lists.path(), &format!("93.184.216.34\n{}", long_list(15_000)));
    let url = format!("file:{}", lists.path().join("list.txt").display());
    let engine =
        Engine::builder().data(disk.path()).feed(Feed::new("a", &url).unwrap()).build().unwrap();
    refresh(&engine);
    engine.add_override(block("198.51.100.0/24")).unwrap();
    let reader = Reader::open(disk.path()).unwrap();
    // All but a few blocks.
    let free = |name: &str, length: usize| fs::write(disk.path().join(name), vec![1; length]);
    let mut size = 1 << 20;
    let mut number = 0;
    while size >= 4096 {
        number += 1;
        if free(&format!("filler-{number}"), size).is_err() {
            size /= 2;
        }
    }
    list(lists.path(), &long_list(200_000));
    let error = engine.refresh(&RefreshOptions::default()).unwrap_err();
    let told = text(&error);
    println!("full disk: {told}");
    assert!(told.contains("No space left on device"), "{told}");
    assert!(told.contains(&disk.path().display().to_string()), "{told}");
    for _ in 0..3 {
        assert!(engine.refresh(&RefreshOptions::default()).is_err());
        for answers in [&engine as &dyn ReputationEngine, &reader] {
            assert!(answers.check(ip("93.184.216.34")).is_active());
        }
    }
    // Said to be kept, it is; refused, it may be gone.
    let kept = engine.add_override(block("192.0.2.0/24"));
    for number in 1..=number {
        let _ = fs::remove_file(disk.path().join(format!("filler-{number}")));
    }
    let report = refresh(&engine);
    assert!(report.feeds[0].error.is_none(), "{report:?}");
    assert!(engine.check(ip("93.10.0.0")).is_active());
    let ledger = engine.status().ledger.unwrap();
    assert_eq!((ledger.active, ledger.recovery), (200_000, None), "nothing had to be rebuilt");
    reader.reload().unwrap();
    assert!(reader.check(ip("93.10.0.0")).is_active());
    assert_eq!(
        reader.check(ip("198.51.100.7")).override_entry().unwrap().action,
        OverrideAction::Block
    );
    if kept.is_ok() {
        assert!(
            engine.overrides().iter().any(|entry| entry.prefix == block("192.0.2.0/24").prefix)
        );
    }
    drop((engine, reader));
}

#[test]
fn a_limit_on_the_size_of_files_is_no_damage() {
    let dir = tempfile::tempdir().unwrap();
    list(dir.path(), &format!("93.184.216.34\n{}", long_list(15_000)));
    refresh(&open(dir.path()).unwrap());
    // As a shell does it: `ulimit -f` counts blocks of 1,024 bytes in bash, of 512 elsewhere.
    list(dir.path(), &long_list(150_000));
    let output = Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 200; exec \"$0\" part --exact --nocapture"])
        .arg(std::env::current_exe().unwrap())
        .env(PART, "own")
        .env(FOLDER, dir.path())
        .stdin(fs::File::open(dir.path().join("list.txt")).unwrap())
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    assert!(told.contains("File too large"), "{told}");
    let engine = open(dir.path()).unwrap();
    assert!(engine.check(ip("93.184.216.34")).is_active());
    assert_eq!(engine.status().ledger.unwrap().recovery, None);
    refresh(&engine);
    assert!(engine.check(ip("93.10.0.0")).is_active());
}

#[test]
fn a_read_only_disk_goes_on_answering() {
    let Some(disk) = Disk::new(64) else { return };
    let lists = tempfile::tempdir().unwrap();
    list(lists.path(), "93.184.216.34\n");
    let url = format!("file:{}", lists.path().join("list.txt").display());
    let build = || Engine::builder().data(disk.path()).feed(Feed::new("a", &url).unwrap()).build();
    let engine = build().unwrap();
    refresh(&engine);
    drop(engine);
    disk.remount("ro");
    let reader = Reader::open(disk.path()).unwrap();
    assert!(reader.check(ip("93.184.216.34")).is_active());
    let told = text(&build().unwrap_err());
    println!("read-only disk: {told}");
    assert!(told.contains("Read-only file system"), "{told}");
    assert!(told.contains(&disk.path().display().to_string()), "{told}");
    disk.remount("rw");
    let engine = build().unwrap();
    assert_eq!(engine.status().ledger.unwrap().recovery, None);
    assert!(engine.check(ip("93.184.216.34")).is_active());
    drop((engine, reader));
}

/// `tests` may run as root, whom no permission stops.
fn is_root() -> bool {
    fs::read_to_string("/proc/self/status").is_ok_and(|status| status.contains("\nUid:\t0\t"))
}

#[test]
fn a_folder_of_somebody_else_is_named() {
    let dir = tempfile::tempdir().unwrap();
    list(dir.path(), "93.184.216.34\n");
    refresh(&open(dir.path()).unwrap());
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let data = dir.path().join("data");
    if !is_root() {
        fs::set_permissions(&data, fs::Permissions::from_mode(0o000)).unwrap();
    }
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["part", "--exact", "--nocapture", "--test-threads=1"])
        .env(PART, "look")
        .env(FOLDER, dir.path());
    if is_root() {
        command.uid(65_534).gid(65_534);
    }
    let output = match command.output() {
        Ok(output) => output,
        Err(error) => return skipped(&format!("another user cannot run this test: {error}")),
    };
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    println!("no permission: {told}");
    fs::set_permissions(&data, fs::Permissions::from_mode(0o700)).unwrap();
    assert!(told.contains("ARTIF_IO"), "{told}");
    assert!(told.contains("Permission denied") && told.contains("data"), "{told}");
    let engine = open(dir.path()).unwrap();
    assert_eq!(engine.status().ledger.unwrap().recovery, None);
}

#[test]
fn files_are_for_their_owner_whatever_the_umask() {
    for (folder_mode, files) in [(0o700, 0o600), (0o750, 0o640), (0o777, 0o640)] {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        fs::create_dir(&data).unwrap();
        fs::set_permissions(&data, fs::Permissions::from_mode(folder_mode)).unwrap();
        list(dir.path(), "93.184.216.34\n");
        let engine = open(dir.path()).unwrap();
        refresh(&engine);
        engine.add_override(block("192.0.2.0/24")).unwrap();
        engine.enable_feed(&"a".parse().unwrap(), true).unwrap();
        let mut seen = 0;
        for entry in fs::read_dir(&data).unwrap().map(Result::unwrap) {
            let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
            let is_snapshot = entry.file_name().to_str().unwrap().starts_with("snapshot-");
            // Nobody is to write into what is mapped.
            let files = if is_snapshot { files & 0o444 } else { files };
            let allowed = if entry.path().is_dir() { 0o700 } else { files };
            assert_eq!(mode & !allowed, 0, "{:?} has mode {mode:o}", entry.path());
            seen += 1;
        }
        assert!(seen > 6, "{seen} files");
    }
}

#[test]
fn missing_and_broken_databases_are_named_and_do_without() {
    let dir = tempfile::tempdir().unwrap();
    list(dir.path(), "93.184.216.34\n");
    fs::write(dir.path().join("broken.mmdb"), "no database").unwrap();
    let (asn, country) = (dir.path().join("gone.mmdb"), dir.path().join("broken.mmdb"));
    let config = format!("[geo]\nasn = '{}'\ncountry = '{}'", asn.display(), country.display());
    let url = format!("file:{}", dir.path().join("list.txt").display());
    let engine = Engine::builder()
        .config(Config::from_toml(&config).unwrap())
        .data(dir.path().join("data"))
        .feed(Feed::new("a", &url).unwrap())
        .build()
        .unwrap();
    refresh(&engine);
    let answer = engine.check(ip("93.184.216.34"));
    assert!(answer.is_active() && answer.asn().is_none());
    let problems = engine.status().problems;
    for path in [&asn, &country] {
        let named = |problem: &String| problem.contains(&path.display().to_string());
        assert!(problems.iter().any(named), "{problems:?}");
    }
}

#[test]
fn a_clock_that_steps_back_a_day_changes_no_listing() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(FixedClock::new(time("2026-03-10T12:00:00Z")));
    let url = format!("file:{}", dir.path().join("list.txt").display());
    let engine = Engine::builder()
        .data(dir.path().join("data"))
        .feed(Feed::new("a", &url).unwrap())
        .clock(clock.clone())
        .build()
        .unwrap();
    let state = |host: &str| {
        let answer = engine.check(ip(host));
        (answer.is_active(), answer.is_historical())
    };
    list(dir.path(), "93.184.216.34\n93.184.216.35\n93.184.216.36\n");
    refresh(&engine);
    list(dir.path(), "93.184.216.34\n93.184.216.36\n");
    clock.set(time("2026-03-10T12:30:00Z"));
    refresh(&engine);
    assert_eq!(state("93.184.216.35"), (false, true));
    clock.set(time("2026-03-09T12:00:00Z"));
    refresh(&engine);
    assert_eq!(state("93.184.216.34"), (true, false), "still listed");
    assert_eq!(state("93.184.216.35"), (false, true), "ended, not back");
    list(dir.path(), "93.184.216.34\n");
    refresh(&engine);
    assert_eq!(state("93.184.216.36"), (false, true));
    clock.set(time("2026-03-10T13:00:00Z"));
    refresh(&engine);
    assert_eq!(state("93.184.216.34"), (true, false));
    let evidence = engine.history(ip("93.184.216.34"));
    assert_eq!(evidence.len(), 1, "one listing, never interrupted: {evidence:?}");
    assert_eq!(state("93.184.216.35"), (false, true));
    assert_eq!(state("93.184.216.36"), (false, true));
}

#[test]
fn of_owners_that_race_one_wins_and_the_others_are_told() {
    let dir = tempfile::tempdir().unwrap();
    list(dir.path(), "93.184.216.34\n");
    let mut racing: Vec<_> = (0..6).map(|_| spawn("own", dir.path())).collect();
    let told: Vec<String> = racing.iter_mut().map(|(_, told)| told.next().unwrap()).collect();
    let winners: Vec<usize> = (0..told.len()).filter(|place| told[*place] == "owner").collect();
    assert_eq!(winners.len(), 1, "{told:?}");
    for loser in told.iter().filter(|told| *told != "owner") {
        assert!(loser.starts_with("ARTIF_LOCKED") && loser.contains("Reader"), "{loser}");
    }
    println!("two owners: {}", told.iter().find(|told| *told != "owner").unwrap());
    // Its death, however sudden, is enough for the next.
    let (winner, _) = &mut racing[winners[0]];
    winner.kill().unwrap();
    winner.wait().unwrap();
    let (mut next, mut told) = spawn("own", dir.path());
    assert_eq!(told.next().unwrap(), "owner");
    drop(next.stdin.take());
    next.wait().unwrap();
    for (mut child, _) in racing {
        drop(child.stdin.take());
        let _ = child.wait();
    }
}

#[test]
fn readers_outlive_an_owner_and_follow_the_next() {
    let dir = tempfile::tempdir().unwrap();
    list(dir.path(), "93.184.216.34\n");
    let (mut owner, mut told) = spawn("own", dir.path());
    told.next().unwrap();
    writeln!(owner.stdin.as_mut().unwrap()).unwrap();
    told.next().unwrap();
    let reader = Reader::open(dir.path().join("data")).unwrap();
    list(dir.path(), "93.184.216.35\n");
    // Killed while it refreshes, or shortly before or after.
    writeln!(owner.stdin.as_mut().unwrap()).unwrap();
    owner.kill().unwrap();
    for _ in 0..10_000 {
        let active =
            ["93.184.216.34", "93.184.216.35"].map(|host| reader.check(ip(host)).is_active());
        assert!(active[0] || active[1]);
    }
    owner.wait().unwrap();
    list(dir.path(), "93.184.216.36\n");
    let engine = open(dir.path()).unwrap();
    refresh(&engine);
    reader.reload().unwrap();
    assert!(reader.check(ip("93.184.216.36")).is_active());
}

#[test]
fn a_folder_deleted_under_a_reader_is_told_and_followed_when_it_is_back() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    list(dir.path(), "93.184.216.34\n");
    let engine = open(dir.path()).unwrap();
    refresh(&engine);
    engine.add_override(block("198.51.101.0/24")).unwrap();
    let reader = Reader::open(&data).unwrap();
    drop(engine);
    fs::remove_dir_all(&data).unwrap();
    let told = text(&reader.reload().unwrap_err());
    println!("folder deleted: {told}");
    assert!(told.contains("data"), "{told}");
    assert!(reader.check(ip("93.184.216.34")).is_active());
    assert_eq!(reader.check(ip("198.51.101.7")).verdict(), Verdict::Blocked);
    list(dir.path(), "93.184.216.35\n");
    let engine = open(dir.path()).unwrap();
    refresh(&engine);
    let _ = reader.reload();
    assert!(reader.check(ip("93.184.216.35")).is_active(), "{:?}", reader.status().snapshot);
}

#[allow(unsafe_code, reason = "there is no safe call for it")]
mod c {
    unsafe extern "C" {
        pub(super) safe fn fork() -> i32;
        pub(super) safe fn _exit(code: i32) -> !;
    }
}

/// The part of a process that forks after it opened a folder.
fn fork(dir: &Path) {
    let engine = open(dir).unwrap();
    refresh(&engine);
    if c::fork() == 0 {
        let answers = engine.check(ip("93.184.216.34")).is_active();
        tell(&format!("child answers {answers}"));
        let refused = engine.refresh(&RefreshOptions::default()).unwrap_err();
        tell(&text(&refused));
        let refused = engine.add_override(block("192.0.2.0/24")).unwrap_err();
        tell(&text(&refused));
        let reader = Reader::open(dir.join("data")).unwrap();
        tell(&format!("child reads {}", reader.check(ip("93.184.216.34")).is_active()));
        // Neither waits for threads it has not, nor gives up what is the parent's.
        drop(engine);
        let locked = open(dir).unwrap_err();
        tell(locked.code());
        let other = dir.join("other");
        fs::create_dir(&other).unwrap();
        tell(&text(&open(&other).unwrap_err()));
        tell("child ends");
        c::_exit(0);
    }
    // Until the test has seen the child's end.
    let mut line = String::new();
    let _ = std::io::stdin().read_line(&mut line);
    list(dir, "93.184.216.35\n");
    refresh(&engine);
    tell(&format!("parent goes on {}", engine.check(ip("93.184.216.35")).is_active()));
}

#[test]
fn a_forked_child_answers_and_leaves_the_folder_to_its_parent() {
    let dir = tempfile::tempdir().unwrap();
    list(dir.path(), "93.184.216.34\n");
    let (mut child, mut told) = spawn("fork", dir.path());
    let mut next = || told.next().unwrap();
    assert_eq!(next(), "child answers true");
    for _ in 0..2 {
        let refused = next();
        println!("after a fork: {refused}");
        assert!(refused.contains("forked") && refused.contains("Reader"), "{refused}");
    }
    assert_eq!(next(), "child reads true");
    assert_eq!(next(), "ARTIF_LOCKED");
    let refused = next();
    assert!(refused.contains("after the fork"), "{refused}");
    assert_eq!(next(), "child ends");
    writeln!(child.stdin.as_mut().unwrap()).unwrap();
    assert_eq!(next(), "parent goes on true");
    assert!(child.wait().unwrap().success());
}
