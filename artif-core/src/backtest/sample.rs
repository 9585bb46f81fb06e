//! Addresses of which nothing bad is known.

use std::net::Ipv4Addr;

use crate::geo::GeoTable;
use crate::net::special_purpose;

/// IPv4 ranges to draw addresses from.
#[derive(Debug)]
pub(super) struct Space {
    /// First address, and how many addresses come in the ranges before.
    ranges: Vec<(u32, u64)>,
    total: u64,
    /// What an autonomous system announces, rather than all there is.
    pub(super) announced: bool,
}

impl Space {
    /// What autonomous systems announce; all of IPv4 where no system is known.
    pub(super) fn new(geo: &GeoTable) -> Self {
        let mut space = Self { ranges: Vec::new(), total: 0, announced: true };
        let ends = geo.v4_starts.iter().skip(1).map(|start| u64::from(*start)).chain([1 << 32]);
        for ((start, end), record) in geo.v4_starts.iter().zip(ends).zip(&geo.v4_records) {
            let announced = geo.records.get(*record as usize).is_some_and(|r| r.asn.is_some());
            if announced {
                space.ranges.push((*start, space.total));
                space.total += end - u64::from(*start);
            }
        }
        if space.total == 0 {
            return Self { ranges: vec![(0, 0)], total: 1 << 32, announced: false };
        }
        space
    }

    /// How many addresses there are to draw from.
    pub(super) fn addresses(&self) -> u64 {
        self.total
    }

    /// `draws` addresses drawn uniformly with this seed, sorted, without repetitions and without
    /// special-purpose ones.
    pub(super) fn draw(&self, draws: usize, seed: u64) -> Vec<u32> {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut drawn: Vec<u32> = (0..draws)
            .filter_map(|_| {
                let place = random.u64(..self.total);
                let after = self.ranges.partition_point(|(_, before)| *before <= place);
                let (start, before) = self.ranges.get(after.checked_sub(1)?)?;
                u32::try_from(u64::from(*start) + place - before).ok()
            })
            .filter(|address| special_purpose(Ipv4Addr::from_bits(*address).into()).is_none())
            .collect();
        drawn.sort_unstable();
        drawn.dedup();
        drawn
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geo::GeoRecord;

    #[test]
    fn draws_are_uniform_over_what_is_announced() {
        let mut geo = GeoTable::default();
        let of = |asn| GeoRecord { asn: Some(asn), ..GeoRecord::default() };
        geo.records.extend([of(1), of(2)]);
        // 23.0.0.0/16 and 23.2.0.0/15; and 10/8, which is announced by mistake.
        geo.v4_starts =
            [0, 0x0a00_0000, 0x0b00_0000, 0x1700_0000, 0x1701_0000, 0x1702_0000, 0x1704_0000]
                .into();
        geo.v4_records = [0, 1, 0, 1, 0, 2, 0].into();
        let space = Space::new(&geo);
        assert!(space.announced);
        assert_eq!(space.addresses(), (1 << 24) + (3 << 16));
        let drawn = space.draw(200_000, 7);
        assert_eq!(drawn, space.draw(200_000, 7));
        assert_ne!(drawn, space.draw(200_000, 8));
        let within =
            |first: u32, last: u32| drawn.iter().filter(|a| (first..last).contains(*a)).count();
        let (small, large) = (within(0x1700_0000, 0x1701_0000), within(0x1702_0000, 0x1704_0000));
        assert_eq!(drawn.len(), small + large, "10/8 is special-purpose");
        assert!((large as f64 / small as f64 - 2.0).abs() < 0.2, "{small} {large}");
    }

    #[test]
    fn without_systems_all_of_it_is_drawn_from() {
        let space = Space::new(&GeoTable::default());
        assert!(!space.announced);
        let drawn = space.draw(10_000, 1);
        assert!(drawn.len() > 8_000 && drawn.iter().any(|a| *a > 3_000_000_000));
    }
}
