//! Documents that are published packed: `.gz`, and `.zip` with the list as a member.

use std::borrow::Cow;
use std::io::{self, Read, Seek};

use flate2::read::MultiGzDecoder;
use zip::ZipArchive;

use super::Failure;
use super::body::TooLarge;
use super::spool::Spool;
use crate::error::excerpt;

const GZIP: &[u8] = &[0x1f, 0x8b, 0x08];
const ZIP: &[u8] = b"PK\x03\x04";
/// A zip archive without a member.
const EMPTY_ZIP: &[u8] = b"PK\x05\x06";

/// So many members are named where one has to be chosen.
const NAMED: usize = 5;

/// The unpacked document, in no more than `limit` bytes; `None` where it is not packed. What it is
/// shows in its first bytes, whatever the server calls it. One layer is taken off, not more.
pub(super) fn unpack(
    file: &mut (impl Read + Seek),
    member: Option<&str>,
    limit: u64,
) -> Result<Option<Spool>, Failure> {
    let mut start = Vec::new();
    file.rewind().map_err(unreadable)?;
    file.by_ref().take(4).read_to_end(&mut start).map_err(unreadable)?;
    file.rewind().map_err(unreadable)?;
    if start.starts_with(ZIP) || start.starts_with(EMPTY_ZIP) {
        return zip(file, member, limit).map(Some);
    }
    if let Some(member) = member {
        let member = excerpt(member);
        return Err(Failure::for_good(format!(
            "no zip archive, where {member:?} is wanted of one"
        )));
    }
    if start.starts_with(GZIP) {
        return copy(MultiGzDecoder::new(file), limit, "gzip").map(Some);
    }
    Ok(None)
}

fn zip(file: &mut (impl Read + Seek), member: Option<&str>, limit: u64) -> Result<Spool, Failure> {
    let mut archive = ZipArchive::new(file).map_err(|error| broken("zip", error))?;
    let name = match member {
        Some(name) => name.to_owned(),
        None => only_member(&archive)?,
    };
    let Some(place) = archive.index_for_name(&name) else {
        return Err(Failure::for_good(format!(
            "the zip archive has no {:?}, it has {}",
            excerpt(&name),
            listed(&archive)
        )));
    };
    let member = archive.by_index(place).map_err(|error| broken("zip", error))?;
    copy(member, limit, "zip")
}

fn only_member<R: Read + Seek>(archive: &ZipArchive<R>) -> Result<String, Failure> {
    let mut files = files(archive);
    match (files.next(), files.next()) {
        (Some(only), None) => Ok(only.into_owned()),
        (None, _) => Err(Failure::for_good("the zip archive holds no file")),
        _ => Err(Failure::for_good(format!(
            "the zip archive holds several files, name one with `member`: {}",
            listed(archive)
        ))),
    }
}

fn files<R: Read + Seek>(archive: &ZipArchive<R>) -> impl Iterator<Item = Cow<'_, str>> {
    archive.file_names().filter_map(Result::ok).filter(|name| !name.ends_with('/'))
}

fn listed<R: Read + Seek>(archive: &ZipArchive<R>) -> String {
    let names = files(archive).take(NAMED + 1);
    let mut shown: Vec<_> = names.map(|name| format!("{:?}", excerpt(&name))).collect();
    if let Some(last) = shown.get_mut(NAMED) {
        "…".clone_into(last);
    }
    if shown.is_empty() { "nothing".to_owned() } else { shown.join(", ") }
}

fn copy(mut from: impl Read, limit: u64, what: &str) -> Result<Spool, Failure> {
    let mut spool = Spool::new(limit);
    match io::copy(&mut from, &mut spool) {
        Ok(_) => Ok(spool),
        Err(error) if error.get_ref().is_some_and(TooLarge::caused) => {
            Err(Failure::for_good(error.to_string()))
        }
        Err(error) => Err(broken(what, error)),
    }
}

fn broken(what: &str, error: impl std::error::Error + Send + Sync + 'static) -> Failure {
    Failure {
        reason: format!("broken {what} data: {}", excerpt(&error.to_string())),
        retryable: true,
        source: Some(Box::new(error)),
        retry_after: None,
    }
}

fn unreadable(error: io::Error) -> Failure {
    Failure {
        reason: format!("the document cannot be read: {error}"),
        retryable: true,
        source: Some(Box::new(error)),
        retry_after: None,
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write as _};

    use zip::write::{SimpleFileOptions, ZipWriter};

    use super::*;

    fn zipped(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, content) in files {
            if name.ends_with('/') {
                writer.add_directory(*name, SimpleFileOptions::default()).unwrap();
            } else {
                writer.start_file(*name, SimpleFileOptions::default()).unwrap();
                writer.write_all(content).unwrap();
            }
        }
        writer.finish().unwrap().into_inner()
    }

    fn gzipped(content: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    }

    fn of(bytes: &[u8], member: Option<&str>, limit: u64) -> Result<Option<String>, String> {
        let unpacked = unpack(&mut Cursor::new(bytes), member, limit);
        unpacked.map_err(|failure| failure.reason).map(|spool| {
            let mut file = spool?.file;
            let mut text = String::new();
            file.rewind().unwrap();
            file.read_to_string(&mut text).unwrap();
            Some(text)
        })
    }

    #[test]
    fn what_is_not_packed_is_left_alone() {
        for bytes in [&b""[..], b"P", b"192.0.2.1\n", b"PKIX", &[0x1f, 0x8b]] {
            assert_eq!(of(bytes, None, 100), Ok(None));
        }
    }

    #[test]
    fn gzip_of_several_members() {
        let two = [gzipped(b"a\n"), gzipped(b"b\n")].concat();
        assert_eq!(of(&two, None, 4), Ok(Some("a\nb\n".to_owned())));
        assert!(of(&two, None, 3).unwrap_err().starts_with("longer than the 3 bytes"));
        let cut = &two[..two.len() - 3];
        assert!(of(cut, None, 100).unwrap_err().starts_with("broken gzip data"));
        // A second layer is content.
        let twice = unpack(&mut Cursor::new(gzipped(&gzipped(b"a"))), None, 100).ok().flatten();
        assert_eq!(twice.map(|spool| spool.length), Some(gzipped(b"a").len() as u64));
    }

    #[test]
    fn zip_archives() {
        let one = zipped(&[("lists/", b""), ("lists/a.txt", b"192.0.2.1\n")]);
        let two = zipped(&[("a.txt", b"a"), ("b.txt", b"b")]);
        assert_eq!(of(&one, None, 100), Ok(Some("192.0.2.1\n".to_owned())));
        assert_eq!(of(&one, Some("lists/a.txt"), 100), Ok(Some("192.0.2.1\n".to_owned())));
        assert_eq!(of(&two, Some("b.txt"), 100), Ok(Some("b".to_owned())));
        for (bytes, member, reason) in [
            (&two, None, "the zip archive holds several files, name one with `member`: \"a.txt\""),
            (&two, Some("c"), "the zip archive has no \"c\", it has \"a.txt\", \"b.txt\""),
            (&zipped(&[]), None, "the zip archive holds no file"),
            (&zipped(&[]), Some("a"), "the zip archive has no \"a\", it has nothing"),
            (&b"<html>".to_vec(), Some("a"), "no zip archive, where \"a\" is wanted of one"),
            (&one[..40].to_vec(), None, "broken zip data"),
        ] {
            let error = of(bytes, member, 100).unwrap_err();
            assert!(error.starts_with(reason), "{error}");
        }
    }

    #[test]
    fn a_zip_bomb() {
        let bomb = zipped(&[("bomb", &vec![0; 32 << 20])]);
        assert!(bomb.len() < 100_000, "{}", bomb.len());
        let error = of(&bomb, None, 1 << 20).unwrap_err();
        assert!(error.starts_with("longer than the 1048576 bytes"), "{error}");
    }

    #[test]
    fn a_damaged_member_is_noticed() {
        let mut bytes = zipped(&[("a", &b"192.0.2.1\n".repeat(100))]);
        bytes[40] ^= 0x55;
        assert!(of(&bytes, None, 10_000).unwrap_err().starts_with("broken zip data"));
    }
}
