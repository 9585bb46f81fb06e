//! Feeds: what a list is called, where it comes from, how it is written, what it says.

mod definition;
mod format;
#[cfg_attr(not(test), expect(dead_code, reason = "the engine is its caller"))]
pub(crate) mod source;

pub use definition::{Feed, FeedId, Role, Scope};
pub use format::{Column, Format, JsonPath, Where};
