//! Both databases merged into one table.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use rustc_hash::FxHashMap;
use xxhash_rust::xxh3::Xxh3;

use super::reader::{Database, Ranges};
use super::table::GeoDatabase;
use super::{GeoRecord, GeoTable};
use crate::error::{Error, Result};
use crate::space;

/// Part of [`GeoSources::identity`]: raise it when the same files would give another table.
const READER_VERSION: u32 = 2;

/// How much of a file's end tells its versions apart: the metadata with the build time is there.
const TAIL: u64 = 128 << 10;

/// The databases that were asked for, and the table made of those that could be read.
///
/// ```
/// use artif_core::geo::GeoSources;
///
/// let samples = concat!(env!("CARGO_MANIFEST_DIR"), "/samples");
/// let asn = std::path::Path::new(samples).join("sample-asn.mmdb");
/// let sources = GeoSources::load(Some(&asn), Some("no/such/file.mmdb".as_ref()));
/// assert!(sources.databases[0].problem.is_none());
/// assert!(sources.databases[1].problem.is_some());
/// assert_eq!(sources.table.lookup("22.10.1.1".parse().unwrap()).asn, Some(64496));
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct GeoSources {
    /// The merged table.
    pub table: GeoTable,
    /// One entry for each file, the ASN database first.
    pub databases: Vec<GeoDatabase>,
}

/// What a file is to give.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Need {
    Required,
    Welcome,
    Unwanted,
}

#[derive(Debug, Clone, Copy)]
struct Wanted<'a> {
    path: &'a Path,
    asn: Need,
    country: Need,
}

impl GeoSources {
    /// Reads the databases, each in a thread of its own, and merges them. One that is missing or
    /// broken does not keep the other from being used: see [`GeoDatabase::problem`].
    ///
    /// A file with both numbers and countries serves for both when it is the only one given, or
    /// given twice.
    ///
    /// ```
    /// assert!(artif_core::geo::GeoSources::load(None, None).databases.is_empty());
    /// ```
    pub fn load(asn: Option<&Path>, country: Option<&Path>) -> Self {
        use Need::{Required, Unwanted, Welcome};
        let wanted = match (asn, country) {
            (None, None) => vec![],
            (Some(path), None) => vec![Wanted { path, asn: Required, country: Welcome }],
            (None, Some(path)) => vec![Wanted { path, asn: Welcome, country: Required }],
            (Some(path), Some(same)) if path == same => {
                vec![Wanted { path, asn: Required, country: Required }]
            }
            (Some(asn), Some(country)) => vec![
                Wanted { path: asn, asn: Required, country: Unwanted },
                Wanted { path: country, asn: Unwanted, country: Required },
            ],
        };
        let (mut loaded, mut databases) = (Vec::new(), Vec::new());
        for (wanted, database) in wanted.iter().zip(open_all(&wanted)) {
            let (database, status) = judge(wanted, database);
            loaded.push(database);
            databases.push(status);
        }

        let nothing = Database::empty();
        let source = |gives: fn(&GeoDatabase) -> bool| {
            let place = databases.iter().position(gives);
            place.and_then(|place| loaded.get(place)).unwrap_or(&nothing)
        };
        let table = merge(source(|status| status.asn), source(|status| status.country));
        Self { table, databases }
    }

    /// A number that changes when [`load`](Self::load) would give another table, in a millisecond
    /// at most: from sizes, times of change and build times of the files.
    ///
    /// ```
    /// use artif_core::geo::GeoSources;
    ///
    /// let missing = Some("no/such/file.mmdb".as_ref());
    /// assert_ne!(GeoSources::identity(missing, None), GeoSources::identity(None, missing));
    /// ```
    pub fn identity(asn: Option<&Path>, country: Option<&Path>) -> u128 {
        let mut hash = Xxh3::new();
        hash.update(&READER_VERSION.to_le_bytes());
        for path in [asn, country] {
            match path.map(fingerprint) {
                None => hash.update(&[0]),
                Some(Err(_)) => hash.update(&[1]),
                Some(Ok((size, changed, tail))) => {
                    hash.update(&[2]);
                    hash.update(&size.to_le_bytes());
                    hash.update(&changed.to_le_bytes());
                    hash.update(&tail.to_le_bytes());
                }
            }
        }
        // The same file twice is merged differently from two files of the same content.
        hash.update(&[u8::from(asn == country)]);
        hash.digest128()
    }
}

/// Opens all files at once.
fn open_all(wanted: &[Wanted<'_>]) -> Vec<Result<Database>> {
    std::thread::scope(|scope| {
        let threads: Vec<_> = wanted
            .iter()
            .skip(1)
            .map(|wanted| (wanted.path, scope.spawn(|| Database::open(wanted.path))))
            .collect();
        let mut out: Vec<_> =
            wanted.first().map(|wanted| Database::open(wanted.path)).into_iter().collect();
        for (path, thread) in threads {
            // Nothing in there panics; if it ever does, the other database still counts.
            out.push(thread.join().unwrap_or_else(|_| {
                Err(Error::Geo {
                    path: path.to_owned(),
                    reason: "broke the reader: download it again".to_owned(),
                })
            }));
        }
        out
    })
}

/// Whether a database gives what is wanted of it.
fn judge(wanted: &Wanted<'_>, database: Result<Database>) -> (Database, GeoDatabase) {
    let (database, problem) = match database {
        Ok(database) => (database, None),
        Err(error) => (Database::empty(), Some(error.to_string())),
    };
    let (has_asn, has_country) = (database.has_asn(), database.has_country());
    let lacks = |need, has: bool| need == Need::Required && !has;
    let problem = problem.or_else(|| {
        let hint = match (lacks(wanted.asn, has_asn), lacks(wanted.country, has_country)) {
            (true, _) => "gives countries only: configure it as the country database",
            (_, true) => "gives ASNs only: configure it as the ASN database",
            _ => return None,
        };
        let reason = format!("is of type {:?} and {hint}", database.kind);
        Some(Error::Geo { path: wanted.path.to_owned(), reason }.to_string())
    });
    if let Some(problem) = &problem {
        tracing::warn!("{problem}");
    } else if database.skipped > 0 {
        tracing::warn!(path = %wanted.path.display(), skipped = database.skipped,
            "damaged records passed over");
    }
    let usable = problem.is_none();
    let status = GeoDatabase {
        path: wanted.path.to_owned(),
        database_type: database.kind.clone(),
        built: database.built,
        asn: usable && has_asn && wanted.asn != Need::Unwanted,
        country: usable && has_country && wanted.country != Need::Unwanted,
        records: database.records.len() - 1,
        ranges: database.ranges(),
        skipped: database.skipped,
        problem,
    };
    (database, status)
}

/// Size, time of change and a digest of the last part of a file.
fn fingerprint(path: &Path) -> std::io::Result<(u64, i128, u128)> {
    let mut file = File::open(path)?;
    let metadata = file.metadata()?;
    let changed = match metadata.modified()?.duration_since(std::time::UNIX_EPOCH) {
        Ok(since) => i128::try_from(since.as_nanos()).unwrap_or(i128::MAX),
        Err(before) => -i128::try_from(before.duration().as_nanos()).unwrap_or(i128::MAX),
    };
    file.seek(SeekFrom::Start(metadata.len().saturating_sub(TAIL)))?;
    let mut tail = Vec::new();
    file.take(TAIL).read_to_end(&mut tail)?;
    Ok((metadata.len(), changed, xxhash_rust::xxh3::xxh3_128(&tail)))
}

/// Numbers and organisations of one database with the countries of another.
fn merge(asn: &Database, country: &Database) -> GeoTable {
    let mut interner = Interner {
        asn,
        country,
        pairs: FxHashMap::default(),
        values: std::iter::once((GeoRecord::default(), 0)).collect(),
        places: vec![None; asn.names.len()],
        records: vec![GeoRecord::default()],
        organisations: Vec::new(),
    };
    let v4 = sweep(&asn.v4, &country.v4, &mut interner);
    let v6 = sweep(&asn.v6, &country.v6, &mut interner);
    let Interner { mut records, organisations, .. } = interner;
    let of = |place: &u32| records.get(*place as usize).and_then(|record| record.organisation);
    let places = v4.records.iter().map(|place| of(place).unwrap_or(u32::MAX));
    let numbers = space::numbers(&space::addresses4(&v4.starts, places, organisations.len()));
    for record in &mut records {
        record.organisation =
            record.organisation.and_then(|place| numbers.get(place as usize).copied());
    }
    GeoTable {
        v4_starts: v4.starts,
        v4_records: v4.records,
        v6_starts: v6.starts,
        v6_records: v6.records,
        records,
        organisations: space::renumbered(&organisations, &numbers),
    }
}

/// Gives every pair of local records its place among the merged ones, in order of appearance.
struct Interner<'a> {
    asn: &'a Database,
    country: &'a Database,
    pairs: FxHashMap<(u32, u32), u32>,
    /// Different pairs may still say the same, where a file has more fields than are taken from it.
    values: FxHashMap<GeoRecord, u32>,
    /// For each local name, its place in `organisations`.
    places: Vec<Option<u32>>,
    records: Vec<GeoRecord>,
    organisations: Vec<String>,
}

impl Interner<'_> {
    #[inline]
    fn place(&mut self, asn: u32, country: u32) -> u32 {
        if let Some(place) = self.pairs.get(&(asn, country)) {
            return *place;
        }
        let place = self.add(asn, country);
        self.pairs.insert((asn, country), place);
        place
    }

    fn add(&mut self, asn: u32, country: u32) -> u32 {
        let local = self.asn.records.get(asn as usize).copied().unwrap_or_default();
        let record = GeoRecord {
            asn: local.asn,
            organisation: local.name.and_then(|name| self.organisation(name)),
            country: self.country.records.get(country as usize).and_then(|local| local.country),
        };
        let next = self.records.len() as u32;
        let place = *self.values.entry(record).or_insert(next);
        if place == next {
            self.records.push(record);
        }
        place
    }

    fn organisation(&mut self, name: u32) -> Option<u32> {
        let place = self.places.get_mut(name as usize)?;
        if place.is_none() {
            let text = self.asn.names.get(name as usize)?;
            *place = Some(self.organisations.len() as u32);
            self.organisations.push(text.clone());
        }
        *place
    }
}

/// The ranges in which neither side changes.
fn sweep<A: Copy + Ord>(a: &Ranges<A>, b: &Ranges<A>, interner: &mut Interner<'_>) -> Ranges<A> {
    let mut merged = Ranges::new();
    let mut left = a.starts.iter().copied().zip(a.records.iter().copied()).peekable();
    let mut right = b.starts.iter().copied().zip(b.records.iter().copied()).peekable();
    let (mut asn, mut country) = (0, 0);
    loop {
        let start = match (left.peek(), right.peek()) {
            (Some((x, _)), Some((y, _))) => *x.min(y),
            (Some((x, _)), None) | (None, Some((x, _))) => *x,
            (None, None) => return merged,
        };
        if let Some((_, record)) = left.next_if(|(x, _)| *x == start) {
            asn = record;
        }
        if let Some((_, record)) = right.next_if(|(x, _)| *x == start) {
            country = record;
        }
        merged.push(start, interner.place(asn, country));
    }
}
