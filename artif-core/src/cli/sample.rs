//! The sample feeds and databases of `artif-core/samples`, which this program carries.

use std::fs;
use std::path::Path;

use crate::error::{Error, Result};

macro_rules! files {
    ($($path:literal)*) => {
        &[$((
            $path,
            include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/samples/", $path))
                as &[u8],
        )),*]
    };
}

const FILES: &[(&str, &[u8])] = files![
    "catalogue-day1.toml" "catalogue-day2.toml" "catalogue.toml"
    "sample-asn.mmdb" "sample-country.mmdb"
    "feeds/day1/bruteforce.txt" "feeds/day1/c2.csv" "feeds/day1/combined.txt"
    "feeds/day1/drop.ndjson" "feeds/day1/report.txt" "feeds/day1/scanners.json"
    "feeds/day1/spam.txt"
    "feeds/day2/bruteforce.txt" "feeds/day2/c2.csv" "feeds/day2/combined.txt"
    "feeds/day2/drop.ndjson" "feeds/day2/report.txt" "feeds/day2/scanners.json"
    "feeds/day2/spam.txt"
    "feeds/day3/bruteforce.txt" "feeds/day3/c2.csv" "feeds/day3/combined.txt"
    "feeds/day3/drop.ndjson" "feeds/day3/report.txt" "feeds/day3/scanners.json"
    "feeds/day3/spam.txt"
];

/// The catalogues, one a day, and how many days ago that is.
pub(super) const DAYS: [(&str, i64); 3] =
    [("catalogue-day1.toml", 2), ("catalogue-day2.toml", 1), ("catalogue.toml", 0)];
pub(super) const ASN: &str = "sample-asn.mmdb";
pub(super) const COUNTRY: &str = "sample-country.mmdb";

/// Writes all of it to a folder.
pub(super) fn write(dir: &Path) -> Result<()> {
    for (name, content) in FILES {
        let path = dir.join(name);
        let folder = path.parent().unwrap_or(dir);
        fs::create_dir_all(folder).map_err(|error| Error::io("creating", folder, error))?;
        fs::write(&path, content).map_err(|error| Error::io("writing", &path, error))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_a_catalogue_names_is_missing() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path()).unwrap();
        for (day, _) in DAYS {
            let catalogue = crate::feed::Catalogue::load(dir.path().join(day)).unwrap();
            assert!(catalogue.feeds.len() > 5);
            for feed in catalogue.feeds {
                let path = url::Url::parse(&feed.url).unwrap().to_file_path().unwrap();
                assert!(path.is_file(), "{day}: {}", feed.url);
            }
        }
    }
}
