//! How far the store had come when it was last made durable. sled takes damage at the end of its
//! log for a torn write and quietly drops what comes after; this file, written beside it, tells.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::xxh3_64;

use crate::error::{Error, Result};
use crate::ledger::bytes::{Decoded, Input};

const NAME: &str = "synced";
/// Two slots in blocks of their own, written in turn, so that one is always whole.
const SLOTS: [u64; 2] = [0, 4096];
const SLOT: usize = 32;

/// A place in the store's history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) sequence: u64,
    pub(super) digest: u128,
}

impl Place {
    fn encode(self) -> Vec<u8> {
        let mut out = self.sequence.to_le_bytes().to_vec();
        out.extend_from_slice(&self.digest.to_le_bytes());
        out.extend_from_slice(&xxh3_64(&out).to_le_bytes());
        out
    }

    fn decode(slot: &[u8]) -> Decoded<Option<Self>> {
        let mut input = Input::new(slot);
        let place = Self { sequence: input.u64()?, digest: input.u128()? };
        let sum = input.u64()?;
        Ok(slot.get(..SLOT - 8).is_some_and(|content| xxh3_64(content) == sum).then_some(place))
    }
}

/// The open file.
pub(super) struct Synced {
    path: PathBuf,
    file: File,
    last: Option<Place>,
    slot: bool,
}

impl Synced {
    pub(super) fn open(folder: &Path) -> Result<Self> {
        let path = folder.join(NAME);
        let open = || {
            let mut options = OpenOptions::new();
            options.create(true).truncate(false).read(true).write(true);
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            let mut file = options.open(&path)?;
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            Ok((file, bytes))
        };
        let (file, bytes) = open().map_err(|e| Error::io("open", &path, e))?;
        let slots = SLOTS.map(|at| {
            let slot = bytes.get(at as usize..).unwrap_or_default();
            Place::decode(slot).ok().flatten()
        });
        let [first, second] = slots;
        Ok(Self { path, file, last: first.max(second), slot: first >= second })
    }

    /// Where the store was when it was last durable, if that is known.
    pub(super) fn last(&self) -> Option<Place> {
        self.last
    }

    /// Notes that the store is durable up to here; durable itself on return.
    pub(super) fn note(&mut self, place: Place) -> Result<()> {
        if self.last == Some(place) {
            return Ok(());
        }
        let [first, second] = SLOTS;
        let at = if self.slot { second } else { first };
        let write = |mut file: &File| -> io::Result<()> {
            file.seek(SeekFrom::Start(at))?;
            file.write_all(&place.encode())?;
            file.sync_data()
        };
        write(&self.file).map_err(|e| Error::io("write", &self.path, e))?;
        self.slot = !self.slot;
        self.last = Some(place);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(sequence: u64) -> Place {
        Place { sequence, digest: u128::from(sequence) << 77 }
    }

    #[test]
    fn the_newest_whole_slot_counts() {
        let dir = tempfile::tempdir().unwrap();
        let mut synced = Synced::open(dir.path()).unwrap();
        assert_eq!(synced.last(), None);
        for sequence in 1..6 {
            synced.note(place(sequence)).unwrap();
            synced = Synced::open(dir.path()).unwrap();
            assert_eq!(synced.last(), Some(place(sequence)));
        }
        let path = dir.path().join(NAME);
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[3] ^= 1;
        std::fs::write(&path, &bytes).unwrap();
        let left = Synced::open(dir.path()).unwrap().last();
        assert!(left == Some(place(4)) || left == Some(place(5)), "{left:?}");
        bytes.truncate(100);
        std::fs::write(&path, &bytes).unwrap();
        assert_eq!(Synced::open(dir.path()).unwrap().last(), None);
    }
}
