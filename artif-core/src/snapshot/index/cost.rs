//! What networks cost, before there is an index of them.

use crate::net::PrefixSet;

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
    let v4 = prefixes.v4().len() as u64 * ENDS;
    let mut v6 = 0;
    let mut before = None;
    for prefix in prefixes.v6() {
        // Nodes stand for what begins with the same 16, 32 … bits; one shared with the network
        // before, which is the nearest, has been counted.
        let shared = before.map_or(0, |before: u128| (before ^ prefix.first()).leading_zeros());
        let deepest = u32::from(prefix.len()).div_ceil(DIGIT).saturating_sub(1);
        let nodes = deepest.saturating_sub(shared / DIGIT);
        v6 += RUN + NODE * u64::from(nodes);
        before = Some(prefix.first());
    }
    v4 + v6
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::{Prefix4, Prefix6};

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
