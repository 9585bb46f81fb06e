//! Feeds: what a list is called, where it comes from, how it is written, what it says.

mod catalogue;
mod definition;
mod foreign;
mod format;
mod lenient;
mod parse;
pub(crate) mod spec;

pub use catalogue::Catalogue;
pub use definition::{Feed, FeedId, Role, Scope};
pub use format::{
    Column, Columns, Format, HeaderKey, Json, JsonPath, Min, Ndjson, UrlPart, ValueKind, Where,
};
pub use parse::{
    MispAttribute, MispEvent, ParseLimits, ParseReport, Parsed, SkipReason, SkipSample, parse,
    parse_misp_event,
};
