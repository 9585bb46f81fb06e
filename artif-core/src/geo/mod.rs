//! Autonomous system, organisation and country of every address.

#[cfg(not(feature = "geo"))]
mod absent;
#[cfg(all(any(test, fuzzing), feature = "geo"))]
pub(crate) mod fuzz;
#[cfg(feature = "geo")]
mod merge;
#[cfg(feature = "geo")]
mod reader;
#[cfg(feature = "geo")]
mod schema;
mod table;
#[cfg(all(test, feature = "geo"))]
mod tests;
#[cfg(feature = "geo")]
mod tree;
mod update;

#[cfg(not(feature = "geo"))]
pub use absent::GeoSources;
#[cfg(feature = "geo")]
pub use merge::GeoSources;
pub use table::{Country, GeoDatabase, GeoRecord, GeoTable};
pub use update::{GeoKind, GeoReport, GeoUpdateStatus};
pub(crate) use update::{Updates, update, updated};
