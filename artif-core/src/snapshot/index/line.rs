//! The unit that everything is made of: 64 bytes, what a processor fetches at once.
//!
//! ```text
//! leaf   0   10 keys u16        20  11 values u32
//! root   0   u32, its first leaf line    4  30 keys u16
//! ```
//!
//! A key is the digit at which the next run starts, less one and with its top bit flipped, so that
//! one signed comparison "digit > key" says "has started", and a key that is not there (`VACANT`)
//! never does. Keys are sorted, so that the place of a run is how many of them have started.

pub(super) type Line = [u8; 64];

/// Keys of a leaf line; it has one value more.
pub(super) const KEYS: usize = 10;
/// Keys of a root; it leads to one leaf line more.
pub(super) const SEPARATORS: usize = 30;

pub(super) const FLIP: u16 = 0x8000;
const VACANT: u16 = u16::MAX ^ FLIP;
const VALUES_AT: usize = 2 * KEYS;
/// Where a root's keys begin.
pub(super) const SEPARATORS_AT: usize = 4;

/// Answers for a line that a damaged file does not have.
pub(super) static NO_LINE: Line = [0; 64];

/// A leaf line: `values[0]` from the start of its share, `values[i + 1]` from `starts[i]` on.
pub(super) fn leaf(starts: &[u16], values: &[u32]) -> Line {
    let mut line = NO_LINE;
    let (keys, rest) = line.split_at_mut(VALUES_AT);
    put_keys(keys, starts);
    let last = values.last().copied().unwrap_or(0);
    let values = values.iter().copied().chain(std::iter::repeat(last));
    for (space, value) in rest.as_chunks_mut::<4>().0.iter_mut().zip(values) {
        *space = value.to_le_bytes();
    }
    line
}

/// A root: leaf line `first`, and from `starts[i]` on the one `i + 1` behind it.
pub(super) fn root(first: u32, starts: &[u16]) -> Line {
    let mut line = NO_LINE;
    let (pointer, keys) = line.split_at_mut(SEPARATORS_AT);
    pointer.copy_from_slice(&first.to_le_bytes());
    put_keys(keys, starts);
    line
}

fn put_keys(space: &mut [u8], starts: &[u16]) {
    // A run that starts at 0 is the one from the start on, so that one less always is a number.
    let keys = starts.iter().map(|start| start.wrapping_sub(1) ^ FLIP);
    let keys = keys.chain(std::iter::repeat(VACANT));
    for (space, key) in space.as_chunks_mut::<2>().0.iter_mut().zip(keys) {
        *space = key.to_le_bytes();
    }
}

/// How lines are searched.
pub(super) trait Search: Copy {
    /// How many of a root's keys have started at `digit`.
    fn started_in_root(self, root: &Line, digit: u16) -> u32;
    /// How many of a leaf line's keys have started at `digit`.
    fn started_in_leaf(self, leaf: &Line, digit: u16) -> u32;
}

/// The leaf line to which a root leads from `digit`.
#[inline(always)]
pub(super) fn leaf_of(search: impl Search, root: &Line, digit: u16) -> u32 {
    let first = u32::from_le_bytes([root[0], root[1], root[2], root[3]]);
    first.wrapping_add(search.started_in_root(root, digit))
}

/// The value in a leaf line for `digit`.
#[inline(always)]
pub(super) fn value_in(search: impl Search, leaf: &Line, digit: u16) -> u32 {
    let at = VALUES_AT + 4 * search.started_in_leaf(leaf, digit) as usize;
    leaf.get(at..at + 4).and_then(|v| v.first_chunk()).map_or(0, |v| u32::from_le_bytes(*v))
}

/// With what every processor of its kind has. A loop over an array of a fixed size: compilers make of
/// the leaf's what vector instructions by hand would be; of the root's they make 52 instructions on
/// x86-64, by hand it takes 24.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plain;

impl Search for Plain {
    #[inline]
    fn started_in_root(self, root: &Line, digit: u16) -> u32 {
        started_in_root(root, digit)
    }

    #[inline]
    fn started_in_leaf(self, leaf: &Line, digit: u16) -> u32 {
        started::<0, KEYS>(leaf, digit)
    }
}

#[cfg(not(target_arch = "x86_64"))]
#[inline]
fn started_in_root(line: &Line, digit: u16) -> u32 {
    started::<SEPARATORS_AT, SEPARATORS>(line, digit)
}

#[cfg(target_arch = "x86_64")]
#[inline]
#[expect(unsafe_code, reason = "half the instructions of a third of a lookup's")]
fn started_in_root(line: &Line, digit: u16) -> u32 {
    use std::arch::x86_64::{
        __m128i, _mm_add_epi8, _mm_and_si128, _mm_cmpgt_epi16, _mm_cvtsi128_si32, _mm_loadu_si128,
        _mm_packs_epi16, _mm_sad_epu8, _mm_set_epi64x, _mm_set1_epi16, _mm_setzero_si128,
        _mm_shuffle_epi32, _mm_sub_epi8,
    };
    #[expect(clippy::cast_ptr_alignment, reason = "what loads from it needs no alignment")]
    let quarters = line.as_ptr().cast::<__m128i>();
    // SAFETY: SSE2 is part of x86-64. The four loads are of the line's 64 bytes and no others, and of
    // the kind that needs no alignment.
    unsafe {
        let digit = _mm_set1_epi16((digit ^ FLIP).cast_signed());
        let quarter = |at| _mm_cmpgt_epi16(digit, _mm_loadu_si128(quarters.add(at)));
        // The pointer before the keys is none.
        let first = _mm_and_si128(quarter(0), _mm_set_epi64x(-1, !0xffff_ffff));
        // Each byte counts down, by two at most.
        let low = _mm_packs_epi16(first, quarter(1));
        let high = _mm_packs_epi16(quarter(2), quarter(3));
        let zero = _mm_setzero_si128();
        let counts = _mm_sad_epu8(_mm_sub_epi8(zero, _mm_add_epi8(low, high)), zero);
        let upper = _mm_shuffle_epi32(counts, 0b10);
        (_mm_cvtsi128_si32(counts) + _mm_cvtsi128_si32(upper)).cast_unsigned()
    }
}

/// How many of the `COUNT` keys from byte `AT` on have started.
#[inline]
fn started<const AT: usize, const COUNT: usize>(line: &Line, digit: u16) -> u32 {
    let digit = (digit ^ FLIP).cast_signed();
    let keys = line.get(AT..AT + 2 * COUNT).unwrap_or_default();
    let keys = keys.as_chunks::<2>().0.iter();
    keys.map(|key| u32::from(i16::from_le_bytes(*key) < digit)).sum()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::wide::Wide;
    use super::*;

    fn digits(starts: &[u16]) -> impl Iterator<Item = u16> + '_ {
        let near = starts.iter().flat_map(|s| [s - 1, *s, s.saturating_add(1)]);
        near.chain([0, 1, 0x7fff, 0x8000, u16::MAX])
    }

    /// Both counts by a loop, after all other ways to search agreed with them.
    fn counted(line: &Line, digit: u16) -> [u32; 2] {
        let naive =
            [started::<SEPARATORS_AT, SEPARATORS>(line, digit), started::<0, KEYS>(line, digit)];
        assert_eq!([Plain.started_in_root(line, digit), Plain.started_in_leaf(line, digit)], naive);
        if let Some(wide) = Wide::detect() {
            assert_eq!(
                [wide.started_in_root(line, digit), wide.started_in_leaf(line, digit)],
                naive
            );
        }
        naive
    }

    proptest! {
        #[test]
        fn searches_count_what_has_started(
            starts in prop::collection::btree_set(
                prop_oneof![1..=u16::MAX, Just(1), Just(u16::MAX), Just(0x8000)], 0..=SEPARATORS),
            more in prop::collection::vec(any::<u16>(), 20),
        ) {
            let starts: Vec<u16> = starts.into_iter().collect();
            let line = root(1000, &starts);
            for digit in digits(&starts).chain(more.iter().copied()) {
                let naive = starts.iter().filter(|start| **start <= digit).count() as u32;
                prop_assert_eq!(leaf_of(Plain, &line, digit), 1000 + naive);
                prop_assert_eq!(counted(&line, digit)[0], naive);
            }
            let starts = &starts[..starts.len().min(KEYS)];
            let values: Vec<u32> = (0..=starts.len() as u32).map(|v| v * 77).collect();
            let line = leaf(starts, &values);
            for digit in digits(starts).chain(more.iter().copied()) {
                let naive = starts.iter().filter(|start| **start <= digit).count() as u32;
                prop_assert_eq!(value_in(Plain, &line, digit), naive * 77);
                prop_assert_eq!(counted(&line, digit)[1], naive);
            }
        }

        #[test]
        fn any_bytes_give_some_value(bytes: [u8; 32], digit: u16) {
            let line: Line = [bytes, bytes].concat().try_into().unwrap();
            let [root, leaf] = counted(&line, digit);
            prop_assert!(root <= SEPARATORS as u32 && leaf <= KEYS as u32);
            value_in(Plain, &line, digit);
        }
    }
}
