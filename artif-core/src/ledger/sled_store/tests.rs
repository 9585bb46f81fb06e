//! What only somebody who writes past the store's back can do to it.

use std::path::Path;

use super::handle::{Handle, Op};
use super::keys::{self, EndedKey};
use super::{SledStore, rebuild, scan, values};
use crate::error::Error;
use crate::ledger::block;
use crate::ledger::store::{Generation, Override, OverrideAction, Store, Validators};
use crate::ledger::{LedgerOptions, write_checkpoint};
use crate::net::{Prefix, Prefix4, PrefixSet};

const FEED: &str = "list";

fn hosts(count: u32) -> PrefixSet {
    PrefixSet::new((0..count).map(|n| Prefix4::host(n * 1000)).collect(), Vec::new())
}

fn commit(store: &SledStore, at: u32, list: &PrefixSet) {
    let (feed, validators) = (FEED.parse().unwrap(), Validators::default());
    store.commit(Generation::new(&feed, at, list, &validators)).unwrap();
}

/// A store with some blocks of either kind and two overrides, closed.
fn filled(dir: &Path) -> u128 {
    let store = SledStore::open(dir, &LedgerOptions::default()).unwrap();
    commit(&store, 10, &hosts(3000));
    commit(&store, 20, &hosts(2000));
    for n in 1..3 {
        let prefix = Prefix::V4(Prefix4::host(n));
        let created = chrono::DateTime::UNIX_EPOCH;
        store.put_override(&Override::new(prefix, OverrideAction::Block, created)).unwrap();
    }
    store.digest()
}

/// Opens the raw database, lets `edit` write to it and says what a scan makes of that.
fn tampered(dir: &Path, edit: impl FnOnce(&Handle) -> Vec<Op>) -> Result<usize, Error> {
    let handle = Handle::open(&rebuild::folder(dir), &LedgerOptions::default()).unwrap();
    handle.apply(edit(&handle)).unwrap();
    let outcome = scan::scan(&handle).map(|(_, left_over)| left_over.len());
    handle.close();
    outcome
}

fn first(handle: &Handle, kind: u8) -> (Vec<u8>, Vec<u8>) {
    let pairs = handle.with_prefix(&[kind]).unwrap();
    pairs.first().map(|(key, value)| (key.to_vec(), value.to_vec())).unwrap()
}

#[test]
fn a_lost_key_of_any_kind_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path());
    for kind in [0x01, keys::MARK, keys::OVERRIDE, keys::HEAD, keys::ACTIVE, keys::ENDED] {
        let mut lost = None;
        let outcome = tampered(dir.path(), |handle| {
            let (key, value) = first(handle, kind);
            lost = Some((key.clone(), Some(value)));
            vec![(key, None)]
        });
        assert!(outcome.is_err(), "kind {kind:02x}");
        let restored = tampered(dir.path(), |_| lost.into_iter().collect());
        assert_eq!(restored.unwrap(), 0, "kind {kind:02x}");
    }
}

#[test]
fn a_value_of_an_earlier_moment_is_noticed_though_its_checksum_holds() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path());
    let mut old = Vec::new();
    tampered(dir.path(), |handle| {
        old = [0x01, keys::MARK, keys::HEAD, keys::ACTIVE].map(|kind| first(handle, kind)).into();
        Vec::new()
    })
    .unwrap();
    let store = SledStore::open(dir.path(), &LedgerOptions::default()).unwrap();
    commit(&store, 30, &hosts(1999));
    store.remove_override(Prefix::V4(Prefix4::host(1))).unwrap();
    commit(&store, 40, &PrefixSet::new(hosts(1500).v4().split_first().unwrap().1.to_vec(), vec![]));
    drop(store);
    for (key, value) in old {
        let mut now = None;
        let outcome = tampered(dir.path(), |handle| {
            let current = handle.with_prefix(&key).unwrap();
            now = current.first().map(|(key, value)| (key.to_vec(), Some(value.to_vec())));
            vec![(key.clone(), Some(value))]
        });
        // An old stamp alone says nothing that the newer mark does not.
        assert!(outcome.is_err() || key == keys::STAMP, "key {key:02x?}");
        assert_eq!(tampered(dir.path(), |_| now.into_iter().collect()).unwrap(), 0);
    }
}

#[test]
fn an_unfinished_commit_is_swept_away_before_the_next_one() {
    let dir = tempfile::tempdir().unwrap();
    let digest = filled(dir.path());
    // What a generation larger than a batch writes before its head refers to it.
    let left_over = tampered(dir.path(), |handle| {
        let state = scan::scan(handle).unwrap().0;
        let feed = state.feeds.values().next().unwrap();
        let place = EndedKey {
            feed: feed.number,
            day: 0,
            generation: feed.head.generation + 1,
            family: 32,
            part: 0,
        };
        let host = Prefix4::host(7);
        let mut ops = vec![values::sealed(place.encode(), block::ended_block(&[(host, 1, 2)]))];
        block::split_active(&[(host, 1)], &mut |_, payload| {
            ops.push(values::active_block(state.next_number, host, payload));
        });
        ops
    });
    assert_eq!(left_over.unwrap(), 2);
    let store = SledStore::open(dir.path(), &LedgerOptions::default()).unwrap();
    assert_eq!((store.digest(), store.status().unwrap().recovery), (digest, None));
    // The next commit takes the very numbers that the unfinished one had.
    commit(&store, 30, &hosts(2001));
    let digest = store.digest();
    drop(store);
    assert_eq!(tampered(dir.path(), |_| Vec::new()).unwrap(), 0);
    let store = SledStore::open(dir.path(), &LedgerOptions::default()).unwrap();
    assert_eq!((store.digest(), store.status().unwrap().recovery), (digest, None));
}

#[test]
fn many_small_commits_of_a_day_are_packed() {
    let dir = tempfile::tempdir().unwrap();
    let store = SledStore::open(dir.path(), &LedgerOptions::default()).unwrap();
    for n in 0..50 {
        commit(&store, 10 + n, &hosts(100 - n));
    }
    let digest = store.digest();
    write_checkpoint(dir.path(), &store).unwrap();
    store.maintain().unwrap();
    assert_eq!(store.digest(), digest);
    let blocks = store.reading(|handle, _| handle.with_prefix(&[keys::ENDED])).unwrap();
    assert_eq!(blocks.len(), 1);
    assert_eq!(store.status().unwrap().ended, 49);
    assert_eq!(store.expire(12).unwrap(), 1, "a packed block is cut where it has to be");
    drop(store);
    let store = SledStore::open(dir.path(), &LedgerOptions::default()).unwrap();
    assert_eq!(store.status().unwrap().recovery, None);
}

#[test]
fn a_change_writes_the_blocks_it_touches_and_a_confirmation_next_to_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = SledStore::open(dir.path(), &LedgerOptions::default()).unwrap();
    let (feed, validators) = (FEED.parse().unwrap(), Validators::default());
    let mut nets = hosts(50_000).v4().to_vec();
    let all = PrefixSet::new(nets.clone(), Vec::new());
    let written = |at, list: &PrefixSet| {
        store.commit(Generation::new(&feed, at, list, &validators)).unwrap().written
    };
    let whole = written(10, &all);
    nets.swap_remove(25_000);
    nets.push(Prefix4::host(25_000_001));
    let little = written(20, &PrefixSet::new(nets.clone(), Vec::new()));
    assert!(little < whole / 20, "{little} of {whole} bytes for two changes");
    let nothing = written(30, &PrefixSet::new(nets, Vec::new()));
    assert!(nothing < 300, "{nothing} bytes for none");
    let mark = store.reading(|_, state| Ok(state.feeds.values().next().unwrap().mark(0, 0)));
    let bytes = super::handle::size(&mark.unwrap());
    assert!(bytes <= 100, "{bytes} bytes for a confirmation");
}
