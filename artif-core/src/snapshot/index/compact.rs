//! IPv4, the small tier: for each block of the upper 16 bits its runs, as the sorted lower 16 bits
//! of their starts and as their records. Four cache lines or more.

use zerocopy::little_endian::U16;

use super::{BLOCKS, Words, blocks};
use crate::snapshot::flatten::Ranges;

/// Below this many keys all are compared.
const FEW: usize = 16;

/// For each block its first run's place, and one more; the starts, with some vacant ones behind so
/// that the last block's can be compared too; the values.
pub(super) fn build(ranges: &Ranges<u32>) -> (Vec<u32>, Vec<U16>, Vec<u32>) {
    let size = ranges.starts.len() + BLOCKS;
    let (mut starts, mut values) = (Vec::with_capacity(size + FEW), Vec::with_capacity(size));
    let mut directory = Vec::with_capacity(BLOCKS + 1);
    for block in blocks(ranges) {
        directory.push(values.len() as u32);
        starts.push(U16::ZERO);
        starts.extend(block.starts.iter().map(|start| U16::new(*start as u16)));
        values.extend_from_slice(block.values);
    }
    directory.push(values.len() as u32);
    starts.resize(starts.len() + FEW, U16::MAX_VALUE);
    (directory, starts, values)
}

/// Where all of it lies in the file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Compact<'a> {
    pub(super) directory: Words<'a>,
    pub(super) starts: &'a [U16],
    pub(super) values: Words<'a>,
}

impl Compact<'_> {
    #[inline]
    pub(super) fn lookup(self, address: u32) -> u32 {
        let block = address >> 16;
        let low = address as u16;
        let mut at = self.directory.get(block) as usize;
        let mut left = (self.directory.get(block + 1) as usize).saturating_sub(at);
        // A select, not a branch: the outcome is as good as random.
        while left > FEW {
            let half = left / 2;
            let middle = self.starts.get(at.wrapping_add(half)).map_or(0, |start| start.get());
            at = if middle <= low { at.wrapping_add(half) } else { at };
            left -= half;
        }
        let few = self.starts.get(at..).and_then(|rest| rest.first_chunk::<FEW>());
        let started = few.map_or(1, |few| {
            let started = |(place, start): (usize, &U16)| place < left && start.get() <= low;
            few.iter().enumerate().map(|few| u32::from(started(few))).sum()
        });
        self.values.get((at as u32).wrapping_add(started).wrapping_sub(1))
    }
}
