//! MISP servers on the schedule that `artif watch` follows.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod support;

use std::sync::mpsc::{Receiver, channel};

use artif_core::{
    Outcome, RefreshReport, Refresher, ReputationEngine, ScheduleEvent, ScheduleOptions,
};
use chrono::{DateTime, Utc};
use support::misp_world::World;
use support::time;

enum Told {
    Refreshed(Box<RefreshReport>),
    Waiting(DateTime<Utc>),
}

fn watch(world: &World) -> (Refresher, Receiver<Told>) {
    let (sender, events) = channel();
    let options = ScheduleOptions::default().on_event(move |event| {
        let told = match event {
            ScheduleEvent::Refreshed(report) => Told::Refreshed(Box::new(report.clone())),
            ScheduleEvent::Waiting { until } => Told::Waiting(until),
            ScheduleEvent::Failed(error) => panic!("{error}"),
            _ => return,
        };
        let _ = sender.send(told);
    });
    (world.engine().spawn_refresh_with(options).unwrap(), events)
}

/// What is done until nothing is due, and what comes next.
fn settle(events: &Receiver<Told>) -> (Vec<RefreshReport>, DateTime<Utc>) {
    let mut reports = Vec::new();
    loop {
        match events.recv().unwrap() {
            Told::Refreshed(report) => reports.push(*report),
            Told::Waiting(until) => return (reports, until),
        }
    }
}

#[test]
fn a_server_is_synced_at_its_interval_and_may_go_away_and_come_back() {
    let mut world = World::new("");
    let event = {
        let mut store = world.misp.store();
        let event = store.add_event("one", 1, &["c2"]);
        store.add(event, "ip-dst", "60.0.0.1");
        event
    };
    let (refresher, events) = watch(&world);
    let (reports, until) = settle(&events);
    assert_eq!((reports[0].misp[0].outcome, reports[0].misp[0].full), (Outcome::Loaded, true));
    assert_eq!(until, time("2026-08-05T07:00:00Z"));
    let later = |minutes: u64| {
        world.misp.store().log.clear();
        world.pass(minutes * 60);
        refresher.wake();
        let (reports, until) = settle(&events);
        let syncs: Vec<_> = reports.iter().flat_map(|report| &report.misp).cloned().collect();
        (syncs, until)
    };
    assert!(later(59).0.is_empty());
    let (syncs, until) = later(1);
    assert_eq!((syncs.len(), syncs[0].requests), (1, 2));
    assert_eq!((syncs[0].outcome, until), (Outcome::Unchanged, time("2026-08-05T08:00:00Z")));

    world.misp.store().down = true;
    let (syncs, until) = later(60);
    assert_eq!(syncs[0].outcome, Outcome::Failed);
    assert!(syncs[0].error.as_ref().unwrap().contains("[misp-unreachable]"), "{syncs:?}");
    assert_eq!(until, time("2026-08-05T08:05:00Z"));
    let (_, until) = later(5);
    assert_eq!(until, time("2026-08-05T08:15:00Z"), "ever later");
    let problem = || {
        let problems = world.engine().status().problems;
        problems.into_iter().find(|problem| problem.starts_with("misp misp:"))
    };
    let words = problem().unwrap();
    assert!(
        words.contains("[misp-unreachable]")
            && words.contains("answers go on with what it held at 2026-08-05 07:00"),
        "{words}"
    );
    let listed = |ip: &str| world.engine().check(ip.parse().unwrap()).is_active();
    assert!(listed("60.0.0.1"));

    {
        let mut store = world.misp.store();
        store.down = false;
        store.add(event, "ip-dst", "60.0.0.2");
    }
    let (syncs, until) = later(10);
    assert_eq!((syncs[0].outcome, syncs[0].requests, syncs[0].full), (Outcome::Loaded, 2, false));
    assert_eq!(until, time("2026-08-05T09:15:00Z"));
    assert_eq!(problem(), None);
    assert!(listed("60.0.0.1") && listed("60.0.0.2"));

    // A restart goes on with the plan, and asks nothing before it is due.
    refresher.join();
    world.open();
    world.misp.store().log.clear();
    let (refresher, events) = watch(&world);
    assert_eq!(settle(&events).1, time("2026-08-05T09:15:00Z"));
    assert!(world.misp.store().log.is_empty());
    refresher.join();
}
