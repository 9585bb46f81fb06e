//! A fetched document: to be hashed, and to be read from the start.

use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek};
use std::path::Path;

use xxhash_rust::xxh3::Xxh3;

use super::{Failure, Request};
use crate::error::{Error, Result};

/// Large enough that a parser seldom sees a line cut by the end of the buffer.
const BUFFER: usize = 256 << 10;

/// A whole document. Its file, temporary or not, is closed with it.
pub(crate) struct Body {
    request: Request,
    limit: u64,
    content: Content,
}

enum Content {
    File(File),
    #[cfg(feature = "fetch")]
    Kept {
        file: tempfile::SpooledTempFile,
        digest: u128,
    },
}

trait Source: Read + Seek + Send {}
impl<T: Read + Seek + Send> Source for T {}

impl Content {
    fn source(&mut self) -> &mut dyn Source {
        match self {
            Self::File(file) => file,
            #[cfg(feature = "fetch")]
            Self::Kept { file, .. } => file,
        }
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Body").field("feed", &self.request.feed).finish_non_exhaustive()
    }
}

impl Body {
    pub(super) fn open(path: &Path, request: &Request, limit: u64) -> Result<Self, Failure> {
        let failed = |error: io::Error| Failure {
            reason: error.to_string(),
            retryable: false,
            source: Some(Box::new(error)),
            retry_after: None,
        };
        // Opening a pipe would wait for a writer.
        let metadata = std::fs::metadata(path).map_err(failed)?;
        if !metadata.is_file() {
            return Err(Failure::for_good("not a regular file"));
        }
        if metadata.len() > limit {
            return Err(Failure::for_good(TooLarge(limit).to_string()));
        }
        #[cfg_attr(not(feature = "fetch"), expect(unused_mut, reason = "nothing unpacks it"))]
        let mut file = File::open(path).map_err(failed)?;
        #[cfg(feature = "fetch")]
        if let Some(spool) = super::unpack::unpack(&mut file, request.member.as_deref(), limit)? {
            return Ok(Self::kept(request, limit, spool));
        }
        Ok(Self { request: request.clone(), limit, content: Content::File(file) })
    }

    #[cfg(feature = "fetch")]
    pub(super) fn kept(request: &Request, limit: u64, spool: super::spool::Spool) -> Self {
        let content = Content::Kept { file: spool.file, digest: spool.hash.digest128() };
        Self { request: request.clone(), limit, content }
    }

    /// XXH3-128 of the document's bytes, unpacked. Reads a file once through; knows it already of
    /// what came over the network.
    ///
    /// A file may change before it is read again for parsing: keep what [`BodyReader::finish`]
    /// says of the bytes that were parsed.
    pub(crate) fn digest(&mut self) -> Result<u128> {
        #[cfg(feature = "fetch")]
        if let Content::Kept { digest, .. } = &self.content {
            return Ok(*digest);
        }
        let result = self.start().and_then(BodyReader::finish);
        result.map_err(|error| self.error(error))
    }

    /// The document from its start. Its errors become ours by [`Body::error`].
    pub(crate) fn reader(&mut self) -> Result<BodyReader<'_>> {
        // Not `self.start()` with the error mapped: that would borrow `self` twice.
        if let Err(error) = self.rewind() {
            return Err(self.error(error));
        }
        Ok(self.reading())
    }

    /// An error met while reading the document.
    pub(crate) fn error(&self, error: io::Error) -> Error {
        let too_large = error.get_ref().is_some_and(TooLarge::caused);
        let failure = Failure {
            reason: error.to_string(),
            retryable: !too_large,
            source: Some(Box::new(error)),
            retry_after: None,
        };
        failure.into_error(&self.request)
    }

    fn start(&mut self) -> io::Result<BodyReader<'_>> {
        self.rewind()?;
        Ok(self.reading())
    }

    fn rewind(&mut self) -> io::Result<()> {
        self.content.source().rewind()
    }

    fn reading(&mut self) -> BodyReader<'_> {
        let source = self.content.source();
        let bounded = Bounded { source, left: self.limit, limit: self.limit, hash: Xxh3::new() };
        BodyReader(BufReader::with_capacity(BUFFER, bounded))
    }
}

/// Reads a document; ends with an error where it is longer than allowed.
pub(crate) struct BodyReader<'a>(BufReader<Bounded<'a>>);

impl BodyReader<'_> {
    /// Reads what is left, and gives XXH3-128 of the whole document as read.
    pub(crate) fn finish(mut self) -> io::Result<u128> {
        loop {
            let length = self.0.fill_buf()?.len();
            if length == 0 {
                return Ok(self.0.get_ref().hash.digest128());
            }
            self.0.consume(length);
        }
    }
}

impl fmt::Debug for BodyReader<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BodyReader").finish_non_exhaustive()
    }
}

impl Read for BodyReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl BufRead for BodyReader<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.0.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        self.0.consume(amount);
    }
}

struct Bounded<'a> {
    source: &'a mut dyn Source,
    left: u64,
    limit: u64,
    hash: Xxh3,
}

impl Read for Bounded<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.source.read(buffer)?;
        self.left = self.left.checked_sub(length as u64).ok_or_else(|| too_large(self.limit))?;
        self.hash.update(buffer.get(..length).unwrap_or_default());
        Ok(length)
    }
}

/// The document is longer than `fetch.max_bytes`.
#[derive(Debug, thiserror::Error)]
#[error("longer than the {0} bytes that `fetch.max_bytes` allows")]
pub(super) struct TooLarge(pub(super) u64);

impl TooLarge {
    pub(super) fn caused(error: &(dyn std::error::Error + Send + Sync + 'static)) -> bool {
        error.is::<Self>()
    }
}

pub(super) fn too_large(limit: u64) -> io::Error {
    io::Error::new(io::ErrorKind::FileTooLarge, TooLarge(limit))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use xxhash_rust::xxh3::xxh3_128;

    use super::*;
    use crate::Feed;
    use crate::ledger::Validators;

    fn request(path: &Path) -> Request {
        let url = format!("file:{}", path.display());
        Request::new(&Feed::new("x", &url).unwrap(), Validators::default())
    }

    fn open(path: &Path, limit: u64) -> Result<Body> {
        let request = request(path);
        Body::open(path, &request, limit).map_err(|failure| failure.into_error(&request))
    }

    #[test]
    fn a_file_is_hashed_and_read_from_the_start() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let text = "192.0.2.1\n".repeat(100_000);
        file.write_all(text.as_bytes()).unwrap();
        let mut body = open(file.path(), text.len() as u64).unwrap();
        assert_eq!(body.digest().unwrap(), xxh3_128(text.as_bytes()));

        let mut line = String::new();
        let mut reader = body.reader().unwrap();
        reader.read_line(&mut line).unwrap();
        assert_eq!(line, "192.0.2.1\n");
        assert_eq!(reader.finish().unwrap(), xxh3_128(text.as_bytes()), "also of what was skipped");

        let mut all = String::new();
        body.reader().unwrap().read_to_string(&mut all).unwrap();
        assert_eq!(all, text);
    }

    #[test]
    fn the_bound_holds_also_for_a_file_that_grows() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"12345").unwrap();
        let error = open(file.path(), 4).unwrap_err();
        assert!(error.to_string().contains("longer than the 4 bytes"), "{error}");
        assert!(!error.is_retryable());

        let mut body = open(file.path(), 5).unwrap();
        file.write_all(b"6").unwrap();
        let error = body.digest().unwrap_err();
        assert!(error.to_string().contains("longer than the 5 bytes"), "{error}");
        assert_eq!((error.code(), error.is_retryable()), ("ARTIF_FETCH", false));
        let error = body.reader().unwrap().finish().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
    }

    #[test]
    fn what_is_no_regular_file() {
        let folder = tempfile::tempdir().unwrap();
        let error = open(folder.path(), 9).unwrap_err().to_string();
        assert!(error.ends_with("not a regular file"), "{error}");
        let missing = folder.path().join("missing");
        let error = open(&missing, 9).unwrap_err();
        assert!(error.to_string().starts_with("feed x: fetching file:"), "{error}");
        #[cfg(unix)]
        assert!(open(Path::new("/dev/zero"), 9).is_err());
    }
}
