//! An embeddable IP-reputation engine: threat feeds in, one mapped snapshot, an answer with its
//! reasons out, with no server in between.
//!
//! ```
//! use artif_core::{Category, Engine, Feed, RefreshOptions, ReputationEngine, ThreatLevel, Verdict};
//!
//! # let dir = tempfile::tempdir().unwrap();
//! # std::fs::write(dir.path().join("list.txt"), "93.184.216.0/24 # seen scanning\n").unwrap();
//! # let url = &format!("file:{}", dir.path().join("list.txt").display());
//! let feed = Feed::new("my-list", url)? // https://, http:// or file:
//!     .categories([Category::Attack])
//!     .threat_level(ThreatLevel::HIGH);
//! let engine = Engine::builder().data(dir.path().join("data")).feed(feed).build()?;
//! engine.refresh(&RefreshOptions::default())?;
//!
//! let answer = engine.check("93.184.216.34".parse().unwrap());
//! assert_eq!(answer.verdict(), Verdict::Dangerous);
//! assert_eq!(answer.feeds().next().unwrap().id, "my-list");
//! println!("{}", engine.explain(answer.ip()).to_text());
//! # Ok::<(), artif_core::Error>(())
//! ```
//!
//! # How it works
//!
//! An [`Engine`] owns a data folder. [`Engine::refresh`] fetches feeds, keeps since when each
//! network is listed in a ledger ([`ledger`]), merges all of it with the ASN and country databases
//! ([`geo`]), scores it ([`score`]) and publishes one immutable snapshot file. Answers come from
//! the mapped snapshot alone: [`ReputationEngine::check`] is one longest-prefix match, never waits,
//! and cannot fail. Any number of other processes open the same folder as a [`Reader`]; they share
//! the snapshot's memory and follow new ones by themselves.
//!
//! * Scores go from 0 (certainly bad) to **100 (safe)**.
//! * An address is *active* (a threat feed lists it, or a network around it, now), *historical* (one
//!   did within the history window) or *unknown*.
//! * Private, documentation and all other special-purpose addresses are never a threat, whatever
//!   feeds say; IPv4 carried in IPv6 is looked up as that IPv4 address.
//! * An operator's override ([`Engine::add_override`], [`Overrides`]) beats everything else and
//!   counts in every process within a second.
//! * What the application knows itself of addresses ([`Engine::signal`]: failed logins, loyalty)
//!   moves their scores, in every process at once, within bounded memory.
//! * [`Engine::spawn_refresh`] keeps it all current from a thread of its own.
//! * [`Member`] is for several equal processes: one of them owns the folder and refreshes, the
//!   others follow, and another takes over where that one goes away.
//! * [`Engine::feed_report`] compares the feeds: who has what alone, who is early, who copies whom
//!   ([`report`]).
//! * A feed that fails, or whose new content looks wrong, keeps its last good content;
//!   [`ReputationEngine::status`] says so.
//!
//! # What it is not
//!
//! Not a firewall: it answers, the application acts. Not a server, and no client of one. Not a
//! place for full threat intelligence: of an event it keeps the addresses and what scores need.
//!
//! # Features
//!
//! | feature | default | brings |
//! |---|---|---|
//! | `sled` | yes | the durable ledger; without it an engine starts from its last checkpoint |
//! | `fetch` | yes | feeds over HTTP(S): reqwest, rustls, tokio |
//! | `misp` | yes | MISP sources; the parser of MISP events is always there |
//! | `geo` | yes | readers for MaxMind DB files |
//! | `plots` | no | the feed report as an HTML page with plots: plotters, SVG only |
//! | `backtest` | no | replays of dated feeds that judge scorers: `fastrand` |
//! | `cli` | no | the `artif` command, with these two |
//!
//! With `default-features = false` what is left can read snapshots, and parse and compile local
//! files, without tokio, reqwest and sled.

#[cfg(feature = "backtest")]
pub mod backtest;
mod category;
mod change;
#[cfg(feature = "cli")]
pub mod cli;
pub mod client;
mod clock;
mod columns;
pub mod config;
mod duration;
mod engine;
mod error;
mod explain;
pub mod feed;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod gate;
pub mod geo;
mod heap;
mod kept;
pub mod ledger;
pub mod middleware;
pub mod misp;
mod net;
mod overlay;
mod pinned;
pub mod report;
mod reputation;
mod schedule;
pub mod score;
mod sealed;
mod seed_json;
mod signals;
mod snapshot;
mod space;
mod thresholds;
mod verdict;
mod view;
pub mod warninglist;

pub use category::{Category, CategorySet, ThreatLevel};
pub use change::Change;
pub use clock::{Clock, FixedClock, SystemClock};
pub use columns::{Addresses, AnswerColumns};
pub use config::Config;
#[cfg(feature = "misp")]
pub use engine::ExchangeOptions;
pub use engine::{
    Changes, Engine, EngineBuilder, FeedReport, Listener, Member, Outcome, Overrides, Progress,
    Reader, RefreshEvent, RefreshOptions, RefreshReport, RefreshTimings, Refresher,
    ReputationEngine, ScheduleEvent, ScheduleOptions, SnapshotStatus, Status,
};
pub use error::{Error, Result, Source};
pub use explain::{Evidence, Explanation, PastReputation};
pub use feed::{Feed, FeedId, Format, Role, Scope, Where};
pub use gate::Gate;
pub use net::{
    Prefix, Prefix4, Prefix6, PrefixSet, SpecialPurpose, address, canonical_address,
    special_purpose,
};
pub use pinned::Pinned;
pub use reputation::{Borrowed, Held, Owned, Reputation};
pub use signals::{Signal, SignalsStatus};
pub use snapshot::{SnapshotCounts, SnapshotFeed};
pub use verdict::Verdict;
