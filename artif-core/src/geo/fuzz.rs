//! Databases from anyone, see [`crate::fuzzing`].

use super::reader::Database;

/// A database is refused or read, in time that its size bounds.
pub(crate) fn database(data: &[u8]) {
    if let Ok(database) = Database::parse(data) {
        let _ = (database.has_asn(), database.has_country(), database.ranges());
    }
}
