//! Reads one MaxMind DB file into disjoint ranges.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;

use chrono::{DateTime, Utc};
use rustc_hash::FxHashMap;

use super::Country;
use super::schema::Raw;
use super::tree::{DamagedTree, Tree};
use crate::error::{Error, Result, excerpt};

/// Sorted first addresses, from 0 on and without gaps, with a record for each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ranges<A> {
    pub(super) starts: Vec<A>,
    pub(super) records: Vec<u32>,
}

impl<A> Ranges<A> {
    pub(super) const fn new() -> Self {
        Self { starts: Vec::new(), records: Vec::new() }
    }

    /// Adds the range from `start` on, or lengthens the last one where nothing changes.
    #[inline]
    pub(super) fn push(&mut self, start: A, record: u32) {
        if self.records.last() != Some(&record) {
            self.starts.push(start);
            self.records.push(record);
        }
    }
}

/// What one database says of a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) struct LocalRecord {
    pub(super) asn: Option<u32>,
    /// A place in [`Database::names`].
    pub(super) name: Option<u32>,
    pub(super) country: Option<Country>,
}

/// One file, read.
#[derive(Debug)]
pub(super) struct Database {
    /// The type it declares.
    pub(super) kind: String,
    pub(super) built: Option<DateTime<Utc>>,
    pub(super) v4: Ranges<u32>,
    pub(super) v6: Ranges<u128>,
    /// Record 0 knows nothing.
    pub(super) records: Vec<LocalRecord>,
    pub(super) names: Vec<String>,
    /// Damaged records that were passed over.
    pub(super) skipped: usize,
}

impl Database {
    /// A database that knows nothing.
    pub(super) fn empty() -> Self {
        Self {
            kind: String::new(),
            built: None,
            v4: Ranges { starts: vec![0], records: vec![0] },
            v6: Ranges { starts: vec![0], records: vec![0] },
            records: vec![LocalRecord::default()],
            names: Vec::new(),
            skipped: 0,
        }
    }

    /// Reads the file at `path`.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(|error| Error::Geo {
            path: path.to_owned(),
            reason: format!("cannot be read ({error}): give the path of a .mmdb file"),
        })?;
        Self::parse(&bytes).map_err(|reason| Error::Geo { path: path.to_owned(), reason })
    }

    /// Reads a whole file; an error is a sentence to go behind the file's name.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, String> {
        if bytes.starts_with(&[0x1f, 0x8b]) {
            return Err("is compressed with gzip: unpack it first".to_owned());
        }
        let reader = maxminddb::Reader::from_source(bytes).map_err(|error| {
            format!(
                "is no complete MaxMind DB file ({}): download it again",
                excerpt(&error.to_string())
            )
        })?;
        let metadata = reader.metadata();
        let tree =
            Tree { bytes, node_count: metadata.node_count, record_size: metadata.record_size };
        let six = metadata.ip_version == 6;
        let v4_root = if six { tree.ipv4_root() } else { 0 };
        let mut loader = Loader::new(&reader);

        let (mut v4, mut v6) = (Ranges::new(), Ranges::new());
        let damaged = |DamagedTree| "has a damaged search tree: download it again".to_owned();
        tree.walk(v4_root, 32, None, |address, pointer| {
            let record = pointer.map_or(0, |pointer| {
                loader.record(pointer, Ipv4Addr::from_bits(address as u32).into())
            });
            v4.push(address as u32, record);
        })
        .map_err(damaged)?;
        if six {
            // Mapped, 6to4 and Teredo forms lead to the IPv4 tree: those addresses are looked up as
            // IPv4, or carry an address that says nothing of who sent the packet.
            let aliased = (v4_root != 0 && v4_root < tree.node_count).then_some(v4_root);
            tree.walk(0, 128, aliased, |address, pointer| {
                let record = pointer.map_or(0, |pointer| {
                    loader.record(pointer, Ipv6Addr::from_bits(address).into())
                });
                v6.push(address, record);
            })
            .map_err(damaged)?;
        } else {
            v6.push(0, 0);
        }

        let Loader { records, names, skipped, .. } = loader;
        let kind = excerpt(&metadata.database_type);
        if records.iter().all(|record| record.asn.is_none() && record.country.is_none()) {
            return Err(if skipped > 0 {
                format!("holds {skipped} damaged records and no good one: download it again")
            } else {
                format!(
                    "is of type {kind:?} and says nothing of ASN or country: \
                     give an ASN, Country, City or IPinfo Lite database"
                )
            });
        }
        let built = i64::try_from(metadata.build_epoch).ok();
        let built = built.and_then(|epoch| DateTime::from_timestamp(epoch, 0));
        Ok(Self { kind, built, v4, v6, records, names, skipped })
    }

    /// Whether any record has a number.
    pub(super) fn has_asn(&self) -> bool {
        self.records.iter().any(|record| record.asn.is_some())
    }

    /// Whether any record has a country.
    pub(super) fn has_country(&self) -> bool {
        self.records.iter().any(|record| record.country.is_some())
    }

    pub(super) fn ranges(&self) -> usize {
        self.v4.starts.len() + self.v6.starts.len()
    }
}

/// Decodes every record once, however many networks lead to it.
struct Loader<'a> {
    reader: &'a maxminddb::Reader<&'a [u8]>,
    by_pointer: FxHashMap<u32, u32>,
    /// Records often repeat for neighbours.
    last: (u32, u32),
    by_value: FxHashMap<LocalRecord, u32>,
    by_name: FxHashMap<String, u32>,
    records: Vec<LocalRecord>,
    names: Vec<String>,
    skipped: usize,
}

impl<'a> Loader<'a> {
    fn new(reader: &'a maxminddb::Reader<&'a [u8]>) -> Self {
        let nothing = LocalRecord::default();
        Self {
            reader,
            by_pointer: FxHashMap::default(),
            last: (0, 0),
            by_value: std::iter::once((nothing, 0)).collect(),
            by_name: FxHashMap::default(),
            records: vec![nothing],
            names: Vec::new(),
            skipped: 0,
        }
    }

    /// The record behind `pointer`, which the tree gives for `address`.
    #[inline]
    fn record(&mut self, pointer: u32, address: IpAddr) -> u32 {
        if self.last.0 == pointer {
            return self.last.1;
        }
        let place = match self.by_pointer.get(&pointer) {
            Some(place) => *place,
            None => self.read(pointer, address),
        };
        self.last = (pointer, place);
        place
    }

    #[cold]
    fn read(&mut self, pointer: u32, address: IpAddr) -> u32 {
        let place = self.decode(address).unwrap_or_else(|| {
            self.skipped += 1;
            0
        });
        self.by_pointer.insert(pointer, place);
        place
    }

    fn decode(&mut self, address: IpAddr) -> Option<u32> {
        let raw = self.reader.lookup(address).ok()?.decode::<Raw<'_>>().ok()??;
        let record = LocalRecord {
            asn: raw.asn(),
            name: raw.organisation().map(|name| self.intern(&name)),
            country: raw.country(),
        };
        let next = self.records.len() as u32;
        let place = *self.by_value.entry(record).or_insert(next);
        if place == next {
            self.records.push(record);
        }
        Some(place)
    }

    fn intern(&mut self, name: &str) -> u32 {
        if let Some(place) = self.by_name.get(name) {
            return *place;
        }
        let place = self.names.len() as u32;
        self.names.push(name.to_owned());
        self.by_name.insert(name.to_owned(), place);
        place
    }
}
