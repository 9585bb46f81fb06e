//! A MISP server, from the first sync to sightings, without one: a stand-in on the loopback interface
//! answers as a recorded MISP 2.5.1 does.
//!
//! `cargo run -p artif-core --example misp_demo --features misp`
#![allow(clippy::print_stdout, reason = "a demonstration")]
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a demonstration, on this machine alone"
)]

#[path = "../tests/support/mod.rs"]
mod support;

use artif_core::misp::{SightingKind, SyncReport};
use artif_core::{RefreshOptions, ReputationEngine};
use support::misp_server::Fault;
use support::misp_world::{World, fill};

fn show(what: &str, report: &SyncReport) {
    let SyncReport { requests, attributes, added, changed, removed, feeds, .. } = report;
    println!(
        "{what}: {requests} requests; {attributes} attributes in {feeds} feeds, \
         {added} added, {changed} changed, {removed} removed"
    );
    if let Some(error) = &report.error {
        println!("  {error}");
    }
}

fn main() {
    let world = World::new("page_size = 1000\nsightings = true\nread_sightings = true");
    let sync = |what: &str| show(what, &world.refresh().misp[0]);
    let ids = fill(&mut world.misp.store(), 300, 40_000);
    println!("a server with {} attributes in 300 events", ids.len());
    world.pass(900);

    let options = RefreshOptions::default().dry_run();
    show("rehearsed", &world.engine().refresh(&options).unwrap().misp[0]);

    // After twenty pages it goes into maintenance.
    for _ in 0..20 {
        let page = ("attributes".to_owned(), Fault::CutAfter(usize::MAX));
        world.misp.store().faults.push_back(page);
    }
    let login = Fault::Say("302 Found\nLocation: /users/login".to_owned(), String::new());
    world.misp.store().faults.push_back(("attributes".to_owned(), login));
    sync("broken off");
    for problem in world.engine().status().problems {
        println!("  status: {problem}");
    }
    sync("resumed");
    world.is_as_there();
    world.pass(3600);
    sync("an hour later, nothing changed");

    world.pass(3600);
    {
        let mut store = world.misp.store();
        store.delete(ids[0]);
        store.edit(ids[5], |attribute| "62.0.0.5".clone_into(&mut attribute.value));
        let event = store.attributes[&ids[7]].event;
        store.tag_event(event, "c2");
        let gone = store.attributes[&ids[100]].event;
        store.delete_event(gone);
    }
    sync("an attribute deleted, one edited, an event tagged, one gone");
    world.is_as_there();

    let met = "62.0.0.5".parse().unwrap();
    for listing in world.engine().check(met).feeds() {
        println!("62.0.0.5 is listed by {} ({})", listing.id, listing.name);
    }
    world.engine().note_sighting(met, SightingKind::Seen);
    sync("what was met here is said there");
    println!("sightings there: {:?}", world.misp.store().sightings);

    let id = ids[5];
    let now = world.misp.store().now;
    world.misp.store().told.push((id, 1, now));
    sync("somebody calls it a false positive");
    println!("62.0.0.5 is active: {}", world.engine().check(met).is_active());
}
