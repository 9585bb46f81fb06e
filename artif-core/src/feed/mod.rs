//! Feeds: what a list is called, where it comes from, how it is written, what it says.

mod definition;
mod format;

pub use definition::{Feed, FeedId, Role, Scope};
pub use format::{Column, Format, JsonPath, Where};
