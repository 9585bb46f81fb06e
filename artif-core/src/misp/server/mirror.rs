//! What a server holds, as a file here: the live attributes with addresses, by event and id.
//!
//! A sync never changes the file; it writes a new one from the old and what came, one record at a
//! time, and `state.json` says which one counts. So a sync that breaks off leaves nothing behind,
//! and memory does not grow with the server.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read as _, Seek as _, SeekFrom, Write as _};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::Xxh3;

use super::sort::{Sorted, Sorter};
use crate::error::{Error, Result};
use crate::ledger::files;
use crate::net::Prefix;

const MAGIC: &[u8; 16] = b"artif-misp-rows2";
const HEADER: u64 = 16 + 8 + 8;

const V6: u8 = 1;
const TO_IDS: u8 = 2;
const GONE: u8 = 4;
const DECAYED: u8 = 8;

/// Bytes of a record, and of what it is sorted by.
pub(crate) const ROW: usize = 52;
const KEY: usize = 16;

/// The records that a sync brought.
pub(crate) type Incoming = Sorter<ROW, KEY>;

/// An attribute, as far as it is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) event: u64,
    pub(crate) id: u64,
    /// `None` where it is deleted, or holds no address any more.
    pub(crate) prefix: Option<Prefix>,
    pub(crate) to_ids: bool,
    pub(crate) decayed: bool,
    pub(crate) timestamp: u32,
    /// When it was first seen, or began to be known; 0 where nothing says so.
    pub(crate) since: u32,
    /// When it was last seen, or changed.
    pub(crate) seen: u32,
    /// Its own tags: a place in the table of sets of tags.
    pub(crate) tags: u32,
}

impl Row {
    pub(crate) fn encode(&self) -> [u8; ROW] {
        let (mut flags, length, address) = match self.prefix {
            None => (GONE, 0, 0),
            Some(Prefix::V4(net)) => (0, net.len(), u128::from(net.first())),
            Some(Prefix::V6(net)) => (V6, net.len(), net.first()),
        };
        flags |= if self.to_ids { TO_IDS } else { 0 } | if self.decayed { DECAYED } else { 0 };
        let mut out = [0; ROW];
        let mut rest = &mut out[..];
        let parts: [&[u8]; 8] = [
            // Big-endian, so that bytes order as numbers do.
            &self.event.to_be_bytes(),
            &self.id.to_be_bytes(),
            &[flags, length, 0, 0],
            &address.to_le_bytes(),
            &self.timestamp.to_le_bytes(),
            &self.since.to_le_bytes(),
            &self.seen.to_le_bytes(),
            &self.tags.to_le_bytes(),
        ];
        for part in parts {
            // The parts are as long as the record.
            let _ = rest.write(part);
        }
        out
    }

    pub(crate) fn decode(record: &[u8; ROW]) -> Option<Self> {
        let (event, rest) = record.split_first_chunk::<8>()?;
        let (id, rest) = rest.split_first_chunk::<8>()?;
        let ([flags, length, ..], rest) = rest.split_first_chunk::<4>()?;
        let (address, rest) = rest.split_first_chunk::<16>()?;
        let (timestamp, rest) = rest.split_first_chunk::<4>()?;
        let (since, rest) = rest.split_first_chunk::<4>()?;
        let (seen, rest) = rest.split_first_chunk::<4>()?;
        let tags = rest.first_chunk::<4>()?;
        let address = u128::from_le_bytes(*address);
        let prefix = if flags & GONE != 0 {
            None
        } else if flags & V6 != 0 {
            Some(Prefix::new(Ipv6Addr::from_bits(address).into(), *length)?)
        } else {
            let address = u32::try_from(address).ok()?;
            Some(Prefix::new(Ipv4Addr::from_bits(address).into(), *length)?)
        };
        Some(Self {
            event: u64::from_be_bytes(*event),
            id: u64::from_be_bytes(*id),
            prefix,
            to_ids: flags & TO_IDS != 0,
            decayed: flags & DECAYED != 0,
            timestamp: u32::from_le_bytes(*timestamp),
            since: u32::from_le_bytes(*since),
            seen: u32::from_le_bytes(*seen),
            tags: u32::from_le_bytes(*tags),
        })
    }
}

/// Reads a mirror from its start.
pub(crate) struct Reader {
    path: PathBuf,
    file: BufReader<File>,
    left: u64,
    digest: u64,
    hash: Xxh3,
}

impl Reader {
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let failed = |error| Error::io("reading", path, error);
        let mut file = BufReader::with_capacity(256 << 10, File::open(path).map_err(failed)?);
        let mut header = [0; HEADER as usize];
        file.read_exact(&mut header).map_err(failed)?;
        let (magic, rest) = header.split_at(MAGIC.len());
        let (rows, digest) = rest.split_at(8);
        let number = |bytes: &[u8]| bytes.try_into().map(u64::from_le_bytes).unwrap_or_default();
        if magic != MAGIC {
            return Err(damaged(path, "it begins with something else"));
        }
        let (left, digest) = (number(rows), number(digest));
        Ok(Self { path: path.to_owned(), file, left, digest, hash: Xxh3::new() })
    }

    pub(crate) fn next(&mut self) -> Result<Option<Row>> {
        if self.left == 0 {
            return Ok(None);
        }
        let mut record = [0; ROW];
        self.file.read_exact(&mut record).map_err(|e| Error::io("reading", &self.path, e))?;
        self.hash.update(&record);
        self.left -= 1;
        if self.left == 0 && self.hash.digest() != self.digest {
            return Err(damaged(&self.path, "its checksum is another"));
        }
        match Row::decode(&record) {
            Some(row) => Ok(Some(row)),
            None => Err(damaged(&self.path, "a record in it is none")),
        }
    }
}

fn damaged(path: &Path, why: &str) -> Error {
    Error::LedgerCorrupt { path: path.to_owned(), detail: why.to_owned() }
}

/// Writes a mirror.
struct Writer {
    path: PathBuf,
    file: BufWriter<File>,
    rows: u64,
    hash: Xxh3,
}

impl Writer {
    fn create(path: &Path) -> Result<Self> {
        let failed = |error| Error::io("writing", path, error);
        let mut file = BufWriter::with_capacity(256 << 10, files::create(path).map_err(failed)?);
        file.write_all(&[0; HEADER as usize]).map_err(failed)?;
        Ok(Self { path: path.to_owned(), file, rows: 0, hash: Xxh3::new() })
    }

    fn put(&mut self, row: &Row) -> Result<()> {
        let record = row.encode();
        self.hash.update(&record);
        self.rows += 1;
        self.file.write_all(&record).map_err(|e| Error::io("writing", &self.path, e))
    }

    fn finish(self) -> Result<u64> {
        let Self { path, file, rows, hash } = self;
        let write = || -> io::Result<()> {
            let mut file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
            file.seek(SeekFrom::Start(0))?;
            file.write_all(MAGIC)?;
            file.write_all(&rows.to_le_bytes())?;
            file.write_all(&hash.digest().to_le_bytes())?;
            file.sync_all()
        };
        write().map_err(|error| Error::io("writing", path, error))?;
        Ok(rows)
    }
}

/// What a merge came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Merged {
    pub(crate) rows: u64,
    pub(crate) added: u64,
    pub(crate) changed: u64,
    pub(crate) removed: u64,
}

/// Writes to `new` what `old` holds with `incoming` over it, without the events in `dropped`, of
/// which only what is incoming stays.
pub(crate) fn merge(
    old: Option<&Path>,
    incoming: Incoming,
    dropped: &BTreeSet<u64>,
    new: &Path,
) -> Result<Merged> {
    let mut old = old.map(Reader::open).transpose()?;
    let mut incoming = incoming.finish()?;
    let mut out = Writer::create(new)?;
    let mut done = Merged::default();
    let mut held = next_old(&mut old)?;
    let mut came = next_new(&mut incoming, new)?;
    loop {
        let key = |row: &Row| (row.event, row.id);
        let order = match (&held, &came) {
            (None, None) => break,
            (Some(_), None) => std::cmp::Ordering::Less,
            (None, Some(_)) => std::cmp::Ordering::Greater,
            (Some(held), Some(came)) => key(held).cmp(&key(came)),
        };
        let before = if order.is_le() { held.take() } else { None };
        let now = if order.is_ge() { came.take() } else { None };
        if order.is_le() {
            held = next_old(&mut old)?;
        }
        if order.is_ge() {
            came = next_new(&mut incoming, new)?;
        }
        let stays = before.filter(|row| !dropped.contains(&row.event));
        let result = now.or(stays).filter(|row| row.prefix.is_some());
        match (&before, &result) {
            (None, Some(_)) => done.added += 1,
            (Some(before), Some(now)) if before != now => done.changed += 1,
            (Some(_), None) => done.removed += 1,
            _ => {}
        }
        if let Some(row) = result {
            out.put(&row)?;
        }
    }
    done.rows = out.finish()?;
    Ok(done)
}

fn next_old(old: &mut Option<Reader>) -> Result<Option<Row>> {
    old.as_mut().map_or(Ok(None), Reader::next)
}

fn next_new(incoming: &mut Sorted<ROW, KEY>, path: &Path) -> Result<Option<Row>> {
    let Some(record) = incoming.next()? else { return Ok(None) };
    Row::decode(&record).map(Some).ok_or_else(|| damaged(path, "a record on its way is none"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn row(event: u64, id: u64, prefix: Option<&str>) -> Row {
        let prefix = prefix.map(|text| text.parse().unwrap());
        Row {
            event,
            id,
            prefix,
            to_ids: id & 1 == 0,
            decayed: id & 2 == 0,
            timestamp: 7,
            since: 5,
            seen: 8,
            tags: 9,
        }
    }

    fn rows(path: &Path) -> Vec<Row> {
        let mut reader = Reader::open(path).unwrap();
        let mut rows = Vec::new();
        while let Some(row) = reader.next().unwrap() {
            rows.push(row);
        }
        rows
    }

    #[test]
    fn records_come_back() {
        for row in [
            row(1, 2, Some("8.8.8.0/24")),
            row(u64::MAX, 3, Some("2a00::1")),
            row(0, u64::MAX, Some("::/0")),
            row(5, 5, None),
        ] {
            assert_eq!(Row::decode(&row.encode()), Some(row));
        }
        let mut bad = row(1, 2, Some("8.8.8.8")).encode();
        bad[17] = 33;
        assert_eq!(Row::decode(&bad), None);
    }

    #[test]
    fn damage_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("rows");
        let mut incoming = Incoming::new(dir.path());
        incoming.add(row(1, 2, Some("8.8.8.8")).encode()).unwrap();
        merge(None, incoming, &BTreeSet::new(), &path).unwrap();
        assert_eq!(rows(&path), [row(1, 2, Some("8.8.8.8"))]);
        let mut bytes = std::fs::read(&path).unwrap();
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        std::fs::write(&path, &bytes).unwrap();
        let error = Reader::open(&path).unwrap().next().unwrap_err();
        assert_eq!(error.code(), "ARTIF_LEDGER_CORRUPT");
        std::fs::write(&path, &bytes[..last]).unwrap();
        assert!(Reader::open(&path).unwrap().next().is_err());
        std::fs::write(&path, "something else, of some length or other").unwrap();
        assert!(Reader::open(&path).is_err());
    }

    proptest! {
        #[test]
        fn merges_are_those_of_a_map(
            old in prop::collection::btree_map((0_u64..4, 0_u64..9), any::<u8>(), 0..30),
            new in prop::collection::vec(((0_u64..4, 0_u64..9), any::<Option<u8>>()), 0..30),
            dropped in prop::collection::btree_set(0_u64..4, 0..3),
        ) {
            let dir = tempfile::tempdir().unwrap();
            let paths = [dir.path().join("old"), dir.path().join("new")];
            let text = |octet: u8| format!("8.8.8.{octet}");
            let mut incoming = Incoming::new(dir.path());
            for ((event, id), octet) in &old {
                incoming.add(row(*event, *id, Some(&text(*octet))).encode()).unwrap();
            }
            merge(None, incoming, &BTreeSet::new(), &paths[0]).unwrap();

            let mut naive: BTreeMap<_, _> =
                old.into_iter().filter(|((event, _), _)| !dropped.contains(event)).collect();
            let mut incoming = Incoming::new(dir.path());
            for ((event, id), octet) in new {
                let address = octet.map(text);
                incoming.add(row(event, id, address.as_deref()).encode()).unwrap();
                match octet {
                    Some(octet) => naive.insert((event, id), octet),
                    None => naive.remove(&(event, id)),
                };
            }
            let merged = merge(Some(&paths[0]), incoming, &dropped, &paths[1]).unwrap();
            let expected: Vec<_> = naive
                .into_iter()
                .map(|((event, id), octet)| row(event, id, Some(&text(octet))))
                .collect();
            prop_assert_eq!(merged.rows, expected.len() as u64);
            prop_assert_eq!(rows(&paths[1]), expected);
        }
    }
}
