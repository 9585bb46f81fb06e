//! IPv6: a directory of the upper 16 bits, and nodes for each further 16 bits that matter.

use super::line::{Line, Search};
use super::node::{Builder, Lines, is_node};
use super::{BLOCKS, Words, blocks};
use crate::error::Result;
use crate::snapshot::flatten::Ranges;
use crate::snapshot::lanes::LANES;

/// The directory, and the lines of its nodes.
pub(super) fn build(ranges: &Ranges<u128>) -> Result<(Vec<u32>, Vec<Line>)> {
    let mut builder = Builder::new();
    let mut directory = Vec::with_capacity(BLOCKS);
    for block in blocks(ranges) {
        directory.push(value(&mut builder, block.starts, block.values, 96));
    }
    Ok((directory, builder.finish()?))
}

/// The value for a block: `values[0]` at first, `values[i + 1]` from `starts[i]` on. The digit that
/// tells its parts apart stands `shift` bits from the right.
fn value(builder: &mut Builder, starts: &[u128], values: &[u32], shift: u32) -> u32 {
    let Some((&before, mut values)) = values.split_first() else { return 0 };
    if starts.is_empty() {
        return before;
    }
    let mut runs = Runs { starts: Vec::new(), values: vec![before] };
    let mut current = before;
    for inside in starts.chunk_by(|a, b| a >> shift == b >> shift) {
        let (here, behind) = values.split_at_checked(inside.len()).unwrap_or((values, &[]));
        values = behind;
        let first = inside.first().copied().unwrap_or(0);
        let digit = (first >> shift) as u16;
        let mut parts = Vec::with_capacity(here.len() + 1);
        let from_the_edge = first & ((1 << shift) - 1) == 0;
        if !from_the_edge {
            parts.push(current);
        }
        parts.extend_from_slice(here);
        let inside = inside.get(usize::from(from_the_edge)..).unwrap_or_default();
        runs.push(digit, value(builder, inside, &parts, shift.saturating_sub(16)));
        current = parts.last().copied().unwrap_or(current);
        if let Some(next) = digit.checked_add(1) {
            runs.push(next, current);
        }
    }
    match &runs.values[..] {
        [value] => *value,
        values => builder.node(&runs.starts, values),
    }
}

/// Runs of digits: `values[0]` at first, `values[i + 1]` from `starts[i]` on.
struct Runs {
    starts: Vec<u16>,
    values: Vec<u32>,
}

impl Runs {
    /// Begins a run at `digit`, which is not before the last one's start.
    fn push(&mut self, digit: u16, value: u32) {
        if self.starts.last().copied().unwrap_or(0) == digit {
            self.starts.pop();
            self.values.pop();
        }
        match self.values.last() {
            Some(last) if *last == value => {}
            Some(_) => {
                self.starts.push(digit);
                self.values.push(value);
            }
            None => self.values.push(value),
        }
    }
}

/// Where both lie in the file.
#[derive(Debug, Clone, Copy)]
pub(super) struct V6<'a> {
    pub(super) directory: Words<'a>,
    pub(super) lines: Lines<'a>,
}

impl V6<'_> {
    /// The directory's value for an address.
    #[inline]
    pub(super) fn enter(self, address: u128) -> u32 {
        self.directory.get((address >> 112) as u32)
    }

    #[inline(always)]
    pub(super) fn lookup(self, search: impl Search, address: u128) -> u32 {
        let mut value = self.enter(address);
        let mut digits = address << 16;
        // As many digits as an address has, so that a damaged file cannot lead in a circle.
        for _ in 0..7 {
            if !is_node(value) {
                return value;
            }
            value = self.lines.follow(search, value, (digits >> 112) as u16);
            digits <<= 16;
        }
        value
    }

    /// Values for the lanes in `which`; those of the others stay, and are no nodes.
    #[inline(always)]
    pub(super) fn lookup_lanes(
        self,
        search: impl Search,
        addresses: &[u128; LANES],
        which: u64,
        values: &mut [u32; LANES],
    ) {
        for (lane, (value, address)) in values.iter_mut().zip(addresses).enumerate() {
            if which >> lane & 1 == 1 {
                *value = self.enter(*address);
            }
        }
        for shift in (0..=96).rev().step_by(16) {
            if !values.iter().any(|value| is_node(*value)) {
                return;
            }
            let digit = |lane: usize| addresses.get(lane).map_or(0, |a| (a >> shift) as u16);
            self.lines.follow_lanes(search, values, digit);
        }
    }
}
