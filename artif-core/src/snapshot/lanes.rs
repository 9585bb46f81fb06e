//! Many addresses to be looked up together: each step is done for all of them before the next, so
//! that the processor waits for memory once a step and not once an address.

use crate::net::{Canonical, Family};

/// How many are looked up together. A bit for each fits a u64.
pub(crate) const LANES: usize = 64;

/// Up to [`LANES`] addresses.
#[derive(Debug)]
pub(crate) struct Lanes {
    len: usize,
    /// Zero in lanes without an IPv4 address.
    pub(super) v4: [u32; LANES],
    pub(super) v6: [u128; LANES],
    /// A bit for each lane with an IPv6 address.
    pub(super) is_v6: u64,
    /// A bit for each lane with none.
    bad: u64,
}

impl Lanes {
    pub(crate) fn new() -> Self {
        Self { len: 0, v4: [0; LANES], v6: [0; LANES], is_v6: 0, bad: 0 }
    }

    /// Replaces the addresses by these numbers of IPv4 addresses.
    #[inline]
    pub(crate) fn load_v4(&mut self, list: &[u32]) {
        (self.len, self.is_v6, self.bad) = (list.len().min(LANES), 0, 0);
        if self.len < LANES {
            self.v4 = [0; LANES];
        }
        self.v4.iter_mut().zip(list).for_each(|(lane, bits)| *lane = *bits);
    }

    /// Replaces the addresses by these canonical ones; `None` leaves a lane without.
    #[inline]
    pub(crate) fn load(&mut self, list: impl Iterator<Item = Option<Canonical>>) {
        (self.len, self.is_v6, self.bad) = (0, 0, 0);
        self.v4 = [0; LANES];
        for ((v4, v6), address) in self.v4.iter_mut().zip(&mut self.v6).zip(list) {
            match address.map(Canonical::family) {
                Some(Family::V4(bits)) => *v4 = bits,
                Some(Family::V6(bits)) => {
                    *v6 = bits;
                    self.is_v6 |= 1 << self.len;
                }
                None => self.bad |= 1 << self.len,
            }
            self.len += 1;
        }
    }

    /// How many there are, those without an address included.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// A bit for each lane without an address.
    pub(crate) fn bad(&self) -> u64 {
        self.bad
    }

    /// Whether any lane may have an IPv4 address.
    pub(super) fn has_v4(&self) -> bool {
        (self.is_v6 | self.bad).count_ones() as usize != self.len
    }

    /// The address in a lane.
    pub(crate) fn address(&self, lane: usize) -> Option<Canonical> {
        if lane >= self.len || self.bad >> lane & 1 == 1 {
            return None;
        }
        if self.is_v6 >> lane & 1 == 1 {
            return self.v6.get(lane).map(|bits| Canonical::v6(*bits));
        }
        self.v4.get(lane).map(|bits| Canonical::v4(*bits))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lanes_give_back_what_was_put_in() {
        let mut lanes = Lanes::new();
        let list = ["1.2.3.4", "-", "2001:db9::1", "0.0.0.0"]
            .map(|text| text.parse().ok().map(Canonical::of));
        lanes.load(list.into_iter());
        assert_eq!((lanes.len(), lanes.bad(), lanes.is_v6), (4, 0b10, 0b100));
        assert!(lanes.has_v4());
        for (lane, address) in list.into_iter().enumerate() {
            assert_eq!(lanes.address(lane), address);
        }
        assert_eq!(lanes.address(4), None);
        lanes.load(list.into_iter().skip(1).take(2));
        assert!(!lanes.has_v4());
        lanes.load_v4(&[7; 80]);
        assert_eq!((lanes.len(), lanes.bad(), lanes.address(63)), (64, 0, Some(Canonical::v4(7))));
    }
}
