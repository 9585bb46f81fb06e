//! Searches with the wider vectors that most x86-64 processors have, found out at run time: a third
//! fewer instructions an address, so that the processor has more addresses in work at once.

use super::flat::Flat;
use super::line::{Line, Search};

/// Exists only where the processor has AVX2, POPCNT, BMI1 and BMI2.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wide(());

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{
        __m256i, _mm256_cmpgt_epi16, _mm256_loadu_si256, _mm256_movemask_epi8, _mm256_packs_epi16,
        _mm256_set1_epi16,
    };

    use super::super::line::{FLIP, KEYS, SEPARATORS_AT};
    use super::{Flat, Line, Search, Wide};

    impl Wide {
        /// `None` where the processor cannot.
        pub(in super::super) fn detect() -> Option<Self> {
            let all = is_x86_feature_detected!("avx2")
                && is_x86_feature_detected!("popcnt")
                && is_x86_feature_detected!("bmi1")
                && is_x86_feature_detected!("bmi2");
            all.then_some(Self(()))
        }

        /// Runs `work` as compiled for such processors, where it is inlined: what it does with
        /// vectors then is not a call each.
        #[inline]
        #[expect(unsafe_code, reason = "what was found out at run time no compiler knows")]
        pub(in super::super) fn run<R>(self, work: impl FnOnce() -> R) -> R {
            let Self(()) = self;
            // SAFETY: `self` exists only where the processor has these features.
            unsafe { run(work) }
        }

        /// The value for an IPv4 address.
        #[inline]
        #[expect(unsafe_code, reason = "what was found out at run time no compiler knows")]
        pub(in super::super) fn lookup4(self, flat: Flat<'_>, address: u32) -> u32 {
            // SAFETY: `self` exists only where the processor has these features.
            unsafe { lookup4(self, flat, address) }
        }
    }

    #[target_feature(enable = "avx2,popcnt,bmi1,bmi2")]
    fn run<R>(work: impl FnOnce() -> R) -> R {
        work()
    }

    #[target_feature(enable = "avx2,popcnt,bmi1,bmi2")]
    fn lookup4(wide: Wide, flat: Flat<'_>, address: u32) -> u32 {
        flat.lookup(wide, address)
    }

    impl Search for Wide {
        #[inline(always)]
        #[expect(unsafe_code, reason = "what was found out at run time no compiler knows")]
        fn started_in_root(self, root: &Line, digit: u16) -> u32 {
            // SAFETY: `self` exists only where the processor has these features.
            unsafe { started_in_root(root, digit) }
        }

        #[inline(always)]
        #[expect(unsafe_code, reason = "what was found out at run time no compiler knows")]
        fn started_in_leaf(self, leaf: &Line, digit: u16) -> u32 {
            // SAFETY: `self` exists only where the processor has these features.
            unsafe { started_in_leaf(leaf, digit) }
        }
    }

    #[inline]
    #[target_feature(enable = "avx2,popcnt,bmi1,bmi2")]
    fn started_in_root(root: &Line, digit: u16) -> u32 {
        let [low, high] = halves(root, digit);
        // A byte a key, those of the halves mixed; the pointer before the keys is none.
        let started = _mm256_movemask_epi8(_mm256_packs_epi16(low, high)).cast_unsigned();
        (started >> (SEPARATORS_AT / 2)).count_ones()
    }

    #[inline]
    #[target_feature(enable = "avx2,popcnt,bmi1,bmi2")]
    fn started_in_leaf(leaf: &Line, digit: u16) -> u32 {
        let [low, _] = halves(leaf, digit);
        // Two bits a key; values follow the keys.
        let started = _mm256_movemask_epi8(low).cast_unsigned() & ((1 << (2 * KEYS)) - 1);
        started.count_ones() / 2
    }

    /// All ones in place of each key that has started.
    #[inline]
    #[target_feature(enable = "avx2")]
    #[expect(unsafe_code, reason = "vectors are loaded through pointers")]
    fn halves(line: &Line, digit: u16) -> [__m256i; 2] {
        #[expect(clippy::cast_ptr_alignment, reason = "what loads from it needs no alignment")]
        let halves = line.as_ptr().cast::<__m256i>();
        let digit = _mm256_set1_epi16((digit ^ FLIP).cast_signed());
        // SAFETY: both loads are of the line's 64 bytes and no others, and of the kind that needs no
        // alignment.
        let [low, high] =
            unsafe { [_mm256_loadu_si256(halves), _mm256_loadu_si256(halves.add(1))] };
        [_mm256_cmpgt_epi16(digit, low), _mm256_cmpgt_epi16(digit, high)]
    }
}

#[cfg(not(target_arch = "x86_64"))]
impl Wide {
    /// Other processors search as [`super::line::Plain`] does.
    pub(super) fn detect() -> Option<Self> {
        None
    }

    pub(super) fn run<R>(self, work: impl FnOnce() -> R) -> R {
        work()
    }

    pub(super) fn lookup4(self, flat: Flat<'_>, address: u32) -> u32 {
        flat.lookup(super::line::Plain, address)
    }
}

#[cfg(not(target_arch = "x86_64"))]
impl Search for Wide {
    fn started_in_root(self, root: &Line, digit: u16) -> u32 {
        super::line::Plain.started_in_root(root, digit)
    }

    fn started_in_leaf(self, leaf: &Line, digit: u16) -> u32 {
        super::line::Plain.started_in_leaf(leaf, digit)
    }
}
