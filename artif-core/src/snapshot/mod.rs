//! The compiled file that answers come from.

mod compile;
mod cut;
mod flatten;
mod format;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod gather;
mod index;
mod lanes;
mod meta;
mod networks;
mod organisations;
mod publish;
mod reader;
mod records;
mod scan;
mod standing;

#[cfg(test)]
mod tests;

pub(crate) use compile::{Compiled, Input, compile};
#[cfg(feature = "cli")]
pub(crate) use format::VERSION as FORMAT_VERSION;
pub use index::IndexTier;
pub(crate) use index::index_cost;
pub(crate) use lanes::{LANES, Lanes};
pub(crate) use meta::{Meta, UNKNOWN_FEED};
pub use meta::{ReadCounts, SnapshotCounts, SnapshotFeed};
pub(crate) use networks::interval;
pub(crate) use publish::{
    current, newest_sequence, publish, remove_unfinished, set_aside, write_atomically,
    write_unsynced,
};
pub(crate) use reader::{Listed, Snapshot};
pub(crate) use records::{Record, Standing};
pub(crate) use scan::Spell;
