//! An engine with a MISP server that behaves, and a clock for both.

#![allow(clippy::indexing_slicing, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use artif_core::misp::SyncReport;
use artif_core::{Config, Engine, FixedClock, RefreshOptions, RefreshReport, ReputationEngine};

use super::misp_server::{Attribute, KEY, Misp, Store};
use super::time;

const START: &str = "2026-08-05T06:00:00Z";

pub(crate) struct World {
    pub(crate) misp: Misp,
    dir: tempfile::TempDir,
    pub(crate) clock: Arc<FixedClock>,
    engine: Option<Engine>,
    /// Further keys of the server.
    pub(crate) extra: String,
}

impl World {
    pub(crate) fn new(extra: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("key"), format!("{KEY}\n")).unwrap();
        let start = time(START);
        let misp = Misp::start(start.timestamp().cast_unsigned());
        let clock = Arc::new(FixedClock::new(start));
        let mut world = Self { misp, dir, clock, engine: None, extra: extra.to_owned() };
        world.open();
        world
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// An engine as after a restart.
    pub(crate) fn open(&mut self) {
        self.engine = None;
        let text = format!(
            "catalogue = []\n[schedule]\njitter = 0\n[fetch]\nretries = 1\nretry_wait = '1s'\n[misp]\nurl = '{}'\nkey = 'file:{}'\n{}",
            self.misp.server.url("/"),
            self.dir.path().join("key").display(),
            self.extra
        );
        let engine = Engine::builder()
            .config(Config::from_toml(&text).unwrap())
            .data(self.data())
            .clock(self.clock.clone())
            .build();
        self.engine = Some(engine.unwrap());
    }

    pub(crate) fn engine(&self) -> &Engine {
        self.engine.as_ref().unwrap()
    }

    /// Lets time pass, for the server and for us.
    pub(crate) fn pass(&self, seconds: u64) {
        let mut store = self.misp.store();
        store.now += seconds;
        self.clock.set(chrono::DateTime::from_timestamp(store.now.cast_signed(), 0).unwrap());
    }

    pub(crate) fn refresh(&self) -> RefreshReport {
        self.misp.store().log.clear();
        self.engine().refresh(&RefreshOptions::default()).unwrap()
    }

    /// A sync that succeeds, after which the addresses are the server's.
    pub(crate) fn sync(&self) -> SyncReport {
        let report = self.refresh().misp.remove(0);
        assert_eq!(report.error, None);
        self.is_as_there();
        report
    }

    pub(crate) fn is_as_there(&self) {
        let expected = self.misp.store().expected();
        let found = self.held();
        let (a, b): (BTreeSet<_>, BTreeSet<_>) =
            (expected.keys().collect(), found.keys().collect());
        assert_eq!(a, b);
        for (feed, addresses) in &expected {
            assert_eq!(addresses, &found[feed], "{feed}");
        }
    }

    /// What each feed of ours lists, by what answers say.
    pub(crate) fn held(&self) -> BTreeMap<String, BTreeSet<String>> {
        let mut held: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let store = self.misp.store();
        let all: BTreeSet<String> = store.attributes.values().flat_map(addresses).collect();
        drop(store);
        for address in all {
            let network: artif_core::Prefix = address.parse().unwrap();
            for evidence in self.engine().history(network.address()) {
                if evidence.ended.is_none() && evidence.network == network {
                    held.entry(evidence.feed.clone()).or_default().insert(network.to_string());
                }
            }
        }
        held
    }
}

fn addresses(attribute: &Attribute) -> Vec<String> {
    let parts = attribute.value.split('|');
    parts.filter(|part| part.parse::<artif_core::Prefix>().is_ok()).map(str::to_owned).collect()
}

/// So many attributes in so many events, of all types, with other types between.
pub(crate) fn fill(store: &mut Store, events: u64, attributes: u64) -> Vec<u64> {
    let ids: Vec<u64> = (0..events)
        .map(|n| store.add_event(&format!("event {n}"), (n % 4 + 1) as u8, &["botnet"]))
        .collect();
    let mut all = Vec::new();
    for n in 0..attributes {
        let event = ids[(n % events) as usize];
        let (a, b, c) = (n >> 16 & 255, n >> 8 & 255, n & 255);
        let address = format!("60.{a}.{b}.{c}");
        all.push(match n % 8 {
            0 => store.add(event, "ip-dst|port", &format!("{address}|443")),
            1 => store.add(event, "domain|ip", &format!("h{n}.example|{address}")),
            2 => store.add(event, "ip-src", &format!("2a00:{a:x}:{b:x}:{c:x}::1")),
            3 => store.add(event, "domain", &format!("d{n}.example")),
            4 => store.add(event, "ip-dst", &format!("61.{b}.{c}.0/24")),
            _ => store.add(event, "ip-dst", &address),
        });
    }
    all
}
