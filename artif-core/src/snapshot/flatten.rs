//! Nested networks to disjoint ranges.

use rustc_hash::FxHashMap;

/// An IPv4 or IPv6 address as a number.
pub(crate) trait Bits: Copy + Ord + std::fmt::Debug {
    const ZERO: Self;
    /// The next address; `None` after the last one.
    fn next(self) -> Option<Self>;
    /// Its upper 16 bits.
    fn block(self) -> u32;
    /// Whether it is the first with its upper 16 bits.
    fn starts_block(self) -> bool;
}

impl Bits for u32 {
    const ZERO: Self = 0;
    fn next(self) -> Option<Self> {
        self.checked_add(1)
    }
    fn block(self) -> u32 {
        self >> 16
    }
    fn starts_block(self) -> bool {
        self << 16 == 0
    }
}

impl Bits for u128 {
    const ZERO: Self = 0;
    fn next(self) -> Option<Self> {
        self.checked_add(1)
    }
    fn block(self) -> u32 {
        (self >> 112) as u32
    }
    fn starts_block(self) -> bool {
        self << 16 == 0
    }
}

/// Chains of what covers an address, from the outside in. Id 0 is the empty chain.
#[derive(Debug)]
pub(crate) struct Covers {
    /// `(parent, item)` for each id but 0.
    nodes: Vec<(u32, u32)>,
    ids: FxHashMap<(u32, u32), u32>,
}

impl Covers {
    pub(crate) fn new() -> Self {
        Self { nodes: vec![(0, 0)], ids: FxHashMap::default() }
    }

    fn extend(&mut self, parent: u32, item: u32) -> u32 {
        *self.ids.entry((parent, item)).or_insert_with(|| {
            self.nodes.push((parent, item));
            (self.nodes.len() - 1) as u32
        })
    }

    /// How many ids there are, the empty chain included.
    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// The items of a chain, innermost first.
    pub(crate) fn items(&self, mut id: u32) -> impl Iterator<Item = u32> {
        std::iter::from_fn(move || {
            let (parent, item) = *self.nodes.get(id as usize).filter(|_| id != 0)?;
            id = parent;
            Some(item)
        })
    }
}

/// Ranges that cover the whole family, each with a value; a range ends before the next starts.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ranges<A> {
    pub(crate) starts: Vec<A>,
    pub(crate) values: Vec<u32>,
}

impl<A: Bits> Ranges<A> {
    pub(crate) fn new() -> Self {
        Self { starts: vec![A::ZERO], values: vec![0] }
    }

    /// With room for so many more.
    pub(crate) fn with_capacity(more: usize) -> Self {
        let mut ranges = Self::new();
        ranges.starts.reserve(more);
        ranges.values.reserve(more);
        ranges
    }

    /// Starts a range at `start`, which is not before the last one's start.
    pub(crate) fn push(&mut self, start: A, value: u32) {
        if self.starts.last() == Some(&start) {
            self.starts.pop();
            self.values.pop();
        }
        if self.values.last() != Some(&value) {
            self.starts.push(start);
            self.values.push(value);
        }
    }

    /// The same ranges with other values; neighbours that now have the same become one.
    pub(crate) fn renamed(&self, name: impl Fn(u32) -> u32) -> Self {
        let mut ranges = Self { starts: Vec::new(), values: Vec::new() };
        for (start, value) in self.starts.iter().zip(&self.values) {
            ranges.push(*start, name(*value));
        }
        ranges
    }
}

/// Flattens networks `(first, last, item)`, sorted by first address and then from wide to narrow,
/// to ranges whose values are ids in `covers`.
pub(crate) fn flatten<A: Bits>(
    networks: impl Iterator<Item = (A, A, u32)>,
    covers: &mut Covers,
) -> Ranges<A> {
    let mut ranges = Ranges::new();
    let mut open: Vec<(A, u32)> = Vec::new();
    let close = |open: &mut Vec<(A, u32)>, ranges: &mut Ranges<A>, before: Option<A>| {
        while let Some(&(last, _)) = open.last() {
            if before.is_some_and(|first| first <= last) {
                break;
            }
            open.pop();
            if let Some(next) = last.next() {
                ranges.push(next, open.last().map_or(0, |&(_, cover)| cover));
            }
        }
    };
    for (first, last, item) in networks {
        close(&mut open, &mut ranges, Some(first));
        let cover = covers.extend(open.last().map_or(0, |&(_, cover)| cover), item);
        ranges.push(first, cover);
        open.push((last, cover));
    }
    close(&mut open, &mut ranges, None);
    ranges
}

/// Overlays partitions of the same family: calls `visit` with each start and the values there.
pub(crate) fn overlay<A: Bits, const N: usize>(
    partitions: [(&[A], &[u32]); N],
    mut visit: impl FnMut(A, [u32; N]),
) {
    let mut places = [0_usize; N];
    let mut values = partitions.map(|(_, ids)| ids.first().copied().unwrap_or(0));
    let mut starts = partitions.map(|(starts, _)| starts.get(1).copied());
    let mut at = A::ZERO;
    loop {
        visit(at, values);
        let Some(next) = starts.iter().flatten().min() else { return };
        at = *next;
        let parts = values.iter_mut().zip(&mut starts).zip(&mut places).zip(&partitions);
        for (((value, start), place), (all, ids)) in parts {
            while start.is_some_and(|start| start <= at) {
                *place += 1;
                *value = ids.get(*place).copied().unwrap_or(0);
                *start = all.get(*place + 1).copied();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::net::Prefix4;

    fn at(ranges: &Ranges<u32>, address: u32) -> u32 {
        ranges.values[ranges.starts.partition_point(|s| *s <= address) - 1]
    }

    proptest! {
        #[test]
        fn flattening_equals_asking_every_network(
            networks in prop::collection::btree_set((0_u32..4096, 18_u8..=32), 0..60),
            probes in prop::collection::vec(0_u32..6000, 200),
        ) {
            let mut nets: Vec<Prefix4> =
                networks.iter().map(|&(a, l)| Prefix4::new(a, l).unwrap()).collect();
            nets.sort_unstable();
            nets.dedup();
            let mut covers = Covers::new();
            let items = nets.iter().zip(0..).map(|(n, i)| (n.first(), n.last(), i));
            let ranges = flatten(items, &mut covers);
            prop_assert!(ranges.starts.windows(2).all(|w| w[0] < w[1]));
            prop_assert!(ranges.values.windows(2).all(|w| w[0] != w[1]));
            for address in probes {
                let mut found: Vec<u32> = covers.items(at(&ranges, address)).collect();
                found.reverse();
                let naive: Vec<u32> =
                    nets.iter().zip(0..).filter(|(n, _)| n.contains(address)).map(|(_, i)| i).collect();
                prop_assert_eq!(found, naive);
            }
        }

        #[test]
        fn overlays_equal_separate_lookups(
            a in prop::collection::btree_map(1_u32..200, 0_u32..4, 0..20),
            b in prop::collection::btree_map(1_u32..200, 0_u32..4, 0..20),
        ) {
            let list = |m: &std::collections::BTreeMap<u32, u32>| {
                let mut r = Ranges::new();
                for (s, v) in m {
                    r.push(*s, *v);
                }
                r
            };
            let (a, b) = (list(&a), list(&b));
            let mut starts = Vec::new();
            overlay([(&a.starts[..], &a.values[..]), (&b.starts, &b.values)], |s, v| starts.push((s, v)));
            for address in 0..210 {
                let here = starts[starts.partition_point(|(s, _)| *s <= address) - 1].1;
                prop_assert_eq!(here, [at(&a, address), at(&b, address)]);
            }
        }
    }

    #[test]
    fn networks_at_both_ends_of_the_space() {
        let mut covers = Covers::new();
        let all = [(0, u32::MAX, 5), (0, 0, 6), (u32::MAX, u32::MAX, 7)];
        let ranges = flatten(all.into_iter(), &mut covers);
        assert_eq!(covers.items(at(&ranges, 0)).collect::<Vec<_>>(), [6, 5]);
        assert_eq!(covers.items(at(&ranges, 1)).collect::<Vec<_>>(), [5]);
        assert_eq!(covers.items(at(&ranges, u32::MAX)).collect::<Vec<_>>(), [7, 5]);
    }
}
