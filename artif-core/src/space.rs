//! Numbers for things by how much of the address space they stand for: what most addresses lead to
//! then lies close together, and stays in the processor's cache.

/// A weight below which number goes first: its power of two.
const CLASSES: usize = u64::BITS as usize + 1;

/// How many addresses each of `kinds` values has, of ranges that start at `starts` and end before the
/// next starts.
pub(crate) fn addresses4(
    starts: &[u32],
    values: impl Iterator<Item = u32>,
    kinds: usize,
) -> Vec<u64> {
    let mut space = vec![0; kinds];
    let ends = starts.iter().skip(1).map(|start| u64::from(*start)).chain([1 << 32]);
    for ((start, end), value) in starts.iter().zip(ends).zip(values) {
        if let Some(space) = space.get_mut(value as usize) {
            *space += end.saturating_sub(u64::from(*start));
        }
    }
    space
}

/// For each a new number: those with more of the space first, as far as powers of two tell; those
/// that are alike stay in their order.
pub(crate) fn numbers(space: &[u64]) -> Vec<u32> {
    let class = |space: &u64| space.leading_zeros() as usize;
    let mut next = [0_u32; CLASSES + 1];
    for space in space {
        if let Some(count) = next.get_mut(class(space) + 1) {
            *count += 1;
        }
    }
    let mut before = 0;
    for count in &mut next {
        before += *count;
        *count = before;
    }
    let mut number = |space| {
        let next = next.get_mut(class(space))?;
        *next += 1;
        Some(*next - 1)
    };
    space.iter().map(|space| number(space).unwrap_or(0)).collect()
}

/// The list with each member in the place that is its new number.
pub(crate) fn renumbered<T: Clone>(list: &[T], numbers: &[u32]) -> Vec<T> {
    let mut places = vec![0; list.len()];
    for (number, at) in numbers.iter().zip(0_u32..) {
        if let Some(place) = places.get_mut(*number as usize) {
            *place = at;
        }
    }
    places.iter().filter_map(|at| list.get(*at as usize).cloned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_most_of_the_space_comes_first() {
        let starts = [0, 10, 20, 1 << 31, u32::MAX];
        let space = addresses4(&starts, [2, 0, 2, 1, 3].into_iter(), 5);
        assert_eq!(space, [10, (1 << 31) - 1, (1 << 31) - 10, 1, 0]);
        // The two great ones are alike as far as powers of two tell.
        let numbers = numbers(&space);
        assert_eq!(numbers, [2, 0, 1, 3, 4]);
        assert_eq!(renumbered(&["c", "a", "b", "d", "e"], &numbers), ["a", "b", "c", "d", "e"]);
        assert_eq!(super::numbers(&[0, 1 << 32, u64::MAX, 0]), [2, 1, 0, 3]);
        assert!(super::numbers(&[]).is_empty());
    }
}
