//! One place of the table: four words, each read and written at once, none of them trusted.
//!
//! | word | holds |
//! |---|---|
//! | 0, 1 | the address, IPv4 as the IPv6 address that maps it |
//! | 2 | the tally: when it was last added to (32 bits), how much (24), a check (8) |
//! | 3 | the identity: the kind (32 bits), a check over it and the address (32) |
//!
//! A place whose checks do not hold is empty. So is one that a writer left half-written, which needs
//! no repair, no lock and nobody to notice that the writer was killed.

use std::hash::Hasher as _;

use siphasher::sip::SipHasher13;

use crate::clock::Seconds;

/// The most that a tally holds: later reports of an address only keep it fresh.
pub(super) const MOST: f64 = 65_535.0;

/// Drawn at random for each table, so that nobody outside can tell which addresses share a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Key(pub(super) u64, pub(super) u64);

impl Key {
    pub(super) fn hash(self, words: &[u64]) -> u64 {
        let mut hasher = SipHasher13::new_with_keys(self.0, self.1);
        for word in words {
            hasher.write_u64(word.to_le());
        }
        hasher.finish()
    }
}

/// How much was reported, as of when.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Tally {
    /// Above 0, at most [`MOST`].
    pub(crate) count: f64,
    pub(crate) at: Seconds,
}

/// What a place says whose checks hold.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Entry {
    pub(crate) address: u128,
    pub(crate) kind: u32,
    pub(crate) tally: Tally,
}

/// The words of a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Words {
    pub(super) address: [u64; 2],
    pub(super) tally: u64,
    pub(super) identity: u64,
}

impl Entry {
    pub(super) fn pack(&self, key: Key) -> Words {
        let address = [(self.address >> 64) as u64, self.address as u64];
        let identity = identity(key, address, self.kind);
        Words { address, tally: self.tally.pack(key, identity), identity }
    }

    pub(super) fn unpack(words: Words, key: Key) -> Option<Self> {
        let kind = (words.identity >> 32) as u32;
        // Kind 0 marks places that are being written.
        if kind == 0 || words.identity != identity(key, words.address, kind) {
            return None;
        }
        let tally = Tally::unpack(words.tally, key, words.identity)?;
        let [high, low] = words.address;
        Some(Self { address: u128::from(high) << 64 | u128::from(low), kind, tally })
    }
}

fn identity(key: Key, address: [u64; 2], kind: u32) -> u64 {
    let [high, low] = address;
    let check = key.hash(&[high, low, u64::from(kind)]) as u32;
    u64::from(kind) << 32 | u64::from(check)
}

impl Tally {
    /// The count keeps 16 bits of precision: an `f32` without its lowest byte.
    pub(super) fn pack(self, key: Key, identity: u64) -> u64 {
        let bits = (self.count.min(MOST) as f32).to_bits();
        let rounded = bits.saturating_add(0x80) >> 8;
        let plain = u64::from(self.at) << 32 | u64::from(rounded) << 8;
        plain | key.hash(&[identity, plain]) & 0xff
    }

    pub(super) fn unpack(word: u64, key: Key, identity: u64) -> Option<Self> {
        let plain = word & !0xff;
        if key.hash(&[identity, plain]) & 0xff != word & 0xff {
            return None;
        }
        let count = f64::from(f32::from_bits((plain as u32) & !0xff));
        // Rounded up, the most is a little more.
        let sound = count.is_finite() && count > 0.0 && count <= MOST + 1.0;
        sound.then_some(Self { count, at: (plain >> 32) as Seconds })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_packed_is_unpacked(
            address: u128, kind in 1_u32.., at: u32, count in 0.001..70_000.0_f64, a: u64, b: u64,
        ) {
            let entry = Entry { address, kind, tally: Tally { count, at } };
            let back = Entry::unpack(entry.pack(Key(a, b)), Key(a, b)).unwrap();
            prop_assert_eq!((back.address, back.kind, back.tally.at), (address, kind, at));
            prop_assert!((back.tally.count / count.min(MOST) - 1.0).abs() < 1.0 / 65_536.0);
            prop_assert!(Entry::unpack(entry.pack(Key(a, b)), Key(a, !b)).is_none());
        }

        #[test]
        fn any_flipped_bit_of_address_or_identity_empties_it(address: u128, bit in 0..192_u32) {
            let entry = Entry { address, kind: 7, tally: Tally { count: 1.0, at: 9 } };
            let mut words = entry.pack(Key(1, 2));
            match bit / 64 {
                0 => words.address[0] ^= 1 << (bit % 64),
                1 => words.address[1] ^= 1 << (bit % 64),
                _ => words.identity ^= 1 << (bit % 64),
            }
            prop_assert_eq!(Entry::unpack(words, Key(1, 2)), None);
        }
    }

    #[test]
    fn a_damaged_tally_is_noticed_but_for_one_in_256() {
        let entry = Entry { address: 5, kind: 7, tally: Tally { count: 3.0, at: 1_700_000_000 } };
        let words = entry.pack(Key(1, 2));
        let damaged =
            (0..100_000_u64).map(|n| Words { tally: words.tally ^ ((n + 1) * 0x9e37), ..words });
        let passed = damaged.filter(|words| Entry::unpack(*words, Key(1, 2)).is_some()).count();
        assert!(passed < 600, "{passed} of 100000");
    }

    #[test]
    fn nothing_written_is_nothing_said() {
        let nothing = Words { address: [0; 2], tally: 0, identity: 0 };
        assert_eq!(Entry::unpack(nothing, Key(0, 0)), None);
    }
}
