//! Longest-prefix match over disjoint ranges: from an address to the number of its record.
//!
//! Two tiers for IPv4, one for IPv6. What a lookup costs is the cache lines it has to wait for, so
//! both fast ones are made of nodes that need two ([`node`]), in as little space as possible: what
//! fits the cache is not waited for. The rest of the crate knows only [`build`] and [`Index`].

#![expect(
    clippy::inline_always,
    reason = "a search is compiled for a kind of processor only where it is inlined in what is"
)]

mod compact;
mod cost;
mod flat;
mod line;
mod node;
mod v6;
mod wide;

#[cfg(test)]
mod tests;

use std::ops::Range;

use serde::{Deserialize, Serialize};
use zerocopy::{FromBytes, IntoBytes};

use self::compact::Compact;
pub(crate) use self::cost::cost as index_cost;
pub(super) use self::cost::costs;
use self::flat::Flat;
use self::line::{Line, Plain};
use self::node::Lines;
use self::v6::V6;
use self::wide::Wide;
use super::flatten::{Bits, Ranges};
use super::format::{Section, Sections, Writer};
use super::lanes::{LANES, Lanes};
use crate::error::{Error, Result};

const BLOCKS: usize = 1 << 16;

/// How IPv4 addresses are found in a snapshot (`snapshot.index` in the configuration).
///
/// ```
/// let config = artif_core::Config::from_toml("[snapshot]\nindex = 'compact'").unwrap();
/// assert_eq!(config.snapshot.index, artif_core::config::IndexTier::Compact);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum IndexTier {
    /// `Flat` where all that lookups touch then fits `snapshot.memory_budget`, else `Compact`.
    #[default]
    Auto,
    /// Lines of 64 bytes, at most three of them for an address: fastest.
    Flat,
    /// Sorted arrays: smaller, and slower.
    Compact,
}

/// Writes both indexes. `room` is how many bytes they may take for `Auto` to choose `Flat`.
pub(crate) fn build(
    writer: &mut Writer,
    v4: &Ranges<u32>,
    v6: &Ranges<u128>,
    tier: IndexTier,
    room: u64,
) -> Result<()> {
    // The two families on a core each.
    let (flat, of_v6) = std::thread::scope(|scope| {
        let of_v6 = scope.spawn(|| v6::build(v6));
        let flat = (tier != IndexTier::Compact).then(|| flat::build(v4));
        (flat, of_v6.join())
    });
    let (directory, lines) = of_v6.unwrap_or_else(|_| {
        Err(Error::Invalid {
            what: "snapshot",
            reason: "the IPv6 index: its thread panicked".into(),
        })
    })?;
    writer.section(Section::Index6Directory, &le_bytes(&directory));
    writer.section(Section::Index6Lines, lines.as_bytes());
    let taken = (directory.len() * 4 + lines.as_bytes().len()) as u64;
    if let Some(flat) = flat {
        let (directory, lines) = flat?;
        let size = (directory.len() * 4 + lines.as_bytes().len()) as u64;
        if tier == IndexTier::Flat || taken + size <= room {
            writer.section(Section::Index4Directory, &le_bytes(&directory));
            writer.section(Section::Index4Lines, lines.as_bytes());
            return Ok(());
        }
    }
    let (directory, starts, values) = compact::build(v4);
    writer.section(Section::Compact4Directory, &le_bytes(&directory));
    writer.section(Section::Compact4Starts, starts.as_bytes());
    writer.section(Section::Compact4Values, &le_bytes(&values));
    Ok(())
}

fn le_bytes(values: &[u32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// The ranges of one block of the upper 16 bits: `values[0]` at its start, which is in `starts`
/// only where it is no range's start, `values[i + 1]` from `starts[i]` on.
struct BlockRanges<'a, A> {
    starts: &'a [A],
    values: &'a [u32],
}

/// All blocks in order.
fn blocks<A: Bits>(ranges: &Ranges<A>) -> impl Iterator<Item = BlockRanges<'_, A>> {
    let mut next = 0;
    (0..BLOCKS as u32).map(move |block| {
        // The range that covers the block's first address, then those that start inside.
        let rest = ranges.starts.get(next..).unwrap_or_default();
        let at_edge =
            rest.first().is_some_and(|start| start.block() == block && start.starts_block());
        let first = if at_edge { next } else { next.saturating_sub(1) };
        let count = rest.iter().take_while(|start| start.block() == block).count();
        next += count;
        BlockRanges {
            starts: ranges.starts.get(first + 1..next).unwrap_or_default(),
            values: ranges.values.get(first..next.max(first + 1)).unwrap_or_default(),
        }
    })
}

/// Little-endian numbers of a section in a file that, like the section, starts at a multiple of 4.
#[derive(Debug, Clone, Copy)]
struct Words<'a> {
    file: &'a [[u8; 4]],
    first: usize,
}

impl Words<'_> {
    #[inline]
    fn get(self, place: u32) -> u32 {
        let word = self.file.get(self.first.wrapping_add(place as usize));
        word.map_or(0, |word| u32::from_le_bytes(*word))
    }
}

/// Where a snapshot's indexes lie. Numbers read from the file are places from a section's start and
/// checked against the file's end, so that a damaged file can give a wrong record, nothing worse.
#[derive(Debug, Clone)]
pub(crate) struct Index {
    v4: Places4,
    directory6: usize,
    lines6: usize,
    wide: Option<Wide>,
}

#[derive(Debug, Clone)]
enum Places4 {
    Flat { directory: usize, lines: usize },
    Compact { directory: usize, starts: Range<usize>, values: usize },
}

enum V4<'a> {
    Flat(Flat<'a>),
    Compact(Compact<'a>),
}

impl Index {
    /// `None` where the sections are not there or not of the right shape.
    pub(crate) fn open(sections: &Sections) -> Option<Self> {
        let directory = |kind, entries: usize| {
            let range = sections.range(kind);
            (range.len() == entries * 4 && range.start.is_multiple_of(4)).then_some(range.start / 4)
        };
        let lines = |kind| {
            let range = sections.range(kind);
            let whole = range.start.is_multiple_of(size_of::<Line>()) && !range.is_empty();
            whole.then_some(range.start / size_of::<Line>())
        };
        let flat = || {
            let directory = directory(Section::Index4Directory, BLOCKS)?;
            Some(Places4::Flat { directory, lines: lines(Section::Index4Lines)? })
        };
        let compact = || {
            let directory = directory(Section::Compact4Directory, BLOCKS + 1)?;
            let values = sections.range(Section::Compact4Values).start;
            let starts = sections.range(Section::Compact4Starts);
            let fits = values.is_multiple_of(4) && starts.len().is_multiple_of(2);
            fits.then_some(Places4::Compact { directory, starts, values: values / 4 })
        };
        Some(Self {
            v4: flat().or_else(compact)?,
            directory6: directory(Section::Index6Directory, BLOCKS)?,
            lines6: lines(Section::Index6Lines)?,
            wide: Wide::detect(),
        })
    }

    /// The tier that was built.
    #[cfg(test)]
    pub(crate) fn tier(&self) -> IndexTier {
        match self.v4 {
            Places4::Flat { .. } => IndexTier::Flat,
            Places4::Compact { .. } => IndexTier::Compact,
        }
    }

    #[inline]
    fn v6<'a>(&self, file: &'a [u8]) -> V6<'a> {
        V6 { directory: words(file, self.directory6), lines: lines(file, self.lines6) }
    }

    #[inline]
    fn v4<'a>(&self, file: &'a [u8]) -> V4<'a> {
        match &self.v4 {
            Places4::Flat { directory, lines } => V4::Flat(Flat {
                directory: words(file, *directory),
                lines: self::lines(file, *lines),
            }),
            Places4::Compact { directory, starts, values } => {
                let starts = file.get(starts.clone()).unwrap_or_default();
                V4::Compact(Compact {
                    directory: words(file, *directory),
                    starts: FromBytes::ref_from_bytes(starts).unwrap_or_default(),
                    values: words(file, *values),
                })
            }
        }
    }

    /// The record of an IPv4 address.
    #[inline]
    pub(crate) fn lookup4(&self, file: &[u8], address: u32) -> u32 {
        if let (Places4::Flat { directory, lines }, Some(wide)) = (&self.v4, self.wide) {
            let (directory, lines) = (words(file, *directory), self::lines(file, *lines));
            return wide.lookup4(Flat { directory, lines }, address);
        }
        self.lookup4_plainly(file, address)
    }

    /// Apart, as what is not used only makes the others slower.
    #[inline(never)]
    fn lookup4_plainly(&self, file: &[u8], address: u32) -> u32 {
        match self.v4(file) {
            V4::Flat(flat) => flat.lookup(Plain, address),
            V4::Compact(compact) => compact.lookup(address),
        }
    }

    /// The records of many addresses; what a bad file gives for lanes without one is of no use.
    pub(crate) fn lookup_lanes(&self, file: &[u8], lanes: &Lanes) -> [u32; LANES] {
        let mut values = [0; LANES];
        if lanes.has_v4() {
            match (self.v4(file), self.wide) {
                (V4::Flat(flat), Some(wide)) => {
                    wide.run(|| flat.lookup_lanes(wide, &lanes.v4, &mut values));
                }
                (V4::Flat(flat), None) => flat.lookup_lanes(Plain, &lanes.v4, &mut values),
                (V4::Compact(compact), _) => {
                    for (value, address) in values.iter_mut().zip(&lanes.v4) {
                        *value = compact.lookup(*address);
                    }
                }
            }
        }
        if lanes.is_v6 != 0 {
            let v6 = self.v6(file);
            if let Some(wide) = self.wide {
                wide.run(|| v6.lookup_lanes(wide, &lanes.v6, lanes.is_v6, &mut values));
            } else {
                v6.lookup_lanes(Plain, &lanes.v6, lanes.is_v6, &mut values);
            }
        }
        values
    }

    /// The record of an IPv6 address.
    #[inline]
    pub(crate) fn lookup6(&self, file: &[u8], address: u128) -> u32 {
        let v6 = self.v6(file);
        match self.wide {
            Some(wide) => wide.run(|| v6.lookup(wide, address)),
            None => v6.lookup(Plain, address),
        }
    }
}

#[inline]
fn words(file: &[u8], first: usize) -> Words<'_> {
    Words { file: file.as_chunks().0, first }
}

#[inline]
fn lines(file: &[u8], first: usize) -> Lines<'_> {
    Lines { file: file.as_chunks().0, first }
}
