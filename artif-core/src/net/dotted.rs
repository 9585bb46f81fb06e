//! Dotted-decimal IPv4 addresses by instructions that look at all of their bytes at once, after
//! Lemire and Muła's `sse_inet_aton`: where the dots are says which byte is which digit.

use std::arch::x86_64::{
    _mm_add_epi16, _mm_cmpeq_epi8, _mm_cmpgt_epi16, _mm_cvtsi128_si32, _mm_maddubs_epi16,
    _mm_min_epu8, _mm_movemask_epi8, _mm_packus_epi16, _mm_set_epi64x, _mm_set1_epi8,
    _mm_set1_epi16, _mm_setr_epi8, _mm_setzero_si128, _mm_shuffle_epi8, _mm_srli_si128,
    _mm_sub_epi8,
};

/// Octets of one to three digits can stand in so many ways.
const WAYS: usize = 81;
/// Takes the places of dots and end of all ways to different slots; found by trying.
const SPREAD: u32 = 6639;

/// A slot for each hash of the places of dots and end: which they are, and which way that is.
static SLOTS: [(u16, u8); 256] = WAYS_BY_PLACES.0;
/// For each way which bytes are hundreds and tens, octet by octet, and then which are ones. 0x80
/// stands for a zero.
static DIGITS: [[u8; 16]; WAYS] = WAYS_BY_PLACES.1;

const WAYS_BY_PLACES: ([(u16, u8); 256], [[u8; 16]; WAYS]) = ways();

#[expect(clippy::indexing_slicing, reason = "checked when compiled")]
const fn ways() -> ([(u16, u8); 256], [[u8; 16]; WAYS]) {
    let mut slots = [(0, 0); 256];
    let mut digits = [[0x80; 16]; WAYS];
    let mut way = 0;
    while way < WAYS {
        let lengths = [way / 27 % 3 + 1, way / 9 % 3 + 1, way / 3 % 3 + 1, way % 3 + 1];
        let (mut places, mut end, mut octet) = (0_u32, 0, 0);
        while octet < lengths.len() {
            end += lengths[octet];
            places |= 1 << end;
            if lengths[octet] > 2 {
                digits[way][2 * octet] = (end - 3) as u8;
            }
            if lengths[octet] > 1 {
                digits[way][2 * octet + 1] = (end - 2) as u8;
            }
            digits[way][8 + 2 * octet] = (end - 1) as u8;
            end += 1;
            octet += 1;
        }
        let slot = slot(places);
        assert!(slots[slot].0 == 0, "two ways have one slot");
        slots[slot] = (places as u16, way as u8);
        way += 1;
    }
    (slots, digits)
}

const fn slot(places: u32) -> usize {
    (places.wrapping_mul(SPREAD) >> 13 & 255) as usize
}

/// The address that is the first `length` bytes of a window, the first lowest, with zeros behind. Asks
/// `otherwise` where the processor has no such instructions.
#[inline]
#[expect(unsafe_code, reason = "measured: a third of the time that it takes without")]
pub(super) fn parse(
    window: u128,
    length: usize,
    otherwise: impl FnOnce() -> Option<u32>,
) -> Option<u32> {
    if is_x86_feature_detected!("ssse3") {
        // SAFETY: the processor has what the function needs.
        unsafe { read(window, length) }
    } else {
        otherwise()
    }
}

#[target_feature(enable = "ssse3")]
fn read(window: u128, length: usize) -> Option<u32> {
    let text = _mm_set_epi64x(((window >> 64) as u64).cast_signed(), (window as u64).cast_signed());
    let digits = _mm_sub_epi8(text, _mm_set1_epi8(b'0'.cast_signed()));
    let nine_at_most = _mm_cmpeq_epi8(_mm_min_epu8(digits, _mm_set1_epi8(9)), digits);
    // A bit for each byte.
    let are_digits = _mm_movemask_epi8(nine_at_most).cast_unsigned();
    let are_zeros = _mm_movemask_epi8(_mm_cmpeq_epi8(digits, _mm_setzero_si128())).cast_unsigned();
    let dots = _mm_cmpeq_epi8(text, _mm_set1_epi8(b'.'.cast_signed()));
    let dots = _mm_movemask_epi8(dots).cast_unsigned();
    let end = 1_u32.checked_shl(u32::try_from(length).ok()?)?;
    let places = dots | end;
    let (known, way) = *SLOTS.get(slot(places))?;
    let starts = 1 | dots << 1;
    let leading_zeros = starts & are_zeros & are_digits >> 1;
    if u32::from(known) != places || dots | are_digits != end - 1 || leading_zeros != 0 {
        return None;
    }
    let order = u128::from_le_bytes(*DIGITS.get(usize::from(way))?);
    let order = _mm_set_epi64x(((order >> 64) as u64).cast_signed(), (order as u64).cast_signed());
    let ordered = _mm_shuffle_epi8(digits, order);
    let weights = _mm_setr_epi8(100, 10, 100, 10, 100, 10, 100, 10, 1, 0, 1, 0, 1, 0, 1, 0);
    let sums = _mm_maddubs_epi16(ordered, weights);
    let octets = _mm_add_epi16(sums, _mm_srli_si128::<8>(sums));
    let too_great = _mm_movemask_epi8(_mm_cmpgt_epi16(octets, _mm_set1_epi16(255)));
    // What stands above the fourth octet is nothing.
    if too_great & 0xff != 0 {
        return None;
    }
    Some(_mm_cvtsi128_si32(_mm_packus_epi16(octets, octets)).cast_unsigned().swap_bytes())
}
