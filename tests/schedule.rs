//! Engines that refresh themselves, by a clock that the tests move.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod support;

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};

use artif_core::{
    Clock as _, Config, Engine, Feed, FixedClock, Outcome, Reader, RefreshReport, Refresher,
    ReputationEngine, ScheduleEvent, ScheduleOptions,
};
use chrono::{DateTime, TimeDelta, Utc};
use support::{clock, time};

const START: &str = "2026-08-05T06:00:00Z";

#[derive(Debug)]
enum Told {
    Waiting(DateTime<Utc>),
    Refreshed(Box<RefreshReport>),
    Failed(String),
}

/// Two feeds from files, an hourly and a daily one, and an engine that keeps them.
struct World {
    dir: tempfile::TempDir,
    clock: Arc<FixedClock>,
    engine: Option<Engine>,
    running: Option<(Refresher, Receiver<Told>)>,
    config: Config,
}

impl World {
    fn new() -> Self {
        Self::with(Config::default())
    }

    fn with(mut config: Config) -> Self {
        config.schedule.jitter = 0.0;
        let dir = tempfile::tempdir().unwrap();
        let mut world = Self { dir, clock: clock(START), engine: None, running: None, config };
        world.write("hourly", "93.184.216.34\n");
        world.write("daily", "93.184.216.35\n");
        world.open();
        world
    }

    fn open(&mut self) {
        let mut builder = Engine::builder()
            .config(self.config.clone())
            .data(self.data())
            .clock(Arc::clone(&self.clock) as Arc<_>);
        for (name, every) in [("hourly", 3_600), ("daily", 86_400)] {
            let url = format!("file:{}", self.list(name).display());
            builder = builder.feed(Feed::new(name, &url).unwrap().refresh_every(every));
        }
        self.engine = Some(builder.build().unwrap());
    }

    fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    fn list(&self, name: &str) -> PathBuf {
        self.dir.path().join(format!("{name}.txt"))
    }

    fn write(&self, name: &str, content: &str) {
        std::fs::write(self.list(name), content).unwrap();
    }

    fn engine(&self) -> &Engine {
        self.engine.as_ref().unwrap()
    }

    /// Starts to refresh; what happens until nothing is due.
    fn start(&mut self) -> (Vec<RefreshReport>, DateTime<Utc>) {
        let (sender, events) = channel();
        let options = ScheduleOptions::default().on_event(move |event| {
            let _ = sender.send(match event {
                ScheduleEvent::Waiting { until } => Told::Waiting(until),
                ScheduleEvent::Refreshed(report) => Told::Refreshed(Box::new(report.clone())),
                ScheduleEvent::Failed(error) => Told::Failed(error.to_string()),
                other => panic!("{other:?}"),
            });
        });
        self.running = Some((self.engine().spawn_refresh_with(options).unwrap(), events));
        self.settle()
    }

    fn settle(&self) -> (Vec<RefreshReport>, DateTime<Utc>) {
        let (_, events) = self.running.as_ref().unwrap();
        let mut reports = Vec::new();
        loop {
            match events.recv().unwrap() {
                Told::Refreshed(report) => reports.push(*report),
                Told::Waiting(until) => return (reports, until),
                Told::Failed(error) => panic!("{error}"),
            }
        }
    }

    /// Sets the clock and has the schedule look at it.
    fn at(&self, moment: &str) -> (Vec<RefreshReport>, DateTime<Utc>) {
        self.clock.set(time(moment));
        self.running.as_ref().unwrap().0.wake();
        self.settle()
    }

    fn close(&mut self) {
        self.running = None;
        self.engine = None;
    }

    fn is_active(&self, ip: &str) -> bool {
        self.engine().check(ip.parse::<IpAddr>().unwrap()).is_active()
    }
}

fn names(reports: &[RefreshReport]) -> Vec<String> {
    reports.iter().flat_map(|report| &report.feeds).map(|feed| feed.feed.to_string()).collect()
}

#[test]
fn each_feed_is_fetched_at_its_interval() {
    let mut world = World::new();
    let (reports, until) = world.start();
    assert_eq!(names(&reports), ["hourly", "daily"]);
    assert_eq!(until, time("2026-08-05T07:00:00Z"));
    assert!(world.is_active("93.184.216.34"));

    let (reports, until) = world.at("2026-08-05T06:59:59Z");
    assert!(reports.is_empty());
    assert_eq!(until, time("2026-08-05T07:00:00Z"));
    world.write("hourly", "93.184.216.36\n");
    let (reports, _) = world.at("2026-08-05T07:00:00Z");
    assert_eq!(names(&reports), ["hourly"]);
    assert!(reports[0].published && world.is_active("93.184.216.36"));
    // Suspended for days: everything once, not once for every hour that was missed.
    let (reports, until) = world.at("2026-08-09T07:00:00Z");
    assert_eq!(names(&reports), ["hourly", "daily"]);
    assert_eq!(until, time("2026-08-09T08:00:00Z"));
}

#[test]
fn nothing_new_is_no_new_snapshot_and_nothing_written() {
    let mut world = World::new();
    world.start();
    let snapshot = world.engine().status().snapshot;
    let (reports, _) = world.at("2026-08-05T07:00:00Z");
    assert_eq!(reports[0].feeds[0].outcome, Outcome::Unchanged);
    assert!(!reports[0].published);
    assert_eq!(world.engine().status().snapshot, snapshot);
    assert!(!world.data().join("retries.json").exists());
}

#[test]
fn the_snapshot_is_made_anew_for_the_clock() {
    let mut world = World::new();
    world.write("daily", "93.184.216.35\n93.184.216.40\n");
    world.start();
    // Every six hours.
    let (reports, _) = world.at("2026-08-05T12:00:00Z");
    assert!(reports.last().unwrap().published, "with the hourly feed, that did not change");
    assert_eq!(world.engine().status().snapshot.created, time("2026-08-05T12:00:00Z"));
    // And when an address leaves the history window, seven days after it left the feed.
    world.write("daily", "93.184.216.35\n");
    world.at("2026-08-06T06:00:00Z");
    let gone: IpAddr = "93.184.216.40".parse().unwrap();
    assert!(world.engine().check(gone).is_historical());
    let (_, before) = world.at("2026-08-13T05:59:00Z");
    assert!(world.engine().check(gone).is_historical());
    assert_eq!(before, time("2026-08-13T06:00:00Z"));
    let (reports, _) = world.at("2026-08-13T06:00:00Z");
    assert!(reports.iter().any(|report| report.published));
    assert!(!world.engine().check(gone).is_historical());
}

#[test]
fn a_feed_in_trouble_is_tried_again_ever_later_and_a_restart_does_not_forget() {
    let mut world = World::new();
    world.start();
    std::fs::remove_file(world.list("hourly")).unwrap();
    let (reports, until) = world.at("2026-08-05T07:00:00Z");
    assert_eq!(reports[0].count(Outcome::Failed), 1);
    assert_eq!(until, time("2026-08-05T07:05:00Z"));
    let (_, until) = world.at("2026-08-05T07:05:00Z");
    assert_eq!(until, time("2026-08-05T07:15:00Z"));
    assert!(world.is_active("93.184.216.34"), "the last good content");
    assert!(world.engine().status().problems.iter().any(|p| p.contains("hourly is stale")));

    world.close();
    world.open();
    world.write("hourly", "93.184.216.36\n");
    let (reports, until) = world.start();
    assert!(reports.is_empty());
    assert_eq!(until, time("2026-08-05T07:15:00Z"));
    let (reports, until) = world.at("2026-08-05T07:15:00Z");
    assert_eq!(reports[0].count(Outcome::Loaded), 1);
    assert_eq!(until, time("2026-08-05T08:15:00Z"));
    // A damaged note of that is no reason not to start.
    world.close();
    std::fs::write(world.data().join("retries.json"), "{\"hourly\": 7").unwrap();
    world.open();
    assert_eq!(world.start().1, time("2026-08-05T08:15:00Z"));
}

#[test]
fn a_clock_set_back_does_not_stop_it() {
    let mut world = World::new();
    world.start();
    world.at("2026-08-05T07:00:00Z");
    // By a year: planned from then on, and the snapshot of the future is replaced.
    let (reports, until) = world.at("2025-08-05T07:00:00Z");
    assert!(reports.iter().any(|report| report.published));
    assert_eq!(until, time("2025-08-05T08:00:00Z"));
    assert_eq!(world.engine().status().snapshot.created, world.clock.now());
    let (reports, _) = world.at("2025-08-05T08:00:00Z");
    assert_eq!(names(&reports), ["hourly"]);
    assert!(world.is_active("93.184.216.34"));
}

#[test]
fn feeds_switched_on_and_off_are_heeded() {
    let mut world = World::new();
    let hourly = "hourly".parse().unwrap();
    world.engine().enable_feed(&hourly, false).unwrap();
    assert_eq!(names(&world.start().0), ["daily"]);
    world.engine().enable_feed(&hourly, true).unwrap();
    assert_eq!(names(&world.at(START).0), ["hourly"]);
}

#[test]
fn readers_follow_and_there_is_one_owner() {
    let mut world = World::new();
    world.start();
    let reader = Reader::open_with(&world.data(), Arc::clone(&world.clock) as Arc<_>).unwrap();
    world.write("hourly", "93.184.216.36\n");
    world.at("2026-08-05T07:00:00Z");
    reader.reload().unwrap();
    assert!(reader.check("93.184.216.36".parse().unwrap()).is_active());
    assert_eq!(world.engine().spawn_refresh().unwrap_err().code(), "ARTIF_INVALID");
    let other = Engine::builder().data(world.data()).build();
    assert_eq!(other.unwrap_err().code(), "ARTIF_LOCKED");
    world.close();
    world.open();
    assert!(world.is_active("93.184.216.36"));
}

#[test]
fn stopping_drops_a_transfer_that_does_not_end() {
    let mut world = World::new();
    let (connected, connections) = channel();
    let server = support::http_server::Server::start(move |_, to| {
        let _ = connected.send(());
        to.hang();
    });
    world.close();
    let feed = Feed::new("endless", &server.url("/")).unwrap();
    let engine = Engine::builder().data(world.data()).feed(feed).build().unwrap();
    let refresher = engine.spawn_refresh().unwrap();
    connections.recv().unwrap();
    refresher.join();
    let feed = &engine.status().feeds[0];
    assert_eq!((feed.count, &feed.stale, feed.first_loaded), (0, &None, None), "nothing half done");
    assert!(engine.spawn_refresh().is_ok(), "and the next one may begin");
}

#[test]
fn a_listener_that_panics_does_not_end_the_refreshes() {
    let world = World::new();
    let (sender, seen) = channel();
    let options = ScheduleOptions::default().on_event(move |event| {
        if let ScheduleEvent::Waiting { until } = event {
            let _ = sender.send(until);
        }
        panic!("the listener's own");
    });
    let refresher = world.engine().spawn_refresh_with(options).unwrap();
    seen.recv().unwrap();
    world.clock.set(world.clock.now() + TimeDelta::days(2));
    refresher.wake();
    seen.recv().unwrap();
    assert!(world.is_active("93.184.216.34"));
}

#[test]
fn warninglists_are_fetched_at_their_interval_too() {
    let lists = tempfile::tempdir().unwrap();
    let write = |entry: &str| {
        let text = format!(
            r#"{{"name": "Ours", "type": "cidr", "version": 1, "matching_attributes": ["ip-src"],
                "list": ["{entry}"]}}"#
        );
        std::fs::create_dir_all(lists.path().join("public-dns-ours")).unwrap();
        std::fs::write(lists.path().join("public-dns-ours/list.json"), text).unwrap();
    };
    write("93.184.216.1/32");
    let mut config = Config::default();
    config.warninglists.source = Some(lists.path().to_str().unwrap().to_owned());
    config.warninglists.refresh = std::time::Duration::from_secs(7_200);
    let mut world = World::with(config);
    let capped = |world: &World| {
        world.engine().check("93.184.216.34".parse().unwrap()).warninglists().count() == 1
    };
    world.start();
    assert!(world.is_active("93.184.216.34") && !capped(&world));

    write("93.184.216.34/32");
    let (reports, _) = world.at("2026-08-05T07:00:00Z");
    assert!(reports[0].warninglists.is_empty() && !capped(&world), "not due yet");
    let (reports, _) = world.at("2026-08-05T08:00:00Z");
    assert_eq!(reports[0].warninglists.len(), 1);
    assert!(capped(&world));
}

#[test]
fn lists_put_into_the_folder_of_warninglists_are_noticed() {
    let lists = tempfile::tempdir().unwrap();
    let write = |name: &str, entry: &str| {
        let text = format!(
            r#"{{"name": "{name}", "type": "cidr", "version": 1,
                "matching_attributes": ["ip-src"], "list": ["{entry}"]}}"#
        );
        std::fs::write(lists.path().join(format!("{name}.json")), text).unwrap();
    };
    write("public-dns-a", "93.184.216.1/32");
    let mut config = Config::default();
    config.warninglists.source = Some(lists.path().to_str().unwrap().to_owned());
    let mut world = World::with(config);
    let named = |world: &World| -> Vec<String> {
        let answer = world.engine().check("93.184.216.34".parse().unwrap());
        answer.warninglists().map(|list| list.name.clone()).collect()
    };
    world.start();
    assert!(named(&world).is_empty());

    // While it runs, and though nothing else is due.
    write("public-dns-b", "93.184.216.34/32");
    let (reports, _) = world.at("2026-08-05T06:10:00Z");
    assert_eq!(reports[0].warninglists.len(), 1);
    assert_eq!(named(&world), ["public-dns-b"]);
    assert_eq!(world.engine().warninglists().len(), 2);

    std::fs::remove_file(lists.path().join("public-dns-b.json")).unwrap();
    world.at("2026-08-05T07:00:00Z");
    assert!(named(&world).is_empty());
    // Emptied by an accident, or not mounted: nothing is unlearnt.
    std::fs::remove_file(lists.path().join("public-dns-a.json")).unwrap();
    world.at("2026-08-05T08:00:00Z");
    assert_eq!(world.engine().warninglists().len(), 1);
}
