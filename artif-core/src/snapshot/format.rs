//! The file: a header, a table of sections, the sections. Little-endian, position-independent.
//!
//! ```text
//! 0   magic "ARTIFSNP"          8   format version u32       12  sections u32
//! 16  sequence u64             24   created (s) u64          32  file length u64
//! 40  content hash u64 (XXH3 of everything behind the table)
//! 48  header hash u64 (XXH3 of bytes 0..48 and of the table) 56  zero
//! 64  table: {kind u32, check u32, offset u64, length u64} each; sections start at multiples of 64
//!     (check: of the description, which is read long after opening, the lower half of its XXH3)
//! ```

use std::ops::Range;

use xxhash_rust::xxh3::{Xxh3, xxh3_64};

/// Bumped whenever a file of the old layout would be misread.
pub(crate) const VERSION: u32 = 3;
const MAGIC: &[u8; 8] = b"ARTIFSNP";
const HEADER: usize = 64;
const ENTRY: usize = 24;
const ALIGN: usize = 64;
/// More sections than any version has; bounds the work on a damaged table.
const MAX_SECTIONS: usize = 64;

/// What a section holds. Numbers are never reused: 3, 4, 6, 7 and 11 were of version 1,
/// 12 and 13 of version 2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Section {
    Meta = 1,
    Index4Directory = 2,
    Index6Directory = 5,
    Records = 8,
    FeedSetEnds = 9,
    FeedSetMembers = 10,
    Listed4 = 14,
    Listed4Sets = 15,
    Listed6 = 16,
    Listed6Sets = 17,
    ListingSetEnds = 18,
    ListingSetMembers = 19,
    Listings = 20,
    Model = 21,
    Standings = 22,
    RecordGeo = 23,
    Index4Lines = 24,
    Index6Lines = 25,
    Compact4Directory = 26,
    Compact4Starts = 27,
    Compact4Values = 28,
    OrganisationPlaces = 29,
    OrganisationNames = 30,
}

const SECTIONS: usize = 31;

/// What the header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) sequence: u64,
    pub(crate) created: u64,
    pub(crate) content_hash: u64,
}

/// Builds a file in memory.
#[derive(Debug)]
pub(crate) struct Writer {
    bytes: Vec<u8>,
    table: Vec<(u32, u64, u64)>,
}

impl Writer {
    pub(crate) fn new(capacity: usize) -> Self {
        let mut bytes = Vec::with_capacity(capacity + HEADER + ENTRY * SECTIONS);
        bytes.resize((HEADER + ENTRY * SECTIONS).next_multiple_of(ALIGN), 0);
        Self { bytes, table: Vec::with_capacity(SECTIONS) }
    }

    pub(crate) fn section(&mut self, kind: Section, content: &[u8]) {
        let offset = self.bytes.len();
        self.bytes.extend_from_slice(content);
        self.table.push((kind as u32, offset as u64, content.len() as u64));
        self.bytes.resize(self.bytes.len().next_multiple_of(ALIGN), 0);
    }

    pub(crate) fn finish(mut self, sequence: u64, created: u64) -> Vec<u8> {
        let body = (HEADER + ENTRY * SECTIONS).next_multiple_of(ALIGN);
        let length = self.bytes.len() as u64;
        let content_hash = xxh3_64(self.bytes.get(body..).unwrap_or_default());
        let mut head = Vec::with_capacity(body);
        head.extend_from_slice(MAGIC);
        head.extend_from_slice(&VERSION.to_le_bytes());
        head.extend_from_slice(&(self.table.len() as u32).to_le_bytes());
        for value in [sequence, created, length, content_hash] {
            head.extend_from_slice(&value.to_le_bytes());
        }
        let mut table = Vec::with_capacity(ENTRY * self.table.len());
        for (kind, offset, length) in &self.table {
            table.extend_from_slice(&kind.to_le_bytes());
            let content = self.bytes.get(*offset as usize..(offset + length) as usize);
            let check =
                if *kind == Section::Meta as u32 { check(content.unwrap_or_default()) } else { 0 };
            table.extend_from_slice(&check.to_le_bytes());
            table.extend_from_slice(&offset.to_le_bytes());
            table.extend_from_slice(&length.to_le_bytes());
        }
        let header_hash = hash_header(&head, &table);
        head.extend_from_slice(&header_hash.to_le_bytes());
        head.resize(HEADER, 0);
        head.extend_from_slice(&table);
        if let Some(space) = self.bytes.get_mut(..head.len()) {
            space.copy_from_slice(&head);
        }
        self.bytes
    }
}

fn check(content: &[u8]) -> u32 {
    xxh3_64(content) as u32
}

fn hash_header(head: &[u8], table: &[u8]) -> u64 {
    let mut hash = Xxh3::new();
    hash.update(head);
    hash.update(table);
    hash.digest()
}

/// Where each section lies, checked against the file's length.
#[derive(Debug, Clone)]
pub(crate) struct Sections {
    header: Header,
    ranges: [Range<usize>; SECTIONS],
    body: usize,
}

/// Why a file is no snapshot.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Malformed {
    Version(u32),
    Damaged(&'static str),
}

impl Sections {
    /// Reads header and table; the sections' content is not looked at.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, Malformed> {
        let damaged = Malformed::Damaged;
        if bytes.get(..8) != Some(MAGIC) {
            return Err(damaged("not a snapshot file"));
        }
        let u32_at = |at: usize| Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?));
        let u64_at = |at: usize| Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?));
        let version = u32_at(8).ok_or(damaged("cut off in the header"))?;
        if version != VERSION {
            return Err(Malformed::Version(version));
        }
        let read = || {
            let count = u32_at(12)? as usize;
            Some((count, u64_at(16)?, u64_at(24)?, u64_at(32)?, u64_at(40)?, u64_at(48)?))
        };
        let (count, sequence, created, length, content_hash, header_hash) =
            read().ok_or(damaged("cut off in the header"))?;
        if length != bytes.len() as u64 {
            return Err(damaged("the file is not as long as its header says"));
        }
        if count > MAX_SECTIONS {
            return Err(damaged("too many sections"));
        }
        let (head, table) = bytes
            .get(..48)
            .zip(bytes.get(HEADER..HEADER + ENTRY * count))
            .ok_or(damaged("cut off in the section table"))?;
        if hash_header(head, table) != header_hash {
            return Err(damaged("header checksum does not fit"));
        }
        let mut ranges = [const { 0..0 }; SECTIONS];
        for at in (HEADER..HEADER + ENTRY * count).step_by(ENTRY) {
            let entry = || Some((u32_at(at)?, u64_at(at + 8)?, u64_at(at + 16)?));
            let (kind, offset, size) = entry().ok_or(damaged("cut off in the section table"))?;
            let end = offset.checked_add(size).filter(|end| *end <= length);
            let end = end.ok_or(damaged("a section reaches past the end"))?;
            let content = bytes.get(offset as usize..end as usize).unwrap_or_default();
            if kind == Section::Meta as u32 && u32_at(at + 4) != Some(check(content)) {
                return Err(damaged("the checksum of its description does not fit"));
            }
            // Kinds this build does not know are a newer build's additions.
            if let Some(range) = ranges.get_mut(kind as usize) {
                *range = offset as usize..end as usize;
            }
        }
        let body = (HEADER + ENTRY * SECTIONS).next_multiple_of(ALIGN).min(bytes.len());
        Ok(Self { header: Header { sequence, created, content_hash }, ranges, body })
    }

    pub(crate) fn header(&self) -> Header {
        self.header
    }

    /// Where a section lies, within the file; empty where the file has none of the kind.
    pub(crate) fn range(&self, kind: Section) -> Range<usize> {
        self.ranges.get(kind as usize).cloned().unwrap_or_default()
    }

    /// A section's bytes; empty where the file has none of the kind.
    pub(crate) fn get<'a>(&self, bytes: &'a [u8], kind: Section) -> &'a [u8] {
        bytes.get(self.range(kind)).unwrap_or_default()
    }

    /// Whether the content is what was written; reads the whole file.
    pub(crate) fn verify(&self, bytes: &[u8]) -> bool {
        xxh3_64(bytes.get(self.body..).unwrap_or_default()) == self.header.content_hash
    }
}

/// Puts the sums that fit what is there, as far as there is a header and a table.
#[cfg(any(test, fuzzing))]
pub(super) fn reseal(bytes: &mut [u8]) {
    let length = bytes.len() as u64;
    let Some(count) = bytes.get(12..16).and_then(|count| count.first_chunk()) else { return };
    let table = HEADER..HEADER + ENTRY * (u32::from_le_bytes(*count) as usize).min(MAX_SECTIONS);
    if bytes.len() < table.end {
        return;
    }
    put(bytes, 0, MAGIC);
    put(bytes, 8, &VERSION.to_le_bytes());
    put(bytes, 32, &length.to_le_bytes());
    for at in table.clone().step_by(ENTRY) {
        let u64_at = |at: usize| Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?));
        let (Some(start), Some(size)) = (u64_at(at + 8), u64_at(at + 16)) else { return };
        let content = bytes.get(start as usize..start.saturating_add(size) as usize);
        let sum = check(content.unwrap_or_default());
        put(bytes, at + 4, &sum.to_le_bytes());
    }
    let (head, table) = (bytes.get(..48), bytes.get(table));
    let sum = hash_header(head.unwrap_or_default(), table.unwrap_or_default());
    put(bytes, 48, &sum.to_le_bytes());
}

#[cfg(any(test, fuzzing))]
fn put(bytes: &mut [u8], at: usize, what: &[u8]) {
    if let Some(space) = bytes.get_mut(at..at + what.len()) {
        space.copy_from_slice(what);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Vec<u8> {
        let mut writer = Writer::new(0);
        writer.section(Section::Meta, b"meta");
        writer.section(Section::Records, &[7; 100]);
        writer.finish(9, 1_700_000_000)
    }

    #[test]
    fn what_is_written_is_read() {
        let bytes = sample();
        let sections = Sections::read(&bytes).unwrap();
        assert_eq!(sections.header().sequence, 9);
        assert_eq!(sections.get(&bytes, Section::Meta), b"meta");
        assert_eq!(sections.get(&bytes, Section::Records), [7; 100]);
        assert_eq!(sections.get(&bytes, Section::Model), b"");
        assert!(sections.verify(&bytes));
    }

    #[test]
    fn every_changed_or_missing_byte_is_noticed() {
        let bytes = sample();
        for at in 0..bytes.len() {
            let mut broken = bytes.clone();
            broken[at] ^= 0x10;
            let noticed = Sections::read(&broken).map_or(true, |s| !s.verify(&broken));
            // Padding between header and table, and behind the table, is the only slack.
            assert!(
                noticed || (56..64).contains(&at) || (112..sections_end()).contains(&at),
                "{at}"
            );
            assert!(Sections::read(&bytes[..at]).is_err(), "cut at {at}");
        }
    }

    fn sections_end() -> usize {
        (HEADER + ENTRY * SECTIONS).next_multiple_of(ALIGN)
    }

    #[test]
    fn another_version_is_named() {
        let mut bytes = sample();
        bytes[8] = 99;
        assert_eq!(Sections::read(&bytes).unwrap_err(), Malformed::Version(99));
    }
}
