//! Autonomous system, organisation and country of every address.

mod table;

pub use table::{Country, GeoRecord, GeoTable};
