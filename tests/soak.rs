//! Half an hour of everything at once: readers in two languages, refreshes every ten seconds,
//! overrides ten times a second, and an owner that is killed every minute.
//!
//! `ARTIF_SOAK_MINUTES` (default 30) and `ARTIF_SOAK_PYTHON` (an interpreter with the package; without
//! it only this process reads) are what there is to say to
//! `cargo test --release --test soak -- --ignored --nocapture`.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::cast_sign_loss,
    reason = "tests"
)]

mod support;
#[path = "support/workload.rs"]
mod workload;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use artif_core::ledger::{Override, OverrideAction};
use artif_core::{Engine, Feed, Reader, RefreshOptions, ReputationEngine as _, Verdict};
use support::{Random, corpus};

const OWNER: &str = "ARTIF_SOAK_OWNER";
const REFRESH_EVERY: Duration = Duration::from_secs(10);
const KILL_EVERY: Duration = Duration::from_secs(60);
/// An answer may be of before for so long; a change is to count within a second on a machine that
/// is not busy with all of this.
const LATE: Duration = Duration::from_secs(3);

/// Not a test of its own: the process that owns the folder.
#[test]
fn part() {
    if let Some(root) = std::env::var_os(OWNER) {
        own(Path::new(&root));
    }
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    out.write_all(format!("\n{line}\n").as_bytes()).unwrap();
    out.flush().unwrap();
}

/// The days of the corpus, each a folder of lists, where there is one.
fn days() -> Vec<PathBuf> {
    let Some(corpus) = corpus() else { return Vec::new() };
    let mut days: Vec<_> =
        fs::read_dir(corpus.join("replay")).unwrap().map(|day| day.unwrap().path()).collect();
    days.sort();
    days
}

fn own(root: &Path) -> ! {
    let days = days();
    let mut builder = workload::builder(root);
    let mut lists = BTreeSet::new();
    for list in days.iter().flat_map(|day| fs::read_dir(day).unwrap()) {
        lists.insert(list.unwrap().file_name().into_string().unwrap());
    }
    for (number, list) in lists.iter().enumerate() {
        let url = format!("file:{}", root.join(list).display());
        builder = builder.feed(Feed::new(&format!("day-{number}"), &url).unwrap());
    }
    if let Some(corpus) = corpus() {
        builder = builder.catalogue(corpus.join("feeds.json"));
    }
    let engine = builder.build().unwrap();
    let note = root.join("turn");
    let mut turn = fs::read_to_string(&note).map_or(1, |text| text.parse::<u64>().unwrap() + 1);
    fs::write(&note, turn.to_string()).unwrap();
    let first = turn * 1000;
    std::thread::scope(|scope| {
        let engine = &engine;
        scope.spawn(move || {
            // Those of the process before, after they had some time to count.
            std::thread::sleep(LATE * 2);
            for entry in engine.overrides() {
                let number = workload::number_of(entry.prefix);
                say(&format!("try remove {number}"));
                engine.remove_override(entry.prefix, "soak").unwrap();
                say(&format!("ack remove {number} 0"));
            }
            for number in first.. {
                change_override(engine, number);
                // Ten a second.
                std::thread::sleep(Duration::from_millis(100));
            }
        });
        loop {
            let began = Instant::now();
            fs::write(&note, turn.to_string()).unwrap();
            workload::write_lists(root, turn);
            if let Some(day) = days.get(turn as usize % days.len().max(1)) {
                for list in fs::read_dir(day).unwrap().map(Result::unwrap) {
                    fs::copy(list.path(), root.join(list.file_name())).unwrap();
                }
            }
            say(&format!("try refresh {turn}"));
            let report = engine.refresh(&RefreshOptions::default()).unwrap();
            say(&format!("ack refresh {turn} {}", report.timings.total));
            turn += 1;
            std::thread::sleep(REFRESH_EVERY.saturating_sub(began.elapsed()));
        }
    })
}

/// Three new ones, then one of them goes.
fn change_override(engine: &Engine, number: u64) {
    let (doing, about) = if number % 4 == 3 { ("remove", number - 2) } else { ("put", number) };
    say(&format!("try {doing} {about}"));
    let began = Instant::now();
    if doing == "remove" {
        engine.remove_override(workload::overridden(about), "soak").unwrap();
    } else {
        let now = chrono::Utc::now();
        let entry = Override::new(workload::overridden(about), OverrideAction::Block, now);
        engine.add_override(entry.reason("soak")).unwrap();
    }
    say(&format!("ack {doing} {about} {}", began.elapsed().as_micros()));
    // They would pile up for ever.
    if let Some(old) = number.checked_sub(200) {
        say(&format!("try remove {old}"));
        let _ = engine.remove_override(workload::overridden(old), "soak").unwrap();
        say(&format!("ack remove {old} 0"));
    }
}

/// What has to be answered, by what the owner has said.
#[derive(Default)]
struct World {
    /// The turns acknowledged and begun, and when.
    turn: u64,
    turn_at: Option<Instant>,
    begun: u64,
    /// What was acknowledged last about an override, and when; `None` while it is not sure.
    overrides: BTreeMap<u64, Option<(bool, Instant)>>,
    refreshes: Vec<u64>,
    changes: Vec<u64>,
}

impl World {
    fn hear(&mut self, line: &str) {
        let words: Vec<&str> = line.split(' ').collect();
        let number = |place: usize| words[place].parse::<u64>().unwrap();
        match words[..] {
            ["try", "refresh", _] => self.begun = number(2),
            ["ack", "refresh", ..] => {
                (self.turn, self.turn_at) = (number(2), Some(Instant::now()));
                self.refreshes.push(number(3));
            }
            ["try", "put" | "remove", _] => {
                self.overrides.insert(number(2), None);
                while self.overrides.len() > 500 {
                    self.overrides.pop_first();
                }
            }
            ["ack", doing @ ("put" | "remove"), ..] => {
                self.overrides.insert(number(2), Some((doing == "put", Instant::now())));
                if number(3) > 0 {
                    self.changes.push(number(3));
                }
            }
            _ => {}
        }
    }
}

/// Counts by length in steps of an eighth: enough for percentiles, however many there are.
struct Times([u64; 512]);

impl Times {
    fn add(&mut self, time: Duration) {
        let nanos = time.as_nanos().max(1) as f64;
        self.0[((nanos.log2() * 8.0) as usize).min(511)] += 1;
    }

    fn at(&self, share: f64) -> Duration {
        let all: u64 = self.0.iter().sum();
        let mut seen = 0;
        let place = self.0.iter().position(|count| {
            seen += count;
            seen as f64 >= all as f64 * share
        });
        Duration::from_nanos(((place.unwrap_or(511) + 1) as f64 / 8.0).exp2() as u64)
    }
}

/// Reads and compares until told to stop; gives the lookups done, their times, and what was wrong.
fn read(reader: &Reader, world: &Mutex<World>, stop: &AtomicBool) -> (u64, Times, Vec<String>) {
    let (mut times, mut wrong, mut done) = (Times([0; 512]), Vec::new(), 0);
    let (mut random, mut doubtful) = (Random(7), BTreeMap::new());
    let mut pinned = reader.pin();
    while !stop.load(Ordering::Relaxed) {
        std::thread::sleep(Duration::from_millis(20));
        let asked = Instant::now();
        let (turn, turn_at, begun, overrides) = {
            let world = world.lock().unwrap();
            (world.turn, world.turn_at, world.begun, world.overrides.clone())
        };
        pinned.renew();
        // One address tells the turn, all others have to be of the same.
        let of = |feed: usize, ip: IpAddr| {
            let answer = pinned.check(ip);
            answer.is_active() && answer.feeds().any(|known| known.id == format!("feed-{feed}"))
        };
        let marker =
            |feed: u32, turn: u64| IpAddr::from(Ipv4Addr::from(5 << 24 | feed << 16 | turn as u32));
        let shown: Vec<u64> =
            (turn.saturating_sub(20)..=begun + 2).filter(|t| of(0, marker(0, *t))).collect();
        let [now] = shown[..] else {
            wrong.push(format!("turns {shown:?} at once, {turn} to {begun} are possible"));
            continue;
        };
        if now < turn && turn_at.is_some_and(|at| asked - at > LATE) {
            wrong.push(format!("turn {now} long after {turn}"));
        }
        for feed in 0..3 {
            if !of(feed, marker(feed as u32, now)) {
                wrong.push(format!("feed {feed} is not of turn {now}"));
            }
            let listed: Vec<u32> = workload::list(feed, now).into_iter().collect();
            let before = workload::list(feed, now.saturating_sub(1));
            for _ in 0..200 {
                let ip = IpAddr::from(Ipv4Addr::from(listed[random.below(listed.len())]));
                let began = Instant::now();
                let active = pinned.check(ip).is_active();
                times.add(began.elapsed());
                if !active {
                    wrong.push(format!("{ip} of feed {feed} is not listed in turn {now}"));
                }
            }
            for host in
                before.into_iter().filter(|host| listed.binary_search(host).is_err()).take(50)
            {
                if of(feed, Ipv4Addr::from(host).into()) {
                    wrong.push(format!("feed {feed} lists in turn {now} what it no longer does"));
                }
            }
            done += 250;
        }
        for (number, said) in &overrides {
            let Some((put, at)) = said else { continue };
            let ip = workload::overridden(*number).address();
            done += 1;
            if (reader.check(ip).verdict() == Verdict::Blocked) == *put {
                doubtful.remove(number);
                continue;
            }
            // It may be changing right now, and be heard of a little later.
            let since = *doubtful.entry(*number).or_insert(asked);
            if asked - *at > LATE && asked - since > LATE {
                wrong.push(format!("override {number} counts: {}, long after it changed", !put));
            }
        }
        doubtful.retain(|number, _| overrides.get(number).is_some_and(Option::is_some));
        if wrong.len() > 20 {
            break;
        }
    }
    (done, times, wrong)
}

/// Kilobytes of a process that are its own.
fn own_memory(process: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("RssAnon:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

const PYTHON: &str = include_str!("support/soak.py");

fn python(data: &Path) -> Option<Child> {
    let Some(interpreter) = std::env::var_os("ARTIF_SOAK_PYTHON") else {
        support::skipped("ARTIF_SOAK_PYTHON names no interpreter: only Rust reads");
        return None;
    };
    let child = Command::new(interpreter)
        .args(["-c", PYTHON])
        .arg(data)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    Some(child.unwrap())
}

fn start_owner(root: &Path, world: &Arc<Mutex<World>>) -> Child {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["part", "--exact", "--nocapture", "--test-threads=1"])
        .env(OWNER, root)
        // As the program `artif` does; without it glibc keeps what compiling needed once.
        .env("MALLOC_MMAP_THRESHOLD_", "1048576")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (out, world) = (child.stdout.take().unwrap(), Arc::clone(world));
    std::thread::spawn(move || {
        for line in BufReader::new(out).lines().map_while(Result::ok) {
            world.lock().unwrap().hear(&line);
        }
    });
    child
}

fn percentiles(mut values: Vec<u64>) -> String {
    values.sort_unstable();
    let at = |share: f64| values.get((values.len() as f64 * share) as usize).copied().unwrap_or(0);
    format!("p50 {} p99 {} max {}", at(0.5), at(0.99), values.last().copied().unwrap_or(0))
}

#[test]
#[ignore = "takes half an hour"]
fn nothing_is_wrong_for_half_an_hour() {
    let minutes = std::env::var("ARTIF_SOAK_MINUTES").map_or(30, |text| text.parse().unwrap());
    let dir = tempfile::tempdir().unwrap();
    let (world, stop) = (Arc::new(Mutex::new(World::default())), AtomicBool::new(false));
    let mut owner = start_owner(dir.path(), &world);
    // The first refresh: before it there is nothing to read.
    while world.lock().unwrap().turn == 0 {
        assert_eq!(owner.try_wait().unwrap(), None, "the owner ended");
        std::thread::sleep(Duration::from_millis(100));
    }
    let data = dir.path().join("data");
    let reader = Reader::open(&data).unwrap();
    let mut python = python(&data);
    let (began, mut killed, mut kills) = (Instant::now(), Instant::now(), 0);
    let mut memory: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    let (done, times, wrong) = std::thread::scope(|scope| {
        let reading = scope.spawn(|| read(&reader, &world, &stop));
        while began.elapsed() < Duration::from_secs(60 * minutes) && !reading.is_finished() {
            std::thread::sleep(Duration::from_secs(1));
            if killed.elapsed() >= KILL_EVERY {
                owner.kill().unwrap();
                owner.wait().unwrap();
                owner = start_owner(dir.path(), &world);
                (killed, kills) = (Instant::now(), kills + 1);
            }
            assert_eq!(owner.try_wait().unwrap(), None, "the owner ended by itself");
            let mut processes = vec![("rust reader", std::process::id())];
            processes.extend(python.as_ref().map(|child| ("python reader", child.id())));
            // A fresh owner is still loading.
            if killed.elapsed() > KILL_EVERY * 3 / 4 {
                processes.push(("owner", owner.id()));
            }
            for (name, process) in processes {
                memory.entry(name).or_default().extend(own_memory(process));
            }
            if let Some(child) = &mut python {
                let world = world.lock().unwrap();
                let about = child.stdin.as_mut().unwrap();
                // What is certain: the turns that are possible, and settled overrides.
                write!(about, "{} {}", world.turn.saturating_sub(3), world.begun + 3).unwrap();
                for (number, said) in &world.overrides {
                    if let Some((put, at)) = said
                        && at.elapsed() > LATE
                    {
                        write!(about, " {}={number}", u8::from(*put)).unwrap();
                    }
                }
                writeln!(about).unwrap();
            }
        }
        stop.store(true, Ordering::Relaxed);
        reading.join().unwrap()
    });
    owner.kill().unwrap();
    owner.wait().unwrap();
    let mut python_wrong = Vec::new();
    if let Some(child) = python {
        let output = child.wait_with_output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        for line in text.lines() {
            println!("python: {line}");
            if line.starts_with("wrong") {
                python_wrong.push(line.to_owned());
            }
        }
        assert!(output.status.success());
    }
    let world = world.lock().unwrap();
    println!(
        "{minutes} minutes, {kills} kills, {} refreshes, {} overrides changed",
        world.refreshes.len(),
        world.changes.len()
    );
    println!("rust: {done} answers compared, {} wrong", wrong.len());
    println!(
        "rust: check p50 {:?} p99 {:?} p99.9 {:?}",
        times.at(0.5),
        times.at(0.99),
        times.at(0.999)
    );
    println!("refresh, ms: {}", percentiles(world.refreshes.clone()));
    println!("override acknowledged, us: {}", percentiles(world.changes.clone()));
    for (name, values) in &memory {
        let (half, rest) = values.split_at(values.len() / 2);
        let most = |part: &[u64]| part.iter().max().copied().unwrap_or(0);
        println!(
            "memory of its own, {name}, kB: first half at most {}, second half {}",
            most(half),
            most(rest)
        );
    }
    assert!(wrong.is_empty() && python_wrong.is_empty(), "{wrong:#?} {python_wrong:#?}");
    assert!(world.changes.len() as u64 > minutes * 60, "the owner did too little");
}
