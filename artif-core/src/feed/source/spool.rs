//! Where a document waits until all of it has arrived.

use std::io::{self, Write};

use flate2::write::MultiGzDecoder;
use tempfile::SpooledTempFile;
use xxhash_rust::xxh3::Xxh3;

use super::body::too_large;

/// Bytes kept in memory; more goes to an unnamed temporary file.
const IN_MEMORY: usize = 1 << 20;

/// The unpacked document, hashed as it grows and bounded.
pub(super) struct Spool {
    pub(super) file: SpooledTempFile,
    pub(super) hash: Xxh3,
    pub(super) length: u64,
    limit: u64,
}

impl Spool {
    fn new(limit: u64) -> Self {
        Self { file: SpooledTempFile::new(IN_MEMORY), hash: Xxh3::new(), length: 0, limit }
    }
}

impl Write for Spool {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.length + bytes.len() as u64 > self.limit {
            return Err(too_large(self.limit));
        }
        let written = self.file.write(bytes)?;
        self.hash.update(bytes.get(..written).unwrap_or_default());
        self.length += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Takes the bytes as sent.
pub(super) enum Intake {
    Plain(Box<Spool>),
    Gzip(Box<MultiGzDecoder<Spool>>),
}

impl Intake {
    pub(super) fn new(packed: bool, limit: u64) -> Self {
        let spool = Spool::new(limit);
        if packed {
            Self::Gzip(Box::new(MultiGzDecoder::new(spool)))
        } else {
            Self::Plain(Box::new(spool))
        }
    }

    pub(super) fn take(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Plain(spool) => spool.write_all(bytes),
            Self::Gzip(decoder) => decoder.write_all(bytes),
        }
    }

    /// The whole document; an error where packed data ends early or its checksum is wrong.
    pub(super) fn finish(self) -> io::Result<Spool> {
        match self {
            Self::Plain(spool) => Ok(*spool),
            Self::Gzip(decoder) => decoder.finish(),
        }
    }
}
