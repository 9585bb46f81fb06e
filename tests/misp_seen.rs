//! Since when what a MISP server lists is listed, and what its users said of it.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use artif_core::misp::SightingKind;
use artif_core::{Outcome, ReputationEngine};
use support::misp_server::Fault;
use support::misp_world::{World, fill};
use support::time;

const DAY: u64 = 86_400;

#[test]
fn listings_begin_when_the_server_says_that_they_did() {
    let world = World::new("");
    let (plain, seen) = {
        let mut store = world.misp.store();
        store.now -= 30 * DAY;
        let event = store.add_event("one", 2, &[]);
        let plain = store.add(event, "ip-dst", "60.0.0.1");
        let seen = store.add(event, "ip-dst", "60.0.0.2");
        // The same in another way, changed later: the first counts.
        store.now += 10 * DAY;
        store.add(event, "ip-dst|port", "60.0.0.1|80");
        store.now += 20 * DAY;
        store.attributes.get_mut(&seen).unwrap().first_seen =
            Some("2026-01-01T00:00:00.000000+00:00".to_owned());
        let future = store.add(event, "ip-dst", "60.0.0.3");
        store.attributes.get_mut(&future).unwrap().first_seen = Some("2099-01-01".to_owned());
        (plain, seen)
    };
    let begun = |ip: &str| {
        let history = world.engine().history(ip.parse().unwrap());
        let mut history: Vec<_> = history.iter().map(|e| (e.first_seen, e.ended)).collect();
        history.sort_unstable();
        history
    };
    world.sync();
    assert_eq!(begun("60.0.0.1"), [(time("2026-07-06T06:00:00Z"), None)]);
    assert_eq!(begun("60.0.0.2"), [(time("2026-01-01T00:00:00Z"), None)]);
    assert_eq!(begun("60.0.0.3"), [(time("2026-08-05T06:00:00Z"), None)], "never later than now");
    assert_eq!(
        world.engine().check("60.0.0.2".parse().unwrap()).first_seen(),
        Some(time("2026-01-01T00:00:00Z"))
    );

    // What comes back does not begin before it went.
    world.pass(600);
    world.misp.store().edit(seen, |a| a.to_ids = false);
    world.sync();
    world.pass(600);
    world.misp.store().edit(seen, |a| a.to_ids = true);
    world.sync();
    let went = time("2026-08-05T06:10:00Z");
    assert_eq!(begun("60.0.0.2"), [(time("2026-01-01T00:00:00Z"), Some(went)), (went, None)]);
    // What stays goes on as it was, also where the other attribute goes.
    world.pass(600);
    world.misp.store().delete(plain);
    world.sync();
    assert_eq!(begun("60.0.0.1"), [(time("2026-07-06T06:00:00Z"), None)]);
}

#[test]
fn false_positives_and_expirations_withdraw_what_was_not_seen_since() {
    let world = World::new("read_sightings = true");
    let ids: Vec<u64> = {
        let mut store = world.misp.store();
        let event = store.add_event("one", 2, &[]);
        (1..=4).map(|n| store.add(event, "ip-dst", &format!("60.0.0.{n}"))).collect()
    };
    let listed = |report: &artif_core::misp::SyncReport| -> Vec<bool> {
        assert_eq!(report.error, None);
        let active = |n| world.engine().check(format!("60.0.0.{n}").parse().unwrap()).is_active();
        (1..=4).map(active).collect()
    };
    let sync = || world.refresh().misp.remove(0);
    assert_eq!(listed(&sync()), [true; 4]);
    world.pass(DAY);
    {
        let mut store = world.misp.store();
        let now = store.now;
        for (place, kind) in [(0, 1), (1, 1), (1, 0), (2, 2), (3, 0)] {
            store.told.push((ids[place], kind, now - 60));
        }
    }
    let report = sync();
    assert_eq!(listed(&report), [false, true, false, true]);
    assert_eq!((report.outcome, report.requests), (Outcome::Loaded, 3));
    assert_eq!(sync().outcome, Outcome::Unchanged);

    // Outvoted, seen again after it expired, and changed by somebody who knows better.
    world.pass(DAY);
    {
        let mut store = world.misp.store();
        let now = store.now;
        store.told.extend([(ids[1], 1, now), (ids[2], 0, now)]);
        store.edit(ids[0], |a| a.to_ids = true);
    }
    assert_eq!(listed(&sync()), [true, false, true, true]);
    // In ninety days all of it is forgotten.
    world.pass(91 * DAY);
    assert_eq!(listed(&sync()), [true; 4]);
}

#[test]
fn a_sync_that_was_resumed_counts_what_is_held() {
    let world = World::new("page_size = 100");
    fill(&mut world.misp.store(), 6, 320);
    world.pass(900);
    let login = Fault::Say("302 Found\nLocation: /users/login".to_owned(), String::new());
    for fault in [Fault::CutAfter(usize::MAX), login] {
        world.misp.store().faults.push_back(("attributes".to_owned(), fault));
    }
    assert_eq!(world.refresh().misp.remove(0).outcome, Outcome::Failed);
    // What was left comes, and then nothing changed meanwhile.
    let report = world.sync();
    assert_eq!((report.attributes, report.added), (280, 280));
    assert_eq!(world.engine().status().misp.remove(0).attributes, 280);
    let report = world.sync();
    assert_eq!((report.attributes, report.added, report.requests), (280, 0, 2));
}

#[test]
fn what_was_met_here_is_said_with_the_next_sync() {
    let world = World::new("sightings = true");
    {
        let mut store = world.misp.store();
        let event = store.add_event("one", 2, &[]);
        store.add(event, "ip-dst", "60.0.0.1");
        store.add(event, "ip-dst", "60.0.0.2");
    }
    let note = |ip: &str, kind| world.engine().note_sighting(ip.parse().unwrap(), kind);
    assert!(note("60.0.0.1", SightingKind::Seen) && note("::ffff:60.0.0.1", SightingKind::Seen));
    assert!(note("60.0.0.2", SightingKind::FalsePositive) && note("60.0.0.3", SightingKind::Seen));
    assert!(world.misp.store().log.is_empty(), "nobody waited for the server");
    // A server that fails loses nothing of it.
    world.misp.store().down = true;
    let report = world.refresh().misp.remove(0);
    assert_eq!((report.outcome, report.sighted.len()), (Outcome::Failed, 0));
    world.misp.store().down = false;
    let report = world.sync();
    let sent: Vec<_> = report.sighted.iter().map(|s| (s.asked, s.listed, s.sent)).collect();
    assert_eq!(sent, [(2, 1, 1), (1, 1, 1)]);
    let mut said = world.misp.store().sightings.clone();
    said.sort();
    let expected = [("60.0.0.1", "0"), ("60.0.0.2", "1")];
    assert_eq!(said, expected.map(|(value, kind)| (value.to_owned(), kind.to_owned())));
    assert!(world.sync().sighted.is_empty(), "once");
    // So many and no more wait.
    let many = (0..10_000_u32).all(|n| {
        world.engine().note_sighting(std::net::Ipv4Addr::from(n).into(), SightingKind::Seen)
    });
    assert!(many && !note("60.0.0.9", SightingKind::Seen));
}

#[test]
fn a_tag_that_changes_no_time_is_seen_when_all_is_read_anew() {
    let world = World::new("not_tags = ['noise']\nresync = '2d'");
    let id = {
        let mut store = world.misp.store();
        let event = store.add_event("one", 2, &[]);
        store.add(event, "ip-dst", "60.0.0.1")
    };
    // Longer ago than what each sync asks for again.
    world.pass(900);
    let listed = || world.engine().check("60.0.0.1".parse().unwrap()).is_active();
    world.sync();
    world.pass(DAY);
    // As a local tag is put on an attribute: nothing of it bears a new time.
    world.misp.store().attributes.get_mut(&id).unwrap().tags = vec!["noise".to_owned()];
    assert!(!world.refresh().misp.remove(0).full && listed());
    world.pass(DAY);
    assert!(world.refresh().misp.remove(0).full && !listed());
}

#[test]
fn what_is_too_old_is_left_out_until_it_is_seen() {
    let world = World::new("max_age = '30d'\nread_sightings = true\nresync = '365d'");
    let id = {
        let mut store = world.misp.store();
        let event = store.add_event("one", 2, &[]);
        let id = store.add(event, "ip-dst", "60.0.0.1");
        let other = store.add(event, "ip-dst", "60.0.0.2");
        store.attributes.get_mut(&other).unwrap().last_seen =
            Some("2026-08-15T06:00:00.000000+00:00".to_owned());
        id
    };
    let listed = || {
        assert_eq!(world.refresh().misp.remove(0).error, None);
        ["60.0.0.1", "60.0.0.2"].map(|ip| world.engine().check(ip.parse().unwrap()).is_active())
    };
    assert_eq!(listed(), [true, true]);
    world.pass(29 * DAY);
    assert_eq!(listed(), [true, true]);
    world.pass(2 * DAY);
    assert_eq!(listed(), [false, true]);
    let now = world.misp.store().now;
    world.misp.store().told.push((id, 0, now));
    assert_eq!(listed(), [true, true]);
    world.pass(15 * DAY);
    assert_eq!(listed(), [true, false], "ten days after it was changed it was last seen");
}
