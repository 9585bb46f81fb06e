//! Sorting more records than memory should hold: runs in unnamed files, then merged.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// Records held in memory at once.
const CHUNK: usize = 128 << 10;
/// Bytes read ahead of each run.
const AHEAD: usize = 64 << 10;

/// Collects records of `N` bytes and gives them back by their first `K` bytes; of several with the
/// same the last that was added.
pub(crate) struct Sorter<const N: usize, const K: usize> {
    folder: PathBuf,
    held: Vec<[u8; N]>,
    runs: Vec<File>,
    chunk: usize,
}

impl<const N: usize, const K: usize> Sorter<N, K> {
    /// Runs are kept in `folder`.
    pub(crate) fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), held: Vec::new(), runs: Vec::new(), chunk: CHUNK }
    }

    #[cfg(test)]
    fn with_chunk(folder: &Path, chunk: usize) -> Self {
        Self { chunk, ..Self::new(folder) }
    }

    pub(crate) fn add(&mut self, record: [u8; N]) -> Result<()> {
        self.held.push(record);
        if self.held.len() >= self.chunk {
            self.spill()?;
        }
        Ok(())
    }

    fn settle(&mut self) {
        // Stable, so that the last added of equals stays last.
        self.held.sort_by(|a, b| key::<N, K>(a).cmp(key::<N, K>(b)));
        let mut kept: Vec<[u8; N]> = Vec::with_capacity(self.held.len());
        for record in self.held.drain(..) {
            match kept.last_mut() {
                Some(last) if key::<N, K>(last) == key::<N, K>(&record) => *last = record,
                _ => kept.push(record),
            }
        }
        self.held = kept;
    }

    fn spill(&mut self) -> Result<()> {
        self.settle();
        let failed = |error| Error::io("sorting attributes in", &self.folder, error);
        let mut run = tempfile::tempfile_in(&self.folder).map_err(failed)?;
        let written = {
            let mut out = BufWriter::new(&mut run);
            self.held.iter().try_for_each(|record| out.write_all(record)).and_then(|()| out.flush())
        };
        written.and_then(|()| run.rewind()).map_err(failed)?;
        self.runs.push(run);
        self.held.clear();
        Ok(())
    }

    /// The records in order.
    pub(crate) fn finish(mut self) -> Result<Sorted<N, K>> {
        self.settle();
        let held = std::mem::take(&mut self.held);
        let mut sources: Vec<Source<N>> = std::mem::take(&mut self.runs)
            .into_iter()
            .map(|run| Source::File(BufReader::with_capacity(AHEAD, run)))
            .collect();
        sources.push(Source::Memory(held.into_iter()));
        let mut sorted = Sorted { sources, heads: BinaryHeap::new(), folder: self.folder };
        for place in 0..sorted.sources.len() {
            sorted.advance(place)?;
        }
        Ok(sorted)
    }
}

fn key<const N: usize, const K: usize>(record: &[u8; N]) -> &[u8] {
    record.get(..K).unwrap_or(record)
}

enum Source<const N: usize> {
    File(BufReader<File>),
    Memory(std::vec::IntoIter<[u8; N]>),
}

impl<const N: usize> Source<N> {
    fn next(&mut self) -> io::Result<Option<[u8; N]>> {
        match self {
            Self::Memory(records) => Ok(records.next()),
            Self::File(file) => {
                let mut record = [0; N];
                match file.read_exact(&mut record) {
                    Ok(()) => Ok(Some(record)),
                    Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
                    Err(error) => Err(error),
                }
            }
        }
    }
}

/// The next record of each source, the smallest first; of equals that of the earlier source.
type Heads<const N: usize> = BinaryHeap<Reverse<(Vec<u8>, usize, [u8; N])>>;

/// Records in order.
pub(crate) struct Sorted<const N: usize, const K: usize> {
    sources: Vec<Source<N>>,
    heads: Heads<N>,
    folder: PathBuf,
}

impl<const N: usize, const K: usize> Sorted<N, K> {
    fn advance(&mut self, place: usize) -> Result<()> {
        let Some(source) = self.sources.get_mut(place) else { return Ok(()) };
        let next =
            source.next().map_err(|e| Error::io("sorting attributes in", &self.folder, e))?;
        if let Some(record) = next {
            self.heads.push(Reverse((key::<N, K>(&record).to_vec(), place, record)));
        }
        Ok(())
    }

    pub(crate) fn next(&mut self) -> Result<Option<[u8; N]>> {
        let Some(Reverse((key, place, mut record))) = self.heads.pop() else { return Ok(None) };
        self.advance(place)?;
        // Later sources were filled later: they win.
        while self.heads.peek().is_some_and(|Reverse((other, ..))| *other == key) {
            let Some(Reverse((_, place, newer))) = self.heads.pop() else { break };
            record = newer;
            self.advance(place)?;
        }
        Ok(Some(record))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn as_a_map_would(records in prop::collection::vec(any::<(u8, u8)>(), 0..300), chunk in 1_usize..40) {
            let dir = tempfile::tempdir().unwrap();
            let mut sorter = Sorter::<2, 1>::with_chunk(dir.path(), chunk);
            let mut naive = BTreeMap::new();
            for (key, value) in records {
                sorter.add([key, value]).unwrap();
                naive.insert(key, value);
            }
            let mut sorted = sorter.finish().unwrap();
            let mut found = Vec::new();
            while let Some([key, value]) = sorted.next().unwrap() {
                found.push((key, value));
            }
            prop_assert_eq!(found, naive.into_iter().collect::<Vec<_>>());
        }
    }
}
