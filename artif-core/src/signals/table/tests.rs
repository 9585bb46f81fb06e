#![allow(clippy::float_cmp, reason = "tests")]

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

/// In the tests, kind 1 speaks against and kind 2 for an address; they halve every hundred seconds.
const BAD: u32 = 1;
const GOOD: u32 = 2;

fn fade(tally: Tally, now: Seconds) -> f64 {
    tally.count * (-f64::from(now.saturating_sub(tally.at)) / 100.0).exp2()
}

fn effect(kind: u32, tally: Tally, now: Seconds) -> f64 {
    let amount = fade(tally, now);
    let sign = if kind == BAD { 1.0 } else { -1.0 };
    if amount < 0.01 { 0.0 } else { sign * amount }
}

fn add(table: &Table, address: u128, kind: u32, count: f64, at: Seconds) -> Added {
    let entry = Entry { address, kind, tally: Tally { count, at } };
    table.add(entry, |tally| fade(tally, at), |kind, tally| effect(kind, tally, at))
}

fn found(table: &Table, address: u128) -> Vec<Entry> {
    let mut all = Vec::new();
    table.find(address, |entry| all.push(entry));
    all.sort_by_key(|entry| entry.kind);
    all
}

fn mapped(capacity: u32) -> (tempfile::TempDir, std::path::PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("t.table");
    Table::create(&path, capacity, 64).unwrap();
    (dir, path)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn with_room_for_all_it_is_a_map_of_fading_sums(
        steps in prop::collection::vec((0..12_u128, 1..=2_u32, 1..50_u32, 0..60_u32, 0..9_u8), 1..200),
    ) {
        let table = Table::in_memory(8_192, 64);
        let mut model = BTreeMap::new();
        let mut now = 1_000;
        for (address, kind, count, later, what) in steps {
            now += later;
            if what == 0 {
                let had = [BAD, GOOD].map(|kind| model.remove(&(address, kind)).is_some());
                let count = had.into_iter().filter(|had| *had).count();
                prop_assert!(table.forget(address, now) <= count);
                prop_assert!(found(&table, address).is_empty());
            } else {
                prop_assert_eq!(add(&table, address, kind, f64::from(count), now), Added::Kept);
                let before = model.get(&(address, kind)).copied();
                let left = before.map_or(0.0, |tally| fade(tally, now));
                let tally = Tally { count: left + f64::from(count), at: now };
                model.insert((address, kind), tally);
            }
        }
        for entry in table.entries() {
            prop_assert!(model.contains_key(&(entry.address, entry.kind)), "{entry:?}");
        }
        for ((address, kind), expected) in model {
            // The place of what has faded may be another's by now.
            if effect(kind, expected, now) == 0.0 {
                continue;
            }
            let entry = found(&table, address).into_iter().find(|e| e.kind == kind).unwrap();
            prop_assert_eq!(entry.tally.at, expected.at);
            prop_assert!((entry.tally.count - expected.count).abs() < 0.02);
        }
    }

    #[test]
    fn damage_anywhere_hides_entries_and_invents_none(
        flips in prop::collection::vec((HEADER_WORDS..table_words(8), 0..64_u32), 1..40),
    ) {
        let table = Table::in_memory(64, 64);
        let real: Vec<u128> = (0..20).collect();
        for address in &real {
            add(&table, *address, BAD, 5.0, 1_000);
        }
        for (word, bit) in flips {
            let word = table.word(word).unwrap();
            word.store(load(word) ^ 1 << bit, Ordering::Relaxed);
        }
        for entry in table.entries() {
            prop_assert!(real.contains(&entry.address) && entry.kind == BAD);
        }
        // It goes on, and mends what is left.
        table.mend_all(1_000);
        for entry in table.entries().collect::<Vec<_>>() {
            prop_assert!(!found(&table, entry.address).is_empty(), "its tag is there again");
        }
        prop_assert_eq!(add(&table, 77, BAD, 500.0, 1_000), Added::Kept);
        prop_assert_eq!(found(&table, 77).len(), 1);
    }
}

#[test]
fn a_spray_pushes_out_what_is_weaker_and_nothing_else() {
    let table = Table::in_memory(1_024, 64);
    // In a table that is a tenth full, no bucket holds eight of these.
    for address in 0..100 {
        assert_eq!(add(&table, address, BAD, 20.0, 1_000), Added::Kept);
    }
    for address in 1_000_000..1_200_000 {
        add(&table, address, BAD, 2.0, 1_000);
    }
    assert!((0..100).all(|address| found(&table, address)[0].tally.count == 20.0));
    let (evicted, refused) = table.losses();
    assert!(evicted > 190_000, "{evicted}");
    assert_eq!(refused, 0, "equals make room for each other");
    assert!(table.entries().count() <= 1_024);
    assert_eq!(add(&table, 5_000_000, BAD, 1.0, 1_000), Added::Outweighed);
    assert_eq!(table.losses().1, 1);
    // In time the strong ones fade too, and give way.
    for address in 6_000_000..6_200_000 {
        add(&table, address, BAD, 2.0, 2_000);
    }
    assert!((0..100).all(|address| found(&table, address).is_empty()));
}

#[test]
fn what_speaks_for_addresses_is_not_washed_out_by_what_speaks_against_others() {
    for (first, second) in [(GOOD, BAD), (BAD, GOOD)] {
        // So large that no bucket holds more than four of these, which is half of it.
        let table = Table::in_memory(8_192, 64);
        for address in 0..100 {
            add(&table, address, first, 1.0, 1_000);
        }
        for address in 1_000_000..1_100_000 {
            add(&table, address, second, 50.0, 1_000);
        }
        let left = (0..100).filter(|address| !found(&table, *address).is_empty()).count();
        assert_eq!(left, 100, "kind {first} under a spray of kind {second}");
    }
}

#[test]
fn one_address_has_room_for_all_kinds() {
    let table = Table::in_memory(64, 64);
    for kind in 1..=8 {
        assert_eq!(add(&table, 5, kind, 3.0, 1_000), Added::Kept);
    }
    assert_eq!(found(&table, 5).len(), 8);
}

#[test]
fn two_mappings_of_a_file_lose_no_report_of_a_known_address() {
    let (_dir, path) = mapped(64);
    let tables = [Table::open(&path).unwrap(), Table::open(&path).unwrap()];
    add(&tables[0], 9, BAD, 1.0, 1_000);
    std::thread::scope(|scope| {
        for table in tables.iter().chain(&tables) {
            scope.spawn(move || {
                for _ in 0..5_000 {
                    while add(table, 9, BAD, 1.0, 1_000) != Added::Kept {}
                }
            });
        }
    });
    let entries = found(&tables[1], 9);
    assert_eq!((entries.len(), entries[0].tally.count), (1, 20_001.0));
}

#[test]
fn readers_beside_writers_see_whole_entries() {
    let (_dir, path) = mapped(64);
    let tables = [Table::open(&path).unwrap(), Table::open(&path).unwrap()];
    // Addresses of which each half says what the count has to be.
    let address = |n: u64| u128::from(n) << 64 | u128::from(n);
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        for table in &tables {
            let done = &done;
            scope.spawn(move || {
                for n in 1..40_000_u64 {
                    add(table, address(n % 400 + 1), BAD, f64::from(n as u32 % 400 + 1), 1_000);
                    if n % 3 == 0 {
                        table.forget(address(n % 400 + 1), 1_000);
                    }
                }
                done.store(true, Ordering::Relaxed);
            });
        }
        while !done.load(Ordering::Relaxed) {
            for entry in tables[0].entries() {
                let n = entry.address as u64;
                assert_eq!(entry.address, address(n));
                assert!((1..=400).contains(&n) && entry.kind == BAD);
                let times = entry.tally.count / n as f64;
                assert!((times - times.round()).abs() < 1e-2, "{n}: {}", entry.tally.count);
            }
        }
    });
}

#[test]
fn what_a_killed_writer_leaves_half_written_is_empty() {
    let table = Table::in_memory(64, 64);
    add(&table, 5, BAD, 3.0, 1_000);
    let (bucket, _) = table.place(table.hash(5));
    let place = (0..PLACES).find(|place| table.read(bucket, *place).is_some()).unwrap();
    // It claimed the place, and got no further.
    let [.., identity] = table.slot(bucket, place);
    identity.unwrap().store(0x7fff, Ordering::Relaxed);
    assert!(found(&table, 5).is_empty());
    assert_eq!(add(&table, 5, BAD, 2.0, 1_000), Added::Kept);
    assert_eq!(found(&table, 5)[0].tally.count, 2.0);
    assert_eq!(table.entries().count(), 1);
    // It wrote the entry, and not the tag.
    table.tags(bucket).unwrap().store(0, Ordering::Relaxed);
    assert!(found(&table, 5).is_empty());
    table.mend_all(1_000);
    assert_eq!(found(&table, 5)[0].tally.count, 2.0);
}

#[test]
fn a_clock_that_was_set_back_makes_nothing_grow_and_nothing_last_for_ever() {
    let table = Table::in_memory(64, 64);
    add(&table, 5, BAD, 8.0, 900_000);
    add(&table, 5, BAD, 1.0, 1_000);
    let tally = found(&table, 5)[0].tally;
    assert_eq!((tally.count, tally.at), (9.0, 1_000));
    add(&table, 6, BAD, 8.0, 900_000);
    table.mend_all(1_000);
    assert_eq!(found(&table, 6)[0].tally, Tally { count: 8.0, at: 1_000 });
}

#[test]
fn what_is_no_table_is_not_mapped_as_one() {
    let (_dir, path) = mapped(64);
    assert!(Table::open(&path).unwrap().is_for(64, 64));
    assert!(!Table::open(&path).unwrap().is_for(64, 48));
    assert!(!Table::open(&path).unwrap().is_for(128, 64));
    let good = fs::read(&path).unwrap();
    let reason = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        match Table::open(&path).unwrap_err() {
            Unfit::Damaged(reason) => reason,
            Unfit::Io(error) => unreachable!("{error}"),
        }
    };
    for byte in 0..(CHECKED + 1) * 8 {
        let mut bytes = good.clone();
        bytes[byte] ^= 0x40;
        reason(&bytes);
    }
    assert!(reason(&[]).contains("0 bytes"));
    assert!(reason(&good[..good.len() - 8]).contains("do not fit together"));
    assert!(reason(&good[..good.len() - 3]).contains("bytes"));
    assert!(reason(&[good.as_slice(), &[0; 8]].concat()).contains("do not fit together"));
    assert!(reason(&[7; 8_192]).contains("no table of signals"));
    fs::write(&path, &good).unwrap();
    assert!(Table::open(&path).is_ok());
}

#[test]
fn a_mapping_for_reading_alone_sees_what_others_write() {
    let (_dir, path) = mapped(64);
    let writer = Table::open(&path).unwrap();
    let reader = Table::map(&File::open(&path).unwrap(), false, &path).unwrap();
    assert!(!reader.is_writable() && writer.is_writable());
    for count in 1..=3 {
        add(&writer, 5, BAD, 1.0, 1_000);
        assert_eq!(found(&reader, 5)[0].tally.count, f64::from(count));
    }
    assert_eq!(reader.entries().count(), 1);
}

#[test]
fn tags_find_all_places_that_may_be_meant() {
    let tags = u64::from_le_bytes([3, 0, 7, 3, 255, 1, 2, 3]);
    let places = |tag| {
        let mut bits = matching(tags, tag);
        let mut places = Vec::new();
        while bits != 0 {
            places.push(bits.trailing_zeros() / 8);
            bits &= bits - 1;
        }
        places
    };
    for tag in 0..=255_u8 {
        let meant = tags.to_le_bytes().into_iter().enumerate().filter(|(_, t)| *t == tag);
        let found = places(tag);
        assert!(meant.map(|(at, _)| at as u32).all(|at| found.contains(&at)), "tag {tag}");
    }
    assert_eq!(places(3), [0, 3, 7]);
    assert!(places(9).is_empty());
}
