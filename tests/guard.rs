//! Feeds that break in the ways feeds break: the last good content goes on answering.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod support;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};

use artif_core::{Engine, Feed, Outcome, RefreshOptions, RefreshReport, ReputationEngine};
use support::refresh;

const START: u32 = 0x5d00_0000;

/// So many single addresses from 93.0.0.0 on, every other one, so that none of them merge.
fn list(count: u32) -> String {
    let mut text = String::new();
    for i in 0..count {
        writeln!(text, "{}", Ipv4Addr::from(START + 2 * i)).unwrap();
    }
    text
}

struct World {
    dir: tempfile::TempDir,
}

impl World {
    fn new(content: &str) -> Self {
        let world = Self { dir: tempfile::tempdir().unwrap() };
        world.write(content);
        world
    }

    fn write(&self, content: &str) {
        std::fs::write(self.dir.path().join("list.txt"), content).unwrap();
    }

    fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    fn feed(&self) -> Feed {
        let list = self.dir.path().join("list.txt");
        Feed::new("mine", &format!("file:{}", list.display())).unwrap()
    }

    fn engine(&self) -> Engine {
        Engine::builder().data(self.data()).feed(self.feed()).build().unwrap()
    }
}

fn first_answers(engine: &Engine) -> bool {
    engine.check(IpAddr::V4(Ipv4Addr::from(START))).is_active()
}

fn refused(report: &RefreshReport) -> &str {
    let feed = &report.feeds[0];
    assert_eq!(feed.outcome, Outcome::Refused, "{feed:?}");
    feed.error.as_deref().unwrap()
}

#[test]
fn broken_content_is_refused_and_the_last_good_one_answers() {
    let page = format!("\r\n<!DOCTYPE html><title>Sorry</title>\n{}", list(500));
    let junk = format!("{}{}", list(30), "try again later\n".repeat(40));
    for (good, broken, reason) in [
        (list(100), String::new(), "it lists nothing, the last good content listed 100"),
        (list(100), page, "it is an HTML page"),
        (list(100), junk, "an indicator is recognised in only 43 % of its lines"),
        (list(100), list(19), "it lists 19, which is 19 % of the 100"),
        (list(2), list(100_100), "it lists 100100, more than 20 times the 2"),
        (
            list(2),
            (1..=80).map(|n| format!("{n}.0.0.0/8")).collect::<Vec<_>>().join("\n"),
            "above the ceiling of 536870912",
        ),
    ] {
        let world = World::new(&good);
        let engine = world.engine();
        refresh(&engine);
        let snapshot = engine.status().snapshot.counts;
        world.write(&broken);
        let report = refresh(&engine);
        assert!(refused(&report).contains(reason), "{reason}: {}", refused(&report));
        assert!(first_answers(&engine), "{reason}");
        let status = engine.status();
        assert_eq!(status.snapshot.counts, snapshot, "{reason}");
        let problem = format!("feed mine is stale: {}", refused(&report));
        assert!(status.problems.contains(&problem), "{:?}", status.problems);
        drop(engine);

        // Nor does a restart let it through, and mended content is taken at once.
        let engine = world.engine();
        assert!(first_answers(&engine));
        assert!(engine.status().problems.contains(&problem));
        assert!(refused(&refresh(&engine)).contains(reason));
        world.write(&format!("{good}94.0.0.1\n"));
        assert_eq!(refresh(&engine).count(Outcome::Loaded), 1);
        assert!(first_answers(&engine));
        assert!(!engine.status().problems.iter().any(|p| p.contains("stale")));
    }
}

#[test]
fn a_feed_that_always_was_poor_is_taken() {
    let page = |count| format!("{}{}", list(count), "https://example.com/x\nnothing\n".repeat(900));
    let world = World::new(&page(30));
    let engine = world.engine();
    assert_eq!(refresh(&engine).count(Outcome::Loaded), 1);
    world.write(&page(28));
    assert_eq!(refresh(&engine).count(Outcome::Loaded), 1);
}

#[test]
fn a_first_load_that_is_refused_says_why_in_the_status_of_every_process() {
    let world = World::new("<html>Please log in</html>");
    let engine = world.engine();
    let reason = refused(&refresh(&engine)).to_owned();
    let problem = format!("feed mine was never loaded: {reason}");
    assert!(engine.status().problems.contains(&problem), "{:?}", engine.status().problems);
    drop(engine);
    let reader = artif_core::Reader::open(world.data()).unwrap();
    assert!(reader.status().problems.contains(&problem), "{:?}", reader.status().problems);
    let engine = world.engine();
    assert!(engine.status().problems.contains(&problem));
    assert!(!refresh(&engine).published, "no news");
    world.write(&list(3));
    refresh(&engine);
    assert!(!engine.status().problems.join("\n").contains("mine"));
}

#[test]
fn what_was_refused_can_be_accepted() {
    let world = World::new(&list(100));
    let engine = world.engine();
    refresh(&engine);
    world.write("93.0.0.1\n");
    refused(&refresh(&engine));
    let report = engine.accept_feed(&"mine".parse().unwrap()).unwrap();
    let commit = report.feeds[0].commit.unwrap();
    assert_eq!((report.feeds[0].outcome, commit.added, commit.ended), (Outcome::Loaded, 1, 100));
    assert!(report.published && !first_answers(&engine));
    assert!(!engine.status().problems.join("\n").contains("mine"));
    // From now on this is what new content is compared with.
    assert_eq!(refresh(&engine).count(Outcome::Unchanged), 1);
    let error = engine.accept_feed(&"other".parse().unwrap()).unwrap_err();
    assert_eq!(error.code(), "ARTIF_UNKNOWN_FEED");
}

#[test]
fn a_configuration_moves_the_thresholds() {
    let world = World::new(&list(100));
    let url = world.feed().url;
    for (text, expected) in [
        (
            format!("[guard]\nmin_share = 0.1\n[[feed]]\nid = 'mine'\nurl = '{url}'"),
            Outcome::Loaded,
        ),
        (
            format!(
                "[guard]\nmin_share = 0.1\n[[feed]]\nid = 'mine'\nurl = '{url}'\nguard = {{ min_share = 0.5 }}"
            ),
            Outcome::Refused,
        ),
    ] {
        let config = artif_core::Config::from_toml(&text).unwrap();
        let engine = Engine::builder().config(config).in_memory().build().unwrap();
        world.write(&list(100));
        refresh(&engine);
        world.write(&list(15));
        assert_eq!(refresh(&engine).feeds[0].outcome, expected, "{text}");
    }
    let text = format!("[[feed]]\nid = 'x'\nurl = '{url}'\nguard = {{ min_share = 7 }}");
    let config = artif_core::Config::from_toml(&text).unwrap();
    let error = Engine::builder().config(config).in_memory().build().unwrap_err().to_string();
    assert!(error.contains("guard.min_share is not within 0 to 1"), "{error}");
}

/// Every file but the locks.
fn bytes(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(bytes(&path));
        } else if !path.to_string_lossy().contains("lock") {
            found.insert(path.clone(), std::fs::read(&path).unwrap());
        }
    }
    found
}

#[test]
fn a_dry_run_says_what_would_change_and_writes_nothing() {
    let world = World::new(&list(100));
    let engine = world.engine();
    refresh(&engine);
    let snapshot = engine.status().snapshot;
    let dry = || engine.refresh(&RefreshOptions::default().dry_run()).unwrap();
    let before = bytes(&world.data());
    assert!(before.len() > 2, "{:?}", before.keys());

    assert_eq!(dry().count(Outcome::Unchanged), 1);
    world.write(&format!("{}94.0.0.1\n", list(88)));
    let report = dry();
    let changes = report.feeds[0].changes.as_ref().unwrap();
    assert_eq!((report.feeds[0].outcome, changes.added, changes.removed), (Outcome::Loaded, 1, 12));
    assert_eq!(changes.added_samples, ["94.0.0.1".parse().unwrap()]);
    assert_eq!(changes.removed_samples.len(), 10);
    world.write("93.0.0.0\n");
    let report = dry();
    assert!(refused(&report).contains("it lists 1, which is 1.0 %"));
    assert_eq!(report.feeds[0].changes.as_ref().unwrap().removed, 99);
    std::fs::remove_file(world.dir.path().join("list.txt")).unwrap();
    assert_eq!(dry().count(Outcome::Failed), 1);

    assert_eq!(bytes(&world.data()), before);
    assert_eq!(engine.status().snapshot, snapshot);
    assert!(!engine.status().problems.join("\n").contains("mine"));
}

/// An engine at this moment, whose `[[feed]]` has these keys besides.
fn at(world: &World, moment: &str, keys: &str) -> Engine {
    let list = world.dir.path().join("list.txt");
    let text = format!("[[feed]]\nid = 'mine'\nurl = 'file:{}'\n{keys}", list.display());
    let config = artif_core::Config::from_toml(&text).unwrap();
    let builder = Engine::builder().config(config).data(world.data());
    builder.clock(support::clock(moment)).build().unwrap()
}

#[test]
fn a_feed_that_is_gone_for_long_no_longer_counts_until_it_is_back() {
    let world = World::new(&list(3));
    let path = world.dir.path().join("list.txt");
    let day = |moment: &str, keys: &str| -> (bool, String) {
        let engine = at(&world, moment, keys);
        refresh(&engine);
        let reader = artif_core::Reader::open(world.data()).unwrap();
        assert_eq!(first_answers(&engine), reader.check(IpAddr::from([93, 0, 0, 0])).is_active());
        (first_answers(&engine), engine.status().problems.join("\n"))
    };
    assert!(day("2026-01-01T00:00:00Z", "").0);
    std::fs::remove_file(&path).unwrap();
    let (answers, problems) = day("2026-03-31T00:00:00Z", "");
    assert!(answers && problems.contains("mine is stale") && !problems.contains("counts"));
    let (answers, problems) = day("2026-04-02T00:00:00Z", "");
    assert!(!answers && problems.contains("feed mine no longer counts"), "{problems}");
    // Its own patience, either way.
    assert!(day("2026-04-02T00:00:00Z", "guard = { max_age = '100d' }").0);
    assert!(!day("2026-04-02T00:00:00Z", "guard = { max_age = '1d' }").0);
    assert!(!day("2026-04-12T00:00:00Z", "guard = { max_age = '100d' }").0);
    // Back with what it listed before: that nothing is new in it is enough.
    world.write(&list(3));
    let engine = at(&world, "2026-04-12T00:00:00Z", "");
    assert_eq!(refresh(&engine).count(Outcome::Unchanged), 1);
    assert!(first_answers(&engine) && !engine.status().problems.join("\n").contains("mine"));
}

#[test]
fn a_feed_has_floors_of_its_own() {
    let world = World::new("93.0.0.0/12\n94.0.0.1\n2a00::/24\n");
    let engine = at(&world, "2026-01-01T00:00:00Z", "");
    assert_eq!(refresh(&engine).feeds[0].commit.unwrap().added, 3);
    drop(engine);
    let engine = at(&world, "2026-01-02T00:00:00Z", "guard = { v4_floor = 16, v6_floor = 32 }");
    let report = refresh(&engine);
    assert_eq!(report.count(Outcome::Loaded), 1, "another way to read the same bytes");
    assert_eq!(report.feeds[0].parse.as_ref().unwrap().too_wide, 2);
    assert!(!first_answers(&engine) && engine.check(IpAddr::from([94, 0, 0, 1])).is_active());
}
