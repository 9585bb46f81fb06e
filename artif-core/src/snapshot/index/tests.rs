//! Every index against a scan, with every boundary and its neighbours.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

fn ranges<A: Bits>(starts: impl IntoIterator<Item = A>, values: impl Fn(u32) -> u32) -> Ranges<A> {
    let mut ranges = Ranges::new();
    starts.into_iter().zip(0..).for_each(|(start, number)| ranges.push(start, values(number)));
    ranges
}

fn naive<A: Bits>(ranges: &Ranges<A>, address: A) -> u32 {
    ranges.values[ranges.starts.partition_point(|start| *start <= address) - 1]
}

/// A file of both indexes.
struct Built {
    bytes: Vec<u8>,
    index: Index,
}

fn built(v4: &Ranges<u32>, v6: &Ranges<u128>, tier: IndexTier, room: u64) -> Built {
    let mut writer = Writer::new(0);
    writer.section(Section::Meta, b"something before");
    build(&mut writer, v4, v6, tier, room).unwrap();
    let bytes = writer.finish(1, 0);
    let index = Index::open(&Sections::read(&bytes).unwrap()).unwrap();
    Built { bytes, index }
}

fn agree(v4: &Ranges<u32>, v6: &Ranges<u128>, probes: &[(u32, u128)]) {
    let near4 = v4.starts.iter().flat_map(|s| [s.saturating_sub(1), *s, s.saturating_add(1)]);
    let probes4: Vec<u32> = near4.chain(probes.iter().map(|p| p.0)).chain([0, u32::MAX]).collect();
    for tier in [IndexTier::Flat, IndexTier::Compact] {
        let built = built(v4, v6, tier, 0);
        assert_eq!(built.index.tier(), tier);
        // As on a processor that can nothing special.
        let plain = Index { wide: None, ..built.index.clone() };
        for address in &probes4 {
            for index in [&built.index, &plain] {
                let found = index.lookup4(&built.bytes, *address);
                assert_eq!(found, naive(v4, *address), "{address:#x} {tier:?}");
            }
        }
        let mut lanes = Lanes::new();
        for some in probes4.chunks(LANES) {
            lanes.load_v4(some);
            for index in [&built.index, &plain] {
                let found = index.lookup_lanes(&built.bytes, &lanes);
                for (address, found) in some.iter().zip(found) {
                    assert_eq!(found, naive(v4, *address), "{address:#x} {tier:?}");
                }
            }
        }
        if tier == IndexTier::Flat {
            let near6 =
                v6.starts.iter().flat_map(|s| [s.saturating_sub(1), *s, s.saturating_add(1)]);
            for address in near6.chain(probes.iter().map(|p| p.1)).chain([0, u128::MAX]) {
                for index in [&built.index, &plain] {
                    let found = index.lookup6(&built.bytes, address);
                    assert_eq!(found, naive(v6, address), "{address:#x}");
                }
            }
        }
    }
}

/// Starts of networks: scattered, and crowded in one block.
fn starts4() -> impl Strategy<Value = BTreeSet<u32>> {
    let start = prop_oneof![
        any::<u32>(),
        any::<u16>().prop_map(|block| u32::from(block) << 16),
        0x0a00_0000_u32..0x0a00_0200,
        0x0a01_0000_u32..0x0a03_0000,
    ];
    prop::collection::btree_set(start, 0..300)
}

fn starts6() -> impl Strategy<Value = BTreeSet<u128>> {
    let start = prop_oneof![
        any::<u128>(),
        (any::<u128>(), 0_u32..128).prop_map(|(address, zeros)| address >> zeros << zeros),
        (0_u128..512).prop_map(|low| (0x2001_u128 << 112) + low),
        (0_u128..2000).prop_map(|mid| (0x2a01_u128 << 112) | mid << 80),
        (0_u128..2000, 0_u32..6)
            .prop_map(|(digit, at)| (0x2a02_0001_0002_u128 << 80) | digit << (16 * at)),
    ];
    prop::collection::btree_set(start, 0..300)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn all_indexes_equal_a_scan(
        v4 in starts4(),
        v6 in starts6(),
        kinds in 1_u32..40,
        probes in prop::collection::vec((any::<u32>(), any::<u128>()), 100),
    ) {
        // Few kinds of values: blocks that come to the same value on both sides of a boundary.
        agree(&ranges(v4, |n| n * 7 % kinds), &ranges(v6, |n| n * 5 % kinds), &probes);
    }

    #[test]
    fn networks_of_every_length_equal_a_scan(
        nets in prop::collection::vec((any::<u32>(), 0_u8..=32, any::<u128>(), 0_u8..=128), 1..60),
    ) {
        let v4 = nets.iter().flat_map(|(address, length, ..)| {
            let net = crate::net::Prefix4::new(*address, *length).unwrap();
            [Some(net.first()), net.last().checked_add(1)]
        });
        let v6 = nets.iter().flat_map(|(.., address, length)| {
            let net = crate::net::Prefix6::new(*address, *length).unwrap();
            [Some(net.first()), net.last().checked_add(1)]
        });
        let (v4, v6): (BTreeSet<u32>, BTreeSet<u128>) = (v4.flatten().collect(), v6.flatten().collect());
        agree(&ranges(v4, |n| n), &ranges(v6, |n| n), &[]);
    }
}

#[test]
fn the_densest_space_there_can_be() {
    // Every address its own run, in two blocks and across their border.
    let v4 = ranges((0x0aff_f000_u32..0x0b01_1000).chain([u32::MAX]), |n| n);
    let v6 = (0..70_000_u128).map(|n| (0x2001_0db8_u128 << 96) + n).chain([u128::MAX]);
    agree(&v4, &ranges(v6, |n| n), &[]);
}

#[test]
fn empty_space_is_one_answer() {
    agree(&Ranges::new(), &Ranges::new(), &[(7, 7)]);
}

#[test]
fn auto_takes_the_fast_tier_where_it_fits() {
    let v4 = ranges((0..1000_u32).map(|n| n << 8), |n| n);
    let fast = built(&v4, &Ranges::new(), IndexTier::Flat, 0);
    let sections = Sections::read(&fast.bytes).unwrap();
    let of = |kind| sections.range(kind).len() as u64;
    let taken = of(Section::Index4Directory)
        + of(Section::Index4Lines)
        + of(Section::Index6Directory)
        + of(Section::Index6Lines);
    let tier = |room| built(&v4, &Ranges::new(), IndexTier::Auto, room).index.tier();
    assert_eq!((tier(taken), tier(taken - 1)), (IndexTier::Flat, IndexTier::Compact));
}

#[test]
fn a_missing_or_cut_section_is_noticed() {
    use Section::{
        Index4Directory as D4, Index4Lines as L4, Index6Directory as D6, Index6Lines as L6,
    };
    let sections = |kinds: &[(Section, usize)]| {
        let mut writer = Writer::new(0);
        for (kind, length) in kinds {
            writer.section(*kind, &vec![0; *length]);
        }
        Index::open(&Sections::read(&writer.finish(1, 0)).unwrap()).is_some()
    };
    assert!(sections(&[(D4, 4 * BLOCKS), (L4, 64), (D6, 4 * BLOCKS), (L6, 64)]));
    assert!(!sections(&[(D4, 4 * BLOCKS), (L4, 64), (D6, 4 * BLOCKS)]));
    assert!(!sections(&[(D4, 4 * BLOCKS - 4), (L4, 64), (D6, 4 * BLOCKS), (L6, 64)]));
    assert!(!sections(&[(D6, 4 * BLOCKS), (L6, 64)]));
}
