//! artif: an embeddable IP-reputation engine.

mod category;
mod clock;
pub mod config;
mod duration;
mod error;
pub mod feed;
pub mod geo;
pub mod ledger;
mod net;
pub mod score;

pub use category::{Category, CategorySet, ThreatLevel};
pub use clock::{Clock, FixedClock, SystemClock};
pub use config::Config;
pub use error::{Error, Result, Source};
pub use feed::{Feed, FeedId, Format, Role, Scope, Where};
pub use net::{
    Prefix, Prefix4, Prefix6, PrefixSet, SpecialPurpose, canonical_address, special_purpose,
};
