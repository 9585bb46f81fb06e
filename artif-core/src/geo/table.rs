//! Both databases merged: disjoint ranges that cover each family, each leading to one record.

use std::fmt;

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
