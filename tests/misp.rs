//! A MISP server as a source: first sync, deltas, breaks, and what reaches the answers.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::print_stdout, reason = "tests")]

mod support;

use std::collections::BTreeSet;
use std::net::IpAddr;

use artif_core::misp::SightingKind;
use artif_core::{Outcome, RefreshOptions, ReputationEngine, Verdict};
use support::misp_server::{Fault, uuid};
use support::misp_world::{World, fill};

#[test]
fn an_event_becomes_a_feed_with_its_level_and_tags() {
    let world = World::new("");
    {
        let mut store = world.misp.store();
        let event = store.add_event("Bad hosts", 1, &["botnet", "tlp:green"]);
        store.add(event, "ip-dst", "60.0.0.1");
        store.add(event, "ip-src|port", "60.0.0.2|8080");
        let draft = store.add_event("draft", 2, &[]);
        store.add(draft, "ip-dst", "60.0.0.3");
        store.events.get_mut(&draft).unwrap().published = false;
        let unsure = store.add(event, "ip-dst", "60.0.0.4");
        store.edit(unsure, |a| a.to_ids = false);
    }
    let report = world.sync();
    assert_eq!((report.outcome, report.full, report.feeds), (Outcome::Loaded, true, 1));
    let feed =
        world.engine().feeds().into_iter().find(|f| f.id.as_str().starts_with("misp.")).unwrap();
    assert_eq!((feed.name.as_str(), feed.provider.as_str()), ("Bad hosts", "ORG"));
    assert_eq!(feed.threat_level.number(), 1);
    assert_eq!(
        feed.categories.iter().map(artif_core::Category::name).collect::<Vec<_>>(),
        ["botnet"]
    );
    assert_eq!(feed.licence.as_deref(), Some("tlp:green"));
    let status = world.engine().status();
    assert_eq!((status.misp[0].events, status.misp[0].unpublished), (2, 1));
    let ip = |text: &str| text.parse::<IpAddr>().unwrap();
    assert!(world.engine().check(ip("60.0.0.2")).is_active());
    assert!(!world.engine().check(ip("60.0.0.3")).is_active());
}

#[test]
fn forty_thousand_attributes_in_three_hundred_events() {
    let mut world = World::new("page_size = 1000");
    let ids = fill(&mut world.misp.store(), 300, 40_000);
    world.pass(900);
    let first = world.sync();
    // One for the version, one for the list of events. Seven events of 133 or 134 make a page, and each request says
    // whether it was the last.
    assert_eq!((first.full, first.requests), (true, 2 + 300_u64.div_ceil(7)));
    assert_eq!(first.attributes, 35_000);

    world.pass(3600);
    let same = world.sync();
    assert_eq!((same.requests, same.outcome), (2, Outcome::Unchanged));

    // Edits of all kinds.
    world.pass(600);
    let mut gone = Vec::new();
    {
        let mut store = world.misp.store();
        // Of types that are asked for; where others are deleted the event is read again.
        for id in ids.iter().step_by(1601).filter(|id| store.attributes[id].kind != "domain") {
            gone.push(*id);
        }
        for id in gone {
            store.delete(id);
        }
        for id in ids.iter().skip(5).step_by(1600) {
            store.edit(*id, |a| a.value = a.value.replace("60.", "62."));
        }
        for id in ids.iter().skip(6).step_by(1600) {
            store.edit(*id, |a| a.to_ids = false);
        }
        let event = store.attributes[&ids[7]].event;
        store.tag_event(event, "c2");
        store.events.get_mut(&event).unwrap().threat_level = 1;
    }
    let delta = world.sync();
    assert_eq!((delta.full, delta.requests), (false, 2));
    let tagged = format!("misp.{}", uuid(world.misp.store().attributes[&ids[7]].event));
    let feed = world.engine().feeds().into_iter().find(|f| f.id.as_str() == tagged).unwrap();
    assert_eq!(feed.threat_level.number(), 1);
    assert!(feed.categories.contains(artif_core::Category::CommandAndControl));

    // What leaves no trace in a search: events that go, and attributes removed for good.
    world.pass(600);
    {
        let mut store = world.misp.store();
        let gone = store.attributes[&ids[100]].event;
        store.delete_event(gone);
        let hidden = store.attributes[&ids[101]].event;
        store.events.get_mut(&hidden).unwrap().published = false;
        let hard: Vec<u64> = store
            .attributes
            .iter()
            .filter(|(_, a)| a.event == store.attributes[&ids[102]].event && a.kind == "ip-dst")
            .map(|(id, _)| *id)
            .take(3)
            .collect();
        for id in hard {
            store.delete_hard(id);
        }
    }
    let delta = world.sync();
    // The list, what changed, and the event of which more is gone than was said.
    assert_eq!((delta.full, delta.requests), (false, 3));

    // An event that came from elsewhere, with times from before, new and then changed.
    world.pass(7200);
    let copied = {
        let mut store = world.misp.store();
        let event = store.add_event("copied", 2, &[]);
        store.add(event, "ip-dst", "63.0.0.1");
        store.add(event, "ip-dst", "63.0.0.2");
        let long_ago = store.now - 9000;
        store
            .attributes
            .values_mut()
            .filter(|a| a.event == event)
            .for_each(|a| a.timestamp = long_ago);
        let copied = store.events.get_mut(&event).unwrap();
        (copied.timestamp, copied.foreign) = (long_ago, true);
        event
    };
    assert_eq!(world.sync().requests, 3);
    world.pass(3600);
    {
        let mut store = world.misp.store();
        let id = store.add(copied, "ip-dst", "63.0.0.3");
        let then = store.now - 4000;
        store.attributes.get_mut(&id).unwrap().timestamp = then;
        store.events.get_mut(&copied).unwrap().timestamp = then;
    }
    assert_eq!(world.sync().requests, 3);

    // A restart changes nothing; after a week all is read again.
    world.open();
    world.is_as_there();
    world.pass(600);
    assert_eq!(world.sync().requests, 2);
    world.pass(7 * 86_400);
    assert!(world.sync().full);
}

#[test]
fn pages_that_the_server_shortens_are_not_the_last() {
    let world = World::new("page_size = 50\nenforce_warninglist = true");
    {
        let mut store = world.misp.store();
        let event = store.add_event("large", 2, &[]);
        for n in 0..400 {
            let value = format!("60.0.{}.{}", n / 250, n % 250);
            store.add(event, "ip-dst", &value);
            // Whole pages of nothing, and pages of less.
            if (50..150).contains(&n) || n % 3 == 0 {
                store.warned.insert(value);
            }
        }
    }
    let report = world.refresh().misp.remove(0);
    assert_eq!(report.error, None);
    let store = world.misp.store();
    let all = store.expected().into_values().next().unwrap();
    let warned = |text: &str| store.warned.contains(text.trim_end_matches("/32"));
    let expected: BTreeSet<_> = all.into_iter().filter(|a| !warned(a)).collect();
    assert_eq!(report.attributes, expected.len() as u64);
    // Nine: the eighth was full before anything was left out.
    assert_eq!(store.count("attributes/"), 9);
    drop(store);
    assert_eq!(world.held().into_values().next().unwrap(), expected);

    // The same where what is left out is not said to be.
    let world = World::new("page_size = 50");
    {
        let mut store = world.misp.store();
        let event = store.add_event("large", 2, &[]);
        for n in 0..200 {
            let value = format!("60.0.0.{n}");
            store.add(event, "ip-dst", &value);
            if n % 5 == 0 {
                store.allowed.insert(value);
            }
        }
    }
    assert_eq!(world.refresh().misp[0].attributes, 160);
}

#[test]
fn a_sync_that_breaks_off_goes_on_where_it_was() {
    let mut world = World::new("page_size = 500");
    fill(&mut world.misp.store(), 60, 8_000);
    world.pass(900);
    // After five pages the server goes into maintenance.
    for _ in 0..5 {
        let mut store = world.misp.store();
        store.faults.push_back(("attributes".into(), Fault::CutAfter(usize::MAX)));
    }
    let login = "302 Found\nLocation: http://x/users/login".to_owned();
    world.misp.store().faults.push_back(("attributes".into(), Fault::Say(login, String::new())));
    let report = world.refresh().misp.remove(0);
    assert_eq!((report.outcome, report.requests), (Outcome::Failed, 2 + 6));
    let error = report.error.unwrap();
    assert!(error.contains("[misp-login-page]") && error.contains("maintenance"), "{error}");
    let problems = world.engine().status().problems;
    assert!(problems.iter().any(|p| p.contains("never read to its end")), "{problems:?}");
    assert!(world.engine().feeds().is_empty(), "not half a server");

    // Meanwhile the process is another, and the server not the same either.
    world.pass(900);
    {
        let mut store = world.misp.store();
        let first = *store.events.keys().next().unwrap();
        let second = *store.events.keys().nth(1).unwrap();
        store.delete_event(first);
        let some: Vec<u64> =
            store.attributes.iter().filter(|(_, a)| a.event == second).map(|(id, _)| *id).collect();
        store.delete(some[0]);
        let last = *store.events.keys().last().unwrap();
        store.add(last, "ip-dst", "99.0.0.1");
        let new = store.add_event("new", 3, &[]);
        store.add(new, "ip-dst", "99.0.0.2");
    }
    world.open();
    let report = world.sync();
    let pages = 60_u64.div_ceil(3);
    // What was left of the pages, then the list and what changed since.
    assert_eq!((report.full, report.requests), (true, pages - 5 + 2));
    assert!(world.engine().status().misp[0].problem.is_none());
}

#[test]
fn a_server_in_trouble_disturbs_nobody() {
    let world = World::new("timeout = '10s'");
    {
        let mut store = world.misp.store();
        let event = store.add_event("one", 1, &["c2"]);
        store.add(event, "ip-dst", "60.0.0.1");
    }
    world.sync();
    let ip: IpAddr = "60.0.0.1".parse().unwrap();
    let answer = world.engine().check(ip);
    assert_ne!(answer.verdict(), Verdict::NoAction);
    let page = "<!DOCTYPE html><title>502 Bad Gateway</title>".to_owned();
    let json = |status: &str, more: &str| format!("{status}\nContent-Type: application/json{more}");
    let said = |text: &str| format!("{{\"name\": \"{text}\", \"message\": \"{text}\"}}");
    for (code, fault) in [
        ("misp-login-page", Fault::Say("302 Found\nLocation: /users/login".into(), String::new())),
        ("misp-redirected", Fault::Say("301 Moved\nLocation: https://else/".into(), String::new())),
        ("misp-not-json", Fault::Say("200 OK\nContent-Type: text/html".into(), page.clone())),
        ("misp-gateway", Fault::Say("502 Bad\nContent-Type: text/html".into(), page.clone())),
        ("misp-internal", Fault::Say(json("500 X", ""), said("An Internal Error Has Occurred."))),
        (
            "misp-rate-limited",
            Fault::Say(
                json("429 X", "\nX-Rate-Limit-Limit: 10\nX-Rate-Limit-Reset: 800"),
                said("Rate limit exceeded."),
            ),
        ),
        ("misp-key-rejected", Fault::Say(json("403 X", ""), said("Authentication failed. Please"))),
        (
            "misp-no-permission",
            Fault::Say(
                json("403 X", ""),
                said("You do not have permission to use this functionality."),
            ),
        ),
        ("misp-unreadable", Fault::Say(json("200 OK", ""), "[{\"id\": \"1\"}, {\"id\"".into())),
        ("misp-no-such-page", Fault::Say(json("404 X", ""), said("Not Found"))),
    ] {
        world.pass(60);
        // As often as it is tried.
        for _ in 0..2 {
            world.misp.store().faults.push_back(("events".into(), fault.clone()));
        }
        let report = world.refresh().misp.remove(0);
        world.misp.store().faults.clear();
        let error = report.error.unwrap();
        assert!(error.contains(&format!("[{code}]")), "{code}: {error}");
        assert_eq!(report.retry_after, (code == "misp-rate-limited").then_some(800));
        let status = world.engine().status();
        let problem = status.problems.iter().find(|p| p.starts_with("misp misp:")).unwrap();
        assert!(
            problem.contains("answers go on with what it held at 2026-08-05 06:00"),
            "{problem}"
        );
        assert_eq!(world.engine().check(ip).verdict(), answer.verdict());
    }
    assert_eq!(world.sync().outcome, Outcome::Unchanged);
    assert!(world.engine().status().problems.iter().all(|p| !p.starts_with("misp ")));
}

#[test]
fn a_slow_server_gets_smaller_pages() {
    let world = World::new("page_size = 400\ntimeout = '2s'");
    fill(&mut world.misp.store(), 3, 3_000);
    for fault in [Fault::Hang, Fault::CutAfter(700)] {
        world.misp.store().faults.push_back(("attributes".into(), fault));
    }
    world.sync();
    let limits: Vec<u64> =
        world.misp.store().log.iter().filter_map(|(_, query)| query["limit"].as_u64()).collect();
    assert_eq!(limits[..3], [400, 200, 100]);
    assert!(*limits.last().unwrap() > 100, "larger again after a while: {limits:?}");
}

#[test]
fn a_dry_run_says_what_a_sync_would_do_and_writes_nothing() {
    let world = World::new("exchange = 'push'\nwarninglists = true");
    fill(&mut world.misp.store(), 4, 80);
    let dry = || {
        let options = RefreshOptions::default().dry_run();
        world.engine().refresh(&options).unwrap().misp.remove(0)
    };
    let report = dry();
    assert_eq!((&report.error, report.added, report.feeds), (&None, 70, 4));
    let added: u64 = report.changes.iter().map(|feed| feed.changes.as_ref().unwrap().added).sum();
    // Networks, of which two attributes may hold the same.
    assert_eq!((report.changes.len(), added), (4, 70));
    assert!(world.engine().feeds().is_empty() && !world.data().join("misp").exists());
    assert!(world.engine().status().misp.is_empty());

    world.pass(900);
    world.sync();
    let files = || -> Vec<(String, u128)> {
        let entries = std::fs::read_dir(world.data().join("misp").join("misp")).unwrap();
        let mut files: Vec<_> = entries
            .map(|entry| entry.unwrap())
            .map(|e| (e.file_name().into_string().unwrap(), std::fs::read(e.path()).unwrap()))
            .map(|(name, bytes)| (name, xxhash_rust::xxh3::xxh3_128(&bytes)))
            .collect();
        files.sort();
        files
    };
    let first = "60.0.0.0".parse().unwrap();
    let now =
        || (files(), world.engine().history(first).len(), world.engine().status().feeds.len());
    let before = now();
    world.pass(900);
    let event = {
        let mut store = world.misp.store();
        let ids: Vec<u64> = store.attributes.keys().copied().collect();
        store.delete(ids[0]);
        let gone = store.attributes[&ids[1]].event;
        store.delete_event(gone);
        let new = store.add_event("new", 1, &[]);
        store.add(new, "ip-dst", "99.0.0.1");
        new
    };
    let (plan, again) = (dry(), dry());
    assert_eq!((plan.added, plan.removed), (1, 21));
    assert_eq!((again.added, again.removed), (1, 21), "the first left nothing behind");
    let of =
        |id: u64| plan.changes.iter().find(|f| f.feed.as_str() == format!("misp.{}", uuid(id)));
    assert_eq!(of(event).unwrap().changes.as_ref().unwrap().added, 1);
    assert_eq!(plan.changes.len(), 3, "one shorter, one gone, one new");
    assert_eq!(now(), before);
    let done = world.sync();
    assert_eq!((done.added, done.removed), (plan.added, plan.removed));
}

#[test]
fn an_answer_without_its_filters_is_not_taken() {
    let world = World::new("");
    fill(&mut world.misp.store(), 3, 300);
    world.misp.store().faults.push_back(("attributes".into(), Fault::Unfiltered));
    let report = world.refresh().misp.remove(0);
    assert!(report.error.unwrap().contains("[misp-unfiltered]"));
    assert!(world.held().is_empty());
    world.sync();
}

#[test]
fn the_same_value_in_three_hundred_events_goes_with_the_last_of_them() {
    let world = World::new("");
    let ids: Vec<u64> = {
        let mut store = world.misp.store();
        (0..300)
            .map(|n| {
                let event = store.add_event(&format!("event {n}"), 2, &[]);
                store.add(event, "ip-dst", "60.0.0.1");
                // Twice in one event, in two ways.
                store.add(event, "ip-dst|port", "60.0.0.1|80")
            })
            .collect()
    };
    world.sync();
    let ip: IpAddr = "60.0.0.1".parse().unwrap();
    assert_eq!(world.engine().check(ip).feeds().count(), 300);
    world.pass(600);
    for id in &ids {
        world.misp.store().delete(*id);
    }
    world.sync();
    assert_eq!(world.engine().check(ip).feeds().count(), 300, "the other attribute is there");
    world.pass(600);
    for id in ids.iter().skip(1) {
        world.misp.store().delete(*id - 1);
    }
    world.sync();
    assert_eq!(world.engine().check(ip).feeds().count(), 1);
}

#[test]
fn sightings_are_said_of_what_is_there_and_once() {
    let world = World::new("sightings = true");
    {
        let mut store = world.misp.store();
        let event = store.add_event("seen", 2, &[]);
        store.add(event, "ip-dst", "60.0.0.1");
        store.add(event, "ip-dst", "2a00::ffff");
        store.add(event, "ip-dst|port", "60.0.0.2|443");
        store.add(event, "ip-dst", "60.0.0.4");
    }
    let ips = |texts: &[&str]| texts.iter().map(|ip| ip.parse().unwrap()).collect::<Vec<IpAddr>>();
    let met = ips(&["60.0.0.1", "::ffff:60.0.0.1", "60.0.0.2", "60.0.0.3", "2A00:0::FFFF"]);
    let sent = world.engine().send_sightings(&met, SightingKind::Seen).unwrap().remove(0);
    assert_eq!((sent.asked, sent.listed, sent.sent, sent.repeated), (4, 3, 3, 0));
    assert_eq!(sent.requests, 3, "how they are written, two together, and the composite one");
    let said = |kind: &str| -> BTreeSet<String> {
        let store = world.misp.store();
        let said = store.sightings.iter().filter(|(_, other)| other == kind);
        said.map(|(value, _)| value.clone()).collect()
    };
    let expected = ["2a00::ffff", "60.0.0.1", "60.0.0.2|443"].map(str::to_owned);
    assert_eq!(said("0"), BTreeSet::from(expected));

    let again = world.engine().send_sightings(&met, SightingKind::Seen).unwrap().remove(0);
    assert_eq!((again.repeated, again.requests), (4, 0));
    let wrong = ips(&["60.0.0.1"]);
    world.engine().send_sightings(&wrong, SightingKind::FalsePositive).unwrap();
    assert_eq!(said("1"), BTreeSet::from(["60.0.0.1".to_owned()]));
    world.pass(3601);
    assert_eq!(world.engine().send_sightings(&wrong, SightingKind::Seen).unwrap()[0].sent, 1);

    world.pass(3601);
    world.misp.store().faults.push_back(("attributes".into(), Fault::Unfiltered));
    let error = world.engine().send_sightings(&wrong, SightingKind::Seen).unwrap_err();
    assert!(error.to_string().contains("[misp-unfiltered]"), "{error}");
}

#[test]
fn warninglists_that_are_on_there_count_here() {
    let mut world = World::new("warninglists = true");
    let list = |id: u64, name: &str, entries: serde_json::Value| {
        serde_json::json!({
            "id": id.to_string(), "name": name, "type": "cidr", "enabled": true, "version": "3",
            "category": "false_positive", "warninglist_entry_count": "1",
            "valid_attributes": "ip-src, ip-dst", "WarninglistEntry": entries,
        })
    };
    {
        let mut store = world.misp.store();
        let event = store.add_event("bad", 1, &["c2"]);
        for address in ["60.0.0.1", "60.0.0.2", "60.0.0.3"] {
            store.add(event, "ip-dst", address);
        }
        let known =
            list(1, "List of known Cloudflare IP ranges", serde_json::json!(["60.0.0.1/32"]));
        store.warninglists.insert(1, known);
        store.warninglists.insert(2, list(2, "Ours", serde_json::json!(["60.0.0.2"])));
    }
    world.pass(900);
    let first = world.sync();
    assert_eq!(first.lists, 2);
    let names = |world: &World, ip: &str| -> Vec<String> {
        let answer = world.engine().check(ip.parse().unwrap());
        answer.warninglists().map(|list| list.id.clone()).collect()
    };
    assert_eq!(names(&world, "60.0.0.1"), ["warninglist.cloudflare"]);
    assert_eq!(names(&world, "60.0.0.2"), ["warninglist.ours"]);
    assert!(world.engine().check("60.0.0.1".parse().unwrap()).is_capped());
    assert!(!world.engine().check("60.0.0.2".parse().unwrap()).is_capped());
    assert!(world.engine().feeds().iter().all(|feed| feed.role != artif_core::Role::Warninglist));

    // By version: one request for all that did not change.
    world.pass(900);
    assert_eq!((world.sync().lists, world.misp.store().count("warninglists")), (0, 1));
    {
        let mut store = world.misp.store();
        let ours = store.warninglists.get_mut(&2).unwrap();
        ours["version"] = 4.into();
        ours["WarninglistEntry"] = serde_json::json!(["60.0.0.3"]);
        store.warninglists.get_mut(&1).unwrap()["enabled"] = false.into();
    }
    world.open();
    assert_eq!((world.sync().lists, world.misp.store().count("warninglists/export")), (1, 1));
    let now = ["60.0.0.1", "60.0.0.2", "60.0.0.3"].map(|ip| names(&world, ip));
    assert_eq!(now, [vec![], vec![], vec!["warninglist.ours".to_owned()]]);
}
