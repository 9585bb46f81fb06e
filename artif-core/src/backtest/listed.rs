//! Which addresses lists name, and which they cover.

use crate::net::{Prefix4, PrefixSet};

/// Sorted IPv4 addresses and disjoint ranges.
#[derive(Debug, Clone, Default)]
pub(super) struct Listed {
    /// Single addresses, sorted.
    pub(super) hosts: Vec<u32>,
    /// Networks of more than one address, as (first, last); sorted, disjoint.
    networks: Vec<(u32, u32)>,
}

impl Listed {
    /// What these lists name together.
    pub(super) fn of<'a>(lists: impl Iterator<Item = &'a PrefixSet>) -> Self {
        let mut all: Vec<Prefix4> = lists.flat_map(|list| list.v4().iter().copied()).collect();
        all.sort_unstable();
        all.dedup();
        let mut listed = Self::default();
        for prefix in all {
            if prefix.len() == 32 {
                listed.hosts.push(prefix.first());
            } else if listed.networks.last().is_none_or(|(_, last)| *last < prefix.first()) {
                listed.networks.push((prefix.first(), prefix.last()));
            }
        }
        listed
    }

    pub(super) fn names(&self, address: u32) -> bool {
        self.hosts.binary_search(&address).is_ok()
    }

    /// Whether it is inside a network.
    pub(super) fn covers(&self, address: u32) -> bool {
        let after = self.networks.partition_point(|(first, _)| *first <= address);
        let network = after.checked_sub(1).and_then(|place| self.networks.get(place));
        network.is_some_and(|(_, last)| address <= *last)
    }
}

/// Both of two sorted lists, without repetitions.
pub(super) fn merge(a: &[u32], b: &[u32]) -> Vec<u32> {
    let mut all = [a, b].concat();
    all.sort_unstable();
    all.dedup();
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn single_addresses_and_networks_are_kept_apart() {
        let set =
            |texts: &[&str]| -> PrefixSet { texts.iter().map(|t| t.parse().unwrap()).collect() };
        let lists =
            [set(&["23.0.0.1", "23.1.0.0/16", "23.1.2.0/24"]), set(&["23.0.0.1", "23.1.2.3"])];
        let listed = Listed::of(lists.iter());
        let address = |text: &str| text.parse::<std::net::Ipv4Addr>().unwrap().to_bits();
        assert_eq!(listed.hosts, [address("23.0.0.1"), address("23.1.2.3")]);
        assert!(listed.names(address("23.1.2.3")) && !listed.names(address("23.1.0.0")));
        assert!(listed.covers(address("23.1.0.0")) && listed.covers(address("23.1.255.255")));
        assert!(!listed.covers(address("23.2.0.0")) && !listed.covers(address("23.0.0.1")));
        assert_eq!(merge(&[1, 3, 5], &[3, 4]), [1, 3, 4, 5]);
    }
}
