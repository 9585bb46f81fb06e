//! Where a document waits until all of it has arrived, with its transfer encoding taken off.

use std::io::{self, Write};

use brotli_decompressor::DecompressorWriter;
use flate2::write::MultiGzDecoder;
use tempfile::SpooledTempFile;
use xxhash_rust::xxh3::Xxh3;
use zstd::stream::raw::{DParameter, Decoder, InBuffer, Operation as _, OutBuffer};

use super::body::too_large;

/// Bytes kept in memory; more goes to an unnamed temporary file.
const IN_MEMORY: usize = 1 << 20;
/// Bytes that a decoder gives at once.
const PIECE: usize = 32 << 10;
/// The window that decoders of Zstandard over HTTP have to support, and no more (RFC 9659).
const ZSTD_WINDOW_LOG: u32 = 23;

/// The unpacked document, hashed as it grows and bounded.
pub(super) struct Spool {
    pub(super) file: SpooledTempFile,
    pub(super) hash: Xxh3,
    pub(super) length: u64,
    limit: u64,
}

impl Spool {
    pub(super) fn new(limit: u64) -> Self {
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

/// How a document is packed for the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    Identity,
    Gzip,
    Brotli,
    Zstd,
}

impl Encoding {
    /// All but the first, as a client asks for them.
    pub(super) const ACCEPTED: &str = "gzip, br, zstd";

    pub(super) fn by_name(name: &str) -> Option<Self> {
        match name {
            "" | "identity" => Some(Self::Identity),
            "gzip" | "x-gzip" => Some(Self::Gzip),
            "br" => Some(Self::Brotli),
            "zstd" => Some(Self::Zstd),
            _ => None,
        }
    }

    /// What its data is called in a message; `None` where there is nothing that could be broken.
    pub(super) fn name(self) -> Option<&'static str> {
        match self {
            Self::Identity => None,
            Self::Gzip => Some("gzip"),
            Self::Brotli => Some("brotli"),
            Self::Zstd => Some("zstd"),
        }
    }
}

/// Takes the bytes as sent.
pub(super) enum Intake {
    Plain(Box<Spool>),
    Gzip(Box<MultiGzDecoder<Spool>>),
    Brotli(Box<DecompressorWriter<Spool>>),
    Zstd(Box<Zstd>),
}

impl Intake {
    pub(super) fn new(encoding: Encoding, limit: u64) -> io::Result<Self> {
        let spool = Spool::new(limit);
        Ok(match encoding {
            Encoding::Identity => Self::Plain(Box::new(spool)),
            Encoding::Gzip => Self::Gzip(Box::new(MultiGzDecoder::new(spool))),
            Encoding::Brotli => Self::Brotli(Box::new(DecompressorWriter::new(spool, PIECE))),
            Encoding::Zstd => Self::Zstd(Box::new(Zstd::new(spool)?)),
        })
    }

    pub(super) fn take(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Plain(spool) => spool.write_all(bytes),
            Self::Gzip(decoder) => decoder.write_all(bytes),
            Self::Brotli(decoder) => decoder.write_all(bytes),
            Self::Zstd(decoder) => decoder.take(bytes),
        }
    }

    /// The whole document; an error where packed data ends early or its checksum is wrong.
    pub(super) fn finish(self) -> io::Result<Spool> {
        match self {
            Self::Plain(spool) => Ok(*spool),
            Self::Gzip(decoder) => decoder.finish(),
            Self::Brotli(mut decoder) => {
                decoder.close()?;
                let ended = io::Error::new(io::ErrorKind::UnexpectedEof, "it ends too early");
                decoder.into_inner().map_err(|_| ended)
            }
            Self::Zstd(decoder) => decoder.finish(),
        }
    }
}

/// Zstandard, frame after frame. The crate's own writer does not tell when the last one is cut.
pub(super) struct Zstd {
    decoder: Decoder<'static>,
    spool: Spool,
    within_frame: bool,
}

impl Zstd {
    fn new(spool: Spool) -> io::Result<Self> {
        let mut decoder = Decoder::new()?;
        decoder.set_parameter(DParameter::WindowLogMax(ZSTD_WINDOW_LOG))?;
        Ok(Self { decoder, spool, within_frame: false })
    }

    fn take(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut input = InBuffer::around(bytes);
        let mut piece = vec![0; PIECE];
        loop {
            let before = input.pos();
            let mut output = OutBuffer::around(&mut piece);
            // What it expects next: nothing, once a frame is complete.
            let expected = self
                .decoder
                .run(&mut input, &mut output)
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
            let given = output.as_slice();
            let filled = given.len() == PIECE;
            if input.pos() > before || !given.is_empty() {
                self.within_frame = expected != 0;
            }
            self.spool.write_all(given)?;
            // A full buffer may mean that there is more where that came from.
            if input.pos() >= bytes.len() && !filled {
                return Ok(());
            }
        }
    }

    fn finish(self) -> io::Result<Spool> {
        if self.within_frame {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it ends too early"));
        }
        Ok(self.spool)
    }
}
