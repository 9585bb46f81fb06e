//! The durable truth: which feed lists what since when, what left and when, what operators decided.

#[cfg_attr(not(feature = "sled"), allow(dead_code, reason = "checkpoints need only a part"))]
mod block;
mod bytes;
mod checkpoint;
mod digest;
pub(crate) mod files;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod lock;
mod memory;
mod merge;
mod override_log;
mod owner;
mod record;
#[cfg(feature = "sled")]
mod sled_store;
mod store;

pub(crate) use checkpoint::overrides_above;
pub use checkpoint::{newest_good, write_checkpoint};
#[cfg(any(feature = "cli", feature = "misp"))]
pub(crate) use files::create_folder;
pub(crate) use lock::FolderLock;
pub use memory::MemoryStore;
pub use override_log::OverrideLog;
pub(crate) use override_log::Peeked;
pub use owner::{Ledger, LedgerOptions};
#[cfg(feature = "sled")]
pub use sled_store::SledStore;
pub use store::{
    ActiveListing, Commit, EndedListing, FeedHead, Generation, Override, OverrideAction,
    OverrideChange, Recovery, Store, StoreStatus, Validators,
};
