//! What networks cost, before there is an index of them.

use crate::net::{Prefix4, Prefix6, PrefixSet};

/// Bytes of an IPv4 network in the compact index: two ends with their values.
const ENDS: u64 = 16;
/// Bytes of an IPv6 network within a node that is there anyway.
const RUN: u64 = 16;
/// Bytes of the smallest node.
const NODE: u64 = 64;
/// Bits that one node tells apart.
const DIGIT: u32 = 16;

/// About how many bytes these networks take in the indexes of a snapshot, in the smallest form.
pub(crate) fn cost(prefixes: &PrefixSet) -> u64 {
    prefixes.v4().len() as u64 * ENDS + costs6(prefixes.v6()).sum::<u64>()
}

/// The same of each network, where each list is sorted: IPv4, then IPv6.
pub(crate) fn costs<'a>(
    v4: &'a [Prefix4],
    v6: &'a [Prefix6],
) -> impl Iterator<Item = u64> + use<'a> {
    v4.iter().map(|_| ENDS).chain(costs6(v6))
}

fn costs6(prefixes: &[Prefix6]) -> impl Iterator<Item = u64> {
    let mut before = None;
    prefixes.iter().map(move |prefix| {
        // Nodes stand for what begins with the same 16, 32 … bits; one shared with the network
        // before, which is the nearest, has been counted.
        let shared = before.map_or(0, |before: u128| (before ^ prefix.first()).leading_zeros());
        let deepest = u32::from(prefix.len()).div_ceil(DIGIT).saturating_sub(1);
        let nodes = deepest.saturating_sub(shared / DIGIT);
        before = Some(prefix.first());
        RUN + NODE * u64::from(nodes)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_nothing_in_common_costs_most() {
        let v6 = |hosts: &[u128]| {
            cost(&PrefixSet::new(vec![], hosts.iter().copied().map(Prefix6::host).collect()))
        };
        let neighbours: Vec<u128> = (0..1000).map(|host| 0x2600 << 112 | host).collect();
        let strangers: Vec<u128> = (1..=1000).map(|net| 0x2600 << 112 | net << 96 | net).collect();
        assert!(v6(&neighbours) < 20_000, "{}", v6(&neighbours));
        assert!(v6(&strangers) > 1000 * 6 * 64, "{}", v6(&strangers));
        let v4: Vec<Prefix4> = (0..1000).map(Prefix4::host).collect();
        assert_eq!(cost(&PrefixSet::new(v4, vec![])), 16_000);
    }
}
