//! What the two address families have in common for the lift chain.

use super::super::model::Networks;
use crate::geo::GeoTable;

/// How much of a level's lift counts. Wide prefixes overlap the announced network around them, and
/// would say the same thing twice.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Share {
    Half,
    ThreeQuarters,
    Whole,
}

impl Share {
    /// A ratio to the power of the share.
    pub(super) fn of(self, ratio: f64) -> f64 {
        match self {
            Self::Half => ratio.sqrt(),
            Self::ThreeQuarters => ratio.sqrt() * ratio.sqrt().sqrt(),
            Self::Whole => ratio,
        }
    }
}

/// One level of covering prefixes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Level {
    pub(super) length: u8,
    pub(super) share: Share,
    pub(super) name: &'static str,
}

const fn level(length: u8, share: Share, name: &'static str) -> Level {
    Level { length, share, name }
}

/// An IPv4 or IPv6 address as a number.
pub(super) trait Address: Copy + Ord + std::fmt::Debug {
    const ZERO: Self;
    const MAX: Self;
    const BITS: u8;
    /// Covering prefixes, from wide to narrow.
    const LEVELS: &'static [Level];
    /// The length of the networks in which the mass of one publisher is bounded.
    const CELL: u8;
    /// The length of what counts as one address: hosts have a /64 to themselves.
    const UNIT: u8;
    /// The smallest size, in units, that a group is given.
    const SMALLEST: f64;

    /// The first address of the network of this length.
    fn first(self, length: u8) -> Self;
    /// The last address of the network of this length.
    fn last(self, length: u8) -> Self;
    /// The next address; `None` after the last one.
    fn next(self) -> Option<Self>;
    /// The address before, 0 before 0.
    fn before(self) -> Self;
    /// The length of the widest network that starts here and ends at or before `last`.
    fn widest(self, last: Self) -> u8;
    /// Units from here to `last`.
    fn units(self, last: Self) -> f64;
    /// The starts and records of the geo table's ranges.
    fn ranges(geo: &GeoTable) -> (&[Self], &[u32]);
    /// Visits first address, length and listing set of every network.
    fn networks(networks: &dyn Networks, visit: &mut dyn FnMut(Self, u8, u32));

    /// Units in a network of this length, at least one.
    fn size(length: u8) -> f64 {
        power_of_two(Self::UNIT.saturating_sub(length))
    }
}

/// 2 to the power of this; `powi` is a loop.
fn power_of_two(power: u8) -> f64 {
    const BIAS: u64 = 1023;
    f64::from_bits((BIAS + u64::from(power)) << (f64::MANTISSA_DIGITS - 1))
}

macro_rules! address {
    ($type:ty) => {
        const ZERO: Self = 0;
        const MAX: Self = <$type>::MAX;
        const BITS: u8 = <$type>::BITS as u8;

        fn first(self, length: u8) -> Self {
            self & !<$type>::MAX.checked_shr(u32::from(length)).unwrap_or(0)
        }

        fn last(self, length: u8) -> Self {
            self | <$type>::MAX.checked_shr(u32::from(length)).unwrap_or(0)
        }

        fn next(self) -> Option<Self> {
            self.checked_add(1)
        }

        fn before(self) -> Self {
            self.saturating_sub(1)
        }

        fn widest(self, last: Self) -> u8 {
            let span = last - self;
            // The widest that fits is 2^k long, with k bits of zeros here and a span of 2^k - 1.
            let fits = if span == <$type>::MAX { <$type>::BITS } else { (span + 1).ilog2() };
            (<$type>::BITS - fits.min(self.trailing_zeros())) as u8
        }

        fn units(self, last: Self) -> f64 {
            let addresses = (last - self) as f64 + 1.0;
            (addresses / power_of_two(<Self as Address>::BITS - Self::UNIT)).max(1.0)
        }
    };
}

impl Address for u32 {
    address!(u32);
    // A /28 more gains 0.0001 AUC, and doubles what there is to compile.
    const LEVELS: &'static [Level] = &[
        level(16, Share::Half, "/16"),
        level(20, Share::ThreeQuarters, "/20"),
        level(24, Share::Whole, "/24"),
    ];
    const CELL: u8 = 24;
    const UNIT: u8 = 32;
    const SMALLEST: f64 = 256.0;

    fn ranges(geo: &GeoTable) -> (&[Self], &[u32]) {
        (&geo.v4_starts, &geo.v4_records)
    }

    fn networks(networks: &dyn Networks, visit: &mut dyn FnMut(Self, u8, u32)) {
        networks.for_each4(&mut |prefix, set| visit(prefix.first(), prefix.len(), set));
    }
}

impl Address for u128 {
    address!(u128);
    const LEVELS: &'static [Level] = &[
        level(32, Share::Half, "/32"),
        level(40, Share::ThreeQuarters, "/40"),
        level(48, Share::Whole, "/48"),
        level(64, Share::Whole, "/64"),
    ];
    const CELL: u8 = 48;
    const UNIT: u8 = 64;
    const SMALLEST: f64 = 1.0;

    fn ranges(geo: &GeoTable) -> (&[Self], &[u32]) {
        (&geo.v6_starts, &geo.v6_records)
    }

    fn networks(networks: &dyn Networks, visit: &mut dyn FnMut(Self, u8, u32)) {
        networks.for_each6(&mut |prefix, set| visit(prefix.first(), prefix.len(), set));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_have_their_bounds_and_sizes() {
        assert_eq!(
            (0x0a0b_0c0d_u32.first(24), 0x0a0b_0c0d_u32.last(24)),
            (0x0a0b_0c00, 0x0a0b_0cff)
        );
        assert_eq!((7_u32.first(0), 7_u32.last(0), 7_u32.first(32)), (0, u32::MAX, 7));
        assert_eq!((u32::size(24), u128::size(48), u128::size(128)), (256.0, 65_536.0, 1.0));
        assert_eq!(
            (0_u32.units(255), 0_u128.units((1 << 80) - 1), 5_u128.units(5)),
            (256.0, 65_536.0, 1.0)
        );
    }

    #[test]
    fn the_widest_network_is_aligned_and_fits() {
        assert_eq!(0_u32.widest(u32::MAX), 0);
        assert_eq!(0_u32.widest(u32::MAX - 1), 1);
        assert_eq!(0x0100_0000_u32.widest(0x02ff_ffff), 8);
        assert_eq!(5_u32.widest(9), 32);
        assert_eq!(4_u32.widest(7), 30);
        assert_eq!((1_u128 << 64).widest(u128::MAX), 64);
    }
}
