//! Both databases merged: disjoint ranges that cover each family, each leading to one record.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::net::canonical_address;

/// A two-letter country code.
///
/// ```
/// let country = artif_core::geo::Country::new("de").unwrap();
/// assert_eq!(country.as_str(), "DE");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Country([u8; 2]);

impl Country {
    /// The country with this ISO 3166-1 alpha-2 code, in either case; `None` for anything else.
    ///
    /// ```
    /// assert!(artif_core::geo::Country::new("DEU").is_none());
    /// ```
    pub fn new(code: &str) -> Option<Self> {
        match code.as_bytes() {
            [a, b] if a.is_ascii_alphabetic() && b.is_ascii_alphabetic() => {
                Some(Self([a.to_ascii_uppercase(), b.to_ascii_uppercase()]))
            }
            _ => None,
        }
    }

    /// The country with these letters, which are in upper case.
    #[inline]
    pub(crate) fn from_letters(letters: [u8; 2]) -> Option<Self> {
        letters.iter().all(u8::is_ascii_uppercase).then_some(Self(letters))
    }

    /// The code, in upper case.
    ///
    /// ```
    /// assert_eq!(artif_core::geo::Country::new("fr").unwrap().as_str(), "FR");
    /// ```
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("")
    }
}

impl fmt::Display for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What the databases say of a range.
///
/// ```
/// let table = artif_core::geo::GeoTable::default();
/// assert_eq!(table.records[0].country, None);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub struct GeoRecord {
    /// The autonomous system's number.
    pub asn: Option<u32>,
    /// The organisation, a place in [`GeoTable::organisations`].
    pub organisation: Option<u32>,
    /// The country.
    pub country: Option<Country>,
}

/// Disjoint ranges, each with a record. `v4_starts` and `v6_starts` are sorted and begin with 0;
/// a range ends before the next one starts. Record 0 is the one that knows nothing.
///
/// ```
/// let table = artif_core::geo::GeoTable::default();
/// assert_eq!((table.v4_starts[0], table.v4_records[0]), (0, 0));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct GeoTable {
    /// First addresses of the IPv4 ranges.
    pub v4_starts: Vec<u32>,
    /// A place in `records` for each of `v4_starts`.
    pub v4_records: Vec<u32>,
    /// First addresses of the IPv6 ranges.
    pub v6_starts: Vec<u128>,
    /// A place in `records` for each of `v6_starts`.
    pub v6_records: Vec<u32>,
    /// The distinct records.
    pub records: Vec<GeoRecord>,
    /// The distinct names of organisations.
    pub organisations: Vec<String>,
}

impl Default for GeoTable {
    /// The table that knows nothing of any address.
    fn default() -> Self {
        Self {
            v4_starts: vec![0],
            v4_records: vec![0],
            v6_starts: vec![0],
            v6_records: vec![0],
            records: vec![GeoRecord::default()],
            organisations: Vec::new(),
        }
    }
}

impl GeoTable {
    /// What the databases say of an address, in whatever form it is written.
    ///
    /// ```
    /// let table = artif_core::geo::GeoTable::default();
    /// assert_eq!(table.lookup("192.0.2.1".parse().unwrap()).asn, None);
    /// ```
    pub fn lookup(&self, address: IpAddr) -> GeoRecord {
        let record = match canonical_address(address) {
            IpAddr::V4(address) => self.lookup4(address.to_bits()),
            IpAddr::V6(address) => self.lookup6(address.to_bits()),
        };
        self.records.get(record as usize).copied().unwrap_or_default()
    }

    /// The name of an organisation.
    ///
    /// ```
    /// assert_eq!(artif_core::geo::GeoTable::default().organisation(0), None);
    /// ```
    pub fn organisation(&self, place: u32) -> Option<&str> {
        self.organisations.get(place as usize).map(String::as_str)
    }

    /// The place in `records` for an IPv4 address.
    pub(crate) fn lookup4(&self, address: u32) -> u32 {
        at(&self.v4_starts, &self.v4_records, &address)
    }

    /// The place in `records` for an IPv6 address.
    pub(crate) fn lookup6(&self, address: u128) -> u32 {
        at(&self.v6_starts, &self.v6_records, &address)
    }
}

/// The record of the last range that starts at or before `address`.
fn at<A: Ord>(starts: &[A], records: &[u32], address: &A) -> u32 {
    let after = starts.partition_point(|start| start <= address);
    after.checked_sub(1).and_then(|place| records.get(place)).copied().unwrap_or(0)
}

/// One database as it was loaded, or why it was not.
///
/// ```
/// # use artif_core::geo::GeoSources;
/// let sources = GeoSources::load(Some("no/such.mmdb".as_ref()), None);
/// assert!(sources.databases[0].problem.is_some());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct GeoDatabase {
    /// The file.
    pub path: PathBuf,
    /// The type that its metadata names, such as `GeoLite2-ASN`; empty where it could not be read.
    pub database_type: String,
    /// When its publisher built it.
    pub built: Option<DateTime<Utc>>,
    /// Whether it gives autonomous systems.
    pub asn: bool,
    /// Whether it gives countries.
    pub country: bool,
    /// Distinct records.
    pub records: usize,
    /// Disjoint ranges.
    pub ranges: usize,
    /// Records that could not be decoded; their ranges know nothing.
    pub skipped: usize,
    /// Why it could not be used; `None` while all is well.
    pub problem: Option<String>,
}
