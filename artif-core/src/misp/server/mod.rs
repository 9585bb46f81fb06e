//! Talking with MISP servers: what is asked, what is kept of the answers, and what becomes of it.

mod answer;
mod client;
mod event;
pub(crate) mod exchange;
pub(crate) mod feed;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod hashes;
mod journal;
pub(crate) mod lists;
pub(crate) mod mapping;
mod mirror;
pub(crate) mod origin;
mod page;
mod remote;
#[cfg(test)]
mod replay;
mod sighting;
mod sort;
mod state;
pub(crate) mod sync;
mod tags;
pub(crate) mod told;
mod walk;

pub(crate) use client::Client;
pub use exchange::{Action, Exchange, Step};
pub(crate) use mapping::Made;
pub(crate) use remote::Remote;
pub(crate) use sighting::send_all;
pub use sighting::{Sighted, SightingKind};
pub(crate) use state::{Checked, Folder, Known, KnownList, State};
pub(crate) use sync::Synced;

use super::Problem;
