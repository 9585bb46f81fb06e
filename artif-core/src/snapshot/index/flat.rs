//! IPv4, the fast tier: a directory of the upper 16 bits, and a node for each block of them that is
//! not uniform. Three cache lines for the hardest address, one for a uniform block.

use super::line::{Line, Search};
use super::node::{Builder, Lines};
use super::{BLOCKS, Words, blocks};
use crate::error::Result;
use crate::snapshot::flatten::Ranges;
use crate::snapshot::lanes::LANES;

/// The directory, and the lines of its nodes.
pub(super) fn build(ranges: &Ranges<u32>) -> Result<(Vec<u32>, Vec<Line>)> {
    let mut builder = Builder::new();
    let mut starts = Vec::new();
    let mut directory = Vec::with_capacity(BLOCKS);
    for block in blocks(ranges) {
        directory.push(match block.values {
            [value] => *value,
            values => {
                starts.clear();
                starts.extend(block.starts.iter().map(|start| *start as u16));
                builder.node(&starts, values)
            }
        });
    }
    Ok((directory, builder.finish()?))
}

/// Where both lie in the file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Flat<'a> {
    pub(super) directory: Words<'a>,
    pub(super) lines: Lines<'a>,
}

impl Flat<'_> {
    /// The directory's value for an address.
    #[inline]
    pub(super) fn enter(self, address: u32) -> u32 {
        self.directory.get(address >> 16)
    }

    #[inline(always)]
    pub(super) fn lookup(self, search: impl Search, address: u32) -> u32 {
        self.lines.follow(search, self.enter(address), address as u16)
    }

    #[inline(always)]
    pub(super) fn lookup_lanes(
        self,
        search: impl Search,
        addresses: &[u32; LANES],
        values: &mut [u32; LANES],
    ) {
        for (value, address) in values.iter_mut().zip(addresses) {
            *value = self.enter(*address);
        }
        self.lines
            .follow_lanes(search, values, |lane| addresses.get(lane).map_or(0, |a| *a as u16));
    }
}
