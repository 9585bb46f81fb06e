//! Stands in for the database readers in a build without the feature `geo`.

use std::path::Path;

use super::{GeoDatabase, GeoTable};

/// What the databases gave: nothing, in this build.
#[derive(Debug)]
#[non_exhaustive]
pub struct GeoSources {
    /// The table that knows nothing.
    pub table: GeoTable,
    /// One entry for each file named.
    pub databases: Vec<GeoDatabase>,
}

impl GeoSources {
    /// Says of each database that this build cannot read it.
    pub fn load(asn: Option<&Path>, country: Option<&Path>) -> Self {
        let unread = |path: &Path| GeoDatabase {
            path: path.to_owned(),
            database_type: String::new(),
            built: None,
            asn: false,
            country: false,
            records: 0,
            ranges: 0,
            skipped: 0,
            problem: Some("this artif is built without feature `geo`".to_owned()),
        };
        let databases = asn.into_iter().chain(country).map(unread).collect();
        Self { table: GeoTable::default(), databases }
    }

    /// The same for all files: none is read.
    pub fn identity(_asn: Option<&Path>, _country: Option<&Path>) -> u128 {
        0
    }
}
