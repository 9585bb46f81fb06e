//! Snapshots of more feeds and records than any field's lower bits hold.

use super::*;
use crate::geo::{Country, GeoRecord, GeoTable};
use crate::ledger::{Generation, MemoryStore, Store, Validators};
use crate::net::{Canonical, Prefix, PrefixSet};
use crate::score::{ClassicScorer, State};

const FEEDS: u32 = 300;
const RECORDS: u32 = 500_000;
/// Addresses that a geo record is for.
const EACH: u32 = 8192;
const NOW: u32 = 1_700_000_000;

/// A record for each of many ranges, no two alike.
fn table() -> GeoTable {
    let country = |n: u32| [b'A' + (n % 26) as u8, b'A' + (n / 26 % 26) as u8];
    let record = |n: u32| GeoRecord {
        asn: Some(n + 1),
        organisation: Some(n % 70_000),
        country: Country::from_letters(country(n)),
    };
    let mut table = GeoTable::default();
    table.records.extend((0..RECORDS).map(record));
    table.organisations = (0..70_000).map(|n| format!("organisation {n}")).collect();
    table.v4_starts = (0..RECORDS).map(|n| n * EACH).collect();
    table.v4_records = (1..=RECORDS).collect();
    table
}

#[test]
fn three_hundred_feeds_and_half_a_million_records() {
    let store = MemoryStore::new();
    let mut feeds = Vec::new();
    let mut ids = Vec::new();
    for number in 0..FEEDS {
        let id: crate::FeedId = format!("feed-{number}").parse().unwrap();
        // One network that all list, and one address of each's own.
        let own = format!("93.{}.{}.7", number / 200, number % 200);
        let listed: PrefixSet =
            ["23.1.2.0/24", &own].iter().map(|n| n.parse::<Prefix>().unwrap()).collect();
        store.commit(Generation::new(&id, NOW, &listed, &Validators::default())).unwrap();
        feeds.push(SnapshotFeed { id: id.to_string(), ..UNKNOWN_FEED.clone() });
        ids.push(id);
    }
    let geo = table();
    for tier in [IndexTier::Flat, IndexTier::Compact] {
        let compiled = compile(Input {
            feeds: feeds.clone(),
            ids: &ids,
            builtin: Vec::new(),
            store: &store,
            geo: &geo,
            databases: Vec::new(),
            scorer: &ClassicScorer,
            now: NOW + 60,
            window: 86_400,
            retention: 86_400,
            stale_after: 86_400,
            prior: 0.01,
            thresholds: (&crate::Config::default().scoring).into(),
            edge: None,
            max_index: u64::MAX,
            index: tier,
            memory_budget: u64::MAX,
            sequence: 1,
            inputs: String::new(),
        });
        let snapshot = Snapshot::from_bytes(compiled.unwrap().bytes).unwrap();
        for n in (0..RECORDS).step_by(7).chain([RECORDS - 1]) {
            let record = snapshot.lookup(Canonical::v4(n * EACH + n % EACH));
            if record.is_special() {
                continue;
            }
            assert_eq!(record.asn(), Some(n + 1));
            assert_eq!(record.country(), geo.records[n as usize + 1].country);
            let name = snapshot.organisation(record.organisation_place());
            assert_eq!(name, Some(format!("organisation {}", n % 70_000).as_str()));
            assert_eq!(snapshot.geo(&record), geo.records[n as usize + 1]);
        }
        let all = snapshot.lookup(Canonical::v4(0x1701_02ff));
        let set = snapshot.feed_set(snapshot.standing(&all).feeds.get());
        assert!(set.iter().map(|feed| feed.get()).eq(0..FEEDS));
        assert_eq!(all.state(), State::Active);
        for number in 0..FEEDS {
            let own = 93 << 24 | (number / 200) << 16 | (number % 200) << 8 | 7;
            let record = snapshot.lookup(Canonical::v4(own));
            let set = snapshot.feed_set(snapshot.standing(&record).feeds.get());
            assert_eq!(set.iter().map(|feed| feed.get()).collect::<Vec<_>>(), [number]);
            assert_eq!(snapshot.lookup(Canonical::v4(own + 1)).state(), State::Unknown);
        }
    }
}
