//! Longest-prefix match over disjoint ranges: from an address to the number of its record.
//!
//! A directory of the upper 16 bits narrows the search to the ranges that touch that block; a
//! binary search over their starts finds the one. The rest of the crate knows only [`build`] and
//! the two lookups, so that a faster layout can take this one's place.

use zerocopy::FromBytes;
use zerocopy::little_endian::{U32, U128};

use super::flatten::Ranges;
use super::format::{Section, Sections, Writer};

const BLOCKS: usize = 1 << 16;

/// Writes both indexes.
pub(crate) fn build(writer: &mut Writer, v4: &Ranges<u32>, v6: &Ranges<u128>) {
    writer.section(Section::Index4Directory, &directory(v4.starts.iter().map(|s| s >> 16)));
    writer.section(Section::Index4Starts, &le_bytes(&v4.starts, u32::to_le_bytes));
    writer.section(Section::Index4Leaves, &le_bytes(&v4.values, u32::to_le_bytes));
    let tops = v6.starts.iter().map(|s| (s >> 112) as u32);
    writer.section(Section::Index6Directory, &directory(tops));
    writer.section(Section::Index6Starts, &le_bytes(&v6.starts, u128::to_le_bytes));
    writer.section(Section::Index6Leaves, &le_bytes(&v6.values, u32::to_le_bytes));
}

/// For each block, how many ranges start before it; then how many there are.
fn directory(tops: impl Iterator<Item = u32>) -> Vec<u8> {
    let mut counts = vec![0_u32; BLOCKS + 1];
    for top in tops {
        if let Some(count) = counts.get_mut(top as usize + 1) {
            *count += 1;
        }
    }
    let mut sum = 0;
    for count in &mut counts {
        sum += *count;
        *count = sum;
    }
    le_bytes(&counts, u32::to_le_bytes)
}

fn le_bytes<T: Copy, const N: usize>(values: &[T], encode: impl Fn(T) -> [u8; N]) -> Vec<u8> {
    values.iter().flat_map(|value| encode(*value)).collect()
}

/// The record of an IPv4 address. A damaged file gives `None` or a wrong number, nothing worse.
pub(crate) fn lookup4(sections: &Sections, bytes: &[u8], address: u32) -> Option<u32> {
    let directory = <[U32]>::ref_from_bytes(sections.get(bytes, Section::Index4Directory)).ok()?;
    let starts = <[U32]>::ref_from_bytes(sections.get(bytes, Section::Index4Starts)).ok()?;
    let leaves = <[U32]>::ref_from_bytes(sections.get(bytes, Section::Index4Leaves)).ok()?;
    let block = (address >> 16) as usize;
    let (low, high) = (directory.get(block)?.get() as usize, directory.get(block + 1)?.get());
    // No range starts in the block's front part: the one before it goes on.
    let within = starts.get(low..high as usize)?.partition_point(|start| start.get() <= address);
    leaves.get((low + within).checked_sub(1)?).map(|leaf| leaf.get())
}

/// The record of an IPv6 address; like [`lookup4`].
pub(crate) fn lookup6(sections: &Sections, bytes: &[u8], address: u128) -> Option<u32> {
    let directory = <[U32]>::ref_from_bytes(sections.get(bytes, Section::Index6Directory)).ok()?;
    let starts = <[U128]>::ref_from_bytes(sections.get(bytes, Section::Index6Starts)).ok()?;
    let leaves = <[U32]>::ref_from_bytes(sections.get(bytes, Section::Index6Leaves)).ok()?;
    let block = (address >> 112) as usize;
    let (low, high) = (directory.get(block)?.get() as usize, directory.get(block + 1)?.get());
    let within = starts.get(low..high as usize)?.partition_point(|start| start.get() <= address);
    leaves.get((low + within).checked_sub(1)?).map(|leaf| leaf.get())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ranges<A: super::super::flatten::Bits>(starts: &[A]) -> Ranges<A> {
        let mut ranges = Ranges::new();
        starts.iter().zip(1..).for_each(|(start, value)| ranges.push(*start, value));
        ranges
    }

    proptest! {
        #[test]
        fn both_indexes_equal_a_scan(
            v4 in prop::collection::btree_set(prop_oneof![any::<u32>(), 0x0a00_0000_u32..0x0a00_0200], 0..80),
            v6 in prop::collection::btree_set(
                prop_oneof![any::<u128>(), (0_u128..512).prop_map(|x| (0x2001_u128 << 112) + x)], 0..80),
            probes in prop::collection::vec((any::<u32>(), any::<u128>()), 100),
        ) {
            let v4: Vec<u32> = v4.into_iter().collect();
            let v6: Vec<u128> = v6.into_iter().collect();
            let (r4, r6) = (ranges(&v4), ranges(&v6));
            let mut writer = Writer::new(0);
            build(&mut writer, &r4, &r6);
            let bytes = writer.finish(1, 0);
            let sections = Sections::read(&bytes).unwrap();
            let near4 = v4.iter().flat_map(|s| [s.saturating_sub(1), *s, s.saturating_add(1)]);
            for address in probes.iter().map(|p| p.0).chain(near4).chain([0, u32::MAX]) {
                let naive = r4.starts.iter().zip(&r4.values).rev().find(|(s, _)| **s <= address);
                prop_assert_eq!(lookup4(&sections, &bytes, address), naive.map(|(_, v)| *v));
            }
            let near6 = v6.iter().flat_map(|s| [s.saturating_sub(1), *s, s.saturating_add(1)]);
            for address in probes.iter().map(|p| p.1).chain(near6).chain([0, u128::MAX]) {
                let naive = r6.starts.iter().zip(&r6.values).rev().find(|(s, _)| **s <= address);
                prop_assert_eq!(lookup6(&sections, &bytes, address), naive.map(|(_, v)| *v));
            }
        }
    }
}
