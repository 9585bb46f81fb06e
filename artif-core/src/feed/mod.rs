//! Feeds: what a list is called, where it comes from, how it is written, what it says.

pub(crate) mod added;
mod catalogue;
mod definition;
mod detect;
mod foreign;
mod format;
pub(crate) mod guard;
mod lenient;
mod parse;
#[cfg_attr(not(feature = "fetch"), allow(dead_code, reason = "files need only a part"))]
pub(crate) mod source;
mod spec;

pub use catalogue::Catalogue;
pub use definition::{Feed, FeedId, Role, Scope};
#[cfg(feature = "cli")]
pub(crate) use detect::guess_categories;
pub use detect::{Detected, Hint, Proposal, Refusal, detect};
pub use format::{
    Column, Columns, Format, HeaderKey, Json, JsonPath, Min, Ndjson, UrlPart, ValueKind, Where,
};
pub use guard::FeedGuard;
pub use parse::{
    MispAttribute, MispEvent, ParseLimits, ParseReport, Parsed, SkipReason, SkipSample, parse,
    parse_misp_event,
};
pub(crate) use parse::{cover_v4, cover_v6, covered};
pub use source::{Auth, Headers, SecretSource};
pub(crate) use spec::FeedSpec;
#[cfg(feature = "cli")]
pub(crate) use spec::{absolute_url, format_or_name, parse_duration};
