//! A sorted set of networks of both families.

use super::{Prefix, Prefix4, Prefix6};

/// Networks without duplicates, sorted: what one feed lists.
///
/// ```
/// use artif_core::{Prefix, PrefixSet};
///
/// let nets = ["192.0.2.1", "192.0.2.0/24", "192.0.2.1"].map(|n| n.parse::<Prefix>().unwrap());
/// let set: PrefixSet = nets.into_iter().collect();
/// assert_eq!(set.len(), 2);
/// assert!(set.contains("192.0.2.1".parse().unwrap()));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PrefixSet {
    v4: Vec<Prefix4>,
    v6: Vec<Prefix6>,
}

impl PrefixSet {
    /// The set of these networks, in any order, with or without duplicates.
    ///
    /// ```
    /// assert!(artif_core::PrefixSet::new(vec![], vec![]).is_empty());
    /// ```
    pub fn new(mut v4: Vec<Prefix4>, mut v6: Vec<Prefix6>) -> Self {
        v4.sort_unstable();
        v4.dedup();
        v6.sort_unstable();
        v6.dedup();
        Self { v4, v6 }
    }

    /// The IPv4 networks, sorted.
    ///
    /// ```
    /// assert!(artif_core::PrefixSet::default().v4().is_empty());
    /// ```
    pub fn v4(&self) -> &[Prefix4] {
        &self.v4
    }

    /// The IPv6 networks, sorted.
    ///
    /// ```
    /// assert!(artif_core::PrefixSet::default().v6().is_empty());
    /// ```
    pub fn v6(&self) -> &[Prefix6] {
        &self.v6
    }

    /// The networks of both families, sorted.
    pub(crate) fn into_parts(self) -> (Vec<Prefix4>, Vec<Prefix6>) {
        (self.v4, self.v6)
    }

    /// How many networks.
    ///
    /// ```
    /// assert_eq!(artif_core::PrefixSet::default().len(), 0);
    /// ```
    pub fn len(&self) -> usize {
        self.v4.len() + self.v6.len()
    }

    /// Whether there is none.
    ///
    /// ```
    /// assert!(artif_core::PrefixSet::default().is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.v4.is_empty() && self.v6.is_empty()
    }

    /// Whether exactly this network is in the set (not one around it).
    ///
    /// ```
    /// let set = artif_core::PrefixSet::default();
    /// assert!(!set.contains("10.0.0.0/8".parse().unwrap()));
    /// ```
    pub fn contains(&self, prefix: Prefix) -> bool {
        match prefix {
            Prefix::V4(prefix) => self.v4.binary_search(&prefix).is_ok(),
            Prefix::V6(prefix) => self.v6.binary_search(&prefix).is_ok(),
        }
    }

    /// All networks, IPv4 first.
    ///
    /// ```
    /// assert_eq!(artif_core::PrefixSet::default().iter().count(), 0);
    /// ```
    pub fn iter(&self) -> impl Iterator<Item = Prefix> + '_ {
        let v4 = self.v4.iter().copied().map(Prefix::V4);
        v4.chain(self.v6.iter().copied().map(Prefix::V6))
    }
}

impl FromIterator<Prefix> for PrefixSet {
    fn from_iter<I: IntoIterator<Item = Prefix>>(iter: I) -> Self {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for prefix in iter {
            match prefix {
                Prefix::V4(prefix) => v4.push(prefix),
                Prefix::V6(prefix) => v6.push(prefix),
            }
        }
        Self::new(v4, v6)
    }
}
