//! What feeds are worth: how much each lists, and how much of that nobody else does; who is first;
//! how much of it is shared infrastructure; what comes and goes; and which feeds are copies of
//! others.
//!
//! The measures are those of "Reading the Tea Leaves: A Comparative Analysis of Threat Intelligence"
//! (USENIX Security 2019), as far as a snapshot can tell: volume, differential and exclusive
//! contribution, latency, coverage, and stand-ins for accuracy. They compare the feeds of one data
//! folder with each other. A feed that lists what nobody else does may be the best or the worst of
//! them; no number here says which.
//!
//! ```
//! use artif_core::{Engine, Feed, RefreshOptions};
//!
//! # let dir = tempfile::tempdir().unwrap();
//! # let url = |name: &str| format!("file:{}", dir.path().join(name).display());
//! # std::fs::write(dir.path().join("wide"), "93.184.216.0/24\n").unwrap();
//! # std::fs::write(dir.path().join("narrow"), "93.184.216.34\n198.41.0.9\n").unwrap();
//! let engine = Engine::builder()
//!     .in_memory()
//!     .feed(Feed::new("wide", &url("wide"))?)
//!     .feed(Feed::new("narrow", &url("narrow"))?)
//!     .build()?;
//! engine.refresh(&RefreshOptions::default())?;
//! let report = engine.feed_report();
//! assert_eq!(report.feeds[0].volume.addresses, 256);
//! // A network covers what is inside: half of the narrow list is in the wide one.
//! assert_eq!(report.overlap("narrow", "wide"), Some(0.5));
//! assert_eq!(report.overlap("wide", "narrow"), Some(0.0));
//! println!("{}", report.to_text());
//! # Ok::<(), artif_core::Error>(())
//! ```

mod build;
mod copies;
#[cfg(feature = "plots")]
mod html;
mod lag;
mod model;
#[cfg(feature = "plots")]
mod plots;
mod space;
mod text;
mod time;

pub use crate::snapshot::ReadCounts;
pub(crate) use build::build;
pub use model::{
    Accuracy, Churn, Coverage, DayChurn, Exclusive, FeedMeasures, FeedsReport, Latency, NearCopy,
    Overlap, Volume,
};
#[cfg(feature = "backtest")]
pub(crate) use text::cut;
