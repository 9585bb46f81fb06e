//! Feeds that mean harm, or might as well: what they cost is bounded, and what they say is kept from
//! those who said that it must not count. The large ones are
//! `cargo test --release --test poison -- --ignored --nocapture`.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::format_collect,
    clippy::cast_sign_loss,
    reason = "tests"
)]

mod support;

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use artif_core::ledger::{Override, OverrideAction};
use artif_core::{
    Config, Engine, Feed, FixedClock, Outcome, RefreshOptions, ReputationEngine as _, Verdict,
};
use support::{Random, refresh, time};

const FOLDER: &str = "ARTIF_POISON_FOLDER";

fn engine(dir: &Path, config: &str) -> Engine {
    let mut builder =
        Engine::builder().config(Config::from_toml(config).unwrap()).data(dir.join("data"));
    let catalogue = dir.join("feeds.json");
    if catalogue.exists() {
        builder = builder.catalogue(catalogue);
    } else {
        let url = format!("file:{}", dir.join("list.txt").display());
        builder = builder.feed(Feed::new("bad", &url).unwrap());
    }
    builder.build().unwrap()
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// Not a test of its own: a refresh in a process whose memory is counted.
#[test]
fn part() {
    let Some(dir) = std::env::var_os(FOLDER).map(PathBuf::from) else { return };
    let config = fs::read_to_string(dir.join("config.toml")).unwrap_or_default();
    let report = refresh(&engine(&dir, &config));
    for feed in report.feeds.iter().take(3) {
        println!("\ntold: {:?} {:?}", feed.outcome, feed.error);
        if let Some(parse) = &feed.parse {
            println!(
                "\ntold: lines {} distinct {} {:?}",
                parse.lines, parse.distinct, parse.skipped
            );
        }
    }
    println!("\ntold: loaded {} of {}", report.count(Outcome::Loaded), report.feeds.len());
    let snapshot = &report.snapshot;
    println!("\ntold: snapshot {} of {} bytes", snapshot.id, snapshot.bytes);
}

/// Refreshes in a process of its own: what it said, and the most megabytes it took at any time.
fn refreshed(dir: &Path, config: &str) -> (String, u64) {
    fs::write(dir.join("config.toml"), config).unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["part", "--exact", "--nocapture", "--test-threads=1"])
        .env(FOLDER, dir)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut most = 0;
    let status = PathBuf::from(format!("/proc/{}/status", child.id()));
    while child.try_wait().unwrap().is_none() {
        let text = fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
        most = most.max(kilobytes.unwrap_or(0));
        // Only so as not to take the processor from what is measured.
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    let told = String::from_utf8(output.stdout).unwrap();
    let told: Vec<_> = told.lines().filter_map(|line| line.split_once("told: ")).collect();
    (told.iter().map(|(_, told)| format!("{told}\n")).collect(), most / 1024)
}

#[test]
fn a_feed_that_flips_between_two_contents_costs_what_it_changes() {
    let dir = tempfile::tempdir().unwrap();
    let content = |odd: u32| -> String {
        (0..4000).map(|n| format!("{}\n", Ipv4Addr::from(93 << 24 | n << 4 | odd))).collect()
    };
    let contents = [content(0), content(1)];
    let clock = Arc::new(FixedClock::new(time("2026-03-01T00:00:00Z")));
    let url = format!("file:{}", dir.path().join("list.txt").display());
    let engine = Engine::builder()
        .config(Config::from_toml("[history]\nwindow = '1h'\nretention = '12h'").unwrap())
        .data(dir.path().join("data"))
        .feed(Feed::new("bad", &url).unwrap())
        .clock(clock.clone())
        .build()
        .unwrap();
    let mut sizes = Vec::new();
    for flip in 0..60 {
        clock.set(time("2026-03-01T00:00:00Z") + chrono::Duration::hours(flip));
        fs::write(dir.path().join("list.txt"), &contents[flip as usize % 2]).unwrap();
        let report = refresh(&engine);
        assert_eq!(report.feeds[0].outcome, Outcome::Loaded, "{report:?}");
        let active =
            [0, 1].map(|odd| engine.check(Ipv4Addr::from(93 << 24 | 64 | odd).into()).is_active());
        assert_eq!(active, [flip % 2 == 0, flip % 2 == 1]);
        let ledger = engine.status().ledger.unwrap();
        assert_eq!(ledger.active, 4000);
        // As many spells as the retention has hours, and no more.
        assert!(ledger.ended <= 4000 * 14, "{} after {flip} flips", ledger.ended);
        sizes.push(ledger.disk_bytes);
    }
    println!("bytes of the ledger: {} after 20 flips, {} after 60", sizes[19], sizes[59]);
    assert!(sizes[59] < 24 << 20, "{sizes:?}");
}

#[test]
fn a_feed_that_lists_its_own_users_is_overruled() {
    let dir = tempfile::tempdir().unwrap();
    // Their office, the network around it, and a wide one that holds both; and their own machines.
    let text = "93.184.216.0/24\n93.184.0.0/16\n93.128.0.0/9\n10.0.0.0/8\n127.0.0.1\n22.1.0.1\n";
    fs::write(dir.path().join("list.txt"), text).unwrap();
    fs::create_dir(dir.path().join("lists")).unwrap();
    let office = serde_json::json!({
        "name": "Our branches", "description": "", "version": 1, "type": "cidr",
        "matching_attributes": ["ip-src"], "list": ["22.1.0.0/16"],
    });
    fs::write(dir.path().join("lists/ours.json"), office.to_string()).unwrap();
    let lists = dir.path().join("lists");
    let engine = engine(
        dir.path(),
        &format!("[warninglists]\nsource = '{}'\ncap = ['ours']", lists.display()),
    );
    refresh(&engine);
    assert!(engine.check(ip("93.184.216.9")).is_active());
    let allow = Override::new(
        "93.184.216.0/24".parse().unwrap(),
        OverrideAction::Allow,
        chrono::Utc::now(),
    );
    engine.add_override(allow.reason("our office")).unwrap();
    assert_eq!(engine.check(ip("93.184.216.9")).verdict(), Verdict::Allowed);
    assert_ne!(
        engine.check(ip("93.184.217.9")).verdict(),
        Verdict::Allowed,
        "not their neighbours"
    );
    for private in ["10.1.2.3", "127.0.0.1"] {
        assert_eq!(engine.check(ip(private)).verdict(), Verdict::NotApplicable, "{private}");
    }
    assert!(engine.check(ip("22.1.0.1")).is_capped());
}

/// Addresses that share nothing, so that an index has to tell them apart bit by bit.
fn strangers(count: u32) -> String {
    let mut random = Random(5);
    let mut text = String::new();
    for _ in 0..count {
        let bits = u128::from(random.next()) << 64 | u128::from(random.next());
        writeln!(text, "{}", Ipv6Addr::from(0x2600 << 112 | bits >> 12)).unwrap();
    }
    text
}

#[test]
fn a_list_made_to_blow_up_the_index_is_refused_and_named() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("list.txt"), "2600::1\n").unwrap();
    let engine = engine(dir.path(), "[guard]\nmax_index = 1000000");
    let before = refresh(&engine).snapshot.id;
    fs::write(dir.path().join("list.txt"), strangers(10_000)).unwrap();
    let report = refresh(&engine);
    assert_eq!(report.feeds[0].outcome, Outcome::Refused, "{report:?}");
    let told = report.feeds[0].error.clone().unwrap();
    println!("{told}");
    assert!(told.contains("feed bad") && told.contains("guard.max_index"), "{told}");
    assert!(engine.check(ip("2600::1")).is_active(), "the old one, {before}, answers");
    let problems = engine.status().problems;
    assert!(problems.iter().any(|problem| problem.contains("bad is stale")), "{problems:?}");
    // As many that are neighbours are no matter.
    let near: String =
        (0..10_000_u128).map(|n| format!("{}\n", Ipv6Addr::from(0x2600 << 112 | n))).collect();
    fs::write(dir.path().join("list.txt"), near).unwrap();
    assert_eq!(refresh(&engine).feeds[0].outcome, Outcome::Loaded);
}

#[test]
fn feeds_that_blow_up_the_index_together_publish_nothing_and_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let lists = ["small", "large", "larger"];
    let path = |name: &str| dir.path().join(format!("{name}.txt"));
    for name in lists {
        fs::write(path(name), format!("2600::{}\n", name.len())).unwrap();
    }
    let config = "[guard]\nmax_index = 5000000\nmax_index_total = 5000000";
    let mut builder =
        Engine::builder().config(Config::from_toml(config).unwrap()).data(dir.path().join("data"));
    for name in lists {
        let url = format!("file:{}", path(name).display());
        builder = builder.feed(Feed::new(name, &url).unwrap());
    }
    let engine = builder.build().unwrap();
    let before = refresh(&engine).snapshot.id;
    let hosts = strangers(15_000);
    let from = |line: usize, count: usize| -> String {
        hosts.lines().skip(line).take(count).map(|line| format!("{line}\n")).collect()
    };
    // None of them is too much, and none is refused.
    fs::write(path("large"), from(0, 6_000)).unwrap();
    fs::write(path("larger"), from(6_000, 9_000)).unwrap();
    let error = engine.refresh(&RefreshOptions::default()).unwrap_err();
    let told = error.to_string();
    println!("{told}");
    let places = ["larger (", "large (", "small ("].map(|name| told.find(name).unwrap());
    assert!(places.is_sorted() && told.contains("guard.max_index_total"), "{told}");
    assert_eq!(engine.status().snapshot.id, before);
    assert!(engine.check(ip("2600::5")).is_active(), "what was known before answers");
    let problems = engine.status().problems;
    assert!(problems.iter().any(|p| p.contains("could not publish") && p.contains("larger")));
    // One of them less, and history is forgotten: it goes on.
    engine.enable_feed(&"larger".parse().unwrap(), false).unwrap();
    assert!(engine.refresh(&RefreshOptions::default()).unwrap().snapshot.id > before);
    let problems = engine.status().problems;
    assert!(!problems.iter().any(|p| p.contains("could not publish")), "{problems:?}");
}

#[test]
fn a_thousand_feeds_are_many_and_no_more() {
    let dir = tempfile::tempdir().unwrap();
    let feeds: Vec<(String, String)> = (0..1000_u32)
        .map(|feed| {
            let hosts =
                (0..20).map(|n| format!("{}\n", Ipv4Addr::from(93 << 24 | feed << 8 | n << 3)));
            (format!("feed-{feed}"), hosts.collect())
        })
        .collect();
    let feeds: Vec<(&str, &str)> = feeds.iter().map(|(name, text)| (&**name, &**text)).collect();
    support::catalogue(dir.path(), &feeds);
    let (told, most) = refreshed(dir.path(), "");
    println!("1,000 feeds: {most} MB at most\n{told}");
    assert!(told.contains("loaded 1000 of 1000"), "{told}");
    assert!(most < 400, "{most} MB");
}

/// One line without an end, of zeroes that take no room on a disk.
fn endless_line(dir: &Path, bytes: u64) {
    let mut file = fs::File::create(dir.join("list.txt")).unwrap();
    file.write_all(b"93.184.216.34\n").unwrap();
    file.set_len(bytes).unwrap();
}

#[test]
fn a_line_of_hundreds_of_megabytes_is_skipped_as_it_comes() {
    let dir = tempfile::tempdir().unwrap();
    endless_line(dir.path(), 200 << 20);
    let (told, most) = refreshed(dir.path(), "");
    println!("a line of 200 MB: {most} MB at most\n{told}");
    assert!(told.contains("Loaded") && told.contains("distinct 1 "), "{told}");
    assert!(most < 150, "{most} MB");
}

#[test]
#[ignore = "reads a gigabyte"]
fn a_line_of_a_gigabyte() {
    let dir = tempfile::tempdir().unwrap();
    endless_line(dir.path(), 1 << 30);
    let (told, most) = refreshed(dir.path(), "");
    println!("a line of 1 GB, fetch.max_bytes as it is: {most} MB at most\n{told}");
    let (told, most) = refreshed(dir.path(), "[fetch]\nmax_bytes = 2147483648");
    println!("a line of 1 GB, allowed: {most} MB at most\n{told}");
    assert!(told.contains("distinct 1 "), "{told}");
    assert!(most < 150, "{most} MB");
}

#[test]
#[ignore = "reads ten million lines"]
fn ten_million_lines() {
    let dir = tempfile::tempdir().unwrap();
    let mut file = std::io::BufWriter::new(fs::File::create(dir.path().join("list.txt")).unwrap());
    for n in 0..10_000_000_u32 {
        writeln!(file, "{}", Ipv4Addr::from(0x1000_0000 + n * 7)).unwrap();
    }
    drop(file);
    let (told, most) = refreshed(dir.path(), "");
    println!("10 million lines: {most} MB at most\n{told}");
    assert!(told.contains("Loaded"), "{told}");
    assert!(most < 4096, "{most} MB");
}

#[test]
#[ignore = "makes a million addresses"]
fn a_million_strangers_are_refused_by_default() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("list.txt"), strangers(1_000_000)).unwrap();
    let (told, most) = refreshed(dir.path(), "");
    println!("a million IPv6 addresses: {most} MB at most\n{told}");
    assert!(told.contains("Refused") && told.contains("max_index"), "{told}");
    fs::write(dir.path().join("list.txt"), strangers(600_000)).unwrap();
    let (told, most) = refreshed(dir.path(), "");
    println!("as many as may be, of the worst kind: {most} MB at most\n{told}");
    assert!(told.contains("Loaded"), "{told}");
}

#[test]
fn addresses_asked_for_are_not_kept() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("list.txt"), "93.184.216.34\n").unwrap();
    spray(dir.path(), 500_000);
}

#[test]
#[ignore = "asks for 50 million addresses"]
fn fifty_million_addresses_asked_for_are_not_kept() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("list.txt"), "93.184.216.34\n").unwrap();
    spray(dir.path(), 50_000_000);
}

/// Asks for so many different addresses, and looks at the memory.
fn spray(dir: &Path, count: u32) {
    let own = || {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:").map(str::to_owned));
        line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0)
    };
    let engine = engine(dir, "");
    engine.refresh(&RefreshOptions::default()).unwrap();
    let mut random = Random(3);
    let mut ask = |count| {
        for _ in 0..count {
            let bits = random.next();
            std::hint::black_box(engine.gate(Ipv4Addr::from(bits as u32).into()));
            let six = Ipv6Addr::from(0x2600 << 112 | u128::from(bits) << 16);
            std::hint::black_box(engine.check(six.into()).verdict());
        }
    };
    ask(10_000);
    let before = own();
    ask(count / 2);
    let after = own();
    println!("{count} addresses: {before} kB before, {after} kB after");
    // Other tests of this process run meanwhile: far from a byte an address it has to be.
    assert!(after < before + 100_000, "{before} kB became {after} kB");
}
