//! Networks and addresses: canonical forms, sets of networks, special-purpose ranges.

mod prefix;
mod set;
mod special;

pub use prefix::{Prefix, Prefix4, Prefix6, canonical_address};
pub use set::PrefixSet;
pub use special::{SpecialPurpose, special_purpose};
