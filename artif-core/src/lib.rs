//! artif: an embeddable IP-reputation engine.

mod category;
#[cfg(feature = "cli")]
pub mod cli;
mod clock;
pub mod config;
mod duration;
mod engine;
mod error;
mod explain;
pub mod feed;
pub mod geo;
pub mod ledger;
mod net;
mod overlay;
mod reputation;
pub mod score;
mod seed_json;
mod snapshot;
mod view;

pub use category::{Category, CategorySet, ThreatLevel};
pub use clock::{Clock, FixedClock, SystemClock};
pub use config::Config;
pub use engine::{
    Engine, EngineBuilder, FeedReport, Outcome, Overrides, Progress, Reader, RefreshEvent,
    RefreshOptions, RefreshReport, RefreshTimings, ReputationEngine, SnapshotStatus, Status,
};
pub use error::{Error, Result, Source};
pub use explain::{Evidence, Explanation, PastReputation};
pub use feed::{Feed, FeedId, Format, Role, Scope, Where};
pub use net::{
    Prefix, Prefix4, Prefix6, PrefixSet, SpecialPurpose, address, canonical_address,
    special_purpose,
};
pub use reputation::{Reputation, Verdict};
pub use snapshot::{SnapshotCounts, SnapshotFeed};
