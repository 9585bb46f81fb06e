//! Small files beside the snapshot: JSON under a line with its checksum, replaced as a whole.

use std::fs;
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;
use xxhash_rust::xxh3::xxh3_64;

use crate::error::{Error, Result};
use crate::snapshot::{write_atomically, write_unsynced};

/// What a file says that [`write`] wrote with the same `header`; `None` where there is none.
///
/// Errors: [`Error::Io`], and [`Error::Snapshot`] where it is damaged or another version's.
pub(crate) fn read<T: DeserializeOwned>(path: &Path, header: &str) -> Result<Option<T>> {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::io("reading", path, error)),
    };
    let damaged = |reason: String| Error::Snapshot { path: path.to_owned(), reason };
    let split = text.iter().position(|b| *b == b'\n').unwrap_or(text.len());
    let (head, body) = text.split_at(split);
    let body = body.get(1..).unwrap_or_default();
    if head != format!("{header} {:016x}", xxh3_64(body)).as_bytes() {
        return Err(damaged(format!(
            "it is no {:?} file, or its checksum does not fit",
            header.trim_start_matches("artif-")
        )));
    }
    serde_json::from_slice(body).map(Some).map_err(|error| damaged(error.to_string()))
}

/// Replaces a file by one that says `content`, durably.
pub(crate) fn write(path: &Path, header: &str, content: &impl Serialize) -> Result<()> {
    write_atomically(path, &text(header, content)?)
}

/// The same without waiting for the disk: after a power loss the file may be the old one, or
/// damaged, which [`read`] tells.
pub(crate) fn write_soon(path: &Path, header: &str, content: &impl Serialize) -> Result<()> {
    write_unsynced(path, &text(header, content)?)
}

fn text(header: &str, content: &impl Serialize) -> Result<Vec<u8>> {
    let body = serde_json::to_vec(content)
        .map_err(|error| Error::Invalid { what: "content", reason: error.to_string() })?;
    let mut text = format!("{header} {:016x}\n", xxh3_64(&body)).into_bytes();
    text.extend_from_slice(&body);
    Ok(text)
}
