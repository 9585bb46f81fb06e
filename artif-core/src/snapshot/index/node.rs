//! Nodes: from a 16-bit digit to a value, in two lines at most.
//!
//! A *value* is the number of a record, or with the top bit set a node, which maps the next digit:
//!
//! ```text
//! 1 ccc llll…   c = 0: leaf line l; else 2^(16 - SHIFTS[c]) roots from line l on, each for an
//!               equal share of the digits
//! ```
//!
//! A root leads to up to 31 leaf lines of 11 runs each. A node with more runs than that gets more
//! roots, so that every node costs two lines, however full.

use super::line::{self, KEYS, Line, NO_LINE, SEPARATORS, Search};
use crate::error::{Error, Result};
use crate::snapshot::lanes::LANES;

const NODE: u32 = 1 << 31;
const CODE_AT: u32 = 28;
const PLACE: u32 = (1 << CODE_AT) - 1;
/// By code, how many low bits of the digit one root is for.
const SHIFTS: [u32; 8] = [16, 16, 14, 12, 11, 10, 9, 8];

/// Whether a value is a node.
#[inline]
pub(super) fn is_node(value: u32) -> bool {
    value & NODE != 0
}

/// Lines of a section in a file that, like the section, starts at a multiple of their size.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lines<'a> {
    pub(super) file: &'a [Line],
    pub(super) first: usize,
}

impl<'a> Lines<'a> {
    #[inline]
    pub(super) fn get(self, place: u32) -> &'a Line {
        self.file.get(self.first.wrapping_add(place as usize)).unwrap_or(&NO_LINE)
    }

    /// Where all of `values` that are nodes lead for the digits, as [`Self::follow`] does for one:
    /// first all roots, then all leaf lines, so that these are waited for together.
    #[inline(always)]
    pub(super) fn follow_lanes(
        self,
        search: impl Search,
        values: &mut [u32; LANES],
        digit: impl Fn(usize) -> u16,
    ) {
        let mut nodes = Picked::new();
        let mut with_root = Picked::new();
        let mut leaves = [0; LANES];
        for (lane, (value, leaf)) in values.iter().zip(&mut leaves).enumerate() {
            nodes.add(lane, is_node(*value));
            with_root.add(lane, *value >> CODE_AT > NODE >> CODE_AT);
            *leaf = value & PLACE;
        }
        for lane in with_root.lanes() {
            let (Some(value), Some(leaf)) = (values.get(lane), leaves.get_mut(lane)) else {
                return;
            };
            let shift = SHIFTS.get((value >> CODE_AT & 7) as usize).copied().unwrap_or(0);
            let root = leaf.wrapping_add(u32::from(digit(lane)) >> shift);
            *leaf = line::leaf_of(search, self.get(root), digit(lane));
        }
        for lane in nodes.lanes() {
            let (Some(value), Some(leaf)) = (values.get_mut(lane), leaves.get(lane)) else {
                return;
            };
            *value = line::value_in(search, self.get(*leaf), digit(lane));
        }
    }

    /// Where a node leads; what is no node leads to itself.
    #[inline(always)]
    pub(super) fn follow(self, search: impl Search, value: u32, digit: u16) -> u32 {
        if !is_node(value) {
            return value;
        }
        let code = value >> CODE_AT & 7;
        let mut leaf = value & PLACE;
        if code != 0 {
            let shift = SHIFTS.get(code as usize).copied().unwrap_or(0);
            let root = leaf.wrapping_add(u32::from(digit) >> shift);
            leaf = line::leaf_of(search, self.get(root), digit);
        }
        line::value_in(search, self.get(leaf), digit)
    }
}

/// Lanes that something is to be done for, picked without branches.
struct Picked {
    lanes: [u8; LANES + 1],
    count: usize,
}

impl Picked {
    fn new() -> Self {
        Self { lanes: [0; LANES + 1], count: 0 }
    }

    #[inline]
    fn add(&mut self, lane: usize, wanted: bool) {
        if let Some(place) = self.lanes.get_mut(self.count) {
            *place = lane as u8;
        }
        self.count += usize::from(wanted);
    }

    #[inline]
    fn lanes(&self) -> impl Iterator<Item = usize> + '_ {
        self.lanes.iter().take(self.count).map(|lane| usize::from(*lane))
    }
}

/// Makes nodes.
#[derive(Debug)]
pub(super) struct Builder {
    lines: Vec<Line>,
}

impl Builder {
    pub(super) fn new() -> Self {
        // Line 0 is what is read where nothing has to be.
        Self { lines: vec![line::leaf(&[], &[0])] }
    }

    /// A node whose digits lead to `values[0]`, and from `starts[i]` on to `values[i + 1]`.
    pub(super) fn node(&mut self, starts: &[u16], values: &[u32]) -> u32 {
        if starts.len() <= KEYS {
            let place = self.lines.len() as u32;
            self.lines.push(line::leaf(starts, values));
            return NODE | place & PLACE;
        }
        let fits =
            |shift: u32| shares(starts, shift).all(|(_, runs)| leaves(runs) <= SEPARATORS + 1);
        let codes = (1..).zip(SHIFTS.iter().skip(1));
        let (code, shift) = codes
            .map(|(code, shift)| (code, *shift))
            .find(|(_, shift)| fits(*shift))
            .unwrap_or((7, 8));
        let place = self.lines.len();
        self.lines.resize(place + (1 << (16 - shift)), NO_LINE);
        for (root, (first, runs)) in shares(starts, shift).enumerate() {
            let leaf = self.lines.len() as u32;
            let mut separators = Vec::with_capacity(SEPARATORS);
            for at in (first..first + runs).step_by(KEYS + 1) {
                let end = (at + KEYS + 1).min(first + runs);
                if at > first {
                    separators.extend(starts.get(at - 1));
                }
                let starts = starts.get(at..end - 1).unwrap_or_default();
                self.lines.push(line::leaf(starts, values.get(at..end).unwrap_or_default()));
            }
            if let Some(space) = self.lines.get_mut(place + root) {
                *space = line::root(leaf, &separators);
            }
        }
        NODE | code << CODE_AT | place as u32 & PLACE
    }

    /// The lines, where values can name them all.
    pub(super) fn finish(self) -> Result<Vec<Line>> {
        if self.lines.len() > PLACE as usize + 1 {
            return Err(Error::Invalid {
                what: "snapshot",
                reason: "its index needs more than 16 GiB: list fewer networks".to_owned(),
            });
        }
        Ok(self.lines)
    }
}

fn leaves(runs: usize) -> usize {
    runs.div_ceil(KEYS + 1)
}

/// For each share of `1 << shift` digits the place of its first run, and how many runs it has.
fn shares(starts: &[u16], shift: u32) -> impl Iterator<Item = (usize, usize)> + '_ {
    let mut first = 0;
    (0..1_u32 << (16 - shift)).map(move |share| {
        let (from, to) = (share << shift, ((share + 1) << shift) - 1);
        let rest = starts.get(first..).unwrap_or_default();
        first += rest.iter().take_while(|start| u32::from(**start) <= from).count();
        let rest = starts.get(first..).unwrap_or_default();
        (first, 1 + rest.partition_point(|start| u32::from(*start) <= to))
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::super::line::Plain;
    use super::*;

    fn agrees(starts: &BTreeSet<u16>) {
        let starts: Vec<u16> = starts.iter().copied().filter(|start| *start != 0).collect();
        let values: Vec<u32> = (0..=starts.len() as u32).map(|i| i * 3 + 1).collect();
        let mut builder = Builder::new();
        builder.node(&[5], &[9, 8]);
        let node = builder.node(&starts, &values);
        let file = builder.finish().unwrap();
        let lines = Lines { file: &file, first: 0 };
        let near = starts.iter().flat_map(|s| [s - 1, *s, s.saturating_add(1)]);
        for digit in near.chain((0..=u16::MAX).step_by(251)).chain([0, u16::MAX]) {
            let naive = values[starts.partition_point(|start| *start <= digit)];
            assert_eq!(lines.follow(Plain, node, digit), naive, "{digit} of {} runs", values.len());
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn a_node_equals_a_scan(
            wide in prop::collection::btree_set(any::<u16>(), 0..2000),
            narrow in prop::collection::btree_set(0x1200_u16..0x1480, 0..600),
        ) {
            agrees(&wide);
            agrees(&narrow);
            agrees(&wide.union(&narrow).copied().collect());
        }
    }

    #[test]
    fn every_fill_from_one_run_to_all_digits() {
        for runs in (0..800).chain([4095, 65_535]) {
            agrees(&(0..=runs).collect());
            agrees(&(u16::MAX - runs..=u16::MAX).collect());
        }
    }

    #[test]
    fn what_is_no_node_leads_to_itself() {
        let file = Builder::new().finish().unwrap();
        let lines = Lines { file: &file, first: 0 };
        for value in [0, 1, 77, NODE - 1] {
            assert_eq!(lines.follow(Plain, value, 1000), value);
        }
    }

    #[test]
    fn what_leads_out_of_the_file_leads_to_record_0() {
        let file = Builder::new().finish().unwrap();
        let lines = Lines { file: &file, first: 0 };
        for code in 0..8 {
            assert_eq!(lines.follow(Plain, NODE | code << CODE_AT | PLACE, u16::MAX), 0);
        }
        assert_eq!(Lines { file: &file, first: usize::MAX }.follow(Plain, NODE | 9, 5), 0);
    }
}
