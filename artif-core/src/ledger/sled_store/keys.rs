//! Which key holds what.
//!
//! ```text
//! 01                                       the stamp: sequence, digest, next number, absorbed
//! 02 feed                                  a feed's mark: confirmed, staleness, sequence, digest
//! 03 n                                     filler
//! 04 family address length                 an override
//! 05 feed                                  a feed's head
//! 06 n                                     filler
//! 10 run family address length             a block of active listings from this network on
//! 20 feed day generation family part       a block of listings that ended that day
//! ```
//! Feeds and runs (one complete set of a feed's blocks) share a counter whose numbers are never
//! given out twice. Small and often written values come first, and fillers stand between them and
//! the blocks: sled keeps neighbours in one node and rewrites nodes as a whole.

use super::super::block::Net;
use crate::clock::Seconds;

pub(super) const STAMP: &[u8] = &[0x01];
pub(super) const MARK: u8 = 0x02;
pub(super) const FILLER: u8 = 0x03;
pub(super) const OVERRIDE: u8 = 0x04;
pub(super) const HEAD: u8 = 0x05;
pub(super) const FILLER_2: u8 = 0x06;
pub(super) const ACTIVE: u8 = 0x10;
pub(super) const ENDED: u8 = 0x20;

/// More than two of sled's nodes hold.
pub(super) const FILLERS: u8 = 40;

pub(super) type Key = Vec<u8>;

const DAY: Seconds = 86_400;

pub(super) fn mark(feed: u32) -> Key {
    numbered(MARK, feed)
}

pub(super) fn head(feed: u32) -> Key {
    numbered(HEAD, feed)
}

/// The start of all keys of a run's blocks of one family.
pub(super) fn run<P: Net>(run: u32) -> Key {
    let mut key = numbered(ACTIVE, run);
    key.push(P::BITS);
    key
}

/// The start of all keys of a run's blocks.
pub(super) fn whole_run(run: u32) -> Key {
    numbered(ACTIVE, run)
}

pub(super) fn active<P: Net>(number: u32, from: P) -> Key {
    let mut key = run::<P>(number);
    from.put_key(&mut key);
    key
}

/// The start of all keys of a feed's ended listings.
pub(super) fn all_ended(feed: u32) -> Key {
    numbered(ENDED, feed)
}

pub(super) fn override_<P: Net>(prefix: P) -> Key {
    let mut key = vec![OVERRIDE, P::BITS];
    prefix.put_key(&mut key);
    key
}

fn numbered(kind: u8, number: u32) -> Key {
    let mut key = Vec::with_capacity(24);
    key.push(kind);
    key.extend_from_slice(&number.to_be_bytes());
    key
}

/// The number behind a key's first byte, and what follows it.
pub(super) fn number(key: &[u8]) -> Option<(u32, &[u8])> {
    let (number, rest) = key.get(1..)?.split_first_chunk()?;
    Some((u32::from_be_bytes(*number), rest))
}

/// Where a block of ended listings belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct EndedKey {
    pub(super) feed: u32,
    pub(super) day: u16,
    /// The feed's commit that wrote it: one above the head's was never completed.
    pub(super) generation: u64,
    /// 32 or 128.
    pub(super) family: u8,
    pub(super) part: u32,
}

impl EndedKey {
    pub(super) fn encode(self) -> Key {
        let mut key = numbered(ENDED, self.feed);
        key.extend_from_slice(&self.day.to_be_bytes());
        key.extend_from_slice(&self.generation.to_be_bytes());
        key.push(self.family);
        key.extend_from_slice(&self.part.to_be_bytes());
        key
    }

    pub(super) fn decode(key: &[u8]) -> Option<Self> {
        let (feed, rest) = number(key)?;
        let (day, rest) = rest.split_first_chunk()?;
        let (generation, rest) = rest.split_first_chunk()?;
        let ([family], part) = rest.split_first_chunk()?;
        Some(Self {
            feed,
            day: u16::from_be_bytes(*day),
            generation: u64::from_be_bytes(*generation),
            family: *family,
            part: u32::from_be_bytes(part.try_into().ok()?),
        })
    }
}

/// The day a time falls on, counted from 1970. 2106, where [`Seconds`] end, is day 49,710.
pub(super) fn day(time: Seconds) -> u16 {
    (time / DAY) as u16
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::Prefix4;

    #[test]
    fn keys_sort_as_their_networks_do() {
        let nets = [(0, 0), (0, 32), (1, 32), (1 << 31, 1), (u32::MAX, 32)];
        let keys: Vec<Key> =
            nets.iter().filter_map(|&(a, l)| Prefix4::new(a, l)).map(|p| active(7, p)).collect();
        assert_eq!(keys.len(), nets.len());
        assert!(keys.is_sorted());
        assert!(keys.iter().all(|key| key.starts_with(&run::<Prefix4>(7))));
    }

    #[test]
    fn ended_keys_come_back() {
        let key =
            EndedKey { feed: 3, day: day(u32::MAX), generation: 1 << 40, family: 32, part: 9 };
        assert_eq!(EndedKey::decode(&key.encode()), Some(key));
        assert_eq!(EndedKey::decode(&key.encode()[..10]), None);
        assert_eq!(key.day, 49_710);
    }
}
