//! Names for refused requests.

use std::fmt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use xxhash_rust::xxh3::xxh3_64_with_seed;
use zerocopy::IntoBytes as _;

/// What a refused client is shown, so that its request is found in the log: 13 letters and digits,
/// unique for all practical purposes, telling nothing.
///
/// ```
/// use artif_core::middleware::Reference;
///
/// let (one, other) = (Reference::new(), Reference::new());
/// assert_ne!(one, other);
/// assert!(one.as_str().bytes().all(|b| b.is_ascii_alphanumeric()));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Reference([u8; 13]);

impl Reference {
    /// A new one.
    ///
    /// ```
    /// assert_eq!(artif_core::middleware::Reference::new().as_str().len(), 13);
    /// ```
    #[expect(clippy::new_without_default, reason = "two of them differ")]
    pub fn new() -> Self {
        /// Crockford's: no letters that are read as digits.
        const LETTERS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
        static SEED: OnceLock<u64> = OnceLock::new();
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let seed = *SEED.get_or_init(|| {
            let state = std::collections::hash_map::RandomState::new();
            std::hash::BuildHasher::hash_one(&state, std::process::id())
        });
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        // A forked process inherits seed and counter, so process and time go in too.
        let time = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let told = [u128::from(number), time.as_nanos(), u128::from(std::process::id())];
        let told = told.as_bytes();
        let mut left = u128::from(xxh3_64_with_seed(told, seed));
        Self(std::array::from_fn(|_| {
            let letter = LETTERS.get((left % 32) as usize).copied().unwrap_or(b'0');
            left /= 32;
            letter
        }))
    }

    /// As text.
    ///
    /// ```
    /// let reference = artif_core::middleware::Reference::new();
    /// assert_eq!(reference.as_str(), reference.to_string());
    /// ```
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
