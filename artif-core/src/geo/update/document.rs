//! What arrives: a database, as it is or in a tar archive, and whether it is the one announced.

use std::fmt::Write as _;
use std::io::Read;

use md5::{Digest as _, Md5};
use sha2::Sha256;

use super::GeoKind;
use crate::error::excerpt;
use crate::geo::reader::Database;

/// Less of the ranges of before is not an update but a loss.
const LEAST_SHARE: f64 = 0.5;
/// A database with fewer is not compared: samples and private ones change as they like.
const COMPARED_FROM: usize = 1_000;

/// The database in `bytes`: itself, or the member of a tar archive that ends in `.mmdb`.
pub(super) fn database(bytes: Vec<u8>, limit: u64) -> Result<Vec<u8>, String> {
    let is_tar = bytes.get(257..262).is_some_and(|magic| magic == b"ustar");
    if !is_tar {
        return Ok(bytes);
    }
    let broken = |error: std::io::Error| format!("is a broken archive: {error}");
    let mut archive = tar::Archive::new(&bytes[..]);
    for entry in archive.entries().map_err(broken)? {
        let entry = entry.map_err(broken)?;
        let path = entry.path().map_err(broken)?;
        if entry.header().entry_type().is_file()
            && path.extension().is_some_and(|extension| extension == "mmdb")
        {
            let (length, mut database) = (entry.size(), Vec::new());
            if length > limit {
                return Err(format!("is longer than the {limit} bytes that are allowed"));
            }
            entry.take(limit).read_to_end(&mut database).map_err(broken)?;
            if database.len() as u64 != length {
                return Err("is a broken archive: it ends within the database".to_owned());
            }
            return Ok(database);
        }
    }
    Err("is an archive without a .mmdb file".to_owned())
}

pub(super) fn md5(bytes: &[u8]) -> String {
    hex(&Md5::digest(bytes))
}

/// Compares with a checksum as published: hex, alone or followed by a file's name.
pub(super) fn check(bytes: &[u8], published: &str) -> Result<(), String> {
    let wanted = published.split_whitespace().next().unwrap_or_default().to_ascii_lowercase();
    let found = match wanted.len() {
        64 => hex(&Sha256::digest(bytes)),
        32 => md5(bytes),
        _ => {
            let text = excerpt(published.trim());
            return Err(format!("comes with a checksum that is neither SHA-256 nor MD5: {text:?}"));
        }
    };
    if found == wanted {
        return Ok(());
    }
    Err(format!("does not match its checksum: it is {found}, announced was {}", excerpt(&wanted)))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Opens `new` as the engine will, and holds it against the one in use.
pub(super) fn probe(new: &[u8], old: Option<&[u8]>, wanted: &[GeoKind]) -> Result<(), String> {
    let database = Database::parse(new)?;
    for kind in wanted {
        let (gives, what) = match kind {
            GeoKind::Asn => (database.has_asn(), "autonomous systems"),
            GeoKind::Country => (database.has_country(), "countries"),
        };
        if !gives {
            return Err(format!("is of type {:?} and gives no {what}", database.kind));
        }
    }
    // One that is broken is replaced by whatever is not.
    let Some(before) = old.and_then(|old| Database::parse(old).ok()) else { return Ok(()) };
    let (ranges, least) = (database.ranges(), before.ranges() as f64 * LEAST_SHARE);
    if before.ranges() >= COMPARED_FROM && (ranges as f64) < least {
        return Err(format!("has {ranges} ranges, the one in use has {}", before.ranges()));
    }
    if let (Some(built), Some(in_use)) = (database.built, before.built)
        && built < in_use
    {
        return Err(format!("was built {built}, before the one in use ({in_use})"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(name: &str) -> Vec<u8> {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/samples");
        std::fs::read(std::path::Path::new(folder).join(name)).unwrap()
    }

    fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (name, content) in files {
            let mut header = tar::Header::new_gnu();
            header.set_size(content.len() as u64);
            header.set_mode(0o644);
            builder.append_data(&mut header, name, *content).unwrap();
        }
        builder.into_inner().unwrap()
    }

    #[test]
    fn archives() {
        let archive = tar(&[("X/COPYRIGHT.txt", b"c"), ("X/X.mmdb", b"database")]);
        assert_eq!(database(archive.clone(), 99).unwrap(), b"database");
        assert_eq!(database(b"bare".to_vec(), 99).unwrap(), b"bare");
        for (bytes, limit, expected) in [
            (tar(&[("a.txt", b"x")]), 99, "is an archive without a .mmdb file"),
            (archive.clone(), 7, "is longer than the 7 bytes"),
            (archive[..1_030].to_vec(), 99, "is a broken archive"),
            (archive[..1_540].to_vec(), 99, "is a broken archive"),
        ] {
            let error = database(bytes, limit).unwrap_err();
            assert!(error.starts_with(expected), "{error}");
        }
    }

    #[test]
    fn checksums() {
        let sha = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        for fine in [sha, &format!("{sha}  x.mmdb\n"), "900150983CD24FB0D6963F7D28E17F72"] {
            assert_eq!(check(b"abc", fine), Ok(()), "{fine}");
        }
        assert!(check(b"abd", sha).unwrap_err().starts_with("does not match its checksum"));
        for bad in ["", "<html>", "abc"] {
            assert!(check(b"abc", bad).unwrap_err().starts_with("comes with a checksum"), "{bad}");
        }
    }

    #[test]
    fn only_what_is_fit_for_use_passes() {
        use GeoKind::{Asn, Country};
        let (asn, country, lite) =
            (sample("sample-asn.mmdb"), sample("sample-country.mmdb"), sample("sample-lite.mmdb"));
        assert_eq!(probe(&asn, None, &[Asn]), Ok(()));
        assert_eq!(probe(&asn, Some(&asn), &[Asn]), Ok(()));
        assert_eq!(probe(&asn, Some(b"broken"), &[Asn]), Ok(()));
        assert_eq!(probe(&lite, None, &[Asn, Country]), Ok(()));
        for (new, wanted, expected) in [
            (&asn[..], Country, "gives no countries"),
            (&country, Asn, "gives no autonomous systems"),
            (&asn[..asn.len() / 2], Asn, "is no complete MaxMind DB file"),
            (b"<html>", Asn, "is no complete MaxMind DB file"),
            (b"", Asn, "is no complete MaxMind DB file"),
        ] {
            let error = probe(new, None, &[wanted]).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }
}
