//! What every `Store` promises, run on all of them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests"
)]

use std::collections::{BTreeMap, BTreeSet};

use artif_core::ledger::{
    ActiveListing, Commit, EndedListing, Generation, MemoryStore, Override, OverrideAction,
    OverrideChange, Store, Validators,
};
use artif_core::{FeedId, Prefix, Prefix4, Prefix6, PrefixSet};
use chrono::{DateTime, Utc};
use proptest::prelude::*;

fn feed(name: &str) -> FeedId {
    name.parse().unwrap()
}

fn set(texts: &[&str]) -> PrefixSet {
    texts.iter().map(|text| text.parse::<Prefix>().unwrap()).collect()
}

fn commit(store: &dyn Store, name: &str, at: u32, prefixes: &PrefixSet) -> Commit {
    let validators = Validators::default();
    store.commit(Generation::new(&feed(name), at, prefixes, &validators)).unwrap()
}

fn counts(commit: Commit) -> (u64, u64, u64) {
    (commit.added, commit.ended, commit.unchanged)
}

fn active(store: &dyn Store, name: &str) -> Vec<(Prefix, u32)> {
    let mut out = Vec::new();
    store
        .active(&feed(name), &mut |ActiveListing { prefix, first_seen }| {
            out.push((prefix, first_seen));
        })
        .unwrap();
    assert!(out.is_sorted(), "active listings come in order");
    out
}

fn ended(store: &dyn Store, name: &str) -> Vec<EndedListing> {
    let mut out = Vec::new();
    store.ended(&feed(name), &mut |listing| out.push(listing)).unwrap();
    out.sort_unstable();
    out
}

fn gone(text: &str, first_seen: u32, ended: u32) -> EndedListing {
    EndedListing { prefix: text.parse().unwrap(), first_seen, ended }
}

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(seconds, 0).unwrap()
}

fn block(text: &str) -> Override {
    Override::new(text.parse().unwrap(), OverrideAction::Block, at(1)).reason("why").author("ana")
}

type Make<'a> = &'a dyn Fn() -> Box<dyn Store>;

fn store_contract(make: Make<'_>) {
    commits_count_the_set_difference(make);
    relisting_starts_a_new_interval(make);
    sources_may_know_since_when(make);
    a_clock_that_steps_back_changes_nothing(make);
    what_ends_as_it_starts_leaves_nothing(make);
    confirmation_and_staleness(make);
    expiry_is_exact(make);
    removing_a_feed_forgets_it(make);
    overrides_are_put_replaced_removed(make);
    absorbed_changes_count_once(make);
    unknown_feeds_are_ignored(make);
    the_digest_is_of_the_content_alone(make);
    a_visitor_may_call_back(make);
}

fn commits_count_the_set_difference(make: Make<'_>) {
    let store = make();
    let one = set(&["192.0.2.1", "192.0.2.0/24", "2001:db8::/32", "0.0.0.0/0", "::/0"]);
    assert_eq!(counts(commit(&*store, "a", 10, &one)), (5, 0, 0));
    let two = set(&["192.0.2.1", "192.0.2.2", "2001:db8::/32", "2001:db8::/33"]);
    assert_eq!(counts(commit(&*store, "a", 20, &two)), (2, 3, 2));
    assert_eq!(counts(commit(&*store, "a", 30, &two)), (0, 0, 4));
    let head = store.head(&feed("a")).unwrap().unwrap();
    assert_eq!((head.generation, head.count), (3, 4));
    assert_eq!((head.first_loaded, head.changed, head.confirmed), (10, 20, 30));
    assert_eq!(
        active(&*store, "a").iter().map(|entry| entry.1).collect::<Vec<_>>(),
        [10, 20, 10, 20],
        "v4 first, each since it was first seen"
    );
    assert_eq!(
        ended(&*store, "a"),
        [gone("0.0.0.0/0", 10, 20), gone("192.0.2.0/24", 10, 20), gone("::/0", 10, 20)]
    );
    assert_eq!(counts(commit(&*store, "a", 40, &PrefixSet::default())), (0, 4, 0));
    assert_eq!(active(&*store, "a"), []);
    assert_eq!(counts(commit(&*store, "b", 40, &PrefixSet::default())), (0, 0, 0));
    assert_eq!(store.heads().unwrap().len(), 2, "an empty feed is known");
    let status = store.status().unwrap();
    assert_eq!((status.active, status.ended), (0, 7));
}

fn relisting_starts_a_new_interval(make: Make<'_>) {
    let store = make();
    let (listed, none) = (set(&["192.0.2.1"]), PrefixSet::default());
    for (time, prefixes) in [(10, &listed), (20, &none), (30, &listed), (40, &none), (40, &listed)]
    {
        commit(&*store, "a", time, prefixes);
    }
    assert_eq!(active(&*store, "a"), [("192.0.2.1".parse().unwrap(), 40)]);
    assert_eq!(ended(&*store, "a"), [gone("192.0.2.1", 10, 20), gone("192.0.2.1", 30, 40)]);
}

fn sources_may_know_since_when(make: Make<'_>) {
    let store = make();
    let (one, six, late) = ("192.0.2.1", "2001:db8::1", "192.0.2.9");
    let network = |text: &str| text.parse::<Prefix>().unwrap();
    let since = [(network(one), 3), (network(late), 99), (network(six), 4)];
    let validators = Validators::default();
    let commit = |at, prefixes: &PrefixSet, since: &[(Prefix, u32)]| {
        let feed = feed("a");
        store.commit(Generation::new(&feed, at, prefixes, &validators).since(since)).unwrap()
    };
    commit(10, &set(&[one, six, late, "192.0.2.2"]), &since);
    let begun = [(one, 3), ("192.0.2.2", 10), (late, 10), (six, 4)].map(|(n, at)| (network(n), at));
    assert_eq!(active(&*store, "a"), begun, "as known, and never later than seen");
    // Of what is listed it changes nothing.
    commit(20, &set(&[one, six, late, "192.0.2.2"]), &[(network(one), 1)]);
    assert_eq!(active(&*store, "a"), begun);
    commit(30, &set(&[six]), &[]);
    assert_eq!(ended(&*store, "a")[0], gone(one, 3, 30));
    let digest = store.digest();
    let mut bytes = Vec::new();
    store.export(&mut bytes).unwrap();
    assert_eq!(artif_core::ledger::MemoryStore::import(&mut &bytes[..]).unwrap().digest(), digest);
}

fn a_clock_that_steps_back_changes_nothing(make: Make<'_>) {
    let store = make();
    let (one, two) = (set(&["192.0.2.1", "192.0.2.2"]), set(&["192.0.2.2", "192.0.2.3"]));
    commit(&*store, "a", 100, &one);
    store.confirm(&feed("a"), 200, &Validators::default()).unwrap();
    store.confirm(&feed("a"), 50, &Validators::default()).unwrap();
    assert_eq!(store.head(&feed("a")).unwrap().unwrap().confirmed, 200);
    assert_eq!(counts(commit(&*store, "a", 60, &two)), (1, 1, 1));
    assert_eq!(ended(&*store, "a"), [gone("192.0.2.1", 100, 200)], "ended after it began");
    assert_eq!(
        active(&*store, "a"),
        [("192.0.2.2".parse().unwrap(), 100), ("192.0.2.3".parse().unwrap(), 200)]
    );
    let head = store.head(&feed("a")).unwrap().unwrap();
    assert_eq!((head.changed, head.confirmed), (200, 200));
}

fn what_ends_as_it_starts_leaves_nothing(make: Make<'_>) {
    let store = make();
    commit(&*store, "a", 100, &set(&["192.0.2.1"]));
    let done = commit(&*store, "a", 100, &set(&["192.0.2.2"]));
    assert_eq!(counts(done), (1, 1, 0));
    assert_eq!(ended(&*store, "a"), []);
    assert_eq!(store.status().unwrap().ended, 0);
    assert_eq!(active(&*store, "a"), [("192.0.2.2".parse().unwrap(), 100)]);
}

fn confirmation_and_staleness(make: Make<'_>) {
    let store = make();
    let mut validators = Validators::default();
    validators.etag = Some("\"v1\"".to_owned());
    let list = set(&["192.0.2.1"]);
    store.commit(Generation::new(&feed("a"), 10, &list, &validators)).unwrap();
    let head = || store.head(&feed("a")).unwrap().unwrap();
    assert_eq!(head().validators, validators);
    store.mark_stale(&feed("a"), "http 503\nforged").unwrap();
    assert_eq!(head().stale.as_deref(), Some("http 503\u{fffd}forged"));
    assert_eq!(head().confirmed, 10);
    let before = store.sequence();
    store.confirm(&feed("a"), 20, &validators).unwrap();
    assert_eq!((head().stale, head().confirmed, head().changed), (None, 20, 10));
    assert_eq!(store.sequence(), before + 1);
    store.confirm(&feed("a"), 20, &validators).unwrap();
    assert_eq!(store.sequence(), before + 1, "nothing changed");
    validators.last_modified = Some("Wed, 05 Aug 2026 00:00:00 GMT".to_owned());
    validators.content = Some(u128::MAX);
    store.confirm(&feed("a"), 20, &validators).unwrap();
    assert_eq!(head().validators, validators);
    store.mark_stale(&feed("a"), "again").unwrap();
    commit(&*store, "a", 30, &list);
    assert_eq!(head().stale, None, "a commit clears it");
    assert_eq!(head().generation, 2);
}

fn expiry_is_exact(make: Make<'_>) {
    let store = make();
    // Two days with a boundary in between, and several commits on each.
    let times = [86_398, 86_399, 86_400, 86_401, 90_000];
    let hosts: Vec<String> = (0..6).map(|n| format!("192.0.2.{n}")).collect();
    let from = |n: usize| hosts[n..].iter().map(|h| h.parse::<Prefix>().unwrap()).collect();
    commit(&*store, "a", 10, &from(0));
    for (n, time) in times.into_iter().enumerate() {
        commit(&*store, "a", time, &from(n + 1));
    }
    let keep = block("198.51.100.1").expires(at(86_400));
    store.put_override(&block("198.51.100.2").expires(at(86_399))).unwrap();
    store.put_override(&keep).unwrap();
    let before = store.sequence();
    assert_eq!(store.expire(86_398).unwrap(), 0);
    assert_eq!(store.sequence(), before);
    assert_eq!(store.expire(86_399).unwrap(), 1);
    assert_eq!(store.overrides().unwrap().len(), 2);
    assert_eq!(store.expire(86_400).unwrap(), 1);
    assert_eq!(store.overrides().unwrap(), [keep]);
    assert_eq!(
        ended(&*store, "a").iter().map(|entry| entry.ended).collect::<Vec<_>>(),
        [86_400, 86_401, 90_000]
    );
    assert_eq!(store.expire(u32::MAX).unwrap(), 3);
    assert_eq!(store.overrides().unwrap(), []);
    assert_eq!(active(&*store, "a").len(), 1, "what is active does not expire");
    let status = store.status().unwrap();
    assert_eq!((status.active, status.ended, status.overrides), (1, 0, 0));
}

fn removing_a_feed_forgets_it(make: Make<'_>) {
    let store = make();
    commit(&*store, "b", 10, &set(&["192.0.2.9"]));
    let digest = store.digest();
    commit(&*store, "a", 10, &set(&["192.0.2.1", "192.0.2.2"]));
    commit(&*store, "a", 20, &set(&["192.0.2.1", "2001:db8::1"]));
    store.remove_feed(&feed("a")).unwrap();
    assert_eq!(store.head(&feed("a")).unwrap(), None);
    assert_eq!((active(&*store, "a"), ended(&*store, "a")), (vec![], vec![]));
    assert_eq!(store.digest(), digest);
    commit(&*store, "a", 5, &set(&["192.0.2.3"]));
    assert_eq!(active(&*store, "a"), [("192.0.2.3".parse().unwrap(), 5)]);
    assert_eq!(ended(&*store, "a"), []);
    assert_eq!(store.head(&feed("a")).unwrap().unwrap().generation, 1);
}

fn overrides_are_put_replaced_removed(make: Make<'_>) {
    let store = make();
    let digest = store.digest();
    let (wide, narrow, six) = (block("10.0.0.0/8"), block("10.0.0.0/9"), block("2001:db8::/32"));
    for entry in [&six, &narrow, &wide] {
        store.put_override(entry).unwrap();
    }
    assert_eq!(store.overrides().unwrap(), [wide.clone(), narrow.clone(), six.clone()]);
    let mut replaced = wide.clone().reason("changed").expires(at(99));
    replaced.action = OverrideAction::Allow;
    store.put_override(&replaced).unwrap();
    assert_eq!(store.overrides().unwrap(), [replaced, narrow.clone(), six.clone()]);
    assert!(store.remove_override(wide.prefix).unwrap());
    assert!(!store.remove_override(wide.prefix).unwrap());
    assert!(store.remove_override(narrow.prefix).unwrap());
    assert!(store.remove_override(six.prefix).unwrap());
    assert_eq!(store.digest(), digest, "as if nothing had been");
    let huge = block("10.0.0.0/8").reason("x".repeat(10_000));
    assert_eq!(store.put_override(&huge).unwrap_err().code(), "ARTIF_INVALID");
    assert!(store.overrides().unwrap().is_empty());
}

fn absorbed_changes_count_once(make: Make<'_>) {
    let store = make();
    let put = |text: &str| OverrideChange::Put(block(text));
    let remove = |text: &str| OverrideChange::Remove {
        prefix: text.parse().unwrap(),
        author: "ana".to_owned(),
        at: at(7),
    };
    assert_eq!(store.absorbed(), 0);
    store
        .absorb(&[(5, put("192.0.2.1")), (6, put("192.0.2.2")), (7, remove("192.0.2.1"))])
        .unwrap();
    assert_eq!(store.absorbed(), 7);
    assert_eq!(store.overrides().unwrap(), [block("192.0.2.2")]);
    let (sequence, digest) = (store.sequence(), store.digest());
    store.absorb(&[(5, put("192.0.2.1")), (7, remove("192.0.2.1"))]).unwrap();
    assert_eq!((store.sequence(), store.digest()), (sequence, digest), "a replay does no harm");
    store.absorb(&[(7, put("192.0.2.1")), (8, remove("192.0.2.2"))]).unwrap();
    assert_eq!(store.overrides().unwrap(), [], "partly new");
    store.absorb(&[(9, remove("192.0.2.2"))]).unwrap();
    assert_eq!(store.absorbed(), 9, "a change without effect counts too");
}

fn unknown_feeds_are_ignored(make: Make<'_>) {
    let store = make();
    let none = feed("none");
    store.confirm(&none, 9, &Validators::default()).unwrap();
    store.mark_stale(&none, "x").unwrap();
    store.remove_feed(&none).unwrap();
    assert_eq!((active(&*store, "none"), ended(&*store, "none")), (vec![], vec![]));
    assert_eq!(store.heads().unwrap(), []);
    assert_eq!(store.expire(u32::MAX).unwrap(), 0);
    assert!(!store.remove_override("192.0.2.1".parse().unwrap()).unwrap());
    assert_eq!(store.digest(), MemoryStore::new().digest());
}

fn the_digest_is_of_the_content_alone(make: Make<'_>) {
    let (one, two) = (make(), make());
    let (a, b) = (set(&["192.0.2.1", "2001:db8::/32"]), set(&["192.0.2.1"]));
    commit(&*one, "a", 10, &a);
    commit(&*one, "b", 10, &b);
    one.put_override(&block("192.0.2.1")).unwrap();
    two.put_override(&block("192.0.2.1")).unwrap();
    two.put_override(&block("192.0.2.2")).unwrap();
    commit(&*two, "c", 10, &b);
    commit(&*two, "b", 10, &b);
    commit(&*two, "a", 10, &a);
    assert_ne!(one.digest(), two.digest());
    two.remove_feed(&feed("c")).unwrap();
    two.remove_override("192.0.2.2".parse().unwrap()).unwrap();
    assert_eq!(one.digest(), two.digest());
    commit(&*two, "b", 11, &a);
    assert_ne!(one.digest(), two.digest());
}

fn a_visitor_may_call_back(make: Make<'_>) {
    // The memory store holds its lock, so that only reading is promised.
    let store = make();
    commit(&*store, "a", 10, &set(&["192.0.2.1"]));
    let mut sequence = 0;
    store.active(&feed("a"), &mut |_| sequence = store.sequence()).unwrap();
    assert_eq!(sequence, store.sequence());
}

/// What the store should hold, kept in the simplest way there is.
#[derive(Default)]
struct Model {
    feeds: BTreeMap<&'static str, ModelFeed>,
    overrides: BTreeMap<Prefix, Override>,
}

#[derive(Default)]
struct ModelFeed {
    active: BTreeMap<Prefix, u32>,
    ended: BTreeSet<EndedListing>,
    confirmed: u32,
    stale: bool,
}

#[derive(Debug, Clone)]
enum Step {
    Commit { feed: &'static str, at: u32, density: u8, seed: u64, drift: u8 },
    Confirm { feed: &'static str, at: u32 },
    Stale { feed: &'static str },
    Expire { before: u32 },
    Remove { feed: &'static str },
    Put { host: u8, expires: u32 },
    Unput { host: u8 },
    Maintain,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let feed = || prop::sample::select(vec!["a", "b", "c"]);
    // A few days, so that times collide, go back, and cross midnight.
    let time = || (0..30u32).prop_map(|n| 500_000 + n * 17_001);
    let step = prop_oneof![
        8 => (feed(), time(), 0..=255u8, 0..3u64, any::<u8>())
            .prop_map(|(feed, at, density, seed, drift)| {
                Step::Commit { feed, at, density, seed, drift }
            }),
        2 => (feed(), time()).prop_map(|(feed, at)| Step::Confirm { feed, at }),
        1 => feed().prop_map(|feed| Step::Stale { feed }),
        2 => time().prop_map(|before| Step::Expire { before }),
        1 => feed().prop_map(|feed| Step::Remove { feed }),
        1 => (0..4u8, time()).prop_map(|(host, expires)| Step::Put { host, expires }),
        1 => (0..4u8).prop_map(|host| Step::Unput { host }),
        1 => Just(Step::Maintain),
    ];
    prop::collection::vec(step, 1..25)
}

/// A mix of its arguments.
fn mix(a: u64, b: u64) -> u64 {
    let x = (a ^ b.rotate_left(32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (x ^ (x >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 16
}

/// A list of up to some thousand networks. The same seed lists mostly the same; the drift moves a
/// few in and out.
fn list(density: u8, seed: u64, drift: u8) -> PrefixSet {
    let (mut four, mut six) = (Vec::new(), Vec::new());
    for n in 0..3000u64 {
        let dice = mix(n, seed);
        let wanted =
            u64::from(density) + u64::from(mix(n, u64::from(drift)).is_multiple_of(64)) * 128;
        if dice % 256 >= wanted {
            continue;
        }
        let address = mix(n, 99) as u32;
        match n % 9 {
            0 => six.push(Prefix6::new(u128::from(address) << 96, 32 + (n % 97) as u8).unwrap()),
            1 => six.push(Prefix6::host(u128::from(address) << 80 | u128::from(n))),
            2 => four.push(Prefix4::new(address, 8 + (n % 25) as u8).unwrap()),
            _ => four.push(Prefix4::host(address)),
        }
    }
    PrefixSet::new(four, six)
}

impl Model {
    fn commit(&mut self, name: &'static str, at: u32, list: &PrefixSet) -> (u64, u64, u64) {
        let feed = self.feeds.entry(name).or_default();
        let at = at.max(feed.confirmed);
        (feed.confirmed, feed.stale) = (at, false);
        let before = feed.active.len() as u64;
        let new: BTreeSet<Prefix> = list.iter().collect();
        let old = std::mem::take(&mut feed.active);
        for (prefix, first_seen) in old {
            if new.contains(&prefix) {
                feed.active.insert(prefix, first_seen);
            } else if first_seen < at {
                feed.ended.insert(EndedListing { prefix, first_seen, ended: at });
            }
        }
        let unchanged = feed.active.len() as u64;
        for prefix in new {
            feed.active.entry(prefix).or_insert(at);
        }
        (feed.active.len() as u64 - unchanged, before - unchanged, unchanged)
    }

    fn step(&mut self, store: &dyn Store, step: &Step) {
        let host = |n: u8| Prefix::V4(Prefix4::host(u32::from(n)));
        match *step {
            Step::Commit { feed: name, at, density, seed, drift } => {
                let list = list(density, seed, drift);
                let done = commit(store, name, at, &list);
                assert_eq!(counts(done), self.commit(name, at, &list));
            }
            Step::Confirm { feed: name, at } => {
                store.confirm(&feed(name), at, &Validators::default()).unwrap();
                if let Some(feed) = self.feeds.get_mut(name) {
                    (feed.confirmed, feed.stale) = (at.max(feed.confirmed), false);
                }
            }
            Step::Stale { feed: name } => {
                store.mark_stale(&feed(name), "why").unwrap();
                if let Some(feed) = self.feeds.get_mut(name) {
                    feed.stale = true;
                }
            }
            Step::Expire { before } => {
                let mut forgotten = 0;
                for feed in self.feeds.values_mut() {
                    let kept = feed.ended.iter().filter(|e| e.ended >= before).copied().collect();
                    let old = std::mem::replace(&mut feed.ended, kept);
                    forgotten += (old.len() - feed.ended.len()) as u64;
                }
                self.overrides.retain(|_, entry| {
                    entry.expires.is_none_or(|e| e.timestamp() >= i64::from(before))
                });
                assert_eq!(store.expire(before).unwrap(), forgotten);
            }
            Step::Remove { feed: name } => {
                store.remove_feed(&feed(name)).unwrap();
                self.feeds.remove(name);
            }
            Step::Put { host: n, expires } => {
                let entry = Override::new(host(n), OverrideAction::Allow, at(3))
                    .expires(at(i64::from(expires)));
                store.put_override(&entry).unwrap();
                self.overrides.insert(entry.prefix, entry);
            }
            Step::Unput { host: n } => {
                let was_there = self.overrides.remove(&host(n)).is_some();
                assert_eq!(store.remove_override(host(n)).unwrap(), was_there);
            }
            Step::Maintain => {
                let before = (store.sequence(), store.digest());
                store.maintain().unwrap();
                assert_eq!((store.sequence(), store.digest()), before);
            }
        }
    }

    fn compare(&self, store: &dyn Store) {
        let heads = store.heads().unwrap();
        assert_eq!(
            heads.iter().map(|head| head.feed.as_str()).collect::<Vec<_>>(),
            self.feeds.keys().copied().collect::<Vec<_>>()
        );
        for (head, (name, feed)) in heads.iter().zip(&self.feeds) {
            assert_eq!(head.count, feed.active.len() as u64);
            assert_eq!((head.confirmed, head.stale.is_some()), (feed.confirmed, feed.stale));
            assert_eq!(active(store, name), feed.active.clone().into_iter().collect::<Vec<_>>());
            assert_eq!(ended(store, name), feed.ended.iter().copied().collect::<Vec<_>>());
        }
        assert_eq!(
            store.overrides().unwrap(),
            self.overrides.values().cloned().collect::<Vec<_>>()
        );
        let status = store.status().unwrap();
        let ended: usize = self.feeds.values().map(|feed| feed.ended.len()).sum();
        assert_eq!(status.ended, ended as u64);
    }
}

fn imported(store: &dyn Store) -> MemoryStore {
    let mut bytes = Vec::new();
    store.export(&mut bytes).unwrap();
    MemoryStore::import(&mut bytes.as_slice()).unwrap()
}

#[test]
fn memory_keeps_the_contract() {
    store_contract(&|| Box::new(MemoryStore::new()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn memory_behaves_as_the_model(steps in steps()) {
        let (store, mut model) = (MemoryStore::new(), Model::default());
        for step in &steps {
            model.step(&store, step);
        }
        model.compare(&store);
        let back = imported(&store);
        model.compare(&back);
        prop_assert_eq!((back.sequence(), back.digest()), (store.sequence(), store.digest()));
    }
}

#[cfg(feature = "sled")]
mod sled {
    use std::cell::RefCell;

    use artif_core::ledger::{LedgerOptions, SledStore, write_checkpoint};

    use super::*;

    #[test]
    fn sled_keeps_the_contract() {
        let dirs = RefCell::new(Vec::new());
        store_contract(&|| {
            let dir = tempfile::tempdir().unwrap();
            let store = SledStore::open(dir.path(), &LedgerOptions::default()).unwrap();
            dirs.borrow_mut().push(dir);
            Box::new(store)
        });
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        /// Small batches make most commits larger than one, which then go the long way.
        #[test]
        fn sled_behaves_as_the_model(
            steps in steps(),
            batch_bytes in prop_oneof![Just(1500u64), Just(16 << 20)],
            reopen_at in any::<prop::sample::Index>(),
        ) {
            let options = LedgerOptions::default().batch_bytes(batch_bytes);
            let dir = tempfile::tempdir().unwrap();
            let mut store = SledStore::open(dir.path(), &options).unwrap();
            let (mut model, memory, mut other) =
                (Model::default(), MemoryStore::new(), Model::default());
            let reopen_at = reopen_at.index(steps.len());
            for (position, step) in steps.iter().enumerate() {
                if position == reopen_at {
                    let before = (store.sequence(), store.digest());
                    drop(store);
                    store = SledStore::open(dir.path(), &options).unwrap();
                    prop_assert_eq!(&store.status().unwrap().recovery, &None);
                    prop_assert_eq!((store.sequence(), store.digest()), before);
                }
                model.step(&store, step);
                other.step(&memory, step);
                prop_assert_eq!(store.digest(), memory.digest(), "the same in any store");
            }
            model.compare(&store);
            model.compare(&imported(&store));
            prop_assert_eq!(imported(&store).digest(), store.digest());

            // From a checkpoint of the other store, with other block boundaries.
            let dir = tempfile::tempdir().unwrap();
            write_checkpoint(dir.path(), &memory).unwrap();
            let rebuilt = SledStore::open(dir.path(), &options).unwrap();
            prop_assert!(rebuilt.status().unwrap().recovery.is_some());
            model.compare(&rebuilt);
            prop_assert_eq!(rebuilt.digest(), store.digest());
        }
    }
}
