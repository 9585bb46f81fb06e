//! Feeds: what a list is called, where it comes from, how it is written, what it says.

mod definition;
mod format;
#[cfg_attr(not(feature = "fetch"), allow(dead_code, reason = "files need only a part"))]
#[cfg_attr(all(feature = "fetch", not(test)), expect(dead_code, reason = "for the engine"))]
pub(crate) mod source;

pub use definition::{Feed, FeedId, Role, Scope};
pub use format::{Column, Format, JsonPath, Where};
