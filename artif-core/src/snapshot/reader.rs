//! A snapshot, opened.

use std::fs::File;
use std::net::IpAddr;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use memmap2::Mmap;
use zerocopy::FromBytes;
use zerocopy::little_endian::{U32, U64};

use super::format::{Header, Malformed, Section, Sections, VERSION};
use super::index::Index;
use super::lanes::{LANES, Lanes};
use super::meta::Meta;
use super::organisations;
use super::records::{ListingRow, Prefix6Row, Record, Standing, stored_set};
use crate::error::{Error, Result};
use crate::geo::GeoRecord;
use crate::net::{Canonical, Family, Prefix, Prefix4, Prefix6};

#[derive(Debug)]
enum Backing {
    Mapped(Mmap),
    Memory(Vec<u8>),
}

/// An immutable compiled state of everything known. All reads are checked: a damaged file gives
/// wrong answers at worst.
#[derive(Debug)]
pub(crate) struct Snapshot {
    backing: Backing,
    sections: Sections,
    index: Index,
    /// Where lies what answers are read from.
    records: usize,
    standings: usize,
    feed_set_ends: usize,
    feed_set_members: Range<usize>,
    names: Range<usize>,
    /// Set once they are known to be UTF-8.
    names_are_text: AtomicBool,
    /// Decoded when it is first needed: that takes longer than everything else about opening.
    meta: OnceLock<Meta>,
    path: PathBuf,
    /// Set by [`Self::verify`].
    damaged: AtomicBool,
}

/// One listing that covers an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) prefix: Prefix,
    pub(crate) feed: u32,
    pub(crate) first_seen: u32,
    /// `None` while active.
    pub(crate) ended: Option<u32>,
}

impl Snapshot {
    /// Maps a file. Header and table are checked, the content is not (see [`Self::verify`]).
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(|e| Error::io("opening snapshot", path, e))?;
        #[expect(unsafe_code, reason = "mapping a file is the one thing std has no safe call for")]
        // SAFETY: the mapping is read-only and private to this struct. Published snapshot files are
        // never written to or truncated: each has a name of its own, appears by rename when it is
        // complete and disappears by unlink, which leaves mappings intact. Every access through it
        // is bounds-checked and no reference to its content is typed as anything but plain bytes
        // valid for every bit pattern.
        let map =
            unsafe { Mmap::map(&file) }.map_err(|e| Error::io("mapping snapshot", path, e))?;
        Self::new(Backing::Mapped(map), path)
    }

    /// Takes a file's bytes.
    pub(crate) fn from_bytes(bytes: Vec<u8>) -> Result<Self> {
        Self::new(Backing::Memory(bytes), Path::new("(in memory)"))
    }

    fn new(backing: Backing, path: &Path) -> Result<Self> {
        let bytes = backing.bytes();
        let sections = Sections::read(bytes).map_err(|malformed| match malformed {
            Malformed::Version(found) => {
                Error::SnapshotVersion { path: path.to_owned(), found, supported: VERSION }
            }
            Malformed::Damaged(reason) => {
                Error::Snapshot { path: path.to_owned(), reason: reason.to_owned() }
            }
        })?;
        let index = Index::open(&sections).ok_or_else(|| Error::Snapshot {
            path: path.to_owned(),
            reason: "its index is missing or damaged".to_owned(),
        })?;
        Ok(Self {
            index,
            records: sections.range(Section::Records).start,
            standings: sections.range(Section::Standings).start,
            feed_set_ends: sections.range(Section::FeedSetEnds).start,
            feed_set_members: sections.range(Section::FeedSetMembers),
            names: sections.range(Section::OrganisationNames),
            names_are_text: AtomicBool::new(false),
            backing,
            sections,
            meta: OnceLock::new(),
            path: path.to_owned(),
            damaged: AtomicBool::new(false),
        })
    }

    pub(crate) fn header(&self) -> Header {
        self.sections.header()
    }

    #[inline]
    pub(crate) fn meta(&self) -> &Meta {
        self.meta.get_or_init(|| {
            self.read_meta().unwrap_or_else(|error| {
                // Its checksum fits, so it is another build's.
                tracing::error!(%error, "answers come without the names of feeds");
                Meta::default()
            })
        })
    }

    fn read_meta(&self) -> Result<Meta> {
        let text = self.sections.get(self.bytes(), Section::Meta);
        serde_json::from_slice(text).map_err(|error| Error::Snapshot {
            path: self.path.clone(),
            reason: format!("its description: {error}"),
        })
    }

    /// Does beforehand what would hold up the first lookups.
    ///
    /// Errors: where the description cannot be read.
    pub(crate) fn warm(&self) -> Result<()> {
        self.check_names();
        if self.meta.get().is_none() {
            let meta = self.read_meta()?;
            self.meta.get_or_init(|| meta);
        }
        Ok(())
    }

    /// Its file; `None` in memory.
    pub(crate) fn path(&self) -> Option<&Path> {
        matches!(self.backing, Backing::Mapped(_)).then_some(&self.path)
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        self.backing.bytes()
    }

    /// Checks every byte against the checksum in the header.
    pub(crate) fn verify(&self) -> Result<()> {
        if self.sections.verify(self.bytes()) {
            return Ok(());
        }
        self.damaged.store(true, Ordering::Relaxed);
        Err(Error::Snapshot {
            path: self.path.clone(),
            reason: "content checksum does not fit".to_owned(),
        })
    }

    /// Whether [`Self::verify`] found it so.
    pub(crate) fn is_damaged(&self) -> bool {
        self.damaged.load(Ordering::Relaxed)
    }

    /// The record of a canonical address.
    #[inline]
    pub(crate) fn lookup(&self, address: Canonical) -> Record {
        self.record(self.record_id(address))
    }

    /// The number of a canonical address's record.
    #[inline]
    fn record_id(&self, address: Canonical) -> u32 {
        match address.family() {
            Family::V4(bits) => self.index.lookup4(self.bytes(), bits),
            Family::V6(bits) => self.index.lookup6(self.bytes(), bits),
        }
    }

    /// The records of many canonical addresses.
    pub(crate) fn lookup_lanes<'a>(&'a self, lanes: &Lanes, records: &mut [&'a Record; LANES]) {
        let bytes = self.bytes();
        for (record, id) in records.iter_mut().zip(self.index.lookup_lanes(bytes, lanes)) {
            let at = self.records.wrapping_add(size_of::<Record>().wrapping_mul(id as usize));
            let row = bytes.get(at..).and_then(|rest| Record::ref_from_prefix(rest).ok());
            *record = row.map_or(&Record::UNKNOWN, |(row, _)| row);
        }
    }

    /// A record by its number. A number that only a damaged file gives may lead behind the records,
    /// to bytes that make some record.
    #[inline]
    pub(crate) fn record(&self, id: u32) -> Record {
        let at = self.records.wrapping_add(size_of::<Record>().wrapping_mul(id as usize));
        let row = self.bytes().get(at..).and_then(|rest| rest.first_chunk());
        row.map_or(Record::UNKNOWN, |row: &[u8; size_of::<Record>()]| zerocopy::transmute!(*row))
    }

    /// The place that what the databases say of an address had in the geo table; 0, the place of
    /// nothing known, for special-purpose addresses.
    pub(crate) fn geo_id(&self, address: IpAddr) -> u32 {
        let places = self.rows::<U32>(Section::RecordGeo);
        places.get(self.record_id(Canonical::of(address)) as usize).map_or(0, |place| place.get())
    }

    /// Where a record says that an address stands with the feeds.
    #[inline]
    pub(crate) fn standing(&self, record: &Record) -> Standing {
        let number = record.standing.get() as usize;
        // Most addresses are in no feed, and then nothing needs to be read.
        if number == 0 {
            return Standing::NOTHING;
        }
        let at = self.standings.wrapping_add(size_of::<Standing>().wrapping_mul(number));
        let row = self.bytes().get(at..).and_then(|rest| rest.first_chunk());
        row.map_or(Standing::NOTHING, |row: &[u8; size_of::<Standing>()]| {
            zerocopy::transmute!(*row)
        })
    }

    /// The members of a feed set: places in the meta section's feeds.
    #[inline]
    pub(crate) fn feed_set(&self, id: u32) -> &[U32] {
        // Most addresses are in none, and then nothing needs to be read.
        if id == 0 {
            return &[];
        }
        // Where the one before it ends and where it does.
        let at = self.feed_set_ends.wrapping_add(size_of::<U32>().wrapping_mul(id as usize - 1));
        let ends = self.bytes().get(at..).and_then(|rest| <[U32; 2]>::ref_from_prefix(rest).ok());
        let Some(([start, end], _)) = ends else { return &[] };
        let members = self.rows_in::<U32>(&self.feed_set_members);
        members.get(start.get() as usize..end.get() as usize).unwrap_or_default()
    }

    /// The organisation whose name is at a place.
    #[inline]
    pub(crate) fn organisation(&self, place: u32) -> Option<&str> {
        let names = self.bytes().get(self.names.clone())?;
        // What is unknown is looked for too, and dropped: a branch would be as good as random.
        let known = place != Record::NO_NAME;
        let place = if known { place } else { 0 };
        let found = if self.names_are_text.load(Ordering::Acquire) {
            #[expect(unsafe_code, reason = "checking each name costs more than finding it")]
            // SAFETY: these very bytes were found to be UTF-8 before this was set, and they never
            // change: in memory nobody can write to them, and published files are never written to.
            let names = unsafe { std::str::from_utf8_unchecked(names) };
            organisations::name(names, place)
        } else {
            organisations::name_unchecked(names, place)
        };
        if known { found } else { None }
    }

    /// Reads all names of organisations, so that lookups need not check them one by one. Not done
    /// on opening because it takes longer than everything else there.
    fn check_names(&self) {
        let names = self.bytes().get(self.names.clone()).unwrap_or_default();
        self.names_are_text.store(std::str::from_utf8(names).is_ok(), Ordering::Release);
    }

    /// What the databases say of an address, as a record has it.
    pub(crate) fn geo(&self, record: &Record) -> GeoRecord {
        let places = self.rows(Section::OrganisationPlaces);
        GeoRecord {
            asn: record.asn(),
            organisation: organisations::number(places, record.organisation_place()),
            country: record.country(),
        }
    }

    /// What the scorer learned.
    pub(crate) fn model(&self) -> &[u8] {
        self.sections.get(self.bytes(), Section::Model)
    }

    /// Every listing of every network around a canonical address, from wide to narrow.
    pub(crate) fn listings(&self, address: IpAddr) -> Vec<Listed> {
        let mut found = Vec::new();
        match address {
            IpAddr::V4(v4) => {
                let keys = self.rows::<U64>(Section::Listed4);
                for length in (0..=32).filter(|l| self.meta().lengths4 >> l & 1 == 1) {
                    let Some(prefix) = Prefix4::new(v4.to_bits(), length) else { continue };
                    if let Ok(at) = keys.binary_search_by_key(&prefix.packed(), |key| key.get()) {
                        self.push_listings(
                            &mut found,
                            Prefix::V4(prefix),
                            Section::Listed4Sets,
                            at,
                        );
                    }
                }
            }
            IpAddr::V6(v6) => {
                let keys = self.rows::<Prefix6Row>(Section::Listed6);
                let has = |l: u8| {
                    self.meta()
                        .lengths6
                        .get(usize::from(l) / 64)
                        .is_some_and(|w| w >> (l % 64) & 1 == 1)
                };
                for length in (0..=128).filter(|l| has(*l)) {
                    let Some(prefix) = Prefix6::new(v6.to_bits(), length) else { continue };
                    let key = (prefix.first(), prefix.len());
                    if let Ok(at) = keys.binary_search_by_key(&key, |k| (k.address.get(), k.length))
                    {
                        self.push_listings(
                            &mut found,
                            Prefix::V6(prefix),
                            Section::Listed6Sets,
                            at,
                        );
                    }
                }
            }
        }
        found
    }

    /// Every listed network inside `prefix`, in order, with its listings.
    pub(crate) fn listings_within(&self, prefix: Prefix, visit: &mut dyn FnMut(Prefix, &[Listed])) {
        let mut found = Vec::new();
        match prefix {
            Prefix::V4(around) => {
                let keys = self.rows::<U64>(Section::Listed4);
                let start = keys.partition_point(|key| key.get() < around.packed());
                for (at, key) in keys.iter().enumerate().skip(start) {
                    let Some(prefix) = Prefix4::from_packed(key.get()) else { continue };
                    if prefix.first() > around.last() {
                        break;
                    }
                    found.clear();
                    self.push_listings(&mut found, Prefix::V4(prefix), Section::Listed4Sets, at);
                    visit(Prefix::V4(prefix), &found);
                }
            }
            Prefix::V6(around) => {
                let keys = self.rows::<Prefix6Row>(Section::Listed6);
                let first = (around.first(), around.len());
                let start = keys.partition_point(|key| (key.address.get(), key.length) < first);
                for (at, key) in keys.iter().enumerate().skip(start) {
                    let Some(prefix) = Prefix6::new(key.address.get(), key.length) else {
                        continue;
                    };
                    if prefix.first() > around.last() {
                        break;
                    }
                    found.clear();
                    self.push_listings(&mut found, Prefix::V6(prefix), Section::Listed6Sets, at);
                    visit(Prefix::V6(prefix), &found);
                }
            }
        }
    }

    fn push_listings(&self, found: &mut Vec<Listed>, prefix: Prefix, sets: Section, at: usize) {
        let set = self.rows::<U32>(sets).get(at).map_or(0, |set| set.get());
        let ends = self.rows(Section::ListingSetEnds);
        let rows = self.rows::<ListingRow>(Section::Listings);
        for member in stored_set(ends, self.rows::<U32>(Section::ListingSetMembers), set) {
            if let Some(row) = rows.get(member.get() as usize) {
                found.push(Listed {
                    prefix,
                    feed: row.feed.get(),
                    first_seen: row.first_seen.get(),
                    ended: Some(row.ended.get()).filter(|ended| *ended != 0),
                });
            }
        }
    }

    /// A section as rows; a length that is no multiple of the row's gives none.
    pub(super) fn rows<
        T: FromBytes + zerocopy::KnownLayout + zerocopy::Immutable + zerocopy::Unaligned,
    >(
        &self,
        section: Section,
    ) -> &[T] {
        self.rows_in(&self.sections.range(section))
    }

    #[inline]
    fn rows_in<T: FromBytes + zerocopy::KnownLayout + zerocopy::Immutable + zerocopy::Unaligned>(
        &self,
        range: &Range<usize>,
    ) -> &[T] {
        let bytes = self.bytes().get(range.clone()).unwrap_or_default();
        <[T]>::ref_from_bytes(bytes).unwrap_or_default()
    }
}

impl Backing {
    #[inline]
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Mapped(map) => map,
            Self::Memory(bytes) => bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::format::Writer;
    use super::*;

    #[test]
    fn files_of_another_format_are_refused_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("snapshot-0000000001.artif");
        for other in [VERSION - 1, VERSION + 1] {
            let mut bytes = Writer::new(0).finish(1, 0);
            bytes[8..12].copy_from_slice(&other.to_le_bytes());
            std::fs::write(&path, bytes).unwrap();
            let error = Snapshot::open(&path).unwrap_err();
            assert_eq!(error.code(), "ARTIF_SNAPSHOT_VERSION");
            assert!(
                matches!(error, Error::SnapshotVersion { found, supported, .. }
                    if found == other && supported == VERSION),
                "{error}"
            );
        }
    }
}
