//! Reading the bytes of a model.

/// What is left of the input.
pub(super) struct Cursor<'a>(pub(super) &'a [u8]);

impl<'a> Cursor<'a> {
    pub(super) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    /// A number within these bounds, which NaN is not.
    pub(super) fn within(&mut self, low: f64, high: f64) -> Option<f64> {
        self.array().map(f64::from_le_bytes).filter(|value| (low..=high).contains(value))
    }
}
