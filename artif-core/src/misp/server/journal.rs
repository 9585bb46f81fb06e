//! What a sync has got so far, so that one that breaks off goes on where it was.

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, Read, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::Xxh3;

use super::mirror::{ROW, Row};
use crate::error::{Error, Result};
use crate::ledger::files;

/// No frame is longer: what says so is damaged.
const LONGEST: u32 = 64 << 20;

/// How far a sync is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Position {
    /// The task of the plan.
    pub(crate) task: usize,
    /// Rows of it that are passed.
    pub(crate) offset: u64,
    /// Whether it is done.
    pub(crate) done: bool,
    /// Rows that a page had.
    pub(crate) limit: u32,
    /// Sets of tags that were not met before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) tags: Vec<Vec<String>>,
}

/// Pages in a file, each with how far it leads; what is not whole at the end does not count.
#[derive(Debug)]
pub(crate) struct Journal {
    path: PathBuf,
    file: File,
}

impl Journal {
    /// Opens the file, or makes it, and calls `visit` for each page in it.
    pub(crate) fn open(
        path: &Path,
        mut visit: impl FnMut(Position, &[Row]) -> Result<()>,
    ) -> Result<Self> {
        let failed = |error| Error::io("reading", path, error);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        files::private(&mut options, path);
        let file = options.open(path).map_err(failed)?;
        let mut reader = BufReader::new(&file);
        let mut good = 0_u64;
        while let Some((position, rows, length)) = frame(&mut reader).map_err(failed)? {
            visit(position, &rows)?;
            good += length;
        }
        drop(reader);
        let mut journal = Self { path: path.to_owned(), file };
        let cut = journal.file.set_len(good);
        cut.and_then(|()| journal.file.seek(SeekFrom::End(0)).map(drop)).map_err(failed)?;
        Ok(journal)
    }

    /// Writes a page; when this returns it is on disk.
    pub(crate) fn append(&mut self, position: &Position, rows: &[Row]) -> Result<()> {
        let text = serde_json::to_vec(position).map_err(|error| Error::Invalid {
            what: "position of a sync",
            reason: error.to_string(),
        })?;
        let mut body = text.clone();
        for row in rows {
            body.extend(row.encode());
        }
        let length = |length: usize| u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes();
        let mut hash = Xxh3::new();
        hash.update(&body);
        let head = [
            &length(text.len())[..],
            &length(rows.len() * ROW)[..],
            &hash.digest().to_le_bytes()[..],
        ];
        let frame = [head.concat(), body].concat();
        let written = self.file.write_all(&frame).and_then(|()| self.file.sync_data());
        written.map_err(|error| Error::io("writing", &self.path, error))
    }
}

/// The next whole frame, with its length; `None` at the end and where there is none.
fn frame(reader: &mut impl Read) -> io::Result<Option<(Position, Vec<Row>, u64)>> {
    let mut head = [0; 16];
    if !filled(reader, &mut head)? {
        return Ok(None);
    }
    let number = |range| head.get(range).and_then(|b: &[u8]| b.try_into().ok());
    let text_length = number(0..4).map_or(0, u32::from_le_bytes);
    let rows_length = number(4..8).map_or(0, u32::from_le_bytes);
    let digest = head.get(8..).and_then(|b| b.try_into().ok()).map_or(0, u64::from_le_bytes);
    if text_length > LONGEST || rows_length > LONGEST {
        return Ok(None);
    }
    let mut body = vec![0; text_length as usize + rows_length as usize];
    if !filled(reader, &mut body)? {
        return Ok(None);
    }
    let mut hash = Xxh3::new();
    hash.update(&body);
    let (text, records) = body.split_at(text_length as usize);
    let Ok(position) = serde_json::from_slice(text) else { return Ok(None) };
    let (records, rest) = records.as_chunks::<ROW>();
    let rows: Option<Vec<_>> = records.iter().map(Row::decode).collect();
    match rows {
        Some(rows) if rest.is_empty() && hash.digest() == digest => {
            let length = (head.len() + body.len()) as u64;
            Ok(Some((position, rows, length)))
        }
        _ => Ok(None),
    }
}

fn filled(reader: &mut impl Read, buffer: &mut [u8]) -> io::Result<bool> {
    match reader.read_exact(buffer) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(task: usize) -> (Position, Vec<Row>) {
        let row = Row {
            event: 1,
            id: task as u64,
            prefix: Some("8.8.8.8".parse().unwrap()),
            to_ids: true,
            decayed: false,
            timestamp: 1,
            since: 1,
            seen: 2,
            tags: 0,
        };
        let tags = vec![vec!["tlp:red".to_owned()]];
        (Position { task, offset: 5, done: false, limit: 5, tags }, vec![row; task])
    }

    fn read(path: &Path) -> Vec<(Position, Vec<Row>)> {
        let mut pages = Vec::new();
        let visit = |position, rows: &[Row]| {
            pages.push((position, rows.to_vec()));
            Ok(())
        };
        Journal::open(path, visit).unwrap();
        pages
    }

    #[test]
    fn every_cut_leaves_whole_pages() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        let pages: Vec<_> = (0..3).map(page).collect();
        let mut ends = vec![0];
        for (position, rows) in &pages {
            let mut journal = Journal::open(&path, |_, _| Ok(())).unwrap();
            journal.append(position, rows).unwrap();
            ends.push(std::fs::metadata(&path).unwrap().len() as usize);
        }
        let whole = std::fs::read(&path).unwrap();
        for cut in 0..=whole.len() {
            std::fs::write(&path, &whole[..cut]).unwrap();
            let left = ends.iter().filter(|end| **end <= cut).count() - 1;
            assert_eq!(read(&path), pages[..left], "cut at {cut}");
            assert_eq!(std::fs::metadata(&path).unwrap().len() as usize, ends[left]);
        }
        // A flipped bit ends it there.
        let mut bad = whole.clone();
        bad[ends[1] + 20] ^= 1;
        std::fs::write(&path, &bad).unwrap();
        assert_eq!(read(&path), pages[..1]);
    }
}
