//! Several processes on one folder: readers that follow, and an owner that is killed at any moment.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "tests")]

mod support;

use std::io::{BufRead, BufReader, Write};
use std::net::IpAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, mpsc};

use artif_core::{
    Config, Engine, Member, Reader, ReputationEngine, ScheduleEvent, ScheduleOptions, SystemClock,
};
use support::{catalogue, refresh};

/// What the child processes of this file do: this test binary runs itself with the variable set.
const PART: &str = "ARTIF_TEST_PART";
const FOLDER: &str = "ARTIF_TEST_FOLDER";

/// Generation `n` lists this many addresses; all of them end in another octet than those of `n+1`.
const SIZE: u32 = 3000;

fn generation(n: u32) -> String {
    let lines: Vec<_> =
        (0..SIZE).map(|i| format!("93.{}.{}.{}\n", n % 200, i / 250, i % 250)).collect();
    lines.concat()
}

fn spawn(part: &str, folder: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["part", "--exact", "--nocapture"])
        .env(PART, part)
        .env(FOLDER, folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Not a test of its own: the entry of the child processes.
#[test]
fn part() {
    let Ok(part) = std::env::var(PART) else { return };
    let folder = std::path::PathBuf::from(std::env::var_os(FOLDER).unwrap());
    match part.as_str() {
        "read" => read(&folder),
        "refresh" => refresh_for_ever(&folder),
        "member" => be_a_member(&folder),
        other => panic!("no part {other}"),
    }
}

/// Answers each line's address with its state.
fn read(folder: &Path) {
    let reader = Reader::open(folder.join("data")).unwrap();
    println!("ready");
    for line in std::io::stdin().lines() {
        let line = line.unwrap();
        reader.reload().unwrap();
        let answer = reader.check(line.parse::<IpAddr>().unwrap());
        println!("{:?} {}", answer.state(), answer.snapshot_id());
        std::io::stdout().flush().unwrap();
    }
}

fn join(folder: &Path, told: mpsc::Sender<&'static str>) -> Member {
    let mut config = Config::default();
    config.data = folder.join("data");
    config.catalogue = Some(vec![artif_core::config::Catalogue::File(folder.join("feeds.json"))]);
    let options = ScheduleOptions::default().on_event(move |event| {
        let _ = told.send(match event {
            ScheduleEvent::Refreshed(_) => "refreshed",
            ScheduleEvent::Waiting { .. } => "waiting",
            _ => "other",
        });
    });
    Member::join_with(config, options, Arc::new(SystemClock)).unwrap()
}

/// Says what it does as the owner, until it is killed or its input ends.
fn be_a_member(folder: &Path) {
    let (told, events) = mpsc::channel();
    let member = join(folder, told);
    std::thread::spawn(move || {
        for event in events {
            println!("owner {event}");
        }
    });
    println!("joined");
    for line in std::io::stdin().lines() {
        let answer = member.check(line.unwrap().parse::<IpAddr>().unwrap());
        println!("{:?} {}", answer.state(), answer.snapshot_id());
    }
}

fn refresh_for_ever(folder: &Path) {
    let path = folder.join("feeds.json");
    let engine = Engine::builder().data(folder.join("data")).catalogue(&path).build().unwrap();
    println!("ready");
    for n in 0.. {
        std::fs::write(folder.join("a.txt"), generation(n)).unwrap();
        let report = refresh(&engine);
        println!("published {}", report.snapshot.id);
        std::io::stdout().flush().unwrap();
    }
}

/// The next line of a child that is ours and not the test harness's.
fn next_line(lines: &mut impl Iterator<Item = std::io::Result<String>>, starts: &[&str]) -> String {
    lines
        .map(|line| line.unwrap())
        .find_map(|line| starts.iter().find_map(|s| line.find(s).map(|at| line[at..].to_owned())))
        .unwrap()
}

#[test]
fn readers_in_other_processes_follow_the_owner() {
    let dir = tempfile::tempdir().unwrap();
    let path = catalogue(dir.path(), &[("a", "93.184.216.34\n")]);
    let engine = Engine::builder().data(dir.path().join("data")).catalogue(&path).build().unwrap();
    refresh(&engine);
    let mut readers: Vec<_> = (0..3)
        .map(|_| {
            let mut child = spawn("read", dir.path());
            let lines = BufReader::new(child.stdout.take().unwrap()).lines();
            (child, lines)
        })
        .collect();
    for (_, lines) in &mut readers {
        next_line(lines, &["ready"]);
    }
    for n in 1..=5 {
        let listed = format!("93.184.216.{n}");
        catalogue(dir.path(), &[("a", &listed)]);
        let id = refresh(&engine).snapshot.id;
        for (child, lines) in &mut readers {
            writeln!(child.stdin.as_mut().unwrap(), "{listed}").unwrap();
            let answer = next_line(lines, &["Active", "Unknown", "Historical"]);
            assert_eq!(answer, format!("Active {id}"));
        }
    }
    for (mut child, _) in readers {
        drop(child.stdin.take());
        assert!(child.wait().unwrap().success());
    }
}

#[test]
fn where_the_owner_is_killed_another_member_takes_over() {
    let dir = tempfile::tempdir().unwrap();
    catalogue(dir.path(), &[("a", "93.184.216.34\n")]);
    let mut first = spawn("member", dir.path());
    let mut lines = BufReader::new(first.stdout.take().unwrap()).lines();
    assert_eq!(next_line(&mut lines, &["owner"]), "owner refreshed");

    let (told, events) = mpsc::channel();
    let second = join(dir.path(), told);
    assert!(second.has_snapshot() && !second.is_owner());
    assert!(second.check("93.184.216.34".parse().unwrap()).is_active());
    let error = Engine::builder().data(dir.path().join("data")).build().unwrap_err();
    assert_eq!(error.code(), "ARTIF_LOCKED");
    assert!(events.try_recv().is_err(), "there is one owner");

    first.kill().unwrap();
    first.wait().unwrap();
    // Nothing is due: the feed was fetched by the one before.
    assert_eq!(events.recv().unwrap(), "waiting");
    assert!(second.is_owner());
    assert_eq!(second.status().snapshot.id, 1);

    second.resign();
    assert!(!second.is_owner());
    let engine = Engine::builder().data(dir.path().join("data")).build().unwrap();
    drop(engine);
    // It takes over again after a while, when nobody else did.
    assert_eq!(events.recv().unwrap(), "waiting");
    drop(second);
    assert_eq!(events.recv(), Err(mpsc::RecvError), "nothing of it is left");
    Engine::builder().data(dir.path().join("data")).build().unwrap();
}

#[test]
fn an_owner_killed_at_any_moment_leaves_one_whole_generation() {
    let dir = tempfile::tempdir().unwrap();
    let path = catalogue(dir.path(), &[("a", &generation(0))]);
    let data = dir.path().join("data");
    let mut acknowledged = 0;
    for round in 0..20_u64 {
        let mut child = spawn("refresh", dir.path());
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        next_line(&mut lines, &["ready"]);
        for _ in 0..=round % 3 {
            let line = next_line(&mut lines, &["published"]);
            acknowledged = line.split_whitespace().nth(1).unwrap().parse().unwrap();
        }
        // Somewhere within the next refresh: its length is not known, so moments differ by round.
        let spin = std::time::Instant::now();
        while spin.elapsed() < std::time::Duration::from_micros(round * 1_500) {
            std::hint::spin_loop();
        }
        child.kill().unwrap();
        child.wait().unwrap();

        // What is published answers, from one generation, not older than what was acknowledged.
        let reader = Reader::open(&data).unwrap();
        let status = reader.status();
        assert!(status.snapshot.id >= acknowledged, "{} after {acknowledged}", status.snapshot.id);
        assert_eq!(status.snapshot.counts.active, u64::from(SIZE));
        let active: Vec<u32> = (0..200)
            .filter(|n| reader.check(IpAddr::from([93, *n as u8, 0, 0])).is_active())
            .collect();
        assert_eq!(active.len(), 1, "one generation, not a mixture: {active:?}");
        for i in (0..SIZE).step_by(7) {
            let ip = IpAddr::from([93, active[0] as u8, (i / 250) as u8, (i % 250) as u8]);
            assert!(reader.check(ip).is_active(), "{ip} of generation {}", active[0]);
        }
        // The folder opens again, whatever the moment, and nothing had to be rebuilt.
        let engine = Engine::builder().data(&data).catalogue(&path).build().unwrap();
        let ledger = engine.status().ledger.unwrap();
        assert_eq!((ledger.active, ledger.recovery), (u64::from(SIZE), None), "round {round}");
        drop(engine);
    }
}
